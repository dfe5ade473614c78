/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-datagram-socket-private.h"

#include "tn-error.h"
#include "tn-host-spec.h"

/**
 * TnDatagramSocket:
 *
 * Sends and receives UDP datagrams in a tailnet. Each one arrives whole, or not at all.
 *
 * It belongs to the context in which the device lives, and receives until it is closed or nobody holds it.
 *
 * Since: 0.1
 */
struct _TnDatagramSocket
{
  GObject             parent_instance;
  TnDevice           *device;
  TnNetstackDatagram *datagram;
  GSocketAddress     *local_address;
  gboolean            closed;
  gboolean            receiving;
};

typedef struct
{
  GBytes         *payload;
  GSocketAddress *source;
} Received;

enum { PROP_0, PROP_LOCAL_ADDRESS, N_PROPS };

G_DEFINE_FINAL_TYPE (TnDatagramSocket, tn_datagram_socket, G_TYPE_OBJECT)
static GParamSpec *properties[N_PROPS];

static void
received_free (Received *received)
{
  g_clear_pointer (&received->payload, g_bytes_unref);
  g_clear_object (&received->source);
  g_free (received);
}

static void
tn_datagram_socket_dispose (GObject *object)
{
  tn_datagram_socket_close (TN_DATAGRAM_SOCKET (object));
  G_OBJECT_CLASS (tn_datagram_socket_parent_class)->dispose (object);
}

static void
tn_datagram_socket_finalize (GObject *object)
{
  TnDatagramSocket *self = TN_DATAGRAM_SOCKET (object);

  g_clear_object (&self->device);
  g_clear_object (&self->datagram);
  g_clear_object (&self->local_address);
  G_OBJECT_CLASS (tn_datagram_socket_parent_class)->finalize (object);
}

