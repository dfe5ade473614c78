/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-keys.h"

#include <sodium.h>

#include "tn-box.h"
#include "tn-hex.h"

gboolean
tn_key_parse_text (guint8     *out,
                   gsize       out_len,
                   const char *prefix,
                   const char *text,
                   gsize       len)
{
  gsize prefix_len = strlen (prefix);

  if (len < prefix_len || memcmp (text, prefix, prefix_len) != 0)
    return FALSE;
  return tn_hex_decode (text + prefix_len, len - prefix_len, out, out_len);
}

void
tn_key_print_text (const guint8 *bytes,
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
  tn_random (bytes, TN_KEY_LEN);
  tn_key_clamp (bytes);
}

#define DEFINE_KEY_TEXT(Type, prefix, text_prefix)                                             \
  gboolean prefix##_parse_len (Type *key, const char *text, gsize len)                         \
  { return tn_key_parse_text (key->bytes, TN_KEY_LEN, text_prefix, text, len); }               \
  void prefix##_print (const Type *key, char out[TN_KEY_TEXT_MAX])                             \
  { tn_key_print_text (key->bytes, TN_KEY_LEN, text_prefix, out); }

#define DEFINE_PUBLIC_KEY(Type, prefix, text_prefix, print_short_func)                         \
  DEFINE_KEY_TEXT (Type, prefix, text_prefix)                                                  \
  void prefix##_print_short (const Type *key, char out[TN_KEY_SHORT_MAX]) { print_short_func (key->bytes, out); }

#define DEFINE_PRIVATE_KEY(Type, prefix, Public)                                               \
  DEFINE_KEY_TEXT (Type, prefix, "privkey:")                                                   \
  void prefix##_generate (Type *key) { key_generate (key->bytes); }                            \
  void prefix##_get_public (const Type *key, Public *out) { tn_x25519_base (out->bytes, key->bytes); }

DEFINE_PUBLIC_KEY (TnMachinePublicKey, tn_machine_public_key, "mkey:", print_short_base64)
DEFINE_PRIVATE_KEY (TnMachinePrivateKey, tn_machine_private_key, TnMachinePublicKey)
DEFINE_PUBLIC_KEY (TnNodePublicKey, tn_node_public_key, "nodekey:", print_short_base64)
DEFINE_PRIVATE_KEY (TnNodePrivateKey, tn_node_private_key, TnNodePublicKey)
DEFINE_PUBLIC_KEY (TnDiscoPublicKey, tn_disco_public_key, "discokey:", print_short_disco)
DEFINE_PRIVATE_KEY (TnDiscoPrivateKey, tn_disco_private_key, TnDiscoPublicKey)
DEFINE_PUBLIC_KEY (TnChallengePublicKey, tn_challenge_public_key, "chalpub:", print_short_base64)

static guint
key_hash (const guint8 bytes[TN_KEY_LEN])
{
  static guint8 salt[crypto_shorthash_KEYBYTES];
  static gsize salted;
  guint64 hash;

  if (g_once_init_enter (&salted))
    {
      tn_random (salt, sizeof salt);
      g_once_init_leave (&salted, 1);
    }
  crypto_shorthash ((guint8 *) &hash, bytes, TN_KEY_LEN, salt);
  return (guint) hash;
}

guint
tn_node_public_key_hash (gconstpointer key)
{
  return key_hash (((const TnNodePublicKey *) key)->bytes);
}

gboolean
tn_node_public_key_equal_func (gconstpointer a,
                               gconstpointer b)
{
  return tn_node_public_key_equal (a, b);
}

guint
tn_disco_public_key_hash (gconstpointer key)
{
  return key_hash (((const TnDiscoPublicKey *) key)->bytes);
}

gboolean
tn_disco_public_key_equal_func (gconstpointer a,
                                gconstpointer b)
{
  return tn_disco_public_key_equal (a, b);
}

gboolean
tn_machine_public_key_parse_untyped (TnMachinePublicKey *key,
                                     const char         *text,
                                     gsize               len)
{
  return tn_key_parse_text (key->bytes, TN_KEY_LEN, "", text, len);
}

void
tn_machine_public_key_print_untyped (const TnMachinePublicKey *key,
                                     char                      out[TN_KEY_TEXT_MAX])
{
  tn_key_print_text (key->bytes, TN_KEY_LEN, "", out);
}

gboolean
tn_node_public_key_parse_untyped (TnNodePublicKey *key,
                                  const char      *text,
                                  gsize            len)
{
  return tn_key_parse_text (key->bytes, TN_KEY_LEN, "", text, len);
}

void
tn_node_public_key_print_untyped (const TnNodePublicKey *key,
                                  char                   out[TN_KEY_TEXT_MAX])
{
  tn_key_print_text (key->bytes, TN_KEY_LEN, "", out);
}

gboolean
tn_node_public_key_parse_binary (TnNodePublicKey *key,
                                 const guint8    *bytes,
                                 gsize            len)
{
  if (len != TN_NODE_PUBLIC_KEY_BINARY_LEN || bytes[0] != 'n' || bytes[1] != 'p')
    return FALSE;

  memcpy (key->bytes, bytes + 2, TN_KEY_LEN);
  return TRUE;
}

void
tn_node_public_key_print_binary (const TnNodePublicKey *key,
                                 guint8                 out[TN_NODE_PUBLIC_KEY_BINARY_LEN])
{
  out[0] = 'n';
  out[1] = 'p';
  memcpy (out + 2, key->bytes, TN_KEY_LEN);
}

void
tn_node_public_key_print_log_name (const TnNodePublicKey *key,
                                   char                   out[TN_NODE_PUBLIC_KEY_LOG_NAME_MAX])
{
  g_autofree char *base64 = g_base64_encode (key->bytes, TN_KEY_LEN);     /* 43 characters and = */

  g_snprintf (out, TN_NODE_PUBLIC_KEY_LOG_NAME_MAX, "peer(%.4s…%.4s)", base64, base64 + 39);
}

/* tailscale types/key/node.go, badOldPrefix: makes the short form [bad01]. */
void
tn_node_public_key_expire (TnNodePublicKey *key)
{
  static const guint8 mark[] = { 0x6d, 0xa7, 0x74, 0xd5, 0xd7, 0x74 };

  memcpy (key->bytes, mark, sizeof mark);
}

gboolean
tn_derp_mesh_key_parse (TnDerpMeshKey *key,
                        const char    *text,
                        gsize          len)
{
  return tn_key_parse_text (key->bytes, TN_KEY_LEN, "", text, len);
}

static gboolean
is_space (char c)
{
  return g_ascii_isspace (c) || c == '\v';     /* which GLib leaves out */
}

gboolean
tn_derp_mesh_key_parse_file (TnDerpMeshKey *key,
                             const char    *text,
                             gsize          len)
{
  while (len > 0 && is_space (text[0]))
    {
      text++;
      len--;
    }
  while (len > 0 && is_space (text[len - 1]))
    len--;
  return tn_derp_mesh_key_parse (key, text, len);
}

void
tn_derp_mesh_key_print (const TnDerpMeshKey *key,
                        char                 out[TN_KEY_TEXT_MAX])
{
  tn_key_print_text (key->bytes, TN_KEY_LEN, "", out);
}

gboolean
tn_derp_mesh_key_equal (const TnDerpMeshKey *a,
                        const TnDerpMeshKey *b)
{
  return tn_bytes_equal (a->bytes, b->bytes, TN_KEY_LEN);
}
