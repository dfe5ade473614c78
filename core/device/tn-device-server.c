/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-server-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "tn-bus-socket.h"
#include "tn-context.h"
#include "tn-peer-list.h"

/**
 * TnDeviceServer:
 *
 * Lets other programs of the same user use a device of this process, over a private D-Bus socket.
 *
 * They use it as a [class@Tailnet.SystemDevice]. Only processes of the user that this one runs as are let in. Everything happens in
 * the context of the device.
 *
 * Since: 0.1
 */
enum { SIGNAL_STOP_REQUESTED, N_SIGNALS };

enum { FAREWELL_MS = 1000 };

G_DEFINE_FINAL_TYPE (TnDeviceServer, tn_device_server, G_TYPE_OBJECT)
static guint signals[N_SIGNALS];

/* Whoever hears that the device runs sees it, too. */
void
tn_device_server_end_starts (TnDeviceServer *self,
                             const GError   *error)
{
  g_autoptr (GPtrArray) starts = g_steal_pointer (&self->starts);

  tn_device_server_show_changes (self);
  self->starts = g_ptr_array_new ();
  for (guint i = 0; i < starts->len; i++)
    if (error == NULL)
      tn_bus_tailnet1_complete_start (self->skeleton, g_ptr_array_index (starts, i));
    else
      g_dbus_method_invocation_return_gerror (g_ptr_array_index (starts, i), error);
}

static GError *
new_stopped_error (void)
{
  return g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "device was stopped");
}

/* Of a start by the program itself, whose end nobody else tells us. */
static void
end_starts (TnDeviceServer *self)
{
  TnDeviceState state = tn_device_get_state (self->device);
  g_autoptr (GError) error = NULL;

  if (self->starting || (state != TN_DEVICE_STATE_RUNNING && state != TN_DEVICE_STATE_STOPPED))
    return;
  if (state == TN_DEVICE_STATE_STOPPED && (error = tn_device_dup_error (self->device)) == NULL)
    error = new_stopped_error ();
  tn_device_server_end_starts (self, error);
}

static void
forget_source (GSource **place)
{
  if (*place != NULL)
    g_source_destroy (*place);
  g_clear_pointer (place, g_source_unref);
}

void
tn_device_server_show_changes (TnDeviceServer *self)
{
  if (self->facts_changed == NULL)
    return;
  forget_source (&self->facts_changed);
  tn_device_server_show_all (self);
}

static gboolean
facts_changed_cb (gpointer data)
{
  TnDeviceServer *self = data;

  tn_device_server_show_changes (self);
  end_starts (self);
  return G_SOURCE_REMOVE;
}

/* Many properties change at once. As soon as what waits already: calls are answered after it. */
static void
notify_cb (TnDeviceServer *self)
{
  if (self->facts_changed != NULL)
    return;
  self->facts_changed = g_idle_source_new ();
  g_source_set_priority (self->facts_changed, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->facts_changed, facts_changed_cb, self, NULL);
  g_source_attach (self->facts_changed, self->context);
}

static gboolean
peers_changed_cb (gpointer data)
{
  TnDeviceServer *self = data;

  g_clear_pointer (&self->peers_changed, g_source_unref);
  tn_bus_tailnet1_emit_peers_changed (self->skeleton);
  return G_SOURCE_REMOVE;
}

static void
peers_cb (TnDeviceServer *self)
{
  if (self->peers_changed != NULL)
    return;
  self->peers_changed = g_idle_source_new ();
  g_source_set_callback (self->peers_changed, peers_changed_cb, self, NULL);
  g_source_attach (self->peers_changed, self->context);
}

/* --- Connections --- */

typedef struct
{
  TnDeviceServer  *server;
  GDBusConnection *connection;
} Closed;

static void
closed_free (gpointer data)
{
  Closed *closed = data;

  g_object_unref (closed->connection);
  g_object_unref (closed->server);
  g_free (closed);
}

static void
forget_connection (gpointer data)
{
  TnDeviceServer *self = ((Closed *) data)->server;
  GDBusConnection *connection = ((Closed *) data)->connection;

  if (!g_ptr_array_find (self->connections, connection, NULL))
    return;
  tn_device_server_cancel_calls (self, connection, 0);
  tn_device_server_end_sockets (self, connection);
  g_dbus_interface_skeleton_unexport_from_connection (G_DBUS_INTERFACE_SKELETON (self->skeleton), connection);
  g_signal_handlers_disconnect_by_data (connection, self);
  g_ptr_array_remove (self->connections, connection);
}

