/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

#define TN_TYPE_LWIP_NETSTACK (tn_lwip_netstack_get_type ())
G_DECLARE_FINAL_TYPE (TnLwipNetstack, tn_lwip_netstack, TN, LWIP_NETSTACK, GObject)

G_END_DECLS
