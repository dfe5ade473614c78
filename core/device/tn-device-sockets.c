/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-private.h"

#include <string.h>

#include "tn-host-spec.h"

/* What of a TnDevice makes connections. Text is parsed here: an implementation gets what is well-formed. */

/**
 * tn_device_connect_to_host_async:
 * @self: a device
 * @host_and_port: name or address, with or without a port: `db`, `db:5432`, `100.64.0.7`, `[fd7a::1]:80`
 * @default_port: TCP port where @host_and_port has none, 0: it must have one
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when it is connected, or that failed
 * @user_data: data for @callback
 *
 * Opens a TCP connection to a node, or to an address that a node routes.
 *
 * A name is looked up at once among [property@Tailnet.Device:peers]. A node that has joined a moment ago may not be there yet: who
 * expects it calls [method@Tailnet.Device.wait_for_peer_async] first.
 *
 * Fails with %TN_ERROR_MALFORMED if @host_and_port cannot be read, %TN_ERROR_NO_SUCH_PEER if nobody has that name, %TN_ERROR_NO_ROUTE if
 * nobody routes that address, %TN_ERROR_NEEDS_LOGIN on a device that is not logged in, and with errors of %G_IO_ERROR where the other
 * end refuses, or does not answer: %G_IO_ERROR_TIMED_OUT after thirteen seconds.
 *
 * Since: 0.1
 */
