/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A network of pipelines in virtual time, on relays that lose, delay, reorder, duplicate and are full, while maps and filters change,
 * nodes start again, get new keys and move. A model that knows no more than who told whom what says at all times which packets may
 * arrive, and, once the network has healed, which have to.
 *
 * All that is random comes from a seed. TAILNET_TEST_SEED=N runs that one alone, TAILNET_TEST_SEEDS=N that many. */

#include <math.h>
#include <string.h>

#include "tn-ip-header.h"
#include "tn-pipeline.h"
#include "tn-reader.h"

#define N_SEEDS 250
#define NODES_MAX 4
#define N_PORTS 4
#define FIRST_PORT 1000
#define FIRST_REGION 7
#define N_REGIONS 2
#define PAYLOAD (20 + 8)                   /* offset of who, to whom, which */
#define MS ((gint64) 1000)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define TURMOIL (10 * MINUTE)
#define HEALING (4 * MINUTE)               /* a session of which only one end is left is made anew, and all have given up and begun again */

typedef struct _World World;

typedef struct
{
  World            *world;
  guint             index;
  TnPipeline       *pipeline;
  TnNodePrivateKey  node_private;
  TnNodePublicKey   node_key;
  TnDiscoPrivateKey disco_private;
  TnDiscoPublicKey  disco_key;
  TnIpAddress       address;
  guint             home;                   /* region */
  guint             joined;                 /* bits: regions where it can be reached */
  gboolean          is_cut_off;
  gint64            full_until_us;          /* its relays take nothing but what is urgent */
  guint             n_blocked;
  guint             n_pongs;

  /* What it was told, and by the model. */
  gboolean          knows[NODES_MAX];
  TnNodePublicKey   known_key[NODES_MAX];
  guint             known_home[NODES_MAX];
  TnIpAddress       known_as[NODES_MAX];    /* version 0: by its own address */
  guint             lets[NODES_MAX];        /* bits: ports that the other may open */
  GHashTable       *flows;                  /* of flow_id(): what it has asked, and may be answered */
} Node;

typedef struct
{
  gint64           at_us;
  guint64          serial;
  Node            *to;
  TnNodePublicKey  from;
  guint            region;
  GBytes          *bytes;                   /* NULL: the relay tells that nobody with that key is there */
} InFlight;

struct _World
{
  GRand      *rand;
  gint64      now_us;
  Node        nodes[NODES_MAX];
  guint       n_nodes;
  GSequence  *wire;
  guint64     n_datagrams;
  guint64     n_packets;
  GHashTable *delivered;                    /* set of packet numbers */
  guint64     n_delivered;
  double      loss;
  double      duplication;
  gint64      delay_min_us;
  gint64      delay_max_us;
};

/* --- Chance --- */

static gboolean
chance (World *world,
        double p)
{
  return g_rand_double (world->rand) < p;
}

static guint
below (World *world,
       guint  n)
{
  return (guint) g_rand_int_range (world->rand, 0, (gint32) n);
}

static Node *
any_node (World *world)
{
  return &world->nodes[below (world, world->n_nodes)];
}

static Node *
other_node (Node *node)
{
  World *world = node->world;

  return &world->nodes[(node->index + 1 + below (world, world->n_nodes - 1)) % world->n_nodes];
}

static void
random_bytes (gpointer  data,
              void     *out,
              gsize     len)
{
  for (gsize i = 0; i < len; i++)
    ((guint8 *) out)[i] = (guint8) g_rand_int (((Node *) data)->world->rand);
}

/* --- The model --- */

/* As @node knows it now. */
static const TnIpAddress *
address_of (Node *peer,
            Node *node)
{
  const TnIpAddress *alias = &peer->known_as[node->index];

  return alias->version != 0 ? alias : &peer->address;
}

static gint64
flow_id (Node    *node,
         Node    *peer,
         guint16  own_port,
         guint16  peer_port)
{
  return (gint64) tn_get_u32be (address_of (peer, node)->bytes) << 32 | (gint64) own_port << 16 | peer_port;
}

static gboolean
model_accepts (Node    *node,
               Node    *from,
               guint16  src_port,
               guint16  dst_port)
{
  gint64 flow = flow_id (node, from, dst_port, src_port);

  if (!node->knows[from->index])
    return FALSE;
  return (node->lets[from->index] >> (dst_port - FIRST_PORT) & 1) != 0 ||
         g_hash_table_contains (node->flows, &flow);
}

