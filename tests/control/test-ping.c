/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gio/gio.h>
#include <string.h>

#include "tailnet-testkit.h"
#include "tn-control-client-private.h"
#include "wait.h"

/* A server that asks and asks, and never says that it has the answer: so many answers are under way, and no more. Likewise pings of
 * peers that never answer. */

enum { ASKED = 12, UNDER_WAY = 4, PINGS_UNDER_WAY = 8 };

typedef struct
{
  TnTestkitControl *control;
  TnControlClient  *client;
  guint             n_inside;      /* requests at the path that hangs */
  GPtrArray        *outside;       /* GIOStream, not answered */
  char             *last_path;     /* of them */
  GPtrArray        *pings;         /* GTask: asked for, not answered */
  GArray           *kinds;         /* of TnControlPing: of all that were asked for */
  GTask            *report;        /* nullable; asked for, not answered */
  guint             n_ended;       /* connections that the client has closed */
  GString          *answers;       /* of pings: bodies of POST requests at the path "/answer" */
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

static void
called_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
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
  if (g_str_equal (path, "/answer"))
    g_string_append (fixture->answers, body);
}

static void
ping_cb (TnControlClient *client, TnControlPing kind, const TnIpAddress *address, GTask *task, gpointer user_data)
{
  Fixture *fixture = user_data;

  g_ptr_array_add (fixture->pings, g_object_ref (task));
  g_array_append_val (fixture->kinds, kind);
}

static void
report_cb (TnControlClient *client, TnC2nReport report, GTask *task, gpointer user_data)
{
  g_assert_cmpint (report, ==, TN_C2N_REPORT_METRICS);
  g_set_object (&((Fixture *) user_data)->report, task);
}

