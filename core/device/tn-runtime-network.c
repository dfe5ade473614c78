/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

#include "tn-socket-mark.h"

/* What a machine does that moves about, and sleeps. */

/* A program may give up the right to it once it runs: the sockets that it has keep their mark, and those to come have none. */
void
tn_runtime_check_mark (TnRuntime *runtime)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  if (runtime->mark == 0)
    return;
  if (!tn_socket_mark_check (runtime->mark, &error))
    text = g_strdup_printf ("A default route of the tailnet would take the node's own packets: %s", error->message);
  tn_runtime_set_health (runtime, "socket-mark", TN_HEALTH_SEVERITY_MEDIUM, "Own packets are not marked", text);
}

void
tn_runtime_network_changed (TnRuntime *runtime)
{
  g_info ("the network changed");
  tn_runtime_check_mark (runtime);
  tn_data_path_rebind (runtime->data);
  if (runtime->client != NULL)
    tn_control_client_network_changed (runtime->client);
  if (runtime->netcheck != NULL)
    tn_netcheck_run (runtime->netcheck, TRUE);
}

static void
network_changed (gpointer user_data)
{
  tn_runtime_network_changed (user_data);
}

static void
clock_changed (gpointer user_data)
{
  TnRuntime *runtime = user_data;

  if (runtime->client != NULL)
    tn_control_client_clock_changed (runtime->client);
  tn_runtime_look_for_expired (runtime);
}

void
tn_runtime_watch_network (TnRuntime *runtime)
{
  static const TnLinkMonitorCallbacks callbacks = { .network_changed = network_changed, .clock_changed = clock_changed };

  runtime->links = tn_link_monitor_new (&callbacks, runtime);
}

void
tn_runtime_stop_network (TnRuntime *runtime)
{
  g_clear_pointer (&runtime->links, tn_link_monitor_free);
}
