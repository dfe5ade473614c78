/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-version-macros.h"

G_BEGIN_DECLS

#define TN_TESTKIT_TYPE_STUN (tn_testkit_stun_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnTestkitStun, tn_testkit_stun, TN_TESTKIT, STUN, GObject)

TN_AVAILABLE_IN_ALL
TnTestkitStun *tn_testkit_stun_new            (void);

TN_AVAILABLE_IN_ALL
gboolean       tn_testkit_stun_start          (TnTestkitStun  *self,
                                               GError        **error);
TN_AVAILABLE_IN_ALL
void           tn_testkit_stun_stop           (TnTestkitStun  *self);

TN_AVAILABLE_IN_ALL
const char    *tn_testkit_stun_get_address    (TnTestkitStun  *self);
TN_AVAILABLE_IN_ALL
guint          tn_testkit_stun_get_port       (TnTestkitStun  *self);
TN_AVAILABLE_IN_ALL
guint          tn_testkit_stun_get_n_requests (TnTestkitStun  *self);

TN_AVAILABLE_IN_ALL
gboolean       tn_testkit_stun_get_silent     (TnTestkitStun  *self);
TN_AVAILABLE_IN_ALL
void           tn_testkit_stun_set_silent     (TnTestkitStun  *self,
                                               gboolean        silent);

G_END_DECLS
