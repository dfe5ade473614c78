/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-netmap-private.h"

/* What deltas do to the peers of a map. Everything is read, and made ready beside the map, before the map is touched: of a message that is
 * refused nothing stays. Each peer is made anew once, however often a message names it. */

typedef struct
{
  gint64              id;
  const TnNetmapNode *was;          /* the map's; NULL: new */
  TnNetmapNode       *node;         /* of the arena: as it is going to be; NULL: gone */
  TnNetmapNode       *made;         /* of it; NULL: gone, or as it was */
  gboolean            differs;
} Draft;

struct _TnPeerDelta
{
  const TnNetmap *netmap;
  GHashTable     *drafts;           /* id -> Draft: of the peers that are touched */
  GPtrArray      *replaced;         /* of TnNetmapNode of the arena: PeersChanged that are no patches */
  GArray         *patches;          /* of TnWirePatch: PeersChanged that are */
  TnArena         arena;
  guint           n_added;
  guint           n_gone;
  gint64          now_us;
};

static void
draft_free (gpointer data)
{
  Draft *draft = data;

  g_clear_pointer (&draft->made, tn_netmap_node_unref);
  g_free (draft);
}

/* --- Beside the map --- */

static Draft *
draft_for (TnPeerDelta *self,
           gint64       id)
{
  Draft *draft = g_hash_table_lookup (self->drafts, &id);

  if (draft != NULL)
    return draft;
  draft = g_new0 (Draft, 1);
  draft->id = id;
  draft->was = tn_netmap_lookup (self->netmap, id);
  g_hash_table_insert (self->drafts, &draft->id, draft);
  return draft;
}

/* The peer with @id as far as it is, to be edited; NULL: there is none. */
static TnNetmapNode *
edit (TnPeerDelta *self,
      gint64       id)
{
  Draft *draft = g_hash_table_lookup (self->drafts, &id);

  if (draft != NULL)
    return draft->node;
  if (tn_netmap_lookup (self->netmap, id) == NULL)
    return NULL;
  draft = draft_for (self, id);
  draft->node = tn_arena_dup (&self->arena, draft->was, sizeof *draft->was);
  return draft->node;
}

/* Before anything else is touched. */
static gboolean
remove_peers (TnPeerDelta  *self,
              TnJsonText    list,
              GError      **error)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;

  while (tn_json_array_next (&iter, &item))
    {
      gint64 id = 0;

      if (!tn_json_text_get_int (item, &id))
        return tn_wire_fail (error, "PeersRemoved", item);
      if (tn_netmap_lookup (self->netmap, id) != NULL)
        (void) draft_for (self, id);
    }
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
read_changed (TnPeerDelta  *self,
              TnJsonText    list,
              GError      **error)
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
      if (self->replaced->len + self->patches->len >= TN_NETMAP_PEERS_MAX)
        return tn_netmap_fail_many (error, "changed peers", self->replaced->len + self->patches->len + (gsize) 1, TN_NETMAP_PEERS_MAX);
      if (!tn_wire_node_parse (&wire, item, &self->arena, error))
        return FALSE;
      old = tn_netmap_lookup (self->netmap, wire.node.id);
      difference = old != NULL ? tn_netmap_node_compare (old, &wire.node) : TN_NODE_DIFFERS_FIXED;
      if (difference & TN_NODE_DIFFERS_FIXED)
        {
          g_ptr_array_add (self->replaced, tn_arena_dup (&self->arena, &wire.node, sizeof wire.node));
          continue;
        }
      make_patch (&patch, &wire, old, difference);
      if (patch.set != 0)
        g_array_append_val (self->patches, patch);
    }
  return TRUE;
}

