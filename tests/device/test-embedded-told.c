/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/utsname.h>

#include "device-kit.h"

/* What a node tells its control server of itself, and what it does when its own key has expired. */

static TnTestkitTailnet *tailnet;

static TnTestkitControl *
control (void)
{
  return tn_testkit_tailnet_get_control (tailnet);
}

/* --- What the server is told --- */

static JsonObject *
parse (const char *text)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (json_parser_load_from_data (parser, text, -1, &error));
  g_assert_no_error (error);
  return json_object_ref (json_node_get_object (json_parser_get_root (parser)));
}

static JsonObject *
dup_hostinfo (const char *name)
{
  g_autoptr (TnTestkitNode) node = tn_testkit_control_lookup_node (control (), name);

  g_test_message ("%s", tn_testkit_node_get_hostinfo (node));
  return parse (tn_testkit_node_get_hostinfo (node));
}

static gboolean
has_told_latency (gpointer name)
{
  g_autoptr (TnTestkitNode) node = tn_testkit_control_lookup_node (control (), name);
  const char *text = tn_testkit_node_get_hostinfo (node);

  return text != NULL && strstr (text, "\"DERPLatency\"") != NULL && tn_testkit_node_get_home_region (node) == KIT_REGION;
}

static void
assert_string (JsonObject *object,
               const char *member,
               const char *value)
{
  g_assert_cmpstr (json_object_get_string_member_with_default (object, member, "none"), ==, value);
}

/* A line of /etc/os-release, without quotes; NULL: none. */
static char *
dup_release (const char *name)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents ("/etc/os-release", &text, NULL, NULL))
    return NULL;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], name) && lines[i][strlen (name)] == '=')
      return g_shell_unquote (lines[i] + strlen (name) + 1, NULL);
  return NULL;
}

static void
check_distribution (JsonObject *hostinfo)
{
  static const struct { const char *member; const char *name; } cases[] = {
    { "Distro", "ID" }, { "DistroVersion", "VERSION_ID" }, { "DistroCodeName", "VERSION_CODENAME" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *value = dup_release (cases[i].name);

      if (json_object_has_member (hostinfo, cases[i].member))
        assert_string (hostinfo, cases[i].member, value);
    }
}

static void
check_members (JsonObject        *object,
               const char *const *allowed)
{
  g_autoptr (GList) members = json_object_get_members (object);

  for (GList *l = members; l != NULL; l = l->next)
    if (!g_strv_contains (allowed, l->data))
      g_error ("the server is told %s, of which nothing is known here", (char *) l->data);
}

static void
check_net_info (JsonObject *net_info)
{
  static const char *const allowed[] = {
    "MappingVariesByDestIP", "WorkingIPv6", "OSHasIPv6", "WorkingUDP", "PreferredDERP", "DERPLatency", NULL,
  };
  JsonObject *latency = json_object_get_object_member (net_info, "DERPLatency");
  g_autoptr (GList) regions = json_object_get_members (latency);

  check_members (net_info, allowed);
  g_assert_cmpint (json_object_get_int_member (net_info, "PreferredDERP"), ==, KIT_REGION);
  g_assert_true (json_object_get_boolean_member (net_info, "WorkingUDP"));      /* its STUN server answers */
  for (GList *l = regions; l != NULL; l = l->next)
    {
      g_assert_true (g_str_has_prefix (l->data, "900-v"));
      g_assert_cmpfloat (json_object_get_double_member (latency, l->data), >, 0);
      g_assert_cmpfloat (json_object_get_double_member (latency, l->data), <, 10);      /* seconds */
    }
}

/* Neither the name of the machine nor an address of its own goes out, and nothing is claimed that is not so. */
static void
test_hostinfo (void)
{
  static const char *const allowed[] = {
    "IPNVersion", "OS", "OSVersion", "Container", "Distro", "DistroVersion", "DistroCodeName", "App", "Desktop", "Hostname",
    "NoLogsNoSupport", "Machine", "RequestTags", "NetInfo", "Userspace", "UserspaceRouter", NULL,
  };
  g_autofree char *url = tn_testkit_tailnet_dup_control_url (tailnet);
  g_autoptr (TnDevice) device = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "frank", "control-url", url, "app-name", "a test",
                                              "auth-key", tn_testkit_tailnet_get_auth_key (tailnet), NULL);
  g_autoptr (TnTestkitNode) node = NULL;
  g_autoptr (JsonObject) hostinfo = NULL;
  g_autoptr (GError) error = NULL;
  struct utsname name;

  g_assert_true (kit_start (device, &error));
  kit_wait_for ("a home and its latency", has_told_latency, (char[]) { "frank" });
  hostinfo = dup_hostinfo ("frank");
  node = tn_testkit_control_lookup_node (control (), "frank");

  check_members (hostinfo, allowed);
  g_assert_no_errno (uname (&name));
  assert_string (hostinfo, "Hostname", "frank");
  assert_string (hostinfo, "App", "a test");
  assert_string (hostinfo, "IPNVersion", TN_VERSION);
  assert_string (hostinfo, "OS", "linux");
  assert_string (hostinfo, "OSVersion", name.release);
  assert_string (hostinfo, "Machine", name.machine);
  check_distribution (hostinfo);
  g_assert_true (json_object_get_boolean_member (hostinfo, "NoLogsNoSupport"));
  g_assert_true (json_object_get_boolean_member (hostinfo, "Userspace"));
  g_assert_true (json_object_get_boolean_member (hostinfo, "UserspaceRouter"));
  g_assert_false (json_object_has_member (hostinfo, "RequestTags"));      /* it asked for none */
  check_net_info (json_object_get_object_member (hostinfo, "NetInfo"));
  g_assert_true (tn_testkit_node_get_endpoints (node) == NULL || tn_testkit_node_get_endpoints (node)[0] == NULL);
  if (strlen (name.nodename) > 4)
    g_assert_null (strstr (tn_testkit_node_get_hostinfo (node), name.nodename));
  kit_free (g_steal_pointer (&device));
}

