/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vectors.h"

#include "frames.h"

/* Frames that no kernel makes: we may be more careful with them than the reference is. */
static gboolean
may_be_refused (TnVector *v)
{
  static const char *const variants[] = { "truncated", "ip version", "maybe another type", "tcp data offset", NULL };

  return g_strv_contains (variants, tn_vector_string (v, "variant"));
}

static void
check_segments (TnVector    *v,
                TnSegmenter *segmenter)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (SLAB_LEN);
  gboolean more = tn_segmenter_next (segmenter, batch) || batch->n_packets > tn_vector_uint (v, "max_segments");
  JsonArray *segments;

  tn_vector_same_bool (v, "too_many", more, tn_vector_has (v, "too_many"));
  if (more || v->failed)
    return;
  segments = tn_vector_array (v, "segments");
  tn_vector_same_uint (v, "number of segments", batch->n_packets, json_array_get_length (segments));
  for (guint i = 0; i < json_array_get_length (segments) && !v->failed; i++)
    tn_vector_same_hex (v, "segment", batch->packets[i].data, batch->packets[i].len, json_array_get_string_element (segments, i));
}

static void
test_split (TnVector *v)
{
  gsize len;
  g_autofree guint8 *frame = tn_vector_hex (v, "frame", &len);
  gboolean expected = tn_vector_bool (v, "ok");
  TnSegmenter segmenter;
  gboolean ok = tn_segmenter_init (&segmenter, frame, len);

  if (expected && !ok && may_be_refused (v))
    return;
  tn_vector_same_bool (v, "ok", ok, expected);
  if (ok && expected)
    check_segments (v, &segmenter);
}

/* Around an empty datagram, and where parts of a stream overtook each other, the reference moves packets to before earlier ones. We do
 * not, and so may have more frames. */
static gboolean
is_disturbed (GPtrArray *sent)
{
  for (guint i = 0; i < sent->len; i++)
    {
      TnParsed b = parse_bytes (g_ptr_array_index (sent, i));

      if (b.proto == TN_PROTO_UDP && b.transport + 8u == b.len)
        return TRUE;
      for (guint j = 0; j < i; j++)
        {
          TnParsed a = parse_bytes (g_ptr_array_index (sent, j));

          if (b.proto == TN_PROTO_TCP && !may_go_before (&a, &b))
            return TRUE;
        }
    }
  return FALSE;
}

static void
check_number (TnVector  *v,
              guint      n,
              GPtrArray *sent)
{
  guint expected = json_array_get_length (tn_vector_array (v, "frames"));

  if (n != expected && !(n > expected && is_disturbed (sent)))
    tn_vector_fail (v, "%u frames, expected %u", n, expected);
}

static void
test_gro (TnVector *v)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (SLAB_LEN);
  g_autoptr (TnMerger) merger = tn_merger_new ();
  g_autoptr (GPtrArray) sent = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (GPtrArray) got = NULL;
  JsonArray *packets = tn_vector_array (v, "packets");
  TnMergeFlags flags = (tn_vector_bool (v, "tcp") ? TN_MERGE_TCP : 0) | (tn_vector_bool (v, "udp") ? TN_MERGE_UDP : 0);
  const char *difference;
  guint n;

  for (guint i = 0; i < json_array_get_length (packets); i++)
    {
      gsize len;
      g_autofree guint8 *data = tn_hex_parse (json_array_get_string_element (packets, i), &len);

      add_packet (batch, data, len);
      g_ptr_array_add (sent, packet_to_bytes (&batch->packets[i]));
    }

  n = tn_merger_run (merger, batch, flags);
  got = split_frames (tn_merger_get_frames (merger), n);
  difference = got != NULL ? compare_packets (sent, got) : "a frame does not split";
  if (difference != NULL)
    tn_vector_fail (v, "%s", difference);
  check_number (v, n, sent);
}

static void
test_offload (void)
{
  static const TnVectorOp ops[] = { { "split", test_split }, { "gro", test_gro } };

  tn_vectors_run ("offload.jsonl", 460, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/offload/vectors", test_offload);
  return g_test_run ();
}
