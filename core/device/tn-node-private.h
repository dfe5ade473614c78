/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-node-data.h"
#include "tn-node.h"

G_BEGIN_DECLS

/* All of these in the context of the device alone. */
TnNode           *tn_node_new         (const TnNodeData *data, const TnNodeLive *live);     /* @live: NULL for nothing yet */
void              tn_node_update      (TnNode *self, const TnNodeData *data);               /* notifies what changed, nothing else */
void              tn_node_update_live (TnNode *self, const TnNodeLive *live);
const TnNodeData *tn_node_get_data    (TnNode *self);
const TnNodeLive *tn_node_get_live    (TnNode *self);

G_END_DECLS
