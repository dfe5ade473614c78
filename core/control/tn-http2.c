/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-http2.h"

#include <nghttp2/nghttp2.h>
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
};

struct _TnHttp2
{
  gatomicrefcount        ref_count;
  const TnHttp2Handler  *handler;
  gpointer               user_data;
  nghttp2_session       *session;
  GHashTable            *streams;      /* of TnHttp2Stream, owned */
  GError                *error;        /* once down */
  guint                  depth;        /* inside nghttp2: nothing may be pulled */
  guint                  server : 1;
};

/* --- Streams --- */

static TnHttp2Stream *
stream_new (TnHttp2                    *http2,
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

static void
stream_free (gpointer data)
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
  g_clear_pointer (&stream->queue, g_byte_array_unref);
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

static void
stream_close (TnHttp2Stream *stream,
              const GError  *error)
{
  stream_detach (stream);
  if (stream->handler != NULL && stream->handler->closed != NULL)
    stream->handler->closed (stream, error, stream->user_data);
  stream_free (stream);
}

static void
wake (TnHttp2 *http2)
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
  stream_close (stream, error);
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

/* --- What nghttp2 calls --- */

static TnHttp2Stream *
lookup (TnHttp2 *http2,
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
  stream = stream_new (http2, NULL, NULL);
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
  TnHttp2Stream *stream = lookup (user_data, frame->hd.stream_id);

  if (stream == NULL)
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
  TnHttp2Stream *stream = lookup (http2, frame->hd.stream_id);

  if (stream == NULL)
    return;
  if (http2->server && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
    {
      if (http2->handler->request != NULL)
        http2->handler->request (http2, stream, http2->user_data);
    }
  else if (!http2->server && stream->status >= 200 && frame->headers.cat != NGHTTP2_HCAT_PUSH_RESPONSE)
    {
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

  stream = lookup (http2, frame->hd.stream_id);
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
  TnHttp2Stream *stream = lookup (user_data, stream_id);

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
  TnHttp2Stream *stream = lookup (user_data, stream_id);
  g_autoptr (GError) error = NULL;

  if (stream == NULL)
    return 0;
  /* A server may answer without reading the request to its end, and says NO_ERROR then (RFC 9113 §8.1). */
  if (error_code != NGHTTP2_NO_ERROR || !stream->remote_ended)
    error = g_error_new (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "HTTP/2: stream reset with %s", nghttp2_http2_strerror (error_code));
  stream_close (stream, error);
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

        stream_close (stream, error);
        break;
      }
  return 0;
}

static ssize_t
read_queue (nghttp2_session     *session,
            int32_t              stream_id,
            uint8_t             *buf,
            size_t               len,
            uint32_t            *data_flags,
            nghttp2_data_source *source,
            void                *user_data)
{
  TnHttp2Stream *stream = lookup (user_data, stream_id);
  gsize n;

  if (stream == NULL)
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;

  n = MIN (len, tn_http2_stream_get_queued (stream));
  if (n > 0)
    {
      memcpy (buf, stream->queue->data + stream->queue_start, n);
      stream->queue_start += n;
    }
  if (tn_http2_stream_get_queued (stream) == 0)
    {
      g_clear_pointer (&stream->queue, g_byte_array_unref);
      stream->queue_start = 0;
      if (stream->ending)
        *data_flags |= NGHTTP2_DATA_FLAG_EOF;
      else if (n == 0)
        {
          stream->deferred = TRUE;
          return NGHTTP2_ERR_DEFERRED;
        }
    }
  return (ssize_t) n;
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
  http2->streams = g_hash_table_new_full (NULL, NULL, stream_free, NULL);
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
  GHashTableIter iter;
  gpointer stream;

  if (http2->error == NULL)
    http2->error = g_error_copy (error);
  for (;;)
    {
      g_hash_table_iter_init (&iter, http2->streams);
      if (!g_hash_table_iter_next (&iter, &stream, NULL))
        return;
      stream_close (stream, error);
    }
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
  nghttp2_data_provider provider = { .read_callback = read_queue };
  TnHttp2Stream *stream = stream_new (http2, handler, user_data);

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
    wake (http2);
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
      wake (http2);
    }
  stream_free (stream);
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
  nghttp2_data_provider provider = { .read_callback = read_queue };
  char text[12];

  g_return_if_fail (http2->server && !stream->responded);

  stream->responded = TRUE;
  g_snprintf (text, sizeof text, "%u", status);
  add_header (nv, ":status", text);
  add_headers (nv, headers);
  if (http2->error == NULL && nghttp2_submit_response (http2->session, stream->id, (nghttp2_nv *) nv->data, nv->len, &provider) == 0)
    wake (http2);
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
  wake (http2);
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
