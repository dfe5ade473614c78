/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "tailnet-testkit.h"
#include "tn-control-client-private.h"
#include "wait.h"

/* A control client, the server it talks to, and all that the two tell each other. */

typedef struct
{
  char       *path;
  JsonObject *body;
} KitRequest;

typedef struct
{
  TnTestkitControl   *control;
  TnControlClient    *client;
  TnMachinePrivateKey machine_key;
  GString            *states;          /* each new one, by its letter: Connecting, Login, Approval, Running, X refused */
  GPtrArray          *urls;            /* each new one to log in at */
  GPtrArray          *errors;          /* GError: each one shown */
  GPtrArray          *requests;        /* KitRequest, as the server got them */
  guint               n_maps;          /* first messages of a stream that were applied */
  guint               n_messages;
  guint               n_saved;         /* keys to be saved */
  gboolean            save_late;       /* their saving waits for the test */
  guint               wanted;
  const char         *text;            /* for conditions */
  gint64              update_max_us;   /* of the client, as TnControlConfig has it */
  void              (*on_change) (TnControlClient *client);      /* nullable: at each change */
  gboolean            stopped;
} Kit;

void        kit_set_up         (Kit *kit, gconstpointer data);
void        kit_tear_down      (Kit *kit, gconstpointer data);
void        kit_start          (Kit *kit, gboolean with_key);
void        kit_join           (Kit *kit);
void        kit_stop           (Kit *kit);
void        kit_script         (Kit *kit, TnTestkitStage stage, guint status, const char *body);
void        kit_send           (Kit *kit, const char *json);      /* on the map stream */

/* Requests of that path; for a map, streaming or not. */
guint       kit_count          (Kit *kit, const char *path, gboolean streaming);
JsonObject *kit_get            (Kit *kit, const char *path, gboolean streaming, guint n);      /* borrowed */
void        kit_wait_requests  (Kit *kit, const char *path, gboolean streaming, guint n);      /* until there are so many */

/* Conditions for wait_for(). */
gboolean    kit_is_running     (Kit *kit);
gboolean    kit_is_refused     (Kit *kit);
gboolean    kit_needs_login    (Kit *kit);
gboolean    kit_has_maps       (Kit *kit);
gboolean    kit_has_urls       (Kit *kit);
gboolean    kit_has_errors     (Kit *kit);
gboolean    kit_has_health     (Kit *kit);      /* the text in "text", sent with kit_send() to mark an end */
