/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tn-netmap-private.h"
#include "tn-netmap-update.h"

/* The peers of a map stream: full lists and deltas. What is compared with what, and when, is that of tailscale
 * control/controlclient/map.go, since servers are written against it. */

typedef struct
{
  TnNetmap        *netmap;
  TnNetmapChanges *changes;
  GHashTable      *before;       /* id -> node as it was, NULL for one that is new: of the peers that were touched */
  GPtrArray       *replaced;     /* of TnNetmapNode: PeersChanged that are no patches */
  GArray          *patches;      /* of TnWirePatch */
  TnArena          arena;        /* of the patches */
  gint64           now_us;
} Update;

static int
compare_ids (gconstpointer a,
             gconstpointer b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

static int
compare_nodes (gconstpointer a,
               gconstpointer b)
{
  const TnNetmapNode *x = *(const TnNetmapNode *const *) a, *y = *(const TnNetmapNode *const *) b;

  return x->id < y->id ? -1 : x->id > y->id;
}

/* --- A full list --- */

/* Control may not know yet what a peer that is reached already said of itself: a key that it brings along with an older sighting
 * does not replace the one we have. */
static void
keep_fresher_disco_key (TnNetmapNode       *node,
                        const TnNetmapNode *old)
{
  if (old == NULL || tn_disco_public_key_is_zero (&node->disco_key) ||
      tn_disco_public_key_equal (&node->disco_key, &old->disco_key) || node->online == TN_ONLINE_YES || !old->last_seen_known ||
      (node->last_seen_known && node->last_seen_us > old->last_seen_us))
    return;
  node->disco_key = old->disco_key;
  node->last_seen_known = TRUE;
  node->last_seen_us = old->last_seen_us;
}

/* In order of id; of several with the same one the last. */
static void
sort_unique (GPtrArray *nodes)
{
  guint kept = 0;

  g_ptr_array_sort (nodes, compare_nodes);      /* stable */
  for (guint i = 0; i < nodes->len; i++)
    {
      TnNetmapNode *node = g_ptr_array_index (nodes, i);

      if (kept > 0 && ((TnNetmapNode *) nodes->pdata[kept - 1])->id == node->id)
        tn_netmap_node_unref (nodes->pdata[--kept]);
      nodes->pdata[kept++] = node;
    }
  nodes->len = kept;
}

static GPtrArray *
parse_all (TnNetmap    *netmap,
           TnJsonText   list,
           GError     **error)
{
  g_autoptr (GPtrArray) nodes = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_netmap_node_unref);
  g_auto (TnArena) arena = { 0 };
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;

  while (tn_json_array_next (&iter, &item))
    {
      TnWireNode wire;

      if (tn_json_text_is_null (item))
        continue;
      tn_arena_reset (&arena);
      if (!tn_wire_node_parse (&wire, item, &arena, error))
        return NULL;
      keep_fresher_disco_key (&wire.node, tn_netmap_lookup (netmap, wire.node.id));
      g_ptr_array_add (nodes, tn_netmap_node_pack (&wire.node));
    }

  sort_unique (nodes);
  return g_steal_pointer (&nodes);
}

/* Both sorted. A peer that did not change keeps its node. */
static void
note_differences (GPtrArray       *old,
                  GPtrArray       *new_peers,
                  TnNetmapChanges *changes)
{
  guint i = 0, j = 0;

  while (i < old->len || j < new_peers->len)
    {
      TnNetmapNode *was = i < old->len ? g_ptr_array_index (old, i) : NULL;
      TnNetmapNode *is = j < new_peers->len ? g_ptr_array_index (new_peers, j) : NULL;

      if (is == NULL || (was != NULL && was->id < is->id))
        {
          g_array_append_val (changes->removed, was->id);
          i++;
        }
      else if (was == NULL || is->id < was->id)
        {
          g_array_append_val (changes->added, is->id);
          j++;
        }
      else
        {
          if (tn_netmap_node_compare (was, is) != 0)
            {
              g_array_append_val (changes->changed, is->id);
            }
          else
            {
              new_peers->pdata[j] = tn_netmap_node_ref (was);
              tn_netmap_node_unref (is);
            }
          i++;
          j++;
        }
    }
}

