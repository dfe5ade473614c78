/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-keys.h"
#include "tn-netmap-text.h"

G_BEGIN_DECLS

/* The last known map of a node as a value of its state store, packed: a tenth to a third of the text, which is 1 kB a peer. It is there
 * for a start without the control server, and nothing is lost without it. */
#define TN_NETMAP_CACHE_KEY "netmap"

/* A map whose text is longer is not kept: the largest tailnets have some 100 000 nodes. */
#define TN_NETMAP_CACHE_TEXT_MAX ((gsize) 128 << 20)

typedef struct
{
  const char      *control_url;
  TnNodePublicKey  node_key;
  gint64           told_us;          /* Unix time: when control told of the map last */
  guint            home_region;      /* that control knows; 0: none */
} TnNetmapCacheInfo;

/* Any thread. */
GBytes   *tn_netmap_cache_encode (const TnNetmapCacheInfo *info, const TnNetmapText *text, GCancellable *cancellable, GError **error);

/* @info says whose map is wanted, and learns the rest. NULL: it is another node's, or no good. */
TnNetmap *tn_netmap_cache_decode (GBytes *value, TnNetmapCacheInfo *info, GError **error);

G_END_DECLS
