/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-system-device-node.h"

#include <string.h>

/* --- Out --- */

static void
add_string (GVariantDict *dict,
            const char   *key,
            const char   *value)
{
  if (value != NULL && *value != '\0')
    g_variant_dict_insert (dict, key, "s", value);
}

static void
add_time (GVariantDict *dict,
          const char   *key,
          gint64        value_us)
{
  if (value_us != 0)
    g_variant_dict_insert (dict, key, "x", value_us);
}

static void
add_strings (GVariantDict  *dict,
             const char    *key,
             char         **values)
{
  if (values != NULL && values[0] != NULL)
    g_variant_dict_insert (dict, key, "^as", values);
}

static void
add_prefixes (GVariantDict     *dict,
              const char       *key,
              const TnIpPrefix *prefixes,
              guint             n_prefixes)
{
  GVariantBuilder builder;
  char text[TN_IP_PREFIX_TEXT_MAX];

  if (n_prefixes == 0)
    return;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < n_prefixes; i++)
    {
      tn_ip_prefix_print (&prefixes[i], text);
      g_variant_builder_add (&builder, "s", text);
    }
  g_variant_dict_insert_value (dict, key, g_variant_builder_end (&builder));
}

static void
add_addresses (GVariantDict     *dict,
               const TnNodeData *data)
{
  GVariantBuilder builder;
  char text[TN_IP_ADDRESS_TEXT_MAX];

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < data->n_addresses; i++)
    {
      tn_ip_address_print (&data->addresses[i], text);
      g_variant_builder_add (&builder, "s", text);
    }
  g_variant_dict_insert_value (dict, "addresses", g_variant_builder_end (&builder));
}

static void
add_user (GVariantDict *dict,
          TnUser       *user)
{
  const char *picture = tn_user_get_profile_picture_url (user);

  g_variant_dict_insert (dict, "user", "(xsss)", tn_user_get_numeric_id (user), tn_user_get_login_name (user),
                         tn_user_get_display_name (user), picture != NULL ? picture : "");
}

static void
add_flags (GVariantDict     *dict,
           const TnNodeData *data)
{
  g_variant_dict_insert (dict, "online", "b", (gboolean) data->online);
  g_variant_dict_insert (dict, "expired", "b", (gboolean) data->expired);
  g_variant_dict_insert (dict, "exit-node-option", "b", (gboolean) data->exit_node_option);
  g_variant_dict_insert (dict, "sharee", "b", (gboolean) data->sharee);
}

GVariant *
tn_system_device_path_to_variant (const TnPathData *path)
{
  char endpoint[TN_IP_ENDPOINT_TEXT_MAX] = "";

  if (path->endpoint.address.version != 0)
    tn_ip_endpoint_print (&path->endpoint, endpoint);
  return g_variant_new ("(ususx)", (guint) path->kind, endpoint, path->region, path->region_code, path->since_us);
}

