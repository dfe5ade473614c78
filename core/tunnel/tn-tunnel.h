/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-crypto-pool.h"
#include "tn-ip.h"
#include "tn-keys.h"
#include "tn-packet-batch.h"

G_BEGIN_DECLS

/* WireGuard without I/O: datagrams, packets and the time go in, verdicts come out, and messages of its own leave by a hook.
 *
 * One thread at a time. @now_us is boot time (keys age while the machine sleeps); a time before the latest one seen counts as that
 * one. The engine chooses no path: it says which peer a datagram came from, and the caller decides where the next one goes. */
typedef struct _TnTunnel     TnTunnel;
typedef struct _TnTunnelPeer TnTunnelPeer;

#define TN_TUNNEL_HEADER_LEN   16     /* in front of a sealed packet: type, index, counter */
#define TN_TUNNEL_TRAILER_MAX  31     /* behind it: padding and tag */
#define TN_TUNNEL_PSK_LEN      32
#define TN_TUNNEL_SOURCE_MAX   40
#define TN_TUNNEL_LOAD_DEFAULT 2000

/* Where a datagram came from. @bytes is what a cookie is bound to; the first @limit_len of them tell one sender from another
 * when handshakes are rationed. @tag is the caller's: it comes back with the answer to this datagram. */
typedef struct
{
  gconstpointer tag;
  guint8        len;
  guint8        limit_len;
  guint8        bytes[TN_TUNNEL_SOURCE_MAX];
} TnTunnelSource;

void tn_tunnel_source_set_udp   (TnTunnelSource *source, const TnIpEndpoint *endpoint, gconstpointer tag);
void tn_tunnel_source_set_relay (TnTunnelSource *source, guint32 region, const TnNodePublicKey *sender, gconstpointer tag);

typedef enum
{
  TN_TUNNEL_MESSAGE_HANDSHAKE,
  TN_TUNNEL_MESSAGE_COOKIE,
  TN_TUNNEL_MESSAGE_KEEPALIVE,
  TN_TUNNEL_MESSAGE_DATA,           /* packets that waited for the session which has just begun */
} TnTunnelMessage;

typedef enum
{
  TN_TUNNEL_EVENT_CREATED,          /* an unknown peer that lookup() vouched for proved itself: the engine added it */
  TN_TUNNEL_EVENT_HANDSHAKE,        /* the first initiation of an attempt left */
  TN_TUNNEL_EVENT_ESTABLISHED,      /* a session begins, at each rekey too. Packets sealed within the hook go first */
  TN_TUNNEL_EVENT_FAILED,           /* no answer for 90 s: what waited is dropped */
  TN_TUNNEL_EVENT_EXPIRED,          /* the last session is 180 s old: nothing can be sent any more without a handshake */
  TN_TUNNEL_EVENT_IDLE,             /* 540 s without a new session, keys erased: the hook may remove the peer */
} TnTunnelEvent;

typedef struct
{
  guint8   psk[TN_TUNNEL_PSK_LEN];  /* zeros: none */
  guint    keepalive_interval_s;    /* persistent keep-alive; 0: none */
  gpointer user_data;
} TnTunnelPeerConfig;

/* A hook may seal, but neither receive, expire nor, except in TN_TUNNEL_EVENT_IDLE, remove a peer. */
typedef struct
{
  /* Messages of the engine's own. They are only valid within the call, and have TN_PACKET_HEADROOM - TN_TUNNEL_HEADER_LEN bytes
   * of headroom at least. @reply_to is the tag of the datagram that is answered: if not NULL the message goes there (a handshake or
   * cookie). @peer is NULL for a cookie. */
  void     (*send)         (gpointer user_data, TnTunnelPeer *peer, gconstpointer reply_to, TnTunnelMessage message, TnPacket *packets,
                            guint n_packets);

  /* May this key talk to us? Asked when an initiation names a key that has no peer. Anybody can put any key there: it is proven
   * only afterwards, and then TN_TUNNEL_EVENT_CREATED follows. @config is zeroed. NULL: no. */
  gboolean (*lookup)       (gpointer user_data, const TnNodePublicKey *key, TnTunnelPeerConfig *config);

  void     (*event)        (gpointer user_data, TnTunnelPeer *peer, TnTunnelEvent event);      /* NULL: not wanted */
  gint64   (*wall_time_ns) (gpointer user_data);                                               /* since 1970 */
  void     (*random)       (gpointer user_data, void *out, gsize len);
} TnTunnelHooks;

