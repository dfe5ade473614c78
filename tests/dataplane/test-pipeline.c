/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pipeline-world.h"

#include <string.h>

#include "tn-box.h"
#include "tn-hold-queue.h"
#include "tn-ip-header.h"

static void
test_exchange (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];

  send_udp (a, b, 5);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 5);
  for (guint i = 0; i < 5; i++)      /* in order, trimmed to their own length */
    g_assert_cmpuint (g_bytes_get_size (g_ptr_array_index (b->received, i)), ==, 100 + i);

  send_udp (b, a, 1);
  settle (world);
  g_assert_cmpuint (a->received->len, ==, 1);
}

static void
test_batch_to_two_peers (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (64 * 1024);
  Node *a = &world->nodes[0];

  for (guint i = 0; i < 20; i++)
    append_udp (batch, &a->address, &world->nodes[1 + i % 2].address, 5, 64 + i);
  tn_pipeline_from_overlay (a->pipeline, batch, world->now_us);
  settle (world);
  for (guint n = 1; n <= 2; n++)
    {
      g_assert_cmpuint (world->nodes[n].received->len, ==, 10);
      for (guint i = 0; i < 10; i++)
        g_assert_cmpuint (g_bytes_get_size (g_ptr_array_index (world->nodes[n].received, i)), ==, 64 + 2 * i + n - 1);
    }
}

static void
test_no_route (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);
  Node *a = &world->nodes[0];
  const guint8 nobody[] = { 100, 64, 9, 9 };
  TnIpAddress dst = tn_ip_address_from_bytes (nobody, sizeof nobody);

  append_udp (batch, &a->address, &dst, 5, 64);
  tn_pipeline_from_overlay (a->pipeline, batch, world->now_us);
  g_assert_cmpuint (tn_pipeline_get_drops (a->pipeline, TN_PIPELINE_DROP_NO_ROUTE), ==, 1);
  g_assert_true (g_queue_is_empty (&world->wire));
}

/* Who is authentic still may not speak for another address. */
static void
test_foreign_source (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];

  append_udp (batch, &world->nodes[2].address, &b->address, 5, 64);
  tn_pipeline_from_overlay (a->pipeline, batch, world->now_us);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 0);
  g_assert_cmpuint (tn_pipeline_get_drops (b->pipeline, TN_PIPELINE_DROP_SOURCE), ==, 1);
}

static void
test_filter (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];

  set_filter (b, NULL);      /* no rule: nothing enters */
  send_udp (a, b, 3);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 0);
  g_assert_cmpuint (tn_pipeline_get_drops (b->pipeline, TN_PIPELINE_DROP_FILTER), ==, 3);

  set_filter (b, "100.64.0.1");
  send_udp (a, b, 1);
  send_udp (&world->nodes[2], b, 1);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 1);
  g_assert_cmpuint (tn_pipeline_get_drops (b->pipeline, TN_PIPELINE_DROP_FILTER), ==, 4);
}

/* A full relay loses nothing: packets wait, their source is told to hold back, and both end when the relay takes more. */
static void
test_back_pressure (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  TnPathAddress path = { .kind = TN_PATH_ADDRESS_RELAY, .relay = { REGION, b->node_key } };

  send_udp (a, b, 1);
  settle (world);
  g_ptr_array_set_size (b->received, 0);

  a->room = 10;
  send_udp (a, b, 50);
  send_udp (a, b, 50);
  g_assert_cmpuint (a->n_blocked, ==, 1);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 10);

  a->room = 30;
  tn_pipeline_path_writable (a->pipeline, &path, world->now_us);
  g_assert_cmpuint (a->n_blocked, ==, 1);
  a->room = G_MAXUINT;
  tn_pipeline_path_writable (a->pipeline, &path, world->now_us);
  g_assert_cmpuint (a->n_blocked, ==, 0);
  g_assert_cmpuint (a->n_block_calls, ==, 2);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 100);
  for (guint i = 0; i < 100; i++)
    g_assert_cmpuint (g_bytes_get_size (g_ptr_array_index (b->received, i)), ==, 100 + i % 50);
  g_assert_cmpuint (tn_pipeline_get_drops (a->pipeline, TN_PIPELINE_DROP_QUEUE_FULL), ==, 0);
}

