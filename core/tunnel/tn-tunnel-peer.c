/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tunnel-private.h"

/* Adds a peer whose remote was made by tn_handshake_remote_init(). */
TnTunnelPeer *
tn_tunnel_take_peer (TnTunnel                 *tunnel,
                     const TnHandshakeRemote  *remote,
                     const TnTunnelPeerConfig *config)
{
  TnTunnelPeer *peer = g_new0 (TnTunnelPeer, 1);

  peer->remote = *remote;
  peer->user_data = config->user_data;
  peer->keepalive_interval_s = MIN (config->keepalive_interval_s, G_MAXUINT16);
  peer->last_handshake_sent_us = TN_NEVER_US;
  peer->last_initiation_us = TN_NEVER_US;
  tn_cookie_jar_init (&peer->jar, &remote->public_key);
  tn_timers_init (peer);
  g_hash_table_insert (tunnel->peers, &peer->remote.public_key, peer);
  return peer;
}

void
tn_tunnel_peer_free (TnTunnel     *tunnel,
                     TnTunnelPeer *peer)
{
  tn_tunnel_peer_reset (tunnel, peer);
  tn_timers_stop (tunnel, peer);
  explicit_bzero (peer, sizeof *peer);
  g_free (peer);
}

TnTunnelPeer *
tn_tunnel_add_peer (TnTunnel                 *tunnel,
                    const TnNodePublicKey    *key,
                    const TnTunnelPeerConfig *config,
                    gint64                    now_us)
{
  static const TnTunnelPeerConfig defaults;
  g_auto (TnHandshakeRemote) remote;
  TnTunnelPeer *peer;

  peer = tn_tunnel_lookup_peer (tunnel, key);
  if (peer != NULL)
    return peer;

  if (config == NULL)
    config = &defaults;
  if (!tn_handshake_remote_init (&remote, tunnel->identity, key, config->psk) ||
      tn_node_public_key_equal (key, &tunnel->identity->public_key))
    return NULL;

  tn_tunnel_advance (tunnel, now_us);
  peer = tn_tunnel_take_peer (tunnel, &remote, config);
  if (peer->keepalive_interval_s > 0)
    tn_timers_start (tunnel, peer, TN_TIMER_PERSISTENT, tunnel->now_us);
  return peer;
}

void
tn_tunnel_remove_peer (TnTunnel     *tunnel,
                       TnTunnelPeer *peer)
{
  g_hash_table_remove (tunnel->peers, &peer->remote.public_key);
  tn_tunnel_peer_free (tunnel, peer);
}

TnTunnelPeer *
tn_tunnel_lookup_peer (TnTunnel              *tunnel,
                       const TnNodePublicKey *key)
{
  return g_hash_table_lookup (tunnel->peers, key);
}

guint
tn_tunnel_get_n_peers (TnTunnel *tunnel)
{
  return g_hash_table_size (tunnel->peers);
}

const TnNodePublicKey *
tn_tunnel_peer_get_key (const TnTunnelPeer *peer)
{
  return &peer->remote.public_key;
}

gpointer
tn_tunnel_peer_get_user_data (const TnTunnelPeer *peer)
{
  return peer->user_data;
}

void
tn_tunnel_peer_set_user_data (TnTunnelPeer *peer,
                              gpointer      user_data)
{
  peer->user_data = user_data;
}

gboolean
tn_tunnel_peer_has_session (const TnTunnelPeer *peer,
                            gint64              now_us)
{
  return tn_keypairs_get_usable (&peer->keypairs, now_us) != NULL;
}

/* The timestamp of the peer's last initiation stays: a replayed one must not begin a session. */
void
tn_tunnel_peer_reset (TnTunnel     *tunnel,
                      TnTunnelPeer *peer)
{
  gint64 persistent_us = peer->timers[TN_TIMER_PERSISTENT];

  tn_tunnel_drop_staged (tunnel, peer);
  tn_tunnel_forget_handshake (tunnel, peer);
  tn_keypairs_clear (&peer->keypairs, &tunnel->indices);
  tn_timers_stop (tunnel, peer);
  if (persistent_us != G_MAXINT64)
    tn_timers_start (tunnel, peer, TN_TIMER_PERSISTENT, persistent_us);

  peer->attempts = 0;
  peer->last_handshake_sent_us = TN_NEVER_US;
  peer->sent_lastminute_handshake = FALSE;
  peer->is_established = FALSE;
}

void
tn_tunnel_peer_get_stats (const TnTunnelPeer *peer,
                          TnTunnelPeerStats  *stats)
{
  *stats = peer->stats;
  stats->n_staged = peer->stage != NULL ? peer->stage->n : 0;
}
