/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-tunnel-private.h"

/* Peers with a timer running stand in a binary heap, by the time to look at them. That time is only ever moved to earlier when a
 * timer starts: stopping one, or putting it off, is a store, as it happens with every packet, and costs at most one look too
 * early. Peers without timers cost nothing. */

#define NOT_IN_HEAP  G_MAXUINT
#define ZERO_KEYS_US (3 * TN_REJECT_AFTER_TIME_US)

/* A handshake takes about 130 us: what is due after a long sleep does not hold up packets for all peers at once. */
#define EXPIRE_MAX   64

static void
place (TnTunnel     *tunnel,
       guint         slot,
       TnTunnelPeer *peer)
{
  tunnel->heap[slot] = peer;
  peer->heap_slot = slot;
}

static void
sift_up (TnTunnel     *tunnel,
         TnTunnelPeer *peer)
{
  guint slot = peer->heap_slot;

  while (slot > 0 && tunnel->heap[(slot - 1) / 2]->wake_us > peer->wake_us)
    {
      place (tunnel, slot, tunnel->heap[(slot - 1) / 2]);
      slot = (slot - 1) / 2;
    }
  place (tunnel, slot, peer);
}

static void
sift_down (TnTunnel     *tunnel,
           TnTunnelPeer *peer)
{
  guint slot = peer->heap_slot;
  guint child;

  while ((child = 2 * slot + 1) < tunnel->n_heap)
    {
      if (child + 1 < tunnel->n_heap && tunnel->heap[child + 1]->wake_us < tunnel->heap[child]->wake_us)
        child++;
      if (tunnel->heap[child]->wake_us >= peer->wake_us)
        break;
      place (tunnel, slot, tunnel->heap[child]);
      slot = child;
    }
  place (tunnel, slot, peer);
}

static void
heap_remove (TnTunnel     *tunnel,
             TnTunnelPeer *peer)
{
  TnTunnelPeer *last;
  guint slot = peer->heap_slot;

  if (slot == NOT_IN_HEAP)
    return;

  last = tunnel->heap[--tunnel->n_heap];
  peer->heap_slot = NOT_IN_HEAP;
  if (last == peer)
    return;
  place (tunnel, slot, last);
  sift_down (tunnel, last);
  sift_up (tunnel, last);
}

static void
heap_set (TnTunnel     *tunnel,
          TnTunnelPeer *peer,
          gint64        wake_us)
{
  peer->wake_us = wake_us;
  if (peer->heap_slot == NOT_IN_HEAP)
    {
      if (tunnel->n_heap == tunnel->heap_size)
        {
          tunnel->heap_size = MAX (tunnel->heap_size * 2, 16);
          tunnel->heap = g_renew (TnTunnelPeer *, tunnel->heap, tunnel->heap_size);
        }
      place (tunnel, tunnel->n_heap++, peer);
    }
  sift_down (tunnel, peer);
  sift_up (tunnel, peer);
}

void
tn_timers_init (TnTunnelPeer *peer)
{
  for (guint i = 0; i < TN_N_TIMERS; i++)
    peer->timers[i] = G_MAXINT64;
  peer->heap_slot = NOT_IN_HEAP;
}

void
tn_timers_stop (TnTunnel     *tunnel,
                TnTunnelPeer *peer)
{
  heap_remove (tunnel, peer);
  tn_timers_init (peer);
  peer->needs_another_keepalive = FALSE;
}

void
tn_timers_start (TnTunnel     *tunnel,
                 TnTunnelPeer *peer,
                 TnTimer       timer,
                 gint64        at_us)
{
  peer->timers[timer] = at_us;
  if (peer->heap_slot == NOT_IN_HEAP || at_us < peer->wake_us)
    heap_set (tunnel, peer, at_us);
}

static void
stop_one (TnTunnelPeer *peer,
          TnTimer       timer)
{
  peer->timers[timer] = G_MAXINT64;
}

