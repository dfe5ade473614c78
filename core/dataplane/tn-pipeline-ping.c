/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-pipeline-private.h"

#include <string.h>

#include "tn-box.h"

/* Pings that never get an answer are cancelled by their owner; this is what a device asks for at once, at most, each sent a few times. */
#define PINGS_MAX 320

static TnPendingPing *
add_ping (TnPipeline  *pipeline,
          TnPeerState *peer,
          guint64      token)
{
  TnPendingPing ping = { .token = token, .sent_us = pipeline->now_us, .peer_id = peer->id };

  if (pipeline->pings->len == PINGS_MAX)
    g_array_remove_index (pipeline->pings, 0);
  g_array_append_val (pipeline->pings, ping);
  return &g_array_index (pipeline->pings, TnPendingPing, pipeline->pings->len - 1);
}

void
tn_pipeline_ping_cancel (TnPipeline *pipeline,
                         guint64     token)
{
  for (guint i = pipeline->pings->len; i-- > 0;)
    if (g_array_index (pipeline->pings, TnPendingPing, i).token == token)
      g_array_remove_index (pipeline->pings, i);
}

static void
finish_ping (TnPipeline          *pipeline,
             guint                index,
             TnPeerState         *peer,
             const TnPathAddress *from)
{
  TnPendingPing ping = g_array_index (pipeline->pings, TnPendingPing, index);
  TnPipelinePong pong = { .token = ping.token, .latency_us = pipeline->now_us - ping.sent_us, .path = *from };

  tn_pipeline_ping_cancel (pipeline, ping.token);
  if (tn_path_address_equal (from, &peer->path))
    peer->latency_us = pong.latency_us;
  pipeline->hooks.pong (pipeline->user_data, &pong);
}

/* --- TSMP: through the tunnel --- */

static gboolean
send_inner (TnPipeline  *pipeline,
            TnPeerState *peer,
            TnPacket    *packet)
{
  TnPacketBatch batch = { .n_packets = 1 };

  if (packet->len == 0)
    return FALSE;
  batch.packets[0] = *packet;
  tn_pipeline_seal_and_send (pipeline, peer, &batch);
  return TRUE;
}

static TnPacket *
new_tsmp_packet (TnPipeline *pipeline)
{
  tn_packet_batch_reset (pipeline->scratch);
  return tn_packet_batch_append (pipeline->scratch, TN_TSMP_PACKET_MAX);
}

/* Our own address, or the one that they know us by who have @destination. */
static const TnIpAddress *
source_towards (TnPipeline        *pipeline,
                const TnIpAddress *destination)
{
  const TnOverlayRoute *route = pipeline->router != NULL ? tn_overlay_router_lookup (pipeline->router, destination) : NULL;
  const TnIpAddress *masquerade = route != NULL ? tn_overlay_route_get_masquerade (route, destination->version) : NULL;

  return masquerade != NULL && masquerade->version != 0 ? masquerade : tn_pipeline_own_address (pipeline, destination->version);
}

gboolean
tn_pipeline_ping_tsmp (TnPipeline        *pipeline,
                       gint64             id,
                       const TnIpAddress *destination,
                       guint64            token,
                       gint64             now_us)
{
  TnPeerState *peer = tn_pipeline_peer_by_id (pipeline, id);
  const TnIpAddress *source = source_towards (pipeline, destination);
  TnPendingPing *ping;
  TnPacket *packet;

  if (pipeline->closed || peer == NULL || source->version == 0)
    return FALSE;

  pipeline->now_us = now_us;
  ping = add_ping (pipeline, peer, token);
  ping->tsmp = TRUE;
  pipeline->hooks.random (pipeline->user_data, ping->tsmp_data, sizeof ping->tsmp_data);

  packet = new_tsmp_packet (pipeline);
  packet->len = (guint32) tn_tsmp_write_ping (packet->data, packet->len, source, destination, ping->tsmp_data);
  return send_inner (pipeline, peer, packet);
}

static void
receive_pong (TnPipeline          *pipeline,
              TnPeerState         *peer,
              const TnTsmp        *message,
              const TnPathAddress *from)
{
  for (guint i = 0; i < pipeline->pings->len; i++)
    {
      TnPendingPing *ping = &g_array_index (pipeline->pings, TnPendingPing, i);

      if (ping->tsmp && ping->peer_id == peer->id && memcmp (ping->tsmp_data, message->pong.data, TN_TSMP_DATA_LEN) == 0)
        {
          finish_ping (pipeline, i, peer, from);
          return;
        }
    }
}

