/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pipeline-world.h"

#include <string.h>

#include "tn-box.h"
#include "tn-ip-header.h"
#include "tn-pcapng.h"

/* --- What a pipeline needs of the world --- */

static void
node_to_overlay (gpointer       data,
                 TnPacketBatch *batch)
{
  Node *node = data;

  for (guint i = 0; i < batch->n_packets; i++)
    g_ptr_array_add (node->received, g_bytes_new (batch->packets[i].data, batch->packets[i].len));
}

static Node *
find_node (World                 *world,
           const TnNodePublicKey *key)
{
  for (guint i = 0; i < G_N_ELEMENTS (world->nodes); i++)
    if (tn_node_public_key_equal (&world->nodes[i].node_key, key))
      return &world->nodes[i];
  return NULL;
}

TnPathAddress
udp_address (Node *node)
{
  guint8 bytes[] = { 192, 0, 2, (guint8) (1 + node - node->world->nodes) };

  return (TnPathAddress) { .kind = TN_PATH_ADDRESS_UDP, .udp = { { tn_ip_address_from_bytes (bytes, 4), 41641 }, 0, TN_PATH_NO_VNI } };
}

static Node *
find_receiver (World               *world,
               const TnPathAddress *to)
{
  if (to->kind == TN_PATH_ADDRESS_RELAY)
    return find_node (world, &to->relay.key);
  g_assert_cmpuint (to->udp.endpoint.address.bytes[3], <=, G_N_ELEMENTS (world->nodes));
  return &world->nodes[to->udp.endpoint.address.bytes[3] - 1];
}

static guint
node_to_underlay (gpointer             data,
                  const TnPathAddress *to,
                  const TnPacketBatch *batch,
                  guint                first,
                  gboolean             urgent)
{
  Node *node = data;
  guint taken = 0;

  g_assert_cmpint (to->kind, !=, TN_PATH_ADDRESS_NONE);
  if (to->kind == TN_PATH_ADDRESS_RELAY)
    g_assert_cmpuint (to->relay.region, ==, REGION);
  for (guint i = first; i < batch->n_packets; i++)
    {
      InFlight *flight;

      if (!urgent && node->room == 0)
        break;
      if (!urgent)
        node->room--;
      taken++;
      if (to->kind == TN_PATH_ADDRESS_UDP)
        {
          node->n_udp++;
          if (node->udp_broken || node->world->udp_broken)
            continue;
        }
      flight = g_new0 (InFlight, 1);
      flight->to = find_receiver (node->world, to);
      flight->udp = to->kind == TN_PATH_ADDRESS_UDP;
      flight->from = node->node_key;
      flight->bytes = g_bytes_new (batch->packets[i].data, batch->packets[i].len);
      g_queue_push_tail (&node->world->wire, flight);
    }
  return taken;
}

static void
node_set_blocked (gpointer           data,
                  const TnIpAddress *destination,
                  gboolean           blocked)
{
  Node *node = data;

  node->n_block_calls++;
  if (blocked)
    node->n_blocked++;
  else
    node->n_blocked--;
}

static void
node_set_stalled (gpointer data,
                  gboolean stalled)
{
  Node *node = data;

  node->stalled = stalled;
  node->n_stalls += stalled ? 1 : 0;
}

static void
node_pong (gpointer              data,
           const TnPipelinePong *pong)
{
  g_array_append_vals (((Node *) data)->pongs, pong, 1);
}

static void
node_rejected (gpointer            data,
               const TnTsmpReject *reject)
{
  g_array_append_vals (((Node *) data)->rejects, reject, 1);
}

static void
node_wants_endpoints (gpointer data,
                      gint64   id,
                      gboolean wanted)
{
  Node *node = data;

  if (wanted)
    node->wants_endpoints_of = id;
  else if (node->wants_endpoints_of == id)
    node->wants_endpoints_of = 0;
}

static gint64
node_wall_time (gpointer data)
{
  return ((Node *) data)->world->now_us * 1000 + G_GINT64_CONSTANT (1700000000000000000);
}

