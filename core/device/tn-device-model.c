/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-model-private.h"

#include "tn-enum-types.h"

/* The order of what an implementer overrides. */
enum
{
  FACT_STATE,
  FACT_AUTH_URL,
  FACT_SELF_NODE,
  FACT_PEERS,
  FACT_TAILNET_NAME,
  FACT_DNS_SUFFIX,
  FACT_PREFERENCES,
  FACT_HEALTH,
  FACT_KEY_EXPIRY,
  FACT_HOME_REGION,
  FACT_ERROR,
  FACT_DNS_CONFIG,
  N_FACTS
};
G_STATIC_ASSERT (N_FACTS == TN_DEVICE_N_PROPERTIES);

static const char * const property_names[N_FACTS] = {
  "state", "auth-url", "self-node", "peers", "tailnet-name", "dns-suffix", "preferences", "health", "key-expiry", "home-region",
  "error", "dns-config",
};

static void
change_free (gpointer data)
{
  if (data != NULL)
    tn_node_data_unref (data);
}

static void
bell_cb (gpointer target)
{
  tn_device_model_flush (tn_device_model_of (target));
}

/* --- Life --- */

TnDeviceModel *
tn_device_model_of (TnDevice *device)
{
  return g_object_get_data (G_OBJECT (device), "tn-device-model");
}

TnDeviceModel *
tn_device_model_new (TnDevice     *device,
                     GMainContext *context)
{
  TnDeviceModel *model = g_new0 (TnDeviceModel, 1);

  g_atomic_ref_count_init (&model->ref_count);
  g_mutex_init (&model->lock);
  g_weak_ref_init (&model->device, device);
  model->context = g_main_context_ref (context);
  model->bell = tn_bell_new (context, G_OBJECT (device), bell_cb);
  model->live_bell = tn_bell_new (context, G_OBJECT (device), tn_device_model_live_bell_cb);
  model->peers = tn_peer_list_new ();
  model->unseen = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, change_free);
  model->unseen_live = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  model->health = g_list_store_new (TN_TYPE_HEALTH_ITEM);
  model->waiters = tn_device_model_new_waiters ();

  /* The bells know the device alone: the model must be found from it for as long as they may ring. */
  g_object_set_data_full (G_OBJECT (device), "tn-device-model", tn_device_model_ref (model), (GDestroyNotify) tn_device_model_unref);
  return model;
}

void
tn_device_model_dispose (TnDeviceModel *model)
{
  tn_bell_mute (model->bell);
  tn_bell_mute (model->live_bell);
  tn_device_model_stop_live (model);
}

TnDeviceModel *
tn_device_model_ref (TnDeviceModel *model)
{
  g_atomic_ref_count_inc (&model->ref_count);
  return model;
}

void
tn_device_model_unref (TnDeviceModel *model)
{
  if (!g_atomic_ref_count_dec (&model->ref_count))
    return;

  tn_bell_unref (model->bell);
  tn_bell_unref (model->live_bell);
  tn_model_pending_clear (&model->pending);
  g_clear_pointer (&model->live, g_hash_table_unref);
  g_clear_pointer (&model->unseen, g_hash_table_unref);
  g_clear_pointer (&model->unseen_live, g_hash_table_unref);
  tn_model_facts_clear (&model->facts);
  g_clear_object (&model->preferences);
  g_clear_object (&model->self_node);
  g_clear_object (&model->peers);
  g_clear_object (&model->health);
  g_clear_pointer (&model->waiters, g_ptr_array_unref);
  g_clear_pointer (&model->index, tn_name_index_free);
  g_weak_ref_clear (&model->device);
  g_main_context_unref (model->context);
  g_mutex_clear (&model->lock);
  g_free (model);
}

GMainContext *
tn_device_model_get_context (TnDeviceModel *model)
{
  return model->context;
}

/* --- Publishing --- */

