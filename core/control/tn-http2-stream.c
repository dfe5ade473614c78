/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-http2-private.h"

#include <string.h>

#define FRAME_HEADER_LEN 9      /* RFC 9113 §4.1 */

/* Streams: their life, requests and answers, and the queue of what waits to be sent. */

/* --- Life --- */

TnHttp2Stream *
tn_http2_stream_new (TnHttp2                    *http2,
                     const TnHttp2StreamHandler *handler,
                     gpointer                    user_data)
{
  TnHttp2Stream *stream = g_new0 (TnHttp2Stream, 1);

  stream->http2 = http2;
  stream->handler = handler;
  stream->user_data = user_data;
  stream->headers = g_ptr_array_new_with_free_func (g_free);
  g_hash_table_add (http2->streams, stream);
  return stream;
}

/* A body may hold an auth key. */
static void
drop_queue (TnHttp2Stream *stream)
{
  if (stream->queue == NULL)
    return;
  explicit_bzero (stream->queue->data, stream->queue->len);
  g_clear_pointer (&stream->queue, g_byte_array_unref);
  stream->queue_start = 0;
}

void
tn_http2_stream_free (gpointer data)
{
  TnHttp2Stream *stream = data;

  if (stream->refusal != NULL)
    {
      g_source_destroy (stream->refusal);
      g_source_unref (stream->refusal);
    }
  g_free (stream->method);
  g_free (stream->path);
  g_free (stream->authority);
  g_ptr_array_unref (stream->headers);
  drop_queue (stream);
  g_free (stream);
}

/* Takes the stream out of everything; whatever nghttp2 still says about its id finds nothing. */
static void
stream_detach (TnHttp2Stream *stream)
{
  TnHttp2 *http2 = stream->http2;

  if (stream->id > 0 && http2->session != NULL)
    nghttp2_session_set_stream_user_data (http2->session, stream->id, NULL);
  g_hash_table_steal (http2->streams, stream);
}

void
tn_http2_stream_close (TnHttp2Stream *stream,
                       const GError  *error)
{
  stream_detach (stream);
  if (stream->handler != NULL && stream->handler->closed != NULL)
    stream->handler->closed (stream, error, stream->user_data);
  tn_http2_stream_free (stream);
}

void
tn_http2_wake (TnHttp2 *http2)
{
  if (http2->depth == 0 && http2->error == NULL && http2->handler->wake != NULL)
    http2->handler->wake (http2, http2->user_data);
}

static gboolean
stream_refused_cb (gpointer user_data)
{
  TnHttp2Stream *stream = user_data;
  g_autoptr (TnHttp2) http2 = tn_http2_ref (stream->http2);
  g_autoptr (GError) error = NULL;

  if (http2->error != NULL)
    error = g_error_copy (http2->error);
  else
    error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "HTTP/2: no request accepted any more");
  tn_http2_stream_close (stream, error);
  return G_SOURCE_REMOVE;
}

static void
stream_refuse (TnHttp2Stream *stream)
{
  stream->refusal = g_idle_source_new ();
  g_source_set_priority (stream->refusal, G_PRIORITY_DEFAULT);
  g_source_set_callback (stream->refusal, stream_refused_cb, stream, NULL);
  g_source_attach (stream->refusal, g_main_context_get_thread_default ());
}

/* --- The queue --- */

ssize_t
tn_http2_read_queue (nghttp2_session     *session,
                     int32_t              stream_id,
                     uint8_t             *buf,
                     size_t               len,
                     uint32_t            *data_flags,
                     nghttp2_data_source *source,
                     void                *user_data)
{
  TnHttp2Stream *stream = tn_http2_lookup (user_data, stream_id);
  gsize n_queued, n;

  if (stream == NULL)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;

  n_queued = tn_http2_stream_get_queued (stream);
  n = MIN (len, n_queued);
  if (n == n_queued && stream->ending)
    {
      *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    }
  else if (n == 0)
    {
      stream->deferred = TRUE;
      return NGHTTP2_ERR_DEFERRED;
    }
  if (n > 0)
    *data_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  return (ssize_t) n;
}

int
tn_http2_send_queue (nghttp2_session     *session,
                     nghttp2_frame       *frame,
                     const uint8_t       *header,
                     size_t               len,
                     nghttp2_data_source *source,
                     void                *user_data)
{
  TnHttp2 *http2 = user_data;
  TnHttp2Stream *stream = tn_http2_lookup (http2, frame->hd.stream_id);

  if (stream == NULL || tn_http2_stream_get_queued (stream) < len)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  if (http2->out->len > 0 && http2->out->len + FRAME_HEADER_LEN + len > http2->out_max)
    return NGHTTP2_ERR_WOULDBLOCK;

  g_byte_array_append (http2->out, header, FRAME_HEADER_LEN);
  g_byte_array_append (http2->out, stream->queue->data + stream->queue_start, (guint) len);
  stream->queue_start += len;
  if (tn_http2_stream_get_queued (stream) == 0)
    drop_queue (stream);
  return 0;
}

/* --- Requests and answers --- */

static void
add_header (GArray     *nv,
            const char *name,
            const char *value)
{
  nghttp2_nv entry = {
    .name = (uint8_t *) (guintptr) name, .namelen = strlen (name),
    .value = (uint8_t *) (guintptr) value, .valuelen = strlen (value),
  };

  g_array_append_val (nv, entry);
}

