/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-testkit-control.h"
#include "tn-version-macros.h"

G_BEGIN_DECLS

#define TN_TESTKIT_TYPE_TAILNET (tn_testkit_tailnet_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnTestkitTailnet, tn_testkit_tailnet, TN_TESTKIT, TAILNET, GObject)

TN_AVAILABLE_IN_ALL
TnTestkitTailnet *tn_testkit_tailnet_new             (void);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_tailnet_start           (TnTestkitTailnet  *self,
                                                      GError           **error);
TN_AVAILABLE_IN_ALL
void              tn_testkit_tailnet_stop            (TnTestkitTailnet  *self);

/* What a node needs to join. */
TN_AVAILABLE_IN_ALL
char             *tn_testkit_tailnet_dup_control_url (TnTestkitTailnet  *self);
TN_AVAILABLE_IN_ALL
const char       *tn_testkit_tailnet_get_auth_key    (TnTestkitTailnet  *self);
TN_AVAILABLE_IN_ALL
GTlsDatabase     *tn_testkit_tailnet_get_tls_database (TnTestkitTailnet *self);

/* Its parts. */
TN_AVAILABLE_IN_ALL
TnTestkitControl *tn_testkit_tailnet_get_control     (TnTestkitTailnet  *self);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_tailnet_start_relay     (TnTestkitTailnet  *self,
                                                      guint              region,
                                                      GError           **error);
TN_AVAILABLE_IN_ALL
gboolean          tn_testkit_tailnet_stop_relay      (TnTestkitTailnet  *self,
                                                      guint              region);
TN_AVAILABLE_IN_ALL
guint             tn_testkit_tailnet_get_n_relay_clients (TnTestkitTailnet *self,
                                                      guint              region);

G_END_DECLS
