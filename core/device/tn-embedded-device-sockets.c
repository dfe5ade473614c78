/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-connection-private.h"
#include "tn-datagram-socket-private.h"
#include "tn-embedded-device-private.h"
#include "tn-error.h"
#include "tn-listener-private.h"
#include "tn-node-private.h"
#include "tn-ping-result-private.h"

/* --- Whom a name or an address means --- */

gboolean
tn_embedded_device_check_running (TnEmbeddedDevice  *self,
                                  GError           **error)
{
  static const char *const words[] = {
    [TN_DEVICE_STATE_STOPPED] = "is stopped",
    [TN_DEVICE_STATE_STARTING] = "has not joined its tailnet yet",
    [TN_DEVICE_STATE_NEEDS_LOGIN] = "waits for somebody to log in",
    [TN_DEVICE_STATE_NEEDS_APPROVAL] = "waits for an administrator's approval",
  };
  TnDeviceState state = tn_device_get_state (TN_DEVICE (self));      /* what the application sees */
  GQuark domain = state == TN_DEVICE_STATE_NEEDS_LOGIN || state == TN_DEVICE_STATE_NEEDS_APPROVAL ? TN_ERROR : G_IO_ERROR;
  int code = state == TN_DEVICE_STATE_NEEDS_LOGIN ? (int) TN_ERROR_NEEDS_LOGIN
             : state == TN_DEVICE_STATE_NEEDS_APPROVAL ? (int) TN_ERROR_NEEDS_APPROVAL : (int) G_IO_ERROR_NOT_CONNECTED;

  if (state == TN_DEVICE_STATE_RUNNING)
    return TRUE;

  g_set_error (error, domain, code, "device %s %s", self->hostname, words[state]);
  return FALSE;
}

/* An address of ours of the same family: without one nothing can be sent there. */
static gboolean
has_family (TnEmbeddedDevice *self,
            int               version)
{
  g_autoptr (TnNode) own = tn_device_dup_self_node (TN_DEVICE (self));
  const TnNodeData *data = own != NULL ? tn_node_get_data (own) : NULL;

  for (guint i = 0; data != NULL && i < data->n_addresses; i++)
    if (data->addresses[i].version == version)
      return TRUE;
  return FALSE;
}

/* The address to use for a node: the first one of a family that we have, too. */
static gboolean
choose_address (TnEmbeddedDevice  *self,
                TnNode            *node,
                const char        *host,
                TnIpAddress       *address,
                GError           **error)
{
  const TnNodeData *data = tn_node_get_data (node);

  for (guint i = 0; i < data->n_addresses; i++)
    if (has_family (self, data->addresses[i].version))
      {
        *address = data->addresses[i];
        return TRUE;
      }
  g_set_error (error, TN_ERROR, TN_ERROR_NO_ROUTE, "%s has no address of a kind that this node has", host);
  return FALSE;
}

static gboolean
check_key (TnNode      *node,
           const char  *host,
           GError     **error)
{
  if (!tn_node_get_data (node)->expired)
    return TRUE;
  g_set_error (error, TN_ERROR, TN_ERROR_KEY_EXPIRED, "the node key of %s has expired", host);
  return FALSE;
}

/* The one whose key is still good, if there is one. */
static TnNode *
choose_router (const GPtrArray *routers)
{
  for (guint i = 0; i < routers->len; i++)
    if (!tn_node_get_data (g_ptr_array_index (routers, i))->expired)
      return g_object_ref (g_ptr_array_index (routers, i));
  return g_object_ref (g_ptr_array_index (routers, 0));
}