/* A connection is made in a thread of GDBusServer's, and says that it is closed in the global default context. */
static void
closed_cb (GDBusConnection *connection,
           gboolean         remote_vanished,
           GError          *error,
           gpointer         user_data)
{
  Closed *closed = g_new (Closed, 1);

  closed->server = g_object_ref (user_data);
  closed->connection = g_object_ref (connection);
  tn_context_invoke (closed->server->context, forget_connection, closed, closed_free);
}

static gboolean
new_connection_cb (TnDeviceServer  *self,
                   GDBusConnection *connection)
{
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self->skeleton), connection, TN_BUS_OBJECT_PATH, NULL))
    return FALSE;
  g_ptr_array_add (self->connections, g_object_ref (connection));
  g_signal_connect_object (connection, "closed", G_CALLBACK (closed_cb), self, 0);
  if (g_dbus_connection_is_closed (connection))      /* before we listened, and nothing will say so again */
    closed_cb (connection, TRUE, NULL, self);
  return TRUE;
}

/* --- Type --- */

static void
tn_device_server_dispose (GObject *object)
{
  TnDeviceServer *self = TN_DEVICE_SERVER (object);

  tn_device_server_close (self);
  if (self->device != NULL)
    {
      g_signal_handlers_disconnect_by_data (tn_device_get_peers (self->device), self);
      g_signal_handlers_disconnect_by_data (tn_device_get_health (self->device), self);
      g_signal_handlers_disconnect_by_data (self->device, self);
    }
  forget_source (&self->facts_changed);
  forget_source (&self->peers_changed);
  g_clear_object (&self->device);
  G_OBJECT_CLASS (tn_device_server_parent_class)->dispose (object);
}

static void
tn_device_server_finalize (GObject *object)
{
  TnDeviceServer *self = TN_DEVICE_SERVER (object);

  g_clear_object (&self->skeleton);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_clear_pointer (&self->connections, g_ptr_array_unref);
  g_clear_pointer (&self->listeners, g_hash_table_unref);
  g_clear_pointer (&self->datagrams, g_hash_table_unref);
  g_clear_pointer (&self->starts, g_ptr_array_unref);
  g_clear_pointer (&self->close_tasks, g_ptr_array_unref);
  g_clear_pointer (&self->calls, g_hash_table_unref);
  G_OBJECT_CLASS (tn_device_server_parent_class)->finalize (object);
}

void
tn_device_server_request_stop (TnDeviceServer *self)
{
  g_signal_emit (self, signals[SIGNAL_STOP_REQUESTED], 0);
}

