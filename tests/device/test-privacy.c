/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "../recorder.h"
#include "device-kit.h"

/* Everything that nodes send to servers in a whole life, beside the page of the reference that says so. What is sent and does not stand
 * there fails, and so does what stands there and is not sent. */

#define PAGE "docs", "reference", "privacy.md"

typedef struct
{
  TnTestkitControl *control;
  TnTestkitDerp    *relay;
  TnTestkitStun    *stun;
  Recorder         *control_recorder;
  Recorder         *relay_recorder;
  DatagramRecorder *stun_recorder;
  char             *url;
  char             *auth_key;
  GHashTable       *sent;            /* set of "section: member" */
} Fixture;

static void
note (Fixture    *fixture,
      const char *section,
      const char *member)
{
  g_hash_table_add (fixture->sent, g_strdup_printf ("%s: %s", section, member));
}

/* --- Inside the encrypted connection to the control server --- */

static void note_json (Fixture *fixture, const char *section, const char *prefix, JsonNode *node);

/* Names that are data: relay regions. */
static gboolean
is_map (const char *prefix)
{
  return g_str_has_suffix (prefix, "DERPLatency.");
}

static void
note_object (Fixture    *fixture,
             const char *section,
             const char *prefix,
             JsonObject *object)
{
  g_autoptr (GList) names = json_object_get_members (object);

  for (GList *l = names; l != NULL; l = l->next)
    {
      g_autofree char *path = g_strconcat (prefix, is_map (prefix) ? "*" : l->data, NULL);
      JsonNode *value = json_object_get_member (object, l->data);

      if (g_str_equal (path, "Hostinfo"))
        {
          note (fixture, section, path);
          note_json (fixture, "Hostinfo", "", value);
        }
      else if (JSON_NODE_HOLDS_OBJECT (value))
        {
          g_autofree char *deeper = g_strconcat (path, ".", NULL);

          note_json (fixture, section, deeper, value);
        }
      else
        {
          note (fixture, section, path);
          note_json (fixture, section, path, value);
        }
    }
}

static void
note_json (Fixture    *fixture,
           const char *section,
           const char *prefix,
           JsonNode   *node)
{
  if (JSON_NODE_HOLDS_OBJECT (node))
    {
      note_object (fixture, section, prefix, json_node_get_object (node));
    }
  else if (JSON_NODE_HOLDS_ARRAY (node))
    {
      JsonArray *array = json_node_get_array (node);
      g_autofree char *deeper = g_strconcat (prefix, "[].", NULL);

      for (guint i = 0; i < json_array_get_length (array); i++)
        note_json (fixture, section, deeper, json_array_get_element (array, i));
    }
}

static void
request_cb (TnTestkitControl *control,
            const char       *machine_key,
            const char       *path,
            const char       *body,
            gpointer          data)
{
  Fixture *fixture = data;
  g_autoptr (GString) name = g_string_new ("POST ");
  g_autoptr (JsonParser) parser = json_parser_new ();

  g_string_append (name, path);

  if (g_str_has_prefix (path, "/c2n/"))
    return;      /* ask_node() looks at the answer */
  if (g_str_has_prefix (path, "/ping/") && *body == '\0')
    {
      note (fixture, "HEAD …/ping", "the answer");
      return;
    }
  if (g_str_has_prefix (path, "/ping/"))
    g_string_assign (name, "POST …/ping");
  g_assert_true (json_parser_load_from_data (parser, body, -1, NULL));
  note_json (fixture, name->str, "", json_parser_get_root (parser));
}

/* --- HTTP that can be read on the way, but for TLS --- */

