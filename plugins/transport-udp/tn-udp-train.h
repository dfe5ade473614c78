/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/uio.h>

#include "tn-packet-batch.h"

G_BEGIN_DECLS

#define TN_UDP_SEGMENTS_MAX 64      /* what every kernel with UDP_SEGMENT takes (Linux include/linux/udp.h: UDP_MAX_SEGMENTS) */
#define TN_UDP_LEN_MAX4     65507   /* payload of one message: 65535 less the headers */
#define TN_UDP_LEN_MAX6     65527

/* Datagrams to one address that the kernel takes as one message, from where they lie: all of one size, but for a last one that may be
 * shorter. */
typedef struct
{
  struct iovec pieces[TN_UDP_SEGMENTS_MAX];
  guint        n_packets;
  guint16      segment_size;        /* 0: only one */
} TnUdpTrain;

/* As many of packets[first...] as fit together, one at least. */
void tn_udp_train_gather (TnUdpTrain *train, const TnPacketBatch *batch, guint first, guint max_packets, gsize max_len);

G_END_DECLS
