/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

/* A text of outside as an error may show it: UTF-8 whatever its bytes are, and no more than @max of them. */
static inline char *
tn_shown (const char *text, gsize max)
{
  return g_utf8_make_valid (text != NULL ? text : "", text != NULL ? (gssize) strnlen (text, max) : 0);
}

/* Is it some text, and nothing but printable characters of ASCII, without blanks? */
static inline gboolean
tn_is_visible (const char *text)
{
  for (const char *c = text; *c != '\0'; c++)
    if (!g_ascii_isgraph (*c))
      return FALSE;
  return *text != '\0';
}

G_END_DECLS
