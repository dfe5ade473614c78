/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

#include "tn-boot-timer.h"
#include "tn-error.h"
#include "tn-netmap-cache.h"

/* The last known network map, kept in the state store: with it a node starts, and talks to its peers, while the control server is away.
 * Written rarely, as somewhere in a big tailnet something changes all the time. */
#define PATIENCE_US    (3 * G_USEC_PER_SEC)           /* with a server that neither answers nor refuses */
#define FIRST_WRITE_US (5 * G_USEC_PER_SEC)           /* after a start the map often changes once more */
#define NEXT_WRITE_US  (5 * 60 * G_USEC_PER_SEC)

static gboolean
is_kept (TnRuntime *runtime)
{
  return runtime->keeps_netmap && !runtime->cache_dropped;
}

static void
set_timer (TnRuntime   *runtime,
           GSource    **timer,
           GSourceFunc  func,
           gint64       deadline_us)
{
  if (*timer == NULL)
    {
      *timer = tn_boot_timer_source_new ();
      g_source_set_callback (*timer, func, runtime, NULL);
      g_source_attach (*timer, tn_thread_get_context (runtime->control));
    }
  tn_boot_timer_set (*timer, deadline_us);
}

static void
clear_timer (GSource **timer)
{
  if (*timer != NULL)
    g_source_destroy (*timer);
  g_clear_pointer (timer, g_source_unref);
}

/* --- Writing --- */

typedef struct
{
  TnStoreCall        call;
  TnNetmapCacheInfo  info;
  TnNetmapText      *text;       /* nullable: nothing is to stay */
} Writing;

static void
writing_clear (TnStoreCall *call)
{
  g_clear_pointer (&((Writing *) call)->text, tn_netmap_text_free);
}

static void
written_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  TnStoreCall *call = user_data;

  tn_state_store_save_finish (TN_STATE_STORE (object), result, &call->error);
  tn_store_call_ended (call);
}

static void
encode_thread (GTask        *task,
               gpointer      source,
               gpointer      task_data,
               GCancellable *cancellable)
{
  Writing *writing = task_data;
  GError *error = NULL;
  GBytes *value = tn_netmap_cache_encode (&writing->info, writing->text, cancellable, &error);

  g_clear_pointer (&writing->text, tn_netmap_text_free);      /* it keeps peers that may be gone */
  if (value != NULL)
    g_task_return_pointer (task, value, (GDestroyNotify) g_bytes_unref);
  else
    g_task_return_error (task, error);
}

static void
encoded_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  TnStoreCall *call = user_data;
  g_autoptr (GBytes) value = g_task_propagate_pointer (G_TASK (result), &call->error);

  if (value == NULL)
    {
      tn_store_call_ended (call);
      return;
    }
  g_main_context_push_thread_default (call->runtime->context);
  tn_state_store_save_async (call->runtime->store, TN_NETMAP_CACHE_KEY, value, call->cancellable, written_cb, call);
  g_main_context_pop_thread_default (call->runtime->context);
}

/* Text and packing of thousands of peers take a tenth of a second, which neither the device's context nor the control thread has. */
static void
start_writing (TnStoreCall *call)
{
  Writing *writing = (Writing *) call;
  g_autoptr (GTask) task = NULL;

  if (writing->text == NULL)
    {
      tn_state_store_save_async (call->runtime->store, TN_NETMAP_CACHE_KEY, NULL, call->cancellable, written_cb, call);
      return;
    }
  task = g_task_new (NULL, call->cancellable, encoded_cb, call);
  g_task_set_source_tag (task, start_writing);
  g_task_set_task_data (task, writing, NULL);
  g_task_run_in_thread (task, encode_thread);
}

static void
conclude_writing (TnStoreCall *call)
{
  if (call->error != NULL)
    g_debug ("device %s: the network map is not kept: %s", call->runtime->hostname, call->error->message);
}

