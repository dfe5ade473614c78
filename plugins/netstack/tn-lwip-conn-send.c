/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-conn-private.h"

#include "lwip/priv/tcp_priv.h"
#include "lwip-hooks.h"

/* From what was written to lwIP, as far as the window reaches. Everything here runs in a turn. */

/* The window is ours (tn-lwip-pace.h). lwIP's, which knows nothing of what arrived beyond a gap, counts only after a timeout. */
static void
open_lwip_window (struct tcp_pcb *pcb)
{
  if ((pcb->flags & TF_RTO) == 0)
    pcb->cwnd = TCP_SND_BUF;
}

void
tn_lwip_conn_push (TnLwipConn *self)
{
  gboolean more = TRUE;

  while (more && self->pcb != NULL)
    {
      guint8 *data;
      gsize n;

      g_mutex_lock (&self->lock);
      data = tn_lwip_bytes_at (&self->tx, &self->cursor, &n);
      more = self->tx.len - self->given > n;
      g_mutex_unlock (&self->lock);
      n = MIN (n, MIN (tcp_sndbuf (self->pcb), G_MAXUINT16));
      if (data == NULL || n == 0 || (n = MIN (n, tn_lwip_pace_room (&self->pace))) == 0)
        break;
      if (tcp_write (self->pcb, data, (u16_t) n, more ? TCP_WRITE_FLAG_MORE : 0) != ERR_OK)
        break;     /* its queue is full: goes on when something has been acknowledged */
      tn_lwip_pace_sent (&self->pace, n, g_get_monotonic_time ());
      self->given += n;
      self->cursor.offset += n;
      more = TRUE;
    }
}

err_t
tn_lwip_conn_sent_cb (void           *arg,
                      struct tcp_pcb *pcb,
                      u16_t           len)
{
  TnLwipConn *self = arg;
  gboolean wake;

  if ((pcb->flags & (TF_RTO | TF_INFR)) == 0)
    self->recovering = FALSE;
  else if (!self->recovering)
    {
      self->recovering = TRUE;     /* by a timeout, or without selective acknowledgements */
      tn_lwip_pace_sacked (&self->pace, 0, self->pace.window);
    }
  open_lwip_window (pcb);
  tn_lwip_pace_acked (&self->pace, len, g_get_monotonic_time ());
  g_mutex_lock (&self->lock);
  tn_lwip_bytes_skip (&self->tx, len);
  self->given -= len;
  if (self->given == 0)
    self->cursor.chunk = NULL;
  wake = self->tx.len <= TCP_SND_BUF * 3 / 4;
  self->tx_full &= !wake;
  g_mutex_unlock (&self->lock);
  if (wake)
    tn_lwip_conn_wake_later (self, G_IO_OUT);
  tn_lwip_conn_push (self);
  tn_lwip_conn_end (self);
  return self->pcb == NULL ? ERR_ABRT : ERR_OK;
}

/* Called within lwIP's input of the packet, which sends what is to be sent when it is through. */
void
tn_lwip_tcp_sack (struct tcp_pcb              *pcb,
                  const struct tcp_sack_range *ranges,
                  u8_t                         n_ranges)
{
  TnLwipConn *self = tcp_ext_arg_get (pcb, 0);
  gsize lost;

  if (self == NULL)
    return;
  lost = tn_lwip_sack_received (&self->sack, pcb, ranges, n_ranges);
  if (self->sack.bytes == 0 && self->pace.sacked == 0)
    return;
  tn_lwip_pace_sacked (&self->pace, self->sack.bytes, lost);
  open_lwip_window (pcb);
  tn_lwip_conn_push (self);
}
