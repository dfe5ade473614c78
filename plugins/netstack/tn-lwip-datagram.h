/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"
#include "tn-lwip-netif.h"

G_BEGIN_DECLS

#define TN_TYPE_LWIP_DATAGRAM (tn_lwip_datagram_get_type ())
G_DECLARE_FINAL_TYPE (TnLwipDatagram, tn_lwip_datagram, TN, LWIP_DATAGRAM, TnNetstackDatagram)

/* Waits for a turn. */
TnNetstackDatagram *tn_lwip_datagram_new (TnLwipNetif *netif, const TnIpEndpoint *local, GError **error);

G_END_DECLS
