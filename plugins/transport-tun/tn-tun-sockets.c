/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tun-sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "tn-error.h"
#include "tn-tun-datagram.h"
#include "tn-tun-listener.h"
#include "tn-tun-ping.h"
#include "tn-tun-stream.h"
#include "tn-tun-transport.h"
#include "tn-tun-wait.h"

/* NULL: @task has returned. */
static char *
dup_interface (TnNetstack *netstack,
               GTask      *task)
{
  char *interface;

  if (g_task_return_error_if_cancelled (task))
    return NULL;
  interface = tn_tun_transport_dup_interface (TN_TUN_TRANSPORT (netstack));
  if (interface == NULL)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "the interface is not there");
  return interface;
}

/* --- Binding --- */

static gboolean
bind_error (GError             **error,
            GInetSocketAddress  *local,
            int                  number)
{
  g_autofree char *text = g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (local));

  if (number == EADDRNOTAVAIL)
    g_set_error (error, TN_ERROR, TN_ERROR_NO_ROUTE, "cannot bind to %s: not an own address", text);
  else
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (number), "cannot bind to %s: %s", text, g_strerror (number));
  return FALSE;
}

gboolean
tn_tun_socket_bind_to_interface (GSocket     *socket,
                                 const char  *interface,
                                 GError     **error)
{
  if (setsockopt (g_socket_get_fd (socket), SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t) strlen (interface) + 1) == 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "cannot bind to interface %s: %s", interface, g_strerror (errno));
  return FALSE;
}

static gboolean
bind_socket (GSocket             *socket,
             GInetSocketAddress  *local,
             GError             **error)
{
  union { struct sockaddr any; struct sockaddr_storage storage; } native;
  gssize len = g_socket_address_get_native_size (G_SOCKET_ADDRESS (local));

  if (!g_socket_address_to_native (G_SOCKET_ADDRESS (local), &native, sizeof native, error))
    return FALSE;
  return bind (g_socket_get_fd (socket), &native.any, (socklen_t) len) == 0 || bind_error (error, local, errno);
}

/* Of both families where there are two. */
static GSocket *
new_for_any (guint16       port,
             GSocketType   type,
             const char   *interface,
             GError      **error)
{
  GSocketFamily families[] = { G_SOCKET_FAMILY_IPV6, G_SOCKET_FAMILY_IPV4 };

  for (guint i = 0; i < G_N_ELEMENTS (families); i++)
    {
      g_autoptr (GInetAddress) any = g_inet_address_new_any (families[i]);
      g_autoptr (GSocketAddress) address = g_inet_socket_address_new (any, port);
      g_autoptr (GSocket) socket = NULL;

      g_clear_error (error);
      socket = g_socket_new (families[i], type, G_SOCKET_PROTOCOL_DEFAULT, error);
      if (socket == NULL)
        continue;
      if (families[i] == G_SOCKET_FAMILY_IPV6)
        g_socket_set_option (socket, IPPROTO_IPV6, IPV6_V6ONLY, 0, NULL);
      if (type == G_SOCKET_TYPE_STREAM)
        g_socket_set_option (socket, SOL_SOCKET, SO_REUSEADDR, 1, NULL);
      if (!tn_tun_socket_bind_to_interface (socket, interface, error))
        return NULL;
      if (bind_socket (socket, G_INET_SOCKET_ADDRESS (address), error))
        return g_steal_pointer (&socket);
      if (!g_error_matches (*error, TN_ERROR, TN_ERROR_NO_ROUTE))      /* which is: no IPv6 here */
        return NULL;
    }
  return NULL;
}

GSocket *
tn_tun_socket_new_bound (GInetSocketAddress  *local,
                         GSocketType          type,
                         const char          *interface,
                         GError             **error)
{
  GInetAddress *address = g_inet_socket_address_get_address (local);
  g_autoptr (GSocket) socket = NULL;
  g_autoptr (GError) problem = NULL;

  if (g_inet_address_get_is_any (address))
    {
      socket = new_for_any (g_inet_socket_address_get_port (local), type, interface, &problem);
    }
  else
    {
      socket = g_socket_new (g_inet_address_get_family (address), type, G_SOCKET_PROTOCOL_DEFAULT, &problem);
      if (socket != NULL && type == G_SOCKET_TYPE_STREAM)
        g_socket_set_option (socket, SOL_SOCKET, SO_REUSEADDR, 1, NULL);
      if (socket != NULL && (!tn_tun_socket_bind_to_interface (socket, interface, &problem) || !bind_socket (socket, local, &problem)))
        g_clear_object (&socket);
    }
  if (socket == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  g_socket_set_blocking (socket, FALSE);
  return g_steal_pointer (&socket);
}

/* --- Connecting --- */

static gboolean
try_connect (GTask   *task,
             GSocket *socket)
{
  g_autoptr (GSocketConnection) connection = NULL;
  GError *error = NULL;

  if (g_socket_condition_check (socket, G_IO_OUT) == 0)
    return FALSE;
  if (!g_socket_check_connect_result (socket, &error))
    {
      g_task_return_error (task, error);
      return TRUE;
    }
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
  connection = g_socket_connection_factory_create_connection (socket);
  g_task_return_pointer (task, tn_tun_stream_new (connection), g_object_unref);
  return TRUE;
}

/* By the interface and no other: where its routes are not there (yet), what is meant for a peer must not go into another network, and
 * whoever answers there is not the peer. */
static GSocket *
begin_connect (GInetSocketAddress  *remote,
               const char          *interface,
               GError             **error)
{
  GSocketFamily family = g_socket_address_get_family (G_SOCKET_ADDRESS (remote));
  g_autoptr (GSocket) socket = g_socket_new (family, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error);
  g_autoptr (GError) problem = NULL;

  if (socket == NULL || !tn_tun_socket_bind_to_interface (socket, interface, error))
    return NULL;
  g_socket_set_blocking (socket, FALSE);
  if (!g_socket_connect (socket, G_SOCKET_ADDRESS (remote), NULL, &problem) && !g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_PENDING))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  return g_steal_pointer (&socket);
}

