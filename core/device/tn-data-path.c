/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-data-path.h"

#include "tn-boot-timer.h"
#include "tn-box.h"
#include "tn-cancel-source.h"
#include "tn-error.h"
#include "tn-secret.h"
#include "tn-thread.h"

#define LIVE_INTERVAL_S 1
#define LINGER_LOOK_MS  10
#define LINGER_MAX_US   (3 * G_USEC_PER_SEC)      /* what a peer has to take the last bytes of closed connections */

struct _TnDataPath
{
  gatomicrefcount      ref_count;
  TnThread            *thread;
  GPtrArray           *underlays;
  TnOverlayTransport  *overlay;
  GTlsDatabase        *tls_database;
  GProxyResolver      *proxy_resolver;
  char                *app_name;
  guint                mtu;
  TnDataPathCallbacks  callbacks;
  gpointer             user_data;

  /* From here on of the data thread alone. */
  TnNodePrivateKey    *node_key;         /* both in the secret pool */
  TnDiscoPrivateKey   *disco_key;
  TnPipeline          *pipeline;         /* NULL: stopped */
  GSource             *timer;
  GSource             *live;             /* NULL: nothing happened since it was told last */
  gboolean             overlay_started;
  guint                n_started;        /* of the underlays */
  GSource             *linger;           /* stopping, as soon as closed connections are through */
  gint64               linger_until_us;
  GHashTable          *pings;            /* guint64 * in it -> Ping */
  guint64              last_token;
};

/* A call into the data thread, with what it needs. */
typedef struct
{
  TnDataPath     *path;
  gpointer        data;
  GDestroyNotify  destroy;
} Call;

static void
call_free (gpointer data)
{
  Call *call = data;

  if (call->destroy != NULL)
    call->destroy (call->data);
  tn_data_path_unref (call->path);
  g_free (call);
}

static void
data_path_call (TnDataPath     *path,
                GSourceFunc     func,
                gpointer        data,
                GDestroyNotify  destroy)
{
  Call *call = g_new (Call, 1);

  *call = (Call) { tn_data_path_ref (path), data, destroy };
  tn_thread_call (path->thread, func, call, call_free);
}

/* --- Updates --- */

TnDataPathUpdate *
tn_data_path_update_new (void)
{
  return g_new0 (TnDataPathUpdate, 1);
}

void
tn_data_path_update_free (TnDataPathUpdate *update)
{
  g_clear_pointer (&update->upserts, g_array_unref);
  g_clear_pointer (&update->removed, g_array_unref);
  g_clear_pointer (&update->router, tn_overlay_router_unref);
  g_clear_pointer (&update->filter, tn_filter_unref);
  g_clear_pointer (&update->jailed_filter, tn_filter_unref);
  g_clear_pointer (&update->addresses, g_array_unref);
  g_free (update);
}

/* --- Time --- */

static gboolean
live_cb (gpointer data)
{
  TnDataPath *path = data;
  g_autoptr (GArray) infos = tn_pipeline_dup_infos (path->pipeline);

  g_clear_pointer (&path->live, g_source_unref);
  path->callbacks.live (path->user_data, infos);
  return G_SOURCE_REMOVE;
}

/* After anything that may have moved timers or counters. */
static void
settle (TnDataPath *path)
{
  tn_boot_timer_set (path->timer, tn_pipeline_deadline (path->pipeline));
  if (path->live == NULL)
    {
      path->live = g_timeout_source_new_seconds (LIVE_INTERVAL_S);
      g_source_set_callback (path->live, live_cb, path, NULL);
      g_source_attach (path->live, g_main_context_get_thread_default ());
    }
}

static gboolean
timer_cb (gpointer data)
{
  TnDataPath *path = data;

  tn_pipeline_expire (path->pipeline, tn_boot_time_us ());
  settle (path);
  return G_SOURCE_CONTINUE;
}

/* --- Between pipeline and transports --- */