/* Returns how long the head is; 0: this is none. */
static gsize
note_head (Fixture    *fixture,
           const char *data,
           gsize       len,
           char      **section)
{
  const char *end = g_strstr_len (data, (gssize) len, "\r\n\r\n");
  g_autofree char *head = end != NULL ? g_strndup (data, (gsize) (end - data)) : NULL;
  g_auto (GStrv) lines = head != NULL ? g_strsplit (head, "\r\n", -1) : NULL;
  g_auto (GStrv) words = lines != NULL ? g_strsplit (lines[0], " ", 3) : NULL;
  g_auto (GStrv) parts = NULL;

  if (words == NULL || g_strv_length (words) != 3 || g_strcmp0 (words[2], "HTTP/1.1") != 0)
    return 0;
  parts = g_strsplit (words[1], "?", 2);
  *section = g_str_has_prefix (parts[0], "/ping/") ? g_strdup ("HEAD …/ping") : g_strdup_printf ("%s %s", words[0], parts[0]);
  note (fixture, *section, "the request");
  if (parts[1] != NULL)
    {
      g_autofree char *name = g_strndup (parts[1], strcspn (parts[1], "="));
      g_autofree char *query = g_strdup_printf ("?%s", name);

      note (fixture, *section, query);
    }
  for (gsize i = 1; lines[i] != NULL; i++)
    {
      g_autofree char *name = g_strndup (lines[i], strcspn (lines[i], ":"));

      note (fixture, *section, name);
    }
  return (gsize) (end - data) + 4;
}

static void
note_control (Fixture *fixture)
{
  g_autoptr (GPtrArray) records = recorder_dup_records (fixture->control_recorder);

  for (guint i = 0; i < records->len; i++)
    {
      gsize len, used, pos = 0;
      const char *data = g_bytes_get_data (g_ptr_array_index (records, i), &len);

      while (pos < len)
        {
          g_autofree char *section = NULL;

          used = note_head (fixture, data + pos, len - pos, &section);
          g_assert_cmpuint (used, >, 0);
          pos += used;
          if (g_str_equal (section, "POST /ts2021"))
            break;      /* Noise from here on: request_cb() sees what is in it */
        }
    }
}

/* --- The relay --- */

static void
note_frames (Fixture      *fixture,
             const guint8 *data,
             gsize         len)
{
  for (gsize pos = 0; len - pos >= 5;)
    {
      gsize payload = (gsize) data[pos + 1] << 24 | (gsize) data[pos + 2] << 16 | (gsize) data[pos + 3] << 8 | data[pos + 4];
      g_autofree char *type = g_strdup_printf ("0x%02x", data[pos]);

      note (fixture, "frames to a relay", type);
      pos += MIN (5 + payload, len - pos);
    }
}

static void
note_relay (Fixture *fixture)
{
  g_autoptr (GPtrArray) records = recorder_dup_records (fixture->relay_recorder);

  for (guint i = 0; i < records->len; i++)
    {
      gsize len, used, pos = 0;
      const char *data = g_bytes_get_data (g_ptr_array_index (records, i), &len);

      while (pos < len)
        {
          g_autofree char *section = NULL;

          used = note_head (fixture, data + pos, len - pos, &section);
          g_assert_cmpuint (used, >, 0);
          pos += used;
          if (g_str_equal (section, "GET /derp"))
            {
              note_frames (fixture, (const guint8 *) data + pos, len - pos);
              break;
            }
        }
    }
}

/* RFC 8489 §5, §14 */
static void
note_stun (Fixture *fixture)
{
  GPtrArray *records = datagram_recorder_get_records (fixture->stun_recorder);

  for (guint i = 0; i < records->len; i++)
    {
      gsize len;
      const guint8 *data = g_bytes_get_data (g_ptr_array_index (records, i), &len);

      g_assert_cmpuint (len, >=, 20);
      note (fixture, "STUN", "the request");
      for (gsize pos = 20; pos + 4 <= len; pos += 4 + (((gsize) data[pos + 2] << 8 | data[pos + 3]) + 3) / 4 * 4)
        {
          g_autofree char *type = g_strdup_printf ("0x%02x%02x", data[pos], data[pos + 1]);

          note (fixture, "STUN", type);
        }
    }
}

/* --- A life --- */

