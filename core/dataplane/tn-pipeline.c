/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-pipeline-private.h"

#include <string.h>

#include "tn-secret.h"

#define SCRATCH_LEN 8192

static const char *const drop_names[TN_PIPELINE_N_DROPS] = {
  [TN_PIPELINE_DROP_NO_ROUTE] = "no-route",
  [TN_PIPELINE_DROP_NO_PATH] = "no-path",
  [TN_PIPELINE_DROP_MALFORMED] = "malformed",
  [TN_PIPELINE_DROP_FORBIDDEN] = "forbidden",
  [TN_PIPELINE_DROP_QUEUE_FULL] = "queue-full",
  [TN_PIPELINE_DROP_UNKNOWN_SENDER] = "unknown-sender",
  [TN_PIPELINE_DROP_SOURCE] = "source",
  [TN_PIPELINE_DROP_FILTER] = "filter",
  [TN_PIPELINE_DROP_FILTER_OUT] = "filter-out",
  [TN_PIPELINE_DROP_DISCO] = "disco",
  [TN_PIPELINE_DROP_CLOSED] = "closed",
};

static void
peer_state_free (gpointer data)
{
  TnPeerState *peer = data;

  tn_hold_queue_clear (&peer->held);
  g_clear_pointer (&peer->direct, tn_direct_free);
  g_free (peer->blocked_destinations);
  g_free (peer);
}

/* @tunnel_peer: nullable. */
static void
set_tunnel_peer (TnPipeline   *pipeline,
                 TnPeerState  *peer,
                 TnTunnelPeer *tunnel_peer)
{
  GList *link = &peer->talking_link;

  peer->tunnel_peer = tunnel_peer;
  if (tunnel_peer != NULL && link->data == NULL)
    {
      link->data = peer;
      g_queue_push_tail_link (&pipeline->talking, link);
      tn_pipeline_direct_join (pipeline, peer);
    }
  else if (tunnel_peer == NULL && link->data != NULL)
    {
      g_queue_unlink (&pipeline->talking, link);
      link->data = NULL;
    }
}

/* --- What the tunnel asks --- */

/* An initiation names a key without a tunnel: peers get theirs on first use. */
static gboolean
tunnel_lookup (gpointer               user_data,
               const TnNodePublicKey *key,
               TnTunnelPeerConfig    *config)
{
  config->user_data = tn_pipeline_peer_by_key (user_data, key);
  return config->user_data != NULL;
}

static void
tunnel_event (gpointer      user_data,
              TnTunnelPeer *tunnel_peer,
              TnTunnelEvent event)
{
  TnPipeline *pipeline = user_data;
  TnPeerState *peer = tn_tunnel_peer_get_user_data (tunnel_peer);

  if (event == TN_TUNNEL_EVENT_CREATED)
    set_tunnel_peer (pipeline, peer, tunnel_peer);
  else if (event == TN_TUNNEL_EVENT_IDLE)
    {
      set_tunnel_peer (pipeline, peer, NULL);
      tn_tunnel_remove_peer (pipeline->tunnel, tunnel_peer);
      tn_hold_queue_clear (&peer->held);
      tn_pipeline_direct_leave (pipeline, peer);
    }
}

static gint64
tunnel_wall_time (gpointer user_data)
{
  TnPipeline *pipeline = user_data;

  return pipeline->hooks.wall_time_ns (pipeline->user_data);
}

static void
tunnel_random (gpointer  user_data,
               void     *out,
               gsize     len)
{
  TnPipeline *pipeline = user_data;

  pipeline->hooks.random (pipeline->user_data, out, len);
}

TnTunnelPeer *
tn_pipeline_ensure_tunnel (TnPipeline  *pipeline,
                           TnPeerState *peer)
{
  TnTunnelPeerConfig config = { .user_data = peer };

  if (G_UNLIKELY (peer->tunnel_peer == NULL) && !pipeline->closed && tn_pipeline_peer_by_key (pipeline, &peer->key) == peer)
    set_tunnel_peer (pipeline, peer, tn_tunnel_add_peer (pipeline->tunnel, &peer->key, &config, pipeline->now_us));
  return peer->tunnel_peer;
}

