/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "device-kit.h"

/* The network map that a device keeps, and a start while the control server is away. */

static TnTestkitTailnet *tailnet;

static TnTestkitControl *
control (void)
{
  return tn_testkit_tailnet_get_control (tailnet);
}

/* --- Two devices that have met, and stopped: ada last saw bob online --- */

typedef struct
{
  char     *directory;
  TnDevice *ada;
  TnDevice *bob;
} Fixture;

static TnStateStore *
new_store (Fixture    *fixture,
           const char *name)
{
  g_autofree char *path = g_build_filename (fixture->directory, name, NULL);

  return tn_file_state_store_new (path);
}

static TnDevice *
new_device (Fixture    *fixture,
            const char *name,
            gboolean    with_key)
{
  g_autoptr (TnStateStore) store = new_store (fixture, name);

  return kit_device_new (tailnet, name, store, with_key);
}

static void
start (TnDevice *device)
{
  g_autoptr (GError) error = NULL;

  kit_start (device, &error);
  g_assert_no_error (error);
}

/* As a new process would start it: with its state, and nothing else. */
static TnDevice *
restart (Fixture    *fixture,
         const char *name)
{
  TnDevice *device = new_device (fixture, name, FALSE);

  start (device);
  return device;
}

static char *
netmap_path (Fixture    *fixture,
             const char *name)
{
  return g_build_filename (fixture->directory, name, "netmap.state", NULL);
}

static gboolean
has_file (Fixture    *fixture,
          const char *name)
{
  g_autofree char *path = netmap_path (fixture, name);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
talk (TnDevice   *client,
      TnDevice   *server,
      const char *name)
{
  g_autoptr (TnConnection) client_end = NULL;
  g_autoptr (TnConnection) server_end = NULL;

  kit_pair (client, server, name, 7000, &client_end, &server_end);
  kit_echo (client_end, server_end, "who minds the server");
}

/* Each knows where the other is at home. */
static void
set_up (Fixture *fixture, gconstpointer user_data)
{
  fixture->directory = g_dir_make_tmp ("tailnet-cache-XXXXXX", NULL);
  fixture->bob = new_device (fixture, "bob", TRUE);
  start (fixture->bob);
  fixture->ada = new_device (fixture, "ada", TRUE);
  start (fixture->ada);
  talk (fixture->ada, fixture->bob, "bob");
  talk (fixture->bob, fixture->ada, "ada");
  kit_free (g_steal_pointer (&fixture->ada));
  kit_free (g_steal_pointer (&fixture->bob));
  g_assert_true (has_file (fixture, "ada"));
  g_assert_true (has_file (fixture, "bob"));
}

static void
remove_directory (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_directory (child);
    }
  g_remove (path);
}

static void
tear_down (Fixture *fixture, gconstpointer user_data)
{
  static const char *const names[] = { "ada", "bob", "cyd" };

  if (fixture->ada != NULL)
    kit_free (fixture->ada);
  if (fixture->bob != NULL)
    kit_free (fixture->bob);
  tn_testkit_control_start (control (), NULL);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    tn_testkit_control_delete_node (control (), names[i], NULL);
  remove_directory (fixture->directory);
  g_free (fixture->directory);
}

/* --- What happens in files, no main context hears of --- */

