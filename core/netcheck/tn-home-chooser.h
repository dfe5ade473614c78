/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-relay-map.h"

G_BEGIN_DECLS

/* Chooses the relay region at which peers find us, from measurements: the fastest, unless the one we have is nearly as good.
 * Plain state, no clock: times are boot time. */
typedef struct _TnHomeChooser TnHomeChooser;

typedef struct
{
  guint  region;
  gint64 latency_ns;
} TnRegionLatency;

typedef struct
{
  const TnRegionLatency *latencies;      /* what was measured, by ascending region, without regions that cannot be a home */
  guint                  n_latencies;
  gint64                 start_us;       /* of the measurement */
  gint64                 now_us;

  /* When a frame other than an answer to a probe last came from the region; G_MININT64: never. Nullable. */
  gint64               (*last_heard_us) (gpointer user_data, guint region);
  gpointer               user_data;
} TnHomeReport;

TnHomeChooser *tn_home_chooser_new      (void);
void           tn_home_chooser_free     (TnHomeChooser *chooser);

/* The home from now on, 0 for none. @map gives the scores; nullable. */
guint          tn_home_chooser_update   (TnHomeChooser *chooser, const TnHomeReport *report, const TnRelayMap *map);

guint          tn_home_chooser_get_home (const TnHomeChooser *chooser);

/* Sets the home without a measurement, as where there is only one region. */
void           tn_home_chooser_set_home (TnHomeChooser *chooser, guint region);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnHomeChooser, tn_home_chooser_free)

G_END_DECLS