static void
add_headers (GArray            *nv,
             const char *const *headers)
{
  for (; headers != NULL && headers[0] != NULL; headers += 2)
    add_header (nv, headers[0], headers[1]);
}

TnHttp2Stream *
tn_http2_request (TnHttp2                    *http2,
                  const char                 *method,
                  const char                 *authority,
                  const char                 *path,
                  const char *const          *headers,
                  GBytes                     *body,
                  const TnHttp2StreamHandler *handler,
                  gpointer                    user_data)
{
  g_autoptr (GArray) nv = g_array_new (FALSE, FALSE, sizeof (nghttp2_nv));
  nghttp2_data_provider provider = { .read_callback = tn_http2_read_queue };
  TnHttp2Stream *stream = tn_http2_stream_new (http2, handler, user_data);

  g_return_val_if_fail (!http2->server, stream);

  add_header (nv, ":method", method);
  add_header (nv, ":scheme", "https");
  add_header (nv, ":authority", authority);
  add_header (nv, ":path", path);
  add_headers (nv, headers);
  stream->ending = TRUE;
  if (body != NULL && g_bytes_get_size (body) > 0)
    {
      stream->queue = g_byte_array_sized_new ((guint) g_bytes_get_size (body));
      g_byte_array_append (stream->queue, g_bytes_get_data (body, NULL), (guint) g_bytes_get_size (body));
    }

  if (http2->error == NULL)
    stream->id = nghttp2_submit_request (http2->session, NULL, (nghttp2_nv *) nv->data, nv->len,
                                         stream->queue != NULL ? &provider : NULL, stream);
  if (stream->id <= 0)
    {
      stream->id = 0;
      stream_refuse (stream);
    }
  else
    tn_http2_wake (http2);
  return stream;
}

void
tn_http2_stream_cancel (TnHttp2Stream *stream)
{
  TnHttp2 *http2 = stream->http2;

  stream_detach (stream);
  if (stream->id > 0 && http2->error == NULL)
    {
      nghttp2_submit_rst_stream (http2->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
      tn_http2_wake (http2);
    }
  tn_http2_stream_free (stream);
}

guint
tn_http2_stream_get_status (TnHttp2Stream *stream)
{
  return stream->status;
}

const char *
tn_http2_stream_get_method (TnHttp2Stream *stream)
{
  return stream->method;
}

const char *
tn_http2_stream_get_path (TnHttp2Stream *stream)
{
  return stream->path;
}

const char *
tn_http2_stream_get_authority (TnHttp2Stream *stream)
{
  return stream->authority;
}

const char *
tn_http2_stream_get_header (TnHttp2Stream *stream,
                            const char    *name)
{
  for (guint i = 0; i + 1 < stream->headers->len; i += 2)
    if (g_ascii_strcasecmp (g_ptr_array_index (stream->headers, i), name) == 0)
      return g_ptr_array_index (stream->headers, i + 1);
  return NULL;
}

TnHttp2 *
tn_http2_stream_get_http2 (TnHttp2Stream *stream)
{
  return stream->http2;
}

void
tn_http2_stream_set_handler (TnHttp2Stream              *stream,
                             const TnHttp2StreamHandler *handler,
                             gpointer                    user_data)
{
  stream->handler = handler;
  stream->user_data = user_data;
}

void
tn_http2_stream_respond (TnHttp2Stream     *stream,
                         guint              status,
                         const char *const *headers)
{
  TnHttp2 *http2 = stream->http2;
  g_autoptr (GArray) nv = g_array_new (FALSE, FALSE, sizeof (nghttp2_nv));
  nghttp2_data_provider provider = { .read_callback = tn_http2_read_queue };
  char text[12];

  g_return_if_fail (http2->server && !stream->responded);

  stream->responded = TRUE;
  g_snprintf (text, sizeof text, "%u", status);
  add_header (nv, ":status", text);
  add_headers (nv, headers);
  if (http2->error == NULL && nghttp2_submit_response (http2->session, stream->id, (nghttp2_nv *) nv->data, nv->len, &provider) == 0)
    tn_http2_wake (http2);
}

static void
stream_resume (TnHttp2Stream *stream)
{
  TnHttp2 *http2 = stream->http2;

  if (http2->error != NULL)
    return;
  if (stream->deferred)
    {
      stream->deferred = FALSE;
      nghttp2_session_resume_data (http2->session, stream->id);
    }
  tn_http2_wake (http2);
}

void
tn_http2_stream_write (TnHttp2Stream *stream,
                       const void    *data,
                       gsize          len)
{
  g_return_if_fail (!stream->ending);

  if (len == 0)
    return;
  if (stream->queue == NULL)
    stream->queue = g_byte_array_new ();
  else if (stream->queue_start > stream->queue->len / 2)
    {
      g_byte_array_remove_range (stream->queue, 0, (guint) stream->queue_start);
      stream->queue_start = 0;
    }
  g_byte_array_append (stream->queue, data, (guint) len);
  stream_resume (stream);
}

void
tn_http2_stream_end (TnHttp2Stream *stream)
{
  if (stream->ending)
    return;
  stream->ending = TRUE;
  stream_resume (stream);
}

gsize
tn_http2_stream_get_queued (TnHttp2Stream *stream)
{
  return stream->queue != NULL ? stream->queue->len - stream->queue_start : 0;
}
