/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-dns-settings.h"
#include "tn-netmap-update.h"

#define KEY "nodekey:%064x"

static void
update (TnNetmap        *netmap,
        TnNetmapChanges *changes,
        const char      *json)
{
  g_auto (TnMapMessage) message = { 0 };
  g_autoptr (GError) error = NULL;

  tn_netmap_changes_clear (changes);
  g_assert_true (tn_netmap_update (netmap, json, strlen (json), 0, &message, changes, &error));
}

static char *
dup_self (const char *rest)
{
  return g_strdup_printf ("{\"Node\":{\"ID\":1,\"StableID\":\"n1\",\"Key\":\"" KEY "\",\"Name\":\"h1.t.test.\","
                          "\"Addresses\":[\"100.64.0.1/32\"]}%s}", 1u, rest);
}

static char *
dup_peer (guint       id,
          const char *rest)
{
  return g_strdup_printf ("{\"ID\":%u,\"StableID\":\"n%u\",\"Key\":\"" KEY "\",\"Name\":\"h%u.t.test.\",\"Cap\":100,"
                          "\"Addresses\":[\"100.64.0.%u/32\"]%s}", id, id, id, id, id, rest);
}

static TnDnsSettings *
make_settings (const TnNetmap *netmap,
               const char     *exit_node)
{
  return tn_dns_settings_new (netmap, &(TnDnsChoices) { .accept_dns = TRUE, .exit_node = exit_node });
}

static gboolean
has_route (const TnDnsSettings *settings,
           const char          *suffix)
{
  for (guint i = 0; i < settings->n_routes; i++)
    if (g_str_equal (settings->routes[i].suffix, suffix))
      return TRUE;
  return FALSE;
}

/* --- Without a map, without a configuration --- */

static void
test_nothing (void)
{
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autoptr (TnDnsSettings) before = make_settings (netmap, NULL);
  g_autofree char *self = dup_self ("");
  g_autoptr (TnDnsSettings) after = NULL;

  g_assert_cmpstr (before->suffix, ==, "");
  g_assert_null (before->search_domains[0]);
  update (netmap, changes, self);
  after = make_settings (netmap, "");
  g_assert_cmpstr (after->suffix, ==, "t.test");
  g_assert_cmpuint (after->n_routes, ==, 0);
  g_assert_cmpuint (after->n_hosts, ==, 0);
  g_assert_cmpuint (after->default_resolvers.n, ==, 0);
  g_assert_null (after->search_domains[0]);
  g_assert_null (after->wire.cert_domains[0]);
}

/* --- When it has to be made again --- */

static void
test_stale (void)
{
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autofree char *two = dup_peer (2, "");
  g_autofree char *three = dup_peer (3, "");
  g_autofree char *rest = g_strdup_printf (",\"Peers\":[%s,%s],\"DNSConfig\":{\"Proxied\":true}", two, three);
  g_autofree char *again = g_strdup_printf ("{\"Peers\":[%s,%s],\"DNSConfig\":{\"Proxied\":true}}", two, three);
  g_autofree char *first = dup_self (rest);
  g_autoptr (TnDnsSettings) plain = NULL;
  g_autoptr (TnDnsSettings) by_three = NULL;
  g_autoptr (TnDnsSettings) by_four = NULL;

  update (netmap, changes, first);
  plain = make_settings (netmap, NULL);
  by_three = make_settings (netmap, "n3");
  by_four = make_settings (netmap, "n4");
  g_assert_true (tn_dns_settings_are_stale (plain, netmap, NULL));
  g_assert_true (tn_dns_settings_are_stale (plain, netmap, changes));

  update (netmap, changes, again);
  g_assert_false (tn_dns_settings_are_stale (plain, netmap, changes));
  g_assert_false (tn_dns_settings_are_stale (by_three, netmap, changes));

  update (netmap, changes, "{\"PeersChangedPatch\":[{\"NodeID\":2,\"Online\":true,\"DERPRegion\":7}]}");
  g_assert_cmpuint (changes->changed->len, ==, 1);
  g_assert_false (tn_dns_settings_are_stale (plain, netmap, changes));
  g_assert_false (tn_dns_settings_are_stale (by_three, netmap, changes));
  update (netmap, changes, "{\"PeersChangedPatch\":[{\"NodeID\":3,\"Cap\":20}]}");
  g_assert_false (tn_dns_settings_are_stale (plain, netmap, changes));
  g_assert_true (tn_dns_settings_are_stale (by_three, netmap, changes));
  update (netmap, changes, "{\"PeersRemoved\":[3]}");
  g_assert_true (tn_dns_settings_are_stale (by_three, netmap, changes));
  g_assert_false (tn_dns_settings_are_stale (by_four, netmap, changes));

  update (netmap, changes, "{\"DNSConfig\":{}}");
  g_assert_true (tn_dns_settings_are_stale (plain, netmap, changes));
}

