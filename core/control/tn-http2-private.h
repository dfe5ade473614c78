/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <nghttp2/nghttp2.h>

#include "tn-http2.h"

G_BEGIN_DECLS

/* For tn-http2*.c alone. */
struct _TnHttp2Stream
{
  TnHttp2                    *http2;
  const TnHttp2StreamHandler *handler;
  gpointer                    user_data;
  gint32                      id;              /* 0: never got onto the wire */
  guint                       status;
  char                       *method;
  char                       *path;
  char                       *authority;
  GPtrArray                  *headers;         /* name, value, name, value… of the other side */
  gsize                       headers_len;
  GByteArray                 *queue;           /* bytes of ours that wait */
  gsize                       queue_start;
  GSource                    *refusal;         /* closed() to come for a request that came too late */
  guint                       ending : 1;      /* our side ends behind the queue */
  guint                       responded : 1;
  guint                       deferred : 1;    /* nghttp2 waits for more of the queue */
  guint                       remote_ended : 1;
  guint                       announced : 1;   /* the other side's head is whole; what may come yet are trailers */
};

struct _TnHttp2
{
  gatomicrefcount        ref_count;
  const TnHttp2Handler  *handler;
  gpointer               user_data;
  nghttp2_session       *session;
  GHashTable            *streams;      /* of TnHttp2Stream, owned */
  GError                *error;        /* once down */
  GByteArray            *out;          /* while it is pulled: where bytes go, and how many at most */
  gsize                  out_max;
  guint                  depth;        /* inside nghttp2: nothing may be pulled */
  guint                  server : 1;
};

/* Wants to be pulled, unless nghttp2 is at work. */
void           tn_http2_wake         (TnHttp2 *http2);
TnHttp2Stream *tn_http2_lookup       (TnHttp2 *http2, gint32 id);      /* nullable */

TnHttp2Stream *tn_http2_stream_new   (TnHttp2 *http2, const TnHttp2StreamHandler *handler, gpointer user_data);
void           tn_http2_stream_free  (gpointer stream);

/* Tells its handler, and frees it. */
void           tn_http2_stream_close (TnHttp2Stream *stream, const GError *error);

/* An nghttp2_data_source_read_callback and its nghttp2_send_data_callback: what is sent is copied once, into what is pulled, so that
 * secrets lie in no buffer of nghttp2. */
ssize_t        tn_http2_read_queue   (nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t len, uint32_t *data_flags,
                                      nghttp2_data_source *source, void *user_data);
int            tn_http2_send_queue   (nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t len,
                                      nghttp2_data_source *source, void *user_data);

G_END_DECLS