static void
stopped_cb (TnControlClient *client, const GError *error, gpointer user_data)
{
  ((Fixture *) user_data)->stopped = TRUE;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  static const TnControlHandler handler = { .ping = ping_cb, .report = report_cb };
  g_autoptr (TnHostinfo) hostinfo = tn_hostinfo_new_for_system ();
  g_autofree char *url = NULL;
  g_autofree char *auth_key = NULL;
  g_autoptr (GError) error = NULL;
  TnMachinePrivateKey machine_key;
  TnDiscoPrivateKey disco_key;
  TnControlConfig config = { .machine_key = &machine_key, .hostinfo = hostinfo, .question_max_us = GPOINTER_TO_INT (data) };

  fixture->pings = g_ptr_array_new_with_free_func (g_object_unref);
  fixture->kinds = g_array_new (FALSE, FALSE, sizeof (TnControlPing));
  fixture->answers = g_string_new (NULL);
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
fail_pings (Fixture *fixture)
{
  for (guint i = 0; i < fixture->pings->len; i++)
    g_task_return_new_error (g_ptr_array_index (fixture->pings, i), G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer");
  g_ptr_array_set_size (fixture->pings, 0);
}

/* What is under way then ends, and may say so later. */
static void
tear_down (Fixture *fixture, gconstpointer data)
{
  tn_control_client_stop (fixture->client, stopped_cb, fixture);
  wait_for ("the end", is_stopped, fixture);
  for (guint i = 0; i < fixture->pings->len; i++)
    g_assert_true (g_cancellable_is_cancelled (g_task_get_cancellable (g_ptr_array_index (fixture->pings, i))));
  fail_pings (fixture);
  if (fixture->report != NULL)
    g_task_return_pointer (fixture->report, g_strdup ("late"), g_free);
  g_clear_object (&fixture->report);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_ptr_array_unref (fixture->pings);
  g_array_unref (fixture->kinds);
  g_string_free (fixture->answers, TRUE);
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

/* --- Pings of peers --- */

static void
ask_for_ping (Fixture *fixture, const char *url, gboolean inside, const char *types, const char *address)
{
  g_autofree char *message = g_strdup_printf ("{\"PingRequest\":{\"URL\":\"%s\",\"URLIsNoise\":%s,\"Types\":\"%s\",\"IP\":\"%s\"}}",
                                              url, inside ? "true" : "false", types, address);

  g_assert_cmpuint (tn_testkit_control_send_map_response (fixture->control, "node", message), ==, 1);
}

static void
test_kinds (Fixture *fixture, gconstpointer data)
{
  static const struct { const char *types; guint kinds; } cases[] = {
    { "disco", 1 << TN_CONTROL_PING_DISCO }, { "TSMP", 1 << TN_CONTROL_PING_TSMP }, { "ICMP", 1 << TN_CONTROL_PING_ICMP },
    { "peerapi", 1 << TN_CONTROL_PING_PEERAPI }, { "TSMP,disco", 1 << TN_CONTROL_PING_DISCO | 1 << TN_CONTROL_PING_TSMP },
    { "disco,TSMP,ICMP,peerapi", (1 << TN_CONTROL_N_PINGS) - 1 }, { "disco,disco,disco", 1 << TN_CONTROL_PING_DISCO },
    { "tsmp", 0 }, { "Disco", 0 }, { " disco", 0 }, { "C2N", 0 }, { "c2n,x", 0 }, { ",,,", 0 }, { "nonsense,ICMP", 1 << TN_CONTROL_PING_ICMP },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *url = g_strdup_printf ("http://control.example/answer?%u", i);
      guint kinds = 0;

      ask_for_ping (fixture, url, TRUE, cases[i].types, "100.64.0.9");
      check_ping (fixture, TRUE);
      for (guint j = 0; j < fixture->kinds->len; j++)
        kinds |= 1u << g_array_index (fixture->kinds, TnControlPing, j);
      g_test_message ("%s", cases[i].types);
      g_assert_cmpuint (kinds, ==, cases[i].kinds);
      g_assert_cmpuint (fixture->kinds->len, ==, fixture->pings->len);
      g_assert_cmpuint (fixture->kinds->len, <=, TN_CONTROL_N_PINGS);
      g_array_set_size (fixture->kinds, 0);
      fail_pings (fixture);
      check_ping (fixture, TRUE);
    }
  g_assert_cmpstr (fixture->answers->str, ==, "");      /* of what failed the server hears nothing */
}

static void
test_no_address (Fixture *fixture, gconstpointer data)
{
  static const char *const addresses[] = { "", "nobody", "100.64.0.9/32", "100.64.0.9 ", "fe80::1%eth0", "1.2.3", "\\u0000" };
  g_autofree char *huge = g_strnfill (1 << 20, '1');
  guint n = 0;

  for (guint i = 0; i < G_N_ELEMENTS (addresses); i++)
    {
      g_autofree char *url = g_strdup_printf ("http://control.example/answer?%u", n++);

      ask_for_ping (fixture, url, TRUE, "disco", addresses[i]);
    }
  ask_for_ping (fixture, "http://control.example/answer?address", TRUE, "disco", huge);
  ask_for_ping (fixture, "http://control.example/answer?types", TRUE, huge, "100.64.0.9");
  ask_for_ping (fixture, "file:///etc/passwd", FALSE, "disco", "100.64.0.9");
  ask_for_ping (fixture, "", FALSE, "disco", "100.64.0.9");
  check_ping (fixture, TRUE);
  g_assert_cmpuint (fixture->kinds->len, ==, 0);
}

/* Of the same URL, once; of others, so many at a time. Signs of life do not wait for them. */
static void
test_flood (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 3; i++)
    ask_for_ping (fixture, "http://control.example/answer", TRUE, "disco", "100.64.0.9");
  check_ping (fixture, TRUE);
  g_assert_cmpuint (fixture->pings->len, ==, 1);
  for (guint i = 0; i < ASKED; i++)
    {
      g_autofree char *url = g_strdup_printf ("http://control.example/answer?%u", i);

      ask_for_ping (fixture, url, i % 2 == 0, "disco,TSMP", "100.64.0.9");
    }
  check_ping (fixture, TRUE);
  check_ping (fixture, FALSE);
  g_assert_cmpuint (fixture->pings->len, ==, PINGS_UNDER_WAY);
  fail_pings (fixture);
  check_ping (fixture, TRUE);
  ask_for_ping (fixture, "http://control.example/answer?again", TRUE, "ICMP", "fd7a:115c:a1e0::9");
  check_ping (fixture, TRUE);
  g_assert_cmpuint (fixture->pings->len, ==, 1);      /* tear_down() finds it ended */
}

static gboolean
is_given_up (Fixture *fixture)
{
  return fixture->pings->len > 0 && g_cancellable_is_cancelled (g_task_get_cancellable (g_ptr_array_index (fixture->pings, 0)));
}

/* A peer that never answers is given up, and makes room for others. */
static void
test_limit (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 2 * PINGS_UNDER_WAY; i++)
    {
      g_autofree char *url = g_strdup_printf ("http://control.example/answer?%u", i);

      ask_for_ping (fixture, url, TRUE, "disco", "100.64.0.9");
      wait_for ("the limit", is_given_up, fixture);
      fail_pings (fixture);
    }
}

/* What is known, as the server gets it. */
static void
test_answer (Fixture *fixture, gconstpointer data)
{
  static const char *const expected =
    "{\"Type\":\"TSMP\",\"IP\":\"100.64.0.9\",\"NodeIP\":\"100.64.0.7\",\"NodeName\":\"bob\",\"LatencySeconds\":0.012345,"
    "\"DERPRegionID\":900,\"DERPRegionCode\":\"fra\"}"
    "{\"Type\":\"disco\",\"IP\":\"100.64.0.9\",\"LatencySeconds\":0.000001,\"PeerRelay\":\"192.0.2.1:41641:vni:7\"}"
    "{\"Type\":\"disco\",\"IP\":\"100.64.0.9\",\"LatencySeconds\":0.000001,\"Endpoint\":\"192.0.2.1:41641\"}"
    "{\"Type\":\"peerapi\",\"IP\":\"100.64.0.9\",\"Err\":\"no \\\"way\\\"\",\"IsLocalIP\":true}";
  static const char *const types[] = { "TSMP", "disco", "disco", "peerapi" };

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_autofree char *url = g_strdup_printf ("http://control.example/answer?%u", i);
      TnPong *pong = tn_pong_new ();

      ask_for_ping (fixture, url, TRUE, types[i], "100.64.0.9");
      check_ping (fixture, TRUE);
      g_assert_cmpuint (fixture->pings->len, ==, 1);
      if (i == 0)
        {
          g_assert_true (tn_ip_address_parse ("100.64.0.7", &pong->node_address));
          pong->node_name = g_strdup ("bob");
          pong->latency_us = 12345;
          pong->region = 900;
          pong->region_code = g_strdup ("fra");
        }
      else if (i < 3)
        {
          g_assert_true (tn_ip_endpoint_parse ("192.0.2.1:41641", &pong->endpoint));
          pong->vni = i == 1 ? 7 : -1;
          pong->latency_us = 1;
        }
      else
        {
          pong->problem = g_strdup ("no \"way\"");
          pong->is_own = TRUE;
        }
      g_task_return_pointer (g_ptr_array_index (fixture->pings, 0), pong, (GDestroyNotify) tn_pong_free);
      g_ptr_array_set_size (fixture->pings, 0);
      check_ping (fixture, TRUE);
      check_ping (fixture, TRUE);      /* behind it in the connection */
    }
  g_assert_cmpstr (fixture->answers->str, ==, expected);
}

