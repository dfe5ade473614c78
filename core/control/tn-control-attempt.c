/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-dial-private.h"

#include <libsoup/soup.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "tn-error.h"
#include "tn-proxy.h"
#include "tn-shown.h"
#include "tn-socket-mark.h"

/* One way to the server: connection, TLS where the route has it, upgrade, handshake. */

#define UPGRADE_PATH     "/ts2021"
#define UPGRADE_PROTOCOL "tailscale-control-protocol"

enum
{
  READ_LEN = 4 << 10,
  HEAD_MAX_LEN = 12 << 10,      /* with what a read may bring behind it, the connection's buffer is not exceeded */
};

static void attempt_read (TnControlAttempt *attempt);

/* --- Life --- */

static TnControlAttempt *
attempt_ref (TnControlAttempt *attempt)
{
  attempt->ref_count++;
  return attempt;
}

void
tn_control_attempt_unref (TnControlAttempt *attempt)
{
  if (--attempt->ref_count > 0)
    return;
  g_clear_object (&attempt->stream);
  g_object_unref (attempt->cancellable);
  tn_noise_handshake_clear (&attempt->handshake);
  if (attempt->request != NULL)
    g_string_free (attempt->request, TRUE);
  g_byte_array_unref (attempt->received);
  g_free (attempt);
}

/* --- The answer: HTTP head, then the handshake --- */

static gboolean
check_head (const char  *head,
            gsize        len,
            GError     **error)
{
  g_autoptr (SoupMessageHeaders) headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_RESPONSE);
  g_autofree char *reason = NULL;
  g_autofree char *shown = NULL;
  SoupHTTPVersion version;
  const char *upgrade;
  guint status;

  if (!soup_headers_parse_response (head, (int) len, headers, &version, &status, &reason))
    {
      shown = tn_shown (head, 40);
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "answer to the upgrade is not HTTP: “%s”", shown);
      return FALSE;
    }
  if (status != SOUP_STATUS_SWITCHING_PROTOCOLS)
    {
      shown = tn_shown (reason, 200);
      g_set_error (error, TN_ERROR, TN_ERROR_CONTROL, "upgrade answered with status %u %s", status, shown);
      return FALSE;
    }
  upgrade = soup_message_headers_get_one (headers, "Upgrade");
  if (g_strcmp0 (upgrade, UPGRADE_PROTOCOL) != 0)
    {
      shown = tn_shown (upgrade, 200);
      g_set_error (error, TN_ERROR, TN_ERROR_CONTROL, "upgraded to “%s”, expected " UPGRADE_PROTOCOL, shown);
      return FALSE;
    }
  return TRUE;
}

/* FALSE without an error: more bytes are needed. */
static gboolean
take_head (TnControlAttempt  *attempt,
           GError           **error)
{
  GByteArray *received = attempt->received;
  const char *end;

  if (attempt->head_len > 0)
    return TRUE;
  end = g_strstr_len ((const char *) received->data, received->len, "\r\n\r\n");
  if (end == NULL)
    {
      if (received->len > HEAD_MAX_LEN)
        g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "answer to the upgrade: head of more than %d bytes", HEAD_MAX_LEN);
      return FALSE;
    }
  attempt->head_len = (gsize) (end - (const char *) received->data) + 4;

  g_autofree char *head = g_strndup ((const char *) received->data, attempt->head_len);
  return check_head (head, attempt->head_len, error);
}

static gboolean
take_handshake (TnControlAttempt  *attempt,
                TnNoiseSession    *session,
                gsize             *used,
                GError           **error)
{
  const guint8 *data = attempt->received->data + attempt->head_len;
  gsize len = attempt->received->len - attempt->head_len;
  gsize need;

  if (len < TN_NOISE_HEADER_LEN)
    return FALSE;
  need = tn_noise_response_len (data, error);
  if (need > HEAD_MAX_LEN)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "noise handshake: error frame of %" G_GSIZE_FORMAT " bytes", need);
      return FALSE;
    }
  if (need == 0 || len < need || !tn_noise_finish (&attempt->handshake, data, need, session, error))
    return FALSE;
  *used = attempt->head_len + need;
  return TRUE;
}