/* --- Relays --- */

static int
compare (gconstpointer a,
         gconstpointer b,
         gpointer      unused)
{
  const InFlight *x = a, *y = b;

  if (x->at_us != y->at_us)
    return x->at_us < y->at_us ? -1 : 1;
  return x->serial < y->serial ? -1 : x->serial > y->serial;
}

static void
in_flight_free (gpointer data)
{
  g_clear_pointer (&((InFlight *) data)->bytes, g_bytes_unref);
  g_free (data);
}

static void
put (World                 *world,
     Node                  *to,
     const TnNodePublicKey *from,
     guint                  region,
     GBytes                *bytes)
{
  InFlight *flight = g_new0 (InFlight, 1);

  flight->at_us = world->now_us + world->delay_min_us +
                  (gint64) g_rand_double_range (world->rand, 0, (double) (world->delay_max_us - world->delay_min_us + 1));
  flight->serial = world->n_datagrams++;
  flight->to = to;
  flight->from = *from;
  flight->region = region;
  flight->bytes = bytes != NULL ? g_bytes_ref (bytes) : NULL;
  g_sequence_insert_sorted (world->wire, flight, compare, NULL);
}

static void
relay (Node                *from,
       const TnPathAddress *to,
       const TnPacket      *packet)
{
  World *world = from->world;
  guint bit = 1u << (to->relay.region - FIRST_REGION);
  g_autoptr (GBytes) bytes = g_bytes_new (packet->data, packet->len);
  Node *found = NULL;

  from->joined |= bit;
  for (guint i = 0; i < world->n_nodes; i++)
    if (tn_node_public_key_equal (&world->nodes[i].node_key, &to->relay.key) && (world->nodes[i].joined & bit) != 0)
      found = &world->nodes[i];
  if (from->is_cut_off || (found != NULL && found->is_cut_off) || chance (world, world->loss))
    return;
  if (found == NULL)
    {
      put (world, from, &to->relay.key, to->relay.region, NULL);
      return;
    }
  put (world, found, &from->node_key, to->relay.region, bytes);
  if (chance (world, world->duplication))
    put (world, found, &from->node_key, to->relay.region, bytes);
}

/* --- What a pipeline needs of the world --- */

static void
to_overlay (gpointer       data,
            TnPacketBatch *batch)
{
  Node *node = data;
  World *world = node->world;

  for (guint i = 0; i < batch->n_packets; i++)
    {
      const TnPacket *packet = &batch->packets[i];
      TnParsed parsed;
      guint64 number;
      Node *from;

      tn_parse (&parsed, packet->data, packet->len);
      g_assert_cmpuint (parsed.proto, ==, TN_PROTO_UDP);
      g_assert_cmpuint (packet->len, >=, PAYLOAD + 10);
      g_assert_cmpuint (packet->data[PAYLOAD], <, world->n_nodes);
      g_assert_cmpuint (packet->data[PAYLOAD + 1], ==, node->index);
      from = &world->nodes[packet->data[PAYLOAD]];
      number = tn_get_u64be (packet->data + PAYLOAD + 2);
      for (guint j = PAYLOAD + 10; j < packet->len; j++)
        g_assert_cmpuint (packet->data[j], ==, (guint8) (number * 7 + j));

      g_assert_true (tn_ip_address_equal (&parsed.dst, &node->address));
      g_assert_true (model_accepts (node, from, parsed.src_port, parsed.dst_port));
      g_assert_true (g_hash_table_add (world->delivered, g_memdup2 (&number, sizeof number)));
      world->n_delivered++;
    }
}

static guint
to_underlay (gpointer             data,
             const TnPathAddress *to,
             const TnPacketBatch *batch,
             guint                first,
             gboolean             urgent)
{
  Node *node = data;

  g_assert_cmpint (to->kind, ==, TN_PATH_ADDRESS_RELAY);
  for (guint i = first; i < batch->n_packets; i++)
    {
      if (!urgent && node->full_until_us > node->world->now_us)
        return i - first;
      relay (node, to, &batch->packets[i]);
    }
  return batch->n_packets - first;
}

static void
set_blocked (gpointer           data,
             const TnIpAddress *destination,
             gboolean           blocked)
{
  Node *node = data;

  if (!blocked)
    g_assert_cmpuint (node->n_blocked, >, 0);
  node->n_blocked += blocked ? 1 : -1u;
}

