/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-parse.h"

#include "tn-reader.h"

/* Behaviour of tailscale net/packet/packet.go: what it takes for malformed is unknown here too, and no more. */

enum
{
  ICMP_HEADER_LEN = 4,
  ICMP_ECHO_HEADER_LEN = 8,
  IGMP_HEADER_LEN = 8,
  TCP_HEADER_LEN = 20,
  UDP_HEADER_LEN = 8,
  SCTP_HEADER_LEN = 12,
  TSMP_MIN_LEN = 7,             /* the shortest reject */
  FRAGMENT_HEADER_LEN = 8,
  /* RFC 1858: a later fragment that starts before this (in blocks of eight bytes) could overlap the longest IPv4 header and a
   * TCP header, and so rewrite what was looked at in the first one. */
  MIN_FRAGMENT_BLOCKS = (60 + 20) / 8,
  WIRE_PROTO_FRAGMENT = 44,     /* IPv6 fragment header */
};

enum
{
  ICMP4_ECHO_REPLY = 0,
  ICMP4_UNREACHABLE = 3,
  ICMP4_ECHO_REQUEST = 8,
  ICMP4_TIME_EXCEEDED = 11,
  ICMP4_PARAMETER_PROBLEM = 18, /* sic: RFC 792 has 12, which therefore needs a rule, as everywhere in a tailnet */
  ICMP6_UNREACHABLE = 1,
  ICMP6_PARAMETER_PROBLEM = 4,
  ICMP6_ECHO_REQUEST = 128,
  ICMP6_ECHO_REPLY = 129,
};

static inline void
parse_ports (TnParsed     *out,
             const guint8 *transport)
{
  out->src_port = tn_get_u16be (transport);
  out->dst_port = tn_get_u16be (transport + 2);
}

/* A packet without, or with the first part of, its transport header. FALSE: the header is not whole. */
static gboolean
parse_transport (TnParsed *out)
{
  const guint8 *transport = out->data + out->transport;
  gsize left = out->len - out->transport;

  switch (out->proto)
    {
    case TN_PROTO_TCP:
      if (left < TCP_HEADER_LEN)
        return FALSE;
      parse_ports (out, transport);
      out->tcp_flags = transport[13];
      out->payload = (guint16) (out->transport + (transport[12] >> 4) * 4);
      return TRUE;

    case TN_PROTO_UDP:
      if (left < UDP_HEADER_LEN)
        return FALSE;
      parse_ports (out, transport);
      out->payload = (guint16) (out->transport + UDP_HEADER_LEN);
      return TRUE;

    case TN_PROTO_SCTP:
      if (left < SCTP_HEADER_LEN)
        return FALSE;
      parse_ports (out, transport);
      return TRUE;

    case TN_PROTO_TSMP:
      out->payload = out->transport;
      return left >= TSMP_MIN_LEN;

    case TN_PROTO_ICMP4:
    case TN_PROTO_ICMP6:
      /* Each of them is any other protocol in the other family. */
      if ((out->proto == TN_PROTO_ICMP4) != (out->version == 4))
        return TRUE;
      out->payload = (guint16) (out->transport + ICMP_HEADER_LEN);
      return left >= ICMP_HEADER_LEN;

    case TN_PROTO_IGMP:
      return out->version != 4 || left >= IGMP_HEADER_LEN;

    case TN_PROTO_FRAGMENT:
      return FALSE;     /* 255 on the wire is reserved; here it stands for something else */

    default:
      return TRUE;
    }
}

static guint8
later_fragment (guint blocks)
{
  return blocks < MIN_FRAGMENT_BLOCKS ? TN_PROTO_UNKNOWN : TN_PROTO_FRAGMENT;
}

static void
parse_ip4 (TnParsed *out)
{
  const guint8 *data = out->data;
  guint16 fragment;
  guint header_len;

  if (out->len < TN_IP4_HEADER_LEN)
    return;

  out->version = 4;
  out->length = tn_get_u16be (data + 2);
  if (out->len < out->length)
    return;

  out->src.version = out->dst.version = 4;
  memcpy (out->src.bytes, data + 12, 4);
  memcpy (out->dst.bytes, data + 16, 4);

  header_len = (data[0] & 0x0f) * 4u;
  out->short_header = header_len < TN_IP4_HEADER_LEN;
  if (header_len > out->length)
    return;

  out->transport = (guint16) header_len;
  fragment = tn_get_u16be (data + 6);
  if ((fragment & 0x1fff) != 0)
    {
      out->proto = later_fragment (fragment & 0x1fff);
      return;
    }

  out->proto = data[9];
  if (!parse_transport (out) || (out->proto == TN_PROTO_TSMP && (fragment & 0x2000) != 0))
    out->proto = TN_PROTO_UNKNOWN;
}

