/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

#define TN_KEY_LEN 32             /* X25519 */
#define TN_KEY_TEXT_MAX 160       /* longest text form with its NUL: nlpriv: + 128 digits */
#define TN_KEY_SHORT_MAX 24       /* [AbC12] or d:0011223344556677 */

/* Every key is a type of its own, so that the compiler finds a mix-up. Text forms: prefix and hex digits, printed in lower case,
 * read in either (tailscale types/key/util.go); nothing is trimmed, the length is exact. Private and public key of a pair have
 * both; a private key clears itself. _parse_len() is for text that may hold a NUL. */
#define TN_DECLARE_KEY_PARSE(Type, prefix)                                                         \
  gboolean prefix##_parse_len (Type *key, const char *text, gsize len) G_GNUC_WARN_UNUSED_RESULT;  \
  static inline gboolean G_GNUC_WARN_UNUSED_RESULT                                                 \
  prefix##_parse (Type *key, const char *text) { return prefix##_parse_len (key, text, strlen (text)); }

#define TN_DECLARE_PUBLIC_KEY(Type, prefix)                                                        \
  typedef struct { guint8 bytes[TN_KEY_LEN]; } Type;                                               \
  TN_DECLARE_KEY_PARSE (Type, prefix)                                                              \
  void     prefix##_print (const Type *key, char out[TN_KEY_TEXT_MAX]);                            \
  void     prefix##_print_short (const Type *key, char out[TN_KEY_SHORT_MAX]);                     \
  static inline gboolean prefix##_equal (const Type *a, const Type *b)                             \
  { return memcmp (a->bytes, b->bytes, TN_KEY_LEN) == 0; }                                         \
  static inline gboolean prefix##_is_zero (const Type *key)                                        \
  { static const Type zero; return prefix##_equal (key, &zero); }

#define TN_DECLARE_PRIVATE_KEY(Type, prefix, Public)                                               \
  typedef struct { guint8 bytes[TN_KEY_LEN]; } Type;                                               \
  TN_DECLARE_KEY_PARSE (Type, prefix)                                                              \
  void     prefix##_generate (Type *key);                                                          \
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

/* Makes 32 random bytes an X25519 private key; _generate() does it. */
static inline void
tn_key_clamp (guint8 bytes[TN_KEY_LEN])
{
  bytes[0] &= 248;
  bytes[31] = (guint8) ((bytes[31] & 127) | 64);
}

/* For GHashTable; the keys are attacker-chosen: salted per process. */
guint    tn_node_public_key_hash        (gconstpointer key);
gboolean tn_node_public_key_equal_func  (gconstpointer a, gconstpointer b);
guint    tn_disco_public_key_hash       (gconstpointer key);
gboolean tn_disco_public_key_equal_func (gconstpointer a, gconstpointer b);

/* 64 digits without prefix: old answers of GET /key, admin interfaces. */
gboolean tn_machine_public_key_parse_untyped (TnMachinePublicKey *key, const char *text, gsize len) G_GNUC_WARN_UNUSED_RESULT;
void     tn_machine_public_key_print_untyped (const TnMachinePublicKey *key, char out[TN_KEY_TEXT_MAX]);
gboolean tn_node_public_key_parse_untyped    (TnNodePublicKey *key, const char *text, gsize len) G_GNUC_WARN_UNUSED_RESULT;
void     tn_node_public_key_print_untyped    (const TnNodePublicKey *key, char out[TN_KEY_TEXT_MAX]);

/* "np" and the key, as in tailnet lock's objects. */
#define TN_NODE_PUBLIC_KEY_BINARY_LEN (2 + TN_KEY_LEN)
gboolean tn_node_public_key_parse_binary (TnNodePublicKey *key, const guint8 *bytes, gsize len) G_GNUC_WARN_UNUSED_RESULT;
void     tn_node_public_key_print_binary (const TnNodePublicKey *key, guint8 out[TN_NODE_PUBLIC_KEY_BINARY_LEN]);

/* peer(AbCd…wxyz), the name in WireGuard's log lines. */
#define TN_NODE_PUBLIC_KEY_LOG_NAME_MAX 18
void     tn_node_public_key_print_log_name (const TnNodePublicKey *key, char out[TN_NODE_PUBLIC_KEY_LOG_NAME_MAX]);

/* What stands for the key of a peer whose key has expired: no tunnel comes up with it, yet peers stay distinct. */
void     tn_node_public_key_expire (TnNodePublicKey *key);

/* Shared by the relays of a mesh: 64 digits without prefix. */
typedef struct { guint8 bytes[TN_KEY_LEN]; } TnDerpMeshKey;
gboolean tn_derp_mesh_key_parse  (TnDerpMeshKey *key, const char *text, gsize len) G_GNUC_WARN_UNUSED_RESULT;
gboolean tn_derp_mesh_key_parse_file (TnDerpMeshKey *key, const char *text, gsize len) G_GNUC_WARN_UNUSED_RESULT;   /* trims it */
void     tn_derp_mesh_key_print  (const TnDerpMeshKey *key, char out[TN_KEY_TEXT_MAX]);
gboolean tn_derp_mesh_key_equal  (const TnDerpMeshKey *a, const TnDerpMeshKey *b);     /* constant time: it is a secret */
static inline void tn_derp_mesh_key_clear (TnDerpMeshKey *key) { explicit_bzero (key, sizeof *key); }
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnDerpMeshKey, tn_derp_mesh_key_clear)

/* For the other files of this folder. */
gboolean tn_key_parse_text (guint8 *out, gsize out_len, const char *prefix, const char *text, gsize len) G_GNUC_WARN_UNUSED_RESULT;
void     tn_key_print_text (const guint8 *bytes, gsize len, const char *prefix, char *out);

G_END_DECLS
