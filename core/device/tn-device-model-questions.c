/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-model-private.h"

#include "tn-status-json.h"

static TnNameIndex *
ensure_index (TnDeviceModel *model)
{
  g_autoptr (GPtrArray) peers = NULL;

  if (model->index != NULL)
    return model->index;

  model->index = tn_name_index_new ();
  tn_name_index_set_dns_suffix (model->index, model->facts.dns_suffix);
  peers = tn_peer_list_dup_data (tn_device_model_need_peers (model));
  for (guint i = 0; i < peers->len; i++)
    tn_name_index_add (model->index, g_ptr_array_index (peers, i));
  if (model->self_node != NULL)
    tn_name_index_add (model->index, tn_node_get_data (model->self_node));
  return model->index;
}

TnNode *
tn_device_model_dup_node (TnDeviceModel *model,
                          const char    *stable_id)
{
  if (model->self_node != NULL && g_str_equal (tn_node_get_stable_id (model->self_node), stable_id))
    return g_object_ref (model->self_node);
  return tn_peer_list_dup_node (tn_device_model_need_peers (model), stable_id);
}

TnNode *
tn_device_model_lookup_peer (TnDeviceModel *model,
                             const char    *name_or_address)
{
  const TnNodeData *data = tn_name_index_lookup (ensure_index (model), name_or_address);

  return data != NULL ? tn_device_model_dup_node (model, data->stable_id) : NULL;
}

typedef struct
{
  const TnNodeData *data;
  int               bits;
} Match;

static int
compare_matches (gconstpointer a,
                 gconstpointer b)
{
  const Match *x = a, *y = b;

  return x->bits != y->bits ? y->bits - x->bits : tn_node_data_compare (x->data, y->data);
}

/* Longest first. @data stays valid as long as @peers. */
static GArray *
match_routes (GPtrArray         *peers,
              const TnIpAddress *address)
{
  GArray *matches = g_array_new (FALSE, FALSE, sizeof (Match));

  for (guint i = 0; i < peers->len; i++)
    {
      const TnNodeData *data = g_ptr_array_index (peers, i);
      Match match = { data, tn_node_data_match_route (data, address) };

      if (match.bits >= 0)
        g_array_append_val (matches, match);
    }
  g_array_sort (matches, compare_matches);
  return matches;
}

GPtrArray *
tn_device_model_peers_with_route (TnDeviceModel *model,
                                  GInetAddress  *address)
{
  g_autoptr (GPtrArray) peers = tn_peer_list_dup_data (tn_device_model_need_peers (model));
  TnIpAddress wanted = tn_ip_address_from_inet (address);
  g_autoptr (GArray) matches = match_routes (peers, &wanted);
  GPtrArray *nodes = g_ptr_array_new_full (matches->len, g_object_unref);

  for (guint i = 0; i < matches->len; i++)
    g_ptr_array_add (nodes, tn_peer_list_dup_node (model->peers, g_array_index (matches, Match, i).data->stable_id));
  return nodes;
}

TnNode *
tn_device_model_identify (TnDeviceModel *model,
                          GInetAddress  *source)
{
  TnIpAddress address = tn_ip_address_from_inet (source);
  const TnNodeData *data = tn_name_index_by_address (ensure_index (model), &address);
  g_autoptr (GPtrArray) routers = NULL;

  if (data != NULL)
    return tn_device_model_dup_node (model, data->stable_id);

  routers = tn_device_model_peers_with_route (model, source);
  return routers->len > 0 ? g_object_ref (g_ptr_array_index (routers, 0)) : NULL;
}

static void
status_thread (GTask        *task,
               gpointer      source_object,
               gpointer      task_data,
               GCancellable *cancellable)
{
  g_task_return_pointer (task, tn_status_to_json (task_data), g_free);
}

static void
add_peer_to_status (gpointer          user_data,
                    const TnNodeData *data,
                    const TnNodeLive *live)
{
  tn_status_add_peer (user_data, data, live);
}

void
tn_device_model_status_to_json (TnDeviceModel *model,
                                GTask         *task)
{
  TnStatus *status = tn_status_new (model->facts.state);

  status->auth_url = g_strdup (model->facts.auth_url);
  status->tailnet_name = g_strdup (model->facts.tailnet_name);
  status->dns_suffix = g_strdup (model->facts.dns_suffix);
  status->home_region = g_strdup (model->facts.home_region);
  status->magic_dns = model->facts.magic_dns;
  g_set_object (&status->dns_config, model->facts.dns_config);
  if (model->self_node != NULL)
    tn_status_set_self (status, tn_node_get_data (model->self_node), tn_node_get_live (model->self_node));
  tn_peer_list_foreach (tn_device_model_need_peers (model), add_peer_to_status, status);
  for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (model->health)); i++)
    {
      g_autoptr (TnHealthItem) item = g_list_model_get_item (G_LIST_MODEL (model->health), i);

      g_ptr_array_add (status->health, g_strdup (tn_health_item_get_text (item)));
    }

  /* Everything in it is immutable from here on: 50 000 peers take a while to write. */
  g_task_set_task_data (task, status, (GDestroyNotify) tn_status_free);
  g_task_run_in_thread (task, status_thread);
}
