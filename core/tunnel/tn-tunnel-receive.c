/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tunnel-private.h"

#include "tn-reader.h"

/* Length of the IP packet at the beginning of @data, by its own header; 0: there is none. In 32 bits, where the sum cannot wrap. */
static guint32
inner_len (const guint8 *data,
           guint32       len)
{
  guint32 total;

  if (len >= 20 && data[0] >> 4 == 4)
    {
      total = tn_get_u16be (data + 2);
      return total >= 20 && total <= len ? total : 0;
    }
  if (len >= 40 && data[0] >> 4 == 6)
    {
      total = tn_get_u16be (data + 4) + 40u;
      return total <= len ? total : 0;
    }
  return 0;
}

/* Removes header and tag: what is left is the padded packet. */
static void
strip (TnPacket *packet)
{
  packet->data += sizeof (TnMessageData);
  packet->len -= (guint32) TN_MESSAGE_DATA_MIN;
  packet->headroom = (guint16) MIN (packet->headroom + sizeof (TnMessageData), G_MAXUINT16);
  packet->tailroom += TN_AEAD_TAG_LEN;
}

/* Fills in @keypair, which stays valid until the next handshake. */
static gboolean
open_data (TnTunnel      *tunnel,
           TnPacket      *packet,
           TnTunnelPeer **peer,
           TnKeypair    **keypair,
           TnTunnelDrop  *reason)
{
  const TnMessageData *header = (const TnMessageData *) packet->data;
  TnIndexEntry *entry = tn_index_table_lookup (&tunnel->indices, tn_get_u32le (header->receiver));
  guint64 counter = tn_get_u64le (header->counter);
  guint8 nonce[TN_AEAD_NONCE_LEN] = { 0 };
  guint8 *sealed = packet->data + sizeof *header;

  *reason = TN_TUNNEL_DROP_UNKNOWN_INDEX;
  if (entry == NULL || entry->keypair == NULL)
    return FALSE;

  *reason = TN_TUNNEL_DROP_KEY_EXPIRED;
  *keypair = entry->keypair;
  if (tunnel->now_us - (*keypair)->birth_us >= TN_REJECT_AFTER_TIME_US || counter >= TN_REJECT_AFTER_MESSAGES)
    return FALSE;

  *reason = TN_TUNNEL_DROP_AUTHENTICATION;
  tn_put_u64le (nonce + 4, counter);
  if (!tn_aead_open (tunnel->aead, (*keypair)->keys.receive, nonce, NULL, 0, sealed, packet->len - sizeof *header, sealed))
    return FALSE;

  *reason = TN_TUNNEL_DROP_REPLAY;
  if (!tn_replay_accept (&(*keypair)->replay, counter))
    return FALSE;

  *peer = entry->peer;
  return TRUE;
}

/* The initiator sends most of the time, and rekeys then. One that only receives does so shortly before the end of the session. */
static void
keep_keys_fresh (TnTunnel     *tunnel,
                 TnTunnelPeer *peer)
{
  TnKeypair *keypair = peer->keypairs.current;

  if (keypair == NULL || !keypair->is_initiator || peer->sent_lastminute_handshake ||
      tunnel->now_us - keypair->birth_us < TN_REJECT_AFTER_TIME_US - TN_KEEPALIVE_TIMEOUT_US - TN_REKEY_TIMEOUT_US)
    return;

  peer->sent_lastminute_handshake = TRUE;
  tn_tunnel_initiate (tunnel, peer, FALSE);
}

static gboolean
prefers_own (TnTunnel     *tunnel,
             TnTunnelPeer *peer)
{
  return memcmp (tunnel->identity->public_key.bytes, peer->remote.public_key.bytes, TN_KEY_LEN) > 0;
}

static TnTunnelVerdict
receive_data (TnTunnel      *tunnel,
              TnPacket      *packet,
              TnTunnelPeer **peer)
{
  guint32 datagram_len = packet->len;
  TnTunnelDrop reason;
  TnKeypair *keypair;
  guint32 len;

  if (!open_data (tunnel, packet, peer, &keypair, &reason))
    return tn_tunnel_drop (tunnel, reason);

  strip (packet);
  (*peer)->stats.rx_bytes += datagram_len;
  tn_timers_any_received (tunnel, *peer);
  if (tn_keypairs_confirm (&(*peer)->keypairs, &tunnel->indices, keypair, prefers_own (tunnel, *peer)))
    tn_tunnel_session_confirmed (tunnel, *peer);
  keep_keys_fresh (tunnel, *peer);
  if (packet->len == 0)
    return TN_TUNNEL_KEEPALIVE;

  tn_timers_data_received (tunnel, *peer);
  len = inner_len (packet->data, packet->len);
  if (len == 0)
    return tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_INNER);

  packet->tailroom += packet->len - len;
  packet->len = len;
  (*peer)->stats.rx_packets++;
  return TN_TUNNEL_DATA;
}

TnTunnelVerdict
tn_tunnel_receive (TnTunnel              *tunnel,
                   TnPacket              *packet,
                   const TnTunnelSource  *source,
                   gint64                 now_us,
                   TnTunnelPeer         **peer)
{
  guint32 type = packet->len >= 4 ? tn_get_u32le (packet->data) : 0;      /* the three bytes behind the type are zero */

  *peer = NULL;
  tn_tunnel_advance (tunnel, now_us);

  if (type == TN_MESSAGE_TYPE_DATA && packet->len >= TN_MESSAGE_DATA_MIN)
    return receive_data (tunnel, packet, peer);

  if ((type == TN_MESSAGE_TYPE_INITIATION && packet->len == sizeof (TnMessageInitiation)) ||
      (type == TN_MESSAGE_TYPE_RESPONSE && packet->len == sizeof (TnMessageResponse)))
    return tn_tunnel_receive_handshake (tunnel, packet->data, packet->len, source, peer);

  if (type == TN_MESSAGE_TYPE_COOKIE && packet->len == sizeof (TnMessageCookie))
    return tn_tunnel_receive_cookie (tunnel, (const TnMessageCookie *) packet->data, peer);

  return tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_MALFORMED);
}
