/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-path.h"
#include "tn-user.h"
#include "tn-version-macros.h"

G_BEGIN_DECLS

#define TN_TYPE_NODE (tn_node_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnNode, tn_node, TN, NODE, GObject)

TN_AVAILABLE_IN_ALL
const char         *tn_node_get_stable_id           (TnNode     *self);
TN_AVAILABLE_IN_ALL
const char         *tn_node_get_name                (TnNode     *self);
TN_AVAILABLE_IN_ALL
const char         *tn_node_get_fqdn                (TnNode     *self);
TN_AVAILABLE_IN_ALL
const char         *tn_node_get_hostname            (TnNode     *self);
TN_AVAILABLE_IN_ALL
const char         *tn_node_get_os                  (TnNode     *self);
TN_AVAILABLE_IN_ALL
const char * const *tn_node_get_addresses           (TnNode     *self);
TN_AVAILABLE_IN_ALL
GInetAddress       *tn_node_get_ipv4                (TnNode     *self);
TN_AVAILABLE_IN_ALL
GInetAddress       *tn_node_get_ipv6                (TnNode     *self);
TN_AVAILABLE_IN_ALL
TnUser             *tn_node_get_user                (TnNode     *self);
TN_AVAILABLE_IN_ALL
const char * const *tn_node_get_tags                (TnNode     *self);
TN_AVAILABLE_IN_ALL
gboolean            tn_node_get_online              (TnNode     *self);
TN_AVAILABLE_IN_ALL
GDateTime          *tn_node_get_last_seen           (TnNode     *self);
TN_AVAILABLE_IN_ALL
GDateTime          *tn_node_get_created             (TnNode     *self);
TN_AVAILABLE_IN_ALL
GDateTime          *tn_node_get_key_expiry          (TnNode     *self);
TN_AVAILABLE_IN_ALL
gboolean            tn_node_get_expired             (TnNode     *self);
TN_AVAILABLE_IN_ALL
const char * const *tn_node_get_routes              (TnNode     *self);
TN_AVAILABLE_IN_ALL
gboolean            tn_node_get_is_exit_node_option (TnNode     *self);
TN_AVAILABLE_IN_ALL
int                 tn_node_get_capability_version  (TnNode     *self);
TN_AVAILABLE_IN_ALL
GVariant           *tn_node_get_capabilities        (TnNode     *self);
TN_AVAILABLE_IN_ALL
gboolean            tn_node_has_capability          (TnNode     *self,
                                                     const char *capability);
TN_AVAILABLE_IN_ALL
const char         *tn_node_get_location            (TnNode     *self);
TN_AVAILABLE_IN_ALL
const char         *tn_node_get_public_key          (TnNode     *self);
TN_AVAILABLE_IN_ALL
TnPath             *tn_node_get_path                (TnNode     *self);
TN_AVAILABLE_IN_ALL
guint64             tn_node_get_rx_bytes            (TnNode     *self);
TN_AVAILABLE_IN_ALL
guint64             tn_node_get_tx_bytes            (TnNode     *self);
TN_AVAILABLE_IN_ALL
GDateTime          *tn_node_get_last_handshake      (TnNode     *self);

G_END_DECLS
