/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "world.h"

/* The life of sessions between two nodes on a good wire, with one thing going wrong at a time. */

typedef struct
{
  World *world;
  Node  *a;
  Node  *b;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->world = world_new (1);
  f->a = node_new (f->world);
  f->b = node_new (f->world);
  node_peer (f->a, f->b);
  node_peer (f->b, f->a);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  world_free (f->world);
}

static guint
n_handshakes (Node *node)
{
  return node->n_sent[TN_MESSAGE_TYPE_INITIATION];
}

/* @n packets, one a second, from @from to @to. */
static void
trickle (Fixture *f, Node *from, Node *to, guint n)
{
  while (n-- > 0)
    {
      node_send (from, to, 1, 100);
      world_run (f->world, WORLD_SECOND);
    }
}

static void
establish (Fixture *f)
{
  node_send (f->a, f->b, 1, 100);
  world_run (f->world, WORLD_SECOND);
  g_assert_true (node_has_session (f->a, f->b));
  g_assert_true (node_has_session (f->b, f->a));
}

static void
test_first_packet (Fixture *f, gconstpointer data)
{
  TnTunnelPeerStats stats;

  g_assert_cmpint (tn_tunnel_deadline (f->a->tunnel), ==, G_MAXINT64);
  node_send (f->a, f->b, 3, 100);
  g_assert_cmpuint (node_get_n_staged (f->a, f->b), ==, 3);
  world_run (f->world, WORLD_SECOND);

  g_assert_cmpuint (f->b->n_delivered, ==, 3);
  g_assert_cmpuint (f->a->n_sent[TN_MESSAGE_TYPE_INITIATION], ==, 1);
  g_assert_cmpuint (f->b->n_sent[TN_MESSAGE_TYPE_RESPONSE], ==, 1);
  g_assert_cmpuint (f->a->n_sent[TN_MESSAGE_TYPE_DATA], ==, 3);      /* no keep-alive: data serves */
  g_assert_cmpuint (f->a->n_events[TN_TUNNEL_EVENT_HANDSHAKE], ==, 1);
  g_assert_cmpuint (f->a->n_events[TN_TUNNEL_EVENT_ESTABLISHED], ==, 1);
  g_assert_cmpuint (f->b->n_events[TN_TUNNEL_EVENT_ESTABLISHED], ==, 1);
  g_assert_cmpuint (f->b->n_events[TN_TUNNEL_EVENT_HANDSHAKE], ==, 0);

  tn_tunnel_peer_get_stats (node_peer (f->a, f->b), &stats);
  g_assert_cmpuint (stats.tx_packets, ==, 3);
  g_assert_cmpuint (stats.tx_bytes, ==, 148 + 3 * (112 + 32));
  g_assert_cmpuint (stats.rx_bytes, ==, 92);
  g_assert_cmpint (stats.last_handshake_us, ==, f->world->now_us - WORLD_SECOND + 40 * WORLD_MS);
  g_assert_cmpint (stats.last_handshake_wall_ns, >, 1700000000 * (gint64) 1000000000);
}

static void
test_connect (Fixture *f, gconstpointer data)
{
  tn_tunnel_connect (f->a->tunnel, node_peer (f->a, f->b), f->world->now_us);
  tn_tunnel_connect (f->a->tunnel, node_peer (f->a, f->b), f->world->now_us);
  world_run (f->world, WORLD_SECOND);
  g_assert_true (node_has_session (f->a, f->b));
  g_assert_true (node_has_session (f->b, f->a));      /* confirmed by a keep-alive */
  g_assert_cmpuint (f->a->n_sent[TN_MESSAGE_TYPE_DATA], ==, 1);

  tn_tunnel_connect (f->a->tunnel, node_peer (f->a, f->b), f->world->now_us);
  g_assert_cmpuint (n_handshakes (f->a), ==, 1);
}

