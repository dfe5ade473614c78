/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-dns-settings.h"

#include <stdlib.h>
#include <string.h>

/* tailscale tailcfg/tailcfg.go: from this version on each node resolves for those who use it as exit node */
#define PROXY_CAPABILITY_VERSION 26

static const char *const no_strings[] = { NULL };

typedef struct
{
  TnDnsSettings      *settings;
  TnArena            *arena;
  const TnNetmapNode *self;
  const TnNetmapNode *exit_node;      /* NULL: none, or not on the map */
  GHashTable         *routes;         /* suffix -> TnDnsRoute */
  GPtrArray          *hosts;          /* of Host, as they came */
} Builder;

/* NULL: it is no name. */
static const char *
dup_canonical (Builder    *builder,
               const char *text)
{
  char name[TN_DNS_NAME_SIZE];

  return tn_dns_name_canonical (text, name) ? tn_arena_strndup (builder->arena, name, strlen (name)) : NULL;
}

/* --- Extra records --- */

typedef struct
{
  const char *name;
  GArray     *addresses;      /* of TnIpAddress */
} Host;

static void
host_free (gpointer data)
{
  g_array_unref (((Host *) data)->addresses);
  g_free (data);
}

static Host *
ensure_host (Builder    *builder,
             GHashTable *by_name,
             const char *name)
{
  Host *host = g_hash_table_lookup (by_name, name);

  if (host != NULL)
    return host;
  host = g_new (Host, 1);
  host->name = tn_arena_strndup (builder->arena, name, strlen (name));
  host->addresses = g_array_new (FALSE, FALSE, sizeof (TnIpAddress));
  g_ptr_array_add (builder->hosts, host);
  g_hash_table_insert (by_name, (gpointer) (guintptr) host->name, host);
  return host;
}

/* Which of the two kinds the address is does not matter. */
static gboolean
is_address_record (const TnDnsRecord *record)
{
  return *record->type == '\0' || g_str_equal (record->type, "A") || g_str_equal (record->type, "AAAA");
}

static void
collect_hosts (Builder *builder)
{
  g_autoptr (GHashTable) by_name = g_hash_table_new (g_str_hash, g_str_equal);
  const TnDnsWire *wire = &builder->settings->wire;

  for (guint i = 0; i < wire->n_records; i++)
    {
      const TnDnsRecord *record = &wire->records[i];
      char name[TN_DNS_NAME_SIZE];
      TnIpAddress address;

      if (is_address_record (record) && tn_ip_address_parse (record->value, &address) && tn_dns_name_canonical (record->name, name))
        g_array_append_val (ensure_host (builder, by_name, name)->addresses, address);
    }
}

static int
compare_hosts (gconstpointer a,
               gconstpointer b)
{
  return strcmp (((const TnDnsHost *) a)->name, ((const TnDnsHost *) b)->name);
}

static void
keep_hosts (Builder *builder)
{
  TnDnsHost *hosts = tn_arena_alloc (builder->arena, builder->hosts->len * sizeof *hosts);

  for (guint i = 0; i < builder->hosts->len; i++)
    {
      const Host *host = g_ptr_array_index (builder->hosts, i);
      gsize size = host->addresses->len * sizeof (TnIpAddress);

      hosts[i] = (TnDnsHost) { host->name, tn_arena_dup (builder->arena, host->addresses->data, size), host->addresses->len };
    }
  if (builder->hosts->len > 0)
    qsort (hosts, builder->hosts->len, sizeof *hosts, compare_hosts);
  builder->settings->hosts = hosts;
  builder->settings->n_hosts = builder->hosts->len;
}

/* --- Routes --- */

/* The last one for the same suffix counts. */
static void
set_route (Builder        *builder,
           const char     *suffix,
           TnDnsResolvers  resolvers)
{
  TnDnsRoute *route = tn_arena_alloc (builder->arena, sizeof *route);

  *route = (TnDnsRoute) { suffix, resolvers };
  g_hash_table_replace (builder->routes, (gpointer) (guintptr) suffix, route);
}

