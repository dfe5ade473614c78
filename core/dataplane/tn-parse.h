/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"

G_BEGIN_DECLS

#define TN_IP4_HEADER_LEN 20
#define TN_IP6_HEADER_LEN 40

typedef enum
{
  TN_PROTO_UNKNOWN = 0,         /* malformed, or IPv6 hop-by-hop options: dropped */
  TN_PROTO_ICMP4 = 1,
  TN_PROTO_IGMP = 2,
  TN_PROTO_TCP = 6,
  TN_PROTO_UDP = 17,
  TN_PROTO_ICMP6 = 58,
  TN_PROTO_TSMP = 99,
  TN_PROTO_SCTP = 132,
  TN_PROTO_FRAGMENT = 255,      /* a later fragment, far enough behind any transport header */
} TnIpProto;

enum
{
  TN_TCP_FIN = 0x01,
  TN_TCP_SYN = 0x02,
  TN_TCP_RST = 0x04,
  TN_TCP_PSH = 0x08,
  TN_TCP_ACK = 0x10,
};

/* What filter and router need of a packet. It points into the packet and lives as long as its bytes stay unchanged. */
typedef struct
{
  const guint8 *data;
  gsize         len;            /* of the buffer */
  TnIpAddress   src;
  TnIpAddress   dst;
  guint32       length;         /* of the packet by its own header; at most len unless proto is unknown */
  guint16       transport;      /* offset of the transport header, unless proto is unknown or fragment */
  guint16       payload;        /* offset of what follows it, for TCP, UDP, ICMP, TSMP. May lie behind length */
  guint16       src_port;       /* TCP, UDP, SCTP; else 0 */
  guint16       dst_port;
  guint8        version;        /* 4, 6; 0: not even a base header */
  guint8        proto;          /* TnIpProto; 0: the addresses may be missing too (version 0) */
  guint8        tcp_flags;
  gboolean      short_header;   /* IPv4 header length below 20 bytes. It is parsed as any other: whoever trims packets refuses it */
} TnParsed;

/* Never fails: what is wrong with a packet shows in version and proto. Lengths are tested against @len and the header. */
void     tn_parse           (TnParsed *out, const guint8 *data, gsize len);

/* Payload of TCP, UDP, ICMP, TSMP. FALSE: another protocol, or the lengths in the packet do not allow one. */
gboolean tn_parsed_get_payload (const TnParsed *packet, const guint8 **payload, gsize *len) G_GNUC_WARN_UNUSED_RESULT;

gboolean tn_parsed_is_echo_request (const TnParsed *packet);
gboolean tn_parsed_is_echo_reply   (const TnParsed *packet);
gboolean tn_parsed_is_icmp_error   (const TnParsed *packet);

static inline gboolean
tn_parsed_is_tcp_syn (const TnParsed *packet)
{
  return packet->proto == TN_PROTO_TCP && (packet->tcp_flags & (TN_TCP_SYN | TN_TCP_ACK)) == TN_TCP_SYN;
}

G_END_DECLS
