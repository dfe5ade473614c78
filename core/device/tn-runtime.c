/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

#include "tn-context.h"
#include "tn-error.h"
#include "tn-memory-state-store.h"
#include "tn-plugin-loader.h"

#define RELAY_PROBLEM_MAX 512

/* --- To the device: every callback crosses into its context --- */

typedef struct
{
  TnRuntime    *runtime;
  TnDeviceState state;
  GError       *error;
  char         *interface;
} Message;

static void
message_free (gpointer data)
{
  Message *message = data;

  g_clear_error (&message->error);
  g_free (message->interface);
  tn_runtime_unref (message->runtime);
  g_free (message);
}

/* Takes the reference: the device may be the one who drops the last, before this has returned. */
static void
tell_take (TnRuntime     *runtime,
           void         (*func) (gpointer),
           TnDeviceState  state,
           const GError  *error)
{
  Message *message = g_new0 (Message, 1);

  message->runtime = runtime;
  message->state = state;
  message->error = error != NULL ? g_error_copy (error) : NULL;
  tn_context_invoke (runtime->context, func, message, message_free);
}

static void
tell (TnRuntime     *runtime,
      void         (*func) (gpointer),
      TnDeviceState  state,
      const GError  *error)
{
  tell_take (tn_runtime_ref (runtime), func, state, error);
}

static void
state_in_context (gpointer data)
{
  Message *message = data;

  message->runtime->callbacks.state (message->runtime->user_data, message->state);
}

static void
interface_in_context (gpointer data)
{
  Message *message = data;

  message->runtime->callbacks.interface (message->runtime->user_data, message->interface);
}

static void
failed_in_context (gpointer data)
{
  Message *message = data;

  message->runtime->callbacks.failed (message->runtime->user_data, message->error);
}

static void
closed_in_context (gpointer data)
{
  Message *message = data;

  message->runtime->callbacks.closed (message->runtime->user_data);
}

/* Any thread. */
void
tn_runtime_fail (TnRuntime    *runtime,
                 const GError *error)
{
  tell (runtime, failed_in_context, TN_DEVICE_STATE_STOPPED, error);
}

/* --- Calls into the control thread --- */

static void
call_free (gpointer data)
{
  TnRuntimeCall *call = data;

  tn_runtime_unref (call->runtime);
  g_free (call);
}

void
tn_runtime_call (TnRuntime   *runtime,
                 GSourceFunc  func,
                 gpointer     data)
{
  TnRuntimeCall *call = g_new (TnRuntimeCall, 1);

  *call = (TnRuntimeCall) { tn_runtime_ref (runtime), data };
  tn_thread_call (runtime->control, func, call, call_free);
}

/* --- State --- */

static void
copy_facts (TnRuntime     *runtime,
            TnDeviceFacts *facts)
{
  *facts = (TnDeviceFacts) {
    .state = runtime->state,
    .auth_url = runtime->auth_url,
    .tailnet_name = runtime->tailnet_name,
    .dns_suffix = runtime->dns_suffix,
    .home_region = runtime->home_code,
    .key_expiry_us = runtime->key_expiry_us,
    .magic_dns = runtime->magic_dns,
    .dns_config = runtime->dns_config,
  };
}

void
tn_runtime_publish_facts (TnRuntime *runtime)
{
  TnDeviceFacts facts;

  if (runtime->closing)
    return;
  copy_facts (runtime, &facts);
  tn_device_model_publish_facts (runtime->model, &facts);
}

/* A node whose key is no good, or that nobody has approved, talks to no peer, whatever its map says. */
void
tn_runtime_open_data (TnRuntime     *runtime,
                      TnDeviceState  state)
{
  gboolean open = state == TN_DEVICE_STATE_RUNNING;

  if (runtime->data == NULL || open == runtime->data_open)
    return;
  runtime->data_open = open;
  tn_data_path_set_open (runtime->data, open);
}

void
tn_runtime_set_state (TnRuntime     *runtime,
                      TnDeviceState  state)
{
  runtime->wanted_state = state;
  tn_runtime_open_data (runtime, state);
  /* Who is told that the node runs may use its sockets at once. */
  if (runtime->closing || state == runtime->state || (state == TN_DEVICE_STATE_RUNNING && !runtime->data_ready))
    return;

  runtime->state = state;
  tn_health_book_flush (runtime->health);      /* who hears of a state hears of what is wrong with it */
  tn_runtime_publish_facts (runtime);
  tell (runtime, state_in_context, state, NULL);
}

/* --- Health --- */