/* fd7a:115c:a1e0::/48, and 64.100.in-addr.arpa. to 127.100.in-addr.arpa. for 100.64.0.0/10 */
static gboolean
is_reverse_zone (const char *name)
{
  guint number = 0;
  const char *at = name;

  for (; g_ascii_isdigit (*at) && at - name < 3; at++)
    number = number * 10 + (guint) (*at - '0');
  if (number >= 64 && number <= 127 && *name != '0' && g_str_equal (at, ".100.in-addr.arpa."))
    return TRUE;
  return g_str_equal (name, "0.e.1.a.c.5.1.1.a.7.d.f.ip6.arpa.");
}

static gboolean
has_route (Builder    *builder,
           const char *name)
{
  for (const char *suffix = name; suffix != NULL; suffix = tn_dns_name_parent (suffix))
    if (g_hash_table_contains (builder->routes, suffix) || (builder->settings->reverse_zones && is_reverse_zone (suffix)))
      return TRUE;
  return g_hash_table_contains (builder->routes, ".");
}

/* Names that no route covers get one of their own, so that the system need not send all its queries here for the sake of a few. */
static void
cover_hosts (Builder *builder)
{
  for (guint i = 0; i < builder->hosts->len; i++)
    {
      const Host *host = g_ptr_array_index (builder->hosts, i);

      if (!has_route (builder, host->name))
        set_route (builder, host->name, (TnDnsResolvers) { 0 });
    }
}

static int
compare_routes (gconstpointer a,
                gconstpointer b)
{
  return strcmp (((const TnDnsRoute *) a)->suffix, ((const TnDnsRoute *) b)->suffix);
}

static void
keep_routes (Builder *builder)
{
  guint n = g_hash_table_size (builder->routes), i = 0;
  TnDnsRoute *routes = tn_arena_alloc (builder->arena, n * sizeof *routes);
  GHashTableIter iter;
  gpointer route;

  g_hash_table_iter_init (&iter, builder->routes);
  while (g_hash_table_iter_next (&iter, NULL, &route))
    routes[i++] = *(const TnDnsRoute *) route;
  if (n > 0)
    qsort (routes, n, sizeof *routes, compare_routes);
  builder->settings->routes = routes;
  builder->settings->n_routes = n;
}

static void
add_magic_dns (Builder *builder)
{
  TnDnsSettings *settings = builder->settings;
  const char *suffix = dup_canonical (builder, settings->suffix);

  if (!settings->wire.magic_dns || *settings->suffix == '\0' || suffix == NULL)
    return;
  set_route (builder, suffix, (TnDnsResolvers) { 0 });
  settings->reverse_zones = TRUE;
}

/* --- With an exit node --- */

/* Those that can be asked through any exit node. */
static TnDnsResolvers
filter_resolvers (Builder        *builder,
                  TnDnsResolvers  resolvers)
{
  TnDnsResolver *items = tn_arena_alloc (builder->arena, resolvers.n * sizeof *items);
  guint n = 0;

  for (guint i = 0; i < resolvers.n; i++)
    if (resolvers.items[i].use_with_exit_node)
      items[n++] = resolvers.items[i];
  return (TnDnsResolvers) { items, n };
}

/* What the control server says; @through_exit_node: without resolvers that cannot be asked through one. */
static void
add_routes (Builder  *builder,
            gboolean  through_exit_node)
{
  const TnDnsWire *wire = &builder->settings->wire;

  for (guint i = 0; i < wire->n_routes; i++)
    {
      TnDnsResolvers resolvers = wire->routes[i].resolvers;
      const char *suffix = dup_canonical (builder, wire->routes[i].suffix);
      gboolean answered_here = resolvers.n == 0;

      if (through_exit_node)
        resolvers = filter_resolvers (builder, resolvers);
      if (suffix != NULL && (answered_here || resolvers.n > 0))
        set_route (builder, suffix, resolvers);
    }
}

static gboolean
is_single (const TnIpPrefix *prefix)
{
  return prefix->bits == tn_ip_address_len (&prefix->address) * 8;
}

/* NULL: it has no address of that family. */
static const TnIpAddress *
find_address (const TnNetmapNode *node,
              guint               version)
{
  for (guint i = 0; i < node->n_addresses; i++)
    if (node->addresses[i].address.version == version && is_single (&node->addresses[i]))
      return &node->addresses[i].address;
  return NULL;
}

