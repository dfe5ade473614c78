/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pipeline-world.h"

#include <string.h>

#include "tn-pcapng.h"
#include "tn-reader.h"

/* What a capture has: each packet of the host, its direction, and why it was dropped. */

typedef struct
{
  guint64     wall_us;
  gboolean    inbound;
  GBytes     *packet;
  char       *comment;      /* nullable */
} Record;

static guint32
get_u32 (const guint8 *data,
         gsize         at)
{
  guint32 value;

  memcpy (&value, data + at, sizeof value);
  return GUINT32_FROM_LE (value);
}

static void
record_free (gpointer data)
{
  Record *record = data;

  g_bytes_unref (record->packet);
  g_free (record->comment);
  g_free (record);
}

/* A reader of its own, from the format's description. */
static Record *
parse_block (const guint8 *block,
             gsize         len)
{
  Record *record = g_new0 (Record, 1);
  gsize packet_len = get_u32 (block, 20), at = 28 + (packet_len + 3) / 4 * 4;

  g_assert_cmpuint (get_u32 (block, 0), ==, 6);
  g_assert_cmpuint (get_u32 (block, 8), ==, 0);
  g_assert_cmpuint (get_u32 (block, 24), ==, packet_len);
  record->wall_us = (guint64) get_u32 (block, 12) << 32 | get_u32 (block, 16);
  record->packet = g_bytes_new (block + 28, packet_len);
  for (guint32 option; (option = get_u32 (block, at)) != 0;)
    {
      guint code = option & 0xffff, option_len = option >> 16;

      if (code == 2)
        record->inbound = get_u32 (block, at + 4) == 1;
      else if (code == 1)
        record->comment = g_strndup ((const char *) block + at + 4, option_len);
      else
        g_assert_not_reached ();
      at += 4 + (option_len + 3) / 4 * 4;
    }
  g_assert_cmpuint (at + 8, ==, len);
  return record;
}

static GPtrArray *
parse (const GByteArray *captured)
{
  GPtrArray *records = g_ptr_array_new_with_free_func (record_free);

  for (gsize at = 0; at < captured->len;)
    {
      gsize len = get_u32 (captured->data, at + 4);

      g_assert_cmpuint (len % 4, ==, 0);
      g_assert_cmpuint (at + len, <=, captured->len);
      g_assert_cmpuint (get_u32 (captured->data, at + len - 4), ==, len);
      g_ptr_array_add (records, parse_block (captured->data + at, len));
      at += len;
    }
  return records;
}

static void
assert_record (GPtrArray  *records,
               guint       i,
               gboolean    inbound,
               const char *comment,
               gsize       len)
{
  const Record *record = g_ptr_array_index (records, i);

  g_assert_cmpint (record->inbound, ==, inbound);
  g_assert_cmpstr (record->comment, ==, comment);
  g_assert_cmpuint (g_bytes_get_size (record->packet), ==, len);
  g_assert_cmpuint (record->wall_us, >=, G_GUINT64_CONSTANT (1700000000000000));
}

static void
test_head (void)
{
  /* Section header: no length known; interface: link type 101, whole packets. */
  static const guint8 expected[] = {
    0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 28, 0, 0, 0,
    1, 0, 0, 0, 20, 0, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0,
  };
  guint8 head[TN_PCAPNG_HEAD_LEN];

  tn_pcapng_write_head (head);
  g_assert_cmpmem (head, sizeof head, expected, sizeof expected);
}

/* Sizes that are no multiple of four, and a comment that is too long. */
static void
test_padding (void)
{
  const char *const comments[] = { NULL, "", "a", "abcd", "a comment that is longer than sixty-four bytes, which is what one may have at most" };
  guint8 packet[64], block[256];

  memset (packet, 0x5a, sizeof packet);
  for (gsize len = 0; len < sizeof packet; len++)
    for (guint i = 0; i < G_N_ELEMENTS (comments); i++)
      {
        gsize block_len = tn_pcapng_block_len (len, comments[i]);
        g_autofree char *expected = comments[i] != NULL ? g_strndup (comments[i], TN_PCAPNG_COMMENT_MAX) : NULL;
        Record *record;

        memset (block, 0xee, sizeof block);
        tn_pcapng_write_packet (block, -1, i % 2 == 0, comments[i], packet, len);
        g_assert_cmpuint (block[block_len], ==, 0xee);
        record = parse_block (block, block_len);
        g_assert_cmpstr (record->comment, ==, expected);
        g_assert_cmpmem (packet, len, g_bytes_get_data (record->packet, NULL), len);
        g_assert_cmpuint (record->wall_us, ==, G_MAXUINT64);
        record_free (record);
      }
}

static void
test_directions (void)
{
  g_autoptr (World) world = world_new ();
  g_autoptr (GPtrArray) of_a = NULL;
  g_autoptr (GPtrArray) of_b = NULL;
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);
  const guint8 nobody[] = { 100, 64, 9, 9 };
  TnIpAddress dst = tn_ip_address_from_bytes (nobody, sizeof nobody);
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];

  send_udp (a, b, 2);
  settle (world);
  set_filter (b, NULL);
  send_udp (a, b, 1);
  settle (world);
  append_udp (batch, &a->address, &dst, 5, 64);
  tn_pipeline_from_overlay (a->pipeline, batch, world->now_us);

  of_a = parse (a->captured);
  g_assert_cmpuint (of_a->len, ==, 4);
  assert_record (of_a, 0, FALSE, NULL, 100);
  assert_record (of_a, 1, FALSE, NULL, 101);
  assert_record (of_a, 2, FALSE, NULL, 100);
  assert_record (of_a, 3, FALSE, tn_pipeline_drop_get_name (TN_PIPELINE_DROP_NO_ROUTE), 64);
  of_b = parse (b->captured);
  g_assert_cmpuint (of_b->len, ==, 3);
  assert_record (of_b, 0, TRUE, NULL, 100);
  assert_record (of_b, 1, TRUE, NULL, 101);
  assert_record (of_b, 2, TRUE, tn_pipeline_drop_get_name (TN_PIPELINE_DROP_FILTER), 100);
  g_assert_true (g_bytes_equal (((Record *) g_ptr_array_index (of_b, 1))->packet, ((Record *) g_ptr_array_index (of_a, 1))->packet));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataplane/capture/head", test_head);
  g_test_add_func ("/dataplane/capture/padding", test_padding);
  g_test_add_func ("/dataplane/capture/directions", test_directions);
  return g_test_run ();
}
