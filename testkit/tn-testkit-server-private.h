/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

#include "tn-noise-connection.h"
#include "tn-testkit-server.h"

G_BEGIN_DECLS

/* One Noise connection of a machine. */
typedef struct
{
  TnTestkitServer    *server;
  TnNoiseConnection  *connection;
  TnMachinePublicKey  machine_key;
} TnTestkitSession;

/* One HTTP/2 request, from its head to the end of its answer; the answer may be a map stream. */
typedef struct
{
  TnTestkitSession *session;
  TnHttp2Stream    *http2_stream;
  GByteArray       *body;
  JsonNode         *json;              /* of a registration that waits */
  char             *login;             /* pending login that it waits for */
  gint64            node_id;           /* of a map stream; 0: none */
  guint64           told;              /* generation up to which the node knows */
  gboolean          compress;
  GSource          *keep_alive;
} TnTestkitRequest;

struct _TnTestkitServer
{
  TnTestkitServerOptions         options;
  const TnTestkitServerHandler  *handler;
  gpointer                       user_data;
  TnTestkitRegistry             *registry;
  TnMachinePrivateKey            private_key;
  TnMachinePublicKey             public_key;
  char                          *url;
  SoupServer                    *soup;            /* NULL while stopped */
  GSocketService                *service;         /* accepts for it */
  GPtrArray                     *sessions;
  GPtrArray                     *held;            /* streams of connections that a fault keeps open */
  GPtrArray                     *streams;         /* borrowed requests with a map stream */
  GPtrArray                     *waiting;         /* borrowed requests that wait for a login */
  GHashTable                    *questions;       /* token -> question to a node */
  GHashTable                    *departures;      /* node id -> source that removes an ephemeral node */
  GSource                       *flush;
  TnTestkitFault                 faults[TN_TESTKIT_STAGE_MAP + 1];
  guint                          n_faults[TN_TESTKIT_STAGE_MAP + 1];
};

/* Takes the next fault of @stage. */
TnTestkitFault tn_testkit_server_take_fault    (TnTestkitServer *server, TnTestkitStage stage);
gint64         tn_testkit_now_s                (void);

/* tn-testkit-session.c */
void           tn_testkit_session_start        (TnTestkitServer *server, GIOStream *stream, const guint8 *initiation, gsize len,
                                                TnTestkitFault fault);
void           tn_testkit_session_close        (TnTestkitSession *session);
void           tn_testkit_request_answer       (TnTestkitRequest *request, guint status, const char *content_type,
                                                const void *body, gsize len);
void           tn_testkit_request_answer_text  (TnTestkitRequest *request, guint status, const char *text);
void           tn_testkit_request_retry_later  (TnTestkitRequest *request);

/* tn-testkit-register.c */
void           tn_testkit_register             (TnTestkitRequest *request);
void           tn_testkit_register_resume      (TnTestkitServer *server, const char *login);

/* tn-testkit-map.c */
void           tn_testkit_map                  (TnTestkitRequest *request);
void           tn_testkit_map_flush            (TnTestkitRequest *request);
void           tn_testkit_map_send             (TnTestkitRequest *request, const char *json);
void           tn_testkit_map_detach           (TnTestkitRequest *request);      /* the stream ended */

/* tn-testkit-question.c */
void           tn_testkit_question_free        (gpointer question);
gboolean       tn_testkit_question_answer      (TnTestkitServer *server, const char *path, GBytes *body);
void           tn_testkit_questions_fail       (TnTestkitServer *server);

G_END_DECLS