/* --- Its own key has expired --- */

static gint64
get_expiry (TnNode *node)
{
  GDateTime *expiry = tn_node_get_key_expiry (node);

  return expiry != NULL ? g_date_time_to_unix (expiry) : 0;
}

typedef struct
{
  TnDevice   *device;
  const char *name;
  gint64      expiry_s;
} Expected;

static gboolean
is_expected (gpointer data)
{
  Expected *expected = data;
  g_autoptr (TnNode) peer = tn_device_lookup_peer (expected->device, expected->name);

  return peer != NULL && get_expiry (peer) == expected->expiry_s;
}

/* Only @device: it takes the key of @name for good, as one with another clock would. */
static void
deceive (TnDevice   *device,
         const char *own_name,
         const char *name,
         gint64      expiry_s)
{
  g_autoptr (TnTestkitNode) record = tn_testkit_control_lookup_node (control (), name);
  g_autoptr (GDateTime) later = g_date_time_new_from_unix_utc (expiry_s + 10000);
  g_autofree char *time = g_date_time_format (later, "%Y-%m-%dT%H:%M:%SZ");
  gint64 id = g_ascii_strtoll (tn_testkit_node_get_stable_id (record) + 1, NULL, 10);
  g_autofree char *json = g_strdup_printf ("{\"PeersChangedPatch\":[{\"NodeID\":%" G_GINT64_FORMAT ",\"KeyExpiry\":\"%s\"}]}", id, time);
  Expected expected = { device, name, expiry_s };

  kit_wait_for ("the expiry of a peer", is_expected, &expected);
  g_assert_cmpuint (tn_testkit_control_send_map_response (control (), own_name, json), ==, 1);
  expected.expiry_s = expiry_s + 10000;
  kit_wait_for ("another expiry of it", is_expected, &expected);
}

