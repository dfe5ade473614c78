/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-pipeline-private.h"

#include <string.h>

#include "tn-masquerade.h"

/* --- Answers to what is not let in --- */

/* Tells the one who opens a connection why it goes nowhere (tailscale net/tstun/wrap.go: IPv4 TCP only). */
static void
send_reject (TnPipeline     *pipeline,
             TnPeerState    *peer,
             const TnParsed *packet,
             gboolean        shields_up)
{
  TnTsmpReject reject = {
    .src = { packet->src, packet->src_port },
    .dst = { packet->dst, packet->dst_port },
    .proto = packet->proto,
    .reason = shields_up ? TN_TSMP_REASON_SHIELDS_UP : TN_TSMP_REASON_ACL,
  };
  TnPacketBatch batch = { 0 };
  TnPacket *made;

  tn_packet_batch_reset (pipeline->scratch);
  made = tn_packet_batch_append (pipeline->scratch, TN_TSMP_PACKET_MAX);
  made->len = (guint32) tn_tsmp_write_reject (made->data, made->len, &packet->dst, &packet->src, &reject);
  if (made->len == 0)
    return;

  batch.packets[0] = *made;
  batch.n_packets = 1;
  tn_pipeline_seal_and_send (pipeline, peer, &batch);
}

/* --- Packets in --- */

/* What came for the address that the peer knows us by is for our own; the filter has rules and flows for that one. */
static void
unmasquerade (TnPipeline           *pipeline,
              const TnOverlayRoute *route,
              TnParsed             *parsed,
              guint8               *data)
{
  const TnIpAddress *own = tn_pipeline_own_address (pipeline, parsed->version);

  if (own->version != 0 && tn_ip_address_equal (&parsed->dst, tn_overlay_route_get_masquerade (route, parsed->version)))
    tn_masquerade_destination (parsed, data, own);
}

/* May this inner packet reach the host? */
static gboolean
accept_inner (TnPipeline          *pipeline,
              TnPeerState         *peer,
              const TnPacket      *packet,
              const TnPathAddress *from)
{
  const TnOverlayRoute *route;
  TnFilterVerdict verdict;
  TnIpAddress asked;
  TnParsed parsed;
  gboolean jailed;

  tn_parse (&parsed, packet->data, packet->len);
  if (parsed.version == 0 || parsed.proto == TN_PROTO_UNKNOWN || parsed.short_header)
    {
      tn_pipeline_drop (pipeline, TRUE, TN_PIPELINE_DROP_MALFORMED, packet);
      return FALSE;
    }
  if (pipeline->router == NULL || !tn_overlay_router_allows_source (pipeline->router, peer->id, &parsed.src))
    {
      tn_pipeline_drop (pipeline, TRUE, TN_PIPELINE_DROP_SOURCE, packet);
      return FALSE;
    }
  if (parsed.proto == TN_PROTO_TSMP && tn_pipeline_tsmp_receive (pipeline, peer, &parsed, from))
    {
      tn_pipeline_capture (pipeline, TRUE, TN_PIPELINE_N_DROPS, packet);
      return FALSE;
    }
  if (pipeline->filter == NULL)
    {
      tn_pipeline_drop (pipeline, TRUE, TN_PIPELINE_DROP_FILTER, packet);
      return FALSE;
    }

  route = tn_overlay_router_has_attributes (pipeline->router) ? tn_overlay_router_lookup (pipeline->router, &parsed.src) : NULL;
  if (route != NULL && route->id != peer->id)      /* another routes this source, too, and more closely */
    route = NULL;
  asked = parsed.dst;
  if (route != NULL)
    unmasquerade (pipeline, route, &parsed, packet->data);
  jailed = route != NULL && route->jailed;
  verdict = jailed ? tn_filter_in (pipeline->jailed_filter, &pipeline->jailed_state, &parsed, pipeline->now_us)
                   : tn_filter_in (pipeline->filter, &pipeline->filter_state, &parsed, pipeline->now_us);
  if (tn_filter_reason_accepts (verdict.reason))
    {
      tn_pipeline_capture (pipeline, TRUE, TN_PIPELINE_N_DROPS, packet);
      return TRUE;
    }

  tn_pipeline_drop (pipeline, TRUE, TN_PIPELINE_DROP_FILTER, packet);
  if (parsed.version == 4 && tn_parsed_is_tcp_syn (&parsed) && verdict.reason == TN_FILTER_NO_RULE)
    {
      parsed.dst = asked;
      send_reject (pipeline, peer, &parsed, jailed || tn_filter_is_shields_up (pipeline->filter));
    }
  return FALSE;
}

/* A datagram of that peer was authentic. */
static void
heard_from (TnPipeline          *pipeline,
            TnPeerState         *peer,
            const TnPathAddress *from)
{
  if (peer->direct != NULL && from->kind == TN_PATH_ADDRESS_UDP)
    tn_direct_heard (peer->direct, from, pipeline->now_us);
  if (from->kind != TN_PATH_ADDRESS_RELAY || from->relay.region == peer->heard_region)
    return;

  peer->heard_region = from->relay.region;
  tn_pipeline_choose_path (pipeline, peer);
}

