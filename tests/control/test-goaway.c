/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "client-kit.h"

/* A server that takes leave of a connection: what is under way ends there, all else goes on at another one, and nobody sees an error. */

typedef struct
{
  const char *path;
  guint       n;
} Seen;

static void
request_received_cb (TnTestkitControl *control, const char *machine, const char *path, const char *body, gpointer user_data)
{
  Seen *seen = user_data;

  seen->n += g_str_equal (path, seen->path);
}

static gboolean
is_seen (Seen *seen)
{
  return seen->n > 0;
}

static void
result_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static void
fetch (Fixture *fixture, GAsyncResult **result)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, result_cb, result);

  tn_control_client_fetch_id_token (fixture->client, "https://sts.example", task);
}

static gboolean
is_there (GAsyncResult **result)
{
  return *result != NULL;
}

static void
check_token (GAsyncResult **result)
{
  g_autoptr (GAsyncResult) done = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *token = NULL;

  wait_for ("the token", is_there, result);
  done = g_steal_pointer (result);
  token = g_task_propagate_pointer (G_TASK (done), &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (token, "ey"));
}

static gboolean
has_left (Fixture *fixture)
{
  return fixture->client->leaving == NULL && fixture->client->connection != NULL;
}

static gboolean
is_between (Fixture *fixture)
{
  return fixture->client->leaving != NULL && fixture->client->connection == NULL;
}

static void
retire (Fixture *fixture)
{
  guint n_full = fixture->n_full;

  g_assert_cmpuint (tn_testkit_control_retire_connections (fixture->control, NULL), >=, 1);
  fixture->wanted = n_full + 1;
}

static void
check_unbroken (Fixture *fixture)
{
  g_assert_cmpuint (fixture->errors->len, ==, 0);
  g_assert_cmpstr (fixture->states->str, ==, "CR");
}

/* The map goes on at another connection, and the old one is not kept. Those that a server leaves at once cost it ever fewer tries. */
static void
test_map (Fixture *fixture, gconstpointer data)
{
  join (fixture);
  for (guint i = 1; i <= 3; i++)
    {
      retire (fixture);
      wait_for ("the map of another connection", has_maps, fixture);
      wait_for ("the old connection to go", has_left, fixture);
      g_assert_cmpuint (fixture->client->retries[TN_RETRY_CONNECT].failures, ==, i);
      g_assert_cmpuint (fixture->client->connection_serial, ==, i + 1);
    }
  check_unbroken (fixture);

  fixture->client->map_good_us -= 60 * G_USEC_PER_SEC;      /* one that has lasted makes up for them */
  retire (fixture);
  wait_for ("the map of another connection", has_maps, fixture);
  g_assert_cmpuint (fixture->client->retries[TN_RETRY_CONNECT].failures, ==, 1);
}

static gboolean
has_another_message (Fixture *fixture)
{
  return fixture->n_messages >= fixture->wanted;
}

/* Until there is another connection, the stream tells what is new. */
static void
test_meanwhile (Fixture *fixture, gconstpointer data)
{
  join (fixture);
  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_UPGRADE, TN_TESTKIT_FAULT_HANG, 1);
  retire (fixture);
  wait_for ("the leave", is_between, fixture);
  fixture->wanted = fixture->n_messages + 1;
  g_assert_cmpuint (tn_testkit_control_send_map_response (fixture->control, "node", "{\"Domain\":\"meanwhile.test\"}"), ==, 1);
  wait_for ("a message", has_another_message, fixture);
  g_assert_true (is_between (fixture));
  check_unbroken (fixture);
}

/* What the server has seen it answers; what comes between two connections waits for the second. */
static void
test_under_way (Fixture *fixture, gconstpointer data)
{
  Seen seen = { "/machine/id-token", 0 };
  GAsyncResult *before = NULL, *between = NULL, *after = NULL;

  g_signal_connect (fixture->control, "request-received", G_CALLBACK (request_received_cb), &seen);
  join (fixture);
  tn_testkit_control_hold (fixture->control, TN_TESTKIT_STAGE_ID_TOKEN);
  fetch (fixture, &before);
  wait_for ("the request", is_seen, &seen);
  retire (fixture);
  wait_for ("the leave", is_between, fixture);
  fetch (fixture, &between);
  wait_for ("the map of another connection", has_maps, fixture);
  fetch (fixture, &after);
  g_assert_null (before);
  g_assert_nonnull (fixture->client->leaving);
  tn_testkit_control_release (fixture->control, TN_TESTKIT_STAGE_ID_TOKEN);
  check_token (&before);
  check_token (&between);
  check_token (&after);
  wait_for ("the old connection to go", has_left, fixture);
  check_unbroken (fixture);
  g_signal_handlers_disconnect_by_data (fixture->control, &seen);
}

static gboolean
is_told (Fixture *fixture)
{
  return fixture->client->known_generation == fixture->client->wanted_generation;
}

/* A request that the server never looks at again does not hold the old connection for ever, and is made at the new one. */
static void
test_never_answered (Fixture *fixture, gconstpointer data)
{
  TnNetInfo net_info = { .home_region = 7 };
  Seen seen = { "/machine/map", 0 };

  fixture->request_max_us = G_USEC_PER_SEC / 5;
  join (fixture);
  wait_for ("the first update", is_told, fixture);
  g_signal_connect (fixture->control, "request-received", G_CALLBACK (request_received_cb), &seen);
  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_UPDATE, TN_TESTKIT_FAULT_HANG, 1);
  tn_control_client_set_net_info (fixture->client, &net_info);
  wait_for ("the update", is_seen, &seen);
  retire (fixture);
  wait_for ("the map of another connection", has_maps, fixture);
  wait_for ("the update to be taken", is_told, fixture);
  wait_for ("the old connection to go", has_left, fixture);
  g_signal_handlers_disconnect_by_data (fixture->control, &seen);
}

/* Whoever visits the URL is not overlooked. */
static void
test_login (Fixture *fixture, gconstpointer data)
{
  Seen seen = { "/machine/register", 0 };
  g_autoptr (GError) error = NULL;

  start (fixture, FALSE, 0);
  fixture->wanted = 1;
  wait_for ("a URL", has_urls, fixture);
  retire (fixture);
  wait_for ("the leave", is_between, fixture);
  g_signal_connect (fixture->control, "request-received", G_CALLBACK (request_received_cb), &seen);
  wait_for ("the request at another connection", is_seen, &seen);
  wait_for ("the old connection to go", has_left, fixture);
  g_assert_true (tn_testkit_control_approve (fixture->control, g_ptr_array_index (fixture->urls, 0), "ada@example.test", &error));
  wait_for ("the map", is_running, fixture);
  g_assert_cmpuint (fixture->urls->len, ==, 1);
  g_assert_cmpuint (fixture->errors->len, ==, 0);
  g_signal_handlers_disconnect_by_data (fixture->control, &seen);
}

/* The old connection breaks before there is a new one. */
static void
test_broken (Fixture *fixture, gconstpointer data)
{
  join (fixture);
  retire (fixture);
  wait_for ("the leave", is_between, fixture);
  tn_testkit_control_drop_connections (fixture->control, "node");
  wait_for ("the map of another connection", has_maps, fixture);
  wait_for ("the old connection to go", has_left, fixture);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add ("/control/goaway/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("map", test_map);
  ADD ("meanwhile", test_meanwhile);
  ADD ("under-way", test_under_way);
  ADD ("never-answered", test_never_answered);
  ADD ("login", test_login);
  ADD ("broken", test_broken);
  return g_test_run ();
}
