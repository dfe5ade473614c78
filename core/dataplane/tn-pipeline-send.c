/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-pipeline-private.h"

#include <string.h>

#include "tn-masquerade.h"

#define ACTIVE_US (100 * 1000)      /* a path that something went to within that time is in use */

/* --- Path --- */

/* Straight, if that is proven. Else by relay: the peer's home, or, while that is unknown, where it was last heard (tailscale
 * wgengine/magicsock/endpoint.go). */
void
tn_pipeline_choose_path (TnPipeline  *pipeline,
                         TnPeerState *peer)
{
  const TnPathAddress *direct = peer->direct != NULL ? tn_direct_get_path (peer->direct, pipeline->now_us) : NULL;
  TnPathAddress path = { .kind = TN_PATH_ADDRESS_NONE };
  guint region = peer->home_region != 0 ? peer->home_region : peer->heard_region;

  if (direct != NULL)
    path = *direct;
  else if (region != 0)
    {
      path.kind = TN_PATH_ADDRESS_RELAY;
      path.relay.region = region;
      path.relay.key = peer->key;
    }
  if (tn_path_address_equal (&path, &peer->path))
    return;

  peer->path = path;
  peer->latency_us = direct != NULL ? tn_direct_get_latency_us (peer->direct) : -1;
  peer->path_since_wall_ns = pipeline->hooks.wall_time_ns (pipeline->user_data);
  /* What waited for the old path must not wait for an event that only the old one has. */
  if (peer->blocked)
    tn_pipeline_path_writable (pipeline, &peer->path, pipeline->now_us);
  tn_pipeline_unpark (pipeline, peer);
}

/* --- Back-pressure --- */

static void
block_destination (TnPipeline        *pipeline,
                   TnPeerState       *peer,
                   const TnIpAddress *destination)
{
  if (pipeline->hooks.set_blocked == NULL)
    return;
  for (guint i = 0; i < peer->n_blocked_destinations; i++)
    if (tn_ip_address_equal (&peer->blocked_destinations[i], destination))
      return;
  if (peer->n_blocked_destinations == TN_BLOCKED_MAX)
    return;

  if (peer->blocked_destinations == NULL)
    peer->blocked_destinations = g_new (TnIpAddress, TN_BLOCKED_MAX);
  peer->blocked_destinations[peer->n_blocked_destinations++] = *destination;
  pipeline->hooks.set_blocked (pipeline->user_data, destination, TRUE);
}

void
tn_pipeline_unblock (TnPipeline  *pipeline,
                     TnPeerState *peer)
{
  if (!peer->blocked)
    return;

  peer->blocked = FALSE;
  g_ptr_array_remove (pipeline->blocked, peer);
  if (pipeline->stalled)
    {
      pipeline->stalled = FALSE;
      pipeline->hooks.set_stalled (pipeline->user_data, FALSE);
    }
  for (guint i = 0; i < peer->n_blocked_destinations; i++)
    pipeline->hooks.set_blocked (pipeline->user_data, &peer->blocked_destinations[i], FALSE);
  peer->n_blocked_destinations = 0;
}

static void
hold (TnPipeline     *pipeline,
      TnPeerState    *peer,
      const TnPacket *packets,
      guint           n)
{
  guint held = tn_hold_queue_push (&peer->held, packets, n, pipeline->now_us);

  tn_pipeline_count (pipeline, TN_PIPELINE_DROP_QUEUE_FULL, n - held);
}

/* The kernel's queue in front of an interface costs nothing, while what is read has to wait here, and be sealed. A path that is not full,
 * and in use, must not wait for the others, though. */
static void
tell_stalled (TnPipeline *pipeline,
              gboolean    open,
              gboolean    full)
{
  if (open)
    pipeline->open_us = pipeline->now_us;
  if (open || !full || pipeline->hooks.set_stalled == NULL || pipeline->now_us - pipeline->open_us < ACTIVE_US)
    return;
  pipeline->stalled = TRUE;
  pipeline->hooks.set_stalled (pipeline->user_data, TRUE);
}

/* Drops of the packets to a peer, whose path may be full, those that cannot wait for it any more: they are not worth their encryption. */
static void
drop_excess (TnPipeline    *pipeline,
             TnPeerState   *peer,
             TnPacketBatch *batch)
{
  guint room;

  if (!peer->blocked)
    return;
  if (pipeline->hooks.set_blocked == NULL)
    tn_pipeline_count (pipeline, TN_PIPELINE_DROP_QUEUE_FULL, tn_hold_queue_expire (&peer->held, pipeline->now_us));
  room = tn_hold_queue_get_room (&peer->held);
  if (batch->n_packets > room)
    {
      tn_pipeline_count (pipeline, TN_PIPELINE_DROP_QUEUE_FULL, batch->n_packets - room);
      batch->n_packets = room;
    }
}

