/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-model-private.h"

/* What was published comes into place. */

#define LIVE_INTERVAL_US G_USEC_PER_SEC

void
tn_model_facts_clear (TnModelFacts *facts)
{
  g_clear_pointer (&facts->auth_url, g_free);
  g_clear_pointer (&facts->tailnet_name, g_free);
  g_clear_pointer (&facts->dns_suffix, g_free);
  g_clear_pointer (&facts->home_region, g_free);
  g_clear_object (&facts->dns_config);
  g_clear_error (&facts->error);
}

void
tn_model_facts_free (TnModelFacts *facts)
{
  tn_model_facts_clear (facts);
  g_free (facts);
}

void
tn_model_pending_clear (TnModelPending *pending)
{
  g_clear_pointer (&pending->facts, tn_model_facts_free);
  g_clear_object (&pending->preferences);
  g_clear_pointer (&pending->health, g_ptr_array_unref);
  g_clear_pointer (&pending->self_node, tn_node_data_unref);
  g_clear_pointer (&pending->all_peers, g_ptr_array_unref);
  g_clear_pointer (&pending->peer_changes, g_hash_table_unref);
}

static void
apply_string (GObject    *device,
              char      **value,
              char      **new_value,
              const char *property)
{
  if (g_strcmp0 (*value, *new_value) == 0)
    return;
  g_free (*value);
  *value = g_steal_pointer (new_value);
  g_object_notify (device, property);
}

static gboolean
same_error (const GError *a,
            const GError *b)
{
  return a == b || (a != NULL && b != NULL && g_error_matches (a, b->domain, b->code) && g_str_equal (a->message, b->message));
}

static void
apply_facts (TnDeviceModel *model,
             GObject       *device,
             TnModelFacts         *facts)
{
  if (!same_error (model->facts.error, facts->error))
    {
      g_clear_error (&model->facts.error);
      model->facts.error = g_steal_pointer (&facts->error);
      g_object_notify (device, "error");
    }
  if (model->facts.state != facts->state)
    {
      model->facts.state = facts->state;
      g_object_notify (device, "state");
    }
  if (model->facts.key_expiry_us / G_USEC_PER_SEC != facts->key_expiry_us / G_USEC_PER_SEC)
    {
      model->facts.key_expiry_us = facts->key_expiry_us;
      g_object_notify (device, "key-expiry");
    }
  if (!tn_dns_config_equal (model->facts.dns_config, facts->dns_config))
    {
      g_set_object (&model->facts.dns_config, facts->dns_config);
      g_object_notify (device, "dns-config");
    }
  model->facts.magic_dns = facts->magic_dns;
  if (model->index != NULL)
    tn_name_index_set_dns_suffix (model->index, facts->dns_suffix);
  apply_string (device, &model->facts.auth_url, &facts->auth_url, "auth-url");
  apply_string (device, &model->facts.tailnet_name, &facts->tailnet_name, "tailnet-name");
  apply_string (device, &model->facts.dns_suffix, &facts->dns_suffix, "dns-suffix");
  apply_string (device, &model->facts.home_region, &facts->home_region, "home-region");
}

static void
apply_self (TnDeviceModel    *model,
            GObject          *device,
            const TnNodeData *data)
{
  if (model->index != NULL && model->self_node != NULL)
    tn_name_index_remove (model->index, tn_node_get_stable_id (model->self_node));
  if (model->index != NULL && data != NULL)
    tn_name_index_add (model->index, data);

  if (data != NULL && model->self_node != NULL && g_str_equal (tn_node_get_stable_id (model->self_node), data->stable_id))
    {
      tn_node_update (model->self_node, data);
      return;
    }
  if (data == NULL && model->self_node == NULL)
    return;
  g_clear_object (&model->self_node);
  if (data != NULL)
    model->self_node = tn_node_new (data, NULL);
  g_object_notify (device, "self-node");
}

static void
apply_health (TnDeviceModel *model,
              GPtrArray     *items)
{
  GListModel *list = G_LIST_MODEL (model->health);
  guint n_old = g_list_model_get_n_items (list);
  guint same_head = 0, same_tail = 0, n = MIN (n_old, items->len);

  for (; same_head < n; same_head++)
    {
      g_autoptr (TnHealthItem) item = g_list_model_get_item (list, same_head);

      if (!tn_health_item_equal (item, g_ptr_array_index (items, same_head)))
        break;
    }
  for (; same_tail < n - same_head; same_tail++)
    {
      g_autoptr (TnHealthItem) item = g_list_model_get_item (list, n_old - 1 - same_tail);

      if (!tn_health_item_equal (item, g_ptr_array_index (items, items->len - 1 - same_tail)))
        break;
    }
  if (same_head + same_tail < MAX (n_old, items->len))
    g_list_store_splice (model->health, same_head, n_old - same_head - same_tail,
                         items->len > 0 ? items->pdata + same_head : NULL, items->len - same_head - same_tail);      /* none: no array */
}

static void
index_changes (TnDeviceModel *model,
               GHashTable    *changes)
{
  GHashTableIter iter;
  gpointer id, data;

  if (model->index == NULL)
    return;
  g_hash_table_iter_init (&iter, changes);
  while (g_hash_table_iter_next (&iter, &id, &data))
    if (data != NULL)
      tn_name_index_add (model->index, data);
    else
      tn_name_index_remove (model->index, id);
}

