/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define TN_AEAD_KEY_LEN   32
#define TN_AEAD_NONCE_LEN 12
#define TN_AEAD_TAG_LEN   16

/* ChaCha20-Poly1305 (RFC 8439) from libcrypto. A TnAead holds the cipher contexts of one thread: the key is handed in on each
 * call, which frees the callers from a context a key. One that is another than in the call before takes 60 ns more. Never used
 * by two threads at once. */
typedef struct _TnAead TnAead;

TnAead  *tn_aead_new  (void);
void     tn_aead_free (TnAead *aead);

/* @out gets @len + TN_AEAD_TAG_LEN bytes; it may be @in. */
void     tn_aead_seal (TnAead *aead, const guint8 key[TN_AEAD_KEY_LEN], const guint8 nonce[TN_AEAD_NONCE_LEN],
                       const guint8 *ad, gsize ad_len, const guint8 *in, gsize len, guint8 *out);

/* @len includes the tag; @out gets @len - TN_AEAD_TAG_LEN bytes and may be @in. On failure the contents of @out are not to be used. */
gboolean tn_aead_open (TnAead *aead, const guint8 key[TN_AEAD_KEY_LEN], const guint8 nonce[TN_AEAD_NONCE_LEN],
                       const guint8 *ad, gsize ad_len, const guint8 *in, gsize len, guint8 *out) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnAead, tn_aead_free)

G_END_DECLS
