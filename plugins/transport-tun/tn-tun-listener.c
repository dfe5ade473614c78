/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tun-listener.h"

#include "tn-tun-sockets.h"
#include "tn-tun-stream.h"
#include "tn-tun-wait.h"

struct _TnTunListener
{
  TnNetstackListener parent_instance;
  GSocket           *socket;
  GCancellable      *closed;
};

G_DEFINE_FINAL_TYPE (TnTunListener, tn_tun_listener, TN_TYPE_NETSTACK_LISTENER)

static GSocketAddress *
tn_tun_listener_dup_local_address (TnNetstackListener *listener)
{
  return g_socket_get_local_address (TN_TUN_LISTENER (listener)->socket, NULL);
}

static gboolean
try_accept (GTask   *task,
            GSocket *socket)
{
  GError *error = NULL;
  g_autoptr (GSocket) accepted = g_socket_accept (socket, NULL, &error);
  g_autoptr (GSocketConnection) connection = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    {
      g_error_free (error);
      return FALSE;
    }
  if (accepted == NULL)
    {
      g_task_return_error (task, error);
      return TRUE;
    }
  connection = g_socket_connection_factory_create_connection (accepted);
  g_task_return_pointer (task, tn_tun_stream_new (connection), g_object_unref);
  return TRUE;
}

static void
tn_tun_listener_accept_async (TnNetstackListener  *listener,
                              GCancellable        *cancellable,
                              GAsyncReadyCallback  callback,
                              gpointer             user_data)
{
  TnTunListener *self = TN_TUN_LISTENER (listener);
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_tun_listener_accept_async);
  tn_tun_wait (task, self->socket, G_IO_IN, self->closed, try_accept);
}

static TnNetstackStream *
tn_tun_listener_accept_finish (TnNetstackListener  *listener,
                               GAsyncResult        *result,
                               GError             **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
tn_tun_listener_close (TnNetstackListener *listener)
{
  TnTunListener *self = TN_TUN_LISTENER (listener);

  g_cancellable_cancel (self->closed);
  g_socket_close (self->socket, NULL);
}

static void
tn_tun_listener_finalize (GObject *object)
{
  TnTunListener *self = TN_TUN_LISTENER (object);

  g_clear_object (&self->socket);
  g_object_unref (self->closed);
  G_OBJECT_CLASS (tn_tun_listener_parent_class)->finalize (object);
}

static void
tn_tun_listener_class_init (TnTunListenerClass *klass)
{
  TnNetstackListenerClass *listener_class = TN_NETSTACK_LISTENER_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = tn_tun_listener_finalize;
  listener_class->dup_local_address = tn_tun_listener_dup_local_address;
  listener_class->accept_async = tn_tun_listener_accept_async;
  listener_class->accept_finish = tn_tun_listener_accept_finish;
  listener_class->close = tn_tun_listener_close;
}

static void
tn_tun_listener_init (TnTunListener *self)
{
  self->closed = g_cancellable_new ();
}

TnNetstackListener *
tn_tun_listener_new (GInetSocketAddress  *local,
                     guint                backlog,
                     const char          *interface,
                     GError             **error)
{
  g_autoptr (GSocket) socket = tn_tun_socket_new_bound (local, G_SOCKET_TYPE_STREAM, interface, error);
  TnTunListener *self;

  if (socket == NULL)
    return NULL;
  if (backlog > 0)
    g_socket_set_listen_backlog (socket, (int) MIN (backlog, G_MAXINT));
  if (!g_socket_listen (socket, error))
    return NULL;
  self = g_object_new (TN_TYPE_TUN_LISTENER, NULL);
  self->socket = g_steal_pointer (&socket);
  return TN_NETSTACK_LISTENER (self);
}
