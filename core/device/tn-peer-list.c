/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-peer-list.h"

#include <string.h>

/* More separate changes than this are shown as one range: beyond it, moving the rest of the array for each costs more than the
 * listeners save. */
#define MAX_RUNS 64

/* 40 bytes a peer; the object is made only for those that somebody looks at. */
typedef struct
{
  const TnNodeData *data;
  TnNodeLive       *live;     /* NULL: nothing yet */
  GWeakRef          node;
} Entry;

typedef struct
{
  Entry            *entry;
  const TnNodeData *data;         /* owned; what it is from now on */
  guint             old_pos;      /* goes in front of what is here now */
} Insertion;

typedef struct
{
  guint old_pos;
  guint n_removed;
  guint first_insertion;
  guint n_inserted;
} Run;

struct _TnPeerList
{
  GObject     parent_instance;
  GPtrArray  *entries;     /* in order */
  GHashTable *by_id;       /* stable id, inside the data -> Entry, owned */
};

enum { SIGNAL_UPDATED, N_SIGNALS };

static guint signals[N_SIGNALS];

static void tn_peer_list_list_model_init (GListModelInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (TnPeerList, tn_peer_list, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_LIST_MODEL, tn_peer_list_list_model_init))

static Entry *
entry_new (const TnNodeData *data)
{
  Entry *entry = g_new0 (Entry, 1);

  entry->data = tn_node_data_ref (data);
  g_weak_ref_init (&entry->node, NULL);
  return entry;
}

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_weak_ref_clear (&entry->node);
  g_free (entry->live);
  tn_node_data_unref (entry->data);
  g_free (entry);
}

static TnNode *
entry_dup_node (Entry *entry)
{
  TnNode *node = g_weak_ref_get (&entry->node);

  if (node == NULL)
    {
      node = tn_node_new (entry->data, entry->live);
      g_weak_ref_set (&entry->node, node);
    }
  return node;
}

