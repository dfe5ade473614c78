/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-overlay-private.h"

#include "tn-reader.h"

/* What peers may route, and what of it counts under the preferences at hand: tailscale net/routemanager/routemanager.go. */

#define CGNAT_THRESHOLD 10000     /* more single addresses than this become one system route */

/* How a peer comes to have a prefix; both at once is possible. */
enum
{
  KIND_SELF = 1 << 0,
  KIND_ROUTE = 1 << 1,
};

typedef struct
{
  TnIpPrefix prefix;
  guint8     kind;
} Contribution;

typedef struct
{
  gint64           id;
  TnOverlayShared *shared;
  Contribution    *contributions;     /* sorted, each prefix once */
  guint            n_contributions;
} Peer;

typedef struct
{
  const Peer *peer;
  guint8      kind;
} Contributor;

/* Everyone who has a prefix, by node id. */
typedef struct
{
  TnIpPrefix   prefix;
  guint        n_contributors;
  Contributor *contributors;
} Prefix;

struct _TnOverlayRoutes
{
  GHashTable           *peers;            /* gint64 -> Peer */
  GHashTable           *prefixes;         /* TnIpPrefix -> Prefix */
  TnPrefixTable        *table;            /* of TnOverlayTarget: what counts */
  TnOverlayPreferences  preferences;
  guint                 n_attributed;     /* peers that are jailed or masqueraded */
};

/* --- Prefixes --- */

static guint
prefix_hash (gconstpointer key)
{
  const TnIpPrefix *prefix = key;

  return tn_ip_address_hash (&prefix->address) * 31 + prefix->bits;
}

static gboolean
prefix_equal (gconstpointer a,
              gconstpointer b)
{
  return tn_ip_prefix_equal (a, b);
}

static int
prefix_compare (gconstpointer a,
                gconstpointer b)
{
  const TnIpPrefix *x = a, *y = b;
  int order = tn_ip_address_compare (&x->address, &y->address);

  return order != 0 ? order : (int) x->bits - (int) y->bits;
}

static gboolean
is_single (const TnIpPrefix *prefix)
{
  return prefix->bits == 8 * tn_ip_address_len (&prefix->address);
}

static gboolean
is_cgnat (const TnIpAddress *address)
{
  return address->version == 4 && tn_get_u32be (address->bytes) >> 22 == 0x64400000 >> 22;      /* 100.64.0.0/10 */
}

static gboolean
is_ula (const TnIpAddress *address)
{
  static const guint8 ula[6] = { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0 };

  return address->version == 6 && memcmp (address->bytes, ula, sizeof ula) == 0;
}

/* 100.115.92.0/23 belongs to virtual machines on ChromeOS, and never to a node. */
static gboolean
is_tailnet_address (const TnIpAddress *address)
{
  if (address->version == 6)
    return is_ula (address);
  return is_cgnat (address) && tn_get_u32be (address->bytes) >> 9 != 0x64735c00 >> 9;
}

static gboolean
is_default_route (const TnIpPrefix *prefix)
{
  return prefix->bits == 0;
}

/* IPv4 in disguise is IPv4. FALSE: not a prefix that can be routed. */
static gboolean
normalize (const TnIpPrefix *prefix,
           TnIpPrefix       *out)
{
  static const guint8 mapped[12] = { [10] = 0xff, [11] = 0xff };

  *out = *prefix;
  if (prefix->address.version == 6 && memcmp (prefix->address.bytes, mapped, sizeof mapped) == 0)
    {
      if (prefix->bits > 32)
        return FALSE;
      out->address = tn_ip_address_from_bytes (prefix->address.bytes + 12, 4);
    }
  return out->address.version != 0 && tn_ip_prefix_is_masked (out);
}

/* --- What a peer contributes --- */

static gboolean
is_own_address (const TnOverlayPeer *peer,
                const TnIpPrefix    *prefix)
{
  TnIpPrefix normal;

  if (is_single (prefix) && normalize (prefix, &normal) && is_tailnet_address (&normal.address))
    return TRUE;
  for (gsize i = 0; i < peer->n_addresses; i++)
    if (tn_ip_prefix_equal (&peer->addresses[i], prefix))
      return TRUE;
  return FALSE;
}

static gboolean
is_reachable (const TnOverlayPeer *peer)
{
  return !peer->expired && (peer->has_disco_key || peer->home_region != 0 || peer->wireguard_only);
}

