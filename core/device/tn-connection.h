/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-node.h"
#include "tn-version-macros.h"

G_BEGIN_DECLS

#define TN_TYPE_CONNECTION (tn_connection_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnConnection, tn_connection, TN, CONNECTION, GIOStream)

TN_AVAILABLE_IN_ALL
GSocketAddress *tn_connection_get_local_address  (TnConnection  *self);
TN_AVAILABLE_IN_ALL
GSocketAddress *tn_connection_get_remote_address (TnConnection  *self);
TN_AVAILABLE_IN_ALL
TnNode         *tn_connection_get_peer           (TnConnection  *self);
TN_AVAILABLE_IN_ALL
GVariant       *tn_connection_get_capabilities   (TnConnection  *self);
TN_AVAILABLE_IN_ALL
gboolean        tn_connection_shutdown           (TnConnection  *self,
                                                  gboolean       shutdown_read,
                                                  gboolean       shutdown_write,
                                                  GError       **error);
TN_AVAILABLE_IN_ALL
int             tn_connection_steal_fd           (TnConnection  *self,
                                                  GError       **error);

G_END_DECLS