static void
set_relay_map (Fixture *fixture)
{
  g_autofree char *text = tn_testkit_derp_dup_map_json (fixture->relay);
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *object;
  g_autofree char *changed = NULL;

  g_assert_true (json_parser_load_from_data (parser, text, -1, NULL));
  object = json_object_get_object_member (json_node_get_object (json_parser_get_root (parser)), "Regions");
  object = json_object_get_object_member (object, "900");
  object = json_array_get_object_element (json_object_get_array_member (object, "Nodes"), 0);
  json_object_set_int_member (object, "DERPPort", recorder_get_port (fixture->relay_recorder));
  json_object_set_int_member (object, "STUNPort", datagram_recorder_get_port (fixture->stun_recorder));
  changed = json_to_string (json_parser_get_root (parser), FALSE);
  g_assert_true (tn_testkit_control_set_derp_map_json (fixture->control, changed, NULL));
}

static void
set_up (Fixture       *fixture,
        gconstpointer  data)
{
  g_autofree char *url = NULL;
  g_autoptr (GUri) uri = NULL;

  fixture->sent = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  fixture->control = g_object_new (TN_TESTKIT_TYPE_CONTROL, "threaded", TRUE, "resumable-sessions", TRUE, NULL);
  g_assert_true (tn_testkit_control_start (fixture->control, NULL));
  g_signal_connect (fixture->control, "request-received", G_CALLBACK (request_cb), fixture);
  fixture->relay = tn_testkit_derp_new (KIT_REGION);
  g_assert_true (tn_testkit_derp_start (fixture->relay, NULL));

  fixture->stun = tn_testkit_stun_new ();
  g_assert_true (tn_testkit_stun_start (fixture->stun, NULL));

  url = tn_testkit_control_dup_url (fixture->control);
  uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  fixture->control_recorder = recorder_new ((guint16) g_uri_get_port (uri), NULL);
  fixture->relay_recorder = recorder_new ((guint16) tn_testkit_derp_get_port (fixture->relay), tn_testkit_derp_get_certificate (fixture->relay));
  fixture->stun_recorder = datagram_recorder_new ((guint16) tn_testkit_stun_get_port (fixture->stun));
  fixture->url = g_strdup_printf ("http://127.0.0.1:%u", recorder_get_port (fixture->control_recorder));
  fixture->auth_key = tn_testkit_control_create_auth_key (fixture->control, "ada@example.test", TN_TESTKIT_AUTH_KEY_REUSABLE, NULL);
  set_relay_map (fixture);
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  data)
{
  recorder_free (fixture->control_recorder);
  recorder_free (fixture->relay_recorder);
  datagram_recorder_free (fixture->stun_recorder);
  g_object_unref (fixture->control);
  tn_testkit_derp_stop (fixture->relay);
  g_object_unref (fixture->relay);
  tn_testkit_stun_stop (fixture->stun);
  g_object_unref (fixture->stun);
  g_hash_table_unref (fixture->sent);
  g_free (fixture->url);
  g_free (fixture->auth_key);
}

static gboolean
has_told_latency (gpointer data)
{
  g_autoptr (TnTestkitNode) node = tn_testkit_control_lookup_node (data, "node");
  const char *text = node != NULL ? tn_testkit_node_get_hostinfo (node) : NULL;

  return text != NULL && strstr (text, "\"DERPLatency\"") != NULL && tn_testkit_node_get_home_region (node) == KIT_REGION;
}

/* Whether the node tells anything there. */
static void
ask_path (Fixture    *fixture,
          const char *path)
{
  g_autofree char *request = g_strdup_printf ("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
  g_autoptr (GBytes) bytes = g_bytes_new (request, strlen (request));
  g_autoptr (GBytes) answer = NULL;
  g_autoptr (GAsyncResult) call = NULL;
  g_autoptr (GError) error = NULL;

  tn_testkit_control_call_node_async (fixture->control, "node", bytes, NULL, kit_result_cb, &call);
  answer = tn_testkit_control_call_node_finish (fixture->control, kit_wait (&call), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (answer), >, 12);
  if (memcmp (g_bytes_get_data (answer, NULL), "HTTP/1.1 200", 12) == 0)
    note (fixture, "POST …/c2n", path);
}

static void
ping (Fixture    *fixture,
      const char *types,      /* NULL: only a sign of life */
      const char *address)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GBytes) answer = NULL;
  g_autoptr (GError) error = NULL;

  tn_testkit_control_ping_async (fixture->control, "node", types, address, TRUE, NULL, kit_result_cb, &result);
  answer = tn_testkit_control_ping_finish (fixture->control, kit_wait (&result), &error);
  g_assert_no_error (error);
}