static void
test_rekey (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 1200; i++)
    {
      node_send (f->a, f->b, 1, 100);
      node_send (f->b, f->a, 1, 100);
      world_run (f->world, WORLD_SECOND);
    }
  g_assert_cmpuint (f->a->n_delivered, ==, 1200);
  g_assert_cmpuint (f->b->n_delivered, ==, 1200);
  g_assert_cmpuint (f->a->n_events[TN_TUNNEL_EVENT_EXPIRED] + f->b->n_events[TN_TUNNEL_EVENT_EXPIRED], ==, 0);

  /* Both began at once; then they settled on one session, so that one of them renews it, each 120 s. */
  g_assert_cmpuint (n_handshakes (f->a) + n_handshakes (f->b), ==, 1 + 10);
}

static void
test_rekey_by_initiator_only (Fixture *f, gconstpointer data)
{
  establish (f);
  for (guint i = 0; i < 600; i++)
    {
      node_send (f->a, f->b, 1, 100);
      node_send (f->b, f->a, 1, 100);
      world_run (f->world, WORLD_SECOND);
    }
  g_assert_cmpuint (n_handshakes (f->a), ==, 5);
  g_assert_cmpuint (n_handshakes (f->b), ==, 0);
  g_assert_cmpuint (f->b->n_delivered, ==, 601);
  g_assert_cmpuint (f->a->n_delivered, ==, 600);
}

/* An initiator that only receives renews the session shortly before it ends. */
static void
test_rekey_last_minute (Fixture *f, gconstpointer data)
{
  establish (f);
  trickle (f, f->b, f->a, 164);
  g_assert_cmpuint (n_handshakes (f->a), <=, 2);      /* its keep-alives count as sending: at 120 s already */
  trickle (f, f->b, f->a, 200);
  g_assert_cmpuint (f->a->n_delivered, ==, 364);
  g_assert_cmpuint (n_handshakes (f->b), ==, 0);
}

static void
test_rekey_by_counter (Fixture *f, gconstpointer data)
{
  establish (f);
  world_run (f->world, 10 * WORLD_SECOND);
  node_peer (f->b, f->a)->keypairs.current->send_counter = TN_REKEY_AFTER_MESSAGES - 1;
  node_send (f->b, f->a, 1, 100);
  g_assert_cmpuint (n_handshakes (f->b), ==, 0);
  node_send (f->b, f->a, 1, 100);
  g_assert_cmpuint (n_handshakes (f->b), ==, 1);
  world_run (f->world, WORLD_SECOND);
  g_assert_cmpuint (f->a->n_delivered, ==, 2);
  g_assert_cmpuint (node_peer (f->b, f->a)->keypairs.current->send_counter, <, 10);
}

static void
test_counter_exhausted (Fixture *f, gconstpointer data)
{
  establish (f);
  world_run (f->world, 10 * WORLD_SECOND);
  node_peer (f->a, f->b)->keypairs.current->send_counter = TN_REJECT_AFTER_MESSAGES - 2;
  node_send (f->a, f->b, 3, 100);      /* all or none */
  g_assert_cmpuint (node_get_n_staged (f->a, f->b), ==, 3);
  world_run (f->world, WORLD_SECOND);
  g_assert_cmpuint (f->b->n_delivered, ==, 4);
}

