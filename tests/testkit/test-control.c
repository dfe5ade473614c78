/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "protocol-client.h"
#include "tailnet-testkit.h"

#define ZERO_TIME "0001-01-01T00:00:00Z"

typedef struct
{
  TnTestkitControl *control;
  char             *url;
  char             *auth_key;
} Fixture;

static void
set_up (Fixture       *fixture,
        gconstpointer  data)
{
  g_autoptr (GError) error = NULL;

  fixture->control = tn_testkit_control_new_threaded ();
  g_assert_true (tn_testkit_control_start (fixture->control, &error));
  g_assert_no_error (error);
  fixture->url = tn_testkit_control_dup_url (fixture->control);
  fixture->auth_key = tn_testkit_control_create_auth_key (fixture->control, "alice", TN_TESTKIT_AUTH_KEY_REUSABLE, NULL);
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  data)
{
  g_object_unref (fixture->control);
  g_free (fixture->url);
  g_free (fixture->auth_key);
}

/* A client with a node key of its own. */
typedef struct
{
  ProtocolClient   *client;
  ProtocolAnswer   *map;
  JsonNode         *first;      /* message of the map */
  TnNodePublicKey   node_key;
  char              key[TN_KEY_TEXT_MAX];
  char             *host_name;
} Node;

static void
node_free (Node *node)
{
  g_clear_pointer (&node->map, protocol_answer_free);
  g_clear_pointer (&node->first, json_node_unref);
  g_clear_pointer (&node->client, protocol_client_free);
  g_free (node->host_name);
  g_free (node);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Node, node_free)

static void
node_new_key (Node *node)
{
  TnNodePrivateKey private_key;

  tn_node_private_key_generate (&private_key);
  tn_node_private_key_get_public (&private_key, &node->node_key);
  tn_node_private_key_clear (&private_key);
  tn_node_public_key_print (&node->node_key, node->key);
}

static void
node_connect (Node *node)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (protocol_client_fetch_key (node->client));
  g_assert_true (protocol_client_connect (node->client, &error));
  g_assert_no_error (error);
}

static Node *
node_new (Fixture    *fixture,
          const char *host_name)
{
  Node *node = g_new0 (Node, 1);

  node->client = protocol_client_new (fixture->url);
  node->host_name = g_strdup (host_name);
  node_new_key (node);
  node_connect (node);

  return node;
}

static ProtocolAnswer *
node_post_registration (Node       *node,
                        const char *auth_key,
                        const char *followup,
                        const char *expiry)
{
  g_autofree char *json = g_strdup_printf ("{\"Version\":130,\"NodeKey\":\"%s\",\"Auth\":{\"AuthKey\":\"%s\"},\"Followup\":\"%s\","
                                           "\"Expiry\":\"%s\",\"Hostinfo\":{\"Hostname\":\"%s\",\"OS\":\"linux\"}}",
                                           node->key, auth_key, followup, expiry, node->host_name);

  return protocol_client_post (node->client, "/machine/register", json);
}

/* Registers and gives one text or boolean of the answer. */
static char *
node_register (Node       *node,
               const char *auth_key,
               const char *followup,
               const char *expiry,
               const char *member)
{
  g_autoptr (ProtocolAnswer) answer = node_post_registration (node, auth_key, followup, expiry);
  g_autoptr (JsonNode) json = NULL;
  JsonObject *object = protocol_answer_parse (answer, &json);
  JsonNode *value;

  g_assert_cmpuint (answer->status, ==, 200);
  g_assert_nonnull (object);
  g_assert_true (json_object_has_member (object, "User") && json_object_has_member (object, "Login"));
  value = json_object_get_member (object, member);
  g_assert_nonnull (value);

  return json_node_get_value_type (value) == G_TYPE_STRING ? g_strdup (json_node_get_string (value))
                                                           : g_strdup (json_node_get_boolean (value) ? "true" : "false");
}

#define assert_registration(node, auth, followup, expiry, member, wanted)                                \
  G_STMT_START {                                                                                         \
    g_autofree char *got = node_register (node, auth, followup, expiry, member);                         \
    g_assert_cmpstr (got, ==, wanted);                                                                   \
  } G_STMT_END

static void
node_join (Node       *node,
           const char *auth_key)
{
  assert_registration (node, auth_key, "", ZERO_TIME, "Error", "");
}

static void
node_follow_map (Node *node)
{
  g_autofree char *json = g_strdup_printf ("{\"Version\":130,\"NodeKey\":\"%s\",\"Stream\":true,\"KeepAlive\":true,\"Hostinfo\":{}}",
                                           node->key);

  g_clear_pointer (&node->map, protocol_answer_free);
  node->map = protocol_client_post (node->client, "/machine/map", json);
  g_clear_pointer (&node->first, json_node_unref);
  node->first = protocol_answer_next (node->map, FALSE);
  g_assert_nonnull (node->first);
}

