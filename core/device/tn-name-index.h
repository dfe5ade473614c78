/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-node-data.h"

G_BEGIN_DECLS

/* Nodes by FQDN, short name and address. Plain: no locks, each thread that wants one has its own.
 *
 * A short name is first a node of the own tailnet (short name + suffix), then a node shared in from elsewhere, if just one
 * has it. Case and a final dot never count. */
typedef struct _TnNameIndex TnNameIndex;

TnNameIndex      *tn_name_index_new            (void);
void              tn_name_index_free           (TnNameIndex *index);
void              tn_name_index_set_dns_suffix (TnNameIndex *index, const char *suffix);     /* nullable */

/* Replaces a node with the same stable id. */
void              tn_name_index_add            (TnNameIndex *index, const TnNodeData *node);
gboolean          tn_name_index_remove         (TnNameIndex *index, const char *stable_id);
void              tn_name_index_clear          (TnNameIndex *index);
guint             tn_name_index_size           (const TnNameIndex *index);

/* All borrow; NULL: none. */
const TnNodeData *tn_name_index_by_id          (const TnNameIndex *index, const char *stable_id);
const TnNodeData *tn_name_index_by_address     (const TnNameIndex *index, const TnIpAddress *address);
const TnNodeData *tn_name_index_lookup         (const TnNameIndex *index, const char *name_or_address);

/* The same with an error (TN_ERROR_NO_SUCH_PEER) that shows the name, and lists the candidates of an ambiguous one. */
const TnNodeData *tn_name_index_find           (const TnNameIndex *index, const char *name_or_address, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnNameIndex, tn_name_index_free)

G_END_DECLS
