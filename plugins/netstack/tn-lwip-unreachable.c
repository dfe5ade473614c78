/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-netif-private.h"

#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/icmp.h"
#include "lwip/prot/icmp6.h"
#include "tn-lwip-conn.h"

/* What the message quotes of the packet that could not be delivered. */
typedef struct
{
  TnIpEndpoint from;
  TnIpEndpoint to;
} TnLwipQuote;

static gboolean
parse_quote (const guint8 *data,
             gsize         len,
             TnLwipQuote  *quote)
{
  gsize head = len == 0 ? 0 : data[0] >> 4 == 4 ? (gsize) (data[0] & 15) * 4 : 40;

  if (len == 0 || (data[0] >> 4 != 4 && data[0] >> 4 != 6) || head < 20 || len < head || len - head < 4)
    return FALSE;
  if (data[0] >> 4 == 4)
    {
      if (data[9] != IP_PROTO_TCP)
        return FALSE;
      quote->from.address = tn_ip_address_from_bytes (data + 12, 4);
      quote->to.address = tn_ip_address_from_bytes (data + 16, 4);
    }
  else
    {
      if (data[6] != IP_PROTO_TCP)
        return FALSE;
      quote->from.address = tn_ip_address_from_bytes (data + 8, 16);
      quote->to.address = tn_ip_address_from_bytes (data + 24, 16);
    }
  quote->from.port = (guint16) (data[head] << 8 | data[head + 1]);
  quote->to.port = (guint16) (data[head + 2] << 8 | data[head + 3]);
  return TRUE;
}

static gboolean
endpoint_matches (const TnIpEndpoint *endpoint,
                  const ip_addr_t    *address,
                  u16_t               port)
{
  TnIpAddress other = tn_lwip_address_from_lwip (address);

  return endpoint->port == port && tn_ip_address_equal (&endpoint->address, &other);
}

/* The connection from @from to @to that is being made. NULL: none. */
static TnLwipConn *
find_pending (TnLwipNetif        *self,
              const TnIpEndpoint *from,
              const TnIpEndpoint *to)
{
  for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
    if (pcb->state == SYN_SENT && pcb->netif_idx == netif_get_index (&self->netif) &&
        endpoint_matches (from, &pcb->local_ip, pcb->local_port) && endpoint_matches (to, &pcb->remote_ip, pcb->remote_port))
      return pcb->callback_arg;
  return NULL;
}

/* RFC 1122 §4.2.3.9: while a connection is being made such a message ends it; later it is advice, and not taken. */
void
tn_lwip_unreachable_input (TnLwipNetif  *self,
                           const guint8 *packet,
                           gsize         len)
{
  gsize head = packet[0] >> 4 == 4 ? (gsize) (packet[0] & 15) * 4 : 40;
  guint8 unreachable = packet[0] >> 4 == 4 ? ICMP_DUR : ICMP6_TYPE_DUR;
  TnLwipQuote quote;
  TnLwipConn *conn;

  if (len < head || len - head < 8 || packet[head] != unreachable || !parse_quote (packet + head + 8, len - head - 8, &quote))
    return;
  conn = find_pending (self, &quote.from, &quote.to);
  if (conn != NULL)
    tn_lwip_conn_unreachable (conn);
}

typedef struct
{
  TnLwipJob    job;
  TnLwipNetif *netif;      /* a reference */
  TnLwipQuote  quote;
  char        *reason;
} TnLwipReject;

static void
reject_free (TnLwipReject *reject)
{
  g_atomic_int_dec_and_test ((gint *) &reject->netif->n_rejects);
  tn_lwip_netif_unref (reject->netif);
  g_free (reject->reason);
  g_free (reject);
}

static void
reject_run (TnLwipJob *job)
{
  TnLwipReject *reject = (TnLwipReject *) job;
  TnLwipConn *conn = reject->netif->added ? find_pending (reject->netif, &reject->quote.from, &reject->quote.to) : NULL;

  if (conn != NULL)
    tn_lwip_conn_blocked (conn, reject->reason);
  reject_free (reject);
}

void
tn_lwip_netif_reject (TnLwipNetif        *self,
                      const TnIpEndpoint *local,
                      const TnIpEndpoint *remote,
                      const char         *reason)
{
  TnLwipReject *reject;

  if (g_atomic_int_get (&self->n_rejects) >= TN_LWIP_REJECTS)
    return;
  g_atomic_int_inc (&self->n_rejects);
  reject = g_new0 (TnLwipReject, 1);
  reject->job.run = reject_run;
  reject->netif = tn_lwip_netif_ref (self);
  reject->quote = (TnLwipQuote) { *local, *remote };
  reject->reason = g_strdup (reason);
  if (!tn_lwip_netif_post (self, &reject->job))
    reject_free (reject);
}
