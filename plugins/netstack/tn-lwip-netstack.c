/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-netstack.h"

#include "tn-cancel-source.h"
#include "tn-lwip-conn.h"
#include "tn-lwip-datagram.h"
#include "tn-lwip-listener.h"
#include "tn-lwip-netif.h"
#include "tn-lwip-ping.h"
#include "tn-lwip-stream.h"

#define PING_SIZE_MAX 65000

/* TCP/IP in the process: lwIP, in a thread that all stacks of the process share, with an interface of its own for each. */
struct _TnLwipNetstack
{
  GObject       parent_instance;

  GMutex        lock;        /* guards what follows: sockets are asked for in any thread */
  TnLwipNetif  *netif;       /* NULL: not started */
  TnLwipPinger *pinger;
};

static void tn_lwip_netstack_overlay_init (TnOverlayTransportInterface *iface);
static void tn_lwip_netstack_router_init (TnRouterInterface *iface);
static void tn_lwip_netstack_netstack_init (TnNetstackInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (TnLwipNetstack, tn_lwip_netstack, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_OVERLAY_TRANSPORT, tn_lwip_netstack_overlay_init)
                               G_IMPLEMENT_INTERFACE (TN_TYPE_ROUTER, tn_lwip_netstack_router_init)
                               G_IMPLEMENT_INTERFACE (TN_TYPE_NETSTACK, tn_lwip_netstack_netstack_init))

static TnLwipNetif *
dup_netif (TnLwipNetstack *self,
           GError        **error)
{
  TnLwipNetif *netif;

  g_mutex_lock (&self->lock);
  netif = self->netif != NULL ? tn_lwip_netif_ref (self->netif) : NULL;
  g_mutex_unlock (&self->lock);
  if (netif == NULL)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the network stack is stopped");
  return netif;
}

/* --- Overlay transport --- */

static gboolean
tn_lwip_netstack_start (TnOverlayTransport       *overlay,
                        const TnOverlayConfig    *config,
                        const TnOverlayCallbacks *callbacks,
                        gpointer                  user_data,
                        GError                  **error)
{
  TnLwipNetstack *self = TN_LWIP_NETSTACK (overlay);
  TnLwipNetif *netif;

  if (self->netif != NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_PENDING, "the network stack runs already");
      return FALSE;
    }
  netif = tn_lwip_netif_start (overlay, config, callbacks, user_data);
  g_mutex_lock (&self->lock);
  self->netif = netif;
  self->pinger = tn_lwip_pinger_new (netif);
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static void
tn_lwip_netstack_stop (TnOverlayTransport *overlay)
{
  TnLwipNetstack *self = TN_LWIP_NETSTACK (overlay);
  TnLwipNetif *netif;
  TnLwipPinger *pinger;

  g_mutex_lock (&self->lock);
  netif = g_steal_pointer (&self->netif);
  pinger = g_steal_pointer (&self->pinger);
  g_mutex_unlock (&self->lock);
  if (netif == NULL)
    return;
  tn_lwip_netif_stop (netif);
  tn_lwip_pinger_unref (pinger);
}

static void
tn_lwip_netstack_write (TnOverlayTransport *overlay,
                        TnPacketBatch      *batch)
{
  TnLwipNetstack *self = TN_LWIP_NETSTACK (overlay);

  if (self->netif != NULL)
    tn_lwip_netif_write (self->netif, batch);
}

static gboolean
tn_lwip_netstack_is_lingering (TnOverlayTransport *overlay)
{
  TnLwipNetstack *self = TN_LWIP_NETSTACK (overlay);

  return self->netif != NULL && tn_lwip_netif_is_lingering (self->netif);
}

static void
tn_lwip_netstack_set_blocked (TnOverlayTransport *overlay,
                              const TnIpAddress  *destination,
                              gboolean            blocked)
{
  TnLwipNetstack *self = TN_LWIP_NETSTACK (overlay);

  if (self->netif != NULL)
    tn_lwip_netif_set_blocked (self->netif, destination, blocked);
}

static void
tn_lwip_netstack_overlay_init (TnOverlayTransportInterface *iface)
{
  iface->start = tn_lwip_netstack_start;
  iface->stop = tn_lwip_netstack_stop;
  iface->is_lingering = tn_lwip_netstack_is_lingering;
  iface->write = tn_lwip_netstack_write;
  iface->set_blocked = tn_lwip_netstack_set_blocked;
}

/* --- Router: addresses only. Every destination goes out by the one interface. --- */