/* A path that takes ten packets each ten milliseconds, and a source that sends as many and does not slow down. Nobody else is held back for
 * it, what waits does so for a while only, and what is too much is dropped here and there, not from the end. */
static void
test_slow_path (void)
{
  g_autoptr (World) world = world_new_without_back_pressure ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  TnPathAddress path = { .kind = TN_PATH_ADDRESS_RELAY, .relay = { REGION, b->node_key } };
  guint64 early;

  send_udp (a, b, 1);
  settle (world);
  a->room = 0;
  send_udp (a, b, 50);
  for (guint i = 0; i < 9; i++)
    {
      world->now_us += 10 * 1000;
      send_udp (a, b, 10);
      a->room = 10;
      tn_pipeline_path_writable (a->pipeline, &path, world->now_us);
    }
  g_assert_cmpuint (tn_pipeline_get_drops (a->pipeline, TN_PIPELINE_DROP_QUEUE_FULL), ==, 0);
  for (guint i = 0; i < 100; i++)
    {
      world->now_us += 10 * 1000;
      send_udp (a, b, 10);
      a->room = 10;
      tn_pipeline_path_writable (a->pipeline, &path, world->now_us);
    }
  early = tn_pipeline_get_drops (a->pipeline, TN_PIPELINE_DROP_QUEUE_FULL);
  g_assert_cmpuint (early, >, 5);
  g_assert_cmpuint (early, <, 60);

  settle (world);
  g_ptr_array_set_size (b->received, 0);
  world->now_us += TN_HOLD_QUEUE_AGE_MAX_US + 1;
  a->room = G_MAXUINT;
  tn_pipeline_path_writable (a->pipeline, &path, world->now_us);
  send_udp (a, b, 1);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 1);
  g_assert_cmpuint (a->n_block_calls, ==, 0);
}

/* A path that stands still, and nobody says anything of it: what waits is never old. */
static void
test_standing_path (void)
{
  g_autoptr (World) world = world_new_without_back_pressure ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  TnPathAddress path = { .kind = TN_PATH_ADDRESS_RELAY, .relay = { REGION, b->node_key } };

  send_udp (a, b, 1);
  settle (world);
  g_ptr_array_set_size (b->received, 0);
  a->room = 0;
  for (guint i = 0; i < 11; i++)
    send_udp (a, b, 100);
  g_assert_cmpuint (tn_pipeline_get_drops (a->pipeline, TN_PIPELINE_DROP_QUEUE_FULL), ==, 1100 - 1024);
  world->now_us += TN_HOLD_QUEUE_AGE_MAX_US + 1;
  send_udp (a, b, 10);
  g_assert_cmpuint (tn_pipeline_get_drops (a->pipeline, TN_PIPELINE_DROP_QUEUE_FULL), ==, 1100);

  a->room = G_MAXUINT;
  tn_pipeline_path_writable (a->pipeline, &path, world->now_us);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 10);
}

/* The host keeps what it has only while nothing that it sends finds a path that is not full. */
static void
test_stalled (void)
{
  g_autoptr (World) world = world_new_without_back_pressure ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  Node *c = &world->nodes[2];
  TnPathAddress path = { .kind = TN_PATH_ADDRESS_RELAY, .relay = { REGION, b->node_key } };

  send_udp (a, b, 1);
  send_udp (a, c, 1);
  settle (world);
  a->room = 0;
  send_udp (a, b, 1);
  g_assert_false (a->stalled);
  a->room = G_MAXUINT;
  for (guint i = 0; i < 50; i++)
    {
      world->now_us += 10 * 1000;
      send_udp (a, b, 1);
      send_udp (a, c, 1);
      g_assert_false (a->stalled);
    }
  settle (world);
  for (guint i = 0; i < 50; i++)
    {
      world->now_us += 10 * 1000;
      send_udp (a, b, 1);
    }
  g_assert_true (a->stalled);
  g_assert_cmpuint (a->n_stalls, >, 20);
  tn_pipeline_path_writable (a->pipeline, &path, world->now_us);
  g_assert_false (a->stalled);
  send_udp (a, b, 1);
  g_assert_false (a->stalled);

  a->room = 0;
  send_udp (a, b, 1);
  world->now_us += 200 * 1000;
  send_udp (a, b, 1);
  g_assert_true (a->stalled);
  tn_pipeline_remove_peer (a->pipeline, b->id, world->now_us);
  g_assert_false (a->stalled);
}

