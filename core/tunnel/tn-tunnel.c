/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tunnel-private.h"

#include "tn-reader.h"
#include "tn-secret.h"

/* Far enough from the ends of gint64 that no sum with a timeout or in nanoseconds leaves it. */
#define NOW_MAX_US  (G_MAXINT64 / 4000)
#define WALL_MAX_NS (G_MAXINT64 / 2)

TnTunnel *
tn_tunnel_new (const TnNodePrivateKey *key,
               const TnTunnelHooks    *hooks,
               gpointer                user_data)
{
  TnTunnel *tunnel = g_new0 (TnTunnel, 1);

  tunnel->hooks = *hooks;
  tunnel->user_data = user_data;
  tunnel->aead = tn_aead_new ();
  tunnel->mtu = 1280;
  tunnel->load_limit = TN_TUNNEL_LOAD_DEFAULT;
  tunnel->load_until_us = TN_NEVER_US;
  tunnel->peers = g_hash_table_new (tn_node_public_key_hash, tn_node_public_key_equal_func);
  tn_index_table_init (&tunnel->indices);
  tunnel->identity = tn_secret_alloc (sizeof *tunnel->identity);
  tn_handshake_identity_init (tunnel->identity, key);
  tn_cookie_checker_init (&tunnel->checker, &tunnel->identity->public_key);
  hooks->random (user_data, &tunnel->jitter, sizeof tunnel->jitter);
  return tunnel;
}

void
tn_tunnel_free (TnTunnel *tunnel)
{
  GHashTableIter iter;
  gpointer peer;

  g_hash_table_iter_init (&iter, tunnel->peers);
  while (g_hash_table_iter_next (&iter, NULL, &peer))
    tn_tunnel_peer_free (tunnel, peer);
  g_hash_table_unref (tunnel->peers);

  g_clear_pointer (&tunnel->limiter, tn_rate_limiter_free);
  tn_index_table_clear (&tunnel->indices);
  tn_aead_free (tunnel->aead);
  g_clear_pointer (&tunnel->pool, tn_crypto_pool_unref);
  g_free (tunnel->heap);
  tn_secret_free (tunnel->identity);
  explicit_bzero (tunnel, sizeof *tunnel);
  g_free (tunnel);
}

void
tn_tunnel_reset (TnTunnel *tunnel)
{
  GHashTableIter iter;
  gpointer peer;

  g_hash_table_iter_init (&iter, tunnel->peers);
  while (g_hash_table_iter_next (&iter, NULL, &peer))
    tn_tunnel_peer_reset (tunnel, peer);
}

void
tn_tunnel_set_private_key (TnTunnel               *tunnel,
                           const TnNodePrivateKey *key)
{
  GHashTableIter iter;
  gpointer value;

  tn_tunnel_reset (tunnel);
  tn_handshake_identity_init (tunnel->identity, key);
  tn_cookie_checker_init (&tunnel->checker, &tunnel->identity->public_key);

  g_hash_table_iter_init (&iter, tunnel->peers);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      TnHandshakeRemote *remote = &((TnTunnelPeer *) value)->remote;

      if (!tn_x25519 (remote->static_static, key->bytes, remote->public_key.bytes))
        g_assert_not_reached ();      /* a key of low order was not let in */
    }
}

void
tn_tunnel_set_mtu (TnTunnel *tunnel,
                   guint     mtu)
{
  tunnel->mtu = mtu;
}

void
tn_tunnel_set_pool (TnTunnel     *tunnel,
                    TnCryptoPool *pool)
{
  if (pool != NULL)
    tn_crypto_pool_ref (pool);
  g_clear_pointer (&tunnel->pool, tn_crypto_pool_unref);
  tunnel->pool = pool;
}

/* Each element once, in whichever threads; all are through when this returns. */
void
tn_tunnel_run (TnTunnel     *tunnel,
               TnCryptoFunc  func,
               gpointer      data,
               guint         n)
{
  if (tunnel->pool != NULL)
    tn_crypto_pool_run (tunnel->pool, func, data, n, tunnel->aead);
  else
    func (data, 0, n, tunnel->aead);
}

void
tn_tunnel_set_load_limit (TnTunnel *tunnel,
                          guint     handshakes_per_second)
{
  tunnel->load_limit = MIN (handshakes_per_second, G_USEC_PER_SEC / 2);
}

