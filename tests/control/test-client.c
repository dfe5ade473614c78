/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "client-kit.h"
#include "tn-boot-timer.h"
#include "tn-error.h"

/* The control client against the test library's server: life cycle, updates, and what a server asks and does wrong. */

/* --- Silence --- */

/* A server that says nothing more, while its connection stays open: the client makes another one, and has a map again. */
static void
test_watchdog (Fixture *fixture, gconstpointer data)
{
  start (fixture, TRUE, 200 * 1000);
  fixture->wanted = 3;
  wait_for ("maps of three streams", has_maps, fixture);
  g_assert_cmpuint (fixture->errors->len, >=, 2);
  for (guint i = 0; i < fixture->errors->len; i++)
    g_assert_error ((GError *) g_ptr_array_index (fixture->errors, i), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpstr (fixture->states->str, ==, "CR");      /* it runs, all the time */
}

/* As one that never answers at all. */
static void
test_watchdog_hang (Fixture *fixture, gconstpointer data)
{
  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_MAP, TN_TESTKIT_FAULT_HANG, 1);
  start (fixture, TRUE, 200 * 1000);
  wait_for ("the map", is_running, fixture);
  g_assert_cmpuint (fixture->errors->len, >=, 1);
  g_assert_error ((GError *) g_ptr_array_index (fixture->errors, 0), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
}

static void
test_watchdog_register (Fixture *fixture, gconstpointer data)
{
  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_REGISTER, TN_TESTKIT_FAULT_HANG, 1);
  start (fixture, TRUE, 200 * 1000);
  wait_for ("the map", is_running, fixture);
  g_assert_cmpuint (fixture->errors->len, >=, 1);
  g_assert_error ((GError *) g_ptr_array_index (fixture->errors, 0), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
}

static gboolean
has_another_message (Fixture *fixture)
{
  return fixture->n_messages >= 2;
}

/* Takes longer for the map than the server may be silent. */
static void
be_slow (Fixture *fixture)
{
  gint64 begin_us = tn_boot_time_us ();

  while (tn_boot_time_us () - begin_us < fixture->client->silence_max_us * 3 / 2)
    g_thread_yield ();
}

static void
test_watchdog_slow (Fixture *fixture, gconstpointer data)
{
  fixture->on_map = be_slow;
  start (fixture, TRUE, G_USEC_PER_SEC);
  fixture->wanted = 1;
  wait_for ("the map", has_maps, fixture);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  tn_testkit_control_send_map_response (fixture->control, "node", "{\"Domain\":\"slow.test\"}");
  wait_for ("the next message", has_another_message, fixture);
  g_assert_cmpuint (fixture->errors->len, ==, 0);
  g_assert_cmpuint (fixture->n_full, ==, 1);
}

/* --- Login --- */

static void
test_auth_url (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TnTestkitNode) node = NULL;
  g_autoptr (GError) error = NULL;

  start (fixture, FALSE, 0);
  fixture->wanted = 1;
  wait_for ("a URL", has_urls, fixture);
  g_assert_null (tn_control_client_get_netmap (fixture->client));
  g_assert_true (tn_testkit_control_approve (fixture->control, g_ptr_array_index (fixture->urls, 0), "ada@example.test", &error));
  wait_for ("the map", is_running, fixture);
  g_assert_cmpstr (fixture->states->str, ==, "CLCR");      /* one life */
  g_assert_null (tn_control_client_get_auth_url (fixture->client));
  node = lookup_node (fixture);
  g_assert_cmpstr (tn_testkit_node_get_user (node), ==, "ada@example.test");
}

/* A server that knows nothing of the login any more gives another URL, and that one counts. */
static void
test_changed_auth_url (Fixture *fixture, gconstpointer data)
{
  const char *first, *second;
  g_autoptr (GError) error = NULL;

  start (fixture, FALSE, 0);
  fixture->wanted = 1;
  wait_for ("a URL", has_urls, fixture);
  tn_testkit_control_forget (fixture->control);
  fixture->wanted = 2;
  wait_for ("another URL", has_urls, fixture);
  first = g_ptr_array_index (fixture->urls, 0);
  second = g_ptr_array_index (fixture->urls, 1);
  g_assert_cmpstr (first, !=, second);
  g_assert_false (tn_testkit_control_approve (fixture->control, first, "ada@example.test", NULL));
  g_assert_true (tn_testkit_control_approve (fixture->control, second, "ada@example.test", &error));
  wait_for ("the map", is_running, fixture);
  g_assert_cmpuint (fixture->urls->len, ==, 2);
}

