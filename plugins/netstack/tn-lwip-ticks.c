/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-ticks.h"

#include "lwip/ip4_frag.h"
#include "lwip/ip6_frag.h"
#include "lwip/priv/tcp_priv.h"

#define TICK_US      ((gint64) TCP_TMR_INTERVAL * 1000)
#define SLOW_TICK_US ((gint64) TCP_SLOW_INTERVAL * 1000)

static struct
{
  gint64   slow_us;         /* when the clock of slow ticks last went on */
  gint64   tick_us;         /* of the next tick, -1: none runs */
  gint64   idle_us;         /* when to look again although nothing happens, -1: never */
  gint64   reass_us;        /* of the next look at what waits for its other fragments */
  gint64   reass_until_us;
  gint64   ack_us;          /* when delayed acknowledgements in bulk are sent, -1: there are none */
  gint64   now_us;
  gboolean looked;          /* the last tick found nothing to do, and nothing happened since */
} ticks;

void
tn_lwip_ticks_start (gint64 now_us)
{
  ticks.slow_us = now_us;
  ticks.tick_us = ticks.idle_us = ticks.ack_us = -1;
  ticks.reass_until_us = 0;
  ticks.looked = FALSE;
}

/* lwIP counts ticks. While none runs its clock stands still, so it is put right before anything looks at it. */
void
tn_lwip_ticks_catch_up (gint64 now_us)
{
  gint64 missed = (now_us - ticks.slow_us) / SLOW_TICK_US;

  if (ticks.tick_us < 0 && missed > 0)
    {
      tcp_ticks += (u32_t) missed;
      ticks.slow_us += missed * SLOW_TICK_US;
    }
  ticks.now_us = now_us;
  ticks.looked = FALSE;
}

static gboolean
pcb_is_busy (const struct tcp_pcb *pcb)
{
  if (pcb->unacked != NULL || pcb->unsent != NULL || pcb->ooseq != NULL || pcb->refused_data != NULL || pcb->persist_backoff > 0)
    return TRUE;
  if ((pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND)) != 0)
    return TRUE;
  return pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT && pcb->state != FIN_WAIT_2;
}

/* Slow ticks from now until lwIP wants to see @pcb; what tcp_slowtmr() compares. */
static gint64
pcb_deadline (const struct tcp_pcb *pcb)
{
  gint64 passed = (u32_t) (tcp_ticks - pcb->tmr);
  gint64 wait;

  if (pcb->state == TIME_WAIT)
    wait = 2 * TCP_MSL / TCP_SLOW_INTERVAL;
  else if (pcb->state == FIN_WAIT_2)
    wait = (pcb->flags & TF_RXCLOSED) != 0 ? TCP_FIN_WAIT_TIMEOUT / TCP_SLOW_INTERVAL : G_MAXINT32;
  else if (ip_get_option (pcb, SOF_KEEPALIVE))
    wait = (gint64) (pcb->keep_idle + pcb->keep_cnt_sent * pcb->keep_intvl) / TCP_SLOW_INTERVAL;
  else
    wait = G_MAXINT32;
  return MAX (wait + 1 - passed, 1);
}

static gint64
list_deadline (const struct tcp_pcb *list)
{
  gint64 deadline = G_MAXINT32;

  for (const struct tcp_pcb *pcb = list; pcb != NULL; pcb = pcb->next)
    deadline = MIN (deadline, pcb_deadline (pcb));
  return deadline;
}

static gboolean
any_busy (void)
{
  for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
    if (pcb_is_busy (pcb))
      return TRUE;
  return FALSE;
}

static void
slow_tick (gint64 now_us)
{
  ticks.slow_us += SLOW_TICK_US;
  if (now_us - ticks.slow_us > 2 * SLOW_TICK_US)     /* late: time out nobody for what this thread did not do */
    ticks.slow_us = now_us;
  tcp_slowtmr ();
}

void
tn_lwip_ticks_run (gint64 now_us)
{
  if (ticks.ack_us >= 0 && now_us >= ticks.ack_us)
    {
      ticks.ack_us = -1;
      tn_lwip_ack_bulk ();
    }
  if (ticks.reass_until_us != 0 && now_us >= ticks.reass_us)
    {
      ip_reass_tmr ();
      ip6_reass_tmr ();
      ticks.reass_us = now_us + IP_TMR_INTERVAL * 1000;
      if (now_us > ticks.reass_until_us)
        ticks.reass_until_us = 0;
    }

  if (ticks.tick_us >= 0 && now_us >= ticks.tick_us)
    {
      tcp_fasttmr ();
      if (now_us - ticks.slow_us >= SLOW_TICK_US)
        slow_tick (now_us);
      ticks.tick_us = now_us + TICK_US;
      ticks.looked = !any_busy ();
    }
  else if (ticks.idle_us >= 0 && now_us >= ticks.idle_us)
    {
      tcp_slowtmr ();
      ticks.idle_us = -1;
      ticks.looked = !any_busy ();
    }
}

static gint64
next_tick (gint64 now_us)
{
  gint64 slow_ticks;

  if (tcp_active_pcbs == NULL && tcp_tw_pcbs == NULL)
    return ticks.tick_us = ticks.idle_us = -1;

  if (!ticks.looked && (ticks.tick_us >= 0 || any_busy ()))
    {
      if (ticks.tick_us < 0)
        ticks.tick_us = now_us + TICK_US;
      return ticks.tick_us;
    }

  /* What changes a deadline makes its connection busy first, so that the lists are walked only when the ticks end. */
  if (ticks.tick_us < 0 && ticks.idle_us > now_us)
    return ticks.idle_us;
  ticks.tick_us = -1;
  slow_ticks = MIN (list_deadline (tcp_active_pcbs), list_deadline (tcp_tw_pcbs));
  return ticks.idle_us = slow_ticks == G_MAXINT32 ? -1 : now_us + slow_ticks * SLOW_TICK_US;
}

gint64
tn_lwip_ticks_next (gint64 now_us)
{
  gint64 next_us = next_tick (now_us);

  if (ticks.reass_until_us != 0)
    next_us = next_us < 0 ? ticks.reass_us : MIN (next_us, ticks.reass_us);
  if (ticks.ack_us >= 0)
    next_us = next_us < 0 ? ticks.ack_us : MIN (next_us, ticks.ack_us);
  return next_us;
}

void
tn_lwip_ticks_fragment_seen (gint64 now_us)
{
  if (ticks.reass_until_us == 0)
    ticks.reass_us = now_us + IP_TMR_INTERVAL * 1000;
  ticks.reass_until_us = now_us + (MAX (IP_REASS_MAXAGE, IPV6_REASS_MAXAGE) + 1) * G_GINT64_CONSTANT (1000000);
}

void
tn_lwip_ticks_ack_within (gint64 delay_us)
{
  if (ticks.ack_us < 0)
    ticks.ack_us = ticks.now_us + delay_us;
}
