/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-version-macros.h"

G_BEGIN_DECLS

#define TN_TESTKIT_TYPE_NODE (tn_testkit_node_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnTestkitNode, tn_testkit_node, TN_TESTKIT, NODE, GObject)

TN_AVAILABLE_IN_ALL
const char         *tn_testkit_node_get_stable_id   (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
const char         *tn_testkit_node_get_name        (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
const char         *tn_testkit_node_get_fqdn        (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
const char         *tn_testkit_node_get_user        (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
const char * const *tn_testkit_node_get_tags        (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
const char         *tn_testkit_node_get_ipv4        (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
const char         *tn_testkit_node_get_ipv6        (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
const char * const *tn_testkit_node_get_endpoints   (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
const char * const *tn_testkit_node_get_routes      (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
guint               tn_testkit_node_get_home_region (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
guint               tn_testkit_node_get_capability_version (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
gboolean            tn_testkit_node_get_online      (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
gboolean            tn_testkit_node_get_expired     (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
gboolean            tn_testkit_node_get_ephemeral   (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
gboolean            tn_testkit_node_get_authorized  (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
const char         *tn_testkit_node_get_node_key    (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
const char         *tn_testkit_node_get_machine_key (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
const char         *tn_testkit_node_get_disco_key   (TnTestkitNode *self);
TN_AVAILABLE_IN_ALL
const char         *tn_testkit_node_get_hostinfo    (TnTestkitNode *self);

G_END_DECLS
