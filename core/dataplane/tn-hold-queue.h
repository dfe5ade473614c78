/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-codel.h"
#include "tn-packet-batch.h"

G_BEGIN_DECLS

/* Sealed packets that their path did not take yet, in order. Packets are copied into slabs; the slabs of a drained queue go back to
 * a pool that all queues of a device share, so that a path which is full again and again does not allocate each time. */
typedef struct _TnHoldPool TnHoldPool;

typedef struct
{
  TnHoldPool *pool;
  GQueue      slabs;        /* oldest first */
  guint       first;        /* of the oldest batch: what left already */
  guint       n_packets;
  TnCodel     codel;
} TnHoldQueue;

TnHoldPool    *tn_hold_pool_new   (void);
void           tn_hold_pool_free  (TnHoldPool *pool);      /* after all its queues are clear */

void           tn_hold_queue_init  (TnHoldQueue *queue, TnHoldPool *pool);
void           tn_hold_queue_clear (TnHoldQueue *queue);

/* Copies up to @n packets, returns how many there was room for: a queue holds TN_HOLD_QUEUE_MAX, all queues of a pool TN_HOLD_POOL_MAX bytes. */
#define TN_HOLD_QUEUE_MAX 1024
#define TN_HOLD_POOL_MAX  (16 * 1024 * 1024)
guint          tn_hold_queue_get_room (const TnHoldQueue *queue);
guint          tn_hold_queue_push  (TnHoldQueue *queue, const TnPacket *packets, guint n, gint64 now_us);

/* The oldest packets: send batch->packets[*first...] and tell how many left. NULL: empty. */
TnPacketBatch *tn_hold_queue_peek  (TnHoldQueue *queue, guint *first);
void           tn_hold_queue_pop   (TnHoldQueue *queue, guint n);

/* For sources that learn of a full path by losses alone. Drops what has waited for longer than anybody wants it; before packets leave, what
 * TnCodel says, too. How many. */
#define TN_HOLD_QUEUE_AGE_MAX_US (500 * 1000)
guint          tn_hold_queue_expire (TnHoldQueue *queue, gint64 now_us);
guint          tn_hold_queue_age    (TnHoldQueue *queue, gint64 now_us);

G_END_DECLS
