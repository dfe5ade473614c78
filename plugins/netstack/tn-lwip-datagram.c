/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-datagram.h"

#include "lwip/udp.h"
#include "tn-lwip-listener.h"
#include "tn-lwip-stream.h"
#include "tn-lwip-waiters.h"

#define RECEIVE_MAX   (1024 * 1024)     /* bytes that wait to be received, and their overhead; more are dropped, as UDP does */
#define SEND_MAX      (256 * 1024)      /* the same of bytes on their way to a turn; more, and the sender has to wait */
#define OVERHEAD      128               /* what an empty datagram counts for */
#define PAYLOAD_MAX_4 (65535 - 20 - 8)
#define PAYLOAD_MAX_6 (65535 - 40 - 8)  /* fragments are put together in a buffer that counts its header */

typedef struct
{
  GBytes      *bytes;
  TnIpEndpoint endpoint;
} TnLwipDatagramItem;

/* What the object and turns share. */
typedef struct
{
  gatomicrefcount ref_count;
  TnLwipNetif    *netif;         /* a reference */
  TnIpEndpoint    local;         /* immutable once it is bound */

  GMutex          lock;          /* guards what follows, up to the empty line */
  TnLwipWaiters   waiters;
  GQueue          in;            /* TnLwipDatagramItem */
  gsize           in_len;
  GQueue          out;
  gsize           out_len;
  gboolean        send_posted;
  gboolean        closed;
  gboolean        stopped;
  TnLwipJob       send_job;
  TnLwipJob       close_job;

  /* Of whoever has the turn (tn-lwip-core.h). */
  struct udp_pcb *pcb;
  TnLwipNetifUser user;
  err_t           err;
} TnLwipPort;

struct _TnLwipDatagram
{
  TnNetstackDatagram parent_instance;
  TnLwipPort        *port;
};

G_DEFINE_FINAL_TYPE (TnLwipDatagram, tn_lwip_datagram, TN_TYPE_NETSTACK_DATAGRAM)

static void
item_free (TnLwipDatagramItem *item)
{
  g_clear_pointer (&item->bytes, g_bytes_unref);
  g_free (item);
}

static gsize
item_cost (const TnLwipDatagramItem *item)
{
  return g_bytes_get_size (item->bytes) + OVERHEAD;
}

static void
port_unref (TnLwipPort *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_queue_clear_full (&self->in, (GDestroyNotify) item_free);
  g_queue_clear_full (&self->out, (GDestroyNotify) item_free);
  g_mutex_clear (&self->lock);
  tn_lwip_netif_unref (self->netif);
  g_free (self);
}

/* --- In a turn --- */

static void
receive_cb (void            *arg,
            struct udp_pcb  *pcb,
            struct pbuf     *p,
            const ip_addr_t *from,
            u16_t            port)
{
  TnLwipPort *self = arg;
  TnLwipDatagramItem *item = g_new0 (TnLwipDatagramItem, 1);
  guint8 *data = g_malloc (p->tot_len);
  GTask *task;

  pbuf_copy_partial (p, data, p->tot_len, 0);
  item->bytes = g_bytes_new_take (data, p->tot_len);
  item->endpoint = (TnIpEndpoint) { tn_lwip_address_from_lwip (from), port };
  pbuf_free (p);

  g_mutex_lock (&self->lock);
  task = tn_lwip_waiters_take (&self->waiters);
  if (task == NULL && self->in_len < RECEIVE_MAX)
    {
      self->in_len += item_cost (item);
      g_queue_push_tail (&self->in, g_steal_pointer (&item));
    }
  g_mutex_unlock (&self->lock);
  if (task != NULL)
    g_task_return_pointer (task, g_steal_pointer (&item), (GDestroyNotify) item_free);
  g_clear_object (&task);
  g_clear_pointer (&item, item_free);
}

static void
send_item (TnLwipPort         *self,
           TnLwipDatagramItem *item)
{
  ip_addr_t to = tn_lwip_address_to_lwip (&item->endpoint.address);
  gsize len;
  const void *data = g_bytes_get_data (item->bytes, &len);
  struct pbuf *p = pbuf_alloc (PBUF_TRANSPORT, (u16_t) len, PBUF_RAM);

  if (p == NULL)
    return;
  if (len > 0)
    pbuf_take (p, data, (u16_t) len);
  udp_sendto (self->pcb, p, &to, item->endpoint.port);
  pbuf_free (p);
}

static void
post_send_locked (TnLwipPort *self)
{
  if (self->send_posted)
    return;
  g_atomic_ref_count_inc (&self->ref_count);
  self->send_posted = tn_lwip_netif_post (self->netif, &self->send_job);
  if (!self->send_posted)
    (void) g_atomic_ref_count_dec (&self->ref_count);     /* never the last one */
}

