/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-parse.h"

G_BEGIN_DECLS

#define TN_FLOW_TABLE_DEFAULT_CAPACITY 512    /* wgengine/filter/filter.go: lruMax */

/* UDP and SCTP flows that we opened, so that their answers may come in. Bounded: the least recently used one goes first; all memory
 * is taken at the start. One owner, no lock. IPv4 and IPv4-mapped IPv6 addresses are the same here. */
typedef struct _TnFlowTable TnFlowTable;

/* @idle_us: a flow ends when it was not used for so long; 0: only by eviction. */
TnFlowTable *tn_flow_table_new      (guint capacity, gint64 idle_us);
void         tn_flow_table_free     (TnFlowTable *table);
void         tn_flow_table_clear    (TnFlowTable *table);
guint        tn_flow_table_get_size (const TnFlowTable *table);

/* @packet goes out: its answers may come in. Only UDP and SCTP are kept. */
void         tn_flow_table_note_out (TnFlowTable *table, const TnParsed *packet, gint64 now_us);

/* Is @packet, coming in, an answer? If so the flow counts as used. */
gboolean     tn_flow_table_knows_in (TnFlowTable *table, const TnParsed *packet, gint64 now_us);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnFlowTable, tn_flow_table_free)

G_END_DECLS
