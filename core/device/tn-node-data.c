/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-node-data.h"

#include <string.h>

GVariant *
tn_node_data_no_capabilities (void)
{
  static gsize none;

  if (g_once_init_enter (&none))
    g_once_init_leave (&none, (gsize) g_variant_ref_sink (g_variant_new ("a{sas}", NULL)));
  return (GVariant *) none;
}

TnNodeData *
tn_node_data_new (const char *stable_id)
{
  TnNodeData *data = g_new0 (TnNodeData, 1);

  g_atomic_ref_count_init (&data->ref_count);
  data->stable_id = g_strdup (stable_id);
  data->fqdn = g_strdup ("");
  data->name = g_strdup ("");
  return data;
}

TnNodeData *
tn_node_data_ref (const TnNodeData *data)
{
  TnNodeData *mutable = (TnNodeData *) (guintptr) data;

  g_atomic_ref_count_inc (&mutable->ref_count);
  return mutable;
}

static void
location_free (TnNodeLocation *location)
{
  g_free (location->country);
  g_free (location->country_code);
  g_free (location->city);
  g_free (location->city_code);
  g_free (location);
}

void
tn_node_data_unref (const TnNodeData *data)
{
  TnNodeData *mutable = (TnNodeData *) (guintptr) data;

  if (!g_atomic_ref_count_dec (&mutable->ref_count))
    return;

  g_free (mutable->stable_id);
  g_free (mutable->fqdn);
  g_free (mutable->name);
  g_free (mutable->hostname);
  g_free (mutable->os);
  g_clear_object (&mutable->user);
  g_strfreev (mutable->tags);
  g_free (mutable->addresses);
  g_free (mutable->allowed_ips);
  g_free (mutable->routes);
  g_strfreev (mutable->endpoints);
  g_free (mutable->home_region_code);
  g_clear_pointer (&mutable->capabilities, g_variant_unref);
  g_clear_pointer (&mutable->location, location_free);
  g_strfreev (mutable->peer_api_urls);
  g_strfreev (mutable->ssh_host_keys);
  g_free (mutable);
}

void
tn_node_data_set_dns_name (TnNodeData *data,
                           const char *dns_name)
{
  gsize len = strlen (dns_name);

  if (len > 0 && dns_name[len - 1] == '.')
    len--;
  g_free (data->fqdn);
  g_free (data->name);
  data->fqdn = g_ascii_strdown (dns_name, (gssize) len);
  data->name = g_strndup (data->fqdn, strcspn (data->fqdn, "."));
}

int
tn_node_data_compare (const TnNodeData *a,
                      const TnNodeData *b)
{
  int order = strcmp (a->name, b->name);

  return order != 0 ? order : strcmp (a->stable_id, b->stable_id);
}

gboolean
tn_node_data_has_address (const TnNodeData  *data,
                          const TnIpAddress *address)
{
  for (guint i = 0; i < data->n_addresses; i++)
    if (tn_ip_address_equal (&data->addresses[i], address))
      return TRUE;
  return FALSE;
}

int
tn_node_data_match_route (const TnNodeData  *data,
                          const TnIpAddress *address)
{
  int best = -1;

  if (tn_node_data_has_address (data, address))
    return (int) tn_ip_address_len (address) * 8;
  for (guint i = 0; i < data->n_allowed_ips; i++)
    if (data->allowed_ips[i].bits > best && tn_ip_prefix_contains (&data->allowed_ips[i], address))
      best = data->allowed_ips[i].bits;
  return best;
}
