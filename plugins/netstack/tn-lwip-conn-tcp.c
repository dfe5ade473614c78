/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-conn-private.h"

#include "lwip/priv/tcp_priv.h"
#include "tn-lwip-core.h"

/* A connection's life in lwIP. Everything here runs in a turn, but for tn_lwip_conn_post() and tn_lwip_conn_accepted(). */

/* A peer that vanished is noticed after a quarter of an hour; a phone's radio is woken no more often than that by an idle connection. */
#define KEEP_IDLE_MS     (10 * 60 * 1000)
#define KEEP_INTERVAL_MS (60 * 1000)
#define KEEP_COUNT       5

static void
pcb_destroyed_cb (u8_t  id,
                  void *data)
{
  TnLwipConn *self = data;

  self->pcb = NULL;
  self->pcb_gone = TRUE;
  if (!self->flush_queued)
    {
      self->flush_queued = TRUE;
      tn_lwip_conn_ref (self);
      tn_lwip_core_defer (&self->flush);
    }
}

static const struct tcp_ext_arg_callbacks ext_callbacks = { pcb_destroyed_cb, NULL };

/* Readers and writers are woken once for all that happens in one turn. */
void
tn_lwip_conn_wake_later (TnLwipConn  *self,
                         GIOCondition condition)
{
  self->wake |= condition;
  if (self->flush_queued)
    return;
  self->flush_queued = TRUE;
  tn_lwip_conn_ref (self);
  tn_lwip_core_defer (&self->flush);
}

static void
unwatch (TnLwipConn *self)
{
  GDestroyNotify destroy = g_steal_pointer (&self->died_destroy);

  self->died = NULL;
  if (destroy != NULL)
    destroy (g_steal_pointer (&self->died_data));
}

static void
flush_run (TnLwipJob *job)
{
  TnLwipConn *self = (TnLwipConn *) ((char *) job - G_STRUCT_OFFSET (TnLwipConn, flush));
  gboolean gone = self->pcb_gone;

  self->flush_queued = FALSE;
  self->pcb_gone = FALSE;
  g_mutex_lock (&self->lock);
  if (self->wake != 0)
    {
      tn_lwip_conn_wake_sources (self, self->wake);
      if (self->n_waiting > 0)
        g_cond_broadcast (&self->changed);
      self->wake = 0;
    }
  if (gone && !self->tx.reserved)
    tn_lwip_bytes_clear (&self->tx);
  g_mutex_unlock (&self->lock);
  if (gone)
    {
      unwatch (self);
      tn_lwip_netif_remove_user (self->netif, &self->user);
      tn_lwip_conn_unref (self);
    }
  tn_lwip_conn_unref (self);
}

static void
fail (TnLwipConn *self,
      int         code,
      const char *text)
{
  g_mutex_lock (&self->lock);
  if (!self->failed)
    {
      self->failed = TRUE;
      self->error_code = code;
      self->error_text = text;
    }
  g_mutex_unlock (&self->lock);
  tn_lwip_conn_wake_later (self, G_IO_IN | G_IO_OUT);
}

static void
end_with (TnLwipConn *self,
          int         code,
          const char *text)
{
  if (self->connect_task != NULL)
    tn_lwip_conn_fail_connect (self, code, text);
  fail (self, code, text);
}

/* lwIP has freed the pcb, or is about to. */
static void
error_cb (void *arg,
          err_t err)
{
  TnLwipConn *self = arg;

  if (self->abort_text != NULL)
    end_with (self, self->abort_code, self->abort_text);
  else if (err == ERR_RST && self->connect_task != NULL)
    end_with (self, G_IO_ERROR_CONNECTION_REFUSED, "connection refused");
  else if (err == ERR_RST)
    end_with (self, G_IO_ERROR_CONNECTION_CLOSED, "reset by peer");
  else if (err == ERR_CLSD)
    tn_lwip_conn_wake_later (self, G_IO_IN | G_IO_OUT);     /* both directions have ended in order */
  else
    end_with (self, G_IO_ERROR_TIMED_OUT, "no answer for too long");
  if (self->died != NULL)
    self->died (self, self->died_data);
  unwatch (self);
}

