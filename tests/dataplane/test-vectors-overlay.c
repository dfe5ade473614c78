/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vectors.h"

#include "tn-overlay-router.h"

typedef struct
{
  TnVector             *v;
  TnOverlayRoutes      *routes;
  TnOverlayPreferences  preferences;
  guint                 step;
} Engine;

static TnIpPrefix *
read_prefixes (JsonObject *object,
               const char *name,
               gsize      *n)
{
  JsonArray *array = tn_json_array (object, name);
  TnIpPrefix *prefixes;

  *n = array != NULL ? json_array_get_length (array) : 0;
  prefixes = g_new0 (TnIpPrefix, *n + 1);
  for (gsize i = 0; i < *n; i++)
    g_assert_true (tn_ip_prefix_parse (json_array_get_string_element (array, (guint) i), &prefixes[i]));
  return prefixes;
}

static TnIpAddress
read_address (JsonObject *object,
              const char *name)
{
  TnIpAddress address = { 0 };

  if (tn_json_has (object, name))
    g_assert_true (tn_ip_address_parse (tn_json_string (object, name), &address));
  return address;
}

static void
upsert (Engine     *engine,
        JsonObject *object)
{
  gsize n_addresses, n_allowed;
  g_autofree TnIpPrefix *addresses = read_prefixes (object, "Addresses", &n_addresses);
  g_autofree TnIpPrefix *allowed = read_prefixes (object, "AllowedIPs", &n_allowed);
  const char *disco = tn_json_string (object, "DiscoKey");
  TnOverlayPeer peer = {
    .id = tn_json_int (object, "ID"),
    .addresses = addresses,
    .n_addresses = n_addresses,
    .allowed_ips = allowed,
    .n_allowed_ips = n_allowed,
    .home_region = (guint) tn_json_int (object, "HomeDERP"),
    .expired = tn_json_bool (object, "Expired"),
    .has_disco_key = disco != NULL && strspn (disco + strlen ("discokey:"), "0") != 64,
    .wireguard_only = tn_json_bool (object, "IsWireGuardOnly"),
    .jailed = tn_json_bool (object, "IsJailed"),
    .masquerade4 = read_address (object, "SelfNodeV4MasqAddrForThisPeer"),
    .masquerade6 = read_address (object, "SelfNodeV6MasqAddrForThisPeer"),
  };

  tn_overlay_routes_upsert (engine->routes, &peer);
}

static void
change (Engine     *engine,
        JsonObject *step)
{
  const char *what = tn_json_string (step, "do");

  if (g_strcmp0 (what, "upsert") == 0)
    {
      upsert (engine, tn_json_object (step, "peer"));
      return;
    }
  if (g_strcmp0 (what, "remove") == 0)
    {
      tn_overlay_routes_remove (engine->routes, tn_json_int (step, "peer_id"));
      return;
    }

  if (g_strcmp0 (what, "prefs") == 0)
    {
      engine->preferences.exit_node = tn_json_int (step, "exit_node");
      engine->preferences.exit_node_selected = engine->preferences.exit_node != 0;
      engine->preferences.accept_routes = tn_json_bool (step, "accept_routes");
    }
  else if (g_strcmp0 (what, "config") == 0)
    {
      engine->preferences.disable_ipv4 = tn_json_bool (step, "disable_ipv4");
      engine->preferences.one_cgnat = tn_json_bool (step, "one_cgnat");
    }
  else
    {
      tn_vector_fail (engine->v, "step %u: no test knows %s", engine->step, what);
    }
  tn_overlay_routes_set_preferences (engine->routes, &engine->preferences);
}