static void
tn_device_server_class_init (TnDeviceServerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = tn_device_server_dispose;
  object_class->finalize = tn_device_server_finalize;

  /**
   * TnDeviceServer::stop-requested:
   * @self: a device server
   *
   * Another program asks this one to stop its device.
   *
   * Since: 0.1
   */
  signals[SIGNAL_STOP_REQUESTED] =
    g_signal_new ("stop-requested", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

/* Before the handler of the call. Not between tn_device_server_close() and the end of a connection. */
static gboolean
refuse_cb (TnDeviceServer        *self,
           GDBusMethodInvocation *invocation)
{
  if (self->server != NULL)
    return !tn_device_server_admit (self, invocation);
  g_dbus_method_invocation_return_error_literal (invocation, G_IO_ERROR, G_IO_ERROR_CLOSED, "device is not served any more");
  return TRUE;
}

/* Not by "g-authorize-method": GDBus emits that in a thread of its own, and may then leave the call itself in it. */
static void
guard_calls (TnDeviceServer *self)
{
  guint n = 0;
  g_autofree guint *ids = g_signal_list_ids (TN_BUS_TYPE_TAILNET1, &n);

  for (guint i = 0; i < n; i++)
    if (g_str_has_prefix (g_signal_name (ids[i]), "handle-"))
      g_signal_connect_swapped (self->skeleton, g_signal_name (ids[i]), G_CALLBACK (refuse_cb), self);
}

static void
tn_device_server_init (TnDeviceServer *self)
{
  self->directory_fd = -1;
  self->skeleton = tn_bus_tailnet1_skeleton_new ();
  self->connections = g_ptr_array_new_with_free_func (g_object_unref);
  self->starts = g_ptr_array_new ();
  self->close_tasks = g_ptr_array_new_with_free_func (g_object_unref);
  guard_calls (self);
  self->calls = g_hash_table_new_full (NULL, NULL, NULL, g_object_unref);
  tn_device_server_serve_calls (self);
  tn_device_server_serve_sockets (self);
}

/**
 * tn_device_server_new:
 * @device: the device to let others use
 *
 * Makes a server, which nobody can reach yet.
 *
 * Returns: (transfer full): a new server
 *
 * Since: 0.1
 */
TnDeviceServer *
tn_device_server_new (TnDevice *device)
{
  TnDeviceServer *self;

  g_return_val_if_fail (TN_IS_DEVICE (device), NULL);

  self = g_object_new (TN_TYPE_DEVICE_SERVER, NULL);
  self->device = g_object_ref (device);
  self->context = g_main_context_ref_thread_default ();
  g_signal_connect_swapped (device, "notify", G_CALLBACK (notify_cb), self);
  g_signal_connect_swapped (tn_device_get_peers (device), "items-changed", G_CALLBACK (peers_cb), self);
  if (TN_IS_PEER_LIST (tn_device_get_peers (device)))
    g_signal_connect_swapped (tn_device_get_peers (device), "updated", G_CALLBACK (peers_cb), self);
  g_signal_connect_swapped (tn_device_get_health (device), "items-changed", G_CALLBACK (tn_device_server_show_health), self);
  tn_device_server_show_all (self);
  tn_device_server_show_health (self);
  return self;
}

static void
close_directory (TnDeviceServer *self)
{
  if (self->directory_fd >= 0)
    close (self->directory_fd);
  self->directory_fd = -1;
}

/**
 * tn_device_server_listen:
 * @self: a device server
 * @directory: (type filename): folder of the device's state, which this process holds
 * @error: return location for an error
 *
 * Puts a socket into @directory, where others with the same folder look for it. A socket that is left there from before is replaced,
 * hence the folder must be held: see [method@Tailnet.StateStore.acquire_async].
 *
 * Returns: %TRUE on success
 *
 * Since: 0.1
 */
gboolean
tn_device_server_listen (TnDeviceServer  *self,
                         const char      *directory,
                         GError         **error)
{
  g_autofree char *guid = g_dbus_generate_guid ();
  g_autofree char *address = NULL;
  g_autofree char *path = NULL;

  g_return_val_if_fail (TN_IS_DEVICE_SERVER (self), FALSE);
  g_return_val_if_fail (directory != NULL, FALSE);
  g_return_val_if_fail (self->server == NULL, FALSE);

  address = tn_bus_socket_dup_address (directory, &self->directory_fd, error);
  if (address == NULL)
    return FALSE;
  path = g_build_filename (directory, TN_BUS_SOCKET_NAME, NULL);
  g_unlink (path);
  self->server = g_dbus_server_new_sync (address, G_DBUS_SERVER_FLAGS_AUTHENTICATION_REQUIRE_SAME_USER, guid, NULL, NULL, error);
  if (self->server == NULL)
    {
      close_directory (self);
      g_prefix_error (error, "cannot serve others in %s: ", directory);
      return FALSE;
    }
  if (g_chmod (path, 0600) != 0)
    g_debug ("cannot restrict %s: %s", path, g_strerror (errno));      /* who connects is checked anyway */
  self->socket_path = g_steal_pointer (&path);
  g_signal_connect_swapped (self->server, "new-connection", G_CALLBACK (new_connection_cb), self);
  g_dbus_server_start (self->server);
  return TRUE;
}

/* --- Close --- */

static void
end_closing (TnDeviceServer *self)
{
  g_autoptr (GPtrArray) tasks = g_steal_pointer (&self->close_tasks);

  self->close_tasks = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < tasks->len; i++)
    g_task_return_boolean (g_ptr_array_index (tasks, i), TRUE);
}

/* A farewell: what was said to one of the others is on its way, or the other does not read. */
typedef struct
{
  TnDeviceServer *server;
  GSource        *limit;
} Farewell;

/* Only now: nobody is to be told that a call was cancelled who did not cancel it. */
static void
farewell_closed_cb (GObject      *object,
                    GAsyncResult *result,
                    gpointer      user_data)
{
  g_autoptr (TnDeviceServer) self = user_data;
  GDBusConnection *connection = G_DBUS_CONNECTION (object);

  g_dbus_connection_close_finish (connection, result, NULL);
  tn_device_server_cancel_calls (self, connection, 0);
}

static void
said_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autofree Farewell *farewell = user_data;
  g_autoptr (TnDeviceServer) self = farewell->server;
  GDBusConnection *connection = G_DBUS_CONNECTION (object);

  g_dbus_connection_flush_finish (connection, result, NULL);
  g_source_destroy (farewell->limit);
  g_source_unref (farewell->limit);
  g_dbus_interface_skeleton_unexport_from_connection (G_DBUS_INTERFACE_SKELETON (self->skeleton), connection);
  g_dbus_connection_close (connection, NULL, farewell_closed_cb, g_object_ref (self));
  if (--self->n_farewells == 0)
    end_closing (self);
}