gboolean
tn_pipeline_tsmp_receive (TnPipeline          *pipeline,
                          TnPeerState         *peer,
                          const TnParsed      *packet,
                          const TnPathAddress *from)
{
  TnPacket *answer;
  TnTsmp message;

  if (!tn_tsmp_parse (&message, packet))
    return TRUE;      /* of a newer kind: no host understands it either */

  switch (message.type)
    {
    case TN_TSMP_PING:
      answer = new_tsmp_packet (pipeline);
      answer->len = (guint32) tn_tsmp_write_pong (answer->data, answer->len, packet, 0);
      send_inner (pipeline, peer, answer);
      break;
    case TN_TSMP_PONG:
      receive_pong (pipeline, peer, &message, from);
      break;
    case TN_TSMP_REJECT:
      if (tn_ip_address_equal (&message.reject.src.address, source_towards (pipeline, &message.reject.dst.address)))
        message.reject.src.address = *tn_pipeline_own_address (pipeline, message.reject.src.address.version);
      if (pipeline->hooks.rejected != NULL)
        pipeline->hooks.rejected (pipeline->user_data, &message.reject);
      break;
    case TN_TSMP_DISCO:      /* only of use to who knows no netmap */
    default:
      break;
    }
  return TRUE;
}

/* --- Disco: beside the tunnel, on the path itself --- */

#define DISCO_PLAIN_MAX 2048      /* more than any message */

G_STATIC_ASSERT (TN_PIPELINE_PING_SIZE_MAX + 2 + TN_DISCO_TXID_LEN + TN_KEY_LEN <= DISCO_PLAIN_MAX);

/* FALSE: the peer has no disco key, or one of low order. */
static gboolean
ensure_disco_shared (TnPipeline  *pipeline,
                     TnPeerState *peer)
{
  if (!peer->disco_shared_known && !tn_disco_public_key_is_zero (&peer->disco_key))
    peer->disco_shared_known = tn_box_precompute (peer->disco_shared, pipeline->disco_private->bytes, peer->disco_key.bytes);
  return peer->disco_shared_known;
}

static gboolean
send_disco (TnPipeline           *pipeline,
            TnPeerState          *peer,
            const TnDiscoMessage *message,
            const TnPathAddress  *to)
{
  guint8 plain[DISCO_PLAIN_MAX];
  guint8 nonce[TN_DISCO_NONCE_LEN];
  gsize len = tn_disco_write (message, plain, sizeof plain);
  TnPacket *packet;

  if (len == 0)
    return FALSE;

  tn_packet_batch_reset (pipeline->scratch);
  packet = tn_packet_batch_append (pipeline->scratch, len + TN_DISCO_OVERHEAD);
  pipeline->hooks.random (pipeline->user_data, nonce, sizeof nonce);
  tn_disco_seal (peer->disco_shared, &pipeline->disco_public, nonce, plain, len, packet->data);
  if (to->kind == TN_PATH_ADDRESS_NONE)
    tn_pipeline_park_out (pipeline, peer, packet);
  else
    tn_pipeline_send_to (pipeline, to, packet);
  return TRUE;
}

gboolean
tn_pipeline_disco_can_ping (TnPipeline  *pipeline,
                            TnPeerState *peer)
{
  return !pipeline->closed && ensure_disco_shared (pipeline, peer);
}

void
tn_pipeline_disco_ping (TnPipeline          *pipeline,
                        TnPeerState         *peer,
                        const TnDiscoTxid   *txid,
                        guint                size,
                        const TnPathAddress *to)
{
  TnDiscoMessage message = { .type = TN_DISCO_PING };

  message.ping.txid = *txid;
  message.ping.node_key = pipeline->node_key;
  message.ping.padding = size;
  send_disco (pipeline, peer, &message, to);
}

gboolean
tn_pipeline_ping_disco (TnPipeline *pipeline,
                        gint64      id,
                        guint       size,
                        guint64     token,
                        gint64      now_us)
{
  TnPeerState *peer = tn_pipeline_peer_by_id (pipeline, id);
  TnPendingPing *ping;

  pipeline->now_us = now_us;
  if (peer == NULL || !tn_pipeline_disco_can_ping (pipeline, peer))
    return FALSE;

  ping = add_ping (pipeline, peer, token);
  pipeline->hooks.random (pipeline->user_data, ping->txid.bytes, sizeof ping->txid.bytes);
  tn_pipeline_disco_ping (pipeline, peer, &ping->txid, size, &peer->path);
  return TRUE;
}

