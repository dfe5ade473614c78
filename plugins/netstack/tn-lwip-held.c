/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-conn-private.h"

#include "lwip-hooks.h"
#include "tn-lwip-netif-private.h"

/* A connection whose path is full is held: its segments wait, and so do its timers, as nothing was lost. A path that stays full, as the
 * one over a relay that is down, must not hold it for ever. */

#define CONNECT_PATIENCE_S 13      /* as with TCP_SYNMAXRTX */
#define DATA_PATIENCE_S    300     /* what TCP_MAXRTX comes to, where something is sent and not acknowledged */

static gint64 connect_patience_us = CONNECT_PATIENCE_S * G_USEC_PER_SEC;
static gint64 data_patience_us = DATA_PATIENCE_S * G_USEC_PER_SEC;

void
tn_lwip_conn_set_patience (gint64 connect_us,
                           gint64 data_us)
{
  connect_patience_us = connect_us;
  data_patience_us = data_us;
}

static gboolean
is_held (const struct tcp_pcb *pcb)
{
  struct netif *netif = netif_get_by_index (pcb->netif_idx);
  TnLwipNetif *self;
  TnIpAddress remote;

  if (netif == NULL)
    return FALSE;
  self = netif->state;
  if (tn_lwip_netif_is_full (self))
    return TRUE;
  if (g_atomic_int_get (&self->n_blocked) == 0)
    return FALSE;
  remote = tn_lwip_address_from_lwip (&pcb->remote_ip);
  return tn_lwip_netif_is_blocked (self, &remote);
}

int
tn_lwip_tcp_held (const struct tcp_pcb *pcb)
{
  TnLwipConn *conn = tcp_ext_arg_get (pcb, 0);
  gboolean held = is_held (pcb);

  if (conn == NULL)
    return held;
  if (!held || (pcb->unsent == NULL && pcb->unacked == NULL))
    conn->held_since_us = 0;
  else if (conn->held_since_us == 0)
    conn->held_since_us = tn_lwip_core_now_us ();
  return held;
}

int
tn_lwip_tcp_give_up (const struct tcp_pcb *pcb)
{
  TnLwipConn *conn = tcp_ext_arg_get (pcb, 0);
  gint64 patience_us = pcb->state == SYN_SENT ? connect_patience_us : data_patience_us;

  return conn != NULL && conn->held_since_us != 0 && tn_lwip_core_now_us () - conn->held_since_us >= patience_us;
}
