/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

#include "tn-boot-timer.h"

#define CONTROL_CODE "control-message-"      /* a server names its messages as it likes: as no condition of our own */

/* --- For the application --- */

static void
publish_all_peers (TnRuntime      *runtime,
                   const TnNetmap *netmap)
{
  g_autoptr (GPtrArray) peers = g_ptr_array_new_full (netmap->peers->len, (GDestroyNotify) tn_node_data_unref);

  for (guint i = 0; i < netmap->peers->len; i++)
    g_ptr_array_add (peers, tn_netmap_bridge_node_data (runtime->bridge, netmap, g_ptr_array_index (netmap->peers, i)));
  tn_device_model_publish_peers (runtime->model, peers);
}

static void
append_ids (TnRuntime      *runtime,
            const TnNetmap *netmap,
            GArray         *ids,
            GPtrArray      *peers)
{
  for (guint i = 0; i < ids->len; i++)
    {
      const TnNetmapNode *node = tn_netmap_lookup (netmap, g_array_index (ids, gint64, i));

      if (node != NULL)
        g_ptr_array_add (peers, tn_netmap_bridge_node_data (runtime->bridge, netmap, node));
    }
}

/* Those that are gone, and those that the application knows by another stable id: it has no other. */
static void
collect_gone (TnRuntime      *runtime,
              const TnNetmap *netmap,
              GArray         *ids,
              GPtrArray      *gone)
{
  for (guint i = 0; i < ids->len; i++)
    {
      gint64 id = g_array_index (ids, gint64, i);
      const TnNetmapNode *told = tn_netmap_bridge_lookup (runtime->bridge, id);
      const TnNetmapNode *node = tn_netmap_lookup (netmap, id);

      if (told != NULL && (node == NULL || !g_str_equal (node->stable_id, told->stable_id)))
        g_ptr_array_add (gone, (gpointer) (guintptr) tn_netmap_bridge_stable_id (runtime->bridge, id));
    }
}

/* Before the bridge forgets their stable ids. */
static void
publish_removed (TnRuntime             *runtime,
                 const TnNetmap        *netmap,
                 const TnNetmapChanges *changes)
{
  g_autoptr (GPtrArray) gone = g_ptr_array_new ();

  collect_gone (runtime, netmap, changes->removed, gone);
  collect_gone (runtime, netmap, changes->changed, gone);
  tn_device_model_publish_changes (runtime->model, NULL, 0, (const char *const *) gone->pdata, gone->len);
}

static void
publish_peers (TnRuntime             *runtime,
               const TnNetmap        *netmap,
               const TnNetmapChanges *changes)
{
  g_autoptr (GPtrArray) peers = NULL;

  if (changes == NULL)
    {
      publish_all_peers (runtime, netmap);
      return;
    }

  /* At once: the application would take many peers in as many small steps, each of which moves its whole list. */
  peers = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_node_data_unref);
  append_ids (runtime, netmap, changes->added, peers);
  append_ids (runtime, netmap, changes->changed, peers);
  append_ids (runtime, netmap, tn_netmap_bridge_get_concerned (runtime->bridge), peers);
  tn_device_model_publish_changes (runtime->model, (const TnNodeData *const *) peers->pdata, peers->len, NULL, 0);
}

static gboolean
own_key_expired (const TnNetmap *netmap)
{
  return tn_netmap_own_key_expired (netmap, g_get_real_time (), tn_boot_time_us ());
}

static gboolean
names_own_user (const TnNetmap        *netmap,
                const TnNetmapChanges *changes)
{
  for (guint i = 0; i < changes->user_ids->len; i++)
    if (g_array_index (changes->user_ids, gint64, i) == netmap->self->user)
      return TRUE;
  return FALSE;
}

static void
publish_self (TnRuntime      *runtime,
              const TnNetmap *netmap)
{
  g_autoptr (TnNodeData) self = tn_netmap_bridge_node_data (runtime->bridge, netmap, netmap->self);

  self->online = TRUE;      /* nobody else can know better */
  if (own_key_expired (netmap))
    self->expired = TRUE;
  tn_device_model_publish_self (runtime->model, self);
}

static void
update_facts (TnRuntime      *runtime,
              const TnNetmap *netmap)
{
  g_free (runtime->tailnet_name);
  runtime->tailnet_name = g_strdup (netmap->domain);
  g_free (runtime->dns_suffix);
  runtime->dns_suffix = tn_netmap_bridge_dns_suffix (netmap);
  runtime->key_expiry_us = netmap->self->key_expiry_us;
  runtime->magic_dns = netmap->magic_dns;
  tn_runtime_publish_facts (runtime);
}

static TnHealthSeverity
severity_of (const TnNetmapMessage *message)
{
  if (g_str_equal (message->severity, "high"))
    return TN_HEALTH_SEVERITY_HIGH;
  return g_str_equal (message->severity, "low") ? TN_HEALTH_SEVERITY_LOW : TN_HEALTH_SEVERITY_MEDIUM;
}

