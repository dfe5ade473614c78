/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <json-glib/json-glib.h>

#include "fake-device.h"
#include "tn-error.h"

static void
count_cb (gpointer instance,
          gpointer arg,
          gpointer user_data)
{
  ++*(guint *) user_data;
}

static void
count_changes_cb (GListModel *list,
                  guint       position,
                  guint       removed,
                  guint       added,
                  gpointer    user_data)
{
  ++*(guint *) user_data;
}

static void
iterate (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
result_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static GAsyncResult *
wait_result (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

/* --- Coalescing --- */

static void
test_coalesced (void)
{
  g_autoptr (FakeDevice) device = fake_device_new ();
  TnDeviceModel *model = fake_device_get_model (device);
  guint n_state = 0, n_suffix = 0, n_any = 0;

  g_signal_connect (device, "notify::state", G_CALLBACK (count_cb), &n_state);
  g_signal_connect (device, "notify::dns-suffix", G_CALLBACK (count_cb), &n_suffix);
  g_signal_connect (device, "notify", G_CALLBACK (count_cb), &n_any);

  tn_device_model_publish_facts (model, &(TnDeviceFacts) { .state = TN_DEVICE_STATE_STARTING });
  tn_device_model_publish_facts (model, &(TnDeviceFacts) { .state = TN_DEVICE_STATE_RUNNING, .dns_suffix = "t.example" });
  g_assert_cmpint (tn_device_get_state (TN_DEVICE (device)), ==, TN_DEVICE_STATE_STOPPED);
  iterate ();
  g_assert_cmpint (tn_device_get_state (TN_DEVICE (device)), ==, TN_DEVICE_STATE_RUNNING);
  g_assert_cmpuint (n_state, ==, 1);
  g_assert_cmpuint (n_suffix, ==, 1);
  g_assert_cmpuint (n_any, ==, 2);

  tn_device_model_publish_facts (model, &(TnDeviceFacts) { .state = TN_DEVICE_STATE_RUNNING, .dns_suffix = "t.example" });
  iterate ();
  g_assert_cmpuint (n_any, ==, 2);

  tn_device_model_publish_facts (model, &(TnDeviceFacts) { .state = TN_DEVICE_STATE_STOPPED });
  tn_device_model_flush (model);
  g_assert_cmpuint (n_state, ==, 2);
  g_assert_null (tn_device_dup_dns_suffix (TN_DEVICE (device)));
}

typedef struct
{
  FakeDevice *device;
  GThread    *thread;     /* where handlers must run */
  guint       n_notified;
} Threaded;

static gpointer
publish_thread (gpointer data)
{
  Threaded *threaded = data;
  TnDeviceModel *model = fake_device_get_model (threaded->device);

  for (guint i = 1; i <= 1000; i++)
    {
      g_autofree char *region = g_strdup_printf ("r%u", i);
      g_autofree char *id = g_strdup_printf ("n%u", i % 50);
      g_autofree char *name = g_strdup_printf ("p%u.t", i % 70);
      g_autoptr (TnNodeData) node = fake_node_new (id, name, "100.64.0.1");
      TnNodeLive live = { .rx_bytes = i };

      tn_device_model_publish_peer (model, node);
      tn_device_model_publish_live (model, id, &live);
      tn_device_model_publish_facts (model, &(TnDeviceFacts) { .state = TN_DEVICE_STATE_RUNNING, .home_region = region });
    }
  return NULL;
}

static void
threaded_notify_cb (GObject    *object,
                    GParamSpec *pspec,
                    gpointer    user_data)
{
  Threaded *threaded = user_data;

  g_assert_true (g_thread_self () == threaded->thread);
  threaded->n_notified++;
}

static void
test_threads (void)
{
  g_autoptr (FakeDevice) device = fake_device_new ();
  Threaded threaded = { device, g_thread_self (), 0 };
  GThread *threads[2];
  g_autofree char *region = NULL;

  g_signal_connect (device, "notify::home-region", G_CALLBACK (threaded_notify_cb), &threaded);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("publish", publish_thread, &threaded);
  do
    {
      g_free (region);
      g_main_context_iteration (NULL, TRUE);
      region = tn_device_dup_home_region (TN_DEVICE (device));
    }
  while (g_strcmp0 (region, "r1000") != 0);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  iterate ();

  g_assert_cmpuint (threaded.n_notified, <=, 2000);
  g_assert_cmpuint (g_list_model_get_n_items (tn_device_get_peers (TN_DEVICE (device))), ==, 50);
}

/* What was published for a device that is gone reaches nobody, and is freed. */
/* Many from another thread, while this one looks all the time: one change of the list. */
#define N_MANY 20000

static gpointer
publish_many_thread (gpointer data)
{
  g_autoptr (GPtrArray) peers = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_node_data_unref);
  const char *const removed[] = { "none" };

  for (guint i = 0; i < N_MANY; i++)
    {
      g_autofree char *id = g_strdup_printf ("n%u", i);
      TnNodeData *peer = tn_node_data_new (id);

      tn_node_data_set_dns_name (peer, id);
      g_ptr_array_add (peers, peer);
    }
  tn_device_model_publish_changes (data, (const TnNodeData *const *) peers->pdata, peers->len, removed, 1);
  return NULL;
}

static void
test_many (void)
{
  g_autoptr (FakeDevice) device = fake_device_new ();
  TnDeviceModel *model = fake_device_get_model (device);
  GListModel *peers = tn_device_get_peers (TN_DEVICE (device));
  GThread *thread = g_thread_new ("many", publish_many_thread, model);
  guint n_changes = 0;

  g_signal_connect (peers, "items-changed", G_CALLBACK (count_changes_cb), &n_changes);
  while (g_list_model_get_n_items (peers) == 0)
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
  iterate ();
  g_assert_cmpuint (g_list_model_get_n_items (peers), ==, N_MANY);
  g_assert_cmpuint (n_changes, ==, 1);
}

static void
test_gone (void)
{
  FakeDevice *device = fake_device_new ();
  TnDeviceModel *model = tn_device_model_ref (fake_device_get_model (device));
  g_autoptr (TnNodeData) node = fake_node_new ("n", "n.t", "100.64.0.1");

  tn_device_model_publish_peer (model, node);
  g_assert_finalize_object (device);
  iterate ();
  tn_device_model_publish_peer (model, node);
  iterate ();
  tn_device_model_unref (model);
}

static void
nested_cb (GListModel *list,
           guint       position,
           guint       removed,
           guint       added,
           gpointer    user_data)
{
  FakeDevice *device = user_data;
  g_autoptr (TnNodeData) node = fake_node_new ("late", "aaa.t", "100.64.0.9");

  /* A handler that runs the main loop does not see the list change under it. */
  g_signal_handlers_disconnect_by_func (list, nested_cb, user_data);
  tn_device_model_publish_peer (fake_device_get_model (device), node);
  g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (g_list_model_get_n_items (list), ==, added);
}

static void
test_nested (void)
{
  g_autoptr (FakeDevice) device = fake_device_new ();
  TnDeviceModel *model = fake_device_get_model (device);
  g_autoptr (TnNodeData) node = fake_node_new ("n", "n.t", "100.64.0.1");
  GListModel *peers = tn_device_get_peers (TN_DEVICE (device));

  g_signal_connect (peers, "items-changed", G_CALLBACK (nested_cb), device);
  tn_device_model_publish_peer (model, node);
  iterate ();
  g_assert_cmpuint (g_list_model_get_n_items (peers), ==, 2);
}

static void
login_cb (TnDevice   *device,
          const char *url,
          gpointer    user_data)
{
  g_string_append_printf (user_data, "%s;", url);
}

static void
test_login (void)
{
  g_autoptr (FakeDevice) device = fake_device_new ();
  TnDeviceModel *model = fake_device_get_model (device);
  g_autoptr (GString) urls = g_string_new (NULL);
  const char * const published[] = { "http://a", "http://a", NULL, "http://b", "http://a" };

  g_signal_connect (device, "login-required", G_CALLBACK (login_cb), urls);
  for (guint i = 0; i < G_N_ELEMENTS (published); i++)
    {
      tn_device_model_publish_facts (model, &(TnDeviceFacts) { .state = TN_DEVICE_STATE_NEEDS_LOGIN, .auth_url = published[i] });
      iterate ();
    }
  g_assert_cmpstr (urls->str, ==, "http://a;http://b;http://a;");
}

static GPtrArray *
make_health (const char *codes)
{
  GPtrArray *items = g_ptr_array_new_with_free_func (g_object_unref);

  for (; *codes != '\0'; codes++)
    {
      const char code[] = { *codes, '\0' };

      g_ptr_array_add (items, tn_health_item_new (code, TN_HEALTH_SEVERITY_MEDIUM, "title", "text"));
    }
  return items;
}

static void
health_changed_cb (GListModel *list,
                   guint       position,
                   guint       removed,
                   guint       added,
                   gpointer    user_data)
{
  ++*(guint *) user_data;
}

static void
test_health (void)
{
  static const struct { const char *codes; guint n_emissions; } steps[] = {
    { "ab", 1 }, { "ab", 1 }, { "abc", 2 }, { "ac", 3 }, { "", 4 }, { "", 4 }, { "x", 5 }, { "yx", 6 },
  };
  g_autoptr (FakeDevice) device = fake_device_new ();
  GListModel *health = tn_device_get_health (TN_DEVICE (device));
  guint n_emissions = 0;

  g_signal_connect (health, "items-changed", G_CALLBACK (health_changed_cb), &n_emissions);
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_autoptr (GPtrArray) items = make_health (steps[i].codes);

      tn_device_model_publish_health (fake_device_get_model (device), items);
      iterate ();
      g_assert_cmpuint (n_emissions, ==, steps[i].n_emissions);
      g_assert_cmpuint (g_list_model_get_n_items (health), ==, items->len);
      for (guint j = 0; j < items->len; j++)
        {
          g_autoptr (TnHealthItem) item = g_list_model_get_item (health, j);

          g_assert_true (tn_health_item_equal (item, g_ptr_array_index (items, j)));
        }
    }
}

