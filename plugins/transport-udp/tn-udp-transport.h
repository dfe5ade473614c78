/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

#define TN_TYPE_UDP_TRANSPORT (tn_udp_transport_get_type ())
G_DECLARE_FINAL_TYPE (TnUdpTransport, tn_udp_transport, TN, UDP_TRANSPORT, GObject)

typedef struct
{
  guint64 sent;               /* datagrams */
  guint64 lost;               /* taken, and refused by the kernel or without a way */
  guint64 received;           /* datagrams or trains */
} TnUdpCounters;

/* For tests. Whether the offloads of the kernel are used, before start(). */
void     tn_udp_transport_set_offloads (TnUdpTransport *self, gboolean segments, gboolean merges);
void     tn_udp_transport_get_counters (TnUdpTransport *self, TnUdpCounters *counters);
gboolean tn_udp_transport_is_segmenting (TnUdpTransport *self, guint8 version);

G_END_DECLS
