/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gstdio.h>
#include <sys/stat.h>

#include "tn-control-client.h"
#include "tn-error.h"

/* The control client against a real server: the program that TAILNET_TEST_HEADSCALE names, on loopback. */

typedef struct
{
  char        *dir;
  char        *config;
  char        *url;
  GSubprocess *process;
} Server;

typedef struct
{
  TnControlClient  *client;
  TnNodePrivateKey  saved_key;
  guint             n_saved;
  guint             n_netmaps;
  guint             n_peers;
  guint             n_done;
  GError           *done_error;
  GHashTable       *names;        /* of peers */
} Node;

static Server server;

#define WAIT_FOR(condition)                       \
  while (!(condition))                            \
    g_main_context_iteration (NULL, TRUE)

/* --- The server --- */

static char *
run (const char *first, ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  g_autofree char *err = NULL;
  char *out = NULL;
  int status;
  va_list args;

  g_ptr_array_add (argv, g_strdup (g_getenv ("TAILNET_TEST_HEADSCALE")));
  g_ptr_array_add (argv, g_strdup ("-c"));
  g_ptr_array_add (argv, g_strdup (server.config));
  va_start (args, first);
  for (const char *arg = first; arg != NULL; arg = va_arg (args, const char *))
    g_ptr_array_add (argv, g_strdup (arg));
  va_end (args);
  g_ptr_array_add (argv, NULL);
  g_assert_true (g_spawn_sync (NULL, (char **) argv->pdata, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, &err, &status, &error));
  g_assert_no_error (error);
  if (status != 0)
    g_test_message ("%s: %s", first, err);
  g_assert_cmpint (status, ==, 0);
  return out;
}

static guint16
free_port (void)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  guint16 port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);

  g_socket_listener_close (listener);
  return port;
}

static void
write_file (const char *name,
            const char *contents)
{
  g_autofree char *path = g_build_filename (server.dir, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, contents, -1, &error);
  g_assert_no_error (error);
}

static void
write_config (guint16 port)
{
  g_autofree char *text = g_strdup_printf (
    "server_url: %s\n"
    "listen_addr: 127.0.0.1:%u\n"
    "metrics_listen_addr: \"\"\n"
    "grpc_listen_addr: 127.0.0.1:0\n"
    "noise: {private_key_path: %s/noise.key}\n"
    "prefixes: {v4: 100.64.0.0/10, v6: \"fd7a:115c:a1e0::/48\"}\n"
    "derp: {server: {enabled: false}, urls: [], paths: [%s/derp.yaml], auto_update_enabled: false}\n"
    "disable_check_updates: true\n"
    "ephemeral_node_inactivity_timeout: 70s\n"
    "database: {type: sqlite, sqlite: {path: %s/headscale.db}}\n"
    "dns: {magic_dns: true, base_domain: lab.test, override_local_dns: false, nameservers: {global: []}}\n"
    "unix_socket: %s/headscale.sock\n"
    "tuning: {node_store_batch_timeout: 1ms, batch_change_delay: 1ms}\n"
    "log: {level: warn}\n", server.url, port, server.dir, server.dir, server.dir, server.dir);

  write_file ("config.yaml", text);
  write_file ("derp.yaml",
              "regions:\n  900:\n    regionid: 900\n    regioncode: lab\n    regionname: Lab\n    nodes:\n"
              "      - {name: 900a, regionid: 900, hostname: 127.0.0.1, ipv4: 127.0.0.1, derpport: 1, insecurefortests: true}\n");
}

static void
start_server (void)
{
  g_autofree char *log = g_build_filename (server.dir, "log", NULL);
  g_autofree char *socket = g_build_filename (server.dir, "headscale.sock", NULL);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_MERGE);
  g_autoptr (GFile) file = g_file_new_for_path (socket);
  G_GNUC_UNUSED g_autoptr (GFileMonitor) monitor = g_file_monitor_file (file, G_FILE_MONITOR_NONE, NULL, NULL);
  g_autoptr (GError) error = NULL;

  g_subprocess_launcher_set_stdout_file_path (launcher, log);
  server.process = g_subprocess_launcher_spawn (launcher, &error, g_getenv ("TAILNET_TEST_HEADSCALE"), "-c", server.config, "serve", NULL);
  g_assert_no_error (error);
  WAIT_FOR (g_file_test (socket, G_FILE_TEST_EXISTS));
}

static void
stop_server (void)
{
  g_subprocess_force_exit (server.process);
  g_subprocess_wait (server.process, NULL, NULL);
  g_clear_object (&server.process);
}

static void
set_up_server (void)
{
  guint16 port = free_port ();
  g_autoptr (GError) error = NULL;

  server.dir = g_dir_make_tmp ("tailnet-headscale-XXXXXX", &error);
  g_assert_no_error (error);
  server.config = g_build_filename (server.dir, "config.yaml", NULL);
  server.url = g_strdup_printf ("http://127.0.0.1:%u", port);
  write_config (port);
  start_server ();
  g_free (run ("users", "create", "lab", NULL));
}

