/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A relay that does not behave. */

#include "derp-peer.h"
#include "tn-error.h"

static void
send_nonsense (const guint8 *data,
               gsize         len)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (GBytes) bytes = g_bytes_new (data, len);

  add_relay (a->map, relay);
  peer_start (a, 1);
  WAIT_FOR (a->n_up[1] == 1 && tn_testkit_derp_get_n_clients (relay) == 1);
  tn_testkit_derp_send_bytes (relay, bytes);
  WAIT_FOR (a->n_down[1] == 1);
  g_assert_error (a->error, TN_ERROR, TN_ERROR_MALFORMED);
  WAIT_FOR (a->n_up[1] == 2);                /* and it comes back */
}

static void
test_oversized_frame (void)
{
  static const guint8 bytes[] = { TN_DERP_RECV_PACKET, 0, 0x10, 0, 1 };

  send_nonsense (bytes, sizeof bytes);
}

static void
test_bad_server_info (void)
{
  static const guint8 bytes[5 + 60] = { TN_DERP_SERVER_INFO, 0, 0, 0, 60 };

  send_nonsense (bytes, sizeof bytes);
}

/* Longer than a buffer, unknown, short, in pieces: all skipped. */
static void
test_strange_frames (void)
{
  static const guint8 frames[] = {
    TN_DERP_RECV_PACKET, 0, 0, 0, 3, 1, 2, 3, TN_DERP_PEER_GONE, 0, 0, 0, 1, 9, TN_DERP_PING, 0, 0, 0, 2, 0, 0, 0x7f, 0, 0, 0, 0,
    TN_DERP_CLIENT_INFO, 0, 0, 0, 1, 0, 0x77, 0, 0x0f, 0xff, 0xf0
  };
  g_autofree guint8 *filler = g_malloc0 (0x0ffff0);
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  g_autoptr (GBytes) head = g_bytes_new (frames, sizeof frames);
  g_autoptr (GBytes) rest = g_bytes_new (filler, 0x0ffff0);

  start_two (relay, a, b);
  tn_testkit_derp_send_bytes (relay, head);
  run_what_is_ready ();
  tn_testkit_derp_send_bytes (relay, rest);
  tn_testkit_derp_send_health (relay, "behind it all");
  WAIT_FOR (a->n_health == 1);
  g_assert_cmpuint (a->n_down[1], ==, 0);
  g_assert_cmpuint (a->received->len, ==, 0);
  g_assert_cmpuint (a->n_gone, ==, 0);
}

typedef struct
{
  GSocketService  *service;
  GTlsCertificate *certificate;     /* NULL: no TLS at all */
  const char      *answer;
  gsize            len;
} FakeRelay;

static void
fake_answered_cb (GObject      *object,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  g_output_stream_write_all_finish (G_OUTPUT_STREAM (object), result, NULL, NULL);
  g_io_stream_close (user_data, NULL, NULL);
  g_object_unref (user_data);
}

/* It answers only what was asked: closing with something unread resets the connection. */
static void
fake_asked_cb (GObject      *object,
               GAsyncResult *result,
               gpointer      user_data)
{
  GIOStream *stream = user_data;
  FakeRelay *fake = g_object_get_data (G_OBJECT (stream), "fake");
  GBytes *asked = g_input_stream_read_bytes_finish (G_INPUT_STREAM (object), result, NULL);

  g_clear_pointer (&asked, g_bytes_unref);
  g_output_stream_write_all_async (g_io_stream_get_output_stream (stream), fake->answer, fake->len,
                                   G_PRIORITY_DEFAULT, NULL, fake_answered_cb, stream);
}

static void
fake_serve (FakeRelay *fake,
            GIOStream *stream)
{
  g_object_set_data (G_OBJECT (stream), "fake", fake);
  g_input_stream_read_bytes_async (g_io_stream_get_input_stream (stream), 4096, G_PRIORITY_DEFAULT, NULL, fake_asked_cb,
                                   g_object_ref (stream));
}

static void
fake_shaken_cb (GObject      *object,
                GAsyncResult *result,
                gpointer      user_data)
{
  if (g_tls_connection_handshake_finish (G_TLS_CONNECTION (object), result, NULL))
    fake_serve (user_data, G_IO_STREAM (object));
  g_object_unref (object);
}

static gboolean
fake_incoming_cb (GSocketService    *service,
                  GSocketConnection *connection,
                  GObject           *source,
                  gpointer           user_data)
{
  FakeRelay *fake = user_data;

  if (fake->certificate == NULL)
    fake_serve (fake, G_IO_STREAM (connection));
  else
    {
      GIOStream *tls = g_tls_server_connection_new (G_IO_STREAM (connection), fake->certificate, NULL);

      g_tls_connection_handshake_async (G_TLS_CONNECTION (tls), G_PRIORITY_DEFAULT, NULL, fake_shaken_cb, fake);
    }
  return TRUE;
}

