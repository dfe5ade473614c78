/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-pipeline-private.h"

/* Straight paths to the peers that have a tunnel. */

static void
note_due (TnPipeline  *pipeline,
          TnPeerState *peer)
{
  peer->direct_due_us = tn_direct_deadline (peer->direct, pipeline->now_us);
  pipeline->direct_due_us = MIN (pipeline->direct_due_us, peer->direct_due_us);
}

void
tn_pipeline_direct_try (TnPipeline  *pipeline,
                        TnPeerState *peer)
{
  gboolean can_ping = tn_pipeline_disco_can_ping (pipeline, peer);
  TnDiscoTxid txid;
  TnPathAddress to;

  if (!can_ping)      /* nothing can be proven */
    tn_direct_reset (peer->direct);
  pipeline->hooks.random (pipeline->user_data, txid.bytes, sizeof txid.bytes);
  while (can_ping && tn_direct_next_ping (peer->direct, &txid, pipeline->now_us, &to))
    {
      tn_pipeline_disco_ping (pipeline, peer, &txid, 0, &to);
      pipeline->hooks.random (pipeline->user_data, txid.bytes, sizeof txid.bytes);
    }
  tn_pipeline_choose_path (pipeline, peer);
  if (can_ping)
    note_due (pipeline, peer);
  else
    peer->direct_due_us = G_MAXINT64;
}

void
tn_pipeline_direct_expire (TnPipeline *pipeline)
{
  pipeline->direct_due_us = G_MAXINT64;
  for (const GList *link = pipeline->talking.head; link != NULL; link = link->next)
    {
      TnPeerState *peer = link->data;

      if (peer->direct == NULL)
        continue;
      if (peer->direct_due_us <= pipeline->now_us)
        tn_pipeline_direct_try (pipeline, peer);
      else
        pipeline->direct_due_us = MIN (pipeline->direct_due_us, peer->direct_due_us);
    }
}

/* --- What peers say --- */

static void
ensure (TnPeerState *peer)
{
  if (peer->direct != NULL)
    return;
  peer->direct = tn_direct_new ();
  peer->direct_due_us = G_MAXINT64;
}

gboolean
tn_pipeline_direct_pinged (TnPipeline          *pipeline,
                           TnPeerState         *peer,
                           const TnPathAddress *from)
{
  ensure (peer);
  if (!tn_direct_add_seen (peer->direct, from, pipeline->now_us))
    return FALSE;
  if (peer->tunnel_peer != NULL)
    note_due (pipeline, peer);
  return TRUE;
}

void
tn_pipeline_direct_pong (TnPipeline        *pipeline,
                         TnPeerState       *peer,
                         const TnDiscoTxid *txid)
{
  if (peer->direct == NULL || !tn_direct_pong (peer->direct, txid, pipeline->now_us))
    return;
  tn_pipeline_choose_path (pipeline, peer);
  if (peer->path.kind == TN_PATH_ADDRESS_UDP)
    peer->latency_us = tn_direct_get_latency_us (peer->direct);
  note_due (pipeline, peer);
}

/* --- Life --- */

void
tn_pipeline_direct_join (TnPipeline  *pipeline,
                         TnPeerState *peer)
{
  if (pipeline->peers_by_disco == NULL)
    return;
  ensure (peer);
  if (pipeline->hooks.wants_endpoints != NULL)
    pipeline->hooks.wants_endpoints (pipeline->user_data, peer->id, TRUE);
}

void
tn_pipeline_direct_leave (TnPipeline  *pipeline,
                          TnPeerState *peer)
{
  if (peer->direct == NULL)
    return;
  g_clear_pointer (&peer->direct, tn_direct_free);
  if (pipeline->hooks.wants_endpoints != NULL)
    pipeline->hooks.wants_endpoints (pipeline->user_data, peer->id, FALSE);
  tn_pipeline_choose_path (pipeline, peer);
}

/* Of several with one key the last one counts: only it goes straight. */
void
tn_pipeline_direct_index (TnPipeline  *pipeline,
                          TnPeerState *peer,
                          gboolean     present)
{
  if (pipeline->peers_by_disco == NULL || tn_disco_public_key_is_zero (&peer->disco_key))
    return;
  if (present)
    g_hash_table_replace (pipeline->peers_by_disco, &peer->disco_key, peer);
  else if (g_hash_table_lookup (pipeline->peers_by_disco, &peer->disco_key) == peer)
    g_hash_table_remove (pipeline->peers_by_disco, &peer->disco_key);
  if (present && peer->direct != NULL)      /* it started anew, maybe elsewhere */
    {
      tn_direct_reset (peer->direct);
      note_due (pipeline, peer);
    }
}

void
tn_pipeline_set_direct (TnPipeline *pipeline,
                        gboolean    direct)
{
  GHashTableIter iter;
  gpointer peer;

  if (direct == (pipeline->peers_by_disco != NULL))
    return;
  if (direct)
    pipeline->peers_by_disco = g_hash_table_new (tn_disco_public_key_hash, tn_disco_public_key_equal_func);
  g_hash_table_iter_init (&iter, pipeline->peers_by_id);
  while (g_hash_table_iter_next (&iter, NULL, &peer))
    if (!direct)
      tn_pipeline_direct_leave (pipeline, peer);
    else
      {
        tn_pipeline_direct_index (pipeline, peer, TRUE);
        if (((TnPeerState *) peer)->tunnel_peer != NULL)
          tn_pipeline_direct_join (pipeline, peer);
      }
  if (!direct)
    g_clear_pointer (&pipeline->peers_by_disco, g_hash_table_unref);
}

void
tn_pipeline_set_endpoints (TnPipeline         *pipeline,
                           gint64              id,
                           const TnIpEndpoint *endpoints,
                           guint               n_endpoints,
                           gint64              now_us)
{
  TnPeerState *peer = tn_pipeline_peer_by_id (pipeline, id);

  pipeline->now_us = now_us;
  if (peer == NULL || peer->direct == NULL)
    return;
  tn_direct_set_endpoints (peer->direct, endpoints, n_endpoints);
  tn_pipeline_direct_try (pipeline, peer);
}

void
tn_pipeline_reset_direct (TnPipeline *pipeline,
                          gint64      now_us)
{
  pipeline->now_us = now_us;
  for (const GList *link = pipeline->talking.head; link != NULL; link = link->next)
    {
      TnPeerState *peer = link->data;

      if (peer->direct == NULL)
        continue;
      tn_direct_reset (peer->direct);
      tn_pipeline_direct_try (pipeline, peer);
    }
}
