/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vectors.h"

#include "tn-attestation-key.h"
#include "tn-box.h"
#include "tn-lock-key.h"

/* One key type behind one face, so that one function checks them all. */
typedef struct
{
  const char *type;
  gsize       len;
  gboolean  (*parse)       (void *key, const char *text, gsize len);
  void      (*print)       (const void *key, char *out);
  void      (*print_short) (const void *key, char *out);
} KeyType;

#define PARSE(Type, func) static gboolean parse_##func (void *key, const char *text, gsize len) { return func (key, text, len); }
#define PRINT(func) static void print_##func (const void *key, char *out) { func (key, out); }

PARSE (TnMachinePrivateKey, tn_machine_private_key_parse_len)
PARSE (TnMachinePublicKey, tn_machine_public_key_parse_len)
PARSE (TnMachinePublicKey, tn_machine_public_key_parse_untyped)
PARSE (TnNodePrivateKey, tn_node_private_key_parse_len)
PARSE (TnNodePublicKey, tn_node_public_key_parse_len)
PARSE (TnNodePublicKey, tn_node_public_key_parse_untyped)
PARSE (TnDiscoPublicKey, tn_disco_public_key_parse_len)
PARSE (TnChallengePublicKey, tn_challenge_public_key_parse_len)
PARSE (TnLockPrivateKey, tn_lock_private_key_parse_len)
PARSE (TnLockPublicKey, tn_lock_public_key_parse_len)
PARSE (TnAttestationPublicKey, tn_attestation_public_key_parse_len)
PARSE (TnDerpMeshKey, tn_derp_mesh_key_parse)
PARSE (TnDerpMeshKey, tn_derp_mesh_key_parse_file)
PRINT (tn_machine_private_key_print)
PRINT (tn_machine_public_key_print)
PRINT (tn_machine_public_key_print_short)
PRINT (tn_machine_public_key_print_untyped)
PRINT (tn_node_private_key_print)
PRINT (tn_node_public_key_print)
PRINT (tn_node_public_key_print_short)
PRINT (tn_node_public_key_print_untyped)
PRINT (tn_disco_public_key_print)
PRINT (tn_disco_public_key_print_short)
PRINT (tn_challenge_public_key_print)
PRINT (tn_lock_private_key_print)
PRINT (tn_lock_public_key_print)
PRINT (tn_lock_public_key_print_cli)
PRINT (tn_attestation_public_key_print)
PRINT (tn_derp_mesh_key_print)

static const KeyType types[] = {
  { "machine_private", 32, parse_tn_machine_private_key_parse_len, print_tn_machine_private_key_print, NULL },
  { "machine_public", 32, parse_tn_machine_public_key_parse_len,
    print_tn_machine_public_key_print, print_tn_machine_public_key_print_short },
  { "machine_public_untyped", 32, parse_tn_machine_public_key_parse_untyped,
    print_tn_machine_public_key_print_untyped, print_tn_machine_public_key_print_short },
  { "node_private", 32, parse_tn_node_private_key_parse_len, print_tn_node_private_key_print, NULL },
  { "node_public", 32, parse_tn_node_public_key_parse_len, print_tn_node_public_key_print, print_tn_node_public_key_print_short },
  { "node_public_untyped", 32, parse_tn_node_public_key_parse_untyped,
    print_tn_node_public_key_print_untyped, print_tn_node_public_key_print_short },
  { "disco_public", 32, parse_tn_disco_public_key_parse_len, print_tn_disco_public_key_print, print_tn_disco_public_key_print_short },
  { "challenge_public", 32, parse_tn_challenge_public_key_parse_len, print_tn_challenge_public_key_print, NULL },
  { "lock_private", 64, parse_tn_lock_private_key_parse_len, print_tn_lock_private_key_print, NULL },
  { "lock_public", 32, parse_tn_lock_public_key_parse_len, print_tn_lock_public_key_print, print_tn_lock_public_key_print_cli },
  { "hwattest_public", 65, parse_tn_attestation_public_key_parse_len, print_tn_attestation_public_key_print, NULL },
  { "derp_mesh", 32, parse_tn_derp_mesh_key_parse_file, print_tn_derp_mesh_key_print, NULL },
  { "derp_mesh_json", 32, parse_tn_derp_mesh_key_parse, print_tn_derp_mesh_key_print, NULL },
};

static void
test_parse (TnVector *v)
{
  const char *name = tn_vector_string (v, "type");
  const char *text = tn_vector_string (v, "text");
  const KeyType *type = NULL;
  g_autofree guint8 *bytes = NULL;
  guint8 key[TN_ATTESTATION_KEY_LEN];
  char printed[TN_KEY_TEXT_MAX];
  gsize len;
  gboolean ok;

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_strcmp0 (types[i].type, name) == 0)
      type = &types[i];
  if (type == NULL)
    {
      tn_vector_fail (v, "no such type of key: %s", name);
      return;
    }

  if (text != NULL)
    {
      len = strlen (text);
      bytes = g_memdup2 (text, MAX (len, 1));
    }
  else
    bytes = tn_vector_hex (v, "text_hex", &len);

  ok = type->parse (key, (const char *) bytes, len);
  tn_vector_check_bool (v, "ok", ok);
  if (!ok || v->failed)
    return;

  type->print (key, printed);
  tn_vector_check_string (v, "canon", printed);
  tn_vector_check_hex (v, "raw", key, *printed != '\0' ? type->len : 0);
  if (type->print_short != NULL && tn_vector_has (v, "short"))
    {
      type->print_short (key, printed);
      tn_vector_check_string (v, "short", printed);
    }
  else if (tn_vector_has (v, "short"))
    tn_vector_fail (v, "has a short form");
}

