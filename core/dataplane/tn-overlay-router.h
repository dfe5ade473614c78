/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"

G_BEGIN_DECLS

/* A peer as far as routing cares. Prefixes are copied; @peer is handed back by lookups and never touched. */
typedef struct
{
  gint64            id;                 /* node id */
  gpointer          peer;               /* whatever the caller wants back: must live as long as a router that knows it */
  const TnIpPrefix *addresses;
  gsize             n_addresses;
  const TnIpPrefix *allowed_ips;
  gsize             n_allowed_ips;
  guint             home_region;        /* 0: none */
  gboolean          expired;
  gboolean          has_disco_key;
  gboolean          wireguard_only;
  gboolean          jailed;             /* it may not open flows to us */
  TnIpAddress       masquerade4;        /* how this peer knows us, if not by our own address; version 0: it does */
  TnIpAddress       masquerade6;
} TnOverlayPeer;

typedef struct
{
  gint64   exit_node;           /* node id; 0: none, or the one selected is no peer at present */
  gboolean exit_node_selected;  /* even one that is no peer: default routes lead into the tunnel, where traffic ends */
  gboolean accept_routes;       /* use subnet routes of peers */
  gboolean disable_ipv4;        /* no IPv4 addresses of peers (node attribute) */
  gboolean one_cgnat;           /* one system route for all of 100.64.0.0/10 */
} TnOverlayPreferences;

/* What a lookup finds. Immutable; lives as long as the router it came from. */
typedef struct
{
  gint64      id;
  gpointer    peer;
  gboolean    jailed;
  TnIpAddress masquerade4;
  TnIpAddress masquerade6;
} TnOverlayRoute;

/* What the peers behind @route know this node by, if not by its own address; version 0: they do. */
static inline const TnIpAddress *
tn_overlay_route_get_masquerade (const TnOverlayRoute *route, guint8 version)
{
  return version == 4 ? &route->masquerade4 : &route->masquerade6;
}

/* The builder: all peers with what they may route. Belongs to one thread. A change costs what changed, not the number of peers. */
typedef struct _TnOverlayRoutes TnOverlayRoutes;

TnOverlayRoutes *tn_overlay_routes_new             (void);
void             tn_overlay_routes_free            (TnOverlayRoutes *routes);
void             tn_overlay_routes_upsert          (TnOverlayRoutes *routes, const TnOverlayPeer *peer);
gboolean         tn_overlay_routes_remove          (TnOverlayRoutes *routes, gint64 id);
void             tn_overlay_routes_set_preferences (TnOverlayRoutes *routes, const TnOverlayPreferences *preferences);

/* Prefixes that a peer may use as source, sorted; NULL: none. Free with g_free(). */
TnIpPrefix      *tn_overlay_routes_dup_sources     (TnOverlayRoutes *routes, gint64 id, gsize *n);

/* Prefixes that the system should route into the tunnel, sorted, without the service addresses. Free with g_free(). */
TnIpPrefix      *tn_overlay_routes_dup_os_routes   (TnOverlayRoutes *routes, gsize *n);

/* An immutable snapshot, for any thread; the caller gets a reference. */
typedef struct _TnOverlayRouter TnOverlayRouter;

TnOverlayRouter *tn_overlay_routes_snapshot        (TnOverlayRoutes *routes);
TnOverlayRouter *tn_overlay_router_ref             (TnOverlayRouter *router);
void             tn_overlay_router_unref           (TnOverlayRouter *router);

/* The peer that a destination belongs to; NULL: none. */
const TnOverlayRoute *tn_overlay_router_lookup     (const TnOverlayRouter *router, const TnIpAddress *destination);

/* May a packet that came from this peer have this source? (crypto-key routing) */
gboolean         tn_overlay_router_allows_source   (const TnOverlayRouter *router, gint64 id, const TnIpAddress *source);

/* Some peer is jailed or masqueraded: otherwise packets need no second look. */
gboolean         tn_overlay_router_has_attributes  (const TnOverlayRouter *router);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnOverlayRoutes, tn_overlay_routes_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnOverlayRouter, tn_overlay_router_unref)

G_END_DECLS
