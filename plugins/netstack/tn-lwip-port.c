/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-port.h"

#include "lwip/udp.h"

#define RECEIVE_MAX   (1024 * 1024)     /* bytes that wait to be received, and their overhead; more are dropped, as UDP does */
#define SEND_MAX      (256 * 1024)      /* the same of bytes on their way to a turn; more, and the sender has to wait */
#define OVERHEAD      128               /* what an empty datagram counts for */

struct _TnLwipPort
{
  gatomicrefcount ref_count;
  TnLwipNetif    *netif;         /* a reference */
  TnIpEndpoint    local;         /* immutable once it is bound */

  GMutex          lock;          /* guards what follows, up to the empty line */
  TnLwipWaiters   receivers;
  TnLwipWaiters   senders;       /* their data are the items */
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
};

TnLwipDatagramItem *
tn_lwip_datagram_item_new (GBytes             *bytes,
                           const TnIpEndpoint *endpoint)
{
  TnLwipDatagramItem *item = g_new0 (TnLwipDatagramItem, 1);

  item->bytes = g_bytes_ref (bytes);
  item->endpoint = *endpoint;
  return item;
}

void
tn_lwip_datagram_item_free (gpointer data)
{
  TnLwipDatagramItem *item = data;

  g_clear_pointer (&item->bytes, g_bytes_unref);
  g_free (item);
}

static gsize
item_cost (const TnLwipDatagramItem *item)
{
  return g_bytes_get_size (item->bytes) + OVERHEAD;
}

