/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "tn-testkit-control.h"
#include "tn-testkit-registry.h"

G_BEGIN_DECLS

/* The control server itself, all in one context: the thread-default one of tn_testkit_server_start(). #TnTestkitControl is its
 * public face. */
typedef struct _TnTestkitServer TnTestkitServer;

#define TN_TESTKIT_N_STAGES (TN_TESTKIT_STAGE_ID_TOKEN + 1)

typedef struct
{
  void (*login)   (const char *url, gpointer user_data);
  void (*changed) (gpointer user_data);                        /* some node, once for many changes */
  void (*request) (const char *machine, const char *path, const char *body, gpointer user_data);
} TnTestkitServerHandler;

typedef struct
{
  char            *address;            /* to listen on */
  guint16          port;               /* 0: any; the first one got is kept */
  GTlsCertificate *certificate;        /* nullable: plain HTTP */
  guint            keep_alive_ms;
  guint            ephemeral_timeout_ms;
  guint            retry_after_s;
  guint            minimum_version;
  gboolean         early_payload;
  guint            record_size;
  gboolean         compression;
  gboolean         corked;
  gint64           clock_offset_s;
  gboolean         resumable_sessions;
} TnTestkitServerOptions;

TnTestkitServer   *tn_testkit_server_new           (TnTestkitRegistry *registry, const TnTestkitServerHandler *handler,
                                                    gpointer user_data);                    /* takes @registry */
void               tn_testkit_server_free          (TnTestkitServer *server);
TnTestkitServerOptions *tn_testkit_server_options  (TnTestkitServer *server);
TnTestkitRegistry *tn_testkit_server_registry      (TnTestkitServer *server);
gint64             tn_testkit_server_now_s         (const TnTestkitServer *server);

gboolean           tn_testkit_server_start         (TnTestkitServer *server, GError **error);
void               tn_testkit_server_stop          (TnTestkitServer *server);
void               tn_testkit_server_forget        (TnTestkitServer *server);
char              *tn_testkit_server_dup_url       (TnTestkitServer *server);               /* NULL before the first start */

/* After a change in the registry: tells it to the map streams, once control is back at the main loop. */
void               tn_testkit_server_changed       (TnTestkitServer *server);
gboolean           tn_testkit_server_approve       (TnTestkitServer *server, const char *auth_url, const char *user, GError **error);
void               tn_testkit_server_remove        (TnTestkitServer *server, TnTestkitRecord *record);
void               tn_testkit_server_rotate_key    (TnTestkitServer *server);
void               tn_testkit_server_script        (TnTestkitServer *server, TnTestkitStage stage, guint status, const char *const *headers,
                                                    GBytes *body);
void               tn_testkit_server_add_first_message (TnTestkitServer *server, const char *json);
void               tn_testkit_server_hold          (TnTestkitServer *server, TnTestkitStage stage);
guint              tn_testkit_server_release       (TnTestkitServer *server, TnTestkitStage stage);
void               tn_testkit_server_inject_fault  (TnTestkitServer *server, TnTestkitStage stage, TnTestkitFault fault, guint n_times);

/* @record NULL: all. How many were meant. */
guint              tn_testkit_server_send          (TnTestkitServer *server, TnTestkitRecord *record, const char *json);
guint              tn_testkit_server_end_streams   (TnTestkitServer *server, TnTestkitRecord *record);
guint              tn_testkit_server_drop          (TnTestkitServer *server, TnTestkitRecord *record);
guint              tn_testkit_server_retire        (TnTestkitServer *server, TnTestkitRecord *record);

/* Returns a GBytes through @task, which it takes. @payload: HTTP request for the node; NULL: a ping. */
void               tn_testkit_server_ask           (TnTestkitServer *server, TnTestkitRecord *record, const char *types,
                                                    const char *address, gboolean encrypted, GBytes *payload, GTask *task);

G_END_DECLS
