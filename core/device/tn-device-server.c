/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-server.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "tn-bus-socket.h"
#include "tn-bus-tailnet.h"
#include "tn-health-item.h"
#include "tn-node-private.h"
#include "tn-ping-result-private.h"
#include "tn-system-device-node.h"

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
struct _TnDeviceServer
{
  GObject       parent_instance;
  TnDevice     *device;
  TnBusTailnet1 *skeleton;
  GDBusServer  *server;            /* NULL: not listening */
  char         *socket_path;       /* nullable */
  int           directory_fd;
  GPtrArray    *connections;       /* of GDBusConnection */
  GHashTable   *listeners;         /* id -> Listener */
  guint         last_listener;
  GPtrArray    *starts;            /* of GDBusMethodInvocation: who waits until the device runs */
  GSource      *peers_changed;     /* nullable: the signal is on its way */
};

typedef struct
{
  TnListener      *listener;
  GDBusConnection *owner;          /* not referenced: it goes with it */
} Listener;

enum { SIGNAL_STOP_REQUESTED, N_SIGNALS };

G_DEFINE_FINAL_TYPE (TnDeviceServer, tn_device_server, G_TYPE_OBJECT)
static guint signals[N_SIGNALS];

static void
listener_free (gpointer data)
{
  Listener *listener = data;

  tn_listener_close (listener->listener);
  g_object_unref (listener->listener);
  g_free (listener);
}

/* --- What is known --- */

static GVariant *
make_node (TnNode *node)
{
  return tn_system_device_node_to_variant (tn_node_get_data (node), tn_node_get_live (node));
}

static void
show_self (TnDeviceServer *self)
{
  g_autoptr (TnNode) node = tn_device_dup_self_node (self->device);

  tn_bus_tailnet1_set_self_node (self->skeleton, node != NULL ? make_node (node) : g_variant_new ("a{sv}", NULL));
}

static void
show_health (TnDeviceServer *self)
{
  GListModel *health = tn_device_get_health (self->device);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(suss)"));
  for (guint i = 0; i < g_list_model_get_n_items (health); i++)
    {
      g_autoptr (TnHealthItem) item = g_list_model_get_item (health, i);
      const char *title = tn_health_item_get_title (item);
      const char *text = tn_health_item_get_text (item);

      g_variant_builder_add (&builder, "(suss)", tn_health_item_get_code (item), (guint) tn_health_item_get_severity (item),
                             title != NULL ? title : "", text != NULL ? text : "");
    }
  tn_bus_tailnet1_set_health (self->skeleton, g_variant_builder_end (&builder));
}

static void
show_preferences (TnDeviceServer *self)
{
  g_autoptr (TnPreferences) preferences = tn_device_dup_preferences (self->device);
  const char *const none[] = { NULL };
  const char *control_url = preferences != NULL ? tn_preferences_get_control_url (preferences) : NULL;
  const char *hostname = preferences != NULL ? tn_preferences_get_hostname (preferences) : NULL;
  const char *const *tags = preferences != NULL ? tn_preferences_get_tags (preferences) : NULL;

  tn_bus_tailnet1_set_preferences (self->skeleton,
                                   g_variant_new ("(ss^asb)", control_url != NULL ? control_url : "", hostname != NULL ? hostname : "",
                                                  tags != NULL ? tags : none,
                                                  preferences != NULL && tn_preferences_get_want_running (preferences)));
}

static void
show_facts (TnDeviceServer *self)
{
  g_autofree char *auth_url = tn_device_dup_auth_url (self->device);
  g_autofree char *tailnet_name = tn_device_dup_tailnet_name (self->device);
  g_autofree char *dns_suffix = tn_device_dup_dns_suffix (self->device);
  g_autofree char *home_region = tn_device_dup_home_region (self->device);
  g_autoptr (GDateTime) key_expiry = tn_device_dup_key_expiry (self->device);

  tn_bus_tailnet1_set_state (self->skeleton, tn_device_get_state (self->device));
  tn_bus_tailnet1_set_auth_url (self->skeleton, auth_url != NULL ? auth_url : "");
  tn_bus_tailnet1_set_tailnet_name (self->skeleton, tailnet_name != NULL ? tailnet_name : "");
  tn_bus_tailnet1_set_dns_suffix (self->skeleton, dns_suffix != NULL ? dns_suffix : "");
  tn_bus_tailnet1_set_home_region (self->skeleton, home_region != NULL ? home_region : "");
  tn_bus_tailnet1_set_key_expiry (self->skeleton, key_expiry != NULL ? g_date_time_to_unix (key_expiry) * G_USEC_PER_SEC : 0);
}