/* @key and @hooks are copied. */
TnTunnel     *tn_tunnel_new             (const TnNodePrivateKey *key, const TnTunnelHooks *hooks, gpointer user_data);
void          tn_tunnel_free            (TnTunnel *tunnel);

void          tn_tunnel_set_private_key (TnTunnel *tunnel, const TnNodePrivateKey *key);      /* ends all sessions */
void          tn_tunnel_set_mtu         (TnTunnel *tunnel, guint mtu);      /* padding stops there; 0: no limit. Default: 1280 */
void          tn_tunnel_reset           (TnTunnel *tunnel);                 /* erases all sessions */

/* Threads that help to seal and to open; NULL: none, as at first. */
void          tn_tunnel_set_pool        (TnTunnel *tunnel, TnCryptoPool *pool);

/* From how many handshakes a second on senders have to prove their address first (by a cookie), and get a ration each; from
 * twice as many on they are dropped. A handshake takes about 150 us. 0: always. Default: TN_TUNNEL_LOAD_DEFAULT. */
void          tn_tunnel_set_load_limit  (TnTunnel *tunnel, guint handshakes_per_second);

/* --- Peers --- */

/* @config may be NULL. If there is one with that key already it is returned as it is. NULL: the key is of low order, or our own. */
TnTunnelPeer *tn_tunnel_add_peer        (TnTunnel *tunnel, const TnNodePublicKey *key, const TnTunnelPeerConfig *config, gint64 now_us);
void          tn_tunnel_remove_peer     (TnTunnel *tunnel, TnTunnelPeer *peer);
TnTunnelPeer *tn_tunnel_lookup_peer     (TnTunnel *tunnel, const TnNodePublicKey *key);
guint         tn_tunnel_get_n_peers     (TnTunnel *tunnel);

const TnNodePublicKey *
              tn_tunnel_peer_get_key       (const TnTunnelPeer *peer);
gpointer      tn_tunnel_peer_get_user_data (const TnTunnelPeer *peer);
void          tn_tunnel_peer_set_user_data (TnTunnelPeer *peer, gpointer user_data);
gboolean      tn_tunnel_peer_has_session   (const TnTunnelPeer *peer, gint64 now_us);      /* can be sealed for at once */

/* Forgets sessions, handshake and staged packets, as if the peer were new. */
void          tn_tunnel_peer_reset         (TnTunnel *tunnel, TnTunnelPeer *peer);

typedef struct
{
  guint64 rx_bytes;                 /* authentic datagrams, handshakes and keep-alives too */
  guint64 tx_bytes;
  guint64 rx_packets;               /* data only */
  guint64 tx_packets;
  gint64  last_handshake_us;        /* completed, in the time of now_us; 0: never */
  gint64  last_handshake_wall_ns;
  guint   n_staged;
} TnTunnelPeerStats;

void          tn_tunnel_peer_get_stats     (const TnTunnelPeer *peer, TnTunnelPeerStats *stats);

/* --- Packets --- */

typedef enum
{
  TN_TUNNEL_DROP,                   /* counted: tn_tunnel_get_drops() */
  TN_TUNNEL_DATA,                   /* the packet is now the inner IP packet, trimmed to its own length */
  TN_TUNNEL_KEEPALIVE,
  TN_TUNNEL_HANDSHAKE,              /* initiation or response: consumed */
  TN_TUNNEL_COOKIE,                 /* cookie reply: consumed */
} TnTunnelVerdict;

/* Opens a datagram in place. @peer is set whenever the datagram was authentic, NULL else: whatever path it came by works, except for
 * TN_TUNNEL_COOKIE, which proves only that somebody saw our last handshake message. Whether the inner source address may
 * come from that peer is up to the caller. @source is only looked at for handshakes. */
TnTunnelVerdict tn_tunnel_receive (TnTunnel *tunnel, TnPacket *packet, const TnTunnelSource *source, gint64 now_us, TnTunnelPeer **peer);

