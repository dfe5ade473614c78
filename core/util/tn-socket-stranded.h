/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The address that a connected socket speaks from is none of this machine's any more: nothing can come back to it. The kernel itself
 * only finds out by the silence of many minutes. */
gboolean tn_socket_is_stranded (GSocket *connected);

G_END_DECLS