gint64
tn_tunnel_advance (TnTunnel *tunnel,
                   gint64    now_us)
{
  tunnel->now_us = CLAMP (now_us, tunnel->now_us, NOW_MAX_US);
  return tunnel->now_us;
}

void
tn_tunnel_emit (TnTunnel      *tunnel,
                TnTunnelPeer  *peer,
                TnTunnelEvent  event)
{
  if (tunnel->hooks.event != NULL)
    tunnel->hooks.event (tunnel->user_data, peer, event);
}

TnTunnelVerdict
tn_tunnel_drop (TnTunnel     *tunnel,
                TnTunnelDrop  reason)
{
  tunnel->drops[reason]++;
  return TN_TUNNEL_DROP;
}

guint64
tn_tunnel_get_drops (const TnTunnel *tunnel,
                     TnTunnelDrop    reason)
{
  g_return_val_if_fail (reason < TN_TUNNEL_N_DROPS, 0);

  return tunnel->drops[reason];
}

const char *
tn_tunnel_drop_get_name (TnTunnelDrop reason)
{
  static const char *const names[] = {
    [TN_TUNNEL_DROP_MALFORMED] = "malformed",
    [TN_TUNNEL_DROP_MAC1] = "mac1",
    [TN_TUNNEL_DROP_LOAD] = "load",
    [TN_TUNNEL_DROP_RATE] = "rate",
    [TN_TUNNEL_DROP_HANDSHAKE] = "handshake",
    [TN_TUNNEL_DROP_UNKNOWN_PEER] = "unknown-peer",
    [TN_TUNNEL_DROP_OLD_TIMESTAMP] = "old-timestamp",
    [TN_TUNNEL_DROP_FLOOD] = "flood",
    [TN_TUNNEL_DROP_COOKIE] = "cookie",
    [TN_TUNNEL_DROP_UNKNOWN_INDEX] = "unknown-index",
    [TN_TUNNEL_DROP_KEY_EXPIRED] = "key-expired",
    [TN_TUNNEL_DROP_AUTHENTICATION] = "authentication",
    [TN_TUNNEL_DROP_REPLAY] = "replay",
    [TN_TUNNEL_DROP_INNER] = "inner",
    [TN_TUNNEL_DROP_STAGED_FULL] = "staged-full",
    [TN_TUNNEL_DROP_STAGED_FAILED] = "staged-failed",
  };

  G_STATIC_ASSERT (G_N_ELEMENTS (names) == TN_TUNNEL_N_DROPS);
  g_return_val_if_fail (reason < TN_TUNNEL_N_DROPS, NULL);

  return names[reason];
}

/* An address of IPv6 is rationed by its /64, which is what one customer gets. */
void
tn_tunnel_source_set_udp (TnTunnelSource     *source,
                          const TnIpEndpoint *endpoint,
                          gconstpointer       tag)
{
  gsize len = tn_ip_address_len (&endpoint->address);

  source->tag = tag;
  memcpy (source->bytes, endpoint->address.bytes, len);
  tn_put_u16be (source->bytes + len, endpoint->port);
  source->len = (guint8) (len + 2);
  source->limit_len = len == 16 ? 8 : (guint8) len;
}

/* A relay says which key a datagram came from, after it has seen proof: each gets a ration of its own. */
void
tn_tunnel_source_set_relay (TnTunnelSource        *source,
                            guint32                region,
                            const TnNodePublicKey *sender,
                            gconstpointer          tag)
{
  source->tag = tag;
  memcpy (source->bytes, sender->bytes, TN_KEY_LEN);
  tn_put_u32be (source->bytes + TN_KEY_LEN, region);
  source->len = TN_KEY_LEN + 4;
  source->limit_len = TN_KEY_LEN;
}

/* Wall clock that never goes back, so that a peer does not take our next initiation for a replay after the clock was set:
 * while the real one is behind, it goes on by the boot time passed. */
gint64
tn_tunnel_wall_time (TnTunnel *tunnel)
{
  gint64 wall_ns = CLAMP (tunnel->hooks.wall_time_ns (tunnel->user_data), 0, WALL_MAX_NS);

  tunnel->wall_ns = MAX (wall_ns, tunnel->wall_ns + (tunnel->now_us - tunnel->wall_us) * 1000);
  tunnel->wall_us = tunnel->now_us;
  return tunnel->wall_ns;
}
