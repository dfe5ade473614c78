/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "trap-kit.h"
#include "tn-error.h"

/* What is easy to get wrong in a client, one by one. Each test names the rule, and where a stock program has it. */

#define REGISTER "/machine/register"
#define MAP "/machine/map"

/* --- The way in --- */

/* A server speaks first: its answers to the upgrade and to the handshake, a message of its own and its first HTTP/2 frames may come in one
 * piece or in many, and no record is a message (tailscale control/controlhttp/controlhttpserver; headscale hscontrol/noise.go). */
static void
test_first_bytes (Kit *kit, gconstpointer data)
{
  static const guint sizes[] = { 1, 8, 9, 4077 };
  g_autofree char *big = g_strnfill (3000, ' ');
  const char *const early[] = { NULL, "", "{}", big };

  g_object_set (kit->control, "corked", data != NULL, NULL);
  kit_join (kit);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (guint j = 0; j < G_N_ELEMENTS (early); j++)
      {
        g_object_set (kit->control, "record-size", sizes[i], NULL);
        kit_script (kit, TN_TESTKIT_STAGE_UPGRADE, 101, early[j]);
        kit->wanted = kit->n_maps + 1;
        g_assert_cmpuint (tn_testkit_control_drop_connections (kit->control, "node"), ==, 1);
        wait_for ("a map over the next connection", kit_has_maps, kit);
      }
}

/* All that a client of a version too old learns is that the stream ends behind the 101 (headscale hscontrol/noise.go). */
static void
test_refused_handshake (Kit *kit, gconstpointer data)
{
  const GError *error;

  g_object_set (kit->control, "minimum-version", TN_CAPABILITY_VERSION + 1, NULL);
  kit_start (kit, TRUE);
  kit->wanted = 3;
  wait_for ("it to try again", kit_has_errors, kit);
  error = g_ptr_array_index (kit->errors, 2);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
  g_assert_nonnull (strstr (error->message, "the server has another key, or does not accept version 130"));
  g_object_set (kit->control, "minimum-version", TN_CAPABILITY_VERSION, NULL);
  wait_for ("the map", kit_is_running, kit);
}

/* A server with a new key looks just the same. */
static void
test_rotated_key (Kit *kit, gconstpointer data)
{
  kit_join (kit);
  for (guint i = 0; i < 3; i++)
    {
      kit->wanted = kit->n_maps + 1;
      tn_testkit_control_rotate_key (kit->control);
      wait_for ("a map of the server with its new key", kit_has_maps, kit);
    }
  g_assert_cmpstr (kit->states->str, ==, "CR");
}

/* An upgrade is never redirected (tailscale control/controlhttp/client.go). */
static void
test_redirected_upgrade (Kit *kit, gconstpointer data)
{
  static const char *const headers[] = { "location", "http://127.0.0.1:9/elsewhere", NULL };
  const GError *error;

  tn_testkit_control_script_answer (kit->control, TN_TESTKIT_STAGE_UPGRADE, 302, headers, NULL);
  kit_start (kit, TRUE);
  wait_for ("the map", kit_is_running, kit);
  g_assert_cmpuint (kit->errors->len, ==, 1);
  error = g_ptr_array_index (kit->errors, 0);
  g_assert_error (error, TN_ERROR, TN_ERROR_CONTROL);
  g_assert_nonnull (strstr (error->message, "302"));
}

/* --- Registration --- */

/* The URL decides whether somebody has to log in, MachineAuthorized does not (tailscale control/controlclient/direct.go doLogin). */
static void
test_authorized_with_url (Kit *kit, gconstpointer data)
{
  kit_script (kit, TN_TESTKIT_STAGE_REGISTER, 200, "{\"MachineAuthorized\":true,\"AuthURL\":\"https://login.example/a\"}");
  tn_testkit_control_inject_fault (kit->control, TN_TESTKIT_STAGE_REGISTER, TN_TESTKIT_FAULT_HANG, 1);
  kit_start (kit, FALSE);
  kit_wait_requests (kit, REGISTER, FALSE, 2);
  g_assert_cmpstr (kit->states->str, ==, "CL");
  g_assert_cmpstr (tn_control_client_get_auth_url (kit->client), ==, "https://login.example/a");
  g_assert_cmpuint (kit_count (kit, MAP, TRUE), ==, 0);
}

