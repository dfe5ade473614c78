/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "cases.h"

#include <openssl/evp.h>

#include "tn-aead.h"

#define LEN 1280

typedef struct
{
  TnAead         *aead;
  EVP_CIPHER_CTX *seal;
  EVP_CIPHER_CTX *open;
  guint64         counter;
  guint8          key[TN_AEAD_KEY_LEN];
  guint8          nonce[TN_AEAD_NONCE_LEN];
  guint8          sealed[LEN + TN_AEAD_TAG_LEN];
  guint8          work[LEN + TN_AEAD_TAG_LEN];
} Crypto;

static void
seal_ours (gpointer data)
{
  Crypto *crypto = data;

  crypto->nonce[4]++;
  tn_aead_seal (crypto->aead, crypto->key, crypto->nonce, NULL, 0, crypto->work, LEN, crypto->work);
}

static void
open_ours (gpointer data)
{
  Crypto *crypto = data;

  crypto->nonce[4] = 0;
  if (!tn_aead_open (crypto->aead, crypto->key, crypto->nonce, NULL, 0, crypto->sealed, LEN + TN_AEAD_TAG_LEN, crypto->work))
    g_error ("cannot open");
}

/* The least that libcrypto can do: the key is set once, the nonce for each packet. */
static void
seal_bare (gpointer data)
{
  Crypto *crypto = data;
  int n;

  crypto->nonce[4]++;
  if (!EVP_EncryptInit_ex2 (crypto->seal, NULL, NULL, crypto->nonce, NULL) ||
      !EVP_EncryptUpdate (crypto->seal, crypto->work, &n, crypto->work, LEN) || !EVP_EncryptFinal_ex (crypto->seal, crypto->work + n, &n) ||
      !EVP_CIPHER_CTX_ctrl (crypto->seal, EVP_CTRL_AEAD_GET_TAG, TN_AEAD_TAG_LEN, crypto->work + LEN))
    g_error ("cannot seal");
}

static void
open_bare (gpointer data)
{
  Crypto *crypto = data;
  int n;

  crypto->nonce[4] = 0;
  if (!EVP_DecryptInit_ex2 (crypto->open, NULL, NULL, crypto->nonce, NULL) ||
      !EVP_CIPHER_CTX_ctrl (crypto->open, EVP_CTRL_AEAD_SET_TAG, TN_AEAD_TAG_LEN, crypto->sealed + LEN) ||
      !EVP_DecryptUpdate (crypto->open, crypto->work, &n, crypto->sealed, LEN) || !EVP_DecryptFinal_ex (crypto->open, crypto->work + n, &n))
    g_error ("cannot open");
}

static double time_seal_ours (gpointer data) { return cases_time (seal_ours, data); }
static double time_seal_bare (gpointer data) { return cases_time (seal_bare, data); }
static double time_open_ours (gpointer data) { return cases_time (open_ours, data); }
static double time_open_bare (gpointer data) { return cases_time (open_bare, data); }

void
cases_crypto (void)
{
  static const Case seal = { "seal/1280", "ns", FALSE, "libcrypto" };
  static const Case open = { "open/1280", "ns", FALSE, "libcrypto" };
  g_autofree Crypto *crypto = g_new0 (Crypto, 1);
  EVP_CIPHER *cipher = EVP_CIPHER_fetch (NULL, "ChaCha20-Poly1305", NULL);

  crypto->aead = tn_aead_new ();
  crypto->seal = EVP_CIPHER_CTX_new ();
  crypto->open = EVP_CIPHER_CTX_new ();
  EVP_EncryptInit_ex2 (crypto->seal, cipher, crypto->key, crypto->nonce, NULL);
  EVP_DecryptInit_ex2 (crypto->open, cipher, crypto->key, crypto->nonce, NULL);
  tn_aead_seal (crypto->aead, crypto->key, crypto->nonce, NULL, 0, crypto->work, LEN, crypto->sealed);

  cases_measure (&seal, time_seal_ours, time_seal_bare, -1, crypto);
  cases_measure (&open, time_open_ours, time_open_bare, -1, crypto);

  EVP_CIPHER_CTX_free (crypto->seal);
  EVP_CIPHER_CTX_free (crypto->open);
  EVP_CIPHER_free (cipher);
  tn_aead_free (crypto->aead);
}
