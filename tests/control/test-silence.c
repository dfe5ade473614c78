/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tailnet-testkit.h"
#include "tn-boot-timer.h"
#include "tn-control-client-private.h"
#include "wait.h"

/* Through a network that may fall silent: connections stay open, and nothing comes through any more. */

typedef struct
{
  TnTestkitControl *control;
  guint16           server_port;
  GSocketListener  *listener;
  GCancellable     *cancellable;
  guint             n_connections;
  guint             silent_until;      /* connections up to this one are */
  guint             n_from_server;     /* reads */
  guint             n_pumps;
  guint             wanted;
  TnControlClient  *client;
  GError           *timed_out;
  gboolean          stopped;
} Fixture;

/* --- The network --- */

typedef struct
{
  Fixture       *fixture;
  guint          number;
  GIOStream     *from;
  GIOStream     *to;
  gboolean       from_server;
  guint8         buffer[16 << 10];
} Pump;

static void pump_read (Pump *pump);

static void
pump_free (Pump *pump)
{
  pump->fixture->n_pumps--;
  g_io_stream_close (pump->from, NULL, NULL);
  g_io_stream_close (pump->to, NULL, NULL);
  g_object_unref (pump->from);
  g_object_unref (pump->to);
  g_free (pump);
}

static void
written_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Pump *pump = user_data;

  if (g_output_stream_write_all_finish (G_OUTPUT_STREAM (object), result, NULL, NULL))
    pump_read (pump);
  else
    pump_free (pump);
}

static void
read_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Pump *pump = user_data;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (object), result, NULL);

  if (n <= 0)
    {
      pump_free (pump);
      return;
    }
  pump->fixture->n_from_server += pump->from_server;
  if (pump->number <= pump->fixture->silent_until)
    pump_read (pump);
  else
    g_output_stream_write_all_async (g_io_stream_get_output_stream (pump->to), pump->buffer, (gsize) n, G_PRIORITY_DEFAULT,
                                     pump->fixture->cancellable, written_cb, pump);
}

static void
pump_read (Pump *pump)
{
  g_input_stream_read_async (g_io_stream_get_input_stream (pump->from), pump->buffer, sizeof pump->buffer, G_PRIORITY_DEFAULT,
                             pump->fixture->cancellable, read_cb, pump);
}

static void
pump_start (Fixture *fixture, GIOStream *from, GIOStream *to, gboolean from_server)
{
  Pump *pump = g_new0 (Pump, 1);

  *pump = (Pump) { fixture, fixture->n_connections, g_object_ref (from), g_object_ref (to), from_server };
  fixture->n_pumps++;
  pump_read (pump);
}

static void
accepted_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Fixture *fixture = user_data;
  g_autoptr (GSocketConnection) near = g_socket_listener_accept_finish (G_SOCKET_LISTENER (object), result, NULL, NULL);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) far = NULL;

  if (near == NULL)
    return;
  g_socket_listener_accept_async (fixture->listener, fixture->cancellable, accepted_cb, fixture);
  g_socket_client_set_enable_proxy (client, FALSE);
  far = g_socket_client_connect_to_host (client, "127.0.0.1", fixture->server_port, NULL, NULL);
  if (far == NULL)
    return;      /* the server is away */
  fixture->n_connections++;
  pump_start (fixture, G_IO_STREAM (near), G_IO_STREAM (far), FALSE);
  pump_start (fixture, G_IO_STREAM (far), G_IO_STREAM (near), TRUE);
}

/* --- The client --- */