static void
test_unauthorized_without_url (Kit *kit, gconstpointer data)
{
  kit_join (kit);
  kit_stop (kit);
  kit->wanted = kit->n_maps + 1;
  kit_script (kit, TN_TESTKIT_STAGE_REGISTER, 200, "{\"MachineAuthorized\":false}");
  tn_control_client_start (kit->client);
  wait_for ("another map", kit_has_maps, kit);
  g_assert_cmpuint (kit_count (kit, REGISTER, FALSE), ==, 2);
  g_assert_cmpstr (kit->states->str, ==, "CRCR");
}

/* A refusal comes with status 200 (headscale hscontrol/noise.go regErr). Whatever else such an answer says does not count. */
static void
test_refusal (Kit *kit, gconstpointer data)
{
  kit_script (kit, TN_TESTKIT_STAGE_REGISTER, 200,
              "{\"Error\":\"no such key\",\"MachineAuthorized\":true,\"NodeKeyExpired\":true,\"AuthURL\":\"https://login.example/a\"}");
  kit_start (kit, FALSE);
  wait_for ("the refusal", kit_is_refused, kit);
  g_assert_error (tn_control_client_get_error (kit->client), TN_ERROR, TN_ERROR_AUTH_REJECTED);
  g_assert_nonnull (strstr (tn_control_client_get_error (kit->client)->message, "no such key"));
  g_assert_cmpuint (kit->urls->len, ==, 0);
  g_assert_cmpuint (kit_count (kit, REGISTER, FALSE), ==, 1);
  g_assert_cmpuint (kit_count (kit, MAP, TRUE), ==, 0);
}

static const char *
get_string (JsonObject *object, const char *member)
{
  return json_object_get_string_member_with_default (object, member, NULL);
}

/* What a program opens, or a terminal shows, is a page (tailscale ipn/ipnlocal/local.go validPopBrowserURL). */
static void
test_no_page (Kit *kit, gconstpointer data)
{
  static const char *const urls[] = { "file:///bin/sh", "javascript:alert(1)", "x-scheme://run/it", "https:", "login", "https://a.test/\\u001b[2J" };
  static const char good[] = "{\"AuthURL\":\"https://login.example/a\"}";

  for (guint i = 0; i < G_N_ELEMENTS (urls); i++)
    {
      g_autofree char *body = g_strdup_printf ("{\"AuthURL\":\"%s\"}", urls[i]);

      kit_script (kit, TN_TESTKIT_STAGE_REGISTER, 200, body);
    }
  kit_script (kit, TN_TESTKIT_STAGE_REGISTER, 200, good);
  tn_testkit_control_inject_fault (kit->control, TN_TESTKIT_STAGE_REGISTER, TN_TESTKIT_FAULT_HANG, 1);
  kit_start (kit, FALSE);
  kit_wait_requests (kit, REGISTER, FALSE, G_N_ELEMENTS (urls) + 2);
  for (guint i = 0; i <= G_N_ELEMENTS (urls); i++)
    g_assert_cmpstr (get_string (kit_get (kit, REGISTER, FALSE, i), "Followup"), ==, "");
  g_assert_cmpuint (kit->errors->len, ==, G_N_ELEMENTS (urls));
  g_assert_nonnull (strstr (((GError *) g_ptr_array_index (kit->errors, 0))->message, "file:///bin/sh"));
  g_assert_cmpuint (kit->urls->len, ==, 1);
  g_assert_cmpstr (kit->urls->pdata[0], ==, "https://login.example/a");
}

/* A login is followed up with the key of its beginning and the URL as it came, and an answer with another URL voids that one (doLogin;
 * headscale hscontrol/auth.go waitForFollowup). */
