/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-ping.h"

#include "tn-cancel-source.h"

#include <sodium.h>

#include "lwip/icmp.h"
#include "lwip/icmp6.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/prot/icmp.h"
#include "lwip/prot/icmp6.h"
#include "lwip/raw.h"

#define ECHO_LIMIT_S    8     /* as with other pings: a lost handshake is sent again after 5 s */
#define ECHO_HEADER_LEN 8     /* type, code, checksum, id, sequence number: RFC 792, RFC 4443 §4.1 */

typedef struct
{
  TnLwipJob     job;
  TnLwipPinger *pinger;     /* a reference */
  GTask        *task;
  GSource      *cancelled;  /* nullable */
  GSource      *limit;
  TnIpAddress   to;
  guint         size;
  guint16       sequence;
  gint64        sent_us;
} TnLwipEcho;

struct _TnLwipPinger
{
  gatomicrefcount ref_count;
  TnLwipNetif    *netif;         /* a reference */

  GMutex          lock;          /* guards what follows, up to the empty line */
  GQueue          waiting;       /* TnLwipEcho, sent */

  /* Of whoever has the turn (tn-lwip-core.h). */
  struct raw_pcb *pcb4;
  struct raw_pcb *pcb6;
  TnLwipNetifUser user;
  guint16         id;
  guint16         sequence;
};

static void
pinger_unref (TnLwipPinger *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_mutex_clear (&self->lock);
  tn_lwip_netif_unref (self->netif);
  g_free (self);
}

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
echo_free (TnLwipEcho *echo)
{
  clear_source (&echo->cancelled);
  clear_source (&echo->limit);
  g_object_unref (echo->task);
  pinger_unref (echo->pinger);
  g_free (echo);
}

static void
return_error (TnLwipEcho *echo,
              int         code,
              const char *why)
{
  char text[TN_IP_ADDRESS_TEXT_MAX];

  tn_ip_address_print (&echo->to, text);
  if (!g_task_return_error_if_cancelled (echo->task))
    g_task_return_new_error (echo->task, G_IO_ERROR, code, "cannot ping %s: %s", text, why);
  echo_free (echo);
}

/* Unless it was answered meanwhile, or has not been sent yet. */
static void
give_up (GTask      *task,
         int         code,
         const char *why)
{
  TnLwipEcho *echo = g_task_get_task_data (task);
  TnLwipPinger *self = g_object_get_data (G_OBJECT (task), "tn-lwip-pinger");
  gboolean waiting;

  g_mutex_lock (&self->lock);
  waiting = g_queue_remove (&self->waiting, echo);
  g_mutex_unlock (&self->lock);
  if (waiting)
    return_error (echo, code, why);
}

static gboolean
cancelled_cb (GCancellable *cancellable,
              gpointer      user_data)
{
  give_up (user_data, G_IO_ERROR_CANCELLED, "cancelled");
  return G_SOURCE_REMOVE;
}

static gboolean
late_cb (gpointer user_data)
{
  give_up (user_data, G_IO_ERROR_TIMED_OUT, "no answer");
  return G_SOURCE_CONTINUE;
}

/* --- In a turn --- */

static TnLwipEcho *
take_echo (TnLwipPinger      *self,
           const TnIpAddress *from,
           guint16            sequence)
{
  TnLwipEcho *found = NULL;

  g_mutex_lock (&self->lock);
  for (GList *link = self->waiting.head; link != NULL && found == NULL; link = link->next)
    {
      TnLwipEcho *echo = link->data;

      if (echo->sequence != sequence || !tn_ip_address_equal (&echo->to, from))
        continue;
      found = echo;
      g_queue_delete_link (&self->waiting, link);
      break;
    }
  g_mutex_unlock (&self->lock);
  return found;
}

static u8_t
receive_cb (void            *arg,
            struct raw_pcb  *pcb,
            struct pbuf     *p,
            const ip_addr_t *from)
{
  TnLwipPinger *self = arg;
  guint8 reply = pcb == self->pcb4 ? ICMP_ER : ICMP6_TYPE_EREP;
  TnIpAddress address = tn_lwip_address_from_lwip (from);
  u16_t offset = pcb == self->pcb4 ? IP_HLEN : IP6_HLEN;
  guint8 header[ECHO_HEADER_LEN];
  TnLwipEcho *echo;
  gint64 *rtt_us;

  if (pcb == self->pcb4 && p->len >= IP_HLEN)
    offset = IPH_HL_BYTES ((struct ip_hdr *) p->payload);
  if (pbuf_copy_partial (p, header, sizeof header, offset) != sizeof header || header[0] != reply)
    return 0;
  if ((header[4] << 8 | header[5]) != self->id)
    return 0;
  echo = take_echo (self, &address, (guint16) (header[6] << 8 | header[7]));
  if (echo == NULL || (gsize) p->tot_len - offset != sizeof header + echo->size)
    return 0;
  rtt_us = g_new (gint64, 1);
  *rtt_us = MAX (g_get_monotonic_time () - echo->sent_us, 1);
  g_task_return_pointer (echo->task, rtt_us, g_free);
  echo_free (echo);
  pbuf_free (p);
  return 1;
}

