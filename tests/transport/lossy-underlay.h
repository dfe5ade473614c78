/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

/* A network in memory for tests of what stands on an underlay: relays whose regions are those of the relay map, and a node behind each
 * transport. Everything happens in the one context in which it was made. What is lost, the test says. */
typedef struct _LossyNet LossyNet;

/* TRUE: this datagram is lost. */
typedef gboolean (*LossyDropFunc) (gpointer user_data, const TnPathAddress *from, const TnPathAddress *to, const guint8 *data, gsize len);

LossyNet *lossy_net_new         (void);
void      lossy_net_free        (LossyNet *net);     /* after its transports */
void      lossy_net_set_drop    (LossyNet *net, LossyDropFunc drop, gpointer user_data);

/* How many datagrams a transport holds before send() takes no more; 256 at first. */
void      lossy_net_set_queue   (LossyNet *net, guint n_packets);

/* While it stalls nothing is delivered. */
void      lossy_net_set_stalled (LossyNet *net, gboolean stalled);

#define LOSSY_TYPE_UNDERLAY (lossy_underlay_get_type ())
G_DECLARE_FINAL_TYPE (LossyUnderlay, lossy_underlay, LOSSY, UNDERLAY, GObject)

TnUnderlayTransport *lossy_underlay_new (LossyNet *net);

G_END_DECLS
