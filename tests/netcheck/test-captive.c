/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <libsoup/soup.h>

#include "tn-captive-probe.h"

/* Whether a network holds one captive, as the answer to a question of the page /generate_204 shows. */

typedef struct
{
  guint       status;
  const char *location;      /* nullable */
  const char *response;      /* nullable: to the challenge; "right": the right one */
  guint       n_asked;
} Answer;

static void
answer_cb (SoupServer        *server,
           SoupServerMessage *message,
           const char        *path,
           GHashTable        *query,
           gpointer           user_data)
{
  const char *challenge = soup_message_headers_get_one (soup_server_message_get_request_headers (message), "X-Tailscale-Challenge");
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  Answer *answer = user_data;

  answer->n_asked++;
  g_assert_cmpstr (path, ==, "/generate_204");
  soup_server_message_set_status (message, answer->status, NULL);
  if (answer->location != NULL)
    soup_message_headers_append (headers, "Location", answer->location);
  if (g_strcmp0 (answer->response, "right") == 0)
    {
      g_autofree char *right = g_strdup_printf ("response %s", challenge);

      soup_message_headers_append (headers, "X-Tailscale-Response", right);
    }
  else if (answer->response != NULL)
    soup_message_headers_append (headers, "X-Tailscale-Response", answer->response);
}

