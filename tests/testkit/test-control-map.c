/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "control-node.h"

/* What nodes are told. */

static void
test_first_message (Fixture       *fixture,
                    gconstpointer  data)
{
  static const char * const members[] = { "Node", "DERPMap", "DNSConfig", "PacketFilter", "UserProfiles", "Domain" };
  g_autoptr (Node) one = node_new_in_map (fixture, "one");
  g_autoptr (Node) two = NULL;
  JsonObject *peers;
  JsonObject *object = json_node_get_object (one->first);

  for (gsize i = 0; i < G_N_ELEMENTS (members); i++)
    g_assert_true (json_object_has_member (object, members[i]));
  g_assert_false (json_object_has_member (object, "Peers"));
  object = json_object_get_object_member (object, "Node");
  g_assert_cmpstr (json_object_get_string_member (object, "Key"), ==, one->key);
  g_assert_true (json_object_get_boolean_member (object, "MachineAuthorized"));

  two = node_new_in_map (fixture, "two");
  peers = json_node_get_object (two->first);
  g_assert_cmpstr (json_object_get_string_member (first_of (json_object_get_member (peers, "Peers")), "Name"), ==, "one.tail.test.");
}

static void
test_peer_life (Fixture       *fixture,
                gconstpointer  data)
{
  g_autoptr (Node) one = node_new_in_map (fixture, "one");
  g_autoptr (Node) two = node_new (fixture, "two");
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) added = NULL;
  g_autoptr (JsonNode) online = NULL;
  g_autoptr (JsonNode) offline = NULL;
  g_autoptr (JsonNode) removed = NULL;
  gint64 id;

  node_join (two, fixture->auth_key);
  added = node_await (one, "PeersChanged");
  id = json_object_get_int_member (first_of (added), "ID");
  g_assert_false (json_object_get_boolean_member (first_of (added), "Online"));

  node_follow_map (two);
  online = node_await (one, "PeersChangedPatch");
  g_assert_cmpint (json_object_get_int_member (first_of (online), "NodeID"), ==, id);
  g_assert_true (json_object_get_boolean_member (first_of (online), "Online"));

  protocol_client_disconnect (two->client);
  offline = node_await (one, "PeersChangedPatch");
  g_assert_false (json_object_get_boolean_member (first_of (offline), "Online"));
  g_assert_true (json_object_has_member (first_of (offline), "LastSeen"));

  g_assert_true (tn_testkit_control_delete_node (fixture->control, "two", &error));
  removed = node_await (one, "PeersRemoved");
  g_assert_cmpint (json_array_get_int_element (json_node_get_array (removed), 0), ==, id);
}

static void
test_update (Fixture       *fixture,
             gconstpointer  data)
{
  g_autoptr (Node) one = node_new_in_map (fixture, "one");
  g_autoptr (Node) two = node_new (fixture, "two");
  g_autoptr (JsonNode) added = NULL;
  g_autoptr (JsonNode) patch = NULL;
  g_autoptr (JsonNode) whole = NULL;
  JsonObject *change;

  node_join (two, fixture->auth_key);
  added = node_await (one, "PeersChanged");
  g_assert_cmpuint (node_update (two, "\"DiscoKey\":\"discokey:0101010101010101010101010101010101010101010101010101010101010101\","
                                      "\"Endpoints\":[\"192.0.2.1:41641\"],"
                                      "\"Hostinfo\":{\"Hostname\":\"two\",\"OS\":\"linux\",\"NetInfo\":{\"PreferredDERP\":900}}"),
                    ==, 200);
  patch = node_await (one, "PeersChangedPatch");
  change = first_of (patch);
  g_assert_cmpint (json_object_get_int_member (change, "DERPRegion"), ==, 900);
  g_assert_cmpstr (json_array_get_string_element (json_object_get_array_member (change, "Endpoints"), 0), ==, "192.0.2.1:41641");
  g_assert_true (g_str_has_prefix (json_object_get_string_member (change, "DiscoKey"), "discokey:0101"));
  g_assert_false (json_object_has_member (change, "Online"));

  g_assert_cmpuint (node_update (two, "\"Endpoints\":[\"192.0.2.1:41641\"],\"Hostinfo\":{\"Hostname\":\"zwei\",\"OS\":\"plan9\"}"),
                    ==, 200);
  whole = node_await (one, "PeersChanged");
  change = first_of (whole);
  g_assert_cmpstr (json_object_get_string_member (change, "Name"), ==, "zwei.tail.test.");
  g_assert_cmpint (json_object_get_int_member (change, "HomeDERP"), ==, 900);
  g_assert_cmpstr (json_object_get_string_member (json_object_get_object_member (change, "Hostinfo"), "OS"), ==, "plan9");
}

