/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tunnel-private.h"

#include "tn-reader.h"

/* Up to a multiple of 16, but not past the MTU; of a packet above the MTU only what would be its last piece counts. */
guint
tn_tunnel_padding (gsize len,
                   guint mtu)
{
  gsize last = mtu > 0 && len > mtu ? len % mtu : len;
  gsize padded = (last + TN_MESSAGE_PADDING - 1) & ~(gsize) (TN_MESSAGE_PADDING - 1);

  if (mtu > 0)
    padded = MIN (padded, mtu);
  return (guint) (padded - last);
}

/* Everything but the encryption. */
static void
frame_packet (TnTunnel  *tunnel,
              TnKeypair *keypair,
              TnPacket  *packet)
{
  guint padding = tn_tunnel_padding (packet->len, tunnel->mtu);
  TnMessageData *header;

  g_assert (packet->headroom >= TN_TUNNEL_HEADER_LEN && packet->tailroom >= padding + TN_AEAD_TAG_LEN);

  header = (TnMessageData *) (packet->data - sizeof *header);
  tn_put_u32le (header->type, TN_MESSAGE_TYPE_DATA);
  tn_put_u32le (header->receiver, keypair->remote_index);
  tn_put_u64le (header->counter, keypair->send_counter++);
  memset (packet->data + packet->len, 0, padding);

  packet->data -= sizeof *header;
  packet->headroom -= (guint16) sizeof *header;
  packet->tailroom -= padding + TN_AEAD_TAG_LEN;
  packet->len += (guint32) sizeof *header + padding + TN_AEAD_TAG_LEN;
}

typedef struct
{
  const guint8 *key;
  TnPacket     *packets;
} Sealing;

static void
seal_some (gpointer  data,
           guint     first,
           guint     end,
           TnAead   *aead)
{
  const Sealing *sealing = data;

  for (guint i = first; i < end; i++)
    {
      TnMessageData *header = (TnMessageData *) sealing->packets[i].data;
      guint8 *inner = sealing->packets[i].data + sizeof *header;
      guint8 nonce[TN_AEAD_NONCE_LEN];

      tn_tunnel_nonce (header, nonce);
      tn_aead_seal (aead, sealing->key, nonce, NULL, 0, inner, sealing->packets[i].len - TN_MESSAGE_DATA_MIN, inner);
    }
}

/* New keys in time: the initiator of a session sees to it, unless the counter runs out. */
static void
keep_keys_fresh (TnTunnel     *tunnel,
                 TnTunnelPeer *peer)
{
  TnKeypair *keypair = peer->keypairs.current;

  if (keypair->send_counter > TN_REKEY_AFTER_MESSAGES ||
      (keypair->is_initiator && tunnel->now_us - keypair->birth_us >= TN_REKEY_AFTER_TIME_US))
    tn_tunnel_initiate (tunnel, peer, FALSE);
}

static gboolean
seal_batch (TnTunnel     *tunnel,
            TnTunnelPeer *peer,
            TnPacket     *packets,
            guint         n_packets)
{
  TnKeypair *keypair = tn_keypairs_get_usable (&peer->keypairs, tunnel->now_us);
  Sealing sealing = { .packets = packets };

  if (keypair == NULL || TN_REJECT_AFTER_MESSAGES - keypair->send_counter < n_packets)
    return FALSE;

  for (guint i = 0; i < n_packets; i++)
    {
      frame_packet (tunnel, keypair, &packets[i]);
      peer->stats.tx_bytes += packets[i].len;
    }
  sealing.key = keypair->keys.send;
  tn_tunnel_run (tunnel, seal_some, &sealing, n_packets);
  return TRUE;
}

/* After the messages are made, not before: a rekey that this starts follows them. */
static void
data_sent (TnTunnel     *tunnel,
           TnTunnelPeer *peer,
           guint         n_packets)
{
  peer->stats.tx_packets += n_packets;
  tn_timers_any_sent (tunnel, peer);
  tn_timers_data_sent (tunnel, peer);
  keep_keys_fresh (tunnel, peer);
}