static void
remove_server (void)
{
  static const char *const files[] = { "config.yaml", "derp.yaml", "noise.key", "headscale.db", "headscale.db-shm", "headscale.db-wal",
                                       "headscale.sock", "log" };

  stop_server ();
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *path = g_build_filename (server.dir, files[i], NULL);

      g_unlink (path);
    }
  g_rmdir (server.dir);
  g_free (server.dir);
  g_free (server.config);
  g_free (server.url);
}

static char *
new_auth_key (gboolean reusable)
{
  g_autofree char *out = run ("preauthkeys", "create", "-u", "1", "-e", "1h", "-o", "json", reusable ? "--reusable" : NULL, NULL);
  TnJsonText json;

  g_assert_true (tn_json_text_parse (out, strlen (out), &json, NULL));
  return tn_json_text_dup_string (tn_json_text_member (json, "key"));
}

/* --- A node --- */

static void
save_keys (TnControlClient *client, const TnNodePrivateKey *key, const TnNodePublicKey *old, gpointer user_data)
{
  Node *node = user_data;

  node->saved_key = *key;
  node->n_saved++;
  tn_control_client_keys_saved (client, NULL);
}

static void
netmap_cb (TnControlClient *client, const TnNetmap *netmap, const TnNetmapChanges *changes, gpointer user_data)
{
  Node *node = user_data;

  node->n_netmaps++;
  node->n_peers = netmap->peers->len;
  g_hash_table_remove_all (node->names);
  for (guint i = 0; i < netmap->peers->len; i++)
    g_hash_table_add (node->names, g_strdup (((TnNetmapNode *) g_ptr_array_index (netmap->peers, i))->hostname));
}

static const TnControlHandler handler = { .save_keys = save_keys, .netmap = netmap_cb };

static void
node_init (Node                   *node,
           const char             *hostname,
           const char             *auth_key,
           gboolean                ephemeral,
           TnMachinePrivateKey    *machine_key,
           const TnNodePrivateKey *node_key)
{
  g_autoptr (TnHostinfo) hostinfo = tn_hostinfo_new_for_system ();
  g_autoptr (GError) error = NULL;
  TnDiscoPrivateKey disco;
  TnControlConfig config = { .server_url = server.url, .auth_key = auth_key, .ephemeral = ephemeral, .hostinfo = hostinfo };

  memset (node, 0, sizeof *node);
  node->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_free (hostinfo->hostname);
  hostinfo->hostname = g_strdup (hostname);
  config.machine_key = machine_key;
  config.node_key = node_key;
  tn_disco_private_key_generate (&disco);
  tn_disco_private_key_get_public (&disco, &config.disco_key);
  node->client = tn_control_client_new (&config, &handler, node, &error);
  g_assert_no_error (error);
  tn_control_client_start (node->client);
}

static void
done_cb (TnControlClient *client, const GError *error, gpointer user_data)
{
  Node *node = user_data;

  node->n_done++;
  node->done_error = error != NULL ? g_error_copy (error) : NULL;
}

