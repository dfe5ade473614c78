/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-overlay-private.h"

/* The snapshot, and what lookups find in it. */

struct _TnOverlayRouter
{
  gatomicrefcount  ref_count;
  gboolean         has_attributes;
  TnPrefixTable   *table;       /* of TnOverlayTarget */
};

TnOverlayShared *
tn_overlay_shared_new (const TnOverlayPeer *peer)
{
  TnOverlayShared *shared = g_new0 (TnOverlayShared, 1);

  g_atomic_ref_count_init (&shared->ref_count);
  shared->route = (TnOverlayRoute) {
    .id = peer->id,
    .peer = peer->peer,
    .jailed = peer->jailed,
    .masquerade4 = peer->masquerade4,
    .masquerade6 = peer->masquerade6,
  };
  return shared;
}

TnOverlayShared *
tn_overlay_shared_ref (TnOverlayShared *shared)
{
  g_atomic_ref_count_inc (&shared->ref_count);
  return shared;
}

void
tn_overlay_shared_unref (TnOverlayShared *shared)
{
  if (g_atomic_ref_count_dec (&shared->ref_count))
    g_free (shared);
}

TnOverlayTarget *
tn_overlay_target_new (TnOverlayShared *const *peers,
                       guint                   n_peers)
{
  TnOverlayTarget *target = g_malloc (sizeof *target + n_peers * sizeof target->peers[0]);

  g_atomic_ref_count_init (&target->ref_count);
  target->n_peers = n_peers;
  memcpy (target->peers, peers, n_peers * sizeof target->peers[0]);
  return target;
}

static void
target_ref (gpointer value)
{
  TnOverlayTarget *target = value;

  g_atomic_ref_count_inc (&target->ref_count);
}

static void
target_unref (gpointer value)
{
  TnOverlayTarget *target = value;

  if (!g_atomic_ref_count_dec (&target->ref_count))
    return;
  for (guint i = 0; i < target->n_peers; i++)
    tn_overlay_shared_unref (target->peers[i]);
  g_free (target);
}

const TnPrefixValueFuncs tn_overlay_target_funcs = { target_ref, target_unref };

TnOverlayRouter *
tn_overlay_router_new (TnPrefixTable *table,
                       gboolean       has_attributes)
{
  TnOverlayRouter *router = g_new0 (TnOverlayRouter, 1);

  g_atomic_ref_count_init (&router->ref_count);
  router->has_attributes = has_attributes;
  router->table = table;
  return router;
}

TnOverlayRouter *
tn_overlay_router_ref (TnOverlayRouter *router)
{
  g_atomic_ref_count_inc (&router->ref_count);
  return router;
}

void
tn_overlay_router_unref (TnOverlayRouter *router)
{
  if (!g_atomic_ref_count_dec (&router->ref_count))
    return;
  tn_prefix_table_free (router->table);
  g_free (router);
}

gboolean
tn_overlay_router_has_attributes (const TnOverlayRouter *router)
{
  return router->has_attributes;
}

const TnOverlayRoute *
tn_overlay_router_lookup (const TnOverlayRouter *router,
                          const TnIpAddress     *destination)
{
  const TnOverlayTarget *target = tn_prefix_table_lookup (router->table, destination);

  return target != NULL ? &target->peers[0]->route : NULL;
}

static gboolean
target_has (const TnOverlayTarget *target,
            gint64                 id)
{
  for (guint i = 0; i < target->n_peers; i++)
    if (target->peers[i]->route.id == id)
      return TRUE;
  return FALSE;
}

static gboolean
is_not_of_cb (gpointer value,
              gpointer user_data)
{
  return !target_has (value, *(const gint64 *) user_data);
}

/* Any prefix of the peer around the source will do, not only the longest one there is: of two peers with nested or equal subnet
 * routes, both may send from what they share. */
gboolean
tn_overlay_router_allows_source (const TnOverlayRouter *router,
                                 gint64                 id,
                                 const TnIpAddress     *source)
{
  const TnOverlayTarget *target = tn_prefix_table_lookup (router->table, source);

  if (target == NULL)
    return FALSE;
  if (target_has (target, id))
    return TRUE;
  return !tn_prefix_table_match (router->table, source, is_not_of_cb, &id);
}
