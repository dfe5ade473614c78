/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-ip-header.h"

#include "tn-checksum.h"
#include "tn-reader.h"

#define TIME_TO_LIVE 64

enum
{
  ICMP_HEADER_LEN = 4,
  ICMP_ECHO_ID_LEN = 4,      /* identifier and sequence number */
  ICMP4_ECHO_REPLY = 0,
  ICMP6_ECHO_REPLY = 129,
};

static void
write_ip4 (guint8            *out,
           const TnIpAddress *src,
           const TnIpAddress *dst,
           guint8             proto,
           guint16            id,
           guint16            length)
{
  memset (out, 0, TN_IP4_HEADER_LEN);
  out[0] = 0x45;
  tn_put_u16be (out + 2, length);
  tn_put_u16be (out + 4, id);
  out[8] = TIME_TO_LIVE;
  out[9] = proto;
  memcpy (out + 12, src->bytes, 4);
  memcpy (out + 16, dst->bytes, 4);
  tn_put_u16be (out + 10, tn_checksum_finish (tn_checksum_add (0, out, TN_IP4_HEADER_LEN)));
}

static void
write_ip6 (guint8            *out,
           const TnIpAddress *src,
           const TnIpAddress *dst,
           guint8             proto,
           guint32            flow_label,
           guint16            body_len)
{
  tn_put_u32be (out, 0x60000000 | (flow_label & 0xfffff));
  tn_put_u16be (out + 4, body_len);
  out[6] = proto;
  out[7] = TIME_TO_LIVE;
  memcpy (out + 8, src->bytes, 16);
  memcpy (out + 24, dst->bytes, 16);
}

gsize
tn_ip_header_write (guint8            *out,
                    gsize              out_len,
                    const TnIpAddress *src,
                    const TnIpAddress *dst,
                    guint8             proto,
                    guint32            id,
                    gsize              body_len)
{
  gsize header_len = src->version == 4 ? TN_IP4_HEADER_LEN : TN_IP6_HEADER_LEN;

  if (src->version == 0 || src->version != dst->version)
    return 0;
  if (body_len > G_MAXUINT16 - header_len || header_len + body_len > out_len)
    return 0;

  if (src->version == 4)
    write_ip4 (out, src, dst, proto, (guint16) id, (guint16) (header_len + body_len));
  else
    write_ip6 (out, src, dst, proto, id, (guint16) body_len);
  return header_len;
}

guint32
tn_ip_header_get_id (const TnParsed *packet)
{
  if (packet->version == 4)
    return tn_get_u16be (packet->data + 4);
  return packet->version == 6 ? tn_get_u32be (packet->data) & 0xfffff : 0;
}

static guint32
icmp6_pseudo_sum (const TnIpAddress *src,
                  const TnIpAddress *dst,
                  gsize              len)
{
  guint32 sum = tn_checksum_add (0, src->bytes, 16);

  return tn_checksum_add (sum, dst->bytes, 16) + (guint32) len + TN_PROTO_ICMP6;
}

gsize
tn_echo_reply_write (guint8         *out,
                     gsize           out_len,
                     const TnParsed *request)
{
  const guint8 *payload;
  guint8 *icmp;
  gsize payload_len, icmp_len, header_len;
  guint32 sum = 0;

  if (!tn_parsed_is_echo_request (request) || !tn_parsed_get_payload (request, &payload, &payload_len))
    return 0;
  if (payload_len < ICMP_ECHO_ID_LEN)      /* there, but behind what the header says is the end */
    return 0;

  icmp_len = ICMP_HEADER_LEN + payload_len;
  header_len = tn_ip_header_write (out, out_len, &request->dst, &request->src, request->proto,
                                   ~tn_ip_header_get_id (request), icmp_len);
  if (header_len == 0)
    return 0;

  icmp = out + header_len;
  icmp[0] = request->version == 4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY;
  icmp[1] = 0;
  tn_put_u16be (icmp + 2, 0);
  memcpy (icmp + ICMP_HEADER_LEN, payload, payload_len);
  if (request->version == 6)
    sum = icmp6_pseudo_sum (&request->dst, &request->src, icmp_len);
  tn_put_u16be (icmp + 2, tn_checksum_finish (tn_checksum_add (sum, icmp, icmp_len)));
  return header_len + icmp_len;
}
