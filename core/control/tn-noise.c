/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-noise.h"

#include "tn-blake2s.h"
#include "tn-box.h"
#include "tn-error.h"
#include "tn-reader.h"

#define PROTOCOL_NAME   "Noise_IK_25519_ChaChaPoly_BLAKE2s"
#define PROLOGUE_PREFIX "Tailscale Control Protocol v"

enum
{
  MESSAGE_INITIATION = 1,
  MESSAGE_RESPONSE = 2,
  MESSAGE_ERROR = 3,
  MESSAGE_RECORD = 4,
};

enum
{
  INITIATION_HEADER_LEN = 2 + 1 + 2,
  INITIATION_PAYLOAD_LEN = TN_NOISE_INITIATION_LEN - INITIATION_HEADER_LEN,
  RESPONSE_PAYLOAD_LEN = TN_NOISE_RESPONSE_LEN - TN_NOISE_HEADER_LEN,
};

/* The symmetric state of the Noise specification, §5.2. Each key seals once, so the nonce is always zero. */
typedef struct
{
  guint8  hash[32];
  guint8  chaining_key[32];
  guint8  key[32];
  TnAead *aead;
} Symmetric;

static const guint8 zero_nonce[TN_AEAD_NONCE_LEN];

static void
symmetric_clear (Symmetric *s)
{
  g_clear_pointer (&s->aead, tn_aead_free);
  explicit_bzero (s, sizeof *s);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Symmetric, symmetric_clear)

static void
mix_hash (Symmetric    *s,
          const guint8 *data,
          gsize         len)
{
  tn_hash (s->hash, s->hash, sizeof s->hash, data, len);
}

static gboolean
mix_dh (Symmetric    *s,
        const guint8  private_key[32],
        const guint8  public_key[32],
        GError      **error)
{
  guint8 shared[32];
  gboolean ok = tn_x25519 (shared, private_key, public_key);

  if (ok)
    tn_kdf (s->chaining_key, s->key, NULL, s->chaining_key, shared, sizeof shared);
  else
    g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "noise handshake: key of low order");
  explicit_bzero (shared, sizeof shared);
  return ok;
}

static void
seal_and_hash (Symmetric    *s,
               const guint8 *clear,
               gsize         len,
               guint8       *out)
{
  tn_aead_seal (s->aead, s->key, zero_nonce, s->hash, sizeof s->hash, clear, len, out);
  mix_hash (s, out, len + TN_AEAD_TAG_LEN);
}

/* @len includes the tag. */
static gboolean
open_and_hash (Symmetric    *s,
               const guint8 *sealed,
               gsize         len,
               guint8       *out,
               GError      **error)
{
  if (!tn_aead_open (s->aead, s->key, zero_nonce, s->hash, sizeof s->hash, sealed, len, out))
    {
      g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "noise handshake: cannot decrypt: other key or other version");
      return FALSE;
    }
  mix_hash (s, sealed, len);
  return TRUE;
}

static void
symmetric_init (Symmetric    *s,
                guint16       version,
                const guint8  control_public[32])
{
  char prologue[64];
  int prologue_len = g_snprintf (prologue, sizeof prologue, PROLOGUE_PREFIX "%u", version);

  s->aead = tn_aead_new ();
  tn_hash (s->hash, (const guint8 *) PROTOCOL_NAME, strlen (PROTOCOL_NAME), NULL, 0);
  memcpy (s->chaining_key, s->hash, sizeof s->hash);
  mix_hash (s, (const guint8 *) prologue, (gsize) prologue_len);
  mix_hash (s, control_public, 32);
}

static void
split (Symmetric      *s,
       TnNoiseSession *session,
       gboolean        initiator)
{
  guint8 to_responder[32], to_initiator[32];

  tn_kdf (to_responder, to_initiator, NULL, s->chaining_key, NULL, 0);
  memset (session, 0, sizeof *session);
  memcpy (session->send.key, initiator ? to_responder : to_initiator, 32);
  memcpy (session->receive.key, initiator ? to_initiator : to_responder, 32);
  memcpy (session->handshake_hash, s->hash, sizeof s->hash);
  explicit_bzero (to_responder, sizeof to_responder);
  explicit_bzero (to_initiator, sizeof to_initiator);
}