static TnUnderlayTransport *
underlay_for (TnDataPath        *path,
              TnPathAddressKind  kind)
{
  for (guint i = 0; i < path->underlays->len; i++)
    {
      TnUnderlayTransport *underlay = g_ptr_array_index (path->underlays, i);

      if (TN_UNDERLAY_TRANSPORT_GET_IFACE (underlay)->kind == kind)
        return underlay;
    }
  return NULL;
}

static void
pipeline_to_overlay (gpointer       user_data,
                     TnPacketBatch *batch)
{
  TnDataPath *path = user_data;

  TN_OVERLAY_TRANSPORT_GET_IFACE (path->overlay)->write (path->overlay, batch);
}

static guint
pipeline_to_underlay (gpointer             user_data,
                      const TnPathAddress *to,
                      const TnPacketBatch *batch,
                      guint                first,
                      gboolean             urgent)
{
  TnUnderlayTransport *underlay = underlay_for (user_data, to->kind);

  if (underlay == NULL)
    return batch->n_packets - first;
  return TN_UNDERLAY_TRANSPORT_GET_IFACE (underlay)->send (underlay, to, batch, first, urgent ? TN_SEND_URGENT : TN_SEND_NONE);
}

static void
pipeline_set_blocked (gpointer           user_data,
                      const TnIpAddress *destination,
                      gboolean           blocked)
{
  TnDataPath *path = user_data;

  TN_OVERLAY_TRANSPORT_GET_IFACE (path->overlay)->set_blocked (path->overlay, destination, blocked);
}

static gint64
pipeline_wall_time (gpointer user_data)
{
  return g_get_real_time () * 1000;
}

static void
pipeline_random (gpointer  user_data,
                 void     *out,
                 gsize     len)
{
  tn_random (out, len);
}

static void
overlay_receive (gpointer            user_data,
                 TnOverlayTransport *transport,
                 TnPacketBatch      *batch)
{
  TnDataPath *path = user_data;

  tn_pipeline_from_overlay (path->pipeline, batch, tn_boot_time_us ());
  settle (path);
}

static void
overlay_failed (gpointer            user_data,
                TnOverlayTransport *transport,
                const GError       *error)
{
  TnDataPath *path = user_data;

  path->callbacks.failed (path->user_data, error);
}

static void
underlay_receive (gpointer             user_data,
                  TnUnderlayTransport *transport,
                  TnPacketBatch       *batch,
                  const TnPathAddress *from)
{
  TnDataPath *path = user_data;

  tn_pipeline_from_underlay (path->pipeline, batch, from, tn_boot_time_us ());
  settle (path);
}

static void
underlay_writable (gpointer             user_data,
                   TnUnderlayTransport *transport,
                   const TnPathAddress *to)
{
  TnDataPath *path = user_data;

  tn_pipeline_path_writable (path->pipeline, to, tn_boot_time_us ());
}

static void
underlay_path_gone (gpointer             user_data,
                    TnUnderlayTransport *transport,
                    const TnPathAddress *address)
{
  TnDataPath *path = user_data;

  tn_pipeline_path_gone (path->pipeline, address);
}

static void
underlay_link_state (gpointer             user_data,
                     TnUnderlayTransport *transport,
                     guint                region,
                     TnUnderlayLinkState  state,
                     const GError        *error)
{
  TnDataPath *path = user_data;

  path->callbacks.link_state (path->user_data, region, state, error);
}

static void
underlay_health (gpointer             user_data,
                 TnUnderlayTransport *transport,
                 guint                region,
                 const char          *problem)
{
  TnDataPath *path = user_data;

  path->callbacks.relay_health (path->user_data, region, problem);
}

/* --- Pings --- */

/* The first one finds a peer that has not joined its relay yet, or does not know us yet: it is lost, and so it is not the only one. */
#define PING_AGAIN_MS 1000

typedef struct
{
  guint64     token;
  TnDataPath *path;
  TnPingKind  kind;
  gint64      id;
  TnIpAddress address;
  guint       size;
  GTask      *task;            /* NULL: it has returned */
  GSource    *again;
  GSource    *timeout;
  GSource    *cancelled;       /* nullable */
} Ping;

