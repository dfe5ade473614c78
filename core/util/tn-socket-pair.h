/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Two ends of a stream, non-blocking: TCP over loopback where that can be had at once, since a pair of local sockets has no way to tell
 * the other end that a connection was reset; else such a pair, on which a reset shows as an end. Blocks for some milliseconds at most. */
gboolean tn_socket_pair_new (int fds[2], GError **error);

G_END_DECLS
