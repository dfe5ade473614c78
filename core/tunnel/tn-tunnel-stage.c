/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tunnel-private.h"

static void
drop_oldest (TnTunnel *tunnel,
             TnStage  *stage)
{
  TnPacket *packet = &stage->packets[stage->first];

  tunnel->staged_bytes -= packet->len;
  g_free (packet->data - packet->headroom);
  stage->first = (stage->first + 1) % TN_STAGED_MAX;
  stage->n--;
}

/* Keeps a copy until a session begins. What does not fit pushes out the oldest, as whoever sent that has waited longest already
 * and will have sent it again. */
void
tn_tunnel_stage (TnTunnel       *tunnel,
                 TnTunnelPeer   *peer,
                 const TnPacket *packet)
{
  TnStage *stage = peer->stage;
  guint8 *buffer;

  if (stage == NULL)
    stage = peer->stage = g_new0 (TnStage, 1);

  while (stage->n > 0 && (stage->n == TN_STAGED_MAX || tunnel->staged_bytes + packet->len > TN_STAGED_BYTES_MAX))
    {
      drop_oldest (tunnel, stage);
      tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_STAGED_FULL);
    }
  if (tunnel->staged_bytes + packet->len > TN_STAGED_BYTES_MAX)
    {
      tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_STAGED_FULL);
      return;
    }

  buffer = g_malloc (TN_PACKET_HEADROOM + packet->len + TN_TUNNEL_TRAILER_MAX);
  memcpy (buffer + TN_PACKET_HEADROOM, packet->data, packet->len);
  stage->packets[(stage->first + stage->n++) % TN_STAGED_MAX] = (TnPacket) {
    .data = buffer + TN_PACKET_HEADROOM,
    .len = packet->len,
    .headroom = TN_PACKET_HEADROOM,
    .tailroom = TN_TUNNEL_TRAILER_MAX,
    .checksum = packet->checksum,
  };
  tunnel->staged_bytes += packet->len;
}

/* Hands over all staged packets, oldest first, and says how many. The caller frees data - headroom of each. */
guint
tn_tunnel_unstage (TnTunnel     *tunnel,
                   TnTunnelPeer *peer,
                   TnPacket      packets[TN_STAGED_MAX])
{
  g_autofree TnStage *stage = g_steal_pointer (&peer->stage);

  if (stage == NULL)
    return 0;

  for (guint i = 0; i < stage->n; i++)
    {
      packets[i] = stage->packets[(stage->first + i) % TN_STAGED_MAX];
      tunnel->staged_bytes -= packets[i].len;
    }
  return stage->n;
}

void
tn_tunnel_drop_staged (TnTunnel     *tunnel,
                       TnTunnelPeer *peer)
{
  while (peer->stage != NULL && peer->stage->n > 0)
    {
      drop_oldest (tunnel, peer->stage);
      tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_STAGED_FAILED);
    }
  g_clear_pointer (&peer->stage, g_free);
}
