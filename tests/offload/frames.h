/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-merger.h"
#include "tn-parse.h"
#include "tn-reader.h"
#include "tn-segmenter.h"

/* What tests of the offload share: frames as bytes, and what has to come out when merged packets are split again. */

#define SLAB_LEN (4 * 1024 * 1024)

static inline void
add_packet (TnPacketBatch *batch, const guint8 *data, gsize len)
{
  TnPacket *packet = tn_packet_batch_append (batch, len);

  g_assert_nonnull (packet);
  memcpy (packet->data, data, len);
}

static inline GByteArray *
gather (const TnMergedFrame *frame)
{
  GByteArray *bytes = g_byte_array_new ();

  for (guint i = 0; i < frame->n_pieces; i++)
    g_byte_array_append (bytes, frame->pieces[i].iov_base, (guint) frame->pieces[i].iov_len);
  return bytes;
}

static inline GBytes *
packet_to_bytes (const TnPacket *packet)
{
  return g_bytes_new (packet->data, packet->len);
}

/* NULL: a frame is malformed. */
static inline GPtrArray *
split_frames (const TnMergedFrame *frames, guint n_frames)
{
  g_autoptr (GPtrArray) packets = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (SLAB_LEN);

  for (guint i = 0; i < n_frames; i++)
    {
      g_autoptr (GByteArray) frame = gather (&frames[i]);
      guint n_before = packets->len;
      TnSegmenter segmenter;
      gboolean more = TRUE;

      if (!tn_segmenter_init (&segmenter, frame->data, frame->len))
        return NULL;
      while (more)
        {
          tn_packet_batch_reset (batch);
          more = tn_segmenter_next (&segmenter, batch);
          for (guint j = 0; j < batch->n_packets; j++)
            g_ptr_array_add (packets, packet_to_bytes (&batch->packets[j]));
        }
      if (packets->len - n_before != frames[i].n_packets)
        return NULL;
    }
  return g_steal_pointer (&packets);
}

/* Without what a merged IPv4 packet may lose. */
static inline GBytes *
without_id (GBytes *packet)
{
  gsize len;
  const guint8 *data = g_bytes_get_data (packet, &len);
  guint8 *copy = g_memdup2 (data, len);

  if (len >= TN_IP4_HEADER_LEN && copy[0] >> 4 == 4)
    {
      memset (copy + 4, 0, 2);
      memset (copy + 10, 0, 2);
    }
  return g_bytes_new_take (copy, len);
}

/* A fragment, one with options or extension headers of IP, one that is not as long as it says, and one whose TCP header is none. */
static inline gboolean
is_odd (const TnParsed *packet)
{
  gsize ip_len = packet->version == 4 ? TN_IP4_HEADER_LEN : TN_IP6_HEADER_LEN;
  guint8 tcp_words = packet->proto == TN_PROTO_TCP ? packet->data[packet->transport + 12] >> 4 : 0;

  if (packet->transport != ip_len || (packet->proto == TN_PROTO_TCP && (tcp_words < 5 || ip_len + tcp_words * 4u > packet->len)))
    return TRUE;
  if (packet->version == 4)
    return (tn_get_u16be (packet->data + 6) & 0x3fff) != 0 || tn_get_u16be (packet->data + 2) != packet->len;
  return tn_get_u16be (packet->data + 4) + ip_len != packet->len;
}

static inline gboolean
is_acknowledgement (const TnParsed *packet)
{
  const guint8 *tcp = packet->data + packet->transport;

  return packet->proto == TN_PROTO_TCP && packet->transport + (tcp[12] >> 4) * 4u == packet->len && (tcp[13] & ~TN_TCP_PSH) == TN_TCP_ACK;
}

/* As datagrams of one flow come, or earlier parts of a stream before later ones. Odd ones are no part of a flow. */
static inline gboolean
may_go_before (const TnParsed *a, const TnParsed *b)
{
  gboolean same = a->proto == b->proto && a->src_port == b->src_port && a->dst_port == b->dst_port && tn_ip_address_equal (&a->src, &b->src) &&
                  tn_ip_address_equal (&a->dst, &b->dst);

  if (!same || is_odd (a) || is_odd (b) || is_acknowledgement (a) || is_acknowledgement (b) || (a->proto != TN_PROTO_TCP && a->proto != TN_PROTO_UDP))
    return TRUE;
  return a->proto == TN_PROTO_TCP && (gint32) (tn_get_u32be (a->data + a->transport + 4) - tn_get_u32be (b->data + b->transport + 4)) <= 0;
}

static inline TnParsed
parse_bytes (GBytes *packet)
{
  gsize len;
  const guint8 *data = g_bytes_get_data (packet, &len);
  TnParsed parsed;

  g_assert_nonnull (data);
  tn_parse (&parsed, data, len);
  return parsed;
}

static inline const char *
check_order (GPtrArray *sent, const guint *places, GPtrArray *got)
{
  for (guint i = 0; i < got->len; i++)
    for (guint j = i + 1; j < got->len; j++)
      if (places[j] < places[i])
        {
          TnParsed a = parse_bytes (g_ptr_array_index (sent, places[i])), b = parse_bytes (g_ptr_array_index (sent, places[j]));

          if (!may_go_before (&a, &b))
            return "packets of a flow changed places";
        }
  return NULL;
}

/* NULL: @got has what was sent, each once, in an order that it may have; else what is wrong. */
static inline const char *
compare_packets (GPtrArray *sent, GPtrArray *got)
{
  guint places[TN_PACKET_BATCH_MAX] = { 0 };
  gboolean taken[TN_PACKET_BATCH_MAX] = { 0 };

  g_assert_cmpuint (sent->len, <=, TN_PACKET_BATCH_MAX);
  if (sent->len != got->len)
    return "packets were lost or made";
  for (guint i = 0; i < got->len; i++)
    {
      g_autoptr (GBytes) actual = without_id (g_ptr_array_index (got, i));
      guint at = 0;

      for (; at < sent->len; at++)
        {
          g_autoptr (GBytes) expected = without_id (g_ptr_array_index (sent, at));

          if (!taken[at] && g_bytes_equal (expected, actual))
            break;
        }
      if (at == sent->len)
        return "a packet changed";
      taken[at] = TRUE;
      places[i] = at;
    }
  return check_order (sent, places, got);
}
