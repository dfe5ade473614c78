/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "control-node.h"

/* What a test lays down in advance, as a client sees it; afterwards the server is itself again. */

static void
script (Fixture       *fixture,
        TnTestkitStage stage,
        guint          status,
        const char    *body)
{
  g_autoptr (GBytes) bytes = body != NULL ? g_bytes_new (body, strlen (body)) : NULL;

  tn_testkit_control_script_answer (fixture->control, stage, status, NULL, bytes);
}

static ProtocolAnswer *
post_stream (Node *node)
{
  g_autofree char *json = g_strdup_printf ("{\"Version\":130,\"NodeKey\":\"%s\",\"Stream\":true}", node->key);

  return protocol_client_post (node->client, "/machine/map", json);
}

static void
assert_answer (ProtocolAnswer *answer,
               guint           status,
               const char     *body)
{
  protocol_answer_wait (answer);
  g_assert_cmpuint (answer->status, ==, status);
  g_assert_cmpmem (answer->body->data, answer->body->len, body, strlen (body));
  protocol_answer_free (answer);
}

/* In the order in which they were laid down, with room for the server's own in between. */
static void
test_answers (Fixture       *fixture,
              gconstpointer  data)
{
  static const char *const headers[] = { "retry-after", "17", NULL };
  g_autoptr (Node) node = node_new (fixture, "node");
  g_autoptr (ProtocolAnswer) busy = NULL;

  script (fixture, TN_TESTKIT_STAGE_REGISTER, 200, "{\"AuthURL\":\"first\"}");
  script (fixture, TN_TESTKIT_STAGE_REGISTER, 0, NULL);
  tn_testkit_control_script_answer (fixture->control, TN_TESTKIT_STAGE_REGISTER, 503, headers, NULL);
  assert_answer (node_post_registration (node, fixture->auth_key, "", ZERO_TIME), 200, "{\"AuthURL\":\"first\"}");
  node_join (node, fixture->auth_key);
  busy = node_post_registration (node, fixture->auth_key, "", ZERO_TIME);
  protocol_answer_wait (busy);
  g_assert_cmpuint (busy->status, ==, 503);
  g_assert_cmpstr (busy->retry_after, ==, "17");
  node_join (node, fixture->auth_key);
}

static void
test_map_stages (Fixture       *fixture,
                 gconstpointer  data)
{
  g_autoptr (Node) node = node_new (fixture, "node");

  node_join (node, fixture->auth_key);
  script (fixture, TN_TESTKIT_STAGE_STREAM, 404, "stream");
  script (fixture, TN_TESTKIT_STAGE_MAP, 404, "either");
  script (fixture, TN_TESTKIT_STAGE_UPDATE, 404, "update");
  assert_answer (post_stream (node), 404, "stream");
  assert_answer (post_stream (node), 404, "either");
  g_assert_cmpuint (node_update (node, "\"Endpoints\":[]"), ==, 404);
  g_assert_cmpuint (node_update (node, "\"Endpoints\":[]"), ==, 200);

  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_STREAM, TN_TESTKIT_FAULT_SERVER_ERROR, 1);
  g_assert_cmpuint (node_update (node, "\"Endpoints\":[]"), ==, 200);
  assert_answer (post_stream (node), 500, "internal error\n");
  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_UPDATE, TN_TESTKIT_FAULT_SERVER_ERROR, 1);
  node_follow_map (node);
  g_assert_cmpuint (node_update (node, "\"Endpoints\":[]"), ==, 500);
}

static void
test_outer (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr (Node) node = node_new (fixture, "node");
  g_autofree char *body = NULL;

  script (fixture, TN_TESTKIT_STAGE_KEY, 203, "what else");
  g_assert_cmpuint (protocol_client_get (node->client, "/key?v=130", &body), ==, 203);
  g_assert_cmpstr (body, ==, "what else");
  g_assert_true (protocol_client_fetch_key (node->client));

  protocol_client_disconnect (node->client);
  script (fixture, TN_TESTKIT_STAGE_UPGRADE, 302, NULL);
  script (fixture, TN_TESTKIT_STAGE_UPGRADE, 101, "no JSON at all");
  script (fixture, TN_TESTKIT_STAGE_UPGRADE, 101, NULL);
  g_assert_false (protocol_client_connect (node->client, NULL));
  for (guint i = 0; i < 2; i++)
    {
      node_connect (node);
      node_join (node, fixture->auth_key);
      protocol_client_disconnect (node->client);
    }
}

static void
test_messages (Fixture       *fixture,
               gconstpointer  data)
{
  g_autoptr (Node) node = node_new (fixture, "node");
  g_autoptr (JsonNode) second = NULL, map = NULL;

  node_join (node, fixture->auth_key);
  tn_testkit_control_script_message (fixture->control, "{\"KeepAlive\":true}");
  tn_testkit_control_script_message (fixture->control, "{\"Domain\":\"early\"}");
  g_assert_cmpuint (node_update (node, "\"Endpoints\":[]"), ==, 200);      /* not for this one */
  node_follow_map (node);
  g_assert_true (json_object_has_member (json_node_get_object (node->first), "KeepAlive"));
  second = protocol_answer_next (node->map, FALSE);
  g_assert_cmpstr (json_object_get_string_member (json_node_get_object (second), "Domain"), ==, "early");
  map = protocol_answer_next (node->map, FALSE);
  g_assert_true (json_object_has_member (json_node_get_object (map), "Node"));
}

