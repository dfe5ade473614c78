/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-system-device-private.h"

#include "tn-connection-private.h"
#include "tn-datagram-socket-private.h"
#include "tn-listener-private.h"
#include "tn-system-device-datagram.h"
#include "tn-system-device-listener.h"
#include "tn-system-device-stream.h"

static void
connected_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnSystemDevice *self = g_task_get_source_object (task);
  g_autoptr (GVariant) handle = NULL;
  g_autoptr (GVariant) grants = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (TnNetstackStream) stream = NULL;
  g_autoptr (TnNode) node = NULL;
  g_autofree char *local = NULL;
  g_autofree char *remote = NULL;
  g_autofree char *id = NULL;
  GError *error = NULL;

  if (!tn_bus_tailnet1_call_connect_finish (TN_BUS_TAILNET1 (object), &handle, &local, &remote, &id, &grants, &fds, result, &error) ||
      (stream = tn_system_device_stream_take (handle, fds, local, remote, &error)) == NULL)
    {
      tn_system_device_return_error (task, error);
      return;
    }
  node = tn_device_model_dup_node (self->model, id);
  g_task_return_pointer (task, tn_connection_new (stream, node, g_variant_n_children (grants) > 0 ? grants : NULL), g_object_unref);
}

static void
connect_to_host_async (TnDevice            *device,
                       const char          *host,
                       guint16              port,
                       GCancellable        *cancellable,
                       GAsyncReadyCallback  callback,
                       gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_device_connect_to_host_async);
  tn_system_device_call (task, "Connect", g_variant_new ("(sq)", host, port), connected_cb);
}

static void
listening_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnDevice *self = g_task_get_source_object (task);
  g_autoptr (TnNetstackListener) listener = NULL;
  g_autofree char *local = NULL;
  GError *error = NULL;
  guint id;

  if (!tn_bus_tailnet1_call_listen_finish (TN_BUS_TAILNET1 (object), &id, &local, result, &error))
    {
      tn_system_device_return_error (task, error);
      return;
    }
  listener = tn_system_device_listener_new (TN_BUS_TAILNET1 (object), id, local);
  g_task_return_pointer (task, tn_listener_new (self, listener, TN_LISTENER_DEFAULT_BACKLOG), g_object_unref);
}

static void
listen_async (TnDevice            *device,
              guint16              port,
              const char          *address,
              GCancellable        *cancellable,
              GAsyncReadyCallback  callback,
              gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_device_listen_async);
  tn_system_device_call (task, "Listen", g_variant_new ("(qs)", port, address != NULL ? address : ""), listening_cb);
}

static void
bound_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GVariant) handle = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (TnNetstackDatagram) datagram = NULL;
  g_autofree char *local = NULL;
  GError *error = NULL;
  int fd = -1;

  if (tn_bus_tailnet1_call_bind_datagram_finish (TN_BUS_TAILNET1 (object), &handle, &local, &fds, result, &error))
    fd = tn_system_device_take_fd (handle, fds, &error);
  if (fd >= 0)
    datagram = tn_system_device_datagram_new (fd, local, &error);
  if (datagram != NULL)
    g_task_return_pointer (task, tn_datagram_socket_new (g_task_get_source_object (task), datagram), g_object_unref);
  else
    tn_system_device_return_error (task, error);
}

static void
bind_datagram_async (TnDevice            *device,
                     guint16              port,
                     const char          *address,
                     GCancellable        *cancellable,
                     GAsyncReadyCallback  callback,
                     gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_device_bind_datagram_async);
  tn_system_device_call (task, "BindDatagram", g_variant_new ("(qs)", port, address != NULL ? address : ""), bound_cb);
}

void
tn_system_device_implement_sockets (TnDeviceInterface *iface)
{
  iface->connect_to_host_async = connect_to_host_async;
  iface->listen_async = listen_async;
  iface->bind_datagram_async = bind_datagram_async;
}
