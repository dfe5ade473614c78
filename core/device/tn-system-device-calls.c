/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-system-device-private.h"

#include <gio/gunixfdlist.h>
#include <string.h>

#include "tn-connection-private.h"
#include "tn-error.h"
#include "tn-ip.h"
#include "tn-listener-private.h"
#include "tn-ping-result-private.h"
#include "tn-system-device-node.h"
#include "tn-system-device-stream.h"

/* NULL: @task ended with the error that it is not connected. */
static TnBusTailnet1 *
get_proxy (TnSystemDevice *self,
           GTask          *task)
{
  GError *error = NULL;
  TnBusTailnet1 *proxy = tn_system_device_get_proxy (self, &error);

  if (proxy == NULL)
    g_task_return_error (task, error);
  return proxy;
}

static gboolean
boolean_finish (TnDevice      *device,
                GAsyncResult  *result,
                GError       **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- Start: connect, wait until it runs, see what there is then --- */

static void
started_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnSystemDevice *self = g_task_get_source_object (task);
  GError *error = NULL;

  if (!tn_bus_tailnet1_call_start_finish (TN_BUS_TAILNET1 (object), result, &error))
    tn_system_device_return_error (task, error);
  else if (get_proxy (self, task) != NULL)
    tn_system_device_load_peers (self, task);
}

static void
connected_for_start_cb (GObject      *object,
                        GAsyncResult *result,
                        gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnSystemDevice *self = TN_SYSTEM_DEVICE (object);
  GCancellable *cancellable = g_task_get_cancellable (task);
  TnBusTailnet1 *proxy;
  GError *error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    g_task_return_error (task, error);
  else if ((proxy = get_proxy (self, task)) != NULL)
    tn_bus_tailnet1_call_start (proxy, cancellable, started_cb, g_steal_pointer (&task));
}

static void
start_async (TnDevice            *device,
             GCancellable        *cancellable,
             GAsyncReadyCallback  callback,
             gpointer             user_data)
{
  GTask *task = g_task_new (device, cancellable, callback, user_data);
  g_autoptr (GTask) connecting = g_task_new (device, cancellable, connected_for_start_cb, task);

  g_task_set_source_tag (task, start_async);
  tn_system_device_connect (TN_SYSTEM_DEVICE (device), connecting);
}

/* --- Stop, login, logout --- */