static Contribution *
list_contributions (const TnOverlayPeer *peer,
                    guint               *n)
{
  Contribution *list;
  guint n_all = 0;

  *n = 0;
  if (!is_reachable (peer) || peer->n_allowed_ips == 0)
    return NULL;

  list = g_new0 (Contribution, peer->n_allowed_ips);
  for (gsize i = 0; i < peer->n_allowed_ips; i++)
    if (normalize (&peer->allowed_ips[i], &list[n_all].prefix))
      list[n_all++].kind = is_own_address (peer, &peer->allowed_ips[i]) ? KIND_SELF : KIND_ROUTE;

  qsort (list, n_all, sizeof list[0], prefix_compare);
  for (guint i = 0; i < n_all; i++)
    if (*n > 0 && tn_ip_prefix_equal (&list[*n - 1].prefix, &list[i].prefix))
      list[*n - 1].kind |= list[i].kind;
    else
      list[(*n)++] = list[i];
  return list;
}

static void
peer_free (gpointer data)
{
  Peer *peer = data;

  tn_overlay_shared_unref (peer->shared);
  g_free (peer->contributions);
  g_free (peer);
}

static void
prefix_free (gpointer data)
{
  Prefix *prefix = data;

  g_free (prefix->contributors);
  g_free (prefix);
}

static Prefix *
get_prefix (TnOverlayRoutes  *routes,
            const TnIpPrefix *key)
{
  Prefix *prefix = g_hash_table_lookup (routes->prefixes, key);

  if (prefix == NULL)
    {
      prefix = g_new0 (Prefix, 1);
      prefix->prefix = *key;
      g_hash_table_insert (routes->prefixes, &prefix->prefix, prefix);
    }
  return prefix;
}

static void
add_contributor (TnOverlayRoutes    *routes,
                 const Peer         *peer,
                 const Contribution *contribution)
{
  Prefix *prefix = get_prefix (routes, &contribution->prefix);
  guint at = 0;

  while (at < prefix->n_contributors && prefix->contributors[at].peer->id < peer->id)
    at++;
  prefix->contributors = g_renew (Contributor, prefix->contributors, prefix->n_contributors + 1);
  memmove (&prefix->contributors[at + 1], &prefix->contributors[at],
           (prefix->n_contributors - at) * sizeof prefix->contributors[0]);
  prefix->contributors[at] = (Contributor) { peer, contribution->kind };
  prefix->n_contributors++;
}

static void
drop_contributor (TnOverlayRoutes  *routes,
                  const Peer       *peer,
                  const TnIpPrefix *key)
{
  Prefix *prefix = g_hash_table_lookup (routes->prefixes, key);
  guint at = 0;

  while (prefix->contributors[at].peer != peer)
    at++;
  prefix->n_contributors--;
  memmove (&prefix->contributors[at], &prefix->contributors[at + 1],
           (prefix->n_contributors - at) * sizeof prefix->contributors[0]);
}

/* --- What counts --- */

static gboolean
is_eligible (const TnOverlayRoutes *routes,
             gint64                 id,
             const TnIpPrefix      *prefix,
             guint8                 kind)
{
  const TnOverlayPreferences *preferences = &routes->preferences;

  if ((kind & KIND_SELF) != 0 && !(prefix->address.version == 4 && preferences->disable_ipv4))
    return TRUE;
  if ((kind & KIND_ROUTE) == 0)
    return FALSE;
  if (is_default_route (prefix))
    return preferences->exit_node != 0 && id == preferences->exit_node;
  return preferences->accept_routes;
}

/* Brings the table up to date with what is known of a prefix. */
static void
refresh_prefix (TnOverlayRoutes *routes,
                const Prefix    *prefix)
{
  TnOverlayShared *few[4];      /* a prefix has one peer as a rule */
  g_autofree TnOverlayShared **many = prefix->n_contributors > G_N_ELEMENTS (few) ? g_new (TnOverlayShared *, prefix->n_contributors) : NULL;
  TnOverlayShared **peers = many != NULL ? many : few;
  TnOverlayTarget *target;
  guint n_peers = 0;

  for (guint i = 0; i < prefix->n_contributors; i++)
    {
      const Contributor *contributor = &prefix->contributors[i];

      if (is_eligible (routes, contributor->peer->id, &prefix->prefix, contributor->kind))
        peers[n_peers++] = tn_overlay_shared_ref (contributor->peer->shared);
    }

  if (n_peers == 0)
    {
      tn_prefix_table_remove (routes->table, &prefix->prefix);
      return;
    }
  target = tn_overlay_target_new (peers, n_peers);
  tn_prefix_table_insert (routes->table, &prefix->prefix, target);
  tn_overlay_target_funcs.unref (target);
}

