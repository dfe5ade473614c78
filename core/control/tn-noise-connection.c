/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-noise-connection.h"

#include "tn-error.h"
#include "tn-reader.h"

enum
{
  READ_LEN = 16 << 10,          /* four full records */
  READS_A_TURN = 16,            /* before others of the main context get theirs */
  PULL_LEN = 32 << 10,          /* plaintext a write */
  PLAIN_LEN = PULL_LEN + (16 << 10) + 64,      /* with the last frame of HTTP/2 */
  EARLY_HEADER_LEN = 5 + 4,     /* magic, length; as long as an HTTP/2 frame header, which it may turn out to be */
  EARLY_MAX_LEN = 64 << 10,
};

static const guint8 early_magic[5] = { 0xff, 0xff, 0xff, 'T', 'S' };     /* tailscale control/ts2021/conn.go */

struct _TnNoiseConnection
{
  gatomicrefcount                 ref_count;
  GIOStream                      *stream;
  const TnNoiseConnectionHandler *handler;
  gpointer                        user_data;
  TnHttp2                        *http2;
  TnNoiseSession                  session;
  TnAead                         *aead;
  GMainContext                   *context;
  GCancellable                   *cancellable;     /* of the pending read and write */
  GSource                        *kick;            /* to begin, or to write what has come up */
  GSource                        *readable;        /* NULL: not begun, or the stream has to be read by operations */
  GByteArray                     *plain;           /* pulled from HTTP/2 */
  GByteArray                     *wire;            /* sealed, being written */
  gsize                           record_len;      /* plaintext */
  gint64                          last_received_us;
  guint8                          early_header[EARLY_HEADER_LEN];
  guint                           early_header_len;
  guint32                         early_left;      /* bytes of the early payload still to be skipped */
  guint                           early_done : 1;
  guint                           started : 1;
  guint                           reading : 1;
  guint                           writing : 1;
  guint                           closed : 1;
  gsize                           read_len;        /* in buffer, not yet opened */
  guint8                          buffer[READ_LEN];
};

static void start_read (TnNoiseConnection *self);
static void start_write (TnNoiseConnection *self);

/* A stream with an operation pending would refuse to close. */
static void
close_when_quiet (TnNoiseConnection *self)
{
  if (self->closed && !self->reading && !self->writing)
    g_io_stream_close_async (self->stream, G_PRIORITY_DEFAULT, NULL, NULL, NULL);
}

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
finish_close (TnNoiseConnection *self,
              const GError      *error)
{
  self->closed = TRUE;
  g_cancellable_cancel (self->cancellable);
  clear_source (&self->kick);
  clear_source (&self->readable);
  tn_http2_shutdown (self->http2, error);
  close_when_quiet (self);
}

static void
fail (TnNoiseConnection *self,
      const GError      *error)
{
  if (self->closed)
    return;
  finish_close (self, error);
  if (self->handler->closed != NULL)
    self->handler->closed (self, error, self->user_data);
}

/* --- Out --- */

static void
write_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (TnNoiseConnection) self = user_data;
  g_autoptr (GError) error = NULL;

  self->writing = FALSE;
  g_byte_array_set_size (self->wire, 0);
  close_when_quiet (self);
  if (!g_output_stream_write_all_finish (G_OUTPUT_STREAM (object), result, NULL, &error))
    {
      g_prefix_error (&error, "cannot write: ");
      fail (self, error);
      return;
    }
  start_write (self);
}

static gboolean
seal_records (TnNoiseConnection *self)
{
  for (gsize pos = 0; pos < self->plain->len; pos += self->record_len)
    if (!tn_noise_seal (&self->session.send, self->aead, self->plain->data + pos, MIN (self->record_len, self->plain->len - pos), self->wire))
      return FALSE;
  return TRUE;
}

/* What is to be sent, sealed. */
static gboolean
seal_pending (TnNoiseConnection  *self,
              GError            **error)
{
  gboolean pulled = tn_http2_pull (self->http2, self->plain, PULL_LEN, error);
  gboolean sealed = pulled && (self->closed || seal_records (self));

  if (pulled && !sealed)
    g_set_error_literal (error, TN_ERROR, TN_ERROR_FAILED, "noise: record counter used up");
  if (self->plain->len > 0)
    explicit_bzero (self->plain->data, self->plain->len);
  g_byte_array_set_size (self->plain, 0);
  return sealed;
}

