/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "tn-keys.h"
#include "tn-noise-connection.h"

G_BEGIN_DECLS

/* The bare protocol of a client, a step at a time: for tests of the server. It blocks while it connects, so the server has to have
 * a thread of its own; after that it runs in the default context. A step that takes too long ends the program. */
typedef struct
{
  char                *host;
  guint16              port;
  guint16              version;
  TnMachinePublicKey   control_key;
  TnMachinePrivateKey  machine_key;
  TnNoiseConnection   *connection;
  GError              *closed;           /* why the connection ended, once it has */
} ProtocolClient;

/* The answer to one request, as it comes. */
typedef struct
{
  TnHttp2Stream *stream;                 /* NULL once closed */
  guint          status;
  char          *retry_after;
  GByteArray    *body;
  gsize          read;                   /* messages of a map were taken up to here */
  gboolean       ended;                  /* by the server, in good order */
  gboolean       closed;
} ProtocolAnswer;

ProtocolClient *protocol_client_new        (const char *url);      /* a machine key of its own */
void            protocol_client_free       (ProtocolClient *client);

/* GET of a path outside the encrypted connection. 0: no answer. */
guint           protocol_client_get        (ProtocolClient *client, const char *path, char **body);
gboolean        protocol_client_fetch_key  (ProtocolClient *client);
gboolean        protocol_client_connect    (ProtocolClient *client, GError **error);
void            protocol_client_disconnect (ProtocolClient *client);

ProtocolAnswer *protocol_client_post       (ProtocolClient *client, const char *path, const char *json);
void            protocol_answer_free       (ProtocolAnswer *answer);
void            protocol_answer_wait       (ProtocolAnswer *answer);      /* for its end */
JsonObject     *protocol_answer_parse      (ProtocolAnswer *answer, JsonNode **node);

/* The next message of a map; NULL: the stream ended. */
JsonNode       *protocol_answer_next       (ProtocolAnswer *answer, gboolean compressed);

typedef gboolean (*ProtocolCondition) (gpointer data);
void            protocol_wait_for          (ProtocolCondition condition, gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ProtocolClient, protocol_client_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ProtocolAnswer, protocol_answer_free)

G_END_DECLS
