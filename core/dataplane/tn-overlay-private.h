/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-overlay-router.h"
#include "tn-prefix-table.h"

G_BEGIN_DECLS

/* One for each peer, shared by all its prefixes and by snapshots. */
typedef struct
{
  TnOverlayRoute  route;
  gatomicrefcount ref_count;
} TnOverlayShared;

/* The value of a prefix: the peers that have it at present, of which the first one gets what is sent there. */
typedef struct
{
  gatomicrefcount  ref_count;
  guint            n_peers;
  TnOverlayShared *peers[];
} TnOverlayTarget;

TnOverlayShared *tn_overlay_shared_new   (const TnOverlayPeer *peer);
TnOverlayShared *tn_overlay_shared_ref   (TnOverlayShared *shared);
void             tn_overlay_shared_unref (TnOverlayShared *shared);

extern const TnPrefixValueFuncs tn_overlay_target_funcs;

/* Takes over the array's references. */
TnOverlayTarget *tn_overlay_target_new   (TnOverlayShared *const *peers, guint n_peers);

/* Takes over @table. */
TnOverlayRouter *tn_overlay_router_new   (TnPrefixTable *table, gboolean has_attributes);

G_END_DECLS