typedef struct
{
  const char *answer;
  gsize       len;
  gboolean    plain;
  const char *words;      /* in the error */
} FakeCase;

#define TEXT(s) (s), sizeof (s) - 1

static const FakeCase fake_cases[] = {
  { TEXT ("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nno relay\n"), FALSE, "HTTP status 404: no relay" },
  { TEXT ("HTTP/1.1 403 Verbotene T\xfcr\r\nContent-Length: 5\r\n\r\nT\xfcr!\n"), FALSE, "HTTP status 403: T" },
  { TEXT ("SSH-2.0-OpenSSH_9.2\r\n"), FALSE, "does not speak HTTP" },
  { TEXT ("HTTP/1.1 what\r\n\r\n"), FALSE, "no HTTP" },
  { TEXT ("HTTP/1.1 101 Switching Protocols\r\nUpgr"), FALSE, "closed before" },
  { TEXT (""), FALSE, "closed before" },
  { TEXT ("HTTP/1.1 101 Switching Protocols\r\n\r\n"), FALSE, "closed before" },
  { TEXT ("HTTP/1.1 101 Switching Protocols\r\n\r\n\x01\0\0\0\x28" "DERP"), FALSE, "closed before" },
  { TEXT ("HTTP/1.1 101 Switching Protocols\r\n\r\n\x01\0\0\0\x28" "DERPxxxx01234567890123456789012345678901"), FALSE, "greeting" },
  { TEXT ("HTTP/1.1 101 Switching Protocols\r\n\r\n\x01\xff\0\0\x28"), FALSE, "greeting" },
  { TEXT ("HTTP/1.1 101 Switching Protocols\r\n\r\n\x06\0\0\0\0"), FALSE, "greeting" },
  { TEXT ("\x00\x01\x02 this is no TLS\r\n"), TRUE, "TLS" },
  { TEXT (""), TRUE, "" },
};

static void
test_fake_relay (gconstpointer user_data)
{
  const FakeCase *test = user_data;
  g_autoptr (TnTestkitDerp) donor = start_relay (1, FALSE);      /* of a certificate */
  g_autoptr (GSocketService) service = g_socket_service_new ();
  FakeRelay fake = { service, test->plain ? NULL : tn_testkit_derp_get_certificate (donor), test->answer, test->len };
  g_autofree char *pin = tn_testkit_derp_dup_pin (donor);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (GError) error = NULL;
  guint16 port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (service), NULL, &error);

  g_assert_no_error (error);
  g_signal_connect (service, "incoming", G_CALLBACK (fake_incoming_cb), &fake);
  add_region (a->map, 1, port, pin);
  peer_start (a, 1);
  WAIT_FOR (a->n_down[1] >= 3);
  g_assert_cmpuint (a->n_up[1], ==, 0);
  g_assert_nonnull (a->error);
  g_test_message ("%s", a->error->message);
  g_assert_nonnull (strstr (a->error->message, test->words));
  g_assert_true (g_utf8_validate (a->error->message, -1, NULL));
  g_socket_service_stop (service);
  g_socket_listener_close (G_SOCKET_LISTENER (service));
  IFACE (a)->stop (UNDERLAY (a));
  run_what_is_ready ();
}

/* It takes the connection, and that is all. */
static void
test_silent_relay (void)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (GError) error = NULL;
  guint16 port = g_socket_listener_add_any_inet_port (listener, NULL, &error);
  TnDerpTransportTimes times;

  g_assert_no_error (error);
  tn_derp_transport_get_times (a->transport, &times);
  times.client.connect_us = 50 * 1000;
  tn_derp_transport_set_times (a->transport, &times);
  add_region (a->map, 1, port, NULL);
  peer_start (a, 1);
  WAIT_FOR (a->n_down[1] >= 2);      /* it tries again */
  g_assert_cmpuint (a->n_up[1], ==, 0);
  g_assert_error (a->error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  tn_derp_transport_register (NULL);

  g_test_add_func ("/derp/hostile/oversized-frame", test_oversized_frame);
  g_test_add_func ("/derp/hostile/bad-server-info", test_bad_server_info);
  g_test_add_func ("/derp/hostile/strange-frames", test_strange_frames);
  g_test_add_func ("/derp/hostile/silent-relay", test_silent_relay);
  for (guint i = 0; i < G_N_ELEMENTS (fake_cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/derp/hostile/fake-relay/%u", i);

      g_test_add_data_func (path, &fake_cases[i], test_fake_relay);
    }

  return g_test_run ();
}
