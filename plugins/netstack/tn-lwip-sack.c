/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-sack.h"

#include "lwip/priv/tcp_priv.h"

/* Loss recovery of a sender by selective acknowledgements: RFC 2018 §5, RFC 6675 §3 IsLost(). lwIP itself only sends them. As many
 * bytes are sent again as were just delivered, so that a recovery never adds to what is under way (RFC 6937, PRR-CRB). */

#define DUP_THRESHOLD 3

static guint32
seg_start (const struct tcp_seg *seg)
{
  return lwip_ntohl (seg->tcphdr->seqno);
}

static gboolean
is_covered (const struct tcp_pcb        *pcb,
            const struct tcp_seg        *seg,
            const struct tcp_sack_range *ranges,
            guint                        n_ranges)
{
  guint32 start = seg_start (seg);
  guint32 end = start + TCP_TCPLEN (seg);

  for (guint i = 0; i < n_ranges; i++)
    if (TCP_SEQ_LEQ (ranges[i].left, start) && TCP_SEQ_LEQ (end, ranges[i].right) && TCP_SEQ_LEQ (ranges[i].right, pcb->snd_nxt))
      return TRUE;
  return FALSE;
}

static void
mark (struct tcp_pcb              *pcb,
      const struct tcp_sack_range *ranges,
      guint                        n_ranges,
      TnLwipSack                  *sack)
{
  sack->bytes = 0;
  for (struct tcp_seg *seg = pcb->unacked; seg != NULL; seg = seg->next)
    {
      if ((seg->flags & TF_SEG_SACKED) == 0 && is_covered (pcb, seg, ranges, n_ranges))
        seg->flags |= TF_SEG_SACKED;
      if ((seg->flags & TF_SEG_SACKED) == 0)
        continue;
      sack->bytes += TCP_TCPLEN (seg);
      sack->end = seg_start (seg) + TCP_TCPLEN (seg);
    }
}

/* @above: bytes behind it that have arrived. What was sent again is lost again if enough of what left later arrived. */
static gboolean
is_lost (const struct tcp_pcb *pcb,
         const struct tcp_seg *seg,
         const TnLwipSack     *sack,
         guint32               above)
{
  guint32 enough = (DUP_THRESHOLD - 1) * (guint32) pcb->mss;

  if ((seg->flags & TF_SEG_REXMITTED) != 0)
    return TCP_SEQ_GT (sack->end, seg->rexmit_nxt + enough);
  return above > enough;
}

static void
put_back (struct tcp_pcb *pcb,
          struct tcp_seg *seg)
{
  struct tcp_seg **place = &pcb->unsent;

  while (*place != NULL && TCP_SEQ_LT (seg_start (*place), seg_start (seg)))
    place = &(*place)->next;
  seg->next = *place;
  *place = seg;
  if (seg->next == NULL)
    pcb->unsent_tail = seg;
}

/* Lost segments go back to those to be sent, with which lwIP goes on when it has dealt with this packet. */
static gsize
send_lost (struct tcp_pcb *pcb,
           TnLwipSack     *sack,
           gsize           budget)
{
  struct tcp_seg **link = &pcb->unacked;
  guint32 above = sack->bytes;
  gsize n = 0;

  while (*link != NULL && above > 0 && n < budget)
    {
      struct tcp_seg *seg = *link;

      if ((seg->flags & TF_SEG_SACKED) != 0)
        above -= TCP_TCPLEN (seg);
      else if (is_lost (pcb, seg, sack, above))
        {
          if (link == &pcb->unacked)
            pcb->rtime = 0;
          *link = seg->next;                          /* never the last: something behind it has arrived */
          seg->flags |= TF_SEG_REXMITTED;
          seg->rexmit_nxt = pcb->snd_nxt;
          n += TCP_TCPLEN (seg);
          put_back (pcb, seg);
          continue;
        }
      link = &seg->next;
    }
  if (n > 0)
    pcb->rttest = 0;                                  /* Karn: which of the two would be measured? */
  return n;
}

gsize
tn_lwip_sack_received (TnLwipSack                  *sack,
                       struct tcp_pcb              *pcb,
                       const struct tcp_sack_range *ranges,
                       guint                        n_ranges)
{
  guint32 before = sack->acked + sack->bytes;
  gint32 delivered;

  if (n_ranges == 0 && sack->bytes == 0)
    {
      sack->acked = pcb->lastack;
      return 0;
    }

  mark (pcb, ranges, n_ranges, sack);
  sack->acked = pcb->lastack;
  delivered = (gint32) (sack->acked + sack->bytes - before);      /* negative: after a timeout nothing counts as arrived */
  return send_lost (pcb, sack, (gsize) MAX (delivered, (gint32) pcb->mss));
}