static void
end_starts (TnDeviceServer *self)
{
  TnDeviceState state = tn_device_get_state (self->device);
  g_autoptr (GPtrArray) starts = NULL;

  if (state != TN_DEVICE_STATE_RUNNING && state != TN_DEVICE_STATE_STOPPED)
    return;
  starts = g_steal_pointer (&self->starts);
  self->starts = g_ptr_array_new ();
  for (guint i = 0; i < starts->len; i++)
    {
      GDBusMethodInvocation *invocation = g_ptr_array_index (starts, i);

      if (state == TN_DEVICE_STATE_RUNNING)
        tn_bus_tailnet1_complete_start (self->skeleton, invocation);
      else
        g_dbus_method_invocation_return_error_literal (invocation, G_IO_ERROR, G_IO_ERROR_CANCELLED, "device was stopped");
    }
}

static void
notify_cb (TnDeviceServer *self,
           GParamSpec     *pspec)
{
  show_facts (self);
  show_self (self);
  show_preferences (self);
  end_starts (self);
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
  g_source_attach (self->peers_changed, g_main_context_get_thread_default ());
}

/* --- Calls: each keeps its invocation until the device has answered --- */

static void
fail (GDBusMethodInvocation *invocation,
      GError                *error)      /* taken */
{
  g_dbus_method_invocation_take_error (invocation, error);
}

static gboolean
list_peers_cb (TnDeviceServer        *self,
               GDBusMethodInvocation *invocation,
               guint                  offset,
               guint                  limit)
{
  GListModel *peers = tn_device_get_peers (self->device);
  guint total = g_list_model_get_n_items (peers);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = offset; i < total && i - offset < limit; i++)
    {
      g_autoptr (TnNode) peer = g_list_model_get_item (peers, i);

      g_variant_builder_add_value (&builder, make_node (peer));
    }
  tn_bus_tailnet1_complete_list_peers (self->skeleton, invocation, g_variant_builder_end (&builder), total);
  return TRUE;
}

static void
started_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  GError *error = NULL;

  if (tn_device_start_finish (TN_DEVICE (object), result, &error))
    g_dbus_method_invocation_return_value (user_data, NULL);
  else
    fail (user_data, error);
}

static gboolean
start_cb (TnDeviceServer        *self,
          GDBusMethodInvocation *invocation)
{
  switch (tn_device_get_state (self->device))
    {
    case TN_DEVICE_STATE_STOPPED:
      tn_device_start_async (self->device, NULL, started_cb, invocation);
      break;
    case TN_DEVICE_STATE_RUNNING:
      tn_bus_tailnet1_complete_start (self->skeleton, invocation);
      break;
    case TN_DEVICE_STATE_STARTING:
    case TN_DEVICE_STATE_NEEDS_LOGIN:
    case TN_DEVICE_STATE_NEEDS_APPROVAL:
    default:
      g_ptr_array_add (self->starts, invocation);
    }
  return TRUE;
}

static gboolean
stop_cb (TnDeviceServer        *self,
         GDBusMethodInvocation *invocation)
{
  GDBusConnection *connection = g_dbus_method_invocation_get_connection (invocation);

  tn_bus_tailnet1_complete_stop (self->skeleton, invocation);
  g_dbus_connection_flush_sync (connection, NULL, NULL);
  g_signal_emit (self, signals[SIGNAL_STOP_REQUESTED], 0);
  return TRUE;
}

static void
login_done_cb (GObject      *object,
               GAsyncResult *result,
               gpointer      user_data)
{
  GError *error = NULL;

  if (tn_device_login_finish (TN_DEVICE (object), result, &error))
    g_dbus_method_invocation_return_value (user_data, NULL);
  else
    fail (user_data, error);
}

static gboolean
login_cb (TnDeviceServer        *self,
          GDBusMethodInvocation *invocation)
{
  tn_device_login_async (self->device, NULL, login_done_cb, invocation);
  return TRUE;
}

static void
logout_done_cb (GObject      *object,
                GAsyncResult *result,
                gpointer      user_data)
{
  GError *error = NULL;

  if (tn_device_logout_finish (TN_DEVICE (object), result, &error))
    g_dbus_method_invocation_return_value (user_data, NULL);
  else
    fail (user_data, error);
}

