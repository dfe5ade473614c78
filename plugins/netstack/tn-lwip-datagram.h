/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"
#include "tn-lwip-netif.h"

G_BEGIN_DECLS

#define TN_TYPE_LWIP_DATAGRAM (tn_lwip_datagram_get_type ())
G_DECLARE_FINAL_TYPE (TnLwipDatagram, tn_lwip_datagram, TN, LWIP_DATAGRAM, TnNetstackDatagram)

/* Takes the task, which returns a socket. */
void tn_lwip_bind_datagram (TnLwipNetif *netif, const TnIpEndpoint *local, GTask *task);

G_END_DECLS
