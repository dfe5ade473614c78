/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-system-device-datagram.h"

#include <unistd.h>

#include "tn-bus-datagram.h"
#include "tn-cancel-source.h"
#include "tn-system-device-stream.h"

#define TN_TYPE_SYSTEM_DEVICE_DATAGRAM (tn_system_device_datagram_get_type ())
G_DECLARE_FINAL_TYPE (TnSystemDeviceDatagram, tn_system_device_datagram, TN, SYSTEM_DEVICE_DATAGRAM, TnNetstackDatagram)

struct _TnSystemDeviceDatagram
{
  TnNetstackDatagram parent_instance;
  GSocket           *socket;
  GSocketAddress    *local;          /* nullable */
  GCancellable      *closed;
};

typedef struct
{
  GBytes      *payload;
  TnIpEndpoint source;
} Received;

typedef struct
{
  GBytes      *payload;
  TnIpEndpoint destination;
} Outgoing;

G_DEFINE_FINAL_TYPE (TnSystemDeviceDatagram, tn_system_device_datagram, TN_TYPE_NETSTACK_DATAGRAM)

static void
received_free (Received *received)
{
  g_clear_pointer (&received->payload, g_bytes_unref);
  g_free (received);
}

static void
outgoing_free (gpointer data)
{
  Outgoing *outgoing = data;

  g_bytes_unref (outgoing->payload);
  g_free (outgoing);
}

static GSocketAddress *
tn_system_device_datagram_dup_local_address (TnNetstackDatagram *datagram)
{
  TnSystemDeviceDatagram *self = TN_SYSTEM_DEVICE_DATAGRAM (datagram);

  return self->local != NULL ? g_object_ref (self->local) : NULL;
}

static TnIpEndpoint
make_endpoint (GSocketAddress *address)
{
  GInetSocketAddress *inet = G_INET_SOCKET_ADDRESS (address);

  return (TnIpEndpoint) { .address = tn_ip_address_from_inet (g_inet_socket_address_get_address (inet)),
                          .port = g_inet_socket_address_get_port (inet) };
}

static gboolean
tn_system_device_datagram_send_to (TnNetstackDatagram *datagram,
                                   GSocketAddress     *to,
                                   GBytes             *bytes,
                                   GError            **error)
{
  TnIpEndpoint endpoint = make_endpoint (to);

  return tn_bus_datagram_send (TN_SYSTEM_DEVICE_DATAGRAM (datagram)->socket, &endpoint, bytes, error);
}

/* FALSE: not yet; else the task has its answer. */
typedef gboolean (*TryFunc) (TnSystemDeviceDatagram *self, GTask *task);

typedef struct
{
  GTask  *task;
  TryFunc try_again;
} Wait;

static void
wait_free (gpointer data)
{
  Wait *wait = data;

  g_object_unref (wait->task);
  g_free (wait);
}

static gboolean
ready_cb (GSocket      *socket,
          GIOCondition  condition,
          gpointer      user_data)
{
  Wait *wait = user_data;
  TnSystemDeviceDatagram *self = g_task_get_source_object (wait->task);

  if (g_cancellable_is_cancelled (self->closed))
    g_task_return_new_error (wait->task, G_IO_ERROR, G_IO_ERROR_CLOSED, "socket is closed");
  else if (!g_task_return_error_if_cancelled (wait->task) && !wait->try_again (self, wait->task))
    return G_SOURCE_CONTINUE;
  return G_SOURCE_REMOVE;
}

/* Tries again at @condition, and ends with the socket. */
static void
wait_for (TnSystemDeviceDatagram *self,
          GIOCondition            condition,
          TryFunc                 try_again,
          GTask                  *task)
{
  g_autoptr (GSource) ready = g_socket_create_source (self->socket, condition, g_task_get_cancellable (task));
  g_autoptr (GSource) closed = tn_cancel_source_new (self->closed);
  Wait *wait = g_new (Wait, 1);

  wait->task = g_object_ref (task);
  wait->try_again = try_again;
  g_source_set_dummy_callback (closed);
  g_source_add_child_source (ready, closed);
  g_source_set_callback (ready, G_SOURCE_FUNC (ready_cb), wait, wait_free);
  g_source_attach (ready, g_task_get_context (task));
}

/* FALSE: there is no room yet. */
static gboolean
try_send (TnSystemDeviceDatagram *self,
          GTask                  *task)
{
  Outgoing *outgoing = g_task_get_task_data (task);
  GError *error = NULL;

  if (tn_bus_datagram_send (self->socket, &outgoing->destination, outgoing->payload, &error))
    g_task_return_boolean (task, TRUE);
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    g_task_return_error (task, error);
  else
    {
      g_error_free (error);
      return FALSE;
    }
  return TRUE;
}

