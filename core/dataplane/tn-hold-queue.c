/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-hold-queue.h"

#include <string.h>

#define SLAB_LEN   (64 * 1024)
#define POOL_SPARE 4             /* slabs kept when nothing waits any more: 256 KiB */

struct _TnHoldPool
{
  TnPacketBatch *spare[POOL_SPARE];
  guint          n_spare;
};

TnHoldPool *
tn_hold_pool_new (void)
{
  return g_new0 (TnHoldPool, 1);
}

void
tn_hold_pool_free (TnHoldPool *pool)
{
  while (pool->n_spare > 0)
    tn_packet_batch_free (pool->spare[--pool->n_spare]);
  g_free (pool);
}

static TnPacketBatch *
pool_take (TnHoldPool *pool)
{
  return pool->n_spare > 0 ? pool->spare[--pool->n_spare] : tn_packet_batch_new (SLAB_LEN);
}

static void
pool_give (TnHoldPool    *pool,
           TnPacketBatch *batch)
{
  if (pool->n_spare == POOL_SPARE)
    {
      tn_packet_batch_free (batch);
      return;
    }
  tn_packet_batch_reset (batch);
  pool->spare[pool->n_spare++] = batch;
}

void
tn_hold_queue_init (TnHoldQueue *queue,
                    TnHoldPool  *pool)
{
  *queue = (TnHoldQueue) { .pool = pool, .batches = G_QUEUE_INIT };
}

void
tn_hold_queue_clear (TnHoldQueue *queue)
{
  TnPacketBatch *batch;

  while ((batch = g_queue_pop_head (&queue->batches)) != NULL)
    pool_give (queue->pool, batch);
  queue->first = 0;
  queue->n_packets = 0;
}

guint
tn_hold_queue_push (TnHoldQueue    *queue,
                    const TnPacket *packets,
                    guint           n)
{
  guint i;

  for (i = 0; i < n && queue->n_packets < TN_HOLD_QUEUE_MAX; i++)
    {
      TnPacketBatch *batch = g_queue_peek_tail (&queue->batches);
      TnPacket *copy = batch != NULL ? tn_packet_batch_append (batch, packets[i].len) : NULL;

      if (copy == NULL)
        {
          batch = pool_take (queue->pool);
          copy = tn_packet_batch_append (batch, packets[i].len);
          if (copy == NULL)      /* longer than any datagram may be */
            {
              pool_give (queue->pool, batch);
              break;
            }
          g_queue_push_tail (&queue->batches, batch);
        }
      memcpy (copy->data, packets[i].data, packets[i].len);
      queue->n_packets++;
    }
  return i;
}

TnPacketBatch *
tn_hold_queue_peek (TnHoldQueue *queue,
                    guint       *first)
{
  *first = queue->first;
  return g_queue_peek_head (&queue->batches);
}

void
tn_hold_queue_pop (TnHoldQueue *queue,
                   guint        n)
{
  TnPacketBatch *batch = g_queue_peek_head (&queue->batches);

  queue->first += n;
  queue->n_packets -= n;
  if (batch != NULL && queue->first == batch->n_packets)
    {
      pool_give (queue->pool, g_queue_pop_head (&queue->batches));
      queue->first = 0;
    }
}
