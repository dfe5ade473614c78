/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-disco.h"
#include "tn-path-address.h"

G_BEGIN_DECLS

/* Disco without I/O: answers pings of peers by whatever path they came, sends pings and matches their answers.
 *
 * One thread at a time. @now_us is boot time. Only what a known peer sealed is looked at: an unknown sender costs one lookup. What
 * a message says of addresses is a claim: this engine sends to nobody because a peer named him. */
typedef struct _TnPaths TnPaths;

#define TN_PATHS_PING_TIMEOUT_US  (5 * G_USEC_PER_SEC)      /* tailscale wgengine/magicsock: pingTimeoutDuration */
#define TN_PATHS_PACKET_MAX       2048                      /* larger ones are dropped: no peer of ours has reason to send them */
#define TN_PATHS_MAX_ENDPOINTS    32

typedef struct
{
  const TnNodePublicKey *peer;
  TnPathAddress          path;          /* by which the answer came */
  TnIpEndpoint           seen_as;       /* where the peer saw us; 127.3.3.40 and the region for a relay */
  gint64                 latency_us;
} TnPathsPong;

/* A hook may add and remove peers and send pings; it must not call tn_paths_receive(), _expire() or _free(). */
typedef struct
{
  /* @packet is valid within the call only. It is small and urgent. */
  void (*send)          (gpointer user_data, const TnPathAddress *to, const guint8 *packet, gsize len);

  /* The answer to a ping, once; @pong is NULL when none came in time, or the peer is gone. */
  void (*ping_done)     (gpointer user_data, guint64 ping, const TnPathsPong *pong);

  /* A peer asks, by a relay, to be pinged at these addresses. Useless and excess ones were left out. Nullable. */
  void (*call_me_maybe) (gpointer user_data, const TnNodePublicKey *peer, const TnIpEndpoint *endpoints, guint n_endpoints);

  void (*random)        (gpointer user_data, void *out, gsize len);      /* NULL: the system's */
} TnPathsHooks;

/* @key, @node_key and @hooks are copied. A disco key lives as long as the process, never longer. */
TnPaths *tn_paths_new         (const TnDiscoPrivateKey *key, const TnNodePublicKey *node_key, const TnPathsHooks *hooks,
                               gpointer user_data);
void     tn_paths_free        (TnPaths *paths);

/* Adds a peer, or changes its key; a key of zeros stands for none. Several peers may share one. */
void     tn_paths_set_peer    (TnPaths *paths, const TnNodePublicKey *peer, const TnDiscoPublicKey *key);
void     tn_paths_remove_peer (TnPaths *paths, const TnNodePublicKey *peer);

/* A datagram that tn_datagram_classify() or tn_disco_is_packet() takes for disco, without the Geneve header, whose network is in
 * @from. TRUE: it was from a peer and made sense. */
gboolean tn_paths_receive     (TnPaths *paths, const guint8 *packet, gsize len, const TnPathAddress *from, gint64 now_us);

/* Pings @peer by @to; the packet has @size bytes at least (0: no padding; TN_PATHS_PACKET_MAX at most). Ends in ping_done() unless it is
 * cancelled. 0: the peer has no disco key. */
guint64  tn_paths_ping        (TnPaths *paths, const TnNodePublicKey *peer, const TnPathAddress *to, gsize size, gint64 now_us);
void     tn_paths_cancel_ping (TnPaths *paths, guint64 ping);

gint64   tn_paths_deadline    (const TnPaths *paths);      /* G_MAXINT64: no timer runs */
void     tn_paths_expire      (TnPaths *paths, gint64 now_us);

typedef enum
{
  TN_PATHS_DROP_SIZE,
  TN_PATHS_DROP_UNKNOWN_SENDER,
  TN_PATHS_DROP_AUTHENTICATION,
  TN_PATHS_DROP_MALFORMED,        /* or of a type that we do not know */
  TN_PATHS_DROP_NOT_HERE,         /* known, but not for this way or for us */
  TN_PATHS_DROP_UNKNOWN_PING,     /* pong late, doubled, or made up */
  TN_PATHS_DROP_RATE,             /* too many pings of one peer */
  TN_PATHS_N_DROPS
} TnPathsDrop;

guint64  tn_paths_get_drops   (const TnPaths *paths, TnPathsDrop reason);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnPaths, tn_paths_free)

G_END_DECLS