static void
ask_to_write (TnRuntime    *runtime,
              TnNetmapText *text)      /* nullable, taken */
{
  static const TnStoreCallKind kind = { .start = start_writing, .conclude = conclude_writing, .clear = writing_clear };
  Writing *writing = g_new0 (Writing, 1);

  writing->call.kind = &kind;
  writing->text = text;
  writing->info = (TnNetmapCacheInfo) {
    .control_url = runtime->control_url,
    .told_us = runtime->netmap_told_us,
    .home_region = runtime->announced_home,
  };
  tn_node_private_key_get_public (runtime->node_key, &writing->info.node_key);
  tn_runtime_ask_store (runtime, &writing->call);
}

static void
write_now (TnRuntime *runtime)
{
  const TnNetmap *netmap = runtime->client != NULL ? tn_control_client_get_netmap (runtime->client) : NULL;

  if (!runtime->cache_dirty || netmap == NULL)
    return;
  runtime->cache_dirty = runtime->cache_forgotten = FALSE;
  runtime->cache_written_us = tn_boot_time_us ();
  ask_to_write (runtime, tn_netmap_text_new (netmap));
}

static gboolean
write_cb (gpointer data)
{
  write_now (data);
  return G_SOURCE_CONTINUE;
}

void
tn_runtime_touch_cache (TnRuntime *runtime)
{
  gint64 due_us = tn_boot_time_us () + FIRST_WRITE_US;

  if (!is_kept (runtime) || runtime->closing || runtime->cache_dirty || !runtime->has_netmap || runtime->netmap_is_old ||
      runtime->wanted_state != TN_DEVICE_STATE_RUNNING)
    return;
  runtime->cache_dirty = TRUE;
  if (runtime->cache_written_us != 0)
    due_us = MAX (due_us, runtime->cache_written_us + NEXT_WRITE_US);
  set_timer (runtime, &runtime->cache_write_timer, write_cb, due_us);
}

/* --- Reading --- */

typedef struct
{
  TnStoreCall  call;
  GBytes      *value;      /* nullable */
} Reading;

static void
reading_clear (TnStoreCall *call)
{
  g_clear_pointer (&((Reading *) call)->value, g_bytes_unref);
}

static void
read_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  TnStoreCall *call = user_data;

  ((Reading *) call)->value = tn_state_store_load_finish (TN_STATE_STORE (object), result, &call->error);
  tn_store_call_ended (call);
}

static void
start_reading (TnStoreCall *call)
{
  tn_state_store_load_async (call->runtime->store, TN_NETMAP_CACHE_KEY, call->cancellable, read_cb, call);
}

static void
show_old (TnRuntime *runtime,
          gint64     told_us)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (told_us / G_USEC_PER_SEC);
  g_autoptr (GDateTime) local = utc != NULL ? g_date_time_to_local (utc) : NULL;
  g_autofree char *when = local != NULL ? g_date_time_format (local, "%Y-%m-%d %H:%M") : g_strdup ("some day");
  g_autofree char *text = g_strdup_printf ("The control server does not answer. Peers, names and rules are as it told them last, on %s.", when);

  tn_runtime_set_health (runtime, "netmap-cached", TN_HEALTH_SEVERITY_MEDIUM, "Working from the last known network map", text);
}

static void
use_old (TnRuntime               *runtime,
         TnNetmap                *old,      /* taken */
         const TnNetmapCacheInfo *info)
{
  const TnNetmap *netmap;

  tn_control_client_take_old_netmap (runtime->client, old);
  netmap = tn_control_client_get_netmap (runtime->client);
  runtime->netmap_is_old = TRUE;
  tn_runtime_apply_netmap (runtime, netmap, NULL);
  if (netmap->relays != NULL && tn_relay_map_lookup (netmap->relays, info->home_region) != NULL)
    {
      runtime->chosen_home = info->home_region;      /* the peers look for us there */
      tn_runtime_settle_home (runtime);
    }
  show_old (runtime, info->told_us);
}

/* Somebody has to log in anyway, and the server is asked as soon as it is there; it may have given the key more time. */
static gboolean
is_usable (TnRuntime      *runtime,
           const TnNetmap *netmap)
{
  if (!tn_netmap_own_key_expired (netmap, g_get_real_time (), tn_boot_time_us ()))
    return netmap->self->machine_authorized;
  tn_runtime_set_state (runtime, TN_DEVICE_STATE_NEEDS_LOGIN);
  return FALSE;
}

