/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* When lwIP's timers run: every 50 ms while a connection waits for something, else when the next connection wants to be looked
 * at (keep-alive, TIME-WAIT), else never. In a turn only. */

void   tn_lwip_ticks_start         (gint64 now_us);
void   tn_lwip_ticks_catch_up      (gint64 now_us);     /* before anything reads lwIP's clock */
void   tn_lwip_ticks_run           (gint64 now_us);
gint64 tn_lwip_ticks_next          (gint64 now_us);     /* -1: never */
void   tn_lwip_ticks_fragment_seen (gint64 now_us);
void   tn_lwip_ticks_ack_within    (gint64 delay_us);     /* tn_lwip_ack_bulk() is called then */
void   tn_lwip_ack_bulk            (void);                /* tn-lwip-ack.c: sends what was delayed */

G_END_DECLS
