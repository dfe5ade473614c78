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

/* RFC 1122 §4.2.3.9: while a connection is being made such a message ends it; later it is advice, and not taken. */
void
tn_lwip_unreachable_input (TnLwipNetif  *self,
                           const guint8 *packet,
                           gsize         len)
{
  gsize head = packet[0] >> 4 == 4 ? (gsize) (packet[0] & 15) * 4 : 40;
  guint8 unreachable = packet[0] >> 4 == 4 ? ICMP_DUR : ICMP6_TYPE_DUR;
  TnLwipQuote quote;

  if (len < head || len - head < 8 || packet[head] != unreachable || !parse_quote (packet + head + 8, len - head - 8, &quote))
    return;
  for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next)
    if (pcb->state == SYN_SENT && pcb->netif_idx == netif_get_index (&self->netif) &&
        endpoint_matches (&quote.from, &pcb->local_ip, pcb->local_port) &&
        endpoint_matches (&quote.to, &pcb->remote_ip, pcb->remote_port))
      {
        tn_lwip_conn_unreachable (pcb->callback_arg);
        return;
      }
}
