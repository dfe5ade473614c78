/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-direct.h"
#include "tn-disco.h"
#include "tn-hold-queue.h"
#include "tn-pipeline.h"

G_BEGIN_DECLS

#define TN_BLOCKED_MAX 8         /* destinations held back at their source for one peer; more share the bounded queue alone */

typedef struct
{
  /* Hot: what every packet looks at. */
  TnTunnelPeer     *tunnel_peer;            /* NULL: never talked to, or idle for long */
  TnDirect         *direct;                 /* NULL: as above, or everything goes by relay */
  TnPathAddress     path;
  gboolean          blocked;                /* its path took no more: everything but urgent datagrams waits in held */
  guint             n_blocked_destinations;
  gint64            id;
  TnHoldQueue       held;
  gint64            direct_due_us;          /* of direct */

  TnNodePublicKey   key;
  TnDiscoPublicKey  disco_key;
  guint8            disco_shared[32];
  gboolean          disco_shared_known;
  gboolean          shadowed;               /* a later peer has the same key, and the tunnel */
  GList             talking_link;           /* in talking while it has a tunnel; data is the state itself then, else NULL */
  guint             home_region;
  guint             heard_region;           /* relay region it was last heard from, 0: none */
  gint64            latency_us;
  gint64            path_since_wall_ns;
  TnIpAddress      *blocked_destinations;   /* TN_BLOCKED_MAX; NULL: there never was one */
} TnPeerState;

/* A ping of ours that waits for its answer. One that was sent again is here once each time, so that its latency is that of the one
 * which was answered. */
typedef struct
{
  guint64 token;
  gint64  sent_us;
  gint64  peer_id;
  guint8  tsmp_data[8];
  TnDiscoTxid txid;
  gboolean tsmp;
} TnPendingPing;

/* A first message between two nodes of which one does not know the other well enough yet. */
#define TN_PARKED_MAX 16
#define TN_PARKED_LEN 256       /* bytes: an initiation, or a ping */
typedef struct
{
  guint           kind;         /* 0: free */
  gboolean        outgoing;
  gint64          at_us;
  TnNodePublicKey key;          /* of the other node */
  TnPathAddress   from;         /* unless outgoing */
  guint32         len;
  guint8          data[TN_PARKED_LEN];
} TnParked;

struct _TnPipeline
{
  TnTunnel         *tunnel;
  TnOverlayRouter  *router;                 /* nullable */
  TnFilter         *filter;                 /* nullable: nothing comes in */
  TnFilter         *jailed_filter;
  TnFilterState     filter_state;
  TnFilterState     jailed_state;
  GHashTable       *peers_by_id;            /* gint64 * in the state -> TnPeerState, owned */
  GHashTable       *peers_by_key;           /* TnNodePublicKey * in the state -> TnPeerState */
  GQueue            talking;                /* of TnPeerState: these have a tunnel, a few of many */
  GHashTable       *peers_by_disco;         /* TnDiscoPublicKey * in the state -> TnPeerState; NULL: everything goes by relay */
  gint64            direct_due_us;          /* not after the earliest deadline of a straight path */
  gboolean          closed;
  guint             n_shadowed;             /* peers behind another with the same key: not in peers_by_key */
  TnHoldPool       *hold_pool;
  GPtrArray        *blocked;                /* of TnPeerState, in turn */
  gint64            open_us;                /* when something of the host's last went to a path that was not full */
  gboolean          stalled;
  TnIpAddress       address4;
  TnIpAddress       address6;
  TnNodePublicKey   node_key;
  TnDiscoPrivateKey *disco_private;      /* in the secret pool */
  TnDiscoPublicKey  disco_public;
  gint64            now_us;                 /* of the call under way */
  GArray           *pings;                  /* of TnPendingPing: a handful */
  TnPacketBatch    *out;                    /* descriptors of packets to one peer; no slab */
  TnPacketBatch    *in;                     /* descriptors of packets for the host; no slab */
  TnPacketBatch    *scratch;                /* for packets that are made here */
  guint64           drops[TN_PIPELINE_N_DROPS];
  TnParked          parked[TN_PARKED_MAX];
  TnPipelineHooks   hooks;
  gpointer          user_data;
};

static inline void
tn_pipeline_count (TnPipeline *pipeline, TnPipelineDrop reason, guint n)
{
  pipeline->drops[reason] += n;
}

/* One packet of the host, and what becomes of it. */
static inline void
tn_pipeline_capture (TnPipeline *pipeline, gboolean inbound, TnPipelineDrop reason, const TnPacket *packet)
{
  if (G_UNLIKELY (pipeline->hooks.capture != NULL))
    pipeline->hooks.capture (pipeline->user_data, inbound, reason, packet);
}

