/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-messages.h"

G_BEGIN_DECLS

/* The handshake Noise_IKpsk2 (WireGuard paper §5.4.2 to §5.4.5): messages without their MACs, one function a step. Nothing here
 * remembers anything: whether a timestamp is new, or an index known, is the caller's to decide. */

typedef struct
{
  TnNodePrivateKey private_key;
  TnNodePublicKey  public_key;
} TnHandshakeIdentity;

/* What the handshake needs of the other side. */
typedef struct
{
  TnNodePublicKey public_key;
  guint8          static_static[TN_KEY_LEN];     /* X25519 of both static keys: a fifth of a responder's work */
  guint8          psk[TN_KEY_LEN];
} TnHandshakeRemote;

typedef struct
{
  guint8 chaining_key[TN_HASH_LEN];
  guint8 hash[TN_HASH_LEN];
} TnHandshakeState;

/* Between initiation and response. */
typedef struct
{
  TnHandshakeState state;
  guint8           ephemeral[TN_KEY_LEN];        /* private */
} TnHandshakeInitiator;

/* While an initiation is answered. */
typedef struct
{
  TnHandshakeState state;
  guint8           remote_ephemeral[TN_KEY_LEN];
  TnNodePublicKey  remote_static;                /* claimed, until the timestamp decrypts */
  guint32          remote_index;
} TnHandshakeResponder;

typedef struct
{
  guint8 send[TN_AEAD_KEY_LEN];
  guint8 receive[TN_AEAD_KEY_LEN];
} TnHandshakeKeys;

void     tn_handshake_identity_init  (TnHandshakeIdentity *identity, const TnNodePrivateKey *key);

/* FALSE: @key is of low order. */
gboolean tn_handshake_remote_init    (TnHandshakeRemote *remote, const TnHandshakeIdentity *identity, const TnNodePublicKey *key,
                                      const guint8 psk[TN_KEY_LEN]) G_GNUC_WARN_UNUSED_RESULT;

/* TAI64N with the low 24 bits of the nanoseconds cleared: it need only grow, and tells less of our clock. */
void     tn_handshake_timestamp      (guint8 out[TN_TAI64N_LEN], gint64 wall_ns);

gboolean tn_handshake_initiate       (TnHandshakeInitiator *initiator, const TnHandshakeIdentity *identity,
                                      const TnHandshakeRemote *remote, TnAead *aead, const guint8 ephemeral[TN_KEY_LEN],
                                      const guint8 timestamp[TN_TAI64N_LEN], guint32 local_index,
                                      TnMessageInitiation *message) G_GNUC_WARN_UNUSED_RESULT;

/* First half of an initiation: who says it is (anybody could). Then, for that remote, the proof. */
gboolean tn_handshake_read_static    (TnHandshakeResponder *responder, const TnHandshakeIdentity *identity, TnAead *aead,
                                      const TnMessageInitiation *message) G_GNUC_WARN_UNUSED_RESULT;
gboolean tn_handshake_read_timestamp (TnHandshakeResponder *responder, const TnHandshakeRemote *remote, TnAead *aead,
                                      const TnMessageInitiation *message, guint8 timestamp[TN_TAI64N_LEN]) G_GNUC_WARN_UNUSED_RESULT;

gboolean tn_handshake_respond        (TnHandshakeResponder *responder, const TnHandshakeRemote *remote, TnAead *aead,
                                      const guint8 ephemeral[TN_KEY_LEN], guint32 local_index, TnMessageResponse *message,
                                      TnHandshakeKeys *keys) G_GNUC_WARN_UNUSED_RESULT;

/* Leaves @initiator as it is, so that a forged response does not end the handshake. */
gboolean tn_handshake_read_response  (const TnHandshakeInitiator *initiator, const TnHandshakeIdentity *identity,
                                      const TnHandshakeRemote *remote, TnAead *aead, const TnMessageResponse *message,
                                      TnHandshakeKeys *keys) G_GNUC_WARN_UNUSED_RESULT;

#define TN_HANDSHAKE_DEFINE_CLEAR(Type, prefix)                                                    \
  static inline void prefix##_clear (Type *secret) { explicit_bzero (secret, sizeof *secret); }    \
  G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Type, prefix##_clear)

TN_HANDSHAKE_DEFINE_CLEAR (TnHandshakeState, tn_handshake_state)
TN_HANDSHAKE_DEFINE_CLEAR (TnHandshakeIdentity, tn_handshake_identity)
TN_HANDSHAKE_DEFINE_CLEAR (TnHandshakeRemote, tn_handshake_remote)
TN_HANDSHAKE_DEFINE_CLEAR (TnHandshakeInitiator, tn_handshake_initiator)
TN_HANDSHAKE_DEFINE_CLEAR (TnHandshakeResponder, tn_handshake_responder)
TN_HANDSHAKE_DEFINE_CLEAR (TnHandshakeKeys, tn_handshake_keys)

G_END_DECLS
