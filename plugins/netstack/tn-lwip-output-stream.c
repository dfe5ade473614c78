/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-stream.h"

#define TN_TYPE_LWIP_OUTPUT_STREAM (tn_lwip_output_stream_get_type ())
G_DECLARE_FINAL_TYPE (TnLwipOutputStream, tn_lwip_output_stream, TN, LWIP_OUTPUT_STREAM, GOutputStream)

struct _TnLwipOutputStream
{
  GOutputStream parent_instance;
  TnLwipConn *conn;
};

static void tn_lwip_output_stream_pollable_init (GPollableOutputStreamInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (TnLwipOutputStream, tn_lwip_output_stream, G_TYPE_OUTPUT_STREAM,
                               G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_OUTPUT_STREAM, tn_lwip_output_stream_pollable_init))

static gssize
tn_lwip_output_stream_write (GOutputStream *stream,
                             const void    *buffer,
                             gsize          count,
                             GCancellable  *cancellable,
                             GError       **error)
{
  return tn_lwip_conn_write (TN_LWIP_OUTPUT_STREAM (stream)->conn, buffer, count, TRUE, cancellable, error);
}

/* As with a socket: the connection goes on until the whole stream is closed, or shut down. */
static gboolean
tn_lwip_output_stream_close (GOutputStream *stream,
                             GCancellable  *cancellable,
                             GError       **error)
{
  return TRUE;
}

static void
tn_lwip_output_stream_close_async (GOutputStream      *stream,
                                   int                 io_priority,
                                   GCancellable       *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer            user_data)
{
  g_autoptr (GTask) task = g_task_new (stream, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_lwip_output_stream_close_async);
  g_task_set_priority (task, io_priority);
  g_task_return_boolean (task, TRUE);
}

static gboolean
tn_lwip_output_stream_close_finish (GOutputStream *stream,
                                    GAsyncResult  *result,
                                    GError       **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static gboolean
tn_lwip_output_stream_is_writable (GPollableOutputStream *stream)
{
  return tn_lwip_conn_is_writable (TN_LWIP_OUTPUT_STREAM (stream)->conn);
}

static GSource *
tn_lwip_output_stream_create_source (GPollableOutputStream *stream,
                                     GCancellable          *cancellable)
{
  g_autoptr (GSource) source = tn_lwip_conn_create_source (TN_LWIP_OUTPUT_STREAM (stream)->conn, G_IO_OUT);

  return g_pollable_source_new_full (stream, source, cancellable);
}

static gssize
tn_lwip_output_stream_write_nonblocking (GPollableOutputStream *stream,
                                         const void            *buffer,
                                         gsize                  count,
                                         GError               **error)
{
  return tn_lwip_conn_write (TN_LWIP_OUTPUT_STREAM (stream)->conn, buffer, count, FALSE, NULL, error);
}

static void
tn_lwip_output_stream_pollable_init (GPollableOutputStreamInterface *iface)
{
  iface->is_writable = tn_lwip_output_stream_is_writable;
  iface->create_source = tn_lwip_output_stream_create_source;
  iface->write_nonblocking = tn_lwip_output_stream_write_nonblocking;
}

static void
tn_lwip_output_stream_finalize (GObject *object)
{
  tn_lwip_conn_unref (TN_LWIP_OUTPUT_STREAM (object)->conn);
  G_OBJECT_CLASS (tn_lwip_output_stream_parent_class)->finalize (object);
}

static void
tn_lwip_output_stream_class_init (TnLwipOutputStreamClass *klass)
{
  GOutputStreamClass *stream_class = G_OUTPUT_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = tn_lwip_output_stream_finalize;
  stream_class->write_fn = tn_lwip_output_stream_write;
  stream_class->close_fn = tn_lwip_output_stream_close;
  stream_class->close_async = tn_lwip_output_stream_close_async;
  stream_class->close_finish = tn_lwip_output_stream_close_finish;
}

static void
tn_lwip_output_stream_init (TnLwipOutputStream *self)
{
}

GOutputStream *
tn_lwip_output_stream_new (TnLwipConn *conn)
{
  TnLwipOutputStream *self = g_object_new (TN_TYPE_LWIP_OUTPUT_STREAM, NULL);

  self->conn = tn_lwip_conn_ref (conn);
  return G_OUTPUT_STREAM (self);
}
