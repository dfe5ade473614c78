/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-netmap-private.h"

#include <string.h>

#include "tn-error.h"
#include "tn-expiry.h"

gboolean
tn_netmap_fail_many (GError     **error,
                     const char  *what,
                     gsize        n,
                     guint        max)
{
  g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "map of %" G_GSIZE_FORMAT " %s, at most %u allowed", n, what, max);
  return FALSE;
}

char *
tn_netmap_dup_text (TnJsonText value)
{
  g_autofree char *text = tn_json_text_dup_string (value);

  return text != NULL && *text != '\0' ? g_steal_pointer (&text) : NULL;
}

void
tn_netmap_user_free (TnNetmapUser *user)
{
  g_free (user->login_name);
  g_free (user->display_name);
  g_free (user->picture_url);
  g_strfreev (user->groups);
  g_free (user);
}

void
tn_netmap_message_free (TnNetmapMessage *message)
{
  g_free (message->id);
  g_free (message->title);
  g_free (message->text);
  g_free (message->severity);
  g_free (message->action_url);
  g_free (message->action_label);
  g_free (message);
}

TnNetmap *
tn_netmap_new (void)
{
  TnNetmap *netmap = g_new0 (TnNetmap, 1);

  netmap->peers = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_netmap_node_unref);
  netmap->users = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, (GDestroyNotify) tn_netmap_user_free);      /* the key is in the value */
  netmap->messages = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_netmap_message_free);
  netmap->filters = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_wire_filter_free);
  netmap->collect_services = -1;
  return netmap;
}

void
tn_netmap_free (TnNetmap *netmap)
{
  g_clear_pointer (&netmap->self, tn_netmap_node_unref);
  g_ptr_array_unref (netmap->peers);
  g_clear_pointer (&netmap->relays, tn_relay_map_unref);
  g_free (netmap->domain);
  g_free (netmap->dns);
  g_strfreev (netmap->search_domains);
  g_free (netmap->ssh_policy);
  g_free (netmap->audit_log_id);
  g_hash_table_unref (netmap->users);
  g_strfreev (netmap->health);
  g_ptr_array_unref (netmap->messages);
  g_free (netmap->key_authority_head);
  g_ptr_array_unref (netmap->filters);
  g_free (netmap);
}

/* Index of the peer with @id, or of the place where it belongs. */
guint
tn_netmap_find (const TnNetmap *netmap,
                gint64          id)
{
  guint low = 0, high = netmap->peers->len;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;

      if (((const TnNetmapNode *) g_ptr_array_index (netmap->peers, middle))->id < id)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

gboolean
tn_netmap_find_name (const GPtrArray  *items,
                     TnNetmapNameFunc  get_name,
                     const char       *name,
                     guint            *at)
{
  guint low = 0, high = items->len;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;

      if (strcmp (get_name (g_ptr_array_index (items, middle)), name) < 0)
        low = middle + 1;
      else
        high = middle;
    }
  *at = low;
  return low < items->len && g_str_equal (get_name (g_ptr_array_index (items, low)), name);
}

const TnNetmapNode *
tn_netmap_lookup (const TnNetmap *netmap,
                  gint64          id)
{
  guint at = tn_netmap_find (netmap, id);
  const TnNetmapNode *node = at < netmap->peers->len ? g_ptr_array_index (netmap->peers, at) : NULL;

  return node != NULL && node->id == id ? node : NULL;
}

const TnNetmapUser *
tn_netmap_lookup_user (const TnNetmap *netmap,
                       gint64          id)
{
  return g_hash_table_lookup (netmap->users, &id);
}

static gboolean
strv_equal (const char *const *a,
            const char *const *b)
{
  return a == NULL || b == NULL ? a == b : g_strv_equal (a, b);
}

gboolean
tn_netmap_user_equal (const TnNetmapUser *a,
                      const TnNetmapUser *b)
{
  return a->id == b->id && g_str_equal (a->login_name, b->login_name) && g_str_equal (a->display_name, b->display_name) &&
         g_strcmp0 (a->picture_url, b->picture_url) == 0 &&
         strv_equal ((const char *const *) a->groups, (const char *const *) b->groups);
}

gboolean
tn_netmap_has_attribute (const TnNetmap *netmap,
                         const char     *name)
{
  return netmap->self != NULL && tn_netmap_node_get_capability (netmap->self, name) != NULL;
}

gint64
tn_netmap_control_now (const TnNetmap *netmap,
                       gint64          now_us,
                       gint64          boot_us)
{
  gint64 elapsed_us = netmap->control_time_boot_us != 0 ? boot_us - netmap->control_time_boot_us : now_us - netmap->control_time_at_us;
  gint64 control_us;

  if (netmap->control_time_us == 0)
    return now_us;
  control_us = netmap->control_time_at_us + tn_expiry_clock_delta (netmap->control_time_at_us, netmap->control_time_us) + elapsed_us;
  return control_us >= TN_EXPIRY_EPOCH_US ? control_us : now_us;
}

gboolean
tn_netmap_own_key_expired (const TnNetmap *netmap,
                           gint64          now_us,
                           gint64          boot_us)
{
  gint64 expiry_us = netmap->self != NULL ? netmap->self->key_expiry_us : 0;

  return expiry_us != 0 && expiry_us <= tn_netmap_control_now (netmap, now_us, boot_us);
}

void
tn_netmap_foreach_rule (const TnNetmap   *netmap,
                        TnNetmapRuleFunc  func,
                        gpointer          user_data)
{
  for (guint i = 0; i < netmap->filters->len; i++)
    {
      const TnWireFilter *filter = g_ptr_array_index (netmap->filters, i);

      for (gsize j = 0; j < filter->n_rules; j++)
        func (&filter->rules[j], user_data);
    }
}

TnNetmapChanges *
tn_netmap_changes_new (void)
{
  TnNetmapChanges *changes = g_new0 (TnNetmapChanges, 1);

  changes->added = g_array_new (FALSE, FALSE, sizeof (gint64));
  changes->changed = g_array_new (FALSE, FALSE, sizeof (gint64));
  changes->removed = g_array_new (FALSE, FALSE, sizeof (gint64));
  changes->user_ids = g_array_new (FALSE, FALSE, sizeof (gint64));
  return changes;
}

void
tn_netmap_changes_free (TnNetmapChanges *changes)
{
  g_array_unref (changes->added);
  g_array_unref (changes->changed);
  g_array_unref (changes->removed);
  g_array_unref (changes->user_ids);
  g_free (changes);
}

void
tn_netmap_changes_clear (TnNetmapChanges *changes)
{
  g_array_set_size (changes->added, 0);
  g_array_set_size (changes->changed, 0);
  g_array_set_size (changes->removed, 0);
  g_array_set_size (changes->user_ids, 0);
  *changes = (TnNetmapChanges) { .added = changes->added, .changed = changes->changed, .removed = changes->removed,
                                 .user_ids = changes->user_ids };
}

gboolean
tn_netmap_changes_is_empty (const TnNetmapChanges *changes)
{
  return changes->added->len == 0 && changes->changed->len == 0 && changes->removed->len == 0 && !changes->all_peers &&
         !changes->self && !changes->filter && !changes->relays && !changes->dns && !changes->users && !changes->health &&
         !changes->domain && !changes->ssh_policy && !changes->key_authority;
}
