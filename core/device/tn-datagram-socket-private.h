/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"
#include "tn-device.h"

G_BEGIN_DECLS

/* Made in the context of @device, which knows the names of peers. Holds @device. */
TnDatagramSocket *tn_datagram_socket_new (TnDevice *device, TnNetstackDatagram *datagram);

G_END_DECLS
