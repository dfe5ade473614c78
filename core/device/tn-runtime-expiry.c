/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

#include "tn-boot-timer.h"
#include "tn-expiry.h"

/* Keys that expire while the server says nothing: tailscale ipn/ipnlocal/expiry.go. */

static gboolean
expiry_cb (gpointer data)
{
  TnRuntime *runtime = data;
  const TnNetmap *netmap = runtime->client != NULL ? tn_control_client_get_netmap (runtime->client) : NULL;
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();

  if (netmap == NULL)
    return G_SOURCE_CONTINUE;

  changes->self = tn_netmap_own_key_expired (netmap, g_get_real_time (), tn_boot_time_us ()) ? 1 : 0;
  tn_netmap_bridge_find_expired (runtime->bridge, netmap, changes->changed);
  tn_runtime_apply_netmap (runtime, netmap, changes);
  return G_SOURCE_CONTINUE;
}

void
tn_runtime_await_expiry (TnRuntime      *runtime,
                         const TnNetmap *netmap)
{
  gint64 wait_us = tn_netmap_bridge_next_expiry_us (runtime->bridge, netmap);

  if (runtime->expiry_timer == NULL)
    {
      runtime->expiry_timer = tn_boot_timer_source_new ();
      g_source_set_callback (runtime->expiry_timer, expiry_cb, runtime, NULL);
      g_source_attach (runtime->expiry_timer, tn_thread_get_context (runtime->control));
    }
  tn_boot_timer_set (runtime->expiry_timer, wait_us != G_MAXINT64 ? tn_boot_time_us () + wait_us : G_MAXINT64);
}

void
tn_runtime_stop_expiry (TnRuntime *runtime)
{
  if (runtime->expiry_timer != NULL)
    g_source_destroy (runtime->expiry_timer);
  g_clear_pointer (&runtime->expiry_timer, g_source_unref);
}