static void
refresh (TnOverlayRoutes  *routes,
         const TnIpPrefix *key)
{
  Prefix *prefix = g_hash_table_lookup (routes->prefixes, key);

  if (prefix == NULL)
    return;
  refresh_prefix (routes, prefix);
  if (prefix->n_contributors == 0)
    g_hash_table_remove (routes->prefixes, key);
}

/* --- Public --- */

TnOverlayRoutes *
tn_overlay_routes_new (void)
{
  TnOverlayRoutes *routes = g_new0 (TnOverlayRoutes, 1);

  routes->peers = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, peer_free);
  routes->prefixes = g_hash_table_new_full (prefix_hash, prefix_equal, NULL, prefix_free);
  routes->table = tn_prefix_table_new (&tn_overlay_target_funcs);
  return routes;
}

void
tn_overlay_routes_free (TnOverlayRoutes *routes)
{
  tn_prefix_table_free (routes->table);
  g_hash_table_unref (routes->prefixes);
  g_hash_table_unref (routes->peers);
  g_free (routes);
}

static gboolean
is_attributed (const Peer *peer)
{
  const TnOverlayRoute *route = &peer->shared->route;

  return route->jailed || route->masquerade4.version != 0 || route->masquerade6.version != 0;
}

static gboolean
same_route (const TnOverlayRoute *a,
            const TnOverlayRoute *b)
{
  return a->peer == b->peer && !a->jailed == !b->jailed &&
         tn_ip_address_equal (&a->masquerade4, &b->masquerade4) && tn_ip_address_equal (&a->masquerade6, &b->masquerade6);
}

static gboolean
same_peer (const Peer *a,
           const Peer *b)
{
  if (!same_route (&a->shared->route, &b->shared->route) || a->n_contributions != b->n_contributions)
    return FALSE;
  for (guint i = 0; i < a->n_contributions; i++)
    if (a->contributions[i].kind != b->contributions[i].kind ||
        !tn_ip_prefix_equal (&a->contributions[i].prefix, &b->contributions[i].prefix))
      return FALSE;
  return TRUE;
}

void
tn_overlay_routes_upsert (TnOverlayRoutes     *routes,
                          const TnOverlayPeer *given)
{
  Peer *old = g_hash_table_lookup (routes->peers, &given->id);
  Peer *peer = g_new0 (Peer, 1);

  peer->id = given->id;
  peer->shared = tn_overlay_shared_new (given);
  peer->contributions = list_contributions (given, &peer->n_contributions);
  if (old != NULL && same_peer (old, peer))
    {
      peer_free (peer);
      return;
    }

  for (guint i = 0; old != NULL && i < old->n_contributions; i++)
    drop_contributor (routes, old, &old->contributions[i].prefix);
  for (guint i = 0; i < peer->n_contributions; i++)
    add_contributor (routes, peer, &peer->contributions[i]);
  for (guint i = 0; old != NULL && i < old->n_contributions; i++)
    refresh (routes, &old->contributions[i].prefix);
  for (guint i = 0; i < peer->n_contributions; i++)
    refresh (routes, &peer->contributions[i].prefix);

  if (old != NULL && is_attributed (old))
    routes->n_attributed--;
  if (is_attributed (peer))
    routes->n_attributed++;
  g_hash_table_replace (routes->peers, &peer->id, peer);
}

gboolean
tn_overlay_routes_remove (TnOverlayRoutes *routes,
                          gint64           id)
{
  Peer *peer = g_hash_table_lookup (routes->peers, &id);

  if (peer == NULL)
    return FALSE;
  for (guint i = 0; i < peer->n_contributions; i++)
    {
      drop_contributor (routes, peer, &peer->contributions[i].prefix);
      refresh (routes, &peer->contributions[i].prefix);
    }
  if (is_attributed (peer))
    routes->n_attributed--;
  g_hash_table_remove (routes->peers, &id);
  return TRUE;
}

