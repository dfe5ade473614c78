/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* JSON for people to read, two spaces a level, written straight into the text: a tree of what a large tailnet has to say of itself is
 * many times as large. Values follow each other in an array, and a name in an object. */
typedef struct
{
  GString *out;
  guint    depth;
  gboolean has_items;      /* in what is open now */
  gboolean has_name;       /* a value follows it */
} TnJsonWriter;

#define TN_JSON_WRITER_INIT ((TnJsonWriter) { .out = g_string_new (NULL) })

void  tn_json_writer_begin_object (TnJsonWriter *writer);
void  tn_json_writer_end_object   (TnJsonWriter *writer);
void  tn_json_writer_begin_array  (TnJsonWriter *writer);
void  tn_json_writer_end_array    (TnJsonWriter *writer);
void  tn_json_writer_name         (TnJsonWriter *writer, const char *name);

void  tn_json_writer_value_null   (TnJsonWriter *writer);
void  tn_json_writer_value_string (TnJsonWriter *writer, const char *value);
void  tn_json_writer_value_strv   (TnJsonWriter *writer, const char *const *values);      /* NULL: an empty array */
void  tn_json_writer_value_json   (TnJsonWriter *writer, const char *json);               /* as a string if it is none */

/* A name with its value. */
void  tn_json_writer_string       (TnJsonWriter *writer, const char *name, const char *value);      /* NULL: empty */
void  tn_json_writer_strv         (TnJsonWriter *writer, const char *name, const char *const *values);
void  tn_json_writer_int          (TnJsonWriter *writer, const char *name, gint64 value);
void  tn_json_writer_double       (TnJsonWriter *writer, const char *name, double value);
void  tn_json_writer_boolean      (TnJsonWriter *writer, const char *name, gboolean value);

/* Of a writer at its end; it is done with. */
char *tn_json_writer_free         (TnJsonWriter *writer) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