static void
pong (gpointer              data,
      const TnPipelinePong *pong)
{
  g_assert_cmpint (pong->latency_us, >=, 0);
  ((Node *) data)->n_pongs++;
}

static gint64
wall_time (gpointer data)
{
  return ((Node *) data)->world->now_us * 1000 + G_GINT64_CONSTANT (1700000000000000000);
}

/* --- What a node is told --- */

static void
tell_router (Node *node)
{
  World *world = node->world;
  g_autoptr (TnOverlayRoutes) routes = tn_overlay_routes_new ();
  g_autoptr (TnOverlayRouter) router = NULL;

  for (guint i = 0; i < world->n_nodes; i++)
    {
      TnIpPrefix prefix = { *address_of (&world->nodes[i], node), 32 };
      TnOverlayPeer peer = {
        .id = 1 + i,
        .addresses = &prefix,
        .n_addresses = 1,
        .allowed_ips = &prefix,
        .n_allowed_ips = 1,
        .home_region = node->known_home[i],
        .has_disco_key = TRUE,
        .masquerade4 = node->known_as[i],
      };

      if (node->knows[i])
        tn_overlay_routes_upsert (routes, &peer);
    }
  router = tn_overlay_routes_snapshot (routes);
  tn_pipeline_set_router (node->pipeline, router);
}

static void
tell_peer (Node *node,
           Node *peer)
{
  TnPipelinePeer config = { .id = 1 + peer->index, .disco_key = peer->disco_key, .home_region = peer->home, .key = peer->node_key };

  node->knows[peer->index] = TRUE;
  node->known_key[peer->index] = peer->node_key;
  node->known_home[peer->index] = peer->home;
  tn_pipeline_upsert_peer (node->pipeline, &config, node->world->now_us);
  tell_router (node);
}

static void
forget_peer (Node *node,
             Node *peer)
{
  node->knows[peer->index] = FALSE;
  tell_router (node);
  tn_pipeline_remove_peer (node->pipeline, 1 + peer->index, node->world->now_us);
}

static void
add_rules (Node            *node,
           TnFilterBuilder *builder)
{
  for (guint i = 0; i < node->world->n_nodes; i++)
    for (guint port = 0; port < N_PORTS; port++)
      {
        char source[TN_IP_ADDRESS_TEXT_MAX], own[TN_IP_ADDRESS_TEXT_MAX];
        const char *const sources[] = { source, NULL };
        TnFilterDestination destination = { own, (guint16) (FIRST_PORT + port), (guint16) (FIRST_PORT + port) };
        TnFilterRule rule = { .sources = sources, .n_sources = 1, .destinations = &destination, .n_destinations = 1 };

        if ((node->lets[i] >> port & 1) == 0)
          continue;
        tn_ip_address_print (address_of (&node->world->nodes[i], node), source);
        tn_ip_address_print (&node->address, own);
        g_assert_true (tn_filter_builder_add_rule (builder, &rule));
      }
}

static void
tell_filter (Node *node)
{
  TnFilterBuilder *builder = tn_filter_builder_new ();
  TnFilterBuilder *jailed_builder = tn_filter_builder_new ();
  TnIpPrefix own = { node->address, 32 };
  g_autoptr (TnFilter) filter = NULL;
  g_autoptr (TnFilter) jailed = NULL;

  tn_filter_builder_add_local (builder, &own);
  tn_filter_builder_add_local (jailed_builder, &own);
  add_rules (node, builder);
  filter = tn_filter_builder_end (builder);
  jailed = tn_filter_builder_end (jailed_builder);
  tn_pipeline_set_filters (node->pipeline, filter, jailed);
}

static void
node_start (Node *node)
{
  static const TnPipelineHooks hooks = {
    .to_overlay = to_overlay,
    .to_underlay = to_underlay,
    .set_blocked = set_blocked,
    .pong = pong,
    .wall_time_ns = wall_time,
    .random = random_bytes,
  };
  TnIpAddress none = { 0 };

  node->pipeline = tn_pipeline_new (&node->node_private, &node->disco_private, &hooks, node);
  node->n_blocked = 0;
  node->joined = 1u << (node->home - FIRST_REGION);
  g_hash_table_remove_all (node->flows);
  tn_pipeline_set_addresses (node->pipeline, &node->address, &none);
  for (guint i = 0; i < node->world->n_nodes; i++)
    if (node->knows[i])
      tell_peer (node, &node->world->nodes[i]);
  tell_router (node);
  tell_filter (node);
}