/* Who takes it for a good node gets no answer all the same; what waits goes on once it has a new key. */
static void
test_silent (void)
{
  g_autoptr (TnDevice) device = kit_device_join (tailnet, "aging");
  g_autoptr (TnDevice) other = kit_device_join (tailnet, "patient");
  g_autoptr (GAsyncResult) disco = NULL, tsmp = NULL, login = NULL;
  g_autoptr (TnConnection) client = NULL;
  g_autoptr (TnConnection) server = NULL;
  g_autoptr (TnPingResult) pong = NULL;
  g_autoptr (GError) error = NULL;
  KitTransfer *transfer;
  gint64 expiry_s;

  kit_pair (other, device, "aging", 80, &client, &server);
  kit_echo (client, server, "good day");
  expiry_s = g_get_real_time () / G_USEC_PER_SEC + 2;
  g_assert_true (tn_testkit_control_set_node_expiry (control (), "aging", expiry_s, &error));
  deceive (other, "patient", "aging", expiry_s);
  kit_wait_state (device, TN_DEVICE_STATE_NEEDS_LOGIN);

  transfer = kit_transfer_start (client, server, 100000, 3);
  tn_device_ping_async (other, "aging", TN_PING_KIND_DISCO, 0, NULL, kit_result_cb, &disco);
  tn_device_ping_async (other, "aging", TN_PING_KIND_TSMP, 0, NULL, kit_result_cb, &tsmp);
  g_assert_null (tn_device_ping_finish (other, kit_wait (&disco), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_clear_error (&error);
  g_assert_null (tn_device_ping_finish (other, kit_wait (&tsmp), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_clear_error (&error);
  g_assert_cmpuint (kit_transfer_received (transfer), ==, 0);

  tn_device_login_async (device, NULL, kit_result_cb, &login);
  g_assert_true (tn_device_login_finish (device, kit_wait (&login), &error));
  g_assert_no_error (error);
  kit_wait_state (device, TN_DEVICE_STATE_RUNNING);
  kit_transfer_finish (transfer);
  pong = kit_ping (other, "aging", TN_PING_KIND_TSMP, &error);
  g_assert_no_error (error);
  g_clear_object (&client);
  g_clear_object (&server);
  g_clear_object (&pong);
  g_clear_object (&disco);
  g_clear_object (&tsmp);
  g_clear_object (&login);
  kit_free (g_steal_pointer (&device));
  kit_free (g_steal_pointer (&other));
}

/* --- The key of the tailnet lock --- */

static void
request_cb (TnTestkitControl *server,
            const char       *machine,
            const char       *path,
            const char       *body,
            gpointer          keys)
{
  g_autoptr (JsonObject) request = NULL;
  const char *key;

  if (strcmp (path, "/machine/register") != 0)
    return;
  request = parse (body);
  key = json_object_get_string_member_with_default (request, "NLKey", "none");
  g_assert_true (g_str_has_prefix (key, "nlpub:"));
  g_assert_cmpuint (strlen (key), ==, strlen ("nlpub:") + 64);
  g_hash_table_add (keys, g_strdup (key));
}

static gboolean
has_told_key (gpointer keys)
{
  return g_hash_table_size (keys) > 0;
}

/* It is the same one as long as the node is the same, and another after a logout. */
static void
test_lock_key (void)
{
  g_autoptr (GHashTable) keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "locksmith", store, TRUE);
  g_autoptr (GAsyncResult) result = NULL;
  gulong handler = g_signal_connect (control (), "request-received", G_CALLBACK (request_cb), keys);

  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (kit_start (device, NULL));
      kit_wait_for ("the key", has_told_key, keys);
      kit_stop (device);
      g_assert_cmpuint (g_hash_table_size (keys), ==, 1);
    }
  g_assert_true (kit_start (device, NULL));
  tn_device_logout_async (device, NULL, kit_result_cb, &result);
  g_assert_true (tn_device_logout_finish (device, kit_wait (&result), NULL));
  g_hash_table_remove_all (keys);      /* all were told before the answer to the last one */
  g_assert_true (kit_start (device, NULL));
  kit_wait_for ("the key", has_told_key, keys);
  kit_stop (device);
  g_assert_cmpuint (g_hash_table_size (keys), ==, 1);
  g_signal_handler_disconnect (control (), handler);
  g_clear_object (&result);
  kit_free (g_steal_pointer (&device));
}

int
main (int    argc,
      char **argv)
{
  int code;

  g_test_init (&argc, &argv, NULL);
  tailnet = kit_tailnet_new ();
  g_test_add_func ("/device/embedded-told/hostinfo", test_hostinfo);
  g_test_add_func ("/device/embedded-told/silent", test_silent);
  g_test_add_func ("/device/embedded-told/lock-key", test_lock_key);
  code = g_test_run ();
  g_object_unref (tailnet);
  return code;
}
