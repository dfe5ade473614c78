/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "cases.h"

#include <string.h>

#include "tn-aead.h"
#include "tn-box.h"
#include "tn-pipeline.h"

#define LEN     1280
#define BATCH   64
#define REGION  1
#define ANY     "*"

typedef struct _Side Side;

struct _Side
{
  TnPipeline       *pipeline;
  TnNodePrivateKey  key;
  TnNodePublicKey   public_key;
  TnDiscoPrivateKey disco_key;
  TnIpAddress       address;
  gint64            id;
  TnPacketBatch    *arriving;      /* what came for this side: descriptors of the sender's packets */
  Side             *other;
  guint64           n_received;
};

typedef struct
{
  Side           sides[2];
  TnPacketBatch *batch;
  gint64         now_us;
  TnAead        *aead;
  TnCryptoPool  *pool;
  guint8         bytes[LEN + TN_AEAD_TAG_LEN];
} World;

static void
to_overlay (gpointer       data,
            TnPacketBatch *batch)
{
  ((Side *) data)->n_received += batch->n_packets;
}

/* The wire: of data nothing but descriptors cross it; messages of the engine's own end with this call. */
static guint
to_underlay (gpointer             data,
             const TnPathAddress *to,
             const TnPacketBatch *batch,
             guint                first,
             gboolean             urgent)
{
  Side *other = ((Side *) data)->other;

  for (guint i = first; i < batch->n_packets && other->arriving->n_packets < TN_PACKET_BATCH_MAX; i++)
    if (urgent)
      memcpy (tn_packet_batch_append (other->arriving, batch->packets[i].len)->data, batch->packets[i].data, batch->packets[i].len);
    else
      other->arriving->packets[other->arriving->n_packets++] = batch->packets[i];
  return batch->n_packets - first;
}

static void
set_blocked (gpointer           data,
             const TnIpAddress *destination,
             gboolean           blocked)
{
}

static void
pong (gpointer              data,
      const TnPipelinePong *answer)
{
}

static gint64
wall_time_ns (gpointer data)
{
  return g_get_real_time () * 1000;
}

static void
random_bytes (gpointer  data,
              void     *out,
              gsize     len)
{
  tn_random (out, len);
}

static void
introduce (Side *side,
           Side *peer)
{
  static const char *const sources[] = { ANY, NULL };
  const TnFilterDestination destination = { .ip = ANY, .first = 0, .last = 65535 };
  const TnFilterRule rule = { .sources = sources, .n_sources = 1, .destinations = &destination, .n_destinations = 1 };
  const TnPipelinePeer config = { .id = peer->id, .key = peer->public_key, .home_region = REGION };
  const TnIpPrefix prefix = { peer->address, 32 }, own = { side->address, 32 };
  const TnOverlayPeer overlay = {
    .id = peer->id, .addresses = &prefix, .n_addresses = 1, .allowed_ips = &prefix, .n_allowed_ips = 1, .home_region = REGION,
  };
  const TnIpAddress none = { 0 };
  TnFilterBuilder *builder = tn_filter_builder_new ();
  g_autoptr (TnFilter) filter = NULL;
  g_autoptr (TnOverlayRoutes) routes = tn_overlay_routes_new ();
  g_autoptr (TnOverlayRouter) router = NULL;

  tn_filter_builder_add_local (builder, &own);
  tn_filter_builder_add_rule (builder, &rule);
  filter = tn_filter_builder_end (builder);
  tn_pipeline_set_addresses (side->pipeline, &side->address, &none);
  tn_pipeline_upsert_peer (side->pipeline, &config, 0);
  tn_overlay_routes_upsert (routes, &overlay);
  router = tn_overlay_routes_snapshot (routes);
  tn_pipeline_set_router (side->pipeline, router);
  tn_pipeline_set_filters (side->pipeline, filter, filter);
}

static void
deliver (World *world,
         Side  *to)
{
  TnPathAddress from = { .kind = TN_PATH_ADDRESS_RELAY };

  from.relay.region = REGION;
  from.relay.key = to->other->public_key;
  if (to->arriving->n_packets > 0)
    tn_pipeline_from_underlay (to->pipeline, to->arriving, &from, world->now_us);
  tn_packet_batch_reset (to->arriving);
}

/* A datagram of UDP: a flow that every packet is looked up for. */
static void
fill (World *world)
{
  Side *from = &world->sides[0], *to = &world->sides[1];

  tn_packet_batch_reset (world->batch);
  for (guint i = 0; i < BATCH; i++)
    {
      TnPacket *packet = tn_packet_batch_append (world->batch, LEN);
      guint8 *p = packet->data;

      memset (p, 0, 28);
      p[0] = 0x45;
      p[2] = LEN >> 8;
      p[3] = LEN & 0xff;
      p[8] = 64;
      p[9] = 17;
      memcpy (p + 12, from->address.bytes, 4);
      memcpy (p + 16, to->address.bytes, 4);
      p[21] = p[23] = 53;
      p[24] = (LEN - 20) >> 8;
      p[25] = (LEN - 20) & 0xff;
    }
}