static void
new_key (Node *node)
{
  random_bytes (node, node->node_private.bytes, TN_KEY_LEN);
  tn_node_private_key_get_public (&node->node_private, &node->node_key);
}

/* --- Traffic --- */

static void
send_packets (Node    *node,
              Node    *to,
              guint16  src_port,
              guint16  dst_port,
              guint    n)
{
  World *world = node->world;
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (32 * 1024);
  gint64 flow = flow_id (node, to, src_port, dst_port);

  for (guint i = 0; i < n; i++)
    {
      gsize len = PAYLOAD + 10 + below (world, 100);
      TnPacket *packet = tn_packet_batch_append (batch, len);
      guint64 number = world->n_packets++;

      g_assert_cmpuint (tn_ip_header_write (packet->data, len, &node->address, address_of (to, node), TN_PROTO_UDP, 1, len - 20), ==, 20);
      tn_put_u16be (packet->data + 20, src_port);
      tn_put_u16be (packet->data + 22, dst_port);
      tn_put_u16be (packet->data + 24, (guint16) (len - 20));
      tn_put_u16be (packet->data + 26, 0);
      packet->data[PAYLOAD] = (guint8) node->index;
      packet->data[PAYLOAD + 1] = (guint8) to->index;
      tn_put_u64be (packet->data + PAYLOAD + 2, number);
      for (gsize j = PAYLOAD + 10; j < len; j++)
        packet->data[j] = (guint8) (number * 7 + j);
    }
  if (node->knows[to->index])
    g_hash_table_add (node->flows, g_memdup2 (&flow, sizeof flow));
  tn_pipeline_from_overlay (node->pipeline, batch, world->now_us);
}

static guint16
any_port (World *world)
{
  return (guint16) (FIRST_PORT + below (world, N_PORTS));
}

static void
arrive (World *world)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (32 * 1024);
  TnPathAddress from[TN_PACKET_BATCH_MAX];
  Node *to = NULL;

  /* What comes for one node at about this time comes together. */
  while (!g_sequence_is_empty (world->wire) && batch->n_packets < 8)
    {
      GSequenceIter *iter = g_sequence_get_begin_iter (world->wire);
      InFlight *flight = g_sequence_get (iter);
      TnPathAddress path = { .kind = TN_PATH_ADDRESS_RELAY, .relay = { flight->region, flight->from } };

      if (flight->at_us > world->now_us + MS || (to != NULL && (flight->to != to || flight->bytes == NULL)))
        break;
      to = flight->to;
      if (flight->bytes == NULL)
        {
          tn_pipeline_path_gone (to->pipeline, &path);
          g_sequence_remove (iter);
          return;
        }
      from[batch->n_packets] = path;
      memcpy (tn_packet_batch_append (batch, g_bytes_get_size (flight->bytes))->data, g_bytes_get_data (flight->bytes, NULL),
              g_bytes_get_size (flight->bytes));
      g_sequence_remove (iter);
    }
  tn_pipeline_from_underlay (to->pipeline, batch, from, world->now_us);
}

static gint64
next_event (World *world)
{
  gint64 at_us = G_MAXINT64;

  if (!g_sequence_is_empty (world->wire))
    at_us = ((InFlight *) g_sequence_get (g_sequence_get_begin_iter (world->wire)))->at_us;
  for (guint i = 0; i < world->n_nodes; i++)
    {
      Node *node = &world->nodes[i];

      at_us = MIN (at_us, tn_pipeline_deadline (node->pipeline));
      if (node->full_until_us > world->now_us)
        at_us = MIN (at_us, node->full_until_us);
    }
  return at_us;
}

static void
run (World  *world,
     gint64  for_us)
{
  gint64 end_us = world->now_us + for_us;
  gint64 at_us;

  while ((at_us = next_event (world)) <= end_us)
    {
      world->now_us = MAX (world->now_us, at_us);
      for (guint i = 0; i < world->n_nodes; i++)
        {
          Node *node = &world->nodes[i];

          if (tn_pipeline_deadline (node->pipeline) <= world->now_us)
            tn_pipeline_expire (node->pipeline, world->now_us);
          if (node->full_until_us != 0 && node->full_until_us <= world->now_us)
            {
              node->full_until_us = 0;
              for (guint region = FIRST_REGION; region < FIRST_REGION + N_REGIONS; region++)
                tn_pipeline_path_writable (node->pipeline,
                                           &(TnPathAddress) { .kind = TN_PATH_ADDRESS_RELAY, .relay = { region, node->node_key } },
                                           world->now_us);
            }
        }
      if (!g_sequence_is_empty (world->wire) &&
          ((InFlight *) g_sequence_get (g_sequence_get_begin_iter (world->wire)))->at_us <= world->now_us)
        arrive (world);
    }
  world->now_us = end_us;
}