static void
test_binary (TnVector *v)
{
  g_autofree guint8 *bytes = NULL;
  guint8 printed[TN_NODE_PUBLIC_KEY_BINARY_LEN];
  TnNodePublicKey key;
  gboolean ok;
  gsize len;

  bytes = tn_vector_hex (v, "bytes", &len);
  ok = tn_node_public_key_parse_binary (&key, bytes, len);
  tn_vector_check_bool (v, "ok", ok);
  if (!ok || v->failed)
    return;

  tn_vector_check_hex (v, "raw", key.bytes, sizeof key.bytes);
  tn_node_public_key_print_binary (&key, printed);
  tn_vector_check_hex (v, "bytes", printed, sizeof printed);
}

static void
test_public (TnVector *v)
{
  g_auto (TnNodePrivateKey) private = { { 0 } };
  TnNodePublicKey public;

  tn_vector_hex_exact (v, "private", private.bytes, sizeof private.bytes);
  tn_node_private_key_get_public (&private, &public);
  tn_vector_check_hex (v, "public", public.bytes, sizeof public.bytes);
}

static void
test_clamp (TnVector *v)
{
  guint8 bytes[TN_KEY_LEN];

  tn_vector_hex_exact (v, "random", bytes, sizeof bytes);
  tn_key_clamp (bytes);
  tn_vector_check_hex (v, "private", bytes, sizeof bytes);
}

static void
test_lock (TnVector *v)
{
  g_auto (TnLockPrivateKey) private = { { 0 } };
  TnLockPublicKey public;
  guint8 seed[TN_LOCK_SEED_LEN];
  guint8 hash[32];
  guint8 signature[TN_LOCK_SIGNATURE_LEN];
  char text[TN_KEY_TEXT_MAX];

  tn_vector_hex_exact (v, "seed", seed, sizeof seed);
  tn_vector_hex_exact (v, "sign_hash", hash, sizeof hash);
  tn_lock_private_key_from_seed (&private, seed);
  tn_lock_private_key_print (&private, text);
  tn_vector_check_string (v, "private_text", text);

  tn_lock_private_key_get_public (&private, &public);
  tn_lock_public_key_print (&public, text);
  tn_vector_check_string (v, "public_text", text);
  tn_lock_public_key_print_cli (&public, text);
  tn_vector_check_string (v, "cli_text", text);

  tn_lock_private_key_sign (&private, hash, sizeof hash, signature);
  tn_vector_check_hex (v, "signature", signature, sizeof signature);
  tn_vector_same_bool (v, "verified", tn_lock_public_key_verify (&public, hash, sizeof hash, signature), TRUE);
  hash[0] ^= 1;
  tn_vector_same_bool (v, "verified", tn_lock_public_key_verify (&public, hash, sizeof hash, signature), FALSE);
}

static void
test_box (TnVector *v)
{
  g_autofree guint8 *sealed = NULL;
  g_autofree guint8 *clear = NULL;
  guint8 private[TN_KEY_LEN], public[TN_KEY_LEN], shared[32];
  gsize len;
  gboolean ok;

  tn_vector_hex_exact (v, "to_private", private, sizeof private);
  tn_vector_hex_exact (v, "from_public", public, sizeof public);
  sealed = tn_vector_hex (v, "sealed", &len);
  clear = g_malloc0 (len + 1);

  ok = len >= TN_BOX_NONCE_LEN + TN_BOX_TAG_LEN && tn_box_precompute (shared, private, public) &&
       tn_box_open (shared, sealed, sealed + TN_BOX_NONCE_LEN, len - TN_BOX_NONCE_LEN, clear);
  tn_vector_check_bool (v, "ok", ok);
  if (ok && !v->failed)
    tn_vector_check_hex (v, "clear", clear, len - TN_BOX_NONCE_LEN - TN_BOX_TAG_LEN);
}

static void
test_expired (TnVector *v)
{
  TnNodePublicKey key;

  tn_vector_hex_exact (v, "public", key.bytes, sizeof key.bytes);
  tn_node_public_key_expire (&key);
  tn_vector_check_hex (v, "result", key.bytes, sizeof key.bytes);
}

static void
test_log_name (TnVector *v)
{
  TnNodePublicKey key;
  char name[TN_NODE_PUBLIC_KEY_LOG_NAME_MAX];

  tn_vector_hex_exact (v, "public", key.bytes, sizeof key.bytes);
  tn_node_public_key_print_log_name (&key, name);
  tn_vector_check_string (v, "name", name);
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = {
    { "parse", test_parse }, { "binary", test_binary }, { "public", test_public }, { "clamp", test_clamp },
    { "lock", test_lock }, { "box", test_box }, { "expired", test_expired }, { "wgname", test_log_name },
  };

  tn_vectors_run ("keys.jsonl", 737, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/keys/keys/vectors", test_vectors);
  return g_test_run ();
}
