/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-blake2s.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include "tn-libcrypto.h"

#define BLOCK_LEN 64

typedef struct
{
  EVP_MD      *md;
  EVP_MD_CTX  *hash;
  EVP_MAC     *mac_alg;
  EVP_MAC_CTX *mac;
} Contexts;

static void
contexts_free (gpointer data)
{
  Contexts *contexts = data;

  EVP_MD_CTX_free (contexts->hash);
  EVP_MD_free (contexts->md);
  EVP_MAC_CTX_free (contexts->mac);
  EVP_MAC_free (contexts->mac_alg);
  g_free (contexts);
}

/* What is the same each time is set once: it is found by name. */
static void
set_up (Contexts *contexts)
{
  gsize size = TN_MAC_LEN;
  const OSSL_PARAM params[] = { OSSL_PARAM_construct_size_t (OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end () };
  int rc;

  rc = EVP_DigestInit_ex2 (contexts->hash, contexts->md, NULL);
  rc &= EVP_MAC_CTX_set_params (contexts->mac, params);
  g_assert (rc == 1);
}

static Contexts *
contexts_get (void)
{
  static GPrivate private = G_PRIVATE_INIT (contexts_free);
  Contexts *contexts = g_private_get (&private);

  if (G_UNLIKELY (contexts == NULL))
    {
      tn_libcrypto_init ();
      contexts = g_new0 (Contexts, 1);
      contexts->md = EVP_MD_fetch (NULL, "BLAKE2S-256", NULL);
      contexts->hash = EVP_MD_CTX_new ();
      contexts->mac_alg = EVP_MAC_fetch (NULL, "BLAKE2SMAC", NULL);
      contexts->mac = EVP_MAC_CTX_new (contexts->mac_alg);
      g_assert (contexts->md != NULL && contexts->hash != NULL && contexts->mac != NULL);
      set_up (contexts);
      g_private_set (&private, contexts);
    }
  return contexts;
}

void
tn_hash (guint8        out[TN_HASH_LEN],
         const guint8 *a,
         gsize         a_len,
         const guint8 *b,
         gsize         b_len)
{
  Contexts *contexts = contexts_get ();
  int rc;

  rc = EVP_DigestInit_ex2 (contexts->hash, NULL, NULL);
  rc &= EVP_DigestUpdate (contexts->hash, a, a_len);
  if (b_len > 0)
    rc &= EVP_DigestUpdate (contexts->hash, b, b_len);
  rc &= EVP_DigestFinal_ex (contexts->hash, out, NULL);
  g_assert (rc == 1);
}

void
tn_mac (guint8        out[TN_MAC_LEN],
        const guint8 *key,
        gsize         key_len,
        const guint8 *data,
        gsize         len)
{
  Contexts *contexts = contexts_get ();
  gsize out_len;
  int rc;

  rc = EVP_MAC_init (contexts->mac, key, key_len, NULL);
  rc &= EVP_MAC_update (contexts->mac, data, len);
  rc &= EVP_MAC_final (contexts->mac, out, &out_len, TN_MAC_LEN);
  g_assert (rc == 1);
}

void
tn_hmac (guint8        out[TN_HASH_LEN],
         const guint8 *key,
         gsize         key_len,
         const guint8 *data,
         gsize         len)
{
  guint8 block[BLOCK_LEN] = { 0 };
  guint8 inner[TN_HASH_LEN];

  if (key_len > BLOCK_LEN)
    tn_hash (block, key, key_len, NULL, 0);
  else
    memcpy (block, key, key_len);

  for (gsize i = 0; i < BLOCK_LEN; i++)
    block[i] ^= 0x36;
  tn_hash (inner, block, sizeof block, data, len);
  for (gsize i = 0; i < BLOCK_LEN; i++)
    block[i] ^= 0x36 ^ 0x5c;
  tn_hash (out, block, sizeof block, inner, sizeof inner);

  explicit_bzero (block, sizeof block);
  explicit_bzero (inner, sizeof inner);
}

void
tn_kdf (guint8       *t1,
        guint8       *t2,
        guint8       *t3,
        const guint8  salt[TN_HASH_LEN],
        const guint8 *input,
        gsize         len)
{
  guint8 prk[TN_HASH_LEN];
  guint8 block[TN_HASH_LEN + 1];

  tn_hmac (prk, salt, TN_HASH_LEN, input, len);
  block[0] = 1;
  tn_hmac (block, prk, sizeof prk, block, 1);
  memcpy (t1, block, TN_HASH_LEN);
  if (t2 != NULL)
    {
      block[TN_HASH_LEN] = 2;
      tn_hmac (block, prk, sizeof prk, block, sizeof block);
      memcpy (t2, block, TN_HASH_LEN);
    }
  if (t3 != NULL)
    {
      block[TN_HASH_LEN] = 3;
      tn_hmac (block, prk, sizeof prk, block, sizeof block);
      memcpy (t3, block, TN_HASH_LEN);
    }

  explicit_bzero (prk, sizeof prk);
  explicit_bzero (block, sizeof block);
}