TnTunnelSealed
tn_tunnel_seal (TnTunnel     *tunnel,
                TnTunnelPeer *peer,
                TnPacket     *packets,
                guint         n_packets,
                gint64        now_us)
{
  tn_tunnel_advance (tunnel, now_us);
  if (n_packets == 0)
    return TN_TUNNEL_SEALED;

  if (seal_batch (tunnel, peer, packets, n_packets))
    {
      data_sent (tunnel, peer, n_packets);
      return TN_TUNNEL_SEALED;
    }

  for (guint i = 0; i < n_packets; i++)
    tn_tunnel_stage (tunnel, peer, &packets[i]);
  tn_tunnel_initiate (tunnel, peer, FALSE);
  return TN_TUNNEL_STAGED;
}

/* A message of fixed size, with the headroom that the layers below want. */
void
tn_tunnel_send_message (TnTunnel        *tunnel,
                        TnTunnelPeer    *peer,
                        gconstpointer    reply_to,
                        TnTunnelMessage  kind,
                        const void      *message,
                        gsize            len)
{
  guint8 buffer[TN_PACKET_HEADROOM + sizeof (TnMessageInitiation) + TN_PACKET_TAILROOM];
  TnPacket packet = {
    .data = buffer + TN_PACKET_HEADROOM,
    .len = (guint32) len,
    .headroom = TN_PACKET_HEADROOM,
    .tailroom = (guint32) (sizeof buffer - TN_PACKET_HEADROOM - len),
  };

  memcpy (packet.data, message, len);
  if (peer != NULL)
    peer->stats.tx_bytes += len;
  tunnel->hooks.send (tunnel->user_data, peer, reply_to, kind, &packet, 1);
}

static void
send_empty (TnTunnel     *tunnel,
            TnTunnelPeer *peer)
{
  guint8 buffer[TN_PACKET_HEADROOM + TN_PACKET_TAILROOM];
  TnPacket packet = {
    .data = buffer + TN_PACKET_HEADROOM,
    .headroom = TN_PACKET_HEADROOM,
    .tailroom = TN_PACKET_TAILROOM,
  };

  if (!seal_batch (tunnel, peer, &packet, 1))
    {
      tn_tunnel_initiate (tunnel, peer, FALSE);
      return;
    }
  tunnel->hooks.send (tunnel->user_data, peer, NULL, TN_TUNNEL_MESSAGE_KEEPALIVE, &packet, 1);
  tn_timers_any_sent (tunnel, peer);
  keep_keys_fresh (tunnel, peer);
}

/* Sends what waited for a session. */
void
tn_tunnel_flush (TnTunnel     *tunnel,
                 TnTunnelPeer *peer)
{
  TnPacket packets[TN_STAGED_MAX];
  guint8 *buffers[TN_STAGED_MAX];
  guint n;

  if (tn_keypairs_get_usable (&peer->keypairs, tunnel->now_us) == NULL)
    return;

  n = tn_tunnel_unstage (tunnel, peer, packets);
  for (guint i = 0; i < n; i++)
    buffers[i] = packets[i].data - packets[i].headroom;

  if (n > 0 && seal_batch (tunnel, peer, packets, n))
    {
      tunnel->hooks.send (tunnel->user_data, peer, NULL, TN_TUNNEL_MESSAGE_DATA, packets, n);
      data_sent (tunnel, peer, n);
    }
  for (guint i = 0; i < n; i++)
    g_free (buffers[i]);
}

/* Data serves as well as a keep-alive. */
void
tn_tunnel_flush_or_keepalive (TnTunnel     *tunnel,
                              TnTunnelPeer *peer)
{
  if (peer->stage != NULL && tn_keypairs_get_usable (&peer->keypairs, tunnel->now_us) != NULL)
    tn_tunnel_flush (tunnel, peer);
  else
    send_empty (tunnel, peer);
}

void
tn_tunnel_send_keepalive (TnTunnel     *tunnel,
                          TnTunnelPeer *peer,
                          gint64        now_us)
{
  tn_tunnel_advance (tunnel, now_us);
  tn_tunnel_flush_or_keepalive (tunnel, peer);
}

void
tn_tunnel_connect (TnTunnel     *tunnel,
                   TnTunnelPeer *peer,
                   gint64        now_us)
{
  tn_tunnel_advance (tunnel, now_us);
  if (tn_keypairs_get_usable (&peer->keypairs, tunnel->now_us) == NULL && !tn_timers_is_running (peer, TN_TIMER_RETRANSMIT))
    tn_tunnel_initiate (tunnel, peer, FALSE);
}
