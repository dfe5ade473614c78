/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A thread that runs a main context until nobody needs it any more. Reference counted; any thread may use it. */
typedef struct _TnThread TnThread;

TnThread     *tn_thread_new         (const char *name);

/* The one thread a process that does everything which is not per packet; started by the first reference, ended by the last. */
TnThread     *tn_thread_ref_control (void);

TnThread     *tn_thread_ref         (TnThread *thread);

/* The last one ends the loop after what is queued, and never waits for it: the thread frees itself. */
void          tn_thread_unref       (TnThread *thread);

GMainContext *tn_thread_get_context (TnThread *thread);

/* Runs @func in the thread, after everything queued before; @destroy follows it there. Never runs it at once. */
void          tn_thread_call        (TnThread *thread, GSourceFunc func, gpointer data, GDestroyNotify destroy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnThread, tn_thread_unref)

G_END_DECLS
