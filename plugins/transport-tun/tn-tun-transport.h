/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

#define TN_TYPE_TUN_TRANSPORT (tn_tun_transport_get_type ())
G_DECLARE_FINAL_TYPE (TnTunTransport, tn_tun_transport, TN, TUN_TRANSPORT, GObject)

/* Name of its interface, for any thread; NULL: it is not started. */
char *tn_tun_transport_dup_interface (TnTunTransport *self);

G_END_DECLS
