/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lock-key.h"

#include <sodium.h>

#define PUBLIC_PREFIX  "nlpub:"
#define CLI_PREFIX     "tlpub:"
#define PRIVATE_PREFIX "nlpriv:"

gboolean
tn_lock_public_key_parse_len (TnLockPublicKey *key,
                              const char      *text,
                              gsize            len)
{
  return tn_key_parse_text (key->bytes, sizeof key->bytes, PUBLIC_PREFIX, text, len) ||
         tn_key_parse_text (key->bytes, sizeof key->bytes, CLI_PREFIX, text, len);
}

void
tn_lock_public_key_print (const TnLockPublicKey *key,
                          char                   out[TN_KEY_TEXT_MAX])
{
  tn_key_print_text (key->bytes, sizeof key->bytes, PUBLIC_PREFIX, out);
}

void
tn_lock_public_key_print_cli (const TnLockPublicKey *key,
                              char                   out[TN_KEY_TEXT_MAX])
{
  tn_key_print_text (key->bytes, sizeof key->bytes, CLI_PREFIX, out);
}

gboolean
tn_lock_public_key_verify (const TnLockPublicKey *key,
                           const guint8          *message,
                           gsize                  len,
                           const guint8           signature[TN_LOCK_SIGNATURE_LEN])
{
  return crypto_sign_verify_detached (signature, message, len, key->bytes) == 0;
}

gboolean
tn_lock_private_key_parse_len (TnLockPrivateKey *key,
                               const char       *text,
                               gsize             len)
{
  return tn_key_parse_text (key->bytes, sizeof key->bytes, PRIVATE_PREFIX, text, len);
}

void
tn_lock_private_key_generate (TnLockPrivateKey *key)
{
  TnLockPublicKey public;

  crypto_sign_keypair (public.bytes, key->bytes);
}

void
tn_lock_private_key_from_seed (TnLockPrivateKey *key,
                               const guint8      seed[TN_LOCK_SEED_LEN])
{
  TnLockPublicKey public;

  crypto_sign_seed_keypair (public.bytes, key->bytes, seed);
}

void
tn_lock_private_key_print (const TnLockPrivateKey *key,
                           char                    out[TN_KEY_TEXT_MAX])
{
  tn_key_print_text (key->bytes, sizeof key->bytes, PRIVATE_PREFIX, out);
}

void
tn_lock_private_key_get_public (const TnLockPrivateKey *key,
                                TnLockPublicKey        *out)
{
  memcpy (out->bytes, key->bytes + TN_LOCK_SEED_LEN, sizeof out->bytes);
}

void
tn_lock_private_key_sign (const TnLockPrivateKey *key,
                          const guint8           *message,
                          gsize                   len,
                          guint8                  signature[TN_LOCK_SIGNATURE_LEN])
{
  crypto_sign_detached (signature, NULL, message, len, key->bytes);
}
