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

typedef struct _TnTestkitScript TnTestkitScript;

/* A connection on its way from HTTP to Noise. */
typedef struct
{
  TnTestkitServer *server;
  TnTestkitFault   fault;
  gboolean         corked;         /* nobody has answered the upgrade yet */
  gboolean         scripted;       /* early says what precedes HTTP/2; else the server's settings do */
  GBytes          *early;          /* nullable */
  gsize            len;
  guint8           initiation[TN_NOISE_INITIATION_LEN];
} TnTestkitUpgrade;

struct _TnTestkitServer
{
  TnTestkitServerOptions         options;
  const TnTestkitServerHandler  *handler;
  gpointer                       user_data;
  TnTestkitRegistry             *registry;
  TnMachinePrivateKey            private_key;
  TnMachinePublicKey             public_key;
  guint8                         token_private_key[64];      /* Ed25519, as libsodium has it; as long as the server's own key */
  guint8                         token_public_key[32];
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
  TnTestkitFault                 faults[TN_TESTKIT_N_STAGES];
  guint                          n_faults[TN_TESTKIT_N_STAGES];
  TnTestkitScript               *script;
};

/* Takes the next fault of @stage. */
TnTestkitFault tn_testkit_server_take_fault    (TnTestkitServer *server, TnTestkitStage stage);

/* tn-testkit-script.c */
TnTestkitScript *tn_testkit_script_new           (void);
void             tn_testkit_script_free          (TnTestkitScript *script);
void             tn_testkit_script_add           (TnTestkitScript *script, TnTestkitStage stage, guint status, const char *const *headers,
                                                  GBytes *body);
void             tn_testkit_script_add_message   (TnTestkitScript *script, const char *json);
char            *tn_testkit_script_take_message  (TnTestkitScript *script);      /* NULL: none is left */
void             tn_testkit_script_drop_request  (TnTestkitScript *script, TnTestkitRequest *request);

/* What the script has for a request. FALSE: nothing, go on. */
gboolean         tn_testkit_script_run           (TnTestkitRequest *request, TnTestkitStage stage);
gboolean         tn_testkit_script_run_outer     (TnTestkitServer *server, SoupServerMessage *message, TnTestkitStage stage);

/* FALSE: it is answered, and that is all. */
gboolean         tn_testkit_script_run_upgrade   (TnTestkitUpgrade *upgrade, SoupServerMessage *message);

/* tn-testkit-session.c. */
void           tn_testkit_session_start        (const TnTestkitUpgrade *upgrade, GIOStream *stream);
void           tn_testkit_session_close        (TnTestkitSession *session);
void           tn_testkit_request_answer       (TnTestkitRequest *request, guint status, const char *content_type,
                                                const void *body, gsize len);
void           tn_testkit_request_answer_text  (TnTestkitRequest *request, guint status, const char *text);
void           tn_testkit_request_retry_later  (TnTestkitRequest *request, TnTestkitFault fault);      /* 429 or 503 */

/* tn-testkit-register.c */
void           tn_testkit_register             (TnTestkitRequest *request);
gboolean       tn_testkit_request_apply_fault  (TnTestkitRequest *request, TnTestkitFault fault);      /* FALSE: none that replaces the answer */

/* tn-testkit-id-token.c */
#define TN_TESTKIT_ID_TOKEN_KEYS_PATH          "/.well-known/jwks.json"
#define TN_TESTKIT_ID_TOKEN_CONFIGURATION_PATH "/.well-known/openid-configuration"
void           tn_testkit_id_token_init        (TnTestkitServer *server);
void           tn_testkit_id_token             (TnTestkitRequest *request);
char          *tn_testkit_id_token_dup_key_set (TnTestkitServer *server);
char          *tn_testkit_id_token_dup_configuration (TnTestkitServer *server);

/* tn-testkit-set-dns.c */
void           tn_testkit_set_dns              (TnTestkitRequest *request);
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