static gboolean
tn_lwip_netstack_configure (TnRouter             *router,
                            const TnRouterConfig *config,
                            GError              **error)
{
  g_autoptr (TnLwipNetif) netif = dup_netif (TN_LWIP_NETSTACK (router), error);

  if (netif == NULL)
    return FALSE;
  tn_lwip_netif_configure (netif, config->addresses, config->n_addresses);
  return TRUE;
}

static void
tn_lwip_netstack_reset (TnRouter *router)
{
  g_autoptr (TnLwipNetif) netif = dup_netif (TN_LWIP_NETSTACK (router), NULL);

  if (netif != NULL)
    tn_lwip_netif_configure (netif, NULL, 0);
}

static void
tn_lwip_netstack_router_init (TnRouterInterface *iface)
{
  iface->configure = tn_lwip_netstack_configure;
  iface->reset = tn_lwip_netstack_reset;
}

/* --- Netstack --- */

static gboolean
connect_cancelled_cb (GCancellable *cancellable,
                      gpointer      user_data)
{
  tn_lwip_conn_cancel (g_task_get_task_data (user_data));
  return G_SOURCE_REMOVE;
}

/* The connect task belongs to lwIP's turns, and has no object; this one is the caller's. */
static void
connected_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GSource *cancelled = g_object_get_data (G_OBJECT (task), "tn-lwip-cancelled");
  GError *error = NULL;
  TnLwipConn *conn = g_task_propagate_pointer (G_TASK (result), &error);

  if (cancelled != NULL)
    g_source_destroy (cancelled);
  if (conn != NULL)
    g_task_return_pointer (task, tn_lwip_stream_new (conn), g_object_unref);
  else
    g_task_return_error (task, error);
}

static void
watch_cancellable (GTask *task)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  GSource *source;

  if (cancellable == NULL)
    return;
  source = tn_cancel_source_new (cancellable);
  g_task_attach_source (task, source, G_SOURCE_FUNC (connect_cancelled_cb));
  g_object_set_data_full (G_OBJECT (task), "tn-lwip-cancelled", source, (GDestroyNotify) g_source_unref);
}

static void
tn_lwip_netstack_connect_async (TnNetstack         *netstack,
                                GInetSocketAddress *remote,
                                GCancellable       *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer            user_data)
{
  g_autoptr (GTask) task = g_task_new (netstack, cancellable, callback, user_data);
  g_autoptr (TnLwipNetif) netif = NULL;
  TnLwipConn *conn;
  TnIpEndpoint endpoint;
  GError *error = NULL;

  g_task_set_source_tag (task, tn_lwip_netstack_connect_async);
  if (g_task_return_error_if_cancelled (task))
    return;
  netif = dup_netif (TN_LWIP_NETSTACK (netstack), &error);
  if (netif == NULL || !tn_lwip_endpoint_from_socket_address (&endpoint, G_SOCKET_ADDRESS (remote), &error))
    {
      g_task_return_error (task, error);
      return;
    }
  conn = tn_lwip_conn_new (netif);
  g_task_set_task_data (task, conn, (GDestroyNotify) tn_lwip_conn_unref);
  watch_cancellable (task);
  tn_lwip_conn_connect (conn, &endpoint, g_task_new (NULL, NULL, connected_cb, g_steal_pointer (&task)));
}

