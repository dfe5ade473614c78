/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-json-text.h"

#include <string.h>

#include "tn-json-scan.h"

static guint32
hex4 (const char *digits)
{
  guint32 value = 0;

  for (guint i = 0; i < 4; i++)
    value = value << 4 | (guint32) g_ascii_xdigit_value (digits[i]);
  return value;
}

/* At the u of \uXXXX; moves behind it, and behind its other half. */
static gunichar
decode_unicode (const char **pos)
{
  guint32 first = hex4 (*pos + 1);

  *pos += 5;
  if (first >= 0xd800 && first < 0xdc00 && (*pos)[0] == '\\' && (*pos)[1] == 'u')
    {
      guint32 second = hex4 (*pos + 2);

      if (second >= 0xdc00 && second < 0xe000)
        {
          *pos += 6;
          return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        }
    }
  return first == 0 || (first >= 0xd800 && first < 0xe000) ? 0xfffd : first;
}

static char
decode_escape (char c)
{
  switch (c)
    {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default:  return c;
    }
}

/* Nothing to decode, and nothing that could be wrong: ASCII without a backslash. The check has seen to control characters. */
static gboolean
is_plain (TnJsonText value)
{
  const char *pos = value.text + 1;
  const char *end = value.text + value.len - 1;

  for (; end - pos >= 8; pos += 8)
    {
      guint64 word = tn_json_load_word (pos);

      if (((word & TN_JSON_BYTES (0x80)) | tn_json_find_byte (word, '\\')) != 0)
        return FALSE;
    }
  while (pos < end && *pos != '\\' && (guchar) *pos < 0x80)
    pos++;
  return pos == end;
}

/* @out has room for the text between the quotes: no escape gets longer. Returns the length. */
static gsize
decode_escaped (TnJsonText  value,
                char       *out)
{
  const char *pos = value.text + 1;
  const char *end = value.text + value.len - 1;
  char *start = out;

  while (pos < end)
    {
      if (*pos != '\\')
        {
          *out++ = *pos++;
        }
      else if (pos[1] == 'u')
        {
          pos++;
          out += g_unichar_to_utf8 (decode_unicode (&pos), out);
        }
      else
        {
          *out++ = decode_escape (pos[1]);
          pos += 2;
        }
    }
  *out = '\0';
  return (gsize) (out - start);
}

/* Into @out, with room for the text between the quotes. NULL, or what has to be taken instead, where that is no UTF-8. */
static char *
decode_string (TnJsonText  value,
               char       *out)
{
  gsize len;

  if (is_plain (value))
    {
      memcpy (out, value.text + 1, value.len - 2);
      out[value.len - 2] = '\0';
      return NULL;
    }
  len = decode_escaped (value, out);
  return g_utf8_validate_len (out, len, NULL) ? NULL : g_utf8_make_valid (out, (gssize) len);
}

const char *
tn_json_text_get_string (TnJsonText  value,
                         TnArena    *arena)
{
  g_autofree char *valid = NULL;
  char *decoded;

  if (tn_json_text_kind (value) != TN_JSON_STRING)
    return NULL;
  decoded = tn_arena_alloc (arena, value.len);
  valid = decode_string (value, decoded);
  return valid != NULL ? tn_arena_strndup (arena, valid, strlen (valid)) : decoded;
}

char *
tn_json_text_dup_string (TnJsonText value)
{
  g_autofree char *decoded = NULL;
  char *valid;

  if (tn_json_text_kind (value) != TN_JSON_STRING)
    return NULL;
  decoded = g_malloc (value.len);
  valid = decode_string (value, decoded);
  return valid != NULL ? valid : g_steal_pointer (&decoded);
}

const char *
tn_json_text_get_short_string (TnJsonText  value,
                               char       *buffer,
                               gsize       size)
{
  g_autofree char *valid = NULL;

  if (tn_json_text_kind (value) != TN_JSON_STRING || value.len > size)
    return NULL;
  valid = decode_string (value, buffer);
  return valid == NULL ? buffer : NULL;
}

GStrv
tn_json_text_dup_strv (TnJsonText value)
{
  g_autoptr (GStrvBuilder) builder = NULL;
  TnJsonIter iter = TN_JSON_ITER_INIT (value);
  TnJsonText item;

  if (tn_json_text_kind (value) != TN_JSON_ARRAY)
    return NULL;
  builder = g_strv_builder_new ();
  while (tn_json_array_next (&iter, &item))
    {
      g_autofree char *text = tn_json_text_dup_string (item);

      if (text != NULL)
        g_strv_builder_add (builder, text);
    }
  return g_strv_builder_end (builder);
}