static void
ping_destroy_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
ping_free (gpointer data)
{
  Ping *ping = data;

  ping_destroy_source (&ping->again);
  ping_destroy_source (&ping->timeout);
  ping_destroy_source (&ping->cancelled);
  if (ping->task != NULL)
    g_task_return_new_error (ping->task, G_IO_ERROR, G_IO_ERROR_CLOSED, "device stopped");
  g_clear_object (&ping->task);
  g_free (ping);
}

/* Ends it with what was returned to its task. */
static void
ping_end (Ping *ping)
{
  if (ping->path->pipeline != NULL)
    tn_pipeline_ping_cancel (ping->path->pipeline, ping->token);
  g_clear_object (&ping->task);
  g_hash_table_remove (ping->path->pings, &ping->token);
}

static void
pipeline_pong (gpointer              user_data,
               const TnPipelinePong *pong)
{
  TnDataPath *path = user_data;
  Ping *ping = g_hash_table_lookup (path->pings, &pong->token);

  if (ping == NULL)
    return;

  g_task_return_pointer (ping->task, g_memdup2 (pong, sizeof *pong), g_free);
  ping_end (ping);
}

static guint
ping_timeout_s (const Ping *ping)
{
  return ping->kind == TN_PING_KIND_TSMP ? TN_DATA_PATH_PING_TSMP_TIMEOUT_S : TN_DATA_PATH_PING_TIMEOUT_S;
}

