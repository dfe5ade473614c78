/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-pipeline-private.h"

#include <string.h>

/* Where two nodes meet for the first time, the map of one of them is older: it gets a handshake from a node that it does not know
 * yet, or has one for a node of which no home is known yet. Without this the answer would wait for the next attempt, 5 s later; or
 * the first packet would come ahead of the route that lets it in, and be lost. Kept are the first messages of a talk alone, and of
 * strangers only what a relay vouches for. */

#define PARKED_LIFE_US (5 * G_USEC_PER_SEC)      /* by then the sender has tried again */
#define INITIATION_TYPE 1                        /* WireGuard paper §5.4.2 */
#define INITIATION_LEN 148

typedef enum { KIND_NONE, KIND_DISCO, KIND_INITIATION } Kind;

static Kind
kind_of (const TnPacket *packet)
{
  if (packet->len > TN_PARKED_LEN)
    return KIND_NONE;
  if (tn_disco_is_packet (packet->data, packet->len))
    return KIND_DISCO;
  return packet->len == INITIATION_LEN && packet->data[0] == INITIATION_TYPE ? KIND_INITIATION : KIND_NONE;
}

static void
park (TnPipeline            *pipeline,
      const TnNodePublicKey *key,
      const TnPathAddress   *from,      /* NULL: outgoing */
      const TnPacket        *packet)
{
  Kind kind = kind_of (packet);
  TnParked *place = &pipeline->parked[0];

  if (kind == KIND_NONE)
    return;

  /* The latest of its kind replaces the one before, else the oldest of all goes. */
  for (guint i = 0; i < TN_PARKED_MAX; i++)
    {
      TnParked *parked = &pipeline->parked[i];

      if (parked->kind == (guint) kind && parked->outgoing == (from == NULL) && tn_node_public_key_equal (&parked->key, key))
        {
          place = parked;
          break;
        }
      if (parked->at_us < place->at_us)
        place = parked;
    }

  place->kind = kind;
  place->outgoing = from == NULL;
  place->at_us = pipeline->now_us;
  place->key = *key;
  if (from != NULL)
    place->from = *from;
  place->len = packet->len;
  memcpy (place->data, packet->data, packet->len);
}

void
tn_pipeline_park_out (TnPipeline     *pipeline,
                      TnPeerState    *peer,
                      const TnPacket *packet)
{
  park (pipeline, &peer->key, NULL, packet);
}

void
tn_pipeline_park_in (TnPipeline          *pipeline,
                     const TnPathAddress *from,
                     const TnPacket      *packet)
{
  if (from->kind == TN_PATH_ADDRESS_RELAY)
    park (pipeline, &from->relay.key, from, packet);
}

static gboolean
is_ready (TnPipeline     *pipeline,
          TnPeerState    *peer,
          const TnParked *parked)
{
  TnDiscoPublicKey sender;

  if (parked->outgoing)
    return peer->path.kind != TN_PATH_ADDRESS_NONE;
  if (parked->kind != KIND_DISCO)
    return tn_pipeline_is_known (peer);
  tn_disco_get_sender (parked->data, &sender);
  return tn_disco_public_key_equal (&sender, &peer->disco_key);
}

static void
send_parked (TnPipeline  *pipeline,
             TnPeerState *peer,
             TnPacket    *packet)
{
  /* The wait was ours, not the network's. */
  for (guint i = 0; i < pipeline->pings->len; i++)
    {
      TnPendingPing *ping = &g_array_index (pipeline->pings, TnPendingPing, i);

      if (ping->peer_id == peer->id)
        ping->sent_us = pipeline->now_us;
    }
  tn_pipeline_send_to (pipeline, &peer->path, packet);
}

void
tn_pipeline_unpark (TnPipeline  *pipeline,
                    TnPeerState *peer)
{
  for (guint i = 0; i < TN_PARKED_MAX; i++)
    {
      const TnParked *place = &pipeline->parked[i];
      TnParked parked;
      TnPacket packet;

      if (place->kind == KIND_NONE || !tn_node_public_key_equal (&place->key, &peer->key) || !is_ready (pipeline, peer, place))
        continue;
      parked = *place;      /* what it leads to may park another here */
      packet = (TnPacket) { .data = parked.data, .len = parked.len };
      pipeline->parked[i].kind = KIND_NONE;
      pipeline->parked[i].at_us = 0;
      if (pipeline->now_us - parked.at_us > PARKED_LIFE_US)
        continue;
      if (parked.outgoing)
        send_parked (pipeline, peer, &packet);
      else
        tn_pipeline_receive_again (pipeline, &packet, &parked.from);
    }
}