/* Same path: for a relay everything that goes through the region, for UDP all that goes through the socket of its family. */
static gboolean
shares_path (const TnPathAddress *a,
             const TnPathAddress *b)
{
  if (a->kind == TN_PATH_ADDRESS_RELAY && b->kind == TN_PATH_ADDRESS_RELAY)
    return a->relay.region == b->relay.region;
  if (a->kind == TN_PATH_ADDRESS_UDP && b->kind == TN_PATH_ADDRESS_UDP)
    return a->udp.endpoint.address.version == b->udp.endpoint.address.version;
  return tn_path_address_equal (a, b);
}

/* TRUE: nothing waits any more. */
static gboolean
flush_held (TnPipeline  *pipeline,
            TnPeerState *peer)
{
  TnPacketBatch *batch;
  guint first;

  if (pipeline->hooks.set_blocked == NULL)
    tn_pipeline_count (pipeline, TN_PIPELINE_DROP_QUEUE_FULL, tn_hold_queue_age (&peer->held, pipeline->now_us));
  while ((batch = tn_hold_queue_peek (&peer->held, &first)) != NULL)
    {
      guint n = batch->n_packets - first;
      guint taken = pipeline->hooks.to_underlay (pipeline->user_data, &peer->path, batch, first, FALSE);

      if (taken > 0)
        tn_hold_queue_pop (&peer->held, taken);
      if (taken < n)
        return FALSE;
    }
  return TRUE;
}

void
tn_pipeline_path_writable (TnPipeline          *pipeline,
                           const TnPathAddress *to,
                           gint64               now_us)
{
  guint i = 0;

  pipeline->now_us = now_us;
  while (i < pipeline->blocked->len)
    {
      TnPeerState *peer = g_ptr_array_index (pipeline->blocked, i);

      if (!shares_path (&peer->path, to))
        {
          i++;
          continue;
        }
      if (peer->path.kind == TN_PATH_ADDRESS_NONE)
        tn_hold_queue_clear (&peer->held);
      if (!flush_held (pipeline, peer))
        {
          /* Full again: the others come first when it is writable next. */
          g_ptr_array_remove_index (pipeline->blocked, i);
          g_ptr_array_add (pipeline->blocked, peer);
          return;
        }
      tn_pipeline_unblock (pipeline, peer);
    }
}

void
tn_pipeline_path_gone (TnPipeline          *pipeline,
                       const TnPathAddress *path)
{
  TnPeerState *peer;

  if (path->kind != TN_PATH_ADDRESS_RELAY)
    return;

  peer = tn_pipeline_peer_by_key (pipeline, &path->relay.key);
  if (peer != NULL && peer->heard_region == path->relay.region)
    {
      peer->heard_region = 0;
      tn_pipeline_choose_path (pipeline, peer);
    }
}

/* --- Datagrams out --- */

void
tn_pipeline_send (TnPipeline    *pipeline,
                  TnPeerState   *peer,
                  TnPacketBatch *batch,
                  gboolean       urgent)
{
  guint taken = 0;

  if (peer->path.kind == TN_PATH_ADDRESS_NONE)
    {
      tn_pipeline_count (pipeline, TN_PIPELINE_DROP_NO_PATH, batch->n_packets);
      for (guint i = 0; i < batch->n_packets; i++)
        tn_pipeline_park_out (pipeline, peer, &batch->packets[i]);
      return;
    }

  if (urgent || !peer->blocked)
    taken = pipeline->hooks.to_underlay (pipeline->user_data, &peer->path, batch, 0, urgent);
  if (taken == batch->n_packets)
    return;

  if (urgent)
    {
      tn_pipeline_count (pipeline, TN_PIPELINE_DROP_QUEUE_FULL, batch->n_packets - taken);
      return;
    }
  if (!peer->blocked)
    {
      peer->blocked = TRUE;
      g_ptr_array_add (pipeline->blocked, peer);
    }
  hold (pipeline, peer, batch->packets + taken, batch->n_packets - taken);
}

void
tn_pipeline_send_to (TnPipeline          *pipeline,
                     const TnPathAddress *to,
                     TnPacket            *packet)
{
  TnPacketBatch batch = { .n_packets = 1 };

  batch.packets[0] = *packet;
  if (pipeline->hooks.to_underlay (pipeline->user_data, to, &batch, 0, TRUE) == 0)
    tn_pipeline_count (pipeline, TN_PIPELINE_DROP_QUEUE_FULL, 1);
}

/* Messages of the tunnel's own. */
void
tn_pipeline_tunnel_send (gpointer        user_data,
                         TnTunnelPeer   *tunnel_peer,
                         gconstpointer   reply_to,
                         TnTunnelMessage message,
                         TnPacket       *packets,
                         guint           n_packets)
{
  TnPipeline *pipeline = user_data;
  TnPacketBatch batch;

  if (reply_to != NULL)
    {
      for (guint i = 0; i < n_packets; i++)
        tn_pipeline_send_to (pipeline, reply_to, &packets[i]);
      return;
    }

  while (n_packets > 0)
    {
      guint n = MIN (n_packets, TN_PACKET_BATCH_MAX);

      memcpy (batch.packets, packets, n * sizeof *packets);
      batch.n_packets = n;
      batch.slab = NULL;
      batch.slab_len = batch.slab_used = 0;
      tn_pipeline_send (pipeline, tn_tunnel_peer_get_user_data (tunnel_peer), &batch, message != TN_TUNNEL_MESSAGE_DATA);
      packets += n;
      n_packets -= n;
    }
}

