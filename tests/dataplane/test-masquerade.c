/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A peer that knows this node by another address. */

#include "pipeline-world.h"

#include <string.h>

#include "tn-checksum.h"
#include "tn-ip-header.h"
#include "tn-masquerade.h"
#include "tn-reader.h"

/* --- The rewriting --- */

/* The sum that a receiver forms over header, or over pseudo header and transport: 0 if all is well. */
static guint16
header_sum (const guint8 *data)
{
  return tn_checksum_finish (tn_checksum_add (0, data, 20));
}

static guint16
transport_sum (const TnParsed *packet,
               const guint8   *data)
{
  guint address_len = packet->version == 4 ? 4 : 16;
  guint32 len = packet->length - packet->transport;
  guint32 sum = tn_checksum_add_pseudo (0, data + (packet->version == 4 ? 12 : 8), address_len, packet->proto, len);

  return tn_checksum_finish (tn_checksum_add (sum, data + packet->transport, len));
}

static gsize
checksum_offset (guint8 proto)
{
  return proto == TN_PROTO_TCP ? 16 : proto == TN_PROTO_ICMP6 ? 2 : 6;
}

static void
random_address (GRand       *random,
                guint8       version,
                TnIpAddress *out)
{
  *out = (TnIpAddress) { .version = version };
  for (gsize i = 0; i < tn_ip_address_len (out); i++)
    out->bytes[i] = (guint8) (g_rand_boolean (random) ? 0xff : g_rand_int_range (random, 0, 256));
}

/* With good checksums. */
static gsize
write_packet (GRand   *random,
              guint8   version,
              guint8   proto,
              guint8  *data,
              gsize    size)
{
  gsize body_len = (gsize) g_rand_int_range (random, 20, 200);
  TnIpAddress src, dst;
  TnParsed parsed;
  gsize header_len;
  guint16 sum;

  random_address (random, version, &src);
  random_address (random, version, &dst);
  header_len = tn_ip_header_write (data, size, &src, &dst, proto, 1, body_len);
  g_assert_cmpuint (header_len, >, 0);
  for (gsize i = 0; i < body_len; i++)
    data[header_len + i] = (guint8) g_rand_int_range (random, 0, 256);
  memset (data + header_len + checksum_offset (proto), 0, 2);
  tn_parse (&parsed, data, header_len + body_len);
  g_assert_cmpuint (parsed.proto, ==, proto);
  sum = transport_sum (&parsed, data);
  tn_put_u16be (data + header_len + checksum_offset (proto), sum == 0 ? 0xffff : sum);      /* as UDP has it: 0 is none */
  return header_len + body_len;
}

static void
test_checksums (void)
{
  static const struct { guint8 version; guint8 proto; } kinds[] = {
    { 4, TN_PROTO_TCP }, { 4, TN_PROTO_UDP }, { 6, TN_PROTO_TCP }, { 6, TN_PROTO_UDP }, { 6, TN_PROTO_ICMP6 },
  };
  g_autoptr (GRand) random = g_rand_new_with_seed (g_test_rand_int ());

  for (guint i = 0; i < 20000; i++)
    {
      guint8 version = kinds[i % G_N_ELEMENTS (kinds)].version, proto = kinds[i % G_N_ELEMENTS (kinds)].proto;
      gboolean is_source = g_rand_boolean (random);
      guint8 data[300], before[300];
      gsize len = write_packet (random, version, proto, data, sizeof data);
      TnParsed parsed, again;
      TnIpAddress address;

      memcpy (before, data, len);
      tn_parse (&parsed, data, len);
      random_address (random, version, &address);
      if (is_source)
        tn_masquerade_source (&parsed, data, &address);
      else
        tn_masquerade_destination (&parsed, data, &address);
      tn_parse (&again, data, len);
      g_assert_true (tn_ip_address_equal (is_source ? &again.src : &again.dst, &address));
      g_assert_true (tn_ip_address_equal (&parsed.src, &again.src) && tn_ip_address_equal (&parsed.dst, &again.dst));
      g_assert_cmpuint (transport_sum (&again, data), ==, 0);
      if (version == 4)
        g_assert_cmpuint (header_sum (data), ==, 0);
      if (proto == TN_PROTO_UDP)
        g_assert_cmpuint (tn_get_u16be (data + again.transport + 6), !=, 0);

      /* Nothing else has changed. */
      memset (before + (version == 4 ? 10 : 8), 0, version == 4 ? 10 : 32);
      memset (data + (version == 4 ? 10 : 8), 0, version == 4 ? 10 : 32);
      memset (before + parsed.transport + checksum_offset (proto), 0, 2);
      memset (data + parsed.transport + checksum_offset (proto), 0, 2);
      g_assert_cmpmem (data, len, before, len);
    }
}