/* The source that a pong tells: a relay shows as an address that never is on the wire, with the region as port (tailcfg: DerpMagicIP). */
static TnIpEndpoint
observed_source (const TnPathAddress *from)
{
  TnIpEndpoint source = { .address = { .bytes = { 127, 3, 3, 40 }, .version = 4 } };

  if (from->kind == TN_PATH_ADDRESS_UDP)
    return from->udp.endpoint;
  source.port = (guint16) from->relay.region;
  return source;
}

static void
handle_disco (TnPipeline           *pipeline,
              TnPeerState          *peer,
              const TnDiscoMessage *message,
              const TnPathAddress  *from)
{
  TnDiscoMessage answer = { .type = TN_DISCO_PONG };

  switch (message->type)
    {
    case TN_DISCO_PING:
      if (from->kind == TN_PATH_ADDRESS_UDP && !tn_pipeline_direct_pinged (pipeline, peer, from))
        break;
      answer.pong.txid = message->ping.txid;
      answer.pong.src = observed_source (from);
      send_disco (pipeline, peer, &answer, from);
      break;
    case TN_DISCO_PONG:
      for (guint i = 0; i < pipeline->pings->len; i++)
        {
          TnPendingPing *ping = &g_array_index (pipeline->pings, TnPendingPing, i);

          if (!ping->tsmp && ping->peer_id == peer->id && memcmp (&ping->txid, &message->pong.txid, sizeof ping->txid) == 0)
            {
              finish_ping (pipeline, i, peer, from);
              return;
            }
        }
      if (from->kind == TN_PATH_ADDRESS_UDP)
        tn_pipeline_direct_pong (pipeline, peer, &message->pong.txid);
      break;
    case TN_DISCO_CALL_ME_MAYBE:      /* an offer of direct paths: there is nothing to try them with */
    case TN_DISCO_BIND:
    case TN_DISCO_CHALLENGE:
    case TN_DISCO_ANSWER:
    case TN_DISCO_CALL_ME_MAYBE_VIA:
    case TN_DISCO_ALLOCATE_REQUEST:
    case TN_DISCO_ALLOCATE_RESPONSE:
    default:
      break;
    }
}

/* The relay vouches for the node key; that it names its own disco key stops one node from speaking for another. By UDP it is the disco key
 * that tells, once it has opened the box. Who is no peer costs one look. */
static TnPeerState *
sender_of (TnPipeline             *pipeline,
           const TnDiscoPublicKey *sender,
           const TnPathAddress    *from)
{
  if (from->kind == TN_PATH_ADDRESS_RELAY)
    return tn_pipeline_peer_by_key (pipeline, &from->relay.key);
  return pipeline->peers_by_disco != NULL ? g_hash_table_lookup (pipeline->peers_by_disco, sender) : NULL;
}

void
tn_pipeline_disco_receive (TnPipeline          *pipeline,
                           const TnPacket      *packet,
                           const TnPathAddress *from)
{
  guint8 plain[DISCO_PLAIN_MAX];
  TnDiscoPublicKey sender;
  TnDiscoMessage message;
  TnPeerState *peer;

  tn_disco_get_sender (packet->data, &sender);
  peer = sender_of (pipeline, &sender, from);
  if (peer == NULL || !tn_disco_public_key_equal (&sender, &peer->disco_key))
    {
      tn_pipeline_count (pipeline, TN_PIPELINE_DROP_DISCO, 1);
      tn_pipeline_park_in (pipeline, from, packet);
      return;
    }
  if (!ensure_disco_shared (pipeline, peer) ||
      packet->len < TN_DISCO_OVERHEAD || packet->len - TN_DISCO_OVERHEAD > sizeof plain ||
      !tn_disco_open (peer->disco_shared, packet->data, packet->len, plain) ||
      !tn_disco_parse (&message, plain, packet->len - TN_DISCO_OVERHEAD))
    {
      tn_pipeline_count (pipeline, TN_PIPELINE_DROP_DISCO, 1);
      return;
    }
  handle_disco (pipeline, peer, &message, from);
}
