/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-system-device-stream.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tn-ip.h"

#define TN_TYPE_SYSTEM_DEVICE_STREAM (tn_system_device_stream_get_type ())
G_DECLARE_FINAL_TYPE (TnSystemDeviceStream, tn_system_device_stream, TN, SYSTEM_DEVICE_STREAM, TnNetstackStream)

struct _TnSystemDeviceStream
{
  TnNetstackStream   parent_instance;
  GSocketConnection *connection;
  GSocketAddress    *local;          /* nullable */
  GSocketAddress    *remote;         /* nullable */
  GVariant          *grants;         /* nullable */
};

G_DEFINE_FINAL_TYPE (TnSystemDeviceStream, tn_system_device_stream, TN_TYPE_NETSTACK_STREAM)

static GInputStream *
tn_system_device_stream_get_input_stream (GIOStream *stream)
{
  return g_io_stream_get_input_stream (G_IO_STREAM (TN_SYSTEM_DEVICE_STREAM (stream)->connection));
}

static GOutputStream *
tn_system_device_stream_get_output_stream (GIOStream *stream)
{
  return g_io_stream_get_output_stream (G_IO_STREAM (TN_SYSTEM_DEVICE_STREAM (stream)->connection));
}

static gboolean
tn_system_device_stream_close (GIOStream     *stream,
                               GCancellable  *cancellable,
                               GError       **error)
{
  return g_io_stream_close (G_IO_STREAM (TN_SYSTEM_DEVICE_STREAM (stream)->connection), cancellable, error);
}

static GSocketAddress *
tn_system_device_stream_dup_local_address (TnNetstackStream *stream)
{
  TnSystemDeviceStream *self = TN_SYSTEM_DEVICE_STREAM (stream);

  return self->local != NULL ? g_object_ref (self->local) : NULL;
}

static GSocketAddress *
tn_system_device_stream_dup_remote_address (TnNetstackStream *stream)
{
  TnSystemDeviceStream *self = TN_SYSTEM_DEVICE_STREAM (stream);

  return self->remote != NULL ? g_object_ref (self->remote) : NULL;
}

static gboolean
tn_system_device_stream_shutdown (TnNetstackStream  *stream,
                                  gboolean           shutdown_read,
                                  gboolean           shutdown_write,
                                  GError           **error)
{
  GSocketConnection *connection = TN_SYSTEM_DEVICE_STREAM (stream)->connection;

  return g_socket_shutdown (g_socket_connection_get_socket (connection), shutdown_read, shutdown_write, error);
}

static int
tn_system_device_stream_steal_fd (TnNetstackStream  *stream,
                                  GError           **error)
{
  GSocketConnection *connection = TN_SYSTEM_DEVICE_STREAM (stream)->connection;
  int fd = fcntl (g_socket_get_fd (g_socket_connection_get_socket (connection)), F_DUPFD_CLOEXEC, 3);
  int saved_errno = errno;

  if (fd < 0)
    g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (saved_errno), "cannot duplicate the descriptor: %s",
                 g_strerror (saved_errno));
  else
    g_io_stream_close (G_IO_STREAM (connection), NULL, NULL);
  return fd;
}

static GVariant *
tn_system_device_stream_dup_grants (TnNetstackStream *stream)
{
  TnSystemDeviceStream *self = TN_SYSTEM_DEVICE_STREAM (stream);

  return self->grants != NULL ? g_variant_ref (self->grants) : NULL;
}

static void
tn_system_device_stream_finalize (GObject *object)
{
  TnSystemDeviceStream *self = TN_SYSTEM_DEVICE_STREAM (object);

  g_clear_object (&self->connection);
  g_clear_object (&self->local);
  g_clear_object (&self->remote);
  g_clear_pointer (&self->grants, g_variant_unref);
  G_OBJECT_CLASS (tn_system_device_stream_parent_class)->finalize (object);
}

static void
tn_system_device_stream_class_init (TnSystemDeviceStreamClass *klass)
{
  GIOStreamClass *io_class = G_IO_STREAM_CLASS (klass);
  TnNetstackStreamClass *stream_class = TN_NETSTACK_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = tn_system_device_stream_finalize;
  io_class->get_input_stream = tn_system_device_stream_get_input_stream;
  io_class->get_output_stream = tn_system_device_stream_get_output_stream;
  io_class->close_fn = tn_system_device_stream_close;
  stream_class->dup_local_address = tn_system_device_stream_dup_local_address;
  stream_class->dup_remote_address = tn_system_device_stream_dup_remote_address;
  stream_class->shutdown = tn_system_device_stream_shutdown;
  stream_class->steal_fd = tn_system_device_stream_steal_fd;
  stream_class->dup_grants = tn_system_device_stream_dup_grants;
}

static void
tn_system_device_stream_init (TnSystemDeviceStream *self)
{
}

GSocketAddress *
tn_system_device_parse_address (const char *text)
{
  g_autoptr (GInetAddress) inet = NULL;
  TnIpEndpoint endpoint;

  if (!tn_ip_endpoint_parse (text, &endpoint))
    return NULL;
  inet = tn_ip_address_to_inet (&endpoint.address);
  return g_inet_socket_address_new (inet, endpoint.port);
}

TnNetstackStream *
tn_system_device_stream_new (int          fd,
                             const char  *local,
                             const char  *remote,
                             GError     **error)
{
  g_autoptr (GSocket) socket = g_socket_new_from_fd (fd, error);
  TnSystemDeviceStream *self;

  if (socket == NULL)
    {
      close (fd);
      return NULL;
    }
  self = g_object_new (TN_TYPE_SYSTEM_DEVICE_STREAM, NULL);
  self->connection = g_socket_connection_factory_create_connection (socket);
  self->local = tn_system_device_parse_address (local);
  self->remote = tn_system_device_parse_address (remote);
  return TN_NETSTACK_STREAM (self);
}

void
tn_system_device_stream_set_grants (TnNetstackStream *stream,
                                    GVariant         *grants)
{
  TnSystemDeviceStream *self = TN_SYSTEM_DEVICE_STREAM (stream);

  g_clear_pointer (&self->grants, g_variant_unref);
  if (g_variant_n_children (grants) > 0)
    self->grants = g_variant_ref (grants);
}

int
tn_system_device_take_fd (GVariant     *handle,
                          GUnixFDList  *fds,
                          GError      **error)
{
  int index = g_variant_get_handle (handle);

  if (fds != NULL && index >= 0 && index < g_unix_fd_list_get_length (fds))
    return g_unix_fd_list_get (fds, index, error);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the answer has no descriptor");
  return -1;
}

TnNetstackStream *
tn_system_device_stream_take (GVariant     *handle,
                              GUnixFDList  *fds,
                              const char   *local,
                              const char   *remote,
                              GError      **error)
{
  int fd = tn_system_device_take_fd (handle, fds, error);

  return fd >= 0 ? tn_system_device_stream_new (fd, local, remote, error) : NULL;
}
