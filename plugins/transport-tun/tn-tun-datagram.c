/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tun-datagram.h"

#include "tn-tun-sockets.h"
#include "tn-tun-wait.h"

#define DATAGRAM_MAX_LEN 65535

struct _TnTunDatagram
{
  TnNetstackDatagram parent_instance;
  GSocket           *socket;
  GCancellable      *closed;
};

G_DEFINE_FINAL_TYPE (TnTunDatagram, tn_tun_datagram, TN_TYPE_NETSTACK_DATAGRAM)

static GSocketAddress *
tn_tun_datagram_dup_local_address (TnNetstackDatagram *datagram)
{
  return g_socket_get_local_address (TN_TUN_DATAGRAM (datagram)->socket, NULL);
}

/* --- Sending --- */

static gboolean
send_to (GSocket         *socket,
         GSocketAddress  *to,
         GBytes          *bytes,
         GError         **error)
{
  gsize len;
  const char *data = g_bytes_get_data (bytes, &len);

  return g_socket_send_to (socket, to, data != NULL ? data : "", len, NULL, error) >= 0;
}

static gboolean
tn_tun_datagram_send_to (TnNetstackDatagram  *datagram,
                         GSocketAddress      *to,
                         GBytes              *bytes,
                         GError             **error)
{
  return send_to (TN_TUN_DATAGRAM (datagram)->socket, to, bytes, error);
}

typedef struct
{
  GSocketAddress *to;
  GBytes         *bytes;
} Sending;

static void
sending_free (Sending *sending)
{
  g_object_unref (sending->to);
  g_bytes_unref (sending->bytes);
  g_free (sending);
}

static gboolean
try_send (GTask   *task,
          GSocket *socket)
{
  Sending *sending = g_task_get_task_data (task);
  GError *error = NULL;

  if (send_to (socket, sending->to, sending->bytes, &error))
    {
      g_task_return_boolean (task, TRUE);
      return TRUE;
    }
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    {
      g_error_free (error);
      return FALSE;
    }
  g_task_return_error (task, error);
  return TRUE;
}

static void
tn_tun_datagram_send_to_async (TnNetstackDatagram  *datagram,
                               GSocketAddress      *to,
                               GBytes              *bytes,
                               GCancellable        *cancellable,
                               GAsyncReadyCallback  callback,
                               gpointer             user_data)
{
  TnTunDatagram *self = TN_TUN_DATAGRAM (datagram);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Sending *sending = g_new (Sending, 1);

  g_task_set_source_tag (task, tn_tun_datagram_send_to_async);
  *sending = (Sending) { g_object_ref (to), g_bytes_ref (bytes) };
  g_task_set_task_data (task, sending, (GDestroyNotify) sending_free);
  tn_tun_wait (task, self->socket, G_IO_OUT, self->closed, try_send);
}

static gboolean
tn_tun_datagram_send_to_finish (TnNetstackDatagram  *datagram,
                                GAsyncResult        *result,
                                GError             **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- Receiving --- */

static gboolean
try_receive (GTask   *task,
             GSocket *socket)
{
  g_autofree char *data = g_malloc (DATAGRAM_MAX_LEN);
  g_autoptr (GSocketAddress) from = NULL;
  GError *error = NULL;
  gssize n = g_socket_receive_from (socket, &from, data, DATAGRAM_MAX_LEN, NULL, &error);

  if (n >= 0)
    {
      g_task_set_task_data (task, g_steal_pointer (&from), g_object_unref);
      g_task_return_pointer (task, g_bytes_new (data, (gsize) n), (GDestroyNotify) g_bytes_unref);
      return TRUE;
    }
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    {
      g_error_free (error);
      return FALSE;
    }
  g_task_return_error (task, error);
  return TRUE;
}

static void
tn_tun_datagram_receive_async (TnNetstackDatagram  *datagram,
                               GCancellable        *cancellable,
                               GAsyncReadyCallback  callback,
                               gpointer             user_data)
{
  TnTunDatagram *self = TN_TUN_DATAGRAM (datagram);
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_tun_datagram_receive_async);
  tn_tun_wait (task, self->socket, G_IO_IN, self->closed, try_receive);
}

static GBytes *
tn_tun_datagram_receive_finish (TnNetstackDatagram  *datagram,
                                GAsyncResult        *result,
                                GSocketAddress     **from,
                                GError             **error)
{
  GBytes *bytes = g_task_propagate_pointer (G_TASK (result), error);

  if (bytes != NULL && from != NULL)
    *from = g_object_ref (g_task_get_task_data (G_TASK (result)));
  return bytes;
}

/* --- Life --- */

static void
tn_tun_datagram_close (TnNetstackDatagram *datagram)
{
  TnTunDatagram *self = TN_TUN_DATAGRAM (datagram);

  g_cancellable_cancel (self->closed);
  g_socket_close (self->socket, NULL);
}

static void
tn_tun_datagram_finalize (GObject *object)
{
  TnTunDatagram *self = TN_TUN_DATAGRAM (object);

  g_clear_object (&self->socket);
  g_object_unref (self->closed);
  G_OBJECT_CLASS (tn_tun_datagram_parent_class)->finalize (object);
}

static void
tn_tun_datagram_class_init (TnTunDatagramClass *klass)
{
  TnNetstackDatagramClass *datagram_class = TN_NETSTACK_DATAGRAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = tn_tun_datagram_finalize;
  datagram_class->dup_local_address = tn_tun_datagram_dup_local_address;
  datagram_class->send_to = tn_tun_datagram_send_to;
  datagram_class->send_to_async = tn_tun_datagram_send_to_async;
  datagram_class->send_to_finish = tn_tun_datagram_send_to_finish;
  datagram_class->receive_async = tn_tun_datagram_receive_async;
  datagram_class->receive_finish = tn_tun_datagram_receive_finish;
  datagram_class->close = tn_tun_datagram_close;
}

static void
tn_tun_datagram_init (TnTunDatagram *self)
{
  self->closed = g_cancellable_new ();
}

TnNetstackDatagram *
tn_tun_datagram_new (GInetSocketAddress  *local,
                     const char          *interface,
                     GError             **error)
{
  GSocket *socket = tn_tun_socket_new_bound (local, G_SOCKET_TYPE_DATAGRAM, interface, error);
  TnTunDatagram *self;

  if (socket == NULL)
    return NULL;
  self = g_object_new (TN_TYPE_TUN_DATAGRAM, NULL);
  self->socket = socket;
  return TN_NETSTACK_DATAGRAM (self);
}
