/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fake-netstack.h"

/* --- Stream: a TCP connection over loopback, so that resets are real ones --- */

struct _FakeStream
{
  TnNetstackStream   parent_instance;
  GSocketConnection *connection;
  GSocketAddress    *remote;
};

G_DEFINE_FINAL_TYPE (FakeStream, fake_stream, TN_TYPE_NETSTACK_STREAM)

static GInputStream *
fake_stream_get_input_stream (GIOStream *stream)
{
  return g_io_stream_get_input_stream (G_IO_STREAM (FAKE_STREAM (stream)->connection));
}

static GOutputStream *
fake_stream_get_output_stream (GIOStream *stream)
{
  return g_io_stream_get_output_stream (G_IO_STREAM (FAKE_STREAM (stream)->connection));
}

static gboolean
fake_stream_close (GIOStream     *stream,
                   GCancellable  *cancellable,
                   GError       **error)
{
  return g_io_stream_close (G_IO_STREAM (FAKE_STREAM (stream)->connection), cancellable, error);
}

static GSocketAddress *
fake_stream_dup_local_address (TnNetstackStream *stream)
{
  return g_inet_socket_address_new_from_string ("100.64.0.1", 80);
}

static GSocketAddress *
fake_stream_dup_remote_address (TnNetstackStream *stream)
{
  return g_object_ref (FAKE_STREAM (stream)->remote);
}

static gboolean
fake_stream_shutdown (TnNetstackStream  *stream,
                      gboolean           shutdown_read,
                      gboolean           shutdown_write,
                      GError           **error)
{
  return g_socket_shutdown (g_socket_connection_get_socket (FAKE_STREAM (stream)->connection), shutdown_read, shutdown_write, error);
}

static void
fake_stream_finalize (GObject *object)
{
  g_clear_object (&FAKE_STREAM (object)->connection);
  g_clear_object (&FAKE_STREAM (object)->remote);
  G_OBJECT_CLASS (fake_stream_parent_class)->finalize (object);
}

static void
fake_stream_class_init (FakeStreamClass *klass)
{
  TnNetstackStreamClass *netstack_class = TN_NETSTACK_STREAM_CLASS (klass);
  GIOStreamClass *stream_class = G_IO_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = fake_stream_finalize;
  stream_class->get_input_stream = fake_stream_get_input_stream;
  stream_class->get_output_stream = fake_stream_get_output_stream;
  stream_class->close_fn = fake_stream_close;
  netstack_class->dup_local_address = fake_stream_dup_local_address;
  netstack_class->dup_remote_address = fake_stream_dup_remote_address;
  netstack_class->shutdown = fake_stream_shutdown;
}

static void
fake_stream_init (FakeStream *self)
{
}

FakeStream *
fake_stream_new (const char         *remote,
                 GSocketConnection **other_end)
{
  FakeStream *self = g_object_new (FAKE_TYPE_STREAM, NULL);
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) accepted = NULL;
  g_autoptr (GSocketAddress) loopback = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocketAddress) bound = NULL;
  g_autoptr (GError) error = NULL;

  g_socket_listener_add_address (listener, loopback, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &bound, &error);
  g_assert_no_error (error);
  self->connection = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (bound), NULL, &error);
  g_assert_no_error (error);
  accepted = g_socket_listener_accept (listener, NULL, NULL, &error);
  g_assert_no_error (error);
  if (other_end != NULL)
    *other_end = g_steal_pointer (&accepted);
  self->remote = g_inet_socket_address_new_from_string (remote, 50000);
  return self;
}

/* --- Listener --- */

struct _FakeListener
{
  TnNetstackListener  parent_instance;
  GQueue              streams;
  GTask              *waiting;
  guint16             port;
  gboolean            closed;
};

G_DEFINE_FINAL_TYPE (FakeListener, fake_listener, TN_TYPE_NETSTACK_LISTENER)