/* The server may have been faster. */
static gboolean
is_wanted (TnRuntime *runtime)
{
  return !runtime->closing && !runtime->has_netmap && is_kept (runtime) && runtime->client != NULL &&
         tn_control_client_get_state (runtime->client) == TN_CONTROL_CONNECTING;
}

static void
conclude_reading (TnStoreCall *call)
{
  Reading *reading = (Reading *) call;
  TnRuntime *runtime = call->runtime;
  TnNetmapCacheInfo info = { .control_url = runtime->control_url };
  gboolean damaged = g_error_matches (call->error, TN_ERROR, TN_ERROR_MALFORMED);
  g_autoptr (TnNetmap) netmap = NULL;

  if (!is_wanted (runtime))
    return;
  tn_node_private_key_get_public (runtime->node_key, &info.node_key);
  if (reading->value != NULL)
    {
      netmap = tn_netmap_cache_decode (reading->value, &info, &call->error);
      g_clear_pointer (&reading->value, g_bytes_unref);
      damaged = netmap == NULL;
    }
  if (netmap != NULL && is_usable (runtime, netmap))
    use_old (runtime, g_steal_pointer (&netmap), &info);
  if (call->error != NULL)
    g_debug ("device %s: the network map that was kept is not used: %s", runtime->hostname, call->error->message);
  if (damaged)
    ask_to_write (runtime, NULL);
}

void
tn_runtime_use_cache (TnRuntime *runtime)
{
  static const TnStoreCallKind kind = { .start = start_reading, .conclude = conclude_reading, .clear = reading_clear, .needless = TRUE };
  Reading *reading;

  if (runtime->cache_asked || runtime->closing || runtime->has_netmap || runtime->node_key_is_new || !is_kept (runtime))
    return;
  runtime->cache_asked = TRUE;
  clear_timer (&runtime->cache_wait_timer);
  reading = g_new0 (Reading, 1);
  reading->call.kind = &kind;
  tn_runtime_ask_store (runtime, &reading->call);
}

static gboolean
impatient_cb (gpointer data)
{
  TnRuntime *runtime = data;

  if (runtime->client != NULL && tn_control_client_get_state (runtime->client) == TN_CONTROL_CONNECTING)
    tn_runtime_use_cache (runtime);
  return G_SOURCE_CONTINUE;
}

/* --- Life --- */

void
tn_runtime_start_cache (TnRuntime *runtime)
{
  if (is_kept (runtime) && !runtime->node_key_is_new && !runtime->cache_asked)
    set_timer (runtime, &runtime->cache_wait_timer, impatient_cb, tn_boot_time_us () + PATIENCE_US);
}

void
tn_runtime_note_netmap (TnRuntime *runtime)
{
  runtime->netmap_told_us = g_get_real_time ();
  clear_timer (&runtime->cache_wait_timer);
  if (runtime->netmap_is_old)
    {
      runtime->netmap_is_old = FALSE;
      tn_runtime_set_health (runtime, "netmap-cached", TN_HEALTH_SEVERITY_MEDIUM, NULL, NULL);
    }
  if (runtime->wanted_state == TN_DEVICE_STATE_NEEDS_APPROVAL)
    tn_runtime_forget_cache (runtime);
  tn_runtime_touch_cache (runtime);
}

/* The server knows this node no more, or does not want it. */
void
tn_runtime_forget_cache (TnRuntime *runtime)
{
  runtime->cache_dirty = FALSE;
  if (!is_kept (runtime) || runtime->closing || runtime->cache_forgotten)
    return;
  runtime->cache_forgotten = TRUE;
  ask_to_write (runtime, NULL);
}

void
tn_runtime_drop_cache (TnRuntime *runtime)
{
  runtime->cache_dropped = TRUE;
  runtime->cache_dirty = FALSE;
}

void
tn_runtime_stop_cache (TnRuntime *runtime)
{
  clear_timer (&runtime->cache_wait_timer);
  clear_timer (&runtime->cache_write_timer);
  write_now (runtime);
}
