/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-segmenter.h"

#include <string.h>

#include "tn-offload-private.h"
#include "tn-reader.h"

/* --- What a frame is --- */

/* Nothing but the checksum is left to do: the sum of the pseudo header is in its place. */
static gboolean
complete_checksum (guint8               *packet,
                   gsize                 len,
                   const TnVirtioHeader *header)
{
  gsize place = (gsize) header->checksum_start + header->checksum_offset;
  guint16 sum;

  if ((header->flags & TN_VIRTIO_NEEDS_CHECKSUM) == 0)
    return TRUE;
  if (place + 2 > len)
    return FALSE;
  sum = tn_checksum_finish (tn_checksum_add (0, packet + header->checksum_start, len - header->checksum_start));
  if (sum == 0 && header->checksum_offset == tn_offload_checksum_offset (TN_PROTO_UDP))
    sum = 0xffff;      /* 0 would say that there is none (RFC 768), and IPv6 drops such datagrams */
  tn_put_u16be (packet + place, sum);
  return TRUE;
}

static guint8
get_proto (guint8 gso_type,
           guint8 version)
{
  switch (gso_type)
    {
    case TN_VIRTIO_GSO_TCP4:
      return version == 4 ? TN_PROTO_TCP : 0;
    case TN_VIRTIO_GSO_TCP6:
      return version == 6 ? TN_PROTO_TCP : 0;
    case TN_VIRTIO_GSO_UDP:
      return version == 4 || version == 6 ? TN_PROTO_UDP : 0;
    default:
      return 0;
    }
}

static gsize
get_ip_total (const guint8 *packet,
              guint8        version)
{
  return version == 4 ? tn_get_u16be (packet + 2) : (gsize) tn_get_u16be (packet + 4) + TN_IP6_HEADER_LEN;
}

/* The kernel's length of the headers may be that of the whole packet (forwarded traffic), and is not looked at. */
static gboolean
measure_headers (TnSegmenter          *segmenter,
                 const TnVirtioHeader *header)
{
  const guint8 *packet = segmenter->packet;
  guint8 version = packet[0] >> 4;
  gsize ip_len = header->checksum_start;
  gsize l4_len;

  segmenter->proto = get_proto (header->gso_type, version);
  if (segmenter->proto == 0 || header->segment_size == 0)
    return FALSE;
  if (ip_len < (version == 4 ? TN_IP4_HEADER_LEN : TN_IP6_HEADER_LEN) || (version == 4 && ip_len != tn_offload_ip4_len (packet)))
    return FALSE;
  if (ip_len > segmenter->len || get_ip_total (packet, version) != segmenter->len)
    return FALSE;
  if (header->checksum_offset != tn_offload_checksum_offset (segmenter->proto))
    return FALSE;

  l4_len = tn_offload_l4_len (segmenter->proto, packet + ip_len, segmenter->len - ip_len);
  if (l4_len == 0)
    return FALSE;

  segmenter->ip_len = (guint16) ip_len;
  segmenter->header_len = (guint16) (ip_len + l4_len);
  segmenter->segment_size = header->segment_size;
  segmenter->checksum_offset = header->checksum_offset;
  return TRUE;
}

gboolean
tn_segmenter_init (TnSegmenter *segmenter,
                   guint8      *frame,
                   gsize        len)
{
  TnVirtioHeader header;

  memset (segmenter, 0, sizeof *segmenter);
  if (len <= TN_VIRTIO_HEADER_LEN || len - TN_VIRTIO_HEADER_LEN > G_MAXUINT16)
    return FALSE;

  memcpy (&header, frame, sizeof header);
  segmenter->packet = frame + TN_VIRTIO_HEADER_LEN;
  segmenter->len = len - TN_VIRTIO_HEADER_LEN;
  if (header.gso_type == TN_VIRTIO_GSO_NONE)
    return complete_checksum (frame + TN_VIRTIO_HEADER_LEN, segmenter->len, &header);
  if (!measure_headers (segmenter, &header))
    return FALSE;
  segmenter->at = segmenter->header_len;
  return TRUE;
}

/* --- Segments --- */

static void
write_ip (const TnSegmenter *segmenter,
          guint8            *out,
          gsize              len)
{
  if (out[0] >> 4 == 6)
    {
      tn_put_u16be (out + 4, (guint16) (len - TN_IP6_HEADER_LEN));
      return;
    }
  tn_put_u16be (out + 2, (guint16) len);
  tn_put_u16be (out + 4, (guint16) (tn_get_u16be (out + 4) + segmenter->n_done));
  tn_put_u16be (out + 10, 0);
  tn_put_u16be (out + 10, tn_checksum_finish (tn_checksum_add (0, out, segmenter->ip_len)));
}

static void
write_l4 (const TnSegmenter *segmenter,
          guint8            *out,
          gsize              len,
          gboolean           last)
{
  guint8 *l4 = out + segmenter->ip_len;
  gsize l4_len = len - segmenter->ip_len;
  guint32 sum;

  if (segmenter->proto == TN_PROTO_UDP)
    tn_put_u16be (l4 + 4, (guint16) l4_len);
  else
    {
      tn_put_u32be (l4 + 4, tn_get_u32be (l4 + 4) + segmenter->n_done * segmenter->segment_size);
      if (!last)
        l4[13] &= (guint8) ~(TN_TCP_FIN | TN_TCP_PSH);
    }

  tn_put_u16be (l4 + segmenter->checksum_offset, 0);
  sum = tn_offload_pseudo_sum (out, segmenter->proto, l4_len);
  sum = tn_checksum_finish (tn_checksum_add (sum, l4, l4_len));
  if (sum == 0 && segmenter->proto == TN_PROTO_UDP)
    sum = 0xffff;      /* 0 would say that there is none (RFC 768) */
  tn_put_u16be (l4 + segmenter->checksum_offset, (guint16) sum);
}

static gboolean
copy_whole (TnSegmenter   *segmenter,
            TnPacketBatch *batch)
{
  TnPacket *packet = tn_packet_batch_append (batch, segmenter->len);

  if (packet == NULL)
    return TRUE;
  memcpy (packet->data, segmenter->packet, segmenter->len);
  segmenter->at = segmenter->len;
  return FALSE;
}

gboolean
tn_segmenter_next (TnSegmenter   *segmenter,
                   TnPacketBatch *batch)
{
  if (segmenter->proto == 0)
    return segmenter->at < segmenter->len && copy_whole (segmenter, batch);

  /* One without payload is a packet, too. */
  while (segmenter->at < segmenter->len || segmenter->n_done == 0)
    {
      gsize payload_len = MIN (segmenter->segment_size, segmenter->len - segmenter->at);
      gsize len = segmenter->header_len + payload_len;
      TnPacket *packet = tn_packet_batch_append (batch, len);

      if (packet == NULL)
        return TRUE;
      memcpy (packet->data, segmenter->packet, segmenter->header_len);
      memcpy (packet->data + segmenter->header_len, segmenter->packet + segmenter->at, payload_len);
      segmenter->at += payload_len;
      write_ip (segmenter, packet->data, len);
      write_l4 (segmenter, packet->data, len, segmenter->at == segmenter->len);
      packet->checksum = TN_CHECKSUM_VERIFIED;
      segmenter->n_done++;
    }
  return FALSE;
}
