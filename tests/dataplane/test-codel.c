/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-codel.h"
#include "tn-hold-queue.h"

#define MS 1000
#define START_US (1000 * G_GINT64_CONSTANT (1000000))

/* A packet leaves each millisecond, and has waited for so long. Drops so far. */
static guint
run (TnCodel *codel,
     gint64  *now_us,
     guint    n_ms,
     gint64   waited_us)
{
  guint n = 0;

  for (guint i = 0; i < n_ms; i++, *now_us += MS)
    while (tn_codel_drops (codel, waited_us, *now_us))
      n++;
  return n;
}

static void
test_short_wait (void)
{
  gint64 now_us = START_US;
  TnCodel codel = { 0 };

  g_assert_cmpuint (run (&codel, &now_us, 10000, TN_CODEL_TARGET_US - 1), ==, 0);
}

/* A burst that is over within the interval costs nothing, however often there is one. */
static void
test_bursts (void)
{
  gint64 now_us = START_US;
  TnCodel codel = { 0 };

  for (guint i = 0; i < 50; i++)
    {
      g_assert_cmpuint (run (&codel, &now_us, 99, 80 * MS), ==, 0);
      g_assert_cmpuint (run (&codel, &now_us, 1, MS), ==, 0);
    }
}

/* RFC 8289 §4: after an interval one, then closer and closer: 100 / sqrt (n) ms behind each other. */
static void
test_law (void)
{
  static const guint at_ms[] = { 100, 200, 271, 329, 379, 423, 464, 502, 537, 571 };
  gint64 now_us = START_US;
  TnCodel codel = { 0 };
  guint n = 0;

  for (guint ms = 0; ms < 580; ms++, now_us += MS)
    while (tn_codel_drops (&codel, 50 * MS, now_us))
      {
        g_assert_cmpuint (n, <, G_N_ELEMENTS (at_ms));
        g_assert_cmpuint (ms, >=, at_ms[n]);
        g_assert_cmpuint (ms, <=, at_ms[n] + 2);
        n++;
      }
  g_assert_cmpuint (n, ==, G_N_ELEMENTS (at_ms));
}

/* Good again: at once nothing more. Bad again soon after: it takes up the rate that it had. */
static void
test_resumes (void)
{
  gint64 now_us = START_US;
  TnCodel codel = { 0 };
  guint first, again;

  first = run (&codel, &now_us, 2000, 50 * MS);
  g_assert_cmpuint (run (&codel, &now_us, 50, MS), ==, 0);
  g_assert_cmpuint (run (&codel, &now_us, 100, 50 * MS), ==, 0);
  again = run (&codel, &now_us, 1000, 50 * MS);
  g_assert_cmpuint (again, >, first / 2);

  g_assert_cmpuint (run (&codel, &now_us, 10000, MS), ==, 0);
  g_assert_cmpuint (run (&codel, &now_us, 100, 50 * MS), ==, 0);
  g_assert_cmpuint (run (&codel, &now_us, 90, 50 * MS), ==, 1);
}

/* For ever above: the rate of drops grows, and has a bound. */
static void
test_for_ever (void)
{
  gint64 now_us = START_US;
  TnCodel codel = { 0 };

  run (&codel, &now_us, 200 * 1000, 10 * 1000 * MS);
  g_assert_cmpuint (run (&codel, &now_us, 1000, 10 * 1000 * MS), <=, 2600);
}

static guint
fill (TnHoldQueue *queue,
      guint        n,
      gint64       now_us)
{
  guint8 byte = 0;
  const TnPacket packet = { .data = &byte, .len = 1 };
  guint taken = 0;

  for (guint i = 0; i < n; i++)
    taken += tn_hold_queue_push (queue, &packet, 1, now_us);
  return taken;
}

/* What nobody took for long goes, what came later stays; and a queue that was empty in between has forgotten what was. */
static void
test_queue (void)
{
  TnHoldPool *pool = tn_hold_pool_new ();
  gint64 now_us = START_US;
  TnHoldQueue queue;

  tn_hold_queue_init (&queue, pool);
  g_assert_cmpuint (tn_hold_queue_age (&queue, now_us), ==, 0);
  g_assert_cmpuint (fill (&queue, 300, now_us), ==, 300);
  now_us += TN_HOLD_QUEUE_AGE_MAX_US / 2;
  g_assert_cmpuint (fill (&queue, 2000, now_us), ==, TN_HOLD_QUEUE_MAX - 300);
  now_us += TN_HOLD_QUEUE_AGE_MAX_US / 2 + 1;
  g_assert_cmpuint (tn_hold_queue_age (&queue, now_us), ==, 300);
  g_assert_cmpuint (queue.n_packets, ==, TN_HOLD_QUEUE_MAX - 300);
  while (queue.n_packets > 0)
    tn_hold_queue_pop (&queue, 1);

  now_us += TN_CODEL_INTERVAL_US;
  g_assert_cmpuint (fill (&queue, 1, now_us), ==, 1);
  now_us += TN_CODEL_TARGET_US;
  g_assert_cmpuint (tn_hold_queue_age (&queue, now_us), ==, 0);

  tn_hold_queue_clear (&queue);
  tn_hold_pool_free (pool);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataplane/codel/short-wait", test_short_wait);
  g_test_add_func ("/dataplane/codel/bursts", test_bursts);
  g_test_add_func ("/dataplane/codel/law", test_law);
  g_test_add_func ("/dataplane/codel/resumes", test_resumes);
  g_test_add_func ("/dataplane/codel/for-ever", test_for_ever);
  g_test_add_func ("/dataplane/codel/queue", test_queue);
  return g_test_run ();
}
