/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <glib/gstdio.h>

#include "derp-peer.h"
#include "relay-map.h"
#include "tn-error.h"

/* Two nodes at home at @relay, let in. */
static void
start_two (TnTestkitDerp *relay,
           Peer          *a,
           Peer          *b)
{
  guint region = tn_testkit_derp_get_region (relay);

  add_relay (a->map, relay);
  add_relay (b->map, relay);
  peer_start (a, region);
  peer_start (b, region);
  WAIT_FOR (tn_testkit_derp_get_n_clients (relay) == 2 && a->n_up[region] == 1 && b->n_up[region] == 1);
}

static void
test_exchange (gconstpointer user_data)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, GPOINTER_TO_INT (user_data));
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  TnDerpTransportCounters counters;

  start_two (relay, a, b);
  g_assert_cmpuint (a->n_connecting[1], >=, 1);      /* more where a handshake outlasts its time on a busy machine */
  g_assert_cmpuint (peer_send (a, 1, b, "there"), ==, 1);
  WAIT_FOR (b->received->len == 1);
  assert_received (b, 0, "there");
  g_assert_cmpint (b->from.kind, ==, TN_PATH_ADDRESS_RELAY);
  g_assert_cmpuint (b->from.relay.region, ==, 1);
  g_assert_cmpmem (&b->from.relay.key, TN_KEY_LEN, &a->key, TN_KEY_LEN);

  g_assert_cmpuint (peer_send (b, 1, a, "and back"), ==, 1);
  g_assert_cmpuint (peer_send (b, 1, a, ""), ==, 1);
  WAIT_FOR (a->received->len == 2);
  assert_received (a, 0, "and back");
  assert_received (a, 1, "");

  tn_derp_transport_get_counters (b->transport, &counters);
  g_assert_cmpuint (counters.sent, ==, 2);
  g_assert_cmpuint (counters.received, ==, 1);
  g_assert_cmpuint (counters.dropped, ==, 0);
}

/* Of every size, so that frames begin and end anywhere in records and buffers. */
static void
test_sizes (void)
{
  static const gsize lens[] = { 0, 1, 1280, 16384 - 37, 16384 - 36, 16384, 65535, 65536 };
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  g_autofree guint8 *data = g_malloc (65537);
  TnDerpTransportCounters counters;

  for (gsize i = 0; i < 65537; i++)
    data[i] = (guint8) (i * 7 + i / 256);
  start_two (relay, a, b);
  for (guint round = 0; round < 3; round++)
    for (guint i = 0; i < G_N_ELEMENTS (lens); i++)
      {
        guint n = b->received->len;

        g_assert_cmpuint (peer_send_bytes (a, 1, b, data, lens[i], TN_SEND_NONE), ==, 1);
        WAIT_FOR (b->received->len == n + 1);
        g_assert_cmpmem (g_bytes_get_data (g_ptr_array_index (b->received, n), NULL),
                         g_bytes_get_size (g_ptr_array_index (b->received, n)), data, lens[i]);
      }

  g_assert_cmpuint (peer_send_bytes (a, 1, b, data, 65537, TN_SEND_NONE), ==, 1);      /* taken, and dropped */
  tn_derp_transport_get_counters (a->transport, &counters);
  g_assert_cmpuint (counters.dropped, ==, 1);
}

static void
test_unknown_region (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  TnDerpTransportCounters counters;

  start_two (relay, a, b);
  g_assert_cmpuint (peer_send (a, 7, b, "nowhere"), ==, 1);
  tn_derp_transport_get_counters (a->transport, &counters);
  g_assert_cmpuint (counters.dropped, ==, 1);
  g_assert_cmpuint (counters.sent, ==, 0);
}

/* --- Trust --- */

static GTlsDatabase *
database_of (GTlsCertificate *certificate)
{
  g_autofree char *pem = NULL;
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  GTlsDatabase *database;
  int fd = g_file_open_tmp ("tailnet-ca-XXXXXX.pem", &path, &error);

  g_assert_no_error (error);
  g_close (fd, NULL);
  g_object_get (certificate, "certificate-pem", &pem, NULL);
  g_assert_true (g_file_set_contents (path, pem, -1, NULL));
  database = g_tls_file_database_new (path, &error);
  g_assert_no_error (error);
  g_remove (path);
  return database;
}