static guint
node_update (Node       *node,
             const char *members)
{
  g_autofree char *json = g_strdup_printf ("{\"Version\":130,\"NodeKey\":\"%s\",\"OmitPeers\":true,%s}", node->key, members);
  g_autoptr (ProtocolAnswer) answer = protocol_client_post (node->client, "/machine/map", json);

  protocol_answer_wait (answer);
  return answer->status;
}

static Node *
node_new_in_map (Fixture    *fixture,
                 const char *host_name)
{
  Node *node = node_new (fixture, host_name);

  node_join (node, fixture->auth_key);
  node_follow_map (node);
  return node;
}

/* Reads messages until one has @member, and gives that. */
static JsonNode *
node_await (Node       *node,
            const char *member)
{
  for (;;)
    {
      g_autoptr (JsonNode) message = protocol_answer_next (node->map, FALSE);
      JsonObject *object;

      g_assert_nonnull (message);
      object = json_node_get_object (message);
      if (json_object_has_member (object, member))
        return json_node_copy (json_object_get_member (object, member));
    }
}

static JsonObject *
first_of (JsonNode *list)
{
  g_assert_true (JSON_NODE_HOLDS_ARRAY (list));
  g_assert_cmpuint (json_array_get_length (json_node_get_array (list)), >=, 1);

  return json_array_get_object_element (json_node_get_array (list), 0);
}

/* Key */