/* Profiles of @netmap that are not in @other, or not the same there. */
static void
note_other_users (const TnNetmap  *netmap,
                  const TnNetmap  *other,
                  gboolean         only_missing,
                  TnNetmapChanges *changes)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, netmap->users);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const TnNetmapUser *user = value;
      const TnNetmapUser *twin = other != NULL ? tn_netmap_lookup_user (other, user->id) : NULL;

      if (twin == NULL || (!only_missing && !tn_netmap_user_equal (user, twin)))
        g_array_append_val (changes->user_ids, user->id);
    }
}

/* The same ones: what was measured of them holds. */
static void
keep_relays (TnNetmap       *netmap,
             const TnNetmap *before)
{
  if (before->relays == NULL || netmap->relays == NULL || !tn_relay_map_equal (before->relays, netmap->relays))
    return;
  tn_relay_map_unref (netmap->relays);
  netmap->relays = tn_relay_map_ref (before->relays);
}

void
tn_netmap_follow (TnNetmap        *netmap,
                  const TnNetmap  *before,
                  TnNetmapChanges *changes)
{
  tn_netmap_changes_clear (changes);
  changes->all_peers = changes->self = changes->filter = changes->relays = changes->dns = TRUE;
  changes->users = changes->health = changes->domain = changes->ssh_policy = changes->key_authority = TRUE;
  note_other_users (netmap, before, FALSE, changes);
  if (before != NULL)
    {
      keep_relays (netmap, before);
      note_other_users (before, netmap, TRUE, changes);
      note_differences (before->peers, netmap->peers, changes);
    }
  for (guint i = 0; before == NULL && i < netmap->peers->len; i++)
    g_array_append_val (changes->added, ((TnNetmapNode *) g_ptr_array_index (netmap->peers, i))->id);
}

static gboolean
replace_all (TnNetmap         *netmap,
             TnJsonText        list,
             TnNetmapChanges  *changes,
             GError          **error)
{
  GPtrArray *peers = parse_all (netmap, list, error);

  if (peers == NULL)
    return FALSE;
  note_differences (netmap->peers, peers, changes);
  g_ptr_array_unref (netmap->peers);
  netmap->peers = peers;
  changes->all_peers = TRUE;
  return TRUE;
}

/* --- Deltas --- */

/* Before the first change of a peer. */
static void
remember (Update *u,
          gint64  id)
{
  const TnNetmapNode *node = tn_netmap_lookup (u->netmap, id);

  if (!g_hash_table_contains (u->before, &id))
    g_hash_table_insert (u->before, g_memdup2 (&id, sizeof id), node != NULL ? tn_netmap_node_ref (node) : NULL);
}

/* In the place of the peer that is there. */
static void
put_peer (Update       *u,
          TnNetmapNode *node)
{
  gpointer *place = &u->netmap->peers->pdata[tn_netmap_find (u->netmap, node->id)];

  remember (u, node->id);
  tn_netmap_node_unref (*place);
  *place = node;
}

/* A new peer moves all those behind it: beyond this many, one pass over all is less work. */
#define FEW 16

static void
insert_peer (GPtrArray    *peers,
             guint         at,
             TnNetmapNode *node)
{
  if (at == peers->len || ((TnNetmapNode *) peers->pdata[at])->id != node->id)
    {
      g_ptr_array_insert (peers, (int) at, tn_netmap_node_ref (node));
      return;
    }
  tn_netmap_node_unref (peers->pdata[at]);
  peers->pdata[at] = tn_netmap_node_ref (node);
}