/* A patch with an older sighting of an offline peer says nothing new of its disco key, nor of anything else. */
static gboolean
is_stale (const TnNetmap    *netmap,
          const TnWirePatch *patch)
{
  const TnNodeDifference needed = TN_NODE_DIFFERS_DISCO_KEY | TN_NODE_DIFFERS_ONLINE | TN_NODE_DIFFERS_LAST_SEEN;
  const TnNetmapNode *old = tn_netmap_lookup (netmap, patch->node.id);

  return (patch->set & needed) == needed && patch->node.online == TN_ONLINE_NO && old != NULL && old->last_seen_known &&
         patch->node.last_seen_us <= old->last_seen_us;
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
take_patch (TnPeerDelta       *self,
            const TnWirePatch *patch)
{
  TnNetmapNode *node = is_stale (self->netmap, patch) ? NULL : edit (self, patch->node.id);

  if (node != NULL)
    apply_patch (node, patch);
}

/* One by one: a message may have many more than there are peers. */
static gboolean
take_patches (TnPeerDelta  *self,
              TnJsonText    list,
              GError      **error)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;

  while (tn_json_array_next (&iter, &item))
    {
      TnWirePatch patch;

      if (tn_json_text_is_null (item))
        continue;
      if (!tn_wire_patch_parse (&patch, item, &self->arena, error))
        return FALSE;
      take_patch (self, &patch);
    }
  return TRUE;
}

static void
set_flag (TnPeerDelta  *self,
          TnNetmapNode *node,
          gboolean      online,
          gboolean      flag)
{
  if (online)
    {
      node->online = flag ? TN_ONLINE_YES : TN_ONLINE_NO;
    }
  else
    {
      node->last_seen_known = flag != FALSE;
      node->last_seen_us = flag ? self->now_us : 0;
    }
}

/* PeerSeenChange and OnlineChange: id -> flag. */
static gboolean
take_flags (TnPeerDelta  *self,
            TnJsonText    map,
            gboolean      online,
            GError      **error)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (map);
  TnJsonText key, value;

  while (tn_json_object_next (&iter, &key, &value))
    {
      g_autofree char *text = tn_json_text_dup_string (key);
      TnNetmapNode *node;
      gboolean flag = FALSE;
      gint64 id;

      if (!g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &id, NULL) || !tn_json_text_get_bool (value, &flag))
        return tn_wire_fail (error, online ? "OnlineChange" : "PeerSeenChange", value);
      node = edit (self, id);
      if (node != NULL)
        set_flag (self, node, online, flag);
    }
  return TRUE;
}

static gboolean
read_delta (TnPeerDelta        *self,
            const TnMapFields  *fields,
            GError            **error)
{
  if (!read_changed (self, fields->text[MAP_PEERS_CHANGED], error) || !remove_peers (self, fields->text[MAP_PEERS_REMOVED], error))
    return FALSE;
  for (guint i = 0; i < self->replaced->len; i++)
    {
      TnNetmapNode *node = g_ptr_array_index (self->replaced, i);

      draft_for (self, node->id)->node = node;
    }
  if (!take_flags (self, fields->text[MAP_PEER_SEEN_CHANGE], FALSE, error) ||
      !take_flags (self, fields->text[MAP_ONLINE_CHANGE], TRUE, error) ||
      !take_patches (self, fields->text[MAP_PEERS_CHANGED_PATCH], error))
    return FALSE;
  for (guint i = 0; i < self->patches->len; i++)
    take_patch (self, &g_array_index (self->patches, TnWirePatch, i));
  return TRUE;
}

static gboolean
make (TnPeerDelta  *self,
      Draft        *draft,
      GError      **error)
{
  if (draft->node == NULL)
    {
      self->n_gone++;
      return TRUE;
    }
  self->n_added += draft->was == NULL;
  draft->differs = draft->was == NULL || tn_netmap_node_compare (draft->was, draft->node) != 0;
  if (!draft->differs && g_strcmp0 (draft->was->audit_log_id, draft->node->audit_log_id) == 0)
    return TRUE;
  draft->made = tn_netmap_node_pack (draft->node, error);
  return draft->made != NULL;
}

static gboolean
make_all (TnPeerDelta  *self,
          GError      **error)
{
  GHashTableIter iter;
  gpointer draft;
  gsize n;

  g_hash_table_iter_init (&iter, self->drafts);
  while (g_hash_table_iter_next (&iter, NULL, &draft))
    if (!make (self, draft, error))
      return FALSE;
  n = (gsize) self->netmap->peers->len + self->n_added - self->n_gone;
  return n <= TN_NETMAP_PEERS_MAX || tn_netmap_fail_many (error, "peers", n, TN_NETMAP_PEERS_MAX);
}