static void
set_source (TnTunnelSource      *source,
            const TnPathAddress *from)
{
  if (from->kind == TN_PATH_ADDRESS_RELAY)
    tn_tunnel_source_set_relay (source, from->relay.region, &from->relay.key, from);
  else
    tn_tunnel_source_set_udp (source, &from->udp.endpoint, from);
}

static void
hand_over (TnPipeline *pipeline)
{
  if (pipeline->in->n_packets > 0)
    pipeline->hooks.to_overlay (pipeline->user_data, pipeline->in);
  tn_packet_batch_reset (pipeline->in);
}

static void
receive_one (TnPipeline          *pipeline,
             TnPacket            *packet,
             TnTunnelOpened       opened,
             const TnPathAddress *from)
{
  TnTunnelPeer *tunnel_peer = NULL;
  TnTunnelVerdict verdict;
  TnTunnelSource source;
  TnPeerState *peer;

  if (opened == TN_TUNNEL_UNOPENED && tn_disco_is_packet (packet->data, packet->len))
    {
      tn_pipeline_disco_receive (pipeline, packet, from);
      return;
    }
  if (from->kind == TN_PATH_ADDRESS_RELAY && !tn_pipeline_is_known (tn_pipeline_peer_by_key (pipeline, &from->relay.key)))
    {
      tn_pipeline_count (pipeline, TN_PIPELINE_DROP_UNKNOWN_SENDER, 1);
      tn_pipeline_park_in (pipeline, from, packet);
      return;
    }

  set_source (&source, from);
  verdict = tn_tunnel_receive_opened (pipeline->tunnel, packet, opened, &source, pipeline->now_us, &tunnel_peer);
  if (tunnel_peer == NULL)
    return;

  peer = tn_tunnel_peer_get_user_data (tunnel_peer);
  heard_from (pipeline, peer, from);
  if (verdict != TN_TUNNEL_DATA || !accept_inner (pipeline, peer, packet, from))
    return;
  if (pipeline->in->n_packets == TN_PACKET_BATCH_MAX)
    hand_over (pipeline);
  pipeline->in->packets[pipeline->in->n_packets++] = *packet;
}

void
tn_pipeline_receive_again (TnPipeline          *pipeline,
                           TnPacket            *packet,
                           const TnPathAddress *from)
{
  receive_one (pipeline, packet, TN_TUNNEL_UNOPENED, from);
}

/* The first @n of @packets are of one train. */
static void
receive_some (TnPipeline          *pipeline,
              TnPacket            *packets,
              guint                n,
              const TnPathAddress *from)
{
  TnTunnelOpened opened[TN_TUNNEL_OPEN_MAX];

  for (guint i = 0; i < n;)
    {
      guint n_opened = tn_tunnel_open (pipeline->tunnel, packets + i, n - i, opened, pipeline->now_us);

      for (guint k = 0; k < n_opened; k++)
        receive_one (pipeline, &packets[i + k], opened[k], from);
      i += n_opened;
      if (n_opened == 0)
        receive_one (pipeline, &packets[i++], TN_TUNNEL_UNOPENED, from);
    }
}

/* Several datagrams of one size in one piece; the last may be shorter. */
static void
receive_train (TnPipeline          *pipeline,
               const TnPacket      *train,
               const TnPathAddress *from)
{
  TnPacket packets[TN_TUNNEL_OPEN_MAX];
  guint n = 0;

  for (guint32 offset = 0; offset < train->len; offset += train->segment_size)
    {
      packets[n++] = (TnPacket) {
        .data = train->data + offset,
        .len = MIN (train->segment_size, train->len - offset),
        .headroom = offset == 0 ? train->headroom : 0,      /* before it lies another, which may still be on its way to the host */
      };
      if (n < TN_TUNNEL_OPEN_MAX && offset + train->segment_size < train->len)
        continue;
      receive_some (pipeline, packets, n, from);
      n = 0;
    }
}

void
tn_pipeline_from_underlay (TnPipeline          *pipeline,
                           TnPacketBatch       *batch,
                           const TnPathAddress *from,
                           gint64               now_us)
{
  pipeline->now_us = now_us;
  if (G_UNLIKELY (pipeline->closed))
    {
      tn_pipeline_count (pipeline, TN_PIPELINE_DROP_CLOSED, batch->n_packets);
      return;
    }
  tn_packet_batch_reset (pipeline->in);
  for (guint i = 0; i < batch->n_packets; i++)
    if (batch->packets[i].segment_size != 0)
      receive_train (pipeline, &batch->packets[i], &from[i]);
    else
      receive_one (pipeline, &batch->packets[i], TN_TUNNEL_UNOPENED, &from[i]);
  hand_over (pipeline);
}