static gboolean
look_again_cb (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

typedef struct
{
  Fixture    *fixture;
  const char *name;
  gboolean    there;
} WantedFile;

static gboolean
is_as_wanted (gpointer data)
{
  WantedFile *wanted = data;

  return has_file (wanted->fixture, wanted->name) == wanted->there;
}

static void
wait_file (Fixture    *fixture,
           const char *name,
           gboolean    there)
{
  WantedFile wanted = { fixture, name, there };
  guint look = g_timeout_add (20, look_again_cb, NULL);

  kit_wait_for ("a file to come or go", is_as_wanted, &wanted);
  g_source_remove (look);
}

static void
save (Fixture    *fixture,
      const char *name,
      const char *key,
      GBytes     *value)
{
  g_autoptr (TnStateStore) store = new_store (fixture, name);
  g_autoptr (GAsyncResult) acquired = NULL;
  g_autoptr (GAsyncResult) saved = NULL;
  g_autoptr (GError) error = NULL;

  tn_state_store_acquire_async (store, NULL, kit_result_cb, &acquired);
  g_assert_true (tn_state_store_acquire_finish (store, kit_wait (&acquired), &error));
  tn_state_store_save_async (store, key, value, NULL, kit_result_cb, &saved);
  g_assert_true (tn_state_store_save_finish (store, kit_wait (&saved), &error));
  tn_state_store_release (store);
}

static GBytes *
load (TnStateStore *store,
      const char   *key)
{
  g_autoptr (GAsyncResult) acquired = NULL;
  g_autoptr (GAsyncResult) loaded = NULL;
  g_autoptr (GError) error = NULL;
  GBytes *value;

  tn_state_store_acquire_async (store, NULL, kit_result_cb, &acquired);
  g_assert_true (tn_state_store_acquire_finish (store, kit_wait (&acquired), &error));
  tn_state_store_load_async (store, key, NULL, kit_result_cb, &loaded);
  value = tn_state_store_load_finish (store, kit_wait (&loaded), &error);
  g_assert_no_error (error);
  tn_state_store_release (store);
  return value;
}

static GBytes *
load_netmap (Fixture    *fixture,
             const char *name)
{
  g_autoptr (TnStateStore) store = new_store (fixture, name);

  return load (store, "netmap");
}

/* --- Events of the list of peers --- */

typedef struct
{
  guint n_added;
  guint n_removed;
} Events;

static void
items_changed_cb (GListModel *list, guint position, guint removed, guint added, gpointer data)
{
  Events *events = data;

  events->n_added += added;
  events->n_removed += removed;
}

static void
watch (TnDevice *device,
       Events   *events)
{
  *events = (Events) { 0, 0 };
  g_signal_connect (tn_device_get_peers (device), "items-changed", G_CALLBACK (items_changed_cb), events);
}

static void
assert_old (TnDevice *device)
{
  g_autofree char *text = kit_wait_health (device, "netmap-cached");

  g_assert_nonnull (strstr (text, "The control server does not answer."));
  g_assert_cmpint (tn_device_get_state (device), ==, TN_DEVICE_STATE_RUNNING);
}

/* --- Starts --- */

static void
test_away (Fixture *fixture, gconstpointer user_data)
{
  g_autofree char *home = NULL;
  g_autofree char *same_home = NULL;
  Events events;

  tn_testkit_control_stop (control ());
  fixture->ada = restart (fixture, "ada");
  fixture->bob = restart (fixture, "bob");
  assert_old (fixture->ada);
  assert_old (fixture->bob);
  talk (fixture->ada, fixture->bob, "bob");
  home = tn_device_dup_home_region (fixture->ada);
  g_assert_nonnull (home);
  g_assert_cmpuint (g_list_model_get_n_items (tn_device_get_peers (fixture->ada)), ==, 1);

  watch (fixture->ada, &events);
  g_assert_true (tn_testkit_control_start (control (), NULL));
  kit_wait_healthy (fixture->ada, "netmap-cached");
  kit_wait_healthy (fixture->bob, "netmap-cached");
  kit_wait_healthy (fixture->ada, "control-connection");
  talk (fixture->ada, fixture->bob, "bob");
  g_assert_cmpuint (events.n_added, ==, 0);
  g_assert_cmpuint (events.n_removed, ==, 0);
  g_assert_cmpint (tn_device_get_state (fixture->ada), ==, TN_DEVICE_STATE_RUNNING);
  same_home = tn_device_dup_home_region (fixture->ada);
  g_assert_cmpstr (same_home, ==, home);
}

/* One of the two never sees the server. */
static void
test_away_again (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (GBytes) before = load_netmap (fixture, "ada");
  g_autoptr (GBytes) after = NULL;

  tn_testkit_control_stop (control ());
  for (guint i = 0; i < 3; i++)
    {
      fixture->ada = restart (fixture, "ada");
      assert_old (fixture->ada);
      kit_free (g_steal_pointer (&fixture->ada));
    }
  after = load_netmap (fixture, "ada");
  g_assert_true (g_bytes_equal (before, after));      /* nobody said anything new */
}

/* It takes the connection, and says nothing. */
static void
test_silent (Fixture *fixture, gconstpointer user_data)
{
  tn_testkit_control_hold (control (), TN_TESTKIT_STAGE_REGISTER);
  fixture->ada = restart (fixture, "ada");
  assert_old (fixture->ada);
  tn_testkit_control_release (control (), TN_TESTKIT_STAGE_REGISTER);
  kit_wait_healthy (fixture->ada, "netmap-cached");
}

/* Where the server answers, nothing is said of what was kept. */
static void
health_cb (GListModel *list, guint position, guint removed, guint added, gpointer data)
{
  for (guint i = 0; i < added; i++)
    {
      g_autoptr (TnHealthItem) item = g_list_model_get_item (list, position + i);

      g_assert_cmpstr (tn_health_item_get_code (item), !=, "netmap-cached");
    }
}

static void
test_there (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (TnNode) bob = NULL;

  fixture->ada = new_device (fixture, "ada", FALSE);
  fixture->bob = restart (fixture, "bob");
  g_signal_connect (tn_device_get_health (fixture->ada), "items-changed", G_CALLBACK (health_cb), NULL);
  start (fixture->ada);
  bob = kit_wait_peer (fixture->ada, "bob");
}

static void
test_changed (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (TnNode) cyd = NULL;
  Events events;

  tn_testkit_control_hold (control (), TN_TESTKIT_STAGE_REGISTER);
  fixture->ada = restart (fixture, "ada");
  assert_old (fixture->ada);
  watch (fixture->ada, &events);
  g_assert_true (tn_testkit_control_delete_node (control (), "bob", NULL));
  tn_testkit_control_release (control (), TN_TESTKIT_STAGE_REGISTER);
  kit_wait_gone (fixture->ada, "bob");
  kit_wait_healthy (fixture->ada, "netmap-cached");
  g_assert_cmpuint (events.n_added, ==, 0);
  g_assert_cmpuint (events.n_removed, ==, 1);
  fixture->bob = new_device (fixture, "cyd", TRUE);
  start (fixture->bob);
  cyd = kit_wait_peer (fixture->ada, "cyd");
  g_assert_cmpuint (events.n_added, ==, 1);
}

/* --- What is kept is no good --- */

static void
assert_not_used (Fixture  *fixture,
                 TnDevice *device)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  tn_device_start_async (device, NULL, kit_result_cb, &result);
  wait_file (fixture, "ada", FALSE);
  g_assert_null (result);
  g_assert_cmpint (tn_device_get_state (device), ==, TN_DEVICE_STATE_STARTING);
  g_assert_cmpuint (g_list_model_get_n_items (tn_device_get_peers (device)), ==, 0);
  kit_stop (device);
  g_assert_false (tn_device_start_finish (device, kit_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
cut_file (Fixture *fixture)
{
  g_autofree char *path = netmap_path (fixture, "ada");
  g_autofree char *contents = NULL;
  gsize len;

  g_assert_true (g_file_get_contents (path, &contents, &len, NULL));
  g_assert_true (g_file_set_contents_full (path, contents, (gssize) len / 2, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
}

/* The store is content with it. */
static void
spoil_value (Fixture    *fixture,
             const char *how)
{
  g_autoptr (GBytes) value = load_netmap (fixture, "ada");
  gsize len;
  g_autofree char *data = g_bytes_unref_to_data (g_steal_pointer (&value), &len);
  g_autoptr (GBytes) spoilt = NULL;

  if (g_str_equal (how, "version"))
    {
      g_assert_cmpint (data[strlen ("tailnet-netmap ")], ==, '1');
      data[strlen ("tailnet-netmap ")] = '2';
    }
  else if (g_str_equal (how, "map"))
    memset (data + len - 40, 'x', 20);
  else if (g_str_equal (how, "cut"))
    len -= 30;
  else
    len = 0;
  spoilt = g_bytes_new (data, len);
  save (fixture, "ada", "netmap", spoilt);
}

static void
test_damaged (Fixture *fixture, gconstpointer how)
{
  g_autoptr (TnDevice) device = new_device (fixture, "ada", FALSE);

  if (g_str_equal (how, "file"))
    cut_file (fixture);
  else
    spoil_value (fixture, how);
  tn_testkit_control_stop (control ());
  assert_not_used (fixture, device);
  g_assert_true (tn_testkit_control_start (control (), NULL));
  start (device);
  kit_free (g_steal_pointer (&device));
  g_assert_true (has_file (fixture, "ada"));
}

static void
test_other_node (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (TnDevice) device = new_device (fixture, "ada", FALSE);
  g_autoptr (GBytes) value = load_netmap (fixture, "bob");

  save (fixture, "ada", "netmap", value);
  tn_testkit_control_stop (control ());
  assert_not_used (fixture, device);
}

static void
test_other_server (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (TnStateStore) store = new_store (fixture, "ada");
  g_autoptr (TnDevice) device = TN_DEVICE (tn_embedded_device_new ("ada", "http://127.0.0.1:1", store));

  assert_not_used (fixture, device);
}

/* --- What is not kept --- */

static void
test_logout (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  fixture->ada = restart (fixture, "ada");
  tn_device_logout_async (fixture->ada, NULL, kit_result_cb, &result);
  g_assert_true (tn_device_logout_finish (fixture->ada, kit_wait (&result), &error));
  g_assert_false (has_file (fixture, "ada"));
}

static void
test_ephemeral (Fixture *fixture, gconstpointer user_data)
{
  g_autofree char *url = tn_testkit_tailnet_dup_control_url (tailnet);
  g_autoptr (TnStateStore) store = new_store (fixture, "cyd");

  fixture->ada = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "cyd", "control-url", url, "state-store", store, "ephemeral", TRUE,
                               "auth-key", tn_testkit_tailnet_get_auth_key (tailnet), NULL);
  start (fixture->ada);
  kit_free (g_steal_pointer (&fixture->ada));
  g_assert_false (has_file (fixture, "cyd"));
}

static void
test_memory (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "cyd", store, TRUE);
  g_autoptr (GBytes) value = NULL;

  start (device);
  kit_free (g_steal_pointer (&device));
  value = load (store, "netmap");
  g_assert_null (value);
}

/* --- What became of the node meanwhile --- */

static gboolean
knows_expiry (gpointer device)
{
  g_autoptr (TnNode) self = tn_device_dup_self_node (device);

  return self != NULL && tn_node_get_key_expiry (self) != NULL;
}

/* Judged by the clock: at the latest while it runs, and at a start then. */
static void
test_expired (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (GAsyncResult) result = NULL;

  fixture->ada = restart (fixture, "ada");
  g_assert_true (tn_testkit_control_set_node_expiry (control (), "ada", g_get_real_time () / G_USEC_PER_SEC + 4, NULL));
  kit_wait_for ("an expiry", knows_expiry, fixture->ada);
  kit_stop (fixture->ada);
  tn_testkit_control_stop (control ());

  for (guint i = 0; i < 2; i++)
    {
      tn_device_start_async (fixture->ada, NULL, kit_result_cb, &result);
      kit_wait_state (fixture->ada, TN_DEVICE_STATE_NEEDS_LOGIN);
      kit_stop (fixture->ada);
      kit_wait (&result);
      tn_device_start_finish (fixture->ada, result, NULL);
      g_clear_object (&result);
    }
}

/* The administrator removed it while nobody was there to tell. */
static void
test_deleted (Fixture *fixture, gconstpointer user_data)
{
  tn_testkit_control_stop (control ());
  fixture->ada = restart (fixture, "ada");
  assert_old (fixture->ada);
  g_assert_true (tn_testkit_control_delete_node (control (), "ada", NULL));
  g_assert_true (tn_testkit_control_start (control (), NULL));
  kit_wait_state (fixture->ada, TN_DEVICE_STATE_NEEDS_LOGIN);
  wait_file (fixture, "ada", FALSE);
}

/* --- While it happens --- */

static void
test_stop (Fixture *fixture, gconstpointer user_data)
{
  g_autoptr (TnDevice) device = new_device (fixture, "ada", FALSE);

  tn_testkit_control_stop (control ());
  for (guint i = 0; i < 12; i++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GError) error = NULL;

      tn_device_start_async (device, cancellable, kit_result_cb, &result);
      for (guint j = 0; j < i && result == NULL; j++)
        g_main_context_iteration (NULL, TRUE);
      if (i % 2 == 0)
        g_cancellable_cancel (cancellable);
      else
        kit_stop (device);
      if (!tn_device_start_finish (device, kit_wait (&result), &error))
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      kit_stop (device);
    }
  start (device);
  kit_free (g_steal_pointer (&device));
}

/* Not only at the end. */
static void
test_written (Fixture *fixture, gconstpointer user_data)
{
  g_autofree char *path = netmap_path (fixture, "ada");
  GStatBuf info;

  fixture->bob = restart (fixture, "bob");
  g_assert_cmpint (g_remove (path), ==, 0);
  fixture->ada = restart (fixture, "ada");
  wait_file (fixture, "ada", TRUE);
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0600);
}

int
main (int   argc,
      char *argv[])
{
  g_autoptr (GError) error = NULL;
  int status;

  g_test_init (&argc, &argv, NULL);
  tailnet = kit_tailnet_new ();
#define ADD(path, data, func) g_test_add ("/device/embedded-cache/" path, Fixture, data, set_up, func, tear_down)
  ADD ("away", NULL, test_away);
  ADD ("away-again", NULL, test_away_again);
  ADD ("silent", NULL, test_silent);
  ADD ("there", NULL, test_there);
  ADD ("changed", NULL, test_changed);
  ADD ("damaged-file", "file", test_damaged);
  ADD ("damaged-version", "version", test_damaged);
  ADD ("damaged-map", "map", test_damaged);
  ADD ("damaged-cut", "cut", test_damaged);
  ADD ("damaged-empty", "empty", test_damaged);
  ADD ("other-node", NULL, test_other_node);
  ADD ("other-server", NULL, test_other_server);
  ADD ("logout", NULL, test_logout);
  ADD ("ephemeral", NULL, test_ephemeral);
  ADD ("memory", NULL, test_memory);
  ADD ("expired", NULL, test_expired);
  ADD ("deleted", NULL, test_deleted);
  ADD ("stop", NULL, test_stop);
  ADD ("written", NULL, test_written);
  status = g_test_run ();
  g_object_unref (tailnet);
  return status;
}
