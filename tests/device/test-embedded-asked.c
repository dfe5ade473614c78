/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "device-kit.h"

/* What a node does for its control server: it pings peers, and tells how it is. */

typedef struct
{
  TnTestkitTailnet *tailnet;
  TnTestkitControl *control;
  TnDevice         *ann;
  TnDevice         *bob;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->tailnet = kit_tailnet_new ();
  fixture->control = tn_testkit_tailnet_get_control (fixture->tailnet);
  fixture->ann = kit_device_join (fixture->tailnet, "ann");
  fixture->bob = kit_device_join (fixture->tailnet, "bob");
  g_object_unref (kit_wait_peer (fixture->ann, "bob"));
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  kit_free (fixture->ann);
  kit_free (fixture->bob);
  g_object_unref (fixture->tailnet);
}

static JsonObject *
parse (GBytes *bytes)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  json_parser_load_from_data (parser, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &error);
  g_assert_no_error (error);
  return json_object_ref (json_node_get_object (json_parser_get_root (parser)));
}

/* --- Pings --- */

/* What ann answers; the server asks once, whatever becomes of it. */
static JsonObject *
ask_ann (Fixture    *fixture,
         const char *types,
         const char *address,
         gboolean    encrypted)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = NULL;

  tn_testkit_control_ping_async (fixture->control, "ann", types, address, encrypted, NULL, kit_result_cb, &result);
  answer = tn_testkit_control_ping_finish (fixture->control, kit_wait (&result), &error);
  g_assert_no_error (error);
  g_test_message ("%.*s", (int) g_bytes_get_size (answer), (const char *) g_bytes_get_data (answer, NULL));
  return parse (answer);
}

static void
check_pong (JsonObject *pong,
            const char *type,
            const char *address,
            const char *node_address)
{
  g_assert_cmpstr (json_object_get_string_member (pong, "Type"), ==, type);
  g_assert_cmpstr (json_object_get_string_member (pong, "IP"), ==, address);
  g_assert_cmpstr (json_object_get_string_member (pong, "NodeIP"), ==, node_address);
  g_assert_cmpstr (json_object_get_string_member (pong, "NodeName"), ==, "bob");
  g_assert_cmpfloat (json_object_get_double_member (pong, "LatencySeconds"), >, 0);
  g_assert_cmpfloat (json_object_get_double_member (pong, "LatencySeconds"), <, 10);
  g_assert_cmpint (json_object_get_int_member (pong, "DERPRegionID"), ==, KIT_REGION);
  g_assert_true (json_object_has_member (pong, "DERPRegionCode"));
  g_assert_false (json_object_has_member (pong, "Err"));
  g_assert_false (json_object_has_member (pong, "IsLocalIP"));
  g_assert_false (json_object_has_member (pong, "Endpoint"));
}

static void
test_ping (Fixture *fixture, gconstpointer data)
{
  static const char *const types[] = { "disco", "TSMP", "ICMP" };
  g_autoptr (TnNode) bob = tn_device_lookup_peer (fixture->ann, "bob");
  const char *const *addresses = tn_node_get_addresses (bob);

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    for (gsize j = 0; addresses[j] != NULL; j++)
      {
        g_autoptr (JsonObject) pong = ask_ann (fixture, types[i], addresses[j], j == 0);

        check_pong (pong, types[i], addresses[j], addresses[j]);
      }
}

static void
test_ping_of_all_kinds (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TnNode) bob = tn_device_lookup_peer (fixture->ann, "bob");
  g_autoptr (JsonObject) pong = ask_ann (fixture, "peerapi,nonsense,TSMP", tn_node_get_addresses (bob)[0], TRUE);

  /* The one that cannot be is known first. */
  g_assert_cmpstr (json_object_get_string_member (pong, "Type"), ==, "peerapi");
  g_assert_true (json_object_has_member (pong, "Err"));
  g_assert_false (json_object_has_member (pong, "LatencySeconds"));
}

/* What a peer routes; the answer tells who that is. */
static void
test_ping_of_route (Fixture *fixture, gconstpointer data)
{
  static const char *const routes[] = { "192.0.2.0/24", NULL };
  g_autoptr (TnNode) bob = tn_device_lookup_peer (fixture->ann, "bob");
  g_autoptr (JsonObject) pong = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (tn_testkit_control_set_node_routes (fixture->control, "bob", routes, &error));
  g_assert_no_error (error);
  pong = ask_ann (fixture, "disco", "192.0.2.7", TRUE);
  check_pong (pong, "disco", "192.0.2.7", tn_node_get_addresses (bob)[0]);
}

static void
test_ping_of_nobody (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TnNode) ann = tn_device_dup_self_node (fixture->ann);
  g_autoptr (JsonObject) own = ask_ann (fixture, "TSMP", tn_node_get_addresses (ann)[0], TRUE);
  g_autoptr (JsonObject) nobody = ask_ann (fixture, "ICMP", "198.51.100.1", FALSE);

  g_assert_true (json_object_get_boolean_member (own, "IsLocalIP"));
  g_assert_true (json_object_has_member (own, "Err"));
  g_assert_false (json_object_has_member (nobody, "IsLocalIP"));
  g_assert_true (json_object_has_member (nobody, "Err"));
  g_assert_false (json_object_has_member (nobody, "NodeName"));
}

