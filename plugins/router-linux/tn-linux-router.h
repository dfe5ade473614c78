/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

#define TN_TYPE_LINUX_ROUTER (tn_linux_router_get_type ())
G_DECLARE_FINAL_TYPE (TnLinuxRouter, tn_linux_router, TN, LINUX_ROUTER, GObject)

G_END_DECLS
