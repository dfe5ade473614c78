/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-netmap-update.h"

#include <string.h>

#include "tn-error.h"
#include "tn-netmap-private.h"
#include "tn-wire-object.h"

/* --- What can be refused: read before the map is touched --- */

typedef struct
{
  TnPeersDraft *peers;
  TnNetmapNode *self;                   /* nullable, as are the next two */
  TnRelayMap   *relays;
  GPtrArray    *filters;                /* as they are going to be: the map's and new ones */
  GPtrArray    *filters_new;            /* of TnWireFilter, owned until the map has them */
  GPtrArray    *filters_old;            /* of TnWireFilter, no longer wanted when the map has the others */
  GHashTable   *users;                  /* gint64 * -> TnNetmapUser */
  gboolean      omit_default_relays;
} Draft;

static void
draft_clear (Draft *draft)
{
  g_clear_pointer (&draft->peers, tn_peers_draft_free);
  g_clear_pointer (&draft->self, tn_netmap_node_unref);
  g_clear_pointer (&draft->relays, tn_relay_map_unref);
  g_clear_pointer (&draft->filters, g_ptr_array_unref);
  g_clear_pointer (&draft->filters_new, g_ptr_array_unref);
  g_clear_pointer (&draft->filters_old, g_ptr_array_unref);
  g_clear_pointer (&draft->users, g_hash_table_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Draft, draft_clear)

static gboolean
read_self (Draft       *draft,
           TnJsonText   value,
           GError     **error)
{
  g_auto (TnArena) arena = { 0 };
  TnWireNode wire;

  if (value.text == NULL)
    return TRUE;
  if (!tn_wire_node_parse (&wire, value, &arena, error))
    return FALSE;
  if (wire.node.id == 0 || tn_node_public_key_is_zero (&wire.node.key))
    {
      g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "Node: this device has no ID or no key");
      return FALSE;
    }
  draft->self = tn_netmap_node_pack (&wire.node, error);
  return draft->self != NULL;
}

static TnNetmapUser *
read_user (gint64     id,
           TnJsonText object)
{
  TnNetmapUser *user = g_new0 (TnNetmapUser, 1);

  user->id = id;
  user->login_name = tn_json_text_dup_string (tn_json_text_member (object, "LoginName"));
  user->display_name = tn_json_text_dup_string (tn_json_text_member (object, "DisplayName"));
  user->picture_url = tn_netmap_dup_text (tn_json_text_member (object, "ProfilePicURL"));
  user->groups = tn_json_text_dup_strv (tn_json_text_member (object, "Groups"));
  if (user->login_name == NULL)
    user->login_name = g_strdup ("");
  if (user->display_name == NULL)
    user->display_name = g_strdup ("");
  return user;
}

static gboolean
count_users (Draft           *draft,
             const TnNetmap  *netmap,
             GError         **error)
{
  guint n = g_hash_table_size (netmap->users);
  GHashTableIter iter;
  gpointer id;

  g_hash_table_iter_init (&iter, draft->users);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    n += !g_hash_table_contains (netmap->users, id);
  return n <= TN_NETMAP_USERS_MAX || tn_netmap_fail_many (error, "users", n, TN_NETMAP_USERS_MAX);
}

static gboolean
read_users (Draft           *draft,
            const TnNetmap  *netmap,
            TnJsonText       list,
            GError         **error)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;

  draft->users = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, (GDestroyNotify) tn_netmap_user_free);
  while (tn_json_array_next (&iter, &item))
    {
      TnNetmapUser *user;
      gint64 id = 0;

      if (tn_json_text_is_null (item))
        continue;
      if (!tn_json_text_get_int (tn_json_text_member (item, "ID"), &id))
        return tn_wire_fail (error, "UserProfiles", item);
      user = read_user (id, item);
      g_hash_table_replace (draft->users, &user->id, user);
      if (g_hash_table_size (draft->users) > TN_NETMAP_USERS_MAX)
        break;
    }
  return count_users (draft, netmap, error);
}

static gboolean
read_relays (Draft           *draft,
             const TnNetmap  *netmap,
             TnJsonText       value,
             GError         **error)
{
  draft->omit_default_relays = netmap->omit_default_relays;
  if (value.text == NULL)
    return TRUE;
  draft->relays = tn_wire_relay_map_parse (value, netmap->relays, &draft->omit_default_relays, error);
  return draft->relays != NULL;
}

static const char *
filter_name (gconstpointer filter)
{
  return ((const TnWireFilter *) filter)->name;
}

/* By name in byte order, which is the order in which they count. NULL deletes. */
static gboolean
set_filter (Draft       *draft,
            const char  *name,
            TnJsonText   list,
            GError     **error)
{
  TnWireFilter *filter = NULL;
  gboolean there;
  guint at;

  there = tn_netmap_find_name (draft->filters, filter_name, name, &at);
  if (!there && draft->filters->len == TN_NETMAP_FILTERS_MAX && !tn_json_text_is_null (list))
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "PacketFilters: more than %u names", TN_NETMAP_FILTERS_MAX);
      return FALSE;
    }
  if (!tn_json_text_is_null (list) && (filter = tn_wire_filter_parse (name, list, error)) == NULL)
    return FALSE;
  if (there)
    g_ptr_array_add (draft->filters_old, g_ptr_array_remove_index (draft->filters, at));
  if (filter != NULL)
    {
      g_ptr_array_add (draft->filters_new, filter);
      g_ptr_array_insert (draft->filters, (int) at, filter);
    }
  return TRUE;
}