void
tn_device_model_publish_facts (TnDeviceModel       *model,
                               const TnDeviceFacts *facts)
{
  TnModelFacts *copy = g_new0 (TnModelFacts, 1);

  copy->state = facts->state;
  copy->auth_url = g_strdup (facts->auth_url);
  copy->tailnet_name = g_strdup (facts->tailnet_name);
  copy->dns_suffix = g_strdup (facts->dns_suffix);
  copy->home_region = g_strdup (facts->home_region);
  copy->key_expiry_us = facts->key_expiry_us;
  copy->magic_dns = facts->magic_dns;
  g_set_object (&copy->dns_config, facts->dns_config);
  copy->error = facts->error != NULL ? g_error_copy (facts->error) : NULL;

  g_mutex_lock (&model->lock);
  g_clear_pointer (&model->pending.facts, tn_model_facts_free);
  model->pending.facts = copy;
  g_mutex_unlock (&model->lock);
  tn_bell_ring (model->bell);
}

void
tn_device_model_publish_preferences (TnDeviceModel *model,
                                     TnPreferences *preferences)
{
  g_mutex_lock (&model->lock);
  g_set_object (&model->pending.preferences, preferences);
  g_mutex_unlock (&model->lock);
  tn_bell_ring (model->bell);
}

void
tn_device_model_publish_health (TnDeviceModel *model,
                                GPtrArray     *items)
{
  GPtrArray *copy = g_ptr_array_copy (items, (GCopyFunc) (void (*) (void)) g_object_ref, NULL);

  g_ptr_array_set_free_func (copy, g_object_unref);
  g_mutex_lock (&model->lock);
  g_clear_pointer (&model->pending.health, g_ptr_array_unref);
  model->pending.health = copy;
  g_mutex_unlock (&model->lock);
  tn_bell_ring (model->bell);
}

void
tn_device_model_publish_self (TnDeviceModel    *model,
                              const TnNodeData *self_node)
{
  g_mutex_lock (&model->lock);
  g_clear_pointer (&model->pending.self_node, tn_node_data_unref);
  model->pending.self_node = self_node != NULL ? tn_node_data_ref (self_node) : NULL;
  model->pending.has_self = TRUE;
  g_mutex_unlock (&model->lock);
  tn_bell_ring (model->bell);
}

/* --- Publishing peers --- */

static void
keep_unseen (TnDeviceModel    *model,
             const TnNodeData *peer)
{
  TnNodeData *data = tn_node_data_ref (peer);

  g_hash_table_replace (model->unseen, data->stable_id, data);
}

static void
set_all_peers (TnDeviceModel *model,
               GPtrArray     *peers)
{
  g_clear_pointer (&model->pending.all_peers, g_ptr_array_unref);
  g_clear_pointer (&model->pending.peer_changes, g_hash_table_unref);
  model->pending.all_peers = g_ptr_array_new_full (peers->len, change_free);
  for (guint i = 0; i < peers->len; i++)
    g_ptr_array_add (model->pending.all_peers, tn_node_data_ref (g_ptr_array_index (peers, i)));
}

void
tn_device_model_publish_peers (TnDeviceModel *model,
                               GPtrArray     *peers)
{
  gboolean wanted;

  g_mutex_lock (&model->lock);
  wanted = model->unseen == NULL;
  if (wanted)
    {
      set_all_peers (model, peers);
    }
  else
    {
      g_hash_table_remove_all (model->unseen);
      for (guint i = 0; i < peers->len; i++)
        keep_unseen (model, g_ptr_array_index (peers, i));
    }
  g_mutex_unlock (&model->lock);
  if (wanted)
    tn_bell_ring (model->bell);
}

static void
set_changes (TnDeviceModel           *model,
             const TnNodeData *const *peers,
             gsize                    n_peers,
             const char *const       *removed,
             gsize                    n_removed)
{
  if (model->pending.peer_changes == NULL)
    model->pending.peer_changes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, change_free);
  for (gsize i = 0; i < n_removed; i++)
    g_hash_table_replace (model->pending.peer_changes, g_strdup (removed[i]), NULL);
  for (gsize i = 0; i < n_peers; i++)
    g_hash_table_replace (model->pending.peer_changes, g_strdup (peers[i]->stable_id), tn_node_data_ref (peers[i]));
}