static void
start_write (TnNoiseConnection *self)
{
  g_autoptr (GError) error = NULL;

  if (self->closed || self->writing)
    return;

  if (!seal_pending (self, &error))
    {
      fail (self, error);
      return;
    }
  if (self->closed)
    return;
  if (self->wire->len == 0)
    {
      if (tn_http2_is_done (self->http2))
        {
          error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "HTTP/2: closed by the other side");
          fail (self, error);
        }
      return;
    }

  self->writing = TRUE;
  g_output_stream_write_all_async (g_io_stream_get_output_stream (self->stream), self->wire->data, self->wire->len,
                                   G_PRIORITY_DEFAULT, self->cancellable, write_cb, tn_noise_connection_ref (self));
}

static gboolean kick_cb (gpointer user_data);

/* From the main loop, never from inside the call that made it necessary: an error in here closes streams. Several requests of one
 * dispatch leave in one write, too. */
static void
kick (TnNoiseConnection *self)
{
  if (self->kick != NULL || self->closed || self->writing)
    return;
  self->kick = g_idle_source_new ();
  g_source_set_priority (self->kick, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->kick, kick_cb, self, NULL);
  g_source_attach (self->kick, self->context);
}

static void
http2_wake (TnHttp2  *http2,
            gpointer  user_data)
{
  kick (user_data);
}

static void
http2_request (TnHttp2       *http2,
               TnHttp2Stream *stream,
               gpointer       user_data)
{
  TnNoiseConnection *self = user_data;

  if (self->handler->request != NULL)
    self->handler->request (self, stream, self->user_data);
}

static void
http2_goaway (TnHttp2  *http2,
              gpointer  user_data)
{
  TnNoiseConnection *self = user_data;

  if (!self->closed && self->handler->retired != NULL)
    self->handler->retired (self, self->user_data);
}

static const TnHttp2Handler http2_handler = { .wake = http2_wake, .request = http2_request, .goaway = http2_goaway };

/* --- In --- */

/* The first bytes of a server may be a message of its own before HTTP/2 starts, cut into records at will. Its content, a challenge
 * that nobody answers, is skipped. */
static gboolean
receive_early (TnNoiseConnection  *self,
               const guint8      **data,
               gsize              *len,
               GError            **error)
{
  gsize n = MIN (*len, (gsize) (EARLY_HEADER_LEN - self->early_header_len));

  memcpy (self->early_header + self->early_header_len, *data, n);
  self->early_header_len += (guint) n;
  *data += n;
  *len -= n;
  if (self->early_header_len < EARLY_HEADER_LEN)
    return TRUE;

  if (memcmp (self->early_header, early_magic, sizeof early_magic) != 0)
    {
      self->early_done = TRUE;
      return tn_http2_receive (self->http2, self->early_header, EARLY_HEADER_LEN, error);
    }
  if (n > 0)
    {
      self->early_left = tn_get_u32be (self->early_header + sizeof early_magic);
      if (self->early_left > EARLY_MAX_LEN)
        {
          g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "early payload of %u bytes, at most %u allowed", self->early_left, EARLY_MAX_LEN);
          return FALSE;
        }
    }
  n = MIN (*len, self->early_left);
  self->early_left -= (guint32) n;
  *data += n;
  *len -= n;
  self->early_done = self->early_left == 0;
  return TRUE;
}

static gboolean
receive_clear (TnNoiseConnection  *self,
               const guint8       *data,
               gsize               len,
               GError            **error)
{
  if (!self->early_done && !receive_early (self, &data, &len, error))
    return FALSE;
  if (len == 0 || self->closed)
    return TRUE;
  return tn_http2_receive (self->http2, data, len, error);
}

static gboolean
open_records (TnNoiseConnection  *self,
              GError            **error)
{
  gsize pos = 0;

  while (!self->closed)
    {
      gsize used, len;
      guint8 *clear;
      TnNoiseVerdict verdict = tn_noise_open (&self->session.receive, self->aead, self->buffer + pos, self->read_len - pos, &used, &clear, &len);

      if (verdict == TN_NOISE_INCOMPLETE)
        break;
      if (verdict != TN_NOISE_OPENED)
        {
          g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "noise: %s", tn_noise_verdict_to_string (verdict));
          return FALSE;
        }
      pos += used;
      if (len > 0 && !receive_clear (self, clear, len, error))
        return FALSE;
    }

  self->read_len -= pos;
  memmove (self->buffer, self->buffer + pos, self->read_len);
  return TRUE;
}