static void
choose_ephemeral (guint8        out[32],
                  const guint8 *given)
{
  if (given != NULL)
    memcpy (out, given, 32);
  else
    tn_random (out, 32);     /* the multiplication clamps */
}

gboolean
tn_noise_initiate (TnNoiseHandshake           *handshake,
                   const TnMachinePrivateKey  *machine_key,
                   const TnMachinePublicKey   *control_key,
                   guint16                     version,
                   const guint8               *ephemeral,
                   guint8                      out[TN_NOISE_INITIATION_LEN],
                   GError                    **error)
{
  g_auto (Symmetric) s = { 0 };
  TnMachinePublicKey machine_public;
  guint8 *payload = out + INITIATION_HEADER_LEN;

  symmetric_init (&s, version, control_key->bytes);
  choose_ephemeral (handshake->ephemeral_private, ephemeral);
  memcpy (handshake->machine_private, machine_key->bytes, 32);
  tn_machine_private_key_get_public (machine_key, &machine_public);

  tn_put_u16be (out, version);
  out[2] = MESSAGE_INITIATION;
  tn_put_u16be (out + 3, INITIATION_PAYLOAD_LEN);
  tn_x25519_base (payload, handshake->ephemeral_private);
  mix_hash (&s, payload, 32);
  if (!mix_dh (&s, handshake->ephemeral_private, control_key->bytes, error))
    return FALSE;
  seal_and_hash (&s, machine_public.bytes, 32, payload + 32);
  if (!mix_dh (&s, handshake->machine_private, control_key->bytes, error))
    return FALSE;
  seal_and_hash (&s, NULL, 0, payload + 32 + 48);

  memcpy (handshake->hash, s.hash, 32);
  memcpy (handshake->chaining_key, s.chaining_key, 32);
  return TRUE;
}

gsize
tn_noise_response_len (const guint8   header[TN_NOISE_HEADER_LEN],
                       GError       **error)
{
  guint16 len = tn_get_u16be (header + 1);

  if (header[0] == MESSAGE_ERROR)
    return TN_NOISE_HEADER_LEN + (gsize) len;
  if (header[0] != MESSAGE_RESPONSE)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "noise handshake: message of type %u, expected %u", header[0], MESSAGE_RESPONSE);
      return 0;
    }
  if (len != RESPONSE_PAYLOAD_LEN)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "noise handshake: response of %u bytes, expected %u", len, RESPONSE_PAYLOAD_LEN);
      return 0;
    }
  return TN_NOISE_RESPONSE_LEN;
}

gboolean
tn_noise_finish (const TnNoiseHandshake  *handshake,
                 const guint8            *response,
                 gsize                    len,
                 TnNoiseSession          *session,
                 GError                 **error)
{
  g_auto (Symmetric) s = { 0 };
  const guint8 *payload = response + TN_NOISE_HEADER_LEN;
  guint8 nothing[1];

  g_return_val_if_fail (len >= TN_NOISE_HEADER_LEN, FALSE);

  if (response[0] == MESSAGE_ERROR)
    {
      g_autofree char *text = g_utf8_make_valid ((const char *) payload, (gssize) MIN (len - TN_NOISE_HEADER_LEN, 200));

      g_set_error (error, TN_ERROR, TN_ERROR_CONTROL, "control server refused the handshake: %s", text);
      return FALSE;
    }
  if (len != TN_NOISE_RESPONSE_LEN || tn_noise_response_len (response, error) != len)
    {
      if (error != NULL && *error == NULL)
        g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "noise handshake: response of %" G_GSIZE_FORMAT " bytes", len);
      return FALSE;
    }

  s.aead = tn_aead_new ();
  memcpy (s.hash, handshake->hash, 32);
  memcpy (s.chaining_key, handshake->chaining_key, 32);
  mix_hash (&s, payload, 32);
  if (!mix_dh (&s, handshake->ephemeral_private, payload, error) ||
      !mix_dh (&s, handshake->machine_private, payload, error) ||
      !open_and_hash (&s, payload + 32, TN_AEAD_TAG_LEN, nothing, error))
    return FALSE;

  split (&s, session, TRUE);
  return TRUE;
}

