/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A file of packets, written by a thread of its own: who adds some never waits for the disk. What the disk does not keep up with is
 * left out, and counted in the log. Any thread. */
typedef struct _TnCapture TnCapture;

/* Makes the file anew, readable for its owner alone. */
TnCapture *tn_capture_new   (const char *path, GError **error);

void       tn_capture_add   (TnCapture *capture, gboolean inbound, const char *comment, const guint8 *packet, gsize len);

/* Waits for a moment until all is written; what takes longer goes on in the background. */
void       tn_capture_close (TnCapture *capture);

G_END_DECLS
