/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-hex.h"

#include <string.h>

void
tn_hex_encode (const guint8 *data,
               gsize         len,
               char         *out)
{
  static const char digits[] = "0123456789abcdef";

  for (gsize i = 0; i < len; i++)
    {
      out[2 * i] = digits[data[i] >> 4];
      out[2 * i + 1] = digits[data[i] & 15];
    }
  out[2 * len] = '\0';
}

char *
tn_hex_dup (const guint8 *data,
            gsize         len)
{
  char *text = g_malloc (2 * len + 1);

  tn_hex_encode (data, len, text);
  return text;
}

/* Of a hexadecimal digit: letters have bit 6 set, and begin at 1 below it. */
static inline guint
digit_value (char digit)
{
  return ((guchar) digit & 15u) + ((guchar) digit >> 6) * 9u;
}

gboolean
tn_hex_decode (const char *text,
               gsize       text_len,
               guint8     *out,
               gsize       len)
{
  if (text_len % 2 != 0 || text_len / 2 != len)
    return FALSE;

  for (gsize i = 0; i < text_len; i++)
    if (!g_ascii_isxdigit (text[i]))
      return FALSE;

  for (gsize i = 0; i < len; i++)
    out[i] = (guint8) (digit_value (text[2 * i]) << 4 | digit_value (text[2 * i + 1]));
  return TRUE;
}

guint8 *
tn_hex_parse (const char *text,
              gsize      *len)
{
  gsize text_len = strlen (text);
  g_autofree guint8 *out = g_malloc (text_len / 2 + 1);

  if (!tn_hex_decode (text, text_len, out, text_len / 2))
    return NULL;

  *len = text_len / 2;
  return g_steal_pointer (&out);
}
