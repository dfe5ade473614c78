/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string.h>

#include <glib.h>

G_BEGIN_DECLS

/* Eight bytes at a time: strings are most of what servers send. The lowest of the bits that are set is right, those above it may not be. */
#define TN_JSON_BYTES(b) (G_GUINT64_CONSTANT (0x0101010101010101) * (b))

static inline guint64
tn_json_load_word (const char *pos)
{
  guint64 word;

  memcpy (&word, pos, sizeof word);
  return GUINT64_FROM_LE (word);
}

static inline guint64
tn_json_find_byte (guint64 word,
                   guint8  byte)
{
  word ^= TN_JSON_BYTES (byte);
  return (word - TN_JSON_BYTES (1)) & ~word & TN_JSON_BYTES (0x80);
}

/* The next quote, backslash or control character; @end: none. */
static inline const char *
tn_json_find_special (const char *pos,
                      const char *end)
{
  for (; end - pos >= 8; pos += 8)
    {
      guint64 word = tn_json_load_word (pos);
      guint64 found = tn_json_find_byte (word, '"') | tn_json_find_byte (word, '\\') |
                      ((word - TN_JSON_BYTES (0x20)) & ~word & TN_JSON_BYTES (0x80));

      if (found != 0)
        return pos + (__builtin_ctzll (found) >> 3);
    }
  while (pos < end && *pos != '"' && *pos != '\\' && (guchar) *pos >= 0x20)
    pos++;
  return pos;
}

static inline const char *
tn_json_skip_space (const char *pos,
                    const char *end)
{
  while (pos < end && (*pos == ' ' || *pos == '\n' || *pos == '\t' || *pos == '\r'))
    pos++;
  return pos;
}

G_END_DECLS