static void
publish_health (GPtrArray *items,
                gpointer   runtime)
{
  tn_device_model_publish_health (((TnRuntime *) runtime)->model, items);
}

void
tn_runtime_set_health (TnRuntime        *runtime,
                       const char       *code,
                       TnHealthSeverity  severity,
                       const char       *title,
                       const char       *text)      /* NULL: the condition is over */
{
  tn_health_book_set (runtime->health, code, severity, title, text);
}

/* --- Close --- */

/* With the reference of tn_runtime_new(): nothing calls back any more. The calls that were under way have let go of theirs, so the device
 * drops the last one, and a program that ends when it hears of this ends after the threads were told to. */
static gboolean
tell_closed_cb (gpointer runtime)
{
  tell_take (runtime, closed_in_context, TN_DEVICE_STATE_STOPPED, NULL);
  return G_SOURCE_REMOVE;
}

void
tn_runtime_check_closed (TnRuntime *runtime)
{
  if (!runtime->closing || !runtime->client_closed || !runtime->data_stopped || runtime->store_calls.length > 0 || runtime->closed)
    return;

  runtime->closed = TRUE;
  g_source_destroy (runtime->store_limit);
  tn_thread_call (runtime->control, tell_closed_cb, runtime, NULL);
}

static gboolean
close_cb (gpointer data)
{
  TnRuntime *runtime = ((TnRuntimeCall *) data)->runtime;

  if (runtime->closing)
    return G_SOURCE_REMOVE;

  /* The client goes last: an ephemeral node that has logged out is nobody to its peers, who would refuse its last bytes. */
  runtime->closing = TRUE;
  tn_runtime_stop_cache (runtime);
  tn_runtime_close_store (runtime);
  tn_runtime_stop_network (runtime);
  tn_runtime_stop_captive (runtime);
  tn_runtime_stop_netcheck (runtime);
  tn_runtime_stop_expiry (runtime);
  tn_data_path_stop (runtime->data);
  return G_SOURCE_REMOVE;
}

void
tn_runtime_close (TnRuntime *runtime)
{
  tn_runtime_call (runtime, close_cb, NULL);
}

/* --- Data path: its callbacks come on the data thread --- */

static GHashTable *
new_problems (void)
{
  return g_hash_table_new_full (NULL, NULL, NULL, g_free);
}

typedef struct
{
  TnRuntime           *runtime;
  guint                region;
  TnUnderlayLinkState  state;
  char                *text;      /* nullable */
} LinkReport;

static void
link_report_free (gpointer data)
{
  LinkReport *report = data;

  g_free (report->text);
  tn_runtime_unref (report->runtime);
  g_free (report);
}

static gboolean
link_state_cb (gpointer data)
{
  LinkReport *report = data;
  g_autofree char *code = g_strdup_printf ("relay-%u", report->region);
  g_autofree char *text = NULL;

  if (report->state == TN_UNDERLAY_LINK_CONNECTING)
    return G_SOURCE_REMOVE;
  tn_runtime_check_mark (report->runtime);      /* the link has another socket */
  tn_runtime_relay_changed (report->runtime, report->region, report->state == TN_UNDERLAY_LINK_UP);
  if (report->state == TN_UNDERLAY_LINK_DOWN && report->text != NULL)
    text = g_strdup_printf ("relay region %u cannot be reached: %s", report->region, report->text);
  tn_runtime_set_health (report->runtime, code, TN_HEALTH_SEVERITY_MEDIUM, "Relay not reachable", text);
  return G_SOURCE_REMOVE;
}

static gboolean
relay_health_cb (gpointer data)
{
  TnRuntime *runtime = ((TnRuntimeCall *) data)->runtime;
  g_autoptr (GHashTable) problems = NULL;
  GHashTableIter iter;
  gpointer region, text;

  g_mutex_lock (&runtime->lock);
  problems = g_steal_pointer (&runtime->relay_problems);
  runtime->relay_problems = new_problems ();
  g_mutex_unlock (&runtime->lock);

  g_hash_table_iter_init (&iter, problems);
  while (g_hash_table_iter_next (&iter, &region, &text))
    {
      g_autofree char *code = g_strdup_printf ("relay-health-%u", GPOINTER_TO_UINT (region));

      tn_runtime_set_health (runtime, code, TN_HEALTH_SEVERITY_MEDIUM, "Relay reports a problem", *(char *) text != '\0' ? text : NULL);
    }
  return G_SOURCE_REMOVE;
}

