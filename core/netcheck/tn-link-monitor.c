/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-link-monitor.h"

#include <gio/gio.h>

#include "tn-clock-watch.h"

enum { GATHER_MS = 500 };      /* an address comes with its routes, one after the other */

struct _TnLinkMonitor
{
  const TnLinkMonitorCallbacks *callbacks;
  gpointer                      user_data;
  GMainContext                 *context;
  GNetworkMonitor              *routes;      /* nullable */
  GSource                      *clock;
  GSource                      *gathering;   /* while it waits for more */
};

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static gboolean
gathered_cb (gpointer data)
{
  TnLinkMonitor *self = data;

  clear_source (&self->gathering);
  self->callbacks->network_changed (self->user_data);
  return G_SOURCE_REMOVE;
}

static void
gather (TnLinkMonitor *self)
{
  if (self->gathering != NULL)
    return;
  self->gathering = g_timeout_source_new (GATHER_MS);
  g_source_set_callback (self->gathering, gathered_cb, self, NULL);
  g_source_attach (self->gathering, self->context);
}

static void
routes_changed_cb (GNetworkMonitor *routes,
                   gboolean         available,
                   gpointer         data)
{
  gather (data);
}

static gboolean
clock_changed_cb (gboolean slept,
                  gpointer data)
{
  TnLinkMonitor *self = data;

  g_debug ("the clock was set%s", slept ? ", after a sleep" : "");
  if (slept)
    gather (self);
  self->callbacks->clock_changed (self->user_data);
  return G_SOURCE_CONTINUE;
}

/* One of our own: the default one tells its changes in the context where somebody happened to ask for it first, which has to stay
 * the program's choice. Only the one of routes can be had in two. */
static GNetworkMonitor *
new_route_monitor (void)
{
  GIOExtensionPoint *point;
  GIOExtension *extension;

  g_proxy_resolver_get_default ();      /* GIO knows its own extensions once it was asked for any */
  point = g_io_extension_point_lookup (G_NETWORK_MONITOR_EXTENSION_POINT_NAME);
  extension = point != NULL ? g_io_extension_point_get_extension_by_name (point, "netlink") : NULL;
  return extension != NULL ? g_initable_new (g_io_extension_get_type (extension), NULL, NULL, NULL) : NULL;
}

TnLinkMonitor *
tn_link_monitor_new (const TnLinkMonitorCallbacks *callbacks,
                     gpointer                      user_data)
{
  TnLinkMonitor *self = g_new0 (TnLinkMonitor, 1);

  self->callbacks = callbacks;
  self->user_data = user_data;
  self->context = g_main_context_ref_thread_default ();
  self->routes = new_route_monitor ();
  if (self->routes != NULL)
    g_signal_connect (self->routes, "network-changed", G_CALLBACK (routes_changed_cb), self);
  self->clock = tn_clock_watch_source_new ();
  g_source_set_callback (self->clock, G_SOURCE_FUNC (clock_changed_cb), self, NULL);
  g_source_attach (self->clock, self->context);
  return self;
}

void
tn_link_monitor_free (TnLinkMonitor *self)
{
  clear_source (&self->gathering);
  clear_source (&self->clock);
  if (self->routes != NULL)
    g_signal_handlers_disconnect_by_data (self->routes, self);
  g_clear_object (&self->routes);
  g_main_context_unref (self->context);
  g_free (self);
}