static void
test_rotation (Fixture       *fixture,
               gconstpointer  data)
{
  g_autoptr (Node) one = node_new_in_map (fixture, "one");
  g_autoptr (Node) two = node_new (fixture, "two");
  g_autoptr (JsonNode) added = NULL;
  g_autoptr (JsonNode) patch = NULL;

  node_join (two, fixture->auth_key);
  added = node_await (one, "PeersChanged");
  node_new_key (two);
  node_join (two, fixture->auth_key);
  patch = node_await (one, "PeersChangedPatch");
  g_assert_cmpint (json_object_get_int_member (first_of (patch), "NodeID"), ==, json_object_get_int_member (first_of (added), "ID"));
  g_assert_cmpstr (json_object_get_string_member (first_of (patch), "Key"), ==, two->key);
}

static void
test_administration (Fixture       *fixture,
                     gconstpointer  data)
{
  g_autoptr (Node) one = node_new_in_map (fixture, "one");
  g_autoptr (Node) two = node_new (fixture, "two");
  g_autoptr (JsonNode) self = NULL;
  g_autoptr (JsonNode) added = NULL;
  g_autoptr (JsonNode) routed = NULL;
  g_autoptr (JsonNode) overridden = NULL;
  g_autoptr (GError) error = NULL;
  const char * const routes[] = { "192.0.2.0/24", NULL };
  const char * const bad_routes[] = { "192.0.2.0/99", NULL };

  g_assert_true (tn_testkit_control_expire_node (fixture->control, "one", &error));
  self = node_await (one, "Node");
  g_assert_true (json_object_get_boolean_member (json_node_get_object (self), "Expired"));
  g_assert_false (tn_testkit_control_expire_node (fixture->control, "nobody", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_clear_error (&error);

  node_join (two, fixture->auth_key);
  added = node_await (one, "PeersChanged");
  g_assert_false (tn_testkit_control_set_node_routes (fixture->control, "two", bad_routes, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_true (tn_testkit_control_set_node_routes (fixture->control, "two", routes, &error));
  routed = node_await (one, "PeersChanged");
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (first_of (routed), "AllowedIPs")), ==, 3);
  g_assert_cmpstr (json_array_get_string_element (json_object_get_array_member (first_of (routed), "PrimaryRoutes"), 0), ==, routes[0]);

  g_assert_true (tn_testkit_control_set_node_json (fixture->control, "two", "{\"IsJailed\":true,\"Online\":null}", &error));
  overridden = node_await (one, "PeersChanged");
  g_assert_true (json_object_get_boolean_member (first_of (overridden), "IsJailed"));
  g_assert_false (json_object_has_member (first_of (overridden), "Online"));
}

static void
test_settings (Fixture       *fixture,
               gconstpointer  data)
{
  g_autoptr (Node) node = node_new_in_map (fixture, "one");
  g_autoptr (JsonNode) filters = NULL;
  g_autoptr (JsonNode) health = NULL;
  g_autoptr (JsonNode) dns = NULL;
  g_autoptr (JsonNode) raw = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (tn_testkit_control_set_packet_filter_json (fixture->control, "{", &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
  g_assert_false (tn_testkit_control_set_dns_config_json (fixture->control, "[]", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);

  g_assert_true (tn_testkit_control_set_packet_filter_json (fixture->control, "{\"base\":[]}", &error));
  filters = node_await (node, "PacketFilters");
  g_assert_true (tn_testkit_control_set_map_json (fixture->control, "{\"Health\":[\"so so\"]}", &error));
  health = node_await (node, "Health");
  g_assert_true (tn_testkit_control_set_dns_config_json (fixture->control, "{\"Proxied\":false}", &error));
  dns = node_await (node, "DNSConfig");
  g_assert_cmpuint (tn_testkit_control_send_map_response (fixture->control, "one", "{\"Seq\":9007199254740993}"), ==, 1);
  raw = node_await (node, "Seq");
  g_assert_cmpint (json_node_get_int (raw), ==, G_GINT64_CONSTANT (9007199254740993));
  g_assert_cmpuint (tn_testkit_control_send_map_response (fixture->control, "nobody", "{}"), ==, 0);
}

static void
test_approval (Fixture       *fixture,
               gconstpointer  data)
{
  g_autoptr (Node) one = node_new_in_map (fixture, "one");
  g_autoptr (Node) two = NULL;
  g_autoptr (JsonNode) peers = NULL;
  g_autoptr (JsonNode) seen = NULL;
  g_autoptr (GError) error = NULL;

  g_object_set (fixture->control, "require-approval", TRUE, NULL);
  two = node_new_in_map (fixture, "two");
  g_assert_false (json_object_has_member (json_node_get_object (two->first), "Peers"));
  g_assert_false (json_object_get_boolean_member (json_object_get_object_member (json_node_get_object (two->first), "Node"),
                                                  "MachineAuthorized"));

  g_assert_true (tn_testkit_control_authorize_node (fixture->control, "two", &error));
  peers = node_await (two, "Peers");
  g_assert_cmpstr (json_object_get_string_member (first_of (peers), "Key"), ==, one->key);
  seen = node_await (one, "PeersChanged");
  g_assert_cmpstr (json_object_get_string_member (first_of (seen), "Key"), ==, two->key);
}

static void
test_compression (Fixture       *fixture,
                  gconstpointer  data)
{
  g_autoptr (Node) node = node_new (fixture, "one");
  g_autoptr (ProtocolAnswer) answer = NULL;
  g_autoptr (JsonNode) message = NULL;
  g_autofree char *json = g_strdup_printf ("{\"Version\":130,\"NodeKey\":\"%s\",\"ReadOnly\":true,\"Compress\":\"zstd\"}", node->key);

  node_join (node, fixture->auth_key);
  answer = protocol_client_post (node->client, "/machine/map", json);
  message = protocol_answer_next (answer, TRUE);
  g_assert_true (json_object_has_member (json_node_get_object (message), "Node"));
  g_assert_null (protocol_answer_next (answer, TRUE));
}

static void
test_keep_alive (Fixture       *fixture,
                 gconstpointer  data)
{
  g_autoptr (Node) node = NULL;
  g_autoptr (JsonNode) first = NULL;
  g_autoptr (JsonNode) again = NULL;

  g_object_set (fixture->control, "keep-alive-interval", 1, NULL);
  node = node_new_in_map (fixture, "one");
  first = node_await (node, "KeepAlive");
  again = node_await (node, "KeepAlive");
}

static void
drain (ProtocolAnswer *answer)
{
  g_autoptr (JsonNode) message = NULL;

  while ((message = protocol_answer_next (answer, FALSE)) != NULL)
    g_clear_pointer (&message, json_node_unref);
}

static void
test_one_stream (Fixture       *fixture,
                 gconstpointer  data)
{
  g_autoptr (Node) node = node_new_in_map (fixture, "one");
  g_autoptr (ProtocolAnswer) older = g_steal_pointer (&node->map);
  g_autoptr (TnTestkitNode) known = NULL;

  node_follow_map (node);
  drain (older);
  g_assert_true (older->ended);
  known = tn_testkit_control_lookup_node (fixture->control, "one");
  g_assert_true (tn_testkit_node_get_online (known));

  g_assert_cmpuint (tn_testkit_control_end_streams (fixture->control, NULL), ==, 1);
  drain (node->map);
  g_assert_true (node->map->ended);
}

static void
test_unknown_node (Fixture       *fixture,
                   gconstpointer  data)
{
  g_autoptr (Node) one = node_new (fixture, "one");
  g_autoptr (Node) two = node_new (fixture, "two");

  g_assert_cmpuint (node_update (one, "\"Hostinfo\":{}"), ==, 404);
  node_join (one, fixture->auth_key);
  g_assert_cmpuint (node_update (one, "\"Hostinfo\":{}"), ==, 200);
  g_strlcpy (two->key, one->key, sizeof two->key);
  g_assert_cmpuint (node_update (two, "\"Hostinfo\":{}"), ==, 404);      /* another machine's */
}

static void
test_ephemeral (Fixture       *fixture,
                gconstpointer  data)
{
  g_autofree char *brief = tn_testkit_control_create_auth_key (fixture->control, "alice", TN_TESTKIT_AUTH_KEY_EPHEMERAL, NULL);
  g_autoptr (Node) one = node_new_in_map (fixture, "one");
  g_autoptr (Node) two = node_new (fixture, "two");
  g_autoptr (JsonNode) removed = NULL;

  g_object_set (fixture->control, "ephemeral-timeout", 0, NULL);
  node_join (two, brief);
  node_follow_map (two);
  protocol_client_disconnect (two->client);
  removed = node_await (one, "PeersRemoved");
  g_assert_null (tn_testkit_control_lookup_node (fixture->control, "two"));
}

#define ADD(path, func) g_test_add ("/testkit/control/" path, Fixture, NULL, control_set_up, func, control_tear_down)

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("map/first-message", test_first_message);
  ADD ("map/peer-life", test_peer_life);
  ADD ("map/update", test_update);
  ADD ("map/rotation", test_rotation);
  ADD ("map/administration", test_administration);
  ADD ("map/settings", test_settings);
  ADD ("map/approval", test_approval);
  ADD ("map/compression", test_compression);
  ADD ("map/keep-alive", test_keep_alive);
  ADD ("map/one-stream", test_one_stream);
  ADD ("map/unknown-node", test_unknown_node);
  ADD ("map/ephemeral", test_ephemeral);

  return g_test_run ();
}
