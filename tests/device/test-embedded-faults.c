/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "device-kit.h"

static TnTestkitTailnet *tailnet;

static TnTestkitControl *
control (void)
{
  return tn_testkit_tailnet_get_control (tailnet);
}

/* --- Who may not join --- */

static void
check_rejected (const char *auth_key)
{
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "stranger", NULL, FALSE);
  g_autoptr (GError) error = NULL;

  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (device), auth_key);
  g_assert_false (kit_start (device, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_AUTH_REJECTED);
  g_test_message ("%s", error->message);
  g_assert_null (strstr (error->message, auth_key));      /* no secret in a message */
  g_assert_cmpint (tn_device_get_state (device), ==, TN_DEVICE_STATE_STOPPED);
}

static void
test_auth_key (void)
{
  g_autofree char *once = tn_testkit_control_create_auth_key (control (), "user@example.test", TN_TESTKIT_AUTH_KEY_DEFAULT, NULL);
  g_autofree char *expired = tn_testkit_control_create_auth_key (control (), "user@example.test", TN_TESTKIT_AUTH_KEY_EXPIRED, NULL);
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "first", NULL, FALSE);

  check_rejected ("tskey-auth-wrong");
  check_rejected (expired);
  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (device), once);
  g_assert_true (kit_start (device, NULL));
  kit_stop (device);
  check_rejected (once);
}

/* --- A server that cannot be reached: the device says so, and goes on trying --- */

