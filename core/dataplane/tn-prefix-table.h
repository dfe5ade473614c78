/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"

G_BEGIN_DECLS

/* Prefixes of both families, each with a pointer: not NULL, and a multiple of 4 as all that is allocated. A balanced routing table: a
 * trie of eight bits a level whose nodes are bitmaps with packed arrays, so that the longest match within a level is one masked
 * bitmap and no loop over lengths.
 *
 * A copy costs nothing: tables share nodes until one of them changes, so that a snapshot is a copy, and a change to the table
 * behind it costs one path of nodes. One thread changes a table; any number may look things up in copies that nobody changes.
 * Host bits of a given prefix are ignored. */
typedef struct _TnPrefixTable TnPrefixTable;

/* How the table counts references to its values; called from whichever thread changes or frees a table. */
typedef struct
{
  void (*ref)   (gpointer value);
  void (*unref) (gpointer value);
} TnPrefixValueFuncs;

/* @funcs: NULL for values that the table does not own; must outlive it. */
TnPrefixTable *tn_prefix_table_new      (const TnPrefixValueFuncs *funcs);
TnPrefixTable *tn_prefix_table_copy     (const TnPrefixTable *table);
void           tn_prefix_table_free     (TnPrefixTable *table);
gsize          tn_prefix_table_get_size (const TnPrefixTable *table);

/* Takes a reference to @value of its own. TRUE: the prefix is new, else its value was replaced. */
gboolean       tn_prefix_table_insert   (TnPrefixTable *table, const TnIpPrefix *prefix, gpointer value);
gboolean       tn_prefix_table_remove   (TnPrefixTable *table, const TnIpPrefix *prefix);
gpointer       tn_prefix_table_get      (const TnPrefixTable *table, const TnIpPrefix *prefix);

/* Longest match, borrowed; NULL: none. */
gpointer       tn_prefix_table_lookup   (const TnPrefixTable *table, const TnIpAddress *address);

/* All prefixes that contain @address, longest first; @func returns FALSE to stop. TRUE: it never did. */
typedef gboolean (*TnPrefixMatchFunc)   (gpointer value, gpointer user_data);
gboolean       tn_prefix_table_match    (const TnPrefixTable *table, const TnIpAddress *address, TnPrefixMatchFunc func,
                                         gpointer user_data);

/* All of them, in no useful order; the table must not change meanwhile. */
typedef void (*TnPrefixForeachFunc)     (const TnIpPrefix *prefix, gpointer value, gpointer user_data);
void           tn_prefix_table_foreach  (const TnPrefixTable *table, TnPrefixForeachFunc func, gpointer user_data);

/* Bytes held by the table, shared ones included. */
gsize          tn_prefix_table_get_memory (const TnPrefixTable *table);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnPrefixTable, tn_prefix_table_free)

G_END_DECLS