TnPeerDelta *
tn_peer_delta_new (const TnNetmap     *netmap,
                   const TnMapFields  *fields,
                   gint64              now_us,
                   GError            **error)
{
  g_autoptr (TnPeerDelta) self = g_new0 (TnPeerDelta, 1);

  self->netmap = netmap;
  self->now_us = now_us;
  self->drafts = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, draft_free);
  self->replaced = g_ptr_array_new ();
  self->patches = g_array_new (FALSE, FALSE, sizeof (TnWirePatch));
  if (!read_delta (self, fields, error) || !make_all (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
tn_peer_delta_free (TnPeerDelta *self)
{
  g_hash_table_unref (self->drafts);
  g_ptr_array_unref (self->replaced);
  g_array_unref (self->patches);
  tn_arena_clear (&self->arena);
  g_free (self);
}

/* --- Into the map --- */

/* A peer that comes or goes moves all those behind it: beyond this many, one pass over all is less work. */
#define FEW 16

static gboolean
is_gone (TnPeerDelta *self,
         gint64       id)
{
  const Draft *draft = g_hash_table_lookup (self->drafts, &id);

  return draft != NULL && draft->node == NULL;
}

static void
drop_gone (TnPeerDelta *self,
           GPtrArray   *peers)
{
  guint kept = 0;

  for (guint i = 0; i < peers->len; i++)
    {
      TnNetmapNode *node = g_ptr_array_index (peers, i);

      if (is_gone (self, node->id))
        tn_netmap_node_unref (node);
      else
        peers->pdata[kept++] = node;
    }
  peers->len = kept;
}

static void
remove_peer (TnPeerDelta     *self,
             TnNetmap        *netmap,
             const Draft     *draft,
             TnNetmapChanges *changes)
{
  g_array_append_val (changes->removed, draft->id);
  if (self->n_gone <= FEW)
    g_ptr_array_remove_index (netmap->peers, tn_netmap_find (netmap, draft->id));
}

/* In the place of the one that is there. */
static void
replace_peer (TnNetmap        *netmap,
              Draft           *draft,
              TnNetmapChanges *changes)
{
  gpointer *place = &netmap->peers->pdata[tn_netmap_find (netmap, draft->id)];

  if (draft->differs)
    g_array_append_val (changes->changed, draft->id);
  tn_netmap_node_unref (*place);
  *place = g_steal_pointer (&draft->made);
}

static void
add_peer (TnPeerDelta     *self,
          TnNetmap        *netmap,
          Draft           *draft,
          TnNetmapChanges *changes)
{
  guint at = self->n_added <= FEW ? tn_netmap_find (netmap, draft->id) : netmap->peers->len;

  g_array_append_val (changes->added, draft->id);
  g_ptr_array_insert (netmap->peers, (int) at, g_steal_pointer (&draft->made));
}

static int
compare_ids (gconstpointer a,
             gconstpointer b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

void
tn_peer_delta_apply (TnPeerDelta     *self,
                     TnNetmap        *netmap,
                     TnNetmapChanges *changes)
{
  GHashTableIter iter;
  gpointer value;

  /* What is new comes last: until it has its place, nothing is found any more. */
  g_hash_table_iter_init (&iter, self->drafts);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Draft *draft = value;

      if (draft->node == NULL)
        remove_peer (self, netmap, draft, changes);
      else if (draft->was != NULL && draft->made != NULL)
        replace_peer (netmap, draft, changes);
    }
  if (self->n_gone > FEW)
    drop_gone (self, netmap->peers);

  g_hash_table_iter_init (&iter, self->drafts);
  while (self->n_added > 0 && g_hash_table_iter_next (&iter, NULL, &value))
    if (((Draft *) value)->was == NULL)
      add_peer (self, netmap, value, changes);
  if (self->n_added > FEW)
    tn_netmap_sort_nodes (netmap->peers);
  g_array_sort (changes->added, compare_ids);
  g_array_sort (changes->changed, compare_ids);
  g_array_sort (changes->removed, compare_ids);
}
