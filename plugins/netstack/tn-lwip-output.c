/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-netif-private.h"

#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip-hooks.h"

#define HEADERS_MAX_LEN    48     /* IPv6 and UDP */
#define FRAGMENTED_BATCHES 3      /* a datagram of 64 KiB in fragments of 1280 bytes, with what is around each in a batch, and one more */

/* --- On the data thread --- */

static TnPacketBatch *
take_batch (TnLwipNetif *self)
{
  TnPacketBatch *batch;

  g_mutex_lock (&self->lock);
  batch = self->stopped ? NULL : g_queue_pop_head (&self->out);
  if (batch == NULL)
    self->out_signalled = FALSE;
  g_mutex_unlock (&self->lock);
  return batch;
}

static void
give_back (TnLwipNetif   *self,
           TnPacketBatch *batch)
{
  gboolean resume;

  tn_packet_batch_reset (batch);
  g_mutex_lock (&self->lock);
  g_queue_push_head (&self->spare, batch);
  resume = self->out_refused && self->out.length <= TN_LWIP_OUT_BATCHES / 2;
  if (resume)
    self->out_refused = FALSE;
  g_mutex_unlock (&self->lock);
  if (resume)
    tn_lwip_output_resume (self);
}

typedef struct
{
  GSource      source;
  TnLwipNetif *netif;
} TnLwipOutSource;

static void
begin_dispatch (TnLwipNetif *self)
{
  gboolean turn;

  g_mutex_lock (&self->lock);
  turn = self->turn_signalled;
  self->turn_signalled = FALSE;
  g_mutex_unlock (&self->lock);
  if (turn)
    tn_lwip_core_help ();
}

/* Bounded: other sources of the data thread have their turn after as many batches as wait now. */
static gboolean
out_dispatch (GSource     *source,
              GSourceFunc  callback,
              gpointer     user_data)
{
  TnLwipNetif *self = ((TnLwipOutSource *) source)->netif;
  TnPacketBatch *batch = NULL;

  begin_dispatch (self);
  for (guint i = 0; i < TN_LWIP_OUT_BATCHES && (batch = take_batch (self)) != NULL; i++)
    {
      self->callbacks.receive (self->user_data, self->overlay, batch);
      give_back (self, batch);
      if (g_source_is_destroyed (source))
        return G_SOURCE_REMOVE;
    }
  return G_SOURCE_CONTINUE;
}

static gboolean
out_is_ready (GSource *source)
{
  TnLwipNetif *self = ((TnLwipOutSource *) source)->netif;
  gboolean ready;

  g_mutex_lock (&self->lock);
  ready = self->out_signalled || self->turn_signalled;
  g_mutex_unlock (&self->lock);
  return ready;
}

static gboolean
out_prepare (GSource *source,
             int     *timeout)
{
  *timeout = -1;
  return out_is_ready (source);
}

static void
out_finalize (GSource *source)
{
  tn_lwip_netif_unref (((TnLwipOutSource *) source)->netif);
}

static GSourceFuncs out_source_funcs = {
  .prepare = out_prepare,
  .check = out_is_ready,
  .dispatch = out_dispatch,
  .finalize = out_finalize,
};

/* The thread itself looks before it sleeps: no system call for it. */
static void
wake_locked (TnLwipNetif *self)
{
  GMainContext *context = g_source_get_context (self->source);

  if (!g_main_context_is_owner (context))
    g_main_context_wakeup (context);
}

static void
resume_run (TnLwipJob *job)
{
  TnLwipNetif *self = (TnLwipNetif *) ((char *) job - G_STRUCT_OFFSET (TnLwipNetif, resume));
  struct tcp_pcb *next;

  g_mutex_lock (&self->lock);
  self->resume_posted = FALSE;
  g_mutex_unlock (&self->lock);

  for (struct tcp_pcb *pcb = self->added ? tcp_active_pcbs : NULL; pcb != NULL; pcb = next)
    {
      next = pcb->next;
      if (pcb->netif_idx != netif_get_index (&self->netif) || tn_lwip_tcp_held (pcb))
        continue;
      if (pcb->unsent == NULL)
        tcp_ack_now (pcb);     /* an acknowledgement may have been held back, too */
      tcp_output (pcb);
    }
  for (GList *link = self->users.head; link != NULL; link = link->next)
    {
      TnLwipNetifUser *user = link->data;

      if (user->resumed != NULL)
        user->resumed (user);
    }
  tn_lwip_netif_unref (self);
}

gboolean
tn_lwip_output_is_own_thread (TnLwipNetif *self)
{
  gboolean own;

  g_mutex_lock (&self->lock);
  own = self->source != NULL && g_main_context_is_owner (g_source_get_context (self->source));
  g_mutex_unlock (&self->lock);
  return own;
}

/* Where the packets go that come of it: that thread has its turn without waking another. */
void
tn_lwip_output_post_locked (TnLwipNetif *self,
                            TnLwipJob   *job)
{
  if (!tn_lwip_core_leave (job) || self->turn_signalled)
    return;
  self->turn_signalled = TRUE;
  wake_locked (self);
}