/* Where @data is, or where it would be. */
static guint
find_position (GPtrArray        *entries,
               const TnNodeData *data)
{
  guint low = 0, high = entries->len;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;
      const Entry *entry = g_ptr_array_index (entries, middle);

      if (tn_node_data_compare (entry->data, data) < 0)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

/* --- The list model --- */

static GType
tn_peer_list_get_item_type (GListModel *model)
{
  return TN_TYPE_NODE;
}

static guint
tn_peer_list_get_n_items (GListModel *model)
{
  return TN_PEER_LIST (model)->entries->len;
}

static gpointer
tn_peer_list_get_item (GListModel *model,
                       guint       position)
{
  TnPeerList *self = TN_PEER_LIST (model);

  return position < self->entries->len ? entry_dup_node (g_ptr_array_index (self->entries, position)) : NULL;
}

static void
tn_peer_list_list_model_init (GListModelInterface *iface)
{
  iface->get_item_type = tn_peer_list_get_item_type;
  iface->get_n_items = tn_peer_list_get_n_items;
  iface->get_item = tn_peer_list_get_item;
}

static void
tn_peer_list_finalize (GObject *object)
{
  TnPeerList *self = TN_PEER_LIST (object);

  g_ptr_array_unref (self->entries);
  g_hash_table_unref (self->by_id);
  G_OBJECT_CLASS (tn_peer_list_parent_class)->finalize (object);
}

static void
tn_peer_list_class_init (TnPeerListClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = tn_peer_list_finalize;
  signals[SIGNAL_UPDATED] = g_signal_new ("updated", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
tn_peer_list_init (TnPeerList *self)
{
  self->entries = g_ptr_array_new ();
  self->by_id = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, entry_free);
}

TnPeerList *
tn_peer_list_new (void)
{
  return g_object_new (TN_TYPE_PEER_LIST, NULL);
}

/* --- Changes --- */

typedef struct
{
  TnPeerList *self;
  GArray     *removals;       /* of guint: positions */
  GArray     *insertions;     /* of Insertion */
  GPtrArray  *gone;           /* of Entry */
  GPtrArray  *frozen;         /* of TnNode: held, and notifying only when all is in place */
  gboolean    updated;        /* an entry that stays where it is has other data */
} Changes;

static void
update_data (Changes          *changes,
             Entry            *entry,
             const TnNodeData *data)
{
  g_autoptr (TnNode) node = g_weak_ref_get (&entry->node);

  if (node != NULL)
    {
      g_object_freeze_notify (G_OBJECT (node));
      tn_node_update (node, data);
      g_ptr_array_add (changes->frozen, g_steal_pointer (&node));
    }
}

static void
set_entry_data (TnPeerList       *self,
                Entry            *entry,
                const TnNodeData *data)
{
  const TnNodeData *old = entry->data;

  /* The key of the table is inside the data. */
  g_hash_table_steal (self->by_id, old->stable_id);
  entry->data = tn_node_data_ref (data);
  g_hash_table_insert (self->by_id, entry->data->stable_id, entry);
  tn_node_data_unref (old);
}

static void
collect (Changes          *changes,
         const char       *stable_id,
         const TnNodeData *data)
{
  TnPeerList *self = changes->self;
  Entry *entry = g_hash_table_lookup (self->by_id, stable_id);
  guint position;

  if (entry != NULL && data != NULL && strcmp (entry->data->name, data->name) == 0)
    {
      if (entry->data != data)
        {
          set_entry_data (self, entry, data);
          update_data (changes, entry, data);
          changes->updated = TRUE;
        }
      return;
    }

  if (entry != NULL)
    {
      position = find_position (self->entries, entry->data);
      g_array_append_val (changes->removals, position);
      if (data == NULL)
        g_ptr_array_add (changes->gone, entry);
    }
  if (data != NULL)
    {
      Insertion insertion = { entry, tn_node_data_ref (data), find_position (self->entries, data) };

      g_array_append_val (changes->insertions, insertion);
    }
}

static int
compare_positions (gconstpointer a,
                   gconstpointer b)
{
  guint x = *(const guint *) a, y = *(const guint *) b;

  return (x > y) - (x < y);
}

static int
compare_insertions (gconstpointer a,
                    gconstpointer b)
{
  return tn_node_data_compare (((const Insertion *) a)->data, ((const Insertion *) b)->data);
}

/* From here on the old order is not needed any more: new data for those that move, entries for those that are new. */
static void
settle_entries (Changes *changes)
{
  for (guint i = 0; i < changes->insertions->len; i++)
    {
      Insertion *insertion = &g_array_index (changes->insertions, Insertion, i);

      if (insertion->entry == NULL)
        {
          insertion->entry = entry_new (insertion->data);
          g_hash_table_insert (changes->self->by_id, insertion->entry->data->stable_id, insertion->entry);
        }
      else
        {
          set_entry_data (changes->self, insertion->entry, insertion->data);
          update_data (changes, insertion->entry, insertion->data);
        }
      tn_node_data_unref (insertion->data);
    }
}

/* What touches becomes one run. */
static GArray *
make_runs (const Changes *changes)
{
  GArray *runs = g_array_new (FALSE, FALSE, sizeof (Run));
  guint r = 0, i = 0;

  while (r < changes->removals->len || i < changes->insertions->len)
    {
      guint removal = r < changes->removals->len ? g_array_index (changes->removals, guint, r) : G_MAXUINT;
      guint insertion = i < changes->insertions->len ? g_array_index (changes->insertions, Insertion, i).old_pos : G_MAXUINT;
      guint position = MIN (removal, insertion);
      Run *last = runs->len > 0 ? &g_array_index (runs, Run, runs->len - 1) : NULL;

      if (last == NULL || position > last->old_pos + last->n_removed)
        {
          Run run = { .old_pos = position, .first_insertion = i };

          g_array_append_val (runs, run);
          last = &g_array_index (runs, Run, runs->len - 1);
        }
      if (insertion <= removal)
        {
          last->n_inserted++;
          i++;
        }
      else
        {
          last->n_removed++;
          r++;
        }
    }
  return runs;
}

static void
splice (TnPeerList *self,
        const Run  *run,
        GArray     *insertions)
{
  GPtrArray *entries = self->entries;
  guint tail = run->old_pos + run->n_removed;
  guint n_tail = entries->len - tail;
  guint old_len = entries->len;
  guint new_len = old_len - run->n_removed + run->n_inserted;

  if (new_len > old_len)
    g_ptr_array_set_size (entries, (int) new_len);
  memmove (entries->pdata + run->old_pos + run->n_inserted, entries->pdata + tail, n_tail * sizeof (gpointer));
  if (new_len < old_len)
    g_ptr_array_set_size (entries, (int) new_len);
  for (guint i = 0; i < run->n_inserted; i++)
    entries->pdata[run->old_pos + i] = g_array_index (insertions, Insertion, run->first_insertion + i).entry;
}

/* All runs in one pass over the array, and one emission for what is between the first and the last. */
static void
apply_at_once (TnPeerList *self,
               GArray     *runs,
               GArray     *insertions)
{
  const Run *first = &g_array_index (runs, Run, 0);
  const Run *last = &g_array_index (runs, Run, runs->len - 1);
  g_autoptr (GPtrArray) old = g_steal_pointer (&self->entries);
  guint old_span = last->old_pos + last->n_removed - first->old_pos;
  guint taken = 0, n_added = old_span;

  self->entries = g_ptr_array_sized_new (old->len + insertions->len);
  for (guint i = 0; i < runs->len; i++)
    {
      const Run *run = &g_array_index (runs, Run, i);

      for (; taken < run->old_pos; taken++)
        g_ptr_array_add (self->entries, g_ptr_array_index (old, taken));
      for (guint j = 0; j < run->n_inserted; j++)
        g_ptr_array_add (self->entries, g_array_index (insertions, Insertion, run->first_insertion + j).entry);
      taken += run->n_removed;
      n_added = n_added - run->n_removed + run->n_inserted;
    }
  for (; taken < old->len; taken++)
    g_ptr_array_add (self->entries, g_ptr_array_index (old, taken));
  g_list_model_items_changed (G_LIST_MODEL (self), first->old_pos, old_span, n_added);
}

static void
apply_runs (TnPeerList *self,
            GArray     *runs,
            GArray     *insertions)
{
  if (runs->len > MAX_RUNS)
    {
      apply_at_once (self, runs, insertions);
      return;
    }

  /* From the end, where positions in the old list are still right. */
  for (guint i = runs->len; i-- > 0;)
    {
      const Run *run = &g_array_index (runs, Run, i);

      splice (self, run, insertions);
      g_list_model_items_changed (G_LIST_MODEL (self), run->old_pos, run->n_removed, run->n_inserted);
    }
}

static void
thaw_node (gpointer data)
{
  g_object_thaw_notify (G_OBJECT (data));
  g_object_unref (data);
}

void
tn_peer_list_apply (TnPeerList *self,
                    GHashTable *new_data)
{
  g_autoptr (GArray) removals = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GArray) insertions = g_array_new (FALSE, FALSE, sizeof (Insertion));
  g_autoptr (GPtrArray) gone = g_ptr_array_new ();
  g_autoptr (GPtrArray) frozen = g_ptr_array_new_with_free_func (thaw_node);
  g_autoptr (GArray) runs = NULL;
  Changes changes = { self, removals, insertions, gone, frozen, FALSE };
  GHashTableIter iter;
  gpointer id, data;

  g_hash_table_iter_init (&iter, new_data);
  while (g_hash_table_iter_next (&iter, &id, &data))
    collect (&changes, id, data);

  g_array_sort (removals, compare_positions);
  g_array_sort (insertions, compare_insertions);
  settle_entries (&changes);
  for (guint i = 0; i < gone->len; i++)
    g_hash_table_steal (self->by_id, ((Entry *) g_ptr_array_index (gone, i))->data->stable_id);

  runs = make_runs (&changes);
  apply_runs (self, runs, insertions);
  g_ptr_array_set_free_func (gone, entry_free);
  if (changes.updated)
    g_signal_emit (self, signals[SIGNAL_UPDATED], 0);
}

void
tn_peer_list_replace (TnPeerList *self,
                      GPtrArray  *peers)
{
  g_autoptr (GHashTable) changes = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) present = g_hash_table_new (g_str_hash, g_str_equal);
  GHashTableIter iter;
  gpointer id;

  for (guint i = 0; i < peers->len; i++)
    {
      TnNodeData *data = g_ptr_array_index (peers, i);
      const Entry *entry = g_hash_table_lookup (self->by_id, data->stable_id);

      g_hash_table_add (present, data->stable_id);
      if (entry == NULL || entry->data != data)
        g_hash_table_insert (changes, data->stable_id, data);
    }

  g_hash_table_iter_init (&iter, self->by_id);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    if (!g_hash_table_contains (present, id))
      g_hash_table_insert (changes, id, NULL);

  tn_peer_list_apply (self, changes);
}