static void
node_capture (gpointer        data,
              gboolean        inbound,
              TnPipelineDrop  reason,
              const TnPacket *packet)
{
  Node *node = data;
  const char *comment = reason != TN_PIPELINE_N_DROPS ? tn_pipeline_drop_get_name (reason) : NULL;
  guint before = node->captured->len;

  g_byte_array_set_size (node->captured, before + (guint) tn_pcapng_block_len (packet->len, comment));
  tn_pcapng_write_packet (node->captured->data + before, node_wall_time (node) / 1000, inbound, comment, packet->data, packet->len);
}

static void
node_random (gpointer  data,
             void     *out,
             gsize     len)
{
  tn_random (out, len);
}

/* --- World --- */

static TnFilter *
make_filter (const TnIpAddress *own,
             const char        *source)
{
  const char *const sources[] = { source, NULL };
  TnFilterDestination destination = { .ip = "*", .first = 0, .last = 65535 };
  TnFilterRule rule = { .sources = sources, .n_sources = 1, .destinations = &destination, .n_destinations = 1 };
  TnFilterBuilder *builder = tn_filter_builder_new ();
  TnIpPrefix prefix = { *own, 32 };

  tn_filter_builder_add_local (builder, &prefix);
  if (source != NULL)
    g_assert_true (tn_filter_builder_add_rule (builder, &rule));
  return tn_filter_builder_end (builder);
}

void
set_filter (Node       *node,
            const char *source)
{
  g_autoptr (TnFilter) filter = make_filter (&node->address, source);
  g_autoptr (TnFilter) jailed = make_filter (&node->address, NULL);

  tn_pipeline_set_filters (node->pipeline, filter, jailed);
}

void
introduce (Node *node)
{
  g_autoptr (TnOverlayRoutes) routes = tn_overlay_routes_new ();
  g_autoptr (TnOverlayRouter) router = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (node->world->nodes); i++)
    {
      Node *peer = &node->world->nodes[i];
      TnPipelinePeer config = { .id = peer->id, .key = peer->node_key, .disco_key = peer->disco_key, .home_region = REGION };
      const TnIpAddress *alias = &peer->known_as[node - node->world->nodes];
      TnIpPrefix prefix = { alias->version != 0 ? *alias : peer->address, 32 };
      TnOverlayPeer overlay = {
        .id = peer->id,
        .addresses = &prefix,
        .n_addresses = 1,
        .allowed_ips = &prefix,
        .n_allowed_ips = 1,
        .home_region = REGION,
        .has_disco_key = TRUE,
        .masquerade4 = node->known_as[i],
      };

      if (peer == node)
        continue;
      tn_pipeline_upsert_peer (node->pipeline, &config, node->world->now_us);
      tn_overlay_routes_upsert (routes, &overlay);
    }
  router = tn_overlay_routes_snapshot (routes);
  tn_pipeline_set_router (node->pipeline, router);
}

static World *
make_world (gboolean back_pressure)
{
  const TnPipelineHooks hooks = {
    .to_overlay = node_to_overlay,
    .to_underlay = node_to_underlay,
    .set_blocked = back_pressure ? node_set_blocked : NULL,
    .set_stalled = node_set_stalled,
    .pong = node_pong,
    .rejected = node_rejected,
    .capture = node_capture,
    .wants_endpoints = node_wants_endpoints,
    .wall_time_ns = node_wall_time,
    .random = node_random,
  };
  World *world = g_new0 (World, 1);
  TnIpAddress none = { 0 };

  world->now_us = START_US;
  g_queue_init (&world->wire);
  for (guint i = 0; i < G_N_ELEMENTS (world->nodes); i++)
    {
      Node *node = &world->nodes[i];
      const guint8 address[] = { 100, 64, 0, (guint8) (i + 1) };

      node->world = world;
      node->id = 100 + i;
      node->room = G_MAXUINT;
      node->address = tn_ip_address_from_bytes (address, sizeof address);
      tn_node_private_key_generate (&node->node_private);
      tn_node_private_key_get_public (&node->node_private, &node->node_key);
      tn_disco_private_key_generate (&node->disco_private);
      tn_disco_private_key_get_public (&node->disco_private, &node->disco_key);
      node->received = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
      node->rejects = g_array_new (FALSE, FALSE, sizeof (TnTsmpReject));
      node->captured = g_byte_array_new ();
      node->pongs = g_array_new (FALSE, FALSE, sizeof (TnPipelinePong));
      node->pipeline = tn_pipeline_new (&node->node_private, &node->disco_private, &hooks, node);
      tn_pipeline_set_addresses (node->pipeline, &node->address, &none);
    }
  for (guint i = 0; i < G_N_ELEMENTS (world->nodes); i++)
    {
      introduce (&world->nodes[i]);
      set_filter (&world->nodes[i], "*");
    }
  return world;
}

