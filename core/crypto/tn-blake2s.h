/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define TN_HASH_LEN 32
#define TN_MAC_LEN  16

/* BLAKE2s (RFC 7693) from libcrypto, as the Noise handshakes of WireGuard and of the control protocol need it. Contexts are kept
 * a thread: no allocation after a thread's first call. */

/* HASH(@a || @b): BLAKE2s-256 without key. @b may be NULL. @out may be @a. */
void tn_hash      (guint8 out[TN_HASH_LEN], const guint8 *a, gsize a_len, const guint8 *b, gsize b_len);

/* Keyed BLAKE2s with 16 bytes of output (WireGuard's MAC); @key_len is 16 or 32. */
void tn_mac       (guint8 out[TN_MAC_LEN], const guint8 *key, gsize key_len, const guint8 *data, gsize len);

/* HMAC over BLAKE2s-256, block of 64 bytes. */
void tn_hmac      (guint8 out[TN_HASH_LEN], const guint8 *key, gsize key_len, const guint8 *data, gsize len);

/* HKDF (RFC 5869) over tn_hmac() with empty info: 1 to 3 outputs, @t2 and @t3 may be NULL. @t1 may be @salt. */
void tn_kdf       (guint8 *t1, guint8 *t2, guint8 *t3, const guint8 salt[TN_HASH_LEN], const guint8 *input, gsize len);

G_END_DECLS
