/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-system-device-private.h"

#include "tn-cancel-source.h"
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

  g_task_set_source_tag (task, connect_to_host_async);
  tn_system_device_call (task, "Connect", g_variant_new ("(sq)", host, port), connected_cb);
}

/* The other side does not learn that a call was cancelled: its answer is waited for, to close what it has opened. The caller is told
 * at once. */
typedef struct
{
  GTask   *task;           /* NULL: it has returned */
  GSource *cancelled;      /* nullable */
} Listening;

static void
stop_watching (Listening *listening)
{
  if (listening->cancelled != NULL)
    g_source_destroy (listening->cancelled);
  g_clear_pointer (&listening->cancelled, g_source_unref);
}

static gboolean
listening_cancelled_cb (GCancellable *cancellable,
                        gpointer      user_data)
{
  Listening *listening = user_data;
  g_autoptr (GTask) task = g_steal_pointer (&listening->task);

  stop_watching (listening);
  g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

static void
listening_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autofree Listening *listening = user_data;
  TnBusTailnet1 *proxy = TN_BUS_TAILNET1 (object);
  g_autoptr (GTask) task = g_steal_pointer (&listening->task);
  g_autoptr (TnNetstackListener) listener = NULL;
  g_autofree char *local = NULL;
  GError *error = NULL;
  gboolean made;
  guint id;

  stop_watching (listening);
  made = tn_bus_tailnet1_call_listen_finish (proxy, &id, &local, result, &error);
  if (task == NULL || (made && g_task_return_error_if_cancelled (task)))
    {
      if (made)
        tn_bus_tailnet1_call_close_listener (proxy, id, NULL, NULL, NULL);
      g_clear_error (&error);
      return;
    }
  if (!made)
    {
      tn_system_device_return_error (task, error);
      return;
    }
  listener = tn_system_device_listener_new (g_task_get_source_object (task), proxy, id, local);
  g_task_return_pointer (task, tn_listener_new (g_task_get_source_object (task), listener, TN_LISTENER_DEFAULT_BACKLOG), g_object_unref);
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
  TnBusTailnet1 *proxy = tn_system_device_get_proxy (TN_SYSTEM_DEVICE (device), task);
  Listening *listening;

  g_task_set_source_tag (task, listen_async);
  if (proxy == NULL || g_task_return_error_if_cancelled (task))
    return;

  listening = g_new0 (Listening, 1);
  listening->task = g_steal_pointer (&task);
  if (cancellable != NULL)
    {
      listening->cancelled = tn_cancel_source_new (cancellable);
      g_source_set_callback (listening->cancelled, G_SOURCE_FUNC (listening_cancelled_cb), listening, NULL);
      g_source_attach (listening->cancelled, g_task_get_context (listening->task));
    }
  tn_bus_tailnet1_call_listen (proxy, port, address != NULL ? address : "", NULL, listening_cb, listening);
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

  g_task_set_source_tag (task, bind_datagram_async);
  tn_system_device_call (task, "BindDatagram", g_variant_new ("(qs)", port, address != NULL ? address : ""), bound_cb);
}

void
tn_system_device_implement_sockets (TnDeviceInterface *iface)
{
  iface->connect_to_host_async = connect_to_host_async;
  iface->listen_async = listen_async;
  iface->bind_datagram_async = bind_datagram_async;
}
