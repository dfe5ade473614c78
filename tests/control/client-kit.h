/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-testkit.h"
#include "tn-control-client-private.h"
#include "wait.h"

/* A control client, and the test library's server. */
typedef struct _Fixture Fixture;
struct _Fixture
{
  TnTestkitControl *control;
  GTlsDatabase     *tls_database;  /* nullable: what the client trusts */
  char             *url;
  TnControlClient  *client;
  GString          *states;        /* each new one, by its letter */
  GPtrArray        *urls;          /* each new one to log in at */
  GPtrArray        *errors;        /* GError: each new one */
  guint             n_full;        /* first messages of a map stream */
  guint             n_peers;       /* as changes have it */
  guint             wanted;
  gint64            request_max_us;  /* of the client, as TnControlConfig has it */
  gboolean          no_plain_http;   /* to public hosts */
  gboolean          stopped;
  guint             n_messages;    /* of the map, that changed something */
  void            (*on_map) (Fixture *fixture);      /* nullable: at the first message of a stream */
};

gboolean is_running (Fixture *fixture);
gboolean has_maps (Fixture *fixture);
gboolean has_urls (Fixture *fixture);
gboolean has_errors (Fixture *fixture);
gboolean is_stopped (Fixture *fixture);
void fixture_init (Fixture *fixture);
void fixture_clear (Fixture *fixture);
void set_up (Fixture *fixture, gconstpointer data);
void tear_down (Fixture *fixture, gconstpointer data);
void start_as (Fixture *fixture, const char *hostname, gboolean with_key, gint64 silence_max_us);
void start (Fixture *fixture, gboolean with_key, gint64 silence_max_us);
void join (Fixture *fixture);
TnTestkitNode *lookup_node (Fixture *fixture);
