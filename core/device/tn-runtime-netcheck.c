/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

/* --- What control is told of the network here --- */

static TnTristate
tristate (gboolean known,
          gboolean yes)
{
  return !known ? TN_TRISTATE_UNKNOWN : yes ? TN_TRISTATE_YES : TN_TRISTATE_NO;
}

static void
add_latency (GHashTable *latency,
             guint       region,
             const char *family,
             gint64      latency_ns)
{
  double seconds = (double) latency_ns / 1e9;

  if (latency_ns > 0)
    g_hash_table_insert (latency, g_strdup_printf ("%u-%s", region, family), g_memdup2 (&seconds, sizeof seconds));
}

void
tn_runtime_fill_net_info (TnRuntime *runtime,
                          TnNetInfo *net_info)
{
  const TnNetcheckResult *result = runtime->measured;

  *net_info = (TnNetInfo) { .home_region = runtime->announced_home };
  if (result == NULL)
    return;

  net_info->working_udp = tristate (TRUE, result->udp);
  net_info->working_ipv6 = tristate (TRUE, result->ipv6);
  net_info->os_has_ipv6 = tristate (TRUE, result->os_has_ipv6);
  net_info->mapping_varies = tristate (result->mapping_varies != TN_NETCHECK_UNKNOWN, result->mapping_varies == TN_NETCHECK_YES);
  net_info->latency = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; i < result->regions->len; i++)
    {
      const TnNetcheckRegion *region = &g_array_index (result->regions, TnNetcheckRegion, i);

      add_latency (net_info->latency, region->region, "v4", region->ipv4_latency_ns);
      add_latency (net_info->latency, region->region, "v6", region->ipv6_latency_ns);
    }
}

/* --- Which relay is home --- */

/* Not before the relay knows us: what peers send there would be lost, and they try again after seconds. */
static void
announce_home (TnRuntime *runtime,
               guint      region)
{
  if (region == runtime->announced_home)
    return;

  runtime->announced_home = region;
  tn_runtime_tell_net_info (runtime);
  tn_runtime_touch_cache (runtime);
}

/* While control cannot tell the peers of another home they go on sending to this one, which we would leave. */
static gboolean
keeps_home (TnRuntime *runtime)
{
  return runtime->home != 0 && runtime->client != NULL &&
         (runtime->netmap_is_old || tn_control_client_get_error (runtime->client) != NULL) &&
         runtime->relays != NULL && tn_relay_map_lookup (runtime->relays, runtime->home) != NULL;
}

void
tn_runtime_settle_home (TnRuntime *runtime)
{
  guint region = runtime->chosen_home;
  TnRelayRegion *found;

  if (region == runtime->home || keeps_home (runtime))
    return;
  runtime->home = region;
  found = runtime->relays != NULL ? tn_relay_map_lookup (runtime->relays, region) : NULL;
  g_free (runtime->home_code);
  runtime->home_code = found != NULL ? g_strdup (found->code) : NULL;
  tn_data_path_set_home (runtime->data, region);
  if (region == 0 || g_hash_table_contains (runtime->relays_up, GUINT_TO_POINTER (region)))
    announce_home (runtime, region);
  tn_runtime_publish_facts (runtime);
}

void
tn_runtime_relay_changed (TnRuntime *runtime,
                          guint      region,
                          gboolean   up)
{
  if (!up)
    {
      g_hash_table_remove (runtime->relays_up, GUINT_TO_POINTER (region));
      tn_runtime_suspect_captive (runtime);
      return;      /* it is still home: it comes back, or netcheck finds another */
    }
  g_hash_table_add (runtime->relays_up, GUINT_TO_POINTER (region));
  tn_runtime_suspect_captive (runtime);
  if (region == runtime->home)
    announce_home (runtime, region);
}

/* Of a relay that we still hear we do not leave because a measurement of it was lost. */
static gint64
last_heard (gpointer user_data,
            guint    region)
{
  TnRuntime *runtime = user_data;

  return region == runtime->home ? tn_data_path_get_home_heard_us (runtime->data) : G_MININT64;
}

static void
home_changed (gpointer user_data,
              guint    region)
{
  TnRuntime *runtime = user_data;

  runtime->chosen_home = region;
  tn_runtime_settle_home (runtime);
}

static void
measured (gpointer                user_data,
          TnNetcheckResult *result)
{
  TnRuntime *runtime = user_data;

  g_clear_pointer (&runtime->measured, tn_netcheck_result_unref);
  runtime->measured = tn_netcheck_result_ref (result);
  tn_runtime_tell_net_info (runtime);
}

/* Networks in which datagrams are not wanted: tailscale tailcfg, NodeAttrOnlyTCP443. */
#define ATTRIBUTE_TCP_ONLY "only-tcp-443"

void
tn_runtime_heed_attributes (TnRuntime      *runtime,
                            const TnNetmap *netmap)
{
  if (runtime->netcheck != NULL)
    tn_netcheck_set_tcp_only (runtime->netcheck, tn_netmap_has_attribute (netmap, ATTRIBUTE_TCP_ONLY));
}

void
tn_runtime_update_netcheck (TnRuntime      *runtime,
                            const TnNetmap *netmap)
{
  static const TnNetcheckHooks hooks = { .home = home_changed, .result = measured, .last_heard_us = last_heard };

  if (runtime->netcheck == NULL)
    {
      runtime->netcheck = tn_netcheck_new (&hooks, runtime);
      tn_netcheck_set_tls_database (runtime->netcheck, runtime->tls_database);
      tn_netcheck_set_mark (runtime->netcheck, runtime->mark);
      tn_netcheck_set_active (runtime->netcheck, TRUE);
    }
  tn_runtime_heed_attributes (runtime, netmap);
  tn_netcheck_set_relay_map (runtime->netcheck, netmap->relays);
}

void
tn_runtime_stop_netcheck (TnRuntime *runtime)
{
  g_clear_pointer (&runtime->netcheck, tn_netcheck_free);
}
