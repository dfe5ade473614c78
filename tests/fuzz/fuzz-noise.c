/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-noise.h"

/* First byte: what the rest is. */
static void
read_records (const uint8_t *data,
              size_t         size)
{
  g_autoptr (TnAead) aead = tn_aead_new ();
  g_autoptr (GByteArray) wire = g_byte_array_new ();
  TnNoiseCipher sender = { { 0 }, 0 }, receiver = { { 0 }, 0 };
  gsize used, clear_len, pos = 0;
  guint8 *clear;

  /* Good records, then whatever comes. */
  g_assert (tn_noise_seal (&sender, aead, data, size, wire));
  g_byte_array_append (wire, data, (guint) size);
  while (pos < wire->len &&
         tn_noise_open (&receiver, aead, wire->data + pos, wire->len - pos, &used, &clear, &clear_len) == TN_NOISE_OPENED)
    pos += used;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  static const TnMachinePrivateKey key = { { 8, 1, 2, 3 } };
  g_autoptr (GByteArray) reply = g_byte_array_new ();
  g_auto (TnNoiseHandshake) handshake = { 0 };
  g_auto (TnNoiseSession) session = { 0 };
  TnMachinePublicKey public_key;
  guint8 initiation[TN_NOISE_INITIATION_LEN], response[TN_NOISE_RESPONSE_LEN];
  guint16 version;

  tn_machine_private_key_get_public (&key, &public_key);
  if (tn_noise_respond (&key, data, size, NULL, response, &session, &public_key, &version, reply, NULL))
    tn_noise_session_clear (&session);
  tn_machine_private_key_get_public (&key, &public_key);
  if (size >= TN_NOISE_HEADER_LEN && tn_noise_initiate (&handshake, &key, &public_key, 130, NULL, initiation, NULL) &&
      tn_noise_response_len (data, NULL) == size && tn_noise_finish (&handshake, data, size, &session, NULL))
    tn_noise_session_clear (&session);
  read_records (data, size);
  return 0;
}