static void
check_unreachable (const char   *url,
                   GTlsDatabase *database,
                   const char   *reason)
{
  g_autoptr (TnDevice) device = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "lost", "control-url", url,
                                              "tls-database", database, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  tn_device_start_async (device, cancellable, kit_result_cb, &result);
  text = kit_wait_health (device, "control-connection");
  g_test_message ("%s", text);
  g_assert_nonnull (strstr (text, reason));
  g_assert_null (result);
  g_cancellable_cancel (cancellable);
  g_assert_false (tn_device_start_finish (device, kit_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_unreachable (void)
{
  check_unreachable ("https://control.invalid", NULL, "control.invalid");
  check_unreachable ("http://127.0.0.1:1", NULL, "127.0.0.1:1");
}

/* Answers for ever. Notes how much it got rid of before the other side hung up. */
typedef struct
{
  const char *head;
  const char *rest;        /* again and again */
  const char *reason;      /* what the device says */
} Endless;

static gboolean
endless_cb (GThreadedSocketService *service,
            GSocketConnection      *connection,
            GObject                *source,
            gpointer                user_data)
{
  const Endless *endless = user_data;
  GOutputStream *out = g_io_stream_get_output_stream (G_IO_STREAM (connection));
  g_autoptr (GString) rest = g_string_new (NULL);
  gsize n = 0;

  while (rest->len < 64 << 10)
    g_string_append (rest, endless->rest);
  g_output_stream_write_all (out, endless->head, strlen (endless->head), NULL, NULL, NULL);
  while (n < 256 << 20 && g_output_stream_write_all (out, rest->str, rest->len, NULL, NULL, NULL))
    n += rest->len;
  g_assert_cmpuint (n, <, 64 << 20);      /* what sockets take, and no more */
  return TRUE;
}

static void
test_endless_answer (gconstpointer data)
{
  const Endless *endless = data;
  g_autoptr (GSocketService) service = g_threaded_socket_service_new (4);
  g_autoptr (GError) error = NULL;
  g_autofree char *url = NULL;
  guint16 port;

  g_signal_connect (service, "run", G_CALLBACK (endless_cb), (gpointer) (guintptr) endless);
  port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (service), NULL, &error);
  g_assert_no_error (error);
  url = g_strdup_printf ("http://127.0.0.1:%u", port);
  check_unreachable (url, NULL, endless->reason);
  g_socket_service_stop (service);
  g_socket_listener_close (G_SOCKET_LISTENER (service));
}

static void
test_wrong_certificate (void)
{
  g_autoptr (TnTestkitTailnet) secure = g_object_new (TN_TESTKIT_TYPE_TAILNET, "tls", TRUE, NULL);
  g_autoptr (TnDevice) device = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *url = NULL;

  g_assert_true (tn_testkit_tailnet_start (secure, &error));
  url = tn_testkit_tailnet_dup_control_url (secure);
  check_unreachable (url, tn_testkit_tailnet_get_tls_database (tailnet), "certificate for 127.0.0.1 is signed by an unknown authority");

  device = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "trusting", "control-url", url,
                         "tls-database", tn_testkit_tailnet_get_tls_database (secure),
                         "auth-key", tn_testkit_tailnet_get_auth_key (secure), NULL);
  g_assert_true (kit_start (device, &error));
  kit_stop (device);
}

static void
test_bad_url (void)
{
  static const char *const urls[] = { "nonsense", "ftp://control.example.test", "http://control.example.test" };

  for (gsize i = 0; i < G_N_ELEMENTS (urls); i++)
    {
      g_autoptr (TnEmbeddedDevice) device = tn_embedded_device_new ("bad", urls[i], NULL);
      g_autoptr (GError) error = NULL;

      g_assert_false (kit_start (TN_DEVICE (device), &error));
      g_test_message ("%s", error->message);
      g_assert_nonnull (strstr (error->message, urls[i]));
    }
}

/* --- A server that misbehaves once: joined all the same, and the health item is gone --- */

static void
test_server_faults (void)
{
  static const TnTestkitStage stages[] = { TN_TESTKIT_STAGE_KEY, TN_TESTKIT_STAGE_UPGRADE, TN_TESTKIT_STAGE_REGISTER, TN_TESTKIT_STAGE_MAP };
  static const TnTestkitFault faults[] = { TN_TESTKIT_FAULT_CLOSE, TN_TESTKIT_FAULT_GARBAGE, TN_TESTKIT_FAULT_BAD_JSON,
                                           TN_TESTKIT_FAULT_OVERSIZE, TN_TESTKIT_FAULT_TRUNCATED, TN_TESTKIT_FAULT_SERVER_ERROR };

  for (gsize i = 0; i < G_N_ELEMENTS (stages); i++)
    for (gsize j = 0; j < G_N_ELEMENTS (faults); j++)
      {
        g_autoptr (TnDevice) device = kit_device_new (tailnet, "patient", NULL, TRUE);
        g_autoptr (GError) error = NULL;

        g_test_message ("stage %u, fault %u", stages[i], faults[j]);
        tn_testkit_control_inject_fault (control (), stages[i], faults[j], 1);
        kit_start (device, &error);
        g_assert_no_error (error);
        kit_wait_healthy (device, "control-connection");
        kit_stop (device);
        tn_testkit_control_inject_fault (control (), stages[i], TN_TESTKIT_FAULT_NONE, 0);
      }
}

/* Told when to come back, it comes back then and not before. */
static void
test_told_to_wait (gconstpointer data)
{
  TnTestkitFault fault = GPOINTER_TO_INT (data);
  static const TnTestkitStage stages[] = { TN_TESTKIT_STAGE_KEY, TN_TESTKIT_STAGE_REGISTER, TN_TESTKIT_STAGE_MAP };

  g_object_set (control (), "retry-after", 1, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (stages); i++)
    {
      g_autoptr (TnDevice) device = kit_device_new (tailnet, "modest", NULL, TRUE);
      gint64 begin_us = g_get_monotonic_time ();
      g_autoptr (GError) error = NULL;

      tn_testkit_control_inject_fault (control (), stages[i], fault, 1);
      kit_start (device, &error);
      g_assert_no_error (error);
      g_assert_cmpint (g_get_monotonic_time () - begin_us, >=, 950 * 1000);
      kit_wait_healthy (device, "control-connection");
      kit_stop (device);
    }
}

/* --- Trouble while bytes flow --- */

typedef struct
{
  TnDevice     *ada;
  TnDevice     *bob;
  TnConnection *client;
  TnConnection *server;
} Talk;

static void
talk_begin (Talk *talk)
{
  talk->ada = kit_device_join (tailnet, "ada");
  talk->bob = kit_device_join (tailnet, "bob");
  kit_pair (talk->ada, talk->bob, "bob", 80, &talk->client, &talk->server);
}

static void
talk_end (Talk *talk)
{
  g_object_unref (talk->client);
  g_object_unref (talk->server);
  kit_stop (talk->ada);
  kit_stop (talk->bob);
  g_object_unref (talk->ada);
  g_object_unref (talk->bob);
  /* The next ones of these names shall have them. */
  tn_testkit_control_delete_node (control (), "ada", NULL);
  tn_testkit_control_delete_node (control (), "bob", NULL);
}

static void
test_relay_restarted (void)
{
  KitTransfer *transfer;
  Talk talk;

  talk_begin (&talk);
  transfer = kit_transfer_start (talk.client, talk.server, 16 << 20, 5);
  kit_transfer_wait_bytes (transfer, 1 << 20);
  g_assert_true (tn_testkit_tailnet_stop_relay (tailnet, KIT_REGION));
  g_free (kit_wait_health (talk.ada, "relay-900"));
  g_assert_true (tn_testkit_tailnet_start_relay (tailnet, KIT_REGION, NULL));
  kit_transfer_finish (transfer);
  kit_wait_healthy (talk.ada, "relay-900");
  talk_end (&talk);
}

static void
test_control_restarted (void)
{
  Talk talk;

  talk_begin (&talk);
  tn_testkit_control_stop (control ());
  g_free (kit_wait_health (talk.ada, "control-connection"));
  g_assert_cmpint (tn_device_get_state (talk.ada), ==, TN_DEVICE_STATE_RUNNING);
  kit_transfer_finish (kit_transfer_start (talk.client, talk.server, 4 << 20, 5));
  g_assert_true (tn_testkit_control_start (control (), NULL));
  kit_wait_healthy (talk.ada, "control-connection");
  kit_echo (talk.client, talk.server, "still there");
  talk_end (&talk);
}

/* A flow that was let in goes on. */
static void
test_filter_changed (void)
{
  g_autoptr (GError) error = NULL;
  KitTransfer *transfer;
  Talk talk;

  talk_begin (&talk);
  transfer = kit_transfer_start (talk.client, talk.server, 8 << 20, 7);
  kit_transfer_wait_bytes (transfer, 1 << 20);
  g_assert_true (tn_testkit_control_set_packet_filter_json (
    control (), "[{\"SrcIPs\":[\"*\"],\"DstPorts\":[{\"IP\":\"*\",\"Ports\":{\"First\":80,\"Last\":80}}]}]", &error));
  kit_transfer_finish (transfer);
  kit_echo (talk.server, talk.client, "and back");
  g_assert_true (tn_testkit_control_set_packet_filter_json (control (), NULL, NULL));
  talk_end (&talk);
}

/* Rules that would let in a node outside of tailnet lock: nobody gets in any more, but who is in already. */
static void
test_filter_refused (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  Talk talk;

  talk_begin (&talk);
  g_assert_true (tn_testkit_control_set_node_json (control (), "ada", "{\"UnsignedPeerAPIOnly\":true}", &error));
  text = kit_wait_health (talk.bob, "packet-filter");
  g_assert_nonnull (strstr (text, "tailnet lock"));

  /* Health is told first, and the data thread has the filter a moment later. */
  do
    {
      g_clear_error (&error);
      g_assert_null (kit_connect (talk.ada, "bob", 82, &error));
    }
  while (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED));
  g_assert_error (error, TN_ERROR, TN_ERROR_BLOCKED);
  g_clear_error (&error);
  kit_echo (talk.client, talk.server, "still there");

  g_assert_true (tn_testkit_control_set_node_json (control (), "ada", NULL, &error));
  kit_wait_healthy (talk.bob, "packet-filter");
  talk_end (&talk);
}

