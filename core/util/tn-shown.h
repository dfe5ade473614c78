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

G_END_DECLS