static TnNetstackStream *
tn_lwip_netstack_connect_finish (TnNetstack   *netstack,
                                 GAsyncResult *result,
                                 GError      **error)
{
  g_return_val_if_fail (g_task_is_valid (result, netstack), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
own_endpoint (TnIpEndpoint       *endpoint,
              GInetSocketAddress *address)
{
  endpoint->address = tn_ip_address_from_inet (g_inet_socket_address_get_address (address));
  endpoint->port = g_inet_socket_address_get_port (address);
  if (g_inet_address_get_is_any (g_inet_socket_address_get_address (address)))
    endpoint->address = (TnIpAddress) { .version = 0 };
}

/* NULL: it has returned. */
static TnLwipNetif *
dup_netif_for_task (TnLwipNetstack *self,
                    GTask          *task)
{
  GError *error = NULL;
  TnLwipNetif *netif;

  if (g_task_return_error_if_cancelled (task))
    return NULL;
  netif = dup_netif (self, &error);
  if (netif == NULL)
    g_task_return_error (task, error);
  return netif;
}

static void
tn_lwip_netstack_listen_async (TnNetstack          *netstack,
                               GInetSocketAddress  *local,
                               guint                backlog,
                               GCancellable        *cancellable,
                               GAsyncReadyCallback  callback,
                               gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (netstack, cancellable, callback, user_data);
  g_autoptr (TnLwipNetif) netif = dup_netif_for_task (TN_LWIP_NETSTACK (netstack), task);
  TnIpEndpoint endpoint;

  g_task_set_source_tag (task, tn_lwip_netstack_listen_async);
  own_endpoint (&endpoint, local);
  if (netif != NULL)
    tn_lwip_listen (netif, &endpoint, backlog, g_steal_pointer (&task));
}

static TnNetstackListener *
tn_lwip_netstack_listen_finish (TnNetstack    *netstack,
                                GAsyncResult  *result,
                                GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, netstack), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
tn_lwip_netstack_bind_datagram_async (TnNetstack          *netstack,
                                      GInetSocketAddress  *local,
                                      GCancellable        *cancellable,
                                      GAsyncReadyCallback  callback,
                                      gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (netstack, cancellable, callback, user_data);
  g_autoptr (TnLwipNetif) netif = dup_netif_for_task (TN_LWIP_NETSTACK (netstack), task);
  TnIpEndpoint endpoint;

  g_task_set_source_tag (task, tn_lwip_netstack_bind_datagram_async);
  own_endpoint (&endpoint, local);
  if (netif != NULL)
    tn_lwip_bind_datagram (netif, &endpoint, g_steal_pointer (&task));
}

static TnNetstackDatagram *
tn_lwip_netstack_bind_datagram_finish (TnNetstack    *netstack,
                                       GAsyncResult  *result,
                                       GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, netstack), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
tn_lwip_netstack_ping_async (TnNetstack         *netstack,
                             GInetAddress       *to,
                             guint               size,
                             GCancellable       *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer            user_data)
{
  TnLwipNetstack *self = TN_LWIP_NETSTACK (netstack);
  g_autoptr (GTask) task = g_task_new (netstack, cancellable, callback, user_data);
  TnIpAddress address = tn_ip_address_from_inet (to);
  TnLwipPinger *pinger;

  g_task_set_source_tag (task, tn_lwip_netstack_ping_async);
  if (g_task_return_error_if_cancelled (task))
    return;
  if (size > PING_SIZE_MAX)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                               "ping of %u bytes, at most %d possible", size, PING_SIZE_MAX);
      return;
    }
  g_mutex_lock (&self->lock);
  pinger = self->pinger != NULL ? tn_lwip_pinger_ref (self->pinger) : NULL;
  g_mutex_unlock (&self->lock);
  if (pinger == NULL)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "the network stack is stopped");
      return;
    }
  tn_lwip_pinger_ping (pinger, &address, size, g_steal_pointer (&task));
  tn_lwip_pinger_unref (pinger);
}

static gint64
tn_lwip_netstack_ping_finish (TnNetstack   *netstack,
                              GAsyncResult *result,
                              GError      **error)
{
  g_autofree gint64 *rtt_us = NULL;

  g_return_val_if_fail (g_task_is_valid (result, netstack), -1);

  rtt_us = g_task_propagate_pointer (G_TASK (result), error);
  return rtt_us != NULL ? *rtt_us : -1;
}

static void
tn_lwip_netstack_rejected (TnNetstack         *netstack,
                           const TnIpEndpoint *local,
                           const TnIpEndpoint *remote,
                           const char         *reason)
{
  TnLwipNetstack *self = TN_LWIP_NETSTACK (netstack);

  if (self->netif != NULL)
    tn_lwip_netif_reject (self->netif, local, remote, reason);
}

static void
tn_lwip_netstack_netstack_init (TnNetstackInterface *iface)
{
  iface->connect_async = tn_lwip_netstack_connect_async;
  iface->connect_finish = tn_lwip_netstack_connect_finish;
  iface->listen_async = tn_lwip_netstack_listen_async;
  iface->listen_finish = tn_lwip_netstack_listen_finish;
  iface->bind_datagram_async = tn_lwip_netstack_bind_datagram_async;
  iface->bind_datagram_finish = tn_lwip_netstack_bind_datagram_finish;
  iface->ping_async = tn_lwip_netstack_ping_async;
  iface->ping_finish = tn_lwip_netstack_ping_finish;
  iface->rejected = tn_lwip_netstack_rejected;
}

static void
tn_lwip_netstack_finalize (GObject *object)
{
  TnLwipNetstack *self = TN_LWIP_NETSTACK (object);

  tn_lwip_netstack_stop (TN_OVERLAY_TRANSPORT (self));
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (tn_lwip_netstack_parent_class)->finalize (object);
}

static void
tn_lwip_netstack_class_init (TnLwipNetstackClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = tn_lwip_netstack_finalize;
}

static void
tn_lwip_netstack_init (TnLwipNetstack *self)
{
  g_mutex_init (&self->lock);
}