GVariant *
tn_system_device_node_to_variant (const TnNodeData *data,
                                  const TnNodeLive *live)
{
  const TnNodeDetails *details = tn_node_data_get_details (data);
  const TnNodeLocation *location = details->location;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  add_string (&dict, "id", data->stable_id);
  g_variant_dict_insert (&dict, "node-id", "x", data->node_id);
  add_string (&dict, "fqdn", data->fqdn);
  add_string (&dict, "hostname", data->hostname);
  add_string (&dict, "os", data->os);
  g_variant_dict_insert_value (&dict, "public-key",
                               g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data->public_key.bytes, TN_KEY_LEN, 1));
  if (data->user != NULL)
    add_user (&dict, data->user);
  add_strings (&dict, "tags", data->tags);
  add_addresses (&dict, data);
  add_prefixes (&dict, "allowed-ips", data->allowed_ips, data->n_allowed_ips);
  add_prefixes (&dict, "routes", data->routes, data->n_routes);
  add_strings (&dict, "endpoints", details->endpoints);
  g_variant_dict_insert (&dict, "home-region", "u", data->home_region);
  add_string (&dict, "home-region-code", data->home_region_code);
  add_time (&dict, "created", data->created_us);
  add_time (&dict, "last-seen", data->last_seen_us);
  add_time (&dict, "key-expiry", data->key_expiry_us);
  g_variant_dict_insert (&dict, "capability-version", "i", data->capability_version);
  if (details->capabilities != NULL)
    g_variant_dict_insert_value (&dict, "capabilities", details->capabilities);
  if (location != NULL)
    g_variant_dict_insert (&dict, "location", "(ssssddi)", location->country != NULL ? location->country : "",
                           location->country_code != NULL ? location->country_code : "", location->city != NULL ? location->city : "",
                           location->city_code != NULL ? location->city_code : "", location->latitude, location->longitude,
                           location->priority);
  add_strings (&dict, "peer-api-urls", details->peer_api_urls);
  add_strings (&dict, "ssh-host-keys", data->ssh_host_keys);
  add_flags (&dict, data);
  g_variant_dict_insert_value (&dict, "path", tn_system_device_path_to_variant (&live->path));
  g_variant_dict_insert (&dict, "traffic", "(ttx)", live->rx_bytes, live->tx_bytes, live->last_handshake_us);
  return g_variant_dict_end (&dict);
}

/* --- In --- */

static char **
read_strings (GVariantDict *dict,
              const char   *key)
{
  char **values = NULL;

  g_variant_dict_lookup (dict, key, "^as", &values);
  return values;
}

static TnIpPrefix *
read_prefixes (GVariantDict *dict,
               const char   *key,
               guint        *n_prefixes)
{
  g_auto (GStrv) texts = read_strings (dict, key);
  guint n = texts != NULL ? g_strv_length (texts) : 0;
  TnIpPrefix *prefixes = g_new0 (TnIpPrefix, MAX (n, 1));

  for (guint i = 0; i < n; i++)
    if (tn_ip_prefix_parse (texts[i], &prefixes[*n_prefixes]))
      (*n_prefixes)++;
  return prefixes;
}

static void
read_addresses (GVariantDict *dict,
                TnNodeData   *data)
{
  g_auto (GStrv) texts = read_strings (dict, "addresses");
  guint n = texts != NULL ? g_strv_length (texts) : 0;

  data->addresses = g_new0 (TnIpAddress, MAX (n, 1));
  for (guint i = 0; i < n; i++)
    if (tn_ip_address_parse (texts[i], &data->addresses[data->n_addresses]))
      data->n_addresses++;
}

static void
read_user (GVariantDict *dict,
           TnNodeData   *data)
{
  const char *login, *display, *picture;
  gint64 id;

  if (g_variant_dict_lookup (dict, "user", "(x&s&s&s)", &id, &login, &display, &picture))
    data->user = tn_user_new (id, login, display, *picture != '\0' ? picture : NULL);
}

static void
read_public_key (GVariantDict *dict,
                 TnNodeData   *data)
{
  g_autoptr (GVariant) value = g_variant_dict_lookup_value (dict, "public-key", G_VARIANT_TYPE_BYTESTRING);
  gsize len;
  const guint8 *bytes = value != NULL ? g_variant_get_fixed_array (value, &len, 1) : NULL;

  if (bytes != NULL && len == TN_KEY_LEN)
    memcpy (data->public_key.bytes, bytes, TN_KEY_LEN);
}

static void
read_location (GVariantDict  *dict,
               TnNodeDetails *details)
{
  TnNodeLocation location = { 0 };

  if (g_variant_dict_lookup (dict, "location", "(ssssddi)", &location.country, &location.country_code, &location.city,
                             &location.city_code, &location.latitude, &location.longitude, &location.priority))
    details->location = g_memdup2 (&location, sizeof location);
}

