/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-json-text.h"

#include <string.h>

#include "tn-error.h"
#include "tn-json-scan.h"

typedef struct
{
  const char *start;
  const char *pos;
  const char *end;
  guint       depth;
} Checker;

static gboolean check_value (Checker *c);

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
  while ((c->pos = tn_json_find_special (c->pos, c->end)) < c->end)
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
  c->pos = tn_json_skip_space (c->pos + 1, c->end);
  if (check_char (c, close))
    {
      c->depth--;
      return TRUE;
    }
  for (;;)
    {
      if (keys)
        {
          c->pos = tn_json_skip_space (c->pos, c->end);
          if (!check_string (c))
            return FALSE;
          c->pos = tn_json_skip_space (c->pos, c->end);
          if (!check_char (c, ':'))
            return FALSE;
        }
      if (!check_value (c))
        return FALSE;
      c->pos = tn_json_skip_space (c->pos, c->end);
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
  c->pos = tn_json_skip_space (c->pos, c->end);
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
  const char *start = tn_json_skip_space (text, text + len);

  if (!check_value (&c) || tn_json_skip_space (c.pos, c.end) != c.end)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "JSON: syntax error at byte %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT,
                   (gsize) (c.pos - text), len);
      return FALSE;
    }
  out->text = start;
  out->len = (gsize) (c.pos - start);
  return TRUE;
}
