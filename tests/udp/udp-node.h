/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-udp-transport.h"

/* A transport on loopback, and what came of it. */
typedef struct
{
  TnUnderlayTransport *transport;
  GPtrArray           *received;      /* of GBytes: datagrams, trains taken apart */
  TnPathAddress        from;          /* the last one's */
  guint                n_trains;
  guint                n_writable;
  guint                n_bound;
  guint8               writable_version;
} UdpNode;

void  udp_node_start   (UdpNode *node, guint16 port, gboolean segments, gboolean merges);
void  udp_node_stop    (UdpNode *node);
TnPathAddress udp_node_address (UdpNode *node, guint8 version);      /* where others reach it */
guint udp_node_send    (UdpNode *node, const TnPathAddress *to, const TnPacketBatch *batch, TnSendFlags flags);
void  udp_node_wait    (UdpNode *node, guint n_received);
void  udp_node_wait_writable (UdpNode *node, guint n);
void  udp_node_wait_bound (UdpNode *node);      /* it has other ports, by itself */

/* Datagrams of these lengths, each filled with its number. */
TnPacketBatch *udp_batch_new (const gsize *lens, guint n);
void           udp_node_check (UdpNode *node, const gsize *lens, guint n);      /* has received just those, in order */