static GSocketAddress *
fake_listener_dup_local_address (TnNetstackListener *listener)
{
  return g_inet_socket_address_new_from_string ("0.0.0.0", FAKE_LISTENER (listener)->port);
}

static void
fake_listener_accept_async (TnNetstackListener  *listener,
                            GCancellable        *cancellable,
                            GAsyncReadyCallback  callback,
                            gpointer             user_data)
{
  FakeListener *self = FAKE_LISTENER (listener);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  TnNetstackStream *stream = g_queue_pop_head (&self->streams);

  g_assert_null (self->waiting);
  if (self->closed)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "closed");
  else if (stream != NULL)
    g_task_return_pointer (task, stream, g_object_unref);
  else
    self->waiting = g_steal_pointer (&task);
}

static TnNetstackStream *
fake_listener_accept_finish (TnNetstackListener  *listener,
                             GAsyncResult        *result,
                             GError             **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
fake_listener_close (TnNetstackListener *listener)
{
  FakeListener *self = FAKE_LISTENER (listener);
  g_autoptr (GTask) task = g_steal_pointer (&self->waiting);

  self->closed = TRUE;
  g_queue_clear_full (&self->streams, g_object_unref);
  if (task != NULL)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "closed");
}

static void
fake_listener_class_init (FakeListenerClass *klass)
{
  TnNetstackListenerClass *netstack_class = TN_NETSTACK_LISTENER_CLASS (klass);

  netstack_class->dup_local_address = fake_listener_dup_local_address;
  netstack_class->accept_async = fake_listener_accept_async;
  netstack_class->accept_finish = fake_listener_accept_finish;
  netstack_class->close = fake_listener_close;
}

static void
fake_listener_init (FakeListener *self)
{
  g_queue_init (&self->streams);
}

FakeListener *
fake_listener_new (guint16 port)
{
  FakeListener *self = g_object_new (FAKE_TYPE_LISTENER, NULL);

  self->port = port;
  return self;
}

void
fake_listener_push (FakeListener *self,
                    const char   *remote)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->waiting);
  FakeStream *stream = fake_stream_new (remote, NULL);

  if (task != NULL)
    g_task_return_pointer (task, stream, g_object_unref);
  else
    g_queue_push_tail (&self->streams, stream);
}

void
fake_listener_fail (FakeListener *self,
                    GIOErrorEnum  code)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->waiting);

  g_assert_nonnull (task);
  g_task_return_new_error (task, G_IO_ERROR, code, "failed");
}

gboolean
fake_listener_is_accepting (FakeListener *self)
{
  return self->waiting != NULL;
}

gboolean
fake_listener_is_closed (FakeListener *self)
{
  return self->closed;
}

/* --- Datagrams --- */

typedef struct
{
  GBytes         *payload;
  GSocketAddress *from;
} Datagram;

struct _FakeDatagram
{
  TnNetstackDatagram  parent_instance;
  char               *local;
  GQueue              queue;
  GTask              *waiting;
  gulong              cancelled;
};

G_DEFINE_FINAL_TYPE (FakeDatagram, fake_datagram, TN_TYPE_NETSTACK_DATAGRAM)

static void
datagram_free (gpointer data)
{
  Datagram *datagram = data;

  g_clear_pointer (&datagram->payload, g_bytes_unref);
  g_clear_object (&datagram->from);
  g_free (datagram);
}

static GSocketAddress *
fake_datagram_dup_local_address (TnNetstackDatagram *datagram)
{
  return g_inet_socket_address_new_from_string (FAKE_DATAGRAM (datagram)->local, 53);
}

static GTask *
take_waiting (FakeDatagram *self)
{
  if (self->waiting != NULL)
    g_clear_signal_handler (&self->cancelled, g_task_get_cancellable (self->waiting));
  return g_steal_pointer (&self->waiting);
}

