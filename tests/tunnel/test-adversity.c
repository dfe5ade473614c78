/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <math.h>

#include "seeds.h"
#include "world.h"

/* Hours of traffic on a wire out of a bad dream, for many seeds. Whatever happens in them, what world.h checks must hold; and once
 * the wire is good again, packets must arrive within the time that the timers give.
 *
 * TAILNET_TEST_SEED=N runs that seed alone, TAILNET_TEST_SEEDS=N that many (default: N_SEEDS). */

#define N_SEEDS    30
#define TURMOIL    (2 * WORLD_HOUR)
#define HEALING    (110 * WORLD_SECOND)       /* 90 s of attempts, and a little */

static double
uniform (World *world, double low, double high)
{
  return g_rand_double_range (world->rand, low, high);
}

static gboolean
chance (World *world, double probability)
{
  return g_rand_double (world->rand) < probability;
}

static Node *
random_node (World *world)
{
  return g_ptr_array_index (world->nodes, (guint) g_rand_int_range (world->rand, 0, (gint32) world->nodes->len));
}

static void
worsen_wire (World *world)
{
  world->loss = chance (world, 0.3) ? 0 : uniform (world, 0, 0.5);
  world->duplication = chance (world, 0.5) ? 0 : uniform (world, 0, 0.4);
  world->delay_min_us = (gint64) uniform (world, 0, 300) * WORLD_MS;
  world->delay_max_us = world->delay_min_us + (gint64) uniform (world, 0, 3000) * WORLD_MS;
}

static void
something_happens (World *world)
{
  Node *node = random_node (world);
  Node *other = random_node (world);

  switch (g_rand_int_range (world->rand, 0, 8))
    {
    case 0:
      node_restart (node);
      break;
    case 1:
      if (node != other)
        tn_tunnel_peer_reset (node->tunnel, node_peer (node, other));
      break;
    case 2:
      if (node != other)
        tn_tunnel_remove_peer (node->tunnel, node_peer (node, other));
      break;
    case 3:
      node->asleep_until_us = world->now_us + (gint64) uniform (world, 1, 600) * WORLD_SECOND;
      break;
    case 4:
      node->wall_offset_ns += (gint64) uniform (world, -7200, 7200) * 1000000000;
      break;
    case 5:
      node->is_cut_off = !node->is_cut_off;
      break;
    case 6:
      tn_tunnel_set_load_limit (node->tunnel, chance (world, 0.5) ? 0 : 2000);
      break;
    default:
      worsen_wire (world);
      break;
    }
}

static void
somebody_talks (World *world)
{
  Node *from = random_node (world);
  Node *to = random_node (world);
  guint n = chance (world, 0.05) ? 150 : (guint) g_rand_int_range (world->rand, 1, 5);

  if (from == to || from->asleep_until_us > world->now_us)
    return;
  while (n > 0)
    {
      guint batch = MIN (n, 100);

      node_send (from, to, batch, (gsize) g_rand_int_range (world->rand, WORLD_INNER_LEN, 200));
      n -= batch;
    }
}

static void
turmoil (World *world)
{
  gint64 end_us = world->now_us + TURMOIL;
  double pause_s = uniform (world, 0.5, 60);

  while (world->now_us < end_us)
    {
      if (chance (world, 0.03))
        something_happens (world);
      somebody_talks (world);
      world_run (world, (gint64) (-log (1 - g_rand_double (world->rand)) * pause_s * (double) WORLD_SECOND));
    }
}

static void
heal (World *world)
{
  world->loss = world->duplication = 0;
  world->delay_min_us = world->delay_max_us = 30 * WORLD_MS;
  for (guint i = 0; i < world->nodes->len; i++)
    {
      Node *node = g_ptr_array_index (world->nodes, i);

      node->is_cut_off = FALSE;
      node->asleep_until_us = 0;
    }
}

static void
all_talk (World *world)
{
  for (guint i = 0; i < world->nodes->len; i++)
    for (guint j = 0; j < world->nodes->len; j++)
      if (i != j)
        node_send (g_ptr_array_index (world->nodes, i), g_ptr_array_index (world->nodes, j), 1, 64);
}

/* Everybody reaches everybody: after the time for it, not one packet is lost any more. */
static void
check_healed (World *world)
{
  guint n_pairs = world->nodes->len * (world->nodes->len - 1);
  guint before;

  for (gint64 t = 0; t < HEALING; t += WORLD_SECOND)
    {
      all_talk (world);
      world_run (world, WORLD_SECOND);
    }
  before = g_hash_table_size (world->delivered);
  for (guint i = 0; i < 300; i++)
    {
      all_talk (world);
      world_run (world, WORLD_SECOND);
    }
  world_run (world, WORLD_SECOND);
  g_assert_cmpuint (g_hash_table_size (world->delivered), ==, before + 300 * n_pairs);
}

/* Timers end by themselves, and nothing stays behind. */
static void
check_quiet (World *world)
{
  world_run (world, WORLD_HOUR);
  for (guint i = 0; i < world->nodes->len; i++)
    {
      Node *node = g_ptr_array_index (world->nodes, i);

      g_assert_cmpint (tn_tunnel_deadline (node->tunnel), ==, G_MAXINT64);
      g_assert_cmpuint (node->tunnel->indices.n_entries, ==, 0);
      g_assert_cmpuint (node->tunnel->staged_bytes, ==, 0);
    }
}

static void
run_seed (guint32 seed)
{
  World *world = world_new (seed);
  guint n_nodes = (guint) g_rand_int_range (world->rand, 2, 5);

  g_test_message ("seed %u", seed);
  for (guint i = 0; i < n_nodes; i++)
    node_new (world)->adds_on_lookup = TRUE;
  worsen_wire (world);
  turmoil (world);
  heal (world);
  check_healed (world);
  check_quiet (world);

  for (guint i = 0; i < n_nodes; i++)      /* no timer spins: a few wakes a packet are all there can be */
    g_assert_cmpuint (((Node *) g_ptr_array_index (world->nodes, i))->n_wakes, <, 3 * world->n_datagrams + 10000);
  world_free (world);
}

static void
test_seeds (void)
{
  tn_test_run_seeds (N_SEEDS, run_seed);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tunnel/adversity/seeds", test_seeds);
  return g_test_run ();
}
