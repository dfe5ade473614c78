/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

/* TnNetstack on the sockets of the kernel, for an object that is a #TnTunTransport. */
void tn_tun_sockets_init (TnNetstackInterface *iface);

/* A socket to listen at or for datagrams, bound to @local (any address: to all addresses), and to what comes by @interface. */
GSocket *tn_tun_socket_new_bound (GInetSocketAddress *local, GSocketType type, const char *interface, GError **error);

/* Its packets leave by @interface, whatever the routes are, and come in by it; those of this host's own addresses on it count as such. */
gboolean tn_tun_socket_bind_to_interface (GSocket *socket, const char *interface, GError **error);

G_END_DECLS