static gboolean
ping_timeout_cb (gpointer data)
{
  Ping *ping = data;

  g_task_return_new_error (ping->task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer within %u s", ping_timeout_s (ping));
  ping_end (ping);
  return G_SOURCE_REMOVE;
}

static gboolean
ping_cancelled_cb (GCancellable *cancellable,
                   gpointer      data)
{
  Ping *ping = data;

  g_task_return_error_if_cancelled (ping->task);
  ping_end (ping);
  return G_SOURCE_REMOVE;
}

static gboolean
ping_send (Ping *ping)
{
  TnDataPath *path = ping->path;
  TnPipeline *pipeline = path->pipeline;
  gint64 now_us = tn_boot_time_us ();
  gboolean sent = ping->kind == TN_PING_KIND_TSMP ? tn_pipeline_ping_tsmp (pipeline, ping->id, &ping->address, ping->token, now_us)
                                                  : tn_pipeline_ping_disco (pipeline, ping->id, ping->size, ping->token, now_us);

  settle (path);
  return sent;
}

/* A peer that is gone may come back while the ping lasts. */
static gboolean
ping_again_cb (gpointer data)
{
  ping_send (data);
  return G_SOURCE_CONTINUE;
}

static void
ping_watch (Ping *ping)
{
  GCancellable *cancellable = g_task_get_cancellable (ping->task);
  GMainContext *context = tn_thread_get_context (ping->path->thread);

  ping->again = g_timeout_source_new (PING_AGAIN_MS);
  g_source_set_callback (ping->again, ping_again_cb, ping, NULL);
  g_source_attach (ping->again, context);
  ping->timeout = g_timeout_source_new (1000 * ping_timeout_s (ping));
  g_source_set_callback (ping->timeout, ping_timeout_cb, ping, NULL);
  g_source_attach (ping->timeout, context);
  if (cancellable != NULL)
    {
      ping->cancelled = tn_cancel_source_new (cancellable);
      g_source_set_callback (ping->cancelled, G_SOURCE_FUNC (ping_cancelled_cb), ping, NULL);
      g_source_attach (ping->cancelled, context);
    }
}

static gboolean
ping_cb (gpointer data)
{
  Call *call = data;
  TnDataPath *path = call->path;
  Ping *ping = call->data;

  if (path->pipeline == NULL)
    return G_SOURCE_REMOVE;

  call->data = NULL;
  call->destroy = NULL;
  ping->token = ++path->last_token;
  g_hash_table_insert (path->pings, &ping->token, ping);
  ping_watch (ping);
  if (!ping_send (ping))
    {
      g_task_return_new_error (ping->task, TN_ERROR, TN_ERROR_UNSUPPORTED, "%s",
                               ping->kind == TN_PING_KIND_DISCO ? "peer has no disco key" : "peer cannot be reached by TSMP");
      ping_end (ping);
    }
  return G_SOURCE_REMOVE;
}

void
tn_data_path_ping (TnDataPath        *path,
                   TnPingKind         kind,
                   gint64             id,
                   const TnIpAddress *address,
                   guint              size,
                   GTask             *task)
{
  Ping *ping = g_new0 (Ping, 1);

  ping->path = path;
  ping->kind = kind;
  ping->id = id;
  ping->address = *address;
  ping->size = size;
  ping->task = g_object_ref (task);
  data_path_call (path, ping_cb, ping, ping_free);
}

/* --- Which way --- */

typedef struct
{
  gint64  id;
  GTask  *task;
} PathQuestion;

static void
path_question_free (gpointer data)
{
  PathQuestion *question = data;

  g_object_unref (question->task);
  g_free (question);
}

static gboolean
ask_path_cb (gpointer data)
{
  TnDataPath *path = ((Call *) data)->path;
  PathQuestion *question = ((Call *) data)->data;
  TnPathAddress address = { .kind = TN_PATH_ADDRESS_NONE };

  if (path->pipeline != NULL)
    tn_pipeline_get_path (path->pipeline, question->id, &address);
  g_task_return_pointer (question->task, g_memdup2 (&address, sizeof address), g_free);
  return G_SOURCE_REMOVE;
}

void
tn_data_path_ask_path (TnDataPath *path,
                       gint64      id,
                       GTask      *task)
{
  PathQuestion *question = g_new (PathQuestion, 1);

  *question = (PathQuestion) { id, g_object_ref (task) };
  data_path_call (path, ask_path_cb, question, path_question_free);
}

/* --- Life --- */

static gboolean
start_underlays (TnDataPath  *path,
                 GError     **error)
{
  static const TnUnderlayCallbacks callbacks = {
    .receive = underlay_receive,
    .writable = underlay_writable,
    .path_gone = underlay_path_gone,
    .link_state = underlay_link_state,
    .health = underlay_health,
  };
  TnUnderlayConfig config = {
    .context = tn_thread_get_context (path->thread),
    .node_key = path->node_key,
    .tls_database = path->tls_database,
    .proxy_resolver = path->proxy_resolver,
    .app_name = path->app_name,
  };

  for (guint i = 0; i < path->underlays->len; i++)
    {
      TnUnderlayTransport *underlay = g_ptr_array_index (path->underlays, i);

      if (!TN_UNDERLAY_TRANSPORT_GET_IFACE (underlay)->start (underlay, &config, &callbacks, path, error))
        return FALSE;
      path->n_started++;
    }
  return TRUE;
}

static gboolean
start_overlay (TnDataPath  *path,
               GError     **error)
{
  static const TnOverlayCallbacks callbacks = { .receive = overlay_receive, .failed = overlay_failed };
  TnOverlayConfig config = { .context = tn_thread_get_context (path->thread), .mtu = path->mtu };

  path->overlay_started = TN_OVERLAY_TRANSPORT_GET_IFACE (path->overlay)->start (path->overlay, &config, &callbacks, path, error);
  return path->overlay_started;
}

static gboolean
start_cb (gpointer data)
{
  static const TnPipelineHooks hooks = {
    .to_overlay = pipeline_to_overlay,
    .to_underlay = pipeline_to_underlay,
    .set_blocked = pipeline_set_blocked,
    .pong = pipeline_pong,
    .wall_time_ns = pipeline_wall_time,
    .random = pipeline_random,
  };
  TnDataPath *path = ((Call *) data)->path;
  g_autoptr (GError) error = NULL;

  path->pipeline = tn_pipeline_new (path->node_key, path->disco_key, &hooks, path);
  tn_tunnel_set_mtu (tn_pipeline_get_tunnel (path->pipeline), path->mtu);
  path->timer = tn_boot_timer_source_new ();
  g_source_set_callback (path->timer, timer_cb, path, NULL);
  g_source_attach (path->timer, tn_thread_get_context (path->thread));

  if (!start_overlay (path, &error) || !start_underlays (path, &error))
    path->callbacks.failed (path->user_data, error);
  return G_SOURCE_REMOVE;
}

static void
stop_now (TnDataPath *path)
{
  g_clear_pointer (&path->linger, g_source_unref);
  g_hash_table_remove_all (path->pings);
  if (path->overlay_started)
    TN_OVERLAY_TRANSPORT_GET_IFACE (path->overlay)->stop (path->overlay);
  for (guint i = 0; i < path->n_started; i++)
    TN_UNDERLAY_TRANSPORT_GET_IFACE (g_ptr_array_index (path->underlays, i))->stop (g_ptr_array_index (path->underlays, i));
  if (path->live != NULL)
    g_source_destroy (path->live);
  g_clear_pointer (&path->live, g_source_unref);
  g_source_destroy (path->timer);
  g_clear_pointer (&path->timer, g_source_unref);
  g_clear_pointer (&path->pipeline, tn_pipeline_free);
  path->callbacks.stopped (path->user_data);
}

static gboolean
is_lingering (TnDataPath *path)
{
  TnOverlayTransportInterface *iface = TN_OVERLAY_TRANSPORT_GET_IFACE (path->overlay);

  return path->overlay_started && iface->is_lingering != NULL && iface->is_lingering (path->overlay) &&
         tn_boot_time_us () < path->linger_until_us;
}

static gboolean
linger_cb (gpointer data)
{
  TnDataPath *path = data;

  if (is_lingering (path))
    return G_SOURCE_CONTINUE;

  stop_now (path);
  return G_SOURCE_REMOVE;
}

static void
unref_path (gpointer data)
{
  tn_data_path_unref (data);
}

static gboolean
stop_cb (gpointer data)
{
  TnDataPath *path = ((Call *) data)->path;

  if (path->pipeline == NULL || path->linger != NULL)
    return G_SOURCE_REMOVE;

  path->linger_until_us = tn_boot_time_us () + LINGER_MAX_US;
  if (!is_lingering (path))
    {
      stop_now (path);
      return G_SOURCE_REMOVE;
    }
  path->linger = g_timeout_source_new (LINGER_LOOK_MS);
  g_source_set_callback (path->linger, linger_cb, tn_data_path_ref (path), unref_path);
  g_source_attach (path->linger, tn_thread_get_context (path->thread));
  return G_SOURCE_REMOVE;
}

TnDataPath *
tn_data_path_new (const TnDataPathConfig    *config,
                  const TnDataPathCallbacks *callbacks,
                  gpointer                   user_data)
{
  TnDataPath *path = g_new0 (TnDataPath, 1);

  g_atomic_ref_count_init (&path->ref_count);
  path->thread = tn_thread_new ("tailnet-data");
  path->underlays = g_ptr_array_ref (config->underlays);
  path->overlay = g_object_ref (config->overlay);
  g_set_object (&path->tls_database, config->tls_database);
  g_set_object (&path->proxy_resolver, config->proxy_resolver);
  path->app_name = g_strdup (config->app_name);
  path->mtu = config->mtu;
  path->callbacks = *callbacks;
  path->user_data = user_data;
  path->node_key = tn_secret_dup (config->node_key, sizeof *path->node_key);
  path->disco_key = tn_secret_dup (config->disco_key, sizeof *path->disco_key);
  path->pings = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, ping_free);
  data_path_call (path, start_cb, NULL, NULL);
  return path;
}