static void
changed (TnControlClient *client, gpointer user_data)
{
  Fixture *fixture = user_data;
  const GError *error = tn_control_client_get_error (client);

  if (fixture->timed_out == NULL && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    fixture->timed_out = g_error_copy (error);
}

static void
stopped (TnControlClient *client, const GError *error, gpointer user_data)
{
  ((Fixture *) user_data)->stopped = TRUE;
}

static gboolean
is_stopped (Fixture *fixture)
{
  return fixture->stopped;
}

static gboolean
has_no_pump (Fixture *fixture)
{
  return fixture->n_pumps == 0;
}

static gboolean
needs_login (Fixture *fixture)
{
  return tn_control_client_get_state (fixture->client) == TN_CONTROL_NEEDS_LOGIN;
}

static gboolean
is_running (Fixture *fixture)
{
  return tn_control_client_get_state (fixture->client) == TN_CONTROL_RUNNING;
}

static gboolean
has_heard (Fixture *fixture)
{
  return fixture->n_from_server >= fixture->wanted;
}

static gboolean
has_timed_out (Fixture *fixture)
{
  return fixture->timed_out != NULL;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GUri) uri = NULL;
  g_autofree char *url = NULL;

  fixture->control = tn_testkit_control_new_threaded ();
  g_assert_true (tn_testkit_control_start (fixture->control, &error));
  url = tn_testkit_control_dup_url (fixture->control);
  uri = g_uri_parse (url, G_URI_FLAGS_NONE, &error);
  g_assert_no_error (error);
  fixture->server_port = (guint16) g_uri_get_port (uri);
  fixture->cancellable = g_cancellable_new ();
  fixture->listener = g_socket_listener_new ();
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  tn_control_client_stop (fixture->client, stopped, fixture);
  wait_for ("the end", is_stopped, fixture);
  tn_control_client_unref (fixture->client);
  g_cancellable_cancel (fixture->cancellable);
  wait_for ("the network to end", has_no_pump, fixture);
  g_socket_listener_close (fixture->listener);
  g_object_unref (fixture->listener);
  g_object_unref (fixture->cancellable);
  g_clear_error (&fixture->timed_out);
  g_object_unref (fixture->control);
}

static void
start (Fixture *fixture, gint64 pong_max_us, gint64 proof_max_us, const char *auth_key)
{
  static const TnControlHandler handler = { .changed = changed };
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) any_port = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (TnHostinfo) hostinfo = tn_hostinfo_new_for_system ();
  g_autoptr (GError) error = NULL;
  g_autofree char *url = NULL;
  TnMachinePrivateKey machine_key;
  TnControlConfig config = { .machine_key = &machine_key, .hostinfo = hostinfo, .ping_after_us = 5000, .pong_max_us = pong_max_us,
                             .proof_max_us = proof_max_us, .auth_key = auth_key };

  g_assert_true (g_socket_listener_add_address (fixture->listener, any_port, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &address,
                                                &error));
  g_socket_listener_accept_async (fixture->listener, fixture->cancellable, accepted_cb, fixture);
  url = g_strdup_printf ("http://127.0.0.1:%u", g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)));
  config.server_url = url;
  tn_machine_private_key_generate (&machine_key);
  fixture->client = tn_control_client_new (&config, &handler, fixture, &error);
  g_assert_no_error (error);
  tn_control_client_start (fixture->client);
}

static void
start_login (Fixture *fixture, gint64 pong_max_us)
{
  start (fixture, pong_max_us, 0, NULL);
  wait_for ("a URL", needs_login, fixture);
}

static void
join (Fixture *fixture, gint64 proof_max_us)
{
  g_autofree char *auth_key = tn_testkit_control_create_auth_key (fixture->control, "ada@example.test", TN_TESTKIT_AUTH_KEY_DEFAULT, NULL);

  start (fixture, 0, proof_max_us, auth_key);
  wait_for ("the map", is_running, fixture);
}

static void
approve (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (tn_testkit_control_approve (fixture->control, tn_control_client_get_auth_url (fixture->client), "ada@example.test", &error));
  wait_for ("the map", is_running, fixture);
}

/* --- A login that waits for a person --- */

/* It is asked again and again, and answers. */
static void
test_alive (Fixture *fixture, gconstpointer data)
{
  guint n_connections;

  start_login (fixture, PATIENCE_S * G_USEC_PER_SEC);
  n_connections = fixture->n_connections;
  fixture->wanted = fixture->n_from_server + 10;
  wait_for ("signs of life", has_heard, fixture);
  g_assert_cmpuint (fixture->n_connections, ==, n_connections);
  g_assert_no_error (fixture->timed_out);
  approve (fixture);
}

/* A connection that nothing comes through is given up, and the poll repeated on another one: whoever visits the URL then is not overlooked. */
static void
test_silent (Fixture *fixture, gconstpointer data)
{
  start_login (fixture, G_USEC_PER_SEC / 2);
  fixture->silent_until = fixture->n_connections;
  wait_for ("the silence to be noticed", has_timed_out, fixture);
  g_assert_nonnull (strstr (fixture->timed_out->message, "silent"));
  g_assert_true (needs_login (fixture));
  approve (fixture);
  g_assert_cmpuint (fixture->n_connections, >, fixture->silent_until);
}

/* --- Another network --- */