static gboolean
open_pcbs (TnLwipPinger *self)
{
  struct netif *netif = tn_lwip_netif_get (self->netif);

  if (netif == NULL)
    return FALSE;
  if (self->pcb4 != NULL)
    return TRUE;
  if (!tn_lwip_netif_add_user (self->netif, &self->user))
    return FALSE;
  self->pcb4 = raw_new_ip_type (IPADDR_TYPE_V4, IP_PROTO_ICMP);
  self->pcb6 = raw_new_ip_type (IPADDR_TYPE_V6, IP6_NEXTH_ICMP6);
  raw_bind_netif (self->pcb4, netif);
  raw_bind_netif (self->pcb6, netif);
  raw_recv (self->pcb4, receive_cb, self);
  raw_recv (self->pcb6, receive_cb, self);
  self->pcb6->chksum_reqd = 1;
  self->pcb6->chksum_offset = 2;
  self->id = (guint16) randombytes_random ();
  g_atomic_ref_count_inc (&self->ref_count);
  return TRUE;
}

static err_t
send_echo (TnLwipPinger *self,
           TnLwipEcho   *echo)
{
  gboolean is_ip4 = echo->to.version == 4;
  ip_addr_t to = tn_lwip_address_to_lwip (&echo->to);
  struct pbuf *p = pbuf_alloc (PBUF_IP, (u16_t) (ECHO_HEADER_LEN + echo->size), PBUF_RAM);
  guint8 *data;
  err_t err;

  if (p == NULL)
    return ERR_MEM;
  data = p->payload;
  data[0] = is_ip4 ? ICMP_ECHO : ICMP6_TYPE_EREQ;
  data[1] = data[2] = data[3] = 0;
  data[4] = (guint8) (self->id >> 8);
  data[5] = (guint8) self->id;
  data[6] = (guint8) (echo->sequence >> 8);
  data[7] = (guint8) echo->sequence;
  for (guint i = 0; i < echo->size; i++)
    data[ECHO_HEADER_LEN + i] = (guint8) i;
  if (is_ip4)
    {
      u16_t sum = inet_chksum (data, p->len);

      memcpy (data + 2, &sum, 2);
    }
  err = raw_sendto (is_ip4 ? self->pcb4 : self->pcb6, p, &to);
  pbuf_free (p);
  return err;
}

static void
echo_run (TnLwipJob *job)
{
  TnLwipEcho *echo = (TnLwipEcho *) job;
  TnLwipPinger *self = echo->pinger;
  guint16 sequence;
  TnIpAddress to = echo->to;
  err_t err;

  if (!open_pcbs (self))
    {
      return_error (echo, G_IO_ERROR_CLOSED, "the network stack was stopped");
      return;
    }
  sequence = echo->sequence = ++self->sequence;
  echo->sent_us = g_get_monotonic_time ();
  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->waiting, echo);
  g_mutex_unlock (&self->lock);

  /* From here on it may be cancelled in its own thread: it is ours again only once it is taken out of the queue. */
  err = g_cancellable_is_cancelled (g_task_get_cancellable (echo->task)) ? ERR_ABRT : send_echo (self, echo);
  if (err == ERR_OK || (echo = take_echo (self, &to, sequence)) == NULL)
    return;
  if (err == ERR_RTE || err == ERR_VAL)
    return_error (echo, G_IO_ERROR_HOST_UNREACHABLE, "there is no own address of its family");
  else
    return_error (echo, G_IO_ERROR_WOULD_BLOCK, "too many packets are waiting");
}

static void
fail_all (TnLwipPinger *self)
{
  for (;;)
    {
      TnLwipEcho *echo;

      g_mutex_lock (&self->lock);
      echo = g_queue_pop_head (&self->waiting);
      g_mutex_unlock (&self->lock);
      if (echo == NULL)
        return;
      return_error (echo, G_IO_ERROR_CLOSED, "the network stack was stopped");
    }
}

static void
stopped_cb (TnLwipNetifUser *user)
{
  TnLwipPinger *self = (TnLwipPinger *) ((char *) user - G_STRUCT_OFFSET (TnLwipPinger, user));

  g_clear_pointer (&self->pcb4, raw_remove);
  g_clear_pointer (&self->pcb6, raw_remove);
  fail_all (self);
  pinger_unref (self);
}

/* --- Any thread --- */

TnLwipPinger *
tn_lwip_pinger_new (TnLwipNetif *netif)
{
  TnLwipPinger *self = g_new0 (TnLwipPinger, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->netif = tn_lwip_netif_ref (netif);
  g_mutex_init (&self->lock);
  self->user.stopped = stopped_cb;
  return self;
}

TnLwipPinger *
tn_lwip_pinger_ref (TnLwipPinger *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
tn_lwip_pinger_unref (TnLwipPinger *self)
{
  pinger_unref (self);
}

void
tn_lwip_pinger_ping (TnLwipPinger      *self,
                     const TnIpAddress *to,
                     guint              size,
                     GTask             *task)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  TnLwipEcho *echo = g_new0 (TnLwipEcho, 1);

  echo->job.run = echo_run;
  echo->pinger = tn_lwip_pinger_ref (self);
  echo->task = task;
  echo->to = *to;
  echo->size = size;
  g_task_set_task_data (task, echo, NULL);
  g_object_set_data_full (G_OBJECT (task), "tn-lwip-pinger", tn_lwip_pinger_ref (self), (GDestroyNotify) pinger_unref);
  echo->limit = g_timeout_source_new_seconds (ECHO_LIMIT_S);
  g_task_attach_source (task, echo->limit, late_cb);
  if (cancellable != NULL)
    {
      echo->cancelled = tn_cancel_source_new (cancellable);
      g_task_attach_source (task, echo->cancelled, G_SOURCE_FUNC (cancelled_cb));
    }
  if (!tn_lwip_netif_post (self->netif, &echo->job))
    return_error (echo, G_IO_ERROR_CLOSED, "the network stack was stopped");
}