static void
test_no_checksum (void)
{
  const TnIpAddress src = { { 100, 64, 0, 1 }, 4 }, dst = { { 100, 64, 0, 2 }, 4 }, other = { { 100, 99, 0, 9 }, 4 };
  guint8 data[60] = { 0 }, before[40];
  TnParsed parsed;

  /* UDP over IPv4 without one. */
  g_assert_cmpuint (tn_ip_header_write (data, sizeof data, &src, &dst, TN_PROTO_UDP, 1, 40), ==, 20);
  tn_parse (&parsed, data, sizeof data);
  tn_masquerade_source (&parsed, data, &other);
  g_assert_cmpuint (tn_get_u16be (data + 26), ==, 0);
  g_assert_cmpuint (header_sum (data), ==, 0);

  /* A later fragment: what stands there is no header. */
  g_assert_cmpuint (tn_ip_header_write (data, sizeof data, &src, &dst, TN_PROTO_TCP, 1, 40), ==, 20);
  tn_put_u16be (data + 6, 100);
  tn_put_u16be (data + 10, 0);
  tn_put_u16be (data + 10, header_sum (data));
  memset (data + 20, 0x5a, 40);
  memcpy (before, data + 20, 40);
  tn_parse (&parsed, data, sizeof data);
  g_assert_cmpuint (parsed.proto, ==, TN_PROTO_FRAGMENT);
  tn_masquerade_destination (&parsed, data, &other);
  g_assert_cmpmem (data + 20, 40, before, 40);
  g_assert_cmpuint (header_sum (data), ==, 0);
}

/* --- In the pipeline --- */

static const TnIpAddress alias = { { 100, 99, 0, 9 }, 4 };

/* B knows A as the alias, C knows it by its own address. */
static World *
masquerading_world (void)
{
  World *world = world_new ();

  world->nodes[0].known_as[1] = alias;
  introduce (&world->nodes[0]);
  introduce (&world->nodes[1]);
  return world;
}

static void
assert_received (Node              *node,
                 guint              at,
                 const TnIpAddress *src,
                 const TnIpAddress *dst)
{
  GBytes *bytes = g_ptr_array_index (node->received, at);
  TnParsed parsed;

  tn_parse (&parsed, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  g_assert_true (tn_ip_address_equal (&parsed.src, src));
  g_assert_true (tn_ip_address_equal (&parsed.dst, dst));
}

static void
send_one (Node              *from,
          const TnIpAddress *src,
          const TnIpAddress *dst)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);

  append_udp (batch, src, dst, 1000, 100);
  tn_pipeline_from_overlay (from->pipeline, batch, from->world->now_us);
  settle (from->world);
}

static void
test_both_ways (void)
{
  g_autoptr (World) world = masquerading_world ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  Node *c = &world->nodes[2];

  send_one (a, &a->address, &b->address);
  g_assert_cmpuint (b->received->len, ==, 1);
  assert_received (b, 0, &alias, &b->address);
  send_one (b, &b->address, &alias);
  g_assert_cmpuint (a->received->len, ==, 1);
  assert_received (a, 0, &b->address, &a->address);

  send_one (a, &a->address, &c->address);
  g_assert_cmpuint (c->received->len, ==, 1);
  assert_received (c, 0, &a->address, &c->address);
}