static void
tn_system_device_datagram_send_to_async (TnNetstackDatagram  *datagram,
                                         GSocketAddress      *to,
                                         GBytes              *bytes,
                                         GCancellable        *cancellable,
                                         GAsyncReadyCallback  callback,
                                         gpointer             user_data)
{
  TnSystemDeviceDatagram *self = TN_SYSTEM_DEVICE_DATAGRAM (datagram);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Outgoing *outgoing = g_new0 (Outgoing, 1);

  g_task_set_source_tag (task, tn_system_device_datagram_send_to_async);
  g_task_set_check_cancellable (task, FALSE);      /* what was sent is not said to be cancelled */
  outgoing->payload = g_bytes_ref (bytes);
  outgoing->destination = make_endpoint (to);
  g_task_set_task_data (task, outgoing, outgoing_free);
  if (g_cancellable_is_cancelled (self->closed))
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "socket is closed");
  else if (!g_task_return_error_if_cancelled (task) && !try_send (self, task))
    wait_for (self, G_IO_OUT, try_send, task);
}

static gboolean
tn_system_device_datagram_send_to_finish (TnNetstackDatagram  *datagram,
                                          GAsyncResult        *result,
                                          GError             **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* FALSE: there is nothing yet. */
static gboolean
try_receive (TnSystemDeviceDatagram *self,
             GTask                  *task)
{
  Received *received = g_new0 (Received, 1);
  GError *error = NULL;

  do
    {
      g_clear_error (&error);
      received->payload = tn_bus_datagram_receive (self->socket, &received->source, &error);
    }
  while (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA));
  if (received->payload != NULL)
    {
      g_task_return_pointer (task, received, (GDestroyNotify) received_free);
      return TRUE;
    }
  received_free (received);
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    {
      g_task_return_error (task, error);
      return TRUE;
    }
  g_error_free (error);
  return FALSE;
}

static void
tn_system_device_datagram_receive_async (TnNetstackDatagram  *datagram,
                                         GCancellable        *cancellable,
                                         GAsyncReadyCallback  callback,
                                         gpointer             user_data)
{
  TnSystemDeviceDatagram *self = TN_SYSTEM_DEVICE_DATAGRAM (datagram);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_system_device_datagram_receive_async);
  g_task_set_check_cancellable (task, FALSE);      /* a datagram that came first is not dropped */
  if (g_cancellable_is_cancelled (self->closed))
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "socket is closed");
      return;
    }
  if (!try_receive (self, task))
    wait_for (self, G_IO_IN, try_receive, task);
}

static GBytes *
tn_system_device_datagram_receive_finish (TnNetstackDatagram *datagram,
                                          GAsyncResult       *result,
                                          GSocketAddress    **from,
                                          GError            **error)
{
  Received *received = g_task_propagate_pointer (G_TASK (result), error);
  g_autoptr (GInetAddress) inet = NULL;
  GBytes *payload;

  if (received == NULL)
    return NULL;
  payload = g_steal_pointer (&received->payload);
  inet = tn_ip_address_to_inet (&received->source.address);
  if (from != NULL)
    *from = g_inet_socket_address_new (inet, received->source.port);
  received_free (received);
  return payload;
}

/* The other side sees the end, and gives the port back. */
static void
tn_system_device_datagram_close (TnNetstackDatagram *datagram)
{
  TnSystemDeviceDatagram *self = TN_SYSTEM_DEVICE_DATAGRAM (datagram);

  if (g_cancellable_is_cancelled (self->closed))
    return;
  g_cancellable_cancel (self->closed);
  g_socket_shutdown (self->socket, TRUE, TRUE, NULL);
}

static void
tn_system_device_datagram_finalize (GObject *object)
{
  TnSystemDeviceDatagram *self = TN_SYSTEM_DEVICE_DATAGRAM (object);

  g_clear_object (&self->socket);
  g_clear_object (&self->local);
  g_clear_object (&self->closed);
  G_OBJECT_CLASS (tn_system_device_datagram_parent_class)->finalize (object);
}

static void
tn_system_device_datagram_class_init (TnSystemDeviceDatagramClass *klass)
{
  TnNetstackDatagramClass *datagram_class = TN_NETSTACK_DATAGRAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = tn_system_device_datagram_finalize;
  datagram_class->dup_local_address = tn_system_device_datagram_dup_local_address;
  datagram_class->send_to = tn_system_device_datagram_send_to;
  datagram_class->send_to_async = tn_system_device_datagram_send_to_async;
  datagram_class->send_to_finish = tn_system_device_datagram_send_to_finish;
  datagram_class->receive_async = tn_system_device_datagram_receive_async;
  datagram_class->receive_finish = tn_system_device_datagram_receive_finish;
  datagram_class->close = tn_system_device_datagram_close;
}

static void
tn_system_device_datagram_init (TnSystemDeviceDatagram *self)
{
  self->closed = g_cancellable_new ();
}

TnNetstackDatagram *
tn_system_device_datagram_new (int          fd,
                               const char  *local,
                               GError     **error)
{
  g_autoptr (GSocket) socket = g_socket_new_from_fd (fd, error);
  TnSystemDeviceDatagram *self;

  if (socket == NULL)
    {
      close (fd);
      return NULL;
    }
  g_socket_set_blocking (socket, FALSE);
  self = g_object_new (TN_TYPE_SYSTEM_DEVICE_DATAGRAM, NULL);
  self->socket = g_steal_pointer (&socket);
  self->local = tn_system_device_parse_address (local);
  return TN_NETSTACK_DATAGRAM (self);
}
