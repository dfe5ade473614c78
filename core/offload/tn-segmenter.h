/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-packet-batch.h"
#include "tn-virtio.h"

G_BEGIN_DECLS

/* Splits what the kernel hands over as one frame, up to 64 KiB of a TCP stream or of datagrams of one size, into packets as they are on
 * the wire, with all checksums. */
typedef struct
{
  const guint8 *packet;             /* the frame's, without virtio header */
  gsize         len;
  gsize         at;                 /* next byte of payload */
  guint32       n_done;
  guint16       ip_len;
  guint16       header_len;         /* IP and TCP or UDP */
  guint16       segment_size;
  guint16       checksum_offset;
  guint8        proto;              /* 0: one packet, as it is */
} TnSegmenter;

/* @frame begins with a virtio header, and stays as long as the segmenter is used. FALSE: malformed, drop it. Where the kernel left a
 * checksum of a single packet to us, it is put into @frame. */
gboolean tn_segmenter_init (TnSegmenter *segmenter, guint8 *frame, gsize len);

/* Adds the next segments to @batch, as many as it has room for: an empty one has it for 65535 bytes. TRUE: there are more. */
gboolean tn_segmenter_next (TnSegmenter *segmenter, TnPacketBatch *batch);

G_END_DECLS
