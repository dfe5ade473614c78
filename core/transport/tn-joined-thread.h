/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "tn-version-macros.h"

G_BEGIN_DECLS

/* Threads that end by themselves, and that nobody waits for where a program may notice: each is joined by the next one that starts once
 * it is through, and by exit() if it is ending. */
typedef struct _TnJoinedThread TnJoinedThread;

/* @func calls tn_joined_thread_end() as the last thing it does. */
TN_PLUGIN_API
TnJoinedThread *tn_joined_thread_new        (const char *name, GThreadFunc func, gpointer data);

/* Nobody needs it any more, so it will end; FALSE: somebody does again. Before the thread has ended. */
TN_PLUGIN_API
void            tn_joined_thread_set_ending (TnJoinedThread *thread, gboolean ending);

TN_PLUGIN_API
void            tn_joined_thread_end        (TnJoinedThread *thread);

G_END_DECLS
