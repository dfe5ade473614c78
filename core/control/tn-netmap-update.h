/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-map-message.h"
#include "tn-netmap.h"

G_BEGIN_DECLS

/* Applies a message that was read. @now_us: our clock, Unix time. On failure the stream is over, and
 * the map as it was. */
gboolean tn_netmap_apply      (TnNetmap *netmap, const TnMapMessage *message, gint64 now_us, TnNetmapChanges *changes,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Reads one, then applies it. */
gboolean tn_netmap_update     (TnNetmap *netmap, const char *json, gsize len, gint64 now_us, TnMapMessage *message,
                               TnNetmapChanges *changes, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The first message of a new stream has made @netmap, which stands in for @before (nullable), the map of another stream: @changes
 * says what differs between them. Nothing of before holds that was not said again, so all but the peers counts as changed. */
void     tn_netmap_follow (TnNetmap *netmap, const TnNetmap *before, TnNetmapChanges *changes);

G_END_DECLS