static void
stopped_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (tn_bus_tailnet1_call_stop_finish (TN_BUS_TAILNET1 (object), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    tn_system_device_return_error (task, error);
}

static void
connected_for_stop_cb (GObject      *object,
                       GAsyncResult *result,
                       gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnSystemDevice *self = TN_SYSTEM_DEVICE (object);
  GCancellable *cancellable = g_task_get_cancellable (task);
  TnBusTailnet1 *proxy;
  GError *error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    g_task_return_error (task, error);
  else if ((proxy = get_proxy (self, task)) != NULL)
    tn_bus_tailnet1_call_stop (proxy, cancellable, stopped_cb, g_steal_pointer (&task));
}

static void
stop_async (TnDevice            *device,
            GCancellable        *cancellable,
            GAsyncReadyCallback  callback,
            gpointer             user_data)
{
  GTask *task = g_task_new (device, cancellable, callback, user_data);
  g_autoptr (GTask) connecting = g_task_new (device, cancellable, connected_for_stop_cb, task);

  g_task_set_source_tag (task, stop_async);
  tn_system_device_connect (TN_SYSTEM_DEVICE (device), connecting);
}

static void
logged_in_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (tn_bus_tailnet1_call_login_finish (TN_BUS_TAILNET1 (object), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    tn_system_device_return_error (task, error);
}

static void
login_async (TnDevice            *device,
             GCancellable        *cancellable,
             GAsyncReadyCallback  callback,
             gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);
  TnBusTailnet1 *proxy = get_proxy (TN_SYSTEM_DEVICE (device), task);

  g_task_set_source_tag (task, login_async);
  if (proxy != NULL)
    tn_bus_tailnet1_call_login (proxy, cancellable, logged_in_cb, g_steal_pointer (&task));
}

static void
logged_out_cb (GObject      *object,
               GAsyncResult *result,
               gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (tn_bus_tailnet1_call_logout_finish (TN_BUS_TAILNET1 (object), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    tn_system_device_return_error (task, error);
}

static void
logout_async (TnDevice            *device,
              GCancellable        *cancellable,
              GAsyncReadyCallback  callback,
              gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);
  TnBusTailnet1 *proxy = get_proxy (TN_SYSTEM_DEVICE (device), task);

  g_task_set_source_tag (task, logout_async);
  if (proxy != NULL)
    tn_bus_tailnet1_call_logout (proxy, cancellable, logged_out_cb, g_steal_pointer (&task));
}

/* --- Streams --- */

/* What the policy grants who is at @remote, for tn_device_identify(). */
static void
note_grants (TnSystemDevice *self,
             GSocketAddress *remote,
             GVariant       *grants)
{
  TnIpAddress address;

  if (!G_IS_INET_SOCKET_ADDRESS (remote))
    return;
  address = tn_ip_address_from_inet (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (remote)));
  if (g_variant_n_children (grants) > 0)
    g_hash_table_replace (self->grants, g_memdup2 (&address, sizeof address), g_variant_ref (grants));
  else
    g_hash_table_remove (self->grants, &address);
}

static TnNetstackStream *
take_stream (GVariant     *handle,
             GUnixFDList  *fds,
             const char   *local,
             const char   *remote,
             GError      **error)
{
  int fd;

  if (fds == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the answer has no descriptor");
      return NULL;
    }
  fd = g_unix_fd_list_get (fds, g_variant_get_handle (handle), error);
  return fd >= 0 ? tn_system_device_stream_new (fd, local, remote, error) : NULL;
}

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
      (stream = take_stream (handle, fds, local, remote, &error)) == NULL)
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
  TnBusTailnet1 *proxy = get_proxy (TN_SYSTEM_DEVICE (device), task);

  g_task_set_source_tag (task, connect_to_host_async);
  if (proxy != NULL)
    tn_bus_tailnet1_call_connect (proxy, host, port, NULL, cancellable, connected_cb, g_steal_pointer (&task));
}

