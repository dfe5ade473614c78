/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-handshake.h"

#include "tn-reader.h"

#define CONSTRUCTION "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
#define IDENTIFIER   "WireGuard v1 zx2c4 Jason@zx2c4.com"

/* Each key seals one message only. */
static const guint8 nonce_zero[TN_AEAD_NONCE_LEN];

static void
mix_hash (TnHandshakeState *state,
          const guint8     *data,
          gsize             len)
{
  tn_hash (state->hash, state->hash, sizeof state->hash, data, len);
}

static void
mix_key (TnHandshakeState *state,
         guint8           *key,
         const guint8     *data,
         gsize             len)
{
  tn_kdf (state->chaining_key, key, NULL, state->chaining_key, data, len);
}

/* @key may be NULL. */
static gboolean G_GNUC_WARN_UNUSED_RESULT
mix_dh (TnHandshakeState *state,
        guint8           *key,
        const guint8      private_key[TN_KEY_LEN],
        const guint8      public_key[TN_KEY_LEN])
{
  guint8 product[TN_KEY_LEN];
  gboolean ok;

  ok = tn_x25519 (product, private_key, public_key);
  if (ok)
    mix_key (state, key, product, sizeof product);
  explicit_bzero (product, sizeof product);
  return ok;
}

/* Encrypt and decrypt with the hash as associated data, and mix in the ciphertext. */
static void
encrypt (TnHandshakeState *state,
         TnAead           *aead,
         const guint8      key[TN_AEAD_KEY_LEN],
         const guint8     *clear,
         gsize             len,
         guint8           *out)
{
  tn_aead_seal (aead, key, nonce_zero, state->hash, sizeof state->hash, clear, len, out);
  mix_hash (state, out, len + TN_AEAD_TAG_LEN);
}

static gboolean G_GNUC_WARN_UNUSED_RESULT
decrypt (TnHandshakeState *state,
         TnAead           *aead,
         const guint8      key[TN_AEAD_KEY_LEN],
         const guint8     *sealed,
         gsize             len,
         guint8           *out)
{
  if (!tn_aead_open (aead, key, nonce_zero, state->hash, sizeof state->hash, sealed, len, out))
    return FALSE;
  mix_hash (state, sealed, len);
  return TRUE;
}

/* Both sides begin with the responder's static key and the initiator's ephemeral one. */
static void
begin (TnHandshakeState      *state,
       const TnNodePublicKey *responder,
       const guint8           ephemeral[TN_KEY_LEN])
{
  tn_hash (state->chaining_key, (const guint8 *) CONSTRUCTION, strlen (CONSTRUCTION), NULL, 0);
  tn_hash (state->hash, state->chaining_key, sizeof state->chaining_key, (const guint8 *) IDENTIFIER, strlen (IDENTIFIER));
  mix_hash (state, responder->bytes, TN_KEY_LEN);
  mix_hash (state, ephemeral, TN_KEY_LEN);
  mix_key (state, NULL, ephemeral, TN_KEY_LEN);
}

static void
mix_psk (TnHandshakeState *state,
         guint8            key[TN_AEAD_KEY_LEN],
         const guint8      psk[TN_KEY_LEN])
{
  guint8 tau[TN_HASH_LEN];

  tn_kdf (state->chaining_key, tau, key, state->chaining_key, psk, TN_KEY_LEN);
  mix_hash (state, tau, sizeof tau);
  explicit_bzero (tau, sizeof tau);
}

void
tn_handshake_identity_init (TnHandshakeIdentity    *identity,
                            const TnNodePrivateKey *key)
{
  identity->private_key = *key;
  tn_node_private_key_get_public (key, &identity->public_key);
}

gboolean
tn_handshake_remote_init (TnHandshakeRemote         *remote,
                          const TnHandshakeIdentity *identity,
                          const TnNodePublicKey     *key,
                          const guint8               psk[TN_KEY_LEN])
{
  remote->public_key = *key;
  memcpy (remote->psk, psk, sizeof remote->psk);
  return tn_x25519 (remote->static_static, identity->private_key.bytes, key->bytes);
}

void
tn_handshake_timestamp (guint8 out[TN_TAI64N_LEN],
                        gint64 wall_ns)
{
  gint64 second_ns = 1000 * TN_SECOND_US;
  gint64 seconds = wall_ns / second_ns;
  gint64 rest = wall_ns % second_ns;

  if (rest < 0)         /* before 1970: a machine without a clock */
    {
      rest += second_ns;
      seconds--;
    }
  tn_put_u64be (out, (G_GUINT64_CONSTANT (1) << 62) + 10 + (guint64) seconds);
  tn_put_u32be (out + 8, (guint32) rest & ~((1u << 24) - 1));
}

