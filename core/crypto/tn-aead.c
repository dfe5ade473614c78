/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-aead.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include "tn-libcrypto.h"

struct _TnAead
{
  EVP_CIPHER_CTX *seal;
  EVP_CIPHER_CTX *open;
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

TnAead *
tn_aead_new (void)
{
  TnAead *aead = g_new0 (TnAead, 1);

  tn_libcrypto_init ();
  aead->seal = EVP_CIPHER_CTX_new ();
  aead->open = EVP_CIPHER_CTX_new ();
  if (EVP_EncryptInit_ex2 (aead->seal, cipher (), NULL, NULL, NULL) != 1 ||
      EVP_DecryptInit_ex2 (aead->open, cipher (), NULL, NULL, NULL) != 1)
    g_assert_not_reached ();
  return aead;
}

void
tn_aead_free (TnAead *aead)
{
  EVP_CIPHER_CTX_free (aead->seal);     /* erases the last key */
  EVP_CIPHER_CTX_free (aead->open);
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
  OSSL_PARAM tag[2];
  int n = 0;
  int rc;

  rc = EVP_EncryptInit_ex2 (aead->seal, NULL, key, nonce, NULL);
  if (ad_len > 0)
    rc &= EVP_EncryptUpdate (aead->seal, NULL, &n, ad, (int) ad_len);
  if (len > 0)
    rc &= EVP_EncryptUpdate (aead->seal, out, &n, in, (int) len);
  rc &= EVP_EncryptFinal_ex (aead->seal, out + len, &n);
  tag[0] = OSSL_PARAM_construct_octet_string (OSSL_CIPHER_PARAM_AEAD_TAG, out + len, TN_AEAD_TAG_LEN);
  tag[1] = OSSL_PARAM_construct_end ();
  rc &= EVP_CIPHER_CTX_get_params (aead->seal, tag);
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

  rc = EVP_DecryptInit_ex2 (aead->open, NULL, key, nonce, tag);
  if (ad_len > 0)
    rc &= EVP_DecryptUpdate (aead->open, NULL, &n, ad, (int) ad_len);
  if (clear_len > 0)
    rc &= EVP_DecryptUpdate (aead->open, out, &n, in, (int) clear_len);
  return rc == 1 && EVP_DecryptFinal_ex (aead->open, expected, &n) == 1;
}