static void
put_peers (Update    *u,
           GPtrArray *nodes)
{
  GPtrArray *peers = u->netmap->peers;

  for (guint i = 0; i < nodes->len; i++)
    remember (u, ((TnNetmapNode *) g_ptr_array_index (nodes, i))->id);
  if (nodes->len <= FEW)
    {
      for (guint i = 0; i < nodes->len; i++)
        {
          TnNetmapNode *node = g_ptr_array_index (nodes, i);

          insert_peer (peers, tn_netmap_find (u->netmap, node->id), node);
        }
      return;
    }
  for (guint i = 0; i < nodes->len; i++)
    g_ptr_array_add (peers, tn_netmap_node_ref (g_ptr_array_index (nodes, i)));
  sort_unique (peers);
}

/* All that were touched so far, and there are as many of them as @n. */
static void
drop_touched (Update *u,
              guint   n)
{
  GPtrArray *peers = u->netmap->peers;
  GHashTableIter iter;
  gpointer id;
  guint kept = 0;

  g_hash_table_iter_init (&iter, u->before);
  while (n <= FEW && g_hash_table_iter_next (&iter, &id, NULL))
    g_ptr_array_remove_index (peers, tn_netmap_find (u->netmap, *(gint64 *) id));
  if (n <= FEW)
    return;

  for (guint i = 0; i < peers->len; i++)
    {
      TnNetmapNode *node = g_ptr_array_index (peers, i);

      if (g_hash_table_contains (u->before, &node->id))
        tn_netmap_node_unref (node);
      else
        peers->pdata[kept++] = node;
    }
  peers->len = kept;
}

/* Before anything else is touched. */
static gboolean
remove_peers (Update      *u,
              TnJsonText   list,
              GError     **error)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;

  while (tn_json_array_next (&iter, &item))
    {
      gint64 id = 0;

      if (!tn_json_text_get_int (item, &id))
        return tn_wire_fail (error, "PeersRemoved", item);
      if (tn_netmap_lookup (u->netmap, id) != NULL)
        remember (u, id);
    }
  drop_touched (u, g_hash_table_size (u->before));
  return TRUE;
}

/* What a changed node says beyond @old, as the patch that control could have sent instead. */
static void
make_patch (TnWirePatch        *patch,
            const TnWireNode   *wire,
            const TnNetmapNode *old,
            TnNodeDifference    difference)
{
  patch->node = wire->node;
  patch->set = difference;
  if (wire->node.home_region == 0)
    patch->set &= ~TN_NODE_DIFFERS_HOME_REGION;
  if (wire->node.capability_version == 0)
    patch->set &= ~TN_NODE_DIFFERS_VERSION;
  if (!wire->has_endpoints)
    patch->set &= ~TN_NODE_DIFFERS_ENDPOINTS;
  if (!wire->has_key_signature)
    patch->set &= ~TN_NODE_DIFFERS_KEY_SIGNATURE;
  if (wire->node.online == TN_ONLINE_UNKNOWN || old->online == TN_ONLINE_UNKNOWN)
    patch->set &= ~TN_NODE_DIFFERS_ONLINE;
  if (!wire->node.last_seen_known || !old->last_seen_known)
    patch->set &= ~TN_NODE_DIFFERS_LAST_SEEN;
}

static gboolean
parse_changed (Update      *u,
               TnJsonText   list,
               GError     **error)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;

  while (tn_json_array_next (&iter, &item))
    {
      const TnNetmapNode *old;
      TnNodeDifference difference;
      TnWirePatch patch;
      TnWireNode wire;

      if (tn_json_text_is_null (item))
        continue;
      if (!tn_wire_node_parse (&wire, item, &u->arena, error))
        return FALSE;
      old = tn_netmap_lookup (u->netmap, wire.node.id);
      difference = old != NULL ? tn_netmap_node_compare (old, &wire.node) : TN_NODE_DIFFERS_FIXED;
      if (difference & TN_NODE_DIFFERS_FIXED)
        {
          g_ptr_array_add (u->replaced, tn_netmap_node_pack (&wire.node));
          continue;
        }
      make_patch (&patch, &wire, old, difference);
      if (patch.set != 0)
        g_array_append_val (u->patches, patch);
    }
  return TRUE;
}