/* --- Nodes by name --- */

static void
add_route (TnNodeData *node,
           const char *prefix)
{
  node->allowed_ips = g_renew (TnIpPrefix, node->allowed_ips, node->n_allowed_ips + 1);
  g_assert_true (tn_ip_prefix_parse (prefix, &node->allowed_ips[node->n_allowed_ips++]));
}

static FakeDevice *
make_tailnet (void)
{
  FakeDevice *device = fake_device_new ();
  TnDeviceModel *model = fake_device_get_model (device);
  g_autoptr (TnNodeData) self_node = fake_node_new ("self", "me.t.example", "100.64.0.1");
  g_autoptr (TnNodeData) db = fake_node_new ("db", "db.t.example.", "100.64.0.2");
  g_autoptr (TnNodeData) router = fake_node_new ("router", "router.t.example.", "100.64.0.3");
  g_autoptr (TnNodeData) exit_node = fake_node_new ("exit", "exit.t.example.", "100.64.0.4");

  add_route (router, "192.0.2.0/24");
  add_route (exit_node, "0.0.0.0/0");
  tn_device_model_publish_self (model, self_node);
  tn_device_model_publish_peer (model, db);
  tn_device_model_publish_peer (model, router);
  tn_device_model_publish_peer (model, exit_node);
  tn_device_model_publish_facts (model, &(TnDeviceFacts) { .state = TN_DEVICE_STATE_RUNNING, .dns_suffix = "t.example",
                                                           .tailnet_name = "example.com", .magic_dns = TRUE });
  tn_device_model_flush (model);
  return device;
}

