/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-node-data.h"

G_BEGIN_DECLS

/* A node on the bus: a{sv}, floating (daemon/dbus/org.tailnet.Tailnet1.Tailnet1.xml lists the keys). */
GVariant   *tn_system_device_node_to_variant   (const TnNodeData *data, const TnNodeLive *live);
void        tn_system_device_live_from_variant (GVariant *variant, TnNodeLive *live);

/* (ususx), floating */
GVariant   *tn_system_device_path_to_variant   (const TnPathData *path);
TnPathData  tn_system_device_path_from_variant (GVariant *variant);

/* NULL: @variant has no id. What is of another type or form than it should be counts as left out. */
TnNodeData *tn_system_device_node_from_variant (GVariant *variant);

G_END_DECLS