static void
handle_input (TnNoiseConnection *self)
{
  g_autoptr (GError) error = NULL;

  self->last_received_us = g_get_monotonic_time ();
  if (open_records (self, &error))
    start_write (self);
  else
    fail (self, error);
}

/* What a read said: @n, or @error. FALSE: that was the last. */
static gboolean
take_input (TnNoiseConnection  *self,
            gssize              n,
            GError            **error)
{
  if (n == 0)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "connection closed by the other side");
  else if (n < 0)
    g_prefix_error (error, "cannot read: ");
  if (n <= 0)
    {
      fail (self, *error);
      return FALSE;
    }
  self->read_len += (gsize) n;
  handle_input (self);
  return !self->closed;
}

static void
read_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (TnNoiseConnection) self = user_data;
  g_autoptr (GError) error = NULL;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (object), result, &error);

  self->reading = FALSE;
  if (self->closed)
    close_when_quiet (self);
  else if (take_input (self, n, &error))
    start_read (self);
}

/* A map of megabytes, and then a change now and then: an operation for each read would cost more than what it reads.
 * @short_is_all: less than was asked for is all there is. Of TLS it may be the one record of several that it has taken from the socket. */
static gboolean
read_pollable (gpointer              user_data,
               GPollableInputStream *stream,
               gboolean              short_is_all)
{
  g_autoptr (TnNoiseConnection) self = tn_noise_connection_ref (user_data);

  for (guint i = 0; i < READS_A_TURN && !self->closed; i++)
    {
      g_autoptr (GError) error = NULL;
      gsize len = READ_LEN - self->read_len;
      gssize n = g_pollable_input_stream_read_nonblocking (stream, self->buffer + self->read_len, len, NULL, &error);

      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) || !take_input (self, n, &error) || (short_is_all && (gsize) n < len))
        break;
    }
  return G_SOURCE_CONTINUE;
}

static gboolean
readable_cb (GObject  *stream,
             gpointer  user_data)
{
  return read_pollable (user_data, G_POLLABLE_INPUT_STREAM (stream), FALSE);
}

static gboolean
socket_readable_cb (GSocket      *socket,
                    GIOCondition  condition,
                    gpointer      user_data)
{
  TnNoiseConnection *self = user_data;

  return read_pollable (self, G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (self->stream)), TRUE);
}

/* GLib takes a source out of the poll for as long as its callback runs, which takes two wake-ups of the context, for the one of the stream
 * and the one of the socket inside: as much as a small message takes itself. One that may recurse stays; nothing here turns the context. */
static GSource *
new_readable_source (TnNoiseConnection    *self,
                     GPollableInputStream *stream)
{
  GSource *source;

  if (G_IS_SOCKET_CONNECTION (self->stream) && !G_IS_TCP_WRAPPER_CONNECTION (self->stream))
    {
      source = g_socket_create_source (g_socket_connection_get_socket (G_SOCKET_CONNECTION (self->stream)), G_IO_IN, NULL);
      g_source_set_callback (source, G_SOURCE_FUNC (socket_readable_cb), self, NULL);
    }
  else
    {
      source = g_pollable_input_stream_create_source (stream, NULL);
      g_source_set_callback (source, G_SOURCE_FUNC (readable_cb), self, NULL);
    }
  g_source_set_can_recurse (source, TRUE);
  return source;
}

static gboolean
await_readable (TnNoiseConnection *self)
{
  GInputStream *stream = g_io_stream_get_input_stream (self->stream);

  if (self->readable != NULL)
    return TRUE;
  if (!G_IS_POLLABLE_INPUT_STREAM (stream) || !g_pollable_input_stream_can_poll (G_POLLABLE_INPUT_STREAM (stream)))
    return FALSE;
  self->readable = new_readable_source (self, G_POLLABLE_INPUT_STREAM (stream));
  g_source_attach (self->readable, self->context);
  return TRUE;
}

/* A whole record is shorter than the buffer, so there is always room. */
static void
start_read (TnNoiseConnection *self)
{
  if (self->closed || await_readable (self))
    return;
  self->reading = TRUE;
  g_input_stream_read_async (g_io_stream_get_input_stream (self->stream), self->buffer + self->read_len, READ_LEN - self->read_len,
                             G_PRIORITY_DEFAULT, self->cancellable, read_cb, tn_noise_connection_ref (self));
}

