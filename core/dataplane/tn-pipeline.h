/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-filter.h"
#include "tn-overlay-router.h"
#include "tn-packet-batch.h"
#include "tn-path-address.h"
#include "tn-tsmp.h"
#include "tn-tunnel.h"

G_BEGIN_DECLS

/* The whole way of a packet, without I/O: parse, route, filter, seal, choose a path; and back. One thread. @now_us is boot time. */
typedef struct _TnPipeline TnPipeline;

/* A peer as far as packets care. Copied. */
typedef struct
{
  gint64           id;              /* node id, as routers know it */
  TnNodePublicKey  key;
  TnDiscoPublicKey disco_key;       /* zeros: none */
  guint            home_region;     /* 0: unknown */
} TnPipelinePeer;

/* Answer to a ping of ours. */
typedef struct
{
  guint64       token;
  gint64        latency_us;
  TnPathAddress path;               /* it came by */
} TnPipelinePong;

typedef enum
{
  TN_PIPELINE_DROP_NO_ROUTE,        /* no peer has the destination */
  TN_PIPELINE_DROP_NO_PATH,         /* nothing leads to the peer */
  TN_PIPELINE_DROP_MALFORMED,       /* no IP packet */
  TN_PIPELINE_DROP_FORBIDDEN,       /* TSMP or disco from the host */
  TN_PIPELINE_DROP_QUEUE_FULL,      /* a blocked path had no room left, or it waited there for long */
  TN_PIPELINE_DROP_UNKNOWN_SENDER,  /* the relay's sender is no peer */
  TN_PIPELINE_DROP_SOURCE,          /* authentic, but that peer may not have this source address */
  TN_PIPELINE_DROP_FILTER,          /* inbound, no rule lets it in */
  TN_PIPELINE_DROP_FILTER_OUT,
  TN_PIPELINE_DROP_DISCO,           /* disco that does not open, or nobody asked for */
  TN_PIPELINE_DROP_CLOSED,          /* the node may not talk to anyone at present */
  TN_PIPELINE_N_DROPS
} TnPipelineDrop;

typedef struct
{
  /* IP packets for this host, in order. */
  void   (*to_overlay)    (gpointer user_data, TnPacketBatch *batch);

  /* Datagrams packets[first...]; returns how many the path took. Others are held, and tn_pipeline_path_writable() is awaited. */
  guint  (*to_underlay)   (gpointer user_data, const TnPathAddress *to, const TnPacketBatch *batch, guint first, gboolean urgent);

  /* Packets to @destination are to be held back at their source, or not any more. Nullable: the source learns of a full path by what
   * is lost, and gets to lose some in time (TnCodel). */
  void   (*set_blocked)   (gpointer user_data, const TnIpAddress *destination, gboolean blocked);

  /* All that the host has sent lately goes to paths that are full: it may as well keep what it has for a while; or not any more. Said
   * again with each further batch of that kind. Nullable. */
  void   (*set_stalled)   (gpointer user_data, gboolean stalled);

  void   (*pong)          (gpointer user_data, const TnPipelinePong *pong);

  /* A peer tells that it refused a flow of ours, and why. Nullable. */
  void   (*rejected)      (gpointer user_data, const TnTsmpReject *reject);

  /* Each IP packet of the host, as the host has it: before it is sealed, after it was opened. TN_PIPELINE_N_DROPS: it went through.
   * Nullable, as it costs time. */
  void   (*capture)       (gpointer user_data, gboolean inbound, TnPipelineDrop reason, const TnPacket *packet);

  /* The addresses of a peer are wanted, by tn_pipeline_set_endpoints() now and whenever they change; or not any more. Nullable. */
  void   (*wants_endpoints) (gpointer user_data, gint64 id, gboolean wanted);

  gint64 (*wall_time_ns)  (gpointer user_data);
  void   (*random)        (gpointer user_data, void *out, gsize len);
} TnPipelineHooks;

TnPipeline *tn_pipeline_new  (const TnNodePrivateKey *node_key, const TnDiscoPrivateKey *disco_key, const TnPipelineHooks *hooks,
                              gpointer user_data);
void        tn_pipeline_free (TnPipeline *pipeline);

/* --- What the netmap says. Peers first: a router knows them by their id. --- */