static void
append_error_frame (GByteArray *reply,
                    const char *text)
{
  guint8 header[TN_NOISE_HEADER_LEN] = { MESSAGE_ERROR };

  if (reply == NULL)
    return;
  tn_put_u16be (header + 1, (guint16) strlen (text));
  g_byte_array_append (reply, header, sizeof header);
  g_byte_array_append (reply, (const guint8 *) text, (guint) strlen (text));
}

/* What can be refused before any cryptography is answered with an error frame; the rest is not, so that nobody learns why. */
static gboolean
check_initiation (const guint8  *initiation,
                  gsize          len,
                  GByteArray    *reply,
                  GError       **error)
{
  g_autofree char *text = NULL;

  if (len >= 3 && initiation[2] != MESSAGE_INITIATION)
    text = g_strdup_printf ("message of type %u, expected %u", initiation[2], MESSAGE_INITIATION);
  else if (len != TN_NOISE_INITIATION_LEN)
    text = g_strdup_printf ("initiation of %" G_GSIZE_FORMAT " bytes, expected %u", len, TN_NOISE_INITIATION_LEN);
  else if (tn_get_u16be (initiation + 3) != INITIATION_PAYLOAD_LEN)
    text = g_strdup_printf ("initiation says %u bytes, expected %u", tn_get_u16be (initiation + 3), INITIATION_PAYLOAD_LEN);
  else
    return TRUE;

  append_error_frame (reply, text);
  g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "noise handshake: %s", text);
  return FALSE;
}

gboolean
tn_noise_respond (const TnMachinePrivateKey  *control_key,
                  const guint8               *initiation,
                  gsize                       len,
                  const guint8               *ephemeral,
                  guint8                      out[TN_NOISE_RESPONSE_LEN],
                  TnNoiseSession             *session,
                  TnMachinePublicKey         *machine_key,
                  guint16                    *version,
                  GByteArray                 *reply,
                  GError                    **error)
{
  g_auto (Symmetric) s = { 0 };
  TnMachinePublicKey control_public;
  const guint8 *payload = initiation + INITIATION_HEADER_LEN;
  guint8 ephemeral_private[32], nothing[1];
  gboolean ok;

  if (!check_initiation (initiation, len, reply, error))
    return FALSE;

  *version = tn_get_u16be (initiation);
  tn_machine_private_key_get_public (control_key, &control_public);
  symmetric_init (&s, *version, control_public.bytes);
  mix_hash (&s, payload, 32);
  if (!mix_dh (&s, control_key->bytes, payload, error) ||
      !open_and_hash (&s, payload + 32, 48, machine_key->bytes, error) ||
      !mix_dh (&s, control_key->bytes, machine_key->bytes, error) ||
      !open_and_hash (&s, payload + 32 + 48, TN_AEAD_TAG_LEN, nothing, error))
    return FALSE;

  choose_ephemeral (ephemeral_private, ephemeral);
  out[0] = MESSAGE_RESPONSE;
  tn_put_u16be (out + 1, RESPONSE_PAYLOAD_LEN);
  tn_x25519_base (out + TN_NOISE_HEADER_LEN, ephemeral_private);
  mix_hash (&s, out + TN_NOISE_HEADER_LEN, 32);
  ok = mix_dh (&s, ephemeral_private, payload, error) &&
       mix_dh (&s, ephemeral_private, machine_key->bytes, error);
  explicit_bzero (ephemeral_private, sizeof ephemeral_private);
  if (!ok)
    return FALSE;
  seal_and_hash (&s, NULL, 0, out + TN_NOISE_HEADER_LEN + 32);

  split (&s, session, FALSE);
  return TRUE;
}