/* Each message is an item of its own; those that are gone are told so. */
static void
update_messages (TnRuntime      *runtime,
                 const TnNetmap *netmap)
{
  g_autoptr (GHashTable) before = g_steal_pointer (&runtime->messages);
  GHashTableIter iter;
  gpointer code;

  runtime->messages = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < netmap->messages->len; i++)
    {
      const TnNetmapMessage *message = g_ptr_array_index (netmap->messages, i);
      gboolean has_page = message->action_url != NULL && runtime->client != NULL && tn_control_client_may_show (runtime->client, message->action_url);
      g_autofree char *text = has_page ? g_strdup_printf ("%s %s", message->text, message->action_url) : NULL;

      code = g_strdup_printf (CONTROL_CODE "%s", message->id);
      g_hash_table_add (runtime->messages, code);
      tn_runtime_set_health (runtime, code, severity_of (message), message->title, text != NULL ? text : message->text);
    }

  g_hash_table_iter_init (&iter, before);
  while (g_hash_table_iter_next (&iter, &code, NULL))
    if (!g_hash_table_contains (runtime->messages, code))
      tn_runtime_set_health (runtime, code, TN_HEALTH_SEVERITY_LOW, NULL, NULL);
}

static void
update_health (TnRuntime      *runtime,
               const TnNetmap *netmap)
{
  gboolean shows = netmap->messages->len == 0 && netmap->health != NULL && netmap->health[0] != NULL;
  g_autofree char *text = shows ? g_strjoinv ("; ", netmap->health) : NULL;

  update_messages (runtime, netmap);
  tn_runtime_set_health (runtime, "control", TN_HEALTH_SEVERITY_MEDIUM, "The control server reports a problem", text);
}

static void
update_filter_health (TnRuntime *runtime)
{
  const char *problem = tn_netmap_bridge_filter_problem (runtime->bridge);
  g_autofree char *text = problem != NULL ? g_strdup_printf ("The packet filter of the control server is not used, and no peer may "
                                                             "connect to this node: %s", problem) : NULL;

  tn_runtime_set_health (runtime, "packet-filter", TN_HEALTH_SEVERITY_HIGH, "Packet filter refused", text);
}

/* --- What other threads may ask for --- */

static void
keep_shared (TnRuntime              *runtime,
             const TnNetmap         *netmap,
             const TnDataPathUpdate *update)
{
  g_mutex_lock (&runtime->lock);
  if (update->filter != NULL)
    {
      g_clear_pointer (&runtime->filter, tn_filter_unref);
      runtime->filter = tn_filter_ref (update->filter);
    }
  if (netmap->relays != runtime->relays)
    {
      g_clear_pointer (&runtime->relays, tn_relay_map_unref);
      runtime->relays = netmap->relays != NULL ? tn_relay_map_ref (netmap->relays) : NULL;
    }
  for (guint i = netmap->self->n_addresses; i-- > 0;)      /* the first of each family */
    {
      const TnIpAddress *address = &netmap->self->addresses[i].address;
      TnIpAddress *place = address->version == 4 ? &runtime->address4 : &runtime->address6;

      *place = *address;
    }
  g_mutex_unlock (&runtime->lock);
}

/* --- All of it --- */

static TnDeviceState
state_of (const TnNetmap *netmap)
{
  if (own_key_expired (netmap))
    return TN_DEVICE_STATE_NEEDS_LOGIN;
  return netmap->self->machine_authorized ? TN_DEVICE_STATE_RUNNING : TN_DEVICE_STATE_NEEDS_APPROVAL;
}

void
tn_runtime_apply_netmap (TnRuntime             *runtime,
                         const TnNetmap        *netmap,
                         const TnNetmapChanges *changes)
{
  TnDataPathUpdate *update;
  gboolean dns_changed;
  TnDeviceState state;

  if (runtime->closing || netmap->self == NULL)
    return;
  if (!runtime->has_netmap)
    changes = NULL;
  runtime->has_netmap = TRUE;

  /* Packets first: the data thread works while this one tells the application. */
  if (changes != NULL)
    publish_removed (runtime, netmap, changes);
  update = tn_netmap_bridge_update (runtime->bridge, netmap, changes);
  if (update->filter != NULL)
    update_filter_health (runtime);
  keep_shared (runtime, netmap, update);
  state = state_of (netmap);
  tn_runtime_open_data (runtime, state);
  if (tn_data_path_update_is_empty (update))
    tn_data_path_update_free (update);
  else
    tn_data_path_take_update (runtime->data, update);
  if ((changes == NULL || changes->relays) && netmap->relays != NULL)
    {
      tn_data_path_set_relay_map (runtime->data, netmap->relays);
      tn_runtime_update_netcheck (runtime, netmap);
    }
  else if (changes != NULL && changes->self)
    tn_runtime_heed_attributes (runtime, netmap);

  publish_peers (runtime, netmap, changes);
  if (changes == NULL || changes->self || changes->relays || names_own_user (netmap, changes))
    publish_self (runtime, netmap);
  if (changes == NULL || changes->health)
    update_health (runtime, netmap);
  dns_changed = tn_runtime_update_dns (runtime, netmap, changes);
  if (changes == NULL || changes->self || changes->domain || changes->dns || dns_changed)
    update_facts (runtime, netmap);
  tn_runtime_await_expiry (runtime, netmap);
  tn_runtime_set_state (runtime, state);
}