void
tn_device_model_publish_changes (TnDeviceModel           *model,
                                 const TnNodeData *const *peers,
                                 gsize                    n_peers,
                                 const char *const       *removed,
                                 gsize                    n_removed)
{
  gboolean wanted;

  if (n_peers + n_removed == 0)
    return;

  g_mutex_lock (&model->lock);
  wanted = model->unseen == NULL;
  if (wanted)
    set_changes (model, peers, n_peers, removed, n_removed);
  for (gsize i = 0; !wanted && i < n_removed; i++)
    {
      g_hash_table_remove (model->unseen, removed[i]);
      g_hash_table_remove (model->unseen_live, removed[i]);
    }
  for (gsize i = 0; !wanted && i < n_peers; i++)
    keep_unseen (model, peers[i]);
  g_mutex_unlock (&model->lock);
  if (wanted)
    tn_bell_ring (model->bell);
}

void
tn_device_model_publish_peer (TnDeviceModel    *model,
                              const TnNodeData *peer)
{
  tn_device_model_publish_changes (model, &peer, 1, NULL, 0);
}

void
tn_device_model_publish_removed (TnDeviceModel *model,
                                 const char    *stable_id)
{
  tn_device_model_publish_changes (model, NULL, 0, &stable_id, 1);
}

void
tn_device_model_publish_live (TnDeviceModel    *model,
                              const char       *stable_id,
                              const TnNodeLive *live)
{
  g_mutex_lock (&model->lock);
  if (model->live == NULL)
    model->live = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_hash_table_replace (model->live, g_strdup (stable_id), g_memdup2 (live, sizeof *live));
  g_mutex_unlock (&model->lock);
  tn_bell_ring (model->live_bell);
}

/* --- Properties --- */

void
tn_device_model_override_properties (GObjectClass *klass,
                                     guint         first_id)
{
  for (guint i = 0; i < N_FACTS; i++)
    g_object_class_override_property (klass, first_id + i, property_names[i]);
}

gboolean
tn_device_model_get_property (TnDeviceModel *model,
                              guint          first_id,
                              guint          id,
                              GValue        *value)
{
  if (id < first_id)
    return FALSE;

  switch (id - first_id)
    {
    case FACT_STATE:
      g_value_set_enum (value, (int) model->facts.state);
      return TRUE;
    case FACT_AUTH_URL:
      g_value_set_string (value, model->facts.auth_url);
      return TRUE;
    case FACT_SELF_NODE:
      g_value_set_object (value, model->self_node);
      return TRUE;
    case FACT_PEERS:
      g_value_set_object (value, tn_device_model_need_peers (model));
      return TRUE;
    case FACT_TAILNET_NAME:
      g_value_set_string (value, model->facts.tailnet_name);
      return TRUE;
    case FACT_DNS_SUFFIX:
      g_value_set_string (value, model->facts.dns_suffix);
      return TRUE;
    case FACT_PREFERENCES:
      g_value_set_object (value, model->preferences);
      return TRUE;
    case FACT_HEALTH:
      g_value_set_object (value, model->health);
      return TRUE;
    case FACT_KEY_EXPIRY:
      if (model->facts.key_expiry_us != 0)
        g_value_take_boxed (value, g_date_time_new_from_unix_utc (model->facts.key_expiry_us / G_USEC_PER_SEC));
      return TRUE;
    case FACT_HOME_REGION:
      g_value_set_string (value, model->facts.home_region);
      return TRUE;
    case FACT_ERROR:
      g_value_set_boxed (value, model->facts.error);
      return TRUE;
    case FACT_DNS_CONFIG:
      g_value_set_object (value, model->facts.dns_config);
      return TRUE;
    default:
      return FALSE;
    }
}
