/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-model.h"

#include "tn-context.h"
#include "tn-enum-types.h"
#include "tn-name-index.h"
#include "tn-peer-list.h"
#include "tn-status-json.h"

#define LIVE_INTERVAL_US G_USEC_PER_SEC

typedef struct
{
  TnDeviceState state;
  char         *auth_url;
  char         *tailnet_name;
  char         *dns_suffix;
  char         *home_region;
  gint64        key_expiry_us;
  gboolean      magic_dns;
} Facts;

/* What was published and is not in place yet. */
typedef struct
{
  Facts         *facts;
  TnPreferences *preferences;
  GPtrArray     *health;           /* of TnHealthItem */
  TnNodeData    *self_node;
  GPtrArray     *all_peers;        /* of TnNodeData: replaces the list, before peer_changes */
  GHashTable    *peer_changes;     /* stable id -> TnNodeData or NULL */
  guint          has_self : 1;     /* self_node may be NULL and still mean something */
} Pending;

struct _TnDeviceModel
{
  gatomicrefcount ref_count;
  GMainContext   *context;
  GWeakRef        device;

  GMutex          lock;            /* guards pending and live */
  Pending         pending;
  GHashTable     *live;            /* stable id -> TnNodeLive, not shown yet */

  /* In the context. */
  TnBell         *bell;
  TnBell         *live_bell;
  GSource        *live_timer;      /* NULL: none runs */
  gint64          live_shown_us;   /* monotonic */
  Facts           facts;
  TnPreferences  *preferences;
  TnNode         *self_node;       /* NULL until the first map */
  TnPeerList     *peers;
  GListStore     *health;
  TnNameIndex    *index;           /* NULL until somebody looks for a name */
  gboolean        applying;
};

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
  N_FACTS
};
G_STATIC_ASSERT (N_FACTS == TN_DEVICE_N_PROPERTIES);

static const char * const property_names[N_FACTS] = {
  "state", "auth-url", "self-node", "peers", "tailnet-name", "dns-suffix", "preferences", "health", "key-expiry", "home-region",
};

static void
change_free (gpointer data)
{
  if (data != NULL)
    tn_node_data_unref (data);
}

static void
facts_clear (Facts *facts)
{
  g_clear_pointer (&facts->auth_url, g_free);
  g_clear_pointer (&facts->tailnet_name, g_free);
  g_clear_pointer (&facts->dns_suffix, g_free);
  g_clear_pointer (&facts->home_region, g_free);
}

static void
facts_free (Facts *facts)
{
  facts_clear (facts);
  g_free (facts);
}

static void
pending_clear (Pending *pending)
{
  g_clear_pointer (&pending->facts, facts_free);
  g_clear_object (&pending->preferences);
  g_clear_pointer (&pending->health, g_ptr_array_unref);
  g_clear_pointer (&pending->self_node, tn_node_data_unref);
  g_clear_pointer (&pending->all_peers, g_ptr_array_unref);
  g_clear_pointer (&pending->peer_changes, g_hash_table_unref);
}

/* --- What was published comes into place --- */

static void
apply_string (GObject    *device,
              char      **value,
              char      **new_value,
              guint       fact)
{
  if (g_strcmp0 (*value, *new_value) == 0)
    return;
  g_free (*value);
  *value = g_steal_pointer (new_value);
  g_object_notify (device, property_names[fact]);
}

static void
apply_facts (TnDeviceModel *model,
             GObject       *device,
             Facts         *facts)
{
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
  model->facts.magic_dns = facts->magic_dns;
  if (model->index != NULL)
    tn_name_index_set_dns_suffix (model->index, facts->dns_suffix);
  apply_string (device, &model->facts.auth_url, &facts->auth_url, FACT_AUTH_URL);
  apply_string (device, &model->facts.tailnet_name, &facts->tailnet_name, FACT_TAILNET_NAME);
  apply_string (device, &model->facts.dns_suffix, &facts->dns_suffix, FACT_DNS_SUFFIX);
  apply_string (device, &model->facts.home_region, &facts->home_region, FACT_HOME_REGION);
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
    g_list_store_splice (model->health, same_head, n_old - same_head - same_tail, items->pdata + same_head,
                         items->len - same_head - same_tail);
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

static void
apply_peers (TnDeviceModel *model,
             Pending       *pending)
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
       Pending       *pending)
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
  Pending pending;

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
  model->pending = (Pending) { 0 };
  g_mutex_unlock (&model->lock);

  tn_device_model_ref (model);
  model->applying = TRUE;
  apply (model, device, &pending);
  model->applying = FALSE;
  pending_clear (&pending);
  tn_device_model_unref (model);
}

/* --- Counters: at most once a second --- */

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
  tn_peer_list_update_live (model->peers, live);
  if (model->self_node != NULL)
    {
      const TnNodeLive *own = g_hash_table_lookup (live, tn_node_get_stable_id (model->self_node));

      if (own != NULL)
        tn_node_update_live (model->self_node, own);
    }
}

