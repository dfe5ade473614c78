/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

#define TN_KEY_LEN 32             /* X25519 */
#define TN_KEY_TEXT_MAX 160       /* longest text form with its NUL: nlpriv: + 128 digits */
#define TN_KEY_SHORT_MAX 24       /* [AbC12] or d:0011223344556677 */

/* Every key is a type of its own, so that the compiler finds a mix-up. Text forms: prefix and lower-case hex digits
 * (tailscale types/key/util.go). Private and public key of a pair have both; a private key clears itself. */
#define TN_DECLARE_PUBLIC_KEY(Type, prefix)                                                        \
  typedef struct { guint8 bytes[TN_KEY_LEN]; } Type;                                               \
  gboolean prefix##_parse (Type *key, const char *text) G_GNUC_WARN_UNUSED_RESULT;                 \
  void     prefix##_print (const Type *key, char out[TN_KEY_TEXT_MAX]);                            \
  void     prefix##_print_short (const Type *key, char out[TN_KEY_SHORT_MAX]);                     \
  static inline gboolean prefix##_equal (const Type *a, const Type *b)                             \
  { return memcmp (a->bytes, b->bytes, TN_KEY_LEN) == 0; }                                         \
  static inline gboolean prefix##_is_zero (const Type *key)                                        \
  { static const Type zero; return prefix##_equal (key, &zero); }

#define TN_DECLARE_PRIVATE_KEY(Type, prefix, Public)                                               \
  typedef struct { guint8 bytes[TN_KEY_LEN]; } Type;                                               \
  void     prefix##_generate (Type *key);                                                          \
  gboolean prefix##_parse (Type *key, const char *text) G_GNUC_WARN_UNUSED_RESULT;                 \
  void     prefix##_print (const Type *key, char out[TN_KEY_TEXT_MAX]);  /* clear @out after use */\
  void     prefix##_get_public (const Type *key, Public *out);                                     \
  static inline void prefix##_clear (Type *key) { explicit_bzero (key, sizeof *key); }             \
  G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Type, prefix##_clear)

TN_DECLARE_PUBLIC_KEY  (TnMachinePublicKey, tn_machine_public_key)            /* mkey: */
TN_DECLARE_PRIVATE_KEY (TnMachinePrivateKey, tn_machine_private_key, TnMachinePublicKey)   /* privkey: */
TN_DECLARE_PUBLIC_KEY  (TnNodePublicKey, tn_node_public_key)                  /* nodekey: */
TN_DECLARE_PRIVATE_KEY (TnNodePrivateKey, tn_node_private_key, TnNodePublicKey)            /* privkey: */
TN_DECLARE_PUBLIC_KEY  (TnDiscoPublicKey, tn_disco_public_key)                /* discokey: */
TN_DECLARE_PRIVATE_KEY (TnDiscoPrivateKey, tn_disco_private_key, TnDiscoPublicKey)         /* privkey: */
TN_DECLARE_PUBLIC_KEY  (TnChallengePublicKey, tn_challenge_public_key)        /* chalpub: */

guint    tn_node_public_key_hash  (gconstpointer key);       /* for GHashTable; the key is attacker-chosen: salted per process */
gboolean tn_node_public_key_equal_func (gconstpointer a, gconstpointer b);

G_END_DECLS
