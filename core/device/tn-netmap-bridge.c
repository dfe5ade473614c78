/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-netmap-bridge.h"

#include <string.h>

#include "tn-boot-timer.h"
#include "tn-dns-name.h"
#include "tn-expiry.h"
#include "tn-peer-expiry.h"
#include "tn-peer-users.h"
#include "tn-stable-ids.h"

struct _TnNetmapBridge
{
  TnOverlayRoutes *routes;
  TnPeerUsers     *users;
  TnStableIds     *stable_ids;     /* of peers, as they are told */
  GHashTable      *told;           /* gint64 in the node -> TnNetmapNode: peers as the data path has them */
  TnRelayMap      *relays;         /* nullable; that nodes were shown with */
  GArray          *concerned;      /* of gint64: peers in which the last update shows, though it does not name them */
  GHashTable      *unlocked;       /* set of gint64 *: peers that tailnet lock does not vouch for; few or none */
  gboolean         unlocked_changed;        /* since the filter was built */
  gboolean         capabilities_count;      /* the filter has rules for node capabilities: it depends on peers */
  char            *filter_problem;          /* nullable */
  TnPeerExpiry     expiry;
  gboolean         wants_routes;
  GArray          *told_routes;             /* of TnIpPrefix; nullable */
  GHashTable      *watched;        /* set of gint64 *: peers whose endpoints the data path wants; those that it talks to */
  gboolean         loopback;       /* they may be there */
  gboolean         own_key_expired;         /* no peer speaks with us, and we with none */
};

TnNetmapBridge *
tn_netmap_bridge_new (void)
{
  TnNetmapBridge *bridge = g_new0 (TnNetmapBridge, 1);

  bridge->routes = tn_overlay_routes_new ();
  bridge->users = tn_peer_users_new ();
  bridge->stable_ids = tn_stable_ids_new ();
  bridge->told = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, (GDestroyNotify) tn_netmap_node_unref);
  bridge->concerned = g_array_new (FALSE, FALSE, sizeof (gint64));
  bridge->unlocked = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  bridge->watched = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  tn_peer_expiry_init (&bridge->expiry);
  return bridge;
}

void
tn_netmap_bridge_free (TnNetmapBridge *bridge)
{
  tn_overlay_routes_free (bridge->routes);
  tn_peer_users_free (bridge->users);
  tn_stable_ids_free (bridge->stable_ids);
  g_hash_table_unref (bridge->told);
  g_clear_pointer (&bridge->relays, tn_relay_map_unref);
  g_array_unref (bridge->concerned);
  g_hash_table_unref (bridge->unlocked);
  g_hash_table_unref (bridge->watched);
  g_free (bridge->filter_problem);
  g_clear_pointer (&bridge->told_routes, g_array_unref);
  tn_peer_expiry_clear (&bridge->expiry);
  g_free (bridge);
}

const char *
tn_netmap_bridge_filter_problem (TnNetmapBridge *bridge)
{
  return bridge->filter_problem;
}

const TnNetmapNode *
tn_netmap_bridge_lookup (TnNetmapBridge *bridge,
                         gint64          id)
{
  return g_hash_table_lookup (bridge->told, &id);
}

const char *
tn_netmap_bridge_stable_id (TnNetmapBridge *bridge,
                            gint64          id)
{
  const TnNetmapNode *node = g_hash_table_lookup (bridge->told, &id);

  return node != NULL ? tn_stable_ids_get (bridge->stable_ids, node) : NULL;
}

/* --- For the application --- */

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
  guint home_region = valid_region (node->home_region);
  TnRelayRegion *region = netmap->relays != NULL ? tn_relay_map_lookup (netmap->relays, home_region) : NULL;
  TnNodeData *data = tn_node_data_new_from_netmap (node, tn_stable_ids_get (bridge->stable_ids, node), region != NULL ? region->code : NULL);
  TnUser *user = tn_peer_users_get (bridge->users, netmap, node->user);

  if (user != NULL)
    data->user = g_object_ref (user);
  data->home_region = home_region;
  data->expired = node->expired || tn_peer_expiry_has (&bridge->expiry, node->id);
  return data;
}