static TnConnection *
connect_to_host_finish (TnDevice      *device,
                        GAsyncResult  *result,
                        GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- Listeners --- */

#define TN_TYPE_SYSTEM_DEVICE_LISTENER (tn_system_device_listener_get_type ())
G_DECLARE_FINAL_TYPE (TnSystemDeviceListener, tn_system_device_listener, TN, SYSTEM_DEVICE_LISTENER, TnNetstackListener)

struct _TnSystemDeviceListener
{
  TnNetstackListener parent_instance;
  TnSystemDevice    *device;
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
  g_autoptr (GSocketAddress) address = NULL;
  TnNetstackStream *stream;
  g_autofree char *local = NULL;
  g_autofree char *remote = NULL;
  g_autofree char *id = NULL;
  GError *error = NULL;

  if (!tn_bus_tailnet1_call_accept_finish (TN_BUS_TAILNET1 (object), &handle, &local, &remote, &id, &grants, &fds, result, &error) ||
      (stream = take_stream (handle, fds, local, remote, &error)) == NULL)
    {
      if (g_cancellable_is_cancelled (self->closed))
        {
          g_clear_error (&error);
          g_set_error_literal (&error, G_IO_ERROR, G_IO_ERROR_CLOSED, "listener is closed");
        }
      tn_system_device_return_error (task, error);
      return;
    }
  address = tn_system_device_parse_address (remote);
  note_grants (self->device, address, grants);
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
  g_clear_object (&self->device);
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

static void
listening_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnSystemDevice *self = g_task_get_source_object (task);
  g_autoptr (TnSystemDeviceListener) listener = NULL;
  g_autofree char *local = NULL;
  GError *error = NULL;
  guint id;

  if (!tn_bus_tailnet1_call_listen_finish (TN_BUS_TAILNET1 (object), &id, &local, result, &error))
    {
      tn_system_device_return_error (task, error);
      return;
    }
  listener = g_object_new (TN_TYPE_SYSTEM_DEVICE_LISTENER, NULL);
  listener->device = g_object_ref (self);
  listener->proxy = g_object_ref (TN_BUS_TAILNET1 (object));
  listener->id = id;
  listener->local = tn_system_device_parse_address (local);
  g_task_return_pointer (task, tn_listener_new (TN_DEVICE (self), TN_NETSTACK_LISTENER (listener), TN_LISTENER_DEFAULT_BACKLOG),
                         g_object_unref);
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
  TnBusTailnet1 *proxy = get_proxy (TN_SYSTEM_DEVICE (device), task);

  g_task_set_source_tag (task, listen_async);
  if (proxy != NULL)
    tn_bus_tailnet1_call_listen (proxy, port, address != NULL ? address : "", cancellable, listening_cb, g_steal_pointer (&task));
}

static TnListener *
listen_finish (TnDevice      *device,
               GAsyncResult  *result,
               GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
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
  g_task_return_new_error (task, TN_ERROR, TN_ERROR_UNSUPPORTED,
                           "datagrams go through the process that runs the device only, not through the bus in %s",
                           TN_SYSTEM_DEVICE (device)->directory);
}

static TnDatagramSocket *
bind_datagram_finish (TnDevice      *device,
                      GAsyncResult  *result,
                      GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- Questions --- */

static void
pinged_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnSystemDevice *self = g_task_get_source_object (task);
  g_autoptr (GVariant) shown_path = NULL;
  g_autoptr (GInetAddress) address = NULL;
  g_autoptr (TnNode) node = NULL;
  g_autofree char *id = NULL;
  g_autofree char *text = NULL;
  GError *error = NULL;
  TnPathData path;
  gint64 latency_us;

  if (!tn_bus_tailnet1_call_ping_finish (TN_BUS_TAILNET1 (object), &id, &text, &latency_us, &shown_path, result, &error))
    {
      tn_system_device_return_error (task, error);
      return;
    }
  address = g_inet_address_new_from_string (text);
  node = tn_device_model_dup_node (self->model, id);
  if (address == NULL || node == NULL)
    {
      g_task_return_new_error (task, TN_ERROR, TN_ERROR_NO_SUCH_PEER, "the answer came from %s, which is no peer any more", text);
      return;
    }
  path = tn_system_device_path_from_variant (shown_path);
  path.latency_us = latency_us;
  g_task_return_pointer (task, tn_ping_result_new ((TnPingKind) GPOINTER_TO_UINT (g_task_get_task_data (task)), address, node, latency_us,
                                                   &path), g_object_unref);
}

static void
ping_async (TnDevice            *device,
            const char          *host,
            TnPingKind           kind,
            guint                size,
            GCancellable        *cancellable,
            GAsyncReadyCallback  callback,
            gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);
  TnBusTailnet1 *proxy = get_proxy (TN_SYSTEM_DEVICE (device), task);

  g_task_set_source_tag (task, ping_async);
  g_task_set_task_data (task, GUINT_TO_POINTER (kind), NULL);
  if (proxy != NULL)
    tn_bus_tailnet1_call_ping (proxy, host, kind, size, cancellable, pinged_cb, g_steal_pointer (&task));
}