static void
test_follow_up (Kit *kit, gconstpointer data)
{
  static const char first[] = "https://login.example/a%2Fb/%C3%A9?x=1%202&y=%22é\\u003c#part", second[] = "https://LOGIN.example:443//b/../c";
  g_autofree char *one = g_strdup_printf ("{\"AuthURL\":\"%s\"}", first);
  g_autofree char *two = g_strdup_printf ("{\"AuthURL\":\"%s\"}", second);
  const char *key;

  kit_script (kit, TN_TESTKIT_STAGE_REGISTER, 200, one);
  kit_script (kit, TN_TESTKIT_STAGE_REGISTER, 200, two);
  tn_testkit_control_inject_fault (kit->control, TN_TESTKIT_STAGE_REGISTER, TN_TESTKIT_FAULT_HANG, 1);
  kit_start (kit, FALSE);
  kit_wait_requests (kit, REGISTER, FALSE, 3);
  key = get_string (kit_get (kit, REGISTER, FALSE, 0), "NodeKey");
  for (guint i = 1; i < 3; i++)
    g_assert_cmpstr (get_string (kit_get (kit, REGISTER, FALSE, i), "NodeKey"), ==, key);
  g_assert_cmpstr (get_string (kit_get (kit, REGISTER, FALSE, 1), "Followup"), ==, "https://login.example/a%2Fb/%C3%A9?x=1%202&y=%22é<#part");
  g_assert_cmpstr (get_string (kit_get (kit, REGISTER, FALSE, 2), "Followup"), ==, second);
  g_assert_cmpuint (kit->urls->len, ==, 2);
  g_assert_cmpstr (tn_control_client_get_auth_url (kit->client), ==, second);
}

/* A connection that breaks while somebody logs in ends nothing: the same is asked again (doLogin). */
static void
test_broken_follow_up (Kit *kit, gconstpointer data)
{
  g_autofree char *url = NULL;
  const char *key;

  kit_start (kit, FALSE);
  kit_wait_requests (kit, REGISTER, FALSE, 2);
  key = get_string (kit_get (kit, REGISTER, FALSE, 0), "NodeKey");
  url = g_strdup (tn_control_client_get_auth_url (kit->client));
  tn_testkit_control_stop (kit->control);
  g_assert_true (tn_testkit_control_start (kit->control, NULL));
  kit_wait_requests (kit, REGISTER, FALSE, 3);
  g_assert_cmpstr (get_string (kit_get (kit, REGISTER, FALSE, 2), "Followup"), ==, url);
  g_assert_cmpstr (get_string (kit_get (kit, REGISTER, FALSE, 2), "NodeKey"), ==, key);
  g_assert_cmpuint (kit->urls->len, ==, 1);
  g_assert_true (tn_testkit_control_approve (kit->control, url, "ada@example.test", NULL));
  wait_for ("the map", kit_is_running, kit);
}

static gboolean
is_connected (Kit *kit)
{
  return kit->client->connection != NULL;
}

static gboolean
has_saved (Kit *kit)
{
  return kit->n_saved >= kit->wanted;
}

/* The first key is in the store before a server sees it, or a crash between the two leaves a node that nobody can be (doLogin; headscale
 * matches by that key). One that the server calls expired is followed by a new one, and told as the old one; it stays in the store until the
 * server has taken the new one, which is there before it is used (tailscale control/controlclient/direct.go tryingNewKey). */
static void
test_key_before_wire (Kit *kit, gconstpointer data)
{
  const char *first, *second;

  kit->save_late = TRUE;
  kit_script (kit, TN_TESTKIT_STAGE_REGISTER, 200, "{\"NodeKeyExpired\":true}");
  kit_start (kit, TRUE);
  wait_for ("a connection", is_connected, kit);
  g_assert_cmpuint (kit->n_saved, ==, 1);
  g_assert_null (kit->client->register_stream);
  tn_control_client_keys_saved (kit->client, NULL);
  /* Just made, and expired already? It is tried again, not thrown away. */
  kit_wait_requests (kit, REGISTER, FALSE, 2);
  wait_for ("the map", kit_is_running, kit);
  g_assert_cmpuint (kit->n_saved, ==, 1);
  first = get_string (kit_get (kit, REGISTER, FALSE, 0), "NodeKey");
  g_assert_cmpstr (get_string (kit_get (kit, REGISTER, FALSE, 1), "NodeKey"), ==, first);

  kit_stop (kit);
  kit_script (kit, TN_TESTKIT_STAGE_REGISTER, 200, "{\"NodeKeyExpired\":true}");
  tn_control_client_start (kit->client);
  kit->wanted = 2;
  wait_for ("a new key", has_saved, kit);
  g_assert_null (kit->client->map_stream);
  kit_wait_requests (kit, REGISTER, FALSE, 4);
  g_assert_cmpstr (get_string (kit_get (kit, REGISTER, FALSE, 2), "NodeKey"), ==, first);
  kit->wanted = kit->n_maps + 1;
  tn_control_client_keys_saved (kit->client, NULL);
  wait_for ("another map", kit_has_maps, kit);
  second = get_string (kit_get (kit, REGISTER, FALSE, 3), "NodeKey");
  g_assert_cmpstr (second, !=, first);
  g_assert_cmpstr (get_string (kit_get (kit, REGISTER, FALSE, 3), "OldNodeKey"), ==, first);
}

