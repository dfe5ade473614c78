/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-version-macros.h"

G_BEGIN_DECLS

#define TN_TYPE_USER (tn_user_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnUser, tn_user, TN, USER, GObject)

TN_AVAILABLE_IN_ALL
const char *tn_user_get_id                  (TnUser *self);
TN_AVAILABLE_IN_ALL
const char *tn_user_get_login_name          (TnUser *self);
TN_AVAILABLE_IN_ALL
const char *tn_user_get_display_name        (TnUser *self);
TN_AVAILABLE_IN_ALL
const char *tn_user_get_profile_picture_url (TnUser *self);

G_END_DECLS