/* --- Turmoil --- */

static void
change_filter (Node *node)
{
  for (guint i = 0; i < node->world->n_nodes; i++)
    if (chance (node->world, 0.5))
      node->lets[i] = below (node->world, 1 << N_PORTS);
  tell_filter (node);
}

/* The two have to hear of it together: until then their packets are not each other's. */
static void
change_alias (Node *node)
{
  Node *peer = other_node (node);
  guint8 bytes[] = { 100, 99, (guint8) peer->index, (guint8) (10 * node->index + below (node->world, 10)) };

  if (!node->knows[peer->index] || !peer->knows[node->index])
    return;
  node->known_as[peer->index] = chance (node->world, 0.3) ? (TnIpAddress) { 0 } : tn_ip_address_from_bytes (bytes, sizeof bytes);
  tell_router (node);
  tell_router (peer);
  tell_filter (peer);
}

static void
something_happens (World *world)
{
  Node *node = any_node (world);
  Node *other = other_node (node);

  switch (below (world, 9))
    {
    case 0:
      change_filter (node);
      break;
    case 1:
      forget_peer (node, other);
      break;
    case 2:
    case 3:
      tell_peer (node, other);
      tell_filter (node);
      break;
    case 4:
      tn_pipeline_free (node->pipeline);
      node_start (node);
      break;
    case 5:      /* the others hear of it when they are told next */
      new_key (node);
      tn_pipeline_set_node_key (node->pipeline, &node->node_private);
      break;
    case 6:
      node->home = FIRST_REGION + below (world, N_REGIONS);
      node->joined = 1u << (node->home - FIRST_REGION);
      break;
    case 7:
      node->is_cut_off = !node->is_cut_off;
      break;
    default:
      change_alias (node);
      break;
    }
}

static void
somebody_talks (World *world)
{
  Node *node = any_node (world);
  Node *to = other_node (node);

  if (chance (world, 0.05))
    node->full_until_us = world->now_us + 1 + below (world, 2000) * MS;
  if (chance (world, 0.1))
    tn_pipeline_ping_disco (node->pipeline, 1 + to->index, below (world, 1000), 1 + below (world, 100), world->now_us);
  if (chance (world, 0.1))
    tn_pipeline_ping_tsmp (node->pipeline, 1 + to->index, address_of (to, node), 101 + below (world, 100), world->now_us);
  send_packets (node, to, any_port (world), any_port (world), 1 + below (world, 20));
}

static void
worsen (World *world)
{
  world->loss = g_rand_double_range (world->rand, 0, 0.5);
  world->duplication = g_rand_double_range (world->rand, 0, 0.3);
  world->delay_min_us = (gint64) g_rand_double_range (world->rand, 0, 200 * MS);
  world->delay_max_us = world->delay_min_us + (gint64) g_rand_double_range (world->rand, 0, 2 * SECOND);
}

static void
turmoil (World *world)
{
  gint64 end_us = world->now_us + TURMOIL;
  double pause_s = g_rand_double_range (world->rand, 0.2, 20);

  while (world->now_us < end_us)
    {
      if (chance (world, 0.1))
        something_happens (world);
      somebody_talks (world);
      run (world, (gint64) (-log (1 - g_rand_double (world->rand)) * pause_s * (double) SECOND));
    }
}

/* --- And then all is well --- */

static void
heal (World *world)
{
  world->loss = world->duplication = 0;
  world->delay_min_us = world->delay_max_us = 10 * MS;
  for (guint i = 0; i < world->n_nodes; i++)
    {
      world->nodes[i].is_cut_off = FALSE;
      world->nodes[i].full_until_us = MIN (world->nodes[i].full_until_us, world->now_us + 1);
    }
  run (world, 10 * SECOND);      /* what is still under way is of the time before */
  for (guint i = 0; i < world->n_nodes; i++)
    for (guint j = 0; j < world->n_nodes; j++)
      if (i != j)
        {
          tell_peer (&world->nodes[i], &world->nodes[j]);
          tell_filter (&world->nodes[i]);
        }
  for (gint64 t = 0; t < HEALING; t += SECOND)
    {
      for (guint i = 0; i < world->n_nodes; i++)
        for (guint j = 0; j < world->n_nodes; j++)
          if (i != j)
            send_packets (&world->nodes[i], &world->nodes[j], FIRST_PORT, FIRST_PORT, 1);
      run (world, SECOND);
    }
}

