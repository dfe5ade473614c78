/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define TN_REPLAY_BITS   8192
#define TN_REPLAY_WINDOW (TN_REPLAY_BITS - 64)     /* one word is always the one being rolled over */

/* Sliding window over counters, as a ring of bits (RFC 6479). Zeroed: nothing seen yet. */
typedef struct
{
  guint64 next;                                    /* highest counter accepted, plus 1 */
  guint64 words[TN_REPLAY_BITS / 64];
} TnReplay;

/* TRUE once for each counter that is inside of the window or ahead of it. Only for counters of authentic messages. */
gboolean tn_replay_accept (TnReplay *replay, guint64 counter) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
