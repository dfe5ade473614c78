/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-version-macros.h"

G_BEGIN_DECLS

#define TN_TYPE_PREFERENCES (tn_preferences_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnPreferences, tn_preferences, TN, PREFERENCES, GObject)

TN_AVAILABLE_IN_ALL
const char         *tn_preferences_get_control_url  (TnPreferences *self);
TN_AVAILABLE_IN_ALL
const char         *tn_preferences_get_hostname     (TnPreferences *self);
TN_AVAILABLE_IN_ALL
const char * const *tn_preferences_get_tags         (TnPreferences *self);
TN_AVAILABLE_IN_ALL
gboolean            tn_preferences_get_want_running (TnPreferences *self);
TN_AVAILABLE_IN_ALL
char               *tn_preferences_to_json          (TnPreferences *self);

G_END_DECLS