static gboolean
kick_cb (gpointer user_data)
{
  g_autoptr (TnNoiseConnection) self = tn_noise_connection_ref (user_data);

  g_clear_pointer (&self->kick, g_source_unref);
  if (self->started)
    {
      start_write (self);
    }
  else
    {
      self->started = TRUE;
      handle_input (self);
      start_read (self);
    }
  return G_SOURCE_REMOVE;
}

/* --- Life --- */

static TnNoiseConnection *
connection_new (GIOStream                      *stream,
                const TnNoiseSession           *session,
                const guint8                   *early,
                gsize                           early_len,
                const TnNoiseConnectionHandler *handler,
                gpointer                        user_data)
{
  TnNoiseConnection *self = g_new0 (TnNoiseConnection, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->stream = g_object_ref (stream);
  self->handler = handler;
  self->user_data = user_data;
  self->session = *session;
  self->aead = tn_aead_new ();
  self->record_len = TN_NOISE_MAX_PLAINTEXT_LEN;
  self->cancellable = g_cancellable_new ();
  self->wire = g_byte_array_new ();
  self->last_received_us = g_get_monotonic_time ();

  g_assert (early_len <= READ_LEN);
  if (early_len > 0)
    memcpy (self->buffer, early, early_len);
  self->read_len = early_len;
  self->context = g_main_context_ref_thread_default ();
  kick (self);
  return self;
}

TnNoiseConnection *
tn_noise_connection_new_client (GIOStream                      *stream,
                                const TnNoiseSession           *session,
                                const guint8                   *early,
                                gsize                           early_len,
                                const TnNoiseConnectionHandler *handler,
                                gpointer                        user_data)
{
  TnNoiseConnection *self = connection_new (stream, session, early, early_len, handler, user_data);

  self->plain = g_byte_array_sized_new (PLAIN_LEN);      /* growing, it would leave parts of an auth key behind */
  self->http2 = tn_http2_new_client (&http2_handler, self);
  return self;
}

TnNoiseConnection *
tn_noise_connection_new_server (GIOStream                      *stream,
                                const TnNoiseSession           *session,
                                const guint8                   *early,
                                gsize                           early_len,
                                GBytes                         *first,
                                const TnNoiseConnectionHandler *handler,
                                gpointer                        user_data)
{
  TnNoiseConnection *self = connection_new (stream, session, early, early_len, handler, user_data);

  self->plain = g_byte_array_new ();
  self->early_done = TRUE;      /* only servers send one */
  if (first != NULL)
    g_byte_array_append (self->wire, g_bytes_get_data (first, NULL), (guint) g_bytes_get_size (first));
  self->http2 = tn_http2_new_server (&http2_handler, self);
  return self;
}

TnNoiseConnection *
tn_noise_connection_ref (TnNoiseConnection *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
tn_noise_connection_unref (TnNoiseConnection *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  if (!self->closed)
    tn_noise_connection_close (self);
  tn_http2_unref (self->http2);
  g_object_unref (self->stream);
  g_object_unref (self->cancellable);
  g_main_context_unref (self->context);
  tn_aead_free (self->aead);
  g_byte_array_unref (self->plain);
  g_byte_array_unref (self->wire);
  tn_noise_session_clear (&self->session);
  explicit_bzero (self->buffer, sizeof self->buffer);
  g_free (self);
}

TnHttp2 *
tn_noise_connection_get_http2 (TnNoiseConnection *self)
{
  return self->http2;
}

GIOStream *
tn_noise_connection_get_stream (TnNoiseConnection *self)
{
  return self->stream;
}

gboolean
tn_noise_connection_is_open (TnNoiseConnection *self)
{
  return !self->closed;
}

gint64
tn_noise_connection_get_last_received_us (TnNoiseConnection *self)
{
  return self->last_received_us;
}

void
tn_noise_connection_set_record_len (TnNoiseConnection *self,
                                    gsize              len)
{
  g_return_if_fail (len > 0 && len <= TN_NOISE_MAX_PLAINTEXT_LEN);

  self->record_len = len;
}

void
tn_noise_connection_close (TnNoiseConnection *self)
{
  g_autoptr (GError) error = NULL;

  if (self->closed)
    return;
  error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "connection closed");
  finish_close (self, error);
}
