/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The window of a connection, against a path in virtual time: a rate, a delay, and a queue that drops what it cannot keep. */

#include <glib.h>

#include "tn-lwip-pace.h"

#define PACKET 1240

typedef struct
{
  double  rate;             /* bytes a microsecond */
  gint64  delay_us;         /* there and back, without the queue */
  gsize   queue_max;        /* bytes */

  gint64  now_us;
  gint64  free_us;          /* when the queue has drained */
  GQueue  acks;             /* of gint64: when each packet is acknowledged */
  guint   n_lost;
  guint64 delivered;
  gsize   most;             /* under way at once */
} Path;

static void
path_send (Path       *path,
           TnLwipPace *pace,
           gboolean   *lost)
{
  gint64 start_us = MAX (path->free_us, path->now_us);
  gint64 *ack_us = g_new (gint64, 1);

  tn_lwip_pace_sent (pace, PACKET, path->now_us);
  path->most = MAX (path->most, (gsize) (pace->sent - pace->acked));
  if ((double) (start_us - path->now_us) * path->rate > (double) path->queue_max)
    {
      /* Recovered at once, for the sake of the model: what counts is that the window learns of it. */
      path->n_lost++;
      *lost = TRUE;
    }
  path->free_us = start_us + (gint64) (PACKET / path->rate);
  *ack_us = path->free_us + path->delay_us;
  g_queue_push_tail (&path->acks, ack_us);
}

static void
path_run (Path       *path,
          TnLwipPace *pace,
          gint64      duration_us,
          double      wanted)      /* bytes a microsecond that the application writes; 0: as much as there is room for */
{
  gint64 end_us = path->now_us + duration_us;
  gint64 begin_us = path->now_us;
  guint64 written = 0;
  gboolean lost = FALSE;

  while (path->now_us < end_us)
    {
      gint64 *ack_us;

      while (tn_lwip_pace_room (pace) >= PACKET && (wanted == 0 || (double) written < wanted * (double) (path->now_us - begin_us)))
        {
          path_send (path, pace, &lost);
          written += PACKET;
        }
      path->now_us += 10;
      while ((ack_us = g_queue_peek_head (&path->acks)) != NULL && *ack_us <= path->now_us)
        {
          if (lost)
            tn_lwip_pace_sacked (pace, 0, PACKET);
          tn_lwip_pace_acked (pace, PACKET, path->now_us);
          lost = FALSE;
          path->delivered += PACKET;
          g_free (g_queue_pop_head (&path->acks));
        }
    }
}

static void
path_clear (Path *path)
{
  g_queue_clear_full (&path->acks, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Path, path_clear)

/* A path is filled whatever its length, and the queue in it stays short. */
static void
test_fills (void)
{
  const struct { double rate; gint64 delay_us; } cases[] = {
    { 60, 400 }, { 100, 5000 }, { 12.5, 50000 }, { 1, 100000 }, { 1.25, 20000 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (Path) path = { .rate = cases[i].rate, .delay_us = cases[i].delay_us, .queue_max = G_MAXSIZE, .now_us = 1 };
      double product = cases[i].rate * (double) cases[i].delay_us;
      TnLwipPace pace;
      guint64 before;

      tn_lwip_pace_init (&pace);
      path_run (&path, &pace, 4 * G_USEC_PER_SEC, 0);
      before = path.delivered;
      path_run (&path, &pace, G_USEC_PER_SEC, 0);
      g_test_message ("%g bytes/us, %" G_GINT64_FORMAT " us: %.2f of the rate, window %.2f of the product", cases[i].rate, cases[i].delay_us,
                      (double) (path.delivered - before) / (cases[i].rate * G_USEC_PER_SEC), (double) pace.window / product);
      g_assert_cmpfloat ((double) (path.delivered - before), >, 0.9 * cases[i].rate * G_USEC_PER_SEC);
      g_assert_cmpfloat ((double) pace.window, <, 3 * product + 32 * PACKET);
    }
}

/* A queue of a few dozen packets: losses are rare, and the rate is kept all the same. */
static void
test_short_queue (void)
{
  g_auto (Path) path = { .rate = 60, .delay_us = 400, .queue_max = 24 * PACKET, .now_us = 1 };
  TnLwipPace pace;
  guint64 before;
  guint lost;

  tn_lwip_pace_init (&pace);
  path_run (&path, &pace, G_USEC_PER_SEC, 0);
  before = path.delivered;
  lost = path.n_lost;
  path_run (&path, &pace, 10 * G_USEC_PER_SEC, 0);
  g_assert_cmpfloat ((double) (path.delivered - before), >, 0.9 * 60 * 10 * G_USEC_PER_SEC);
  g_assert_cmpuint (path.n_lost - lost, <, 200);
}

/* A quarter of a megabit a second: what is under way does not fill a queue of seconds. */
static void
test_slow_link (void)
{
  g_auto (Path) path = { .rate = 0.032, .delay_us = 40000, .queue_max = 64 * PACKET, .now_us = 1 };
  TnLwipPace pace;

  tn_lwip_pace_init (&pace);
  path_run (&path, &pace, 20 * G_USEC_PER_SEC, 0);
  path.most = path.n_lost = 0;
  path_run (&path, &pace, 20 * G_USEC_PER_SEC, 0);
  g_assert_cmpuint (path.most, <=, 8 * PACKET);
  g_assert_cmpuint (path.n_lost, ==, 0);
}

/* A path that got slower is noticed. */
static void
test_slower (void)
{
  g_auto (Path) path = { .rate = 100, .delay_us = 2000, .queue_max = G_MAXSIZE, .now_us = 1 };
  TnLwipPace pace;

  tn_lwip_pace_init (&pace);
  path_run (&path, &pace, G_USEC_PER_SEC, 0);
  path.rate = 5;
  path_run (&path, &pace, 5 * G_USEC_PER_SEC, 0);
  g_assert_cmpuint (pace.window, <, 100 * 1000);
}

/* Who writes little for a while finds the window that there was. */
static void
test_application_limited (void)
{
  g_auto (Path) path = { .rate = 100, .delay_us = 2000, .queue_max = G_MAXSIZE, .now_us = 1 };
  TnLwipPace pace;
  gsize full;

  tn_lwip_pace_init (&pace);
  path_run (&path, &pace, G_USEC_PER_SEC, 0);
  full = pace.window;
  path_run (&path, &pace, 5 * G_USEC_PER_SEC, 1);
  g_assert_cmpuint (pace.window, >=, full / 2);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/netstack/pace/fills", test_fills);
  g_test_add_func ("/netstack/pace/short-queue", test_short_queue);
  g_test_add_func ("/netstack/pace/slow-link", test_slow_link);
  g_test_add_func ("/netstack/pace/slower", test_slower);
  g_test_add_func ("/netstack/pace/application-limited", test_application_limited);
  return g_test_run ();
}