TnDataPath *
tn_data_path_ref (TnDataPath *path)
{
  g_atomic_ref_count_inc (&path->ref_count);
  return path;
}

void
tn_data_path_unref (TnDataPath *path)
{
  if (!g_atomic_ref_count_dec (&path->ref_count))
    return;

  g_assert (path->pipeline == NULL);      /* its owner stops it */
  g_hash_table_unref (path->pings);
  g_ptr_array_unref (path->underlays);
  g_object_unref (path->overlay);
  g_clear_object (&path->tls_database);
  g_clear_object (&path->proxy_resolver);
  g_free (path->app_name);
  tn_secret_free (path->node_key);
  tn_secret_free (path->disco_key);
  tn_thread_unref (path->thread);
  g_free (path);
}

void
tn_data_path_stop (TnDataPath *path)
{
  data_path_call (path, stop_cb, NULL, NULL);
}

/* --- What the netmap says --- */

typedef struct
{
  TnDataPath *path;
  GHashTable *keep;      /* gint64 * */
  GArray     *gone;
} Sweep;

static void
sweep_peer (gint64   id,
            gpointer data)
{
  Sweep *sweep = data;

  if (!g_hash_table_contains (sweep->keep, &id))
    g_array_append_val (sweep->gone, id);
}

static void
remove_others (TnDataPath *path,
               GArray     *upserts,
               gint64      now_us)
{
  g_autoptr (GHashTable) keep = g_hash_table_new (g_int64_hash, g_int64_equal);
  g_autoptr (GArray) gone = g_array_new (FALSE, FALSE, sizeof (gint64));
  Sweep sweep = { path, keep, gone };

  for (guint i = 0; upserts != NULL && i < upserts->len; i++)
    g_hash_table_add (keep, &g_array_index (upserts, TnPipelinePeer, i).id);
  tn_pipeline_foreach_peer_id (path->pipeline, sweep_peer, &sweep);
  for (guint i = 0; i < gone->len; i++)
    tn_pipeline_remove_peer (path->pipeline, g_array_index (gone, gint64, i), now_us);
}