static void
test_custom_ca (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();

  a->database = database_of (tn_testkit_derp_get_certificate (relay));
  add_region (a->map, 1, tn_testkit_derp_get_port (relay), NULL);
  peer_start (a, 1);
  WAIT_FOR (a->n_up[1] == 1);
}

static void
assert_refused (Peer       *peer,
                const char *words)
{
  WAIT_FOR (peer->n_down[1] >= 2);      /* it tries again */
  g_assert_cmpuint (peer->n_up[1], ==, 0);
  g_assert_error (peer->error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE);
  g_assert_nonnull (strstr (peer->error->message, words));
}

static void
test_wrong_ca (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (TnTestkitDerp) other = start_relay (2, TRUE);
  g_autoptr (Peer) a = peer_new ();

  a->database = database_of (tn_testkit_derp_get_certificate (other));
  add_region (a->map, 1, tn_testkit_derp_get_port (relay), NULL);
  peer_start (a, 1);
  assert_refused (a, "unknown authority");
}

static void
test_wrong_name (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();

  a->database = database_of (tn_testkit_derp_get_certificate (relay));
  add_region (a->map, 1, tn_testkit_derp_get_port (relay), "relay.example");
  peer_start (a, 1);
  assert_refused (a, "for another name");
}

/* The certificate is also for localhost: another name than that of the map, when the map says so. */
static void
test_other_name (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();

  a->database = database_of (tn_testkit_derp_get_certificate (relay));
  add_region (a->map, 1, tn_testkit_derp_get_port (relay), "localhost");
  peer_start (a, 1);
  WAIT_FOR (a->n_up[1] == 1);
}

static void
test_wrong_pin (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (TnTestkitDerp) other = start_relay (2, TRUE);
  g_autofree char *pin = tn_testkit_derp_dup_pin (other);
  g_autoptr (Peer) a = peer_new ();

  add_region (a->map, 1, tn_testkit_derp_get_port (relay), pin)->insecure_for_tests = TRUE;      /* does not lift a pin */
  peer_start (a, 1);
  assert_refused (a, pin);
}

static void
test_insecure (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();

  add_region (a->map, 1, tn_testkit_derp_get_port (relay), NULL)->insecure_for_tests = TRUE;
  peer_start (a, 1);
  WAIT_FOR (a->n_up[1] == 1);
}

/* --- Back-pressure --- */

static guint
send_numbered (Peer  *from,
               Peer  *to,
               guint  first,
               guint  n)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (128 * 1536);
  TnPathAddress path = path_to (1, to);

  for (guint i = 0; i < n; i++)
    {
      TnPacket *packet = tn_packet_batch_append (batch, 1400);

      memset (packet->data, 0, 1400);
      tn_put_u32be (packet->data, first + i);
    }
  return IFACE (from)->send (UNDERLAY (from), &path, batch, 0, TN_SEND_NONE);
}

/* To a relay that reads no more. Returns how many went. */
static guint
send_until_full (Peer *a,
                 Peer *b)
{
  guint n_sent = 0;
  guint n;

  do
    {
      a->n_writable = 0;
      n = send_numbered (a, b, n_sent, 64);
      n_sent += n;
      run_what_is_ready ();
      g_assert_cmpuint (n_sent, <, 100000);      /* bounded */
    }
  while (n == 64 || a->n_writable > 0);
  return n_sent;
}

