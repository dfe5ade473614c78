/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

#define TN_TYPE_TUN_LISTENER (tn_tun_listener_get_type ())
G_DECLARE_FINAL_TYPE (TnTunListener, tn_tun_listener, TN, TUN_LISTENER, TnNetstackListener)

/* NULL: it cannot listen there. */
TnNetstackListener *tn_tun_listener_new (GInetSocketAddress *local, guint backlog, const char *interface, GError **error);

G_END_DECLS
