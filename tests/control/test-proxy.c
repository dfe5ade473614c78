/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gstdio.h>

#include "../proxy.h"
#include "tailnet-testkit.h"
#include "tn-control-client.h"
#include "tn-testkit-certificate.h"
#include "wait.h"

/* A control server that only a proxy reaches: the key, the connection, and both by name. */

static gboolean
is_running (TnControlClient *client)
{
  return tn_control_client_get_state (client) == TN_CONTROL_RUNNING;
}

static void
stopped (TnControlClient *client,
         const GError    *error,
         gpointer         user_data)
{
  *(gboolean *) user_data = TRUE;
}

static gboolean
is_true (gboolean *value)
{
  return *value;
}

static GTlsDatabase *
trust (GTlsCertificate *certificate)
{
  g_autofree char *pem = NULL;
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  GTlsDatabase *database;
  int fd = g_file_open_tmp ("tailnet-test-XXXXXX.pem", &path, &error);

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_object_get (certificate, "certificate-pem", &pem, NULL);
  g_assert_true (g_file_set_contents (path, pem, -1, &error));
  database = g_tls_file_database_new (path, &error);
  g_assert_no_error (error);
  g_object_set_data_full (G_OBJECT (database), "path", g_steal_pointer (&path), (GDestroyNotify) g_free);
  return database;
}

static void
test_proxy (void)
{
  static const TnControlHandler handler = { 0 };
  g_autoptr (GTlsCertificate) certificate = tn_testkit_certificate_new ("control.example", NULL, NULL);
  g_autoptr (TnTestkitControl) control = g_object_new (TN_TESTKIT_TYPE_CONTROL, "threaded", TRUE, "tls-certificate", certificate, NULL);
  g_autoptr (GTlsDatabase) database = trust (certificate);
  g_autoptr (GProxyResolver) resolver = NULL;
  g_autoptr (TnHostinfo) hostinfo = tn_hostinfo_new_for_system ();
  g_autofree char *auth_key = NULL;
  g_autofree char *url = NULL;
  g_autoptr (GError) error = NULL;
  TnMachinePrivateKey machine_key;
  TnDiscoPrivateKey disco_key;
  TnControlConfig config = { .machine_key = &machine_key, .hostinfo = hostinfo, .tls_database = database };
  TnControlClient *client;
  TestProxy *proxy;
  gboolean is_stopped = FALSE;
  guint port;

  g_assert_true (tn_testkit_control_start (control, &error));
  g_object_get (control, "port", &port, NULL);
  proxy = test_proxy_new ("control.example", port);
  resolver = test_proxy_dup_resolver (proxy);
  url = g_strdup_printf ("https://control.example:%u", port);
  auth_key = tn_testkit_control_create_auth_key (control, "ada@example.test", TN_TESTKIT_AUTH_KEY_REUSABLE, NULL);
  tn_machine_private_key_generate (&machine_key);
  tn_disco_private_key_generate (&disco_key);
  tn_disco_private_key_get_public (&disco_key, &config.disco_key);
  config.server_url = url;
  config.auth_key = auth_key;
  config.proxy_resolver = resolver;

  client = tn_control_client_new (&config, &handler, NULL, &error);
  g_assert_no_error (error);
  tn_control_client_start (client);
  wait_for ("the map", is_running, client);
  g_assert_cmpuint (test_proxy_get_n_served (proxy), >=, 2);

  tn_control_client_stop (client, stopped, &is_stopped);
  wait_for ("the end", is_true, &is_stopped);
  tn_control_client_unref (client);
  test_proxy_free (proxy);
  g_unlink (g_object_get_data (G_OBJECT (database), "path"));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/control/proxy/key-and-connection", test_proxy);
  return g_test_run ();
}