static gboolean
has_end (Fixture *fixture)
{
  return fixture->n_ended > 0;
}

static void
read_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GIOStream) connection = user_data;
  Fixture *fixture = g_object_get_data (G_OBJECT (connection), "fixture");
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (object), result, NULL);

  if (bytes == NULL || g_bytes_get_size (bytes) == 0)
    {
      fixture->n_ended++;
      return;
    }
  g_input_stream_read_bytes_async (G_INPUT_STREAM (object), 4096, G_PRIORITY_DEFAULT, NULL, read_cb, g_object_ref (connection));
}

/* The head of an answer of a gigabyte, of which nothing follows. */
static gboolean
endless_cb (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer user_data)
{
  static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n<html>";

  g_object_set_data (G_OBJECT (connection), "fixture", user_data);
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), head, strlen (head), NULL, NULL, NULL);
  g_input_stream_read_bytes_async (g_io_stream_get_input_stream (G_IO_STREAM (connection)), 4096, G_PRIORITY_DEFAULT, NULL, read_cb,
                                   g_object_ref (connection));
  return TRUE;
}

/* Nobody reads what the server makes of it. */
static void
test_endless (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GSocketService) service = g_socket_service_new ();
  g_autoptr (GBytes) megabyte = g_bytes_new_take (g_malloc0 (1 << 20), 1 << 20);
  g_autofree char *url = NULL;
  guint16 port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (service), NULL, NULL);

  g_signal_connect (service, "incoming", G_CALLBACK (endless_cb), fixture);
  url = g_strdup_printf ("http://127.0.0.1:%u/answer", port);
  ask_for_ping (fixture, url, FALSE, "TSMP", "100.64.0.9");
  check_ping (fixture, TRUE);
  g_task_return_pointer (g_ptr_array_index (fixture->pings, 0), tn_pong_new (), (GDestroyNotify) tn_pong_free);
  g_ptr_array_set_size (fixture->pings, 0);
  wait_for ("the end of the connection", has_end, fixture);
  g_socket_service_stop (service);

  for (guint i = 0; i < ASKED; i++)
    {
      g_autofree char *inside = g_strdup_printf ("http://control.example/machine/register?%u", i);

      tn_testkit_control_script_answer (fixture->control, TN_TESTKIT_STAGE_REGISTER, 200, NULL, megabyte);
      ask (fixture, inside, TRUE, i % 2 == 1);
      check_ping (fixture, TRUE);
    }
}

