/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

#include "tn-boot-timer.h"
#include "tn-expiry.h"

/* Keys that expire while the server says nothing: tailscale ipn/ipnlocal/expiry.go. */

#define WARN_US G_TIME_SPAN_DAY      /* ahead of the end of the own key */

void
tn_runtime_look_for_expired (TnRuntime *runtime)
{
  const TnNetmap *netmap = runtime->client != NULL ? tn_control_client_get_netmap (runtime->client) : NULL;
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();

  if (netmap == NULL)
    return;

  changes->self = tn_netmap_own_key_expired (netmap, g_get_real_time (), tn_boot_time_us ()) ? 1 : 0;
  tn_netmap_bridge_find_expired (runtime->bridge, netmap, changes->changed);
  tn_runtime_apply_netmap (runtime, netmap, changes);
}

static gboolean
expiry_cb (gpointer data)
{
  tn_runtime_look_for_expired (data);
  return G_SOURCE_CONTINUE;
}

static void
set_warning (TnRuntime *runtime,
             gint64     expiry_us)      /* 0: none */
{
  g_autoptr (GDateTime) time = NULL;
  g_autofree char *shown = NULL;
  g_autofree char *text = NULL;

  if (expiry_us == runtime->warned_expiry_us)
    return;

  runtime->warned_expiry_us = expiry_us;
  time = g_date_time_new_from_unix_local (expiry_us / G_USEC_PER_SEC);
  shown = time != NULL ? g_date_time_format (time, "%Y-%m-%d %H:%M %Z") : NULL;
  if (expiry_us != 0 && shown != NULL)
    text = g_strdup_printf ("The key of this node expires on %s. Log in again before, or its peers lose it.", shown);
  tn_runtime_set_health (runtime, "key-expires", TN_HEALTH_SEVERITY_MEDIUM, "Key of this node expires soon", text);
}

/* By the clock of control. Returns how long nothing of it changes. */
static gint64
warn_of_expiry (TnRuntime      *runtime,
                const TnNetmap *netmap)
{
  gint64 expiry_us = netmap->self->key_expiry_us;
  gint64 left_us = expiry_us - tn_netmap_control_now (netmap, g_get_real_time (), tn_boot_time_us ());

  if (expiry_us == 0)
    left_us = G_MAXINT64;
  set_warning (runtime, left_us > 0 && left_us <= WARN_US ? expiry_us : 0);
  return left_us > WARN_US && left_us != G_MAXINT64 ? left_us - WARN_US : G_MAXINT64;
}

void
tn_runtime_await_expiry (TnRuntime      *runtime,
                         const TnNetmap *netmap)
{
  gint64 warning_us = warn_of_expiry (runtime, netmap);
  gint64 wait_us = MIN (tn_netmap_bridge_next_expiry_us (runtime->bridge, netmap), warning_us);

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