TnLwipPort *
tn_lwip_port_ref (TnLwipPort *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
tn_lwip_port_unref (gpointer data)
{
  TnLwipPort *self = data;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_queue_clear_full (&self->in, tn_lwip_datagram_item_free);
  g_queue_clear_full (&self->out, tn_lwip_datagram_item_free);
  g_mutex_clear (&self->lock);
  tn_lwip_netif_unref (self->netif);
  g_free (self);
}

static void
fail_waiters (TnLwipPort *self,
              const char *why)
{
  tn_lwip_waiters_fail (&self->receivers, why);
  tn_lwip_waiters_fail (&self->senders, why);
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
  TnIpEndpoint endpoint = { tn_lwip_address_from_lwip (from), port };
  guint8 *data = g_malloc (p->tot_len);
  g_autoptr (GBytes) bytes = g_bytes_new_take (data, p->tot_len);
  TnLwipDatagramItem *item = tn_lwip_datagram_item_new (bytes, &endpoint);
  GTask *task;

  pbuf_copy_partial (p, data, p->tot_len, 0);
  pbuf_free (p);

  g_mutex_lock (&self->lock);
  task = tn_lwip_waiters_take (&self->receivers);
  if (task == NULL && self->in_len < RECEIVE_MAX)
    {
      self->in_len += item_cost (item);
      g_queue_push_tail (&self->in, g_steal_pointer (&item));
    }
  g_mutex_unlock (&self->lock);
  if (task != NULL)
    g_task_return_pointer (task, g_steal_pointer (&item), tn_lwip_datagram_item_free);
  g_clear_object (&task);
  g_clear_pointer (&item, tn_lwip_datagram_item_free);
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
  tn_lwip_port_ref (self);
  self->send_posted = tn_lwip_netif_post (self->netif, &self->send_job);
  if (!self->send_posted)
    (void) g_atomic_ref_count_dec (&self->ref_count);     /* never the last one */
}

static void
push_locked (TnLwipPort         *self,
             TnLwipDatagramItem *item)
{
  self->out_len += item_cost (item);
  g_queue_push_tail (&self->out, item);
  post_send_locked (self);
}

static gboolean
has_room_locked (TnLwipPort         *self,
                 const TnIpEndpoint *to)
{
  return self->out_len < SEND_MAX && !tn_lwip_netif_is_blocked (self->netif, &to->address);
}

static gboolean
has_way (GTask    *task,
         gpointer  data)
{
  TnLwipPort *self = data;
  TnLwipDatagramItem *item = g_task_get_task_data (task);

  return !tn_lwip_netif_is_blocked (self->netif, &item->endpoint.address);
}

/* Nobody overtakes: what waits, and could leave, leaves first. One whose path is full does not stand in the way of others. */
static gboolean
may_send_locked (TnLwipPort         *self,
                 const TnIpEndpoint *to)
{
  return has_room_locked (self, to) && !tn_lwip_waiters_has_ready (&self->senders, has_way, self);
}

static gboolean
may_be_sent (GTask    *task,
             gpointer  data)
{
  return has_room_locked (data, &((TnLwipDatagramItem *) g_task_get_task_data (task))->endpoint);
}

/* Those who wait for room. */
static void
take_senders (TnLwipPort *self)
{
  for (;;)
    {
      GTask *task;

      g_mutex_lock (&self->lock);
      task = tn_lwip_waiters_take_ready (&self->senders, may_be_sent, self);
      if (task != NULL)
        {
          TnLwipDatagramItem *item = g_task_get_task_data (task);

          push_locked (self, tn_lwip_datagram_item_new (item->bytes, &item->endpoint));
        }
      g_mutex_unlock (&self->lock);
      if (task == NULL)
        return;
      g_task_return_boolean (task, TRUE);
      g_object_unref (task);
    }
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
  while ((item = g_queue_peek_head (&items)) != NULL &&
         (self->pcb == NULL || tn_lwip_netif_has_room (self->netif, g_bytes_get_size (item->bytes))))
    {
      g_queue_pop_head (&items);
      if (self->pcb != NULL)
        send_item (self, item);
      tn_lwip_datagram_item_free (item);
    }
  if (item != NULL)
    put_back (self, &items);
  take_senders (self);
  tn_lwip_port_unref (self);
}

static void
resumed_cb (TnLwipNetifUser *user)
{
  TnLwipPort *self = (TnLwipPort *) ((char *) user - G_STRUCT_OFFSET (TnLwipPort, user));

  g_mutex_lock (&self->lock);
  if (self->out.length > 0)
    post_send_locked (self);
  g_mutex_unlock (&self->lock);
  take_senders (self);
}

static void
end_port (TnLwipPort *self)
{
  if (self->pcb == NULL)
    return;
  udp_remove (self->pcb);
  self->pcb = NULL;
  tn_lwip_netif_remove_user (self->netif, &self->user);
  tn_lwip_port_unref (self);
}

static void
close_run (TnLwipJob *job)
{
  TnLwipPort *self = (TnLwipPort *) ((char *) job - G_STRUCT_OFFSET (TnLwipPort, close_job));

  end_port (self);
  tn_lwip_port_unref (self);
}

static void
stopped_cb (TnLwipNetifUser *user)
{
  TnLwipPort *self = (TnLwipPort *) ((char *) user - G_STRUCT_OFFSET (TnLwipPort, user));

  tn_lwip_port_ref (self);
  g_mutex_lock (&self->lock);
  self->stopped = TRUE;
  g_mutex_unlock (&self->lock);
  end_port (self);
  fail_waiters (self, "the network stack was stopped");
  tn_lwip_port_unref (self);
}

int
tn_lwip_port_bind (TnLwipPort *self)
{
  ip_addr_t local = tn_lwip_address_to_lwip (&self->local.address);
  struct udp_pcb *pcb;
  err_t err;

  if (self->local.address.version != 0 && !tn_lwip_netif_has_address (self->netif, &self->local.address))
    return ERR_RTE;
  if (!tn_lwip_netif_add_user (self->netif, &self->user))
    return ERR_IF;
  pcb = udp_new_ip_type (IP_GET_TYPE (&local));
  udp_bind_netif (pcb, tn_lwip_netif_get (self->netif));
  err = udp_bind (pcb, &local, self->local.port);
  if (err != ERR_OK)
    {
      udp_remove (pcb);
      tn_lwip_netif_remove_user (self->netif, &self->user);
      return err;
    }
  self->pcb = pcb;
  self->local.port = pcb->local_port;
  tn_lwip_port_ref (self);
  udp_recv (pcb, receive_cb, self);
  return ERR_OK;
}

/* --- Any thread --- */

TnLwipPort *
tn_lwip_port_new (TnLwipNetif        *netif,
                  const TnIpEndpoint *local)
{
  TnLwipPort *self = g_new0 (TnLwipPort, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->netif = tn_lwip_netif_ref (netif);
  self->local = *local;
  g_mutex_init (&self->lock);
  self->receivers.lock = &self->lock;
  self->senders.lock = &self->lock;
  self->send_job.run = send_run;
  self->close_job.run = close_run;
  self->user.stopped = stopped_cb;
  self->user.resumed = resumed_cb;
  return self;
}

const TnIpEndpoint *
tn_lwip_port_get_local (TnLwipPort *self)
{
  return &self->local;
}

void
tn_lwip_port_close (TnLwipPort *self)
{
  gboolean closed;

  g_mutex_lock (&self->lock);
  closed = self->closed;
  self->closed = TRUE;
  g_mutex_unlock (&self->lock);
  if (closed)
    return;
  tn_lwip_port_ref (self);
  if (!tn_lwip_netif_post (self->netif, &self->close_job))
    tn_lwip_port_unref (self);
  fail_waiters (self, "socket was closed");
}

static gboolean
has_ended_locked (TnLwipPort *self)
{
  return self->closed || self->stopped;
}

gboolean
tn_lwip_port_send (TnLwipPort         *self,
                   GBytes             *bytes,
                   const TnIpEndpoint *to,
                   GError            **error)
{
  gboolean ended, full;

  g_mutex_lock (&self->lock);
  ended = has_ended_locked (self);
  full = !may_send_locked (self, to);
  if (!ended && !full)
    push_locked (self, tn_lwip_datagram_item_new (bytes, to));
  g_mutex_unlock (&self->lock);
  if (ended)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "socket is closed");
  else if (full)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "too many datagrams are waiting");
  return !ended && !full;
}

void
tn_lwip_port_send_when_ready (TnLwipPort *self,
                              GTask      *task)
{
  TnLwipDatagramItem *item = g_task_get_task_data (task);
  gboolean ended, full;

  g_mutex_lock (&self->lock);
  ended = has_ended_locked (self);
  full = !may_send_locked (self, &item->endpoint);
  if (!ended && full)
    tn_lwip_waiters_add (&self->senders, g_object_ref (task));
  else if (!ended)
    push_locked (self, tn_lwip_datagram_item_new (item->bytes, &item->endpoint));
  g_mutex_unlock (&self->lock);
  if (ended)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "socket is closed");
  else if (!full)
    g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

void
tn_lwip_port_receive (TnLwipPort *self,
                      GTask      *task)
{
  TnLwipDatagramItem *item = NULL;
  gboolean ended;

  g_mutex_lock (&self->lock);
  ended = has_ended_locked (self);
  if (!ended && (item = g_queue_pop_head (&self->in)) != NULL)
    self->in_len -= item_cost (item);
  else if (!ended)
    tn_lwip_waiters_add (&self->receivers, g_object_ref (task));
  g_mutex_unlock (&self->lock);
  if (ended)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "socket is closed");
  else if (item != NULL)
    g_task_return_pointer (task, item, tn_lwip_datagram_item_free);
  g_object_unref (task);
}
