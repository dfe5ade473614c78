/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* CLOCK_BOOTTIME in microseconds: it goes on while the machine sleeps, as the age of a key does. */
gint64   tn_boot_time_us (void);

/* A source that fires when boot time reaches a deadline. The ready time of a GSource is monotonic and stands still in suspend. */
GSource *tn_boot_timer_source_new (void);

/* G_MAXINT64: not at all. Cheap when @deadline_us is what it is already. Only in the thread of the source's context. */
void     tn_boot_timer_set (GSource *source, gint64 deadline_us);

G_END_DECLS
