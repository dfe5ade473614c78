/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "tn-netmap.h"

G_BEGIN_DECLS

/* A map on its way to text: one message that begins a map stream, and makes an equal map of an empty one. The server's clock is not in it,
 * nor what was for the client itself. Made on the thread of the map, which may change or go afterwards; good for any one thread. */
typedef struct _TnNetmapText TnNetmapText;

/* @netmap has had its first message. */
TnNetmapText *tn_netmap_text_new   (const TnNetmap *netmap);
void          tn_netmap_text_free  (TnNetmapText *text);

/* Piece by piece: at no time is there more of the text than that. Blocks as @stream does. Fails where it is longer than @max_len. */
gboolean      tn_netmap_text_write (const TnNetmapText *text, gsize max_len, GOutputStream *stream, GCancellable *cancellable,
                                    GError **error);

/* Made of a text: NULL, it is none. */
TnNetmap     *tn_netmap_text_read  (const char *json, gsize len, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnNetmapText, tn_netmap_text_free)

G_END_DECLS
