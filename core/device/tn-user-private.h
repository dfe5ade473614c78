/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-user.h"

G_BEGIN_DECLS

/* Immutable, hence good for every thread: one is made for each user profile of a netmap and shared by its nodes. */
TnUser  *tn_user_new            (gint64 id, const char *login_name, const char *display_name, const char *profile_picture_url);
gint64   tn_user_get_numeric_id (TnUser *self);
gboolean tn_user_equal          (TnUser *a, TnUser *b);     /* by value; NULL equals NULL */

G_END_DECLS