static gboolean
logout_cb (TnDeviceServer        *self,
           GDBusMethodInvocation *invocation)
{
  tn_device_logout_async (self->device, NULL, logout_done_cb, invocation);
  return TRUE;
}

static char *
dup_address (GSocketAddress *address)
{
  return address != NULL ? g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (address)) : g_strdup ("");
}

static GVariant *
make_capabilities (GVariant *capabilities)
{
  return capabilities != NULL ? capabilities : g_variant_new ("a{sas}", NULL);
}

/* The descriptor goes to the caller, and with it all that is left to do for the connection. */
static void
return_connection (GDBusMethodInvocation *invocation,
                   TnConnection          *connection)
{
  g_autofree char *local = dup_address (tn_connection_get_local_address (connection));
  g_autofree char *remote = dup_address (tn_connection_get_remote_address (connection));
  TnNode *peer = tn_connection_get_peer (connection);
  g_autoptr (GUnixFDList) fds = NULL;
  GError *error = NULL;
  int fd = tn_connection_steal_fd (connection, &error);

  if (fd < 0)
    {
      fail (invocation, error);
      return;
    }
  fds = g_unix_fd_list_new_from_array (&fd, 1);
  g_dbus_method_invocation_return_value_with_unix_fd_list (
    invocation,
    g_variant_new ("(hsss@a{sas})", 0, local, remote, peer != NULL ? tn_node_get_stable_id (peer) : "",
                   make_capabilities (tn_connection_get_capabilities (connection))),
    fds);
}

static void
connected_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  GError *error = NULL;
  g_autoptr (TnConnection) connection = tn_device_connect_to_host_finish (TN_DEVICE (object), result, &error);

  if (connection != NULL)
    return_connection (user_data, connection);
  else
    fail (user_data, error);
}

/* An address goes through as it is: a colon in it must not be taken for a port. */
static char *
join_host (const char *host,
           guint16     port)
{
  return strchr (host, ':') != NULL && *host != '[' ? g_strdup_printf ("[%s]:%u", host, port) : g_strdup_printf ("%s:%u", host, port);
}

static gboolean
connect_cb (TnDeviceServer        *self,
            GDBusMethodInvocation *invocation,
            GUnixFDList           *fds,
            const char            *host,
            guint16                port)
{
  g_autofree char *host_and_port = join_host (host, port);

  tn_device_connect_to_host_async (self->device, host_and_port, 0, NULL, connected_cb, invocation);
  return TRUE;
}

static void
listening_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  TnDeviceServer *self = g_object_get_data (G_OBJECT (invocation), "server");
  g_autofree char *local = NULL;
  Listener *listener;
  TnListener *made;
  GError *error = NULL;

  made = tn_device_listen_finish (TN_DEVICE (object), result, &error);
  if (made == NULL)
    {
      fail (invocation, error);
      return;
    }
  listener = g_new0 (Listener, 1);
  listener->listener = made;
  listener->owner = g_dbus_method_invocation_get_connection (invocation);
  if (g_dbus_connection_is_closed (listener->owner))
    {
      listener_free (listener);
      g_object_unref (invocation);
      return;
    }
  g_hash_table_insert (self->listeners, GUINT_TO_POINTER (++self->last_listener), listener);
  local = dup_address (tn_listener_get_local_address (made));
  tn_bus_tailnet1_complete_listen (self->skeleton, invocation, self->last_listener, local);
}

static gboolean
listen_cb (TnDeviceServer        *self,
           GDBusMethodInvocation *invocation,
           guint16                port,
           const char            *address)
{
  g_object_set_data_full (G_OBJECT (invocation), "server", g_object_ref (self), g_object_unref);
  tn_device_listen_async (self->device, port, *address != '\0' ? address : NULL, NULL, listening_cb, invocation);
  return TRUE;
}

/* NULL: it is not the caller's, or there is none; the caller was told. */
static Listener *
find_listener (TnDeviceServer        *self,
               GDBusMethodInvocation *invocation,
               guint                  id)
{
  Listener *listener = g_hash_table_lookup (self->listeners, GUINT_TO_POINTER (id));

  if (listener != NULL && listener->owner == g_dbus_method_invocation_get_connection (invocation))
    return listener;
  g_dbus_method_invocation_return_error (invocation, G_IO_ERROR, G_IO_ERROR_CLOSED, "there is no listener %u", id);
  return NULL;
}