/* Peers that came, went and were measured before anybody asked for one. */
static void
test_unseen (void)
{
  g_autoptr (FakeDevice) device = make_tailnet ();
  TnDeviceModel *model = fake_device_get_model (device);
  TnNodeLive live = TN_NODE_LIVE_INIT;
  g_autoptr (TnNodeData) late = fake_node_new ("late", "late.t.example.", "100.64.0.5");
  g_autoptr (TnNode) db = NULL;
  GListModel *peers;
  guint n = 0;

  live.rx_bytes = 42;
  tn_device_model_publish_live (model, "db", &live);
  tn_device_model_publish_live (model, "router", &live);
  iterate ();
  tn_device_model_publish_removed (model, "router");
  iterate ();

  peers = tn_device_get_peers (TN_DEVICE (device));
  g_signal_connect (peers, "items-changed", G_CALLBACK (count_changes_cb), &n);
  g_assert_cmpuint (g_list_model_get_n_items (peers), ==, 2);
  db = tn_device_lookup_peer (TN_DEVICE (device), "db");
  g_assert_nonnull (db);
  g_assert_cmpuint (tn_node_get_rx_bytes (db), ==, 42);

  /* From now on the list follows. */
  g_assert_cmpuint (n, ==, 0);
  tn_device_model_publish_peer (model, late);
  iterate ();
  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpuint (g_list_model_get_n_items (peers), ==, 3);
}

