/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Says when this machine's way into the network is another one (see #TnLinkState), or it slept. Lives in the thread-default
 * context in which it was made: calls and callbacks come there. */
typedef struct _TnLinkMonitor TnLinkMonitor;

typedef struct
{
  void (*network_changed) (gpointer user_data);      /* once for all that comes in half a second */
  void (*clock_changed)   (gpointer user_data);      /* somebody set it, or the machine slept */
} TnLinkMonitorCallbacks;

TnLinkMonitor *tn_link_monitor_new  (const TnLinkMonitorCallbacks *callbacks, gpointer user_data);
void           tn_link_monitor_free (TnLinkMonitor *monitor);      /* no callback follows */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnLinkMonitor, tn_link_monitor_free)

G_END_DECLS
