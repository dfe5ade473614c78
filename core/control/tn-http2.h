/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* HTTP/2 (RFC 9113) with prior knowledge on nghttp2, client and server, without I/O: bytes in by tn_http2_receive(), bytes out by
 * tn_http2_pull(); #TnNoiseConnection moves them. One context only. Any call is allowed from inside any callback. */
typedef struct _TnHttp2       TnHttp2;
typedef struct _TnHttp2Stream TnHttp2Stream;

/* How the events of one stream arrive. Each member may be NULL. */
typedef struct
{
  void (*headers) (TnHttp2Stream *stream, gpointer user_data);                                   /* client: the answer's head is there */
  void (*data)    (TnHttp2Stream *stream, const guint8 *data, gsize len, gpointer user_data);
  void (*end)     (TnHttp2Stream *stream, gpointer user_data);                                   /* nothing follows from the other side */

  /* Always the last one, and always called unless tn_http2_stream_cancel() was; @stream is gone after it. @error is NULL when both
   * sides had come to their end, or else says why it broke off. */
  void (*closed)  (TnHttp2Stream *stream, const GError *error, gpointer user_data);
} TnHttp2StreamHandler;

typedef struct
{
  /* There is something to pull. */
  void (*wake)    (TnHttp2 *http2, gpointer user_data);

  /* Server only: the head of a request is there. Call tn_http2_stream_set_handler() in here. */
  void (*request) (TnHttp2 *http2, TnHttp2Stream *stream, gpointer user_data);

  /* Client only, optional: the other side takes no new requests (GOAWAY). Those that it has not seen are closed behind this. */
  void (*goaway)  (TnHttp2 *http2, gpointer user_data);
} TnHttp2Handler;

TnHttp2       *tn_http2_new_client (const TnHttp2Handler *handler, gpointer user_data);
TnHttp2       *tn_http2_new_server (const TnHttp2Handler *handler, gpointer user_data);
TnHttp2       *tn_http2_ref        (TnHttp2 *http2);
void           tn_http2_unref      (TnHttp2 *http2);

/* An error is the end of the connection: call tn_http2_shutdown() with it. */
gboolean       tn_http2_receive    (TnHttp2 *http2, const guint8 *data, gsize len, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Appends to @out until nothing is left to send or @max is reached; FALSE with an error on the end of the connection. */
gboolean       tn_http2_pull       (TnHttp2 *http2, GByteArray *out, gsize max, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Asks the other side for a sign of life, which tn_http2_receive() takes without a word. */
void           tn_http2_ping       (TnHttp2 *http2);

/* Server: takes no new requests (GOAWAY). Those under way go on, and the connection is done with the last of them. */
void           tn_http2_retire     (TnHttp2 *http2);

/* Neither side wants anything any more. */
gboolean       tn_http2_is_done    (TnHttp2 *http2);

/* Closes every stream with @error and calls no handler after that. Later requests fail at once. */
void           tn_http2_shutdown   (TnHttp2 *http2, const GError *error);

/* Client: sends a request; @headers are pairs of name (lower case) and value with a NULL behind them, or NULL; @body may be NULL.
 * Never returns NULL: when the connection is down, closed() follows from an idle source of the thread-default context. */
TnHttp2Stream *tn_http2_request    (TnHttp2 *http2, const char *method, const char *authority, const char *path,
                                    const char *const *headers, GBytes *body, const TnHttp2StreamHandler *handler, gpointer user_data);

/* Stops the stream both ways; no callback comes any more and @stream is gone. */
void           tn_http2_stream_cancel       (TnHttp2Stream *stream);

guint          tn_http2_stream_get_status   (TnHttp2Stream *stream);       /* client; 0 before headers() */
const char    *tn_http2_stream_get_method   (TnHttp2Stream *stream);       /* server, as are the next two */
const char    *tn_http2_stream_get_path     (TnHttp2Stream *stream);
const char    *tn_http2_stream_get_authority (TnHttp2Stream *stream);
const char    *tn_http2_stream_get_header   (TnHttp2Stream *stream, const char *name);    /* of the other side; first one, NULL: none */
TnHttp2       *tn_http2_stream_get_http2    (TnHttp2Stream *stream);

/* Server. */
void           tn_http2_stream_set_handler  (TnHttp2Stream *stream, const TnHttp2StreamHandler *handler, gpointer user_data);
void           tn_http2_stream_respond      (TnHttp2Stream *stream, guint status, const char *const *headers);
void           tn_http2_stream_write        (TnHttp2Stream *stream, const void *data, gsize len);    /* queued in full */
void           tn_http2_stream_end          (TnHttp2Stream *stream);
gsize          tn_http2_stream_get_queued   (TnHttp2Stream *stream);       /* bytes written that have not left yet */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnHttp2, tn_http2_unref)

G_END_DECLS