static void
data_link_state (gpointer             user_data,
                 guint                region,
                 TnUnderlayLinkState  state,
                 const GError        *error)
{
  TnRuntime *runtime = user_data;
  LinkReport *report = g_new0 (LinkReport, 1);

  report->runtime = tn_runtime_ref (runtime);
  report->region = region;
  report->state = state;
  report->text = error != NULL ? g_strdup (error->message) : NULL;
  tn_thread_call (runtime->control, link_state_cb, report, link_report_free);
}

static void
data_relay_health (gpointer    user_data,
                   guint       region,
                   const char *problem)
{
  TnRuntime *runtime = user_data;
  gboolean first;

  /* A relay may tell as often as it likes: only the last of it waits. */
  g_mutex_lock (&runtime->lock);
  first = g_hash_table_size (runtime->relay_problems) == 0;
  g_hash_table_insert (runtime->relay_problems, GUINT_TO_POINTER (region),
                       problem != NULL ? g_utf8_make_valid (problem, (gssize) strnlen (problem, RELAY_PROBLEM_MAX)) : g_strdup (""));
  g_mutex_unlock (&runtime->lock);
  if (first)
    tn_runtime_call (runtime, relay_health_cb, NULL);
}

static gboolean
router_problem_cb (gpointer data)
{
  TnRuntimeCall *call = data;
  g_autofree char *problem = call->data;
  g_autofree char *text = problem != NULL ? g_strdup_printf ("Addresses and routes of the tailnet are not set up: %s", problem) : NULL;

  tn_runtime_set_health (call->runtime, "router", TN_HEALTH_SEVERITY_HIGH, "Routes refused", text);
  return G_SOURCE_REMOVE;
}

static void
data_router_problem (gpointer    user_data,
                     const char *problem)
{
  tn_runtime_call (user_data, router_problem_cb, g_strdup (problem));
}

static void
data_interface (gpointer    user_data,
                const char *name)
{
  TnRuntime *runtime = user_data;
  Message *message = g_new0 (Message, 1);

  message->runtime = tn_runtime_ref (runtime);
  message->interface = g_strdup (name);
  tn_context_invoke (runtime->context, interface_in_context, message, message_free);
}

static void
data_failed (gpointer      user_data,
             const GError *error)
{
  tn_runtime_fail (user_data, error);
}

static gboolean
updated_cb (gpointer data)
{
  TnRuntime *runtime = ((TnRuntimeCall *) data)->runtime;

  if (runtime->data_ready)
    return G_SOURCE_REMOVE;

  g_atomic_int_set (&runtime->data_ready, TRUE);
  tn_runtime_set_state (runtime, runtime->wanted_state);
  return G_SOURCE_REMOVE;
}

static void
data_updated (gpointer user_data)
{
  TnRuntime *runtime = user_data;

  if (!g_atomic_int_get (&runtime->data_ready))      /* later ones are no news */
    tn_runtime_call (runtime, updated_cb, NULL);
}

static gboolean
live_cb (gpointer data)
{
  TnRuntimeCall *call = data;
  TnRuntime *runtime = call->runtime;
  g_autoptr (GArray) infos = call->data;

  for (guint i = 0; i < infos->len; i++)
    {
      const TnPipelinePeerInfo *info = &g_array_index (infos, TnPipelinePeerInfo, i);
      const char *stable_id = tn_netmap_bridge_stable_id (runtime->bridge, info->id);
      TnNodeLive live = TN_NODE_LIVE_INIT;

      if (stable_id == NULL)
        continue;
      tn_runtime_describe_path (runtime, &info->path, &live.path);
      live.path.latency_us = info->latency_us;
      live.path.since_us = info->path_since_wall_ns / 1000;
      live.rx_bytes = info->stats.rx_bytes;
      live.tx_bytes = info->stats.tx_bytes;
      live.last_handshake_us = info->stats.last_handshake_wall_ns / 1000;
      tn_device_model_publish_live (runtime->model, stable_id, &live);
    }
  return G_SOURCE_REMOVE;
}

static void
data_live (gpointer  user_data,
           GArray   *infos)
{
  tn_runtime_call (user_data, live_cb, g_array_ref (infos));
}

static gboolean
data_stopped_cb (gpointer data)
{
  TnRuntime *runtime = ((TnRuntimeCall *) data)->runtime;

  runtime->data_stopped = TRUE;
  tn_runtime_close_client (runtime);
  tn_runtime_check_closed (runtime);
  return G_SOURCE_REMOVE;
}

static void
data_stopped (gpointer user_data)
{
  tn_runtime_call (user_data, data_stopped_cb, NULL);
}

