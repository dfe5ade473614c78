/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-home-chooser.h"

/* tailscale net/netcheck/netcheck.go */
#define HISTORY_US           (305 * G_USEC_PER_SEC)      /* five minutes, and a report's length */
#define ABSOLUTE_DIFF_NS     (10 * G_GINT64_CONSTANT (1000000))
#define RECENTLY_US          (8 * G_USEC_PER_SEC)        /* a frame a region is noted at most every 5 s */
#define KEEP_WITHOUT_DATA_US (120 * G_USEC_PER_SEC)

typedef struct
{
  gint64           now_us;
  TnRegionLatency *latencies;
  guint            n_latencies;
} Past;

struct _TnHomeChooser
{
  guint   home;
  GArray *history;         /* of Past, oldest first */
};

static void
past_clear (gpointer data)
{
  g_free (((Past *) data)->latencies);
}

TnHomeChooser *
tn_home_chooser_new (void)
{
  TnHomeChooser *chooser = g_new0 (TnHomeChooser, 1);

  chooser->history = g_array_new (FALSE, FALSE, sizeof (Past));
  g_array_set_clear_func (chooser->history, past_clear);
  return chooser;
}

void
tn_home_chooser_free (TnHomeChooser *chooser)
{
  g_array_unref (chooser->history);
  g_free (chooser);
}

guint
tn_home_chooser_get_home (const TnHomeChooser *chooser)
{
  return chooser->home;
}

void
tn_home_chooser_set_home (TnHomeChooser *chooser,
                          guint          region)
{
  chooser->home = region;
}

static void
remember (TnHomeChooser      *chooser,
          const TnHomeReport *report)
{
  Past past = { report->now_us, g_memdup2 (report->latencies, report->n_latencies * sizeof *report->latencies), report->n_latencies };
  guint n_old = 0;

  while (n_old < chooser->history->len && report->now_us - g_array_index (chooser->history, Past, n_old).now_us > HISTORY_US)
    n_old++;
  if (n_old > 0)
    g_array_remove_range (chooser->history, 0, n_old);
  g_array_append_val (chooser->history, past);
}

static gint64
scaled (gint64            latency_ns,
        const TnRelayMap *map,
        guint             region)
{
  double score = map != NULL ? tn_relay_map_score (map, region) : 1.0;
  double scaled_ns = score > 0 ? (double) latency_ns * score : (double) latency_ns;

  return scaled_ns < (double) G_MAXINT64 ? (gint64) scaled_ns : G_MAXINT64;      /* control may say 1e300 */
}

static gint64
best_recent (const TnHomeChooser *chooser,
             guint                region)
{
  gint64 best_ns = G_MAXINT64;

  for (guint i = 0; i < chooser->history->len; i++)
    {
      const Past *past = &g_array_index (chooser->history, Past, i);

      for (guint j = 0; j < past->n_latencies; j++)
        if (past->latencies[j].region == region)
          best_ns = MIN (best_ns, past->latencies[j].latency_ns);
    }
  return best_ns;
}

static gint64
last_heard (const TnHomeReport *report,
            guint               region)
{
  return report->last_heard_us != NULL && region != 0 ? report->last_heard_us (report->user_data, region) : G_MININT64;
}

/* Is the home we have so nearly as good as the @best_ns of another that changing is not worth it? @current_ns is 0 when it did
 * not answer this time. */
static gboolean
keeps_home (gint64 current_ns,
            gint64 best_ns)
{
  return current_ns - best_ns < ABSOLUTE_DIFF_NS || best_ns > current_ns / 3 * 2;
}

guint
tn_home_chooser_update (TnHomeChooser      *chooser,
                        const TnHomeReport *report,
                        const TnRelayMap   *map)
{
  gint64 heard_us = last_heard (report, chooser->home);
  gint64 current_ns = 0;
  gint64 best_ns = 0;
  guint candidate = 0;
  gboolean heard_recently;

  remember (chooser, report);
  for (guint i = 0; i < report->n_latencies; i++)
    {
      guint region = report->latencies[i].region;
      gint64 recent_ns = scaled (best_recent (chooser, region), map, region);

      if (region == chooser->home)
        current_ns = scaled (report->latencies[i].latency_ns, map, region);
      if (candidate == 0 || recent_ns < best_ns)
        {
          best_ns = recent_ns;
          candidate = region;
        }
    }

  heard_recently = heard_us > report->start_us || heard_us > report->now_us - RECENTLY_US;
  if (candidate == 0 && heard_us > report->now_us - KEEP_WITHOUT_DATA_US)
    candidate = chooser->home;
  else if (candidate != 0 && chooser->home != 0 && candidate != chooser->home && (current_ns != 0 || heard_recently) &&
           keeps_home (current_ns, best_ns))
    candidate = chooser->home;

  chooser->home = candidate;
  return candidate;
}
