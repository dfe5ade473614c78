/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-aead.h"
#include "tn-keys.h"

G_BEGIN_DECLS

/* Noise_IK_25519_ChaChaPoly_BLAKE2s of the control protocol, both roles, without I/O (tailscale control/controlbase). */
#define TN_NOISE_INITIATION_LEN    (2 + 1 + 2 + 32 + 48 + 16)     /* version, type, length, ephemeral, static, tag */
#define TN_NOISE_HEADER_LEN        (1 + 2)                        /* type, length; all lengths big-endian */
#define TN_NOISE_RESPONSE_LEN      (TN_NOISE_HEADER_LEN + 32 + 16)
#define TN_NOISE_MAX_FRAME_LEN     4096
#define TN_NOISE_MAX_PLAINTEXT_LEN (TN_NOISE_MAX_FRAME_LEN - TN_NOISE_HEADER_LEN - TN_AEAD_TAG_LEN)

/* One direction of an established session. */
typedef struct
{
  guint8  key[TN_AEAD_KEY_LEN];
  guint64 counter;
} TnNoiseCipher;

typedef struct
{
  TnNoiseCipher send;
  TnNoiseCipher receive;
  guint8        handshake_hash[32];
} TnNoiseSession;

static inline void
tn_noise_session_clear (TnNoiseSession *session)
{
  explicit_bzero (session, sizeof *session);
}

/* What a client keeps between initiation and response. */
typedef struct
{
  guint8 hash[32];
  guint8 chaining_key[32];
  guint8 machine_private[32];
  guint8 ephemeral_private[32];
} TnNoiseHandshake;

static inline void
tn_noise_handshake_clear (TnNoiseHandshake *handshake)
{
  explicit_bzero (handshake, sizeof *handshake);
}

/* @version goes into the header and the prologue. @ephemeral is NULL but in tests. Fails for a control key of low order. */
gboolean tn_noise_initiate (TnNoiseHandshake *handshake, const TnMachinePrivateKey *machine_key, const TnMachinePublicKey *control_key,
                            guint16 version, const guint8 *ephemeral, guint8 out[TN_NOISE_INITIATION_LEN],
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* How many bytes the message that starts with @header has, error frames included; 0 and an error if it can be no answer to an initiation. */
gsize    tn_noise_response_len (const guint8 header[TN_NOISE_HEADER_LEN], GError **error);

/* @response: exactly what tn_noise_response_len() said. An error frame gives %TN_ERROR_CONTROL with the server's words. */
gboolean tn_noise_finish (const TnNoiseHandshake *handshake, const guint8 *response, gsize len, TnNoiseSession *session,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The server's side: checks @initiation, fills @out, @session, @machine_key (who it is) and @version. On failure @reply, if given, gets
 * the error frame to send, or stays empty where the protocol wants the connection closed without a word. */
gboolean tn_noise_respond (const TnMachinePrivateKey *control_key, const guint8 *initiation, gsize len, const guint8 *ephemeral,
                           guint8 out[TN_NOISE_RESPONSE_LEN], TnNoiseSession *session, TnMachinePublicKey *machine_key,
                           guint16 *version, GByteArray *reply, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Appends @data to @out as records. FALSE: the counter is used up, and the connection with it. */
gboolean tn_noise_seal (TnNoiseCipher *cipher, TnAead *aead, const guint8 *data, gsize len, GByteArray *out) G_GNUC_WARN_UNUSED_RESULT;

typedef enum
{
  TN_NOISE_OPENED,         /* one record; it may be empty */
  TN_NOISE_INCOMPLETE,     /* needs more bytes */
  TN_NOISE_TOO_BIG,
  TN_NOISE_BAD_TYPE,
  TN_NOISE_BAD_TAG,
  TN_NOISE_EXHAUSTED,
} TnNoiseVerdict;

/* Opens the record at the head of @data, in place; @used is its length on the wire. All but the first two end the connection. */
TnNoiseVerdict tn_noise_open (TnNoiseCipher *cipher, TnAead *aead, guint8 *data, gsize len, gsize *used, guint8 **clear, gsize *clear_len);

const char    *tn_noise_verdict_to_string (TnNoiseVerdict verdict);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnNoiseSession, tn_noise_session_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnNoiseHandshake, tn_noise_handshake_clear)

G_END_DECLS
