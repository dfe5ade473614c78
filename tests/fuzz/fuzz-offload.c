/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "../offload/frames.h"
#include "tn-checksum.h"
#include "tn-offload-private.h"

/* First byte: 0 to 3, packets to merge in these ways, each behind two bytes with its length; else the rest is a frame to split. */

static void
check_ip (const TnPacket *packet)
{
  gboolean is4 = packet->data[0] >> 4 == 4;

  if (is4)
    g_assert_cmpuint (tn_checksum_finish (tn_checksum_add (0, packet->data, tn_offload_ip4_len (packet->data))), ==, 0);
  g_assert_cmpuint (is4 ? tn_get_u16be (packet->data + 2) : tn_get_u16be (packet->data + 4) + TN_IP6_HEADER_LEN, ==, packet->len);
}

/* @packet is what is at @at of the frame. */
static void
check_segment (const TnSegmenter *segmenter,
               const TnPacket    *packet,
               gsize              at,
               gboolean           last)
{
  const guint8 *l4 = packet->data + segmenter->ip_len, *whole = segmenter->packet + segmenter->ip_len;
  gsize l4_len = packet->len - segmenter->ip_len;
  guint32 sum = tn_offload_pseudo_sum (packet->data, segmenter->proto, l4_len);

  check_ip (packet);
  g_assert_cmpuint (tn_checksum_finish (tn_checksum_add (sum, l4, l4_len)), ==, 0);
  g_assert_cmpint (memcmp (packet->data + segmenter->header_len, segmenter->packet + at, packet->len - segmenter->header_len), ==, 0);
  if (segmenter->proto == TN_PROTO_UDP)
    {
      g_assert_cmpuint (tn_get_u16be (l4 + 4), ==, l4_len);
      g_assert_cmpuint (tn_get_u16be (l4 + 6), !=, 0);
      return;
    }
  g_assert_cmpuint (tn_get_u32be (l4 + 4), ==, (guint32) (tn_get_u32be (whole + 4) + at - segmenter->header_len));
  g_assert_cmpuint (l4[13], ==, last ? whole[13] : whole[13] & ~(TN_TCP_FIN | TN_TCP_PSH));
}

static void
split (const uint8_t *data,
       size_t         size)
{
  g_autofree guint8 *frame = g_memdup2 (data, size);
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (2 * 1024 * 1024);
  TnSegmenter segmenter;
  gsize n_payload = 0, at;
  gboolean more;

  if (!tn_segmenter_init (&segmenter, frame, size))
    return;
  do
    {
      tn_packet_batch_reset (batch);
      more = tn_segmenter_next (&segmenter, batch);
      g_assert_cmpuint (batch->n_packets, >, 0);
      for (guint i = 0; i < batch->n_packets; i++)
        {
          at = segmenter.header_len + n_payload;
          n_payload += batch->packets[i].len - segmenter.header_len;
          if (segmenter.proto != 0)
            check_segment (&segmenter, &batch->packets[i], at, at + batch->packets[i].len - segmenter.header_len == segmenter.len);
        }
    }
  while (more);
  g_assert_cmpuint (n_payload, ==, segmenter.len - segmenter.header_len);
}

static void
merge (const uint8_t *data,
       size_t         size,
       TnMergeFlags   flags)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (2 * 1024 * 1024);
  g_autoptr (GPtrArray) sent = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (TnMerger) merger = tn_merger_new ();
  g_autoptr (GPtrArray) got = NULL;
  guint n;

  while (size > 2 && batch->n_packets < TN_PACKET_BATCH_MAX)
    {
      gsize len = MIN (tn_get_u16be (data), size - 2);

      if (len == 0)
        break;
      add_packet (batch, data + 2, len);
      g_ptr_array_add (sent, packet_to_bytes (&batch->packets[batch->n_packets - 1]));
      data += 2 + len;
      size -= 2 + len;
    }
  n = tn_merger_run (merger, batch, flags);
  got = split_frames (tn_merger_get_frames (merger), n);
  g_assert_nonnull (got);
  g_assert_cmpstr (compare_packets (sent, got), ==, NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  if (size > 0 && data[0] <= (TN_MERGE_TCP | TN_MERGE_UDP))
    merge (data + 1, size - 1, data[0]);
  else if (size > 0)
    split (data + 1, size - 1);
  return 0;
}
