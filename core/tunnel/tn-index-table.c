/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-index-table.h"

#define SLOTS_MIN 16

void
tn_index_table_init (TnIndexTable *table)
{
  table->n_slots = SLOTS_MIN;
  table->n_entries = 0;
  table->entries = g_new0 (TnIndexEntry, SLOTS_MIN);
}

void
tn_index_table_clear (TnIndexTable *table)
{
  g_clear_pointer (&table->entries, g_free);
}

/* The slot of @index, or the free one where it would go: linear probing, never full. */
static guint
find (const TnIndexTable *table,
      guint32             index)
{
  guint mask = table->n_slots - 1;
  guint i = index & mask;

  while (table->entries[i].peer != NULL && table->entries[i].index != index)
    i = (i + 1) & mask;
  return i;
}

TnIndexEntry *
tn_index_table_lookup (const TnIndexTable *table,
                       guint32             index)
{
  TnIndexEntry *entry = &table->entries[find (table, index)];

  return entry->peer != NULL ? entry : NULL;
}

static void
resize (TnIndexTable *table,
        guint         n_slots)
{
  TnIndexTable bigger = { g_new0 (TnIndexEntry, n_slots), n_slots, table->n_entries };

  for (guint i = 0; i < table->n_slots; i++)
    if (table->entries[i].peer != NULL)
      bigger.entries[find (&bigger, table->entries[i].index)] = table->entries[i];
  g_free (table->entries);
  *table = bigger;
}

gboolean
tn_index_table_insert (TnIndexTable *table,
                       guint32       index,
                       TnTunnelPeer *peer,
                       TnKeypair    *keypair)
{
  guint i = find (table, index);

  if (table->entries[i].peer != NULL)
    return FALSE;

  table->entries[i] = (TnIndexEntry) { peer, keypair, index };
  if (++table->n_entries * 2 > table->n_slots)
    resize (table, table->n_slots * 2);
  return TRUE;
}

/* Closes the gap by moving up what probing has pushed behind it: no tombstones. */
void
tn_index_table_remove (TnIndexTable *table,
                       guint32       index)
{
  guint mask = table->n_slots - 1;
  guint gap = find (table, index);

  if (table->entries[gap].peer == NULL)
    return;

  for (guint i = (gap + 1) & mask; table->entries[i].peer != NULL; i = (i + 1) & mask)
    if (((i - table->entries[i].index) & mask) >= ((i - gap) & mask))
      {
        table->entries[gap] = table->entries[i];
        gap = i;
      }
  table->entries[gap] = (TnIndexEntry) { NULL, NULL, 0 };
  table->n_entries--;
  if (table->n_slots > SLOTS_MIN && table->n_entries * 8 < table->n_slots)
    resize (table, table->n_slots / 2);
}
