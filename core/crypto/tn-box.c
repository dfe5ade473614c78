/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-box.h"

#include <openssl/crypto.h>
#include <sodium.h>

/* Before any other call, as libsodium wants it: it chooses what is fastest on this processor, and makes its generator of random bytes fit
 * for several threads. */
__attribute__ ((constructor)) static void
init (void)
{
  int rc = sodium_init ();

  g_assert (rc >= 0);      /* without random bytes there are no keys */
}

gboolean
tn_x25519 (guint8       out[32],
           const guint8 private_key[32],
           const guint8 public_key[32])
{
  return crypto_scalarmult (out, private_key, public_key) == 0;
}

void
tn_x25519_base (guint8       out[32],
                const guint8 private_key[32])
{
  crypto_scalarmult_base (out, private_key);
}

gboolean
tn_box_precompute (guint8       shared[32],
                   const guint8 private_key[32],
                   const guint8 public_key[32])
{
  return crypto_box_beforenm (shared, public_key, private_key) == 0;
}

void
tn_box_seal (const guint8  shared[32],
             const guint8  nonce[TN_BOX_NONCE_LEN],
             const guint8 *in,
             gsize         len,
             guint8       *out)
{
  crypto_box_easy_afternm (out, in, len, nonce, shared);
}

gboolean
tn_box_open (const guint8  shared[32],
             const guint8  nonce[TN_BOX_NONCE_LEN],
             const guint8 *in,
             gsize         len,
             guint8       *out)
{
  return len >= TN_BOX_TAG_LEN && crypto_box_open_easy_afternm (out, in, len, nonce, shared) == 0;
}

void
tn_xaead_seal (const guint8  key[32],
               const guint8  nonce[TN_XAEAD_NONCE_LEN],
               const guint8 *ad,
               gsize         ad_len,
               const guint8 *in,
               gsize         len,
               guint8       *out)
{
  crypto_aead_xchacha20poly1305_ietf_encrypt (out, NULL, in, len, ad, ad_len, NULL, nonce, key);
}

gboolean
tn_xaead_open (const guint8  key[32],
               const guint8  nonce[TN_XAEAD_NONCE_LEN],
               const guint8 *ad,
               gsize         ad_len,
               const guint8 *in,
               gsize         len,
               guint8       *out)
{
  return crypto_aead_xchacha20poly1305_ietf_decrypt (out, NULL, NULL, in, len, ad, ad_len, nonce, key) == 0;
}

void
tn_random (void  *out,
           gsize  len)
{
  randombytes_buf (out, len);
}

gboolean
tn_bytes_equal (const void *a,
                const void *b,
                gsize       len)
{
  return CRYPTO_memcmp (a, b, len) == 0;
}
