/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-pace.h"

#define PACKET         1500
#define WINDOW_START   (12 * 1024)                /* ten segments: RFC 6928 */
#define WINDOW_MIN     (4 * PACKET)
#define BURST_MAX      (40 * 1024)                /* about what a stock relay keeps, 32 packets, */
#define BURST_US       5000                       /* where the path carries that in so short a time: batches are worth more than a short queue */
#define LOSS_MAX       0.05
#define CEILING_STEP   2480                       /* two packets, or a 32nd, */
#define CEILING_US     (100 * 1000)               /* so often */
#define MIN_RTT_AGE_US (10 * G_USEC_PER_SEC)
#define ROUND_MIN_US   200                        /* shorter ones say nothing of a rate */
#define GROWTH         1.25                       /* a round that brought less than this was flat */
#define FLAT_ROUNDS    3

void
tn_lwip_pace_init (TnLwipPace *pace)
{
  *pace = (TnLwipPace) { .window = WINDOW_START, .ceiling = G_MAXSIZE, .starting = TRUE };
}

static guint64
delivered (const TnLwipPace *pace)
{
  return pace->acked + pace->sacked;
}

gsize
tn_lwip_pace_room (TnLwipPace *pace)
{
  gsize under_way = (gsize) (pace->sent - MIN (delivered (pace), pace->sent));
  gsize room = under_way < pace->window ? pace->window - under_way : 0;

  if (room >= PACKET || under_way == 0)
    return room;

  pace->limited = TRUE;      /* not for the sake of a few bytes: small packets cost as much as large ones */
  return 0;
}

/* A round trip begins with a byte that is sent now: one that left earlier would make it look short. It ends with the first byte of
 * a burst, since the last one may wait for a delayed acknowledgement. */
void
tn_lwip_pace_sent (TnLwipPace *pace,
                   gsize       len,
                   gint64      now_us)
{
  guint64 before = pace->sent;

  pace->sent += len;
  if (pace->round_end != 0)
    return;

  pace->round_end = before + 1;
  pace->round_start_us = now_us;
  pace->round_start_delivered = delivered (pace);
  pace->limited = FALSE;
  pace->lost = 0;
}

static double
best_rate (const TnLwipPace *pace)
{
  double best = 0;

  for (guint i = 0; i < TN_LWIP_PACE_N_RATES; i++)
    best = MAX (best, pace->rates[i]);
  return best;
}

static gboolean
is_old (const TnLwipPace *pace,
        gint64            now_us)
{
  return now_us - pace->min_rtt_at_us > MIN_RTT_AGE_US;
}

static void
note_round (TnLwipPace *pace,
            gint64      now_us)
{
  gint64 rtt_us = MAX (now_us - pace->round_start_us, 1);
  double rate = (double) (delivered (pace) - pace->round_start_delivered) / (double) rtt_us;

  if (pace->min_rtt_us == 0 || rtt_us < pace->min_rtt_us || pace->probing || (is_old (pace, now_us) && !pace->limited))
    {
      pace->min_rtt_us = rtt_us;
      pace->min_rtt_at_us = now_us;
      pace->probing = FALSE;
    }
  /* A round that the application did not fill tells what it wanted, not what the path can do. */
  if (rtt_us >= ROUND_MIN_US && (pace->limited || rate > best_rate (pace)))
    pace->rates[pace->n_rounds++ % TN_LWIP_PACE_N_RATES] = rate;
}

/* The path is full: not just now and then a packet. */
static gboolean
lost_much (const TnLwipPace *pace)
{
  return (double) pace->lost > LOSS_MAX * (double) (delivered (pace) - pace->round_start_delivered) + PACKET;
}

static void
grow (TnLwipPace *pace)
{
  double best = best_rate (pace);

  if (best >= pace->full_rate * GROWTH)
    {
      pace->full_rate = best;
      pace->n_flat = 0;
    }
  else
    pace->n_flat++;

  if (pace->n_flat < FLAT_ROUNDS && !lost_much (pace))
    pace->window *= 2;
  else
    pace->starting = FALSE;
}

static void
move_ceiling (TnLwipPace *pace,
              gint64      now_us)
{
  if (lost_much (pace))
    pace->ceiling = MAX (pace->window * 7 / 10, WINDOW_MIN);
  else if (pace->ceiling == G_MAXSIZE || now_us - pace->dared_us < CEILING_US)
    return;
  else
    pace->ceiling += MAX (CEILING_STEP, pace->ceiling / 32);
  pace->dared_us = now_us;
}

/* Twice what the path carries in one round trip; on a fast path a batch, however short the way is. */
static gsize
wanted (const TnLwipPace *pace)
{
  double rate = best_rate (pace);

  return (gsize) MAX (2 * rate * (double) pace->min_rtt_us, MIN (rate * BURST_US, BURST_MAX));
}

static void
end_round (TnLwipPace *pace,
           gint64      now_us)
{
  note_round (pace, now_us);
  move_ceiling (pace, now_us);

  /* The queue that we fill ourselves lengthens what is measured: now and then it has to be empty (BBR's ProbeRTT). The next round
   * begins when so little is under way. */
  pace->probing = is_old (pace, now_us);
  if (pace->probing)
    {
      pace->window = WINDOW_MIN;
      return;
    }

  if (pace->starting && pace->limited)
    grow (pace);
  if (!pace->starting)
    pace->window = wanted (pace);
  pace->window = MIN (MAX (pace->window, WINDOW_MIN), pace->ceiling);
}

void
tn_lwip_pace_acked (TnLwipPace *pace,
                    gsize       len,
                    gint64      now_us)
{
  pace->acked = MIN (pace->acked + len, pace->sent);
  if (pace->round_end == 0 || pace->acked < pace->round_end)
    return;

  end_round (pace, now_us);
  pace->round_end = 0;
}

void
tn_lwip_pace_sacked (TnLwipPace *pace,
                     gsize       sacked,
                     gsize       lost)
{
  pace->sacked = sacked;
  pace->lost += lost;
}
