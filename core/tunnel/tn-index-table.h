/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _TnKeypair    TnKeypair;
typedef struct _TnTunnelPeer TnTunnelPeer;

typedef struct
{
  TnTunnelPeer *peer;         /* NULL: a free slot */
  TnKeypair    *keypair;      /* NULL: the index of a handshake under way */
  guint32       index;
} TnIndexEntry;

/* Local indices, by which messages find their handshake or keypair. We draw them at random, so an index is its own hash; whoever
 * sends us others finds nothing, and cannot make the table slow. */
typedef struct
{
  TnIndexEntry *entries;
  guint         n_slots;      /* power of 2, at least twice n_entries */
  guint         n_entries;
} TnIndexTable;

void          tn_index_table_init   (TnIndexTable *table);
void          tn_index_table_clear  (TnIndexTable *table);

/* NULL: unknown. Valid until the next change of the table. */
TnIndexEntry *tn_index_table_lookup (const TnIndexTable *table, guint32 index);

gboolean      tn_index_table_insert (TnIndexTable *table, guint32 index, TnTunnelPeer *peer, TnKeypair *keypair);   /* FALSE: in use */
void          tn_index_table_remove (TnIndexTable *table, guint32 index);

G_END_DECLS