static void
start_data_path (TnRuntime             *runtime,
                 const TnRuntimeConfig *config)
{
  static const TnDataPathCallbacks callbacks = {
    .link_state = data_link_state,
    .relay_health = data_relay_health,
    .failed = data_failed,
    .interface = data_interface,
    .router_problem = data_router_problem,
    .updated = data_updated,
    .bound = tn_runtime_bound,
    .wants_endpoints = tn_runtime_wants_endpoints,
    .live = data_live,
    .stopped = data_stopped,
  };
  TnDataPathConfig data_config = {
    .node_key = runtime->node_key,
    .disco_key = runtime->disco_key,
    .underlays = config->underlays,
    .overlay = TN_OVERLAY_TRANSPORT (config->netstack),
    .router = config->router,
    .interface = config->interface,
    .tun_fd = config->tun_fd,
    .tls_database = config->tls_database,
    .app_name = config->app_name,
    .mark = runtime->mark,
    .capture = config->capture,
    .mtu = TN_RUNTIME_MTU,
    .port = config->port,
  };

  runtime->data = tn_data_path_new (&data_config, &callbacks, runtime);
}

/* --- Life --- */

/* The node runs without it, but may lack what somebody has installed it for. */
static void
show_plugin_problems (TnRuntime *runtime)
{
  g_autoptr (GPtrArray) problems = tn_plugin_loader_ensure ();
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < problems->len; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? "; " : "", ((GError *) g_ptr_array_index (problems, i))->message);
  tn_runtime_set_health (runtime, "plugin", TN_HEALTH_SEVERITY_LOW, "A plugin was not loaded", text->len > 0 ? text->str : NULL);
}

static gboolean
start_cb (gpointer data)
{
  TnRuntime *runtime = ((TnRuntimeCall *) data)->runtime;

  if (runtime->closing)
    return G_SOURCE_REMOVE;
  show_plugin_problems (runtime);
  tn_runtime_check_mark (runtime);
  tn_runtime_start_client (runtime);
  tn_runtime_start_cache (runtime);
  tn_runtime_watch_network (runtime);
  return G_SOURCE_REMOVE;
}

static char **
dup_strv (const char *const *strings)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; strings != NULL && strings[i] != NULL; i++)
    g_strv_builder_add (builder, strings[i]);
  return g_strv_builder_end (builder);
}

TnRuntime *
tn_runtime_new (const TnRuntimeConfig    *config,
                const TnRuntimeCallbacks *callbacks,
                gpointer                  user_data)
{
  TnRuntime *runtime = g_new0 (TnRuntime, 1);

  g_atomic_ref_count_init (&runtime->ref_count);
  g_mutex_init (&runtime->lock);
  runtime->relay_problems = new_problems ();
  runtime->callbacks = *callbacks;
  runtime->user_data = user_data;
  runtime->control = tn_thread_ref_control ();
  runtime->context = g_main_context_ref (config->context);
  runtime->store = config->store;
  runtime->model = tn_device_model_ref (config->model);
  runtime->hostname = g_strdup (config->hostname);
  runtime->control_url = g_strdup (config->control_url);
  runtime->auth_key = tn_secret_strdup (config->auth_key);
  runtime->tags = dup_strv (config->tags);
  runtime->app_name = g_strdup (config->app_name);
  runtime->has_router = config->router != NULL;
  runtime->mark = config->router != NULL ? TN_ROUTER_GET_IFACE (config->router)->mark : 0;
  runtime->ephemeral = config->ephemeral;
  /* A node that is gone when it stops needs no map, and a store in memory is empty when it would be of use. */
  runtime->keeps_netmap = !config->ephemeral && !TN_IS_MEMORY_STATE_STORE (config->store);
  runtime->allow_plain_http = config->allow_plain_http;
  g_set_object (&runtime->tls_database, config->tls_database);
  runtime->machine_key = tn_secret_dup (config->identity->machine_key, TN_KEY_LEN);
  runtime->node_key = tn_secret_dup (config->identity->node_key, TN_KEY_LEN);
  runtime->old_node_key = config->identity->old_node_key;
  runtime->lock_key = config->identity->lock_key;
  runtime->node_key_is_new = config->identity->node_key_is_new;
  runtime->disco_key = tn_secret_alloc (TN_KEY_LEN);
  tn_disco_private_key_generate (runtime->disco_key);
  runtime->bridge = tn_netmap_bridge_new ();
  if (config->router != NULL)
    tn_netmap_bridge_want_routes (runtime->bridge);
  runtime->logins = tn_runtime_new_logins ();
  runtime->relays_up = g_hash_table_new (NULL, NULL);
  runtime->messages = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  runtime->health = tn_health_book_new (publish_health, runtime);
  runtime->state = runtime->wanted_state = TN_DEVICE_STATE_STARTING;
  tn_runtime_ref (runtime);      /* until closed: client and data path call back, whoever has dropped the device */
  start_data_path (runtime, config);
  tn_runtime_call (runtime, start_cb, NULL);
  return runtime;
}

