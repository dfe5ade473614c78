/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What two nodes have of a relay that works. */

#include "derp-peer.h"

static void
test_exchange (gconstpointer user_data)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, GPOINTER_TO_INT (user_data));
  g_autoptr (Peer) a = peer_new ();
  g_autoptr (Peer) b = peer_new ();
  TnDerpTransportCounters counters;

  start_two (relay, a, b);
  g_assert_cmpuint (a->n_connecting[1], ==, 1);
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

/* To a relay that reads no more, until the kernel has no room either. Returns how many went. */
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
  while (n > 0 || a->n_writable > 0);
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

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  tn_derp_transport_register (NULL);

  g_test_add_func ("/derp/transport/sizes", test_sizes);
  g_test_add_func ("/derp/transport/unknown-region", test_unknown_region);
  g_test_add_func ("/derp/transport/back-pressure", test_back_pressure);
  g_test_add_func ("/derp/transport/lost-while-full", test_lost_while_full);
  g_test_add_func ("/derp/transport/send-while-connecting", test_send_while_connecting);
  g_test_add_func ("/derp/transport/second-node", test_second_node);
  g_test_add_func ("/derp/transport/no-node", test_no_node);
  g_test_add_func ("/derp/transport/regions", test_regions);
  g_test_add_data_func ("/derp/transport/exchange", GINT_TO_POINTER (FALSE), test_exchange);
  g_test_add_data_func ("/derp/transport/exchange-fast-start", GINT_TO_POINTER (TRUE), test_exchange);

  return g_test_run ();
}
