/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-backlog.h"

#include "lwip/priv/tcp_priv.h"

/* A peer that opens connections and never completes them must not keep others out. So one address may have a quarter of the backlog
 * half-open, and more only while half of the backlog is free: a burst of an honest peer is not slowed down then. Where there is no place
 * any more, the half-open connection that has been silent for longest gives way, but none that had less than a second, which an honest peer
 * on a long path may need; for lack of such a one the new one is not answered, and asks again. */

static gboolean
is_half_open (const struct tcp_pcb        *pcb,
              const struct tcp_pcb_listen *listening)
{
  return pcb->state == SYN_RCVD && pcb->listener == listening;
}

static guint
count_of_source (const struct tcp_pcb_listen *listening,
                 const ip_addr_t             *source)
{
  guint n = 0;

  for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
    n += is_half_open (pcb, listening) && ip_addr_cmp (&pcb->remote_ip, source);
  return n;
}

/* Its SYN-ACK was sent again, most often of all: the first time is after a second (LWIP_TCP_RTO_TIME). */
static struct tcp_pcb *
find_silent (const struct tcp_pcb_listen *listening,
             const ip_addr_t             *source)
{
  struct tcp_pcb *found = NULL;

  for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
    if (is_half_open (pcb, listening) && (source == NULL || ip_addr_cmp (&pcb->remote_ip, source)) &&
        pcb->nrtx > (found != NULL ? found->nrtx : 0))
      found = pcb;
  return found;
}

/* lwIP has counted @pcb already. */
static err_t
passive_open_cb (u8_t                   id,
                 struct tcp_pcb_listen *listening,
                 struct tcp_pcb        *pcb)
{
  guint backlog = listening->backlog - 1u;
  guint taken = listening->accepts_pending - 1u;
  guint of_source = count_of_source (listening, &pcb->remote_ip) - 1;
  gboolean has_share = of_source > 0 && of_source >= backlog / 4 && taken * 2 >= backlog;
  struct tcp_pcb *silent;

  if (!has_share && taken < backlog)
    return ERR_OK;
  silent = find_silent (listening, has_share ? &pcb->remote_ip : NULL);
  if (silent == NULL)
    return ERR_MEM;
  tcp_abandon (silent, 0);
  return ERR_OK;
}

static const struct tcp_ext_arg_callbacks ext_callbacks = { NULL, passive_open_cb };

struct tcp_pcb *
tn_lwip_backlog_listen (struct tcp_pcb *bound,
                        guint           backlog,
                        err_t          *err)
{
  g_assert (backlog >= 1 && backlog <= TN_LWIP_BACKLOG_MAX);

  tcp_ext_arg_set_callbacks (bound, 0, &ext_callbacks);     /* the listening one inherits it */
  return tcp_listen_with_backlog_and_err (bound, (u8_t) (backlog + 1), err);
}
