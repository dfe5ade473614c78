/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define TN_PACKET_BATCH_MAX   128
#define TN_PACKET_HEADROOM    64     /* for what the layers below put in front: WireGuard 16, Geneve 8, DERP 37 */
#define TN_PACKET_TAILROOM    32     /* AEAD tag and padding */

typedef enum
{
  TN_CHECKSUM_COMPLETE,     /* as on the wire; may be wrong if it came from outside */
  TN_CHECKSUM_PARTIAL,      /* pseudo header only: whoever splits or sends it completes it */
  TN_CHECKSUM_VERIFIED,     /* known good: needs no second look */
} TnChecksum;

/* One packet, or one super-packet of several segments. */
typedef struct
{
  guint8  *data;
  guint32  len;
  guint32  tailroom;        /* bytes behind data + len that may be written */
  guint16  headroom;        /* bytes before data that may be written */
  guint16  segment_size;    /* 0: one packet; else bytes of payload a segment, of which the last may have fewer */
  guint8   checksum;        /* TnChecksum */
} TnPacket;

/* What crosses from layer to layer and over the edge of a plugin: descriptors over one slab of bytes.
 *
 * The batch belongs to whoever made it, before, during and after a call. The callee may change the bytes of the packets (seal in
 * place, use headroom and tailroom) but may not hold a pointer to them past the call: what it wants to keep, it copies. */
typedef struct
{
  TnPacket packets[TN_PACKET_BATCH_MAX];
  guint    n_packets;
  guint8  *slab;
  gsize    slab_len;
  gsize    slab_used;
} TnPacketBatch;

TnPacketBatch *tn_packet_batch_new    (gsize slab_len);
void           tn_packet_batch_free   (TnPacketBatch *batch);

static inline void
tn_packet_batch_reset (TnPacketBatch *batch)
{
  batch->n_packets = 0;
  batch->slab_used = 0;
}

/* Room for a packet of @len bytes with TN_PACKET_HEADROOM and TN_PACKET_TAILROOM around it, 16-byte aligned; NULL: full. */
TnPacket      *tn_packet_batch_append (TnPacketBatch *batch, gsize len);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnPacketBatch, tn_packet_batch_free)

G_END_DECLS
