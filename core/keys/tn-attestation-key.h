/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-keys.h"

G_BEGIN_DECLS

#define TN_ATTESTATION_KEY_LEN 65     /* uncompressed point of P-256 */

/* Hardware attestation, hwattestpub:. All zeros is "no key", whose text is empty (tailscale types/key/hardware_attestation.go). */
typedef struct { guint8 bytes[TN_ATTESTATION_KEY_LEN]; } TnAttestationPublicKey;

TN_DECLARE_KEY_PARSE (TnAttestationPublicKey, tn_attestation_public_key)     /* refuses what is no point of the curve */
void     tn_attestation_public_key_print   (const TnAttestationPublicKey *key, char out[TN_KEY_TEXT_MAX]);
gboolean tn_attestation_public_key_is_zero (const TnAttestationPublicKey *key);

G_END_DECLS