static void
test_back_pressure (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  guint n_sent, n, more = 600;

  start_two (relay, a, b);
  tn_testkit_derp_set_stalled (relay, TRUE);
  n_sent = send_until_full (a, b);
  g_assert_cmpuint (a->n_writable, ==, 0);
  g_assert_cmpuint (send_numbered (a, b, n_sent, 1), ==, 0);      /* still full */
  g_assert_cmpuint (peer_send_bytes (a, 1, b, "urgent", 6, TN_SEND_URGENT), ==, 1);

  tn_testkit_derp_set_stalled (relay, FALSE);
  while (more > 0)
    {
      WAIT_FOR (a->n_writable > 0);
      a->n_writable = 0;
      do
        {
          n = send_numbered (a, b, n_sent, MIN (more, 64));
          n_sent += n;
          more -= n;
        }
      while (n > 0 && more > 0);
    }
  WAIT_FOR (b->received->len == n_sent + 1);

  for (guint i = 0, expected = 0; i < b->received->len; i++)
    {
      GBytes *bytes = g_ptr_array_index (b->received, i);

      if (g_bytes_get_size (bytes) == 6)
        g_assert_cmpuint (expected, <, n_sent);      /* it passed some */
      else
        g_assert_cmpuint (tn_get_u32be (g_bytes_get_data (bytes, NULL)), ==, expected++);
    }
}

/* Who was turned away by a connection that is lost then goes on over the next. */
static void
test_lost_while_full (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  g_autoptr (GError) error = NULL;

  start_two (relay, a, b);
  tn_testkit_derp_set_stalled (relay, TRUE);
  send_until_full (a, b);
  tn_testkit_derp_stop (relay);
  WAIT_FOR (a->n_down[1] > 0);
  g_assert_cmpuint (a->n_writable, ==, 0);

  tn_testkit_derp_set_stalled (relay, FALSE);
  g_assert_true (tn_testkit_derp_start (relay, &error));
  WAIT_FOR (a->n_writable > 0);
  g_assert_cmpuint (peer_send (a, 1, b, "after"), ==, 1);
}