/* Who is not let in hears so at once, and from whom: no connection times out for it. */
static void
test_connect_blocked (void)
{
  g_autoptr (TnDevice) ada = NULL;
  g_autoptr (TnDevice) bob = NULL;
  g_autoptr (TnNode) peer = NULL;
  g_autoptr (TnConnection) client = NULL;
  g_autoptr (TnConnection) server = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *address = NULL;

  g_assert_true (tn_testkit_control_set_packet_filter_json (
    control (), "[{\"SrcIPs\":[\"*\"],\"DstPorts\":[{\"IP\":\"*\",\"Ports\":{\"First\":80,\"Last\":80}}]}]", &error));
  ada = kit_device_join (tailnet, "ada");
  bob = kit_device_join (tailnet, "bob");
  peer = kit_wait_peer (ada, "bob");
  kit_pair (ada, bob, "bob", 80, &client, &server);
  g_assert_null (kit_connect (ada, "bob", 81, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_BLOCKED);
  address = g_strdup_printf ("%s:81", tn_node_get_addresses (peer)[0]);
  g_assert_nonnull (strstr (error->message, "bob: cannot connect to"));
  g_assert_nonnull (strstr (error->message, address));
  g_assert_nonnull (strstr (error->message, "policy"));
  kit_echo (client, server, "still there");
  g_assert_true (tn_testkit_control_set_packet_filter_json (control (), NULL, NULL));
  g_clear_object (&client);
  g_clear_object (&server);
  g_clear_object (&peer);
  kit_free (g_steal_pointer (&ada));
  kit_free (g_steal_pointer (&bob));
}

static void
test_peer_removed (void)
{
  Talk talk;

  talk_begin (&talk);
  g_assert_true (tn_testkit_control_delete_node (control (), "bob", NULL));
  kit_wait_gone (talk.ada, "bob");
  talk_end (&talk);
}

/* --- A device that cannot go on says why --- */

static void
note_state_cb (TnDevice   *device,
               GParamSpec *pspec,
               gpointer    data)
{
  g_autoptr (GError) error = tn_device_dup_error (device);

  /* Who looks at the state finds the reason in place. */
  if (tn_device_get_state (device) != TN_DEVICE_STATE_STOPPED)
    return;
  g_clear_error ((GError **) data);
  *(GError **) data = g_steal_pointer (&error);
}

static void
test_stops_by_itself (void)
{
  g_autofree char *folder = g_dir_make_tmp ("tailnet-XXXXXX", NULL);
  g_autofree char *key = g_build_filename (folder, "node-key.state", NULL);
  g_autoptr (TnStateStore) store = tn_file_state_store_new (folder);
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "unsaved", store, TRUE);
  g_autoptr (GAsyncResult) login = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) seen = NULL;
  g_autoptr (GError) again = NULL;
  g_autoptr (GError) login_error = NULL;

  g_assert_true (kit_start (device, NULL));
  error = tn_device_dup_error (device);
  g_assert_no_error (error);

  g_signal_connect (device, "notify::state", G_CALLBACK (note_state_cb), &seen);
  g_assert_true (tn_testkit_control_set_node_expiry (control (), "unsaved", 1, NULL));
  kit_wait_state (device, TN_DEVICE_STATE_NEEDS_LOGIN);
  g_assert_cmpint (g_remove (key), ==, 0);
  g_assert_cmpint (g_mkdir (key, 0700), ==, 0);      /* no key can be saved there */
  g_test_expect_message ("tailnet", G_LOG_LEVEL_MESSAGE, "device unsaved stops: *");
  tn_device_login_async (device, NULL, kit_result_cb, &login);
  g_assert_false (tn_device_login_finish (device, kit_wait (&login), &login_error));
  kit_wait_state (device, TN_DEVICE_STATE_STOPPED);
  g_test_assert_expected_messages ();
  error = tn_device_dup_error (device);
  g_assert_error (error, login_error->domain, login_error->code);
  g_assert_error (seen, login_error->domain, login_error->code);
  g_assert_nonnull (strstr (error->message, "cannot save the node key"));

  /* A start that fails shows its error, too; one that is cancelled or stopped has none. */
  g_assert_false (kit_start (device, &again));
  g_clear_error (&error);
  error = tn_device_dup_error (device);
  g_assert_error (error, again->domain, again->code);
  g_assert_cmpstr (error->message, ==, again->message);
  g_assert_cmpint (g_rmdir (key), ==, 0);
  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (device), tn_testkit_tailnet_get_auth_key (tailnet));
  g_assert_true (kit_start (device, NULL));
  g_clear_error (&error);
  kit_stop (device);
  error = tn_device_dup_error (device);
  g_assert_no_error (error);
  g_signal_handlers_disconnect_by_data (device, &seen);
}