static void
test_exit_node_comes (void)
{
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autofree char *self = dup_self (",\"DNSConfig\":{\"FallbackResolvers\":[{\"Addr\":\"192.0.2.1\"}]}");
  g_autofree char *two = dup_peer (2, ",\"Hostinfo\":{\"Services\":[{\"Proto\":\"peerapi4\",\"Port\":99}]}");
  g_autofree char *three = dup_peer (3, "");
  g_autofree char *message = g_strdup_printf ("{\"PeersChanged\":[%s]}", two);
  g_autofree char *other = g_strdup_printf ("{\"PeersChanged\":[%s]}", three);
  g_autoptr (TnDnsSettings) before = NULL;
  g_autoptr (TnDnsSettings) after = NULL;

  update (netmap, changes, self);
  before = make_settings (netmap, "n2");
  g_assert_cmpstr (before->default_resolvers.items[0].address, ==, "192.0.2.1");
  update (netmap, changes, other);
  g_assert_false (tn_dns_settings_are_stale (before, netmap, changes));
  update (netmap, changes, message);
  g_assert_true (tn_dns_settings_are_stale (before, netmap, changes));
  after = make_settings (netmap, "n2");
  g_assert_cmpuint (after->default_resolvers.n, ==, 1);
  g_assert_cmpstr (after->default_resolvers.items[0].address, ==, "http://100.64.0.2:99/dns-query");
}

/* --- What a server can send --- */

static void
test_resolvers (void)
{
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  g_autofree char *self = dup_self (",\"DNSConfig\":{\"Resolvers\":[{\"Addr\":\"https://dns.test/q\",\"BootstrapResolution\":"
                                    "[\"192.0.2.7\",\"x\",1]},null,4,{\"Addr\":3}],\"Routes\":{\"A.test\":[{\"Addr\":\"192.0.2.1\"}],"
                                    "\"A.test.\":[{\"Addr\":\"192.0.2.2\"}],\"\":null,\"b..test\":[]},\"Domains\":[\"x.test\",2,\"y..test\"]}");
  g_autoptr (TnDnsSettings) settings = NULL;

  update (netmap, changes, self);
  settings = make_settings (netmap, NULL);
  g_assert_cmpuint (settings->default_resolvers.n, ==, 2);
  g_assert_cmpstr (settings->default_resolvers.items[0].address, ==, "https://dns.test/q");
  g_assert_cmpstr (settings->default_resolvers.items[0].bootstrap[0], ==, "192.0.2.7");
  g_assert_null (settings->default_resolvers.items[0].bootstrap[1]);
  g_assert_cmpstr (settings->default_resolvers.items[1].address, ==, "");

  /* The later of two for the same suffix; no name, no route. */
  g_assert_cmpuint (settings->n_routes, ==, 2);
  g_assert_cmpstr (settings->routes[0].suffix, ==, ".");
  g_assert_cmpuint (settings->routes[0].resolvers.n, ==, 0);
  g_assert_cmpstr (settings->routes[1].suffix, ==, "A.test.");
  g_assert_cmpstr (settings->routes[1].resolvers.items[0].address, ==, "192.0.2.2");
  g_assert_cmpstr (settings->search_domains[0], ==, "x.test.");
  g_assert_null (settings->search_domains[1]);
}

