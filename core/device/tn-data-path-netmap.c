/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-data-path-private.h"

#include "tn-boot-timer.h"

/* What the netmap says, on its way into the pipeline. */

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
  g_clear_pointer (&update->routes, g_array_unref);
  g_clear_pointer (&update->endpoints, g_array_unref);
  g_free (update);
}

gboolean
tn_data_path_update_is_empty (const TnDataPathUpdate *update)
{
  return !update->replace_peers && update->upserts->len + update->removed->len == 0 && update->router == NULL &&
         update->filter == NULL && update->addresses == NULL && update->routes == NULL && update->endpoints == NULL;
}

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

static void
keep_routes (TnDataPath       *path,
             TnDataPathUpdate *update)
{
  GArray **kept[] = { &path->addresses, &path->routes };
  GArray *told[] = { update->addresses, update->routes };

  if (path->router == NULL || (update->addresses == NULL && update->routes == NULL))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (told); i++)
    if (told[i] != NULL)
      {
        g_array_unref (*kept[i]);
        *kept[i] = g_array_ref (told[i]);
      }
  tn_data_path_route (path);
}

static gboolean
open_cb (gpointer data)
{
  TnDataPathCall *call = data;

  if (call->path->pipeline == NULL)
    return G_SOURCE_REMOVE;
  tn_pipeline_set_open (call->path->pipeline, GPOINTER_TO_INT (call->data));
  tn_data_path_settle (call->path);
  return G_SOURCE_REMOVE;
}

void
tn_data_path_set_open (TnDataPath *path,
                       gboolean    open)
{
  tn_data_path_call (path, open_cb, GINT_TO_POINTER (open), NULL);
}

static void
apply_endpoints (TnDataPath *path,
                 GArray     *endpoints,
                 gint64      now_us)
{
  for (guint i = 0; i < endpoints->len; i++)
    {
      const TnDataPathEndpoints *of = &g_array_index (endpoints, TnDataPathEndpoints, i);

      tn_pipeline_set_endpoints (path->pipeline, of->id, of->endpoints, of->n, now_us);
    }
}

static gboolean
update_cb (gpointer data)
{
  TnDataPath *path = ((TnDataPathCall *) data)->path;
  TnDataPathUpdate *update = ((TnDataPathCall *) data)->data;
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
  if (update->endpoints != NULL)
    apply_endpoints (path, update->endpoints, now_us);
  keep_routes (path, update);
  tn_data_path_settle (path);
  if (path->routing)
    path->update_waits = TRUE;
  else
    path->callbacks.updated (path->user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
endpoints_cb (gpointer data)
{
  TnDataPath *path = ((TnDataPathCall *) data)->path;
  const TnDataPathEndpoints *of = ((TnDataPathCall *) data)->data;

  if (path->pipeline == NULL)
    return G_SOURCE_REMOVE;
  tn_pipeline_set_endpoints (path->pipeline, of->id, of->endpoints, of->n, tn_boot_time_us ());
  tn_data_path_settle (path);
  return G_SOURCE_REMOVE;
}

void
tn_data_path_take_endpoints (TnDataPath          *path,
                             TnDataPathEndpoints *endpoints)
{
  tn_data_path_call (path, endpoints_cb, endpoints, g_free);
}

void
tn_data_path_take_update (TnDataPath       *path,
                          TnDataPathUpdate *update)
{
  tn_data_path_call (path, update_cb, update, (GDestroyNotify) tn_data_path_update_free);
}