/* @node: who has the address, or routes it. */
static gboolean
lookup_host (TnEmbeddedDevice  *self,
             const char        *host,
             TnIpAddress       *address,
             TnNode           **node,
             GError           **error)
{
  g_autoptr (GPtrArray) routers = NULL;
  g_autoptr (GInetAddress) inet = NULL;

  if (!tn_embedded_device_check_running (self, error))
    return FALSE;

  *node = tn_device_model_lookup_peer (self->model, host);
  if (tn_ip_address_parse (host, address))
    {
      if (*node != NULL)
        return TRUE;
      inet = tn_ip_address_to_inet (address);
      routers = tn_device_model_peers_with_route (self->model, inet);
      if (routers != NULL && routers->len > 0)
        {
          *node = choose_router (routers);
          return TRUE;
        }
      g_set_error (error, TN_ERROR, TN_ERROR_NO_ROUTE, "no peer has or routes %s", host);
      return FALSE;
    }
  if (*node == NULL)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_NO_SUCH_PEER, "no peer is called %s", host);
      return FALSE;
    }
  if (!choose_address (self, *node, host, address, error))
    {
      g_clear_object (node);
      return FALSE;
    }
  return TRUE;
}

static gboolean
resolve_host (TnEmbeddedDevice  *self,
              const char        *host,
              TnIpAddress       *address,
              TnNode           **node,
              GError           **error)
{
  if (!lookup_host (self, host, address, node, error))
    return FALSE;
  if (check_key (*node, host, error))
    return TRUE;
  g_clear_object (node);
  return FALSE;
}

/* --- Connect --- */

typedef struct
{
  char   *host;
  guint16 port;
  TnNode *node;
} Target;

static void
target_free (Target *target)
{
  g_free (target->host);
  g_clear_object (&target->node);
  g_free (target);
}

static void
connected_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnEmbeddedDevice *self = g_task_get_source_object (task);
  Target *target = g_task_get_task_data (task);
  g_autoptr (TnNetstackStream) stream = NULL;
  g_autoptr (GVariant) grants = NULL;
  GError *error = NULL;
  const TnNodeData *data;

  stream = TN_NETSTACK_GET_IFACE (object)->connect_finish (TN_NETSTACK (object), result, &error);
  if (stream == NULL)
    {
      g_prefix_error (&error, tn_node_get_online (target->node) ? "%s: " : "%s is offline: ", target->host);
      g_task_return_error (task, error);
      return;
    }

  data = tn_node_get_data (target->node);
  if (self->runtime != NULL && data->n_addresses > 0)
    grants = tn_runtime_dup_grants (self->runtime, &data->addresses[0]);
  g_task_return_pointer (task, tn_connection_new (stream, target->node, grants), g_object_unref);
}

static void
connect_to_host_async (TnDevice            *device,
                       const char          *host,
                       guint16              port,
                       GCancellable        *cancellable,
                       GAsyncReadyCallback  callback,
                       gpointer             user_data)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (device);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Target *target = g_new0 (Target, 1);
  g_autoptr (GInetAddress) inet = NULL;
  g_autoptr (GInetSocketAddress) remote = NULL;
  GError *error = NULL;
  TnIpAddress address;

  g_task_set_source_tag (task, tn_device_connect_to_host_async);
  target->host = g_strdup (host);
  target->port = port;
  g_task_set_task_data (task, target, (GDestroyNotify) target_free);
  if (!resolve_host (self, host, &address, &target->node, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  /* The handshake goes ahead of the first packet: it need not wait for the stack's thread. */
  tn_data_path_connect_peer (tn_runtime_get_data_path (self->runtime), tn_node_get_data (target->node)->node_id);
  inet = tn_ip_address_to_inet (&address);
  remote = G_INET_SOCKET_ADDRESS (g_inet_socket_address_new (inet, port));
  TN_NETSTACK_GET_IFACE (self->netstack)->connect_async (self->netstack, remote, cancellable, connected_cb, g_steal_pointer (&task));
}

/* --- Listen and bind --- */

/* The own address that @text names; "any" for NULL. */
static GInetSocketAddress *
local_address (TnEmbeddedDevice  *self,
               const char        *text,
               guint16            port,
               GError           **error)
{
  g_autoptr (TnNode) own = tn_device_dup_self_node (TN_DEVICE (self));
  g_autoptr (TnNode) named = NULL;
  g_autoptr (GInetAddress) inet = NULL;
  TnIpAddress address;

  if (text == NULL)
    {
      inet = g_inet_address_new_any (G_SOCKET_FAMILY_IPV4);
      return G_INET_SOCKET_ADDRESS (g_inet_socket_address_new (inet, port));
    }

  named = tn_device_model_lookup_peer (self->model, text);
  if (own == NULL || named != own)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_NO_ROUTE, "%s is no address of this node", text);
      return NULL;
    }
  if (!tn_ip_address_parse (text, &address) && !choose_address (self, own, text, &address, error))
    return NULL;
  inet = tn_ip_address_to_inet (&address);
  return G_INET_SOCKET_ADDRESS (g_inet_socket_address_new (inet, port));
}