/* So that two sides do not keep meeting in the middle. Marsaglia's xorshift: nobody gains by guessing it. */
gint64
tn_timers_jitter (TnTunnel *tunnel)
{
  guint64 x = tunnel->jitter | 1;

  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  tunnel->jitter = x;
  return (gint64) ((x >> 20) % TN_REKEY_JITTER_MAX_US);
}

/* --- Events --- */

void
tn_timers_data_sent (TnTunnel     *tunnel,
                     TnTunnelPeer *peer)
{
  if (!tn_timers_is_running (peer, TN_TIMER_NEW_HANDSHAKE))
    tn_timers_start (tunnel, peer, TN_TIMER_NEW_HANDSHAKE,
                     tunnel->now_us + TN_KEEPALIVE_TIMEOUT_US + TN_REKEY_TIMEOUT_US + tn_timers_jitter (tunnel));
}

void
tn_timers_data_received (TnTunnel     *tunnel,
                         TnTunnelPeer *peer)
{
  if (tn_timers_is_running (peer, TN_TIMER_KEEPALIVE))
    peer->needs_another_keepalive = TRUE;
  else
    tn_timers_start (tunnel, peer, TN_TIMER_KEEPALIVE, tunnel->now_us + TN_KEEPALIVE_TIMEOUT_US);
}

static void
any_traversal (TnTunnel     *tunnel,
               TnTunnelPeer *peer)
{
  if (peer->keepalive_interval_s > 0)
    tn_timers_start (tunnel, peer, TN_TIMER_PERSISTENT, tunnel->now_us + peer->keepalive_interval_s * TN_SECOND_US);
}

void
tn_timers_any_sent (TnTunnel     *tunnel,
                    TnTunnelPeer *peer)
{
  stop_one (peer, TN_TIMER_KEEPALIVE);
  any_traversal (tunnel, peer);
}

void
tn_timers_any_received (TnTunnel     *tunnel,
                        TnTunnelPeer *peer)
{
  stop_one (peer, TN_TIMER_NEW_HANDSHAKE);
  any_traversal (tunnel, peer);
}

void
tn_timers_initiated (TnTunnel     *tunnel,
                     TnTunnelPeer *peer)
{
  tn_timers_start (tunnel, peer, TN_TIMER_RETRANSMIT, tunnel->now_us + TN_REKEY_TIMEOUT_US + tn_timers_jitter (tunnel));
}

void
tn_timers_session_derived (TnTunnel     *tunnel,
                           TnTunnelPeer *peer)
{
  tn_timers_start (tunnel, peer, TN_TIMER_ZERO_KEYS, tunnel->now_us + ZERO_KEYS_US);
}

void
tn_timers_handshake_complete (TnTunnel     *tunnel,
                              TnTunnelPeer *peer)
{
  stop_one (peer, TN_TIMER_RETRANSMIT);
  tn_timers_start (tunnel, peer, TN_TIMER_EXPIRED, peer->keypairs.current->birth_us + TN_REJECT_AFTER_TIME_US);
  peer->attempts = 0;
  peer->sent_lastminute_handshake = FALSE;
}

/* --- Expiry --- */

static void
expire_retransmit (TnTunnel     *tunnel,
                   TnTunnelPeer *peer)
{
  if (peer->attempts++ <= TN_REKEY_ATTEMPTS_MAX)
    {
      tn_tunnel_initiate (tunnel, peer, TRUE);
      return;
    }

  stop_one (peer, TN_TIMER_KEEPALIVE);
  tn_tunnel_drop_staged (tunnel, peer);
  tn_tunnel_forget_handshake (tunnel, peer);
  if (!tn_timers_is_running (peer, TN_TIMER_ZERO_KEYS))
    tn_timers_start (tunnel, peer, TN_TIMER_ZERO_KEYS, tunnel->now_us + ZERO_KEYS_US);
  tn_tunnel_emit (tunnel, peer, TN_TUNNEL_EVENT_FAILED);
}