static void
test_idle (Fixture *f, gconstpointer data)
{
  guint n_wakes;

  establish (f);
  world_run (f->world, 170 * WORLD_SECOND);
  g_assert_true (node_has_session (f->a, f->b));
  g_assert_cmpuint (f->a->n_events[TN_TUNNEL_EVENT_EXPIRED], ==, 0);
  world_run (f->world, 10 * WORLD_SECOND);
  g_assert_false (node_has_session (f->a, f->b));
  g_assert_cmpuint (f->a->n_events[TN_TUNNEL_EVENT_EXPIRED], ==, 1);
  g_assert_cmpuint (f->b->n_events[TN_TUNNEL_EVENT_EXPIRED], ==, 1);
  g_assert_nonnull (node_peer (f->a, f->b)->keypairs.current);

  f->a->removes_when_idle = TRUE;
  world_run (f->world, 361 * WORLD_SECOND);
  g_assert_cmpuint (f->a->n_events[TN_TUNNEL_EVENT_IDLE], ==, 1);
  g_assert_cmpuint (tn_tunnel_get_n_peers (f->a->tunnel), ==, 0);
  g_assert_null (node_peer (f->b, f->a)->keypairs.current);
  g_assert_cmpuint (f->a->tunnel->indices.n_entries + f->b->tunnel->indices.n_entries, ==, 0);

  /* One data packet, its keep-alive, and then silence. */
  g_assert_cmpuint (n_handshakes (f->a) + n_handshakes (f->b), ==, 1);
  g_assert_cmpuint (f->a->n_sent[TN_MESSAGE_TYPE_DATA], ==, 1);
  g_assert_cmpuint (f->b->n_sent[TN_MESSAGE_TYPE_DATA], ==, 1);
  n_wakes = f->a->n_wakes + f->b->n_wakes;
  world_run (f->world, WORLD_HOUR);
  g_assert_cmpuint (f->a->n_wakes + f->b->n_wakes, ==, n_wakes);
  g_assert_cmpint (tn_tunnel_deadline (f->a->tunnel), ==, G_MAXINT64);
  g_assert_cmpint (tn_tunnel_deadline (f->b->tunnel), ==, G_MAXINT64);
}

static void
test_keepalive (Fixture *f, gconstpointer data)
{
  establish (f);
  world_run (f->world, 9 * WORLD_SECOND - 20 * WORLD_MS);
  g_assert_cmpuint (f->b->n_sent[TN_MESSAGE_TYPE_DATA], ==, 0);
  world_run (f->world, WORLD_SECOND);
  g_assert_cmpuint (f->b->n_sent[TN_MESSAGE_TYPE_DATA], ==, 1);

  /* Not if there is something to say anyway. */
  for (guint i = 0; i < 10; i++)
    {
      node_send (f->a, f->b, 1, 100);
      world_run (f->world, 5 * WORLD_SECOND);
      node_send (f->b, f->a, 1, 100);
      world_run (f->world, 2 * WORLD_SECOND);
    }
  g_assert_cmpuint (f->b->n_sent[TN_MESSAGE_TYPE_DATA], ==, 11);
}

static void
test_persistent_keepalive (Fixture *f, gconstpointer data)
{
  TnTunnelPeerConfig config = { .keepalive_interval_s = 25 };

  tn_tunnel_remove_peer (f->a->tunnel, node_peer (f->a, f->b));
  tn_tunnel_add_peer (f->a->tunnel, &f->b->public_key, &config, f->world->now_us);
  for (guint i = 0; i < 60; i++)
    {
      world_run (f->world, WORLD_MINUTE);
      g_assert_true (node_has_session (f->a, f->b));
      g_assert_true (node_has_session (f->b, f->a));
    }
  g_assert_cmpuint (f->a->n_sent[TN_MESSAGE_TYPE_DATA], >=, 3600 / 25 - 1);
  g_assert_cmpuint (f->a->n_sent[TN_MESSAGE_TYPE_DATA], <=, 3600 / 25 + 30);
  g_assert_cmpuint (f->a->n_events[TN_TUNNEL_EVENT_EXPIRED], ==, 0);

  f->b->is_cut_off = TRUE;      /* gives up, and tries again, for ever */
  world_run (f->world, WORLD_HOUR);
  g_assert_cmpuint (f->a->n_events[TN_TUNNEL_EVENT_FAILED], >, 10);
  f->b->is_cut_off = FALSE;
  world_run (f->world, 2 * WORLD_MINUTE);
  g_assert_true (node_has_session (f->a, f->b));
}

/* Neither waits for a retransmission. */
static void
test_simultaneous (Fixture *f, gconstpointer data)
{
  for (guint delay_ms = 0; delay_ms <= 100; delay_ms += 7)
    {
      guint64 n_a = f->a->n_delivered;
      guint64 n_b = f->b->n_delivered;

      node_send (f->a, f->b, 2, 100);
      world_run (f->world, delay_ms * WORLD_MS / 2);
      node_send (f->b, f->a, 2, 100);
      world_run (f->world, 200 * WORLD_MS);
      g_assert_cmpuint (f->a->n_delivered, ==, n_a + 2);
      g_assert_cmpuint (f->b->n_delivered, ==, n_b + 2);
      node_send (f->a, f->b, 2, 100);
      node_send (f->b, f->a, 2, 100);
      world_run (f->world, WORLD_MINUTE);
      g_assert_cmpuint (f->a->n_delivered, ==, n_a + 4);
      g_assert_cmpuint (f->b->n_delivered, ==, n_b + 4);
      world_run (f->world, WORLD_HOUR);
    }
}

