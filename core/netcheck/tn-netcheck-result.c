/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-netcheck-result.h"

TnNetcheckResult *
tn_netcheck_result_new (void)
{
  TnNetcheckResult *result = g_new0 (TnNetcheckResult, 1);

  g_atomic_ref_count_init (&result->ref_count);
  result->mapping_varies = TN_NETCHECK_UNKNOWN;
  result->regions = g_array_new (FALSE, FALSE, sizeof (TnNetcheckRegion));
  return result;
}

TnNetcheckResult *
tn_netcheck_result_ref (TnNetcheckResult *result)
{
  g_atomic_ref_count_inc (&result->ref_count);
  return result;
}

void
tn_netcheck_result_unref (TnNetcheckResult *result)
{
  if (!g_atomic_ref_count_dec (&result->ref_count))
    return;

  g_array_unref (result->regions);
  g_free (result);
}

const TnNetcheckRegion *
tn_netcheck_result_lookup (const TnNetcheckResult *result,
                           guint                   region)
{
  for (guint i = 0; i < result->regions->len; i++)
    {
      const TnNetcheckRegion *entry = &g_array_index (result->regions, TnNetcheckRegion, i);

      if (entry->region == region)
        return entry;
    }
  return NULL;
}

TnNetcheckRegion *
tn_netcheck_result_ensure (TnNetcheckResult *result,
                           guint             region)
{
  TnNetcheckRegion entry = { .region = region, .latency_ns = G_MAXINT64 };
  guint i;

  for (i = 0; i < result->regions->len; i++)
    {
      TnNetcheckRegion *found = &g_array_index (result->regions, TnNetcheckRegion, i);

      if (found->region == region)
        return found;
      if (found->region > region)
        break;
    }
  g_array_insert_val (result->regions, i, entry);
  return &g_array_index (result->regions, TnNetcheckRegion, i);
}

static void
add_latencies (JsonObject             *object,
               const char             *name,
               const TnNetcheckResult *result,
               gsize                   offset)
{
  JsonObject *latencies = json_object_new ();

  for (guint i = 0; i < result->regions->len; i++)
    {
      const TnNetcheckRegion *entry = &g_array_index (result->regions, TnNetcheckRegion, i);
      g_autofree char *id = g_strdup_printf ("%u", entry->region);
      gint64 latency_ns;

      memcpy (&latency_ns, (const char *) entry + offset, sizeof latency_ns);
      if (latency_ns > 0)
        json_object_set_int_member (latencies, id, latency_ns);
    }
  json_object_set_object_member (object, name, latencies);
}

static void
add_endpoint (JsonObject         *object,
              const char         *name,
              const TnIpEndpoint *endpoint)
{
  char text[TN_IP_ENDPOINT_TEXT_MAX] = "";

  if (endpoint->address.version != 0)
    tn_ip_endpoint_print (endpoint, text);
  json_object_set_string_member (object, name, text);
}

JsonNode *
tn_netcheck_result_to_json (const TnNetcheckResult *result)
{
  g_autoptr (GDateTime) seconds = g_date_time_new_from_unix_utc (result->wall_us / G_USEC_PER_SEC);
  g_autoptr (GDateTime) when = g_date_time_add (seconds, result->wall_us % G_USEC_PER_SEC);
  g_autofree char *now = g_date_time_format (when, "%Y-%m-%dT%H:%M:%S.%fZ");
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "Now", now);
  json_object_set_boolean_member (object, "UDP", result->udp);
  json_object_set_boolean_member (object, "IPv6", result->ipv6);
  json_object_set_boolean_member (object, "IPv4", result->ipv4);
  json_object_set_boolean_member (object, "IPv6CanSend", result->ipv6_can_send);
  json_object_set_boolean_member (object, "IPv4CanSend", result->ipv4_can_send);
  json_object_set_boolean_member (object, "OSHasIPv6", result->os_has_ipv6);
  if (result->mapping_varies == TN_NETCHECK_UNKNOWN)
    json_object_set_null_member (object, "MappingVariesByDestIP");
  else
    json_object_set_boolean_member (object, "MappingVariesByDestIP", result->mapping_varies == TN_NETCHECK_YES);
  json_object_set_int_member (object, "PreferredDERP", result->home);
  add_latencies (object, "RegionLatency", result, G_STRUCT_OFFSET (TnNetcheckRegion, latency_ns));
  add_latencies (object, "RegionV4Latency", result, G_STRUCT_OFFSET (TnNetcheckRegion, ipv4_latency_ns));
  add_latencies (object, "RegionV6Latency", result, G_STRUCT_OFFSET (TnNetcheckRegion, ipv6_latency_ns));
  add_endpoint (object, "GlobalV4", &result->global_ipv4);
  add_endpoint (object, "GlobalV6", &result->global_ipv6);
  json_node_take_object (node, object);
  return node;
}