/* Before what was written in the meantime. */
static void
put_back (TnLwipPort *self,
          GQueue     *items)
{
  TnLwipDatagramItem *item;

  g_mutex_lock (&self->lock);
  while ((item = g_queue_pop_tail (items)) != NULL)
    {
      self->out_len += item_cost (item);
      g_queue_push_head (&self->out, item);
    }
  g_mutex_unlock (&self->lock);
}

static void
send_run (TnLwipJob *job)
{
  TnLwipPort *self = (TnLwipPort *) ((char *) job - G_STRUCT_OFFSET (TnLwipPort, send_job));
  TnLwipDatagramItem *item;
  GQueue items;

  g_mutex_lock (&self->lock);
  items = self->out;
  g_queue_init (&self->out);
  self->out_len = 0;
  self->send_posted = FALSE;
  g_mutex_unlock (&self->lock);
  while ((item = g_queue_peek_head (&items)) != NULL && (self->pcb == NULL || !tn_lwip_netif_is_full (self->netif)))
    {
      g_queue_pop_head (&items);
      if (self->pcb != NULL)
        send_item (self, item);
      item_free (item);
    }
  if (item != NULL)
    put_back (self, &items);
  port_unref (self);
}

static void
resumed_cb (TnLwipNetifUser *user)
{
  TnLwipPort *self = (TnLwipPort *) ((char *) user - G_STRUCT_OFFSET (TnLwipPort, user));

  g_mutex_lock (&self->lock);
  if (self->out.length > 0)
    post_send_locked (self);
  g_mutex_unlock (&self->lock);
}

static void
end_port (TnLwipPort *self)
{
  if (self->pcb == NULL)
    return;
  udp_remove (self->pcb);
  self->pcb = NULL;
  tn_lwip_netif_remove_user (self->netif, &self->user);
  port_unref (self);
}

static void
fail_waiters (TnLwipPort *self,
              const char *why)
{
  for (;;)
    {
      GTask *task;

      g_mutex_lock (&self->lock);
      task = tn_lwip_waiters_take (&self->waiters);
      g_mutex_unlock (&self->lock);
      if (task == NULL)
        return;
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "%s", why);
      g_object_unref (task);
    }
}

static void
close_run (TnLwipJob *job)
{
  TnLwipPort *self = (TnLwipPort *) ((char *) job - G_STRUCT_OFFSET (TnLwipPort, close_job));

  end_port (self);
  port_unref (self);
}

static void
stopped_cb (TnLwipNetifUser *user)
{
  TnLwipPort *self = (TnLwipPort *) ((char *) user - G_STRUCT_OFFSET (TnLwipPort, user));

  g_atomic_ref_count_inc (&self->ref_count);
  g_mutex_lock (&self->lock);
  self->stopped = TRUE;
  g_mutex_unlock (&self->lock);
  end_port (self);
  fail_waiters (self, "the network stack was stopped");
  port_unref (self);
}

static void
bind_run (gpointer data)
{
  TnLwipPort *self = data;
  ip_addr_t local = tn_lwip_address_to_lwip (&self->local.address);
  struct udp_pcb *pcb;

  if (self->local.address.version != 0 && !tn_lwip_netif_has_address (self->netif, &self->local.address))
    {
      self->err = ERR_RTE;
      return;
    }
  if (!tn_lwip_netif_add_user (self->netif, &self->user))
    return;
  pcb = udp_new_ip_type (IP_GET_TYPE (&local));
  udp_bind_netif (pcb, tn_lwip_netif_get (self->netif));
  self->err = udp_bind (pcb, &local, self->local.port);
  if (self->err != ERR_OK)
    {
      udp_remove (pcb);
      tn_lwip_netif_remove_user (self->netif, &self->user);
      return;
    }
  self->pcb = pcb;
  self->local.port = pcb->local_port;
  g_atomic_ref_count_inc (&self->ref_count);
  udp_recv (pcb, receive_cb, self);
}

/* --- Any thread --- */

static void
port_close (TnLwipPort *self)
{
  gboolean closed;

  g_mutex_lock (&self->lock);
  closed = self->closed;
  self->closed = TRUE;
  g_mutex_unlock (&self->lock);
  if (closed)
    return;
  g_atomic_ref_count_inc (&self->ref_count);
  if (!tn_lwip_netif_post (self->netif, &self->close_job))
    port_unref (self);
  fail_waiters (self, "socket was closed");
}

static GSocketAddress *
tn_lwip_datagram_dup_local_address (TnNetstackDatagram *datagram)
{
  return tn_lwip_endpoint_to_socket_address (&TN_LWIP_DATAGRAM (datagram)->port->local);
}