static gboolean
fake_datagram_send_to (TnNetstackDatagram  *datagram,
                       GSocketAddress      *to,
                       GBytes              *bytes,
                       GError             **error)
{
  FakeDatagram *self = FAKE_DATAGRAM (datagram);
  g_autoptr (GTask) task = take_waiting (self);
  Datagram *echo = g_new0 (Datagram, 1);

  echo->payload = g_bytes_ref (bytes);
  echo->from = g_object_ref (to);
  if (task != NULL)
    g_task_return_pointer (task, echo, datagram_free);
  else
    g_queue_push_tail (&self->queue, echo);
  return TRUE;
}

static void
fake_datagram_send_to_async (TnNetstackDatagram  *datagram,
                             GSocketAddress      *to,
                             GBytes              *bytes,
                             GCancellable        *cancellable,
                             GAsyncReadyCallback  callback,
                             gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (datagram, cancellable, callback, user_data);

  g_task_return_boolean (task, fake_datagram_send_to (datagram, to, bytes, NULL));
}

static gboolean
fake_datagram_send_to_finish (TnNetstackDatagram  *datagram,
                              GAsyncResult        *result,
                              GError             **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
cancelled_cb (GCancellable *cancellable,
              gpointer      user_data)
{
  FakeDatagram *self = user_data;
  g_autoptr (GTask) task = g_steal_pointer (&self->waiting);

  self->cancelled = 0;
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
}

static void
fake_datagram_receive_async (TnNetstackDatagram  *datagram,
                             GCancellable        *cancellable,
                             GAsyncReadyCallback  callback,
                             gpointer             user_data)
{
  FakeDatagram *self = FAKE_DATAGRAM (datagram);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Datagram *ready = g_queue_pop_head (&self->queue);

  g_assert_null (self->waiting);
  if (ready != NULL)
    {
      g_task_return_pointer (task, ready, datagram_free);
      return;
    }
  if (cancellable != NULL)
    self->cancelled = g_signal_connect (cancellable, "cancelled", G_CALLBACK (cancelled_cb), self);
  self->waiting = g_steal_pointer (&task);
}

static GBytes *
fake_datagram_receive_finish (TnNetstackDatagram  *datagram,
                              GAsyncResult        *result,
                              GSocketAddress     **from,
                              GError             **error)
{
  Datagram *received = g_task_propagate_pointer (G_TASK (result), error);
  GBytes *payload = NULL;

  if (received != NULL)
    {
      payload = g_steal_pointer (&received->payload);
      *from = g_steal_pointer (&received->from);
      datagram_free (received);
    }
  return payload;
}

static void
fake_datagram_close (TnNetstackDatagram *datagram)
{
  g_autoptr (GTask) task = take_waiting (FAKE_DATAGRAM (datagram));

  if (task != NULL)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "closed");
}

static void
fake_datagram_finalize (GObject *object)
{
  g_queue_clear_full (&FAKE_DATAGRAM (object)->queue, datagram_free);
  g_free (FAKE_DATAGRAM (object)->local);
  G_OBJECT_CLASS (fake_datagram_parent_class)->finalize (object);
}

static void
fake_datagram_class_init (FakeDatagramClass *klass)
{
  TnNetstackDatagramClass *netstack_class = TN_NETSTACK_DATAGRAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = fake_datagram_finalize;
  netstack_class->dup_local_address = fake_datagram_dup_local_address;
  netstack_class->send_to = fake_datagram_send_to;
  netstack_class->send_to_async = fake_datagram_send_to_async;
  netstack_class->send_to_finish = fake_datagram_send_to_finish;
  netstack_class->receive_async = fake_datagram_receive_async;
  netstack_class->receive_finish = fake_datagram_receive_finish;
  netstack_class->close = fake_datagram_close;
}

static void
fake_datagram_init (FakeDatagram *self)
{
  g_queue_init (&self->queue);
}

FakeDatagram *
fake_datagram_new (const char *local)
{
  FakeDatagram *self = g_object_new (FAKE_TYPE_DATAGRAM, NULL);

  self->local = g_strdup (local);
  return self;
}