static void
begin_filters (Draft          *draft,
               const TnNetmap *netmap)
{
  draft->filters = g_ptr_array_copy (netmap->filters, NULL, NULL);
  g_ptr_array_set_free_func (draft->filters, NULL);
  draft->filters_old = g_ptr_array_new ();
  draft->filters_new = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_wire_filter_free);
}

static gboolean
read_filters (Draft              *draft,
              const TnNetmap     *netmap,
              const TnMapFields  *fields,
              GError            **error)
{
  TnJsonText all = tn_json_text_member (fields->text[MAP_PACKET_FILTERS], "*");
  TnJsonIter iter = TN_JSON_ITER_INIT (fields->text[MAP_PACKET_FILTERS]);
  TnJsonText key, value;

  if (fields->text[MAP_PACKET_FILTER].text == NULL && fields->text[MAP_PACKET_FILTERS].text == NULL)
    return TRUE;
  begin_filters (draft, netmap);
  if (fields->text[MAP_PACKET_FILTER].text != NULL && !set_filter (draft, "base", fields->text[MAP_PACKET_FILTER], error))
    return FALSE;
  if (tn_json_text_kind (all) == TN_JSON_NULL)
    {
      g_ptr_array_extend (draft->filters_old, draft->filters, NULL, NULL);
      g_ptr_array_set_size (draft->filters, 0);
    }
  while (tn_json_object_next (&iter, &key, &value))
    {
      g_autofree char *name = tn_json_text_dup_string (key);

      if (!g_str_equal (name, "*") && !set_filter (draft, name, value, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_parts (Draft              *draft,
            const TnNetmap     *netmap,
            const TnMapFields  *fields,
            gint64              now_us,
            GError            **error)
{
  return (draft->peers = tn_netmap_draft_peers (netmap, fields, now_us, error)) != NULL &&
         read_self (draft, fields->text[MAP_NODE], error) &&
         read_users (draft, netmap, fields->text[MAP_USER_PROFILES], error) &&
         read_relays (draft, netmap, fields->text[MAP_DERP_MAP], error) &&
         read_filters (draft, netmap, fields, error);
}

/* --- Parts of the state --- */

static void
update_self (TnNetmap        *netmap,
             Draft           *draft,
             TnNetmapChanges *changes)
{
  if (draft->self == NULL)
    return;
  changes->self = netmap->self == NULL || tn_netmap_node_compare (netmap->self, draft->self) != 0;
  if (changes->self || g_strcmp0 (netmap->self->audit_log_id, draft->self->audit_log_id) != 0)
    {
      g_clear_pointer (&netmap->self, tn_netmap_node_unref);
      netmap->self = g_steal_pointer (&draft->self);
    }
}

static int
compare_ids (gconstpointer a,
             gconstpointer b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

/* Servers repeat the profile of whose nodes they tell. */
static void
update_users (TnNetmap        *netmap,
              Draft           *draft,
              TnNetmapChanges *changes)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, draft->users);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      TnNetmapUser *user = value;
      const TnNetmapUser *old = tn_netmap_lookup_user (netmap, user->id);

      if (old != NULL && tn_netmap_user_equal (old, user))
        continue;
      g_hash_table_iter_steal (&iter);
      g_array_append_val (changes->user_ids, user->id);
      changes->users = TRUE;
      g_hash_table_replace (netmap->users, &user->id, user);
    }
  g_array_sort (changes->user_ids, compare_ids);
}

static void
update_relays (TnNetmap        *netmap,
               Draft           *draft,
               TnNetmapChanges *changes)
{
  netmap->omit_default_relays = draft->omit_default_relays;
  if (draft->relays == NULL)
    return;
  if (netmap->relays != NULL && tn_relay_map_equal (draft->relays, netmap->relays))      /* some servers tell it again and again */
    return;
  g_clear_pointer (&netmap->relays, tn_relay_map_unref);
  netmap->relays = g_steal_pointer (&draft->relays);
  changes->relays = TRUE;
}

static void
update_filters (TnNetmap        *netmap,
                Draft           *draft,
                TnNetmapChanges *changes)
{
  if (draft->filters == NULL)
    return;
  g_ptr_array_set_free_func (netmap->filters, NULL);
  g_ptr_array_set_free_func (draft->filters_new, NULL);
  g_ptr_array_set_free_func (draft->filters_old, (GDestroyNotify) tn_wire_filter_free);
  g_ptr_array_set_free_func (draft->filters, (GDestroyNotify) tn_wire_filter_free);
  g_ptr_array_unref (netmap->filters);
  netmap->filters = g_steal_pointer (&draft->filters);
  changes->filter = TRUE;
}

static void
update_dns (TnNetmap        *netmap,
            TnJsonText       value,
            TnNetmapChanges *changes)
{
  GString *text;

  if (tn_json_text_kind (value) != TN_JSON_OBJECT)
    return;
  text = g_string_new (NULL);
  tn_wire_object_append (text, value, tn_wire_dns_config_fields);
  if (g_strcmp0 (netmap->dns, text->str) == 0)
    {
      g_string_free (text, TRUE);
      return;
    }
  g_free (netmap->dns);
  netmap->dns = g_string_free (text, FALSE);
  netmap->magic_dns = FALSE;
  if (!tn_json_text_get_bool (tn_json_text_member (value, "Proxied"), &netmap->magic_dns))
    netmap->magic_dns = FALSE;
  g_strfreev (netmap->search_domains);
  netmap->search_domains = tn_json_text_dup_strv (tn_json_text_member (value, "Domains"));
  changes->dns = TRUE;
}

/* A hash of 32 bytes in base32 without padding. */
static gboolean
is_key_authority_head (const char *text)
{
  return strlen (text) == 52 && strspn (text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == 52;
}

static void
update_key_authority (TnNetmap        *netmap,
                      TnJsonText       value,
                      TnNetmapChanges *changes)
{
  gboolean disabled = FALSE;

  if (value.text == NULL)
    return;
  g_free (netmap->key_authority_head);
  netmap->key_authority_head = tn_netmap_dup_text (tn_json_text_member (value, "Head"));
  netmap->key_authority_enabled = !(tn_json_text_get_bool (tn_json_text_member (value, "Disabled"), &disabled) && disabled) &&
                                  (netmap->key_authority_head == NULL || is_key_authority_head (netmap->key_authority_head));
  changes->key_authority = TRUE;
}

static void
replace_text (char       **slot,
              TnJsonText   value)
{
  g_autofree char *text = tn_netmap_dup_text (value);

  if (text != NULL)
    {
      g_free (*slot);
      *slot = g_steal_pointer (&text);
    }
}

static void
update_rest (TnNetmap          *netmap,
             const TnMapFields *fields,
             TnNetmapChanges   *changes)
{
  g_autofree char *old_domain = g_strdup (netmap->domain);
  gboolean collect = FALSE;

  replace_text (&netmap->domain, fields->text[MAP_DOMAIN]);
  changes->domain = g_strcmp0 (old_domain, netmap->domain) != 0;
  replace_text (&netmap->audit_log_id, fields->text[MAP_AUDIT_LOG_ID]);
  if (fields->text[MAP_COLLECT_SERVICES].text != NULL && tn_json_text_get_bool (fields->text[MAP_COLLECT_SERVICES], &collect))
    netmap->collect_services = collect ? 1 : 0;
  if (tn_json_text_kind (fields->text[MAP_SSH_POLICY]) == TN_JSON_OBJECT)
    {
      GString *text = g_string_new (NULL);

      tn_json_text_append (text, fields->text[MAP_SSH_POLICY]);
      g_free (netmap->ssh_policy);
      netmap->ssh_policy = g_string_free (text, FALSE);
      changes->ssh_policy = TRUE;
    }
}

static void
update_control_time (TnNetmap           *netmap,
                     const TnMapMessage *message,
                     gint64              now_us)
{
  if (message->control_time_us == 0)
    return;
  netmap->control_time_us = message->control_time_us;
  netmap->control_time_at_us = now_us;
}

gboolean
tn_netmap_apply (TnNetmap            *netmap,
                 const TnMapMessage  *message,
                 gint64               now_us,
                 TnNetmapChanges     *changes,
                 GError             **error)
{
  const TnMapFields *fields = &message->fields;
  g_auto (Draft) draft = { 0 };

  if (!message->keep_alive && netmap->self == NULL && fields->text[MAP_NODE].text == NULL)
    {
      g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "first message of the map stream lacks Node");
      return FALSE;
    }
  if (!message->keep_alive && !read_parts (&draft, netmap, fields, now_us, error))
    return FALSE;

  update_control_time (netmap, message, now_us);
  if (message->keep_alive)
    return TRUE;
  tn_netmap_adopt_peers (netmap, draft.peers, changes);
  update_self (netmap, &draft, changes);
  update_users (netmap, &draft, changes);
  update_relays (netmap, &draft, changes);
  update_filters (netmap, &draft, changes);
  update_dns (netmap, fields->text[MAP_DNS_CONFIG], changes);
  tn_netmap_update_health (netmap, fields, changes);
  update_key_authority (netmap, fields->text[MAP_TKA_INFO], changes);
  update_rest (netmap, fields, changes);
  return TRUE;
}

gboolean
tn_netmap_update (TnNetmap         *netmap,
                  const char       *json,
                  gsize             len,
                  gint64            now_us,
                  TnMapMessage     *message,
                  TnNetmapChanges  *changes,
                  GError          **error)
{
  return tn_map_message_read (message, json, len, error) && tn_netmap_apply (netmap, message, now_us, changes, error);
}