/* Before there is a connection urgent packets wait for it, others with their sender. */
static void
test_send_while_connecting (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (TnTestkitDerp) far = start_relay (2, TRUE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();

  add_relay (a->map, relay);
  add_relay (a->map, far);
  add_relay (b->map, far);
  peer_start (b, 2);
  WAIT_FOR (b->n_up[2] == 1 && tn_testkit_derp_get_n_clients (far) == 1);
  peer_start (a, 1);

  g_assert_cmpuint (peer_send_bytes (a, 2, b, "hello", 5, TN_SEND_URGENT), ==, 1);
  g_assert_cmpuint (peer_send (a, 2, b, "data"), ==, 0);
  WAIT_FOR (a->n_up[2] == 1 && a->n_writable > 0);
  g_assert_cmpuint (peer_send (a, 2, b, "data"), ==, 1);
  WAIT_FOR (b->received->len == 2);
  assert_received (b, 0, "hello");
  assert_received (b, 1, "data");
}

/* --- Life --- */

static void
test_restart (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  g_autoptr (GError) error = NULL;

  start_two (relay, a, b);
  g_assert_cmpuint (peer_send (a, 1, b, "before"), ==, 1);
  WAIT_FOR (b->received->len == 1);

  tn_testkit_derp_stop (relay);
  WAIT_FOR (a->n_down[1] >= 2 && b->n_down[1] >= 2);      /* lost, and not found again */
  g_assert_nonnull (a->error);
  g_assert_cmpuint (peer_send (a, 1, b, "lost"), ==, 0);

  g_assert_true (tn_testkit_derp_start (relay, &error));
  WAIT_FOR (a->n_writable > 0 && b->n_up[1] == 2 && tn_testkit_derp_get_n_clients (relay) == 2);
  g_assert_cmpuint (peer_send (a, 1, b, "after"), ==, 1);
  WAIT_FOR (b->received->len == 2);
  assert_received (b, 1, "after");
}

static void
test_cut (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, FALSE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();

  start_two (relay, a, b);
  g_assert_cmpuint (tn_testkit_derp_disconnect (relay, a->text), ==, 1);
  WAIT_FOR (a->n_up[1] == 2);
  g_assert_cmpuint (b->n_down[1], ==, 0);
  g_assert_error (a->error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
}

static void
test_peer_gone (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  static const guint8 disco[64] = { 'T', 'S', 0xf0, 0x9f, 0x92, 0xac };

  start_two (relay, a, b);
  g_assert_cmpuint (peer_send (b, 1, a, "hello"), ==, 1);
  WAIT_FOR (a->received->len == 1);
  IFACE (b)->stop (UNDERLAY (b));
  WAIT_FOR (a->n_gone == 1);
  g_assert_cmpint (a->gone.kind, ==, TN_PATH_ADDRESS_RELAY);
  g_assert_cmpuint (a->gone.relay.region, ==, 1);
  g_assert_cmpmem (&a->gone.relay.key, TN_KEY_LEN, &b->key, TN_KEY_LEN);

  g_assert_cmpuint (peer_send_bytes (a, 1, b, disco, sizeof disco, TN_SEND_URGENT), ==, 1);
  WAIT_FOR (a->n_gone == 2);
  g_assert_cmpuint (a->n_down[1], ==, 0);
}

static void
test_regions (void)
{
  g_autoptr (TnTestkitDerp) one = start_relay (1, TRUE);
  g_autoptr (TnTestkitDerp) two = start_relay (2, FALSE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  TnDerpTransportTimes times;

  add_relay (a->map, one);
  add_relay (a->map, two);
  add_relay (b->map, one);
  add_relay (b->map, two);
  tn_derp_transport_get_times (a->transport, &times);
  times.idle_us = 20 * 1000;
  tn_derp_transport_set_times (a->transport, &times);
  peer_start (a, 1);
  peer_start (b, 2);
  WAIT_FOR (a->n_up[1] == 1 && b->n_up[2] == 1 && tn_testkit_derp_get_n_clients (two) == 1);
  g_assert_cmpuint (a->n_up[2], ==, 0);      /* only when something is sent there */

  g_assert_cmpuint (peer_send_bytes (a, 2, b, "hi", 2, TN_SEND_URGENT), ==, 1);
  WAIT_FOR (b->received->len == 1 && a->n_up[2] == 1);
  g_assert_cmpuint (b->from.relay.region, ==, 2);

  WAIT_FOR (a->n_down[2] == 1);              /* idle: closed, and no error */
  g_assert_no_error (a->error);
  WAIT_FOR (tn_testkit_derp_get_n_clients (two) == 1);
  g_assert_cmpuint (a->n_down[1], ==, 0);

  IFACE (a)->set_home (UNDERLAY (a), 2);     /* a new home is dialled, the old one goes idle */
  WAIT_FOR (a->n_up[2] == 2 && a->n_down[1] == 1);
  g_assert_no_error (a->error);
}

static void
test_map_change (void)
{
  g_autoptr (TnTestkitDerp) before = start_relay (1, TRUE);
  g_autoptr (TnTestkitDerp) after = start_relay (1, TRUE);
  g_autoptr (TnRelayMap) same = NULL;
  g_autoptr (TnRelayMap) other = tn_relay_map_new ();
  g_autoptr (Peer) a = peer_new ();

  add_relay (a->map, before);
  add_relay (other, after);
  peer_start (a, 1);
  WAIT_FOR (a->n_up[1] == 1);

  same = tn_relay_map_copy (a->map);
  IFACE (a)->set_relay_map (UNDERLAY (a), same);
  run_what_is_ready ();
  g_assert_cmpuint (a->n_down[1], ==, 0);

  IFACE (a)->set_relay_map (UNDERLAY (a), other);
  WAIT_FOR (a->n_up[1] == 2 && tn_testkit_derp_get_n_clients (after) == 1);
  WAIT_FOR (tn_testkit_derp_get_n_clients (before) == 0);
  g_assert_cmpuint (a->n_down[1], ==, 1);

  IFACE (a)->set_relay_map (UNDERLAY (a), NULL);
  g_assert_cmpuint (a->n_down[1], ==, 2);
}

static void
test_health (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();

  start_two (relay, a, b);
  tn_testkit_derp_send_health (relay, "on fire");
  WAIT_FOR (a->n_health == 1);
  g_assert_cmpstr (a->problem, ==, "on fire");
  tn_testkit_derp_send_health (relay, NULL);
  WAIT_FOR (a->n_health == 2);
  g_assert_null (a->problem);

  tn_testkit_derp_send_health (relay, "again");
  WAIT_FOR (a->n_health == 3);
  tn_testkit_derp_disconnect (relay, a->text);
  WAIT_FOR (a->n_health == 4);               /* went with the link */
  g_assert_null (a->problem);
}

static void
test_restarting (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  gint64 begin_us;

  start_two (relay, a, b);
  tn_testkit_derp_send_restarting (relay, 200, 1000);
  tn_testkit_derp_send_health (relay, "told after it");
  WAIT_FOR (a->n_health == 1);
  begin_us = g_get_monotonic_time ();
  tn_testkit_derp_disconnect (relay, NULL);
  WAIT_FOR (a->n_up[1] == 2);
  g_assert_cmpint (g_get_monotonic_time () - begin_us, >=, 190 * 1000);
}

static void
set_client_times (Peer   *peer,
                  gint64  read_us,
                  gint64  ping_us)
{
  TnDerpTransportTimes times;

  tn_derp_transport_get_times (peer->transport, &times);
  times.client.read_us = read_us;
  times.client.ping_us = ping_us;
  tn_derp_transport_set_times (peer->transport, &times);
}

static void
test_watchdog (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();

  set_client_times (a, 30 * 1000, G_USEC_PER_SEC);
  add_relay (a->map, relay);
  peer_start (a, 1);
  WAIT_FOR (a->n_down[1] == 1);
  g_assert_cmpuint (a->n_up[1], ==, 1);
  g_assert_error (a->error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  WAIT_FOR (a->n_up[1] == 2);
}

static void
test_rebind (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();

  set_client_times (a, 100 * G_USEC_PER_SEC, 50 * 1000);
  start_two (relay, a, b);
  tn_testkit_derp_set_stalled (relay, TRUE);
  IFACE (a)->rebind (UNDERLAY (a));
  WAIT_FOR (a->n_down[1] == 1);              /* no answer */
  g_assert_error (a->error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  tn_testkit_derp_set_stalled (relay, FALSE);
  WAIT_FOR (a->n_up[1] == 2);

  IFACE (b)->rebind (UNDERLAY (b));          /* answered: b stays */
  g_assert_cmpuint (peer_send (b, 1, b, "to itself, after the ping"), ==, 1);
  WAIT_FOR (b->received->len == 1);
  g_assert_cmpuint (b->n_down[1], ==, 0);
}

/* --- A relay that does not behave --- */

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
  g_socket_service_stop (service);
  g_socket_listener_close (G_SOCKET_LISTENER (service));
  IFACE (a)->stop (UNDERLAY (a));
  run_what_is_ready ();
}

/* --- Stopping --- */

static void
test_stop_while_connecting (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();

  add_relay (a->map, relay);
  for (guint n_iterations = 0; n_iterations < 60; n_iterations++)      /* at every step of the way */
    {
      guint n_callbacks;

      peer_start (a, 1);
      for (guint i = 0; i < n_iterations; i++)
        g_main_context_iteration (NULL, FALSE);
      IFACE (a)->stop (UNDERLAY (a));
      n_callbacks = a->n_callbacks;
      run_what_is_ready ();
      g_assert_cmpuint (a->n_callbacks, ==, n_callbacks);
      IFACE (a)->set_home (UNDERLAY (a), 0);
    }
  WAIT_FOR (tn_testkit_derp_get_n_clients (relay) == 0);
}

static void
stop_on_receive (Peer *peer)
{
  IFACE (peer)->stop (UNDERLAY (peer));
}

static void
test_stop_in_callback (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  guint n_callbacks;

  start_two (relay, a, b);
  b->on_receive = stop_on_receive;
  for (guint i = 0; i < 300; i++)
    g_assert_cmpuint (peer_send (a, 1, b, "and on"), ==, 1);
  WAIT_FOR (b->received->len > 0);
  n_callbacks = b->n_callbacks;
  WAIT_FOR (tn_testkit_derp_get_n_clients (relay) == 1);
  g_assert_cmpuint (b->n_callbacks, ==, n_callbacks);
}

static void
test_start_again (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (Peer) a = peer_new ();

  add_relay (a->map, relay);
  for (guint i = 1; i <= 100; i++)
    {
      peer_start (a, 1);
      WAIT_FOR (a->n_up[1] == i);
      IFACE (a)->stop (UNDERLAY (a));
    }
}

/* --- Proxy --- */

typedef struct
{
  GSocketService *service;
  guint           port;       /* of the relay */
  GCancellable   *cancellable;
  guint           n_served;
  gboolean        over;
} Proxy;

static void
proxy_spliced_cb (GObject      *object,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  Proxy *proxy = user_data;

  g_io_stream_splice_finish (result, NULL);
  proxy->over = TRUE;
}

static void
proxy_connected_cb (GObject      *object,
                    GAsyncResult *result,
                    gpointer      user_data)
{
  g_autoptr (GSocketConnection) out = g_socket_client_connect_to_host_finish (G_SOCKET_CLIENT (object), result, NULL);
  g_autoptr (GIOStream) in = user_data;
  Proxy *proxy = g_object_get_data (G_OBJECT (in), "proxy");

  g_assert_nonnull (out);
  g_assert_true (g_output_stream_write_all (g_io_stream_get_output_stream (in), "HTTP/1.1 200 OK\r\n\r\n", 19, NULL, NULL, NULL));
  g_io_stream_splice_async (in, G_IO_STREAM (out), G_IO_STREAM_SPLICE_NONE, G_PRIORITY_DEFAULT, proxy->cancellable,
                            proxy_spliced_cb, proxy);
}

static void
proxy_read_cb (GObject      *object,
               GAsyncResult *result,
               gpointer      user_data)
{
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (object), result, NULL);
  GIOStream *in = user_data;
  Proxy *proxy = g_object_get_data (G_OBJECT (in), "proxy");
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autofree char *wanted = g_strdup_printf ("CONNECT relay.example:%u HTTP/1.", proxy->port);
  g_autofree char *head = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));

  g_assert_true (g_str_has_prefix (head, wanted));      /* the name, not the address of the map */
  proxy->n_served++;
  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_connect_to_host_async (client, "127.0.0.1", (guint16) proxy->port, NULL, proxy_connected_cb, in);
}

static gboolean
proxy_incoming_cb (GSocketService    *service,
                   GSocketConnection *connection,
                   GObject           *source,
                   gpointer           user_data)
{
  g_object_set_data (G_OBJECT (connection), "proxy", user_data);
  g_input_stream_read_bytes_async (g_io_stream_get_input_stream (G_IO_STREAM (connection)), 4096, G_PRIORITY_DEFAULT, NULL,
                                   proxy_read_cb, g_object_ref (connection));
  return TRUE;
}

static void
test_proxy (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (GSocketService) service = g_socket_service_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Proxy proxy = { service, tn_testkit_derp_get_port (relay), cancellable };
  guint16 port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (service), NULL, NULL);
  g_autofree char *uri = g_strdup_printf ("http://127.0.0.1:%u", port);
  g_autoptr (Peer) a = peer_new ();
  TnRelayNode *node;

  g_signal_connect (service, "incoming", G_CALLBACK (proxy_incoming_cb), &proxy);
  a->proxy_resolver = g_simple_proxy_resolver_new (uri, NULL);
  node = add_region (a->map, 1, proxy.port, NULL);
  node->insecure_for_tests = TRUE;
  g_free (node->host_name);
  node->host_name = g_strdup ("relay.example");
  peer_start (a, 1);
  WAIT_FOR (a->n_up[1] == 1 && tn_testkit_derp_get_n_clients (relay) == 1);
  g_assert_cmpuint (proxy.n_served, ==, 1);
  g_cancellable_cancel (cancellable);
  WAIT_FOR (proxy.over);
  IFACE (a)->stop (UNDERLAY (a));
  g_socket_service_stop (service);
  g_socket_listener_close (G_SOCKET_LISTENER (service));
}

