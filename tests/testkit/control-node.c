/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "control-node.h"

void
control_set_up (Fixture       *fixture,
                gconstpointer  data)
{
  g_autoptr (GError) error = NULL;

  fixture->control = tn_testkit_control_new_threaded ();
  g_assert_true (tn_testkit_control_start (fixture->control, &error));
  g_assert_no_error (error);
  fixture->url = tn_testkit_control_dup_url (fixture->control);
  fixture->auth_key = tn_testkit_control_create_auth_key (fixture->control, "alice", TN_TESTKIT_AUTH_KEY_REUSABLE, NULL);
}

void
control_tear_down (Fixture       *fixture,
                   gconstpointer  data)
{
  g_object_unref (fixture->control);
  g_free (fixture->url);
  g_free (fixture->auth_key);
}

void
node_free (Node *node)
{
  g_clear_pointer (&node->map, protocol_answer_free);
  g_clear_pointer (&node->first, json_node_unref);
  g_clear_pointer (&node->client, protocol_client_free);
  g_free (node->host_name);
  g_free (node);
}

void
node_new_key (Node *node)
{
  TnNodePrivateKey private_key;

  tn_node_private_key_generate (&private_key);
  tn_node_private_key_get_public (&private_key, &node->node_key);
  tn_node_private_key_clear (&private_key);
  tn_node_public_key_print (&node->node_key, node->key);
}

void
node_connect (Node *node)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (protocol_client_fetch_key (node->client));
  g_assert_true (protocol_client_connect (node->client, &error));
  g_assert_no_error (error);
}

Node *
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

ProtocolAnswer *
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

char *
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

void
node_join (Node       *node,
           const char *auth_key)
{
  assert_registration (node, auth_key, "", ZERO_TIME, "Error", "");
}

void
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

guint
node_update (Node       *node,
             const char *members)
{
  g_autofree char *json = g_strdup_printf ("{\"Version\":130,\"NodeKey\":\"%s\",\"OmitPeers\":true,%s}", node->key, members);
  g_autoptr (ProtocolAnswer) answer = protocol_client_post (node->client, "/machine/map", json);

  protocol_answer_wait (answer);
  return answer->status;
}

Node *
node_new_in_map (Fixture    *fixture,
                 const char *host_name)
{
  Node *node = node_new (fixture, host_name);

  node_join (node, fixture->auth_key);
  node_follow_map (node);
  return node;
}

JsonNode *
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

JsonObject *
first_of (JsonNode *list)
{
  g_assert_true (JSON_NODE_HOLDS_ARRAY (list));
  g_assert_cmpuint (json_array_get_length (json_node_get_array (list)), >=, 1);

  return json_array_get_object_element (json_node_get_array (list), 0);
}
