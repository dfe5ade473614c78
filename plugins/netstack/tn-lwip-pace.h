/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* How much of a connection may be under way: about twice what the path carries in one round trip, measured as in BBR
 * (draft-cardwell-iccrg-bbr-congestion-control), and less where that costs more than a few losses. lwIP's own window only ends at a
 * loss, and a relay drops whatever it cannot keep a few dozen packets of. Plain C, one thread, no clock. */

#define TN_LWIP_PACE_N_RATES 8

typedef struct
{
  gsize    window;                  /* bytes that may be under way */
  gsize    ceiling;                 /* where packets were lost, and what has been dared since */
  guint64  sent;
  guint64  acked;
  gsize    sacked;                  /* arrived beyond a gap */
  guint64  round_end;               /* when this is acknowledged a round trip is over; 0: one begins with the next byte sent */
  guint64  round_start_delivered;
  gint64   round_start_us;
  gint64   dared_us;                /* when the ceiling moved last */
  gint64   min_rtt_us;              /* 0: none yet */
  gint64   min_rtt_at_us;
  double   rates[TN_LWIP_PACE_N_RATES];     /* bytes a microsecond, of the latest rounds */
  guint    n_rounds;
  double   full_rate;               /* the most that growing has brought */
  guint    n_flat;                  /* rounds that brought no more */
  gsize    lost;                    /* bytes, in this round */
  gboolean starting;
  gboolean probing;                 /* this round measures the way alone */
  gboolean limited;                 /* somebody waited for the window in this round */
} TnLwipPace;

void  tn_lwip_pace_init   (TnLwipPace *pace);

/* Bytes that may be sent now. */
gsize tn_lwip_pace_room   (TnLwipPace *pace);

void  tn_lwip_pace_sent   (TnLwipPace *pace, gsize len, gint64 now_us);
void  tn_lwip_pace_acked  (TnLwipPace *pace, gsize len, gint64 now_us);
void  tn_lwip_pace_sacked (TnLwipPace *pace, gsize sacked, gsize lost);     /* @sacked: in all, @lost: more than before */

G_END_DECLS
