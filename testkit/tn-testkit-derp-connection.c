/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <libsoup/soup.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "tn-testkit-derp-connection.h"

#define READ_LEN (64 << 10)
#define HEAD_MAX (16 << 10)

struct _TnTestkitDerpConnection
{
  const TnTestkitDerpConnectionEvents *events;
  gpointer            user_data;
  TnTestkitRelay     *relay;
  TnTestkitRelayLink *link;             /* NULL: still HTTP */
  gboolean            joined;
  TnIpEndpoint        remote;
  GIOStream          *stream;
  GSocketConnection  *base;
  GCancellable       *cancellable;      /* of all calls under way; cancelled: closed */
  gboolean            shaken;           /* TLS handshake is over */
  gboolean            stalled;
  gboolean            reading;
  gsize               n_held;           /* bytes in buffer that came while it was stalled */
  gboolean            writing;
  gboolean            close_after;      /* once everything is written */
  GSource            *wake_source;
  GByteArray         *head;             /* HTTP received and not yet answered */
  GByteArray         *answer;           /* HTTP to be written */
  GByteArray         *output;           /* under way */
  guint               n_calls;          /* that have to come back before this can be freed */
  guint8              buffer[READ_LEN];
};

static void read_more (TnTestkitDerpConnection *self);
static void write_more (TnTestkitDerpConnection *self);

static void
destroy (TnTestkitDerpConnection *self)
{
  g_clear_object (&self->stream);
  g_clear_object (&self->base);
  g_clear_object (&self->cancellable);
  g_byte_array_unref (self->head);
  g_byte_array_unref (self->answer);
  g_clear_pointer (&self->output, g_byte_array_unref);
  g_free (self);
}

void
tn_testkit_derp_connection_free (TnTestkitDerpConnection *self)
{
  if (g_cancellable_is_cancelled (self->cancellable))
    return;

  g_cancellable_cancel (self->cancellable);
  g_clear_pointer (&self->link, tn_testkit_relay_disconnect);
  if (self->wake_source != NULL)
    g_source_destroy (self->wake_source);
  g_clear_pointer (&self->wake_source, g_source_unref);
  g_socket_close (g_socket_connection_get_socket (self->base), NULL);      /* without a word: the other side sees an end */
  if (self->n_calls == 0)
    destroy (self);
}

/* FALSE: it is gone, or was closed while the call was under way. */
static gboolean
call_returned (TnTestkitDerpConnection *self)
{
  self->n_calls--;
  if (!g_cancellable_is_cancelled (self->cancellable))
    return TRUE;
  if (self->n_calls == 0)
    destroy (self);
  return FALSE;
}

static void
end (TnTestkitDerpConnection *self)
{
  self->events->closed (self, self->user_data);
}

TnTestkitRelayLink *
tn_testkit_derp_connection_get_link (TnTestkitDerpConnection *self)
{
  return self->link;
}

/* --- HTTP --- */

static void
answer (TnTestkitDerpConnection *self,
        const char              *text)
{
  g_byte_array_append (self->answer, (const guint8 *) text, (guint) strlen (text));
}

static gboolean
wants_frames (SoupMessageHeaders *headers)
{
  const char *upgrade = soup_message_headers_get_one (headers, "Upgrade");

  /* Old clients said WebSocket and did not mean it. */
  return upgrade != NULL && (g_ascii_strcasecmp (upgrade, "derp") == 0 ||
                             (g_ascii_strcasecmp (upgrade, "websocket") == 0 &&
                              soup_message_headers_get_list (headers, "Sec-WebSocket-Protocol") == NULL));
}

