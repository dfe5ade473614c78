/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* CoDel (RFC 8289): which packets a queue drops so that its source learns of a path that is full, long before the queue is. It looks at
 * how long packets wait, and not at how many there are: what is much for one path is nothing for another. No clock: times are handed in. */

#define TN_CODEL_TARGET_US   (20 * 1000)       /* wait that is no trouble: what takes from these queues does it in gulps of some ms */
#define TN_CODEL_INTERVAL_US (100 * 1000)      /* longer than a round trip: for so long the wait may be above */

/* Zeros to begin with. */
typedef struct
{
  gint64   first_above_us;      /* when the wait will have been above the target for an interval; 0: it is not */
  gint64   drop_next_us;
  guint    count;               /* dropped since it began */
  guint    last_count;          /* what it began with */
  gboolean dropping;
} TnCodel;

/* The oldest packet has waited for @waited_us, and is to leave. TRUE: drop it, and ask again for the one behind it. */
gboolean tn_codel_drops (TnCodel *codel, gint64 waited_us, gint64 now_us);

G_END_DECLS
