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

/* Without the final dot. */
static gsize
fqdn_len (const char *dns_name)
{
  gsize len = strlen (dns_name);

  return len > 0 && dns_name[len - 1] == '.' ? len - 1 : len;
}

static char *
put_lower (char       *out,
           const char *text,
           gsize       len)
{
  for (gsize i = 0; i < len; i++)
    out[i] = g_ascii_tolower (text[i]);
  out[len] = '\0';
  return out + len + 1;
}

static void
borrow (TnNodeData         *data,
        const TnNetmapNode *node)
{
  data->stable_id = (char *) (guintptr) node->stable_id;
  data->hostname = (char *) (guintptr) node->hostname;
  data->os = (char *) (guintptr) node->os;
  data->tags = (char **) (guintptr) node->tags;
  data->allowed_ips = (TnIpPrefix *) (guintptr) node->allowed_ips;
  data->n_allowed_ips = node->n_allowed_ips;
  data->routes = (TnIpPrefix *) (guintptr) node->primary_routes;
  data->n_routes = node->n_primary_routes;
}

TnNodeData *
tn_node_data_new_from_netmap (const TnNetmapNode *node,
                              const char         *stable_id,
                              const char         *region_code)
{
  gsize n_fqdn = fqdn_len (node->name);
  gsize n_name = strcspn (node->name, ".");
  gsize n_id = stable_id != node->stable_id ? strlen (stable_id) + 1 : 0;
  gsize n_code = region_code != NULL ? strlen (region_code) + 1 : 0;
  gsize n_addresses = node->n_addresses * sizeof (TnIpAddress);
  TnNodeData *data = g_malloc (sizeof *data + n_addresses + n_fqdn + 1 + n_name + 1 + n_code + n_id);
  char *end = (char *) (data + 1);

  *data = (TnNodeData) { .source = tn_netmap_node_ref (node), .node_id = node->id, .public_key = node->key, .sharer_id = node->sharer };
  g_atomic_ref_count_init (&data->ref_count);
  borrow (data, node);
  data->n_addresses = node->n_addresses;
  data->addresses = (TnIpAddress *) (gpointer) end;
  for (guint i = 0; i < node->n_addresses; i++)
    data->addresses[i] = node->addresses[i].address;
  end += n_addresses;
  data->fqdn = end;
  data->name = put_lower (end, node->name, n_fqdn);
  end = put_lower (data->name, node->name, MIN (n_name, n_fqdn));
  if (region_code != NULL)
    data->home_region_code = memcpy (end, region_code, n_code);
  if (n_id > 0)
    data->stable_id = memcpy (end + n_code, stable_id, n_id);

  data->created_us = node->created_us;
  data->last_seen_us = node->last_seen_us;
  data->key_expiry_us = node->key_expiry_us;
  data->capability_version = node->capability_version;
  data->online = node->online == TN_ONLINE_YES;
  for (guint i = 0; i < node->n_allowed_ips; i++)
    if (node->allowed_ips[i].bits == 0)
      data->exit_node_option = TRUE;
  return data;
}

static void
free_own (TnNodeData *data)
{
  g_free (data->stable_id);
  g_free (data->fqdn);
  g_free (data->name);
  g_free (data->hostname);
  g_free (data->os);
  g_strfreev (data->tags);
  g_free (data->addresses);
  g_free (data->allowed_ips);
  g_free (data->routes);
  g_free (data->home_region_code);
}

void
tn_node_data_unref (const TnNodeData *data)
{
  TnNodeData *mutable = (TnNodeData *) (guintptr) data;

  if (!g_atomic_ref_count_dec (&mutable->ref_count))
    return;

  if (mutable->source != NULL)
    tn_netmap_node_unref ((TnNetmapNode *) (guintptr) mutable->source);
  else
    free_own (mutable);
  g_clear_object (&mutable->user);
  g_strfreev (mutable->ssh_host_keys);
  g_clear_pointer (&mutable->details, tn_node_details_free);
  g_free (mutable);
}

void
tn_node_data_set_dns_name (TnNodeData *data,
                           const char *dns_name)
{
  gsize len = fqdn_len (dns_name);

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
