/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-http2-private.h"

#include <string.h>

#include "tn-error.h"

enum
{
  /* Wide windows: a network map of 10 MB should not wait for window updates. They cost no memory by themselves. */
  STREAM_WINDOW = 4 << 20,
  CONNECTION_WINDOW = 16 << 20,
  MAX_CONCURRENT_STREAMS = 250,
  MAX_HEADER_LIST_LEN = 16 << 10,     /* per stream, what the other side may make us keep */
};

/* --- What nghttp2 calls --- */

TnHttp2Stream *
tn_http2_lookup (TnHttp2 *http2,
                 gint32   id)
{
  return nghttp2_session_get_stream_user_data (http2->session, id);
}

static int
on_begin_headers (nghttp2_session     *session,
                  const nghttp2_frame *frame,
                  void                *user_data)
{
  TnHttp2 *http2 = user_data;
  TnHttp2Stream *stream;

  if (!http2->server || frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
    return 0;
  stream = tn_http2_stream_new (http2, NULL, NULL);
  stream->id = frame->hd.stream_id;
  nghttp2_session_set_stream_user_data (session, stream->id, stream);
  return 0;
}

static gboolean
take_pseudo_header (TnHttp2Stream *stream,
                    const char    *name,
                    const char    *value)
{
  char **slot;

  if (strcmp (name, ":status") == 0)
    {
      stream->status = (guint) g_ascii_strtoull (value, NULL, 10);
      return TRUE;
    }
  if (strcmp (name, ":method") == 0)
    slot = &stream->method;
  else if (strcmp (name, ":path") == 0)
    slot = &stream->path;
  else if (strcmp (name, ":authority") == 0)
    slot = &stream->authority;
  else
    return name[0] == ':';
  g_free (*slot);
  *slot = g_strdup (value);
  return TRUE;
}

static int
on_header (nghttp2_session     *session,
           const nghttp2_frame *frame,
           const uint8_t       *name,
           size_t               name_len,
           const uint8_t       *value,
           size_t               value_len,
           uint8_t              flags,
           void                *user_data)
{
  TnHttp2Stream *stream = tn_http2_lookup (user_data, frame->hd.stream_id);

  if (stream == NULL || stream->announced)
    return 0;
  stream->headers_len += name_len + value_len;
  if (stream->headers_len > MAX_HEADER_LIST_LEN)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;     /* resets the stream */

  /* nghttp2 puts a NUL behind both. */
  if (!take_pseudo_header (stream, (const char *) name, (const char *) value))
    {
      g_ptr_array_add (stream->headers, g_strdup ((const char *) name));
      g_ptr_array_add (stream->headers, g_strdup ((const char *) value));
    }
  return 0;
}

static void
announce_head (TnHttp2             *http2,
               const nghttp2_frame *frame)
{
  TnHttp2Stream *stream = tn_http2_lookup (http2, frame->hd.stream_id);

  if (stream == NULL || stream->announced)
    return;
  if (http2->server && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
    {
      stream->announced = TRUE;
      if (http2->handler->request != NULL)
        http2->handler->request (http2, stream, http2->user_data);
    }
  else if (!http2->server && stream->status >= 200 && frame->headers.cat != NGHTTP2_HCAT_PUSH_RESPONSE)
    {
      stream->announced = TRUE;
      if (stream->handler->headers != NULL)
        stream->handler->headers (stream, stream->user_data);
    }
}

static int
on_frame_recv (nghttp2_session     *session,
               const nghttp2_frame *frame,
               void                *user_data)
{
  TnHttp2 *http2 = user_data;
  TnHttp2Stream *stream;

  if (frame->hd.type == NGHTTP2_GOAWAY)
    {
      if (http2->handler->goaway != NULL && http2->error == NULL)
        http2->handler->goaway (http2, http2->user_data);
      return 0;
    }
  if (frame->hd.type == NGHTTP2_HEADERS)
    announce_head (http2, frame);
  if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
    return 0;

  stream = tn_http2_lookup (http2, frame->hd.stream_id);
  if (stream != NULL)
    {
      stream->remote_ended = TRUE;
      if (stream->handler != NULL && stream->handler->end != NULL)
        stream->handler->end (stream, stream->user_data);
    }
  return 0;
}

static int
on_data_chunk_recv (nghttp2_session *session,
                    uint8_t          flags,
                    int32_t          stream_id,
                    const uint8_t   *data,
                    size_t           len,
                    void            *user_data)
{
  TnHttp2Stream *stream = tn_http2_lookup (user_data, stream_id);

  if (stream != NULL && stream->handler != NULL && stream->handler->data != NULL)
    stream->handler->data (stream, data, len, stream->user_data);
  return 0;
}

static int
on_stream_close (nghttp2_session *session,
                 int32_t          stream_id,
                 uint32_t         error_code,
                 void            *user_data)
{
  TnHttp2Stream *stream = tn_http2_lookup (user_data, stream_id);
  g_autoptr (GError) error = NULL;

  if (stream == NULL)
    return 0;
  /* A server may answer without reading the request to its end, and says NO_ERROR then (RFC 9113 §8.1). */
  if (error_code != NGHTTP2_NO_ERROR || !stream->remote_ended)
    error = g_error_new (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "HTTP/2: stream reset with %s", nghttp2_http2_strerror (error_code));
  tn_http2_stream_close (stream, error);
  return 0;
}

/* A request that GOAWAY overtook was never opened, and on_stream_close() does not come. */
static int
on_frame_not_send (nghttp2_session     *session,
                   const nghttp2_frame *frame,
                   int                  code,
                   void                *user_data)
{
  TnHttp2 *http2 = user_data;
  GHashTableIter iter;
  gpointer stream;

  if (frame->hd.type != NGHTTP2_HEADERS)
    return 0;
  g_hash_table_iter_init (&iter, http2->streams);
  while (g_hash_table_iter_next (&iter, &stream, NULL))
    if (((TnHttp2Stream *) stream)->id == frame->hd.stream_id)
      {
        g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "HTTP/2: %s", nghttp2_strerror (code));

        tn_http2_stream_close (stream, error);
        break;
      }
  return 0;
}

/* --- The session --- */

static void
session_init (TnHttp2 *http2)
{
  nghttp2_session_callbacks *callbacks = NULL;
  nghttp2_option *option = NULL;
  const nghttp2_settings_entry settings[] = {
    { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
    { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
    { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MAX_CONCURRENT_STREAMS },
  };
  gsize skip = http2->server ? 1 : 0;
  int rc;

  rc = nghttp2_session_callbacks_new (&callbacks) | nghttp2_option_new (&option);
  g_assert (rc == 0);
  nghttp2_session_callbacks_set_on_begin_headers_callback (callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback (callbacks, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback (callbacks, on_frame_recv);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback (callbacks, on_data_chunk_recv);
  nghttp2_session_callbacks_set_on_stream_close_callback (callbacks, on_stream_close);
  nghttp2_session_callbacks_set_on_frame_not_send_callback (callbacks, on_frame_not_send);
  nghttp2_session_callbacks_set_send_data_callback (callbacks, tn_http2_send_queue);
  /* Closed streams are not kept for priorities that nobody uses. */
  nghttp2_option_set_no_closed_streams (option, 1);
  rc = http2->server ? nghttp2_session_server_new2 (&http2->session, callbacks, http2, option)
                     : nghttp2_session_client_new2 (&http2->session, callbacks, http2, option);
  g_assert (rc == 0);
  nghttp2_session_callbacks_del (callbacks);
  nghttp2_option_del (option);

  rc = nghttp2_submit_settings (http2->session, NGHTTP2_FLAG_NONE, settings + skip, G_N_ELEMENTS (settings) - skip);
  rc |= nghttp2_session_set_local_window_size (http2->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
  g_assert (rc == 0);
}

static TnHttp2 *
http2_new (const TnHttp2Handler *handler,
           gpointer              user_data,
           gboolean              server)
{
  TnHttp2 *http2 = g_new0 (TnHttp2, 1);

  g_atomic_ref_count_init (&http2->ref_count);
  http2->handler = handler;
  http2->user_data = user_data;
  http2->server = server != FALSE;
  http2->streams = g_hash_table_new_full (NULL, NULL, tn_http2_stream_free, NULL);
  session_init (http2);
  return http2;
}

TnHttp2 *
tn_http2_new_client (const TnHttp2Handler *handler,
                     gpointer              user_data)
{
  return http2_new (handler, user_data, FALSE);
}

TnHttp2 *
tn_http2_new_server (const TnHttp2Handler *handler,
                     gpointer              user_data)
{
  return http2_new (handler, user_data, TRUE);
}

TnHttp2 *
tn_http2_ref (TnHttp2 *http2)
{
  g_atomic_ref_count_inc (&http2->ref_count);
  return http2;
}

void
tn_http2_unref (TnHttp2 *http2)
{
  if (!g_atomic_ref_count_dec (&http2->ref_count))
    return;
  g_clear_pointer (&http2->session, nghttp2_session_del);
  g_hash_table_unref (http2->streams);
  g_clear_error (&http2->error);
  g_free (http2);
}

static gboolean
check_alive (TnHttp2  *http2,
             GError  **error)
{
  if (http2->error == NULL)
    return TRUE;
  g_propagate_error (error, g_error_copy (http2->error));
  return FALSE;
}

gboolean
tn_http2_receive (TnHttp2       *http2,
                  const guint8  *data,
                  gsize          len,
                  GError       **error)
{
  G_GNUC_UNUSED g_autoptr (TnHttp2) hold = tn_http2_ref (http2);
  ssize_t used;

  if (!check_alive (http2, error))
    return FALSE;

  http2->depth++;
  used = nghttp2_session_mem_recv (http2->session, data, len);
  http2->depth--;
  if (!check_alive (http2, error))
    return FALSE;
  if (used < 0 || (gsize) used != len)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "HTTP/2: %s", used < 0 ? nghttp2_strerror ((int) used) : "bytes behind the end");
      return FALSE;
    }
  return TRUE;
}

gboolean
tn_http2_pull (TnHttp2     *http2,
               GByteArray  *out,
               gsize        max,
               GError     **error)
{
  G_GNUC_UNUSED g_autoptr (TnHttp2) hold = tn_http2_ref (http2);

  g_return_val_if_fail (http2->depth == 0, TRUE);

  http2->out = out;
  http2->out_max = max;
  while (out->len < max)
    {
      const uint8_t *data;
      ssize_t n;

      if (!check_alive (http2, error))
        return FALSE;
      http2->depth++;
      n = nghttp2_session_mem_send (http2->session, &data);
      http2->depth--;
      if (n < 0)
        {
          g_set_error (error, TN_ERROR, TN_ERROR_FAILED, "HTTP/2: %s", nghttp2_strerror ((int) n));
          return FALSE;
        }
      if (n == 0)
        break;
      g_byte_array_append (out, data, (guint) n);
    }
  return TRUE;
}

void
tn_http2_ping (TnHttp2 *http2)
{
  if (http2->error == NULL && nghttp2_submit_ping (http2->session, NGHTTP2_FLAG_NONE, NULL) == 0)
    tn_http2_wake (http2);
}

void
tn_http2_retire (TnHttp2 *http2)
{
  g_return_if_fail (http2->server);

  if (http2->error == NULL && nghttp2_submit_goaway (http2->session, NGHTTP2_FLAG_NONE,
                                                     nghttp2_session_get_last_proc_stream_id (http2->session), NGHTTP2_NO_ERROR, NULL, 0) == 0)
    tn_http2_wake (http2);
}

gboolean
tn_http2_is_done (TnHttp2 *http2)
{
  return http2->error != NULL || (!nghttp2_session_want_read (http2->session) && !nghttp2_session_want_write (http2->session));
}

void
tn_http2_shutdown (TnHttp2      *http2,
                   const GError *error)
{
  G_GNUC_UNUSED g_autoptr (TnHttp2) hold = tn_http2_ref (http2);

  if (http2->error == NULL)
    http2->error = g_error_copy (error);
  /* What one of them does when it is closed may close others, or ask for new ones. */
  while (g_hash_table_size (http2->streams) > 0)
    {
      g_autoptr (GList) streams = g_hash_table_get_keys (http2->streams);

      for (GList *l = streams; l != NULL; l = l->next)
        if (g_hash_table_contains (http2->streams, l->data))
          tn_http2_stream_close (l->data, error);
    }
}
