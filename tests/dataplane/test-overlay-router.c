/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tn-overlay-router.h"

/* Own address 100.64.0.ID; further prefixes as given. */
static void
add_node (TnOverlayRoutes *routes,
          gint64           id,
          gboolean         jailed,
          const char      *first,
          ...)
{
  TnIpPrefix prefixes[8] = { { .address = { .version = 4, .bytes = { 100, 64, 0, (guint8) id } }, .bits = 32 } };
  TnOverlayPeer peer = {
    .id = id, .peer = GSIZE_TO_POINTER ((gsize) id), .addresses = prefixes, .n_addresses = 1, .allowed_ips = prefixes,
    .n_allowed_ips = 1, .has_disco_key = TRUE, .jailed = jailed,
  };
  va_list args;

  va_start (args, first);
  for (const char *text = first; text != NULL; text = va_arg (args, const char *))
    {
      g_assert_cmpuint (peer.n_allowed_ips, <, G_N_ELEMENTS (prefixes));
      g_assert_true (tn_ip_prefix_parse (text, &prefixes[peer.n_allowed_ips++]));
    }
  va_end (args);
  tn_overlay_routes_upsert (routes, &peer);
}

static gint64
lookup (const TnOverlayRouter *router,
        const char            *text)
{
  const TnOverlayRoute *route;
  TnIpAddress address;

  g_assert_true (tn_ip_address_parse (text, &address));
  route = tn_overlay_router_lookup (router, &address);
  return route != NULL ? route->id : 0;
}

static gboolean
allows (const TnOverlayRouter *router,
        gint64                 id,
        const char            *text)
{
  TnIpAddress address;

  g_assert_true (tn_ip_address_parse (text, &address));
  return tn_overlay_router_allows_source (router, id, &address);
}

static void
test_overlapping_subnets (void)
{
  g_autoptr (TnOverlayRoutes) routes = tn_overlay_routes_new ();
  g_autoptr (TnOverlayRouter) router = NULL;
  TnOverlayPreferences preferences = { .accept_routes = TRUE };

  tn_overlay_routes_set_preferences (routes, &preferences);
  add_node (routes, 2, FALSE, "10.0.0.0/8", NULL);
  add_node (routes, 1, FALSE, "10.0.0.0/8", "10.1.0.0/16", NULL);
  add_node (routes, 3, FALSE, NULL);
  router = tn_overlay_routes_snapshot (routes);

  /* One of them gets what is sent, both may answer, a third may not. */
  g_assert_cmpint (lookup (router, "10.2.0.1"), ==, 1);
  g_assert_true (allows (router, 1, "10.1.0.1"));
  g_assert_true (allows (router, 2, "10.1.0.1"));
  g_assert_true (allows (router, 2, "10.2.0.1"));
  g_assert_false (allows (router, 3, "10.1.0.1"));
  g_assert_false (allows (router, 3, "100.64.0.2"));
  g_assert_false (allows (router, 1, "11.0.0.1"));
}

static void
test_snapshot_stays (void)
{
  g_autoptr (TnOverlayRoutes) routes = tn_overlay_routes_new ();
  g_autoptr (TnOverlayRouter) before = NULL;
  g_autoptr (TnOverlayRouter) after = NULL;

  add_node (routes, 1, TRUE, NULL);
  before = tn_overlay_routes_snapshot (routes);
  g_assert_true (tn_overlay_routes_remove (routes, 1));
  g_assert_false (tn_overlay_routes_remove (routes, 1));
  add_node (routes, 2, FALSE, NULL);
  after = tn_overlay_routes_snapshot (routes);

  g_assert_cmpint (lookup (before, "100.64.0.1"), ==, 1);
  g_assert_cmpint (lookup (before, "100.64.0.2"), ==, 0);
  g_assert_true (tn_overlay_router_has_attributes (before));
  g_assert_cmpint (lookup (after, "100.64.0.1"), ==, 0);
  g_assert_cmpint (lookup (after, "100.64.0.2"), ==, 2);
  g_assert_false (tn_overlay_router_has_attributes (after));
}

static void
test_attributes_change (void)
{
  g_autoptr (TnOverlayRoutes) routes = tn_overlay_routes_new ();
  g_autoptr (TnOverlayRouter) before = NULL;
  g_autoptr (TnOverlayRouter) after = NULL;
  TnIpAddress address = { .version = 4, .bytes = { 100, 64, 0, 1 } };

  add_node (routes, 1, FALSE, NULL);
  before = tn_overlay_routes_snapshot (routes);
  add_node (routes, 1, TRUE, NULL);
  after = tn_overlay_routes_snapshot (routes);
  g_assert_false (tn_overlay_router_lookup (before, &address)->jailed);
  g_assert_true (tn_overlay_router_lookup (after, &address)->jailed);
}

static void
test_exit_node (void)
{
  g_autoptr (TnOverlayRoutes) routes = tn_overlay_routes_new ();
  g_autoptr (TnOverlayRouter) router = NULL;
  TnOverlayPreferences preferences = { .exit_node_selected = TRUE };
  TnIpPrefix *os_routes;
  gsize n;

  /* Selected but not there: nothing may leave another way. */
  tn_overlay_routes_set_preferences (routes, &preferences);
  os_routes = tn_overlay_routes_dup_os_routes (routes, &n);
  g_assert_cmpuint (n, ==, 2);
  g_free (os_routes);

  add_node (routes, 1, FALSE, "0.0.0.0/0", "::/0", NULL);
  add_node (routes, 2, FALSE, "0.0.0.0/0", "::/0", NULL);
  preferences.exit_node = 2;
  tn_overlay_routes_set_preferences (routes, &preferences);
  router = tn_overlay_routes_snapshot (routes);
  g_assert_cmpint (lookup (router, "8.8.8.8"), ==, 2);
  g_assert_true (allows (router, 2, "2001:db8::1"));
  g_assert_false (allows (router, 1, "8.8.8.8"));
}

static void
test_many_single_addresses (void)
{
  g_autoptr (TnOverlayRoutes) routes = tn_overlay_routes_new ();
  TnIpPrefix prefix = { .address.version = 4, .bits = 32 };
  TnOverlayPeer peer = { .allowed_ips = &prefix, .n_allowed_ips = 1, .home_region = 1 };
  TnIpPrefix *os_routes;
  gsize n;

  for (guint i = 0; i <= 10000; i++)
    {
      memcpy (prefix.address.bytes, (guint8[]) { 100, 64, (guint8) (i >> 8), (guint8) i }, 4);
      peer.id = i + 1;
      tn_overlay_routes_upsert (routes, &peer);
      if (i == 9999)
        {
          os_routes = tn_overlay_routes_dup_os_routes (routes, &n);
          g_assert_cmpuint (n, ==, 10000);
          g_free (os_routes);
        }
    }
  os_routes = tn_overlay_routes_dup_os_routes (routes, &n);
  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpuint (os_routes[0].bits, ==, 10);
  g_free (os_routes);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataplane/overlay-router/overlapping-subnets", test_overlapping_subnets);
  g_test_add_func ("/dataplane/overlay-router/snapshot-stays", test_snapshot_stays);
  g_test_add_func ("/dataplane/overlay-router/attributes-change", test_attributes_change);
  g_test_add_func ("/dataplane/overlay-router/exit-node", test_exit_node);
  g_test_add_func ("/dataplane/overlay-router/many-single-addresses", test_many_single_addresses);
  return g_test_run ();
}
