/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-http2.h"
#include "tn-noise.h"

G_BEGIN_DECLS

/* HTTP/2 inside Noise records over a stream: what both sides of the control protocol run once the handshake is done. It lives in
 * the thread-default context in which it was made; plain C, counted. */
typedef struct _TnNoiseConnection TnNoiseConnection;

typedef struct
{
  /* Server only; see #TnHttp2Handler. */
  void (*request) (TnNoiseConnection *connection, TnHttp2Stream *stream, gpointer user_data);

  /* Client only: the server takes no new requests on this connection. Those under way go on, and closed() follows behind the last. */
  void (*retired) (TnNoiseConnection *connection, gpointer user_data);

  /* The last call, once, after every stream has closed with the same error; not called after tn_noise_connection_close(). */
  void (*closed)  (TnNoiseConnection *connection, const GError *error, gpointer user_data);
} TnNoiseConnectionHandler;

/* @stream is of any kind, best with pollable ends. @session is copied. @early are @early_len bytes that were read behind the
 * handshake already. Reading starts at once, but no callback comes before control is back at the main loop. */
TnNoiseConnection *tn_noise_connection_new_client (GIOStream *stream, const TnNoiseSession *session, const guint8 *early, gsize early_len,
                                                   const TnNoiseConnectionHandler *handler, gpointer user_data);

/* @first: bytes to put on the wire before the first record, such as the response of the handshake; may be NULL. */
TnNoiseConnection *tn_noise_connection_new_server (GIOStream *stream, const TnNoiseSession *session, const guint8 *early, gsize early_len,
                                                   GBytes *first, const TnNoiseConnectionHandler *handler, gpointer user_data);

TnNoiseConnection *tn_noise_connection_ref        (TnNoiseConnection *connection);
void               tn_noise_connection_unref      (TnNoiseConnection *connection);
TnHttp2           *tn_noise_connection_get_http2  (TnNoiseConnection *connection);
GIOStream         *tn_noise_connection_get_stream (TnNoiseConnection *connection);
gboolean           tn_noise_connection_is_open    (TnNoiseConnection *connection);
gint64             tn_noise_connection_get_last_received_us (TnNoiseConnection *connection);     /* monotonic */

/* Plaintext a record, 1 to TN_NOISE_MAX_PLAINTEXT_LEN, which it is without this. */
void               tn_noise_connection_set_record_len (TnNoiseConnection *connection, gsize len);

/* At once and without a word, as the protocol has it; streams end with %G_IO_ERROR_CANCELLED. An open connection holds itself
 * alive: whoever made it closes it, before dropping the reference. */
void               tn_noise_connection_close      (TnNoiseConnection *connection);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnNoiseConnection, tn_noise_connection_unref)

G_END_DECLS
