/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gio/gio.h>
#include <string.h>

#include "tailnet-testkit.h"
#include "tn-control-client-private.h"
#include "wait.h"

/* A server that asks and asks, and never says that it has the answer: so many answers are under way, and no more. */

enum { ASKED = 12, UNDER_WAY = 4 };

typedef struct
{
  TnTestkitControl *control;
  TnControlClient  *client;
  guint             n_inside;      /* requests at the path that hangs */
  GPtrArray        *outside;       /* GIOStream, not answered */
  char             *last_path;     /* of them */
  gboolean          answered;
  gboolean          stopped;
} Fixture;

/* --- Waiting --- */

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
request_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GIOStream) connection = user_data;
  Fixture *fixture = g_object_get_data (G_OBJECT (connection), "fixture");
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (object), result, NULL);
  g_autofree char *text = NULL;
  gsize len;

  if (bytes == NULL || g_bytes_get_size (bytes) == 0)
    return;
  text = g_strndup (g_bytes_get_data (bytes, &len), g_bytes_get_size (bytes));
  g_assert_true (g_str_has_prefix (text, "HEAD /"));
  g_free (fixture->last_path);
  fixture->last_path = g_strndup (text + 5, strcspn (text + 5, " ?"));
  g_ptr_array_add (fixture->outside, g_steal_pointer (&connection));
}

static gboolean
incoming_cb (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer user_data)
{
  g_object_set_data (G_OBJECT (connection), "fixture", user_data);
  g_input_stream_read_bytes_async (g_io_stream_get_input_stream (G_IO_STREAM (connection)), 4096, G_PRIORITY_DEFAULT, NULL, request_cb,
                                   g_object_ref (connection));
  return TRUE;
}

static void
answer_all (Fixture *fixture)
{
  static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

  for (guint i = 0; i < fixture->outside->len; i++)
    {
      GIOStream *connection = g_ptr_array_index (fixture->outside, i);

      g_output_stream_write_all (g_io_stream_get_output_stream (connection), answer, strlen (answer), NULL, NULL, NULL);
      g_io_stream_close (connection, NULL, NULL);
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
  g_autoptr (GSocketService) service = g_socket_service_new ();
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) any_port = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *base = NULL;
  guint n_answered = 0;

  g_socket_listener_add_address (G_SOCKET_LISTENER (service), any_port, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &address, &error);
  g_assert_no_error (error);
  g_signal_connect (service, "incoming", G_CALLBACK (incoming_cb), fixture);
  base = g_strdup_printf ("http://127.0.0.1:%u/", g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)));
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
  g_socket_service_stop (service);
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
