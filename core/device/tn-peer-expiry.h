/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-netmap.h"

G_BEGIN_DECLS

/* Which peers have a key that has expired, and when that is so of the next one. News of a peer cost no look at the others. Times are
 * Unix time by the clock of tn_netmap_control_now(). */
typedef struct
{
  GHashTable *expired;      /* set of gint64 *: ids */
  gint64      next_us;      /* no key expires before; TN_EXPIRY_NEVER: none does */
} TnPeerExpiry;

void     tn_peer_expiry_init   (TnPeerExpiry *expiry);
void     tn_peer_expiry_clear  (TnPeerExpiry *expiry);
void     tn_peer_expiry_reset  (TnPeerExpiry *expiry);      /* no peer is known any more */

/* News of a peer. TRUE: its key has expired. */
gboolean tn_peer_expiry_note   (TnPeerExpiry *expiry, const TnNetmapNode *node, gint64 now_us);
void     tn_peer_expiry_forget (TnPeerExpiry *expiry, gint64 id);
gboolean tn_peer_expiry_has    (const TnPeerExpiry *expiry, gint64 id);

/* Appends the ids (gint64) of those peers whose time has come since they were noted, for tn_peer_expiry_note(), and finds the next one. */
void     tn_peer_expiry_find   (TnPeerExpiry *expiry, const TnNetmap *netmap, gint64 now_us, GArray *ids);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnPeerExpiry, tn_peer_expiry_clear)

G_END_DECLS