void
tn_lwip_conn_abort (TnLwipConn *self,
                    int         code,
                    const char *text)
{
  self->abort_code = code;
  self->abort_text = text;
  if (self->pcb != NULL)
    tcp_abort (self->pcb);
  else
    {
      tn_lwip_netif_remove_user (self->netif, &self->user);
      end_with (self, code, text);
    }
}

static void
stopped_cb (TnLwipNetifUser *user)
{
  TnLwipConn *self = (TnLwipConn *) ((char *) user - G_STRUCT_OFFSET (TnLwipConn, user));

  tn_lwip_conn_abort (self, G_IO_ERROR_CLOSED, "the network stack was stopped");
}

/* Until the other side has acknowledged our end, too. */
static gboolean
lingers_cb (TnLwipNetifUser *user)
{
  TnLwipConn *self = (TnLwipConn *) ((char *) user - G_STRUCT_OFFSET (TnLwipConn, user));
  gboolean ended;

  g_mutex_lock (&self->lock);
  ended = self->closed || self->tx_shut;
  g_mutex_unlock (&self->lock);
  return ended && self->pcb != NULL && self->pcb->state != FIN_WAIT_2 && self->pcb->state != TIME_WAIT && self->pcb->state != CLOSED;
}

void
tn_lwip_conn_unreachable (TnLwipConn *self)
{
  tn_lwip_conn_abort (self, G_IO_ERROR_HOST_UNREACHABLE, "host unreachable");
}

void
tn_lwip_conn_reset (TnLwipConn *self)
{
  tn_lwip_conn_abort (self, G_IO_ERROR_CLOSED, "closed");
}

/* --- The end --- */

guint8 tn_lwip_conn_orphan_ticks = 120;      /* a minute, as Linux has for what nobody owns any more (tcp_orphan_retries) */

/* Who closed has nobody left to wait for a peer that answers, and takes nothing: RFC 9293 §3.8.6.1 allows the end of it. */
static err_t
orphan_cb (void           *arg,
           struct tcp_pcb *pcb)
{
  TnLwipConn *self = arg;

  if (pcb->persist_backoff == 0 || pcb->lastack != self->orphan_acked)
    {
      self->orphan_acked = pcb->lastack;
      return ERR_OK;
    }
  tn_lwip_conn_abort (self, G_IO_ERROR_TIMED_OUT, "the other side takes nothing");
  return ERR_ABRT;
}

static void
watch_orphan (TnLwipConn *self)
{
  if (self->orphaned)
    return;
  self->orphaned = TRUE;
  self->orphan_acked = self->pcb->lastack;
  tcp_poll (self->pcb, orphan_cb, tn_lwip_conn_orphan_ticks);
}

void
tn_lwip_conn_end (TnLwipConn *self)
{
  gboolean tx_done, rx_left, closed, tx_shut;

  g_mutex_lock (&self->lock);
  tx_done = self->given == self->tx.len;
  rx_left = self->rx.len > 0;
  closed = self->closed;
  tx_shut = self->tx_shut;
  g_mutex_unlock (&self->lock);

  if (self->pcb == NULL || !(closed || tx_shut))
    return;
  if (closed)
    watch_orphan (self);
  if (closed && rx_left && !self->rx_ended)     /* RFC 1122 §4.2.2.13: the peer learns that nobody read it */
    tn_lwip_conn_abort (self, G_IO_ERROR_CLOSED, "closed");
  else if (tx_done && closed && !(self->pcb->flags & TF_RXCLOSED))
    {
      self->pcb->rcv_wnd = TCP_WND_MAX (self->pcb);     /* less of it would mean unread bytes to lwIP, and a reset to the peer */
      tcp_close (self->pcb);
    }
  else if (tx_done && !closed && !self->end_given)
    self->end_given = tcp_shutdown (self->pcb, FALSE, TRUE) == ERR_OK;
}

/* --- In --- */

static err_t
receive_cb (void           *arg,
            struct tcp_pcb *pcb,
            struct pbuf    *p,
            err_t           err)
{
  TnLwipConn *self = arg;
  gboolean discard;

  g_mutex_lock (&self->lock);
  discard = self->rx_shut || self->closed;
  if (p == NULL)
    self->rx_ended = TRUE;
  for (struct pbuf *q = discard ? NULL : p; q != NULL; q = q->next)
    tn_lwip_bytes_append (&self->rx, q->payload, q->len);
  g_mutex_unlock (&self->lock);

  tn_lwip_conn_wake_later (self, G_IO_IN);
  if (p != NULL)
    {
      if (discard)
        tcp_recved (pcb, p->tot_len);
      pbuf_free (p);
    }
  return ERR_OK;
}

