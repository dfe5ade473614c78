/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "control-node.h"

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

#define ADD(path, func) g_test_add ("/testkit/control/" path, Fixture, NULL, control_set_up, func, control_tear_down)

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
  ADD ("question/call-node", test_call_node);
  ADD ("question/ping", test_ping);
  ADD ("life/restart", test_restart);
  ADD ("life/drop", test_drop);
  ADD ("life/many-nodes", test_many_nodes);

  return g_test_run ();
}
