/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The node that bench/tun measures: with an interface of the kernel and straight paths, it joins, and lives until it is ended. Says its IPv4
 * address once it has one. */
#include <glib-unix.h>
#include <tailnet.h>

static GMainLoop *loop;

static void
state_cb (TnDevice *device)
{
  g_autoptr (TnNode) self = tn_device_dup_self_node (device);

  if (tn_device_get_state (device) == TN_DEVICE_STATE_RUNNING)
    g_print ("%s\n", tn_node_get_addresses (self)[0]);
}

static void
started_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  if (tn_device_start_finish (TN_DEVICE (object), result, &error))
    return;
  g_printerr ("tun-node: %s\n", error->message);
  g_main_loop_quit (loop);
}

static void
stopped_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_main_loop_quit (loop);
}

static gboolean
terminate_cb (gpointer user_data)
{
  tn_device_stop_async (user_data, NULL, stopped_cb, NULL);
  return G_SOURCE_REMOVE;
}

int
main (int    argc,
      char **argv)
{
  static const char *const transports[] = { "derp", "udp", NULL };
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) device = NULL;

  if (argc != 4)
    {
      g_printerr ("usage: tun-node NAME CONTROL-URL AUTH-KEY\n");
      return 2;
    }

  device = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", argv[1], "control-url", argv[2], "state-store", store, "netstack", "tun",
                         "transports", transports, NULL);
  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (device), argv[3]);
  g_signal_connect (device, "notify::state", G_CALLBACK (state_cb), NULL);
  loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGTERM, terminate_cb, device);
  tn_device_start_async (device, NULL, started_cb, NULL);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