void
tn_overlay_routes_set_preferences (TnOverlayRoutes            *routes,
                                   const TnOverlayPreferences *preferences)
{
  GHashTableIter iter;
  gpointer prefix;

  routes->preferences = *preferences;
  g_hash_table_iter_init (&iter, routes->prefixes);
  while (g_hash_table_iter_next (&iter, NULL, &prefix))
    refresh_prefix (routes, prefix);
}

static TnIpPrefix *
steal_sorted (GArray *prefixes,
              gsize  *n)
{
  *n = prefixes->len;
  if (prefixes->len == 0)
    {
      g_array_unref (prefixes);
      return NULL;
    }
  g_array_sort (prefixes, prefix_compare);
  return (TnIpPrefix *) (gpointer) g_array_free (prefixes, FALSE);
}

TnIpPrefix *
tn_overlay_routes_dup_sources (TnOverlayRoutes *routes,
                               gint64           id,
                               gsize           *n)
{
  GArray *prefixes = g_array_new (FALSE, FALSE, sizeof (TnIpPrefix));
  const Peer *peer = g_hash_table_lookup (routes->peers, &id);

  for (guint i = 0; peer != NULL && i < peer->n_contributions; i++)
    if (is_eligible (routes, id, &peer->contributions[i].prefix, peer->contributions[i].kind))
      g_array_append_val (prefixes, peer->contributions[i].prefix);
  return steal_sorted (prefixes, n);
}

typedef struct
{
  GArray *prefixes;
  GArray *cgnat;        /* single addresses of peers, which may become one route */
  guint   n_ula;
} OsRoutes;

static void
collect_os_route_cb (const TnIpPrefix *prefix,
                     gpointer          value,
                     gpointer          user_data)
{
  OsRoutes *os = user_data;

  if (is_default_route (prefix))
    return;
  if (is_single (prefix) && is_ula (&prefix->address))
    os->n_ula++;
  else
    g_array_append_val (is_single (prefix) && is_cgnat (&prefix->address) ? os->cgnat : os->prefixes, *prefix);
}

static void
append_prefix (GArray     *prefixes,
               const char *text)
{
  TnIpPrefix prefix;

  if (!tn_ip_prefix_parse (text, &prefix))
    g_assert_not_reached ();
  for (guint i = 0; i < prefixes->len; i++)
    if (tn_ip_prefix_equal (&g_array_index (prefixes, TnIpPrefix, i), &prefix))
      return;
  g_array_append_val (prefixes, prefix);
}

static void
append_default_routes (const TnOverlayRoutes *routes,
                       GArray                *prefixes)
{
  static const char *const texts[] = { "0.0.0.0/0", "::/0" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      TnIpPrefix prefix;

      if (!tn_ip_prefix_parse (texts[i], &prefix))
        g_assert_not_reached ();
      if (routes->preferences.exit_node_selected || routes->preferences.exit_node != 0 ||
          tn_prefix_table_get (routes->table, &prefix) != NULL)
        g_array_append_val (prefixes, prefix);
    }
}

TnIpPrefix *
tn_overlay_routes_dup_os_routes (TnOverlayRoutes *routes,
                                 gsize           *n)
{
  g_autoptr (GArray) cgnat = g_array_new (FALSE, FALSE, sizeof (TnIpPrefix));
  OsRoutes os = { .prefixes = g_array_new (FALSE, FALSE, sizeof (TnIpPrefix)), .cgnat = cgnat };

  tn_prefix_table_foreach (routes->table, collect_os_route_cb, &os);
  append_default_routes (routes, os.prefixes);
  if (os.n_ula > 0)
    append_prefix (os.prefixes, "fd7a:115c:a1e0::/48");
  if (cgnat->len > (routes->preferences.one_cgnat ? 1 : CGNAT_THRESHOLD))
    append_prefix (os.prefixes, "100.64.0.0/10");
  else
    g_array_append_vals (os.prefixes, cgnat->data, cgnat->len);
  return steal_sorted (os.prefixes, n);
}

TnOverlayRouter *
tn_overlay_routes_snapshot (TnOverlayRoutes *routes)
{
  return tn_overlay_router_new (tn_prefix_table_copy (routes->table), routes->n_attributed > 0);
}