void
tn_peer_list_update_live (TnPeerList *self,
                          GHashTable *live)
{
  GHashTableIter iter;
  gpointer id, value;

  g_hash_table_iter_init (&iter, live);
  while (g_hash_table_iter_next (&iter, &id, &value))
    {
      Entry *entry = g_hash_table_lookup (self->by_id, id);
      g_autoptr (TnNode) node = NULL;

      if (entry == NULL)
        continue;
      if (entry->live == NULL)
        entry->live = g_new (TnNodeLive, 1);
      *entry->live = *(const TnNodeLive *) value;
      node = g_weak_ref_get (&entry->node);
      if (node != NULL)
        tn_node_update_live (node, entry->live);
    }
}

TnNode *
tn_peer_list_dup_node (TnPeerList *self,
                       const char *stable_id)
{
  Entry *entry = g_hash_table_lookup (self->by_id, stable_id);

  return entry != NULL ? entry_dup_node (entry) : NULL;
}

GPtrArray *
tn_peer_list_dup_data (TnPeerList *self)
{
  GPtrArray *all = g_ptr_array_new_full (self->entries->len, (GDestroyNotify) tn_node_data_unref);

  for (guint i = 0; i < self->entries->len; i++)
    g_ptr_array_add (all, tn_node_data_ref (((const Entry *) g_ptr_array_index (self->entries, i))->data));
  return all;
}

void
tn_peer_list_foreach (TnPeerList     *self,
                      TnPeerListFunc  func,
                      gpointer        user_data)
{
  for (guint i = 0; i < self->entries->len; i++)
    {
      const Entry *entry = g_ptr_array_index (self->entries, i);

      func (user_data, entry->data, entry->live);
    }
}