static void
assert_looks_up (FakeDevice *device,
                 const char *text,
                 const char *stable_id)
{
  g_autoptr (TnNode) node = tn_device_lookup_peer (TN_DEVICE (device), text);

  g_assert_cmpstr (node != NULL ? tn_node_get_stable_id (node) : NULL, ==, stable_id);
}

static void
test_lookup (void)
{
  g_autoptr (FakeDevice) device = make_tailnet ();
  TnDeviceModel *model = fake_device_get_model (device);
  g_autoptr (TnNodeData) renamed = fake_node_new ("db", "data.t.example", "100.64.0.2");
  g_autoptr (TnNode) held = tn_device_lookup_peer (TN_DEVICE (device), "db");
  g_autoptr (TnNode) self_node = tn_device_dup_self_node (TN_DEVICE (device));
  g_autoptr (TnNode) own = tn_device_lookup_peer (TN_DEVICE (device), "me");

  g_assert_true (self_node == own);
  assert_looks_up (device, "DB.t.example.", "db");
  assert_looks_up (device, "100.64.0.3", "router");
  assert_looks_up (device, "nobody", NULL);

  tn_device_model_publish_peer (model, renamed);
  tn_device_model_flush (model);
  assert_looks_up (device, "db", NULL);
  assert_looks_up (device, "data", "db");
  g_assert_cmpstr (tn_node_get_name (held), ==, "data");

  tn_device_model_publish_removed (model, "db");
  tn_device_model_publish_facts (model, &(TnDeviceFacts) { .state = TN_DEVICE_STATE_RUNNING, .dns_suffix = "else.example" });
  tn_device_model_flush (model);
  assert_looks_up (device, "data", NULL);
  assert_looks_up (device, "router", "router");
}

static void
test_routes (void)
{
  g_autoptr (FakeDevice) device = make_tailnet ();
  g_autoptr (GInetAddress) inside = g_inet_address_new_from_string ("192.0.2.7");
  g_autoptr (GInetAddress) own = g_inet_address_new_from_string ("100.64.0.2");
  g_autoptr (GInetAddress) nowhere = g_inet_address_new_from_string ("2001:db8::1");
  g_autoptr (GPtrArray) routers = tn_device_peers_with_route (TN_DEVICE (device), inside);
  g_autoptr (GPtrArray) owners = tn_device_peers_with_route (TN_DEVICE (device), own);
  g_autoptr (GPtrArray) none = tn_device_peers_with_route (TN_DEVICE (device), nowhere);
  g_autoptr (TnNode) sender = tn_device_identify (TN_DEVICE (device), inside, NULL);

  g_assert_cmpuint (routers->len, ==, 2);
  g_assert_cmpstr (tn_node_get_name (g_ptr_array_index (routers, 0)), ==, "router");
  g_assert_cmpstr (tn_node_get_name (g_ptr_array_index (routers, 1)), ==, "exit");
  g_assert_cmpstr (tn_node_get_name (g_ptr_array_index (owners, 0)), ==, "db");
  g_assert_cmpuint (none->len, ==, 0);
  g_assert_cmpstr (tn_node_get_name (sender), ==, "router");
}

