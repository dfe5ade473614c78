/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-keys.h"

#include <sodium.h>

#include "tn-hex.h"

static gboolean
key_parse (guint8     *out,
           gsize       len,
           const char *prefix,
           const char *text)
{
  gsize prefix_len = strlen (prefix);

  if (strncmp (text, prefix, prefix_len) != 0)
    return FALSE;
  return tn_hex_decode (text + prefix_len, strlen (text + prefix_len), out, len);
}

static void
key_print (const guint8 *bytes,
           gsize         len,
           const char   *prefix,
           char         *out)
{
  gsize prefix_len = strlen (prefix);

  memcpy (out, prefix, prefix_len);
  tn_hex_encode (bytes, len, out + prefix_len);
}

/* tailscale types/key/node.go: the first five characters of the base64 form in brackets. */
static void
print_short_base64 (const guint8 *bytes,
                    char          out[TN_KEY_SHORT_MAX])
{
  g_autofree char *base64 = g_base64_encode (bytes, TN_KEY_LEN);

  g_snprintf (out, TN_KEY_SHORT_MAX, "[%.5s]", base64);
}

/* tailscale types/key/disco.go: d: and the first eight bytes. */
static void
print_short_disco (const guint8 *bytes,
                   char          out[TN_KEY_SHORT_MAX])
{
  out[0] = 'd';
  out[1] = ':';
  tn_hex_encode (bytes, 8, out + 2);
}

static void
key_generate (guint8 bytes[TN_KEY_LEN])
{
  randombytes_buf (bytes, TN_KEY_LEN);
  bytes[0] &= 248;
  bytes[31] = (guint8) ((bytes[31] & 127) | 64);
}

#define DEFINE_PUBLIC_KEY(Type, prefix, text_prefix, print_short_func)                                     \
  gboolean prefix##_parse (Type *key, const char *text) { return key_parse (key->bytes, TN_KEY_LEN, text_prefix, text); }  \
  void prefix##_print (const Type *key, char out[TN_KEY_TEXT_MAX]) { key_print (key->bytes, TN_KEY_LEN, text_prefix, out); } \
  void prefix##_print_short (const Type *key, char out[TN_KEY_SHORT_MAX]) { print_short_func (key->bytes, out); }

#define DEFINE_PRIVATE_KEY(Type, prefix, Public)                                                           \
  void prefix##_generate (Type *key) { key_generate (key->bytes); }                                        \
  gboolean prefix##_parse (Type *key, const char *text) { return key_parse (key->bytes, TN_KEY_LEN, "privkey:", text); }   \
  void prefix##_print (const Type *key, char out[TN_KEY_TEXT_MAX]) { key_print (key->bytes, TN_KEY_LEN, "privkey:", out); } \
  void prefix##_get_public (const Type *key, Public *out) { crypto_scalarmult_base (out->bytes, key->bytes); }

DEFINE_PUBLIC_KEY (TnMachinePublicKey, tn_machine_public_key, "mkey:", print_short_base64)
DEFINE_PRIVATE_KEY (TnMachinePrivateKey, tn_machine_private_key, TnMachinePublicKey)
DEFINE_PUBLIC_KEY (TnNodePublicKey, tn_node_public_key, "nodekey:", print_short_base64)
DEFINE_PRIVATE_KEY (TnNodePrivateKey, tn_node_private_key, TnNodePublicKey)
DEFINE_PUBLIC_KEY (TnDiscoPublicKey, tn_disco_public_key, "discokey:", print_short_disco)
DEFINE_PRIVATE_KEY (TnDiscoPrivateKey, tn_disco_private_key, TnDiscoPublicKey)
DEFINE_PUBLIC_KEY (TnChallengePublicKey, tn_challenge_public_key, "chalpub:", print_short_base64)

guint
tn_node_public_key_hash (gconstpointer key)
{
  static guint8 salt[crypto_shorthash_KEYBYTES];
  static gsize salted;
  guint64 hash;

  if (g_once_init_enter (&salted))
    {
      randombytes_buf (salt, sizeof salt);
      g_once_init_leave (&salted, 1);
    }
  crypto_shorthash ((guint8 *) &hash, ((const TnNodePublicKey *) key)->bytes, TN_KEY_LEN, salt);
  return (guint) hash;
}

gboolean
tn_node_public_key_equal_func (gconstpointer a,
                               gconstpointer b)
{
  return tn_node_public_key_equal (a, b);
}
