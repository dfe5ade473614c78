/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"
#include "tn-lwip-netif.h"

G_BEGIN_DECLS

#define TN_TYPE_LWIP_LISTENER (tn_lwip_listener_get_type ())
G_DECLARE_FINAL_TYPE (TnLwipListener, tn_lwip_listener, TN, LWIP_LISTENER, TnNetstackListener)

/* Takes the task, which returns a listener. */
void tn_lwip_listen (TnLwipNetif *netif, const TnIpEndpoint *local, guint backlog, GTask *task);

/* "cannot listen on 1.2.3.4:5: address in use" */
void tn_lwip_set_bind_error (GError **error, const char *what, const TnIpEndpoint *local, int lwip_error);

G_END_DECLS