static void
test_no_answer (Fixture *f, gconstpointer data)
{
  f->b->is_cut_off = TRUE;
  node_send (f->a, f->b, 5, 100);
  world_run (f->world, 99 * WORLD_SECOND);
  g_assert_cmpuint (f->a->n_events[TN_TUNNEL_EVENT_FAILED], ==, 0);
  world_run (f->world, 9 * WORLD_SECOND);
  g_assert_cmpuint (n_handshakes (f->a), ==, 20);
  g_assert_cmpuint (f->a->n_events[TN_TUNNEL_EVENT_FAILED], ==, 1);
  g_assert_cmpuint (f->a->n_events[TN_TUNNEL_EVENT_HANDSHAKE], ==, 1);
  g_assert_cmpuint (node_get_n_staged (f->a, f->b), ==, 0);
  g_assert_cmpuint (f->a->tunnel->staged_bytes, ==, 0);
  g_assert_cmpuint (tn_tunnel_get_drops (f->a->tunnel, TN_TUNNEL_DROP_STAGED_FAILED), ==, 5);

  world_run (f->world, WORLD_HOUR);
  g_assert_cmpuint (n_handshakes (f->a), ==, 20);
  g_assert_cmpuint (f->a->n_events[TN_TUNNEL_EVENT_IDLE], ==, 1);
  g_assert_cmpint (tn_tunnel_deadline (f->a->tunnel), ==, G_MAXINT64);

  f->b->is_cut_off = FALSE;
  establish (f);
}

/* The peer has forgotten us, and says nothing to what it cannot read: 15 s later we ask again. */
static void
test_session_lost (Fixture *f, gconstpointer data)
{
  establish (f);
  world_run (f->world, 30 * WORLD_SECOND);
  tn_tunnel_peer_reset (f->b->tunnel, node_peer (f->b, f->a));
  trickle (f, f->a, f->b, 14);
  g_assert_cmpuint (f->b->n_delivered, ==, 1);
  g_assert_cmpuint (tn_tunnel_get_drops (f->b->tunnel, TN_TUNNEL_DROP_UNKNOWN_INDEX), ==, 14);
  trickle (f, f->a, f->b, 5);
  g_assert_cmpuint (f->b->n_delivered, >=, 4);
  g_assert_true (node_has_session (f->b, f->a));
}

static void
test_restart (Fixture *f, gconstpointer data)
{
  establish (f);
  node_restart (f->b);
  node_send (f->b, f->a, 1, 100);      /* the one that restarted speaks first */
  world_run (f->world, WORLD_SECOND);
  g_assert_cmpuint (f->a->n_delivered, ==, 1);
  node_send (f->a, f->b, 1, 100);
  world_run (f->world, WORLD_SECOND);
  g_assert_cmpuint (f->b->n_delivered, ==, 2);

  node_restart (f->b);                 /* the other does */
  f->b->adds_on_lookup = TRUE;
  trickle (f, f->a, f->b, 17);
  g_assert_cmpuint (f->b->n_events[TN_TUNNEL_EVENT_CREATED], ==, 1);
  g_assert_cmpuint (f->b->n_delivered, >=, 3);
}

static void
test_clock_set_back (Fixture *f, gconstpointer data)
{
  establish (f);
  f->a->wall_offset_ns = -86400 * (gint64) 1000000000;
  world_run (f->world, WORLD_HOUR);
  establish (f);
  g_assert_cmpuint (tn_tunnel_get_drops (f->b->tunnel, TN_TUNNEL_DROP_OLD_TIMESTAMP), ==, 0);
  f->a->wall_offset_ns = 86400 * (gint64) 1000000000;
  world_run (f->world, WORLD_HOUR);
  establish (f);
  g_assert_cmpuint (n_handshakes (f->a), ==, 3);
}

