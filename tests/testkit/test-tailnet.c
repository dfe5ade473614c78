/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tailnet-testkit.h"

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

static void
test_access (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = tn_testkit_tailnet_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *url = NULL;
  g_autofree char *again = NULL;
  g_autofree char *key = NULL;

  url = tn_testkit_tailnet_dup_control_url (tailnet);
  g_assert_null (url);
  g_assert_null (tn_testkit_tailnet_get_auth_key (tailnet));
  g_assert_true (tn_testkit_tailnet_start (tailnet, &error));
  g_assert_no_error (error);
  url = tn_testkit_tailnet_dup_control_url (tailnet);
  g_assert_true (g_str_has_prefix (url, "http://127.0.0.1:"));
  g_assert_nonnull (tn_testkit_tailnet_get_tls_database (tailnet));
  key = g_strdup (tn_testkit_tailnet_get_auth_key (tailnet));
  g_assert_nonnull (key);

  tn_testkit_tailnet_stop (tailnet);
  g_assert_true (tn_testkit_tailnet_start (tailnet, &error));
  again = tn_testkit_tailnet_dup_control_url (tailnet);
  g_assert_cmpstr (again, ==, url);
  g_assert_cmpstr (tn_testkit_tailnet_get_auth_key (tailnet), ==, key);
}

static void
test_relays (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = g_object_new (TN_TESTKIT_TYPE_TAILNET, "n-relays", 2, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (tn_testkit_tailnet_start (tailnet, &error));
  g_assert_cmpuint (tn_testkit_tailnet_get_n_relay_clients (tailnet, 901), ==, 0);
  g_assert_true (tn_testkit_tailnet_stop_relay (tailnet, 901));
  g_assert_true (tn_testkit_tailnet_start_relay (tailnet, 901, &error));
  g_assert_no_error (error);
  g_assert_false (tn_testkit_tailnet_stop_relay (tailnet, 902));
  g_assert_false (tn_testkit_tailnet_start_relay (tailnet, 902, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

/* Two at once, with nothing in common. */
static void
test_two (void)
{
  g_autoptr (TnTestkitTailnet) one = tn_testkit_tailnet_new ();
  g_autoptr (TnTestkitTailnet) two = tn_testkit_tailnet_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;

  g_assert_true (tn_testkit_tailnet_start (one, &error));
  g_assert_true (tn_testkit_tailnet_start (two, &error));
  first = tn_testkit_tailnet_dup_control_url (one);
  second = tn_testkit_tailnet_dup_control_url (two);
  g_assert_cmpstr (first, !=, second);
}

static void
test_tls (void)
{
  g_autoptr (TnTestkitTailnet) tailnet = g_object_new (TN_TESTKIT_TYPE_TAILNET, "tls", TRUE, "n-relays", 0, NULL);
  g_autoptr (SoupSession) session = soup_session_new ();
  g_autoptr (SoupMessage) message = NULL;
  g_autoptr (GBytes) body = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *url = NULL;
  g_autofree char *key_url = NULL;

  g_assert_true (tn_testkit_tailnet_start (tailnet, &error));
  g_assert_no_error (error);
  url = tn_testkit_tailnet_dup_control_url (tailnet);
  g_assert_true (g_str_has_prefix (url, "https://"));
  key_url = g_strconcat (url, "/key?v=130", NULL);

  message = soup_message_new ("GET", key_url);
  g_assert_null (soup_session_send_and_read (session, message, NULL, &error));
  g_assert_error (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE);
  g_clear_error (&error);

  soup_session_set_tls_database (session, tn_testkit_tailnet_get_tls_database (tailnet));
  body = soup_session_send_and_read (session, message, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (g_strstr_len (g_bytes_get_data (body, NULL), (gssize) g_bytes_get_size (body), "publicKey"));
}

/* A server without a thread, in the context of the test. */
static void
read_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  *(GBytes **) user_data = soup_session_send_and_read_finish (SOUP_SESSION (object), result, NULL);
}

static void
test_own_context (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TnTestkitControl) control = NULL;
  g_autoptr (SoupSession) session = NULL;
  g_autoptr (SoupMessage) message = NULL;
  g_autoptr (GBytes) body = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *url = NULL;
  g_autofree char *key_url = NULL;

  g_main_context_push_thread_default (context);
  control = tn_testkit_control_new ();
  session = soup_session_new ();
  g_assert_true (tn_testkit_control_start (control, &error));
  g_assert_no_error (error);
  url = tn_testkit_control_dup_url (control);
  key_url = g_strconcat (url, "/key?v=130", NULL);
  message = soup_message_new ("GET", key_url);
  soup_session_send_and_read_async (session, message, G_PRIORITY_DEFAULT, NULL, read_cb, &body);
  while (body == NULL)
    g_main_context_iteration (context, TRUE);
  g_assert_cmpuint (soup_message_get_status (message), ==, 200);

  tn_testkit_control_stop (control);
  g_clear_object (&session);
  g_clear_object (&control);
  while (g_main_context_iteration (context, FALSE))
    ;
  g_main_context_pop_thread_default (context);
}

static void
test_port_in_use (void)
{
  g_autoptr (TnTestkitControl) first = tn_testkit_control_new_threaded ();
  g_autoptr (TnTestkitControl) second = NULL;
  g_autoptr (TnTestkitControl) third = NULL;
  g_autoptr (GError) error = NULL;
  guint port;

  g_assert_true (tn_testkit_control_start (first, &error));
  g_object_get (first, "port", &port, NULL);
  g_assert_cmpuint (port, !=, 0);
  second = g_object_new (TN_TESTKIT_TYPE_CONTROL, "threaded", TRUE, "port", port, NULL);
  g_assert_false (tn_testkit_control_start (second, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
  g_clear_error (&error);

  third = g_object_new (TN_TESTKIT_TYPE_CONTROL, "threaded", TRUE, "listen-address", "nowhere", NULL);
  g_assert_false (tn_testkit_control_start (third, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/testkit/tailnet/access", test_access);
  g_test_add_func ("/testkit/tailnet/relays", test_relays);
  g_test_add_func ("/testkit/tailnet/two", test_two);
  g_test_add_func ("/testkit/tailnet/tls", test_tls);
  g_test_add_func ("/testkit/control/own-context", test_own_context);
  g_test_add_func ("/testkit/control/port-in-use", test_port_in_use);

  return g_test_run ();
}
