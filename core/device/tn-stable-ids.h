/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-netmap.h"

G_BEGIN_DECLS

/* What a program knows peers by: their stable ids. A server ought to give each peer one of its own; where it gives none, or that of
 * another peer, one is made of it and the node id, and no peer hides behind another. It stays for as long as the peer does. */
typedef struct _TnStableIds TnStableIds;

TnStableIds *tn_stable_ids_new    (void);
void         tn_stable_ids_free   (TnStableIds *ids);

/* @told: peers by node id as they were; @changes: NULL if there were none. */
void         tn_stable_ids_update (TnStableIds *ids, GHashTable *told, const TnNetmap *netmap, const TnNetmapChanges *changes);

/* Good until the next update. A node that is no peer has its own. */
const char  *tn_stable_ids_get    (TnStableIds *ids, const TnNetmapNode *node);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnStableIds, tn_stable_ids_free)

G_END_DECLS