static void
test_boot_time_back (Fixture *f, gconstpointer data)
{
  gint64 deadline_us;

  establish (f);
  deadline_us = tn_tunnel_deadline (f->a->tunnel);
  tn_tunnel_expire (f->a->tunnel, f->world->now_us - WORLD_HOUR);
  tn_tunnel_expire (f->a->tunnel, G_MININT64);
  g_assert_cmpint (tn_tunnel_deadline (f->a->tunnel), ==, deadline_us);
  g_assert_cmpint (f->a->tunnel->now_us, <=, f->world->now_us);
  tn_tunnel_expire (f->a->tunnel, G_MAXINT64);      /* nothing overflows */
  tn_tunnel_send_keepalive (f->a->tunnel, node_peer (f->a, f->b), G_MAXINT64);
  g_assert_cmpint (tn_tunnel_deadline (f->a->tunnel), >, 0);
}

static void
test_sleep (Fixture *f, gconstpointer data)
{
  establish (f);
  f->b->asleep_until_us = f->world->now_us + WORLD_HOUR;
  trickle (f, f->a, f->b, 3700);
  g_assert_cmpuint (f->b->n_delivered, >, 90);
  g_assert_cmpuint (f->b->last_delivered, ==, 3700);
  g_assert_cmpuint (f->a->n_events[TN_TUNNEL_EVENT_EXPIRED], ==, 1);
}

static void
test_staged_overflow (Fixture *f, gconstpointer data)
{
  guint64 first;

  f->b->is_cut_off = TRUE;
  first = node_send (f->a, f->b, 100, 100);
  node_send (f->a, f->b, 100, 100);
  g_assert_cmpuint (node_get_n_staged (f->a, f->b), ==, 128);
  g_assert_cmpuint (tn_tunnel_get_drops (f->a->tunnel, TN_TUNNEL_DROP_STAGED_FULL), ==, 72);
  f->b->is_cut_off = FALSE;
  world_run (f->world, 6 * WORLD_SECOND);
  g_assert_cmpuint (f->b->n_delivered, ==, 128);
  g_assert_cmpuint (f->b->last_delivered, ==, first + 199);
  g_assert_cmpuint (f->a->tunnel->staged_bytes, ==, 0);
}

/* However many peers wait: memory is bounded. */
static void
test_staged_bytes (Fixture *f, gconstpointer data)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (100 * 66000);
  guint64 total = 0;

  f->world->loss = 1;
  for (guint i = 0; i < 4; i++)
    {
      TnTunnelPeer *peer = node_peer (f->a, node_new (f->world));

      tn_packet_batch_reset (batch);
      for (guint n = 0; n < 90; n++)
        memset (tn_packet_batch_append (batch, 65000)->data, 0x45, 65000);
      g_assert_cmpint (tn_tunnel_seal (f->a->tunnel, peer, batch->packets, 90, f->world->now_us), ==, TN_TUNNEL_STAGED);
      total += (guint64) peer->stage->n * 65000;
      g_assert_cmpuint (f->a->tunnel->staged_bytes, <=, TN_STAGED_BYTES_MAX);
    }
  g_assert_cmpuint (total, ==, f->a->tunnel->staged_bytes);
  world_run (f->world, 3 * WORLD_MINUTE);
  g_assert_cmpuint (f->a->tunnel->staged_bytes, ==, 0);
}