char *
tn_netmap_bridge_dns_suffix (const TnNetmap *netmap)
{
  g_autofree char *suffix = tn_dns_suffix_of_node (netmap->self != NULL ? netmap->self->name : "");

  return g_ascii_strdown (suffix, -1);
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

/* To packets, these two are the same. */
static gboolean
leads_alike (const TnNetmapNode *a,
             const TnNetmapNode *b)
{
  return tn_node_public_key_equal (&a->key, &b->key) && tn_disco_public_key_equal (&a->disco_key, &b->disco_key) &&
         a->home_region == b->home_region && a->wireguard_only == b->wireguard_only && a->jailed == b->jailed &&
         a->unsigned_peer_api_only == b->unsigned_peer_api_only &&
         tn_prefixes_equal (a->addresses, a->n_addresses, b->addresses, b->n_addresses) &&
         tn_prefixes_equal (a->allowed_ips, a->n_allowed_ips, b->allowed_ips, b->n_allowed_ips) &&
         tn_ip_address_equal (&a->masquerade4, &b->masquerade4) && tn_ip_address_equal (&a->masquerade6, &b->masquerade6);
}

/* FALSE: nothing that the data path would have to know. */
static gboolean
tell (TnNetmapBridge     *bridge,
      const TnNetmapNode *node,
      gboolean            same_expiry)
{
  const TnNetmapNode *old = g_hash_table_lookup (bridge->told, &node->id);
  gboolean new_to_it = old == NULL || !same_expiry || !leads_alike (old, node);

  if (old != node)
    g_hash_table_replace (bridge->told, (gpointer) (guintptr) &node->id, tn_netmap_node_ref (node));
  return new_to_it;
}

static void
copy_endpoints (TnNetmapBridge      *bridge,
                const TnNetmapNode  *node,
                TnDataPathEndpoints *endpoints)
{
  *endpoints = (TnDataPathEndpoints) { .id = node->id };
  for (guint i = 0; i < node->n_endpoints && endpoints->n < TN_DATA_PATH_MAX_ENDPOINTS; i++)
    if (bridge->loopback || !tn_ip_address_is_loopback (&node->endpoints[i].address))
      endpoints->endpoints[endpoints->n++] = node->endpoints[i];
}

static void
tell_endpoints (TnNetmapBridge     *bridge,
                const TnNetmapNode *node,
                TnDataPathUpdate   *update)
{
  TnDataPathEndpoints endpoints;

  if (update->endpoints == NULL)
    update->endpoints = g_array_new (FALSE, FALSE, sizeof (TnDataPathEndpoints));
  copy_endpoints (bridge, node, &endpoints);
  g_array_append_val (update->endpoints, endpoints);
}

TnDataPathEndpoints *
tn_netmap_bridge_watch (TnNetmapBridge *bridge,
                        gint64          id,
                        gboolean        wanted)
{
  const TnNetmapNode *node = g_hash_table_lookup (bridge->told, &id);
  TnDataPathEndpoints *endpoints;

  if (!wanted)
    g_hash_table_remove (bridge->watched, &id);
  else
    g_hash_table_add (bridge->watched, g_memdup2 (&id, sizeof id));
  if (!wanted || node == NULL)
    return NULL;
  endpoints = g_new (TnDataPathEndpoints, 1);
  copy_endpoints (bridge, node, endpoints);
  return endpoints;
}

void
tn_netmap_bridge_set_loopback (TnNetmapBridge *bridge,
                               gboolean        loopback)
{
  bridge->loopback = loopback;
}

static void
upsert (TnNetmapBridge     *bridge,
        const TnNetmapNode *node,
        gint64              now_us,
        TnDataPathUpdate   *update)
{
  gboolean was_expired = tn_peer_expiry_has (&bridge->expiry, node->id);
  gboolean is_expired = tn_peer_expiry_note (&bridge->expiry, node, now_us);
  gboolean expired = is_expired || bridge->own_key_expired;
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

  if (g_hash_table_contains (bridge->watched, &node->id))
    tell_endpoints (bridge, node, update);
  if (!tell (bridge, node, was_expired == is_expired))
    return;
  if (expired)
    disable (&peer);
  tn_overlay_routes_upsert (bridge->routes, &route);
  note_unlocked (bridge, node->id, node->unsigned_peer_api_only);
  g_array_append_val (update->upserts, peer);
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
  if (!tn_filter_builder_check_unlocked (builder) || tn_filter_builder_has_dropped_rules (builder))
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
  g_hash_table_remove_all (bridge->told);
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
      g_hash_table_remove (bridge->told, &id);
      note_unlocked (bridge, id, FALSE);
      tn_peer_expiry_forget (&bridge->expiry, id);
      g_array_append_val (update->removed, id);
    }
  upsert_ids (bridge, netmap, changes->added, now_us, update);
  upsert_ids (bridge, netmap, changes->changed, now_us, update);
  if (update->upserts->len + update->removed->len > 0)
    update->router = tn_overlay_routes_snapshot (bridge->routes);
}