static gboolean
needs_login (Fixture *fixture)
{
  return tn_control_client_get_state (fixture->client) == TN_CONTROL_NEEDS_LOGIN;
}

/* No message comes when the time has come. */
static void
test_key_expires (Fixture *fixture, gconstpointer data)
{
  gint64 expiry_s = g_get_real_time () / G_USEC_PER_SEC + 2;
  g_autoptr (GError) error = NULL;

  join (fixture);
  g_assert_true (tn_testkit_control_set_node_expiry (fixture->control, "node", expiry_s, &error));
  wait_for ("the key to expire", needs_login, fixture);
  g_assert_cmpint (g_get_real_time () / G_USEC_PER_SEC, >=, expiry_s);
  g_assert_true (tn_control_client_is_key_expired (fixture->client));
  g_assert_cmpstr (fixture->states->str, ==, "CRL");

  /* An administrator who prolongs it is enough. */
  g_assert_true (tn_testkit_control_set_node_expiry (fixture->control, "node", expiry_s + 3600, &error));
  wait_for ("another life", is_running, fixture);
  g_assert_no_error (tn_control_client_get_error (fixture->client));
}

/* --- What the node says --- */

static gboolean
has_endpoint (Fixture *fixture)
{
  g_autoptr (TnTestkitNode) node = lookup_node (fixture);
  const char *const *endpoints = node != NULL ? tn_testkit_node_get_endpoints (node) : NULL;

  return endpoints != NULL && g_strv_contains (endpoints, "192.0.2.7:41641") == (fixture->wanted != 0);
}

static gboolean
has_home (Fixture *fixture)
{
  g_autoptr (TnTestkitNode) node = lookup_node (fixture);

  return node != NULL && tn_testkit_node_get_home_region (node) == fixture->wanted;
}

static void
test_updates (Fixture *fixture, gconstpointer data)
{
  TnOwnEndpoint endpoint = { .type = TN_ENDPOINT_LOCAL };
  TnNetInfo net_info = { .home_region = 7 };

  g_assert_true (tn_ip_endpoint_parse ("192.0.2.7:41641", &endpoint.endpoint));
  join (fixture);
  fixture->wanted = 1;
  tn_control_client_set_endpoints (fixture->client, &endpoint, 1);
  wait_for ("the endpoint", has_endpoint, fixture);
  fixture->wanted = 7;
  tn_control_client_set_net_info (fixture->client, &net_info);
  wait_for ("the home region", has_home, fixture);
  fixture->wanted = 0;
  tn_control_client_set_endpoints (fixture->client, NULL, 0);
  wait_for ("the endpoint to go", has_endpoint, fixture);

  /* A new connection tells it again, and what changed meanwhile. */
  tn_testkit_control_stop (fixture->control);
  net_info.home_region = 8;
  tn_control_client_set_net_info (fixture->client, &net_info);
  g_assert_true (tn_testkit_control_start (fixture->control, NULL));
  fixture->wanted = 8;
  wait_for ("the other home region", has_home, fixture);
  g_assert_cmpstr (fixture->states->str, ==, "CR");
}

/* --- What the server asks --- */

static void
answered_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static GAsyncResult *asked;

static gboolean
is_answered (Fixture *fixture)
{
  return asked != NULL;
}

static void
check_ping (Fixture *fixture, gboolean encrypted)
{
  g_autoptr (GBytes) answer = NULL;
  g_autoptr (GError) error = NULL;

  tn_testkit_control_ping_async (fixture->control, "node", NULL, NULL, encrypted, NULL, answered_cb, &asked);
  wait_for ("the answer", is_answered, fixture);
  answer = tn_testkit_control_ping_finish (fixture->control, asked, &error);
  g_assert_no_error (error);
  g_assert_nonnull (answer);
  g_clear_object (&asked);
}

