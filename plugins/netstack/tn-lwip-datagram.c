/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-datagram.h"

#include "lwip/err.h"
#include "tn-lwip-listener.h"
#include "tn-lwip-port.h"
#include "tn-lwip-stream.h"

#define PAYLOAD_MAX_4 (65535 - 20 - 8)
#define PAYLOAD_MAX_6 (65535 - 40 - 8)  /* fragments are put together in a buffer that counts its header */

struct _TnLwipDatagram
{
  TnNetstackDatagram parent_instance;
  TnLwipPort        *port;
};

G_DEFINE_FINAL_TYPE (TnLwipDatagram, tn_lwip_datagram, TN_TYPE_NETSTACK_DATAGRAM)

static GSocketAddress *
tn_lwip_datagram_dup_local_address (TnNetstackDatagram *datagram)
{
  return tn_lwip_endpoint_to_socket_address (tn_lwip_port_get_local (TN_LWIP_DATAGRAM (datagram)->port));
}

/* The checks of what can be known at once. */
static gboolean
check_send (TnLwipDatagram     *self,
            const TnIpEndpoint *to,
            gsize               len,
            GError            **error)
{
  const TnIpEndpoint *local = tn_lwip_port_get_local (self->port);
  gsize len_max = to->address.version == 4 ? PAYLOAD_MAX_4 : PAYLOAD_MAX_6;
  char text[TN_IP_ENDPOINT_TEXT_MAX];

  tn_ip_endpoint_print (to, text);
  if (len > len_max)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                   "cannot send to %s: datagram of %" G_GSIZE_FORMAT " bytes, at most %" G_GSIZE_FORMAT " possible", text, len, len_max);
      return FALSE;
    }
  if (local->address.version != 0 && local->address.version != to->address.version)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_HOST_UNREACHABLE, "cannot send to %s: the socket is bound to the other family", text);
      return FALSE;
    }
  return TRUE;
}

static gboolean
tn_lwip_datagram_send_to (TnNetstackDatagram *datagram,
                          GSocketAddress     *to,
                          GBytes             *bytes,
                          GError            **error)
{
  TnLwipDatagram *self = TN_LWIP_DATAGRAM (datagram);
  TnIpEndpoint endpoint;

  return tn_lwip_endpoint_from_socket_address (&endpoint, to, error) &&
         check_send (self, &endpoint, g_bytes_get_size (bytes), error) &&
         tn_lwip_port_send (self->port, bytes, &endpoint, error);
}

static void
tn_lwip_datagram_send_to_async (TnNetstackDatagram *datagram,
                                GSocketAddress     *to,
                                GBytes             *bytes,
                                GCancellable       *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer            user_data)
{
  TnLwipDatagram *self = TN_LWIP_DATAGRAM (datagram);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  TnIpEndpoint endpoint;
  GError *error = NULL;

  g_task_set_source_tag (task, tn_lwip_datagram_send_to_async);
  g_task_set_check_cancellable (task, FALSE);     /* what was taken was sent, whatever came behind it */
  if (g_task_return_error_if_cancelled (task))
    return;
  if (!tn_lwip_endpoint_from_socket_address (&endpoint, to, &error) ||
      !check_send (self, &endpoint, g_bytes_get_size (bytes), &error))
    {
      g_task_return_error (task, error);
      return;
    }
  g_task_set_task_data (task, tn_lwip_datagram_item_new (bytes, &endpoint), tn_lwip_datagram_item_free);
  tn_lwip_port_send_when_ready (self->port, g_steal_pointer (&task));
}

static gboolean
tn_lwip_datagram_send_to_finish (TnNetstackDatagram *datagram,
                                 GAsyncResult       *result,
                                 GError            **error)
{
  g_return_val_if_fail (g_task_is_valid (result, datagram), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
tn_lwip_datagram_receive_async (TnNetstackDatagram *datagram,
                                GCancellable       *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer            user_data)
{
  g_autoptr (GTask) task = g_task_new (datagram, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_lwip_datagram_receive_async);
  if (!g_task_return_error_if_cancelled (task))
    tn_lwip_port_receive (TN_LWIP_DATAGRAM (datagram)->port, g_steal_pointer (&task));
}

static GBytes *
tn_lwip_datagram_receive_finish (TnNetstackDatagram *datagram,
                                 GAsyncResult       *result,
                                 GSocketAddress    **from,
                                 GError            **error)
{
  TnLwipDatagramItem *item;
  GBytes *bytes;

  g_return_val_if_fail (g_task_is_valid (result, datagram), NULL);

  item = g_task_propagate_pointer (G_TASK (result), error);
  if (item == NULL)
    return NULL;
  if (from != NULL)
    *from = tn_lwip_endpoint_to_socket_address (&item->endpoint);
  bytes = g_steal_pointer (&item->bytes);
  tn_lwip_datagram_item_free (item);
  return bytes;
}

static void
tn_lwip_datagram_close (TnNetstackDatagram *datagram)
{
  tn_lwip_port_close (TN_LWIP_DATAGRAM (datagram)->port);
}

static void
tn_lwip_datagram_finalize (GObject *object)
{
  TnLwipPort *port = TN_LWIP_DATAGRAM (object)->port;

  tn_lwip_port_close (port);
  tn_lwip_port_unref (port);
  G_OBJECT_CLASS (tn_lwip_datagram_parent_class)->finalize (object);
}

static void
tn_lwip_datagram_class_init (TnLwipDatagramClass *klass)
{
  TnNetstackDatagramClass *datagram_class = TN_NETSTACK_DATAGRAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = tn_lwip_datagram_finalize;
  datagram_class->dup_local_address = tn_lwip_datagram_dup_local_address;
  datagram_class->send_to = tn_lwip_datagram_send_to;
  datagram_class->send_to_async = tn_lwip_datagram_send_to_async;
  datagram_class->send_to_finish = tn_lwip_datagram_send_to_finish;
  datagram_class->receive_async = tn_lwip_datagram_receive_async;
  datagram_class->receive_finish = tn_lwip_datagram_receive_finish;
  datagram_class->close = tn_lwip_datagram_close;
}

static void
tn_lwip_datagram_init (TnLwipDatagram *self)
{
}

/* Where nobody wants the socket any more, the task drops it, and that closes it. */
static void
bind_run (GTask *task)
{
  TnLwipPort *port = g_task_get_task_data (task);
  int err = tn_lwip_port_bind (port);
  GError *error = NULL;
  TnLwipDatagram *self;

  if (err != ERR_OK)
    {
      tn_lwip_set_bind_error (&error, "bind to", tn_lwip_port_get_local (port), err);
      g_task_return_error (task, error);
      return;
    }
  self = g_object_new (TN_TYPE_LWIP_DATAGRAM, NULL);
  self->port = tn_lwip_port_ref (port);
  g_task_return_pointer (task, self, g_object_unref);
}

void
tn_lwip_bind_datagram (TnLwipNetif        *netif,
                       const TnIpEndpoint *local,
                       GTask              *task)
{
  g_task_set_task_data (task, tn_lwip_port_new (netif, local), tn_lwip_port_unref);
  tn_lwip_netif_run_task (netif, task, bind_run);
}