static void
apply_addresses (TnDataPath *path,
                 GArray     *addresses)
{
  TnRouterConfig config = { .addresses = (TnIpPrefix *) addresses->data, .n_addresses = addresses->len };
  TnIpAddress address4 = { 0 };
  TnIpAddress address6 = { 0 };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < addresses->len; i++)
    {
      const TnIpAddress *address = &config.addresses[i].address;

      if (address->version == 4 && address4.version == 0)
        address4 = *address;
      else if (address->version == 6 && address6.version == 0)
        address6 = *address;
    }
  tn_pipeline_set_addresses (path->pipeline, &address4, &address6);
  if (TN_IS_ROUTER (path->overlay) && path->overlay_started &&
      !TN_ROUTER_GET_IFACE (path->overlay)->configure (TN_ROUTER (path->overlay), &config, &error))
    path->callbacks.failed (path->user_data, error);
}

static gboolean
update_cb (gpointer data)
{
  TnDataPath *path = ((Call *) data)->path;
  TnDataPathUpdate *update = ((Call *) data)->data;
  gint64 now_us = tn_boot_time_us ();

  if (path->pipeline == NULL)
    return G_SOURCE_REMOVE;

  if (update->replace_peers)
    remove_others (path, update->upserts, now_us);
  for (guint i = 0; update->removed != NULL && i < update->removed->len; i++)
    tn_pipeline_remove_peer (path->pipeline, g_array_index (update->removed, gint64, i), now_us);
  for (guint i = 0; update->upserts != NULL && i < update->upserts->len; i++)
    tn_pipeline_upsert_peer (path->pipeline, &g_array_index (update->upserts, TnPipelinePeer, i), now_us);
  if (update->router != NULL)
    tn_pipeline_set_router (path->pipeline, update->router);
  if (update->filter != NULL)
    tn_pipeline_set_filters (path->pipeline, update->filter, update->jailed_filter);
  if (update->addresses != NULL)
    apply_addresses (path, update->addresses);
  settle (path);
  path->callbacks.updated (path->user_data);
  return G_SOURCE_REMOVE;
}