static gboolean
give_up_cb (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return G_SOURCE_REMOVE;
}

static void
say_farewell (TnDeviceServer  *self,
              GDBusConnection *connection)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Farewell *farewell = g_new (Farewell, 1);

  farewell->server = g_object_ref (self);
  farewell->limit = g_timeout_source_new (FAREWELL_MS);
  g_source_set_callback (farewell->limit, give_up_cb, g_object_ref (cancellable), g_object_unref);
  g_source_attach (farewell->limit, self->context);
  self->n_farewells++;
  g_dbus_connection_flush (connection, cancellable, said_cb, farewell);
}

/**
 * tn_device_server_close:
 * @self: a device server
 *
 * Lets go of everybody, and takes the socket away. Who still has to hear why the device stopped is told in the background:
 * [method@Tailnet.DeviceServer.close_async] waits for that.
 *
 * Since: 0.1
 */
void
tn_device_server_close (TnDeviceServer *self)
{
  g_autoptr (GPtrArray) connections = NULL;
  g_autoptr (GError) stopped = NULL;

  g_return_if_fail (TN_IS_DEVICE_SERVER (self));

  if (self->server == NULL)
    return;

  /* One that connected a moment ago may still be on its way to us. */
  g_signal_handlers_disconnect_by_data (self->server, self);
  g_dbus_server_stop (self->server);      /* takes the socket away */
  g_clear_object (&self->server);
  g_clear_pointer (&self->socket_path, g_free);
  stopped = new_stopped_error ();
  tn_device_server_end_starts (self, stopped);
  tn_device_server_end_sockets (self, NULL);
  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (self->skeleton));      /* it may say why the device has stopped */
  connections = g_steal_pointer (&self->connections);
  self->connections = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < connections->len; i++)
    {
      GDBusConnection *connection = g_ptr_array_index (connections, i);

      g_signal_handlers_disconnect_by_data (connection, self);
      say_farewell (self, connection);
    }
  close_directory (self);
}

/**
 * tn_device_server_close_async:
 * @self: a device server
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when everybody has been told
 * @user_data: data for @callback
 *
 * Does what [method@Tailnet.DeviceServer.close] does, and ends when the program may end: at most a second later, whoever reads or not.
 *
 * Since: 0.1
 */
void
tn_device_server_close_async (TnDeviceServer      *self,
                              GCancellable        *cancellable,
                              GAsyncReadyCallback  callback,
                              gpointer             user_data)
{
  GTask *task;

  g_return_if_fail (TN_IS_DEVICE_SERVER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, tn_device_server_close_async);
  g_ptr_array_add (self->close_tasks, task);
  tn_device_server_close (self);
  if (self->n_farewells == 0)
    end_closing (self);
}

/**
 * tn_device_server_close_finish:
 * @self: a device server
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.DeviceServer.close_async] began.
 *
 * Returns: %TRUE unless it was cancelled
 *
 * Since: 0.1
 */
gboolean
tn_device_server_close_finish (TnDeviceServer  *self,
                               GAsyncResult    *result,
                               GError         **error)
{
  g_return_val_if_fail (TN_IS_DEVICE_SERVER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
