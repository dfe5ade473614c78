/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"
#include "tn-system-device-private.h"

G_BEGIN_DECLS

/* A listener of another process's device. @id: its number there; @local: the text of an address and port. */
TnNetstackListener *tn_system_device_listener_new (TnBusTailnet1 *proxy, guint id, const char *local);

G_END_DECLS
