/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "contract-overlay.h"

/* The host of an overlay that has sockets of its own, for its contract; once it has CONTRACT_OWN. */
gpointer   socket_host_new      (TnOverlayTransport *overlay);
void       socket_host_free     (gpointer host);
void       socket_host_send     (gpointer host, GBytes *payload);
GPtrArray *socket_host_received (gpointer host);