static guint64
count_sealed (Node *node)
{
  g_autoptr (GArray) infos = tn_pipeline_dup_infos (node->pipeline);

  g_assert_cmpuint (infos->len, ==, 1);
  return g_array_index (infos, TnPipelinePeerInfo, 0).stats.tx_packets;
}

/* What does not fit any more is counted, and nobody has sealed it before; and a peer that goes away takes its queue along. */
static void
test_back_pressure_bounded (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  guint64 n_sealed;

  send_udp (a, b, 1);
  settle (world);
  n_sealed = count_sealed (a);
  a->room = 0;
  for (guint i = 0; i < 20; i++)
    send_udp (a, b, 100);
  g_assert_cmpuint (count_sealed (a) - n_sealed, ==, 1024);
  g_assert_cmpuint (tn_pipeline_get_drops (a->pipeline, TN_PIPELINE_DROP_QUEUE_FULL), ==, 2000 - 1024);

  tn_pipeline_remove_peer (a->pipeline, b->id, world->now_us);
  g_assert_cmpuint (a->n_blocked, ==, 0);
}

/* Neither packets nor pings, in either direction; and then as if nothing had been. */
static void
test_closed (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  guint n_datagrams;

  send_udp (a, b, 1);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 1);

  tn_pipeline_set_open (b->pipeline, FALSE);
  g_assert_cmpint (tn_pipeline_deadline (b->pipeline), ==, G_MAXINT64);
  send_udp (a, b, 3);
  send_udp (b, a, 2);
  g_assert_true (tn_pipeline_ping_tsmp (a->pipeline, b->id, &b->address, 1, world->now_us));
  g_assert_true (tn_pipeline_ping_disco (a->pipeline, b->id, 0, 2, world->now_us));
  g_assert_false (tn_pipeline_ping_tsmp (b->pipeline, a->id, &a->address, 1, world->now_us));
  g_assert_false (tn_pipeline_ping_disco (b->pipeline, a->id, 0, 2, world->now_us));
  tn_pipeline_connect (b->pipeline, a->id, world->now_us);
  n_datagrams = g_queue_get_length (&world->wire);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 1);
  g_assert_cmpuint (a->received->len, ==, 0);
  g_assert_cmpuint (a->pongs->len, ==, 0);
  g_assert_cmpuint (n_datagrams, ==, 5);      /* all of them a's */
  g_assert_cmpuint (tn_pipeline_get_drops (b->pipeline, TN_PIPELINE_DROP_CLOSED), ==, 5 + 2);

  tn_pipeline_set_open (b->pipeline, TRUE);
  send_udp (b, a, 1);
  settle (world);
  g_assert_cmpuint (a->received->len, ==, 1);
  send_udp (a, b, 1);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 2);
}

static void
test_ping_tsmp (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  const TnPipelinePong *pong;

  set_filter (b, NULL);      /* no rule is needed */
  g_assert_true (tn_pipeline_ping_tsmp (a->pipeline, b->id, &b->address, 42, world->now_us));
  settle (world);
  g_assert_cmpuint (a->pongs->len, ==, 1);
  pong = &g_array_index (a->pongs, TnPipelinePong, 0);
  g_assert_cmpuint (pong->token, ==, 42);
  g_assert_cmpint (pong->latency_us, ==, 4000);      /* handshake there and back, ping, pong */
  g_assert_cmpint (pong->path.kind, ==, TN_PATH_ADDRESS_RELAY);
  g_assert_cmpuint (b->received->len, ==, 0);
}