/* --- Requests that take their time --- */

static gboolean
has_report (Fixture *fixture)
{
  return fixture->report != NULL;
}

static void
test_report (Fixture *fixture, gconstpointer data)
{
  static const char expected[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nmuch";
  g_autoptr (GBytes) request = g_bytes_new_static ("GET /debug/metrics HTTP/1.1\r\n\r\n", 31);

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GBytes) answer = NULL;
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();

      tn_testkit_control_call_node_async (fixture->control, "node", request, cancellable, called_cb, &result);
      wait_for ("the question", has_report, fixture);
      check_ping (fixture, TRUE);      /* nothing waits for it */
      if (i == 1)      /* tear_down() leaves while it is under way */
        {
          g_cancellable_cancel (cancellable);
          while (result == NULL)
            g_main_context_iteration (NULL, TRUE);
          return;
        }
      g_task_return_pointer (fixture->report, g_strdup ("much"), g_free);
      g_clear_object (&fixture->report);
      while (result == NULL)
        g_main_context_iteration (NULL, TRUE);
      answer = tn_testkit_control_call_node_finish (fixture->control, result, NULL);
      g_assert_cmpmem (g_bytes_get_data (answer, NULL), g_bytes_get_size (answer), expected, strlen (expected));
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/control/ping/inside", Fixture, NULL, set_up, test_inside, tear_down);
  g_test_add ("/control/ping/outside", Fixture, NULL, set_up, test_outside, tear_down);
  g_test_add ("/control/ping/kinds", Fixture, NULL, set_up, test_kinds, tear_down);
  g_test_add ("/control/ping/no-address", Fixture, NULL, set_up, test_no_address, tear_down);
  g_test_add ("/control/ping/flood", Fixture, NULL, set_up, test_flood, tear_down);
  g_test_add ("/control/ping/answer", Fixture, NULL, set_up, test_answer, tear_down);
  g_test_add ("/control/ping/limit", Fixture, GINT_TO_POINTER (1000), set_up, test_limit, tear_down);
  g_test_add ("/control/ping/endless", Fixture, NULL, set_up, test_endless, tear_down);
  g_test_add ("/control/ping/report", Fixture, NULL, set_up, test_report, tear_down);
  return g_test_run ();
}