/* The checks of what can be known at once. */
static gboolean
check_send (TnLwipPort         *self,
            const TnIpEndpoint *to,
            gsize               len,
            GError            **error)
{
  gsize len_max = to->address.version == 4 ? PAYLOAD_MAX_4 : PAYLOAD_MAX_6;
  char text[TN_IP_ENDPOINT_TEXT_MAX];

  tn_ip_endpoint_print (to, text);
  if (len > len_max)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                   "cannot send to %s: datagram of %" G_GSIZE_FORMAT " bytes, at most %" G_GSIZE_FORMAT " possible", text, len, len_max);
      return FALSE;
    }
  if (self->local.address.version != 0 && self->local.address.version != to->address.version)
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
  TnLwipPort *self = TN_LWIP_DATAGRAM (datagram)->port;
  TnLwipDatagramItem *item;
  TnIpEndpoint endpoint;
  gboolean ended, full;

  if (!tn_lwip_endpoint_from_socket_address (&endpoint, to, error) ||
      !check_send (self, &endpoint, g_bytes_get_size (bytes), error))
    return FALSE;
  full = tn_lwip_netif_is_blocked (self->netif, &endpoint.address);

  g_mutex_lock (&self->lock);
  ended = self->closed || self->stopped;
  full = full || self->out_len >= SEND_MAX;
  if (!ended && !full)
    {
      item = g_new0 (TnLwipDatagramItem, 1);
      item->bytes = g_bytes_ref (bytes);
      item->endpoint = endpoint;
      self->out_len += item_cost (item);
      g_queue_push_tail (&self->out, item);
      post_send_locked (self);
    }
  g_mutex_unlock (&self->lock);
  if (ended)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "socket is closed");
  else if (full)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "too many datagrams are waiting");
  return !ended && !full;
}

static void
tn_lwip_datagram_receive_async (TnNetstackDatagram *datagram,
                                GCancellable       *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer            user_data)
{
  TnLwipPort *self = TN_LWIP_DATAGRAM (datagram)->port;
  g_autoptr (GTask) task = g_task_new (datagram, cancellable, callback, user_data);
  TnLwipDatagramItem *item = NULL;
  gboolean ended;

  g_task_set_source_tag (task, tn_lwip_datagram_receive_async);
  if (g_task_return_error_if_cancelled (task))
    return;
  g_mutex_lock (&self->lock);
  ended = self->closed || self->stopped;
  if (!ended && (item = g_queue_pop_head (&self->in)) != NULL)
    self->in_len -= item_cost (item);
  else if (!ended)
    tn_lwip_waiters_add (&self->waiters, g_object_ref (task));
  g_mutex_unlock (&self->lock);
  if (ended)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "socket is closed");
  else if (item != NULL)
    g_task_return_pointer (task, item, (GDestroyNotify) item_free);
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
  item_free (item);
  return bytes;
}

static void
tn_lwip_datagram_close (TnNetstackDatagram *datagram)
{
  port_close (TN_LWIP_DATAGRAM (datagram)->port);
}

static void
tn_lwip_datagram_finalize (GObject *object)
{
  TnLwipPort *port = TN_LWIP_DATAGRAM (object)->port;

  port_close (port);
  port_unref (port);
  G_OBJECT_CLASS (tn_lwip_datagram_parent_class)->finalize (object);
}

static void
tn_lwip_datagram_class_init (TnLwipDatagramClass *klass)
{
  TnNetstackDatagramClass *datagram_class = TN_NETSTACK_DATAGRAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = tn_lwip_datagram_finalize;
  datagram_class->dup_local_address = tn_lwip_datagram_dup_local_address;
  datagram_class->send_to = tn_lwip_datagram_send_to;
  datagram_class->receive_async = tn_lwip_datagram_receive_async;
  datagram_class->receive_finish = tn_lwip_datagram_receive_finish;
  datagram_class->close = tn_lwip_datagram_close;
}

static void
tn_lwip_datagram_init (TnLwipDatagram *self)
{
}

TnNetstackDatagram *
tn_lwip_datagram_new (TnLwipNetif        *netif,
                      const TnIpEndpoint *local,
                      GError            **error)
{
  TnLwipPort *port = g_new0 (TnLwipPort, 1);
  TnLwipDatagram *self;

  g_atomic_ref_count_init (&port->ref_count);
  port->netif = tn_lwip_netif_ref (netif);
  port->local = *local;
  g_mutex_init (&port->lock);
  port->waiters.lock = &port->lock;
  port->send_job.run = send_run;
  port->close_job.run = close_run;
  port->user.stopped = stopped_cb;
  port->user.resumed = resumed_cb;
  port->err = ERR_IF;
  tn_lwip_netif_call (netif, bind_run, port);
  if (port->err != ERR_OK)
    {
      tn_lwip_set_bind_error (error, "bind to", local, port->err);
      port_unref (port);
      return NULL;
    }
  self = g_object_new (TN_TYPE_LWIP_DATAGRAM, NULL);
  self->port = port;
  return TN_NETSTACK_DATAGRAM (self);
}
