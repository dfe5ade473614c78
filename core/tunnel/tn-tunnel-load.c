/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tunnel-private.h"

#include "tn-reader.h"

#define LOAD_STICKY_US TN_SECOND_US

/* Other implementations queue handshakes for a worker, and take the length of the queue for the load. Here each is handled as it
 * comes, so the load is that of a queue which is worked off at a rate that leaves most of the thread to data. Every handshake
 * counts that was made for us, so that load ends only after the flood has. */
static gboolean
is_under_load (TnTunnel *tunnel)
{
  guint limit = tunnel->load_limit;

  if (!tn_token_bucket_take (&tunnel->arrived, limit, MAX (limit / 8, 1), tunnel->now_us))
    tunnel->load_until_us = tunnel->now_us + LOAD_STICKY_US;
  return tunnel->now_us < tunnel->load_until_us;
}

/* Senders are told apart only as long as there are few; what is left after that is a limit for all of them. */
static gboolean
ration (TnTunnel             *tunnel,
        const TnTunnelSource *source)
{
  guint limit = tunnel->load_limit > 0 ? tunnel->load_limit : TN_TUNNEL_LOAD_DEFAULT;

  if (tunnel->limiter == NULL)
    {
      guint8 secret[32];

      tunnel->hooks.random (tunnel->user_data, secret, sizeof secret);
      tunnel->limiter = tn_rate_limiter_new (secret);
    }
  return tn_rate_limiter_take (tunnel->limiter, source->bytes, source->limit_len, tunnel->now_us) &&
         tn_token_bucket_take (&tunnel->admitted, limit * 2, MAX (limit / 8, 1), tunnel->now_us);
}

static void
send_cookie (TnTunnel             *tunnel,
             const guint8         *message,
             gsize                 len,
             const TnTunnelSource *source)
{
  guint8 nonce[TN_XAEAD_NONCE_LEN];
  TnMessageCookie reply;

  if (tn_cookie_checker_is_stale (&tunnel->checker, tunnel->now_us))
    {
      guint8 secret[TN_HASH_LEN];

      tunnel->hooks.random (tunnel->user_data, secret, sizeof secret);
      tn_cookie_checker_set_secret (&tunnel->checker, secret, tunnel->now_us);
      explicit_bzero (secret, sizeof secret);
    }
  tunnel->hooks.random (tunnel->user_data, nonce, sizeof nonce);
  tn_cookie_checker_reply (&tunnel->checker, message, len, source->bytes, source->len, nonce, &reply);
  tn_tunnel_send_message (tunnel, NULL, source->tag, TN_TUNNEL_MESSAGE_COOKIE, &reply, sizeof reply);
}

/* Is an initiation or response worth the work? */
gboolean
tn_tunnel_admit_handshake (TnTunnel             *tunnel,
                           const guint8         *message,
                           gsize                 len,
                           const TnTunnelSource *source)
{
  if (!tn_cookie_checker_check_mac1 (&tunnel->checker, message, len))
    {
      tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_MAC1);
      return FALSE;
    }
  if (!is_under_load (tunnel))
    return TRUE;

  if (!tn_cookie_checker_check_mac2 (&tunnel->checker, message, len, source->bytes, source->len, tunnel->now_us))
    {
      tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_LOAD);
      send_cookie (tunnel, message, len, source);
      return FALSE;
    }
  if (!ration (tunnel, source))
    {
      tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_RATE);
      return FALSE;
    }
  return TRUE;
}

TnTunnelVerdict
tn_tunnel_receive_cookie (TnTunnel               *tunnel,
                          const TnMessageCookie  *message,
                          TnTunnelPeer          **peer)
{
  TnIndexEntry *entry = tn_index_table_lookup (&tunnel->indices, tn_get_u32le (message->receiver));

  if (entry == NULL || !tn_cookie_jar_consume (&entry->peer->jar, message, tunnel->now_us))
    return tn_tunnel_drop (tunnel, TN_TUNNEL_DROP_COOKIE);

  *peer = entry->peer;
  return TN_TUNNEL_COOKIE;
}