static void
test_ping_disco (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  const TnPipelinePong *pong;

  g_assert_false (tn_pipeline_ping_disco (a->pipeline, 999, 0, 1, world->now_us));
  g_assert_true (tn_pipeline_ping_disco (a->pipeline, b->id, 100, 7, world->now_us));
  settle (world);
  g_assert_cmpuint (a->pongs->len, ==, 1);
  pong = &g_array_index (a->pongs, TnPipelinePong, 0);
  g_assert_cmpuint (pong->token, ==, 7);
  g_assert_cmpint (pong->latency_us, ==, 2000);

  /* One that nobody waits for any more. */
  g_assert_true (tn_pipeline_ping_disco (a->pipeline, b->id, 0, 8, world->now_us));
  tn_pipeline_ping_cancel (a->pipeline, 8);
  settle (world);
  g_assert_cmpuint (a->pongs->len, ==, 1);
}

/* The first is lost on its way: the answer to the second one counts, with its own time, and no other one comes after it. */
static void
test_ping_again (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];

  g_assert_true (tn_pipeline_ping_disco (a->pipeline, b->id, 0, 7, world->now_us));
  flight_free (g_queue_pop_head (&world->wire));
  world->now_us += G_USEC_PER_SEC;
  g_assert_true (tn_pipeline_ping_disco (a->pipeline, b->id, 0, 7, world->now_us));
  settle (world);
  g_assert_cmpuint (a->pongs->len, ==, 1);
  g_assert_cmpint (g_array_index (a->pongs, TnPipelinePong, 0).latency_us, ==, 2000);

  /* Both arrive, one counts. */
  for (guint i = 0; i < 2; i++)
    g_assert_true (tn_pipeline_ping_disco (a->pipeline, b->id, 0, 8, world->now_us));
  settle (world);
  g_assert_cmpuint (a->pongs->len, ==, 2);

  /* Cancelled are all that were sent. */
  for (guint i = 0; i < 2; i++)
    g_assert_true (tn_pipeline_ping_disco (a->pipeline, b->id, 0, 9, world->now_us));
  tn_pipeline_ping_cancel (a->pipeline, 9);
  settle (world);
  g_assert_cmpuint (a->pongs->len, ==, 2);
}

/* A node cannot speak disco for another one through its own relay connection. */
static void
test_disco_for_another (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  InFlight *flight;

  g_assert_true (tn_pipeline_ping_disco (a->pipeline, b->id, 0, 7, world->now_us));
  flight = g_queue_peek_head (&world->wire);
  flight->from = world->nodes[2].node_key;
  settle (world);
  g_assert_cmpuint (a->pongs->len, ==, 0);
  g_assert_cmpuint (tn_pipeline_get_drops (b->pipeline, TN_PIPELINE_DROP_DISCO), ==, 1);
}

/* A handshake that is ahead of the map is answered as soon as the map has come. */
static void
test_unknown_sender (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];

  tn_pipeline_remove_peer (b->pipeline, a->id, world->now_us);
  send_udp (a, b, 1);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 0);
  g_assert_cmpuint (tn_pipeline_get_drops (b->pipeline, TN_PIPELINE_DROP_UNKNOWN_SENDER), ==, 1);

  world->now_us += G_USEC_PER_SEC;
  introduce (b);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 1);
}

/* The same, of a node that has registered and not told where it is: there is no route yet that would let its first packet in. */
static void
test_known_by_key_alone (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (TnOverlayRoutes) routes = tn_overlay_routes_new ();
  g_autoptr (TnOverlayRouter) router = tn_overlay_routes_snapshot (routes);
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  TnPipelinePeer registered = { .id = a->id, .key = a->node_key };

  tn_pipeline_upsert_peer (b->pipeline, &registered, world->now_us);
  tn_pipeline_set_router (b->pipeline, router);
  send_udp (a, b, 1);
  settle (world);
  g_assert_cmpuint (tn_pipeline_get_drops (b->pipeline, TN_PIPELINE_DROP_UNKNOWN_SENDER), ==, 1);

  introduce (b);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 1);
}