/* --- For the system's routes --- */

void
tn_netmap_bridge_want_routes (TnNetmapBridge *bridge)
{
  bridge->wants_routes = TRUE;
}

/* Only what is news: to a router each of them is a talk with the kernel. */
static void
update_routes (TnNetmapBridge   *bridge,
               TnDataPathUpdate *update)
{
  gsize n;
  g_autofree TnIpPrefix *routes = tn_overlay_routes_dup_os_routes (bridge->routes, &n);
  GArray *told = bridge->told_routes;

  if (told != NULL && tn_prefixes_equal ((const TnIpPrefix *) (gpointer) told->data, told->len, routes, n))
    return;
  g_clear_pointer (&bridge->told_routes, g_array_unref);
  bridge->told_routes = g_array_sized_new (FALSE, FALSE, sizeof (TnIpPrefix), (guint) n);
  g_array_append_vals (bridge->told_routes, routes, (guint) n);
  update->routes = g_array_ref (bridge->told_routes);
}

/* --- What shows in nodes that nobody names --- */

static void
collect_regions_beyond (TnRelayMap *map,
                        TnRelayMap *other,
                        GHashTable *regions)
{
  for (guint i = 0; map != NULL && i < map->regions->len; i++)
    {
      const TnRelayRegion *region = g_ptr_array_index (map->regions, i);
      const TnRelayRegion *twin = other != NULL ? tn_relay_map_lookup (other, region->id) : NULL;

      if (g_strcmp0 (region->code, twin != NULL ? twin->code : NULL) != 0)
        g_hash_table_add (regions, GUINT_TO_POINTER (region->id));
    }
}

/* Only where there is something to look for: it takes a look at all peers. */
static void
find_concerned (TnNetmapBridge        *bridge,
                const TnNetmap        *netmap,
                const TnNetmapChanges *changes)
{
  g_autoptr (GHashTable) users = g_hash_table_new (g_int64_hash, g_int64_equal);
  g_autoptr (GHashTable) regions = g_hash_table_new (NULL, NULL);

  tn_peer_users_collect (bridge->users, changes, users);
  if (netmap->relays != bridge->relays)
    {
      collect_regions_beyond (netmap->relays, bridge->relays, regions);
      collect_regions_beyond (bridge->relays, netmap->relays, regions);
    }
  if (g_hash_table_size (users) + g_hash_table_size (regions) == 0)
    return;

  for (guint i = 0; i < netmap->peers->len; i++)
    {
      const TnNetmapNode *node = g_ptr_array_index (netmap->peers, i);

      if (g_hash_table_contains (users, &node->user) || g_hash_table_contains (regions, GUINT_TO_POINTER (valid_region (node->home_region))))
        g_array_append_val (bridge->concerned, node->id);
    }
}

static void
keep_relays (TnNetmapBridge *bridge,
             const TnNetmap *netmap)
{
  if (netmap->relays == bridge->relays)
    return;
  g_clear_pointer (&bridge->relays, tn_relay_map_unref);
  bridge->relays = netmap->relays != NULL ? tn_relay_map_ref (netmap->relays) : NULL;
}

GArray *
tn_netmap_bridge_get_concerned (TnNetmapBridge *bridge)
{
  return bridge->concerned;
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
  g_array_set_size (bridge->concerned, 0);
  if (changes != NULL)
    find_concerned (bridge, netmap, changes);
  keep_relays (bridge, netmap);
  if (changes == NULL || changes->all_peers)
    tn_peer_users_renew (bridge->users, netmap);
  tn_stable_ids_update (bridge->stable_ids, bridge->told, netmap, changes);
  if (changes == NULL || own_key_expired != bridge->own_key_expired)
    {
      bridge->own_key_expired = own_key_expired;
      replace_peers (bridge, netmap, now_us, update);
    }
  else if (touches_peers (changes))
    {
      update_peers (bridge, netmap, changes, now_us, update);
    }
  if (bridge->wants_routes && update->router != NULL)
    update_routes (bridge, update);
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
