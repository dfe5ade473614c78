/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Runs @func (@data) in @context, never before returning, in the order of the calls; @destroy may run without @func if the context
 * goes away. From any thread. */
void tn_context_invoke (GMainContext *context, void (*func) (gpointer data), gpointer data, GDestroyNotify destroy);

/* A bell that other threads ring and that is heard once in @context, however often it rang: what changed in the meantime, the
 * listener reads for itself. The target is held weakly; @func is not called once it is gone or the bell is muted. */
typedef struct _TnBell TnBell;

typedef void (*TnBellFunc) (gpointer target);

TnBell *tn_bell_new   (GMainContext *context, GObject *target, TnBellFunc func);
TnBell *tn_bell_ref   (TnBell *bell);
void    tn_bell_unref (TnBell *bell);
void    tn_bell_mute  (TnBell *bell);     /* for good */
void    tn_bell_ring  (TnBell *bell);     /* from any thread; cheap when it rang already */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnBell, tn_bell_unref)

G_END_DECLS
