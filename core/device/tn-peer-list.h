/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-node-private.h"

G_BEGIN_DECLS

/* A GListModel of TnNode in the order of tn_node_data_compare(). A node's object is made when somebody first asks for it, and is
 * the same as long as anybody holds it, wherever it moves. All calls in the context of the device.
 *
 * The signal "updated" says what items-changed does not: nodes that stay where they are have other data. Who holds none of them would
 * not hear of it. */
#define TN_TYPE_PEER_LIST (tn_peer_list_get_type ())
G_DECLARE_FINAL_TYPE (TnPeerList, tn_peer_list, TN, PEER_LIST, GObject)

TnPeerList *tn_peer_list_new         (void);

/* @peers: TnNodeData in any order, no stable id twice. Emits only what is different. */
void        tn_peer_list_replace     (TnPeerList *self, GPtrArray *peers);

/* @changes: stable id -> TnNodeData, NULL: removed. Costs by the number of changes. */
void        tn_peer_list_apply       (TnPeerList *self, GHashTable *changes);

/* @live: stable id -> TnNodeLive. Other nodes keep what they had. */
void        tn_peer_list_update_live (TnPeerList *self, GHashTable *live);

TnNode     *tn_peer_list_dup_node    (TnPeerList *self, const char *stable_id);      /* NULL: none */
GPtrArray  *tn_peer_list_dup_data    (TnPeerList *self);                             /* of TnNodeData, in order */

/* @live: NULL for nothing yet. */
typedef void (*TnPeerListFunc) (gpointer user_data, const TnNodeData *data, const TnNodeLive *live);
void        tn_peer_list_foreach     (TnPeerList *self, TnPeerListFunc func, gpointer user_data);

G_END_DECLS