World *
world_new (void)
{
  return make_world (TRUE);
}

World *
world_new_without_back_pressure (void)
{
  return make_world (FALSE);
}

void
flight_free (InFlight *flight)
{
  g_bytes_unref (flight->bytes);
  g_free (flight);
}

void
world_free (World *world)
{
  g_queue_clear_full (&world->wire, (GDestroyNotify) flight_free);
  for (guint i = 0; i < G_N_ELEMENTS (world->nodes); i++)
    {
      tn_pipeline_free (world->nodes[i].pipeline);
      g_ptr_array_unref (world->nodes[i].received);
      g_array_unref (world->nodes[i].pongs);
      g_array_unref (world->nodes[i].rejects);
      g_byte_array_unref (world->nodes[i].captured);
    }
  g_free (world);
}

void
deliver (World          *world,
         const InFlight *flight)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (4096);
  TnPathAddress from = { .kind = TN_PATH_ADDRESS_RELAY, .relay = { REGION, flight->from } };
  gsize len;
  const guint8 *data = g_bytes_get_data (flight->bytes, &len);
  TnPacket *packet = tn_packet_batch_append (batch, len);

  if (flight->udp)
    from = udp_address (find_node (world, &flight->from));
  memcpy (packet->data, data, len);
  tn_pipeline_from_underlay (flight->to->pipeline, batch, &from, world->now_us);
}

void
settle (World *world)
{
  InFlight *flight;

  while ((flight = g_queue_pop_head (&world->wire)) != NULL)
    {
      world->now_us += 1000;
      deliver (world, flight);
      flight_free (flight);
    }
}

void
append_udp (TnPacketBatch     *batch,
            const TnIpAddress *src,
            const TnIpAddress *dst,
            guint16            port,
            gsize              len)
{
  TnPacket *packet = tn_packet_batch_append (batch, len);

  g_assert_nonnull (packet);
  memset (packet->data, 0, len);
  g_assert_cmpuint (tn_ip_header_write (packet->data, len, src, dst, TN_PROTO_UDP, 1, len - 20), ==, 20);
  packet->data[21] = 9;
  packet->data[22] = (guint8) (port >> 8);
  packet->data[23] = (guint8) port;
  packet->data[24] = (guint8) ((len - 20) >> 8);
  packet->data[25] = (guint8) (len - 20);
}

void
send_udp (Node    *from,
          Node    *to,
          guint    n)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (64 * 1024);

  for (guint i = 0; i < n; i++)
    append_udp (batch, &from->address, &to->address, (guint16) (1000 + i), 100 + i);
  tn_pipeline_from_overlay (from->pipeline, batch, from->world->now_us);
}

void
send_same (Node  *from,
           Node  *to,
           guint  n,
           gsize  len,
           gsize  last_len)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (64 * 1024);

  for (guint i = 0; i < n; i++)
    append_udp (batch, &from->address, &to->address, 1000, i + 1 < n ? len : last_len);
  tn_pipeline_from_overlay (from->pipeline, batch, from->world->now_us);
}
