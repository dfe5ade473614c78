/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tn-netmap-private.h"
#include "tn-netmap-update.h"

/* The peers of a map stream: full lists, and where they stand beside the ones before. What is compared with what, and when, here and of
 * deltas, is that of tailscale control/controlclient/map.go, since servers are written against it. */

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
void
tn_netmap_sort_nodes (GPtrArray *nodes)
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
parse_all (const TnNetmap  *netmap,
           TnJsonText       list,
           GError         **error)
{
  g_autoptr (GPtrArray) nodes = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_netmap_node_unref);
  g_auto (TnArena) arena = { 0 };
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;

  while (tn_json_array_next (&iter, &item))
    {
      TnNetmapNode *node;
      TnWireNode wire;

      if (tn_json_text_is_null (item))
        continue;
      if (nodes->len == TN_NETMAP_PEERS_MAX)
        {
          tn_netmap_fail_many (error, "peers", (gsize) nodes->len + 1, TN_NETMAP_PEERS_MAX);
          return NULL;
        }
      tn_arena_reset (&arena);
      if (!tn_wire_node_parse (&wire, item, &arena, error))
        return NULL;
      keep_fresher_disco_key (&wire.node, tn_netmap_lookup (netmap, wire.node.id));
      node = tn_netmap_node_pack (&wire.node, error);
      if (node == NULL)
        return NULL;
      g_ptr_array_add (nodes, node);
    }

  tn_netmap_sort_nodes (nodes);
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

/* --- What a message says --- */

struct _TnPeersDraft
{
  GPtrArray   *all;        /* NULL: a delta */
  TnPeerDelta *delta;      /* NULL: a full list */
};

void
tn_peers_draft_free (TnPeersDraft *draft)
{
  g_clear_pointer (&draft->all, g_ptr_array_unref);
  g_clear_pointer (&draft->delta, tn_peer_delta_free);
  g_free (draft);
}

TnPeersDraft *
tn_netmap_draft_peers (const TnNetmap     *netmap,
                       const TnMapFields  *fields,
                       gint64              now_us,
                       GError            **error)
{
  g_autoptr (TnPeersDraft) draft = g_new0 (TnPeersDraft, 1);

  if (tn_map_fields_have_peers (fields))
    draft->all = parse_all (netmap, fields->text[MAP_PEERS], error);
  else
    draft->delta = tn_peer_delta_new (netmap, fields, now_us, error);
  return draft->all != NULL || draft->delta != NULL ? g_steal_pointer (&draft) : NULL;
}

void
tn_netmap_adopt_peers (TnNetmap        *netmap,
                       TnPeersDraft    *draft,
                       TnNetmapChanges *changes)
{
  if (draft->delta != NULL)
    {
      tn_peer_delta_apply (draft->delta, netmap, changes);
      return;
    }
  note_differences (netmap->peers, draft->all, changes);
  g_ptr_array_unref (netmap->peers);
  netmap->peers = g_steal_pointer (&draft->all);
  changes->all_peers = TRUE;
}