/* The answer to a flow of ours comes in where no rule lets anything in. */
static void
test_flow (void)
{
  g_autoptr (World) world = masquerading_world ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);
  guint8 *data;

  set_filter (a, NULL);
  send_one (b, &b->address, &alias);
  g_assert_cmpuint (a->received->len, ==, 0);
  g_assert_cmpuint (tn_pipeline_get_drops (a->pipeline, TN_PIPELINE_DROP_FILTER), ==, 1);

  send_one (a, &a->address, &b->address);
  append_udp (batch, &b->address, &alias, 0, 100);
  data = batch->packets[0].data;
  tn_put_u16be (data + 20, 1000);      /* from the port that was asked to the one that asked */
  tn_put_u16be (data + 22, 9);
  tn_pipeline_from_overlay (b->pipeline, batch, world->now_us);
  settle (world);
  g_assert_cmpuint (a->received->len, ==, 1);
  assert_received (a, 0, &b->address, &a->address);
}

static void
test_ping (void)
{
  g_autoptr (World) world = masquerading_world ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];

  g_assert_true (tn_pipeline_ping_tsmp (a->pipeline, b->id, &b->address, 5, world->now_us));
  settle (world);
  g_assert_cmpuint (a->pongs->len, ==, 1);
  g_assert_true (tn_pipeline_ping_tsmp (b->pipeline, a->id, &alias, 6, world->now_us));
  settle (world);
  g_assert_cmpuint (b->pongs->len, ==, 1);
}

static void
open_tcp (Node              *from,
          const TnIpAddress *dst)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);
  TnPacket *packet = tn_packet_batch_append (batch, 40);

  memset (packet->data, 0, 40);
  g_assert_cmpuint (tn_ip_header_write (packet->data, 40, &from->address, dst, TN_PROTO_TCP, 1, 20), ==, 20);
  tn_put_u16be (packet->data + 20, 4000);
  tn_put_u16be (packet->data + 22, 80);
  packet->data[32] = 5 << 4;
  packet->data[33] = TN_TCP_SYN;
  tn_pipeline_from_overlay (from->pipeline, batch, from->world->now_us);
  settle (from->world);
}

static void
assert_rejected (Node              *node,
                 const TnIpAddress *dst)
{
  const TnTsmpReject *reject;

  g_assert_cmpuint (node->rejects->len, ==, 1);
  reject = &g_array_index (node->rejects, TnTsmpReject, 0);
  g_assert_true (tn_ip_address_equal (&reject->src.address, &node->address));
  g_assert_true (tn_ip_address_equal (&reject->dst.address, dst));
  g_assert_cmpuint (reject->src.port, ==, 4000);
  g_assert_cmpuint (reject->dst.port, ==, 80);
}

/* Whoever is turned away finds the addresses that it used. */
static void
test_reject (void)
{
  g_autoptr (World) world = masquerading_world ();
  Node *a = &world->nodes[0];
  Node *b = &world->nodes[1];

  set_filter (a, NULL);
  set_filter (b, NULL);
  open_tcp (b, &alias);
  assert_rejected (b, &alias);
  open_tcp (a, &b->address);
  assert_rejected (a, &b->address);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/dataplane/masquerade/checksums", test_checksums);
  g_test_add_func ("/dataplane/masquerade/no-checksum", test_no_checksum);
  g_test_add_func ("/dataplane/masquerade/both-ways", test_both_ways);
  g_test_add_func ("/dataplane/masquerade/flow", test_flow);
  g_test_add_func ("/dataplane/masquerade/ping", test_ping);
  g_test_add_func ("/dataplane/masquerade/reject", test_reject);
  return g_test_run ();
}
