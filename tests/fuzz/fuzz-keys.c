/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-attestation-key.h"
#include "tn-lock-key.h"

#define TRY(Type, prefix)                                                                     \
  G_STMT_START {                                                                              \
    Type key, again;                                                                          \
    char printed[TN_KEY_TEXT_MAX];                                                            \
    if (prefix##_parse (&key, text))                                                          \
      {                                                                                       \
        prefix##_print (&key, printed);                                                       \
        g_assert_true (prefix##_parse (&again, printed));                                          \
        g_assert_cmpmem (&key, sizeof key, &again, sizeof again);                             \
      }                                                                                       \
  } G_STMT_END

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);

  TRY (TnMachinePublicKey, tn_machine_public_key);
  TRY (TnMachinePrivateKey, tn_machine_private_key);
  TRY (TnNodePublicKey, tn_node_public_key);
  TRY (TnDiscoPublicKey, tn_disco_public_key);
  TRY (TnChallengePublicKey, tn_challenge_public_key);
  TRY (TnLockPublicKey, tn_lock_public_key);
  TRY (TnLockPrivateKey, tn_lock_private_key);
  TRY (TnAttestationPublicKey, tn_attestation_public_key);
  return 0;
}
