/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-merger.h"
#include "tn-offload-private.h"

G_BEGIN_DECLS

/* A packet that might be merged. */
typedef struct
{
  guint8  *data;
  guint16  len;
  guint16  payload_len;
  guint8   ip_len;            /* 20, 40 */
  guint8   header_len;        /* 20 or 40, and 8 to 60 */
  guint8   proto;
  gboolean alone;             /* of a flow, whose packets do not pass it, but not to be merged */
  gboolean psh;
  gboolean verified;          /* its checksum is right */
  guint32  seq;               /* TCP */
} TnMergePacket;

/* FALSE: it goes alone. */
gboolean tn_merge_packet_init       (TnMergePacket *packet, const TnPacket *from, TnMergeFlags flags);

/* FALSE: wrong. Looks only once if it is right. */
gboolean tn_merge_packet_verify     (TnMergePacket *packet);

/* Sender, receiver and protocol. */
guint    tn_merge_packet_hash       (const TnMergePacket *packet);
gboolean tn_merge_packet_same_flow  (const TnMergePacket *a, const TnMergePacket *b);

/* Whatever a frame has only once for all its segments. */
gboolean tn_merge_packet_same_header (const TnMergePacket *a, const TnMergePacket *b);

/* Makes the headers of @packet those of a frame of @len bytes in segments of @segment_size, with a virtio header in front. */
void     tn_merge_packet_write      (TnMergePacket *packet, gsize len, guint16 segment_size, gboolean psh);

G_END_DECLS
