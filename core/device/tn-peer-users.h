/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-netmap.h"
#include "tn-user-private.h"

G_BEGIN_DECLS

/* The users that nodes show: one object for all nodes of a user, and which nodes a profile is news to. */
typedef struct _TnPeerUsers TnPeerUsers;

TnPeerUsers *tn_peer_users_new     (void);
void         tn_peer_users_free    (TnPeerUsers *users);

/* NULL: there is no profile, and the node is to be shown again once there is one. */
TnUser      *tn_peer_users_get     (TnPeerUsers *users, const TnNetmap *netmap, gint64 id);

/* Adds to @ids (set of gint64 *, in @changes) those of whom nodes may show what has changed. */
void         tn_peer_users_collect (TnPeerUsers *users, const TnNetmapChanges *changes, GHashTable *ids);

/* All peers were told: what earlier ones left goes. */
void         tn_peer_users_renew   (TnPeerUsers *users, const TnNetmap *netmap);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnPeerUsers, tn_peer_users_free)

G_END_DECLS
