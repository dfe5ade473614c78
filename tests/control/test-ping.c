/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <libsoup/soup.h>
#include <string.h>

#include "tailnet-testkit.h"
#include "tn-control-client-private.h"

/* A server that asks and asks, and never says that it has the answer: so many answers are under way, and no more. */

#define PATIENCE_S 50

enum { ASKED = 12, UNDER_WAY = 4 };

typedef struct
{
  TnTestkitControl *control;
  TnControlClient  *client;
  guint             n_inside;      /* requests at the path that hangs */
  GPtrArray        *outside;       /* SoupServerMessage, not answered */
  char             *last_path;     /* of them */
  gboolean          answered;
  gboolean          stopped;
} Fixture;

/* --- Waiting --- */

static gboolean
impatient_cb (gpointer what)
{
  g_error ("gave up waiting for %s", (const char *) what);
  return G_SOURCE_REMOVE;
}

static void
wait_for (const char *what, gboolean (*condition) (Fixture *), Fixture *fixture)
{
  guint limit = g_timeout_add_seconds (PATIENCE_S, impatient_cb, (gpointer) (guintptr) what);

  while (!condition (fixture))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (limit);
}

static gboolean
is_running (Fixture *fixture)
{
  return tn_control_client_get_state (fixture->client) == TN_CONTROL_RUNNING;
}

static gboolean
is_lost (Fixture *fixture)
{
  return tn_control_client_get_error (fixture->client) != NULL;
}

static gboolean
is_found (Fixture *fixture)
{
  return is_running (fixture) && !is_lost (fixture);
}

static gboolean
is_answered (Fixture *fixture)
{
  return fixture->answered;
}

static gboolean
is_stopped (Fixture *fixture)
{
  return fixture->stopped;
}

/* --- Asking --- */

static void
answered_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Fixture *fixture = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) answer = tn_testkit_control_ping_finish (TN_TESTKIT_CONTROL (object), result, &error);

  g_assert_no_error (error);
  g_assert_nonnull (answer);
  fixture->answered = TRUE;
}

/* Behind what was asked before, in the stream of maps. */
static void
check_ping (Fixture *fixture, gboolean inside)
{
  fixture->answered = FALSE;
  tn_testkit_control_ping_async (fixture->control, "node", NULL, NULL, inside, NULL, answered_cb, fixture);
  wait_for ("the answer", is_answered, fixture);
}

static void
ask (Fixture *fixture, const char *url, gboolean inside, gboolean with_request)
{
  g_autofree char *payload = g_base64_encode ((const guchar *) "GET /echo HTTP/1.1\r\n\r\n", 22);
  g_autofree char *kind = with_request ? g_strdup_printf (",\"Types\":\"c2n\",\"Payload\":\"%s\"", payload) : g_strdup ("");
  g_autofree char *message = g_strdup_printf ("{\"PingRequest\":{\"URL\":\"%s\",\"URLIsNoise\":%s%s}}", url, inside ? "true" : "false", kind);

  g_assert_cmpuint (tn_testkit_control_send_map_response (fixture->control, "node", message), ==, 1);
}

/* --- The client --- */

static void
request_received_cb (TnTestkitControl *control, const char *machine, const char *path, const char *body, gpointer user_data)
{
  Fixture *fixture = user_data;

  fixture->n_inside += g_str_equal (path, "/machine/register");
}

