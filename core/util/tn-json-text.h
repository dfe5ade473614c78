/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-arena.h"

G_BEGIN_DECLS

/* JSON read in place: no tree, numbers exact, every value still there as the text it came as. A network map of 10 000 peers is
 * 10 MB of JSON; json-glib's tree of it would be many times that, and turns what exceeds 64 bits into a double.
 *
 * tn_json_text_parse() checks all of the text once; what walks through it afterwards relies on that. */
typedef struct
{
  const char *text;      /* without white space around it; NULL: no value */
  gsize       len;
} TnJsonText;

typedef enum
{
  TN_JSON_NONE,
  TN_JSON_NULL,
  TN_JSON_BOOL,
  TN_JSON_NUMBER,
  TN_JSON_STRING,
  TN_JSON_ARRAY,
  TN_JSON_OBJECT,
} TnJsonKind;

#define TN_JSON_MAX_DEPTH 200

gboolean   tn_json_text_parse (const char *text, gsize len, TnJsonText *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TnJsonKind tn_json_text_kind  (TnJsonText value);

static inline gboolean
tn_json_text_is_null (TnJsonText value)
{
  return value.text == NULL || value.text[0] == 'n';
}

/* Walk of an array or an object; over anything else there is nothing to walk. Start with TN_JSON_ITER_INIT (value). */
typedef struct
{
  const char *pos;
  const char *end;
} TnJsonIter;

#define TN_JSON_ITER_INIT(value)                                                                                        \
  ((TnJsonIter) { (value).text != NULL ? (value).text + 1 : NULL, (value).text != NULL ? (value).text + (value).len : NULL })

gboolean   tn_json_array_next  (TnJsonIter *iter, TnJsonText *value);
gboolean   tn_json_object_next (TnJsonIter *iter, TnJsonText *key, TnJsonText *value);

/* The last member of that name, compared without regard to case, as the other implementations do; else TN_JSON_NONE. */
TnJsonText tn_json_text_member (TnJsonText object, const char *name);
gboolean   tn_json_key_equal   (TnJsonText key, const char *name);

/* FALSE: it is of another kind, or does not fit. Null leaves @out alone and is TRUE. */
gboolean   tn_json_text_get_bool   (TnJsonText value, gboolean *out) G_GNUC_WARN_UNUSED_RESULT;
gboolean   tn_json_text_get_int    (TnJsonText value, gint64 *out) G_GNUC_WARN_UNUSED_RESULT;
gboolean   tn_json_text_get_double (TnJsonText value, double *out) G_GNUC_WARN_UNUSED_RESULT;

/* Decoded, valid UTF-8 without NUL (what is not becomes U+FFFD). NULL: null, or another kind. The first one allocates in @arena. */
const char *tn_json_text_get_string (TnJsonText value, TnArena *arena);
char       *tn_json_text_dup_string (TnJsonText value);

/* The same in @buffer. NULL: no string, no UTF-8, or longer than @size with its quotes. */
const char *tn_json_text_get_short_string (TnJsonText value, char *buffer, gsize size);

/* Strings of an array; others are left out. NULL: null or no array. */
GStrv      tn_json_text_dup_strv   (TnJsonText value);

/* RFC 3339, 0 for year 1. FALSE: no time. */
gboolean   tn_json_text_get_time   (TnJsonText value, gint64 *unix_us) G_GNUC_WARN_UNUSED_RESULT;

/* Appends @value without white space. */
void       tn_json_text_append     (GString *out, TnJsonText value);

G_END_DECLS
