/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Maps and filters change, nodes start again, get new keys and move, on relays out of a bad dream: whatever arrives is held against the
 * model, and, once the network has healed, what has to arrive does.
 *
 * TAILNET_TEST_SEED=N runs that seed alone, TAILNET_TEST_SEEDS=N that many. */

#include <math.h>

#include "network.h"
#include "seeds.h"

#define N_SEEDS 250
#define TURMOIL (10 * MINUTE)
#define HEALING (4 * MINUTE)               /* a session of which only one end is left is made anew, and all have given up and begun again */

/* --- Turmoil --- */

static void
change_filter (Node *node)
{
  for (guint i = 0; i < node->world->n_nodes; i++)
    if (world_chance (node->world, 0.5))
      node->lets[i] = world_below (node->world, 1 << N_PORTS);
  node_tell_filter (node);
}

/* The two have to hear of it together: until then their packets are not each other's. */
static void
change_alias (Node *node)
{
  Node *peer = node_other (node);
  guint8 bytes[] = { 100, 99, (guint8) peer->index, (guint8) (10 * node->index + world_below (node->world, 10)) };

  if (!node->knows[peer->index] || !peer->knows[node->index])
    return;
  node->known_as[peer->index] = world_chance (node->world, 0.3) ? (TnIpAddress) { 0 } : tn_ip_address_from_bytes (bytes, sizeof bytes);
  node_tell_router (node);
  node_tell_router (peer);
  node_tell_filter (peer);
}

static void
something_happens (World *world)
{
  Node *node = world_any_node (world);
  Node *other = node_other (node);

  switch (world_below (world, 9))
    {
    case 0:
      change_filter (node);
      break;
    case 1:
      node_forget_peer (node, other);
      break;
    case 2:
    case 3:
      node_tell_peer (node, other);
      node_tell_filter (node);
      break;
    case 4:
      tn_pipeline_free (node->pipeline);
      node_start (node);
      break;
    case 5:      /* the others hear of it when they are told next */
      node_new_key (node);
      tn_pipeline_set_node_key (node->pipeline, &node->node_private);
      break;
    case 6:
      node->home = FIRST_REGION + world_below (world, N_REGIONS);
      node->joined = 1u << (node->home - FIRST_REGION);
      break;
    case 7:
      node->is_cut_off = !node->is_cut_off;
      break;
    default:
      change_alias (node);
      break;
    }
}

static void
somebody_talks (World *world)
{
  Node *node = world_any_node (world);
  Node *to = node_other (node);

  if (world_chance (world, 0.05))
    node->full_until_us = world->now_us + 1 + world_below (world, 2000) * MS;
  if (world_chance (world, 0.1))
    tn_pipeline_ping_disco (node->pipeline, 1 + to->index, world_below (world, 1000), 1 + world_below (world, 100), world->now_us);
  if (world_chance (world, 0.1))
    tn_pipeline_ping_tsmp (node->pipeline, 1 + to->index, node_address_of (to, node), 101 + world_below (world, 100), world->now_us);
  node_send (node, to, world_any_port (world), world_any_port (world), 1 + world_below (world, 20));
}

static void
worsen (World *world)
{
  world->loss = g_rand_double_range (world->rand, 0, 0.5);
  world->duplication = g_rand_double_range (world->rand, 0, 0.3);
  world->delay_min_us = (gint64) g_rand_double_range (world->rand, 0, 200 * MS);
  world->delay_max_us = world->delay_min_us + (gint64) g_rand_double_range (world->rand, 0, 2 * SECOND);
}

static void
turmoil (World *world)
{
  gint64 end_us = world->now_us + TURMOIL;
  double pause_s = g_rand_double_range (world->rand, 0.2, 20);

  while (world->now_us < end_us)
    {
      if (world_chance (world, 0.1))
        something_happens (world);
      somebody_talks (world);
      world_run (world, (gint64) (-log (1 - g_rand_double (world->rand)) * pause_s * (double) SECOND));
    }
}

/* --- And then all is well --- */

static void
heal (World *world)
{
  world->loss = world->duplication = 0;
  world->delay_min_us = world->delay_max_us = 10 * MS;
  for (guint i = 0; i < world->n_nodes; i++)
    {
      world->nodes[i].is_cut_off = FALSE;
      world->nodes[i].full_until_us = MIN (world->nodes[i].full_until_us, world->now_us + 1);
    }
  world_run (world, 10 * SECOND);      /* what is still under way is of the time before */
  for (guint i = 0; i < world->n_nodes; i++)
    for (guint j = 0; j < world->n_nodes; j++)
      if (i != j)
        {
          node_tell_peer (&world->nodes[i], &world->nodes[j]);
          node_tell_filter (&world->nodes[i]);
        }
  for (gint64 t = 0; t < HEALING; t += SECOND)
    {
      for (guint i = 0; i < world->n_nodes; i++)
        for (guint j = 0; j < world->n_nodes; j++)
          if (i != j)
            node_send (&world->nodes[i], &world->nodes[j], FIRST_PORT, FIRST_PORT, 1);
      world_run (world, SECOND);
    }
}

/* Each packet arrives that the model lets in, and no other. */
static void
check_exact (World *world)
{
  for (guint i = 0; i < 200; i++)
    {
      Node *node = world_any_node (world);
      Node *to = node_other (node);
      guint16 src_port = world_any_port (world), dst_port = world_any_port (world);
      guint n = 1 + world_below (world, 5);
      guint64 before = world->n_delivered;

      if (world_chance (world, 0.1))
        change_filter (node);
      if (world_chance (world, 0.1))
        change_alias (node);
      node_send (node, to, src_port, dst_port, n);
      world_run (world, 100 * MS);
      g_assert_cmpuint (world->n_delivered - before, ==, model_accepts (to, node, src_port, dst_port) ? n : 0);
    }
}

static void
check_pings (World *world)
{
  for (guint i = 0; i < world->n_nodes; i++)
    {
      Node *node = &world->nodes[i];
      Node *to = node_other (node);
      guint before = node->n_pongs;

      g_assert_true (tn_pipeline_ping_disco (node->pipeline, 1 + to->index, 0, 1001, world->now_us));
      world_run (world, 100 * MS);
      g_assert_cmpuint (node->n_pongs, ==, before + 1);
      g_assert_true (tn_pipeline_ping_tsmp (node->pipeline, 1 + to->index, node_address_of (to, node), 1002, world->now_us));
      world_run (world, 100 * MS);
      g_assert_cmpuint (node->n_pongs, ==, before + 2);
    }
}

static void
check_quiet (World *world)
{
  world_run (world, HOUR);
  g_assert_true (g_sequence_is_empty (world->wire));
  for (guint i = 0; i < world->n_nodes; i++)
    {
      g_assert_cmpint (tn_pipeline_deadline (world->nodes[i].pipeline), ==, G_MAXINT64);
      g_assert_cmpuint (world->nodes[i].n_blocked, ==, 0);
    }
}

static void
run_seed (guint32 seed)
{
  g_autoptr (World) world = world_new (seed);

  g_test_message ("seed %u", seed);
  worsen (world);
  turmoil (world);
  heal (world);
  check_exact (world);
  check_pings (world);
  check_quiet (world);
}

static void
test_seeds (void)
{
  tn_test_run_seeds (N_SEEDS, run_seed);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/dataplane/network/seeds", test_seeds);
  return g_test_run ();
}
