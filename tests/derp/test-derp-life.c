/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections end, and come back; nothing comes after a stop. */

#include "derp-peer.h"
#include "tn-derp-link.h"

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

static guint
n_failures (Peer *peer)
{
  return ((TnDerpLink *) g_hash_table_lookup (peer->transport->links, GUINT_TO_POINTER (1)))->n_failures;
}

/* A relay that lets us in and closes is asked less and less often; one that was there for long has not failed before. */
static void
test_cut_each_time (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, FALSE);
  g_autoptr (Peer) a = peer_new ();
  TnDerpTransportTimes times;

  add_relay (a->map, relay);
  tn_derp_transport_get_times (a->transport, &times);
  times.back_off_us = 1000;
  times.stable_us = G_MAXINT64;
  tn_derp_transport_set_times (a->transport, &times);
  peer_start (a, 1);
  for (guint i = 1; i <= 5; i++)
    {
      WAIT_FOR (a->n_up[1] == i && a->n_heard >= i);
      g_assert_cmpuint (tn_testkit_derp_disconnect (relay, a->text), ==, 1);
      WAIT_FOR (a->n_down[1] == i);
      g_assert_cmpuint (n_failures (a), ==, i);
    }
  a->transport->times.stable_us = 0;
  WAIT_FOR (a->n_up[1] == 6 && a->n_heard >= 6);
  g_assert_cmpuint (tn_testkit_derp_disconnect (relay, a->text), ==, 1);
  WAIT_FOR (a->n_down[1] == 6);
  g_assert_cmpuint (n_failures (a), ==, 1);
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

static gboolean
elapsed_cb (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

/* Any frame is a sign of life, one that says nothing else too. */
static void
test_keep_alive (void)
{
  static const guint8 frame[] = { TN_DERP_KEEP_ALIVE, 0, 0, 0, 0 };
  const gint64 read_us = 300 * 1000;
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (GBytes) bytes = g_bytes_new (frame, sizeof frame);
  g_autoptr (Peer) a = peer_new ();
  gint64 sent_us;
  guint n_down;

  set_client_times (a, read_us, G_USEC_PER_SEC);
  add_relay (a->map, relay);
  peer_start (a, 1);
  do
    {
      gboolean elapsed = FALSE;

      n_down = a->n_down[1];
      WAIT_FOR (a->n_up[1] == n_down + 1 && tn_testkit_derp_get_n_clients (relay) == 1);
      g_timeout_add ((guint) (read_us / 2000), elapsed_cb, &elapsed);
      WAIT_FOR (elapsed);
    }
  while (a->n_down[1] != n_down);      /* stopped for so long that half the time was all of it */

  tn_testkit_derp_send_bytes (relay, bytes);
  sent_us = g_get_monotonic_time ();
  WAIT_FOR (a->n_down[1] == n_down + 1);
  g_assert_cmpint (g_get_monotonic_time () - sent_us, >=, read_us);
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

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  tn_derp_transport_register (NULL);

  g_test_add_func ("/derp/life/restart", test_restart);
  g_test_add_func ("/derp/life/cut", test_cut);
  g_test_add_func ("/derp/life/cut-each-time", test_cut_each_time);
  g_test_add_func ("/derp/life/peer-gone", test_peer_gone);
  g_test_add_func ("/derp/life/map-change", test_map_change);
  g_test_add_func ("/derp/life/health", test_health);
  g_test_add_func ("/derp/life/restarting", test_restarting);
  g_test_add_func ("/derp/life/watchdog", test_watchdog);
  g_test_add_func ("/derp/life/keep-alive", test_keep_alive);
  g_test_add_func ("/derp/life/rebind", test_rebind);
  g_test_add_func ("/derp/life/stop-while-connecting", test_stop_while_connecting);
  g_test_add_func ("/derp/life/stop-in-callback", test_stop_in_callback);
  g_test_add_func ("/derp/life/start-again", test_start_again);

  return g_test_run ();
}
