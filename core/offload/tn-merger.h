/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/uio.h>

#include "tn-packet-batch.h"
#include "tn-virtio.h"

G_BEGIN_DECLS

/* Merges the packets of a batch that follow each other in a TCP stream, or that one UDP socket sent, into frames for a TUN interface with
 * IFF_VNET_HDR: the reverse of TnSegmenter. Nothing is copied: a frame is a list of pieces for writev(). */
typedef struct _TnMerger TnMerger;

typedef enum
{
  TN_MERGE_NONE = 0,
  TN_MERGE_TCP = 1 << 0,
  TN_MERGE_UDP = 1 << 1,      /* since Linux 6.2 */
} TnMergeFlags;

typedef struct
{
  const struct iovec *pieces;
  guint               n_pieces;
  guint               n_packets;
} TnMergedFrame;

TnMerger            *tn_merger_new        (void);
void                 tn_merger_free       (TnMerger *merger);

/* Makes frames of the packets in @batch, none of which is a super-packet, and all of which have TN_VIRTIO_HEADER_LEN bytes of headroom.
 * Their headers are changed. The frames are good until the next call, as long as the batch stays as it is. Packets of a flow keep
 * their order, or come into that of their sequence numbers; a packet with a wrong checksum stays alone. Returns how many. */
guint                tn_merger_run        (TnMerger *merger, TnPacketBatch *batch, TnMergeFlags flags);
const TnMergedFrame *tn_merger_get_frames (const TnMerger *merger);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnMerger, tn_merger_free)

G_END_DECLS
