/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-merger-private.h"

#include <string.h>

#define N_BUCKETS 256
#define NONE      G_MAXUINT8

G_STATIC_ASSERT (TN_PACKET_BATCH_MAX < NONE);

/* A frame while it grows: packets by their place in the batch, in the order of their payload. */
typedef struct
{
  guint32  len;
  guint32  next_seq;
  guint16  segment_size;
  guint8   first;
  guint8   last;
  guint8   n_packets;
  guint8   older;             /* frame of the same bucket; NONE: no other */
  gboolean psh;
  gboolean full;              /* nothing may follow its last segment, which is short */
} Frame;

struct _TnMerger
{
  TnMergePacket packets[TN_PACKET_BATCH_MAX];
  guint8        next[TN_PACKET_BATCH_MAX];       /* packet of the same frame */
  Frame         frames[TN_PACKET_BATCH_MAX];
  guint         n_frames;
  guint8        buckets[N_BUCKETS];              /* newest frame */
  struct iovec  pieces[TN_PACKET_BATCH_MAX];
  TnMergedFrame merged[TN_PACKET_BATCH_MAX];
};

TnMerger *
tn_merger_new (void)
{
  return g_new0 (TnMerger, 1);
}

void
tn_merger_free (TnMerger *merger)
{
  g_free (merger);
}

const TnMergedFrame *
tn_merger_get_frames (const TnMerger *merger)
{
  return merger->merged;
}

/* --- Merging --- */

static gboolean
can_append (const Frame         *frame,
            const TnMergePacket *packet)
{
  return !frame->full && !frame->psh && !packet->alone && packet->payload_len <= frame->segment_size &&
         (packet->proto == TN_PROTO_UDP || packet->seq == frame->next_seq);
}

/* Packets that overtook each other. */
static gboolean
can_prepend (const Frame         *frame,
             const TnMergePacket *first,
             const TnMergePacket *packet)
{
  return packet->proto == TN_PROTO_TCP && !packet->psh && !packet->alone && !first->alone && packet->seq + packet->payload_len == first->seq &&
         (frame->n_packets == 1 ? packet->payload_len >= frame->segment_size : packet->payload_len == frame->segment_size);
}

static void
append (TnMerger *merger,
        Frame    *frame,
        guint8    index)
{
  const TnMergePacket *packet = &merger->packets[index];

  merger->next[frame->last] = index;
  frame->last = index;
  frame->next_seq += packet->payload_len;
  frame->psh = packet->psh;
  frame->full = packet->payload_len < frame->segment_size;
}

static void
prepend (TnMerger *merger,
         Frame    *frame,
         guint8    index)
{
  const TnMergePacket *packet = &merger->packets[index];

  merger->next[index] = frame->first;
  frame->first = index;
  frame->full |= packet->payload_len > frame->segment_size;
  frame->segment_size = packet->payload_len;
}

static gboolean
try_frame (TnMerger *merger,
           Frame    *frame,
           guint8    index)
{
  TnMergePacket *packet = &merger->packets[index];
  TnMergePacket *first = &merger->packets[frame->first];
  gboolean appending = can_append (frame, packet);

  if ((!appending && !can_prepend (frame, first, packet)) || frame->len + packet->payload_len > G_MAXUINT16)
    return FALSE;
  if (!tn_merge_packet_same_header (first, packet) || !tn_merge_packet_verify (first) || !tn_merge_packet_verify (packet))
    return FALSE;

  if (appending)
    append (merger, frame, index);
  else
    prepend (merger, frame, index);
  frame->len += packet->payload_len;
  frame->n_packets++;
  return TRUE;
}

/* With one of the frames of its flow, where it passes only what belongs behind it. Datagrams have no numbers to tell that: they go behind
 * the last one or not at all. */
static gboolean
merge (TnMerger *merger,
       guint8    index,
       guint     bucket)
{
  const TnMergePacket *packet = &merger->packets[index];

  for (guint8 at = merger->buckets[bucket]; at != NONE; at = merger->frames[at].older)
    {
      Frame *frame = &merger->frames[at];

      if (!tn_merge_packet_same_flow (&merger->packets[frame->first], packet))
        continue;
      if (try_frame (merger, frame, index))
        return TRUE;
      if (packet->proto == TN_PROTO_UDP || (gint32) (packet->seq - merger->packets[frame->first].seq) > 0)
        return FALSE;
    }
  return FALSE;
}

static Frame *
add_frame (TnMerger *merger,
           guint8    index)
{
  Frame *frame = &merger->frames[merger->n_frames++];

  *frame = (Frame) { .first = index, .last = index, .n_packets = 1, .older = NONE };
  return frame;
}

static void
add_to_flow (TnMerger *merger,
               guint8    index,
               guint     bucket)
{
  const TnMergePacket *packet = &merger->packets[index];
  Frame *frame = add_frame (merger, index);

  frame->len = packet->len;
  frame->segment_size = packet->payload_len;
  frame->next_seq = packet->seq + packet->payload_len;
  frame->psh = packet->psh;
  frame->full = packet->alone;
  frame->older = merger->buckets[bucket];
  merger->buckets[bucket] = (guint8) (frame - merger->frames);
}

static void
take_packet (TnMerger      *merger,
             TnPacketBatch *batch,
             guint8         index,
             TnMergeFlags   flags)
{
  TnMergePacket *packet = &merger->packets[index];
  guint bucket;

  merger->next[index] = NONE;
  if (!tn_merge_packet_init (packet, &batch->packets[index], flags))
    {
      add_frame (merger, index);
      return;
    }
  bucket = tn_merge_packet_hash (packet);
  if (!merge (merger, index, bucket))
    add_to_flow (merger, index, bucket);
}

/* --- Frames --- */

/* All of the first packet, and the payload of those that follow. */
static guint
list_pieces (TnMerger      *merger,
             TnPacketBatch *batch,
             const Frame   *frame,
             struct iovec  *pieces)
{
  const TnPacket *first = &batch->packets[frame->first];
  guint n = 0;

  pieces[n++] = (struct iovec) { first->data - TN_VIRTIO_HEADER_LEN, first->len + TN_VIRTIO_HEADER_LEN };
  for (guint8 at = merger->next[frame->first]; at != NONE; at = merger->next[at])
    pieces[n++] = (struct iovec) { merger->packets[at].data + merger->packets[at].header_len, merger->packets[at].payload_len };
  return n;
}

static void
finish (TnMerger      *merger,
        TnPacketBatch *batch)
{
  struct iovec *pieces = merger->pieces;

  for (guint i = 0; i < merger->n_frames; i++)
    {
      const Frame *frame = &merger->frames[i];

      if (frame->n_packets > 1)
        tn_merge_packet_write (&merger->packets[frame->first], frame->len, frame->segment_size, frame->psh);
      else
        memset (batch->packets[frame->first].data - TN_VIRTIO_HEADER_LEN, 0, TN_VIRTIO_HEADER_LEN);
      merger->merged[i] = (TnMergedFrame) { .pieces = pieces, .n_packets = frame->n_packets };
      merger->merged[i].n_pieces = list_pieces (merger, batch, frame, pieces);
      pieces += merger->merged[i].n_pieces;
    }
}

guint
tn_merger_run (TnMerger      *merger,
               TnPacketBatch *batch,
               TnMergeFlags   flags)
{
  merger->n_frames = 0;
  memset (merger->buckets, NONE, sizeof merger->buckets);
  for (guint i = 0; i < batch->n_packets; i++)
    take_packet (merger, batch, (guint8) i, flags);
  finish (merger, batch);
  return merger->n_frames;
}