/* The own address for @task, which remembers the port; NULL: it has returned. */
static GInetSocketAddress *
begin_local (GTask      *task,
             guint16     port,
             const char *address)
{
  TnEmbeddedDevice *self = g_task_get_source_object (task);
  GInetSocketAddress *local = NULL;
  GError *error = NULL;

  g_task_set_task_data (task, GUINT_TO_POINTER (port), NULL);
  if (tn_embedded_device_check_running (self, &error))
    local = local_address (self, address, port, &error);
  if (local == NULL)
    g_task_return_error (task, error);
  return local;
}

/* The error of a port that could not be had. */
static void
return_port_error (GTask      *task,
                   const char *what,
                   GError     *error)
{
  g_prefix_error (&error, "cannot %s port %u: ", what, GPOINTER_TO_UINT (g_task_get_task_data (task)));
  g_task_return_error (task, error);
}

static void
listening_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (TnNetstackListener) listener = TN_NETSTACK_GET_IFACE (object)->listen_finish (TN_NETSTACK (object), result, &error);

  if (listener != NULL)
    g_task_return_pointer (task, tn_listener_new (g_task_get_source_object (task), listener, TN_LISTENER_DEFAULT_BACKLOG),
                           g_object_unref);
  else
    return_port_error (task, "listen on", error);
}

static void
listen_async (TnDevice            *device,
              guint16              port,
              const char          *address,
              GCancellable        *cancellable,
              GAsyncReadyCallback  callback,
              gpointer             user_data)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (device);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GInetSocketAddress) local = NULL;

  g_task_set_source_tag (task, tn_device_listen_async);
  local = begin_local (task, port, address);
  if (local == NULL)
    return;
  TN_NETSTACK_GET_IFACE (self->netstack)->listen_async (self->netstack, local, TN_LISTENER_DEFAULT_BACKLOG, cancellable, listening_cb,
                                                        g_steal_pointer (&task));
}

static void
bound_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (TnNetstackDatagram) datagram = TN_NETSTACK_GET_IFACE (object)->bind_datagram_finish (TN_NETSTACK (object), result, &error);

  if (datagram != NULL)
    g_task_return_pointer (task, tn_datagram_socket_new (g_task_get_source_object (task), datagram), g_object_unref);
  else
    return_port_error (task, "bind", error);
}

static void
bind_datagram_async (TnDevice            *device,
                     guint16              port,
                     const char          *address,
                     GCancellable        *cancellable,
                     GAsyncReadyCallback  callback,
                     gpointer             user_data)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (device);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GInetSocketAddress) local = NULL;

  g_task_set_source_tag (task, tn_device_bind_datagram_async);
  local = begin_local (task, port, address);
  if (local == NULL)
    return;
  TN_NETSTACK_GET_IFACE (self->netstack)->bind_datagram_async (self->netstack, local, cancellable, bound_cb, g_steal_pointer (&task));
}

/* --- Ping --- */

typedef struct
{
  char         *host;
  TnPingKind    kind;
  GInetAddress *address;
  TnNode       *node;
  gint64        latency_us;
} PingTarget;

static void
ping_target_free (PingTarget *target)
{
  g_free (target->host);
  g_clear_object (&target->address);
  g_clear_object (&target->node);
  g_free (target);
}

static void
return_ping_error (GTask  *task,
                   GError *error)
{
  g_prefix_error (&error, "cannot ping %s: ", ((PingTarget *) g_task_get_task_data (task))->host);
  g_task_return_error (task, error);
}

