/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pipeline-world.h"

#include <string.h>

#include "tn-direct.h"

#define S G_USEC_PER_SEC

/* Lets time go by, with a packet of @from every tenth of a second, and wakes both when they ask for it. */
static void
talk (Node   *from,
      Node   *to,
      gint64  for_us)
{
  World *world = from->world;
  gint64 end_us = world->now_us + for_us;

  while (world->now_us < end_us)
    {
      send_udp (from, to, 1);
      send_udp (to, from, 1);
      settle (world);
      world->now_us += S / 10;
      for (guint i = 0; i < G_N_ELEMENTS (world->nodes); i++)
        if (tn_pipeline_deadline (world->nodes[i].pipeline) <= world->now_us)
          tn_pipeline_expire (world->nodes[i].pipeline, world->now_us);
      settle (world);
    }
}

static TnPathAddressKind
kind_towards (Node *node,
              Node *peer)
{
  TnPathAddress path;

  tn_pipeline_get_path (node->pipeline, peer->id, &path);
  return path.kind;
}

static World *
direct_world_new (void)
{
  World *world = world_new ();

  for (guint i = 0; i < 2; i++)
    tn_pipeline_set_direct (world->nodes[i].pipeline, TRUE);
  return world;
}

/* Their maps know where both are. */
static void
tell_endpoints (World *world)
{
  for (guint i = 0; i < 2; i++)
    {
      TnPathAddress path = udp_address (&world->nodes[1 - i]);

      tn_pipeline_set_endpoints (world->nodes[i].pipeline, world->nodes[1 - i].id, &path.udp.endpoint, 1, world->now_us);
    }
}

static World *
proven_world_new (void)
{
  World *world = direct_world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];

  send_udp (a, b, 1);
  settle (world);
  tell_endpoints (world);
  talk (a, b, S);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_UDP);
  g_assert_cmpint (kind_towards (b, a), ==, TN_PATH_ADDRESS_UDP);
  return world;
}

static void
test_path (void)
{
  g_autoptr (World) world = direct_world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  g_autoptr (GArray) infos = NULL;
  guint n_received;

  send_udp (a, b, 1);
  g_assert_cmpint (a->wants_endpoints_of, ==, b->id);
  settle (world);
  g_assert_cmpint (b->wants_endpoints_of, ==, a->id);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_RELAY);
  tell_endpoints (world);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_RELAY);      /* said is not proven */
  talk (a, b, S);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_UDP);
  infos = tn_pipeline_dup_infos (a->pipeline);
  g_assert_cmpuint (infos->len, ==, 1);
  g_assert_cmpint (g_array_index (infos, TnPipelinePeerInfo, 0).path.kind, ==, TN_PATH_ADDRESS_UDP);
  g_assert_cmpint (g_array_index (infos, TnPipelinePeerInfo, 0).latency_us, >, 0);

  a->n_udp = 0;
  n_received = b->received->len;
  send_udp (a, b, 10);
  settle (world);
  g_assert_cmpuint (a->n_udp, ==, 10);
  g_assert_cmpuint (b->received->len - n_received, ==, 10);

  tn_pipeline_remove_peer (a->pipeline, b->id, world->now_us);
  g_assert_cmpint (a->wants_endpoints_of, ==, 0);
}

/* Each packet sent while the path is silent comes by relay at last; none is lost once it is given up. */
static void
test_silence (void)
{
  g_autoptr (World) world = proven_world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  guint n_received;

  world->udp_broken = TRUE;
  talk (a, b, 7 * S);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_RELAY);
  g_assert_cmpint (kind_towards (b, a), ==, TN_PATH_ADDRESS_RELAY);
  n_received = b->received->len;
  talk (a, b, S);
  g_assert_cmpuint (b->received->len - n_received, ==, 10);
  world->udp_broken = FALSE;
  talk (a, b, 6 * S);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_UDP);
  g_assert_cmpint (kind_towards (b, a), ==, TN_PATH_ADDRESS_UDP);
}

/* One direction alone is no path: neither end stays on it. */
static void
test_one_way (void)
{
  g_autoptr (World) world = proven_world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];

  a->udp_broken = TRUE;
  talk (a, b, 15 * S);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_RELAY);
  g_assert_cmpint (kind_towards (b, a), ==, TN_PATH_ADDRESS_RELAY);
  talk (a, b, 60 * S);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_RELAY);
  g_assert_cmpint (kind_towards (b, a), ==, TN_PATH_ADDRESS_RELAY);
}