gboolean
tn_handshake_initiate (TnHandshakeInitiator      *initiator,
                       const TnHandshakeIdentity *identity,
                       const TnHandshakeRemote   *remote,
                       TnAead                    *aead,
                       const guint8               ephemeral[TN_KEY_LEN],
                       const guint8               timestamp[TN_TAI64N_LEN],
                       guint32                    local_index,
                       TnMessageInitiation       *message)
{
  TnHandshakeState *state = &initiator->state;
  guint8 key[TN_AEAD_KEY_LEN];

  memcpy (initiator->ephemeral, ephemeral, sizeof initiator->ephemeral);
  tn_put_u32le (message->type, TN_MESSAGE_TYPE_INITIATION);
  tn_put_u32le (message->sender, local_index);
  tn_x25519_base (message->ephemeral, ephemeral);
  begin (state, &remote->public_key, message->ephemeral);

  if (!mix_dh (state, key, ephemeral, remote->public_key.bytes))
    return FALSE;
  encrypt (state, aead, key, identity->public_key.bytes, TN_KEY_LEN, message->enc_static);

  mix_key (state, key, remote->static_static, sizeof remote->static_static);
  encrypt (state, aead, key, timestamp, TN_TAI64N_LEN, message->enc_timestamp);
  explicit_bzero (key, sizeof key);
  return TRUE;
}

gboolean
tn_handshake_read_static (TnHandshakeResponder      *responder,
                          const TnHandshakeIdentity *identity,
                          TnAead                    *aead,
                          const TnMessageInitiation *message)
{
  TnHandshakeState *state = &responder->state;
  guint8 key[TN_AEAD_KEY_LEN];
  gboolean ok;

  memcpy (responder->remote_ephemeral, message->ephemeral, TN_KEY_LEN);
  responder->remote_index = tn_get_u32le (message->sender);
  begin (state, &identity->public_key, message->ephemeral);

  ok = mix_dh (state, key, identity->private_key.bytes, message->ephemeral) &&
       decrypt (state, aead, key, message->enc_static, sizeof message->enc_static, responder->remote_static.bytes);
  explicit_bzero (key, sizeof key);
  return ok;
}

gboolean
tn_handshake_read_timestamp (TnHandshakeResponder      *responder,
                             const TnHandshakeRemote   *remote,
                             TnAead                    *aead,
                             const TnMessageInitiation *message,
                             guint8                     timestamp[TN_TAI64N_LEN])
{
  guint8 key[TN_AEAD_KEY_LEN];
  gboolean ok;

  mix_key (&responder->state, key, remote->static_static, sizeof remote->static_static);
  ok = decrypt (&responder->state, aead, key, message->enc_timestamp, sizeof message->enc_timestamp, timestamp);
  explicit_bzero (key, sizeof key);
  return ok;
}

gboolean
tn_handshake_respond (TnHandshakeResponder    *responder,
                      const TnHandshakeRemote *remote,
                      TnAead                  *aead,
                      const guint8             ephemeral[TN_KEY_LEN],
                      guint32                  local_index,
                      TnMessageResponse       *message,
                      TnHandshakeKeys         *keys)
{
  TnHandshakeState *state = &responder->state;
  guint8 key[TN_AEAD_KEY_LEN];

  tn_put_u32le (message->type, TN_MESSAGE_TYPE_RESPONSE);
  tn_put_u32le (message->sender, local_index);
  tn_put_u32le (message->receiver, responder->remote_index);
  tn_x25519_base (message->ephemeral, ephemeral);
  mix_hash (state, message->ephemeral, TN_KEY_LEN);
  mix_key (state, NULL, message->ephemeral, TN_KEY_LEN);

  if (!mix_dh (state, NULL, ephemeral, responder->remote_ephemeral) || !mix_dh (state, NULL, ephemeral, remote->public_key.bytes))
    return FALSE;
  mix_psk (state, key, remote->psk);
  encrypt (state, aead, key, NULL, 0, message->enc_nothing);
  explicit_bzero (key, sizeof key);

  tn_kdf (keys->receive, keys->send, NULL, state->chaining_key, NULL, 0);
  return TRUE;
}

gboolean
tn_handshake_read_response (const TnHandshakeInitiator *initiator,
                            const TnHandshakeIdentity  *identity,
                            const TnHandshakeRemote    *remote,
                            TnAead                     *aead,
                            const TnMessageResponse    *message,
                            TnHandshakeKeys            *keys)
{
  g_auto (TnHandshakeState) state = initiator->state;
  guint8 key[TN_AEAD_KEY_LEN];
  gboolean ok;

  mix_hash (&state, message->ephemeral, TN_KEY_LEN);
  mix_key (&state, NULL, message->ephemeral, TN_KEY_LEN);
  if (!mix_dh (&state, NULL, initiator->ephemeral, message->ephemeral) ||
      !mix_dh (&state, NULL, identity->private_key.bytes, message->ephemeral))
    return FALSE;

  mix_psk (&state, key, remote->psk);
  ok = decrypt (&state, aead, key, message->enc_nothing, sizeof message->enc_nothing, NULL);
  explicit_bzero (key, sizeof key);
  if (ok)
    tn_kdf (keys->send, keys->receive, NULL, state.chaining_key, NULL, 0);
  return ok;
}
