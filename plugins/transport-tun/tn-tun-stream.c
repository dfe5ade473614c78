/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tun-stream.h"

#include <errno.h>
#include <fcntl.h>

struct _TnTunStream
{
  TnNetstackStream   parent_instance;
  GSocketConnection *connection;
};

G_DEFINE_FINAL_TYPE (TnTunStream, tn_tun_stream, TN_TYPE_NETSTACK_STREAM)

static GInputStream *
tn_tun_stream_get_input_stream (GIOStream *stream)
{
  return g_io_stream_get_input_stream (G_IO_STREAM (TN_TUN_STREAM (stream)->connection));
}

static GOutputStream *
tn_tun_stream_get_output_stream (GIOStream *stream)
{
  return g_io_stream_get_output_stream (G_IO_STREAM (TN_TUN_STREAM (stream)->connection));
}

/* The kernel sends what was written, after this. */
static gboolean
tn_tun_stream_close (GIOStream     *stream,
                     GCancellable  *cancellable,
                     GError       **error)
{
  return g_io_stream_close (G_IO_STREAM (TN_TUN_STREAM (stream)->connection), cancellable, error);
}

/* Nothing waits here. The default one would run close() in a thread. */
static void
tn_tun_stream_close_async (GIOStream           *stream,
                           int                  io_priority,
                           GCancellable        *cancellable,
                           GAsyncReadyCallback  callback,
                           gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (stream, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, tn_tun_stream_close_async);
  g_task_set_priority (task, io_priority);
  if (tn_tun_stream_close (stream, cancellable, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static gboolean
tn_tun_stream_close_finish (GIOStream     *stream,
                            GAsyncResult  *result,
                            GError       **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static GSocket *
get_socket (TnNetstackStream *stream)
{
  return g_socket_connection_get_socket (TN_TUN_STREAM (stream)->connection);
}

static GSocketAddress *
tn_tun_stream_dup_local_address (TnNetstackStream *stream)
{
  return g_socket_get_local_address (get_socket (stream), NULL);
}

static GSocketAddress *
tn_tun_stream_dup_remote_address (TnNetstackStream *stream)
{
  return g_socket_get_remote_address (get_socket (stream), NULL);
}

static gboolean
tn_tun_stream_shutdown (TnNetstackStream  *stream,
                        gboolean           read,
                        gboolean           write,
                        GError           **error)
{
  return g_socket_shutdown (get_socket (stream), read, write, error);
}

static int
tn_tun_stream_steal_fd (TnNetstackStream  *stream,
                        GError           **error)
{
  int fd;

  if (g_io_stream_is_closed (G_IO_STREAM (stream)))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "stream is closed");
      return -1;
    }
  fd = fcntl (g_socket_get_fd (get_socket (stream)), F_DUPFD_CLOEXEC, 3);
  if (fd < 0)
    g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errno), g_strerror (errno));
  else
    g_io_stream_close (G_IO_STREAM (stream), NULL, NULL);
  return fd;
}

static void
tn_tun_stream_finalize (GObject *object)
{
  g_object_unref (TN_TUN_STREAM (object)->connection);
  G_OBJECT_CLASS (tn_tun_stream_parent_class)->finalize (object);
}

static void
tn_tun_stream_class_init (TnTunStreamClass *klass)
{
  GIOStreamClass *stream_class = G_IO_STREAM_CLASS (klass);
  TnNetstackStreamClass *netstack_class = TN_NETSTACK_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = tn_tun_stream_finalize;
  stream_class->get_input_stream = tn_tun_stream_get_input_stream;
  stream_class->get_output_stream = tn_tun_stream_get_output_stream;
  stream_class->close_fn = tn_tun_stream_close;
  stream_class->close_async = tn_tun_stream_close_async;
  stream_class->close_finish = tn_tun_stream_close_finish;
  netstack_class->dup_local_address = tn_tun_stream_dup_local_address;
  netstack_class->dup_remote_address = tn_tun_stream_dup_remote_address;
  netstack_class->shutdown = tn_tun_stream_shutdown;
  netstack_class->steal_fd = tn_tun_stream_steal_fd;
}

static void
tn_tun_stream_init (TnTunStream *self)
{
}

TnNetstackStream *
tn_tun_stream_new (GSocketConnection *connection)
{
  TnTunStream *self = g_object_new (TN_TYPE_TUN_STREAM, NULL);

  self->connection = g_object_ref (connection);
  return TN_NETSTACK_STREAM (self);
}
