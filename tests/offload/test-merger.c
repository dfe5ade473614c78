/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "frames.h"
#include "tn-checksum.h"

/* Streams and datagrams of a few flows, as a lossy network hands them over: what is merged is split again and must be the same.
 * TAILNET_TEST_SEED=N runs that seed alone. */

#define N_SEEDS 400
#define N_FLOWS 5

typedef struct
{
  guint8  proto;
  guint8  version;
  guint16 port;
  guint32 seq;
  guint   size;
} Flow;

static void
write_headers (const Flow *flow,
               guint8     *packet,
               gsize       len,
               guint8      flags)
{
  gsize ip_len = flow->version == 4 ? TN_IP4_HEADER_LEN : TN_IP6_HEADER_LEN;
  guint8 *l4 = packet + ip_len;

  if (flow->version == 4)
    {
      packet[0] = 0x45;
      tn_put_u16be (packet + 2, (guint16) len);
      packet[6] = 0x40;
      packet[8] = 64;
      packet[9] = flow->proto;
      packet[15] = 2;
      packet[19] = 1;
    }
  else
    {
      packet[0] = 0x60;
      tn_put_u16be (packet + 4, (guint16) (len - TN_IP6_HEADER_LEN));
      packet[6] = flow->proto;
      packet[7] = 64;
      packet[23] = 2;
      packet[39] = 1;
    }
  tn_put_u16be (l4, flow->port);
  tn_put_u16be (l4 + 2, 443);
  if (flow->proto == TN_PROTO_UDP)
    {
      tn_put_u16be (l4 + 4, (guint16) (len - ip_len));
      return;
    }
  tn_put_u32be (l4 + 4, flow->seq);
  l4[12] = 0x50;
  l4[13] = flags;
  l4[14] = 1;
}

static void
write_checksums (const Flow *flow,
                 guint8     *packet,
                 gsize       len)
{
  gsize ip_len = flow->version == 4 ? TN_IP4_HEADER_LEN : TN_IP6_HEADER_LEN;
  gsize at = ip_len + (flow->proto == TN_PROTO_TCP ? 16 : 6);
  guint32 sum = tn_checksum_add_pseudo (0, packet + (flow->version == 4 ? 12 : 8), flow->version == 4 ? 4 : 16, flow->proto,
                                        (guint32) (len - ip_len));

  tn_put_u16be (packet + at, tn_checksum_finish (tn_checksum_add (sum, packet + ip_len, len - ip_len)));
  if (flow->version == 4)
    tn_put_u16be (packet + 10, tn_checksum_finish (tn_checksum_add (0, packet, ip_len)));
}

static void
add_next (GRand         *rand,
          Flow          *flow,
          TnPacketBatch *batch)
{
  gsize header_len = (flow->version == 4 ? TN_IP4_HEADER_LEN : TN_IP6_HEADER_LEN) + (flow->proto == TN_PROTO_TCP ? 20u : 8u);
  gsize payload_len = g_rand_int_range (rand, 0, 8) == 0 ? (gsize) g_rand_int_range (rand, 0, (gint32) flow->size + 1) : flow->size;
  gsize len = header_len + payload_len;
  TnPacket *packet = tn_packet_batch_append (batch, len);
  guint8 flags = TN_TCP_ACK;

  if (g_rand_int_range (rand, 0, 10) == 0)
    flags |= g_rand_boolean (rand) ? TN_TCP_PSH : TN_TCP_FIN;
  memset (packet->data, 0, header_len);
  for (gsize i = header_len; i < len; i++)
    packet->data[i] = (guint8) g_rand_int (rand);
  write_headers (flow, packet->data, len, flags);
  write_checksums (flow, packet->data, len);
  if (g_rand_int_range (rand, 0, 20) == 0)
    packet->data[len - 1] ^= 1;
  flow->seq += (guint32) payload_len;
}

static void
swap_some (GRand         *rand,
           TnPacketBatch *batch)
{
  for (guint i = 1; i < batch->n_packets; i++)
    if (g_rand_int_range (rand, 0, 10) == 0)
      {
        TnPacket other = batch->packets[i];

        batch->packets[i] = batch->packets[i - 1];
        batch->packets[i - 1] = other;
      }
}

static void
run_seed (guint32   seed,
          TnMerger *merger)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (SLAB_LEN);
  g_autoptr (GPtrArray) sent = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (GPtrArray) got = NULL;
  Flow flows[N_FLOWS];
  const char *difference;
  guint n;

  for (guint i = 0; i < N_FLOWS; i++)
    flows[i] = (Flow) { .proto = g_rand_boolean (rand) ? TN_PROTO_TCP : TN_PROTO_UDP, .version = g_rand_boolean (rand) ? 4 : 6,
                        .port = (guint16) (1000 + i), .seq = g_rand_int (rand), .size = (guint) g_rand_int_range (rand, 1, 1300) };
  n = (guint) g_rand_int_range (rand, 1, TN_PACKET_BATCH_MAX + 1);
  while (batch->n_packets < n)
    add_next (rand, &flows[g_rand_int_range (rand, 0, N_FLOWS)], batch);
  swap_some (rand, batch);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (sent, packet_to_bytes (&batch->packets[i]));

  n = tn_merger_run (merger, batch, TN_MERGE_TCP | TN_MERGE_UDP);
  got = split_frames (tn_merger_get_frames (merger), n);
  difference = got != NULL ? compare_packets (sent, got) : "a frame does not split";
  if (difference != NULL)
    g_test_message ("TAILNET_TEST_SEED=%u: %s", seed, difference);
  g_assert_cmpstr (difference, ==, NULL);
}

static void
test_random (void)
{
  g_autoptr (TnMerger) merger = tn_merger_new ();
  const char *seed = g_getenv ("TAILNET_TEST_SEED");

  if (seed != NULL)
    run_seed ((guint32) g_ascii_strtoull (seed, NULL, 10), merger);
  else
    for (guint32 i = 0; i < N_SEEDS; i++)
      run_seed (i, merger);
}

/* A stream without gaps fills frames up to the limit of IP. */
static void
test_full (void)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (SLAB_LEN);
  g_autoptr (TnMerger) merger = tn_merger_new ();
  Flow flow = { .proto = TN_PROTO_TCP, .version = 4, .port = 1000, .size = 1240 };
  guint n_packets = 0;
  guint n;

  for (guint i = 0; i < TN_PACKET_BATCH_MAX; i++)
    {
      TnPacket *packet = tn_packet_batch_append (batch, 40 + flow.size);

      memset (packet->data, 0, packet->len);
      write_headers (&flow, packet->data, packet->len, TN_TCP_ACK);
      write_checksums (&flow, packet->data, packet->len);
      flow.seq += flow.size;
    }

  n = tn_merger_run (merger, batch, TN_MERGE_TCP);
  g_assert_cmpuint (n, ==, 3);      /* 52 of 128 are 64,520 bytes */
  for (guint i = 0; i < n; i++)
    n_packets += tn_merger_get_frames (merger)[i].n_packets;
  g_assert_cmpuint (tn_merger_get_frames (merger)[0].n_packets, ==, 52);
  g_assert_cmpuint (n_packets, ==, TN_PACKET_BATCH_MAX);
  g_assert_cmpuint (tn_merger_run (merger, batch, TN_MERGE_UDP), ==, TN_PACKET_BATCH_MAX);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/offload/merger/random", test_random);
  g_test_add_func ("/offload/merger/full", test_full);
  return g_test_run ();
}
