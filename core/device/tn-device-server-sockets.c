/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-server-private.h"

#include <gio/gunixfdlist.h>
#include <string.h>

#include "tn-device-server-datagram.h"

typedef struct
{
  TnListener      *listener;
  GDBusConnection *owner;          /* not referenced: it goes with it */
  guint            serial;         /* of the message that asked for it */
} Listener;

static void
listener_free (gpointer data)
{
  Listener *listener = data;

  tn_listener_close (listener->listener);
  g_object_unref (listener->listener);
  g_free (listener);
}

static char *
dup_address (GSocketAddress *address)
{
  return address != NULL ? g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (address)) : g_strdup ("");
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
      tn_device_server_fail (invocation, error);
      return;
    }
  fds = g_unix_fd_list_new_from_array (&fd, 1);
  g_dbus_method_invocation_return_value_with_unix_fd_list (
    invocation,
    g_variant_new ("(hsss@a{sas})", 0, local, remote, peer != NULL ? tn_node_get_stable_id (peer) : "",
                   tn_connection_get_capabilities (connection)),
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
    tn_device_server_fail (user_data, error);
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

  tn_device_connect_to_host_async (self->device, host_and_port, 0, tn_device_server_watch (self, invocation), connected_cb, invocation);
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
      tn_device_server_fail (invocation, error);
      return;
    }
  listener = g_new0 (Listener, 1);
  listener->listener = made;
  listener->owner = g_dbus_method_invocation_get_connection (invocation);
  listener->serial = g_dbus_message_get_serial (g_dbus_method_invocation_get_message (invocation));
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
  tn_device_listen_async (self->device, port, *address != '\0' ? address : NULL, tn_device_server_watch (self, invocation), listening_cb, invocation);
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
    tn_device_server_fail (user_data, error);
}

static gboolean
accept_cb (TnDeviceServer        *self,
           GDBusMethodInvocation *invocation,
           GUnixFDList           *fds,
           guint                  id)
{
  Listener *listener = find_listener (self, invocation, id);

  if (listener != NULL)
    tn_listener_accept_async (listener->listener, tn_device_server_watch (self, invocation), accepted_cb, invocation);
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

/* --- Datagrams --- */

static GCancellable *
ensure_cancellable (TnDeviceServer  *self,
                    GDBusConnection *connection)
{
  GCancellable *cancellable = g_hash_table_lookup (self->datagrams, connection);

  if (cancellable == NULL)
    {
      cancellable = g_cancellable_new ();
      g_hash_table_insert (self->datagrams, connection, cancellable);
    }
  return cancellable;
}

static void
bound_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  GDBusConnection *connection = g_dbus_method_invocation_get_connection (invocation);
  TnDeviceServer *self = g_object_get_data (G_OBJECT (invocation), "server");
  GError *error = NULL;
  g_autoptr (TnDatagramSocket) socket = tn_device_bind_datagram_finish (TN_DEVICE (object), result, &error);
  g_autoptr (GUnixFDList) fds = NULL;
  g_autofree char *local = NULL;
  int fd = -1;

  if (socket != NULL && !g_dbus_connection_is_closed (connection))
    fd = tn_device_server_share_datagrams (socket, self->context, ensure_cancellable (self, connection), &error);
  if (fd < 0)
    {
      if (error == NULL)
        g_set_error_literal (&error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the caller has gone");
      tn_device_server_fail (invocation, error);
      return;
    }
  local = dup_address (tn_datagram_socket_get_local_address (socket));
  fds = g_unix_fd_list_new_from_array (&fd, 1);
  tn_bus_tailnet1_complete_bind_datagram (self->skeleton, invocation, fds, g_variant_new_handle (0), local);
}

static gboolean
bind_datagram_cb (TnDeviceServer        *self,
                  GDBusMethodInvocation *invocation,
                  GUnixFDList           *fds,
                  guint16                port,
                  const char            *address)
{
  g_object_set_data_full (G_OBJECT (invocation), "server", g_object_ref (self), g_object_unref);
  tn_device_bind_datagram_async (self->device, port, *address != '\0' ? address : NULL, tn_device_server_watch (self, invocation), bound_cb,
                                 invocation);
  return TRUE;
}

/* --- Their ends --- */

static gboolean
is_owned_by (gpointer key,
             gpointer value,
             gpointer user_data)
{
  return ((Listener *) value)->owner == user_data;
}

typedef struct
{
  GDBusConnection *connection;
  guint            serial;
} Answered;

static gboolean
is_answer (gpointer key,
           gpointer value,
           gpointer user_data)
{
  const Answered *answered = user_data;

  return is_owned_by (key, value, answered->connection) && ((Listener *) value)->serial == answered->serial;
}

void
tn_device_server_end_answered (TnDeviceServer  *self,
                               GDBusConnection *connection,
                               guint            serial)
{
  g_hash_table_foreach_remove (self->listeners, is_answer, &(Answered) { connection, serial });
}

void
tn_device_server_end_sockets (TnDeviceServer  *self,
                              GDBusConnection *connection)
{
  if (connection != NULL)
    {
      g_hash_table_foreach_remove (self->listeners, is_owned_by, connection);
      g_hash_table_remove (self->datagrams, connection);
    }
  else
    {
      g_hash_table_remove_all (self->listeners);
      g_hash_table_remove_all (self->datagrams);
    }
}

static void
cancel_and_unref (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  g_object_unref (cancellable);
}

void
tn_device_server_serve_sockets (TnDeviceServer *self)
{
  static const struct { const char *signal; GCallback callback; } calls[] = {
    { "handle-connect", G_CALLBACK (connect_cb) },
    { "handle-listen", G_CALLBACK (listen_cb) },
    { "handle-accept", G_CALLBACK (accept_cb) },
    { "handle-close-listener", G_CALLBACK (close_listener_cb) },
    { "handle-bind-datagram", G_CALLBACK (bind_datagram_cb) },
  };

  self->listeners = g_hash_table_new_full (NULL, NULL, NULL, listener_free);
  self->datagrams = g_hash_table_new_full (NULL, NULL, NULL, cancel_and_unref);
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    g_signal_connect_swapped (self->skeleton, calls[i].signal, calls[i].callback, self);
}
