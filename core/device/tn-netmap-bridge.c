/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-netmap-bridge.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "tn-boot-timer.h"
#include "tn-expiry.h"
#include "tn-peer-expiry.h"

struct _TnNetmapBridge
{
  TnOverlayRoutes *routes;
  GHashTable      *users;          /* gint64 * -> TnUser: one object for all nodes of a user */
  GHashTable      *stable_ids;     /* gint64 * -> char *: of peers */
  GHashTable      *unlocked;       /* set of gint64 *: peers that tailnet lock does not vouch for; few or none */
  gboolean         unlocked_changed;        /* since the filter was built */
  gboolean         capabilities_count;      /* the filter has rules for node capabilities: it depends on peers */
  char            *filter_problem;          /* nullable */
  TnPeerExpiry     expiry;
  gboolean         own_key_expired;         /* no peer speaks with us, and we with none */
};

TnNetmapBridge *
tn_netmap_bridge_new (void)
{
  TnNetmapBridge *bridge = g_new0 (TnNetmapBridge, 1);

  bridge->routes = tn_overlay_routes_new ();
  bridge->users = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_object_unref);
  bridge->stable_ids = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  bridge->unlocked = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  tn_peer_expiry_init (&bridge->expiry);
  return bridge;
}

void
tn_netmap_bridge_free (TnNetmapBridge *bridge)
{
  tn_overlay_routes_free (bridge->routes);
  g_hash_table_unref (bridge->users);
  g_hash_table_unref (bridge->stable_ids);
  g_hash_table_unref (bridge->unlocked);
  g_free (bridge->filter_problem);
  tn_peer_expiry_clear (&bridge->expiry);
  g_free (bridge);
}

const char *
tn_netmap_bridge_filter_problem (TnNetmapBridge *bridge)
{
  return bridge->filter_problem;
}

const char *
tn_netmap_bridge_stable_id (TnNetmapBridge *bridge,
                            gint64          id)
{
  return g_hash_table_lookup (bridge->stable_ids, &id);
}

/* --- For the application --- */

static TnUser *
get_user (TnNetmapBridge *bridge,
          const TnNetmap *netmap,
          gint64          id)
{
  const TnNetmapUser *profile = tn_netmap_lookup_user (netmap, id);
  TnUser *known = g_hash_table_lookup (bridge->users, &id);
  g_autoptr (TnUser) user = NULL;

  if (profile == NULL)
    return NULL;

  user = tn_user_new (id, profile->login_name, profile->display_name, profile->picture_url);
  if (known == NULL || !tn_user_equal (known, user))
    {
      known = g_object_ref (user);
      g_hash_table_insert (bridge->users, g_memdup2 (&id, sizeof id), known);
    }
  return known;
}

/* The elements of a JSON array, each as JSON text. */
static char **
dup_values (const char *array)
{
  g_autoptr (GStrvBuilder) texts = g_strv_builder_new ();
  g_autoptr (JsonNode) root = strcmp (array, "[]") != 0 ? json_from_string (array, NULL) : NULL;
  JsonArray *values = root != NULL && JSON_NODE_HOLDS_ARRAY (root) ? json_node_get_array (root) : NULL;

  for (guint i = 0; values != NULL && i < json_array_get_length (values); i++)
    {
      g_autofree char *text = json_to_string (json_array_get_element (values, i), FALSE);

      g_strv_builder_add (texts, text);
    }
  return g_strv_builder_end (texts);
}

