/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-cookie.h"
#include "tn-index-table.h"
#include "tn-keypairs.h"
#include "tn-handshake.h"
#include "tn-rate-limiter.h"
#include "tn-tunnel.h"

G_BEGIN_DECLS

/* What the files of the engine share. @now_us is the tunnel's: entry points call tn_tunnel_advance() first. */

#define TN_NEVER_US         (G_MININT64 / 2)
#define TN_STAGED_MAX       128                    /* packets a peer */
#define TN_STAGED_BYTES_MAX (16 * 1024 * 1024)     /* all peers together: a sweep over a large tailnet is not to fill the memory */

typedef enum
{
  TN_TIMER_RETRANSMIT,        /* handshake: no response */
  TN_TIMER_KEEPALIVE,         /* we got data, and have sent nothing since */
  TN_TIMER_NEW_HANDSHAKE,     /* we sent data, and have got nothing since */
  TN_TIMER_PERSISTENT,        /* persistent keep-alive */
  TN_TIMER_EXPIRED,           /* the last session may not be used any more */
  TN_TIMER_ZERO_KEYS,         /* nothing for a long time. Last: its event may remove the peer */
  TN_N_TIMERS
} TnTimer;

/* Packets without a session: a ring, made with the first one. */
typedef struct
{
  TnPacket packets[TN_STAGED_MAX];
  guint    first;
  guint    n;
} TnStage;

struct _TnTunnelPeer
{
  TnKeypairs            keypairs;
  gint64                timers[TN_N_TIMERS];         /* G_MAXINT64: off */
  gint64                wake_us;                     /* place in the heap: not after the earliest timer */
  guint                 heap_slot;                   /* G_MAXUINT: no timer runs */
  gboolean              needs_another_keepalive;
  TnTunnelPeerStats     stats;

  gboolean              has_initiated;               /* initiator and local_index are those of the last initiation */
  guint32               local_index;
  guint64               begun;                       /* see TnKeypair */
  TnHandshakeInitiator  initiator;
  guint                 attempts;
  gint64                last_handshake_sent_us;
  gboolean              sent_lastminute_handshake;
  gboolean              is_established;              /* TN_TUNNEL_EVENT_EXPIRED is still to come */

  guint8                last_timestamp[TN_TAI64N_LEN];
  gint64                last_initiation_us;          /* received */

  TnHandshakeRemote     remote;
  TnCookieJar           jar;
  TnStage              *stage;
  guint                 keepalive_interval_s;
  gpointer              user_data;
};

struct _TnTunnel
{
  TnAead               *aead;
  TnCryptoPool         *pool;                        /* nullable */
  gint64                now_us;
  guint                 mtu;
  TnIndexTable          indices;
  guint64               drops[TN_TUNNEL_N_DROPS];
  guint64               n_steps;                     /* of handshakes, so far: their order */

  TnTunnelPeer        **heap;                        /* by wake_us */
  guint                 n_heap;
  guint                 heap_size;
  guint64               jitter;                      /* state of a generator that need not be a good one */

  TnHandshakeIdentity  *identity;          /* in the secret pool */
  TnCookieChecker       checker;
  TnRateLimiter        *limiter;                     /* NULL until the first load */
  guint                 load_limit;
  TnTokenBucket         arrived;
  TnTokenBucket         admitted;
  gint64                load_until_us;

  GHashTable           *peers;                       /* TnNodePublicKey inside of the peer -> peer */
  gsize                 staged_bytes;
  gint64                wall_ns;                     /* at wall_us */
  gint64                wall_us;
  TnTunnelHooks         hooks;
  gpointer              user_data;
};

/* tn-tunnel.c */
gint64          tn_tunnel_advance            (TnTunnel *tunnel, gint64 now_us);
void            tn_tunnel_emit               (TnTunnel *tunnel, TnTunnelPeer *peer, TnTunnelEvent event);

/* The counter in its last eight bytes, as it is on the wire. */
static inline void
tn_tunnel_nonce (const TnMessageData *header, guint8 nonce[TN_AEAD_NONCE_LEN])
{
  memset (nonce, 0, TN_AEAD_NONCE_LEN);
  memcpy (nonce + TN_AEAD_NONCE_LEN - sizeof header->counter, header->counter, sizeof header->counter);
}

