/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-json-writer.h"

#include <string.h>

#include "tn-json-put.h"
#include "tn-json-text.h"

static void
break_line (TnJsonWriter *writer)
{
  g_string_append_c (writer->out, '\n');
  for (guint i = 0; i < writer->depth; i++)
    g_string_append (writer->out, "  ");
}

/* Before anything but an end. */
static void
begin_item (TnJsonWriter *writer)
{
  if (!writer->has_name)
    {
      if (writer->has_items)
        g_string_append_c (writer->out, ',');
      if (writer->depth > 0)
        break_line (writer);
    }
  writer->has_name = FALSE;
  writer->has_items = TRUE;
}

static void
begin (TnJsonWriter *writer,
       char          bracket)
{
  begin_item (writer);
  g_string_append_c (writer->out, bracket);
  writer->depth++;
  writer->has_items = FALSE;
}

static void
end (TnJsonWriter *writer,
     char          bracket)
{
  writer->depth--;
  if (writer->has_items)
    break_line (writer);
  g_string_append_c (writer->out, bracket);
  writer->has_items = TRUE;
}

static void
raw (TnJsonWriter *writer,
     const char   *text,
     gsize         len)
{
  begin_item (writer);
  g_string_append_len (writer->out, text, (gssize) len);
}

void
tn_json_writer_begin_object (TnJsonWriter *writer)
{
  begin (writer, '{');
}

void
tn_json_writer_end_object (TnJsonWriter *writer)
{
  end (writer, '}');
}

void
tn_json_writer_begin_array (TnJsonWriter *writer)
{
  begin (writer, '[');
}

void
tn_json_writer_end_array (TnJsonWriter *writer)
{
  end (writer, ']');
}

void
tn_json_writer_name (TnJsonWriter *writer,
                     const char   *name)
{
  begin_item (writer);
  tn_json_put_string (writer->out, name);
  g_string_append (writer->out, " : ");
  writer->has_name = TRUE;
}

void
tn_json_writer_value_null (TnJsonWriter *writer)
{
  raw (writer, "null", 4);
}

void
tn_json_writer_value_string (TnJsonWriter *writer,
                             const char   *value)
{
  begin_item (writer);
  tn_json_put_string (writer->out, value);
}

void
tn_json_writer_value_strv (TnJsonWriter       *writer,
                           const char *const  *values)
{
  tn_json_writer_begin_array (writer);
  for (guint i = 0; values != NULL && values[i] != NULL; i++)
    tn_json_writer_value_string (writer, values[i]);
  tn_json_writer_end_array (writer);
}

/* No deeper than TN_JSON_MAX_DEPTH: it has passed the check. */
static void
write_value (TnJsonWriter *writer,
             TnJsonText    value)
{
  TnJsonKind kind = tn_json_text_kind (value);
  TnJsonIter iter = TN_JSON_ITER_INIT (value);
  TnJsonText key, item;

  if (kind == TN_JSON_OBJECT)
    {
      tn_json_writer_begin_object (writer);
      while (tn_json_object_next (&iter, &key, &item))
        {
          raw (writer, key.text, key.len);
          g_string_append (writer->out, " : ");
          writer->has_name = TRUE;
          write_value (writer, item);
        }
      tn_json_writer_end_object (writer);
    }
  else if (kind == TN_JSON_ARRAY)
    {
      tn_json_writer_begin_array (writer);
      while (tn_json_array_next (&iter, &item))
        write_value (writer, item);
      tn_json_writer_end_array (writer);
    }
  else
    raw (writer, value.text, value.len);
}

void
tn_json_writer_value_json (TnJsonWriter *writer,
                           const char   *json)
{
  TnJsonText value;

  if (tn_json_text_parse (json, strlen (json), &value, NULL))
    write_value (writer, value);
  else
    tn_json_writer_value_string (writer, json);
}

void
tn_json_writer_string (TnJsonWriter *writer,
                       const char   *name,
                       const char   *value)
{
  tn_json_writer_name (writer, name);
  tn_json_writer_value_string (writer, value != NULL ? value : "");
}

void
tn_json_writer_strv (TnJsonWriter       *writer,
                     const char         *name,
                     const char *const  *values)
{
  tn_json_writer_name (writer, name);
  tn_json_writer_value_strv (writer, values);
}

void
tn_json_writer_int (TnJsonWriter *writer,
                    const char   *name,
                    gint64        value)
{
  tn_json_writer_name (writer, name);
  begin_item (writer);
  g_string_append_printf (writer->out, "%" G_GINT64_FORMAT, value);
}

/* A finite one. */
void
tn_json_writer_double (TnJsonWriter *writer,
                       const char   *name,
                       double        value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_ascii_dtostr (text, sizeof text, value);
  tn_json_writer_name (writer, name);
  raw (writer, text, strlen (text));
  if (strpbrk (text, ".e") == NULL)
    g_string_append (writer->out, ".0");
}

void
tn_json_writer_boolean (TnJsonWriter *writer,
                        const char   *name,
                        gboolean      value)
{
  tn_json_writer_name (writer, name);
  raw (writer, value ? "true" : "false", value ? 4 : 5);
}

char *
tn_json_writer_free (TnJsonWriter *writer)
{
  gsize len = writer->out->len;

  return g_realloc (g_string_free (g_steal_pointer (&writer->out), FALSE), len + 1);      /* a GString has up to twice that */
}
