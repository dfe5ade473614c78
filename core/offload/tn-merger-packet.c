/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-merger-private.h"

#include <string.h>

#include "tn-reader.h"

/* --- Which packets can be merged at all: Linux net/ipv4/af_inet.c, inet_gro_receive(); tcp_offload.c, tcp_gro_receive() --- */

/* No options or extension headers, no fragment, and exactly as long as it says. */
static gboolean
measure_ip (TnMergePacket *packet)
{
  const guint8 *data = packet->data;

  if (packet->len >= TN_IP4_HEADER_LEN && data[0] == 0x45)
    {
      packet->ip_len = TN_IP4_HEADER_LEN;
      packet->proto = data[9];
      return tn_get_u16be (data + 2) == packet->len && (tn_get_u16be (data + 6) & 0x3fff) == 0;
    }
  if (packet->len >= TN_IP6_HEADER_LEN && data[0] >> 4 == 6)
    {
      packet->ip_len = TN_IP6_HEADER_LEN;
      packet->proto = data[6];
      return tn_get_u16be (data + 4) + TN_IP6_HEADER_LEN == packet->len;
    }
  return FALSE;
}

static gboolean
is_wanted (guint8       proto,
           TnMergeFlags flags)
{
  return proto == TN_PROTO_TCP ? (flags & TN_MERGE_TCP) != 0 : proto == TN_PROTO_UDP && (flags & TN_MERGE_UDP) != 0;
}

gboolean
tn_merge_packet_init (TnMergePacket  *packet,
                      const TnPacket *from,
                      TnMergeFlags    flags)
{
  const guint8 *l4;
  gsize l4_len;

  if (from->len > G_MAXUINT16 || from->segment_size != 0 || from->checksum == TN_CHECKSUM_PARTIAL)
    return FALSE;
  *packet = (TnMergePacket) { .data = from->data, .len = (guint16) from->len, .verified = from->checksum == TN_CHECKSUM_VERIFIED };
  if (!measure_ip (packet) || !is_wanted (packet->proto, flags))
    return FALSE;

  l4 = packet->data + packet->ip_len;
  l4_len = tn_offload_l4_len (packet->proto, l4, packet->len - packet->ip_len);
  if (l4_len == 0)
    return FALSE;
  packet->header_len = (guint8) (packet->ip_len + l4_len);
  packet->payload_len = (guint16) (packet->len - packet->header_len);
  if (packet->proto == TN_PROTO_UDP)
    {
      packet->alone = packet->payload_len == 0 || tn_get_u16be (l4 + 4) != packet->len - packet->ip_len;
      return TRUE;
    }
  packet->seq = tn_get_u32be (l4 + 4);
  packet->psh = (l4[13] & TN_TCP_PSH) != 0;
  packet->alone = (l4[12] & 0xf) != 0 || (l4[13] & ~TN_TCP_PSH) != TN_TCP_ACK;
  return packet->payload_len > 0 || packet->alone;      /* a mere acknowledgement may be passed by data */
}

/* --- Checksums --- */

gboolean
tn_merge_packet_verify (TnMergePacket *packet)
{
  const guint8 *l4 = packet->data + packet->ip_len;
  gsize l4_len = packet->len - packet->ip_len;

  if (!packet->verified)
    packet->verified = tn_checksum_finish (tn_checksum_add (tn_offload_pseudo_sum (packet->data, packet->proto, l4_len), l4, l4_len)) == 0 &&
                       (packet->ip_len != TN_IP4_HEADER_LEN || tn_checksum_finish (tn_checksum_add (0, packet->data, packet->ip_len)) == 0);
  return packet->verified;
}

/* --- Comparisons --- */

guint
tn_merge_packet_hash (const TnMergePacket *packet)
{
  const guint8 *end = packet->data + packet->ip_len;
  guint32 hash = tn_get_u32be (end - 4) ^ tn_get_u32be (packet->data + packet->ip_len / 2 + 2) ^ tn_get_u32be (end);

  return hash * 0x9e3779b1u >> 24;
}

gboolean
tn_merge_packet_same_flow (const TnMergePacket *a,
                           const TnMergePacket *b)
{
  gsize begin = a->ip_len == TN_IP4_HEADER_LEN ? 12 : 8;      /* of the addresses, which the ports follow */

  return a->ip_len == b->ip_len && a->proto == b->proto && memcmp (a->data + begin, b->data + begin, a->ip_len + 4 - begin) == 0;
}

/* Type of service with ECN, time to live, "do not fragment", flow label; the identification of IPv4 is not compared. */
static gboolean
same_ip_header (const guint8 *a,
                const guint8 *b,
                guint8        ip_len)
{
  if (ip_len == TN_IP4_HEADER_LEN)
    return a[1] == b[1] && a[8] == b[8] && a[6] == b[6];
  return memcmp (a, b, 4) == 0 && a[7] == b[7];
}

/* Acknowledgement, window, urgent pointer and options. */
static gboolean
same_tcp_header (const guint8 *a,
                 const guint8 *b,
                 gsize         len)
{
  return memcmp (a + 8, b + 8, 4) == 0 && memcmp (a + 14, b + 14, 2) == 0 && memcmp (a + 18, b + 18, len - 18) == 0;
}

gboolean
tn_merge_packet_same_header (const TnMergePacket *a,
                             const TnMergePacket *b)
{
  return a->header_len == b->header_len && same_ip_header (a->data, b->data, a->ip_len) &&
         (a->proto == TN_PROTO_UDP || same_tcp_header (a->data + a->ip_len, b->data + b->ip_len, a->header_len - a->ip_len));
}

/* --- Frames --- */

static void
write_virtio (const TnMergePacket *packet,
              guint16              segment_size)
{
  TnVirtioHeader header = {
    .flags = TN_VIRTIO_NEEDS_CHECKSUM,
    .gso_type = packet->proto == TN_PROTO_UDP ? TN_VIRTIO_GSO_UDP : packet->ip_len == TN_IP4_HEADER_LEN ? TN_VIRTIO_GSO_TCP4 : TN_VIRTIO_GSO_TCP6,
    .header_len = packet->header_len,
    .segment_size = segment_size,
    .checksum_start = packet->ip_len,
    .checksum_offset = tn_offload_checksum_offset (packet->proto),
  };

  memcpy (packet->data - TN_VIRTIO_HEADER_LEN, &header, sizeof header);
}

void
tn_merge_packet_write (TnMergePacket *packet,
                       gsize          len,
                       guint16        segment_size,
                       gboolean       psh)
{
  guint8 *l4 = packet->data + packet->ip_len;

  if (packet->ip_len == TN_IP4_HEADER_LEN)
    {
      tn_put_u16be (packet->data + 2, (guint16) len);
      tn_put_u16be (packet->data + 10, 0);
      tn_put_u16be (packet->data + 10, tn_checksum_finish (tn_checksum_add (0, packet->data, TN_IP4_HEADER_LEN)));
    }
  else
    tn_put_u16be (packet->data + 4, (guint16) (len - TN_IP6_HEADER_LEN));

  if (packet->proto == TN_PROTO_UDP)
    tn_put_u16be (l4 + 4, (guint16) (len - packet->ip_len));
  else if (psh)
    l4[13] |= TN_TCP_PSH;
  tn_put_u16be (l4 + tn_offload_checksum_offset (packet->proto),
                tn_checksum_fold (tn_offload_pseudo_sum (packet->data, packet->proto, len - packet->ip_len)));
  write_virtio (packet, segment_size);
}
