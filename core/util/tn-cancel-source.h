/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* As g_cancellable_source_new(), for a GCancellableSourceFunc; @cancellable may be NULL. GLib's (seen in 2.74) keeps a reference that
 * nobody drops when its last one goes while another thread is in g_cancellable_cancel(). */
GSource *tn_cancel_source_new (GCancellable *cancellable);

G_END_DECLS
