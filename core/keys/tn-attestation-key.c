/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-attestation-key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#define PREFIX "hwattestpub:"
#define UNCOMPRESSED 4

/* Making a public key of it checks that the point lies on the curve. */
static gboolean
is_point (const guint8 bytes[TN_ATTESTATION_KEY_LEN])
{
  guint8 copy[TN_ATTESTATION_KEY_LEN];
  char group[] = "P-256";
  OSSL_PARAM params[] = {
    OSSL_PARAM_construct_utf8_string (OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
    OSSL_PARAM_construct_octet_string (OSSL_PKEY_PARAM_PUB_KEY, copy, sizeof copy),
    OSSL_PARAM_construct_end (),
  };
  EVP_PKEY_CTX *context;
  EVP_PKEY *key = NULL;
  gboolean ok;

  if (bytes[0] != UNCOMPRESSED)
    return FALSE;

  memcpy (copy, bytes, sizeof copy);
  context = EVP_PKEY_CTX_new_from_name (NULL, "EC", NULL);
  ok = context != NULL && EVP_PKEY_fromdata_init (context) == 1 &&
       EVP_PKEY_fromdata (context, &key, EVP_PKEY_PUBLIC_KEY, params) == 1;
  EVP_PKEY_free (key);
  EVP_PKEY_CTX_free (context);
  ERR_clear_error ();
  return ok;
}

gboolean
tn_attestation_public_key_parse_len (TnAttestationPublicKey *key,
                                     const char             *text,
                                     gsize                   len)
{
  TnAttestationPublicKey parsed = { 0 };

  if (len > 0 && (!tn_key_parse_text (parsed.bytes, sizeof parsed.bytes, PREFIX, text, len) || !is_point (parsed.bytes)))
    return FALSE;

  *key = parsed;
  return TRUE;
}

void
tn_attestation_public_key_print (const TnAttestationPublicKey *key,
                                 char                          out[TN_KEY_TEXT_MAX])
{
  if (tn_attestation_public_key_is_zero (key))
    out[0] = '\0';
  else
    tn_key_print_text (key->bytes, sizeof key->bytes, PREFIX, out);
}

gboolean
tn_attestation_public_key_is_zero (const TnAttestationPublicKey *key)
{
  static const TnAttestationPublicKey zero;

  return memcmp (key, &zero, sizeof zero) == 0;
}
