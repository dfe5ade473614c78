/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "device-kit.h"

/* Devices that log out, also when something else happens meanwhile. */

static TnTestkitTailnet *tailnet;

static void
test_logout (void)
{
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "leaving", store, TRUE);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) again = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (kit_start (device, &error));
  tn_device_logout_async (device, NULL, kit_result_cb, &result);
  g_assert_true (tn_device_logout_finish (device, kit_wait (&result), &error));
  g_assert_no_error (error);
  g_assert_cmpint (tn_device_get_state (device), ==, TN_DEVICE_STATE_STOPPED);

  /* Another node, and without a key nobody lets it in. */
  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (device), NULL);
  tn_device_start_async (device, NULL, kit_result_cb, &again);
  kit_wait_state (device, TN_DEVICE_STATE_NEEDS_LOGIN);
  kit_stop (device);
  g_assert_false (tn_device_start_finish (device, kit_wait (&again), &error));
}

/* --- With a server that does not answer --- */

static void
request_cb (TnTestkitControl *control,
            const char       *machine_key,
            const char       *path,
            const char       *body,
            gpointer          data)
{
  if (strcmp (path, "/machine/register") == 0)
    ++*(guint *) data;
}

static gboolean
is_not_zero (gpointer data)
{
  return *(guint *) data > 0;
}

/* Returns once the server has the question. */
static void
begin_unanswered (TnDevice      *device,
                  GAsyncResult **result)
{
  TnTestkitControl *control = tn_testkit_tailnet_get_control (tailnet);
  guint n_requests = 0;
  gulong id = g_signal_connect (control, "request-received", G_CALLBACK (request_cb), &n_requests);

  tn_testkit_control_inject_fault (control, TN_TESTKIT_STAGE_REGISTER, TN_TESTKIT_FAULT_HANG, 1);
  tn_device_logout_async (device, NULL, kit_result_cb, result);
  kit_wait_for ("the logout at the server", is_not_zero, &n_requests);
  g_signal_handler_disconnect (control, id);
}

static void
assert_stopped (TnDevice *device)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (tn_device_get_state (device), ==, TN_DEVICE_STATE_STOPPED);
  g_assert_true (kit_start (device, &error));      /* as another node */
  g_assert_no_error (error);
  kit_stop (device);
}

static void
test_stop_meanwhile (void)
{
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "stopped", store, TRUE);
  g_autoptr (GAsyncResult) logout = NULL;
  g_autoptr (GAsyncResult) stop = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (kit_start (device, NULL));
  begin_unanswered (device, &logout);
  tn_device_stop_async (device, NULL, kit_result_cb, &stop);
  g_assert_true (tn_device_stop_finish (device, kit_wait (&stop), &error));
  g_assert_no_error (error);
  g_assert_false (tn_device_logout_finish (device, kit_wait (&logout), &error));
  g_assert_nonnull (error);
  assert_stopped (device);
}

static void
test_twice (void)
{
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "twice", store, TRUE);
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (kit_start (device, NULL));
  tn_device_logout_async (device, NULL, kit_result_cb, &first);
  tn_device_logout_async (device, NULL, kit_result_cb, &second);
  g_assert_true (tn_device_logout_finish (device, kit_wait (&first), &error));
  g_assert_no_error (error);
  kit_wait (&second);      /* with the first, or after it: it is told in any case */
  assert_stopped (device);
}

/* A login at any moment of it has come too late, and leaves no key behind. */
static void
test_login_meanwhile (void)
{
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "late", store, TRUE);
  GAsyncResult *logins[20] = { NULL };
  g_autoptr (GAsyncResult) logout = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (kit_start (device, NULL));
  tn_device_logout_async (device, NULL, kit_result_cb, &logout);
  for (guint i = 0; i < G_N_ELEMENTS (logins); i++)
    {
      g_autoptr (GError) login_error = NULL;

      tn_device_login_async (device, NULL, kit_result_cb, &logins[i]);
      g_assert_false (tn_device_login_finish (device, kit_wait (&logins[i]), &login_error));
      g_assert_cmpuint (login_error->domain, ==, G_IO_ERROR);
      if (login_error->code != G_IO_ERROR_NOT_CONNECTED)      /* it has stopped by now */
        g_assert_error (login_error, G_IO_ERROR, G_IO_ERROR_CLOSED);
      g_object_unref (logins[i]);
    }
  g_assert_true (tn_device_logout_finish (device, kit_wait (&logout), &error));
  g_assert_no_error (error);
  assert_stopped (device);
}

/* The keys are gone, and so is the connection: it does not look as if it still ran. */
static void
test_unanswered (void)
{
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "unanswered", store, TRUE);
  g_autoptr (GAsyncResult) logout = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (kit_start (device, NULL));
  begin_unanswered (device, &logout);
  g_assert_false (tn_device_logout_finish (device, kit_wait (&logout), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  kit_wait_state (device, TN_DEVICE_STATE_STOPPED);
  assert_stopped (device);
}

int
main (int    argc,
      char **argv)
{
  int code;

  g_test_init (&argc, &argv, NULL);
  tailnet = kit_tailnet_new ();

  g_test_add_func ("/device/embedded-logout/logout", test_logout);
  g_test_add_func ("/device/embedded-logout/stop-meanwhile", test_stop_meanwhile);
  g_test_add_func ("/device/embedded-logout/twice", test_twice);
  g_test_add_func ("/device/embedded-logout/login-meanwhile", test_login_meanwhile);
  g_test_add_func ("/device/embedded-logout/unanswered", test_unanswered);

  code = g_test_run ();
  g_object_unref (tailnet);
  return code;
}