void
tn_device_connect_to_host_async (TnDevice            *self,
                                 const char          *host_and_port,
                                 guint16              default_port,
                                 GCancellable        *cancellable,
                                 GAsyncReadyCallback  callback,
                                 gpointer             user_data)
{
  g_autofree char *host = NULL;
  GError *error = NULL;
  guint16 port;

  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (host_and_port != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  if (tn_host_spec_parse (host_and_port, default_port, &host, &port, &error))
    TN_DEVICE_GET_IFACE (self)->connect_to_host_async (self, host, port, cancellable, callback, user_data);
  else
    g_task_report_error (self, callback, user_data, tn_device_connect_to_host_async, error);
}

/**
 * tn_device_connect_to_host_finish:
 * @self: a device
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.connect_to_host_async] began.
 *
 * Returns: (transfer full): the connection, or %NULL with @error set
 *
 * Since: 0.1
 */
TnConnection *
tn_device_connect_to_host_finish (TnDevice      *self,
                                  GAsyncResult  *result,
                                  GError       **error)
{
  return tn_device_finish (self, result, tn_device_connect_to_host_async, error);
}

typedef struct
{
  GSocketAddressEnumerator *addresses;
  GError                   *first_error;     /* nullable: says more than the last one */
} Attempts;

static void next_attempt (GTask *task);

static void
attempts_free (Attempts *attempts)
{
  g_clear_object (&attempts->addresses);
  g_clear_error (&attempts->first_error);
  g_free (attempts);
}

static void
connectable_connected_cb (GObject      *object,
                          GAsyncResult *result,
                          gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  Attempts *attempts = g_task_get_task_data (task);
  TnConnection *connection = tn_device_connect_to_host_finish (TN_DEVICE (object), result, &error);

  if (connection != NULL)
    g_task_return_pointer (task, connection, g_object_unref);
  else if (attempts->addresses == NULL || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    {
      if (attempts->first_error == NULL)
        attempts->first_error = g_steal_pointer (&error);
      next_attempt (g_steal_pointer (&task));
    }
}

static void
connect_to_address (GTask              *task,
                    GInetSocketAddress *address)
{
  g_autofree char *host = g_inet_address_to_string (g_inet_socket_address_get_address (address));

  /* The brackets keep an IPv6 address apart from a port. */
  if (strchr (host, ':') != NULL)
    {
      g_autofree char *bare = g_steal_pointer (&host);

      host = g_strdup_printf ("[%s]", bare);
    }
  tn_device_connect_to_host_async (g_task_get_source_object (task), host, g_inet_socket_address_get_port (address),
                                   g_task_get_cancellable (task), connectable_connected_cb, task);
}

static void
next_address_cb (GObject      *object,
                 GAsyncResult *result,
                 gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketAddress) address = NULL;
  Attempts *attempts = g_task_get_task_data (task);

  address = g_socket_address_enumerator_next_finish (G_SOCKET_ADDRESS_ENUMERATOR (object), result, &error);
  if (G_IS_INET_SOCKET_ADDRESS (address))
    connect_to_address (g_steal_pointer (&task), G_INET_SOCKET_ADDRESS (address));
  else if (address != NULL)
    next_attempt (g_steal_pointer (&task));
  else if (attempts->first_error != NULL)
    g_task_return_error (task, g_steal_pointer (&attempts->first_error));
  else if (error != NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no address to connect to");
}

/* Takes @task. */
static void
next_attempt (GTask *task)
{
  Attempts *attempts = g_task_get_task_data (task);

  g_socket_address_enumerator_next_async (attempts->addresses, g_task_get_cancellable (task), next_address_cb, task);
}

/**
 * tn_device_connect_to_connectable_async:
 * @self: a device
 * @connectable: what to connect to
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when it is connected, or that failed
 * @user_data: data for @callback
 *
 * Opens a TCP connection to what GIO's clients connect to.
 *
 * The name of a [class@Gio.NetworkAddress] is one of the tailnet; other connectables are asked for their addresses, which are tried in
 * their order. Errors are those of [method@Tailnet.Device.connect_to_host_async].
 *
 * Since: 0.1
 */
void
tn_device_connect_to_connectable_async (TnDevice            *self,
                                        GSocketConnectable  *connectable,
                                        GCancellable        *cancellable,
                                        GAsyncReadyCallback  callback,
                                        gpointer             user_data)
{
  g_autoptr (GTask) task = NULL;
  Attempts *attempts;

  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (G_IS_SOCKET_CONNECTABLE (connectable));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, tn_device_connect_to_connectable_async);
  attempts = g_new0 (Attempts, 1);
  g_task_set_task_data (task, attempts, (GDestroyNotify) attempts_free);

  if (G_IS_INET_SOCKET_ADDRESS (connectable))
    connect_to_address (g_steal_pointer (&task), G_INET_SOCKET_ADDRESS (connectable));
  else if (G_IS_NETWORK_ADDRESS (connectable))
    {
      GNetworkAddress *address = G_NETWORK_ADDRESS (connectable);

      tn_device_connect_to_host_async (self, g_network_address_get_hostname (address), g_network_address_get_port (address),
                                       cancellable, connectable_connected_cb, g_steal_pointer (&task));
    }
  else
    {
      attempts->addresses = g_socket_connectable_enumerate (connectable);
      next_attempt (g_steal_pointer (&task));
    }
}

/**
 * tn_device_connect_to_connectable_finish:
 * @self: a device
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.connect_to_connectable_async] began.
 *
 * Returns: (transfer full): the connection, or %NULL with @error set
 *
 * Since: 0.1
 */
TnConnection *
tn_device_connect_to_connectable_finish (TnDevice      *self,
                                         GAsyncResult  *result,
                                         GError       **error)
{
  return tn_device_finish (self, result, tn_device_connect_to_connectable_async, error);
}

/**
 * tn_device_listen_async:
 * @self: a device
 * @port: TCP port, 0: a free one
 * @address: (nullable): one of the own addresses, or %NULL for all of them
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when the listener is there, or that failed
 * @user_data: data for @callback
 *
 * Listens for TCP connections from other nodes. The policy of the tailnet decides who gets through.
 *
 * Fails with %G_IO_ERROR_ADDRESS_IN_USE if somebody listens there, and with %TN_ERROR_NO_ROUTE if @address is not one of the own ones.
 *
 * Since: 0.1
 */
void
tn_device_listen_async (TnDevice            *self,
                        guint16              port,
                        const char          *address,
                        GCancellable        *cancellable,
                        GAsyncReadyCallback  callback,
                        gpointer             user_data)
{
  g_autofree char *host = NULL;
  GError *error = NULL;

  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  if (address == NULL || tn_host_spec_parse_host (address, &host, &error))
    TN_DEVICE_GET_IFACE (self)->listen_async (self, port, host, cancellable, callback, user_data);
  else
    g_task_report_error (self, callback, user_data, tn_device_listen_async, error);
}

/**
 * tn_device_listen_finish:
 * @self: a device
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.listen_async] began.
 *
 * Returns: (transfer full): the listener, or %NULL with @error set
 *
 * Since: 0.1
 */
TnListener *
tn_device_listen_finish (TnDevice      *self,
                         GAsyncResult  *result,
                         GError       **error)
{
  return tn_device_finish (self, result, tn_device_listen_async, error);
}

/**
 * tn_device_bind_datagram_async:
 * @self: a device
 * @port: UDP port, 0: a free one
 * @address: (nullable): one of the own addresses, or %NULL for all of them
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when the socket is there, or that failed
 * @user_data: data for @callback
 *
 * Makes a socket for UDP datagrams. The policy of the tailnet decides whose datagrams get through.
 *
 * Fails with %G_IO_ERROR_ADDRESS_IN_USE if the port is taken, and with %TN_ERROR_NO_ROUTE if @address is not one of the own ones.
 *
 * Since: 0.1
 */
void
tn_device_bind_datagram_async (TnDevice            *self,
                               guint16              port,
                               const char          *address,
                               GCancellable        *cancellable,
                               GAsyncReadyCallback  callback,
                               gpointer             user_data)
{
  g_autofree char *host = NULL;
  GError *error = NULL;

  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  if (address == NULL || tn_host_spec_parse_host (address, &host, &error))
    TN_DEVICE_GET_IFACE (self)->bind_datagram_async (self, port, host, cancellable, callback, user_data);
  else
    g_task_report_error (self, callback, user_data, tn_device_bind_datagram_async, error);
}

/**
 * tn_device_bind_datagram_finish:
 * @self: a device
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.bind_datagram_async] began.
 *
 * Returns: (transfer full): the socket, or %NULL with @error set
 *
 * Since: 0.1
 */
TnDatagramSocket *
tn_device_bind_datagram_finish (TnDevice      *self,
                                GAsyncResult  *result,
                                GError       **error)
{
  return tn_device_finish (self, result, tn_device_bind_datagram_async, error);
}