static void
handle_received (TnControlAttempt *attempt)
{
  g_auto (TnNoiseSession) session = { 0 };
  GError *error = NULL;
  gsize used = 0;

  if (take_head (attempt, &error) && take_handshake (attempt, &session, &used, &error))
    tn_control_dial_succeed (attempt, &session, used);
  else if (error != NULL)
    tn_control_dial_fail (attempt, error);
  else
    attempt_read (attempt);
}

static void
read_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  TnControlAttempt *attempt = user_data;
  GError *error = NULL;
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (object), result, &error);

  if (attempt->dial == NULL)
    {
      g_clear_error (&error);
    }
  else if (error != NULL)
    {
      tn_control_dial_fail (attempt, error);
    }
  else if (g_bytes_get_size (bytes) == 0)
    {
      /* All that one sees of another control key or a version that the server does not take. */
      error = g_error_new (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, attempt->head_len > 0
                             ? "connection closed in the handshake: the server has another key, or does not accept version %d"
                             : "connection closed before an answer to the upgrade (version %d)", attempt->dial->version);
      tn_control_dial_fail (attempt, error);
    }
  else
    {
      g_byte_array_append (attempt->received, g_bytes_get_data (bytes, NULL), (guint) g_bytes_get_size (bytes));
      handle_received (attempt);
    }
  tn_control_attempt_unref (attempt);
}

static void
attempt_read (TnControlAttempt *attempt)
{
  g_input_stream_read_bytes_async (g_io_stream_get_input_stream (attempt->stream), READ_LEN, G_PRIORITY_DEFAULT, attempt->cancellable,
                                   read_cb, attempt_ref (attempt));
}

/* --- The request --- */

static void
write_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  TnControlAttempt *attempt = user_data;
  GError *error = NULL;
  gboolean ok = g_output_stream_write_all_finish (G_OUTPUT_STREAM (object), result, NULL, &error);

  if (attempt->dial == NULL)
    g_clear_error (&error);
  else if (!ok)
    tn_control_dial_fail (attempt, error);
  else
    attempt_read (attempt);
  tn_control_attempt_unref (attempt);
}

void
tn_control_attempt_upgrade (TnControlAttempt *attempt)
{
  TnControlDial *dial = attempt->dial;
  guint8 initiation[TN_NOISE_INITIATION_LEN];
  g_autofree char *base64 = NULL;
  GError *error = NULL;

  if (!tn_noise_initiate (&attempt->handshake, dial->machine_key, &dial->control_key, dial->version, NULL, initiation, &error))
    {
      tn_control_dial_fail (attempt, error);
      return;
    }
  base64 = g_base64_encode (initiation, sizeof initiation);
  attempt->request = g_string_new (NULL);
  g_string_printf (attempt->request,
                   "POST " UPGRADE_PATH " HTTP/1.1\r\nHost: %s\r\nUpgrade: " UPGRADE_PROTOCOL "\r\nConnection: upgrade\r\n"
                   "X-Tailscale-Handshake: %s\r\nContent-Length: 0\r\n\r\n", dial->url->authority, base64);
  g_output_stream_write_all_async (g_io_stream_get_output_stream (attempt->stream), attempt->request->str, attempt->request->len,
                                   G_PRIORITY_DEFAULT, attempt->cancellable, write_cb, attempt_ref (attempt));
}

static void
attempt_connected (TnControlAttempt *attempt)
{
  attempt->waiting = !attempt->dial->have_key;
  if (!attempt->waiting)
    tn_control_attempt_upgrade (attempt);
}

/* --- Connecting --- */

/* Noise proves who the server is; TLS only helps to get through, so that a box which breaks it open does not keep us out. */
static gboolean
accept_certificate_cb (GTlsConnection       *connection,
                       GTlsCertificate      *certificate,
                       GTlsCertificateFlags  problems,
                       gpointer              user_data)
{
  g_debug ("control: certificate with problems 0x%x accepted for the transport, which has its own keys", problems);
  return TRUE;
}