#define TN_TUNNEL_OPEN_MAX 64

typedef enum
{
  TN_TUNNEL_UNOPENED,
  TN_TUNNEL_OPENED,                 /* decrypted and authentic; nothing else is known of it */
  TN_TUNNEL_FORGED,
} TnTunnelOpened;

/* Decrypts the first of several datagrams in place, as far as they are data, up to TN_TUNNEL_OPEN_MAX: with the helpers. Returns how many
 * these are (without helpers none), and in @opened what became of each. They go to tn_tunnel_receive_opened() next, in order, before the
 * tunnel receives anything else. */
guint           tn_tunnel_open           (TnTunnel *tunnel, TnPacket *packets, guint n_packets, TnTunnelOpened *opened, gint64 now_us);
TnTunnelVerdict tn_tunnel_receive_opened (TnTunnel *tunnel, TnPacket *packet, TnTunnelOpened opened, const TnTunnelSource *source,
                                          gint64 now_us, TnTunnelPeer **peer);

typedef enum
{
  TN_TUNNEL_SEALED,                 /* packets are transport messages now: send them in order */
  TN_TUNNEL_STAGED,                 /* no session: copied, and a handshake is under way. They leave by the hook */
} TnTunnelSealed;

/* Seals packets in place, all or none. Each needs TN_TUNNEL_HEADER_LEN of headroom and TN_TUNNEL_TRAILER_MAX of tailroom; a
 * super-packet is to be split before. */
TnTunnelSealed tn_tunnel_seal (TnTunnel *tunnel, TnTunnelPeer *peer, TnPacket *packets, guint n_packets, gint64 now_us);

/* Starts a handshake unless there is a session, or an attempt is under way. */
void          tn_tunnel_connect         (TnTunnel *tunnel, TnTunnelPeer *peer, gint64 now_us);
void          tn_tunnel_send_keepalive  (TnTunnel *tunnel, TnTunnelPeer *peer, gint64 now_us);

/* --- Time --- */

/* When to call tn_tunnel_expire() next, G_MAXINT64: never. It may lie in the past, and it may be early, in which case nothing
 * happens: timers that are put off are not moved at once. It changes with every call. */
gint64        tn_tunnel_deadline        (const TnTunnel *tunnel);
void          tn_tunnel_expire          (TnTunnel *tunnel, gint64 now_us);      /* bounded work: see the deadline again afterwards */

/* --- Counters --- */

typedef enum
{
  TN_TUNNEL_DROP_MALFORMED,         /* type or size */
  TN_TUNNEL_DROP_MAC1,              /* not made for us */
  TN_TUNNEL_DROP_LOAD,              /* answered by a cookie */
  TN_TUNNEL_DROP_RATE,              /* too many handshakes from this sender, or altogether */
  TN_TUNNEL_DROP_HANDSHAKE,         /* does not decrypt, or no such handshake */
  TN_TUNNEL_DROP_UNKNOWN_PEER,
  TN_TUNNEL_DROP_OLD_TIMESTAMP,     /* replayed initiation */
  TN_TUNNEL_DROP_FLOOD,             /* less than 20 ms after the last initiation of that peer */
  TN_TUNNEL_DROP_COOKIE,            /* cookie reply that does not decrypt, or nobody waits for */
  TN_TUNNEL_DROP_UNKNOWN_INDEX,
  TN_TUNNEL_DROP_KEY_EXPIRED,       /* by age or counter */
  TN_TUNNEL_DROP_AUTHENTICATION,
  TN_TUNNEL_DROP_REPLAY,
  TN_TUNNEL_DROP_INNER,             /* authentic, but no IP packet */
  TN_TUNNEL_DROP_STAGED_FULL,       /* outbound: pushed out by newer packets */
  TN_TUNNEL_DROP_STAGED_FAILED,     /* outbound: no session came about */
  TN_TUNNEL_N_DROPS
} TnTunnelDrop;

guint64       tn_tunnel_get_drops       (const TnTunnel *tunnel, TnTunnelDrop reason);
const char   *tn_tunnel_drop_get_name   (TnTunnelDrop reason);      /* in words, for counters: "replay" */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnTunnel, tn_tunnel_free)

G_END_DECLS
