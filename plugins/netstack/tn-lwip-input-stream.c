/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-stream.h"

#define TN_TYPE_LWIP_INPUT_STREAM (tn_lwip_input_stream_get_type ())
G_DECLARE_FINAL_TYPE (TnLwipInputStream, tn_lwip_input_stream, TN, LWIP_INPUT_STREAM, GInputStream)

struct _TnLwipInputStream
{
  GInputStream parent_instance;
  TnLwipConn  *conn;
};

static void tn_lwip_input_stream_pollable_init (GPollableInputStreamInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (TnLwipInputStream, tn_lwip_input_stream, G_TYPE_INPUT_STREAM,
                               G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_INPUT_STREAM, tn_lwip_input_stream_pollable_init))

static gssize
tn_lwip_input_stream_read (GInputStream *stream,
                           void         *buffer,
                           gsize         count,
                           GCancellable *cancellable,
                           GError      **error)
{
  return tn_lwip_conn_read (TN_LWIP_INPUT_STREAM (stream)->conn, buffer, count, TRUE, cancellable, error);
}

static gssize
tn_lwip_input_stream_skip (GInputStream *stream,
                           gsize         count,
                           GCancellable *cancellable,
                           GError      **error)
{
  guint8 buffer[8192];

  return tn_lwip_input_stream_read (stream, buffer, MIN (count, sizeof buffer), cancellable, error);
}

/* As with a socket: the connection goes on until the whole stream is closed, or shut down. */
static gboolean
tn_lwip_input_stream_close (GInputStream *stream,
                            GCancellable *cancellable,
                            GError      **error)
{
  return TRUE;
}

static void
tn_lwip_input_stream_close_async (GInputStream       *stream,
                                  int                 io_priority,
                                  GCancellable       *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer            user_data)
{
  g_autoptr (GTask) task = g_task_new (stream, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_lwip_input_stream_close_async);
  g_task_set_priority (task, io_priority);
  g_task_return_boolean (task, TRUE);
}

static gboolean
tn_lwip_input_stream_close_finish (GInputStream *stream,
                                   GAsyncResult *result,
                                   GError      **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static gboolean
tn_lwip_input_stream_is_readable (GPollableInputStream *stream)
{
  return tn_lwip_conn_is_readable (TN_LWIP_INPUT_STREAM (stream)->conn);
}

static GSource *
tn_lwip_input_stream_create_source (GPollableInputStream *stream,
                                    GCancellable         *cancellable)
{
  g_autoptr (GSource) source = tn_lwip_conn_create_source (TN_LWIP_INPUT_STREAM (stream)->conn, G_IO_IN);

  return g_pollable_source_new_full (stream, source, cancellable);
}

static gssize
tn_lwip_input_stream_read_nonblocking (GPollableInputStream *stream,
                                       void                 *buffer,
                                       gsize                 count,
                                       GError              **error)
{
  return tn_lwip_conn_read (TN_LWIP_INPUT_STREAM (stream)->conn, buffer, count, FALSE, NULL, error);
}

static void
tn_lwip_input_stream_pollable_init (GPollableInputStreamInterface *iface)
{
  iface->is_readable = tn_lwip_input_stream_is_readable;
  iface->create_source = tn_lwip_input_stream_create_source;
  iface->read_nonblocking = tn_lwip_input_stream_read_nonblocking;
}

static void
tn_lwip_input_stream_finalize (GObject *object)
{
  tn_lwip_conn_unref (TN_LWIP_INPUT_STREAM (object)->conn);
  G_OBJECT_CLASS (tn_lwip_input_stream_parent_class)->finalize (object);
}

static void
tn_lwip_input_stream_class_init (TnLwipInputStreamClass *klass)
{
  GInputStreamClass *stream_class = G_INPUT_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = tn_lwip_input_stream_finalize;
  stream_class->read_fn = tn_lwip_input_stream_read;
  stream_class->skip = tn_lwip_input_stream_skip;
  stream_class->close_fn = tn_lwip_input_stream_close;
  stream_class->close_async = tn_lwip_input_stream_close_async;
  stream_class->close_finish = tn_lwip_input_stream_close_finish;
}

static void
tn_lwip_input_stream_init (TnLwipInputStream *self)
{
}

GInputStream *
tn_lwip_input_stream_new (TnLwipConn *conn)
{
  TnLwipInputStream *self = g_object_new (TN_TYPE_LWIP_INPUT_STREAM, NULL);

  self->conn = tn_lwip_conn_ref (conn);
  return G_INPUT_STREAM (self);
}
