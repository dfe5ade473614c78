/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-preferences.h"

G_BEGIN_DECLS

/* Immutable, hence good for every thread. */
TnPreferences *tn_preferences_new   (const char *control_url, const char *hostname, const char * const *tags, gboolean want_running);
gboolean       tn_preferences_equal (TnPreferences *a, TnPreferences *b);     /* by value; NULL equals NULL */

G_END_DECLS
