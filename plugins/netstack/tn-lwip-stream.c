/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-stream.h"

#include "tn-lwip-conn-private.h"

struct _TnLwipStream
{
  TnNetstackStream parent_instance;
  TnLwipConn      *conn;
  GInputStream    *input;
  GOutputStream   *output;
  gboolean         stolen;
};

G_DEFINE_FINAL_TYPE (TnLwipStream, tn_lwip_stream, TN_TYPE_NETSTACK_STREAM)

GSocketAddress *
tn_lwip_endpoint_to_socket_address (const TnIpEndpoint *endpoint)
{
  g_autoptr (GInetAddress) address = NULL;

  if (endpoint->address.version == 0)
    address = g_inet_address_new_any (G_SOCKET_FAMILY_IPV6);
  else
    address = tn_ip_address_to_inet (&endpoint->address);
  return g_inet_socket_address_new (address, endpoint->port);
}

gboolean
tn_lwip_endpoint_from_socket_address (TnIpEndpoint   *endpoint,
                                      GSocketAddress *address,
                                      GError        **error)
{
  if (!G_IS_INET_SOCKET_ADDRESS (address))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "%s is no internet address", G_OBJECT_TYPE_NAME (address));
      return FALSE;
    }
  endpoint->address = tn_ip_address_from_inet (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address)));
  endpoint->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
  return TRUE;
}

static GInputStream *
tn_lwip_stream_get_input_stream (GIOStream *stream)
{
  return TN_LWIP_STREAM (stream)->input;
}

static GOutputStream *
tn_lwip_stream_get_output_stream (GIOStream *stream)
{
  return TN_LWIP_STREAM (stream)->output;
}

static gboolean
tn_lwip_stream_close (GIOStream    *stream,
                      GCancellable *cancellable,
                      GError      **error)
{
  TnLwipStream *self = TN_LWIP_STREAM (stream);
  gboolean closed = G_IO_STREAM_CLASS (tn_lwip_stream_parent_class)->close_fn (stream, cancellable, error);

  if (!self->stolen)
    tn_lwip_conn_close (self->conn);
  return closed;
}

/* Nothing waits here: what was written goes out after it. The default one would run close() in a thread. */
static void
tn_lwip_stream_close_async (GIOStream          *stream,
                            int                 io_priority,
                            GCancellable       *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer            user_data)
{
  g_autoptr (GTask) task = g_task_new (stream, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, tn_lwip_stream_close_async);
  g_task_set_priority (task, io_priority);
  if (tn_lwip_stream_close (stream, cancellable, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static gboolean
tn_lwip_stream_close_finish (GIOStream    *stream,
                             GAsyncResult *result,
                             GError      **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static GSocketAddress *
tn_lwip_stream_dup_local_address (TnNetstackStream *stream)
{
  TnIpEndpoint local, remote;

  tn_lwip_conn_get_endpoints (TN_LWIP_STREAM (stream)->conn, &local, &remote);
  return tn_lwip_endpoint_to_socket_address (&local);
}

static GSocketAddress *
tn_lwip_stream_dup_remote_address (TnNetstackStream *stream)
{
  TnIpEndpoint local, remote;

  tn_lwip_conn_get_endpoints (TN_LWIP_STREAM (stream)->conn, &local, &remote);
  return tn_lwip_endpoint_to_socket_address (&remote);
}

static gboolean
check_open (TnLwipStream *self,
            GError      **error)
{
  if (!self->stolen && !g_io_stream_is_closed (G_IO_STREAM (self)))
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "stream is closed");
  return FALSE;
}

static gboolean
tn_lwip_stream_shutdown (TnNetstackStream *stream,
                         gboolean          read,
                         gboolean          write,
                         GError          **error)
{
  TnLwipStream *self = TN_LWIP_STREAM (stream);

  return check_open (self, error) && tn_lwip_conn_shutdown (self->conn, read, write, error);
}

static int
tn_lwip_stream_steal_fd (TnNetstackStream *stream,
                         GError          **error)
{
  TnLwipStream *self = TN_LWIP_STREAM (stream);
  int fd;

  if (!check_open (self, error))
    return -1;
  fd = tn_lwip_pump_start (self->conn, error);
  if (fd < 0)
    return -1;
  self->stolen = TRUE;
  g_io_stream_close (G_IO_STREAM (self), NULL, NULL);
  return fd;
}

static void
tn_lwip_stream_finalize (GObject *object)
{
  TnLwipStream *self = TN_LWIP_STREAM (object);

  g_clear_object (&self->input);
  g_clear_object (&self->output);
  g_clear_pointer (&self->conn, tn_lwip_conn_unref);
  G_OBJECT_CLASS (tn_lwip_stream_parent_class)->finalize (object);
}

static void
tn_lwip_stream_class_init (TnLwipStreamClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GIOStreamClass *stream_class = G_IO_STREAM_CLASS (klass);
  TnNetstackStreamClass *netstack_class = TN_NETSTACK_STREAM_CLASS (klass);

  object_class->finalize = tn_lwip_stream_finalize;
  stream_class->get_input_stream = tn_lwip_stream_get_input_stream;
  stream_class->get_output_stream = tn_lwip_stream_get_output_stream;
  stream_class->close_fn = tn_lwip_stream_close;
  stream_class->close_async = tn_lwip_stream_close_async;
  stream_class->close_finish = tn_lwip_stream_close_finish;
  netstack_class->dup_local_address = tn_lwip_stream_dup_local_address;
  netstack_class->dup_remote_address = tn_lwip_stream_dup_remote_address;
  netstack_class->shutdown = tn_lwip_stream_shutdown;
  netstack_class->steal_fd = tn_lwip_stream_steal_fd;
}

static void
tn_lwip_stream_init (TnLwipStream *self)
{
}

TnNetstackStream *
tn_lwip_stream_new (TnLwipConn *conn)
{
  TnLwipStream *self = g_object_new (TN_TYPE_LWIP_STREAM, NULL);

  self->conn = conn;
  self->input = tn_lwip_input_stream_new (conn);
  self->output = tn_lwip_output_stream_new (conn);
  return TN_NETSTACK_STREAM (self);
}