/* Those of other kinds are let be, and harm nothing. */
static void
test_ping (Fixture *fixture, gconstpointer data)
{
  static const char *const kinds[] = { "TSMP", "disco", "ICMP", "peerapi", "TSMP,disco", "nonsense", "c2n" };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *ignored[G_N_ELEMENTS (kinds)] = { NULL };

  join (fixture);
  check_ping (fixture, TRUE);
  check_ping (fixture, FALSE);
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    tn_testkit_control_ping_async (fixture->control, "node", kinds[i], "100.64.0.9", i % 2 == 0, cancellable, answered_cb, &ignored[i]);
  g_assert_cmpuint (tn_testkit_control_send_map_response (fixture->control, "node", "{\"PingRequest\":{\"URL\":\"file:///etc/passwd\"}}"), ==, 1);
  g_assert_cmpuint (tn_testkit_control_send_map_response (fixture->control, "node", "{\"PingRequest\":{\"URL\":\"\"}}"), ==, 1);
  check_ping (fixture, TRUE);      /* behind them all in the stream */
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    g_assert_null (ignored[i]);
  g_cancellable_cancel (cancellable);
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      asked = g_steal_pointer (&ignored[i]);
      while (asked == NULL)
        {
          g_main_context_iteration (NULL, TRUE);
          asked = g_steal_pointer (&ignored[i]);
        }
      g_assert_null (tn_testkit_control_ping_finish (fixture->control, asked, NULL));
      g_clear_object (&asked);
    }
  g_assert_cmpstr (fixture->states->str, ==, "CR");
  g_assert_cmpuint (fixture->n_full, ==, 1);
}

/* --- A new stream --- */

static gboolean
has_peers (Fixture *fixture)
{
  return fixture->n_peers == fixture->wanted;
}

/* Peers that come and go while nobody listens: the first map afterwards tells what differs from the last one before. */
static void
test_away (Fixture *fixture, gconstpointer data)
{
  Fixture peers[3] = { 0 };
  static const char *const names[] = { "stays", "goes", "comes" };

  for (guint i = 0; i < 2; i++)
    {
      peers[i].control = fixture->control;
      fixture_init (&peers[i]);
      start_as (&peers[i], names[i], TRUE, 0);
      wait_for ("a peer", is_running, &peers[i]);
    }
  join (fixture);
  fixture->wanted = 2;
  wait_for ("the peers", has_peers, fixture);

  fixture_clear (&peers[1]);
  tn_testkit_control_stop (fixture->control);
  g_assert_true (tn_testkit_control_delete_node (fixture->control, "goes", NULL));
  fixture->n_full = 0;
  g_assert_true (tn_testkit_control_start (fixture->control, NULL));
  fixture->wanted = 1;
  wait_for ("a new map", has_maps, fixture);
  g_assert_cmpuint (fixture->n_peers, ==, 1);      /* netmap() compares with the map each time */

  peers[2].control = fixture->control;
  fixture_init (&peers[2]);
  start_as (&peers[2], names[2], TRUE, 0);
  fixture->wanted = 2;
  wait_for ("the new peer", has_peers, fixture);
  fixture_clear (&peers[0]);
  fixture_clear (&peers[2]);
}

/* --- What the server does wrong --- */

static void
test_frame_too_long (Fixture *fixture, gconstpointer data)
{
  const GError *error;

  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_MAP, TN_TESTKIT_FAULT_OVERSIZE, 1);
  start (fixture, TRUE, 0);
  fixture->wanted = 1;
  wait_for ("an error", has_errors, fixture);
  error = g_ptr_array_index (fixture->errors, 0);
  g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "1 to 268435456 allowed"));
  wait_for ("the map", is_running, fixture);
  g_assert_no_error (tn_control_client_get_error (fixture->client));
}

/* Anywhere below twice a step that grows and has an end: nodes that lost their server together do not come back so. */
static void
test_backoff (void)
{
  gint64 last_us = 0;

  for (guint n = 1; n <= 1000; n++)
    {
      gint64 middle_us = tn_control_backoff_us (n, 0.5);

      g_assert_cmpint (middle_us, ==, MIN ((gint64) n * n * 10 * 1000, 30 * G_USEC_PER_SEC));
      g_assert_cmpint (tn_control_backoff_us (n, 0), ==, 0);
      g_assert_cmpint (tn_control_backoff_us (n, 1), ==, middle_us * 2);
      g_assert_cmpint (middle_us, >=, last_us);
      last_us = middle_us;
    }
  g_assert_cmpint (tn_control_backoff_us (G_MAXUINT, 1), ==, 60 * G_USEC_PER_SEC);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add ("/control/client/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("watchdog", test_watchdog);
  ADD ("watchdog-hang", test_watchdog_hang);
  ADD ("watchdog-register", test_watchdog_register);
  ADD ("watchdog-slow", test_watchdog_slow);
  ADD ("auth-url", test_auth_url);
  ADD ("changed-auth-url", test_changed_auth_url);
  ADD ("key-expires", test_key_expires);
  ADD ("updates", test_updates);
  ADD ("ping", test_ping);
  ADD ("away", test_away);
  ADD ("frame-too-long", test_frame_too_long);
  g_test_add_func ("/control/client/backoff", test_backoff);
  return g_test_run ();
}