static void
test_hold (Fixture       *fixture,
           gconstpointer  data)
{
  g_autoptr (Node) one = node_new (fixture, "one");
  g_autoptr (Node) two = node_new (fixture, "two");
  ProtocolAnswer *held, *gone;

  tn_testkit_control_hold (fixture->control, TN_TESTKIT_STAGE_REGISTER);
  held = node_post_registration (one, fixture->auth_key, "", ZERO_TIME);
  gone = node_post_registration (two, fixture->auth_key, "", ZERO_TIME);
  g_assert_cmpuint (node_update (one, "\"Endpoints\":[]"), ==, 404);      /* other stages are served; behind both requests */
  g_assert_cmpuint (node_update (two, "\"Endpoints\":[]"), ==, 404);
  g_assert_false (held->closed);
  protocol_client_disconnect (two->client);
  protocol_answer_free (gone);
  g_assert_cmpuint (tn_testkit_control_release (fixture->control, TN_TESTKIT_STAGE_UPDATE), ==, 0);
  while (tn_testkit_control_release (fixture->control, TN_TESTKIT_STAGE_REGISTER) == 0)      /* 1, or 2 before the server sees that one left */
    ;
  protocol_answer_wait (held);
  g_assert_cmpuint (held->status, ==, 200);
  protocol_answer_free (held);
  g_assert_cmpuint (node_update (one, "\"Endpoints\":[]"), ==, 200);
}

static gboolean
is_closed (gpointer data)
{
  return ((ProtocolClient *) data)->closed != NULL;
}

static void
test_rotated_key (Fixture       *fixture,
                  gconstpointer  data)
{
  g_autoptr (Node) node = node_new (fixture, "node");

  tn_testkit_control_rotate_key (fixture->control);
  protocol_wait_for (is_closed, node->client);
  g_assert_false (protocol_client_connect (node->client, NULL));      /* with the old one */
  node_connect (node);
  node_join (node, fixture->auth_key);
}

/* A byte a record, and everything else as ever; apart, and in one write. */
static void
test_records (Fixture       *fixture,
              gconstpointer  data)
{
  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (Node) node = NULL;

      g_object_set (fixture->control, "record-size", i % 2 == 0 ? 1 : 7, "early-payload", TRUE, "corked", i < 2, NULL);
      node = node_new_in_map (fixture, "node");
      g_assert_true (json_object_has_member (json_node_get_object (node->first), "Node"));
    }
}

static void
test_clock (Fixture       *fixture,
            gconstpointer  data)
{
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;
  g_autoptr (Node) node = node_new_in_map (fixture, "node");
  g_autoptr (TnTestkitNode) record = NULL;
  g_autoptr (GDateTime) time = NULL;

  g_object_set (fixture->control, "clock-offset", (gint64) 86400, NULL);
  node_follow_map (node);
  time = g_date_time_new_from_iso8601 (json_object_get_string_member (json_node_get_object (node->first), "ControlTime"), NULL);
  g_assert_cmpint (g_date_time_to_unix (time), >=, now_s + 86400);
  g_assert_true (tn_testkit_control_set_node_expiry (fixture->control, "node", now_s + 80000, NULL));
  record = tn_testkit_control_lookup_node (fixture->control, "node");
  g_assert_true (tn_testkit_node_get_expired (record));
}

/* A machine may have several connections: what comes over one counts for all (stock clients do so, net/http pooling in control/ts2021). */
static void
test_two_connections (Fixture       *fixture,
                      gconstpointer  data)
{
  g_autoptr (Node) node = node_new_in_map (fixture, "node");
  g_autoptr (ProtocolClient) other = protocol_client_new (fixture->url);
  g_autofree char *json = g_strdup_printf ("{\"Version\":130,\"NodeKey\":\"%s\",\"OmitPeers\":true,"
                                           "\"Endpoints\":[\"192.0.2.9:9\"]}", node->key);
  g_autoptr (ProtocolAnswer) answer = NULL;
  g_autoptr (TnTestkitNode) record = NULL;
  g_autoptr (JsonNode) health = NULL;

  other->machine_key = node->client->machine_key;
  g_assert_true (protocol_client_fetch_key (other));
  g_assert_true (protocol_client_connect (other, NULL));
  answer = protocol_client_post (other, "/machine/map", json);
  protocol_answer_wait (answer);
  g_assert_cmpuint (answer->status, ==, 200);
  record = tn_testkit_control_lookup_node (fixture->control, "node");
  g_assert_cmpstr (tn_testkit_node_get_endpoints (record)[0], ==, "192.0.2.9:9");
  g_assert_null (node->client->closed);
  g_assert_cmpuint (tn_testkit_control_send_map_response (fixture->control, "node", "{\"Health\":[\"x\"]}"), ==, 1);
  health = node_await (node, "Health");
  g_assert_cmpuint (tn_testkit_control_drop_connections (fixture->control, "node"), ==, 2);
}

#define ADD(path, func) g_test_add ("/testkit/script/" path, Fixture, NULL, control_set_up, func, control_tear_down)

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("answers", test_answers);
  ADD ("map-stages", test_map_stages);
  ADD ("outer", test_outer);
  ADD ("messages", test_messages);
  ADD ("hold", test_hold);
  ADD ("rotated-key", test_rotated_key);
  ADD ("records", test_records);
  ADD ("clock", test_clock);
  ADD ("two-connections", test_two_connections);

  return g_test_run ();
}
