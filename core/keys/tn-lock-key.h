/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-keys.h"

G_BEGIN_DECLS

#define TN_LOCK_SEED_LEN      32
#define TN_LOCK_PRIVATE_LEN   64    /* seed, then public key; the halves are not checked against each other */
#define TN_LOCK_SIGNATURE_LEN 64

/* Tailnet lock: Ed25519. nlpub: and nlpriv:, on the command line tlpub: (tailscale types/key/nl.go). */
typedef struct { guint8 bytes[TN_KEY_LEN]; } TnLockPublicKey;
typedef struct { guint8 bytes[TN_LOCK_PRIVATE_LEN]; } TnLockPrivateKey;

TN_DECLARE_KEY_PARSE (TnLockPublicKey, tn_lock_public_key)      /* takes both prefixes */
void     tn_lock_public_key_print     (const TnLockPublicKey *key, char out[TN_KEY_TEXT_MAX]);
void     tn_lock_public_key_print_cli (const TnLockPublicKey *key, char out[TN_KEY_TEXT_MAX]);
gboolean tn_lock_public_key_verify    (const TnLockPublicKey *key, const guint8 *message, gsize len,
                                       const guint8 signature[TN_LOCK_SIGNATURE_LEN]) G_GNUC_WARN_UNUSED_RESULT;

TN_DECLARE_KEY_PARSE (TnLockPrivateKey, tn_lock_private_key)
void     tn_lock_private_key_generate   (TnLockPrivateKey *key);
void     tn_lock_private_key_from_seed  (TnLockPrivateKey *key, const guint8 seed[TN_LOCK_SEED_LEN]);
void     tn_lock_private_key_print      (const TnLockPrivateKey *key, char out[TN_KEY_TEXT_MAX]);   /* clear @out after use */
void     tn_lock_private_key_get_public (const TnLockPrivateKey *key, TnLockPublicKey *out);
void     tn_lock_private_key_sign       (const TnLockPrivateKey *key, const guint8 *message, gsize len,
                                         guint8 signature[TN_LOCK_SIGNATURE_LEN]);
static inline void tn_lock_private_key_clear (TnLockPrivateKey *key) { explicit_bzero (key, sizeof *key); }
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnLockPrivateKey, tn_lock_private_key_clear)

G_END_DECLS