static gboolean
parse_patches (Update      *u,
               TnJsonText   list,
               GError     **error)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;

  while (tn_json_array_next (&iter, &item))
    {
      TnWirePatch patch;

      if (tn_json_text_is_null (item))
        continue;
      if (!tn_wire_patch_parse (&patch, item, &u->arena, error))
        return FALSE;
      g_array_append_val (u->patches, patch);
    }
  return TRUE;
}

/* A patch with an older sighting of an offline peer says nothing new of its disco key, nor of anything else. */
static gboolean
is_stale (Update            *u,
          const TnWirePatch *patch)
{
  const TnNodeDifference needed = TN_NODE_DIFFERS_DISCO_KEY | TN_NODE_DIFFERS_ONLINE | TN_NODE_DIFFERS_LAST_SEEN;
  const TnNetmapNode *old = tn_netmap_lookup (u->netmap, patch->node.id);

  return (patch->set & needed) == needed && patch->node.online == TN_ONLINE_NO && old != NULL && old->last_seen_known &&
         patch->node.last_seen_us <= old->last_seen_us;
}

static void
drop_stale_patches (Update *u)
{
  guint kept = 0;

  for (guint i = 0; i < u->patches->len; i++)
    if (!is_stale (u, &g_array_index (u->patches, TnWirePatch, i)))
      g_array_index (u->patches, TnWirePatch, kept++) = g_array_index (u->patches, TnWirePatch, i);
  g_array_set_size (u->patches, kept);
}

static void
apply_patch (TnNetmapNode      *node,
             const TnWirePatch *patch)
{
  const TnNetmapNode *from = &patch->node;

  if (patch->set & TN_NODE_DIFFERS_HOME_REGION)
    node->home_region = from->home_region;
  if (patch->set & TN_NODE_DIFFERS_VERSION)
    node->capability_version = from->capability_version;
  if (patch->set & TN_NODE_DIFFERS_ENDPOINTS)
    {
      node->endpoints = from->endpoints;
      node->n_endpoints = from->n_endpoints;
    }
  if (patch->set & TN_NODE_DIFFERS_KEY)
    node->key = from->key;
  if (patch->set & TN_NODE_DIFFERS_DISCO_KEY)
    node->disco_key = from->disco_key;
  if (patch->set & TN_NODE_DIFFERS_ONLINE)
    node->online = from->online;
  if (patch->set & TN_NODE_DIFFERS_LAST_SEEN)
    {
      node->last_seen_us = from->last_seen_us;
      node->last_seen_known = TRUE;
    }
  if (patch->set & TN_NODE_DIFFERS_KEY_EXPIRY)
    node->key_expiry_us = from->key_expiry_us;
  if (patch->set & TN_NODE_DIFFERS_KEY_SIGNATURE)
    {
      node->key_signature = from->key_signature;
      node->key_signature_len = from->key_signature_len;
    }
  if (patch->set & TN_NODE_DIFFERS_CAPABILITIES)
    {
      node->capabilities = from->capabilities;
      node->n_capabilities = from->n_capabilities;
    }
}

static void
apply_patches (Update *u)
{
  for (guint i = 0; i < u->patches->len; i++)
    {
      const TnWirePatch *patch = &g_array_index (u->patches, TnWirePatch, i);
      const TnNetmapNode *old = tn_netmap_lookup (u->netmap, patch->node.id);
      TnNetmapNode node;

      if (old == NULL)
        continue;
      node = *old;
      apply_patch (&node, patch);
      put_peer (u, tn_netmap_node_pack (&node));
    }
}