void
tn_lwip_output_resume (TnLwipNetif *self)
{
  gboolean post;

  g_mutex_lock (&self->lock);
  post = !self->resume_posted && !self->stopped;
  if (post)
    {
      self->resume_posted = TRUE;
      tn_lwip_netif_ref (self);
      tn_lwip_output_post_locked (self, &self->resume);
    }
  g_mutex_unlock (&self->lock);
}

void
tn_lwip_output_init (TnLwipNetif  *self,
                     GMainContext *context)
{
  g_queue_init (&self->out);
  g_queue_init (&self->spare);
  self->resume.run = resume_run;
  self->source = g_source_new (&out_source_funcs, sizeof (TnLwipOutSource));
  ((TnLwipOutSource *) self->source)->netif = tn_lwip_netif_ref (self);
  g_source_set_static_name (self->source, "[tailnet] netstack output");
  g_source_set_can_recurse (self->source, TRUE);
  g_source_attach (self->source, context);
}

void
tn_lwip_output_stop (TnLwipNetif *self)
{
  GSource *source;

  g_mutex_lock (&self->lock);
  self->stopped = TRUE;
  source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->lock);
  g_source_destroy (source);
  g_source_unref (source);
  tn_lwip_core_call_thread ();
}

/* --- In a turn --- */

static gboolean
push_open (TnLwipNetif *self)
{
  TnPacketBatch *batch = g_steal_pointer (&self->open);
  gboolean stopped;

  g_mutex_lock (&self->lock);
  stopped = self->stopped;
  if (!stopped)
    {
      g_queue_push_tail (&self->out, batch);
      if (!self->out_signalled)
        {
          self->out_signalled = TRUE;
          wake_locked (self);
        }
    }
  g_mutex_unlock (&self->lock);
  if (stopped)
    tn_packet_batch_free (batch);
  return !stopped;
}

static void
flush_run (TnLwipJob *job)
{
  TnLwipNetif *self = (TnLwipNetif *) ((char *) job - G_STRUCT_OFFSET (TnLwipNetif, flush));

  self->flush_queued = FALSE;
  if (self->open != NULL)
    push_open (self);
  tn_lwip_netif_unref (self);
}

static void
flush_later (TnLwipNetif *self)
{
  if (self->flush_queued)
    return;
  self->flush_queued = TRUE;
  tn_lwip_netif_ref (self);
  tn_lwip_core_defer (&self->flush);
}

static gboolean
open_batch (TnLwipNetif *self)
{
  g_mutex_lock (&self->lock);
  if (self->out.length >= TN_LWIP_OUT_BATCHES)
    self->out_refused = TRUE;
  else if ((self->open = g_queue_pop_head (&self->spare)) == NULL)
    self->open = tn_packet_batch_new (MAX (TN_LWIP_OUT_SLAB, self->mtu + 256));
  g_mutex_unlock (&self->lock);
  return self->open != NULL;
}

gboolean
tn_lwip_netif_is_full (TnLwipNetif *self)
{
  gboolean full;

  g_mutex_lock (&self->lock);
  full = self->open == NULL && self->out.length >= TN_LWIP_OUT_BATCHES;
  if (full)
    self->out_refused = TRUE;
  g_mutex_unlock (&self->lock);
  return full;
}

/* Fragments are not held back one by one as segments are: all of a datagram has to fit, at worst behind a batch that is open. */
gboolean
tn_lwip_netif_has_room (TnLwipNetif *self,
                        gsize        len)
{
  guint wanted = (self->open != NULL) + (len + HEADERS_MAX_LEN <= self->mtu ? 1 : FRAGMENTED_BATCHES);
  gboolean room;

  g_mutex_lock (&self->lock);
  room = self->out.length + wanted <= TN_LWIP_OUT_BATCHES;
  if (!room)
    self->out_refused = TRUE;
  g_mutex_unlock (&self->lock);
  return room;
}

static err_t
output (struct netif *netif,
        struct pbuf  *p)
{
  TnLwipNetif *self = netif->state;
  TnPacket *packet = NULL;

  if (self->open != NULL && (packet = tn_packet_batch_append (self->open, p->tot_len)) == NULL && !push_open (self))
    return ERR_IF;
  if (packet == NULL)
    {
      if (!open_batch (self))
        return ERR_WOULDBLOCK;
      packet = tn_packet_batch_append (self->open, p->tot_len);
    }
  if (packet == NULL)
    return ERR_BUF;
  packet->checksum = TN_CHECKSUM_COMPLETE;
  pbuf_copy_partial (p, packet->data, p->tot_len, 0);
  flush_later (self);
  return ERR_OK;
}

static err_t
output_ip4 (struct netif     *netif,
            struct pbuf      *p,
            const ip4_addr_t *to)
{
  return output (netif, p);
}

static err_t
output_ip6 (struct netif     *netif,
            struct pbuf      *p,
            const ip6_addr_t *to)
{
  return output (netif, p);
}

void
tn_lwip_output_attach (TnLwipNetif *self)
{
  self->flush.run = flush_run;
  self->netif.output = output_ip4;
  self->netif.output_ip6 = output_ip6;
}

void
tn_lwip_output_clear (TnLwipNetif *self)
{
  g_clear_pointer (&self->open, tn_packet_batch_free);
  g_queue_clear_full (&self->out, (GDestroyNotify) tn_packet_batch_free);
  g_queue_clear_full (&self->spare, (GDestroyNotify) tn_packet_batch_free);
}