static void
tn_tun_sockets_connect_async (TnNetstack          *netstack,
                              GInetSocketAddress  *remote,
                              GCancellable        *cancellable,
                              GAsyncReadyCallback  callback,
                              gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (netstack, cancellable, callback, user_data);
  g_autofree char *interface = dup_interface (netstack, task);
  g_autoptr (GSocket) socket = NULL;
  GError *error = NULL;

  g_task_set_source_tag (task, tn_tun_sockets_connect_async);
  if (interface == NULL)
    return;
  socket = begin_connect (remote, interface, &error);
  if (socket == NULL)
    g_task_return_error (task, error);
  else
    tn_tun_wait (g_steal_pointer (&task), socket, G_IO_OUT, NULL, try_connect);
}

static TnNetstackStream *
tn_tun_sockets_connect_finish (TnNetstack    *netstack,
                               GAsyncResult  *result,
                               GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- Listening --- */

static void
tn_tun_sockets_listen_async (TnNetstack          *netstack,
                             GInetSocketAddress  *local,
                             guint                backlog,
                             GCancellable        *cancellable,
                             GAsyncReadyCallback  callback,
                             gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (netstack, cancellable, callback, user_data);
  g_autofree char *interface = dup_interface (netstack, task);
  TnNetstackListener *listener;
  GError *error = NULL;

  g_task_set_source_tag (task, tn_tun_sockets_listen_async);
  if (interface == NULL)
    return;
  listener = tn_tun_listener_new (local, backlog, interface, &error);
  if (listener == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, listener, g_object_unref);
}

static TnNetstackListener *
tn_tun_sockets_listen_finish (TnNetstack    *netstack,
                              GAsyncResult  *result,
                              GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- Datagrams --- */

static void
tn_tun_sockets_bind_datagram_async (TnNetstack          *netstack,
                                    GInetSocketAddress  *local,
                                    GCancellable        *cancellable,
                                    GAsyncReadyCallback  callback,
                                    gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (netstack, cancellable, callback, user_data);
  g_autofree char *interface = dup_interface (netstack, task);
  TnNetstackDatagram *datagram;
  GError *error = NULL;

  g_task_set_source_tag (task, tn_tun_sockets_bind_datagram_async);
  if (interface == NULL)
    return;
  datagram = tn_tun_datagram_new (local, interface, &error);
  if (datagram == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, datagram, g_object_unref);
}

static TnNetstackDatagram *
tn_tun_sockets_bind_datagram_finish (TnNetstack    *netstack,
                                     GAsyncResult  *result,
                                     GError       **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- Pings --- */

static void
tn_tun_sockets_ping_async (TnNetstack          *netstack,
                           GInetAddress        *to,
                           guint                size,
                           GCancellable        *cancellable,
                           GAsyncReadyCallback  callback,
                           gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (netstack, cancellable, callback, user_data);
  g_autofree char *interface = dup_interface (netstack, task);

  g_task_set_source_tag (task, tn_tun_sockets_ping_async);
  if (interface != NULL)
    tn_tun_ping (to, size, interface, g_steal_pointer (&task));
}

static gint64
tn_tun_sockets_ping_finish (TnNetstack    *netstack,
                            GAsyncResult  *result,
                            GError       **error)
{
  return tn_tun_ping_finish (result, error);
}

void
tn_tun_sockets_init (TnNetstackInterface *iface)
{
  iface->connect_async = tn_tun_sockets_connect_async;
  iface->connect_finish = tn_tun_sockets_connect_finish;
  iface->listen_async = tn_tun_sockets_listen_async;
  iface->listen_finish = tn_tun_sockets_listen_finish;
  iface->bind_datagram_async = tn_tun_sockets_bind_datagram_async;
  iface->bind_datagram_finish = tn_tun_sockets_bind_datagram_finish;
  iface->ping_async = tn_tun_sockets_ping_async;
  iface->ping_finish = tn_tun_sockets_ping_finish;
}