/* PeerSeenChange and OnlineChange: id -> flag. */
static gboolean
apply_flags (Update      *u,
             TnJsonText   map,
             gboolean     online,
             GError     **error)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (map);
  TnJsonText key, value;

  while (tn_json_object_next (&iter, &key, &value))
    {
      g_autofree char *text = tn_json_text_dup_string (key);
      const TnNetmapNode *old;
      TnNetmapNode node;
      gboolean flag = FALSE;
      gint64 id;

      if (!g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &id, NULL) || !tn_json_text_get_bool (value, &flag))
        return tn_wire_fail (error, online ? "OnlineChange" : "PeerSeenChange", value);
      old = tn_netmap_lookup (u->netmap, id);
      if (old == NULL)
        continue;
      node = *old;
      if (online)
        {
          node.online = flag ? TN_ONLINE_YES : TN_ONLINE_NO;
        }
      else
        {
          node.last_seen_known = flag != FALSE;
          node.last_seen_us = flag ? u->now_us : 0;
        }
      put_peer (u, tn_netmap_node_pack (&node));
    }
  return TRUE;
}

static gboolean
apply_delta (Update             *u,
             const TnMapFields  *fields,
             GError            **error)
{
  if (!parse_patches (u, fields->text[MAP_PEERS_CHANGED_PATCH], error) ||
      !parse_changed (u, fields->text[MAP_PEERS_CHANGED], error))
    return FALSE;
  drop_stale_patches (u);

  if (!remove_peers (u, fields->text[MAP_PEERS_REMOVED], error))
    return FALSE;
  if (u->replaced->len > 0)
    put_peers (u, u->replaced);
  if (!apply_flags (u, fields->text[MAP_PEER_SEEN_CHANGE], FALSE, error) ||
      !apply_flags (u, fields->text[MAP_ONLINE_CHANGE], TRUE, error))
    return FALSE;
  apply_patches (u);
  return TRUE;
}

static void
note_changes (Update *u)
{
  GHashTableIter iter;
  gpointer key, was;

  g_hash_table_iter_init (&iter, u->before);
  while (g_hash_table_iter_next (&iter, &key, &was))
    {
      gint64 id = *(gint64 *) key;
      const TnNetmapNode *is = tn_netmap_lookup (u->netmap, id);

      if (was == NULL && is != NULL)
        g_array_append_val (u->changes->added, id);
      else if (was != NULL && is == NULL)
        g_array_append_val (u->changes->removed, id);
      else if (was != NULL && tn_netmap_node_compare (was, is) != 0)
        g_array_append_val (u->changes->changed, id);
    }
  g_array_sort (u->changes->added, compare_ids);
  g_array_sort (u->changes->changed, compare_ids);
  g_array_sort (u->changes->removed, compare_ids);
}

static void
unref_node (gpointer node)
{
  if (node != NULL)
    tn_netmap_node_unref (node);
}

gboolean
tn_netmap_update_peers (TnNetmap           *netmap,
                        const TnMapFields  *fields,
                        gint64              now_us,
                        TnNetmapChanges    *changes,
                        GError            **error)
{
  Update u = { .netmap = netmap, .changes = changes, .now_us = now_us };
  TnJsonIter iter = TN_JSON_ITER_INIT (fields->text[MAP_PEERS]);
  TnJsonText first;
  gboolean ok;

  /* An empty list is no list (and so is one of nulls): servers cannot say "no peers" this way. */
  if (tn_json_array_next (&iter, &first))
    return replace_all (netmap, fields->text[MAP_PEERS], changes, error);

  u.before = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, unref_node);
  u.replaced = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_netmap_node_unref);
  u.patches = g_array_new (FALSE, FALSE, sizeof (TnWirePatch));
  ok = apply_delta (&u, fields, error);
  if (ok)
    note_changes (&u);
  g_hash_table_unref (u.before);
  g_ptr_array_unref (u.replaced);
  g_array_unref (u.patches);
  tn_arena_clear (&u.arena);
  return ok;
}