/* --- Life --- */

TnPipeline *
tn_pipeline_new (const TnNodePrivateKey  *node_key,
                 const TnDiscoPrivateKey *disco_key,
                 const TnPipelineHooks   *hooks,
                 gpointer                 user_data)
{
  static const TnTunnelHooks tunnel_hooks = {
    .send = tn_pipeline_tunnel_send,
    .lookup = tunnel_lookup,
    .event = tunnel_event,
    .wall_time_ns = tunnel_wall_time,
    .random = tunnel_random,
  };
  TnPipeline *pipeline = g_new0 (TnPipeline, 1);

  pipeline->hooks = *hooks;
  pipeline->user_data = user_data;
  pipeline->tunnel = tn_tunnel_new (node_key, &tunnel_hooks, pipeline);
  pipeline->peers_by_id = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, peer_state_free);
  pipeline->peers_by_key = g_hash_table_new (tn_node_public_key_hash, tn_node_public_key_equal_func);
  pipeline->hold_pool = tn_hold_pool_new ();
  pipeline->blocked = g_ptr_array_new ();
  pipeline->disco_private = tn_secret_dup (disco_key, sizeof *disco_key);
  tn_disco_private_key_get_public (disco_key, &pipeline->disco_public);
  tn_node_private_key_get_public (node_key, &pipeline->node_key);
  pipeline->pings = g_array_new (FALSE, FALSE, sizeof (TnPendingPing));
  pipeline->out = tn_packet_batch_new (0);
  pipeline->in = tn_packet_batch_new (0);
  pipeline->scratch = tn_packet_batch_new (SCRATCH_LEN);
  pipeline->direct_due_us = G_MAXINT64;
  tn_filter_state_init (&pipeline->filter_state, TN_FLOW_TABLE_DEFAULT_CAPACITY, 0);
  tn_filter_state_init (&pipeline->jailed_state, TN_FLOW_TABLE_DEFAULT_CAPACITY, 0);
  return pipeline;
}

void
tn_pipeline_free (TnPipeline *pipeline)
{
  tn_tunnel_free (pipeline->tunnel);
  g_clear_pointer (&pipeline->peers_by_disco, g_hash_table_unref);
  g_hash_table_unref (pipeline->peers_by_key);
  g_hash_table_unref (pipeline->peers_by_id);
  g_ptr_array_unref (pipeline->blocked);
  tn_hold_pool_free (pipeline->hold_pool);
  g_clear_pointer (&pipeline->router, tn_overlay_router_unref);
  g_clear_pointer (&pipeline->filter, tn_filter_unref);
  g_clear_pointer (&pipeline->jailed_filter, tn_filter_unref);
  tn_filter_state_clear (&pipeline->filter_state);
  tn_filter_state_clear (&pipeline->jailed_state);
  tn_secret_free (pipeline->disco_private);
  g_array_unref (pipeline->pings);
  tn_packet_batch_free (pipeline->out);
  tn_packet_batch_free (pipeline->in);
  tn_packet_batch_free (pipeline->scratch);
  g_free (pipeline);
}

/* --- Netmap --- */

TnPeerState *
tn_pipeline_peer_by_id (TnPipeline *pipeline,
                        gint64      id)
{
  return g_hash_table_lookup (pipeline->peers_by_id, &id);
}

TnPeerState *
tn_pipeline_peer_by_key (TnPipeline            *pipeline,
                         const TnNodePublicKey *key)
{
  return g_hash_table_lookup (pipeline->peers_by_key, key);
}

void
tn_pipeline_set_node_key (TnPipeline             *pipeline,
                          const TnNodePrivateKey *key)
{
  tn_node_private_key_get_public (key, &pipeline->node_key);
  tn_tunnel_set_private_key (pipeline->tunnel, key);
}

static void
set_shadowed (TnPipeline  *pipeline,
              TnPeerState *peer,
              gboolean     shadowed)
{
  if (peer->shadowed == shadowed)
    return;
  peer->shadowed = shadowed;
  if (shadowed)
    pipeline->n_shadowed++;
  else
    pipeline->n_shadowed--;
}

