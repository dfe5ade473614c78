/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A source that fires when the clock of the machine was set, or when the machine wakes up. Neither shows in a timer. */
GSource *tn_clock_watch_source_new (void);

/* @slept: the machine woke up. */
typedef gboolean (*TnClockWatchFunc) (gboolean slept, gpointer user_data);

G_END_DECLS
