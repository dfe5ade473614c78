/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tn-probe-plan.h"

#define MS(n) ((gint64) (n) * 1000000)

static TnRelayRegion *
add_region (TnRelayMap *map, guint id, guint n_nodes)
{
  TnRelayRegion *region = tn_relay_region_new (id, "r", "Region");

  for (guint i = 0; i < n_nodes; i++)
    g_ptr_array_add (region->nodes, tn_relay_node_new ("n", "relay.example"));
  tn_relay_map_take_region (map, region);
  return region;
}

static TnRelayNode *
node_of (TnRelayRegion *region, guint i)
{
  return g_ptr_array_index (region->nodes, i);
}

/* One without tries: there is none. */
static const TnProbeSet *
find_set (GArray *plan, guint region, gboolean ipv6)
{
  static const TnProbeSet none;

  for (guint i = 0; i < plan->len; i++)
    {
      const TnProbeSet *set = &g_array_index (plan, TnProbeSet, i);

      if (set->region == region && set->ipv6 == ipv6)
        return set;
    }
  return &none;
}

/* A server may name as many as it likes. */
static void
test_many (void)
{
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();
  g_autoptr (GArray) plan = NULL;

  for (guint id = 1; id <= 1000; id++)
    add_region (map, id, 1)->no_measure_no_home = id <= 300;
  plan = tn_probe_plan_new (map, NULL, 0);
  g_assert_cmpuint (plan->len, ==, 400);      /* two families each */
  g_assert_cmpuint (find_set (plan, 301, TRUE)->n_tries, >, 0);
}

static void
test_full (void)
{
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();
  TnRelayRegion *one = add_region (map, 1, 2);
  g_autoptr (GArray) plan = NULL;
  const TnProbeSet *set;

  add_region (map, 2, 1)->no_measure_no_home = TRUE;
  add_region (map, 3, 1)->avoid = TRUE;
  plan = tn_probe_plan_new (map, NULL, 0);
  g_assert_cmpuint (plan->len, ==, 4);
  g_assert_cmpuint (find_set (plan, 2, FALSE)->n_tries, ==, 0);
  g_assert_cmpuint (find_set (plan, 3, TRUE)->n_tries, >, 0);
  set = find_set (plan, 1, FALSE);
  g_assert_cmpuint (set->n_tries, ==, 3);
  g_assert_cmpint (set->delay_us[0], ==, 0);
  g_assert_cmpint (set->delay_us[2], ==, 200000);
  g_assert_true (set->nodes[0] == node_of (one, 0) && set->nodes[1] == node_of (one, 1) && set->nodes[2] == node_of (one, 0));
}

static void
test_families (void)
{
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();
  g_autoptr (GArray) plan = NULL;

  node_of (add_region (map, 1, 1), 0)->ipv6 = g_strdup ("none");
  node_of (add_region (map, 2, 1), 0)->ipv4 = g_strdup ("none");
  node_of (add_region (map, 3, 1), 0)->stun_port = -1;
  node_of (add_region (map, 4, 1), 0)->stun_test_ip = g_strdup ("127.0.0.1");
  add_region (map, 5, 0);
  plan = tn_probe_plan_new (map, NULL, 0);
  g_assert_cmpuint (plan->len, ==, 3);
  g_assert_cmpuint (find_set (plan, 1, FALSE)->n_tries, >, 0);
  g_assert_cmpuint (find_set (plan, 2, TRUE)->n_tries, >, 0);
  g_assert_cmpuint (find_set (plan, 4, FALSE)->n_tries, >, 0);
}

static void
test_incremental (void)
{
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();
  g_autoptr (TnNetcheckResult) last = tn_netcheck_result_new ();
  g_autoptr (GArray) plan = NULL;
  const TnProbeSet *set;

  for (guint id = 1; id <= 6; id++)
    add_region (map, id, 1);
  last->ipv4 = last->ipv6 = TRUE;
  tn_netcheck_result_ensure (last, 5)->latency_ns = MS (10);
  tn_netcheck_result_ensure (last, 2)->latency_ns = MS (20);
  tn_netcheck_result_ensure (last, 4)->latency_ns = MS (30);
  tn_netcheck_result_ensure (last, 1)->latency_ns = MS (40);

  /* The fastest three and home. */
  plan = tn_probe_plan_new (map, last, 6);
  g_assert_cmpuint (find_set (plan, 5, FALSE)->n_tries, >, 0);
  g_assert_cmpuint (find_set (plan, 5, TRUE)->n_tries, >, 0);
  g_assert_cmpuint (find_set (plan, 2, TRUE)->n_tries, >, 0);
  g_assert_cmpuint (find_set (plan, 4, FALSE)->n_tries, >, 0);
  g_assert_cmpuint (find_set (plan, 4, TRUE)->n_tries, ==, 0);                /* third: one family is enough */
  g_assert_cmpuint (find_set (plan, 1, FALSE)->n_tries, ==, 0);
  g_assert_cmpuint (find_set (plan, 3, FALSE)->n_tries, ==, 0);

  set = find_set (plan, 5, FALSE);
  g_assert_cmpuint (set->n_tries, ==, 2);
  g_assert_cmpint (set->delay_us[1], ==, 12000);
  set = find_set (plan, 6, TRUE);
  g_assert_cmpuint (set->n_tries, ==, 4);
  g_assert_cmpint (set->delay_us[1], ==, 200000);
  g_assert_cmpint (set->delay_us[3], ==, 3 * 250000);
}

static void
test_no_ipv6 (void)
{
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();
  g_autoptr (TnNetcheckResult) last = tn_netcheck_result_new ();
  g_autoptr (GArray) plan = NULL;

  add_region (map, 1, 1);
  add_region (map, 2, 1)->avoid = TRUE;
  last->ipv4 = TRUE;
  tn_netcheck_result_ensure (last, 1)->latency_ns = MS (10);
  plan = tn_probe_plan_new (map, last, 1);
  g_assert_cmpuint (plan->len, ==, 2);
  g_assert_cmpuint (find_set (plan, 1, FALSE)->n_tries, ==, 4);
  g_assert_cmpuint (find_set (plan, 1, TRUE)->n_tries, ==, 1);      /* it may work by now */
}

static void
test_homes (void)
{
  g_autoptr (TnRelayMap) map = tn_relay_map_new ();
  TnRelayRegion *region = add_region (map, 1, 2);

  g_assert_true (tn_probe_region_can_be_home (region));
  node_of (region, 0)->stun_only = TRUE;
  g_assert_true (tn_probe_region_can_be_home (region));
  node_of (region, 1)->stun_only = TRUE;
  g_assert_false (tn_probe_region_can_be_home (region));
  g_assert_false (tn_probe_region_can_be_home (add_region (map, 2, 0)));
  region = add_region (map, 3, 1);
  region->no_measure_no_home = TRUE;
  g_assert_false (tn_probe_region_can_be_home (region));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/netcheck/probe-plan/full", test_full);
  g_test_add_func ("/netcheck/probe-plan/many", test_many);
  g_test_add_func ("/netcheck/probe-plan/families", test_families);
  g_test_add_func ("/netcheck/probe-plan/incremental", test_incremental);
  g_test_add_func ("/netcheck/probe-plan/no-ipv6", test_no_ipv6);
  g_test_add_func ("/netcheck/probe-plan/homes", test_homes);
  return g_test_run ();
}
