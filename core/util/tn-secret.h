/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define TN_SECRET_MAX 64      /* bytes: an Ed25519 private key */

/* Long-lived private keys: one pool of pages that are locked in memory and left out of core dumps. Where the system refuses the
 * lock, one warning says so and work goes on. Zeroed when handed out, erased when freed. From any thread. */
gpointer tn_secret_alloc (gsize len) G_GNUC_WARN_UNUSED_RESULT;
gpointer tn_secret_dup   (gconstpointer secret, gsize len) G_GNUC_WARN_UNUSED_RESULT;
void     tn_secret_free  (gpointer secret);       /* NULL is fine */

/* Texts, such as keys to join with; NULL is fine. */
char    *tn_secret_strdup   (const char *text) G_GNUC_WARN_UNUSED_RESULT;
void     tn_secret_str_free (char *text);

/* Takes @data, which g_malloc() made; it is erased when the bytes are freed. */
GBytes  *tn_secret_bytes_new_take (gpointer data, gsize len) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