/* Layout of a sealed packet, and what the caller's descriptor says after it. */
static void
test_seal_in_place (Fixture *f, gconstpointer data)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);
  TnPacket *packet, before;

  establish (f);
  packet = tn_packet_batch_append (batch, 45);
  world_fill_inner (packet->data, 45, f->a, f->b, 7);
  before = *packet;
  g_assert_cmpint (tn_tunnel_seal (f->a->tunnel, node_peer (f->a, f->b), packet, 1, f->world->now_us), ==, TN_TUNNEL_SEALED);
  g_assert_true (packet->data == before.data - 16);
  g_assert_cmpuint (packet->len, ==, 16 + 48 + 16);
  g_assert_cmpuint (packet->headroom, ==, before.headroom - 16);
  g_assert_cmpuint (packet->tailroom, ==, before.tailroom - 3 - 16);
  g_assert_cmpint (node_receive (f->b, f->a, packet->data, packet->len), ==, TN_TUNNEL_DATA);
  g_assert_cmpint (node_receive (f->b, f->a, packet->data, packet->len), ==, TN_TUNNEL_DROP);
  g_assert_cmpuint (tn_tunnel_get_drops (f->b->tunnel, TN_TUNNEL_DROP_REPLAY), ==, 1);
  packet->data[20] ^= 1;
  g_assert_cmpint (node_receive (f->b, f->a, packet->data, packet->len), ==, TN_TUNNEL_DROP);
  g_assert_cmpuint (tn_tunnel_get_drops (f->b->tunnel, TN_TUNNEL_DROP_AUTHENTICATION), ==, 1);
}

static void
test_private_key_changes (Fixture *f, gconstpointer data)
{
  TnNodePrivateKey other;
  TnNodePublicKey other_public;

  establish (f);
  world_random_bytes (f->world, other.bytes, sizeof other.bytes);
  tn_node_private_key_get_public (&other, &other_public);
  tn_tunnel_set_private_key (f->a->tunnel, &other);
  f->a->private_key = other;
  f->a->public_key = other_public;
  g_assert_false (node_has_session (f->a, f->b));
  g_assert_cmpuint (f->a->tunnel->indices.n_entries, ==, 0);

  node_peer (f->b, f->a);
  node_send (f->a, f->b, 1, 100);
  world_run (f->world, WORLD_SECOND);
  g_assert_cmpuint (f->b->n_delivered, ==, 2);
}

static void
test_psk (Fixture *f, gconstpointer data)
{
  TnTunnelPeerConfig config = { .psk = { 1, 2, 3 } };

  tn_tunnel_remove_peer (f->a->tunnel, node_peer (f->a, f->b));
  tn_tunnel_add_peer (f->a->tunnel, &f->b->public_key, &config, f->world->now_us);
  node_send (f->a, f->b, 1, 100);
  world_run (f->world, 20 * WORLD_SECOND);
  g_assert_cmpuint (f->b->n_delivered, ==, 0);
  g_assert_cmpuint (tn_tunnel_get_drops (f->a->tunnel, TN_TUNNEL_DROP_HANDSHAKE), >=, 3);

  tn_tunnel_remove_peer (f->b->tunnel, node_peer (f->b, f->a));
  tn_tunnel_add_peer (f->b->tunnel, &f->a->public_key, &config, f->world->now_us);
  world_run (f->world, 6 * WORLD_SECOND);
  g_assert_cmpuint (f->b->n_delivered, ==, 1);
}

#define ADD(path, func) g_test_add ("/tunnel/session/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("first-packet", test_first_packet);
  ADD ("connect", test_connect);
  ADD ("rekey", test_rekey);
  ADD ("rekey-by-initiator-only", test_rekey_by_initiator_only);
  ADD ("rekey-last-minute", test_rekey_last_minute);
  ADD ("rekey-by-counter", test_rekey_by_counter);
  ADD ("counter-exhausted", test_counter_exhausted);
  ADD ("idle", test_idle);
  ADD ("keepalive", test_keepalive);
  ADD ("persistent-keepalive", test_persistent_keepalive);
  ADD ("simultaneous", test_simultaneous);
  ADD ("no-answer", test_no_answer);
  ADD ("session-lost", test_session_lost);
  ADD ("restart", test_restart);
  ADD ("clock-set-back", test_clock_set_back);
  ADD ("boot-time-back", test_boot_time_back);
  ADD ("sleep", test_sleep);
  ADD ("staged-overflow", test_staged_overflow);
  ADD ("staged-bytes", test_staged_bytes);
  ADD ("seal-in-place", test_seal_in_place);
  ADD ("private-key-changes", test_private_key_changes);
  ADD ("psk", test_psk);
  return g_test_run ();
}
