/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tn-hold-queue.h"

#define LEN 1312

static guint
push (TnHoldQueue *queue,
      guint        n,
      gint64       now_us)
{
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (256 * 1024);

  for (guint i = 0; i < n; i++)
    memset (tn_packet_batch_append (batch, LEN)->data, 0, LEN);
  return tn_hold_queue_push (queue, batch->packets, n, now_us);
}

/* What has waited too long goes, nothing else does, however little moves. */
static void
test_expire (void)
{
  TnHoldPool *pool = tn_hold_pool_new ();
  TnHoldQueue queue;

  tn_hold_queue_init (&queue, pool);
  g_assert_cmpuint (push (&queue, 100, 1000), ==, 100);
  g_assert_cmpuint (push (&queue, 50, 2000), ==, 50);
  g_assert_cmpuint (tn_hold_queue_expire (&queue, 1000 + TN_HOLD_QUEUE_AGE_MAX_US), ==, 0);
  g_assert_cmpuint (tn_hold_queue_expire (&queue, 1001 + TN_HOLD_QUEUE_AGE_MAX_US), ==, 100);
  g_assert_cmpuint (tn_hold_queue_get_room (&queue), ==, TN_HOLD_QUEUE_MAX - 50);
  g_assert_cmpuint (tn_hold_queue_expire (&queue, 2001 + TN_HOLD_QUEUE_AGE_MAX_US), ==, 50);
  g_assert_cmpuint (tn_hold_queue_expire (&queue, G_MAXINT64), ==, 0);
  tn_hold_pool_free (pool);
}

/* All queues of a device together hold no more than that, and what one gives back another one may have. */
static void
test_bounded (void)
{
  enum { N_QUEUES = 40 };
  TnHoldPool *pool = tn_hold_pool_new ();
  TnHoldQueue queues[N_QUEUES];
  gsize held = 0;

  for (guint i = 0; i < N_QUEUES; i++)
    {
      tn_hold_queue_init (&queues[i], pool);
      for (guint j = 0; j < 8; j++)
        held += push (&queues[i], 128, 0) * LEN;
    }
  g_assert_cmpuint (held, >, TN_HOLD_POOL_MAX / 2);
  g_assert_cmpuint (held, <=, TN_HOLD_POOL_MAX);
  g_assert_cmpuint (tn_hold_queue_get_room (&queues[N_QUEUES - 1]), ==, 0);
  tn_hold_queue_clear (&queues[0]);
  g_assert_cmpuint (tn_hold_queue_get_room (&queues[N_QUEUES - 1]), ==, TN_HOLD_QUEUE_MAX);
  g_assert_cmpuint (push (&queues[N_QUEUES - 1], 128, 0), ==, 128);
  for (guint i = 0; i < N_QUEUES; i++)
    tn_hold_queue_clear (&queues[i]);
  tn_hold_pool_free (pool);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataplane/hold-queue/expire", test_expire);
  g_test_add_func ("/dataplane/hold-queue/bounded", test_bounded);
  return g_test_run ();
}