/* The key goes back to a node that had it too, and stood behind @peer. */
static void
restore_key (TnPipeline  *pipeline,
             TnPeerState *peer)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, pipeline->peers_by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      TnPeerState *other = value;

      if (other->shadowed && tn_node_public_key_equal (&other->key, &peer->key))
        {
          set_shadowed (pipeline, other, FALSE);
          g_hash_table_replace (pipeline->peers_by_key, &other->key, other);
          return;
        }
    }
}

static void
leave_tunnel (TnPipeline  *pipeline,
              TnPeerState *peer)
{
  TnTunnelPeer *tunnel_peer = peer->tunnel_peer;

  set_tunnel_peer (pipeline, peer, NULL);
  if (tunnel_peer != NULL)
    tn_tunnel_remove_peer (pipeline->tunnel, tunnel_peer);
  tn_hold_queue_clear (&peer->held);
  tn_pipeline_unblock (pipeline, peer);
  tn_pipeline_direct_leave (pipeline, peer);
}

static void
forget_key (TnPipeline  *pipeline,
            TnPeerState *peer)
{
  leave_tunnel (pipeline, peer);
  if (peer->shadowed)
    {
      set_shadowed (pipeline, peer, FALSE);
    }
  else if (g_hash_table_lookup (pipeline->peers_by_key, &peer->key) == peer)
    {
      g_hash_table_remove (pipeline->peers_by_key, &peer->key);
      if (G_UNLIKELY (pipeline->n_shadowed > 0))
        restore_key (pipeline, peer);
    }
}

/* Two nodes with one key: a node that registered anew, of which the server has not taken the old one away yet, or the server's mistake. The
 * later one counts, and has the tunnel alone. */
static void
take_key (TnPipeline  *pipeline,
          TnPeerState *peer)
{
  TnPeerState *other = tn_pipeline_peer_by_key (pipeline, &peer->key);

  if (other != NULL && other != peer)
    {
      leave_tunnel (pipeline, other);
      set_shadowed (pipeline, other, TRUE);
    }
  g_hash_table_replace (pipeline->peers_by_key, &peer->key, peer);      /* the table's key lies in the state that it names */
}

void
tn_pipeline_upsert_peer (TnPipeline           *pipeline,
                         const TnPipelinePeer *config,
                         gint64                now_us)
{
  TnPeerState *peer = tn_pipeline_peer_by_id (pipeline, config->id);
  gboolean has_key = peer != NULL && tn_node_public_key_equal (&peer->key, &config->key);

  pipeline->now_us = now_us;
  if (peer == NULL)
    {
      peer = g_new0 (TnPeerState, 1);
      peer->id = config->id;
      peer->latency_us = -1;
      tn_hold_queue_init (&peer->held, pipeline->hold_pool);
      g_hash_table_insert (pipeline->peers_by_id, &peer->id, peer);
    }
  else if (!has_key)
    {
      forget_key (pipeline, peer);
      peer->heard_region = 0;      /* was of who had that key */
    }

  peer->key = config->key;
  if (!tn_disco_public_key_equal (&peer->disco_key, &config->disco_key))
    {
      peer->disco_shared_known = FALSE;
      tn_pipeline_direct_index (pipeline, peer, FALSE);
      peer->disco_key = config->disco_key;
      tn_pipeline_direct_index (pipeline, peer, TRUE);
    }
  peer->home_region = config->home_region;
  if (!has_key)      /* news of the earlier of two does not make it the later one */
    take_key (pipeline, peer);
  tn_pipeline_choose_path (pipeline, peer);
  tn_pipeline_unpark (pipeline, peer);
}

void
tn_pipeline_remove_peer (TnPipeline *pipeline,
                         gint64      id,
                         gint64      now_us)
{
  TnPeerState *peer = tn_pipeline_peer_by_id (pipeline, id);

  if (peer == NULL)
    return;

  pipeline->now_us = now_us;
  forget_key (pipeline, peer);
  tn_pipeline_direct_index (pipeline, peer, FALSE);
  g_hash_table_remove (pipeline->peers_by_id, &id);
}

