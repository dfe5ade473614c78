/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The node that bench/netmap looks at from outside: joins, and lives until it is ended. With --list it does what a window with a list
 * of peers does: it follows the list, and holds as many as fit in a window. */
#include <string.h>
#include <tailnet.h>

#define N_SHOWN 50u

typedef struct
{
  GListModel *peers;      /* nullable */
  GPtrArray  *shown;      /* of TnNode */
} Window;

static void
items_changed_cb (Window *window)
{
  guint n = MIN (g_list_model_get_n_items (window->peers), N_SHOWN);

  g_ptr_array_set_size (window->shown, 0);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (window->shown, g_list_model_get_item (window->peers, i));
}

static void
state_cb (TnDevice *device)
{
  if (tn_device_get_state (device) == TN_DEVICE_STATE_RUNNING)
    g_print ("running\n");
}

static void
started_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  if (!tn_device_start_finish (TN_DEVICE (object), result, &error))
    g_printerr ("netmap-node: %s\n", error->message);
}

int
main (int    argc,
      char **argv)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GPtrArray) shown = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnEmbeddedDevice) device = NULL;
  Window window = { NULL, shown };

  if (argc < 3)
    {
      g_printerr ("netmap-node: takes the URL of a control server, an auth key, and --list if need be\n");
      return 2;
    }

  device = tn_embedded_device_new ("netmap-node", argv[1], store);
  tn_embedded_device_set_auth_key (device, argv[2]);
  if (argc > 3 && strcmp (argv[3], "--list") == 0)
    {
      window.peers = tn_device_get_peers (TN_DEVICE (device));
      g_signal_connect_swapped (window.peers, "items-changed", G_CALLBACK (items_changed_cb), &window);
    }
  g_signal_connect (device, "notify::state", G_CALLBACK (state_cb), NULL);
  tn_device_start_async (TN_DEVICE (device), NULL, started_cb, NULL);
  g_main_loop_run (loop);
  return 0;
}