/* As sets. */
static void
check_prefixes (Engine           *engine,
                const char       *name,
                const TnIpPrefix *actual,
                gsize             n,
                JsonArray        *expected)
{
  guint n_expected = expected != NULL ? json_array_get_length (expected) : 0;

  if (n != n_expected)
    tn_vector_fail (engine->v, "step %u: %s has %" G_GSIZE_FORMAT " prefixes, expected %u", engine->step, name, n, n_expected);
  for (guint i = 0; i < n_expected; i++)
    {
      const char *text = json_array_get_string_element (expected, i);
      gboolean found = FALSE;
      TnIpPrefix prefix;

      g_assert_true (tn_ip_prefix_parse (text, &prefix));
      for (gsize j = 0; j < n; j++)
        found |= tn_ip_prefix_equal (&actual[j], &prefix);
      if (!found)
        tn_vector_fail (engine->v, "step %u: %s lacks %s", engine->step, name, text);
    }
}

/* The set of each peer, and the answer for the first address of each prefix. */
static void
check_sources (Engine          *engine,
               TnOverlayRouter *router,
               JsonObject      *expected)
{
  for (gint64 id = 0; id <= 64; id++)
    {
      g_autofree char *name = g_strdup_printf ("%" G_GINT64_FORMAT, id);
      gsize n;
      g_autofree TnIpPrefix *actual = tn_overlay_routes_dup_sources (engine->routes, id, &n);

      check_prefixes (engine, name, actual, n, tn_json_array (expected, name));
      for (gsize i = 0; i < n; i++)
        if (!tn_overlay_router_allows_source (router, id, &actual[i].address))
          tn_vector_fail (engine->v, "step %u: source of peer %s refused", engine->step, name);
    }
}

static gboolean
is_source (Engine            *engine,
           gint64             id,
           const TnIpAddress *address)
{
  gsize n;
  g_autofree TnIpPrefix *prefixes = tn_overlay_routes_dup_sources (engine->routes, id, &n);

  for (gsize i = 0; i < n; i++)
    if (tn_ip_prefix_contains (&prefixes[i], address))
      return TRUE;
  return FALSE;
}

static void
check_lookup (Engine          *engine,
              TnOverlayRouter *router,
              JsonArray       *lookup)
{
  const char *text = json_array_get_string_element (lookup, 0);
  JsonNode *node = json_array_get_element (lookup, 1);
  const TnOverlayRoute *route;
  TnIpAddress address;
  gint64 actual;

  g_assert_true (tn_ip_address_parse (text, &address));
  route = tn_overlay_router_lookup (router, &address);
  actual = route != NULL ? route->id : 0;
  if (actual != (json_node_is_null (node) ? 0 : json_node_get_int (node)))
    tn_vector_fail (engine->v, "step %u: %s goes to %" G_GINT64_FORMAT, engine->step, text, actual);

  for (gint64 id = 1; id <= 10; id++)
    if (!tn_overlay_router_allows_source (router, id, &address) != !is_source (engine, id, &address))
      tn_vector_fail (engine->v, "step %u: %s as source of %" G_GINT64_FORMAT " is not what the set says", engine->step, text, id);
}

static void
check (Engine     *engine,
       JsonObject *step)
{
  g_autoptr (TnOverlayRouter) router = tn_overlay_routes_snapshot (engine->routes);
  JsonArray *lookups = tn_json_array (step, "lookups");
  gsize n;
  g_autofree TnIpPrefix *os_routes = tn_overlay_routes_dup_os_routes (engine->routes, &n);

  check_prefixes (engine, "os_routes", os_routes, n, tn_json_array (step, "os_routes"));
  check_sources (engine, router, tn_json_object (step, "sources"));
  for (guint i = 0; lookups != NULL && i < json_array_get_length (lookups); i++)
    check_lookup (engine, router, json_array_get_array_element (lookups, i));
}

static void
test_overlay (TnVector *v)
{
  g_autoptr (TnOverlayRoutes) routes = tn_overlay_routes_new ();
  JsonArray *steps = tn_vector_array (v, "steps");
  Engine engine = { .v = v, .routes = routes };

  for (guint i = 0; i < json_array_get_length (steps) && !v->failed; i++)
    {
      JsonObject *step = json_array_get_object_element (steps, i);

      engine.step = i;
      change (&engine, step);
      check (&engine, step);
    }
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = { { NULL, test_overlay } };

  tn_vectors_run ("overlay.jsonl", 110, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataplane/vectors/overlay", test_vectors);
  return g_test_run ();
}
