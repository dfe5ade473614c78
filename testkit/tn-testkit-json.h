/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define TN_TESTKIT_JSON_MAX_DEPTH 64

/* UTF-8, nested no deeper than the maximum: the parser recurses. */
JsonNode   *tn_testkit_json_parse       (const char *text, gsize len, GError **error);
char       *tn_testkit_json_to_text     (JsonNode *node);

/* Members of a request: clients spell names in any case. Absent, null or of another type: the default. */
JsonNode   *tn_testkit_json_member      (JsonObject *object, const char *name);       /* nullable; never a JSON null */
const char *tn_testkit_json_get_string  (JsonObject *object, const char *name);       /* never NULL */
gint64      tn_testkit_json_get_int     (JsonObject *object, const char *name);
gboolean    tn_testkit_json_get_boolean (JsonObject *object, const char *name);
JsonObject *tn_testkit_json_get_object  (JsonObject *object, const char *name);       /* nullable */
GStrv       tn_testkit_json_dup_strings (JsonObject *object, const char *name);       /* never NULL */
gint64      tn_testkit_json_get_time    (JsonObject *object, const char *name);       /* Unix seconds; 0: none */

/* NULL counts as empty. */
GStrv       tn_testkit_strv_copy         (const char * const *strings);
JsonArray  *tn_testkit_json_from_strings (const char * const *strings);
char       *tn_testkit_json_print_time   (gint64 unix_s);

G_END_DECLS