/* Any time long past logs out; it has a zone (tailscale control/controlclient/direct.go TryLogout). */
static void
test_logout_time (Kit *kit, gconstpointer data)
{
  kit_join (kit);
  g_assert_cmpstr (get_string (kit_get (kit, REGISTER, FALSE, 0), "Expiry"), ==, "0001-01-01T00:00:00Z");
  kit->client->ephemeral = TRUE;
  tn_control_client_stop (kit->client, NULL, NULL);
  kit_wait_requests (kit, REGISTER, FALSE, 2);
  g_assert_cmpstr (get_string (kit_get (kit, REGISTER, FALSE, 1), "Expiry"), ==, "1970-01-01T00:02:03Z");
  g_assert_cmpstr (get_string (kit_get (kit, REGISTER, FALSE, 1), "NodeKey"), ==, get_string (kit_get (kit, REGISTER, FALSE, 0), "NodeKey"));
}

/* --- Map --- */

/* Servers may take over what a streaming request says, and drop what it leaves out (headscale hscontrol/state/state.go
 * UpdateNodeFromMapRequest), or pay no heed to it (tailscale tstest/integration/testcontrol); so both kinds of request say all of it. */
static void
assert_full_request (JsonObject *request, gboolean streaming)
{
  JsonObject *hostinfo = json_object_get_object_member (request, "Hostinfo");

  g_assert_cmpint (json_object_get_int_member (request, "Version"), ==, TN_CAPABILITY_VERSION);
  g_assert_true (g_str_has_prefix (get_string (request, "DiscoKey"), "discokey:"));
  g_assert_null (strstr (get_string (request, "DiscoKey"), "0000000000000000000000000000000000000000000000000000000000000000"));
  g_assert_cmpstr (get_string (hostinfo, "Hostname"), ==, "node");
  g_assert_cmpint (json_object_get_int_member (json_object_get_object_member (hostinfo, "NetInfo"), "PreferredDERP"), ==, 7);
  g_assert_cmpstr (json_array_get_string_element (json_object_get_array_member (request, "Endpoints"), 0), ==, "192.0.2.7:41641");
  g_assert_cmpint (json_array_get_int_element (json_object_get_array_member (request, "EndpointTypes"), 0), ==, TN_ENDPOINT_STUN);
  /* Without, an update would be a new stream. */
  g_assert_cmpint (json_object_get_boolean_member_with_default (request, "OmitPeers", FALSE), ==, !streaming);
  g_assert_false (json_object_get_boolean_member_with_default (request, "ReadOnly", FALSE));
}

static void
test_full_requests (Kit *kit, gconstpointer data)
{
  TnOwnEndpoint endpoint = { .type = TN_ENDPOINT_STUN };
  TnNetInfo net_info = { .home_region = 7 };

  g_assert_true (tn_ip_endpoint_parse ("192.0.2.7:41641", &endpoint.endpoint));
  kit_start (kit, TRUE);
  tn_control_client_set_net_info (kit->client, &net_info);
  tn_control_client_set_endpoints (kit->client, &endpoint, 1);
  wait_for ("the map", kit_is_running, kit);
  for (guint i = 0; i < 2; i++)
    {
      kit_wait_requests (kit, MAP, TRUE, i + 1);
      assert_full_request (kit_get (kit, MAP, TRUE, i), TRUE);
      tn_testkit_control_end_streams (kit->control, "node");
    }
  kit_wait_requests (kit, MAP, FALSE, 1);
  assert_full_request (kit_get (kit, MAP, FALSE, 0), FALSE);
}

