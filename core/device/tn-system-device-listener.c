/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-system-device-listener.h"

#include <gio/gunixfdlist.h>

#include "tn-system-device-stream.h"

#define TN_TYPE_SYSTEM_DEVICE_LISTENER (tn_system_device_listener_get_type ())
G_DECLARE_FINAL_TYPE (TnSystemDeviceListener, tn_system_device_listener, TN, SYSTEM_DEVICE_LISTENER, TnNetstackListener)

struct _TnSystemDeviceListener
{
  TnNetstackListener parent_instance;
  TnBusTailnet1     *proxy;
  guint              id;
  GSocketAddress    *local;
  GCancellable      *closed;
};

G_DEFINE_FINAL_TYPE (TnSystemDeviceListener, tn_system_device_listener, TN_TYPE_NETSTACK_LISTENER)

static GSocketAddress *
tn_system_device_listener_dup_local_address (TnNetstackListener *listener)
{
  TnSystemDeviceListener *self = TN_SYSTEM_DEVICE_LISTENER (listener);

  return self->local != NULL ? g_object_ref (self->local) : NULL;
}

static void
accepted_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnSystemDeviceListener *self = g_task_get_source_object (task);
  g_autoptr (GVariant) handle = NULL;
  g_autoptr (GVariant) grants = NULL;
  g_autoptr (GUnixFDList) fds = NULL;
  TnNetstackStream *stream;
  g_autofree char *local = NULL;
  g_autofree char *remote = NULL;
  g_autofree char *id = NULL;
  GError *error = NULL;

  if (!tn_bus_tailnet1_call_accept_finish (TN_BUS_TAILNET1 (object), &handle, &local, &remote, &id, &grants, &fds, result, &error) ||
      (stream = tn_system_device_stream_take (handle, fds, local, remote, &error)) == NULL)
    {
      if (g_cancellable_is_cancelled (self->closed))
        {
          g_clear_error (&error);
          g_set_error_literal (&error, G_IO_ERROR, G_IO_ERROR_CLOSED, "listener is closed");
        }
      tn_system_device_return_error (task, error);
      return;
    }
  tn_system_device_stream_set_grants (stream, grants);
  g_task_return_pointer (task, stream, g_object_unref);
}

static void
tn_system_device_listener_accept_async (TnNetstackListener  *listener,
                                        GCancellable        *cancellable,
                                        GAsyncReadyCallback  callback,
                                        gpointer             user_data)
{
  TnSystemDeviceListener *self = TN_SYSTEM_DEVICE_LISTENER (listener);
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_system_device_listener_accept_async);
  tn_bus_tailnet1_call_accept (self->proxy, self->id, NULL, cancellable != NULL ? cancellable : self->closed, accepted_cb, task);
}

static TnNetstackStream *
tn_system_device_listener_accept_finish (TnNetstackListener  *listener,
                                         GAsyncResult        *result,
                                         GError             **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
tn_system_device_listener_close (TnNetstackListener *listener)
{
  TnSystemDeviceListener *self = TN_SYSTEM_DEVICE_LISTENER (listener);

  if (g_cancellable_is_cancelled (self->closed))
    return;
  g_cancellable_cancel (self->closed);
  tn_bus_tailnet1_call_close_listener (self->proxy, self->id, NULL, NULL, NULL);      /* ends what the other side still accepts for us */
}

static void
tn_system_device_listener_finalize (GObject *object)
{
  TnSystemDeviceListener *self = TN_SYSTEM_DEVICE_LISTENER (object);

  tn_system_device_listener_close (TN_NETSTACK_LISTENER (self));
  g_clear_object (&self->proxy);
  g_clear_object (&self->local);
  g_clear_object (&self->closed);
  G_OBJECT_CLASS (tn_system_device_listener_parent_class)->finalize (object);
}

static void
tn_system_device_listener_class_init (TnSystemDeviceListenerClass *klass)
{
  TnNetstackListenerClass *listener_class = TN_NETSTACK_LISTENER_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = tn_system_device_listener_finalize;
  listener_class->dup_local_address = tn_system_device_listener_dup_local_address;
  listener_class->accept_async = tn_system_device_listener_accept_async;
  listener_class->accept_finish = tn_system_device_listener_accept_finish;
  listener_class->close = tn_system_device_listener_close;
}

static void
tn_system_device_listener_init (TnSystemDeviceListener *self)
{
  self->closed = g_cancellable_new ();
}

TnNetstackListener *
tn_system_device_listener_new (TnBusTailnet1 *proxy,
                               guint          id,
                               const char    *local)
{
  TnSystemDeviceListener *self = g_object_new (TN_TYPE_SYSTEM_DEVICE_LISTENER, NULL);

  self->proxy = g_object_ref (proxy);
  self->id = id;
  self->local = tn_system_device_parse_address (local);
  return TN_NETSTACK_LISTENER (self);
}
