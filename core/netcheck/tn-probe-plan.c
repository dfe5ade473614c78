/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-probe-plan.h"

/* tailscale net/netcheck/netcheck.go: makeProbePlan, makeProbePlanInitial */
#define FULL_TRIES          3
#define FULL_INTERVAL_US    (100 * 1000)
#define DEFAULT_INTERVAL_US (200 * 1000)
#define LATE_EXTRA_US       (50 * 1000)
#define N_FASTEST           3
#define HOME_TRIES          4
#define REGIONS_MAX         200      /* the world has some tens: a server that names thousands makes nobody flood it */

gboolean
tn_probe_region_can_be_home (const TnRelayRegion *region)
{
  if (region->no_measure_no_home)
    return FALSE;
  for (guint i = 0; i < region->nodes->len; i++)
    if (!((const TnRelayNode *) g_ptr_array_index (region->nodes, i))->stun_only)
      return TRUE;
  return FALSE;
}

/* Text that is there but no address, such as "none", turns the family off. */
static gboolean
node_may (const TnRelayNode *node,
          gboolean           ipv6)
{
  const char *text = ipv6 ? node->ipv6 : node->ipv4;
  TnIpAddress address;

  if (node->stun_port < 0)
    return FALSE;
  if (node->stun_test_ip != NULL && tn_ip_address_parse (node->stun_test_ip, &address))
    return (address.version == 6) == ipv6;
  return text == NULL || *text == '\0' || tn_ip_address_parse (text, &address);
}

static void
add_set (GArray              *sets,
         const TnRelayRegion *region,
         gboolean             ipv6,
         guint                n_tries,
         gint64               interval_us,
         gint64               late_extra_us)
{
  TnProbeSet set = { .region = region->id, .ipv6 = ipv6 };

  for (guint try = 0; try < n_tries; try++)
    {
      const TnRelayNode *node = region->nodes->len > 0 ? g_ptr_array_index (region->nodes, try % region->nodes->len) : NULL;

      if (node == NULL || !node_may (node, ipv6))
        continue;
      set.nodes[set.n_tries] = node;
      set.delay_us[set.n_tries++] = try * interval_us + (try > 1 ? try * late_extra_us : 0);
    }
  if (set.n_tries > 0)
    g_array_append_val (sets, set);
}

static void
plan_full (GArray           *sets,
           const TnRelayMap *map)
{
  guint n = 0;

  for (guint i = 0; i < map->regions->len && n < REGIONS_MAX; i++)
    {
      const TnRelayRegion *region = g_ptr_array_index (map->regions, i);

      if (region->no_measure_no_home)
        continue;
      n++;
      add_set (sets, region, FALSE, FULL_TRIES, FULL_INTERVAL_US, 0);
      add_set (sets, region, TRUE, FULL_TRIES, FULL_INTERVAL_US, 0);
    }
}

static gint64
known_latency (const TnNetcheckResult *last,
               guint                   region)
{
  const TnNetcheckRegion *entry = tn_netcheck_result_lookup (last, region);

  return entry != NULL ? entry->latency_ns : G_MAXINT64;
}

static int
by_latency (gconstpointer a,
            gconstpointer b,
            gpointer      user_data)
{
  const TnRelayRegion *left = *(const TnRelayRegion *const *) a;
  const TnRelayRegion *right = *(const TnRelayRegion *const *) b;
  const TnNetcheckResult *last = *(const TnNetcheckResult *const *) user_data;
  gint64 left_ns = known_latency (last, left->id);
  gint64 right_ns = known_latency (last, right->id);

  if (left_ns != right_ns)
    return left_ns < right_ns ? -1 : 1;
  return left->id < right->id ? -1 : left->id > right->id ? 1 : 0;
}

/* One region of an incremental measurement; with both families working, slower regions are asked by one of them only. */
static void
plan_known (GArray                 *sets,
            const TnRelayRegion    *region,
            const TnNetcheckResult *last,
            guint                   rank,
            gboolean                is_home)
{
  gint64 latency_ns = known_latency (last, region->id);
  gint64 interval_us = latency_ns != G_MAXINT64 ? latency_ns / 1000 * 6 / 5 : DEFAULT_INTERVAL_US;
  guint n_tries = is_home ? HOME_TRIES : rank < 2 ? 2 : 1;
  gboolean ipv4 = TRUE;
  gboolean ipv6 = is_home || rank < 2 || last->ipv6;

  if (last->ipv4 && last->ipv6 && rank >= 2 && !is_home)
    {
      ipv4 = rank % 2 == 0;
      ipv6 = !ipv4;
    }
  if (ipv4)
    add_set (sets, region, FALSE, n_tries, interval_us, LATE_EXTRA_US);
  if (ipv6)
    add_set (sets, region, TRUE, last->ipv6 ? n_tries : 1, interval_us, LATE_EXTRA_US);
}

static void
plan_incremental (GArray                 *sets,
                  const TnRelayMap       *map,
                  const TnNetcheckResult *last,
                  guint                   home)
{
  g_autoptr (GPtrArray) regions = g_ptr_array_new ();

  for (guint i = 0; i < map->regions->len; i++)
    {
      TnRelayRegion *region = g_ptr_array_index (map->regions, i);

      if (!region->no_measure_no_home && (!region->avoid || region->id == home))
        g_ptr_array_add (regions, region);
    }
  g_ptr_array_sort_with_data (regions, by_latency, &last);

  for (guint rank = 0; rank < regions->len; rank++)
    {
      const TnRelayRegion *region = g_ptr_array_index (regions, rank);

      if (rank < N_FASTEST || region->id == home)
        plan_known (sets, region, last, rank, region->id == home);
    }
}

GArray *
tn_probe_plan_new (const TnRelayMap       *map,
                   const TnNetcheckResult *last,
                   guint                   home)
{
  GArray *sets = g_array_new (FALSE, FALSE, sizeof (TnProbeSet));

  if (last == NULL || last->regions->len == 0)
    plan_full (sets, map);
  else
    plan_incremental (sets, map, last, home);
  return sets;
}
