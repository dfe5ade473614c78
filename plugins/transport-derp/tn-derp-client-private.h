/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The insides of a client, for the files that share the work: life and writing, getting in, reading. */

#include "tn-box.h"
#include "tn-derp-client.h"
#include "tn-derp-dial.h"
#include "tn-derp-queue.h"
#include "tn-derp-tls.h"

G_BEGIN_DECLS

#define TN_DERP_READ_BUFFER_LEN (128 << 10)

typedef enum
{
  TN_DERP_CLIENT_DIALLING,
  TN_DERP_CLIENT_HANDSHAKE,
  TN_DERP_CLIENT_UPGRADE,       /* the request is out */
  TN_DERP_CLIENT_GREETING,
  TN_DERP_CLIENT_UP,
  TN_DERP_CLIENT_CLOSED,
} TnDerpClientState;

/* What fills one slot of the pool. */
typedef struct
{
  TnNodePrivateKey node_key;      /* until the relay has let us in */
  guint8           shared[TN_KEY_LEN];
} TnDerpSecrets;

struct _TnDerpClient
{
  grefcount                 ref_count;       /* closing from within a dispatch */
  TnDerpClientState         state;
  const TnDerpClientEvents *events;
  gpointer                  user_data;

  TnRelayRegion            *region;
  const TnRelayNode        *node;            /* of region */
  TnDerpSecrets            *secrets;         /* in the locked pool; NULL: closed */
  GTlsDatabase             *tls_database;
  char                     *app_name;
  gboolean                  is_home;
  TnDerpTimes               times;

  TnDerpDial               *dial;
  GSocketConnection        *connection;
  int                       fd;
  TnDerpTls                *tls;
  GSource                  *source;
  gpointer                  fd_tag;
  GIOCondition              condition;       /* polled for */
  gint64                    deadline_us;     /* connecting: absolute; up: of the next frame */
  gint64                    ping_deadline_us;
  guint8                    ping_token[TN_DERP_PING_LEN];
  gboolean                  input_left;      /* stopped reading before there was no more */
  GError                   *send_error;      /* found inside send(): told in the next dispatch */

  TnDerpQueue               queue;
  TnPacketBatch            *batch;           /* its slab is the read buffer, its packets are frames in it */
  TnPathAddress             from[TN_PACKET_BATCH_MAX];
};

/* These close the client, and tell. They take @error. */
void     tn_derp_client_fail           (TnDerpClient *self, GError *error);
void     tn_derp_client_fail_malformed (TnDerpClient *self, const char *message);
void     tn_derp_client_fail_io        (TnDerpClient *self, TnDerpIo io, GError *error);

/* A frame of our own, urgent. */
void     tn_derp_client_push_frame     (TnDerpClient *self, TnDerpFrameType type, const void *payload, gsize len);

/* Getting in. FALSE: not yet, or closed. */
void     tn_derp_client_handshake      (TnDerpClient *self);
gboolean tn_derp_client_parse_upgrade  (TnDerpClient *self, TnReader *r);
gboolean tn_derp_client_parse_greeting (TnDerpClient *self, TnReader *r);

/* Reads and deals with what there is, or a fair part of it. FALSE: closed. */
gboolean tn_derp_client_read           (TnDerpClient *self);

G_END_DECLS