/* A peer that does not answer is waited for, and the device may stop meanwhile. */
static void
test_ping_and_stop (Fixture *fixture, gconstpointer data)
{
  static const char *const types[] = { "disco", "TSMP", "ICMP", "disco,TSMP,ICMP,peerapi" };
  g_autoptr (TnNode) bob = tn_device_lookup_peer (fixture->ann, "bob");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  GAsyncResult *results[G_N_ELEMENTS (types)] = { NULL };
  g_autoptr (GAsyncResult) sign = NULL;
  g_autoptr (GBytes) answer = NULL;

  kit_stop (fixture->bob);
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    tn_testkit_control_ping_async (fixture->control, "ann", types[i], tn_node_get_addresses (bob)[0], TRUE, cancellable, kit_result_cb,
                                   &results[i]);
  tn_testkit_control_ping_async (fixture->control, "ann", NULL, NULL, TRUE, NULL, kit_result_cb, &sign);
  answer = tn_testkit_control_ping_finish (fixture->control, kit_wait (&sign), &error);      /* it does not wait for them */
  g_assert_no_error (error);
  kit_stop (fixture->ann);
  g_cancellable_cancel (cancellable);
  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_autoptr (GAsyncResult) result = kit_wait (&results[i]);
      g_autoptr (GBytes) refusal = tn_testkit_control_ping_finish (fixture->control, result, NULL);

      g_assert_true (refusal == NULL || i == 3);      /* what cannot be is said at once */
    }
}

/* --- Requests --- */

/* The body of the answer. */
static char *
call_ann (Fixture    *fixture,
          const char *path,
          const char *type)
{
  g_autofree char *request = g_strdup_printf ("GET %s HTTP/1.1\r\nHost: \r\n\r\n", path);
  g_autoptr (GBytes) bytes = g_bytes_new (request, strlen (request));
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = NULL;
  g_autofree char *text = NULL;
  const char *body;

  tn_testkit_control_call_node_async (fixture->control, "ann", bytes, NULL, kit_result_cb, &result);
  answer = tn_testkit_control_call_node_finish (fixture->control, kit_wait (&result), &error);
  g_assert_no_error (error);
  text = g_strndup (g_bytes_get_data (answer, NULL), g_bytes_get_size (answer));
  g_assert_true (g_str_has_prefix (text, "HTTP/1.1 200 OK\r\n"));
  g_assert_nonnull (strstr (text, type));
  body = strstr (text, "\r\n\r\n");
  g_assert_nonnull (body);
  return g_strdup (body + 4);
}

static void
test_health (Fixture *fixture, gconstpointer data)
{
  g_autofree char *well = call_ann (fixture, "/debug/health", "application/json");
  g_autofree char *text = NULL;
  g_autofree char *shown = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (JsonObject) state = NULL;
  JsonObject *warning;

  g_assert_cmpstr (well, ==, "{\"Warnings\":{}}");
  g_assert_cmpuint (tn_testkit_control_send_map_response (fixture->control, "ann", "{\"Health\":[\"it is \\\"late\\\"\"]}"), ==, 1);
  shown = kit_wait_health (fixture->ann, "control");
  text = call_ann (fixture, "/debug/health", "application/json");
  bytes = g_bytes_new_static (text, strlen (text));
  state = parse (bytes);
  warning = json_object_get_object_member (json_object_get_object_member (state, "Warnings"), "control");
  g_assert_cmpstr (json_object_get_string_member (warning, "WarnableCode"), ==, "control");
  g_assert_cmpstr (json_object_get_string_member (warning, "Severity"), ==, "medium");
  g_assert_cmpstr (json_object_get_string_member (warning, "Title"), ==, "The control server reports a problem");
  g_assert_cmpstr (json_object_get_string_member (warning, "Text"), ==, shown);
  g_assert_cmpstr (shown, ==, "it is \"late\"");
}

/* Each line is a comment, or a name with labels and a number; names of nodes are not in it. */
static void
test_metrics (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GRegex) line = g_regex_new ("^(# (HELP|TYPE) tailnet_[a-z_]+ .+|tailnet_[a-z_]+(\\{([a-z]+=\"[a-z0-9 -]+\",?)+\\})? [0-9]+)$",
                                         G_REGEX_DEFAULT, G_REGEX_MATCH_DEFAULT, NULL);
  g_autoptr (TnPingResult) pong = kit_ping (fixture->ann, "bob", TN_PING_KIND_TSMP, NULL);
  g_autofree char *text = call_ann (fixture, "/debug/metrics", "text/plain");
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint n = g_strv_length (lines);

  g_assert_nonnull (pong);
  g_test_message ("%s", text);
  g_assert_cmpstr (lines[n - 1], ==, "");
  for (guint i = 0; i + 1 < n; i++)
    g_assert_true (g_regex_match (line, lines[i], G_REGEX_MATCH_DEFAULT, NULL));
  g_assert_nonnull (strstr (text, "\ntailnet_tunnels 1\n"));
  g_assert_null (strstr (text, "tailnet_tunnel_bytes{direction=\"in\"} 0\n"));
  g_assert_nonnull (strstr (text, "tailnet_dropped_packets_total{layer=\"tunnel\",reason=\"replay\"} 0\n"));
  g_assert_null (strstr (text, "bob"));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/device/asked/ping", Fixture, NULL, set_up, test_ping, tear_down);
  g_test_add ("/device/asked/ping-of-all-kinds", Fixture, NULL, set_up, test_ping_of_all_kinds, tear_down);
  g_test_add ("/device/asked/ping-of-route", Fixture, NULL, set_up, test_ping_of_route, tear_down);
  g_test_add ("/device/asked/ping-of-nobody", Fixture, NULL, set_up, test_ping_of_nobody, tear_down);
  g_test_add ("/device/asked/ping-and-stop", Fixture, NULL, set_up, test_ping_and_stop, tear_down);
  g_test_add ("/device/asked/health", Fixture, NULL, set_up, test_health, tear_down);
  g_test_add ("/device/asked/metrics", Fixture, NULL, set_up, test_metrics, tear_down);
  return g_test_run ();
}