static inline void
tn_pipeline_drop (TnPipeline *pipeline, gboolean inbound, TnPipelineDrop reason, const TnPacket *packet)
{
  tn_pipeline_count (pipeline, reason, 1);
  tn_pipeline_capture (pipeline, inbound, reason, packet);
}

/* Has the map told of it what it is reached by? A node that has registered, but has not told where it is yet, has no routes either:
 * what it sends would be refused. */
static inline gboolean
tn_pipeline_is_known (const TnPeerState *peer)
{
  return peer != NULL && (peer->home_region != 0 || !tn_disco_public_key_is_zero (&peer->disco_key));
}

static inline const TnIpAddress *
tn_pipeline_own_address (const TnPipeline *pipeline, guint8 version)
{
  return version == 4 ? &pipeline->address4 : &pipeline->address6;
}

/* tn-pipeline.c */
TnPeerState *tn_pipeline_peer_by_id     (TnPipeline *pipeline, gint64 id);
TnPeerState *tn_pipeline_peer_by_key    (TnPipeline *pipeline, const TnNodePublicKey *key);
TnTunnelPeer *tn_pipeline_ensure_tunnel (TnPipeline *pipeline, TnPeerState *peer);     /* NULL: its key is no good */

/* tn-pipeline-send.c */
void         tn_pipeline_choose_path    (TnPipeline *pipeline, TnPeerState *peer);
void         tn_pipeline_send           (TnPipeline *pipeline, TnPeerState *peer, TnPacketBatch *batch, gboolean urgent);
void         tn_pipeline_send_to        (TnPipeline *pipeline, const TnPathAddress *to, TnPacket *packet);
void         tn_pipeline_seal_and_send  (TnPipeline *pipeline, TnPeerState *peer, TnPacketBatch *batch);
void         tn_pipeline_unblock        (TnPipeline *pipeline, TnPeerState *peer);
void         tn_pipeline_tunnel_send    (gpointer user_data, TnTunnelPeer *tunnel_peer, gconstpointer reply_to, TnTunnelMessage message,
                                         TnPacket *packets, guint n_packets);

/* tn-pipeline-receive.c */
void         tn_pipeline_receive_again  (TnPipeline *pipeline, TnPacket *packet, const TnPathAddress *from);     /* a first message */

/* tn-pipeline-direct.c */
void         tn_pipeline_direct_join    (TnPipeline *pipeline, TnPeerState *peer);      /* it has a tunnel now */
void         tn_pipeline_direct_leave   (TnPipeline *pipeline, TnPeerState *peer);      /* not any more */
void         tn_pipeline_direct_index   (TnPipeline *pipeline, TnPeerState *peer, gboolean present);      /* around a change of its disco key */
void         tn_pipeline_direct_try     (TnPipeline *pipeline, TnPeerState *peer);      /* pings what is due, and settles its path */
void         tn_pipeline_direct_expire  (TnPipeline *pipeline);
gboolean     tn_pipeline_direct_pinged  (TnPipeline *pipeline, TnPeerState *peer, const TnPathAddress *from);      /* FALSE: no answer */
void         tn_pipeline_direct_pong    (TnPipeline *pipeline, TnPeerState *peer, const TnDiscoTxid *txid);

/* tn-pipeline-parked.c; all but first messages are ignored */
void         tn_pipeline_park_out       (TnPipeline *pipeline, TnPeerState *peer, const TnPacket *packet);
void         tn_pipeline_park_in        (TnPipeline *pipeline, const TnPathAddress *from, const TnPacket *packet);
void         tn_pipeline_unpark         (TnPipeline *pipeline, TnPeerState *peer);      /* its key, disco key or path is known now */

/* tn-pipeline-ping.c */
gboolean     tn_pipeline_disco_can_ping (TnPipeline *pipeline, TnPeerState *peer);
void         tn_pipeline_disco_ping     (TnPipeline *pipeline, TnPeerState *peer, const TnDiscoTxid *txid, guint size, const TnPathAddress *to);
void         tn_pipeline_disco_receive  (TnPipeline *pipeline, const TnPacket *packet, const TnPathAddress *from);

/* TRUE: the packet was for us alone, and is consumed. */
gboolean     tn_pipeline_tsmp_receive   (TnPipeline *pipeline, TnPeerState *peer, const TnParsed *packet, const TnPathAddress *from);

G_END_DECLS