static gboolean
read_flag (GVariantDict *dict,
           const char   *key)
{
  gboolean value = FALSE;

  return g_variant_dict_lookup (dict, key, "b", &value) && value;
}

TnPathData
tn_system_device_path_from_variant (GVariant *variant)
{
  TnPathData path = { .latency_us = -1 };
  const char *endpoint, *region_code;
  guint kind;

  g_variant_get (variant, "(u&su&sx)", &kind, &endpoint, &path.region, &region_code, &path.since_us);
  if (kind <= TN_PATH_KIND_PEER_RELAY)
    path.kind = (TnPathKind) kind;
  if (!tn_ip_endpoint_parse (endpoint, &path.endpoint))
    {
      memset (&path.endpoint, 0, sizeof path.endpoint);
      if (path.kind != TN_PATH_KIND_RELAY)
        path.kind = TN_PATH_KIND_NONE;
    }
  g_strlcpy (path.region_code, region_code, sizeof path.region_code);
  return path;
}

void
tn_system_device_live_from_variant (GVariant   *variant,
                                    TnNodeLive *live)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (variant);
  g_autoptr (GVariant) path = g_variant_dict_lookup_value (&dict, "path", G_VARIANT_TYPE ("(ususx)"));

  *live = (TnNodeLive) TN_NODE_LIVE_INIT;
  if (path != NULL)
    live->path = tn_system_device_path_from_variant (path);
  g_variant_dict_lookup (&dict, "traffic", "(ttx)", &live->rx_bytes, &live->tx_bytes, &live->last_handshake_us);
}

TnNodeData *
tn_system_device_node_from_variant (GVariant *variant)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (variant);
  g_autofree char *fqdn = NULL;
  const char *id = NULL;
  TnNodeDetails *details;
  TnNodeData *data;

  if (!g_variant_dict_lookup (&dict, "id", "&s", &id) || *id == '\0')
    return NULL;

  data = tn_node_data_new (id);
  details = tn_node_data_edit_details (data);
  g_variant_dict_lookup (&dict, "node-id", "x", &data->node_id);
  if (g_variant_dict_lookup (&dict, "fqdn", "s", &fqdn))
    tn_node_data_set_dns_name (data, fqdn);
  g_variant_dict_lookup (&dict, "hostname", "s", &data->hostname);
  g_variant_dict_lookup (&dict, "os", "s", &data->os);
  read_public_key (&dict, data);
  read_user (&dict, data);
  data->tags = read_strings (&dict, "tags");
  read_addresses (&dict, data);
  data->allowed_ips = read_prefixes (&dict, "allowed-ips", &data->n_allowed_ips);
  data->routes = read_prefixes (&dict, "routes", &data->n_routes);
  details->endpoints = read_strings (&dict, "endpoints");
  g_variant_dict_lookup (&dict, "home-region", "u", &data->home_region);
  g_variant_dict_lookup (&dict, "home-region-code", "s", &data->home_region_code);
  g_variant_dict_lookup (&dict, "created", "x", &data->created_us);
  g_variant_dict_lookup (&dict, "last-seen", "x", &data->last_seen_us);
  g_variant_dict_lookup (&dict, "key-expiry", "x", &data->key_expiry_us);
  g_variant_dict_lookup (&dict, "capability-version", "i", &data->capability_version);
  details->capabilities = g_variant_dict_lookup_value (&dict, "capabilities", G_VARIANT_TYPE ("a{sas}"));
  read_location (&dict, details);
  details->peer_api_urls = read_strings (&dict, "peer-api-urls");
  data->ssh_host_keys = read_strings (&dict, "ssh-host-keys");
  data->online = read_flag (&dict, "online") ? 1 : 0;
  data->expired = read_flag (&dict, "expired") ? 1 : 0;
  data->exit_node_option = read_flag (&dict, "exit-node-option") ? 1 : 0;
  data->sharee = read_flag (&dict, "sharee") ? 1 : 0;
  return data;
}