static void
expire_keepalive (TnTunnel     *tunnel,
                  TnTunnelPeer *peer)
{
  gboolean another = peer->needs_another_keepalive;

  peer->needs_another_keepalive = FALSE;
  tn_tunnel_flush_or_keepalive (tunnel, peer);
  if (another)
    tn_timers_start (tunnel, peer, TN_TIMER_KEEPALIVE, tunnel->now_us + TN_KEEPALIVE_TIMEOUT_US);
}

/* We sent data and got nothing at all: the peer may have lost the session. */
static void
expire_new_handshake (TnTunnel     *tunnel,
                      TnTunnelPeer *peer)
{
  tn_tunnel_initiate (tunnel, peer, FALSE);
}

static void
expire_persistent (TnTunnel     *tunnel,
                   TnTunnelPeer *peer)
{
  any_traversal (tunnel, peer);      /* goes on even if nothing can be sent */
  tn_tunnel_flush_or_keepalive (tunnel, peer);
}

static void
expire_session (TnTunnel     *tunnel,
                TnTunnelPeer *peer)
{
  if (!peer->is_established || tn_keypairs_get_usable (&peer->keypairs, tunnel->now_us) != NULL)
    return;

  peer->is_established = FALSE;
  tn_tunnel_emit (tunnel, peer, TN_TUNNEL_EVENT_EXPIRED);
}

/* The keys are three lifetimes old. Who is still trying to reach the peer then goes on with it. */
static void
expire_keys (TnTunnel     *tunnel,
             TnTunnelPeer *peer)
{
  tn_keypairs_clear (&peer->keypairs, &tunnel->indices);
  if (tn_timers_is_running (peer, TN_TIMER_RETRANSMIT))
    {
      tn_timers_start (tunnel, peer, TN_TIMER_ZERO_KEYS, tunnel->now_us + ZERO_KEYS_US);
      return;
    }
  tn_tunnel_peer_reset (tunnel, peer);
  tn_tunnel_emit (tunnel, peer, TN_TUNNEL_EVENT_IDLE);
}

static gboolean
take_if_due (TnTunnel     *tunnel,
             TnTunnelPeer *peer,
             TnTimer       timer)
{
  if (peer->timers[timer] > tunnel->now_us)
    return FALSE;

  stop_one (peer, timer);
  return TRUE;
}

static void
expire_peer (TnTunnel     *tunnel,
             TnTunnelPeer *peer)
{
  static void (*const expire[TN_N_TIMERS]) (TnTunnel *tunnel, TnTunnelPeer *peer) = {
    [TN_TIMER_RETRANSMIT] = expire_retransmit,
    [TN_TIMER_KEEPALIVE] = expire_keepalive,
    [TN_TIMER_NEW_HANDSHAKE] = expire_new_handshake,
    [TN_TIMER_PERSISTENT] = expire_persistent,
    [TN_TIMER_EXPIRED] = expire_session,
  };
  gint64 wake_us = G_MAXINT64;
  gboolean zero_keys;

  for (TnTimer timer = 0; timer < TN_TIMER_ZERO_KEYS; timer++)
    if (take_if_due (tunnel, peer, timer))
      expire[timer] (tunnel, peer);

  zero_keys = take_if_due (tunnel, peer, TN_TIMER_ZERO_KEYS);
  for (guint i = 0; i < TN_N_TIMERS; i++)
    wake_us = MIN (wake_us, peer->timers[i]);
  if (wake_us == G_MAXINT64)
    heap_remove (tunnel, peer);
  else
    heap_set (tunnel, peer, wake_us);

  if (zero_keys)
    expire_keys (tunnel, peer);
}

gint64
tn_tunnel_deadline (const TnTunnel *tunnel)
{
  return tunnel->n_heap > 0 ? tunnel->heap[0]->wake_us : G_MAXINT64;
}

void
tn_tunnel_expire (TnTunnel *tunnel,
                  gint64    now_us)
{
  tn_tunnel_advance (tunnel, now_us);
  for (guint i = 0; i < EXPIRE_MAX && tn_tunnel_deadline (tunnel) <= tunnel->now_us; i++)
    expire_peer (tunnel, tunnel->heap[0]);
}
