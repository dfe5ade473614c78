/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "tn-ip.h"

G_BEGIN_DECLS

/* Datagrams on the socket that BindDatagram() of the bus gives away. Each message of it is one datagram: family (4 or 6), a zero,
 * the port in network order, the address of the other node in 16 bytes (an IPv4 one in the first four), the payload. */
#define TN_BUS_DATAGRAM_PAYLOAD_MAX 65507      /* RFC 768 and RFC 791: 65535 less two headers */

/* Two connected sockets that keep boundaries, non-blocking. */
gboolean  tn_bus_datagram_make_pair (GSocket **near, int *far, GError **error);

/* Never blocks: G_IO_ERROR_WOULD_BLOCK when the other end is behind. */
gboolean  tn_bus_datagram_send      (GSocket *socket, const TnIpEndpoint *endpoint, GBytes *payload, GError **error);

/* G_IO_ERROR_WOULD_BLOCK: none is there; G_IO_ERROR_CLOSED: none will ever be; G_IO_ERROR_INVALID_DATA: that was none. */
GBytes   *tn_bus_datagram_receive   (GSocket *socket, TnIpEndpoint *endpoint, GError **error);

G_END_DECLS