static void
handshake_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  TnControlAttempt *attempt = user_data;
  GError *error = NULL;
  gboolean ok = g_tls_connection_handshake_finish (G_TLS_CONNECTION (object), result, &error);

  if (attempt->dial == NULL)
    g_clear_error (&error);
  else if (!ok)
    tn_control_dial_fail (attempt, error);
  else
    attempt_connected (attempt);
  tn_control_attempt_unref (attempt);
}

static void
attempt_start_tls (TnControlAttempt *attempt)
{
  g_autoptr (GSocketConnectable) identity = g_network_address_new (attempt->dial->url->host, attempt->route.port);
  GError *error = NULL;
  GIOStream *tls = g_tls_client_connection_new (attempt->stream, identity, &error);

  if (tls == NULL)
    {
      tn_control_dial_fail (attempt, error);
      return;
    }
  g_object_unref (attempt->stream);
  attempt->stream = tls;
  g_signal_connect (tls, "accept-certificate", G_CALLBACK (accept_certificate_cb), NULL);
  g_tls_connection_handshake_async (G_TLS_CONNECTION (tls), G_PRIORITY_DEFAULT, attempt->cancellable, handshake_cb, attempt_ref (attempt));
}

/* While somebody takes the time to log in the server says nothing: it is the kernel that finds out that the connection is dead. */
static void
set_options (GSocket *socket)
{
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
  g_socket_set_keepalive (socket, TRUE);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_KEEPIDLE, 60, NULL);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_KEEPINTVL, 15, NULL);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_KEEPCNT, 4, NULL);
}

static void
connect_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  TnControlAttempt *attempt = user_data;
  GError *error = NULL;
  GSocketConnection *connection = g_socket_client_connect_finish (G_SOCKET_CLIENT (object), result, &error);

  if (attempt->dial == NULL)
    {
      g_clear_error (&error);
      g_clear_object (&connection);
    }
  else if (connection == NULL)
    {
      tn_control_dial_fail (attempt, error);
    }
  else
    {
      set_options (g_socket_connection_get_socket (connection));
      attempt->stream = G_IO_STREAM (connection);
      if (attempt->route.tls)
        attempt_start_tls (attempt);
      else
        attempt_connected (attempt);
    }
  tn_control_attempt_unref (attempt);
}

static gboolean
limit_cb (gpointer user_data)
{
  TnControlAttempt *attempt = user_data;

  tn_control_dial_fail (attempt, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer in the time that the server's plan gives"));
  return G_SOURCE_REMOVE;
}

void
tn_control_attempt_start (TnControlAttempt *attempt)
{
  TnControlDial *dial = attempt->dial;
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnectable) address = NULL;
  g_autoptr (GProxyResolver) resolver = NULL;
  gboolean is_ipv6 = strchr (dial->url->host, ':') != NULL;
  g_autofree char *uri = NULL;
  GError *error = NULL;

  attempt->started = TRUE;
  if (attempt->limit_ms > 0)
    attempt->limit = tn_control_dial_add_timer (dial, attempt->limit_ms, limit_cb, attempt);
  if (attempt->address.version != 0)
    {
      g_autoptr (GInetAddress) candidate = g_inet_address_new_from_bytes (attempt->address.bytes, attempt->address.version == 4
                                                                            ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6);

      address = G_SOCKET_CONNECTABLE (g_inet_socket_address_new (candidate, attempt->route.port));
    }
  else
    {
      /* The scheme is what a proxy is chosen by. */
      uri = g_strdup_printf (is_ipv6 ? "%s://[%s]:%u" : "%s://%s:%u", attempt->route.tls ? "https" : "http", dial->url->host,
                             attempt->route.port);
      address = g_network_address_parse_uri (uri, attempt->route.port, &error);
    }
  if (address == NULL)
    {
      tn_control_dial_fail (attempt, error);
      return;
    }
  resolver = tn_proxy_resolver_for_host (dial->resolver, dial->url->host);
  g_socket_client_set_enable_proxy (client, resolver != NULL);
  if (resolver != NULL)
    g_socket_client_set_proxy_resolver (client, resolver);
  tn_socket_mark_client (client, dial->mark);
  g_socket_client_connect_async (client, address, attempt->cancellable, connect_cb, attempt_ref (attempt));
}
