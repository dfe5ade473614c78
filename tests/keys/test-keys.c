/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tn-lock-key.h"

static void
test_generate (void)
{
  g_auto (TnNodePrivateKey) a = { { 0 } };
  g_auto (TnNodePrivateKey) b = { { 0 } };
  TnNodePublicKey a_public, b_public;

  tn_node_private_key_generate (&a);
  tn_node_private_key_generate (&b);
  tn_node_private_key_get_public (&a, &a_public);
  tn_node_private_key_get_public (&b, &b_public);
  g_assert_false (tn_node_public_key_equal (&a_public, &b_public));
  g_assert_false (tn_node_public_key_is_zero (&a_public));
  g_assert_cmpuint (a.bytes[0] & 7, ==, 0);
  g_assert_cmpuint (a.bytes[31] & 192, ==, 64);
}

static void
test_clear (void)
{
  static const TnNodePrivateKey zero;
  TnNodePrivateKey key;

  tn_node_private_key_generate (&key);
  tn_node_private_key_clear (&key);
  g_assert_cmpmem (&key, sizeof key, &zero, sizeof zero);
}

/* A failed parse leaves the key alone. */
static void
test_refused (void)
{
  TnNodePublicKey key = { { 7 } };

  g_assert_false (tn_node_public_key_parse (&key, "nodekey:"));
  g_assert_false (tn_node_public_key_parse (&key, ""));
  g_assert_false (tn_node_public_key_parse (&key, "mkey:0000000000000000000000000000000000000000000000000000000000000000"));
  g_assert_false (tn_node_public_key_parse (&key, "nodekey:000000000000000000000000000000000000000000000000000000000000000g"));
  g_assert_cmpuint (key.bytes[0], ==, 7);
}

static void
test_hash (void)
{
  g_autoptr (GHashTable) table = g_hash_table_new (tn_node_public_key_hash, tn_node_public_key_equal_func);
  TnNodePublicKey keys[64] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      keys[i].bytes[31] = (guint8) i;
      g_assert_true (g_hash_table_add (table, &keys[i]));
    }
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      TnNodePublicKey copy = keys[i];

      g_assert_true (g_hash_table_lookup (table, &copy) == &keys[i]);
    }
}

static void
test_lock_generate (void)
{
  g_auto (TnLockPrivateKey) key = { { 0 } };
  g_auto (TnLockPrivateKey) again = { { 0 } };
  guint8 signature[TN_LOCK_SIGNATURE_LEN];
  TnLockPublicKey public;
  char text[TN_KEY_TEXT_MAX];

  tn_lock_private_key_generate (&key);
  tn_lock_private_key_print (&key, text);
  g_assert_true (tn_lock_private_key_parse (&again, text));
  explicit_bzero (text, sizeof text);
  tn_lock_private_key_get_public (&key, &public);
  tn_lock_private_key_sign (&again, (const guint8 *) "tailnet", 7, signature);
  g_assert_true (tn_lock_public_key_verify (&public, (const guint8 *) "tailnet", 7, signature));
  signature[0] ^= 1;
  g_assert_false (tn_lock_public_key_verify (&public, (const guint8 *) "tailnet", 7, signature));
}

static void
test_mesh_key (void)
{
  static const char digits[] = "\v 0102030405060708091011121314151617181920212223242526272829303132\r\n";
  g_auto (TnDerpMeshKey) a = { { 0 } };
  g_auto (TnDerpMeshKey) b = { { 0 } };

  g_assert_false (tn_derp_mesh_key_parse (&a, digits, strlen (digits)));
  g_assert_true (tn_derp_mesh_key_parse_file (&a, digits, strlen (digits)));
  g_assert_true (tn_derp_mesh_key_parse (&b, digits + 2, 64));
  g_assert_true (tn_derp_mesh_key_equal (&a, &b));
  b.bytes[31] ^= 1;
  g_assert_false (tn_derp_mesh_key_equal (&a, &b));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/keys/keys/generate", test_generate);
  g_test_add_func ("/keys/keys/clear", test_clear);
  g_test_add_func ("/keys/keys/refused", test_refused);
  g_test_add_func ("/keys/keys/hash", test_hash);
  g_test_add_func ("/keys/keys/mesh-key", test_mesh_key);
  g_test_add_func ("/keys/lock-key/generate", test_lock_generate);
  return g_test_run ();
}