static void
tn_datagram_socket_get_property (GObject    *object,
                                 guint       prop_id,
                                 GValue     *value,
                                 GParamSpec *pspec)
{
  TnDatagramSocket *self = TN_DATAGRAM_SOCKET (object);

  switch (prop_id)
    {
    case PROP_LOCAL_ADDRESS:
      g_value_set_object (value, self->local_address);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

#define READABLE (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
tn_datagram_socket_class_init (TnDatagramSocketClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = tn_datagram_socket_dispose;
  object_class->finalize = tn_datagram_socket_finalize;
  object_class->get_property = tn_datagram_socket_get_property;

  /**
   * TnDatagramSocket:local-address: (getter get_local_address)
   *
   * Own address and port; the address is the unspecified one for all own addresses.
   *
   * Since: 0.1
   */
  properties[PROP_LOCAL_ADDRESS] = g_param_spec_object ("local-address", NULL, NULL, G_TYPE_SOCKET_ADDRESS, READABLE);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
tn_datagram_socket_init (TnDatagramSocket *self)
{
}

TnDatagramSocket *
tn_datagram_socket_new (TnDevice           *device,
                        TnNetstackDatagram *datagram)
{
  TnDatagramSocket *self = g_object_new (TN_TYPE_DATAGRAM_SOCKET, NULL);

  self->device = g_object_ref (device);
  self->datagram = g_object_ref (datagram);
  self->local_address = TN_NETSTACK_DATAGRAM_GET_CLASS (datagram)->dup_local_address (datagram);
  return self;
}

/**
 * tn_datagram_socket_get_local_address: (get-property local-address)
 * @self: a datagram socket
 *
 * Gets the own address and port.
 *
 * Returns: (transfer none): the address
 *
 * Since: 0.1
 */
GSocketAddress *
tn_datagram_socket_get_local_address (TnDatagramSocket *self)
{
  g_return_val_if_fail (TN_IS_DATAGRAM_SOCKET (self), NULL);

  return self->local_address;
}

/**
 * tn_datagram_socket_send_to:
 * @self: a datagram socket
 * @destination: address and port to send to
 * @payload: the datagram
 * @error: return location for an error
 *
 * Sends a datagram at once, or not at all. Fails with %G_IO_ERROR_WOULD_BLOCK while the way there is full;
 * [method@Tailnet.DatagramSocket.send_to_async] waits until it is not.
 *
 * Returns: %TRUE if it was sent, which does not say that it arrives
 *
 * Since: 0.1
 */
gboolean
tn_datagram_socket_send_to (TnDatagramSocket  *self,
                            GSocketAddress    *destination,
                            GBytes            *payload,
                            GError           **error)
{
  g_return_val_if_fail (TN_IS_DATAGRAM_SOCKET (self), FALSE);
  g_return_val_if_fail (G_IS_INET_SOCKET_ADDRESS (destination), FALSE);
  g_return_val_if_fail (payload != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (self->closed)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the datagram socket is closed");
      return FALSE;
    }
  return TN_NETSTACK_DATAGRAM_GET_CLASS (self->datagram)->send_to (self->datagram, destination, payload, error);
}

static void
sent_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (TN_NETSTACK_DATAGRAM_GET_CLASS (object)->send_to_finish (TN_NETSTACK_DATAGRAM (object), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
send_for_task (TnDatagramSocket *self,
               GSocketAddress   *destination,
               GBytes           *payload,
               GTask            *task)      /* taken */
{
  /* The netstack heeds the cancellable: what was sent is not said to be cancelled. */
  g_task_set_check_cancellable (task, FALSE);
  if (!self->closed)
    {
      TN_NETSTACK_DATAGRAM_GET_CLASS (self->datagram)->send_to_async (self->datagram, destination, payload,
                                                                      g_task_get_cancellable (task), sent_cb, task);
      return;
    }
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "the datagram socket is closed");
  g_object_unref (task);
}

/**
 * tn_datagram_socket_send_to_async:
 * @self: a datagram socket
 * @destination: address and port to send to
 * @payload: the datagram
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when the datagram was sent
 * @user_data: data for @callback
 *
 * Sends a datagram, as soon as the way there takes it: at once, unless it is full. A sender that waits for each of its datagrams sends
 * as fast as they can go, and loses none in this process.
 *
 * Any number of calls may wait. Those for a destination whose way is full do not hold up the others. One that was cancelled has sent
 * nothing; [method@Tailnet.DatagramSocket.close] ends all of them with %G_IO_ERROR_CLOSED.
 *
 * On a [class@Tailnet.SystemDevice] a datagram counts as sent when the service has it. The service waits two seconds at most for a way
 * that is full, with as many as 64 datagrams; they are dropped then, and further ones wait.
 *
 * Since: 0.1
 */
void
tn_datagram_socket_send_to_async (TnDatagramSocket    *self,
                                  GSocketAddress      *destination,
                                  GBytes              *payload,
                                  GCancellable        *cancellable,
                                  GAsyncReadyCallback  callback,
                                  gpointer             user_data)
{
  GTask *task;

  g_return_if_fail (TN_IS_DATAGRAM_SOCKET (self));
  g_return_if_fail (G_IS_INET_SOCKET_ADDRESS (destination));
  g_return_if_fail (payload != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, tn_datagram_socket_send_to_async);
  send_for_task (self, destination, payload, task);
}

static gboolean
send_finish (TnDatagramSocket  *self,
             GAsyncResult      *result,
             gpointer           source_tag,
             GError           **error)
{
  g_return_val_if_fail (TN_IS_DATAGRAM_SOCKET (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_task_get_source_tag (G_TASK (result)) == source_tag, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * tn_datagram_socket_send_to_finish:
 * @self: a datagram socket
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.DatagramSocket.send_to_async] began.
 *
 * Returns: %TRUE if it was sent, which does not say that it arrives
 *
 * Since: 0.1
 */
gboolean
tn_datagram_socket_send_to_finish (TnDatagramSocket  *self,
                                   GAsyncResult      *result,
                                   GError           **error)
{
  return send_finish (self, result, tn_datagram_socket_send_to_async, error);
}

/* An address of @node in the family of the socket. */
static GInetAddress *
pick_address (TnDatagramSocket *self,
              TnNode           *node)
{
  GInetAddress *ipv4 = tn_node_get_ipv4 (node), *ipv6 = tn_node_get_ipv6 (node);
  GInetAddress *own = G_IS_INET_SOCKET_ADDRESS (self->local_address)
                        ? g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (self->local_address)) : NULL;

  /* One that is bound to all addresses sends to both families. */
  if (own != NULL && !g_inet_address_get_is_any (own))
    return g_inet_address_get_family (own) == G_SOCKET_FAMILY_IPV4 ? ipv4 : ipv6;
  return ipv4 != NULL ? ipv4 : ipv6;
}

/* Whom @host_and_port names. */
static GSocketAddress *
resolve (TnDatagramSocket  *self,
         const char        *host_and_port,
         guint16            default_port,
         GError           **error)
{
  g_autoptr (GInetAddress) address = NULL;
  g_autoptr (TnNode) node = NULL;
  g_autofree char *host = NULL;
  guint16 port;

  if (!tn_host_spec_parse (host_and_port, default_port, &host, &port, error))
    return NULL;

  address = g_inet_address_new_from_string (host);
  if (address == NULL)
    {
      node = tn_device_lookup_peer (self->device, host);
      if (node != NULL)
        g_set_object (&address, pick_address (self, node));
    }
  if (address != NULL)
    return g_inet_socket_address_new (address, port);

  if (node == NULL)
    g_set_error (error, TN_ERROR, TN_ERROR_NO_SUCH_PEER, "no peer is called “%s”", host);
  else
    g_set_error (error, TN_ERROR, TN_ERROR_NO_ROUTE, "peer “%s” has no address of the socket's family", host);
  return NULL;
}

/**
 * tn_datagram_socket_send_to_host:
 * @self: a datagram socket
 * @host_and_port: name or address, with or without a port: `db`, `db:53`, `[fd7a::1]:53`
 * @default_port: UDP port where @host_and_port has none, 0: it must have one
 * @payload: the datagram
 * @error: return location for an error
 *
 * Sends a datagram to a node by its name, as [method@Tailnet.DatagramSocket.send_to] does to an address.
 *
 * Returns: %TRUE if it was sent, which does not say that it arrives
 *
 * Since: 0.1
 */
gboolean
tn_datagram_socket_send_to_host (TnDatagramSocket  *self,
                                 const char        *host_and_port,
                                 guint16            default_port,
                                 GBytes            *payload,
                                 GError           **error)
{
  g_autoptr (GSocketAddress) destination = NULL;

  g_return_val_if_fail (TN_IS_DATAGRAM_SOCKET (self), FALSE);
  g_return_val_if_fail (host_and_port != NULL, FALSE);
  g_return_val_if_fail (payload != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  destination = resolve (self, host_and_port, default_port, error);
  return destination != NULL && tn_datagram_socket_send_to (self, destination, payload, error);
}

/**
 * tn_datagram_socket_send_to_host_async:
 * @self: a datagram socket
 * @host_and_port: name or address, with or without a port: `db`, `db:53`, `[fd7a::1]:53`
 * @default_port: UDP port where @host_and_port has none, 0: it must have one
 * @payload: the datagram
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when the datagram was sent
 * @user_data: data for @callback
 *
 * Sends a datagram to a node by its name, as [method@Tailnet.DatagramSocket.send_to_async] does to an address.
 *
 * Since: 0.1
 */
void
tn_datagram_socket_send_to_host_async (TnDatagramSocket    *self,
                                       const char          *host_and_port,
                                       guint16              default_port,
                                       GBytes              *payload,
                                       GCancellable        *cancellable,
                                       GAsyncReadyCallback  callback,
                                       gpointer             user_data)
{
  g_autoptr (GSocketAddress) destination = NULL;
  g_autoptr (GTask) task = NULL;
  GError *error = NULL;

  g_return_if_fail (TN_IS_DATAGRAM_SOCKET (self));
  g_return_if_fail (host_and_port != NULL);
  g_return_if_fail (payload != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, tn_datagram_socket_send_to_host_async);
  destination = resolve (self, host_and_port, default_port, &error);
  if (destination != NULL)
    send_for_task (self, destination, payload, g_steal_pointer (&task));
  else
    g_task_return_error (task, error);
}

/**
 * tn_datagram_socket_send_to_host_finish:
 * @self: a datagram socket
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.DatagramSocket.send_to_host_async] began.
 *
 * Returns: %TRUE if it was sent, which does not say that it arrives
 *
 * Since: 0.1
 */
gboolean
tn_datagram_socket_send_to_host_finish (TnDatagramSocket  *self,
                                        GAsyncResult      *result,
                                        GError           **error)
{
  return send_finish (self, result, tn_datagram_socket_send_to_host_async, error);
}

static void
receive_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  TnDatagramSocket *self = g_task_get_source_object (task);
  TnNetstackDatagram *datagram = TN_NETSTACK_DATAGRAM (object);
  Received *received = g_new0 (Received, 1);

  self->receiving = FALSE;
  received->payload = TN_NETSTACK_DATAGRAM_GET_CLASS (datagram)->receive_finish (datagram, result, &received->source, &error);
  if (received->payload != NULL)
    {
      g_task_return_pointer (task, received, (GDestroyNotify) received_free);
      return;
    }
  received_free (received);
  g_task_return_error (task, g_steal_pointer (&error));
}

/**
 * tn_datagram_socket_receive_from_async:
 * @self: a datagram socket
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when there is a datagram
 * @user_data: data for @callback
 *
 * Waits for the next datagram. Ends with %G_IO_ERROR_PENDING while another call waits, and with %G_IO_ERROR_CLOSED after
 * [method@Tailnet.DatagramSocket.close].
 *
 * Since: 0.1
 */
void
tn_datagram_socket_receive_from_async (TnDatagramSocket    *self,
                                       GCancellable        *cancellable,
                                       GAsyncReadyCallback  callback,
                                       gpointer             user_data)
{
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (TN_IS_DATAGRAM_SOCKET (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, tn_datagram_socket_receive_from_async);

  /* The netstack heeds the cancellable: a datagram that came first is not dropped. */
  g_task_set_check_cancellable (task, FALSE);
  if (self->closed)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "the datagram socket is closed");
  else if (self->receiving)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_PENDING, "another call waits for a datagram");
  else
    {
      self->receiving = TRUE;
      TN_NETSTACK_DATAGRAM_GET_CLASS (self->datagram)->receive_async (self->datagram, cancellable, receive_cb, g_steal_pointer (&task));
    }
}

/**
 * tn_datagram_socket_receive_from_finish:
 * @self: a datagram socket
 * @result: what the callback was given
 * @source: (out) (optional) (transfer full): return location for who sent it
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.DatagramSocket.receive_from_async] began.
 *
 * Returns: (transfer full): the datagram, or %NULL with @error set
 *
 * Since: 0.1
 */
GBytes *
tn_datagram_socket_receive_from_finish (TnDatagramSocket  *self,
                                        GAsyncResult      *result,
                                        GSocketAddress   **source,
                                        GError           **error)
{
  Received *received;
  GBytes *payload;

  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_task_get_source_tag (G_TASK (result)) == tn_datagram_socket_receive_from_async, NULL);

  received = g_task_propagate_pointer (G_TASK (result), error);
  if (received == NULL)
    return NULL;
  payload = g_steal_pointer (&received->payload);
  if (source != NULL)
    *source = g_steal_pointer (&received->source);
  received_free (received);
  return payload;
}

/**
 * tn_datagram_socket_close:
 * @self: a datagram socket
 *
 * Sends and receives no longer, at once. Who waits for a datagram, or for room for one, gets %G_IO_ERROR_CLOSED.
 *
 * Since: 0.1
 */
void
tn_datagram_socket_close (TnDatagramSocket *self)
{
  g_return_if_fail (TN_IS_DATAGRAM_SOCKET (self));

  if (self->closed)
    return;
  self->closed = TRUE;
  if (self->datagram != NULL)
    TN_NETSTACK_DATAGRAM_GET_CLASS (self->datagram)->close (self->datagram);
}