void
tn_data_path_take_update (TnDataPath       *path,
                          TnDataPathUpdate *update)
{
  data_path_call (path, update_cb, update, (GDestroyNotify) tn_data_path_update_free);
}

/* A new key is a new identity towards the relays, too: they are left and joined again. */
static gboolean
node_key_cb (gpointer data)
{
  TnDataPath *path = ((Call *) data)->path;
  g_autoptr (GError) error = NULL;

  if (path->pipeline == NULL)
    return G_SOURCE_REMOVE;

  memcpy (path->node_key, ((Call *) data)->data, sizeof *path->node_key);
  tn_pipeline_set_node_key (path->pipeline, path->node_key);
  while (path->n_started > 0)
    {
      TnUnderlayTransport *underlay = g_ptr_array_index (path->underlays, --path->n_started);

      TN_UNDERLAY_TRANSPORT_GET_IFACE (underlay)->stop (underlay);
    }
  if (!start_underlays (path, &error))
    path->callbacks.failed (path->user_data, error);
  settle (path);
  return G_SOURCE_REMOVE;
}

void
tn_data_path_set_node_key (TnDataPath             *path,
                           const TnNodePrivateKey *key)
{
  data_path_call (path, node_key_cb, tn_secret_dup (key, sizeof *key), tn_secret_free);
}

static gboolean
relay_map_cb (gpointer data)
{
  TnDataPath *path = ((Call *) data)->path;
  TnUnderlayTransport *relay = path->pipeline != NULL ? underlay_for (path, TN_PATH_ADDRESS_RELAY) : NULL;

  if (relay != NULL)
    TN_UNDERLAY_TRANSPORT_GET_IFACE (relay)->set_relay_map (relay, ((Call *) data)->data);
  return G_SOURCE_REMOVE;
}

void
tn_data_path_set_relay_map (TnDataPath *path,
                            TnRelayMap *map)
{
  data_path_call (path, relay_map_cb, tn_relay_map_ref (map), (GDestroyNotify) tn_relay_map_unref);
}

static gboolean
home_cb (gpointer data)
{
  TnDataPath *path = ((Call *) data)->path;
  TnUnderlayTransport *relay = path->pipeline != NULL ? underlay_for (path, TN_PATH_ADDRESS_RELAY) : NULL;

  if (relay != NULL)
    TN_UNDERLAY_TRANSPORT_GET_IFACE (relay)->set_home (relay, GPOINTER_TO_UINT (((Call *) data)->data));
  return G_SOURCE_REMOVE;
}

void
tn_data_path_set_home (TnDataPath *path,
                       guint       region)
{
  data_path_call (path, home_cb, GUINT_TO_POINTER (region), NULL);
}

static gboolean
rebind_cb (gpointer data)
{
  TnDataPath *path = ((Call *) data)->path;

  for (guint i = 0; i < path->n_started && path->pipeline != NULL; i++)
    {
      TnUnderlayTransport *underlay = g_ptr_array_index (path->underlays, i);

      if (TN_UNDERLAY_TRANSPORT_GET_IFACE (underlay)->rebind != NULL)
        TN_UNDERLAY_TRANSPORT_GET_IFACE (underlay)->rebind (underlay);
    }
  return G_SOURCE_REMOVE;
}

void
tn_data_path_rebind (TnDataPath *path)
{
  data_path_call (path, rebind_cb, NULL, NULL);
}

static gboolean
connect_peer_cb (gpointer data)
{
  TnDataPath *path = ((Call *) data)->path;

  if (path->pipeline != NULL)
    {
      tn_pipeline_connect (path->pipeline, *(gint64 *) ((Call *) data)->data, tn_boot_time_us ());
      settle (path);
    }
  return G_SOURCE_REMOVE;
}

void
tn_data_path_connect_peer (TnDataPath *path,
                           gint64      id)
{
  data_path_call (path, connect_peer_cb, g_memdup2 (&id, sizeof id), g_free);
}
