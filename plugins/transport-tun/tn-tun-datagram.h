/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

#define TN_TYPE_TUN_DATAGRAM (tn_tun_datagram_get_type ())
G_DECLARE_FINAL_TYPE (TnTunDatagram, tn_tun_datagram, TN, TUN_DATAGRAM, TnNetstackDatagram)

/* NULL: it cannot be bound there. */
TnNetstackDatagram *tn_tun_datagram_new (GInetSocketAddress *local, const char *interface, GError **error);

G_END_DECLS