/* Only one of them is told where the other is: its ping tells the rest. */
static void
test_seen (void)
{
  g_autoptr (World) world = direct_world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  TnPathAddress path = udp_address (b);

  send_udp (a, b, 1);
  settle (world);
  tn_pipeline_set_endpoints (a->pipeline, b->id, &path.udp.endpoint, 1, world->now_us);
  talk (a, b, S);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_UDP);
  g_assert_cmpint (kind_towards (b, a), ==, TN_PATH_ADDRESS_UDP);
}

/* By UDP only what a peer sealed is looked at, and only where straight paths are wanted. */
static void
test_strangers (void)
{
  g_autoptr (World) world = direct_world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  TnPathAddress path = udp_address (b);
  guint64 n_drops = tn_pipeline_get_drops (b->pipeline, TN_PIPELINE_DROP_DISCO);

  send_udp (a, b, 1);
  settle (world);
  tn_pipeline_remove_peer (b->pipeline, a->id, world->now_us);
  b->n_udp = 0;
  tn_pipeline_set_endpoints (a->pipeline, b->id, &path.udp.endpoint, 1, world->now_us);
  settle (world);
  g_assert_cmpuint (tn_pipeline_get_drops (b->pipeline, TN_PIPELINE_DROP_DISCO), ==, n_drops + 1);
  introduce (b);
  tn_pipeline_set_direct (b->pipeline, FALSE);
  talk (a, b, 12 * S);
  g_assert_cmpuint (b->n_udp, ==, 0);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_RELAY);
  tn_pipeline_set_direct (b->pipeline, TRUE);
  talk (a, b, 6 * S);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_UDP);
  tn_pipeline_set_direct (a->pipeline, FALSE);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_RELAY);
  talk (a, b, S);
}

static void
test_closed (void)
{
  g_autoptr (World) world = proven_world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];

  tn_pipeline_set_open (a->pipeline, FALSE);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_RELAY);
  a->n_udp = 0;
  talk (a, b, S);
  g_assert_cmpuint (a->n_udp, ==, 0);
}

/* Another network: what was proven in the old one is not. And a peer that started anew is to prove itself anew. */
static void
test_reset (void)
{
  g_autoptr (World) world = proven_world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  TnPipelinePeer anew = { .id = b->id, .key = b->node_key, .disco_key = world->nodes[2].disco_key, .home_region = REGION };

  tn_pipeline_reset_direct (a->pipeline, world->now_us);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_RELAY);
  settle (world);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_UDP);

  tn_pipeline_upsert_peer (a->pipeline, &anew, world->now_us);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_RELAY);
  talk (a, b, S);
  g_assert_cmpint (kind_towards (a, b), ==, TN_PATH_ADDRESS_RELAY);      /* that key is not b's */
}

/* A full socket holds back all that goes through it, and what waits goes first. */
static void
test_full (void)
{
  g_autoptr (World) world = proven_world_new ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  TnPathAddress room4 = { .kind = TN_PATH_ADDRESS_UDP, .udp = { .endpoint.address.version = 4, .vni = TN_PATH_NO_VNI } };
  TnPathAddress room6 = room4;
  guint n_received = b->received->len;

  a->room = 10;
  send_udp (a, b, 50);
  g_assert_cmpuint (a->n_blocked, ==, 1);
  a->room = G_MAXUINT;
  room6.udp.endpoint.address.version = 6;
  tn_pipeline_path_writable (a->pipeline, &room6, world->now_us);
  g_assert_cmpuint (a->n_blocked, ==, 1);
  tn_pipeline_path_writable (a->pipeline, &room4, world->now_us);
  g_assert_cmpuint (a->n_blocked, ==, 0);
  settle (world);
  g_assert_cmpuint (b->received->len - n_received, ==, 50);

  /* Nor does anybody wait for a socket that is gone. */
  a->room = 10;
  send_udp (a, b, 50);
  g_assert_cmpuint (a->n_blocked, ==, 1);
  a->room = G_MAXUINT;
  world->udp_broken = TRUE;
  tn_pipeline_reset_direct (a->pipeline, world->now_us);
  g_assert_cmpuint (a->n_blocked, ==, 0);
  settle (world);
  g_assert_cmpuint (b->received->len - n_received, ==, 100);
}

static void
set_helpers (Node *node,
             guint n)
{
  g_autoptr (TnCryptoPool) pool = tn_crypto_pool_new (n, 0);

  tn_tunnel_set_pool (tn_pipeline_get_tunnel (node->pipeline), pool);
}

/* All that is in flight, in one piece. */
static void
gather (World    *world,
        TnPacket *train)
{
  InFlight *flight;

  train->len = 0;
  while ((flight = g_queue_pop_head (&world->wire)) != NULL)
    {
      gsize len;
      const guint8 *data = g_bytes_get_data (flight->bytes, &len);

      if (train->len == 0)
        train->segment_size = (guint16) len;
      memcpy (train->data + train->len, data, len);
      train->len += (guint32) len;
      flight_free (flight);
    }
}

