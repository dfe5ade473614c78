/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"
#include "tn-route-message.h"

G_BEGIN_DECLS

/* What is in the kernel, what ought to be, and the difference. No I/O. */

#define TN_LINUX_TABLE 52               /* tailscale wgengine/router/osrouter/router_linux.go: and what follows */
#define TN_LINUX_MARK 0x80000           /* on packets that go by the network under the tailnet */
#define TN_LINUX_MARK_MASK 0xff0000

typedef struct
{
  GArray *addresses;      /* of TnLinuxAddress */
  GArray *rules;          /* of TnLinuxRule */
  GArray *routes;         /* of TnLinuxRoute */
} TnLinuxState;

TnLinuxState *tn_linux_state_new            (void);
void          tn_linux_state_free           (TnLinuxState *self);
TnLinuxState *tn_linux_state_new_for_config (const TnRouterConfig *config, guint32 index, gboolean ipv6);

/* Something of IPv6 is asked for. */
gboolean      tn_router_config_has_ipv6     (const TnRouterConfig *config);

/* Is it at a place that we use? */
gboolean      tn_linux_rule_is_at_ours      (const TnLinuxRule *rule);
gboolean      tn_linux_route_is_at_ours     (const TnLinuxRoute *route);

/* FALSE: another program has something at a place that we use. */
gboolean      tn_linux_state_check_foreign  (const TnLinuxState *self, GError **error);
void          tn_linux_state_drop_foreign   (TnLinuxState *self);      /* rules and routes */

/* --- Difference. @missing gets what is in @want alone, @extra what is in @have alone; sorts both. --- */

int           tn_linux_address_compare      (gconstpointer a, gconstpointer b);
int           tn_linux_rule_compare         (gconstpointer a, gconstpointer b);
int           tn_linux_route_compare        (gconstpointer a, gconstpointer b);     /* the longest prefixes come first */
void          tn_linux_diff                 (GArray *have, GArray *want, GCompareFunc compare, GArray *missing, GArray *extra);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnLinuxState, tn_linux_state_free)

G_END_DECLS
