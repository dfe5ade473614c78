/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

#include "tn-captive-probe.h"

/* With neither control nor a relay to be reached, perhaps the network wants a login of its own first. */

enum
{
  HTTP_PORT = 80,
  FIRST_S = 3,
  AGAIN_S = 10,      /* while it lasts, to go on as soon as somebody has logged in */
};

static gboolean probe_cb (gpointer data);

static gboolean
is_cut_off (TnRuntime *runtime)
{
  TnControlState state = runtime->client != NULL ? tn_control_client_get_state (runtime->client) : TN_CONTROL_STOPPED;

  return !runtime->closing && state != TN_CONTROL_STOPPED && state != TN_CONTROL_REFUSED &&
         tn_control_client_get_error (runtime->client) != NULL && g_hash_table_size (runtime->relays_up) == 0;
}

static void
probe_in (TnRuntime *runtime,
          guint      wait_s)
{
  runtime->captive_timer = g_timeout_source_new_seconds (wait_s);
  g_source_set_callback (runtime->captive_timer, probe_cb, runtime, NULL);
  g_source_attach (runtime->captive_timer, tn_thread_get_context (runtime->control));
}

static void
show (TnRuntime  *runtime,
      gboolean    captive,
      const char *portal)
{
  g_autofree char *text = portal != NULL ? g_strdup_printf ("Open %s in a web browser", portal)
                                         : g_strdup ("Open any page in a web browser");
  gboolean was_captive = runtime->captive;

  runtime->captive = captive;
  tn_runtime_set_health (runtime, "captive-portal", TN_HEALTH_SEVERITY_HIGH, "The network wants a login first", captive ? text : NULL);
  if (was_captive && !captive)
    tn_runtime_network_changed (runtime);
}

static void
probed_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr (TnRuntime) runtime = user_data;
  g_autofree char *portal = NULL;
  TnCaptive verdict = tn_captive_probe_finish (result, &portal);
  g_autoptr (GCancellable) probing = g_steal_pointer (&runtime->captive_probe);

  if (g_cancellable_is_cancelled (probing))
    {
      tn_runtime_suspect_captive (runtime);      /* perhaps it was, and is again, in doubt meanwhile */
      return;
    }
  if (verdict != TN_CAPTIVE_UNKNOWN)      /* where a portal drops our questions it is there still */
    show (runtime, verdict == TN_CAPTIVE_YES, portal);
  probe_in (runtime, AGAIN_S);
}

static gboolean
probe_cb (gpointer data)
{
  TnRuntime *runtime = data;
  g_autoptr (GUri) uri = g_uri_parse (runtime->control_url, G_URI_FLAGS_NONE, NULL);

  g_clear_pointer (&runtime->captive_timer, g_source_unref);
  runtime->captive_probe = g_cancellable_new ();
  tn_captive_probe_async (runtime->relays, runtime->home, uri != NULL ? g_uri_get_host (uri) : NULL, HTTP_PORT, runtime->mark,
                          runtime->captive_probe, probed_cb, tn_runtime_ref (runtime));
  return G_SOURCE_REMOVE;
}

void
tn_runtime_stop_captive (TnRuntime *runtime)
{
  if (runtime->captive_timer != NULL)
    g_source_destroy (runtime->captive_timer);
  g_clear_pointer (&runtime->captive_timer, g_source_unref);
  if (runtime->captive_probe != NULL)
    g_cancellable_cancel (runtime->captive_probe);      /* its callback follows */
}

void
tn_runtime_suspect_captive (TnRuntime *runtime)
{
  if (!is_cut_off (runtime))
    {
      tn_runtime_stop_captive (runtime);
      runtime->captive = FALSE;
      tn_runtime_set_health (runtime, "captive-portal", TN_HEALTH_SEVERITY_HIGH, NULL, NULL);
    }
  else if (runtime->captive_timer == NULL && runtime->captive_probe == NULL)
    {
      probe_in (runtime, FIRST_S);
    }
}
