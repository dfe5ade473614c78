/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-ticks.h"

#include "lwip-hooks.h"
#include "lwip/priv/tcp_priv.h"

/* RFC 9293 §3.8.6.3 asks for an acknowledgement every second segment. In bulk each one is a packet to seal, to relay and to open, so
 * that one in eight is sent while they come thick and fast, and the rest after a millisecond: as receive offload does it (Linux
 * answers to what was merged, too). Small segments are acknowledged as ever: somebody may wait for them. */

#define BULK_SEGMENTS 16
#define BULK_DELAY_US 1000

static guint32
waiting (const struct tcp_pcb *pcb)
{
  return pcb->rcv_nxt - pcb->ts_lastacksent;
}

static gboolean
is_bulk (const struct tcp_pcb *pcb)
{
  return (pcb->flags & TF_TIMESTAMP) != 0 && waiting (pcb) > pcb->mss + pcb->mss / 2u;
}

void
tn_lwip_tcp_ack (struct tcp_pcb *pcb)
{
  if ((pcb->flags & TF_ACK_DELAY) == 0)
    tcp_set_flags (pcb, TF_ACK_DELAY);
  else if (!is_bulk (pcb) || waiting (pcb) >= BULK_SEGMENTS * (guint32) pcb->mss)
    tcp_ack_now (pcb);
  else
    tn_lwip_ticks_ack_within (BULK_DELAY_US);
}

void
tn_lwip_ack_bulk (void)
{
  struct tcp_pcb *next;

  for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = next)
    {
      next = pcb->next;
      if ((pcb->flags & TF_ACK_DELAY) == 0 || !is_bulk (pcb))
        continue;
      tcp_ack_now (pcb);
      tcp_output (pcb);
    }
}
