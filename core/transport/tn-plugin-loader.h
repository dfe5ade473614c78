/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-version-macros.h"

G_BEGIN_DECLS

/* Plugins are shared objects in $libdir/tailnet-1/plugins-1/, found relative to the library. TAILNET_PLUGIN_DIR, a colon-separated
 * list whose folders are looked through one level deep, comes first; it is ignored when the program runs with raised privileges.
 * What is loaded stays so. Nothing is printed: what could not be loaded is an error that names file and reason, and the rest goes
 * on. All of it from any thread. */

/* Loads everything, once. Returns the problems as GErrors (TN_ERROR_PLUGIN), often none. */
TN_PLUGIN_API
GPtrArray *tn_plugin_loader_ensure      (void);

/* The type that implements @extension_point under the name @name, or of the highest priority for NULL; loads everything first.
 * G_TYPE_INVALID: there is none, and the error says what was looked at and what went wrong there. */
TN_PLUGIN_API
GType      tn_plugin_loader_find        (const char *extension_point, const char *name, GError **error);

/* Loads the plugins of one folder, adds a GError for each problem to @errors, and returns how many were loaded. */
TN_PLUGIN_API
guint      tn_plugin_loader_load_folder (const char *folder, gboolean sub_folders, GPtrArray *errors);

G_END_DECLS