void            tn_tunnel_run                (TnTunnel *tunnel, TnCryptoFunc func, gpointer data, guint n);
TnTunnelVerdict tn_tunnel_drop               (TnTunnel *tunnel, TnTunnelDrop reason);
gint64          tn_tunnel_wall_time          (TnTunnel *tunnel);

/* tn-tunnel-peer.c */
TnTunnelPeer   *tn_tunnel_take_peer          (TnTunnel *tunnel, const TnHandshakeRemote *remote, const TnTunnelPeerConfig *config);
void            tn_tunnel_peer_free          (TnTunnel *tunnel, TnTunnelPeer *peer);

/* tn-tunnel-handshake.c */
void            tn_tunnel_forget_handshake   (TnTunnel *tunnel, TnTunnelPeer *peer);
void            tn_tunnel_initiate           (TnTunnel *tunnel, TnTunnelPeer *peer, gboolean is_retry);
void            tn_tunnel_session_confirmed  (TnTunnel *tunnel, TnTunnelPeer *peer);
TnTunnelVerdict tn_tunnel_receive_handshake  (TnTunnel *tunnel, const guint8 *message, gsize len, const TnTunnelSource *source,
                                              TnTunnelPeer **peer);
TnTunnelVerdict tn_tunnel_receive_cookie     (TnTunnel *tunnel, const TnMessageCookie *message, TnTunnelPeer **peer);

/* tn-tunnel-load.c */
gboolean        tn_tunnel_admit_handshake    (TnTunnel *tunnel, const guint8 *message, gsize len, const TnTunnelSource *source)
                                              G_GNUC_WARN_UNUSED_RESULT;

/* tn-tunnel-send.c */
guint           tn_tunnel_padding            (gsize len, guint mtu);
void            tn_tunnel_send_message       (TnTunnel *tunnel, TnTunnelPeer *peer, gconstpointer reply_to, TnTunnelMessage kind,
                                              const void *message, gsize len);
void            tn_tunnel_flush              (TnTunnel *tunnel, TnTunnelPeer *peer);
void            tn_tunnel_flush_or_keepalive (TnTunnel *tunnel, TnTunnelPeer *peer);

/* tn-tunnel-stage.c */
void            tn_tunnel_stage              (TnTunnel *tunnel, TnTunnelPeer *peer, const TnPacket *packet);
guint           tn_tunnel_unstage            (TnTunnel *tunnel, TnTunnelPeer *peer, TnPacket packets[TN_STAGED_MAX]);
void            tn_tunnel_drop_staged        (TnTunnel *tunnel, TnTunnelPeer *peer);

/* tn-tunnel-timers.c: events of the protocol, and what they start and stop */
void            tn_timers_init               (TnTunnelPeer *peer);
void            tn_timers_stop               (TnTunnel *tunnel, TnTunnelPeer *peer);
void            tn_timers_start              (TnTunnel *tunnel, TnTunnelPeer *peer, TnTimer timer, gint64 at_us);
gint64          tn_timers_jitter             (TnTunnel *tunnel);
void            tn_timers_data_sent          (TnTunnel *tunnel, TnTunnelPeer *peer);
void            tn_timers_data_received      (TnTunnel *tunnel, TnTunnelPeer *peer);
void            tn_timers_any_sent           (TnTunnel *tunnel, TnTunnelPeer *peer);
void            tn_timers_any_received       (TnTunnel *tunnel, TnTunnelPeer *peer);
void            tn_timers_initiated          (TnTunnel *tunnel, TnTunnelPeer *peer);
void            tn_timers_session_derived    (TnTunnel *tunnel, TnTunnelPeer *peer);
void            tn_timers_handshake_complete (TnTunnel *tunnel, TnTunnelPeer *peer);

static inline gboolean
tn_timers_is_running (const TnTunnelPeer *peer, TnTimer timer)
{
  return peer->timers[timer] != G_MAXINT64;
}

G_END_DECLS