/* Big-endian, unlike the Noise specification and WireGuard. */
static void
make_nonce (guint8  nonce[TN_AEAD_NONCE_LEN],
            guint64 counter)
{
  memset (nonce, 0, 4);
  tn_put_u64be (nonce + 4, counter);
}

gboolean
tn_noise_seal (TnNoiseCipher *cipher,
               TnAead        *aead,
               const guint8  *data,
               gsize          len,
               GByteArray    *out)
{
  while (len > 0)
    {
      gsize chunk = MIN (len, TN_NOISE_MAX_PLAINTEXT_LEN);
      guint8 nonce[TN_AEAD_NONCE_LEN];
      guint8 *frame;
      guint start = out->len;

      if (cipher->counter == G_MAXUINT64)
        return FALSE;
      g_byte_array_set_size (out, start + (guint) (TN_NOISE_HEADER_LEN + chunk + TN_AEAD_TAG_LEN));
      frame = out->data + start;
      frame[0] = MESSAGE_RECORD;
      tn_put_u16be (frame + 1, (guint16) (chunk + TN_AEAD_TAG_LEN));
      make_nonce (nonce, cipher->counter++);
      tn_aead_seal (aead, cipher->key, nonce, NULL, 0, data, chunk, frame + TN_NOISE_HEADER_LEN);
      data += chunk;
      len -= chunk;
    }
  return TRUE;
}

TnNoiseVerdict
tn_noise_open (TnNoiseCipher  *cipher,
               TnAead         *aead,
               guint8         *data,
               gsize           len,
               gsize          *used,
               guint8        **clear,
               gsize          *clear_len)
{
  guint8 nonce[TN_AEAD_NONCE_LEN];
  gsize sealed_len;

  if (len < TN_NOISE_HEADER_LEN)
    return TN_NOISE_INCOMPLETE;
  sealed_len = tn_get_u16be (data + 1);
  if (sealed_len > TN_NOISE_MAX_FRAME_LEN - TN_NOISE_HEADER_LEN)
    return TN_NOISE_TOO_BIG;
  if (data[0] != MESSAGE_RECORD)
    return TN_NOISE_BAD_TYPE;
  if (len - TN_NOISE_HEADER_LEN < sealed_len)
    return TN_NOISE_INCOMPLETE;
  if (cipher->counter == G_MAXUINT64)
    return TN_NOISE_EXHAUSTED;
  if (sealed_len < TN_AEAD_TAG_LEN)
    return TN_NOISE_BAD_TAG;

  make_nonce (nonce, cipher->counter);
  if (!tn_aead_open (aead, cipher->key, nonce, NULL, 0, data + TN_NOISE_HEADER_LEN, sealed_len, data + TN_NOISE_HEADER_LEN))
    return TN_NOISE_BAD_TAG;
  cipher->counter++;
  *used = TN_NOISE_HEADER_LEN + sealed_len;
  *clear = data + TN_NOISE_HEADER_LEN;
  *clear_len = sealed_len - TN_AEAD_TAG_LEN;
  return TN_NOISE_OPENED;
}

const char *
tn_noise_verdict_to_string (TnNoiseVerdict verdict)
{
  switch (verdict)
    {
    case TN_NOISE_OPENED: return "opened";
    case TN_NOISE_INCOMPLETE: return "incomplete record";
    case TN_NOISE_TOO_BIG: return "record above the maximum of 4096 bytes";
    case TN_NOISE_BAD_TYPE: return "frame that is no record";
    case TN_NOISE_BAD_TAG: return "record that cannot be decrypted";
    case TN_NOISE_EXHAUSTED: return "record counter used up";
    }
  return "unknown";
}