static void
node_clear (Node *node)
{
  tn_control_client_stop (node->client, done_cb, node);
  WAIT_FOR (node->n_done == 1);
  g_assert_cmpint (tn_control_client_get_state (node->client), ==, TN_CONTROL_STOPPED);
  g_clear_pointer (&node->client, tn_control_client_unref);
  g_clear_error (&node->done_error);
  g_hash_table_unref (node->names);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

#define WAIT_FOR_STATE(node, wanted) WAIT_FOR (tn_control_client_get_state ((node)->client) == (wanted))

/* --- Tests --- */

static void
test_join (void)
{
  g_autofree char *key = new_auth_key (TRUE);
  g_auto (TnMachinePrivateKey) machine_a = { 0 };
  g_auto (TnMachinePrivateKey) machine_b = { 0 };
  const TnNetmap *netmap;
  gint64 start = g_get_monotonic_time ();
  Node a, b;

  tn_machine_private_key_generate (&machine_a);
  tn_machine_private_key_generate (&machine_b);
  node_init (&a, "join-a", key, FALSE, &machine_a, NULL);
  WAIT_FOR_STATE (&a, TN_CONTROL_RUNNING);
  g_test_message ("running after %" G_GINT64_FORMAT " us", g_get_monotonic_time () - start);
  g_assert_cmpuint (a.n_saved, ==, 1);
  netmap = tn_control_client_get_netmap (a.client);
  g_assert_cmpstr (netmap->self->name, ==, "join-a.lab.test.");
  g_assert_cmpuint (netmap->self->n_addresses, ==, 2);
  g_assert_cmpuint (netmap->relays->regions->len, ==, 1);
  g_assert_true (netmap->magic_dns);
  g_assert_cmpstr (tn_control_client_get_login_name (a.client), ==, "lab");

  node_init (&b, "join-b", key, FALSE, &machine_b, NULL);
  WAIT_FOR_STATE (&b, TN_CONTROL_RUNNING);
  WAIT_FOR (g_hash_table_contains (a.names, "join-b") && g_hash_table_contains (b.names, "join-a"));

  /* Home region and endpoints of one reach the other. */
  g_autoptr (TnNetmapNode) peer = NULL;
  TnNetInfo net_info = { .home_region = 900, .working_udp = TN_TRISTATE_YES };
  TnOwnEndpoint endpoint = { .type = TN_ENDPOINT_LOCAL };
  gint64 id = tn_control_client_get_netmap (a.client)->self->id;

  g_assert_true (tn_ip_endpoint_parse ("192.0.2.7:41641", &endpoint.endpoint));
  tn_control_client_set_net_info (a.client, &net_info);
  tn_control_client_set_endpoints (a.client, &endpoint, 1);
  WAIT_FOR (tn_netmap_lookup (tn_control_client_get_netmap (b.client), id)->home_region == 900 &&
            tn_netmap_lookup (tn_control_client_get_netmap (b.client), id)->n_endpoints == 1);
  peer = tn_netmap_node_ref (tn_netmap_lookup (tn_control_client_get_netmap (b.client), id));
  g_assert_cmpuint (peer->endpoints[0].port, ==, 41641);
  node_clear (&a);
  node_clear (&b);
}

static void
test_restart (void)
{
  g_autofree char *key = new_auth_key (FALSE);
  g_auto (TnMachinePrivateKey) machine = { 0 };
  gint64 id, start;
  Node node;

  tn_machine_private_key_generate (&machine);
  node_init (&node, "restart", key, FALSE, &machine, NULL);
  WAIT_FOR_STATE (&node, TN_CONTROL_RUNNING);
  id = tn_control_client_get_netmap (node.client)->self->id;

  /* The same client again and again. */
  for (guint i = 0; i < 3; i++)
    {
      tn_control_client_stop (node.client, done_cb, &node);
      WAIT_FOR (node.n_done == i + 1);
      tn_control_client_start (node.client);
      WAIT_FOR_STATE (&node, TN_CONTROL_RUNNING);
    }
  g_assert_cmpuint (node.n_saved, ==, 1);
  node.n_done = 0;

  /* A new one with the keys that were saved, and no auth key. */
  g_auto (TnNodePrivateKey) saved = node.saved_key;
  node_clear (&node);
  start = g_get_monotonic_time ();
  node_init (&node, "restart", NULL, FALSE, &machine, &saved);
  WAIT_FOR_STATE (&node, TN_CONTROL_RUNNING);
  g_test_message ("running after %" G_GINT64_FORMAT " us", g_get_monotonic_time () - start);
  g_assert_cmpint (tn_control_client_get_netmap (node.client)->self->id, ==, id);
  g_assert_cmpuint (node.n_saved, ==, 0);
  node_clear (&node);
}

static void
test_login_by_url (void)
{
  g_auto (TnMachinePrivateKey) machine = { 0 };
  const char *url, *slash;
  Node node;

  tn_machine_private_key_generate (&machine);
  node_init (&node, "by-url", NULL, FALSE, &machine, NULL);
  WAIT_FOR_STATE (&node, TN_CONTROL_NEEDS_LOGIN);
  url = tn_control_client_get_auth_url (node.client);
  g_assert_true (g_str_has_prefix (url, server.url));
  slash = strrchr (url, '/');

  g_free (run ("auth", "register", "--user", "lab", "--auth-id", slash + 1, NULL));
  WAIT_FOR_STATE (&node, TN_CONTROL_RUNNING);
  g_assert_null (tn_control_client_get_auth_url (node.client));
  g_assert_cmpstr (tn_control_client_get_netmap (node.client)->self->name, ==, "by-url.lab.test.");
  node_clear (&node);
}

static void
test_wrong_key (void)
{
  g_autofree char *key = new_auth_key (FALSE);
  g_auto (TnMachinePrivateKey) machine = { 0 };
  Node node;

  tn_machine_private_key_generate (&machine);
  node_init (&node, "wrong-key", "hskey-auth-000000000000-0000000000000000000000000000000000000000000000000000000000000000", FALSE, &machine, NULL);
  WAIT_FOR_STATE (&node, TN_CONTROL_REFUSED);
  g_assert_error (tn_control_client_get_error (node.client), TN_ERROR, TN_ERROR_AUTH_REJECTED);
  g_assert_nonnull (strstr (tn_control_client_get_error (node.client)->message, "invalid pre auth key"));

  tn_control_client_login (node.client, key);
  WAIT_FOR_STATE (&node, TN_CONTROL_RUNNING);
  node_clear (&node);
}

static void
test_server_restarts (void)
{
  g_autofree char *key = new_auth_key (TRUE);
  g_auto (TnMachinePrivateKey) machine = { 0 };
  guint n_netmaps;
  Node node;

  tn_machine_private_key_generate (&machine);
  node_init (&node, "server-restarts", key, FALSE, &machine, NULL);
  WAIT_FOR_STATE (&node, TN_CONTROL_RUNNING);
  stop_server ();
  WAIT_FOR (tn_control_client_get_error (node.client) != NULL);
  g_assert_cmpint (tn_control_client_get_state (node.client), ==, TN_CONTROL_RUNNING);
  n_netmaps = node.n_netmaps;
  start_server ();
  WAIT_FOR (node.n_netmaps > n_netmaps);
  WAIT_FOR (tn_control_client_get_error (node.client) == NULL);
  node_clear (&node);
}

static void
test_expired_key (void)
{
  g_autofree char *key = new_auth_key (TRUE);
  g_autofree char *id = NULL;
  g_auto (TnMachinePrivateKey) machine = { 0 };
  Node node;

  tn_machine_private_key_generate (&machine);
  node_init (&node, "expired", key, FALSE, &machine, NULL);
  WAIT_FOR_STATE (&node, TN_CONTROL_RUNNING);
  id = g_strdup_printf ("%" G_GINT64_FORMAT, tn_control_client_get_netmap (node.client)->self->id);
  g_free (run ("nodes", "expire", "-i", id, NULL));
  WAIT_FOR_STATE (&node, TN_CONTROL_NEEDS_LOGIN);
  g_assert_true (tn_control_client_is_key_expired (node.client));
  tn_control_client_login (node.client, NULL);
  WAIT_FOR_STATE (&node, TN_CONTROL_RUNNING);
  g_assert_cmpuint (node.n_saved, ==, 2);
  node_clear (&node);
}

static void
test_logout (void)
{
  g_autofree char *key = new_auth_key (TRUE);
  g_auto (TnMachinePrivateKey) machine = { 0 };
  g_auto (TnNodePrivateKey) first = { 0 };
  Node node;

  tn_machine_private_key_generate (&machine);
  node_init (&node, "logout", key, FALSE, &machine, NULL);
  WAIT_FOR_STATE (&node, TN_CONTROL_RUNNING);
  first = node.saved_key;
  tn_control_client_logout (node.client, done_cb, &node);
  WAIT_FOR (node.n_done == 1);
  g_assert_no_error (node.done_error);

  tn_control_client_start (node.client);
  WAIT_FOR_STATE (&node, TN_CONTROL_RUNNING);
  g_assert_cmpuint (node.n_saved, ==, 2);
  g_assert_true (memcmp (&first, &node.saved_key, sizeof first) != 0);
  node.n_done = 0;
  node_clear (&node);
}

static void
test_nobody_there (void)
{
  g_auto (TnMachinePrivateKey) machine = { 0 };
  g_autofree char *real = g_steal_pointer (&server.url);
  Node node;

  server.url = g_strdup_printf ("http://127.0.0.1:%u", free_port ());
  tn_machine_private_key_generate (&machine);
  node_init (&node, "nobody", "key", FALSE, &machine, NULL);
  WAIT_FOR (tn_control_client_get_error (node.client) != NULL);
  g_assert_error (tn_control_client_get_error (node.client), G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
  g_assert_cmpint (tn_control_client_get_state (node.client), ==, TN_CONTROL_CONNECTING);
  node_clear (&node);
  g_free (server.url);
  server.url = g_steal_pointer (&real);
}

int
main (int   argc,
      char *argv[])
{
  int rc;

  g_test_init (&argc, &argv, NULL);
  if (g_getenv ("TAILNET_TEST_HEADSCALE") == NULL)
    {
      g_print ("1..0 # SKIP needs TAILNET_TEST_HEADSCALE, the path of a headscale\n");
      return 0;
    }
  set_up_server ();
  g_test_add_func ("/control/headscale/join", test_join);
  g_test_add_func ("/control/headscale/restart", test_restart);
  g_test_add_func ("/control/headscale/login-by-url", test_login_by_url);
  g_test_add_func ("/control/headscale/wrong-key", test_wrong_key);
  g_test_add_func ("/control/headscale/server-restarts", test_server_restarts);
  g_test_add_func ("/control/headscale/expired-key", test_expired_key);
  g_test_add_func ("/control/headscale/logout", test_logout);
  g_test_add_func ("/control/headscale/nobody-there", test_nobody_there);
  rc = g_test_run ();
  remove_server ();
  return rc;
}