/* --- Calls --- */

static void
test_connect (void)
{
  static const struct { const char *text; guint16 port; int code; const char *says; } cases[] = {
    { "DB", 80, G_IO_ERROR_CONNECTION_REFUSED, "db|80" },
    { "[fd7a::1]:5", 80, G_IO_ERROR_CONNECTION_REFUSED, "fd7a::1|5" },
    { "db", 0, -1, "no port" },
    { "db:99999", 80, -1, "99999" },
  };
  g_autoptr (FakeDevice) device = make_tailnet ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GError) error = NULL;

      tn_device_connect_to_host_async (TN_DEVICE (device), cases[i].text, cases[i].port, NULL, result_cb, &result);
      g_assert_null (tn_device_connect_to_host_finish (TN_DEVICE (device), wait_result (&result), &error));
      if (cases[i].code >= 0)
        g_assert_error (error, G_IO_ERROR, cases[i].code);
      else
        g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
      g_assert_nonnull (strstr (error->message, cases[i].says));
    }
}

/* What one call ended with is refused by the end of another: it may be an object of another type. */
static void
test_other_finish (void)
{
  g_autoptr (FakeDevice) device = make_tailnet ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  tn_device_connect_to_host_async (TN_DEVICE (device), "db", 80, NULL, result_cb, &result);
  wait_result (&result);
  g_test_expect_message ("tailnet", G_LOG_LEVEL_CRITICAL, "*source_tag*");
  g_assert_null (tn_device_ping_finish (TN_DEVICE (device), result, &error));
  g_test_assert_expected_messages ();
  g_assert_no_error (error);
  g_assert_null (tn_device_connect_to_host_finish (TN_DEVICE (device), result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
}

static void
assert_connectable (FakeDevice         *device,
                    GSocketConnectable *connectable,
                    const char         *says)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  tn_device_connect_to_connectable_async (TN_DEVICE (device), connectable, NULL, result_cb, &result);
  g_assert_null (tn_device_connect_to_connectable_finish (TN_DEVICE (device), wait_result (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
  g_assert_cmpstr (error->message, ==, says);
  g_object_unref (connectable);
}

static void
test_connectable (void)
{
  g_autoptr (FakeDevice) device = make_tailnet ();

  assert_connectable (device, g_network_address_new ("db", 5432), "db|5432");
  assert_connectable (device, G_SOCKET_CONNECTABLE (g_inet_socket_address_new_from_string ("fd7a::1", 5)), "fd7a::1|5");
  assert_connectable (device, G_SOCKET_CONNECTABLE (g_inet_socket_address_new_from_string ("100.64.0.2", 5)), "100.64.0.2|5");
}

static void
test_whois (void)
{
  static const struct { const char *text; const char *name; } cases[] = {
    { "100.64.0.2", "db" }, { "100.64.0.2:4711", "db" }, { "192.0.2.9:80", "router" }, { "db", "db" }, { "me", "me" },
    { "2001:db8::1", NULL }, { "nobody", NULL }, { "???", NULL },
  };
  g_autoptr (FakeDevice) device = make_tailnet ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GVariant) capabilities = NULL;
      g_autoptr (GError) error = NULL;
      g_autoptr (TnNode) node = NULL;

      tn_device_whois_async (TN_DEVICE (device), cases[i].text, NULL, NULL, result_cb, &result);
      node = tn_device_whois_finish (TN_DEVICE (device), wait_result (&result), &capabilities, &error);
      g_assert_cmpstr (node != NULL ? tn_node_get_name (node) : NULL, ==, cases[i].name);
      g_assert_true ((node == NULL) == (error != NULL));
      if (i == 0)
        g_assert_true (g_variant_is_of_type (capabilities, G_VARIANT_TYPE ("a{sas}")));
    }
}

static void
test_resolve (void)
{
  g_autoptr (FakeDevice) device = make_tailnet ();
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) result2 = NULL;
  g_autoptr (GAsyncResult) result3 = NULL;
  g_autoptr (GPtrArray) addresses = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  tn_device_resolve_async (TN_DEVICE (device), "db", NULL, result_cb, &result);
  addresses = tn_device_resolve_finish (TN_DEVICE (device), wait_result (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (addresses->len, ==, 1);
  text = g_inet_address_to_string (g_ptr_array_index (addresses, 0));
  g_assert_cmpstr (text, ==, "100.64.0.2");

  tn_device_resolve_async (TN_DEVICE (device), "nobody", NULL, result_cb, &result2);
  g_assert_null (tn_device_resolve_finish (TN_DEVICE (device), wait_result (&result2), &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_NO_SUCH_PEER);
  g_clear_error (&error);

  g_cancellable_cancel (cancelled);
  tn_device_resolve_async (TN_DEVICE (device), "db", cancelled, result_cb, &result3);
  g_assert_null (tn_device_resolve_finish (TN_DEVICE (device), wait_result (&result3), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_status (void)
{
  g_autoptr (FakeDevice) device = make_tailnet ();
  TnDeviceModel *model = fake_device_get_model (device);
  g_autoptr (TnUser) user = tn_user_new (G_GINT64_CONSTANT (9007199254740993), "ada@example.com", "Ada", NULL);
  g_autoptr (TnNodeData) node = fake_node_new ("db", "db.t.example", "100.64.0.2");
  TnNodeLive live = { .rx_bytes = 42, .path = { .kind = TN_PATH_KIND_DIRECT, .latency_us = -1 } };
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *again = NULL;
  g_autofree char *text = NULL;
  char key[TN_KEY_TEXT_MAX];
  JsonObject *root, *peer;

  g_assert_true (tn_ip_endpoint_parse ("198.51.100.1:41641", &live.path.endpoint));
  node->user = g_object_ref (user);
  node->public_key.bytes[0] = 7;
  tn_node_data_edit_details (node)->capabilities =
    g_variant_ref_sink (g_variant_new_parsed ("{'funnel': @as [], 'cap/x': ['{\"a\":1}', 'broken{']}"));
  tn_device_model_publish_peer (model, node);
  tn_device_model_publish_live (model, "db", &live);
  iterate ();

  tn_device_status_to_json_async (TN_DEVICE (device), NULL, result_cb, &result);
  text = tn_device_status_to_json_finish (TN_DEVICE (device), wait_result (&result), &error);
  g_assert_no_error (error);
  json_parser_load_from_data (parser, text, -1, &error);
  g_assert_no_error (error);
  again = json_to_string (json_parser_get_root (parser), TRUE);
  g_assert_cmpstr (text, ==, again);      /* laid out as json-glib does */

  root = json_node_get_object (json_parser_get_root (parser));
  g_assert_cmpstr (json_object_get_string_member (root, "BackendState"), ==, "Running");
  g_assert_cmpstr (json_object_get_string_member (json_object_get_object_member (root, "CurrentTailnet"), "Name"), ==, "example.com");
  g_assert_cmpstr (json_object_get_string_member (json_object_get_object_member (root, "Self"), "DNSName"), ==, "me.t.example.");
  g_assert_cmpstr (json_array_get_string_element (json_object_get_array_member (root, "TailscaleIPs"), 0), ==, "100.64.0.1");

  tn_node_public_key_print (&node->public_key, key);
  peer = json_object_get_object_member (json_object_get_object_member (root, "Peer"), key);
  g_assert_cmpstr (json_object_get_string_member (peer, "ID"), ==, "db");
  g_assert_cmpint (json_object_get_int_member (peer, "UserID"), ==, G_GINT64_CONSTANT (9007199254740993));
  g_assert_cmpint (json_object_get_int_member (peer, "RxBytes"), ==, 42);
  g_assert_cmpstr (json_object_get_string_member (peer, "CurAddr"), ==, "198.51.100.1:41641");
  g_assert_cmpstr (json_object_get_string_member (peer, "LastSeen"), ==, "0001-01-01T00:00:00Z");
  g_assert_true (json_object_get_null_member (json_object_get_object_member (peer, "CapMap"), "funnel"));
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (json_object_get_object_member (peer, "CapMap"), "cap/x")), ==, 2);
  g_assert_cmpstr (json_object_get_string_member (
                     json_object_get_object_member (json_object_get_object_member (root, "User"), "9007199254740993"), "LoginName"),
                   ==, "ada@example.com");
}

/* In the time and the room that its text takes: a tree of it would be five times that. */
static void
test_status_many (void)
{
  enum { N_PEERS = 20000 };
  g_autoptr (FakeDevice) device = make_tailnet ();
  TnDeviceModel *model = fake_device_get_model (device);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  gint64 begin_us;

  for (guint i = 0; i < N_PEERS; i++)
    {
      g_autofree char *id = g_strdup_printf ("n%u", i);
      g_autofree char *name = g_strdup_printf ("n%u.t.example", i);
      g_autofree char *address = g_strdup_printf ("100.100.%u.%u", i / 256, i % 256);
      g_autoptr (TnNodeData) node = fake_node_new (id, name, address);

      tn_node_data_edit_details (node)->capabilities = g_variant_ref_sink (g_variant_new_parsed ("{'cap/x': ['{\"a\":[1,{\"b\":\"\\u00e9\"}]}']}"));
      tn_device_model_publish_peer (model, node);
    }
  iterate ();
  begin_us = g_get_monotonic_time ();
  tn_device_status_to_json_async (TN_DEVICE (device), NULL, result_cb, &result);
  text = tn_device_status_to_json_finish (TN_DEVICE (device), wait_result (&result), &error);
  g_assert_no_error (error);
  g_test_message ("%u peers: %" G_GSIZE_FORMAT " bytes in %" G_GINT64_FORMAT " us", (guint) N_PEERS, strlen (text),
                  g_get_monotonic_time () - begin_us);
  root = json_from_string (text, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (json_object_get_size (json_object_get_object_member (json_node_get_object (root), "Peer")), >=, N_PEERS);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/device/model/coalesced", test_coalesced);
  g_test_add_func ("/device/model/unseen", test_unseen);
  g_test_add_func ("/device/model/threads", test_threads);
  g_test_add_func ("/device/model/many", test_many);
  g_test_add_func ("/device/model/gone", test_gone);
  g_test_add_func ("/device/model/nested", test_nested);
  g_test_add_func ("/device/model/login", test_login);
  g_test_add_func ("/device/model/health", test_health);
  g_test_add_func ("/device/model/lookup", test_lookup);
  g_test_add_func ("/device/model/routes", test_routes);
  g_test_add_func ("/device/calls/connect", test_connect);
  g_test_add_func ("/device/calls/other-finish", test_other_finish);
  g_test_add_func ("/device/calls/connectable", test_connectable);
  g_test_add_func ("/device/calls/whois", test_whois);
  g_test_add_func ("/device/calls/resolve", test_resolve);
  g_test_add_func ("/device/calls/status", test_status);
  g_test_add_func ("/device/calls/status-many", test_status_many);
  return g_test_run ();
}