static gboolean
is_told (Kit *kit)
{
  return kit->client->known_generation == kit->client->wanted_generation;
}

/* Nothing, or a whole map: what answers an update is no news (headscale hscontrol/poll.go; testcontrol). */
static void
test_update_answers (Kit *kit, gconstpointer data)
{
  static const char map[] = "\x2b\0\0\0{\"Node\":{\"ID\":1},\"Peers\":[],\"Domain\":\"x\"}  ";
  g_autoptr (GBytes) body = g_bytes_new_static (map, sizeof map - 1);
  TnNetInfo net_info = { .home_region = 7 };

  kit_join (kit);
  wait_for ("the first update", is_told, kit);
  tn_testkit_control_script_answer (kit->control, TN_TESTKIT_STAGE_UPDATE, 200, NULL, body);
  tn_testkit_control_script_answer (kit->control, TN_TESTKIT_STAGE_UPDATE, 200, NULL, NULL);
  for (guint i = 0; i < 2; i++)
    {
      net_info.home_region++;
      tn_control_client_set_net_info (kit->client, &net_info);
      wait_for ("the server to know", is_told, kit);
    }
  g_assert_cmpuint (kit->n_maps, ==, 1);
  g_assert_cmpstr (tn_control_client_get_netmap (kit->client)->domain, ==, "example.test");
  g_assert_cmpuint (kit->errors->len, ==, 0);
}

/* Only the first message that is no keep-alive has to have a node (tailscale control/controlclient/direct.go gotNonKeepAliveMessage). */
static void
test_keep_alive_first (Kit *kit, gconstpointer data)
{
  tn_testkit_control_script_message (kit->control, "{\"KeepAlive\":true}");
  tn_testkit_control_script_message (kit->control, "{\"KeepAlive\":true,\"ControlTime\":\"2026-01-01T00:00:00.123456789Z\"}");
  kit_join (kit);
  g_assert_cmpuint (kit->errors->len, ==, 0);
  g_assert_cmpuint (kit->n_maps, ==, 1);
}

static void
test_no_node (Kit *kit, gconstpointer data)
{
  tn_testkit_control_script_message (kit->control, "{\"Domain\":\"nowhere\"}");
  kit_join (kit);
  g_assert_cmpuint (kit->errors->len, ==, 1);
  g_assert_cmpuint (kit->n_maps, ==, 1);
  g_assert_cmpuint (kit_count (kit, MAP, TRUE), ==, 2);
}

/* A library does not end its program because a server says so; nor does what else stood in Debug once do any harm. */
static void
test_debug (Kit *kit, gconstpointer data)
{
  kit_join (kit);
  kit_send (kit, "{\"Debug\":{\"Exit\":3,\"DisableLogTail\":true}}");
  kit_send (kit, "{\"Debug\":null}");
  kit_send (kit, "{\"Health\":[\"behind\"]}");
  kit->text = "behind";
  wait_for ("what comes behind", kit_has_health, kit);
  g_assert_cmpstr (kit->states->str, ==, "CR");
}

static gboolean
may_expire (Kit *kit)
{
  return tn_control_client_get_netmap (kit->client)->self->key_expiry_us != 0;
}

static gboolean
never_expires (Kit *kit)
{
  return !may_expire (kit);
}

/* Zero is never, not long ago (headscale hscontrol/types/change/change.go NodeKeyRotated). */
static void
test_zero_expiry (Kit *kit, gconstpointer data)
{
  kit_join (kit);
  g_assert_true (tn_testkit_control_set_node_expiry (kit->control, "node", g_get_real_time () / G_USEC_PER_SEC + 10000, NULL));
  wait_for ("an expiry", may_expire, kit);
  g_assert_true (tn_testkit_control_set_node_json (kit->control, "node", "{\"KeyExpiry\":\"0001-01-01T00:00:00Z\"}", NULL));
  wait_for ("none any more", never_expires, kit);
  g_assert_cmpstr (kit->states->str, ==, "CR");
}