/* What is as good as before is kept. */
static void
test_same_way (Fixture *fixture, gconstpointer data)
{
  guint n_connections;

  join (fixture, PATIENCE_S * G_USEC_PER_SEC);
  n_connections = fixture->n_connections;
  for (guint i = 0; i < 3; i++)
    {
      fixture->wanted = fixture->n_from_server + 1;
      tn_control_client_network_changed (fixture->client);
      wait_for ("a sign of life", has_heard, fixture);
    }
  g_assert_cmpuint (fixture->n_connections, ==, n_connections);
  g_assert_no_error (tn_control_client_get_error (fixture->client));
}

static gboolean
has_connection (Fixture *fixture)
{
  return fixture->n_connections > fixture->wanted;
}

static gboolean
is_well (Fixture *fixture)
{
  return tn_control_client_get_error (fixture->client) == NULL && fixture->n_connections > fixture->silent_until;
}

/* Where the watchdog would take its two minutes. */
static void
test_no_way (Fixture *fixture, gconstpointer data)
{
  join (fixture, G_USEC_PER_SEC / 2);
  fixture->silent_until = fixture->n_connections;
  tn_control_client_network_changed (fixture->client);
  wait_for ("the silence to be noticed", has_timed_out, fixture);
  g_assert_true (is_running (fixture));
  wait_for ("another connection", is_well, fixture);
}

static gboolean
has_error (Fixture *fixture)
{
  return tn_control_client_get_error (fixture->client) != NULL && fixture->client->retries[TN_RETRY_CONNECT].timer != NULL;
}

/* What has failed often, and waits for long, is tried at once; unless the server itself has asked for the wait. */
static void
test_waiting (Fixture *fixture, gconstpointer data)
{
  TnRetry *retry;

  join (fixture, 0);
  retry = &fixture->client->retries[TN_RETRY_CONNECT];
  tn_testkit_control_stop (fixture->control);
  wait_for ("a failure", has_error, fixture);
  retry->failures = 1000;
  tn_control_client_network_changed (fixture->client);
  g_assert_cmpuint (retry->failures, ==, 0);
  g_assert_null (retry->timer);
  g_assert_nonnull (fixture->client->dial);

  wait_for ("a failure", has_error, fixture);
  tn_control_client_retry_when_told (fixture->client, TN_RETRY_CONNECT, "3600");
  tn_control_client_network_changed (fixture->client);
  g_assert_nonnull (retry->timer);
  g_assert_null (fixture->client->dial);
}

static gboolean
has_dial (Fixture *fixture)
{
  return fixture->client->dial != NULL;
}

/* A network that settles tells so several times: none is the end of a dial that has just begun. One that leads nowhere is begun anew when
 * it is of an age, well before its own limit. */
static void
test_young_dial (Fixture *fixture, gconstpointer data)
{
  TnControlDial *dial;
  guint n_connections;

  join (fixture, 0);
  fixture->silent_until = G_MAXUINT;
  fixture->wanted = fixture->n_connections;
  tn_control_client_lose_connection (fixture->client, 0);
  tn_control_client_network_changed (fixture->client);
  wait_for ("a dial", has_dial, fixture);
  dial = fixture->client->dial;
  for (guint i = 0; i < 10; i++)
    {
      tn_control_client_network_changed (fixture->client);
      g_assert_true (fixture->client->dial == dial);
    }
  wait_for ("its connection", has_connection, fixture);
  n_connections = fixture->n_connections;
  fixture->silent_until = n_connections;
  wait_for ("another connection", is_well, fixture);
  g_assert_true (is_running (fixture));

  /* An old one is not waited for. */
  fixture->silent_until = G_MAXUINT;
  tn_control_client_lose_connection (fixture->client, 0);
  tn_control_client_network_changed (fixture->client);
  wait_for ("a dial", has_dial, fixture);
  fixture->client->dial_begin_us -= 60 * G_USEC_PER_SEC;
  tn_control_client_network_changed (fixture->client);
  g_assert_cmpint (fixture->client->dial_begin_us, >, tn_boot_time_us () - 30 * G_USEC_PER_SEC);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add ("/control/silence/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("login/alive", test_alive);
  ADD ("login/silent", test_silent);
  ADD ("network-changed/same-way", test_same_way);
  ADD ("network-changed/no-way", test_no_way);
  ADD ("network-changed/waiting", test_waiting);
  ADD ("network-changed/young-dial", test_young_dial);
  return g_test_run ();
}
