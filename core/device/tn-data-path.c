/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-data-path-private.h"

#include <glib/gstdio.h>

#include "tn-boot-timer.h"
#include "tn-box.h"
#include "tn-secret.h"

#define LIVE_INTERVAL_S 1
#define LINGER_LOOK_MS  10
#define LINGER_MAX_US   (3 * G_USEC_PER_SEC)      /* what a peer has to take the last bytes of closed connections */

static void
call_free (gpointer data)
{
  TnDataPathCall *call = data;

  if (call->destroy != NULL)
    call->destroy (call->data);
  tn_data_path_unref (call->path);
  g_free (call);
}

void
tn_data_path_call (TnDataPath     *path,
                   GSourceFunc     func,
                   gpointer        data,
                   GDestroyNotify  destroy)
{
  TnDataPathCall *call = g_new (TnDataPathCall, 1);

  *call = (TnDataPathCall) { tn_data_path_ref (path), data, destroy };
  tn_thread_call (path->thread, func, call, call_free);
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

void
tn_data_path_settle (TnDataPath *path)
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
  tn_data_path_settle (path);
  return G_SOURCE_CONTINUE;
}

/* --- Between pipeline and overlay --- */

static void
pipeline_to_overlay (gpointer       user_data,
                     TnPacketBatch *batch)
{
  TnDataPath *path = user_data;

  TN_OVERLAY_TRANSPORT_GET_IFACE (path->overlay)->write (path->overlay, batch);
}

static void
pipeline_set_blocked (gpointer           user_data,
                      const TnIpAddress *destination,
                      gboolean           blocked)
{
  TnDataPath *path = user_data;

  TN_OVERLAY_TRANSPORT_GET_IFACE (path->overlay)->set_blocked (path->overlay, destination, blocked);
}

static void
pipeline_set_stalled (gpointer user_data,
                      gboolean stalled)
{
  TnDataPath *path = user_data;

  if (path->overlay_started)
    TN_OVERLAY_TRANSPORT_GET_IFACE (path->overlay)->set_stalled (path->overlay, stalled);
}

static const char *
reason_get_text (guint8 reason)
{
  switch (reason)
    {
    case TN_TSMP_REASON_ACL:
      return "its policy does not allow it";
    case TN_TSMP_REASON_SHIELDS_UP:
      return "it takes no connections";
    case TN_TSMP_REASON_NO_FORWARDING:
      return "it does not forward packets";
    case TN_TSMP_REASON_HOST_FIREWALL:
      return "its firewall does not allow it";
    case TN_TSMP_REASON_UNKNOWN_TRANSIT:
      return "it does not know the address";
    default:
      return "it does not say why";
    }
}

/* The pipeline has made sure that the peer may speak for the address. */
static void
pipeline_rejected (gpointer            user_data,
                   const TnTsmpReject *reject)
{
  TnDataPath *path = user_data;
  TnNetstackInterface *iface = TN_IS_NETSTACK (path->overlay) ? TN_NETSTACK_GET_IFACE (path->overlay) : NULL;

  if (reject->proto != TN_PROTO_TCP || reject->maybe_broken || iface == NULL || iface->rejected == NULL)
    return;
  iface->rejected (TN_NETSTACK (path->overlay), &reject->src, &reject->dst, reason_get_text (reject->reason));
}

