/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <libsoup/soup.h>
#include <string.h>

#include "device-kit.h"

/* What others made for any GIOStream works on a TnConnection: TLS of GIO, and the HTTP server of libsoup. */

typedef struct
{
  TnTestkitTailnet *tailnet;
  TnDevice         *ada;
  TnDevice         *bob;
  TnConnection     *client;      /* of ada */
  TnConnection     *server;      /* of bob */
  GTlsCertificate  *certificate; /* nobody else vouches for it */
} Fixture;

static GTlsCertificate *
make_certificate (void)
{
  g_autoptr (TnTestkitDerp) maker = tn_testkit_derp_new (1);      /* makes one when it starts */
  g_autoptr (GError) error = NULL;
  GTlsCertificate *certificate;

  g_assert_true (tn_testkit_derp_start (maker, &error));
  g_assert_no_error (error);
  certificate = g_object_ref (tn_testkit_derp_get_certificate (maker));
  tn_testkit_derp_stop (maker);
  return certificate;
}

static void
set_up (Fixture       *fixture,
        gconstpointer  data)
{
  fixture->tailnet = kit_tailnet_new ();
  fixture->ada = kit_device_join (fixture->tailnet, "ada");
  fixture->bob = kit_device_join (fixture->tailnet, "bob");
  kit_pair (fixture->ada, fixture->bob, "bob", 443, &fixture->client, &fixture->server);
  fixture->certificate = make_certificate ();
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  data)
{
  g_clear_object (&fixture->client);
  g_clear_object (&fixture->server);
  g_clear_object (&fixture->certificate);
  kit_free (fixture->ada);
  kit_free (fixture->bob);
  g_object_unref (fixture->tailnet);
}

/* --- TLS --- */

static gboolean
accept_certificate_cb (GTlsConnection      *connection,
                       GTlsCertificate     *certificate,
                       GTlsCertificateFlags errors,
                       gpointer             pinned)
{
  return g_tls_certificate_is_same (certificate, pinned);
}

typedef struct
{
  GIOStream *client;
  GIOStream *server;
} Secure;

static void
secure_begin (Fixture *fixture,
              Secure  *secure)
{
  g_autoptr (GError) error = NULL;

  secure->client = g_tls_client_connection_new (G_IO_STREAM (fixture->client), NULL, &error);
  g_assert_no_error (error);
  secure->server = g_tls_server_connection_new (G_IO_STREAM (fixture->server), fixture->certificate, &error);
  g_assert_no_error (error);
}

static void
secure_end (Secure *secure)
{
  g_object_unref (secure->client);
  g_object_unref (secure->server);
}

/* Both hands at once: neither can without the other. */
static void
shake_hands (Secure  *secure,
             GError **client_error,
             GError **server_error)
{
  g_autoptr (GAsyncResult) client = NULL, server = NULL;
  g_autoptr (GIOStream) base = NULL;

  g_object_get (secure->client, "base-io-stream", &base, NULL);
  g_tls_connection_handshake_async (G_TLS_CONNECTION (secure->client), G_PRIORITY_DEFAULT, NULL, kit_result_cb, &client);
  g_tls_connection_handshake_async (G_TLS_CONNECTION (secure->server), G_PRIORITY_DEFAULT, NULL, kit_result_cb, &server);
  if (!g_tls_connection_handshake_finish (G_TLS_CONNECTION (secure->client), kit_wait (&client), client_error))
    g_io_stream_close (base, NULL, NULL);
  g_tls_connection_handshake_finish (G_TLS_CONNECTION (secure->server), kit_wait (&server), server_error);
}