static void
accepted_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  GError *error = NULL;
  g_autoptr (TnConnection) connection = tn_listener_accept_finish (TN_LISTENER (object), result, &error);

  if (connection != NULL)
    return_connection (user_data, connection);
  else
    fail (user_data, error);
}

static gboolean
accept_cb (TnDeviceServer        *self,
           GDBusMethodInvocation *invocation,
           GUnixFDList           *fds,
           guint                  id)
{
  Listener *listener = find_listener (self, invocation, id);

  if (listener != NULL)
    tn_listener_accept_async (listener->listener, NULL, accepted_cb, invocation);
  return TRUE;
}

static gboolean
close_listener_cb (TnDeviceServer        *self,
                   GDBusMethodInvocation *invocation,
                   guint                  id)
{
  if (find_listener (self, invocation, id) == NULL)
    return TRUE;
  g_hash_table_remove (self->listeners, GUINT_TO_POINTER (id));
  tn_bus_tailnet1_complete_close_listener (self->skeleton, invocation);
  return TRUE;
}

static void
pinged_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  GError *error = NULL;
  g_autoptr (TnPingResult) pong = tn_device_ping_finish (TN_DEVICE (object), result, &error);
  g_autofree char *address = NULL;

  if (pong == NULL)
    {
      fail (invocation, error);
      return;
    }
  address = g_inet_address_to_string (tn_ping_result_get_address (pong));
  g_dbus_method_invocation_return_value (
    invocation,
    g_variant_new ("(ssx@(ususx))", tn_node_get_stable_id (tn_ping_result_get_node (pong)), address,
                   tn_ping_result_get_latency_us (pong),
                   tn_system_device_path_to_variant (tn_path_get_data (tn_ping_result_get_path (pong)))));
}

static gboolean
ping_cb (TnDeviceServer        *self,
         GDBusMethodInvocation *invocation,
         const char            *host,
         guint                  kind,
         guint                  size)
{
  if (kind > TN_PING_KIND_PEERAPI)
    g_dbus_method_invocation_return_error (invocation, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "there is no ping of kind %u", kind);
  else
    tn_device_ping_async (self->device, host, (TnPingKind) kind, size, NULL, pinged_cb, invocation);
  return TRUE;
}

static void
whois_done_cb (GObject      *object,
               GAsyncResult *result,
               gpointer      user_data)
{
  g_autoptr (GVariant) capabilities = NULL;
  GError *error = NULL;
  g_autoptr (TnNode) node = tn_device_whois_finish (TN_DEVICE (object), result, &capabilities, &error);

  if (node != NULL)
    g_dbus_method_invocation_return_value (user_data, g_variant_new ("(s@a{sas})", tn_node_get_stable_id (node),
                                                                     make_capabilities (capabilities)));
  else
    fail (user_data, error);
}

static gboolean
whois_cb (TnDeviceServer        *self,
          GDBusMethodInvocation *invocation,
          const char            *address,
          const char            *protocol)
{
  tn_device_whois_async (self->device, address, *protocol != '\0' ? protocol : NULL, NULL, whois_done_cb, invocation);
  return TRUE;
}

static void
status_done_cb (GObject      *object,
                GAsyncResult *result,
                gpointer      user_data)
{
  GError *error = NULL;
  g_autofree char *text = tn_device_status_to_json_finish (TN_DEVICE (object), result, &error);

  if (text != NULL)
    g_dbus_method_invocation_return_value (user_data, g_variant_new ("(s)", text));
  else
    fail (user_data, error);
}

static gboolean
status_to_json_cb (TnDeviceServer        *self,
                   GDBusMethodInvocation *invocation)
{
  tn_device_status_to_json_async (self->device, NULL, status_done_cb, invocation);
  return TRUE;
}

/* --- Connections --- */

static gboolean
is_owned_by (gpointer key,
             gpointer value,
             gpointer user_data)
{
  return ((Listener *) value)->owner == user_data;
}

static void
closed_cb (GDBusConnection *connection,
           gboolean         remote_vanished,
           GError          *error,
           gpointer         user_data)
{
  TnDeviceServer *self = user_data;

  g_hash_table_foreach_remove (self->listeners, is_owned_by, connection);
  g_dbus_interface_skeleton_unexport_from_connection (G_DBUS_INTERFACE_SKELETON (self->skeleton), connection);
  g_signal_handlers_disconnect_by_data (connection, self);
  g_ptr_array_remove (self->connections, connection);
}