/* Each packet arrives that the model lets in, and no other. */
static void
check_exact (World *world)
{
  for (guint i = 0; i < 200; i++)
    {
      Node *node = any_node (world);
      Node *to = other_node (node);
      guint16 src_port = any_port (world), dst_port = any_port (world);
      guint n = 1 + below (world, 5);
      guint64 before = world->n_delivered;

      if (chance (world, 0.1))
        change_filter (node);
      if (chance (world, 0.1))
        change_alias (node);
      send_packets (node, to, src_port, dst_port, n);
      run (world, 100 * MS);
      g_assert_cmpuint (world->n_delivered - before, ==, model_accepts (to, node, src_port, dst_port) ? n : 0);
    }
}

static void
check_pings (World *world)
{
  for (guint i = 0; i < world->n_nodes; i++)
    {
      Node *node = &world->nodes[i];
      Node *to = other_node (node);
      guint before = node->n_pongs;

      g_assert_true (tn_pipeline_ping_disco (node->pipeline, 1 + to->index, 0, 1001, world->now_us));
      run (world, 100 * MS);
      g_assert_cmpuint (node->n_pongs, ==, before + 1);
      g_assert_true (tn_pipeline_ping_tsmp (node->pipeline, 1 + to->index, address_of (to, node), 1002, world->now_us));
      run (world, 100 * MS);
      g_assert_cmpuint (node->n_pongs, ==, before + 2);
    }
}

static void
check_quiet (World *world)
{
  run (world, HOUR);
  g_assert_true (g_sequence_is_empty (world->wire));
  for (guint i = 0; i < world->n_nodes; i++)
    {
      g_assert_cmpint (tn_pipeline_deadline (world->nodes[i].pipeline), ==, G_MAXINT64);
      g_assert_cmpuint (world->nodes[i].n_blocked, ==, 0);
    }
}

static void
run_seed (guint32 seed)
{
  World world = { .rand = g_rand_new_with_seed (seed), .now_us = HOUR };

  g_test_message ("seed %u", seed);
  world.n_nodes = 2 + below (&world, NODES_MAX - 1);
  world.wire = g_sequence_new (in_flight_free);
  world.delivered = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  for (guint i = 0; i < world.n_nodes; i++)
    {
      Node *node = &world.nodes[i];
      const guint8 address[] = { 100, 64, 0, (guint8) (i + 1) };

      node->world = &world;
      node->index = i;
      node->address = tn_ip_address_from_bytes (address, sizeof address);
      node->home = FIRST_REGION + below (&world, N_REGIONS);
      node->flows = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
      random_bytes (node, node->disco_private.bytes, TN_KEY_LEN);
      tn_disco_private_key_get_public (&node->disco_private, &node->disco_key);
      new_key (node);
    }
  for (guint i = 0; i < world.n_nodes; i++)
    {
      for (guint j = 0; j < world.n_nodes; j++)
        {
          world.nodes[i].knows[j] = i != j;
          world.nodes[i].lets[j] = below (&world, 1 << N_PORTS);
        }
      node_start (&world.nodes[i]);
    }
  worsen (&world);
  turmoil (&world);
  heal (&world);
  check_exact (&world);
  check_pings (&world);
  check_quiet (&world);

  for (guint i = 0; i < world.n_nodes; i++)
    {
      tn_pipeline_free (world.nodes[i].pipeline);
      g_hash_table_unref (world.nodes[i].flows);
    }
  g_sequence_free (world.wire);
  g_hash_table_unref (world.delivered);
  g_rand_free (world.rand);
}

static void
test_seeds (void)
{
  const char *seed = g_getenv ("TAILNET_TEST_SEED");
  const char *seeds = g_getenv ("TAILNET_TEST_SEEDS");
  guint32 n = seeds != NULL ? (guint32) g_ascii_strtoull (seeds, NULL, 10) : N_SEEDS;

  if (seed != NULL)
    run_seed ((guint32) g_ascii_strtoull (seed, NULL, 10));
  else
    for (guint32 i = 1; i <= n; i++)
      run_seed (i);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/dataplane/network/seeds", test_seeds);
  return g_test_run ();
}
