/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tunnel-private.h"

#include "tn-reader.h"

/* Unlike other implementations, which have one handshake a peer for both roles, an initiation of ours stays open while we answer
 * the peer's: the answer needs no state once it is sent. If both sides start at once, each gets a session from its own
 * initiation and both are good to receive with, where a shared state would leave both waiting for the first retransmission.
 * tn-keypairs.h says how they settle on one. */

static guint32
draw_index (TnTunnel     *tunnel,
            TnTunnelPeer *peer,
            TnKeypair    *keypair)
{
  guint32 index;

  do
    tunnel->hooks.random (tunnel->user_data, &index, sizeof index);
  while (!tn_index_table_insert (&tunnel->indices, index, peer, keypair));
  return index;
}

void
tn_tunnel_forget_handshake (TnTunnel     *tunnel,
                            TnTunnelPeer *peer)
{
  if (!peer->has_initiated)
    return;

  tn_index_table_remove (&tunnel->indices, peer->local_index);
  tn_handshake_initiator_clear (&peer->initiator);
  peer->has_initiated = FALSE;
}

static gboolean
make_initiation (TnTunnel            *tunnel,
                 TnTunnelPeer        *peer,
                 TnMessageInitiation *message)
{
  guint8 ephemeral[TN_KEY_LEN];
  guint8 timestamp[TN_TAI64N_LEN];

  tn_tunnel_forget_handshake (tunnel, peer);
  tunnel->hooks.random (tunnel->user_data, ephemeral, sizeof ephemeral);
  tn_handshake_timestamp (timestamp, tn_tunnel_wall_time (tunnel));
  peer->local_index = draw_index (tunnel, peer, NULL);
  peer->begun = ++tunnel->n_steps;
  peer->has_initiated = tn_handshake_initiate (&peer->initiator, tunnel->identity, &peer->remote, tunnel->aead,
                                           ephemeral, timestamp, peer->local_index, message);
  explicit_bzero (ephemeral, sizeof ephemeral);
  return peer->has_initiated;
}

static void
send_handshake (TnTunnel      *tunnel,
                TnTunnelPeer  *peer,
                gconstpointer  reply_to,
                void          *message,
                gsize          len)
{
  tn_cookie_jar_add_macs (&peer->jar, message, len, tunnel->now_us);
  peer->last_handshake_sent_us = tunnel->now_us;
  tn_timers_any_sent (tunnel, peer);
  tn_tunnel_send_message (tunnel, peer, reply_to, TN_TUNNEL_MESSAGE_HANDSHAKE, message, len);
}

/* Sends an initiation unless a handshake message went out a moment ago. That one may yet bring a session; if not, the timer sees
 * to it that what is staged, or what an attempt was for, does not wait for ever. */
void
tn_tunnel_initiate (TnTunnel     *tunnel,
                    TnTunnelPeer *peer,
                    gboolean      is_retry)
{
  gboolean is_first = !is_retry && !tn_timers_is_running (peer, TN_TIMER_RETRANSMIT) &&
                      tn_keypairs_get_usable (&peer->keypairs, tunnel->now_us) == NULL;
  gint64 earliest_us = peer->last_handshake_sent_us + TN_REKEY_TIMEOUT_US;
  TnMessageInitiation message;

  if (!is_retry)
    peer->attempts = 0;
  if (tunnel->now_us < earliest_us)
    {
      if ((peer->stage != NULL || is_retry) && !tn_timers_is_running (peer, TN_TIMER_RETRANSMIT))
        tn_timers_start (tunnel, peer, TN_TIMER_RETRANSMIT, earliest_us + tn_timers_jitter (tunnel));
      return;
    }

  if (!make_initiation (tunnel, peer, &message))
    return;
  tn_timers_initiated (tunnel, peer);
  send_handshake (tunnel, peer, NULL, &message, sizeof message);
  if (is_first)
    tn_tunnel_emit (tunnel, peer, TN_TUNNEL_EVENT_HANDSHAKE);
}