static SoupServer *
start_server (Answer  *answer,
              guint16 *port)
{
  SoupServer *server = soup_server_new (NULL, NULL);
  g_autoptr (GError) error = NULL;
  GSList *uris;

  soup_server_add_handler (server, NULL, answer_cb, answer, NULL);
  soup_server_listen_local (server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (server);
  *port = (guint16) g_uri_get_port (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  return server;
}

/* Its connections end one turn of the loop after the other. */
static void
stop_server (SoupServer *server)
{
  soup_server_disconnect (server);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (server);
}

static TnRelayMap *
relay_map (gboolean can_port80)
{
  TnRelayMap *map = tn_relay_map_new ();
  TnRelayRegion *region = tn_relay_region_new (7, "here", "Here");
  TnRelayNode *node = tn_relay_node_new ("7a", "relay.test");

  node->ipv4 = g_strdup ("127.0.0.1");
  node->can_port80 = can_port80;
  g_ptr_array_add (region->nodes, node);
  tn_relay_map_take_region (map, region);
  return map;
}

static void
result_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static TnCaptive
probe (TnRelayMap    *relays,
       const char    *control_host,
       guint16        port,
       GCancellable  *cancellable,
       char         **portal)
{
  g_autoptr (GAsyncResult) result = NULL;

  tn_captive_probe_async (relays, 7, control_host, port, 0, cancellable, result_cb, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return tn_captive_probe_finish (result, portal);
}

static const struct { Answer answer; TnCaptive relay; TnCaptive control; const char *portal; } cases[] = {
  { { 204, NULL, "right" }, TN_CAPTIVE_NO, TN_CAPTIVE_NO, NULL },
  { { 204, NULL, NULL }, TN_CAPTIVE_YES, TN_CAPTIVE_NO, NULL },      /* only a relay knows the word */
  { { 204, NULL, "response ts_relay.other" }, TN_CAPTIVE_YES, TN_CAPTIVE_NO, NULL },
  { { 200, NULL, NULL }, TN_CAPTIVE_YES, TN_CAPTIVE_YES, NULL },
  { { 302, "http://portal.test/login?to=x", NULL }, TN_CAPTIVE_YES, TN_CAPTIVE_YES, "http://portal.test/login?to=x" },
  { { 302, "https://127.0.0.1/generate_204", NULL }, TN_CAPTIVE_YES, TN_CAPTIVE_UNKNOWN, "https://127.0.0.1/generate_204" },
  { { 302, "javascript:alert(1)", NULL }, TN_CAPTIVE_YES, TN_CAPTIVE_UNKNOWN, NULL },
  { { 511, NULL, NULL }, TN_CAPTIVE_YES, TN_CAPTIVE_YES, NULL },
  { { 404, NULL, NULL }, TN_CAPTIVE_UNKNOWN, TN_CAPTIVE_UNKNOWN, NULL },
  { { 503, NULL, NULL }, TN_CAPTIVE_UNKNOWN, TN_CAPTIVE_UNKNOWN, NULL },
};

static void
test_answers (void)
{
  Answer answer = { 0 };
  guint16 port;
  SoupServer *server = start_server (&answer, &port);
  g_autoptr (TnRelayMap) relays = relay_map (TRUE);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *relay_portal = NULL;
      g_autofree char *control_portal = NULL;

      answer = cases[i].answer;
      g_test_message ("case %u", i);
      g_assert_cmpint (probe (relays, NULL, port, NULL, &relay_portal), ==, cases[i].relay);
      g_assert_cmpint (probe (NULL, "127.0.0.1", port, NULL, &control_portal), ==, cases[i].control);
      g_assert_cmpuint (answer.n_asked, ==, 2);
      if (cases[i].relay == TN_CAPTIVE_YES)
        g_assert_cmpstr (relay_portal, ==, cases[i].portal);
      if (cases[i].control == TN_CAPTIVE_YES)
        g_assert_cmpstr (control_portal, ==, cases[i].portal);
    }
  stop_server (server);
}

/* Nobody to ask, nobody there, and nobody who waits for the answer. */
static void
test_silence (void)
{
  Answer answer = { 200 };
  guint16 port;
  SoupServer *server = start_server (&answer, &port);
  g_autoptr (TnRelayMap) unwilling = relay_map (FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autofree char *portal = NULL;

  g_assert_cmpint (probe (unwilling, NULL, port, NULL, &portal), ==, TN_CAPTIVE_UNKNOWN);
  g_assert_cmpint (probe (NULL, "not a host", port, NULL, &portal), ==, TN_CAPTIVE_UNKNOWN);
  g_cancellable_cancel (cancellable);
  g_assert_cmpint (probe (NULL, "127.0.0.1", port, cancellable, &portal), ==, TN_CAPTIVE_UNKNOWN);
  g_assert_cmpuint (answer.n_asked, ==, 0);
  stop_server (server);
  g_assert_cmpint (probe (NULL, "127.0.0.1", port, NULL, &portal), ==, TN_CAPTIVE_UNKNOWN);
  g_assert_null (portal);
}

/* --- A portal that never comes to an end --- */

static gboolean
drip_cb (gpointer connection)
{
  /* Until the other side has enough. */
  return g_output_stream_write (g_io_stream_get_output_stream (connection), "x", 1, NULL, NULL) == 1;
}

static gboolean
incoming_cb (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer data)
{
  GOutputStream *stream = g_io_stream_get_output_stream (G_IO_STREAM (connection));
  static const char head[] = "HTTP/1.1 200 OK\r\nX-Wait: ";

  g_output_stream_write_all (stream, head, strlen (head), NULL, NULL, NULL);
  g_timeout_add_full (G_PRIORITY_DEFAULT, 100, drip_cb, g_object_ref (connection), g_object_unref);
  return TRUE;
}

static void
test_endless (void)
{
  g_autoptr (GSocketService) service = g_socket_service_new ();
  guint16 port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (service), NULL, NULL);
  g_autofree char *portal = NULL;

  g_signal_connect (service, "incoming", G_CALLBACK (incoming_cb), NULL);
  g_assert_cmpint (probe (NULL, "127.0.0.1", port, NULL, &portal), ==, TN_CAPTIVE_UNKNOWN);
  g_assert_null (portal);
}

/* libsoup's server (seen in 3.2) never frees the socket of a connection that its client breaks off, as the probe does with all of them. */
int __lsan_is_turned_off (void);

int
__lsan_is_turned_off (void)
{
  return 1;
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/netcheck/captive/answers", test_answers);
  g_test_add_func ("/netcheck/captive/silence", test_silence);
  g_test_add_func ("/netcheck/captive/endless", test_endless);
  return g_test_run ();
}