void
tn_pipeline_seal_and_send (TnPipeline    *pipeline,
                           TnPeerState   *peer,
                           TnPacketBatch *batch)
{
  if (tn_pipeline_ensure_tunnel (pipeline, peer) == NULL)
    {
      tn_pipeline_count (pipeline, TN_PIPELINE_DROP_NO_PATH, batch->n_packets);
      return;
    }
  if (peer->direct != NULL && tn_direct_sent (peer->direct, pipeline->now_us))
    tn_pipeline_direct_try (pipeline, peer);
  if (tn_tunnel_seal (pipeline->tunnel, peer->tunnel_peer, batch->packets, batch->n_packets, pipeline->now_us) == TN_TUNNEL_SEALED)
    tn_pipeline_send (pipeline, peer, batch, FALSE);
}

/* --- Packets out of the host --- */

/* Whom a packet goes to; NULL: nobody, and it is counted. */
static TnPeerState *
route_out (TnPipeline  *pipeline,
           TnPacket    *packet,
           TnIpAddress *destination)
{
  const TnIpAddress *masquerade;
  const TnOverlayRoute *route;
  TnFilterVerdict verdict;
  TnPeerState *peer;
  TnParsed parsed;

  tn_parse (&parsed, packet->data, packet->len);
  if (parsed.version == 0 || parsed.proto == TN_PROTO_UNKNOWN)
    {
      tn_pipeline_drop (pipeline, FALSE, TN_PIPELINE_DROP_MALFORMED, packet);
      return NULL;
    }
  if (parsed.proto == TN_PROTO_TSMP)      /* only the node itself speaks it */
    {
      tn_pipeline_drop (pipeline, FALSE, TN_PIPELINE_DROP_FORBIDDEN, packet);
      return NULL;
    }

  route = pipeline->router != NULL ? tn_overlay_router_lookup (pipeline->router, &parsed.dst) : NULL;
  peer = route != NULL ? tn_pipeline_peer_by_id (pipeline, route->id) : NULL;
  if (peer == NULL)
    {
      tn_pipeline_drop (pipeline, FALSE, TN_PIPELINE_DROP_NO_ROUTE, packet);
      return NULL;
    }

  if (pipeline->filter == NULL)
    verdict.reason = TN_FILTER_NO_RULE;
  else if (route->jailed)
    verdict = tn_filter_out (pipeline->jailed_filter, &pipeline->jailed_state, &parsed, pipeline->now_us);
  else
    verdict = tn_filter_out (pipeline->filter, &pipeline->filter_state, &parsed, pipeline->now_us);
  if (!tn_filter_reason_accepts (verdict.reason))
    {
      tn_pipeline_drop (pipeline, FALSE, TN_PIPELINE_DROP_FILTER_OUT, packet);
      return NULL;
    }

  tn_pipeline_capture (pipeline, FALSE, TN_PIPELINE_N_DROPS, packet);
  masquerade = tn_overlay_route_get_masquerade (route, parsed.version);
  if (G_UNLIKELY (masquerade->version != 0) && tn_ip_address_equal (&parsed.src, tn_pipeline_own_address (pipeline, parsed.version)))
    tn_masquerade_source (&parsed, packet->data, masquerade);
  *destination = parsed.dst;
  return peer;
}

void
tn_pipeline_from_overlay (TnPipeline    *pipeline,
                          TnPacketBatch *batch,
                          gint64         now_us)
{
  TnPeerState *peers[TN_PACKET_BATCH_MAX];
  TnIpAddress destinations[TN_PACKET_BATCH_MAX];
  gboolean open = FALSE, full = FALSE;

  pipeline->now_us = now_us;
  if (G_UNLIKELY (pipeline->closed))
    {
      tn_pipeline_count (pipeline, TN_PIPELINE_DROP_CLOSED, batch->n_packets);
      return;
    }
  for (guint i = 0; i < batch->n_packets; i++)
    peers[i] = route_out (pipeline, &batch->packets[i], &destinations[i]);

  for (guint i = 0; i < batch->n_packets; i++)
    {
      TnPeerState *peer = peers[i];

      if (peer == NULL)
        continue;

      tn_packet_batch_reset (pipeline->out);
      for (guint j = i; j < batch->n_packets; j++)
        if (peers[j] == peer)
          pipeline->out->packets[pipeline->out->n_packets++] = batch->packets[j];
      drop_excess (pipeline, peer, pipeline->out);
      if (pipeline->out->n_packets > 0)
        tn_pipeline_seal_and_send (pipeline, peer, pipeline->out);
      open |= !peer->blocked;
      full |= peer->blocked;

      for (guint j = i; j < batch->n_packets; j++)
        if (peers[j] == peer)
          {
            if (peer->blocked)
              block_destination (pipeline, peer, &destinations[j]);
            peers[j] = NULL;
          }
    }
  tell_stalled (pipeline, open, full);
}