static TnKeypair *
new_keypair (TnTunnel              *tunnel,
             const TnHandshakeKeys *keys,
             guint32                local_index,
             guint32                remote_index,
             guint64                begun,
             gboolean               is_initiator)
{
  TnKeypair *keypair = g_new0 (TnKeypair, 1);

  keypair->keys = *keys;
  keypair->birth_us = tunnel->now_us;
  keypair->local_index = local_index;
  keypair->remote_index = remote_index;
  keypair->is_initiator = is_initiator;
  keypair->begun = begun;
  keypair->derived = ++tunnel->n_steps;
  return keypair;
}

/* The current session is a new one, which both sides have. */
static void
session_begun (TnTunnel     *tunnel,
               TnTunnelPeer *peer)
{
  tn_timers_handshake_complete (tunnel, peer);
  peer->is_established = TRUE;
  peer->stats.last_handshake_us = tunnel->now_us;
  peer->stats.last_handshake_wall_ns = tunnel->hooks.wall_time_ns (tunnel->user_data);
  tn_tunnel_emit (tunnel, peer, TN_TUNNEL_EVENT_ESTABLISHED);
}

/* The responder's side. An initiation of ours that is still open is moot: an answer that comes late would take us to a session
 * which the peer may have forgotten. */
void
tn_tunnel_session_confirmed (TnTunnel     *tunnel,
                             TnTunnelPeer *peer)
{
  tn_tunnel_forget_handshake (tunnel, peer);
  session_begun (tunnel, peer);
  tn_tunnel_flush (tunnel, peer);
}

/* The peer that an initiation claims to be from, or a new one, not added yet, in @remote and @config. */
static gboolean
find_remote (TnTunnel               *tunnel,
             const TnNodePublicKey  *key,
             TnTunnelPeer          **peer,
             TnHandshakeRemote      *remote,
             TnTunnelPeerConfig     *config)
{
  *peer = tn_tunnel_lookup_peer (tunnel, key);
  if (*peer != NULL)
    {
      *remote = (*peer)->remote;
      return TRUE;
    }
  return tunnel->hooks.lookup != NULL &&
         !tn_node_public_key_equal (key, &tunnel->identity->public_key) &&
         tunnel->hooks.lookup (tunnel->user_data, key, config) &&
         tn_handshake_remote_init (remote, tunnel->identity, key, config->psk);
}

static void
respond (TnTunnel             *tunnel,
         TnTunnelPeer         *peer,
         TnHandshakeResponder *responder,
         gconstpointer         reply_to)
{
  g_auto (TnHandshakeKeys) keys = { 0 };
  guint8 ephemeral[TN_KEY_LEN];
  TnMessageResponse message;
  TnKeypair *keypair;
  guint32 index;
  gboolean ok;

  index = draw_index (tunnel, peer, NULL);
  tunnel->hooks.random (tunnel->user_data, ephemeral, sizeof ephemeral);
  ok = tn_handshake_respond (responder, &peer->remote, tunnel->aead, ephemeral, index, &message, &keys);
  explicit_bzero (ephemeral, sizeof ephemeral);
  if (!ok)
    {
      tn_index_table_remove (&tunnel->indices, index);
      return;
    }

  keypair = new_keypair (tunnel, &keys, index, responder->remote_index, ++tunnel->n_steps, FALSE);
  tn_index_table_lookup (&tunnel->indices, index)->keypair = keypair;
  tn_keypairs_take (&peer->keypairs, &tunnel->indices, keypair);
  tn_timers_session_derived (tunnel, peer);
  send_handshake (tunnel, peer, reply_to, &message, sizeof message);
}