void
tn_pipeline_foreach_peer_id (TnPipeline *pipeline,
                             void      (*func) (gint64 id, gpointer data),
                             gpointer    data)
{
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, pipeline->peers_by_id);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    func (*(gint64 *) key, data);
}

void
tn_pipeline_set_router (TnPipeline      *pipeline,
                        TnOverlayRouter *router)
{
  tn_overlay_router_ref (router);
  g_clear_pointer (&pipeline->router, tn_overlay_router_unref);
  pipeline->router = router;
}

static void
replace_filter (TnFilter      **place,
                TnFilterState  *state,
                TnFilter       *filter)
{
  tn_filter_state_adopt (state, filter);
  tn_filter_ref (filter);
  g_clear_pointer (place, tn_filter_unref);
  *place = filter;
}

void
tn_pipeline_set_filters (TnPipeline *pipeline,
                         TnFilter   *filter,
                         TnFilter   *jailed_filter)
{
  replace_filter (&pipeline->filter, &pipeline->filter_state, filter);
  replace_filter (&pipeline->jailed_filter, &pipeline->jailed_state, jailed_filter);
}

void
tn_pipeline_set_addresses (TnPipeline        *pipeline,
                           const TnIpAddress *address4,
                           const TnIpAddress *address6)
{
  pipeline->address4 = *address4;
  pipeline->address6 = *address6;
}

void
tn_pipeline_set_open (TnPipeline *pipeline,
                      gboolean    open)
{
  pipeline->closed = !open;
  if (open)
    return;
  while (pipeline->talking.head != NULL)
    leave_tunnel (pipeline, pipeline->talking.head->data);
  memset (pipeline->parked, 0, sizeof pipeline->parked);
}

void
tn_pipeline_connect (TnPipeline *pipeline,
                     gint64      id,
                     gint64      now_us)
{
  TnPeerState *peer = tn_pipeline_peer_by_id (pipeline, id);

  pipeline->now_us = now_us;
  if (peer != NULL && tn_pipeline_ensure_tunnel (pipeline, peer) != NULL)
    tn_tunnel_connect (pipeline->tunnel, peer->tunnel_peer, now_us);
}

/* --- Time, and what can be told --- */

gint64
tn_pipeline_deadline (const TnPipeline *pipeline)
{
  return MIN (tn_tunnel_deadline (pipeline->tunnel), pipeline->direct_due_us);
}

void
tn_pipeline_expire (TnPipeline *pipeline,
                    gint64      now_us)
{
  pipeline->now_us = now_us;
  tn_tunnel_expire (pipeline->tunnel, now_us);
  if (pipeline->direct_due_us <= now_us)
    tn_pipeline_direct_expire (pipeline);
}

GArray *
tn_pipeline_dup_infos (TnPipeline *pipeline)
{
  GArray *infos = g_array_sized_new (FALSE, FALSE, sizeof (TnPipelinePeerInfo), pipeline->talking.length);

  for (const GList *link = pipeline->talking.head; link != NULL; link = link->next)
    {
      const TnPeerState *peer = link->data;
      TnPipelinePeerInfo info = {
        .id = peer->id,
        .path = peer->path,
        .latency_us = peer->latency_us,
        .path_since_wall_ns = peer->path_since_wall_ns,
      };

      tn_tunnel_peer_get_stats (peer->tunnel_peer, &info.stats);
      g_array_append_val (infos, info);
    }
  return infos;
}

void
tn_pipeline_get_path (TnPipeline    *pipeline,
                      gint64         id,
                      TnPathAddress *path)
{
  TnPeerState *peer = tn_pipeline_peer_by_id (pipeline, id);

  *path = peer != NULL ? peer->path : (TnPathAddress) { .kind = TN_PATH_ADDRESS_NONE };
}

guint64
tn_pipeline_get_drops (const TnPipeline *pipeline,
                       TnPipelineDrop    reason)
{
  return pipeline->drops[reason];
}

const char *
tn_pipeline_drop_get_name (TnPipelineDrop reason)
{
  return drop_names[reason];
}

TnTunnel *
tn_pipeline_get_tunnel (TnPipeline *pipeline)
{
  return pipeline->tunnel;
}
