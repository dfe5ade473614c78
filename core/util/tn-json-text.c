/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-json-text.h"

#include <errno.h>
#include <string.h>

#include "tn-error.h"

/* --- The check --- */

typedef struct
{
  const char *start;
  const char *pos;
  const char *end;
  guint       depth;
} Checker;

static gboolean check_value (Checker *c);

/* Eight bytes at a time: strings are most of what servers send. The lowest of the bits that are set is right, those above it may not be. */
#define BYTES(b) (G_GUINT64_CONSTANT (0x0101010101010101) * (b))

static inline guint64
load_word (const char *pos)
{
  guint64 word;

  memcpy (&word, pos, sizeof word);
  return GUINT64_FROM_LE (word);
}

static inline guint64
find_byte (guint64 word,
           guint8  byte)
{
  word ^= BYTES (byte);
  return (word - BYTES (1)) & ~word & BYTES (0x80);
}

/* The next quote, backslash or control character; @end: none. */
static inline const char *
find_special (const char *pos,
              const char *end)
{
  for (; end - pos >= 8; pos += 8)
    {
      guint64 word = load_word (pos);
      guint64 found = find_byte (word, '"') | find_byte (word, '\\') | ((word - BYTES (0x20)) & ~word & BYTES (0x80));

      if (found != 0)
        return pos + (__builtin_ctzll (found) >> 3);
    }
  while (pos < end && *pos != '"' && *pos != '\\' && (guchar) *pos >= 0x20)
    pos++;
  return pos;
}

static const char *
skip_space (const char *pos,
            const char *end)
{
  while (pos < end && (*pos == ' ' || *pos == '\n' || *pos == '\t' || *pos == '\r'))
    pos++;
  return pos;
}

static gboolean
check_char (Checker *c,
            char     expected)
{
  if (c->pos >= c->end || *c->pos != expected)
    return FALSE;
  c->pos++;
  return TRUE;
}

static gboolean
check_string (Checker *c)
{
  if (!check_char (c, '"'))
    return FALSE;
  while ((c->pos = find_special (c->pos, c->end)) < c->end)
    {
      guchar ch = (guchar) *c->pos++;

      if (ch == '"')
        return TRUE;
      if (ch < 0x20 || c->pos >= c->end)
        return FALSE;
      ch = (guchar) *c->pos++;
      if (ch == 'u')
        {
          for (guint i = 0; i < 4; i++)
            if (c->pos >= c->end || !g_ascii_isxdigit (*c->pos++))
              return FALSE;
        }
      else if (ch == '\0' || strchr ("\"\\/bfnrt", ch) == NULL)
        return FALSE;
    }
  return FALSE;
}

static gboolean
check_digits (Checker *c)
{
  const char *start = c->pos;

  while (c->pos < c->end && g_ascii_isdigit (*c->pos))
    c->pos++;
  return c->pos > start;
}

static gboolean
check_number (Checker *c)
{
  const char *start;

  if (*c->pos == '-')
    c->pos++;
  start = c->pos;
  if (!check_digits (c) || (*start == '0' && c->pos - start > 1))
    return FALSE;
  if (check_char (c, '.') && !check_digits (c))
    return FALSE;
  if (c->pos < c->end && (*c->pos == 'e' || *c->pos == 'E'))
    {
      c->pos++;
      if (c->pos < c->end && (*c->pos == '+' || *c->pos == '-'))
        c->pos++;
      if (!check_digits (c))
        return FALSE;
    }
  return TRUE;
}

static gboolean
check_word (Checker    *c,
            const char *word)
{
  gsize len = strlen (word);

  if ((gsize) (c->end - c->pos) < len || memcmp (c->pos, word, len) != 0)
    return FALSE;
  c->pos += len;
  return TRUE;
}

static gboolean
check_items (Checker *c,
             char     close,
             gboolean keys)
{
  if (c->depth >= TN_JSON_MAX_DEPTH)
    return FALSE;
  c->depth++;
  c->pos = skip_space (c->pos + 1, c->end);
  if (check_char (c, close))
    {
      c->depth--;
      return TRUE;
    }
  for (;;)
    {
      if (keys)
        {
          c->pos = skip_space (c->pos, c->end);
          if (!check_string (c))
            return FALSE;
          c->pos = skip_space (c->pos, c->end);
          if (!check_char (c, ':'))
            return FALSE;
        }
      if (!check_value (c))
        return FALSE;
      c->pos = skip_space (c->pos, c->end);
      if (check_char (c, close))
        {
          c->depth--;
          return TRUE;
        }
      if (!check_char (c, ','))
        return FALSE;
    }
}