/* All that a server may ask a node for: what stock nodes tell there and more (tailscale ipn/ipnlocal/c2n.go), and pings. */
static void
ask_node (Fixture    *fixture,
          const char *own_address,
          const char *peer_address)
{
  static const char *const paths[] = {
    "/echo", "/debug/goroutines", "/debug/health", "/debug/metrics", "/debug/prefs", "/debug/netmap", "/debug/logheap",
    "/debug/component-logging", "/debug/pprof/heap", "/debug/pprof/allocs", "/debug/tka/log", "/logtail/flush", "/sockstats", "/update",
    "/posture/identity", "/tls-cert-status", "/appconnector/routes", "/vip-services", "/conn25/state", "/wol", "/netfilter-kind",
    "/ssh/usernames", "/remoteapi/localapi/v0/status", "/localapi/v0/status", "/", "/metrics", "/status",
  };
  g_autofree char *outside = g_strdup_printf ("{\"PingRequest\":{\"URL\":\"%s/ping/outside\"}}", fixture->url);

  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    ask_path (fixture, paths[i]);
  ping (fixture, NULL, NULL);
  ping (fixture, "TSMP", peer_address);
  ping (fixture, "disco", peer_address);
  ping (fixture, "disco", own_address);
  g_assert_cmpuint (tn_testkit_control_send_map_response (fixture->control, "node", outside), ==, 1);
}

static gboolean
has_pinged_outside (gpointer data)
{
  Fixture *fixture = data;

  note_control (fixture);
  return g_hash_table_contains (fixture->sent, "HEAD …/ping: the request");
}

static gboolean
poll_cb (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

static gboolean
has_resumed (gpointer data)
{
  return g_hash_table_contains (((Fixture *) data)->sent, "POST /machine/map: MapSessionHandle");
}

/* A node that joins with a key and offers all that can be said, talks to a peer, and gets a new key. */
static void
live_with_key (Fixture *fixture)
{
  static const char *const tags[] = { "tag:test", NULL };
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  TnDevice *device = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "node", "control-url", fixture->url, "auth-key", fixture->auth_key,
                                   "state-store", store, "tags", tags, "app-name", "a test", NULL);
  TnDevice *peer = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "peer", "control-url", fixture->url, "auth-key", fixture->auth_key, NULL);
  g_autoptr (GAsyncResult) login = NULL, logout = NULL;
  g_autoptr (TnNode) self = NULL, node = NULL;
  g_autoptr (GError) error = NULL;
  TnConnection *one, *other;
  guint poll = g_timeout_add (20, poll_cb, NULL);      /* recorders have threads of their own */

  g_assert_true (kit_start (device, &error));
  g_assert_true (kit_start (peer, &error));
  kit_wait_for ("a home and its latency", has_told_latency, fixture->control);
  kit_pair (device, peer, "peer", 80, &one, &other);
  kit_echo (one, other, "hello");
  g_object_unref (one);
  g_object_unref (other);
  self = tn_device_dup_self_node (device);
  node = tn_device_lookup_peer (device, "peer");
  ask_node (fixture, tn_node_get_addresses (self)[0], tn_node_get_addresses (node)[0]);
  kit_wait_for ("an answer outside", has_pinged_outside, fixture);
  g_source_remove (poll);

  tn_testkit_control_drop_connections (fixture->control, NULL);
  kit_wait_for ("it to go on", has_resumed, fixture);
  g_assert_true (tn_testkit_control_expire_node (fixture->control, "node", &error));
  kit_wait_state (device, TN_DEVICE_STATE_NEEDS_LOGIN);
  tn_device_login_async (device, NULL, kit_result_cb, &login);
  g_assert_true (tn_device_login_finish (device, kit_wait (&login), &error));
  tn_device_logout_async (device, NULL, kit_result_cb, &logout);
  g_assert_true (tn_device_logout_finish (device, kit_wait (&logout), &error));
  g_clear_object (&login);
  g_clear_object (&logout);
  kit_free (device);
  kit_free (peer);
}

