/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-packet-batch.h"

TnPacketBatch *
tn_packet_batch_new (gsize slab_len)
{
  TnPacketBatch *batch = g_new0 (TnPacketBatch, 1);

  batch->slab = g_malloc (slab_len);
  batch->slab_len = slab_len;
  return batch;
}

void
tn_packet_batch_free (TnPacketBatch *batch)
{
  g_free (batch->slab);
  g_free (batch);
}

TnPacket *
tn_packet_batch_append (TnPacketBatch *batch,
                        gsize          len)
{
  gsize left = batch->slab_len - batch->slab_used;
  gsize need = (TN_PACKET_HEADROOM + TN_PACKET_TAILROOM + 15) & ~(gsize) 15;
  TnPacket *packet;

  if (batch->n_packets == TN_PACKET_BATCH_MAX || len > left || ((len + 15) & ~(gsize) 15) + need > left)
    return NULL;

  need += (len + 15) & ~(gsize) 15;
  packet = &batch->packets[batch->n_packets++];
  *packet = (TnPacket) {
    .data = batch->slab + batch->slab_used + TN_PACKET_HEADROOM,
    .len = (guint32) len,
    .headroom = TN_PACKET_HEADROOM,
    .tailroom = (guint32) (need - TN_PACKET_HEADROOM - len),
  };
  batch->slab_used += need;
  return packet;
}
