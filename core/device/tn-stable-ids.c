/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-stable-ids.h"

struct _TnStableIds
{
  GHashTable *holders;      /* stable id, in the node or in made -> TnNetmapNode */
  GHashTable *made;         /* gint64 * -> char *: those that were made, by node id; few or none */
};

TnStableIds *
tn_stable_ids_new (void)
{
  TnStableIds *self = g_new0 (TnStableIds, 1);

  self->holders = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) tn_netmap_node_unref);
  self->made = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  return self;
}

static void
clear (TnStableIds *self)
{
  g_hash_table_remove_all (self->holders);
  g_hash_table_remove_all (self->made);
}

void
tn_stable_ids_free (TnStableIds *self)
{
  g_hash_table_unref (self->holders);
  g_hash_table_unref (self->made);
  g_free (self);
}

const char *
tn_stable_ids_get (TnStableIds        *self,
                   const TnNetmapNode *node)
{
  const char *made = g_hash_table_size (self->made) > 0 ? g_hash_table_lookup (self->made, &node->id) : NULL;

  return made != NULL ? made : node->stable_id;
}

static void
hold (TnStableIds        *self,
      const char         *stable_id,
      const TnNetmapNode *node)
{
  g_hash_table_replace (self->holders, (gpointer) (guintptr) stable_id, tn_netmap_node_ref (node));
}

/* A server may name a peer as another one is named here. */
static char *
make (TnStableIds        *self,
      const TnNetmapNode *node)
{
  GString *made = g_string_new (NULL);

  g_string_printf (made, "%s#%" G_GINT64_FORMAT, node->stable_id, node->id);
  while (g_hash_table_contains (self->holders, made->str))
    g_string_append_c (made, '#');
  return g_string_free (made, FALSE);
}

static void
claim (TnStableIds        *self,
       const TnNetmapNode *node)
{
  char *made;

  if (*node->stable_id != '\0' && !g_hash_table_contains (self->holders, node->stable_id))
    {
      hold (self, node->stable_id, node);
      return;
    }
  made = make (self, node);
  g_hash_table_insert (self->made, g_memdup2 (&node->id, sizeof node->id), made);
  hold (self, made, node);
}

static void
forget (TnStableIds        *self,
        const TnNetmapNode *old)
{
  g_hash_table_remove (self->holders, tn_stable_ids_get (self, old));
  g_hash_table_remove (self->made, &old->id);
}

/* @old: the same peer as it was until now; NULL: it is new. */
static void
set (TnStableIds        *self,
     const TnNetmapNode *old,
     const TnNetmapNode *node)
{
  if (old != NULL && g_str_equal (old->stable_id, node->stable_id))
    hold (self, tn_stable_ids_get (self, node), node);
  else
    claim (self, node);
}

static void
forget_all (TnStableIds    *self,
            GHashTable     *told,
            const TnNetmap *netmap,
            GArray         *ids)
{
  for (guint i = 0; i < ids->len; i++)
    {
      gint64 id = g_array_index (ids, gint64, i);
      const TnNetmapNode *old = g_hash_table_lookup (told, &id);
      const TnNetmapNode *node = tn_netmap_lookup (netmap, id);

      if (old != NULL && (node == NULL || !g_str_equal (old->stable_id, node->stable_id)))
        forget (self, old);
    }
}

static void
set_all (TnStableIds    *self,
         GHashTable     *told,
         const TnNetmap *netmap,
         GArray         *ids)
{
  for (guint i = 0; i < ids->len; i++)
    {
      gint64 id = g_array_index (ids, gint64, i);
      const TnNetmapNode *node = tn_netmap_lookup (netmap, id);

      if (node != NULL)
        set (self, g_hash_table_lookup (told, &id), node);
    }
}

/* All that become free first: peers may have changed theirs with each other. */
void
tn_stable_ids_update (TnStableIds           *self,
                      GHashTable            *told,
                      const TnNetmap        *netmap,
                      const TnNetmapChanges *changes)
{
  if (changes == NULL)
    {
      clear (self);
      for (guint i = 0; i < netmap->peers->len; i++)
        set (self, NULL, g_ptr_array_index (netmap->peers, i));
      return;
    }
  forget_all (self, told, netmap, changes->removed);
  forget_all (self, told, netmap, changes->changed);
  set_all (self, told, netmap, changes->added);
  set_all (self, told, netmap, changes->changed);
}
