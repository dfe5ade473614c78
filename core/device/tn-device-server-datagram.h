/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-datagram-socket.h"

G_BEGIN_DECLS

/* Datagrams between a socket of the device and one that another process has, until either is closed or @cancellable is cancelled.
 * All of it happens in @context. The result is a descriptor for the other process; -1: @error. */
int tn_device_server_share_datagrams (TnDatagramSocket *socket, GMainContext *context, GCancellable *cancellable, GError **error);

G_END_DECLS