static GVariant *
capabilities_to_variant (const TnNetmapNode *node)
{
  GVariantBuilder builder;

  if (node->n_capabilities == 0)
    return NULL;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{sas}"));
  for (guint i = 0; i < node->n_capabilities; i++)
    {
      g_auto (GStrv) values = dup_values (node->capabilities[i].values);

      g_variant_builder_add (&builder, "{s^as}", node->capabilities[i].name, values);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static gboolean
is_exit_route (const TnIpPrefix *prefix)
{
  return prefix->bits == 0;
}

static void
set_addresses (TnNodeData         *data,
               const TnNetmapNode *node)
{
  data->n_addresses = node->n_addresses;
  data->addresses = g_new (TnIpAddress, node->n_addresses);
  for (guint i = 0; i < node->n_addresses; i++)
    data->addresses[i] = node->addresses[i].address;

  data->n_allowed_ips = node->n_allowed_ips;
  data->allowed_ips = g_memdup2 (node->allowed_ips, node->n_allowed_ips * sizeof *node->allowed_ips);
  for (guint i = 0; i < node->n_allowed_ips; i++)
    if (is_exit_route (&node->allowed_ips[i]))
      data->exit_node_option = TRUE;

  data->n_routes = node->n_primary_routes;
  data->routes = g_memdup2 (node->primary_routes, node->n_primary_routes * sizeof *node->primary_routes);
}

static void
set_tags (TnNodeData         *data,
          const TnNetmapNode *node)
{
  if (node->n_tags == 0)
    return;

  data->tags = g_new0 (char *, node->n_tags + 1);
  for (guint i = 0; i < node->n_tags; i++)
    data->tags[i] = g_strdup (node->tags[i]);
}

static void
set_endpoints (TnNodeData         *data,
               const TnNetmapNode *node)
{
  if (node->n_endpoints == 0)
    return;

  data->endpoints = g_new0 (char *, node->n_endpoints + 1);
  for (guint i = 0; i < node->n_endpoints; i++)
    {
      char text[TN_IP_ENDPOINT_TEXT_MAX];

      tn_ip_endpoint_print (&node->endpoints[i], text);
      data->endpoints[i] = g_strdup (text);
    }
}

static void
set_location (TnNodeData         *data,
              const TnNetmapNode *node)
{
  g_autoptr (GHashTable) location = tn_netmap_node_dup_location (node);
  const char *text;

  if (location == NULL)
    return;

  data->location = g_new0 (TnNodeLocation, 1);
  data->location->country = g_strdup (g_hash_table_lookup (location, "Country"));
  data->location->country_code = g_strdup (g_hash_table_lookup (location, "CountryCode"));
  data->location->city = g_strdup (g_hash_table_lookup (location, "City"));
  data->location->city_code = g_strdup (g_hash_table_lookup (location, "CityCode"));
  if ((text = g_hash_table_lookup (location, "Latitude")) != NULL)
    data->location->latitude = g_ascii_strtod (text, NULL);
  if ((text = g_hash_table_lookup (location, "Longitude")) != NULL)
    data->location->longitude = g_ascii_strtod (text, NULL);
  if ((text = g_hash_table_lookup (location, "Priority")) != NULL)
    data->location->priority = (int) g_ascii_strtoll (text, NULL, 10);
}

static void
set_peer_api_urls (TnNodeData         *data,
                   const TnNetmapNode *node)
{
  g_autoptr (GStrvBuilder) urls = g_strv_builder_new ();
  guint16 port4 = tn_netmap_node_get_service_port (node, "peerapi4");
  guint16 port6 = tn_netmap_node_get_service_port (node, "peerapi6");

  if (port4 == 0 && port6 == 0)
    return;

  for (guint i = 0; i < node->n_addresses; i++)
    {
      const TnIpAddress *address = &node->addresses[i].address;
      guint16 port = address->version == 4 ? port4 : port6;
      TnIpEndpoint endpoint = { *address, port };
      char text[TN_IP_ENDPOINT_TEXT_MAX];
      g_autofree char *url = NULL;

      if (port == 0)
        continue;
      tn_ip_endpoint_print (&endpoint, text);
      url = g_strdup_printf ("http://%s", text);
      g_strv_builder_add (urls, url);
    }
  data->peer_api_urls = g_strv_builder_end (urls);
}

static guint
valid_region (gint64 region)
{
  return region > 0 && region <= G_MAXINT32 ? (guint) region : 0;
}

TnNodeData *
tn_netmap_bridge_node_data (TnNetmapBridge     *bridge,
                            const TnNetmap     *netmap,
                            const TnNetmapNode *node)
{
  TnNodeData *data = tn_node_data_new (node->stable_id);
  TnRelayRegion *region;
  TnUser *user;

  data->node_id = node->id;
  tn_node_data_set_dns_name (data, node->name);
  data->hostname = g_strdup (node->hostname);
  data->os = g_strdup (node->os);
  data->public_key = node->key;
  user = get_user (bridge, netmap, node->user);
  if (user != NULL)
    data->user = g_object_ref (user);
  data->sharer_id = node->sharer;
  set_tags (data, node);
  set_addresses (data, node);
  set_endpoints (data, node);
  set_location (data, node);
  set_peer_api_urls (data, node);

  data->home_region = valid_region (node->home_region);
  region = netmap->relays != NULL ? tn_relay_map_lookup (netmap->relays, data->home_region) : NULL;
  if (region != NULL)
    data->home_region_code = g_strdup (region->code);

  data->created_us = node->created_us;
  data->last_seen_us = node->last_seen_us;
  data->key_expiry_us = node->key_expiry_us;
  data->capability_version = node->capability_version;
  data->capabilities = capabilities_to_variant (node);
  data->online = node->online == TN_ONLINE_YES;
  data->expired = node->expired || tn_peer_expiry_has (&bridge->expiry, node->id);
  return data;
}

char *
tn_netmap_bridge_dns_suffix (const TnNetmap *netmap)
{
  const char *dot = netmap->self != NULL ? strchr (netmap->self->name, '.') : NULL;
  g_autofree char *suffix = dot != NULL ? g_ascii_strdown (dot + 1, -1) : g_strdup ("");
  gsize len = strlen (suffix);

  if (len > 0 && suffix[len - 1] == '.')
    suffix[len - 1] = '\0';
  return g_steal_pointer (&suffix);
}

/* --- For packets --- */

static void
note_unlocked (TnNetmapBridge *bridge,
               gint64          id,
               gboolean        unlocked)
{
  if (unlocked)
    g_hash_table_add (bridge->unlocked, g_memdup2 (&id, sizeof id));
  else if (!g_hash_table_remove (bridge->unlocked, &id))
    return;
  bridge->unlocked_changed = TRUE;      /* in its addresses, if not in being one */
}

/* Nobody has that key, and nothing leads to the peer. */
static void
disable (TnPipelinePeer *peer)
{
  tn_node_public_key_expire (&peer->key);
  memset (&peer->disco_key, 0, sizeof peer->disco_key);
  peer->home_region = 0;
}

static void
upsert (TnNetmapBridge     *bridge,
        const TnNetmapNode *node,
        gint64              now_us,
        TnDataPathUpdate   *update)
{
  gboolean expired = tn_peer_expiry_note (&bridge->expiry, node, now_us) || bridge->own_key_expired;
  TnOverlayPeer route = {
    .id = node->id,
    .addresses = node->addresses,
    .n_addresses = node->n_addresses,
    .allowed_ips = node->allowed_ips,
    .n_allowed_ips = node->n_allowed_ips,
    .home_region = valid_region (node->home_region),
    .expired = expired,
    .has_disco_key = !tn_disco_public_key_is_zero (&node->disco_key),
    .wireguard_only = node->wireguard_only,
    .jailed = node->jailed,
    .masquerade4 = node->masquerade4,
    .masquerade6 = node->masquerade6,
  };
  TnPipelinePeer peer = {
    .id = node->id,
    .key = node->key,
    .disco_key = node->disco_key,
    .home_region = valid_region (node->home_region),
  };

  if (expired)
    disable (&peer);
  tn_overlay_routes_upsert (bridge->routes, &route);
  note_unlocked (bridge, node->id, node->unsigned_peer_api_only);
  g_array_append_val (update->upserts, peer);
  g_hash_table_insert (bridge->stable_ids, g_memdup2 (&node->id, sizeof node->id), g_strdup (node->stable_id));
}

static void
upsert_ids (TnNetmapBridge   *bridge,
            const TnNetmap   *netmap,
            GArray           *ids,
            gint64            now_us,
            TnDataPathUpdate *update)
{
  for (guint i = 0; i < ids->len; i++)
    {
      const TnNetmapNode *node = tn_netmap_lookup (netmap, g_array_index (ids, gint64, i));

      if (node != NULL)
        upsert (bridge, node, now_us, update);
    }
}

static void
add_rule (const TnFilterRule *rule,
          gpointer            data)
{
  tn_filter_builder_add_rule (data, rule);
}

static void
add_capabilities (TnFilterBuilder    *builder,
                  const TnNetmapNode *node)
{
  g_autofree const char **names = NULL;

  if (node == NULL || node->unsigned_peer_api_only || node->n_capabilities == 0)
    return;

  names = g_new (const char *, node->n_capabilities);
  for (guint i = 0; i < node->n_capabilities; i++)
    names[i] = node->capabilities[i].name;
  tn_filter_builder_add_holder (builder, node->addresses, node->n_addresses, names, node->n_capabilities);
}

static void
add_rules (TnNetmapBridge  *bridge,
           const TnNetmap  *netmap,
           TnFilterBuilder *builder)
{
  GHashTableIter iter;
  gpointer id;

  tn_netmap_foreach_rule (netmap, add_rule, builder);
  add_capabilities (builder, netmap->self);
  for (guint i = 0; i < netmap->peers->len; i++)
    add_capabilities (builder, g_ptr_array_index (netmap->peers, i));

  g_hash_table_iter_init (&iter, bridge->unlocked);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    {
      const TnNetmapNode *node = tn_netmap_lookup (netmap, *(gint64 *) id);

      for (guint i = 0; node != NULL && i < node->n_allowed_ips; i++)
        tn_filter_builder_add_unlocked (builder, &node->allowed_ips[i]);
    }
}

static TnFilterBuilder *
new_builder (const TnNetmap *netmap)
{
  TnFilterBuilder *builder = tn_filter_builder_new ();

  for (guint i = 0; netmap->self != NULL && i < netmap->self->n_addresses; i++)
    {
      tn_filter_builder_add_local (builder, &netmap->self->addresses[i]);
      tn_filter_builder_add_log (builder, &netmap->self->addresses[i]);
    }
  return builder;
}

static TnFilter *
build_filter (TnNetmapBridge *bridge,
              const TnNetmap *netmap)
{
  TnFilterBuilder *builder = new_builder (netmap);
  const char *refused;

  add_rules (bridge, netmap, builder);
  bridge->unlocked_changed = FALSE;
  g_clear_pointer (&bridge->filter_problem, g_free);
  if (!tn_filter_builder_check_unlocked (builder))
    bridge->filter_problem = g_strdup (tn_filter_builder_get_error (builder));
  refused = tn_filter_builder_get_error (builder);
  if (refused != NULL)
    g_message ("packet filter: %s", refused);
  return tn_filter_builder_end (builder);
}

static TnFilter *
build_jailed_filter (const TnNetmap *netmap)
{
  TnFilterBuilder *builder = new_builder (netmap);

  tn_filter_builder_set_shields_up (builder, TRUE);
  return tn_filter_builder_end (builder);
}

static gboolean
touches_peers (const TnNetmapChanges *changes)
{
  return changes->all_peers || changes->added->len > 0 || changes->changed->len > 0 || changes->removed->len > 0;
}

static void
replace_peers (TnNetmapBridge   *bridge,
               const TnNetmap   *netmap,
               gint64            now_us,
               TnDataPathUpdate *update)
{
  g_clear_pointer (&bridge->routes, tn_overlay_routes_free);
  bridge->routes = tn_overlay_routes_new ();
  g_hash_table_remove_all (bridge->stable_ids);
  g_hash_table_remove_all (bridge->unlocked);
  tn_peer_expiry_reset (&bridge->expiry);
  update->replace_peers = TRUE;
  for (guint i = 0; i < netmap->peers->len; i++)
    upsert (bridge, g_ptr_array_index (netmap->peers, i), now_us, update);
  update->router = tn_overlay_routes_snapshot (bridge->routes);
}

static void
update_peers (TnNetmapBridge        *bridge,
              const TnNetmap        *netmap,
              const TnNetmapChanges *changes,
              gint64                 now_us,
              TnDataPathUpdate      *update)
{
  for (guint i = 0; i < changes->removed->len; i++)
    {
      gint64 id = g_array_index (changes->removed, gint64, i);

      tn_overlay_routes_remove (bridge->routes, id);
      g_hash_table_remove (bridge->stable_ids, &id);
      note_unlocked (bridge, id, FALSE);
      tn_peer_expiry_forget (&bridge->expiry, id);
      g_array_append_val (update->removed, id);
    }
  upsert_ids (bridge, netmap, changes->added, now_us, update);
  upsert_ids (bridge, netmap, changes->changed, now_us, update);
  update->router = tn_overlay_routes_snapshot (bridge->routes);
}

/* Profiles live as long as their stream, where a server names each of them once. */
static gboolean
is_unknown_cb (gpointer key,
               gpointer value,
               gpointer netmap)
{
  return tn_netmap_lookup_user (netmap, *(gint64 *) key) == NULL;
}

TnDataPathUpdate *
tn_netmap_bridge_update (TnNetmapBridge        *bridge,
                         const TnNetmap        *netmap,
                         const TnNetmapChanges *changes)
{
  TnDataPathUpdate *update = tn_data_path_update_new ();
  gint64 boot_us = tn_boot_time_us ();
  gint64 now_us = tn_netmap_control_now (netmap, g_get_real_time (), boot_us);
  gboolean own_key_expired = tn_netmap_own_key_expired (netmap, g_get_real_time (), boot_us);

  update->upserts = g_array_new (FALSE, FALSE, sizeof (TnPipelinePeer));
  update->removed = g_array_new (FALSE, FALSE, sizeof (gint64));
  if (changes == NULL || changes->all_peers)
    g_hash_table_foreach_remove (bridge->users, is_unknown_cb, (gpointer) (guintptr) netmap);
  if (changes == NULL || own_key_expired != bridge->own_key_expired)
    {
      bridge->own_key_expired = own_key_expired;
      replace_peers (bridge, netmap, now_us, update);
    }
  else if (touches_peers (changes))
    {
      update_peers (bridge, netmap, changes, now_us, update);
    }
  if (changes == NULL || changes->filter || changes->self || bridge->unlocked_changed ||
      (touches_peers (changes) && bridge->capabilities_count))
    {
      update->filter = build_filter (bridge, netmap);
      update->jailed_filter = build_jailed_filter (netmap);
      bridge->capabilities_count = tn_filter_uses_capabilities (update->filter);
    }
  if ((changes == NULL || changes->self) && netmap->self != NULL)
    {
      update->addresses = g_array_sized_new (FALSE, FALSE, sizeof (TnIpPrefix), netmap->self->n_addresses);
      g_array_append_vals (update->addresses, netmap->self->addresses, netmap->self->n_addresses);
    }
  return update;
}

/* --- Keys that expire --- */

void
tn_netmap_bridge_find_expired (TnNetmapBridge *bridge,
                               const TnNetmap *netmap,
                               GArray         *ids)
{
  tn_peer_expiry_find (&bridge->expiry, netmap, tn_netmap_control_now (netmap, g_get_real_time (), tn_boot_time_us ()), ids);
}

gint64
tn_netmap_bridge_next_expiry_us (TnNetmapBridge *bridge,
                                 const TnNetmap *netmap)
{
  gint64 now_us = tn_netmap_control_now (netmap, g_get_real_time (), tn_boot_time_us ());
  gint64 self_us = netmap->self != NULL && netmap->self->key_expiry_us > now_us ? netmap->self->key_expiry_us : G_MAXINT64;
  gint64 peer_us = bridge->expiry.next_us != TN_EXPIRY_NEVER ? bridge->expiry.next_us : G_MAXINT64;
  gint64 next_us = MIN (self_us, peer_us);

  return next_us != G_MAXINT64 ? MAX (next_us - now_us, 0) : G_MAXINT64;
}
