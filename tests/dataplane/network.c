/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network.h"

#include <string.h>

#include "tn-ip-header.h"
#include "tn-reader.h"

#define PAYLOAD (20 + 8)                   /* offset of who, to whom, which */

typedef struct
{
  gint64           at_us;
  guint64          serial;
  Node            *to;
  TnNodePublicKey  from;
  guint            region;
  GBytes          *bytes;                   /* NULL: the relay tells that nobody with that key is there */
} InFlight;

/* --- Chance --- */

gboolean
world_chance (World *world,
              double p)
{
  return g_rand_double (world->rand) < p;
}

guint
world_below (World *world,
             guint  n)
{
  return (guint) g_rand_int_range (world->rand, 0, (gint32) n);
}

Node *
world_any_node (World *world)
{
  return &world->nodes[world_below (world, world->n_nodes)];
}

Node *
node_other (Node *node)
{
  World *world = node->world;

  return &world->nodes[(node->index + 1 + world_below (world, world->n_nodes - 1)) % world->n_nodes];
}

void
node_random (gpointer  data,
             void     *out,
             gsize     len)
{
  for (gsize i = 0; i < len; i++)
    ((guint8 *) out)[i] = (guint8) g_rand_int (((Node *) data)->world->rand);
}

/* --- The model --- */

const TnIpAddress *
node_address_of (Node *peer,
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
  return (gint64) tn_get_u32be (node_address_of (peer, node)->bytes) << 32 | (gint64) own_port << 16 | peer_port;
}

gboolean
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
  if (from->is_cut_off || (found != NULL && found->is_cut_off) || world_chance (world, world->loss))
    return;
  if (found == NULL)
    {
      put (world, from, &to->relay.key, to->relay.region, NULL);
      return;
    }
  put (world, found, &from->node_key, to->relay.region, bytes);
  if (world_chance (world, world->duplication))
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

void
node_tell_router (Node *node)
{
  World *world = node->world;
  g_autoptr (TnOverlayRoutes) routes = tn_overlay_routes_new ();
  g_autoptr (TnOverlayRouter) router = NULL;

  for (guint i = 0; i < world->n_nodes; i++)
    {
      TnIpPrefix prefix = { *node_address_of (&world->nodes[i], node), 32 };
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

void
node_tell_peer (Node *node,
                Node *peer)
{
  TnPipelinePeer config = { .id = 1 + peer->index, .disco_key = peer->disco_key, .home_region = peer->home, .key = peer->node_key };

  node->knows[peer->index] = TRUE;
  node->known_home[peer->index] = peer->home;
  tn_pipeline_upsert_peer (node->pipeline, &config, node->world->now_us);
  node_tell_router (node);
}

void
node_forget_peer (Node *node,
                  Node *peer)
{
  node->knows[peer->index] = FALSE;
  node_tell_router (node);
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
        tn_ip_address_print (node_address_of (&node->world->nodes[i], node), source);
        tn_ip_address_print (&node->address, own);
        g_assert_true (tn_filter_builder_add_rule (builder, &rule));
      }
}

void
node_tell_filter (Node *node)
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

void
node_start (Node *node)
{
  static const TnPipelineHooks hooks = {
    .to_overlay = to_overlay,
    .to_underlay = to_underlay,
    .set_blocked = set_blocked,
    .pong = pong,
    .wall_time_ns = wall_time,
    .random = node_random,
  };
  TnIpAddress none = { 0 };

  node->pipeline = tn_pipeline_new (&node->node_private, &node->disco_private, &hooks, node);
  node->n_blocked = 0;
  node->joined = 1u << (node->home - FIRST_REGION);
  g_hash_table_remove_all (node->flows);
  tn_pipeline_set_addresses (node->pipeline, &node->address, &none);
  for (guint i = 0; i < node->world->n_nodes; i++)
    if (node->knows[i])
      node_tell_peer (node, &node->world->nodes[i]);
  node_tell_router (node);
  node_tell_filter (node);
}

void
node_new_key (Node *node)
{
  node_random (node, node->node_private.bytes, TN_KEY_LEN);
  tn_node_private_key_get_public (&node->node_private, &node->node_key);
}

/* --- Traffic --- */

void
node_send (Node    *node,
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
      gsize len = PAYLOAD + 10 + world_below (world, 100);
      TnPacket *packet = tn_packet_batch_append (batch, len);
      guint64 number = world->n_packets++;

      g_assert_cmpuint (tn_ip_header_write (packet->data, len, &node->address, node_address_of (to, node), TN_PROTO_UDP, 1, len - 20), ==, 20);
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

guint16
world_any_port (World *world)
{
  return (guint16) (FIRST_PORT + world_below (world, N_PORTS));
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

void
world_run (World  *world,
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

/* --- World --- */

World *
world_new (guint32 seed)
{
  World *world = g_new0 (World, 1);

  world->rand = g_rand_new_with_seed (seed);
  world->now_us = HOUR;
  world->n_nodes = 2 + world_below (world, NODES_MAX - 1);
  world->wire = g_sequence_new (in_flight_free);
  world->delivered = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  for (guint i = 0; i < world->n_nodes; i++)
    {
      Node *node = &world->nodes[i];
      const guint8 address[] = { 100, 64, 0, (guint8) (i + 1) };

      node->world = world;
      node->index = i;
      node->address = tn_ip_address_from_bytes (address, sizeof address);
      node->home = FIRST_REGION + world_below (world, N_REGIONS);
      node->flows = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
      node_random (node, node->disco_private.bytes, TN_KEY_LEN);
      tn_disco_private_key_get_public (&node->disco_private, &node->disco_key);
      node_new_key (node);
    }
  for (guint i = 0; i < world->n_nodes; i++)
    {
      for (guint j = 0; j < world->n_nodes; j++)
        {
          world->nodes[i].knows[j] = i != j;
          world->nodes[i].lets[j] = world_below (world, 1 << N_PORTS);
        }
      node_start (&world->nodes[i]);
    }
  return world;
}

void
world_free (World *world)
{
  for (guint i = 0; i < world->n_nodes; i++)
    {
      tn_pipeline_free (world->nodes[i].pipeline);
      g_hash_table_unref (world->nodes[i].flows);
    }
  g_sequence_free (world->wire);
  g_hash_table_unref (world->delivered);
  g_rand_free (world->rand);
  g_free (world);
}
