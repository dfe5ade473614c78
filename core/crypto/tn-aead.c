/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-aead.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include "tn-libcrypto.h"

typedef struct
{
  EVP_CIPHER_CTX *ctx;
  guint64         key[TN_AEAD_KEY_LEN / sizeof (guint64)];      /* that @ctx has */
  gboolean        has_key;
} Direction;

struct _TnAead
{
  Direction seal;
  Direction open;
};

static EVP_CIPHER *
cipher (void)
{
  static gsize fetched;

  if (g_once_init_enter (&fetched))
    {
      EVP_CIPHER *c = EVP_CIPHER_fetch (NULL, "ChaCha20-Poly1305", NULL);

      g_assert (c != NULL);
      g_once_init_leave (&fetched, (gsize) c);
    }
  return (EVP_CIPHER *) fetched;
}

/* In constant time. */
static gboolean
has_key (const Direction *direction,
         const guint64   *key)
{
  guint64 difference = 0;

  for (guint i = 0; i < G_N_ELEMENTS (direction->key); i++)
    difference |= direction->key[i] ^ key[i];
  return direction->has_key && difference == 0;
}

/* What is to go into the context: NULL for the key that it has. To set that anew takes 60 ns, of some 800 for a whole packet. */
static const guint8 *
change_key (Direction    *direction,
            const guint8  key[TN_AEAD_KEY_LEN])
{
  guint64 words[G_N_ELEMENTS (direction->key)];
  gboolean same;

  memcpy (words, key, sizeof words);
  same = has_key (direction, words);
  memcpy (direction->key, words, sizeof words);
  direction->has_key = TRUE;
  explicit_bzero (words, sizeof words);
  return same ? NULL : key;
}

TnAead *
tn_aead_new (void)
{
  TnAead *aead = g_new0 (TnAead, 1);

  tn_libcrypto_init ();
  aead->seal.ctx = EVP_CIPHER_CTX_new ();
  aead->open.ctx = EVP_CIPHER_CTX_new ();
  if (EVP_EncryptInit_ex2 (aead->seal.ctx, cipher (), NULL, NULL, NULL) != 1 ||
      EVP_DecryptInit_ex2 (aead->open.ctx, cipher (), NULL, NULL, NULL) != 1)
    g_assert_not_reached ();
  return aead;
}

void
tn_aead_free (TnAead *aead)
{
  EVP_CIPHER_CTX_free (aead->seal.ctx);     /* erases the last key */
  EVP_CIPHER_CTX_free (aead->open.ctx);
  explicit_bzero (aead, sizeof *aead);
  g_free (aead);
}

void
tn_aead_seal (TnAead       *aead,
              const guint8  key[TN_AEAD_KEY_LEN],
              const guint8  nonce[TN_AEAD_NONCE_LEN],
              const guint8 *ad,
              gsize         ad_len,
              const guint8 *in,
              gsize         len,
              guint8       *out)
{
  EVP_CIPHER_CTX *ctx = aead->seal.ctx;
  OSSL_PARAM tag[2];
  int n = 0;
  int rc;

  rc = EVP_EncryptInit_ex2 (ctx, NULL, change_key (&aead->seal, key), nonce, NULL);
  if (ad_len > 0)
    rc &= EVP_EncryptUpdate (ctx, NULL, &n, ad, (int) ad_len);
  if (len > 0)
    rc &= EVP_EncryptUpdate (ctx, out, &n, in, (int) len);
  rc &= EVP_EncryptFinal_ex (ctx, out + len, &n);
  tag[0] = OSSL_PARAM_construct_octet_string (OSSL_CIPHER_PARAM_AEAD_TAG, out + len, TN_AEAD_TAG_LEN);
  tag[1] = OSSL_PARAM_construct_end ();
  rc &= EVP_CIPHER_CTX_get_params (ctx, tag);
  g_assert (rc == 1);
}

gboolean
tn_aead_open (TnAead       *aead,
              const guint8  key[TN_AEAD_KEY_LEN],
              const guint8  nonce[TN_AEAD_NONCE_LEN],
              const guint8 *ad,
              gsize         ad_len,
              const guint8 *in,
              gsize         len,
              guint8       *out)
{
  EVP_CIPHER_CTX *ctx = aead->open.ctx;
  guint8 expected[TN_AEAD_TAG_LEN];
  OSSL_PARAM tag[2];
  gsize clear_len;
  int n = 0;
  int rc;

  if (len < TN_AEAD_TAG_LEN)
    return FALSE;

  clear_len = len - TN_AEAD_TAG_LEN;
  memcpy (expected, in + clear_len, sizeof expected);
  tag[0] = OSSL_PARAM_construct_octet_string (OSSL_CIPHER_PARAM_AEAD_TAG, expected, sizeof expected);
  tag[1] = OSSL_PARAM_construct_end ();

  rc = EVP_DecryptInit_ex2 (ctx, NULL, change_key (&aead->open, key), nonce, tag);
  if (ad_len > 0)
    rc &= EVP_DecryptUpdate (ctx, NULL, &n, ad, (int) ad_len);
  if (clear_len > 0)
    rc &= EVP_DecryptUpdate (ctx, out, &n, in, (int) clear_len);
  return rc == 1 && EVP_DecryptFinal_ex (ctx, expected, &n) == 1;
}