static void
upgrade (TnTestkitDerpConnection *self,
         SoupMessageHeaders      *headers)
{
  TnNodePublicKey key;
  char text[TN_KEY_TEXT_MAX];

  if (g_strcmp0 (soup_message_headers_get_one (headers, "Derp-Fast-Start"), "1") != 0)
    {
      tn_testkit_relay_get_key (self->relay, &key);
      tn_node_public_key_print (&key, text);
      answer (self, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\nDerp-Version: 2\r\nDerp-Public-Key: ");
      answer (self, strchr (text, ':') + 1);
      answer (self, "\r\n\r\n");
    }
  self->link = tn_testkit_relay_connect (self->relay, &self->remote, soup_message_headers_get_one (headers, "Ideal-Node") != NULL, self);
}

/* A challenge comes back if it is short and of harmless characters. */
static void
answer_204 (TnTestkitDerpConnection *self,
            SoupMessageHeaders      *headers)
{
  const char *challenge = soup_message_headers_get_one (headers, "X-Tailscale-Challenge");

  answer (self, "HTTP/1.1 204 No Content\r\nCache-Control: no-cache, no-store, must-revalidate, no-transform, max-age=0\r\n");
  if (challenge != NULL && strlen (challenge) <= 64 &&
      strspn (challenge, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:") == strlen (challenge))
    {
      answer (self, "X-Tailscale-Response: response ");
      answer (self, challenge);
      answer (self, "\r\n");
    }
  answer (self, "\r\n");
}

static void
answer_request (TnTestkitDerpConnection *self,
                const char              *method,
                const char              *path,
                SoupMessageHeaders      *headers)
{
  gboolean is_get = g_str_equal (method, "GET") || g_str_equal (method, "HEAD");

  if (g_str_equal (path, "/derp") && wants_frames (headers))
    upgrade (self, headers);
  else if (g_str_equal (path, "/derp"))
    answer (self, "HTTP/1.1 426 Upgrade Required\r\nContent-Type: text/plain\r\nContent-Length: 33\r\n\r\n"
                  "DERP requires connection upgrade\n");
  else if ((g_str_equal (path, "/derp/probe") || g_str_equal (path, "/derp/latency-check")) && is_get)
    answer (self, "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 0\r\n\r\n");
  else if (g_str_equal (path, "/derp/probe") || g_str_equal (path, "/derp/latency-check"))
    answer (self, "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain\r\nContent-Length: 19\r\n\r\nbogus probe method\n");
  else if (g_str_equal (path, "/generate_204"))
    answer_204 (self, headers);
  else
    answer (self, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

/* FALSE: not HTTP. Takes all whole requests off the head; what follows an upgrade is frames. */
static gboolean
take_requests (TnTestkitDerpConnection *self)
{
  const guint8 *stop;

  while (self->link == NULL && (stop = memmem (self->head->data, self->head->len, "\r\n\r\n", 4)) != NULL)
    {
      g_autoptr (SoupMessageHeaders) headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_REQUEST);
      guint len = (guint) (stop - self->head->data) + 4;
      g_autofree char *text = g_strndup ((const char *) self->head->data, len - 2);
      g_autofree char *method = NULL;
      g_autofree char *path = NULL;

      if (soup_headers_parse_request (text, (int) len - 2, headers, &method, &path, NULL) != SOUP_STATUS_OK)
        return FALSE;
      path[strcspn (path, "?")] = '\0';
      answer_request (self, method, path, headers);
      g_byte_array_remove_range (self->head, 0, len);
    }
  return self->link != NULL || self->head->len < HEAD_MAX;
}

/* --- Frames --- */

static gboolean
wake_cb (gpointer user_data)
{
  TnTestkitDerpConnection *self = user_data;

  g_clear_pointer (&self->wake_source, g_source_unref);
  write_more (self);
  return G_SOURCE_REMOVE;
}

/* Later: this may be in the middle of another connection's frames, and what comes until then shares a write. */
void
tn_testkit_derp_connection_wake (TnTestkitRelayLink *link,
                                 gpointer            connection)
{
  TnTestkitDerpConnection *self = connection;

  if (self->wake_source != NULL || self->writing)
    return;

  self->wake_source = g_idle_source_new ();
  g_source_set_priority (self->wake_source, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->wake_source, wake_cb, self, NULL);
  g_source_attach (self->wake_source, g_main_context_get_thread_default ());
}

static void
take_bytes (TnTestkitDerpConnection *self,
            const guint8            *data,
            gsize                    len)
{
  if (self->link == NULL)
    {
      g_byte_array_append (self->head, data, (guint) len);
      if (!take_requests (self))
        {
          answer (self, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
          self->close_after = TRUE;
        }
      if (self->link == NULL)
        return;
      tn_testkit_relay_receive (self->link, self->head->data, self->head->len, g_get_monotonic_time ());
      g_byte_array_set_size (self->head, 0);
    }
  else
    tn_testkit_relay_receive (self->link, data, len, g_get_monotonic_time ());

  if (!self->joined && tn_testkit_relay_get_peer (self->link) != NULL)
    {
      self->joined = TRUE;
      self->events->joined (self, self->user_data);
    }
}

/* --- Streams --- */

static void
written_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  TnTestkitDerpConnection *self = user_data;
  gboolean ok = g_output_stream_write_all_finish (G_OUTPUT_STREAM (object), result, NULL, NULL);

  if (!call_returned (self))
    return;

  self->writing = FALSE;
  g_clear_pointer (&self->output, g_byte_array_unref);
  if (!ok)
    end (self);
  else
    write_more (self);
}

static void
write_more (TnTestkitDerpConnection *self)
{
  if (self->writing)
    return;

  if (self->answer->len > 0)
    {
      self->output = self->answer;
      self->answer = g_byte_array_new ();
    }
  else if (self->link != NULL)
    self->output = tn_testkit_relay_take_output (self->link);

  if (self->output != NULL)
    {
      self->writing = TRUE;
      self->n_calls++;
      g_output_stream_write_all_async (g_io_stream_get_output_stream (self->stream), self->output->data, self->output->len,
                                       G_PRIORITY_DEFAULT, self->cancellable, written_cb, self);
    }
  else if (self->close_after || (self->link != NULL && tn_testkit_relay_get_verdict (self->link) != NULL))
    end (self);
}

/* FALSE: gone. */
static gboolean
take_buffer (TnTestkitDerpConnection *self,
             gsize                    len)
{
  self->n_calls++;      /* it may be freed from a signal */
  take_bytes (self, self->buffer, len);
  if (!call_returned (self))
    return FALSE;

  tn_testkit_derp_connection_wake (self->link, self);
  return TRUE;
}

static void
read_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  TnTestkitDerpConnection *self = user_data;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (object), result, NULL);

  if (!call_returned (self))
    return;

  self->reading = FALSE;
  if (n <= 0)
    {
      end (self);
      return;
    }
  if (self->stalled)
    self->n_held = (gsize) n;
  else if (take_buffer (self, (gsize) n))
    read_more (self);
}

static void
read_more (TnTestkitDerpConnection *self)
{
  if (!self->shaken || self->stalled || self->reading || self->close_after)
    return;

  self->reading = TRUE;
  self->n_calls++;
  g_input_stream_read_async (g_io_stream_get_input_stream (self->stream), self->buffer, sizeof self->buffer, G_PRIORITY_DEFAULT,
                             self->cancellable, read_cb, self);
}

void
tn_testkit_derp_connection_set_stalled (TnTestkitDerpConnection *self,
                                        gboolean                 stalled)
{
  gsize n_held = self->n_held;

  self->stalled = stalled;
  if (stalled)
    return;

  self->n_held = 0;
  if (n_held == 0 || take_buffer (self, n_held))
    read_more (self);
}

static void
shaken_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  TnTestkitDerpConnection *self = user_data;
  g_autoptr (GError) error = NULL;
  gboolean ok = g_tls_connection_handshake_finish (G_TLS_CONNECTION (object), result, &error);

  if (!call_returned (self))
    return;

  if (!ok)
    {
      g_debug ("handshake: %s", error->message);
      end (self);
      return;
    }
  self->shaken = TRUE;
  read_more (self);
}

static void
set_no_delay (GSocketConnection *base)
{
  g_socket_set_option (g_socket_connection_get_socket (base), IPPROTO_TCP, TCP_NODELAY, 1, NULL);
}

static TnIpEndpoint
get_remote (GSocketConnection *base)
{
  g_autoptr (GSocketAddress) address = g_socket_connection_get_remote_address (base, NULL);
  TnIpEndpoint remote = { 0 };

  if (G_IS_INET_SOCKET_ADDRESS (address))
    {
      remote.address = tn_ip_address_from_inet (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address)));
      remote.port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
    }
  return remote;
}

TnTestkitDerpConnection *
tn_testkit_derp_connection_new (GSocketConnection                   *base,
                                GTlsCertificate                     *certificate,
                                TnTestkitRelay                      *relay,
                                const TnTestkitDerpConnectionEvents *events,
                                gpointer                             user_data)
{
  TnTestkitDerpConnection *self;
  GIOStream *stream = g_tls_server_connection_new (G_IO_STREAM (base), certificate, NULL);

  if (stream == NULL)
    return NULL;

  self = g_new0 (TnTestkitDerpConnection, 1);
  self->events = events;
  self->user_data = user_data;
  self->relay = relay;
  self->stream = stream;
  self->base = g_object_ref (base);
  self->remote = get_remote (base);
  self->cancellable = g_cancellable_new ();
  self->head = g_byte_array_new ();
  self->answer = g_byte_array_new ();
  set_no_delay (base);
  self->n_calls++;
  g_tls_connection_handshake_async (G_TLS_CONNECTION (stream), G_PRIORITY_DEFAULT, self->cancellable, shaken_cb, self);
  return self;
}