static void
pong_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (object);
  g_autoptr (GTask) task = user_data;
  PingTarget *target = g_task_get_task_data (task);
  g_autofree TnPipelinePong *pong = NULL;
  TnPathData path = { .latency_us = -1 };
  GError *error = NULL;

  pong = g_task_propagate_pointer (G_TASK (result), &error);
  if (pong == NULL)
    {
      return_ping_error (task, error);
      return;
    }

  if (self->runtime != NULL)      /* else: stopped behind the answer */
    tn_runtime_describe_path (self->runtime, &pong->path, &path);
  path.latency_us = pong->latency_us;
  g_task_return_pointer (task, tn_ping_result_new (target->kind, target->address, target->node, pong->latency_us, &path),
                         g_object_unref);
}

static void
echo_path_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (object);
  g_autoptr (GTask) task = user_data;
  PingTarget *target = g_task_get_task_data (task);
  g_autofree TnPathAddress *address = g_task_propagate_pointer (G_TASK (result), NULL);
  TnPathData path = { .latency_us = target->latency_us };

  if (address != NULL && self->runtime != NULL)
    tn_runtime_describe_path (self->runtime, address, &path);
  g_task_return_pointer (task, tn_ping_result_new (target->kind, target->address, target->node, target->latency_us, &path),
                         g_object_unref);
}

static void
echo_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnEmbeddedDevice *self = g_task_get_source_object (task);
  PingTarget *target = g_task_get_task_data (task);
  g_autoptr (GTask) question = NULL;
  GError *error = NULL;

  target->latency_us = TN_NETSTACK_GET_IFACE (object)->ping_finish (TN_NETSTACK (object), result, &error);
  if (target->latency_us < 0 || self->runtime == NULL)
    {
      return_ping_error (task, error != NULL ? error : g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CLOSED, "device stopped"));
      return;
    }

  /* The stack knows nothing of paths. */
  question = g_task_new (self, NULL, echo_path_cb, g_steal_pointer (&task));
  tn_data_path_ask_path (tn_runtime_get_data_path (self->runtime), tn_node_get_data (target->node)->node_id, question);
}

static gboolean
check_not_own (TnEmbeddedDevice  *self,
               TnNode            *node,
               GError           **error)
{
  g_autoptr (TnNode) own = tn_device_dup_self_node (TN_DEVICE (self));

  if (node != own)
    return TRUE;
  g_set_error_literal (error, TN_ERROR, TN_ERROR_UNSUPPORTED, "that is this node itself");
  return FALSE;
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
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (device);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  PingTarget *target = g_new0 (PingTarget, 1);
  g_autoptr (GTask) pong = NULL;
  GError *error = NULL;
  TnIpAddress address;

  g_task_set_source_tag (task, tn_device_ping_async);
  target->host = g_strdup (host);
  target->kind = kind;
  g_task_set_task_data (task, target, (GDestroyNotify) ping_target_free);
  if (!resolve_host (self, host, &address, &target->node, &error) || !check_not_own (self, target->node, &error))
    {
      return_ping_error (task, error);
      return;
    }
  if (kind == TN_PING_KIND_PEERAPI)
    {
      return_ping_error (task, g_error_new_literal (TN_ERROR, TN_ERROR_UNSUPPORTED, "pings by way of the peer API are not supported"));
      return;
    }

  if (kind == TN_PING_KIND_DISCO && size > TN_PIPELINE_PING_SIZE_MAX)
    {
      return_ping_error (task, g_error_new (G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE, "ping of %u bytes, at most %d possible",
                                            size, TN_PIPELINE_PING_SIZE_MAX));
      return;
    }

  target->address = tn_ip_address_to_inet (&address);
  if (kind == TN_PING_KIND_ICMP)
    {
      TN_NETSTACK_GET_IFACE (self->netstack)->ping_async (self->netstack, target->address, size, cancellable, echo_cb,
                                                          g_steal_pointer (&task));
      return;
    }
  pong = g_task_new (self, cancellable, pong_cb, g_steal_pointer (&task));
  tn_data_path_ping (tn_runtime_get_data_path (self->runtime), kind, tn_node_get_data (target->node)->node_id, &address, size, pong);
}

void
tn_embedded_device_implement_sockets (TnDeviceInterface *iface)
{
  iface->connect_to_host_async = connect_to_host_async;
  iface->listen_async = listen_async;
  iface->bind_datagram_async = bind_datagram_async;
  iface->ping_async = ping_async;
}
