/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-json-text.h"

#include <errno.h>
#include <string.h>

#include "tn-json-scan.h"

/* The walk, over text that has passed the check. */

TnJsonKind
tn_json_text_kind (TnJsonText value)
{
  if (value.text == NULL)
    return TN_JSON_NONE;
  switch (value.text[0])
    {
    case '{': return TN_JSON_OBJECT;
    case '[': return TN_JSON_ARRAY;
    case '"': return TN_JSON_STRING;
    case 't': case 'f': return TN_JSON_BOOL;
    case 'n': return TN_JSON_NULL;
    default:  return TN_JSON_NUMBER;
    }
}

static const char *
skip_string (const char *pos,
             const char *end)
{
  for (pos = tn_json_find_special (pos + 1, end); *pos == '\\'; pos = tn_json_find_special (pos + 2, end))
    ;
  return pos + 1;
}

static gboolean
ends_scalar (char c)
{
  switch (c)
    {
    case '{': case '}': case '[': case ']': case '"': case ',': case ':': case ' ': case '\n': case '\t': case '\r':
      return TRUE;
    default:
      return FALSE;
    }
}

static const char *
skip_container (const char *pos,
                const char *end)
{
  guint depth = 0;

  do
    {
      switch (*pos)
        {
        case '{': case '[': depth++; pos++; break;
        case '}': case ']': depth--; pos++; break;
        case '"': pos = skip_string (pos, end); break;
        default: pos++; break;
        }
    }
  while (depth > 0);
  return pos;
}

static const char *
skip_value (const char *pos,
            const char *end)
{
  switch (*pos)
    {
    case '{': case '[':
      return skip_container (pos, end);
    case '"':
      return skip_string (pos, end);
    default:
      while (pos < end && !ends_scalar (*pos))
        pos++;
      return pos;
    }
}

static gboolean
next_value (TnJsonIter *iter,
            TnJsonText *value)
{
  iter->pos = tn_json_skip_space (iter->pos, iter->end);
  value->text = iter->pos;
  iter->pos = skip_value (iter->pos, iter->end);
  value->len = (gsize) (iter->pos - value->text);
  iter->pos = tn_json_skip_space (iter->pos, iter->end);
  if (*iter->pos == ',')
    iter->pos++;
  return TRUE;
}

static gboolean
iter_begin (TnJsonIter *iter,
            char        close)
{
  if (iter->pos == NULL || iter->end[-1] != close)
    return FALSE;
  iter->pos = tn_json_skip_space (iter->pos, iter->end);
  return iter->pos < iter->end - 1;
}

gboolean
tn_json_array_next (TnJsonIter *iter,
                    TnJsonText *value)
{
  return iter_begin (iter, ']') && next_value (iter, value);
}

gboolean
tn_json_object_next (TnJsonIter *iter,
                     TnJsonText *key,
                     TnJsonText *value)
{
  if (!iter_begin (iter, '}'))
    return FALSE;
  key->text = iter->pos;
  iter->pos = skip_string (iter->pos, iter->end);
  key->len = (gsize) (iter->pos - key->text);
  iter->pos = tn_json_skip_space (iter->pos, iter->end) + 1;
  return next_value (iter, value);
}

gboolean
tn_json_key_equal (TnJsonText  key,
                   const char *name)
{
  gsize len;

  if (key.text[1] != '\\' && g_ascii_tolower (key.text[1]) != g_ascii_tolower (name[0]))
    return FALSE;
  len = strlen (name);
  if (key.len == len + 2 && (memcmp (key.text + 1, name, len) == 0 || g_ascii_strncasecmp (key.text + 1, name, len) == 0))
    return TRUE;
  if (key.len > len + 2 && memchr (key.text, '\\', key.len) != NULL)
    {
      g_autofree char *decoded = tn_json_text_dup_string (key);

      return g_ascii_strcasecmp (decoded, name) == 0;
    }
  return FALSE;
}

TnJsonText
tn_json_text_member (TnJsonText  object,
                     const char *name)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (object);
  TnJsonText key, value, found = { NULL, 0 };

  while (tn_json_object_next (&iter, &key, &value))
    if (tn_json_key_equal (key, name))
      found = value;
  return found;
}

gboolean
tn_json_text_get_bool (TnJsonText  value,
                       gboolean   *out)
{
  TnJsonKind kind = tn_json_text_kind (value);

  if (kind == TN_JSON_BOOL)
    *out = value.text[0] == 't';
  return kind == TN_JSON_BOOL || kind == TN_JSON_NULL || kind == TN_JSON_NONE;
}

gboolean
tn_json_text_get_int (TnJsonText  value,
                      gint64     *out)
{
  char copy[24];
  char *end;
  gint64 number;

  if (tn_json_text_is_null (value))
    return TRUE;
  if (tn_json_text_kind (value) != TN_JSON_NUMBER || value.len >= sizeof copy)
    return FALSE;
  memcpy (copy, value.text, value.len);
  copy[value.len] = '\0';
  errno = 0;
  number = g_ascii_strtoll (copy, &end, 10);
  if (errno != 0 || *end != '\0')
    return FALSE;
  *out = number;
  return TRUE;
}

gboolean
tn_json_text_get_double (TnJsonText  value,
                         double     *out)
{
  char copy[64];

  if (tn_json_text_is_null (value))
    return TRUE;
  if (tn_json_text_kind (value) != TN_JSON_NUMBER || value.len >= sizeof copy)
    return FALSE;
  memcpy (copy, value.text, value.len);
  copy[value.len] = '\0';
  *out = g_ascii_strtod (copy, NULL);
  return TRUE;
}

/* The end of what has no white space in it. */
static const char *
skip_dense (const char *pos,
            const char *end)
{
  while (pos < end && *pos != ' ' && *pos != '\n' && *pos != '\t' && *pos != '\r')
    pos = *pos == '"' ? skip_string (pos, end) : pos + 1;
  return pos;
}

void
tn_json_text_append (GString    *out,
                     TnJsonText  value)
{
  const char *pos = value.text;
  const char *end = value.text + value.len;

  while (pos < end)
    {
      const char *start = pos;

      pos = skip_dense (pos, end);
      g_string_append_len (out, start, pos - start);
      pos = tn_json_skip_space (pos, end);
    }
}