static void
stop_live_timer (TnDeviceModel *model)
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

  stop_live_timer (model);
  if (device != NULL)
    show_live (model);
  return G_SOURCE_REMOVE;
}

static void
live_bell_cb (gpointer target)
{
  TnDevice *device = target;
  TnDeviceModel *model = g_object_get_data (G_OBJECT (device), "tn-device-model");
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

static void
bell_cb (gpointer target)
{
  tn_device_model_flush (g_object_get_data (G_OBJECT (target), "tn-device-model"));
}

/* --- Life --- */

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
  model->live_bell = tn_bell_new (context, G_OBJECT (device), live_bell_cb);
  model->peers = tn_peer_list_new ();
  model->health = g_list_store_new (TN_TYPE_HEALTH_ITEM);

  /* The bells know the device alone: the model must be found from it for as long as they may ring. */
  g_object_set_data_full (G_OBJECT (device), "tn-device-model", tn_device_model_ref (model), (GDestroyNotify) tn_device_model_unref);
  return model;
}

void
tn_device_model_dispose (TnDeviceModel *model)
{
  tn_bell_mute (model->bell);
  tn_bell_mute (model->live_bell);
  stop_live_timer (model);
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
  pending_clear (&model->pending);
  g_clear_pointer (&model->live, g_hash_table_unref);
  facts_clear (&model->facts);
  g_clear_object (&model->preferences);
  g_clear_object (&model->self_node);
  g_clear_object (&model->peers);
  g_clear_object (&model->health);
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
  Facts *copy = g_new0 (Facts, 1);

  copy->state = facts->state;
  copy->auth_url = g_strdup (facts->auth_url);
  copy->tailnet_name = g_strdup (facts->tailnet_name);
  copy->dns_suffix = g_strdup (facts->dns_suffix);
  copy->home_region = g_strdup (facts->home_region);
  copy->key_expiry_us = facts->key_expiry_us;
  copy->magic_dns = facts->magic_dns;

  g_mutex_lock (&model->lock);
  g_clear_pointer (&model->pending.facts, facts_free);
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

void
tn_device_model_publish_peers (TnDeviceModel *model,
                               GPtrArray     *peers)
{
  GPtrArray *copy = g_ptr_array_new_full (peers->len, (GDestroyNotify) tn_node_data_unref);

  for (guint i = 0; i < peers->len; i++)
    g_ptr_array_add (copy, tn_node_data_ref (g_ptr_array_index (peers, i)));

  g_mutex_lock (&model->lock);
  g_clear_pointer (&model->pending.all_peers, g_ptr_array_unref);
  g_clear_pointer (&model->pending.peer_changes, g_hash_table_unref);
  model->pending.all_peers = copy;
  g_mutex_unlock (&model->lock);
  tn_bell_ring (model->bell);
}

static void
publish_change (TnDeviceModel *model,
                const char    *stable_id,
                TnNodeData    *data)
{
  g_mutex_lock (&model->lock);
  if (model->pending.peer_changes == NULL)
    model->pending.peer_changes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, change_free);
  g_hash_table_replace (model->pending.peer_changes, g_strdup (stable_id), data);
  g_mutex_unlock (&model->lock);
  tn_bell_ring (model->bell);
}

void
tn_device_model_publish_peer (TnDeviceModel    *model,
                              const TnNodeData *peer)
{
  publish_change (model, peer->stable_id, tn_node_data_ref (peer));
}

void
tn_device_model_publish_removed (TnDeviceModel *model,
                                 const char    *stable_id)
{
  publish_change (model, stable_id, NULL);
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
      g_value_set_object (value, model->peers);
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
    default:
      return FALSE;
    }
}

/* --- Questions --- */

static TnNameIndex *
ensure_index (TnDeviceModel *model)
{
  g_autoptr (GPtrArray) peers = NULL;

  if (model->index != NULL)
    return model->index;

  model->index = tn_name_index_new ();
  tn_name_index_set_dns_suffix (model->index, model->facts.dns_suffix);
  peers = tn_peer_list_dup_data (model->peers);
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
  return tn_peer_list_dup_node (model->peers, stable_id);
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
  g_autoptr (GPtrArray) peers = tn_peer_list_dup_data (model->peers);
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
  if (model->self_node != NULL)
    tn_status_set_self (status, tn_node_get_data (model->self_node), tn_node_get_live (model->self_node));
  tn_peer_list_foreach (model->peers, add_peer_to_status, status);
  for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (model->health)); i++)
    {
      g_autoptr (TnHealthItem) item = g_list_model_get_item (G_LIST_MODEL (model->health), i);

      g_ptr_array_add (status->health, g_strdup (tn_health_item_get_text (item)));
    }

  /* Everything in it is immutable from here on: 50 000 peers take a while to write. */
  g_task_set_task_data (task, status, (GDestroyNotify) tn_status_free);
  g_task_run_in_thread (task, status_thread);
}
