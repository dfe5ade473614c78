/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Finds a relay of a region that takes a TCP connection: nodes in the order of the map, both address families of a node at once,
 * or through a proxy (tailscale derp/derphttp/derphttp_client.go dialRegion(), dialNode()). */

#include <gio/gio.h>

#include "tn-relay-map.h"

G_BEGIN_DECLS

typedef struct _TnDerpDial TnDerpDial;

/* @connection is NULL on error; @node is of the region given to start(). The dial is over when this is called. */
typedef void (*TnDerpDialFunc) (gpointer user_data, GSocketConnection *connection, const TnRelayNode *node, const GError *error);

/* In the thread-default context. @region is to live as long as the dial. @resolver: NULL for the default. @mark: of sockets, 0:
 * none. @node_us: for the TCP connection to one node. */
TnDerpDial *tn_derp_dial_start  (const TnRelayRegion *region, GProxyResolver *resolver, guint32 mark, gint64 node_us,
                                 TnDerpDialFunc func, gpointer user_data);

/* The function is not called any more. Only before it was. */
void        tn_derp_dial_cancel (TnDerpDial *dial);

G_END_DECLS
