/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fake-device.h"

/* Waiting for a peer: one that comes, one that gets another name, none. */

static void
result_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static void
iterate (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
publish_state (FakeDevice    *device,
               TnDeviceState  state)
{
  TnDeviceModel *model = fake_device_get_model (device);

  tn_device_model_publish_facts (model, &(TnDeviceFacts) { .state = state, .dns_suffix = "t.example" });
  tn_device_model_flush (model);
}

static void
publish_peer (FakeDevice *device,
              const char *id,
              const char *name,
              const char *address)
{
  g_autoptr (TnNodeData) node = fake_node_new (id, name, address);

  tn_device_model_publish_peer (fake_device_get_model (device), node);
  tn_device_model_flush (fake_device_get_model (device));
}

static void
wait_for (FakeDevice    *device,
          const char    *name,
          GCancellable  *cancellable,
          GAsyncResult **result)
{
  tn_device_wait_for_peer_async (TN_DEVICE (device), name, cancellable, result_cb, result);
  iterate ();
}

static void
assert_found (FakeDevice   *device,
              GAsyncResult *result,
              const char   *stable_id)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TnNode) node = tn_device_wait_for_peer_finish (TN_DEVICE (device), result, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (tn_node_get_stable_id (node), ==, stable_id);
}

static void
assert_failed (FakeDevice   *device,
               GAsyncResult *result,
               GIOErrorEnum  code)
{
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (result);
  g_assert_null (tn_device_wait_for_peer_finish (TN_DEVICE (device), result, &error));
  g_assert_error (error, G_IO_ERROR, (int) code);
}

static void
test_comes (void)
{
  g_autoptr (FakeDevice) device = fake_device_new ();
  g_autoptr (GAsyncResult) by_name = NULL;
  g_autoptr (GAsyncResult) by_address = NULL;
  g_autoptr (GAsyncResult) at_once = NULL;

  publish_state (device, TN_DEVICE_STATE_RUNNING);
  wait_for (device, "db", NULL, &by_name);
  wait_for (device, "100.64.0.2", NULL, &by_address);
  publish_peer (device, "other", "other.t.example.", "100.64.0.3");
  iterate ();
  g_assert_null (by_name);
  g_assert_null (by_address);

  publish_peer (device, "n1", "db.t.example.", "100.64.0.2");
  iterate ();
  assert_found (device, by_name, "n1");
  assert_found (device, by_address, "n1");
  wait_for (device, "DB", NULL, &at_once);
  assert_found (device, at_once, "n1");
}

static void
test_renamed (void)
{
  g_autoptr (FakeDevice) device = fake_device_new ();
  g_autoptr (GAsyncResult) result = NULL;

  publish_state (device, TN_DEVICE_STATE_RUNNING);
  publish_peer (device, "n1", "old.t.example.", "100.64.0.2");
  wait_for (device, "db", NULL, &result);
  g_assert_null (result);
  publish_peer (device, "n1", "db.t.example.", "100.64.0.2");
  iterate ();
  assert_found (device, result, "n1");
}

static void
test_stops (void)
{
  g_autoptr (FakeDevice) device = fake_device_new ();
  g_autoptr (GAsyncResult) before = NULL;
  g_autoptr (GAsyncResult) meanwhile = NULL;

  wait_for (device, "db", NULL, &before);
  assert_failed (device, before, G_IO_ERROR_NOT_CONNECTED);

  publish_state (device, TN_DEVICE_STATE_STARTING);
  wait_for (device, "db", NULL, &meanwhile);
  g_assert_null (meanwhile);
  publish_state (device, TN_DEVICE_STATE_STOPPED);
  iterate ();
  assert_failed (device, meanwhile, G_IO_ERROR_NOT_CONNECTED);
}

static void
test_cancelled (void)
{
  g_autoptr (FakeDevice) device = fake_device_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) meanwhile = NULL;
  g_autoptr (GAsyncResult) before = NULL;
  g_autoptr (GAsyncResult) other = NULL;

  publish_state (device, TN_DEVICE_STATE_RUNNING);
  wait_for (device, "db", cancellable, &meanwhile);
  wait_for (device, "db", NULL, &other);
  g_cancellable_cancel (cancellable);
  iterate ();
  assert_failed (device, meanwhile, G_IO_ERROR_CANCELLED);
  wait_for (device, "db", cancellable, &before);
  assert_failed (device, before, G_IO_ERROR_CANCELLED);

  g_assert_null (other);
  publish_peer (device, "n1", "db.t.example.", "100.64.0.2");
  iterate ();
  assert_found (device, other, "n1");
}

/* Who hears that one is there waits for the next at once, which is there as well. */
static void
again_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (TnNode) node = tn_device_wait_for_peer_finish (TN_DEVICE (object), result, NULL);

  g_assert_nonnull (node);
  tn_device_wait_for_peer_async (TN_DEVICE (object), "web", NULL, result_cb, user_data);
  publish_peer (FAKE_DEVICE (object), "n2", "web.t.example.", "100.64.0.4");
}

static void
test_nested (void)
{
  g_autoptr (FakeDevice) device = fake_device_new ();
  g_autoptr (GAsyncResult) result = NULL;

  publish_state (device, TN_DEVICE_STATE_RUNNING);
  tn_device_wait_for_peer_async (TN_DEVICE (device), "db", NULL, again_cb, &result);
  iterate ();
  publish_peer (device, "n1", "db.t.example.", "100.64.0.2");
  iterate ();
  assert_found (device, result, "n2");
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/device/wait/comes", test_comes);
  g_test_add_func ("/device/wait/renamed", test_renamed);
  g_test_add_func ("/device/wait/stops", test_stops);
  g_test_add_func ("/device/wait/cancelled", test_cancelled);
  g_test_add_func ("/device/wait/nested", test_nested);
  return g_test_run ();
}