static gboolean
has_url (gpointer device)
{
  g_autofree char *url = tn_device_dup_auth_url (device);

  return url != NULL;
}

/* One that a person lets in, and that goes away for good when it stops. */
static void
live_with_url (Fixture *fixture)
{
  TnDevice *device = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "brief", "control-url", fixture->url, "ephemeral", TRUE, NULL);
  g_autoptr (GAsyncResult) start = NULL;
  g_autofree char *url = NULL;

  tn_device_start_async (device, NULL, kit_result_cb, &start);
  kit_wait_for ("a URL", has_url, device);
  url = tn_device_dup_auth_url (device);
  g_assert_true (tn_testkit_control_approve (fixture->control, url, "ada@example.test", NULL));
  g_assert_true (tn_device_start_finish (device, kit_wait (&start), NULL));
  g_clear_object (&start);
  kit_free (device);
}

/* --- The page --- */

/* A heading of the third level names a request, a row of a table what is in it, and its last cell when: what begins with "where" hangs
 * on the machine. Returns the set of what is to be seen, and fills @maybe. */
static GHashTable *
read_page (GHashTable *maybe)
{
  GHashTable *always = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "..", PAGE, NULL);
  g_autofree char *text = NULL;
  g_autofree char *section = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  lines = g_strsplit (text, "\n", -1);
  for (gsize i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) cells = g_strsplit (lines[i], "|", -1);

      if (g_str_has_prefix (lines[i], "### "))
        {
          g_free (section);
          section = g_strdup (g_strdelimit (lines[i] + 4, "`", ' '));
          g_strstrip (section);
        }
      else if (section != NULL && g_str_has_prefix (lines[i], "| ") && !g_str_has_prefix (lines[i], "| ---") && i > 0 &&
               g_str_has_prefix (lines[i - 1], "|"))
        {
          g_assert_cmpuint (g_strv_length (cells), ==, 6);
          g_hash_table_add (g_str_has_prefix (g_strstrip (cells[4]), "where") ? maybe : always,
                            g_strdup_printf ("%s: %s", section, g_strstrip (g_strdelimit (cells[1], "`", ' '))));
        }
    }
  return always;
}

static guint
complain (GHashTable *these,
          GHashTable *known,
          GHashTable *also_known,
          const char *what)
{
  GHashTableIter iter;
  gpointer entry;
  guint n = 0;

  g_hash_table_iter_init (&iter, these);
  while (g_hash_table_iter_next (&iter, &entry, NULL))
    if (!g_hash_table_contains (known, entry) && (also_known == NULL || !g_hash_table_contains (also_known, entry)))
      {
        g_printerr ("%s: %s\n", what, (char *) entry);
        n++;
      }
  return n;
}

static void
test_page (Fixture       *fixture,
           gconstpointer  data)
{
  g_autoptr (GHashTable) maybe = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) always = read_page (maybe);
  guint n = 0;

  live_with_key (fixture);
  live_with_url (fixture);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  note_control (fixture);
  note_relay (fixture);
  note_stun (fixture);
  n += complain (fixture->sent, always, maybe, "is sent and not documented");
  n += complain (always, fixture->sent, NULL, "is documented and not sent");
  g_assert_cmpuint (n, ==, 0);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add ("/device/privacy/page", Fixture, NULL, set_up, test_page, tear_down);

  return g_test_run ();
}