/* Each item is @head, its number and @tail. */
static void
append_many (GString    *json,
             const char *before,
             const char *head,
             const char *tail,
             guint       n,
             const char *after)
{
  g_string_append (json, before);
  for (guint i = 0; i < n; i++)
    g_string_append_printf (json, "%s%s%u%s", i > 0 ? "," : "", head, i, tail);
  g_string_append (json, after);
}

static void
test_bounds (void)
{
  g_autoptr (GString) json = g_string_new (NULL);
  g_auto (TnArena) arena = { 0 };
  g_autoptr (GError) error = NULL;
  TnDnsWire wire;

  append_many (json, "{\"Resolvers\":[", "{\"Addr\":\"", "\"}", TN_DNS_RESOLVERS_MAX + 1, "]");
  append_many (json, ",\"Routes\":{", "\"r", "\":[]", TN_DNS_ROUTES_MAX + 1, "}");
  append_many (json, ",\"ExtraRecords\":[", "{\"Name\":\"n", "\",\"Value\":\"192.0.2.1\"}", TN_DNS_RECORDS_MAX + 1, "]");
  append_many (json, ",\"Domains\":[", "\"d", "\"", TN_DNS_DOMAINS_MAX + 1, "]}");
  g_assert_true (tn_dns_wire_parse (&wire, json->str, json->len, &arena, &error));
  g_assert_cmpuint (wire.resolvers.n, ==, TN_DNS_RESOLVERS_MAX);
  g_assert_cmpuint (wire.n_routes, ==, TN_DNS_ROUTES_MAX);
  g_assert_cmpuint (wire.n_records, ==, TN_DNS_RECORDS_MAX);
  g_assert_cmpuint (g_strv_length ((char **) (guintptr) wire.search_domains), ==, TN_DNS_DOMAINS_MAX);
}

/* Names under the reverse zones of the tailnet are answered here already; others of that form are not. */
static void
test_reverse_zones (void)
{
  static const struct { const char *name; gboolean covered; } cases[] = {
    { "1.2.64.100.in-addr.arpa.", TRUE }, { "127.100.in-addr.arpa.", TRUE }, { "63.100.in-addr.arpa.", FALSE },
    { "128.100.in-addr.arpa.", FALSE }, { "064.100.in-addr.arpa.", FALSE }, { "64.101.in-addr.arpa.", FALSE },
    { "1.0.e.1.a.c.5.1.1.a.7.d.f.ip6.arpa.", TRUE }, { "1.e.1.a.c.5.1.1.a.7.d.f.ip6.arpa.", FALSE },
  };
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *rest = g_strdup_printf (",\"DNSConfig\":{\"Proxied\":true,\"ExtraRecords\":[{\"Name\":\"%s\",\"Value\":\"192.0.2.1\"}]}",
                                               cases[i].name);
      g_autofree char *self = dup_self (rest);
      g_autoptr (TnDnsSettings) settings = NULL;

      update (netmap, changes, self);
      settings = make_settings (netmap, NULL);
      g_assert_true (settings->reverse_zones);
      g_assert_cmpuint (settings->n_hosts, ==, 1);
      g_assert_cmpint (has_route (settings, cases[i].name), ==, !cases[i].covered);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dns/settings/nothing", test_nothing);
  g_test_add_func ("/dns/settings/stale", test_stale);
  g_test_add_func ("/dns/settings/exit-node-comes", test_exit_node_comes);
  g_test_add_func ("/dns/settings/resolvers", test_resolvers);
  g_test_add_func ("/dns/settings/bounds", test_bounds);
  g_test_add_func ("/dns/settings/reverse-zones", test_reverse_zones);
  return g_test_run ();
}
