/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-checksum.h"
#include "tn-parse.h"

G_BEGIN_DECLS

#define TN_OFFLOAD_TCP_LEN 20
#define TN_OFFLOAD_UDP_LEN 8

static inline guint16
tn_offload_checksum_offset (guint8 proto)
{
  return proto == TN_PROTO_TCP ? 16 : 6;
}

static inline gsize
tn_offload_ip4_len (const guint8 *packet)
{
  return (packet[0] & 0xf) * 4u;
}

/* Length of the TCP or UDP header at @l4, of which @len bytes are there; 0: it is none. */
static inline gsize
tn_offload_l4_len (guint8        proto,
                   const guint8 *l4,
                   gsize         len)
{
  gsize l4_len;

  if (proto == TN_PROTO_UDP)
    return len >= TN_OFFLOAD_UDP_LEN ? TN_OFFLOAD_UDP_LEN : 0;
  if (len < TN_OFFLOAD_TCP_LEN)
    return 0;
  l4_len = (l4[12] >> 4) * 4u;
  return l4_len >= TN_OFFLOAD_TCP_LEN && l4_len <= len ? l4_len : 0;
}

/* Of the pseudo header of a packet with @l4_len bytes behind its IP header. */
static inline guint32
tn_offload_pseudo_sum (const guint8 *packet,
                       guint8        proto,
                       gsize         l4_len)
{
  return packet[0] >> 4 == 4 ? tn_checksum_add_pseudo (0, packet + 12, 4, proto, (guint32) l4_len)
                             : tn_checksum_add_pseudo (0, packet + 8, 16, proto, (guint32) l4_len);
}

G_END_DECLS
