/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "../offload/frames.h"
#include "tn-checksum.h"

/* First byte: 0 to 3, packets to merge in these ways, each behind two bytes with its length; else the rest is a frame to split. */

static void
check_checksum (const TnPacket *packet)
{
  gsize ip_len = packet->data[0] >> 4 == 4 ? (packet->data[0] & 0xf) * 4u : TN_IP6_HEADER_LEN;

  if (packet->data[0] >> 4 == 4)
    g_assert_cmpuint (tn_checksum_finish (tn_checksum_add (0, packet->data, ip_len)), ==, 0);
}

static void
split (const uint8_t *data,
       size_t         size)
{
  g_autofree guint8 *frame = g_memdup2 (data, size);
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (2 * 1024 * 1024);
  gsize n_payload = 0;
  TnSegmenter segmenter;
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
          n_payload += batch->packets[i].len - segmenter.header_len;
          if (segmenter.proto != 0)
            check_checksum (&batch->packets[i]);
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