void        tn_pipeline_set_node_key  (TnPipeline *pipeline, const TnNodePrivateKey *key);     /* ends all sessions */
void        tn_pipeline_upsert_peer   (TnPipeline *pipeline, const TnPipelinePeer *peer, gint64 now_us);
void        tn_pipeline_remove_peer   (TnPipeline *pipeline, gint64 id, gint64 now_us);
void        tn_pipeline_foreach_peer_id (TnPipeline *pipeline, void (*func) (gint64 id, gpointer data), gpointer data);
void        tn_pipeline_set_router    (TnPipeline *pipeline, TnOverlayRouter *router);         /* takes a reference */

/* @jailed_filter serves peers that may not open flows to us. Without filters nothing comes in. */
void        tn_pipeline_set_filters   (TnPipeline *pipeline, TnFilter *filter, TnFilter *jailed_filter);
void        tn_pipeline_set_addresses (TnPipeline *pipeline, const TnIpAddress *address4, const TnIpAddress *address6);

/* A pipeline that is closed has no tunnels, and lets nothing out or in, pings and handshakes included. A new one is open. */
void        tn_pipeline_set_open      (TnPipeline *pipeline, gboolean open);

/* --- Straight paths: by UDP, to addresses that answer a ping. Without, everything goes by relay. --- */

void        tn_pipeline_set_direct    (TnPipeline *pipeline, gboolean direct);      /* FALSE at first */
void        tn_pipeline_set_endpoints (TnPipeline *pipeline, gint64 id, const TnIpEndpoint *endpoints, guint n_endpoints, gint64 now_us);
void        tn_pipeline_reset_direct  (TnPipeline *pipeline, gint64 now_us);        /* the network is another one */

/* --- Packets. Batches are changed: what they held is spent. --- */

void        tn_pipeline_from_overlay  (TnPipeline *pipeline, TnPacketBatch *batch, gint64 now_us);
void        tn_pipeline_from_underlay (TnPipeline *pipeline, TnPacketBatch *batch, const TnPathAddress *from, gint64 now_us);
void        tn_pipeline_path_writable (TnPipeline *pipeline, const TnPathAddress *to, gint64 now_us);
void        tn_pipeline_path_gone     (TnPipeline *pipeline, const TnPathAddress *path);

/* --- Pings: pong() answers with @token, once at most. FALSE: the peer is unknown or cannot be pinged that way.
 *     Datagrams get lost: who sends again does it with the same @token, and the first answer to any of them ends them all. --- */

#define     TN_PIPELINE_PING_SIZE_MAX 2000      /* bytes of padding */
gboolean    tn_pipeline_ping_disco    (TnPipeline *pipeline, gint64 id, guint size, guint64 token, gint64 now_us);
gboolean    tn_pipeline_ping_tsmp     (TnPipeline *pipeline, gint64 id, const TnIpAddress *destination, guint64 token, gint64 now_us);
void        tn_pipeline_ping_cancel   (TnPipeline *pipeline, guint64 token);

/* Starts a handshake ahead of the first packet. */
void        tn_pipeline_connect       (TnPipeline *pipeline, gint64 id, gint64 now_us);

/* --- Time --- */

gint64      tn_pipeline_deadline      (const TnPipeline *pipeline);
void        tn_pipeline_expire        (TnPipeline *pipeline, gint64 now_us);

/* --- What can be told --- */

typedef struct
{
  gint64            id;
  TnPathAddress     path;           /* kind NONE: none */
  gint64            latency_us;     /* -1: not measured */
  gint64            path_since_wall_ns;
  TnTunnelPeerStats stats;
} TnPipelinePeerInfo;

/* Of the peers that have a tunnel: an array of TnPipelinePeerInfo. */
GArray     *tn_pipeline_dup_infos     (TnPipeline *pipeline);

/* Kind NONE: the peer is unknown, or nothing leads to it. */
void        tn_pipeline_get_path      (TnPipeline *pipeline, gint64 id, TnPathAddress *path);

guint64     tn_pipeline_get_drops     (const TnPipeline *pipeline, TnPipelineDrop reason);
const char *tn_pipeline_drop_get_name (TnPipelineDrop reason);
TnTunnel   *tn_pipeline_get_tunnel    (TnPipeline *pipeline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnPipeline, tn_pipeline_free)

G_END_DECLS
