/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* @out gets 2 * @len digits and a NUL. */
void     tn_hex_encode (const guint8 *data, gsize len, char *out);

char    *tn_hex_dup    (const guint8 *data, gsize len);

/* Upper and lower case. @text_len must be exactly 2 * @len; @out is written only on success. */
gboolean tn_hex_decode (const char *text, gsize text_len, guint8 *out, gsize len) G_GNUC_WARN_UNUSED_RESULT;

/* A string of any even length; NULL when it is none. */
guint8  *tn_hex_parse  (const char *text, gsize *len);

G_END_DECLS