TnRuntime *
tn_runtime_ref (TnRuntime *runtime)
{
  g_atomic_ref_count_inc (&runtime->ref_count);
  return runtime;
}

void
tn_runtime_unref (TnRuntime *runtime)
{
  if (!g_atomic_ref_count_dec (&runtime->ref_count))
    return;

  g_clear_pointer (&runtime->data, tn_data_path_unref);
  g_clear_pointer (&runtime->bridge, tn_netmap_bridge_free);
  g_clear_pointer (&runtime->measured, tn_netcheck_result_unref);
  g_clear_pointer (&runtime->logins, g_ptr_array_unref);
  g_clear_pointer (&runtime->relays_up, g_hash_table_unref);
  g_clear_pointer (&runtime->health, tn_health_book_free);
  g_clear_pointer (&runtime->messages, g_hash_table_unref);
  g_clear_pointer (&runtime->filter, tn_filter_unref);
  g_clear_pointer (&runtime->relays, tn_relay_map_unref);
  g_clear_pointer (&runtime->store_limit, g_source_unref);
  g_clear_object (&runtime->tls_database);
  g_clear_object (&runtime->dns_config);
  g_clear_pointer (&runtime->dns, tn_dns_settings_free);
  tn_device_model_unref (runtime->model);
  tn_secret_str_free (runtime->auth_key);
  g_free (runtime->hostname);
  g_free (runtime->control_url);
  g_free (runtime->app_name);
  g_free (runtime->auth_url);
  g_free (runtime->tailnet_name);
  g_free (runtime->dns_suffix);
  g_free (runtime->home_code);
  g_strfreev (runtime->tags);
  tn_secret_free (runtime->machine_key);
  tn_secret_free (runtime->node_key);
  tn_secret_free (runtime->disco_key);
  g_main_context_unref (runtime->context);
  tn_thread_unref (runtime->control);
  g_hash_table_unref (runtime->relay_problems);
  g_mutex_clear (&runtime->lock);
  g_free (runtime);
}

/* --- From any thread --- */

TnDataPath *
tn_runtime_get_data_path (TnRuntime *runtime)
{
  return runtime->data;
}

void
tn_runtime_describe_path (TnRuntime           *runtime,
                          const TnPathAddress *address,
                          TnPathData          *path)
{
  TnRelayRegion *region;

  if (address->kind == TN_PATH_ADDRESS_UDP)
    {
      path->kind = address->udp.vni == TN_PATH_NO_VNI ? TN_PATH_KIND_DIRECT : TN_PATH_KIND_PEER_RELAY;
      path->endpoint = address->udp.endpoint;
    }
  else if (address->kind == TN_PATH_ADDRESS_RELAY)
    {
      path->kind = TN_PATH_KIND_RELAY;
      path->region = address->relay.region;
      g_mutex_lock (&runtime->lock);
      region = runtime->relays != NULL ? tn_relay_map_lookup (runtime->relays, path->region) : NULL;
      if (region != NULL && region->code != NULL)
        g_strlcpy (path->region_code, region->code, sizeof path->region_code);
      g_mutex_unlock (&runtime->lock);
    }
}

static void
collect_grant (const char         *name,
               const char *const  *values,
               gpointer            data)
{
  static const char *const none[] = { NULL };

  g_variant_builder_add ((GVariantBuilder *) data, "{s^as}", name, values != NULL ? values : none);
}

GVariant *
tn_runtime_dup_grants (TnRuntime         *runtime,
                       const TnIpAddress *source)
{
  GVariantBuilder builder;
  g_autoptr (TnFilter) filter = NULL;
  TnIpAddress own;

  g_mutex_lock (&runtime->lock);
  own = source->version == 4 ? runtime->address4 : runtime->address6;
  if (runtime->filter != NULL)
    filter = tn_filter_ref (runtime->filter);
  g_mutex_unlock (&runtime->lock);
  if (filter == NULL)
    return NULL;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{sas}"));
  tn_filter_foreach_capability (filter, source, &own, collect_grant, &builder);
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}