/* --- Nodes of a region --- */

static void
test_second_node (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, FALSE);
  g_autoptr (TnTestkitDerp) dead = start_relay (2, FALSE);
  g_autofree char *pin = tn_testkit_derp_dup_pin (relay);
  g_autoptr (Peer) a = peer_new ();
  TnRelayNode *second = tn_relay_node_new ("b", "127.0.0.1");
  TnRelayNode *stun = tn_relay_node_new ("s", "127.0.0.1");

  tn_testkit_derp_stop (dead);
  add_region (a->map, 1, tn_testkit_derp_get_port (dead), NULL);
  stun->stun_only = TRUE;
  stun->derp_port = (guint16) tn_testkit_derp_get_port (relay);
  second->derp_port = (guint16) tn_testkit_derp_get_port (relay);
  second->cert_name = g_steal_pointer (&pin);
  g_ptr_array_add (tn_relay_map_lookup (a->map, 1)->nodes, stun);
  g_ptr_array_add (tn_relay_map_lookup (a->map, 1)->nodes, second);
  peer_start (a, 1);
  WAIT_FOR (a->n_up[1] == 1);
}

static void
test_no_node (void)
{
  g_autoptr (Peer) a = peer_new ();

  add_region (a->map, 1, 1, NULL)->stun_only = TRUE;
  peer_start (a, 1);
  WAIT_FOR (a->n_down[1] >= 2);
  g_assert_error (a->error, G_IO_ERROR, G_IO_ERROR_HOST_UNREACHABLE);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  tn_derp_transport_register (NULL);

  g_test_add_data_func ("/derp/transport/exchange", GINT_TO_POINTER (FALSE), test_exchange);
  g_test_add_data_func ("/derp/transport/exchange-fast-start", GINT_TO_POINTER (TRUE), test_exchange);
  g_test_add_func ("/derp/transport/sizes", test_sizes);
  g_test_add_func ("/derp/transport/unknown-region", test_unknown_region);
  g_test_add_func ("/derp/transport/custom-ca", test_custom_ca);
  g_test_add_func ("/derp/transport/wrong-ca", test_wrong_ca);
  g_test_add_func ("/derp/transport/wrong-name", test_wrong_name);
  g_test_add_func ("/derp/transport/other-name", test_other_name);
  g_test_add_func ("/derp/transport/wrong-pin", test_wrong_pin);
  g_test_add_func ("/derp/transport/insecure", test_insecure);
  g_test_add_func ("/derp/transport/back-pressure", test_back_pressure);
  g_test_add_func ("/derp/transport/lost-while-full", test_lost_while_full);
  g_test_add_func ("/derp/transport/send-while-connecting", test_send_while_connecting);
  g_test_add_func ("/derp/transport/restart", test_restart);
  g_test_add_func ("/derp/transport/cut", test_cut);
  g_test_add_func ("/derp/transport/peer-gone", test_peer_gone);
  g_test_add_func ("/derp/transport/regions", test_regions);
  g_test_add_func ("/derp/transport/map-change", test_map_change);
  g_test_add_func ("/derp/transport/health", test_health);
  g_test_add_func ("/derp/transport/restarting", test_restarting);
  g_test_add_func ("/derp/transport/watchdog", test_watchdog);
  g_test_add_func ("/derp/transport/rebind", test_rebind);
  g_test_add_func ("/derp/transport/oversized-frame", test_oversized_frame);
  g_test_add_func ("/derp/transport/bad-server-info", test_bad_server_info);
  g_test_add_func ("/derp/transport/strange-frames", test_strange_frames);
  for (guint i = 0; i < G_N_ELEMENTS (fake_cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/derp/transport/fake-relay/%u", i);

      g_test_add_data_func (path, &fake_cases[i], test_fake_relay);
    }
  g_test_add_func ("/derp/transport/stop-while-connecting", test_stop_while_connecting);
  g_test_add_func ("/derp/transport/stop-in-callback", test_stop_in_callback);
  g_test_add_func ("/derp/transport/start-again", test_start_again);
  g_test_add_func ("/derp/transport/proxy", test_proxy);
  g_test_add_func ("/derp/transport/second-node", test_second_node);
  g_test_add_func ("/derp/transport/no-node", test_no_node);

  return g_test_run ();
}