static gboolean
check_value (Checker *c)
{
  c->pos = skip_space (c->pos, c->end);
  if (c->pos >= c->end)
    return FALSE;
  switch (*c->pos)
    {
    case '{': return check_items (c, '}', TRUE);
    case '[': return check_items (c, ']', FALSE);
    case '"': return check_string (c);
    case 't': return check_word (c, "true");
    case 'f': return check_word (c, "false");
    case 'n': return check_word (c, "null");
    default:  return (*c->pos == '-' || g_ascii_isdigit (*c->pos)) && c->pos + 1 <= c->end && check_number (c);
    }
}

gboolean
tn_json_text_parse (const char  *text,
                    gsize        len,
                    TnJsonText  *out,
                    GError     **error)
{
  Checker c = { text, text, text + len, 0 };
  const char *start = skip_space (text, text + len);

  if (!check_value (&c) || skip_space (c.pos, c.end) != c.end)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "JSON: syntax error at byte %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT,
                   (gsize) (c.pos - text), len);
      return FALSE;
    }
  out->text = start;
  out->len = (gsize) (c.pos - start);
  return TRUE;
}

/* --- The walk, over text that has passed the check --- */

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
  for (pos = find_special (pos + 1, end); *pos == '\\'; pos = find_special (pos + 2, end))
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
  iter->pos = skip_space (iter->pos, iter->end);
  value->text = iter->pos;
  iter->pos = skip_value (iter->pos, iter->end);
  value->len = (gsize) (iter->pos - value->text);
  iter->pos = skip_space (iter->pos, iter->end);
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
  iter->pos = skip_space (iter->pos, iter->end);
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
  iter->pos = skip_space (iter->pos, iter->end) + 1;
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

/* --- Strings --- */

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
      guint64 word = load_word (pos);

      if (((word & BYTES (0x80)) | find_byte (word, '\\')) != 0)
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

/* Digits at the head of @text. FALSE: there are fewer. */
static gboolean
read_digits (const char *text,
             guint       n,
             gint64     *out)
{
  gint64 number = 0;

  for (guint i = 0; i < n; i++)
    {
      if (!g_ascii_isdigit (text[i]))
        return FALSE;
      number = 10 * number + (text[i] - '0');
    }
  *out = number;
  return TRUE;
}

/* ".123456789Z", ".5Z" or "Z"; microseconds, and what is less is cut off. */
static gboolean
read_fraction (const char *text,
               gint64     *us)
{
  gint64 unit = G_USEC_PER_SEC / 10;

  *us = 0;
  if (*text == '.')
    for (text++; g_ascii_isdigit (*text); text++, unit /= 10)
      *us += unit * (*text - '0');
  return text[0] == 'Z' && text[1] == '\0' && text[-1] != '.';
}