static TnTunnelVerdict
receive_initiation (TnTunnel                   *tunnel,
                    const TnMessageInitiation  *message,
                    const TnTunnelSource       *source,
                    TnTunnelPeer              **peer)
{
  g_auto (TnHandshakeResponder) responder = { 0 };
  g_auto (TnHandshakeRemote) remote = { 0 };
  TnTunnelPeerConfig config = { 0 };
  guint8 timestamp[TN_TAI64N_LEN];
  TnTunnelPeer *found;

  if (!tn_handshake_read_static (&responder, tunnel->identity, tunnel->aead, message))
    return tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_HANDSHAKE);
  if (!find_remote (tunnel, &responder.remote_static, &found, &remote, &config))
    return tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_UNKNOWN_PEER);
  if (!tn_handshake_read_timestamp (&responder, &remote, tunnel->aead, message, timestamp))
    return tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_HANDSHAKE);

  if (found == NULL)
    {
      found = tn_tunnel_take_peer (tunnel, &remote, &config);
      tn_tunnel_emit (tunnel, found, TN_TUNNEL_EVENT_CREATED);
    }
  else if (memcmp (timestamp, found->last_timestamp, sizeof timestamp) <= 0)
    return tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_OLD_TIMESTAMP);
  if (tunnel->now_us - found->last_initiation_us <= TN_INITIATION_GAP_US)
    return tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_FLOOD);

  memcpy (found->last_timestamp, timestamp, sizeof found->last_timestamp);
  found->last_initiation_us = tunnel->now_us;
  found->stats.rx_bytes += sizeof *message;
  tn_timers_any_received (tunnel, found);
  respond (tunnel, found, &responder, source->tag);
  *peer = found;
  return TN_TUNNEL_HANDSHAKE;
}

/* The index of the handshake becomes that of the session, without a moment in between. */
static void
begin_session (TnTunnel              *tunnel,
               TnTunnelPeer          *peer,
               TnIndexEntry          *entry,
               const TnHandshakeKeys *keys,
               guint32                remote_index)
{
  TnKeypair *keypair = new_keypair (tunnel, keys, entry->index, remote_index, peer->begun, TRUE);

  entry->keypair = keypair;
  peer->has_initiated = FALSE;
  tn_handshake_initiator_clear (&peer->initiator);
  tn_keypairs_take (&peer->keypairs, &tunnel->indices, keypair);
  tn_timers_session_derived (tunnel, peer);
  session_begun (tunnel, peer);
  tn_tunnel_flush_or_keepalive (tunnel, peer);      /* the peer may not send before it gets something */
}

static TnTunnelVerdict
receive_response (TnTunnel                 *tunnel,
                  const TnMessageResponse  *message,
                  TnTunnelPeer            **peer)
{
  TnIndexEntry *entry = tn_index_table_lookup (&tunnel->indices, tn_get_u32le (message->receiver));
  g_auto (TnHandshakeKeys) keys = { 0 };
  TnTunnelPeer *found;

  if (entry == NULL || entry->keypair != NULL)
    return tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_HANDSHAKE);
  found = entry->peer;
  if (!tn_handshake_read_response (&found->initiator, tunnel->identity, &found->remote, tunnel->aead, message, &keys))
    return tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_HANDSHAKE);

  found->stats.rx_bytes += sizeof *message;
  tn_timers_any_received (tunnel, found);
  begin_session (tunnel, found, entry, &keys, tn_get_u32le (message->sender));
  *peer = found;
  return TN_TUNNEL_HANDSHAKE;
}

TnTunnelVerdict
tn_tunnel_receive_handshake (TnTunnel              *tunnel,
                             const guint8          *message,
                             gsize                  len,
                             const TnTunnelSource  *source,
                             TnTunnelPeer         **peer)
{
  if (!tn_tunnel_admit_handshake (tunnel, message, len, source))
    return TN_TUNNEL_DROP;

  if (len == sizeof (TnMessageInitiation))
    return receive_initiation (tunnel, (const TnMessageInitiation *) message, source, peer);
  return receive_response (tunnel, (const TnMessageResponse *) message, peer);
}