static TnPingResult *
ping_finish (TnDevice      *device,
             GAsyncResult  *result,
             GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct
{
  TnNode   *node;
  GVariant *grants;
} Identity;

static void
identity_free (Identity *identity)
{
  g_clear_object (&identity->node);
  g_clear_pointer (&identity->grants, g_variant_unref);
  g_free (identity);
}

static void
whois_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnSystemDevice *self = g_task_get_source_object (task);
  g_autoptr (GVariant) grants = NULL;
  g_autofree char *id = NULL;
  Identity *identity;
  TnNode *node;
  GError *error = NULL;

  if (!tn_bus_tailnet1_call_whois_finish (TN_BUS_TAILNET1 (object), &id, &grants, result, &error))
    {
      tn_system_device_return_error (task, error);
      return;
    }
  node = tn_device_model_dup_node (self->model, id);
  if (node == NULL)
    {
      g_task_return_new_error (task, TN_ERROR, TN_ERROR_NO_SUCH_PEER, "node %s is no peer any more", id);
      return;
    }
  identity = g_new0 (Identity, 1);
  identity->node = node;
  if (g_variant_n_children (grants) > 0)
    identity->grants = g_steal_pointer (&grants);
  g_task_return_pointer (task, identity, (GDestroyNotify) identity_free);
}

static void
whois_async (TnDevice            *device,
             const char          *address,
             guint16              port,
             const char          *protocol,
             GCancellable        *cancellable,
             GAsyncReadyCallback  callback,
             gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);
  TnBusTailnet1 *proxy = get_proxy (TN_SYSTEM_DEVICE (device), task);
  g_autofree char *text = port == 0 ? g_strdup (address)
                          : strchr (address, ':') != NULL ? g_strdup_printf ("[%s]:%u", address, port)
                                                          : g_strdup_printf ("%s:%u", address, port);

  g_task_set_source_tag (task, whois_async);
  if (proxy != NULL)
    tn_bus_tailnet1_call_whois (proxy, text, protocol != NULL ? protocol : "", cancellable, whois_cb, g_steal_pointer (&task));
}

static TnNode *
whois_finish (TnDevice      *device,
              GAsyncResult  *result,
              GVariant     **capabilities,
              GError       **error)
{
  Identity *identity = g_task_propagate_pointer (G_TASK (result), error);
  TnNode *node;

  if (identity == NULL)
    return NULL;
  node = g_steal_pointer (&identity->node);
  if (capabilities != NULL)
    *capabilities = g_steal_pointer (&identity->grants);
  identity_free (identity);
  return node;
}

static void
status_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  char *text;

  if (tn_bus_tailnet1_call_status_to_json_finish (TN_BUS_TAILNET1 (object), &text, result, &error))
    g_task_return_pointer (task, text, g_free);
  else
    tn_system_device_return_error (task, error);
}

static void
status_to_json_async (TnDevice            *device,
                      GCancellable        *cancellable,
                      GAsyncReadyCallback  callback,
                      gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);
  TnBusTailnet1 *proxy = get_proxy (TN_SYSTEM_DEVICE (device), task);

  g_task_set_source_tag (task, status_to_json_async);
  if (proxy != NULL)
    tn_bus_tailnet1_call_status_to_json (proxy, cancellable, status_cb, g_steal_pointer (&task));
}

static char *
status_to_json_finish (TnDevice      *device,
                       GAsyncResult  *result,
                       GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
tn_system_device_implement_calls (TnDeviceInterface *iface)
{
  iface->start_async = start_async;
  iface->start_finish = boolean_finish;
  iface->stop_async = stop_async;
  iface->stop_finish = boolean_finish;
  iface->login_async = login_async;
  iface->login_finish = boolean_finish;
  iface->logout_async = logout_async;
  iface->logout_finish = boolean_finish;
  iface->connect_to_host_async = connect_to_host_async;
  iface->connect_to_host_finish = connect_to_host_finish;
  iface->listen_async = listen_async;
  iface->listen_finish = listen_finish;
  iface->bind_datagram_async = bind_datagram_async;
  iface->bind_datagram_finish = bind_datagram_finish;
  iface->ping_async = ping_async;
  iface->ping_finish = ping_finish;
  iface->whois_async = whois_async;
  iface->whois_finish = whois_finish;
  iface->status_to_json_async = status_to_json_async;
  iface->status_to_json_finish = status_to_json_finish;
}