static gboolean
new_connection_cb (TnDeviceServer  *self,
                   GDBusConnection *connection)
{
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self->skeleton), connection, TN_BUS_OBJECT_PATH, NULL))
    return FALSE;
  g_ptr_array_add (self->connections, g_object_ref (connection));
  g_signal_connect (connection, "closed", G_CALLBACK (closed_cb), self);
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
  if (self->peers_changed != NULL)
    g_source_destroy (self->peers_changed);
  g_clear_pointer (&self->peers_changed, g_source_unref);
  g_clear_object (&self->device);
  G_OBJECT_CLASS (tn_device_server_parent_class)->dispose (object);
}

static void
tn_device_server_finalize (GObject *object)
{
  TnDeviceServer *self = TN_DEVICE_SERVER (object);

  g_clear_object (&self->skeleton);
  g_clear_pointer (&self->connections, g_ptr_array_unref);
  g_clear_pointer (&self->listeners, g_hash_table_unref);
  g_clear_pointer (&self->starts, g_ptr_array_unref);
  G_OBJECT_CLASS (tn_device_server_parent_class)->finalize (object);
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

static void
tn_device_server_init (TnDeviceServer *self)
{
  static const struct { const char *signal; GCallback callback; } calls[] = {
    { "handle-list-peers", G_CALLBACK (list_peers_cb) },   { "handle-start", G_CALLBACK (start_cb) },
    { "handle-stop", G_CALLBACK (stop_cb) },               { "handle-login", G_CALLBACK (login_cb) },
    { "handle-logout", G_CALLBACK (logout_cb) },           { "handle-connect", G_CALLBACK (connect_cb) },
    { "handle-listen", G_CALLBACK (listen_cb) },           { "handle-accept", G_CALLBACK (accept_cb) },
    { "handle-close-listener", G_CALLBACK (close_listener_cb) }, { "handle-ping", G_CALLBACK (ping_cb) },
    { "handle-whois", G_CALLBACK (whois_cb) },             { "handle-status-to-json", G_CALLBACK (status_to_json_cb) },
  };

  self->directory_fd = -1;
  self->skeleton = tn_bus_tailnet1_skeleton_new ();
  self->connections = g_ptr_array_new_with_free_func (g_object_unref);
  self->listeners = g_hash_table_new_full (NULL, NULL, NULL, listener_free);
  self->starts = g_ptr_array_new ();
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    g_signal_connect_swapped (self->skeleton, calls[i].signal, calls[i].callback, self);
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
  g_signal_connect_swapped (device, "notify", G_CALLBACK (notify_cb), self);
  g_signal_connect_swapped (tn_device_get_peers (device), "items-changed", G_CALLBACK (peers_cb), self);
  g_signal_connect_swapped (tn_device_get_health (device), "items-changed", G_CALLBACK (show_health), self);
  notify_cb (self, NULL);
  show_health (self);
  return self;
}

/**
 * tn_device_server_listen:
 * @self: a device server
 * @directory: (type filename): folder of the device's state, which this process holds
 * @error: return location for an error
 *
 * Puts a socket into @directory, where others with the same folder look for it. A socket that is left there from before is replaced,
 * hence the folder must be held: see [method@Tailnet.StateStore.acquire].
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

/**
 * tn_device_server_close:
 * @self: a device server
 *
 * Lets go of everybody, and takes the socket away.
 *
 * Since: 0.1
 */
void
tn_device_server_close (TnDeviceServer *self)
{
  g_autoptr (GPtrArray) connections = NULL;

  g_return_if_fail (TN_IS_DEVICE_SERVER (self));

  if (self->server == NULL)
    return;

  g_dbus_server_stop (self->server);      /* takes the socket away */
  g_clear_object (&self->server);
  g_clear_pointer (&self->socket_path, g_free);
  for (guint i = 0; i < self->starts->len; i++)
    g_dbus_method_invocation_return_error_literal (g_ptr_array_index (self->starts, i), G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                                   "device was stopped");
  g_ptr_array_set_size (self->starts, 0);
  g_hash_table_remove_all (self->listeners);
  connections = g_steal_pointer (&self->connections);
  self->connections = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < connections->len; i++)
    {
      GDBusConnection *connection = g_ptr_array_index (connections, i);

      g_signal_handlers_disconnect_by_data (connection, self);
      g_dbus_connection_close (connection, NULL, NULL, NULL);
    }
  if (connections->len > 0)
    g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (self->skeleton));
  if (self->directory_fd >= 0)
    close (self->directory_fd);
  self->directory_fd = -1;
}