static void
round_trip (gpointer data)
{
  World *world = data;

  fill (world);
  tn_pipeline_from_overlay (world->sides[0].pipeline, world->batch, world->now_us);
  deliver (world, &world->sides[1]);
}

static double
time_pipeline (gpointer data)
{
  World *world = data;
  Side *to = &world->sides[1];
  guint64 before = to->n_received;
  gint64 begin_us = g_get_monotonic_time ();

  while (g_get_monotonic_time () < begin_us + 100 * G_TIME_SPAN_MILLISECOND)
    round_trip (world);
  if (to->n_received == before)
    g_error ("nothing came through");
  return (double) (g_get_monotonic_time () - begin_us) * 1000 / (double) (to->n_received - before);
}

/* Packets of the host until they are datagrams, which nobody takes. */
static double
time_sealing (World        *world,
              TnCryptoPool *pool)
{
  Side *from = &world->sides[0];
  TnPacketBatch *arriving = from->other->arriving;
  gint64 begin_us, spent_us = 0;
  guint64 n = 0;

  tn_tunnel_set_pool (tn_pipeline_get_tunnel (from->pipeline), pool);
  while (spent_us < 100 * G_TIME_SPAN_MILLISECOND)
    {
      fill (world);
      begin_us = g_get_monotonic_time ();
      tn_pipeline_from_overlay (from->pipeline, world->batch, world->now_us);
      spent_us += g_get_monotonic_time () - begin_us;
      n += arriving->n_packets;
      tn_packet_batch_reset (arriving);
    }
  tn_tunnel_set_pool (tn_pipeline_get_tunnel (from->pipeline), NULL);
  return (double) spent_us * 1000 / (double) n;
}

static double
time_shared (gpointer data)
{
  return time_sealing (data, ((World *) data)->pool);
}

static double
time_alone (gpointer data)
{
  return time_sealing (data, NULL);
}

static void
seal_and_open (gpointer data)
{
  static const guint8 key[TN_AEAD_KEY_LEN], nonce[TN_AEAD_NONCE_LEN];
  World *world = data;

  tn_aead_seal (world->aead, key, nonce, NULL, 0, world->bytes, LEN, world->bytes);
  if (!tn_aead_open (world->aead, key, nonce, NULL, 0, world->bytes, LEN + TN_AEAD_TAG_LEN, world->bytes))
    g_error ("cannot open");
}

static double
time_bare (gpointer data)
{
  return cases_time (seal_and_open, data);
}

void
cases_pipeline (void)
{
  static const Case c = { "pipeline/1280", "ns", FALSE, "libcrypto alone" };
  static const Case shared = { "seal/two-threads", "ns", FALSE, "one thread" };
  static const TnPipelineHooks hooks = {
    .to_overlay = to_overlay,
    .to_underlay = to_underlay,
    .set_blocked = set_blocked,
    .pong = pong,
    .wall_time_ns = wall_time_ns,
    .random = random_bytes,
  };
  g_autofree World *world = g_new0 (World, 1);

  world->now_us = g_get_monotonic_time ();
  world->aead = tn_aead_new ();
  world->batch = tn_packet_batch_new (BATCH * (LEN + 256));
  for (guint i = 0; i < 2; i++)
    {
      Side *side = &world->sides[i];
      const guint8 address[] = { 100, 64, 0, (guint8) (i + 1) };

      side->other = &world->sides[1 - i];
      side->id = i + 1;
      side->address = tn_ip_address_from_bytes (address, sizeof address);
      side->arriving = tn_packet_batch_new (4096);
      tn_node_private_key_generate (&side->key);
      tn_node_private_key_get_public (&side->key, &side->public_key);
      tn_disco_private_key_generate (&side->disco_key);
      side->pipeline = tn_pipeline_new (&side->key, &side->disco_key, &hooks, side);
    }
  for (guint i = 0; i < 2; i++)
    introduce (&world->sides[i], &world->sides[1 - i]);
  /* Handshake. */
  tn_pipeline_connect (world->sides[0].pipeline, 2, world->now_us);
  for (guint i = 0; i < 3; i++)
    {
      deliver (world, &world->sides[1]);
      deliver (world, &world->sides[0]);
    }

  cases_measure (&c, time_pipeline, time_bare, -1, world);
  world->pool = tn_crypto_pool_new (1, 0);
  cases_measure (&shared, time_shared, time_alone, -1, world);
  tn_crypto_pool_unref (world->pool);

  for (guint i = 0; i < 2; i++)
    {
      tn_pipeline_free (world->sides[i].pipeline);
      tn_packet_batch_free (world->sides[i].arriving);
    }
  tn_packet_batch_free (world->batch);
  tn_aead_free (world->aead);
}
