/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-udp-train.h"

static void
append (TnUdpTrain     *train,
        const TnPacket *packet)
{
  train->pieces[train->n_packets++] = (struct iovec) { packet->data, packet->len };
}

void
tn_udp_train_gather (TnUdpTrain          *train,
                     const TnPacketBatch *batch,
                     guint                first,
                     guint                max_packets,
                     gsize                max_len)
{
  const TnPacket *packet = &batch->packets[first];
  guint end = first + MIN (MIN (max_packets, TN_UDP_SEGMENTS_MAX), batch->n_packets - first);
  gsize size = packet->len, len = size;

  train->n_packets = 0;
  append (train, packet);
  for (guint i = first + 1; i < end && size > 0; i++)
    {
      packet = &batch->packets[i];
      if (packet->len > size || packet->len == 0 || len + packet->len > max_len)
        break;
      append (train, packet);
      len += packet->len;
      if (packet->len < size)
        break;
    }
  train->segment_size = train->n_packets > 1 ? (guint16) size : 0;
}
