/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

/* A host in memory for tests of what stands between overlay and underlay: the test is the host. */
#define LOSSY_TYPE_OVERLAY (lossy_overlay_get_type ())
G_DECLARE_FINAL_TYPE (LossyOverlay, lossy_overlay, LOSSY, OVERLAY, GObject)

/* TRUE: this packet, on its way into the host, is lost. */
typedef gboolean (*LossyOverlayDropFunc) (gpointer user_data, const guint8 *data, gsize len);

TnOverlayTransport *lossy_overlay_new          (void);
void                lossy_overlay_set_drop     (LossyOverlay *self, LossyOverlayDropFunc drop, gpointer user_data);
void                lossy_overlay_send         (LossyOverlay *self, const guint8 *data, gsize len);     /* out of the host, soon */
GPtrArray          *lossy_overlay_get_received (LossyOverlay *self);                                    /* of GBytes, into the host */
gboolean            lossy_overlay_is_blocked   (LossyOverlay *self, const TnIpAddress *destination);

G_END_DECLS