/* Days since 1970; years start in March here, so that the odd day comes last. */
static gint64
count_days (gint64 year,
            gint64 month,
            gint64 day)
{
  gint64 y = month > 2 ? year : year - 1;
  gint64 m = month > 2 ? month - 3 : month + 9;

  return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* What servers send: UTC, after 1970. FALSE: GDateTime has to look at it. */
static gboolean
read_plain_time (const char *text,
                 gint64     *unix_us)
{
  gint64 year, month, day, hour, minute, second, us;

  if (!read_digits (text, 4, &year) || text[4] != '-' || !read_digits (text + 5, 2, &month) || text[7] != '-' ||
      !read_digits (text + 8, 2, &day) || text[10] != 'T' || !read_digits (text + 11, 2, &hour) || text[13] != ':' ||
      !read_digits (text + 14, 2, &minute) || text[16] != ':' || !read_digits (text + 17, 2, &second) || !read_fraction (text + 19, &us))
    return FALSE;
  if (year < 1971 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59)
    return FALSE;
  if (day < 1 || day > g_date_get_days_in_month ((GDateMonth) month, (GDateYear) year))
    return FALSE;
  *unix_us = (((count_days (year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * G_USEC_PER_SEC + us;
  return TRUE;
}

gboolean
tn_json_text_get_time (TnJsonText  value,
                       gint64     *unix_us)
{
  g_autoptr (GDateTime) time = NULL;
  char copy[48];

  if (tn_json_text_is_null (value))
    return TRUE;
  if (tn_json_text_kind (value) != TN_JSON_STRING || value.len >= sizeof copy || memchr (value.text, '\\', value.len) != NULL)
    return FALSE;
  memcpy (copy, value.text + 1, value.len - 2);
  copy[value.len - 2] = '\0';
  if (read_plain_time (copy, unix_us))
    return TRUE;
  time = g_date_time_new_from_iso8601 (copy, NULL);
  if (time == NULL)
    return FALSE;
  if (g_date_time_to_unix (time) <= G_GINT64_CONSTANT (-62135596800))     /* 0001-01-01T00:00:00Z */
    *unix_us = 0;
  else
    *unix_us = g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time);
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
      pos = skip_space (pos, end);
    }
}

/* --- Writing --- */

/* Of the head of @text that stands for itself. */
static gsize
plain_len (const char *text)
{
  gsize len = 0;

  while ((guchar) text[len] >= 0x20 && text[len] != '"' && text[len] != '\\' && text[len] != 0x7f)
    len++;
  return len;
}

void
tn_json_put_string (GString    *out,
                    const char *text)
{
  gsize len;

  g_string_append_c (out, '"');
  for (; *text != '\0'; text++)
    switch (*text)
      {
      case '"': case '\\':
        g_string_append_c (out, '\\');
        g_string_append_c (out, *text);
        break;
      case '\n': g_string_append (out, "\\n"); break;
      case '\t': g_string_append (out, "\\t"); break;
      case '\r': g_string_append (out, "\\r"); break;
      default:
        len = plain_len (text);
        if (len == 0)
          g_string_append_printf (out, "\\u%04x", (guint) (guchar) *text);
        else
          g_string_append_len (out, text, (gssize) len);
        text += MAX (len, 1) - 1;
      }
  g_string_append_c (out, '"');
}

void
tn_json_put_key (GString    *out,
                 const char *name)
{
  if (out->len > 0 && out->str[out->len - 1] != '{' && out->str[out->len - 1] != '[')
    g_string_append_c (out, ',');
  tn_json_put_string (out, name);
  g_string_append_c (out, ':');
}

void
tn_json_put_member_string (GString    *out,
                           const char *name,
                           const char *value)
{
  if (value == NULL)
    return;
  tn_json_put_key (out, name);
  tn_json_put_string (out, value);
}

void
tn_json_put_member_int (GString    *out,
                        const char *name,
                        gint64      value)
{
  tn_json_put_key (out, name);
  g_string_append_printf (out, "%" G_GINT64_FORMAT, value);
}

void
tn_json_put_member_bool (GString    *out,
                         const char *name,
                         gboolean    value)
{
  tn_json_put_key (out, name);
  g_string_append (out, value ? "true" : "false");
}

void
tn_json_put_member_raw (GString    *out,
                        const char *name,
                        const char *json)
{
  if (json == NULL)
    return;
  tn_json_put_key (out, name);
  g_string_append (out, json);
}

void
tn_json_put_member_strv (GString           *out,
                         const char        *name,
                         const char *const *values)
{
  if (values == NULL)
    return;
  tn_json_put_key (out, name);
  g_string_append_c (out, '[');
  for (gsize i = 0; values[i] != NULL; i++)
    {
      if (i > 0)
        g_string_append_c (out, ',');
      tn_json_put_string (out, values[i]);
    }
  g_string_append_c (out, ']');
}

void
tn_json_put_member_time (GString    *out,
                         const char *name,
                         gint64      unix_us)
{
  g_autoptr (GDateTime) whole = NULL;
  g_autoptr (GDateTime) time = NULL;
  g_autofree char *text = NULL;

  if (unix_us == 0)
    return;
  whole = g_date_time_new_from_unix_utc (0);
  time = whole != NULL ? g_date_time_add (whole, unix_us) : NULL;
  text = time != NULL ? g_date_time_format_iso8601 (time) : NULL;
  tn_json_put_member_string (out, name, text);
}
