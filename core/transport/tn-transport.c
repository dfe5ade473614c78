/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tailnet-plugin.h"

/**
 * TnUnderlayTransport:
 *
 * Carries sealed packets between nodes: a relay, or UDP. Plugins implement it.
 *
 * Since: 0.1
 */
G_DEFINE_INTERFACE (TnUnderlayTransport, tn_underlay_transport, G_TYPE_OBJECT)

/**
 * TnOverlayTransport:
 *
 * Hands IP packets to and from this host: a kernel interface, or a network stack in the process. Plugins implement it.
 *
 * Since: 0.1
 */
G_DEFINE_INTERFACE (TnOverlayTransport, tn_overlay_transport, G_TYPE_OBJECT)

/**
 * TnNetstack:
 *
 * An overlay transport with sockets of its own, so that a program needs no interface in the kernel. Plugins implement it.
 *
 * Since: 0.1
 */
G_DEFINE_INTERFACE (TnNetstack, tn_netstack, TN_TYPE_OVERLAY_TRANSPORT)

/**
 * TnRouter:
 *
 * Puts addresses and routes into an operating system or a network stack. Plugins implement it.
 *
 * Since: 0.1
 */
G_DEFINE_INTERFACE (TnRouter, tn_router, G_TYPE_OBJECT)

G_DEFINE_ABSTRACT_TYPE (TnNetstackStream, tn_netstack_stream, G_TYPE_IO_STREAM)
G_DEFINE_ABSTRACT_TYPE (TnNetstackListener, tn_netstack_listener, G_TYPE_OBJECT)
G_DEFINE_ABSTRACT_TYPE (TnNetstackDatagram, tn_netstack_datagram, G_TYPE_OBJECT)

static void tn_underlay_transport_default_init (TnUnderlayTransportInterface *iface) { }
static void tn_overlay_transport_default_init (TnOverlayTransportInterface *iface) { }
static void tn_netstack_default_init (TnNetstackInterface *iface) { }
static void tn_router_default_init (TnRouterInterface *iface) { }
static void tn_netstack_stream_class_init (TnNetstackStreamClass *klass) { }
static void tn_netstack_stream_init (TnNetstackStream *self) { }
static void tn_netstack_listener_class_init (TnNetstackListenerClass *klass) { }
static void tn_netstack_listener_init (TnNetstackListener *self) { }
static void tn_netstack_datagram_class_init (TnNetstackDatagramClass *klass) { }
static void tn_netstack_datagram_init (TnNetstackDatagram *self) { }
