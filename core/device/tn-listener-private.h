/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"
#include "tn-device.h"

G_BEGIN_DECLS

#define TN_LISTENER_DEFAULT_BACKLOG 128

/* Made in the context of @device, whose identify() says who a connection comes from. Holds @device. */
TnListener *tn_listener_new (TnDevice *device, TnNetstackListener *netstack_listener, guint backlog);

G_END_DECLS