/* The same, of a node that has started anew, and so has a new disco key. */
static void
test_unknown_disco_key (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  TnPipelinePeer old = { .id = a->id, .key = a->node_key, .home_region = REGION };

  tn_disco_private_key_get_public (&world->nodes[2].disco_private, &old.disco_key);
  tn_pipeline_upsert_peer (b->pipeline, &old, world->now_us);
  g_assert_true (tn_pipeline_ping_disco (a->pipeline, b->id, 0, 7, world->now_us));
  settle (world);
  g_assert_cmpuint (a->pongs->len, ==, 0);
  introduce (b);
  settle (world);
  g_assert_cmpuint (a->pongs->len, ==, 1);

  /* What is old is not answered: who asked has given up. */
  tn_pipeline_upsert_peer (b->pipeline, &old, world->now_us);
  g_assert_true (tn_pipeline_ping_disco (a->pipeline, b->id, 0, 8, world->now_us));
  settle (world);
  world->now_us += 6 * G_USEC_PER_SEC;
  introduce (b);
  settle (world);
  g_assert_cmpuint (a->pongs->len, ==, 1);
}

/* Nobody knows yet where the peer can be reached. */
static void
test_no_home_yet (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  TnPipelinePeer homeless = { .id = b->id, .key = b->node_key, .disco_key = b->disco_key };

  tn_pipeline_upsert_peer (a->pipeline, &homeless, world->now_us);
  g_assert_true (tn_pipeline_ping_disco (a->pipeline, b->id, 0, 7, world->now_us));
  send_udp (a, b, 1);
  settle (world);
  g_assert_cmpuint (a->pongs->len, ==, 0);
  world->now_us += G_USEC_PER_SEC;
  introduce (a);
  settle (world);
  g_assert_cmpuint (a->pongs->len, ==, 1);
  g_assert_cmpint (g_array_index (a->pongs, TnPipelinePong, 0).latency_us, <, G_USEC_PER_SEC);
  g_assert_cmpuint (b->received->len, ==, 1);
}

/* A peer with a new key: the old session is of no use any more, in either direction. */
static void
test_key_change (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];

  send_udp (a, b, 1);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 1);

  tn_node_private_key_generate (&b->node_private);
  tn_node_private_key_get_public (&b->node_private, &b->node_key);
  tn_pipeline_set_node_key (b->pipeline, &b->node_private);
  introduce (a);
  introduce (&world->nodes[2]);
  world->now_us += G_USEC_PER_SEC;      /* handshakes of one peer follow each other at a distance */
  send_udp (a, b, 1);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 2);
}

static void
add_same_key (Node       *node,
              const Node *peer,
              gint64      id)
{
  const TnPipelinePeer config = { .id = id, .key = peer->node_key, .disco_key = peer->disco_key, .home_region = REGION };

  tn_pipeline_upsert_peer (node->pipeline, &config, node->world->now_us);
}

static guint
count_infos (Node *node)
{
  g_autoptr (GArray) infos = tn_pipeline_dup_infos (node->pipeline);

  return infos->len;
}

