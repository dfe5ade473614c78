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

/* A datagram may be opened by this key still; else it is not even tried. */
static gboolean
may_open (TnTunnel        *tunnel,
          const TnKeypair *keypair,
          const TnPacket  *packet)
{
  const TnMessageData *header = (const TnMessageData *) packet->data;

  return tunnel->now_us - keypair->birth_us < TN_REJECT_AFTER_TIME_US && tn_get_u64le (header->counter) < TN_REJECT_AFTER_MESSAGES;
}

static gboolean
decrypt (TnAead          *aead,
         const TnKeypair *keypair,
         const TnPacket  *packet)
{
  const TnMessageData *header = (const TnMessageData *) packet->data;
  guint8 *sealed = packet->data + sizeof *header;
  guint8 nonce[TN_AEAD_NONCE_LEN];

  tn_tunnel_nonce (header, nonce);
  return tn_aead_open (aead, keypair->keys.receive, nonce, NULL, 0, sealed, packet->len - sizeof *header, sealed);
}

/* Fills in @keypair, which stays valid until the next handshake. */
static gboolean
open_data (TnTunnel       *tunnel,
           TnPacket       *packet,
           TnTunnelOpened  opened,
           TnTunnelPeer  **peer,
           TnKeypair     **keypair,
           TnTunnelDrop   *reason)
{
  const TnMessageData *header = (const TnMessageData *) packet->data;
  TnIndexEntry *entry = tn_index_table_lookup (&tunnel->indices, tn_get_u32le (header->receiver));

  *reason = TN_TUNNEL_DROP_UNKNOWN_INDEX;
  if (entry == NULL || entry->keypair == NULL)
    return FALSE;

  *reason = TN_TUNNEL_DROP_KEY_EXPIRED;
  *keypair = entry->keypair;
  if (!may_open (tunnel, *keypair, packet))
    return FALSE;

  *reason = TN_TUNNEL_DROP_AUTHENTICATION;
  if (opened == TN_TUNNEL_FORGED || (opened == TN_TUNNEL_UNOPENED && !decrypt (tunnel->aead, *keypair, packet)))
    return FALSE;

  *reason = TN_TUNNEL_DROP_REPLAY;
  if (!tn_replay_accept (&(*keypair)->replay, tn_get_u64le (header->counter)))
    return FALSE;

  *peer = entry->peer;
  return TRUE;
}

/* --- Several at a time --- */

typedef struct
{
  TnPacket        *packets;
  TnTunnelOpened  *opened;
  const TnKeypair *keypairs[TN_TUNNEL_OPEN_MAX];      /* NULL: not to be opened */
} Opening;

static void
open_some (gpointer  data,
           guint     first,
           guint     end,
           TnAead   *aead)
{
  Opening *opening = data;

  for (guint i = first; i < end; i++)
    if (opening->keypairs[i] != NULL)
      opening->opened[i] = decrypt (aead, opening->keypairs[i], &opening->packets[i]) ? TN_TUNNEL_OPENED : TN_TUNNEL_FORGED;
}

static gboolean
is_data (const TnPacket *packet)
{
  return packet->len >= TN_MESSAGE_DATA_MIN && tn_get_u32le (packet->data) == TN_MESSAGE_TYPE_DATA;
}

static const TnKeypair *
keypair_for (TnTunnel       *tunnel,
             const TnPacket *packet)
{
  TnIndexEntry *entry = tn_index_table_lookup (&tunnel->indices, tn_get_u32le (((const TnMessageData *) packet->data)->receiver));

  return entry != NULL && entry->keypair != NULL && may_open (tunnel, entry->keypair, packet) ? entry->keypair : NULL;
}

/* Anything else ends it: a handshake makes sessions, and then an index might mean another than the one that a packet was opened for. What
 * data does to sessions is to end some. */
guint
tn_tunnel_open (TnTunnel       *tunnel,
                TnPacket       *packets,
                guint           n_packets,
                TnTunnelOpened *opened,
                gint64          now_us)
{
  Opening opening = { .packets = packets, .opened = opened };
  guint n;

  if (tunnel->pool == NULL)      /* one by one is as good then, and looks each key up once */
    return 0;
  tn_tunnel_advance (tunnel, now_us);
  for (n = 0; n < MIN (n_packets, TN_TUNNEL_OPEN_MAX) && is_data (&packets[n]); n++)
    {
      opening.keypairs[n] = keypair_for (tunnel, &packets[n]);
      opened[n] = TN_TUNNEL_UNOPENED;
    }
  if (n > 0)
    tn_tunnel_run (tunnel, open_some, &opening, n);
  return n;
}

/* --- One by one --- */

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
receive_data (TnTunnel       *tunnel,
              TnPacket       *packet,
              TnTunnelOpened  opened,
              TnTunnelPeer  **peer)
{
  guint32 datagram_len = packet->len;
  TnTunnelDrop reason;
  TnKeypair *keypair;
  guint32 len;

  if (!open_data (tunnel, packet, opened, peer, &keypair, &reason))
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
tn_tunnel_receive_opened (TnTunnel              *tunnel,
                          TnPacket              *packet,
                          TnTunnelOpened         opened,
                          const TnTunnelSource  *source,
                          gint64                 now_us,
                          TnTunnelPeer         **peer)
{
  guint32 type = packet->len >= 4 ? tn_get_u32le (packet->data) : 0;      /* the three bytes behind the type are zero */

  *peer = NULL;
  tn_tunnel_advance (tunnel, now_us);

  if (is_data (packet))
    return receive_data (tunnel, packet, opened, peer);

  if ((type == TN_MESSAGE_TYPE_INITIATION && packet->len == sizeof (TnMessageInitiation)) ||
      (type == TN_MESSAGE_TYPE_RESPONSE && packet->len == sizeof (TnMessageResponse)))
    return tn_tunnel_receive_handshake (tunnel, packet->data, packet->len, source, peer);

  if (type == TN_MESSAGE_TYPE_COOKIE && packet->len == sizeof (TnMessageCookie))
    return tn_tunnel_receive_cookie (tunnel, (const TnMessageCookie *) packet->data, peer);

  return tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_MALFORMED);
}

TnTunnelVerdict
tn_tunnel_receive (TnTunnel              *tunnel,
                   TnPacket              *packet,
                   const TnTunnelSource  *source,
                   gint64                 now_us,
                   TnTunnelPeer         **peer)
{
  return tn_tunnel_receive_opened (tunnel, packet, TN_TUNNEL_UNOPENED, source, now_us, peer);
}