/* What the kernel gathered is taken apart, however much it is, and whoever helps. */
static void
test_train (gconstpointer data)
{
  g_autoptr (World) world = proven_world_new ();
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (256 << 10);
  TnPathAddress from[4];
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  guint n_received = b->received->len;

  set_helpers (a, GPOINTER_TO_UINT (data) & 1);
  set_helpers (b, GPOINTER_TO_UINT (data) & 2);
  for (guint t = 0; t < 4; t++)      /* more than one batch for the host */
    {
      TnPacket *train = tn_packet_batch_append (batch, 60000);

      from[t] = udp_address (a);
      send_same (a, b, 60, 300, t == 3 ? 200 : 300);      /* the last one of the last train is shorter */
      gather (world, train);
    }
  tn_pipeline_from_underlay (b->pipeline, batch, from, world->now_us);
  g_assert_cmpuint (b->received->len - n_received, ==, 4 * 60);
  for (guint i = 0; i < 4 * 60; i++)
    g_assert_cmpuint (g_bytes_get_size (g_ptr_array_index (b->received, n_received + i)), ==, i == 4 * 60 - 1 ? 200 : 300);
}

/* What is opened ahead is not trusted for it: each verdict is that of a datagram that comes alone. */
static void
test_odd_train (gconstpointer data)
{
  g_autoptr (World) world = proven_world_new ();
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (64 << 10);
  TnPacket *train = tn_packet_batch_append (batch, 60000);
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  TnTunnel *tunnel = tn_pipeline_get_tunnel (b->pipeline);
  TnPathAddress from = udp_address (a);
  guint n_received = b->received->len;
  guint8 *segments;
  gsize size;

  set_helpers (b, GPOINTER_TO_UINT (data));
  send_same (a, b, 60, 300, 300);
  gather (world, train);
  segments = train->data;
  size = train->segment_size;
  segments[7 * size + 40] ^= 1;                                   /* altered */
  memcpy (segments + 20 * size, segments + 19 * size, size);      /* twice */
  segments[30 * size + 4] ^= 1;                                   /* of no session */
  memset (segments + 40 * size, 0, size);                         /* nothing at all */
  memset (segments + 50 * size, 0, size);
  segments[50 * size] = 1;                                        /* a broken initiation */
  tn_pipeline_from_underlay (b->pipeline, batch, &from, world->now_us);

  g_assert_cmpuint (b->received->len - n_received, ==, 55);
  g_assert_cmpuint (tn_tunnel_get_drops (tunnel, TN_TUNNEL_DROP_AUTHENTICATION), ==, 1);
  g_assert_cmpuint (tn_tunnel_get_drops (tunnel, TN_TUNNEL_DROP_REPLAY), ==, 1);
  g_assert_cmpuint (tn_tunnel_get_drops (tunnel, TN_TUNNEL_DROP_UNKNOWN_INDEX), ==, 1);
  g_assert_cmpuint (tn_tunnel_get_drops (tunnel, TN_TUNNEL_DROP_MALFORMED), ==, 2);
  for (guint i = 0; i < 55; i++)
    g_assert_cmpuint (g_bytes_get_size (g_ptr_array_index (b->received, n_received + i)), ==, 300);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/dataplane/pipeline-direct/path", test_path);
  g_test_add_func ("/dataplane/pipeline-direct/silence", test_silence);
  g_test_add_func ("/dataplane/pipeline-direct/one-way", test_one_way);
  g_test_add_func ("/dataplane/pipeline-direct/seen", test_seen);
  g_test_add_func ("/dataplane/pipeline-direct/strangers", test_strangers);
  g_test_add_func ("/dataplane/pipeline-direct/closed", test_closed);
  g_test_add_func ("/dataplane/pipeline-direct/reset", test_reset);
  g_test_add_func ("/dataplane/pipeline-direct/full", test_full);
  g_test_add_data_func ("/dataplane/pipeline-direct/train/alone", GUINT_TO_POINTER (0), test_train);
  g_test_add_data_func ("/dataplane/pipeline-direct/train/sealed-by-two", GUINT_TO_POINTER (1), test_train);
  g_test_add_data_func ("/dataplane/pipeline-direct/train/opened-by-three", GUINT_TO_POINTER (2), test_train);
  g_test_add_data_func ("/dataplane/pipeline-direct/train/both", GUINT_TO_POINTER (3), test_train);
  g_test_add_data_func ("/dataplane/pipeline-direct/train/odd", GUINT_TO_POINTER (0), test_odd_train);
  g_test_add_data_func ("/dataplane/pipeline-direct/train/odd-and-helped", GUINT_TO_POINTER (2), test_odd_train);
  return g_test_run ();
}