static void
send_all (GIOStream *from,
          GIOStream *to,
          gsize      len)
{
  g_autoptr (GByteArray) sent = g_byte_array_new ();
  g_autofree guint8 *got = g_malloc (len);
  g_autoptr (GAsyncResult) written = NULL, read = NULL;
  g_autoptr (GError) error = NULL;
  gsize n = 0;

  for (gsize i = 0; i < len; i++)
    g_byte_array_append (sent, (guint8[]) { (guint8) (i * 7 + (i >> 8)) }, 1);
  g_output_stream_write_all_async (g_io_stream_get_output_stream (from), sent->data, len, G_PRIORITY_DEFAULT, NULL, kit_result_cb, &written);
  g_input_stream_read_all_async (g_io_stream_get_input_stream (to), got, len, G_PRIORITY_DEFAULT, NULL, kit_result_cb, &read);
  g_assert_true (g_output_stream_write_all_finish (g_io_stream_get_output_stream (from), kit_wait (&written), NULL, &error));
  g_assert_no_error (error);
  g_assert_true (g_input_stream_read_all_finish (g_io_stream_get_input_stream (to), kit_wait (&read), &n, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (got, n, sent->data, len);
}

static void
close_stream (GIOStream *stream)
{
  g_autoptr (GAsyncResult) closed = NULL;
  g_autoptr (GError) error = NULL;

  g_io_stream_close_async (stream, G_PRIORITY_DEFAULT, NULL, kit_result_cb, &closed);
  g_assert_true (g_io_stream_close_finish (stream, kit_wait (&closed), &error));
  g_assert_no_error (error);
}

static void
test_tls (Fixture       *fixture,
          gconstpointer  data)
{
  g_autoptr (GAsyncResult) read = NULL;
  g_autoptr (GError) error = NULL;
  char byte;
  Secure secure;

  secure_begin (fixture, &secure);
  g_signal_connect (secure.client, "accept-certificate", G_CALLBACK (accept_certificate_cb), fixture->certificate);
  shake_hands (&secure, &error, &error);
  g_assert_no_error (error);
  send_all (secure.client, secure.server, 1 << 20);
  send_all (secure.server, secure.client, 1 << 20);

  /* A close that says so: an end, and no connection that was cut. */
  close_stream (secure.client);
  g_input_stream_read_async (g_io_stream_get_input_stream (secure.server), &byte, 1, G_PRIORITY_DEFAULT, NULL, kit_result_cb, &read);
  g_assert_cmpint (g_input_stream_read_finish (g_io_stream_get_input_stream (secure.server), kit_wait (&read), &error), ==, 0);
  g_assert_no_error (error);
  secure_end (&secure);
}

static void
test_tls_stranger (Fixture       *fixture,
                   gconstpointer  data)
{
  g_autoptr (GError) client_error = NULL, server_error = NULL;
  Secure secure;

  secure_begin (fixture, &secure);
  shake_hands (&secure, &client_error, &server_error);
  g_assert_error (client_error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE);
  g_assert_nonnull (server_error);
  secure_end (&secure);
}

/* --- HTTP --- */

typedef struct
{
  SoupServer *server;
  guint       n_asked;
} Site;

static void
asked_cb (SoupServer        *server,
          SoupServerMessage *message,
          const char        *path,
          GHashTable        *query,
          gpointer           data)
{
  GInetSocketAddress *remote = G_INET_SOCKET_ADDRESS (soup_server_message_get_remote_address (message));
  g_autofree char *who = g_inet_address_to_string (g_inet_socket_address_get_address (remote));
  g_autofree char *text = g_strdup_printf ("%s asks for %s", who, path);
  Site *site = data;

  site->n_asked++;
  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (message, "text/plain", SOUP_MEMORY_COPY, text, strlen (text));
}

static void
site_begin (Site      *site,
            Fixture   *fixture,
            GIOStream *stream)
{
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
  g_autoptr (GError) error = NULL;

  *site = (Site) { .server = soup_server_new ("server-header", "test", NULL) };
  soup_server_add_handler (site->server, NULL, asked_cb, site, NULL);
  /* One that listens nowhere ends each connection after its first answer. */
  g_assert_true (g_socket_bind (socket, address, TRUE, &error) && g_socket_listen (socket, &error));
  g_assert_true (soup_server_listen_socket (site->server, socket, 0, &error));
  g_assert_true (soup_server_accept_iostream (site->server, stream, tn_connection_get_local_address (fixture->server),
                                              tn_connection_get_remote_address (fixture->server), &error));
  g_assert_no_error (error);
}

static void
ask (GIOStream  *stream,
     const char *path,
     gboolean    last)
{
  g_autofree char *request = g_strdup_printf ("GET %s HTTP/1.1\r\nHost: bob\r\n%s\r\n", path, last ? "Connection: close\r\n" : "");
  GOutputStream *out = g_io_stream_get_output_stream (stream);
  g_autoptr (GAsyncResult) written = NULL;
  g_autoptr (GError) error = NULL;

  g_output_stream_write_all_async (out, request, strlen (request), G_PRIORITY_DEFAULT, NULL, kit_result_cb, &written);
  g_assert_true (g_output_stream_write_all_finish (out, kit_wait (&written), NULL, &error));
  g_assert_no_error (error);
}

static char *
read_line (GDataInputStream *in)
{
  g_autoptr (GAsyncResult) read = NULL;
  g_autoptr (GError) error = NULL;
  char *line;

  g_data_input_stream_read_line_async (in, G_PRIORITY_DEFAULT, NULL, kit_result_cb, &read);
  line = g_data_input_stream_read_line_finish (in, kit_wait (&read), NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (line);
  return line;
}

/* Status, headers, and a body of the length that they say. */
static char *
read_answer (GDataInputStream *in)
{
  g_autofree char *status = read_line (in);
  g_autoptr (GAsyncResult) read = NULL;
  g_autoptr (GError) error = NULL;
  gsize len = 0, n = 0;
  char *body;

  g_assert_cmpstr (status, ==, "HTTP/1.1 200 OK");
  while (TRUE)
    {
      g_autofree char *line = read_line (in);

      if (*line == '\0')
        break;
      if (g_str_has_prefix (line, "Content-Length: "))
        len = (gsize) g_ascii_strtoull (line + strlen ("Content-Length: "), NULL, 10);
    }
  g_assert_cmpuint (len, <, 1000);
  body = g_malloc0 (len + 1);
  g_input_stream_read_all_async (G_INPUT_STREAM (in), body, len, G_PRIORITY_DEFAULT, NULL, kit_result_cb, &read);
  g_assert_true (g_input_stream_read_all_finish (G_INPUT_STREAM (in), kit_wait (&read), &n, &error));
  g_assert_cmpuint (n, ==, len);
  return body;
}

static void
check_site (Fixture   *fixture,
            GIOStream *client,
            GIOStream *server)
{
  g_autoptr (GDataInputStream) in = g_data_input_stream_new (g_io_stream_get_input_stream (client));
  g_autoptr (TnNode) ada = tn_device_dup_self_node (fixture->ada);
  Site site;

  g_filter_input_stream_set_close_base_stream (G_FILTER_INPUT_STREAM (in), FALSE);
  g_data_input_stream_set_newline_type (in, G_DATA_STREAM_NEWLINE_TYPE_CR_LF);
  site_begin (&site, fixture, server);
  for (guint i = 0; i < 3; i++)      /* on one connection */
    {
      g_autofree char *path = g_strdup_printf ("/page/%u", i);
      g_autofree char *expected = g_strdup_printf ("%s asks for %s", tn_node_get_addresses (ada)[0], path);
      g_autofree char *body = NULL;

      ask (client, path, i == 2);
      body = read_answer (in);
      g_assert_cmpstr (body, ==, expected);
    }
  g_assert_cmpuint (site.n_asked, ==, 3);
  soup_server_disconnect (site.server);
  g_object_unref (site.server);
}

static void
test_http (Fixture       *fixture,
           gconstpointer  data)
{
  check_site (fixture, G_IO_STREAM (fixture->client), G_IO_STREAM (fixture->server));
}

static void
test_https (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr (GError) error = NULL;
  Secure secure;

  secure_begin (fixture, &secure);
  g_signal_connect (secure.client, "accept-certificate", G_CALLBACK (accept_certificate_cb), fixture->certificate);
  shake_hands (&secure, &error, &error);
  g_assert_no_error (error);
  check_site (fixture, secure.client, secure.server);
  secure_end (&secure);
}

#define ADD(path, func) g_test_add ("/device/embedded-clients/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("tls", test_tls);
  ADD ("tls-stranger", test_tls_stranger);
  ADD ("http", test_http);
  ADD ("https", test_https);
  return g_test_run ();
}
