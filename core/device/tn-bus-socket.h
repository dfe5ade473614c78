/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define TN_BUS_OBJECT_PATH "/org/tailnet/Tailnet1/node"

/* Name of the private bus in a state folder. */
#define TN_BUS_SOCKET_NAME "bus"

/* A D-Bus address of the socket in @directory. @fd: -1, or what has to stay open while the address is used: paths of sockets are
 * limited to 107 bytes, and folders are not. NULL: @directory cannot be opened. */
char *tn_bus_socket_dup_address (const char *directory, int *fd, GError **error);

/* Is the socket there ours? One that somebody else put there would be told whom we talk to. TRUE also where there is none. */
gboolean tn_bus_socket_check_owner (const char *directory, GError **error);

G_END_DECLS