typedef struct
{
  TnDevice     *device;
  GAsyncResult *result;
} Restart;

static void
restart_cb (TnDevice   *device,
            GParamSpec *pspec,
            gpointer    data)
{
  Restart *restart = data;

  if (tn_device_get_state (device) == TN_DEVICE_STATE_STOPPED && restart->device == NULL)
    {
      restart->device = device;
      tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (device), tn_testkit_tailnet_get_auth_key (tailnet));
      tn_device_start_async (device, NULL, kit_result_cb, &restart->result);
    }
}

/* From inside of the notification that it has stopped, while the start that failed has not ended yet. */
static void
test_restart_at_once (void)
{
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "eager", NULL, FALSE);
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GError) error = NULL;
  Restart restart = { NULL };

  g_signal_connect (device, "notify::state", G_CALLBACK (restart_cb), &restart);
  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (device), "tskey-auth-wrong");
  tn_device_start_async (device, NULL, kit_result_cb, &first);
  g_assert_false (tn_device_start_finish (device, kit_wait (&first), &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_AUTH_REJECTED);
  g_clear_error (&error);
  g_assert_true (tn_device_start_finish (device, kit_wait (&restart.result), &error));
  g_assert_no_error (error);
  g_clear_object (&restart.result);

  restart.device = device;
  kit_stop (device);
}

