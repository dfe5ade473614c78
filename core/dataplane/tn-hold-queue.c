/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-hold-queue.h"

#include <string.h>

#define SLAB_LEN   (64 * 1024)
#define POOL_SPARE 4             /* slabs kept when nothing waits any more: 256 KiB */
#define POOL_SLABS (TN_HOLD_POOL_MAX / SLAB_LEN)

typedef struct
{
  TnPacketBatch *batch;
  gint64         since_us[TN_PACKET_BATCH_MAX];      /* when each came */
} Slab;

struct _TnHoldPool
{
  Slab *spare[POOL_SPARE];
  guint n_spare;
  guint n_taken;
};

static Slab *
slab_new (void)
{
  Slab *slab = g_new (Slab, 1);

  slab->batch = tn_packet_batch_new (SLAB_LEN);
  return slab;
}

static void
slab_free (Slab *slab)
{
  tn_packet_batch_free (slab->batch);
  g_free (slab);
}

TnHoldPool *
tn_hold_pool_new (void)
{
  return g_new0 (TnHoldPool, 1);
}

void
tn_hold_pool_free (TnHoldPool *pool)
{
  while (pool->n_spare > 0)
    slab_free (pool->spare[--pool->n_spare]);
  g_free (pool);
}

/* NULL: too much waits already. */
static Slab *
pool_take (TnHoldPool *pool)
{
  if (pool->n_taken == POOL_SLABS)
    return NULL;
  pool->n_taken++;
  return pool->n_spare > 0 ? pool->spare[--pool->n_spare] : slab_new ();
}

static void
pool_give (TnHoldPool *pool,
           Slab       *slab)
{
  pool->n_taken--;
  if (pool->n_spare == POOL_SPARE)
    {
      slab_free (slab);
      return;
    }
  tn_packet_batch_reset (slab->batch);
  pool->spare[pool->n_spare++] = slab;
}

void
tn_hold_queue_init (TnHoldQueue *queue,
                    TnHoldPool  *pool)
{
  *queue = (TnHoldQueue) { .pool = pool, .slabs = G_QUEUE_INIT };
}

void
tn_hold_queue_clear (TnHoldQueue *queue)
{
  Slab *slab;

  while ((slab = g_queue_pop_head (&queue->slabs)) != NULL)
    pool_give (queue->pool, slab);
  queue->first = 0;
  queue->n_packets = 0;
  queue->codel = (TnCodel) { 0 };
}

static gboolean
append (Slab           *slab,
        const TnPacket *packet,
        gint64          now_us)
{
  TnPacket *copy = tn_packet_batch_append (slab->batch, packet->len);

  if (copy == NULL)
    return FALSE;
  memcpy (copy->data, packet->data, packet->len);
  slab->since_us[slab->batch->n_packets - 1] = now_us;
  return TRUE;
}

guint
tn_hold_queue_get_room (const TnHoldQueue *queue)
{
  return queue->pool->n_taken < POOL_SLABS ? TN_HOLD_QUEUE_MAX - queue->n_packets : 0;
}

guint
tn_hold_queue_push (TnHoldQueue    *queue,
                    const TnPacket *packets,
                    guint           n,
                    gint64          now_us)
{
  guint i;

  for (i = 0; i < n && queue->n_packets < TN_HOLD_QUEUE_MAX; i++)
    {
      Slab *slab = g_queue_peek_tail (&queue->slabs);

      if (slab == NULL || !append (slab, &packets[i], now_us))
        {
          slab = pool_take (queue->pool);
          if (slab == NULL)
            break;
          if (!append (slab, &packets[i], now_us))      /* longer than any datagram may be */
            {
              pool_give (queue->pool, slab);
              break;
            }
          g_queue_push_tail (&queue->slabs, slab);
        }
      queue->n_packets++;
    }
  return i;
}

TnPacketBatch *
tn_hold_queue_peek (TnHoldQueue *queue,
                    guint       *first)
{
  Slab *slab = g_queue_peek_head (&queue->slabs);

  *first = queue->first;
  return slab != NULL ? slab->batch : NULL;
}

void
tn_hold_queue_pop (TnHoldQueue *queue,
                   guint        n)
{
  Slab *slab = g_queue_peek_head (&queue->slabs);

  queue->first += n;
  queue->n_packets -= n;
  if (queue->n_packets == 0)
    queue->codel.first_above_us = 0;
  if (slab != NULL && queue->first == slab->batch->n_packets)
    {
      pool_give (queue->pool, g_queue_pop_head (&queue->slabs));
      queue->first = 0;
    }
}

static gint64
oldest_waited_us (TnHoldQueue *queue,
                  gint64       now_us)
{
  const Slab *slab = g_queue_peek_head (&queue->slabs);

  return now_us - slab->since_us[queue->first];
}

guint
tn_hold_queue_expire (TnHoldQueue *queue,
                      gint64       now_us)
{
  guint n = 0;

  for (; queue->n_packets > 0 && oldest_waited_us (queue, now_us) > TN_HOLD_QUEUE_AGE_MAX_US; n++)
    tn_hold_queue_pop (queue, 1);
  return n;
}

guint
tn_hold_queue_age (TnHoldQueue *queue,
                   gint64       now_us)
{
  guint n = tn_hold_queue_expire (queue, now_us);

  for (; queue->n_packets > 0 && tn_codel_drops (&queue->codel, oldest_waited_us (queue, now_us), now_us); n++)
    tn_hold_queue_pop (queue, 1);
  return n;
}