static void
test_key (Fixture       *fixture,
          gconstpointer  data)
{
  g_autoptr (ProtocolClient) client = protocol_client_new (fixture->url);
  static const struct { const char *path; guint status; gboolean has_key; } cases[] = {
    { "/key?v=130", 200, TRUE }, { "/key?v=39", 200, TRUE }, { "/key?v=38", 200, FALSE },
    { "/key", 400, FALSE }, { "/key?v=x", 400, FALSE }, { "/nothing", 404, FALSE }, { "/ts2021", 400, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *body = NULL;

      g_assert_cmpuint (protocol_client_get (client, cases[i].path, &body), ==, cases[i].status);
      g_assert_cmpint (strstr (body, "\"publicKey\":\"mkey:") != NULL, ==, cases[i].has_key);
    }
}

/* Handshake */

static void
test_old_version (Fixture       *fixture,
                  gconstpointer  data)
{
  g_autoptr (ProtocolClient) client = protocol_client_new (fixture->url);
  g_autoptr (GError) error = NULL;

  g_assert_true (protocol_client_fetch_key (client));
  client->version = 100;
  g_assert_false (protocol_client_connect (client, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
}

static void
test_wrong_key (Fixture       *fixture,
                gconstpointer  data)
{
  g_autoptr (ProtocolClient) client = protocol_client_new (fixture->url);
  g_autoptr (GError) error = NULL;

  g_assert_true (protocol_client_fetch_key (client));
  client->control_key.bytes[0] ^= 1;
  g_assert_false (protocol_client_connect (client, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
}

static void
test_early_payload (Fixture       *fixture,
                    gconstpointer  data)
{
  g_autoptr (Node) node = NULL;

  g_object_set (fixture->control, "early-payload", TRUE, NULL);
  node = node_new (fixture, "one");
  node_join (node, fixture->auth_key);
}

/* Registration */

static void
test_auth_key (Fixture       *fixture,
               gconstpointer  data)
{
  g_autofree char *expired = tn_testkit_control_create_auth_key (fixture->control, "bob", TN_TESTKIT_AUTH_KEY_EXPIRED, NULL);
  g_autoptr (Node) node = node_new (fixture, "one");
  g_autoptr (TnTestkitNode) known = NULL;

  assert_registration (node, "wrong", "", ZERO_TIME, "Error", "invalid pre auth key");
  assert_registration (node, expired, "", ZERO_TIME, "Error", "authkey expired");
  g_assert_null (tn_testkit_control_lookup_node (fixture->control, "one"));

  node_join (node, fixture->auth_key);
  known = tn_testkit_control_lookup_node (fixture->control, "one");
  g_assert_nonnull (known);
  g_assert_cmpstr (tn_testkit_node_get_user (known), ==, "alice");
  g_assert_cmpstr (tn_testkit_node_get_node_key (known), ==, node->key);
  g_assert_cmpstr (tn_testkit_node_get_ipv4 (known), ==, "100.64.0.1");
  g_assert_cmpstr (tn_testkit_node_get_fqdn (known), ==, "one.tail.test.");
  g_assert_cmpuint (tn_testkit_node_get_capability_version (known), ==, 130);
  g_assert_false (tn_testkit_node_get_online (known));
}

static void
note_url (TnTestkitControl *control,
          const char       *url,
          gpointer          user_data)
{
  g_free (*(char **) user_data);
  *(char **) user_data = g_strdup (url);
}

static gboolean
is_set (gpointer data)
{
  return *(gpointer *) data != NULL;
}

static void
test_interactive (Fixture       *fixture,
                  gconstpointer  data)
{
  g_autoptr (Node) node = node_new (fixture, "one");
  g_autoptr (ProtocolAnswer) answer = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) json = NULL;
  g_autofree char *signalled = NULL;
  g_autofree char *url = NULL;
  g_auto (GStrv) pending = NULL;
  g_auto (GStrv) none = NULL;

  g_signal_connect (fixture->control, "login-requested", G_CALLBACK (note_url), &signalled);
  url = node_register (node, "", "", ZERO_TIME, "AuthURL");
  g_assert_true (g_str_has_prefix (url, fixture->url));
  protocol_wait_for (is_set, &signalled);
  g_assert_cmpstr (signalled, ==, url);
  pending = tn_testkit_control_dup_pending_logins (fixture->control);
  g_assert_cmpstr (pending[0], ==, url);

  answer = node_post_registration (node, "", url, ZERO_TIME);
  assert_registration (node, "", "nonsense", ZERO_TIME, "Error", "invalid registration ID");
  g_assert_false (answer->closed);      /* the later request was answered, this one waits */
  g_assert_true (tn_testkit_control_approve (fixture->control, url, "alice", &error));
  g_assert_no_error (error);
  g_assert_cmpstr (json_object_get_string_member (protocol_answer_parse (answer, &json), "AuthURL"), ==, "");
  g_assert_true (json_object_get_boolean_member (json_node_get_object (json), "MachineAuthorized"));

  assert_registration (node, "", "", ZERO_TIME, "AuthURL", "");
  none = tn_testkit_control_dup_pending_logins (fixture->control);
  g_assert_null (none[0]);
}

static void
test_logout (Fixture       *fixture,
             gconstpointer  data)
{
  g_autoptr (Node) node = node_new (fixture, "one");
  g_autoptr (TnTestkitNode) known = NULL;

  node_join (node, fixture->auth_key);
  assert_registration (node, fixture->auth_key, "", "1970-01-01T00:02:03Z", "NodeKeyExpired", "true");
  known = tn_testkit_control_lookup_node (fixture->control, "one");
  g_assert_true (tn_testkit_node_get_expired (known));
  assert_registration (node, "", "", ZERO_TIME, "NodeKeyExpired", "true");
}

/* Map */

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

/* Questions */

static void
keep_result (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static void
test_call_node (Fixture       *fixture,
                gconstpointer  data)
{
  g_autoptr (Node) node = node_new_in_map (fixture, "one");
  g_autoptr (JsonNode) ping = NULL;
  g_autoptr (GBytes) request = g_bytes_new_static ("GET /echo HTTP/1.1\r\n\r\n", 22);
  g_autoptr (GBytes) response = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (ProtocolAnswer) answer = NULL;
  g_autoptr (GUri) uri = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree guchar *payload = NULL;
  JsonObject *object;
  gsize len;

  tn_testkit_control_call_node_async (fixture->control, "one", request, NULL, keep_result, &result);
  ping = node_await (node, "PingRequest");
  object = json_node_get_object (ping);
  g_assert_cmpstr (json_object_get_string_member (object, "Types"), ==, "c2n");
  g_assert_true (json_object_get_boolean_member (object, "URLIsNoise"));
  payload = g_base64_decode (json_object_get_string_member (object, "Payload"), &len);
  g_assert_cmpmem (payload, len, "GET /echo HTTP/1.1\r\n\r\n", 22);

  uri = g_uri_parse (json_object_get_string_member (object, "URL"), G_URI_FLAGS_NONE, &error);
  g_assert_no_error (error);
  answer = protocol_client_post (node->client, g_uri_get_path (uri), "HTTP/1.1 200 OK\r\n\r\n");
  protocol_answer_wait (answer);
  g_assert_cmpuint (answer->status, ==, 204);
  protocol_wait_for (is_set, &result);
  response = tn_testkit_control_call_node_finish (fixture->control, result, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (response, NULL), g_bytes_get_size (response), "HTTP/1.1 200 OK\r\n\r\n", 19);
}

static void
test_ping (Fixture       *fixture,
           gconstpointer  data)
{
  g_autoptr (Node) node = node_new_in_map (fixture, "one");
  g_autoptr (JsonNode) ping = NULL;
  g_autoptr (JsonNode) lost = NULL;
  g_autoptr (GBytes) response = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) cancelled = NULL;
  g_autoptr (GAsyncResult) absent = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GUri) uri = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *body = NULL;

  tn_testkit_control_ping_async (fixture->control, "one", NULL, NULL, FALSE, NULL, keep_result, &result);
  ping = node_await (node, "PingRequest");
  uri = g_uri_parse (json_object_get_string_member (json_node_get_object (ping), "URL"), G_URI_FLAGS_NONE, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (protocol_client_get (node->client, g_uri_get_path (uri), &body), ==, 200);
  protocol_wait_for (is_set, &result);
  response = tn_testkit_control_ping_finish (fixture->control, result, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (response), ==, 0);

  tn_testkit_control_ping_async (fixture->control, "one", "disco", "100.64.0.9", TRUE, cancellable, keep_result, &cancelled);
  lost = node_await (node, "PingRequest");
  g_cancellable_cancel (cancellable);
  protocol_wait_for (is_set, &cancelled);
  g_assert_null (tn_testkit_control_ping_finish (fixture->control, cancelled, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);

  tn_testkit_control_end_streams (fixture->control, "one");
  tn_testkit_control_ping_async (fixture->control, "one", NULL, NULL, FALSE, NULL, keep_result, &absent);
  protocol_wait_for (is_set, &absent);
  g_assert_null (tn_testkit_control_ping_finish (fixture->control, absent, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
}

/* Life */

static gboolean
is_connection_closed (gpointer data)
{
  return ((ProtocolClient *) data)->closed != NULL;
}

static void
test_restart (Fixture       *fixture,
              gconstpointer  data)
{
  g_autoptr (Node) node = node_new_in_map (fixture, "one");
  g_autoptr (GError) error = NULL;
  g_autofree char *url = NULL;

  tn_testkit_control_stop (fixture->control);
  protocol_wait_for (is_connection_closed, node->client);
  g_assert_false (protocol_client_connect (node->client, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
  g_clear_error (&error);

  g_assert_true (tn_testkit_control_start (fixture->control, &error));
  g_assert_no_error (error);
  url = tn_testkit_control_dup_url (fixture->control);
  g_assert_cmpstr (url, ==, fixture->url);
  g_assert_true (protocol_client_connect (node->client, &error));       /* with the key of before */
  g_assert_cmpuint (node_update (node, "\"Hostinfo\":{}"), ==, 200);

  tn_testkit_control_forget (fixture->control);
  protocol_wait_for (is_connection_closed, node->client);
  g_assert_true (protocol_client_connect (node->client, &error));
  g_assert_cmpuint (node_update (node, "\"Hostinfo\":{}"), ==, 404);
  assert_registration (node, fixture->auth_key, "", ZERO_TIME, "Error", "invalid pre auth key");
}

static void
test_drop (Fixture       *fixture,
           gconstpointer  data)
{
  g_autoptr (Node) node = node_new_in_map (fixture, "one");

  g_assert_cmpuint (tn_testkit_control_drop_connections (fixture->control, "one"), ==, 1);
  protocol_wait_for (is_connection_closed, node->client);
  g_assert_false (node->map->ended);
}

static void
test_many_nodes (Fixture       *fixture,
                 gconstpointer  data)
{
  g_autoptr (GPtrArray) nodes = g_ptr_array_new_with_free_func ((GDestroyNotify) node_free);
  g_autoptr (GPtrArray) known = NULL;
  JsonObject *map;

  for (guint i = 0; i < 20; i++)
    g_ptr_array_add (nodes, node_new_in_map (fixture, "same"));
  map = json_node_get_object (((Node *) g_ptr_array_index (nodes, 19))->first);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (map, "Peers")), ==, 19);
  known = tn_testkit_control_list_nodes (fixture->control);
  g_assert_cmpuint (known->len, ==, 20);
  g_assert_cmpstr (tn_testkit_node_get_name (g_ptr_array_index (known, 19)), ==, "same-19");
}

#define ADD(path, func) g_test_add ("/testkit/control/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("key", test_key);
  ADD ("handshake/old-version", test_old_version);
  ADD ("handshake/wrong-key", test_wrong_key);
  ADD ("handshake/early-payload", test_early_payload);
  ADD ("register/auth-key", test_auth_key);
  ADD ("register/interactive", test_interactive);
  ADD ("register/logout", test_logout);
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
  ADD ("question/call-node", test_call_node);
  ADD ("question/ping", test_ping);
  ADD ("life/restart", test_restart);
  ADD ("life/drop", test_drop);
  ADD ("life/many-nodes", test_many_nodes);

  return g_test_run ();
}
