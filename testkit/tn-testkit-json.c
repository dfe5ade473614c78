/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-json.h"

#include "tn-json-text.h"

/* Small helpers over json-glib for what nodes send. */

/* Year 1, the wire's "no time", and everything before 1970 is no time at all. */
#define ZERO_TIME 0

static gboolean
is_nested_too_deep (const char *text,
                    gsize       len)
{
  gboolean in_string = FALSE;
  guint depth = 0;

  for (gsize i = 0; i < len; i++)
    {
      if (in_string)
        {
          if (text[i] == '\\')
            i++;
          else if (text[i] == '"')
            in_string = FALSE;
        }
      else if (text[i] == '"')
        in_string = TRUE;
      else if (text[i] == '[' || text[i] == '{')
        {
          if (++depth > TN_TESTKIT_JSON_MAX_DEPTH)
            return TRUE;
        }
      else if ((text[i] == ']' || text[i] == '}') && depth > 0)
        depth--;
    }

  return FALSE;
}

JsonNode *
tn_testkit_json_parse (const char *text,
                       gsize       len,
                       GError    **error)
{
  g_autoptr (JsonParser) parser = NULL;
  TnJsonText checked;

  if (len == 0)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "JSON text is empty");
      return NULL;
    }

  if (!g_utf8_validate_len (text, len, NULL))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "JSON text is not UTF-8");
      return NULL;
    }

  if (is_nested_too_deep (text, len))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "JSON text is nested more than %d deep",
                   TN_TESTKIT_JSON_MAX_DEPTH);
      return NULL;
    }

  if (!tn_json_text_parse (text, len, &checked, error))      /* json-glib leaks the first of two values */
    return NULL;
  parser = json_parser_new_immutable ();
  if (!json_parser_load_from_data (parser, text, (gssize) len, error))
    return NULL;

  if (json_parser_get_root (parser) == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "JSON text is empty");
      return NULL;
    }

  return json_node_ref (json_parser_get_root (parser));
}

char *
tn_testkit_json_to_text (JsonNode *node)
{
  return json_to_string (node, FALSE);
}

JsonNode *
tn_testkit_json_member (JsonObject *object,
                        const char *name)
{
  JsonObjectIter iter;
  const char *key;
  JsonNode *node = json_object_get_member (object, name);

  if (node == NULL)
    {
      JsonNode *value;

      json_object_iter_init_ordered (&iter, object);
      while (node == NULL && json_object_iter_next_ordered (&iter, &key, &value))
        if (g_ascii_strcasecmp (key, name) == 0)
          node = value;
    }

  return node == NULL || JSON_NODE_HOLDS_NULL (node) ? NULL : node;
}

static JsonNode *
value_of_type (JsonObject *object,
               const char *name,
               GType       type)
{
  JsonNode *node = tn_testkit_json_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type ? node : NULL;
}

const char *
tn_testkit_json_get_string (JsonObject *object,
                            const char *name)
{
  JsonNode *node = value_of_type (object, name, G_TYPE_STRING);

  return node != NULL ? json_node_get_string (node) : "";
}

gint64
tn_testkit_json_get_int (JsonObject *object,
                         const char *name)
{
  JsonNode *node = value_of_type (object, name, G_TYPE_INT64);

  return node != NULL ? json_node_get_int (node) : 0;
}

gboolean
tn_testkit_json_get_boolean (JsonObject *object,
                             const char *name)
{
  JsonNode *node = value_of_type (object, name, G_TYPE_BOOLEAN);

  return node != NULL && json_node_get_boolean (node);
}

JsonObject *
tn_testkit_json_get_object (JsonObject *object,
                            const char *name)
{
  JsonNode *node = tn_testkit_json_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

GStrv
tn_testkit_json_dup_strings (JsonObject *object,
                             const char *name)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  JsonNode *node = tn_testkit_json_member (object, name);
  JsonArray *array;

  if (node == NULL || !JSON_NODE_HOLDS_ARRAY (node))
    return g_strv_builder_end (builder);

  array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonNode *element = json_array_get_element (array, i);

      if (JSON_NODE_HOLDS_VALUE (element) && json_node_get_value_type (element) == G_TYPE_STRING)
        g_strv_builder_add (builder, json_node_get_string (element));
    }

  return g_strv_builder_end (builder);
}

gint64
tn_testkit_json_get_time (JsonObject *object,
                          const char *name)
{
  const char *text = tn_testkit_json_get_string (object, name);
  g_autoptr (GDateTime) time = *text != '\0' ? g_date_time_new_from_iso8601 (text, NULL) : NULL;

  return time != NULL ? MAX (ZERO_TIME, g_date_time_to_unix (time)) : ZERO_TIME;
}

GStrv
tn_testkit_strv_copy (const char * const *strings)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (gsize i = 0; strings != NULL && strings[i] != NULL; i++)
    g_strv_builder_add (builder, strings[i]);

  return g_strv_builder_end (builder);
}

JsonArray *
tn_testkit_json_from_strings (const char * const *strings)
{
  JsonArray *array = json_array_new ();

  for (gsize i = 0; strings != NULL && strings[i] != NULL; i++)
    json_array_add_string_element (array, strings[i]);

  return array;
}

char *
tn_testkit_json_print_time (gint64 unix_s)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (unix_s);

  return time != NULL && unix_s > ZERO_TIME ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ")
                                            : g_strdup ("0001-01-01T00:00:00Z");
}