TnPeerList *
tn_device_model_need_peers (TnDeviceModel *model)
{
  g_autoptr (GHashTable) unseen = NULL;
  g_autoptr (GHashTable) live = NULL;
  g_autoptr (GPtrArray) all = NULL;
  GHashTableIter iter;
  gpointer data;

  g_mutex_lock (&model->lock);
  unseen = g_steal_pointer (&model->unseen);
  live = g_steal_pointer (&model->unseen_live);
  g_mutex_unlock (&model->lock);
  if (unseen == NULL)
    return model->peers;

  all = g_ptr_array_sized_new (g_hash_table_size (unseen));
  g_hash_table_iter_init (&iter, unseen);
  while (g_hash_table_iter_next (&iter, NULL, &data))
    g_ptr_array_add (all, data);
  tn_peer_list_replace (model->peers, all);
  tn_peer_list_update_live (model->peers, live);
  return model->peers;
}

static void
apply_peers (TnDeviceModel *model,
             TnModelPending       *pending)
{
  if (pending->all_peers != NULL)
    {
      /* A new list of all is rare: the index is made again when next wanted. */
      g_clear_pointer (&model->index, tn_name_index_free);
      tn_peer_list_replace (model->peers, pending->all_peers);
    }
  if (pending->peer_changes != NULL)
    {
      index_changes (model, pending->peer_changes);
      tn_peer_list_apply (model->peers, pending->peer_changes);
    }
}

static void
apply (TnDeviceModel *model,
       TnDevice      *device,
       TnModelPending       *pending)
{
  g_autofree char *login_url = NULL;

  if (pending->facts != NULL && pending->facts->auth_url != NULL &&
      g_strcmp0 (pending->facts->auth_url, model->facts.auth_url) != 0)
    login_url = g_strdup (pending->facts->auth_url);

  g_object_freeze_notify (G_OBJECT (device));
  if (pending->facts != NULL)
    apply_facts (model, G_OBJECT (device), pending->facts);
  if (pending->preferences != NULL && !tn_preferences_equal (pending->preferences, model->preferences))
    {
      g_set_object (&model->preferences, pending->preferences);
      g_object_notify (G_OBJECT (device), "preferences");
    }
  if (pending->has_self)
    apply_self (model, G_OBJECT (device), pending->self_node);
  apply_peers (model, pending);
  if (pending->health != NULL)
    apply_health (model, pending->health);
  g_object_thaw_notify (G_OBJECT (device));

  if (login_url != NULL)
    g_signal_emit_by_name (device, "login-required", login_url);
}

void
tn_device_model_flush (TnDeviceModel *model)
{
  g_autoptr (TnDevice) device = g_weak_ref_get (&model->device);
  TnModelPending pending;

  if (device == NULL)
    return;

  /* A handler that runs the main loop: what is new waits until the lists are done with what they tell now. */
  if (model->applying)
    {
      tn_bell_ring (model->bell);
      return;
    }

  g_mutex_lock (&model->lock);
  pending = model->pending;
  model->pending = (TnModelPending) { 0 };
  g_mutex_unlock (&model->lock);

  tn_device_model_ref (model);
  model->applying = TRUE;
  apply (model, device, &pending);
  model->applying = FALSE;
  tn_model_pending_clear (&pending);
  tn_device_model_end_waits (model);
  tn_device_model_unref (model);
}

/* --- Counters: at most once a second --- */

/* FALSE: the list is there to show it. */
static gboolean
keep_unseen_live (TnDeviceModel *model,
                  GHashTable    *live)
{
  GHashTableIter iter;
  gpointer id, value;
  gboolean unseen;

  g_mutex_lock (&model->lock);
  unseen = model->unseen != NULL;
  g_hash_table_iter_init (&iter, live);
  while (unseen && g_hash_table_iter_next (&iter, &id, &value))
    if (g_hash_table_contains (model->unseen, id))
      g_hash_table_replace (model->unseen_live, g_strdup (id), g_memdup2 (value, sizeof (TnNodeLive)));
  g_mutex_unlock (&model->lock);
  return unseen;
}

static void
show_live (TnDeviceModel *model)
{
  g_autoptr (GHashTable) live = NULL;

  g_mutex_lock (&model->lock);
  live = g_steal_pointer (&model->live);
  g_mutex_unlock (&model->lock);
  if (live == NULL)
    return;

  model->live_shown_us = g_get_monotonic_time ();
  if (!keep_unseen_live (model, live))
    tn_peer_list_update_live (model->peers, live);
  if (model->self_node != NULL)
    {
      const TnNodeLive *own = g_hash_table_lookup (live, tn_node_get_stable_id (model->self_node));

      if (own != NULL)
        tn_node_update_live (model->self_node, own);
    }
}

void
tn_device_model_stop_live (TnDeviceModel *model)
{
  if (model->live_timer == NULL)
    return;
  g_source_destroy (model->live_timer);
  g_clear_pointer (&model->live_timer, g_source_unref);
}

static gboolean
live_timer_cb (gpointer user_data)
{
  TnDeviceModel *model = user_data;
  g_autoptr (TnDevice) device = g_weak_ref_get (&model->device);

  tn_device_model_stop_live (model);
  if (device != NULL)
    show_live (model);
  return G_SOURCE_REMOVE;
}

void
tn_device_model_live_bell_cb (gpointer target)
{
  TnDevice *device = target;
  TnDeviceModel *model = tn_device_model_of (device);
  gint64 wait_us = model->live_shown_us + LIVE_INTERVAL_US - g_get_monotonic_time ();

  if (model->live_timer != NULL)
    return;
  if (model->live_shown_us == 0 || wait_us <= 0)
    {
      show_live (model);
      return;
    }
  model->live_timer = g_timeout_source_new ((guint) (wait_us / 1000) + 1);
  g_source_set_static_name (model->live_timer, "tailnet counters");
  g_source_set_callback (model->live_timer, live_timer_cb, tn_device_model_ref (model), (GDestroyNotify) tn_device_model_unref);
  g_source_attach (model->live_timer, model->context);
}