/* No extension header but a fragment header right behind the base header is walked: the others are protocols of their own, which
 * only a rule for that very number lets in. */
static void
parse_ip6 (TnParsed *out)
{
  const guint8 *data = out->data;
  guint8 next;

  if (out->len < TN_IP6_HEADER_LEN)
    return;

  out->version = 6;
  out->length = tn_get_u16be (data + 4) + (guint32) TN_IP6_HEADER_LEN;
  if (out->len < out->length)
    return;

  out->src.version = out->dst.version = 6;
  memcpy (out->src.bytes, data + 8, 16);
  memcpy (out->dst.bytes, data + 24, 16);

  out->transport = TN_IP6_HEADER_LEN;
  next = data[6];
  if (next == WIRE_PROTO_FRAGMENT)
    {
      guint blocks;

      if (out->len < TN_IP6_HEADER_LEN + FRAGMENT_HEADER_LEN)
        return;
      blocks = (guint) tn_get_u16be (data + TN_IP6_HEADER_LEN + 2) >> 3;
      next = data[TN_IP6_HEADER_LEN];
      out->transport += FRAGMENT_HEADER_LEN;
      if (blocks != 0)
        {
          out->proto = later_fragment (blocks);
          return;
        }
    }

  out->proto = next;
  if (!parse_transport (out))
    out->proto = TN_PROTO_UNKNOWN;
}

void
tn_parse (TnParsed     *out,
          const guint8 *data,
          gsize         len)
{
  *out = (TnParsed) { .data = data, .len = len };
  if (len == 0)
    return;

  if (data[0] >> 4 == 4)
    parse_ip4 (out);
  else if (data[0] >> 4 == 6)
    parse_ip6 (out);
}

gboolean
tn_parsed_get_payload (const TnParsed  *packet,
                       const guint8   **payload,
                       gsize           *len)
{
  switch (packet->proto)
    {
    case TN_PROTO_TCP:
    case TN_PROTO_UDP:
    case TN_PROTO_TSMP:
      break;
    case TN_PROTO_ICMP4:
    case TN_PROTO_ICMP6:
      if ((packet->proto == TN_PROTO_ICMP4) != (packet->version == 4))
        return FALSE;
      break;
    default:
      return FALSE;
    }
  if (packet->length > packet->len || packet->payload > packet->length)
    return FALSE;

  *payload = packet->data + packet->payload;
  *len = packet->length - packet->payload;
  return TRUE;
}

/* Type and code of an ICMP message that is long enough to be one; -1 if it is none. Both families: the numbers of the one are any
 * other protocol in the other, but the reference does not look. */
static int
icmp_type (const TnParsed *packet,
           guint8         *code)
{
  if (packet->proto != TN_PROTO_ICMP4 && packet->proto != TN_PROTO_ICMP6)
    return -1;
  if (packet->len < (gsize) packet->transport + ICMP_ECHO_HEADER_LEN)
    return -1;
  *code = packet->data[packet->transport + 1];
  return packet->data[packet->transport];
}

gboolean
tn_parsed_is_echo_request (const TnParsed *packet)
{
  guint8 code = 0;
  int type = icmp_type (packet, &code);

  return type == (packet->proto == TN_PROTO_ICMP4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST) && code == 0;
}

gboolean
tn_parsed_is_echo_reply (const TnParsed *packet)
{
  guint8 code = 0;
  int type = icmp_type (packet, &code);

  return type == (packet->proto == TN_PROTO_ICMP4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY) && code == 0;
}

gboolean
tn_parsed_is_icmp_error (const TnParsed *packet)
{
  guint8 code = 0;
  int type = icmp_type (packet, &code);

  if (packet->proto == TN_PROTO_ICMP4)
    return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER_PROBLEM;
  return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER_PROBLEM;
}