static gboolean
can_resolve_for_others (const TnNetmapNode *node)
{
  return node->capability_version >= PROXY_CAPABILITY_VERSION || tn_netmap_node_get_service_port (node, "peerapi-dns-proxy") > 0;
}

/* The resolver of the exit node is in its peer API. Without one there is no resolver, and none of the others can be asked, either. */
static TnDnsResolvers
make_peer_api_resolver (Builder *builder)
{
  static const struct { guint version; const char *service; } families[] = { { 4, "peerapi4" }, { 6, "peerapi6" } };
  TnDnsResolver *resolver;

  for (gsize i = 0; i < G_N_ELEMENTS (families); i++)
    {
      guint16 port = tn_netmap_node_get_service_port (builder->exit_node, families[i].service);
      const TnIpAddress *address = find_address (builder->exit_node, families[i].version);
      char endpoint[TN_IP_ENDPOINT_TEXT_MAX];
      g_autofree char *url = NULL;

      if (port == 0 || find_address (builder->self, families[i].version) == NULL)
        continue;
      if (address == NULL)
        break;
      tn_ip_endpoint_print (&(TnIpEndpoint) { *address, port }, endpoint);
      url = g_strdup_printf ("http://%s/dns-query", endpoint);
      resolver = tn_arena_alloc (builder->arena, sizeof *resolver);
      *resolver = (TnDnsResolver) { tn_arena_strndup (builder->arena, url, strlen (url)), no_strings, TRUE };
      return (TnDnsResolvers) { resolver, 1 };
    }
  return (TnDnsResolvers) { 0 };
}

static void
resolve_by_exit_node (Builder *builder)
{
  TnDnsSettings *settings = builder->settings;

  settings->default_resolvers = filter_resolvers (builder, settings->wire.resolvers);
  if (settings->default_resolvers.n == 0)
    settings->default_resolvers = make_peer_api_resolver (builder);
  add_routes (builder, TRUE);
}

/* A node that is no more than WireGuard has resolvers at its end. */
static TnDnsResolvers
parse_exit_node_resolvers (Builder *builder)
{
  const TnNetmapNode *node = builder->exit_node;
  TnDnsResolvers resolvers = { 0 };
  TnJsonText list;

  if (node != NULL && node->wireguard_only && node->exit_node_resolvers != NULL &&
      tn_json_text_parse (node->exit_node_resolvers, strlen (node->exit_node_resolvers), &list, NULL))
    tn_dns_wire_parse_resolvers (&resolvers, list, builder->arena);
  return resolvers;
}

static void
resolve_directly (Builder *builder)
{
  TnDnsSettings *settings = builder->settings;

  settings->default_resolvers = settings->wire.resolvers;
  if (settings->default_resolvers.n == 0)
    settings->default_resolvers = parse_exit_node_resolvers (builder);

  /* What the system has by itself is likely in a network that the exit node hides. */
  if (settings->default_resolvers.n == 0 && settings->exit_node != NULL)
    settings->default_resolvers = settings->wire.fallback_resolvers;
  add_routes (builder, FALSE);
}

/* --- All of it --- */

static void
keep_search_domains (Builder *builder)
{
  const char *const *domains = builder->settings->wire.search_domains;
  guint n_domains = g_strv_length ((char **) (guintptr) domains), n = 0;
  const char **kept = tn_arena_alloc (builder->arena, (n_domains + 1) * sizeof *kept);

  for (guint i = 0; i < n_domains; i++)
    {
      const char *domain = dup_canonical (builder, domains[i]);

      if (domain != NULL)
        kept[n++] = domain;
    }
  kept[n] = NULL;
  builder->settings->search_domains = kept;
}

static gboolean
is_only_ipv6 (const TnNetmapNode *self)
{
  gboolean has_ipv6 = FALSE;

  for (guint i = 0; i < self->n_addresses; i++)
    {
      if (self->addresses[i].address.version == 4)
        return FALSE;
      has_ipv6 |= self->addresses[i].address.version == 6;
    }
  return has_ipv6;
}