/* A node that registered anew, and whose old entry is still there, has one tunnel: that of the later entry. */
static void
test_same_key (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];

  send_udp (a, b, 1);
  settle (world);
  g_assert_cmpuint (count_infos (a), ==, 1);

  add_same_key (a, b, 999);
  tn_pipeline_connect (a->pipeline, b->id, world->now_us);
  tn_pipeline_connect (a->pipeline, 999, world->now_us);
  settle (world);
  g_assert_cmpuint (count_infos (a), ==, 1);

  /* News of the earlier one change nothing. */
  add_same_key (a, b, b->id);
  g_assert_cmpuint (count_infos (a), ==, 1);
  {
    g_autoptr (GArray) infos = tn_pipeline_dup_infos (a->pipeline);

    g_assert_cmpint (g_array_index (infos, TnPipelinePeerInfo, 0).id, ==, 999);
  }

  /* The later one goes: the earlier one has the key again. */
  tn_pipeline_remove_peer (a->pipeline, 999, world->now_us);
  g_assert_cmpuint (count_infos (a), ==, 0);
  world->now_us += G_USEC_PER_SEC;
  send_udp (a, b, 1);
  settle (world);
  g_assert_cmpuint (b->received->len, ==, 2);
  g_assert_cmpuint (count_infos (a), ==, 1);

  /* The earlier one goes: nothing is left that speaks of it. */
  add_same_key (a, b, 999);
  tn_pipeline_remove_peer (a->pipeline, b->id, world->now_us);
  g_assert_cmpuint (count_infos (a), ==, 0);
  world->now_us += 20 * (gint64) 60 * G_USEC_PER_SEC;
  tn_pipeline_expire (a->pipeline, world->now_us);
  settle (world);
}

/* Both forget a tunnel that nobody uses, and make it again. */
static void
test_idle (void)
{
  g_autoptr (World) world = world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];

  for (guint i = 1; i <= 2; i++)
    {
      send_udp (a, b, 1);
      settle (world);
      g_assert_cmpuint (b->received->len, ==, i);
      g_assert_cmpuint (count_infos (a), ==, 1);
      g_assert_cmpuint (count_infos (b), ==, 1);
      while (count_infos (a) + count_infos (b) > 0)
        {
          gint64 deadlines[] = { tn_pipeline_deadline (a->pipeline), tn_pipeline_deadline (b->pipeline) };

          world->now_us = deadlines[0] < 0 || (deadlines[1] >= 0 && deadlines[1] < deadlines[0]) ? deadlines[1] : deadlines[0];
          g_assert_cmpint (world->now_us, >, 0);
          tn_pipeline_expire (a->pipeline, world->now_us);
          tn_pipeline_expire (b->pipeline, world->now_us);
          settle (world);
        }
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/dataplane/pipeline/exchange", test_exchange);
  g_test_add_func ("/dataplane/pipeline/batch-to-two-peers", test_batch_to_two_peers);
  g_test_add_func ("/dataplane/pipeline/no-route", test_no_route);
  g_test_add_func ("/dataplane/pipeline/foreign-source", test_foreign_source);
  g_test_add_func ("/dataplane/pipeline/filter", test_filter);
  g_test_add_func ("/dataplane/pipeline/back-pressure", test_back_pressure);
  g_test_add_func ("/dataplane/pipeline/slow-path", test_slow_path);
  g_test_add_func ("/dataplane/pipeline/standing-path", test_standing_path);
  g_test_add_func ("/dataplane/pipeline/stalled", test_stalled);
  g_test_add_func ("/dataplane/pipeline/back-pressure-bounded", test_back_pressure_bounded);
  g_test_add_func ("/dataplane/pipeline/closed", test_closed);
  g_test_add_func ("/dataplane/pipeline/ping-tsmp", test_ping_tsmp);
  g_test_add_func ("/dataplane/pipeline/ping-disco", test_ping_disco);
  g_test_add_func ("/dataplane/pipeline/ping-again", test_ping_again);
  g_test_add_func ("/dataplane/pipeline/disco-for-another", test_disco_for_another);
  g_test_add_func ("/dataplane/pipeline/unknown-sender", test_unknown_sender);
  g_test_add_func ("/dataplane/pipeline/known-by-key-alone", test_known_by_key_alone);
  g_test_add_func ("/dataplane/pipeline/unknown-disco-key", test_unknown_disco_key);
  g_test_add_func ("/dataplane/pipeline/no-home-yet", test_no_home_yet);
  g_test_add_func ("/dataplane/pipeline/key-change", test_key_change);
  g_test_add_func ("/dataplane/pipeline/same-key", test_same_key);
  g_test_add_func ("/dataplane/pipeline/idle", test_idle);
  return g_test_run ();
}