/* A server whose clock stands still years ago has no say in what has expired (testcontrol always tells 2020). */
static void
test_old_clock (Kit *kit, gconstpointer data)
{
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;

  g_object_set (kit->control, "clock-offset", G_GINT64_CONSTANT (1596412800) - now_s, NULL);
  kit_join (kit);
  g_assert_true (tn_testkit_control_set_node_expiry (kit->control, "node", now_s - 1000, NULL));      /* not yet, for the server */
  wait_for ("the key to expire", kit_needs_login, kit);
  g_assert_true (tn_control_client_is_key_expired (kit->client));
  g_assert_true (tn_testkit_control_set_node_expiry (kit->control, "node", now_s + 10000, NULL));
  wait_for ("the node to be good", kit_is_running, kit);
}

/* One that is some hours off is right about its own keys, whatever the clock here says (tailscale ipn/ipnlocal/expiry.go). */
static void
test_other_clock (Kit *kit, gconstpointer data)
{
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;
  gint64 offset_s = GPOINTER_TO_INT (data) * 3600;

  g_object_set (kit->control, "clock-offset", offset_s, NULL);
  kit_join (kit);
  g_assert_true (tn_testkit_control_set_node_expiry (kit->control, "node", now_s + offset_s + 10000, NULL));
  wait_for ("an expiry", may_expire, kit);
  g_assert_cmpstr (kit->states->str, ==, "CR");
  g_assert_true (tn_testkit_control_set_node_expiry (kit->control, "node", now_s + offset_s - 10000, NULL));
  wait_for ("the key to expire", kit_needs_login, kit);
}

/* --- Requests of the server --- */

/* Only the path of such a URL counts, its host is not for the DNS; the request may be chunked and have no Host (a sample of the hosted
 * service in tailscale-rs ts_control_serde/src/ping.rs). */
static void
test_c2n_url (Kit *kit, gconstpointer data)
{
  static const char request[] = "POST /echo HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
  g_autofree char *payload = g_base64_encode ((const guchar *) request, strlen (request));
  g_autofree char *json = g_strdup_printf ("{\"KeepAlive\":true,\"PingRequest\":{\"URL\":\"https://unused/c2n/s1/17/abc\",\"URLIsNoise\":true,"
                                           "\"Types\":\"c2n\",\"IP\":\"\",\"Payload\":\"%s\"}}", payload);

  kit_join (kit);
  kit_send (kit, json);
  kit_wait_requests (kit, "/c2n/s1/17/abc", FALSE, 1);
}

#define ADD_WITH(path, data, func) g_test_add ("/control/traps/" path, Kit, data, kit_set_up, func, kit_tear_down)
#define ADD(path, func) ADD_WITH (path, NULL, func)

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("first-bytes/apart", test_first_bytes);
  ADD_WITH ("first-bytes/corked", "corked", test_first_bytes);
  ADD ("refused-handshake", test_refused_handshake);
  ADD ("rotated-key", test_rotated_key);
  ADD ("redirected-upgrade", test_redirected_upgrade);
  ADD ("authorized-with-url", test_authorized_with_url);
  ADD ("unauthorized-without-url", test_unauthorized_without_url);
  ADD ("refusal", test_refusal);
  ADD ("no-page", test_no_page);
  ADD ("follow-up", test_follow_up);
  ADD ("broken-follow-up", test_broken_follow_up);
  ADD ("key-before-wire", test_key_before_wire);
  ADD ("logout-time", test_logout_time);
  ADD ("full-requests", test_full_requests);
  ADD ("update-answers", test_update_answers);
  ADD ("keep-alive-first", test_keep_alive_first);
  ADD ("no-node", test_no_node);
  ADD ("debug", test_debug);
  ADD ("zero-expiry", test_zero_expiry);
  ADD ("old-clock", test_old_clock);
  ADD_WITH ("clock/ahead", GINT_TO_POINTER (20), test_other_clock);
  ADD_WITH ("clock/behind", GINT_TO_POINTER (-20), test_other_clock);
  ADD ("c2n-url", test_c2n_url);

  return g_test_run ();
}
