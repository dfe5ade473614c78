/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-data-path.h"
#include "tn-netmap.h"
#include "tn-node-data.h"

G_BEGIN_DECLS

/* From what the control server says to what the application sees (TnNodeData), and to what packets need (TnDataPathUpdate). One
 * thread; a change costs what changed. */
typedef struct _TnNetmapBridge TnNetmapBridge;

TnNetmapBridge   *tn_netmap_bridge_new        (void);
void              tn_netmap_bridge_free       (TnNetmapBridge *bridge);

/* Updates have routes for a router, from now on. */
void              tn_netmap_bridge_want_routes (TnNetmapBridge *bridge);

/* What the data path has to learn. Nothing came before: @changes is NULL. */
TnDataPathUpdate *tn_netmap_bridge_update     (TnNetmapBridge *bridge, const TnNetmap *netmap, const TnNetmapChanges *changes);

TnNodeData       *tn_netmap_bridge_node_data  (TnNetmapBridge *bridge, const TnNetmap *netmap, const TnNetmapNode *node);

/* Peers (gint64) that look otherwise after the last update, though it names none of them: a profile or a relay code did. */
GArray           *tn_netmap_bridge_get_concerned (TnNetmapBridge *bridge);

/* The MagicDNS suffix: what follows the own name's first label; "" while unknown. Free with g_free(). */
char             *tn_netmap_bridge_dns_suffix (const TnNetmap *netmap);

/* A peer as the last update told it, and what the application knows it by: its stable id, unless that is another peer's; NULL: none. */
const TnNetmapNode *tn_netmap_bridge_lookup   (TnNetmapBridge *bridge, gint64 id);
const char       *tn_netmap_bridge_stable_id  (TnNetmapBridge *bridge, gint64 id);

/* From now on the data path wants to know where that peer is, or not any more: updates tell. What is known now, taken; NULL: nothing. */
TnDataPathEndpoints *tn_netmap_bridge_watch   (TnNetmapBridge *bridge, gint64 id, gboolean wanted);

/* Whether a peer can be at an address of loopback: this machine has no other. Not at first. */
void              tn_netmap_bridge_set_loopback (TnNetmapBridge *bridge, gboolean loopback);

/* Peers whose key has expired since the bridge heard of them: their ids (gint64), to be updated. */
void              tn_netmap_bridge_find_expired (TnNetmapBridge *bridge, const TnNetmap *netmap, GArray *ids);

/* Time until some key may expire, our own one included; G_MAXINT64: none does. */
gint64            tn_netmap_bridge_next_expiry_us (TnNetmapBridge *bridge, const TnNetmap *netmap);

/* Why the packet filter of the last update that had one counts for nothing; NULL: it counts. */
const char       *tn_netmap_bridge_filter_problem (TnNetmapBridge *bridge);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnNetmapBridge, tn_netmap_bridge_free)

G_END_DECLS