static const Endless endless_body = { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", " ", "answer of more than" };
static const Endless endless_interim = { "", "HTTP/1.1 100 Continue\r\n\r\n", "interim responses" };

int
main (int    argc,
      char **argv)
{
  int code;

  g_test_init (&argc, &argv, NULL);
  tailnet = kit_tailnet_new ();

  g_test_add_func ("/device/embedded-faults/auth-key", test_auth_key);
  g_test_add_func ("/device/embedded-faults/unreachable", test_unreachable);
  g_test_add_data_func ("/device/embedded-faults/endless/body", &endless_body, test_endless_answer);
  g_test_add_data_func ("/device/embedded-faults/endless/interim", &endless_interim, test_endless_answer);
  g_test_add_func ("/device/embedded-faults/wrong-certificate", test_wrong_certificate);
  g_test_add_func ("/device/embedded-faults/bad-url", test_bad_url);
  g_test_add_func ("/device/embedded-faults/server-faults", test_server_faults);
  g_test_add_data_func ("/device/embedded-faults/too-many-requests", GINT_TO_POINTER (TN_TESTKIT_FAULT_TOO_MANY_REQUESTS), test_told_to_wait);
  g_test_add_data_func ("/device/embedded-faults/unavailable", GINT_TO_POINTER (TN_TESTKIT_FAULT_UNAVAILABLE), test_told_to_wait);
  g_test_add_func ("/device/embedded-faults/relay-restarted", test_relay_restarted);
  g_test_add_func ("/device/embedded-faults/control-restarted", test_control_restarted);
  g_test_add_func ("/device/embedded-faults/filter-changed", test_filter_changed);
  g_test_add_func ("/device/embedded-faults/filter-refused", test_filter_refused);
  g_test_add_func ("/device/embedded-faults/connect-blocked", test_connect_blocked);
  g_test_add_func ("/device/embedded-faults/peer-removed", test_peer_removed);
  g_test_add_func ("/device/embedded-faults/stops-by-itself", test_stops_by_itself);
  g_test_add_func ("/device/embedded-faults/restart-at-once", test_restart_at_once);

  code = g_test_run ();
  g_object_unref (tailnet);
  return code;
}
