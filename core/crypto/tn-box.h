/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define TN_BOX_NONCE_LEN 24
#define TN_BOX_TAG_LEN   16
#define TN_XAEAD_NONCE_LEN 24

/* X25519; FALSE when the product is all zeros, which must end a handshake. */
gboolean tn_x25519 (guint8 out[32], const guint8 private_key[32], const guint8 public_key[32]) G_GNUC_WARN_UNUSED_RESULT;
void     tn_x25519_base (guint8 out[32], const guint8 private_key[32]);

/* NaCl box with a precomputed key (disco, DERP): tag first, then ciphertext: TN_BOX_TAG_LEN + @len bytes. FALSE: low order key. */
gboolean tn_box_precompute (guint8 shared[32], const guint8 private_key[32], const guint8 public_key[32]) G_GNUC_WARN_UNUSED_RESULT;
void     tn_box_seal (const guint8 shared[32], const guint8 nonce[TN_BOX_NONCE_LEN], const guint8 *in, gsize len, guint8 *out);
gboolean tn_box_open (const guint8 shared[32], const guint8 nonce[TN_BOX_NONCE_LEN], const guint8 *in, gsize len,
                      guint8 *out) G_GNUC_WARN_UNUSED_RESULT;

/* XChaCha20-Poly1305 (WireGuard's cookies): ciphertext, then tag. */
void     tn_xaead_seal (const guint8 key[32], const guint8 nonce[TN_XAEAD_NONCE_LEN], const guint8 *ad, gsize ad_len,
                        const guint8 *in, gsize len, guint8 *out);
gboolean tn_xaead_open (const guint8 key[32], const guint8 nonce[TN_XAEAD_NONCE_LEN], const guint8 *ad, gsize ad_len,
                        const guint8 *in, gsize len, guint8 *out) G_GNUC_WARN_UNUSED_RESULT;

void     tn_random (void *out, gsize len);

/* Constant time. */
gboolean tn_bytes_equal (const void *a, const void *b, gsize len);

G_END_DECLS
