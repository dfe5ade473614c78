/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-disco.h"
#include "tn-path-address.h"

G_BEGIN_DECLS

/* The straight paths to one peer, as far as its addresses are known: which of them to ping and when, which one is proven, and until when.
 * Without I/O. An address is proven by the answer to a ping of ours that came by UDP, by nothing else; what counts, and the times, are
 * those of tailscale wgengine/magicsock/endpoint.go. Who only receives does not ping: two idle nodes leave each other alone. */
typedef struct _TnDirect TnDirect;

#define TN_DIRECT_LISTED_MAX 12      /* addresses of the map that are tried */
#define TN_DIRECT_SEEN_MAX   4       /* and others, from which the peer pinged us */

#define TN_DIRECT_ACTIVE_US  (45 * G_USEC_PER_SEC)      /* sessionActiveTimeout: so long after the last packet it is kept proven */
#define TN_DIRECT_TRUST_US   (6500 * 1000)              /* trustUDPAddrDuration */

TnDirect *tn_direct_new           (void);
void      tn_direct_free          (TnDirect *direct);

/* Can a peer have that address, and we send there? */
gboolean  tn_direct_is_usable     (const TnIpEndpoint *endpoint);

/* What the map says, instead of what it said before. */
void      tn_direct_set_endpoints (TnDirect *direct, const TnIpEndpoint *endpoints, guint n_endpoints);

/* An authentic ping of the peer came from there. FALSE: it is one of too many, and not to be answered. */
gboolean  tn_direct_add_seen      (TnDirect *direct, const TnPathAddress *from, gint64 now_us);

/* The network is another one, or the peer started anew: nothing is proven any more. */
void      tn_direct_reset         (TnDirect *direct);

/* Something that a program sends goes to the peer. TRUE: the first in a long while, and pings may be due. */
gboolean  tn_direct_sent          (TnDirect *direct, gint64 now_us);

/* An authentic packet of the peer came from there. It proves nothing that is not, but keeps what is. */
void      tn_direct_heard         (TnDirect *direct, const TnPathAddress *from, gint64 now_us);

/* An address to ping now, with @txid; call until FALSE. */
gboolean  tn_direct_next_ping     (TnDirect *direct, const TnDiscoTxid *txid, gint64 now_us, TnPathAddress *to);

/* The answer came by UDP. FALSE: to none of these pings. */
gboolean  tn_direct_pong          (TnDirect *direct, const TnDiscoTxid *txid, gint64 now_us);

/* Where datagrams of the peer are to go: NULL: nothing is proven. */
const TnPathAddress *
          tn_direct_get_path      (TnDirect *direct, gint64 now_us);
gint64    tn_direct_get_latency_us (const TnDirect *direct);      /* of that path */

/* When to ask for pings and the path next, G_MAXINT64: when something happens. */
gint64    tn_direct_deadline      (TnDirect *direct, gint64 now_us);

G_END_DECLS