static void
stopped_cb (TnControlClient *client, const GError *error, gpointer user_data)
{
  ((Fixture *) user_data)->stopped = TRUE;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  static const TnControlHandler handler = { NULL };
  g_autoptr (TnHostinfo) hostinfo = tn_hostinfo_new_for_system ();
  g_autofree char *url = NULL;
  g_autofree char *auth_key = NULL;
  g_autoptr (GError) error = NULL;
  TnMachinePrivateKey machine_key;
  TnDiscoPrivateKey disco_key;
  TnControlConfig config = { .machine_key = &machine_key, .hostinfo = hostinfo };

  fixture->control = tn_testkit_control_new_threaded ();
  g_assert_true (tn_testkit_control_start (fixture->control, &error));
  config.server_url = url = tn_testkit_control_dup_url (fixture->control);
  config.auth_key = auth_key = tn_testkit_control_create_auth_key (fixture->control, "ada@example.test", TN_TESTKIT_AUTH_KEY_DEFAULT, NULL);
  g_free (hostinfo->hostname);
  hostinfo->hostname = g_strdup ("node");
  tn_machine_private_key_generate (&machine_key);
  tn_disco_private_key_generate (&disco_key);
  tn_disco_private_key_get_public (&disco_key, &config.disco_key);
  fixture->client = tn_control_client_new (&config, &handler, fixture, &error);
  g_assert_no_error (error);
  tn_control_client_start (fixture->client);
  wait_for ("the map", is_running, fixture);
  fixture->outside = g_ptr_array_new_with_free_func (g_object_unref);
  g_signal_connect (fixture->control, "request-received", G_CALLBACK (request_received_cb), fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  tn_control_client_stop (fixture->client, stopped_cb, fixture);
  wait_for ("the end", is_stopped, fixture);
  tn_control_client_unref (fixture->client);
  g_object_unref (fixture->control);
  g_ptr_array_unref (fixture->outside);
  g_free (fixture->last_path);
}

static gboolean
has_inside (Fixture *fixture)
{
  return fixture->n_inside >= UNDER_WAY;
}

/* A registration that is never answered takes the place of a ping that is not. */
static void
test_inside (Fixture *fixture, gconstpointer data)
{
  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_REGISTER, TN_TESTKIT_FAULT_HANG, ASKED);
  for (guint i = 0; i < ASKED; i++)
    {
      g_autofree char *url = g_strdup_printf ("http://control.example/machine/register?%u", i);

      ask (fixture, url, TRUE, i % 2 == 1);
    }
  check_ping (fixture, FALSE);      /* those outside are others */
  wait_for ("those inside", has_inside, fixture);
  check_ping (fixture, FALSE);
  g_assert_cmpuint (fixture->n_inside, ==, UNDER_WAY);

  /* They end with their connection. */
  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_REGISTER, TN_TESTKIT_FAULT_NONE, 0);
  tn_testkit_control_stop (fixture->control);
  wait_for ("the loss of the connection", is_lost, fixture);
  g_assert_true (tn_testkit_control_start (fixture->control, NULL));
  wait_for ("another map", is_found, fixture);
  for (guint i = 0; i < ASKED; i++)
    check_ping (fixture, TRUE);
}

static void
hang_cb (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query, gpointer user_data)
{
  Fixture *fixture = user_data;

  soup_server_message_pause (message);
  g_ptr_array_add (fixture->outside, g_object_ref (message));
  g_free (fixture->last_path);
  fixture->last_path = g_strdup (path);
}

static void
answer_all (Fixture *fixture)
{
  for (guint i = 0; i < fixture->outside->len; i++)
    {
      SoupServerMessage *message = g_ptr_array_index (fixture->outside, i);

      soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
      soup_server_message_unpause (message);
    }
  g_ptr_array_set_size (fixture->outside, 0);
}

static gboolean
has_outside (Fixture *fixture)
{
  return fixture->outside->len > 0;
}

/* How many of them arrive at the same time is up to the client's HTTP: so they are answered as they come, one after the other. The last
 * one is asked for again until there is room for it. */
static void
test_outside (Fixture *fixture, gconstpointer data)
{
  g_autoptr (SoupServer) server = soup_server_new (NULL, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *base = NULL;
  guint n_answered = 0;
  GSList *uris;

  soup_server_add_handler (server, NULL, hang_cb, fixture, NULL);
  g_assert_true (soup_server_listen_local (server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error));
  uris = soup_server_get_uris (server);
  base = g_uri_to_string (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);

  for (guint i = 0; i < ASKED; i++)
    {
      g_autofree char *url = g_strdup_printf ("%s%u", base, i);

      ask (fixture, url, FALSE, FALSE);
    }
  check_ping (fixture, TRUE);      /* those inside are others */
  for (guint i = 0; g_strcmp0 (fixture->last_path, "/last") != 0; i++)
    {
      g_autofree char *url = g_strdup_printf ("%slast?%u", base, i);

      if (n_answered >= UNDER_WAY)
        ask (fixture, url, FALSE, FALSE);
      check_ping (fixture, TRUE);
      if (n_answered < UNDER_WAY)
        wait_for ("a ping", has_outside, fixture);
      n_answered += g_strcmp0 (fixture->last_path, "/last") != 0 ? fixture->outside->len : 0;
      answer_all (fixture);
    }
  g_assert_cmpuint (n_answered, ==, UNDER_WAY);
  soup_server_disconnect (server);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/control/ping/inside", Fixture, NULL, set_up, test_inside, tear_down);
  g_test_add ("/control/ping/outside", Fixture, NULL, set_up, test_outside, tear_down);
  return g_test_run ();
}