static void
fill (Builder            *builder,
      const TnDnsChoices *choices)
{
  collect_hosts (builder);
  builder->settings->only_ipv6 = is_only_ipv6 (builder->self);
  if (choices->accept_dns)
    {
      keep_search_domains (builder);
      add_magic_dns (builder);
      if (builder->exit_node != NULL && can_resolve_for_others (builder->exit_node))
        resolve_by_exit_node (builder);
      else
        resolve_directly (builder);
      cover_hosts (builder);
    }
  keep_routes (builder);
  keep_hosts (builder);
}

static const TnNetmapNode *
find_stable_id (const TnNetmap *netmap,
                const char     *stable_id)
{
  for (guint i = 0; i < netmap->peers->len; i++)
    {
      const TnNetmapNode *node = g_ptr_array_index (netmap->peers, i);

      if (g_str_equal (node->stable_id, stable_id))
        return node;
    }
  return NULL;
}

TnDnsSettings *
tn_dns_settings_new (const TnNetmap     *netmap,
                     const TnDnsChoices *choices)
{
  TnDnsSettings *settings = g_new0 (TnDnsSettings, 1);
  g_autoptr (GHashTable) routes = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) hosts = g_ptr_array_new_with_free_func (host_free);
  Builder builder = { settings, &settings->arena, netmap->self, NULL, routes, hosts };
  g_autoptr (GError) error = NULL;
  const char *dns;

  settings->search_domains = no_strings;
  settings->suffix = tn_dns_suffix_of_node (netmap->self != NULL ? netmap->self->name : "");
  if (choices->exit_node != NULL && *choices->exit_node != '\0')
    {
      settings->exit_node = g_strdup (choices->exit_node);
      builder.exit_node = find_stable_id (netmap, choices->exit_node);
      settings->exit_node_id = builder.exit_node != NULL ? builder.exit_node->id : 0;
    }
  dns = netmap->dns != NULL ? netmap->dns : "{}";
  if (!tn_dns_wire_parse (&settings->wire, dns, strlen (dns), &settings->arena, &error))
    g_debug ("%s", error->message);
  if (netmap->self != NULL && !choices->self_expired)
    fill (&builder, choices);
  return settings;
}

void
tn_dns_settings_free (TnDnsSettings *settings)
{
  tn_arena_clear (&settings->arena);
  g_free (settings->suffix);
  g_free (settings->exit_node);
  g_free (settings);
}

static gboolean
has_id (GArray *ids,
        gint64  id)
{
  for (guint i = 0; i < ids->len; i++)
    if (g_array_index (ids, gint64, i) == id)
      return TRUE;
  return FALSE;
}

gboolean
tn_dns_settings_are_stale (const TnDnsSettings   *settings,
                           const TnNetmap        *netmap,
                           const TnNetmapChanges *changes)
{
  if (changes == NULL || changes->dns || changes->self)
    return TRUE;
  if (settings->exit_node == NULL)
    return FALSE;
  if (settings->exit_node_id != 0)
    return has_id (changes->changed, settings->exit_node_id) || has_id (changes->removed, settings->exit_node_id);
  for (guint i = 0; i < changes->added->len; i++)
    {
      const TnNetmapNode *node = tn_netmap_lookup (netmap, g_array_index (changes->added, gint64, i));

      if (node != NULL && g_str_equal (node->stable_id, settings->exit_node))
        return TRUE;
    }
  return FALSE;
}

/* --- Names of nodes --- */

guint
tn_dns_node_addresses (const TnNetmapNode *self,
                       const TnNetmapNode *node,
                       TnIpAddress        *addresses)
{
  gboolean only_ipv6 = is_only_ipv6 (self);
  gboolean want_ipv6 = tn_netmap_node_get_capability (self, "magicdns-aaaa") != NULL;
  gboolean has_ipv4 = FALSE;
  guint n = 0;

  if (*node->name == '\0')
    return 0;
  for (guint i = 0; i < node->n_addresses; i++)
    has_ipv4 |= node->addresses[i].address.version == 4;

  /* A peer may not speak IPv6 although it has an address of that kind: IPv4 is the safe one, where both nodes have it. */
  for (guint i = 0; i < node->n_addresses; i++)
    {
      const TnIpAddress *address = &node->addresses[i].address;

      if (address->version == 6 ? only_ipv6 || want_ipv6 || !has_ipv4 : !only_ipv6)
        addresses[n++] = *address;
    }
  return n;
}