/* --- Turns --- */

static void
conn_run (TnLwipJob *job)
{
  TnLwipConn *self = (TnLwipConn *) ((char *) job - G_STRUCT_OFFSET (TnLwipConn, job));
  gboolean cancelled, backlog_left;
  gsize consumed;

  g_mutex_lock (&self->lock);
  self->posted = FALSE;
  consumed = self->consumed;
  self->consumed = 0;
  cancelled = self->cancelled;
  backlog_left = self->backlog_left;
  self->backlog_left = FALSE;
  g_mutex_unlock (&self->lock);

  if (cancelled && self->connect_task != NULL)
    tn_lwip_conn_abort (self, G_IO_ERROR_CANCELLED, "cancelled");
  if (backlog_left)
    unwatch (self);
  if (backlog_left && self->pcb != NULL)
    tcp_backlog_accepted (self->pcb);
  while (consumed > 0 && self->pcb != NULL)
    {
      gsize n = MIN (consumed, G_MAXUINT16);

      tcp_recved (self->pcb, (u16_t) n);
      consumed -= n;
    }
  tn_lwip_conn_push (self);
  tn_lwip_conn_end (self);
  if (self->pcb != NULL)
    tcp_output (self->pcb);
  tn_lwip_conn_unref (self);
}

void
tn_lwip_conn_post (TnLwipConn *self)
{
  if (self->posted)
    return;
  tn_lwip_conn_ref (self);
  self->posted = tn_lwip_netif_post (self->netif, &self->job);
  if (!self->posted)
    tn_lwip_conn_unref (self);
}

void
tn_lwip_conn_init_tcp (TnLwipConn *self)
{
  self->job.run = conn_run;
  self->flush.run = flush_run;
  self->user.stopped = stopped_cb;
  self->user.lingers = lingers_cb;
  tn_lwip_pace_init (&self->pace);
}

void
tn_lwip_conn_adopt (TnLwipConn     *self,
                    struct tcp_pcb *pcb)
{
  self->pcb = pcb;
  self->sack = (TnLwipSack) { .acked = pcb->lastack };
  tn_lwip_conn_ref (self);
  tcp_arg (pcb, self);
  tcp_ext_arg_set (pcb, 0, self);
  tcp_ext_arg_set_callbacks (pcb, 0, &ext_callbacks);
  tcp_recv (pcb, receive_cb);
  tcp_sent (pcb, tn_lwip_conn_sent_cb);
  tcp_err (pcb, error_cb);
  tcp_nagle_disable (pcb);     /* writes are gathered on their way here already */
  ip_set_option (pcb, SOF_KEEPALIVE);
  pcb->keep_idle = KEEP_IDLE_MS;
  pcb->keep_intvl = KEEP_INTERVAL_MS;
  pcb->keep_cnt = KEEP_COUNT;
}

void
tn_lwip_conn_take_endpoints (TnLwipConn *self)
{
  self->local = (TnIpEndpoint) { tn_lwip_address_from_lwip (&self->pcb->local_ip), self->pcb->local_port };
  self->remote = (TnIpEndpoint) { tn_lwip_address_from_lwip (&self->pcb->remote_ip), self->pcb->remote_port };
}

TnLwipConn *
tn_lwip_conn_new_accepted (TnLwipNetif    *netif,
                           struct tcp_pcb *pcb)
{
  TnLwipConn *self = tn_lwip_conn_new (netif);

  tn_lwip_conn_adopt (self, pcb);
  tn_lwip_conn_take_endpoints (self);
  tn_lwip_netif_add_user (netif, &self->user);
  return self;
}

void
tn_lwip_conn_watch (TnLwipConn    *self,
                    TnLwipConnDied died,
                    gpointer       data,
                    GDestroyNotify destroy)
{
  self->died = died;
  self->died_data = data;
  self->died_destroy = destroy;
}

void
tn_lwip_conn_accepted (TnLwipConn *self)
{
  g_mutex_lock (&self->lock);
  self->backlog_left = TRUE;
  if (!self->failed)
    tn_lwip_conn_post (self);
  g_mutex_unlock (&self->lock);
}
