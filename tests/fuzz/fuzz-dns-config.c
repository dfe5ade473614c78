/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <string.h>

#include "tn-dns-settings.h"
#include "tn-netmap-update.h"

/* This node, a peer that resolves for others, and one that is no more than WireGuard. */
static const char map[] =
  "{\"Node\":{\"ID\":1,\"StableID\":\"n1\",\"Key\":\"nodekey:0000000000000000000000000000000000000000000000000000000000000001\","
  "\"Name\":\"h1.t.test.\",\"Addresses\":[\"100.64.0.1/32\"]},\"Peers\":["
  "{\"ID\":2,\"StableID\":\"n2\",\"Key\":\"nodekey:0000000000000000000000000000000000000000000000000000000000000002\",\"Cap\":100,"
  "\"Addresses\":[\"100.64.0.2/32\"],\"Hostinfo\":{\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":9}]}},"
  "{\"ID\":3,\"StableID\":\"n3\",\"Key\":\"nodekey:0000000000000000000000000000000000000000000000000000000000000003\","
  "\"IsWireGuardOnly\":true,\"ExitNodeDNSResolvers\":[{\"Addr\":\"192.0.2.1\"}]}]}";

static TnNetmap *
make_netmap (void)
{
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_auto (TnMapMessage) message = { 0 };
  TnNetmap *netmap = tn_netmap_new ();

  g_assert (tn_netmap_update (netmap, map, sizeof map - 1, 0, &message, changes, NULL));
  return netmap;
}

static gboolean
is_covered (const TnDnsSettings *settings,
            const char          *name)
{
  for (guint i = 0; i < settings->n_routes; i++)
    if (tn_dns_name_contains (settings->routes[i].suffix, name))
      return TRUE;
  return settings->reverse_zones && g_str_has_suffix (name, ".arpa.");
}

/* Whatever comes: names are names, each suffix is there once, and a few of the hosts are looked at, which all have a route. */
static void
check (const TnDnsSettings *settings)
{
  for (guint i = 0; i < settings->n_routes; i++)
    {
      char name[TN_DNS_NAME_SIZE];

      g_assert (tn_dns_name_canonical (settings->routes[i].suffix, name) && strcmp (name, settings->routes[i].suffix) == 0);
      g_assert (i == 0 || strcmp (settings->routes[i - 1].suffix, name) < 0);
    }
  for (guint i = 0; i < MIN (settings->n_hosts, 100); i++)
    {
      g_assert (settings->hosts[i].n_addresses > 0);
      g_assert (is_covered (settings, settings->hosts[i].name));
    }
  for (guint i = 0; i < settings->default_resolvers.n; i++)
    g_assert (g_utf8_validate (settings->default_resolvers.items[i].address, -1, NULL));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  static const char *const exit_nodes[] = { NULL, "n2", "n3", "gone" };
  static TnNetmap *netmap = NULL;
  g_auto (TnArena) arena = { 0 };
  TnDnsWire wire;

  if (!tn_dns_wire_parse (&wire, (const char *) data, size, &arena, NULL))
    return 0;
  if (netmap == NULL)
    netmap = make_netmap ();
  g_free (netmap->dns);
  netmap->dns = g_strndup ((const char *) data, size);
  for (gsize i = 0; i < G_N_ELEMENTS (exit_nodes); i++)
    {
      g_autoptr (TnDnsSettings) settings = tn_dns_settings_new (netmap, &(TnDnsChoices) { TRUE, FALSE, exit_nodes[i] });

      check (settings);
    }
  return 0;
}
