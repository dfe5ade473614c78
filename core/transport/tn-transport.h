/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-version-macros.h"

G_BEGIN_DECLS

/**
 * TN_UNDERLAY_TRANSPORT_EXTENSION_POINT_NAME:
 *
 * Extension point of what carries sealed packets between nodes, such as a relay.
 *
 * Since: 0.1
 */
#define TN_UNDERLAY_TRANSPORT_EXTENSION_POINT_NAME "tailnet-underlay-transport"

/**
 * TN_OVERLAY_TRANSPORT_EXTENSION_POINT_NAME:
 *
 * Extension point of what hands packets to and from this host, such as a kernel interface.
 *
 * Since: 0.1
 */
#define TN_OVERLAY_TRANSPORT_EXTENSION_POINT_NAME "tailnet-overlay-transport"

/**
 * TN_NETSTACK_EXTENSION_POINT_NAME:
 *
 * Extension point of overlay transports that have sockets of their own.
 *
 * Since: 0.1
 */
#define TN_NETSTACK_EXTENSION_POINT_NAME "tailnet-netstack"

/**
 * TN_ROUTER_EXTENSION_POINT_NAME:
 *
 * Extension point of what puts addresses and routes into an operating system.
 *
 * Since: 0.1
 */
#define TN_ROUTER_EXTENSION_POINT_NAME "tailnet-router"

#define TN_TYPE_UNDERLAY_TRANSPORT (tn_underlay_transport_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_INTERFACE (TnUnderlayTransport, tn_underlay_transport, TN, UNDERLAY_TRANSPORT, GObject)

#define TN_TYPE_OVERLAY_TRANSPORT (tn_overlay_transport_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_INTERFACE (TnOverlayTransport, tn_overlay_transport, TN, OVERLAY_TRANSPORT, GObject)

#define TN_TYPE_NETSTACK (tn_netstack_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_INTERFACE (TnNetstack, tn_netstack, TN, NETSTACK, TnOverlayTransport)

#define TN_TYPE_ROUTER (tn_router_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_INTERFACE (TnRouter, tn_router, TN, ROUTER, GObject)

G_END_DECLS