static void
pipeline_wants_endpoints (gpointer user_data,
                          gint64   id,
                          gboolean wanted)
{
  TnDataPath *path = user_data;

  path->callbacks.wants_endpoints (path->user_data, id, wanted);
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
  tn_data_path_settle (path);
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
pipeline_capture (gpointer        user_data,
                  gboolean        inbound,
                  TnPipelineDrop  reason,
                  const TnPacket *packet)
{
  TnDataPath *path = user_data;
  const char *comment = reason != TN_PIPELINE_N_DROPS ? tn_pipeline_drop_get_name (reason) : NULL;

  tn_capture_add (path->capture, inbound, comment, packet->data, packet->len);
}

/* --- Life --- */

static gboolean
start_overlay (TnDataPath  *path,
               GError     **error)
{
  static const TnOverlayCallbacks callbacks = { .receive = overlay_receive, .failed = overlay_failed };
  TnOverlayConfig config = {
    .context = tn_thread_get_context (path->thread),
    .mtu = path->mtu,
    .interface = path->wanted_interface,
    .fd = path->tun_fd,
  };

  path->overlay_started = TN_OVERLAY_TRANSPORT_GET_IFACE (path->overlay)->start (path->overlay, &config, &callbacks, path, error);
  if (!path->overlay_started && path->tun_fd > 0)
    g_close (path->tun_fd, NULL);
  return path->overlay_started;
}

static gboolean
start_cb (gpointer data)
{
  TnDataPath *path = ((TnDataPathCall *) data)->path;
  const TnPipelineHooks hooks = {
    .to_overlay = pipeline_to_overlay,
    .to_underlay = tn_data_path_to_underlay,
    .set_blocked = TN_OVERLAY_TRANSPORT_GET_IFACE (path->overlay)->set_blocked != NULL ? pipeline_set_blocked : NULL,
    .set_stalled = TN_OVERLAY_TRANSPORT_GET_IFACE (path->overlay)->set_stalled != NULL ? pipeline_set_stalled : NULL,
    .pong = tn_data_path_pong,
    .rejected = pipeline_rejected,
    .capture = path->capture != NULL ? pipeline_capture : NULL,
    .wants_endpoints = pipeline_wants_endpoints,
    .wall_time_ns = pipeline_wall_time,
    .random = pipeline_random,
  };
  g_autoptr (TnCryptoPool) pool = tn_crypto_pool_ref_default ();
  g_autoptr (GError) error = NULL;

  path->pipeline = tn_pipeline_new (path->node_key, path->disco_key, &hooks, path);
  tn_pipeline_set_open (path->pipeline, FALSE);
  tn_tunnel_set_mtu (tn_pipeline_get_tunnel (path->pipeline), path->mtu);
  tn_tunnel_set_pool (tn_pipeline_get_tunnel (path->pipeline), pool);
  path->timer = tn_boot_timer_source_new ();
  g_source_set_callback (path->timer, timer_cb, path, NULL);
  g_source_attach (path->timer, tn_thread_get_context (path->thread));

  if (!start_overlay (path, &error) || !tn_data_path_start_underlays (path, &error))
    path->callbacks.failed (path->user_data, error);
  else
    tn_data_path_start_router (path);
  return G_SOURCE_REMOVE;
}

/* Once, at its end: what strangers send is no news, and who looks for a fault wants the sums. */
static void
log_drops (TnPipeline *pipeline)
{
  TnTunnel *tunnel = tn_pipeline_get_tunnel (pipeline);

  for (guint i = 0; i < TN_PIPELINE_N_DROPS; i++)
    if (tn_pipeline_get_drops (pipeline, i) > 0)
      g_debug ("dropped %" G_GUINT64_FORMAT " packets: %s", tn_pipeline_get_drops (pipeline, i), tn_pipeline_drop_get_name (i));
  for (guint i = 0; i < TN_TUNNEL_N_DROPS; i++)
    if (tn_tunnel_get_drops (tunnel, i) > 0)
      g_debug ("dropped %" G_GUINT64_FORMAT " datagrams in tunnels: %s", tn_tunnel_get_drops (tunnel, i), tn_tunnel_drop_get_name (i));
}

typedef struct
{
  void   (*stopped) (gpointer user_data);
  gpointer user_data;
} Stopped;

static gboolean
stopped_cb (gpointer data)
{
  const Stopped *stopped = data;

  stopped->stopped (stopped->user_data);
  return G_SOURCE_REMOVE;
}

/* Told by a call that holds no reference, after those under way have let go of theirs: then it is the owner's that is the last, and
 * nobody hears of the end before the thread can be told to. */
static void
tell_stopped (TnDataPath *path)
{
  Stopped *stopped = g_new (Stopped, 1);

  *stopped = (Stopped) { path->callbacks.stopped, path->user_data };
  tn_thread_call (path->thread, stopped_cb, stopped, g_free);
}

static void
stop_now (TnDataPath *path)
{
  g_clear_pointer (&path->linger, g_source_unref);
  g_hash_table_remove_all (path->pings);
  if (path->overlay_started)
    TN_OVERLAY_TRANSPORT_GET_IFACE (path->overlay)->stop (path->overlay);
  tn_data_path_stop_underlays (path);
  if (path->live != NULL)
    g_source_destroy (path->live);
  g_clear_pointer (&path->live, g_source_unref);
  g_source_destroy (path->timer);
  g_clear_pointer (&path->timer, g_source_unref);
  log_drops (path->pipeline);
  g_clear_pointer (&path->pipeline, tn_pipeline_free);
  g_clear_pointer (&path->capture, tn_capture_close);
  tell_stopped (path);
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

  tn_data_path_stop_router (path, stop_now);
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
  TnDataPath *path = ((TnDataPathCall *) data)->path;

  if (path->pipeline == NULL || path->linger != NULL || path->unrouting)
    return G_SOURCE_REMOVE;

  path->linger_until_us = tn_boot_time_us () + LINGER_MAX_US;
  if (!is_lingering (path))
    {
      tn_data_path_stop_router (path, stop_now);
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
  g_set_object (&path->router, config->router);
  path->addresses = g_array_new (FALSE, FALSE, sizeof (TnIpPrefix));
  path->routes = g_array_new (FALSE, FALSE, sizeof (TnIpPrefix));
  g_set_object (&path->tls_database, config->tls_database);
  g_set_object (&path->proxy_resolver, config->proxy_resolver);
  path->app_name = g_strdup (config->app_name);
  path->wanted_interface = g_strdup (config->interface);
  path->tun_fd = config->tun_fd;
  path->capture = config->capture;
  path->mtu = config->mtu;
  path->port = config->port;
  path->mark = config->mark;
  path->callbacks = *callbacks;
  path->user_data = user_data;
  path->node_key = tn_secret_dup (config->node_key, sizeof *path->node_key);
  path->disco_key = tn_secret_dup (config->disco_key, sizeof *path->disco_key);
  path->pings = tn_data_path_new_pings ();
  path->regions = g_hash_table_new (NULL, NULL);
  tn_data_path_call (path, start_cb, NULL, NULL);
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
  g_hash_table_unref (path->regions);
  g_ptr_array_unref (path->underlays);
  g_object_unref (path->overlay);
  g_clear_object (&path->router);
  g_array_unref (path->addresses);
  g_array_unref (path->routes);
  g_free (path->interface);
  g_clear_object (&path->tls_database);
  g_clear_object (&path->proxy_resolver);
  g_free (path->app_name);
  g_free (path->wanted_interface);
  tn_secret_free (path->node_key);
  tn_secret_free (path->disco_key);
  tn_thread_unref (path->thread);
  g_free (path);
}

TnOverlayTransport *
tn_data_path_get_overlay (TnDataPath *path)
{
  return path->overlay;
}

void
tn_data_path_stop (TnDataPath *path)
{
  tn_data_path_call (path, stop_cb, NULL, NULL);
}
