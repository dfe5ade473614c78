/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tn-aead.h"
#include "tn-blake2s.h"
#include "tn-box.h"
#include "tn-hex.h"

#include <string.h>

static const char sunscreen[] =
  "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";

static void
unhex (const char *text, void *out, gsize len)
{
  g_assert_true (tn_hex_decode (text, strlen (text), out, len));
}

static void
assert_hex (const void *bytes, gsize len, const char *expected)
{
  g_autofree char *text = tn_hex_dup (bytes, len);

  g_assert_cmpstr (text, ==, expected);
}

/* RFC 8439 §2.8.2 */
static void
test_aead (void)
{
  g_autoptr (TnAead) aead = tn_aead_new ();
  guint8 key[TN_AEAD_KEY_LEN], nonce[TN_AEAD_NONCE_LEN], ad[12];
  guint8 sealed[sizeof sunscreen - 1 + TN_AEAD_TAG_LEN];
  guint8 clear[sizeof sunscreen - 1];

  unhex ("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", key, sizeof key);
  unhex ("070000004041424344454647", nonce, sizeof nonce);
  unhex ("50515253c0c1c2c3c4c5c6c7", ad, sizeof ad);

  for (guint round = 0; round < 2; round++)       /* the context is used again */
    {
      tn_aead_seal (aead, key, nonce, ad, sizeof ad, (const guint8 *) sunscreen, strlen (sunscreen), sealed);
      assert_hex (sealed, sizeof sealed,
                  "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b"
                  "1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
                  "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691");
      g_assert_true (tn_aead_open (aead, key, nonce, ad, sizeof ad, sealed, sizeof sealed, clear));
      g_assert_cmpmem (clear, sizeof clear, sunscreen, strlen (sunscreen));
    }

  for (gsize i = 0; i < sizeof sealed; i++)       /* every bit counts */
    {
      sealed[i] ^= 0x10;
      g_assert_false (tn_aead_open (aead, key, nonce, ad, sizeof ad, sealed, sizeof sealed, clear));
      sealed[i] ^= 0x10;
    }
  g_assert_false (tn_aead_open (aead, key, nonce, ad, sizeof ad - 1, sealed, sizeof sealed, clear));
  for (gsize len = 0; len < sizeof sealed; len++)
    g_assert_false (tn_aead_open (aead, key, nonce, ad, sizeof ad, sealed, len, clear));
}

/* What one call leaves behind is nothing to the next: neither the key of another, nor a datagram that does not open. */
static void
test_aead_keys (void)
{
  static const char text[] = "seventeen and four";
  const guint8 nonce[TN_AEAD_NONCE_LEN] = { 7 };
  guint8 sealed[sizeof text + TN_AEAD_TAG_LEN], expected[sizeof sealed], clear[sizeof text];
  g_autoptr (TnAead) aead = tn_aead_new ();

  for (guint i = 0; i < 16; i++)
    {
      const guint8 keys[2][TN_AEAD_KEY_LEN] = { { 0 }, { [TN_AEAD_KEY_LEN - 1] = 1 } };
      const guint8 *key = keys[i / 2 % 2], *wrong = keys[1 - i / 2 % 2];
      g_autoptr (TnAead) fresh = tn_aead_new ();

      tn_aead_seal (fresh, key, nonce, NULL, 0, (const guint8 *) text, sizeof text, expected);
      tn_aead_seal (aead, key, nonce, NULL, 0, (const guint8 *) text, sizeof text, sealed);
      g_assert_cmpmem (sealed, sizeof sealed, expected, sizeof expected);
      if (i % 4 == 3)
        g_assert_false (tn_aead_open (aead, wrong, nonce, NULL, 0, sealed, sizeof sealed, clear));
      g_assert_true (tn_aead_open (aead, key, nonce, NULL, 0, sealed, sizeof sealed, clear));
      g_assert_cmpmem (clear, sizeof clear, text, sizeof text);
      sealed[0] ^= 1;
      g_assert_false (tn_aead_open (aead, key, nonce, NULL, 0, sealed, sizeof sealed, clear));
    }
}

static void
test_aead_in_place (void)
{
  g_autoptr (TnAead) aead = tn_aead_new ();
  guint8 key[TN_AEAD_KEY_LEN] = { 1 }, nonce[TN_AEAD_NONCE_LEN] = { 2 };
  guint8 buffer[1280 + TN_AEAD_TAG_LEN];
  guint8 copy[1280];

  for (gsize len = 0; len <= sizeof copy; len += 64)
    {
      tn_random (copy, len);
      memcpy (buffer, copy, len);
      tn_aead_seal (aead, key, nonce, NULL, 0, buffer, len, buffer);
      g_assert_true (tn_aead_open (aead, key, nonce, NULL, 0, buffer, len + TN_AEAD_TAG_LEN, buffer));
      g_assert_cmpmem (buffer, len, copy, len);
    }
}

/* RFC 7693 appendix B; the keyed and HMAC values are from Python's hashlib and hmac. */
static void
test_blake2s (void)
{
  guint8 out[TN_HASH_LEN], key[TN_HASH_LEN];

  tn_hash (out, (const guint8 *) "abc", 3, NULL, 0);
  assert_hex (out, sizeof out, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
  tn_hash (out, (const guint8 *) "a", 1, (const guint8 *) "bc", 2);
  assert_hex (out, sizeof out, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");

  for (guint i = 0; i < sizeof key; i++)
    key[i] = (guint8) i;
  tn_mac (out, key, 32, (const guint8 *) "abc", 3);
  assert_hex (out, TN_MAC_LEN, "61ba5f165c194692e09d12520cc4c74a");
  tn_mac (out, key, 16, (const guint8 *) "abc", 3);
  assert_hex (out, TN_MAC_LEN, "75296c2d2c0f51210b383f386bc8b1ff");
  tn_hmac (out, key, 32, (const guint8 *) "abc", 3);
  assert_hex (out, sizeof out, "82623be5bc0a391b24dce53e67d028eff92d586de0485ac37822e597d049c74f");
  tn_hmac (out, (const guint8 *) sunscreen, strlen (sunscreen), (const guint8 *) "abc", 3);
  assert_hex (out, sizeof out, "f02565446bda0e4d53e1ce4a9a5b96a695279e48b6cc0e110021d3408de4182e");
}

static void
test_kdf (void)
{
  guint8 salt[TN_HASH_LEN] = { 7 }, t1[TN_HASH_LEN], t2[TN_HASH_LEN], t3[TN_HASH_LEN], other[TN_HASH_LEN];

  tn_kdf (t1, t2, t3, salt, (const guint8 *) "abc", 3);
  assert_hex (t1, sizeof t1, "5e7c65c408975393e7225ef5c7f2ca4d8e95b6ae306a069b130f8ab642263d60");
  assert_hex (t2, sizeof t2, "a6673fd50b386d5fb8a0521107cedce00e2d161710bf79c03447dc29d105b26b");
  assert_hex (t3, sizeof t3, "a89d3c61ad42e602f52d9a3bebb45e155b8845503121c66c91b11271c5355f4f");
  tn_kdf (other, NULL, NULL, salt, (const guint8 *) "abc", 3);
  g_assert_cmpmem (other, sizeof other, t1, sizeof t1);
  tn_kdf (salt, other, NULL, salt, (const guint8 *) "abc", 3);      /* salt and output are one */
  g_assert_cmpmem (salt, sizeof salt, t1, sizeof t1);
  g_assert_cmpmem (other, sizeof other, t2, sizeof t2);
}

/* RFC 7748 §5.2 and §6.1 */
static void
test_x25519 (void)
{
  static const guint8 low_order[32] = { 1 };
  guint8 private[32], public[32], out[32];

  unhex ("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", private, 32);
  unhex ("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", public, 32);
  g_assert_true (tn_x25519 (out, private, public));
  assert_hex (out, 32, "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");

  unhex ("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", private, 32);
  tn_x25519_base (public, private);
  assert_hex (public, 32, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  unhex ("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", public, 32);
  g_assert_true (tn_x25519 (out, private, public));
  assert_hex (out, 32, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");

  g_assert_false (tn_x25519 (out, private, low_order));
}

/* tests/box.c of NaCl */
static void
test_box (void)
{
  guint8 private[32], public[32], shared[32], nonce[TN_BOX_NONCE_LEN], clear[131], sealed[131 + TN_BOX_TAG_LEN];
  guint8 opened[131];

  unhex ("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", private, 32);
  unhex ("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", public, 32);
  unhex ("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37", nonce, sizeof nonce);
  unhex ("be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c6129"
         "6cdc3c01233561f41db66cce314adb31"
         "0e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52"
         "f0a089bc76897040e082f937763848645e0705",
         clear, sizeof clear);

  g_assert_true (tn_box_precompute (shared, private, public));
  tn_box_seal (shared, nonce, clear, sizeof clear, sealed);
  assert_hex (sealed, sizeof sealed,
              "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186a"
              "c0dfc17c98dce87b4da7f011ec48c972"
              "71d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da"
              "99832b61ca01b6de56244a9e88d5f9b3"
              "7973f622a43d14a6599b1f654cb45a74e355a5");
  g_assert_true (tn_box_open (shared, nonce, sealed, sizeof sealed, opened));
  g_assert_cmpmem (opened, sizeof opened, clear, sizeof clear);

  for (gsize len = 0; len < sizeof sealed; len++)
    g_assert_false (tn_box_open (shared, nonce, sealed, len, opened));
  sealed[20] ^= 1;
  g_assert_false (tn_box_open (shared, nonce, sealed, sizeof sealed, opened));
}

static void
test_box_low_order (void)
{
  static const guint8 zero[32], one[32] = { 1 };
  guint8 private[32], shared[32];

  tn_random (private, sizeof private);
  g_assert_false (tn_box_precompute (shared, private, zero));
  g_assert_false (tn_box_precompute (shared, private, one));
}

/* draft-irtf-cfrg-xchacha-03 appendix A.3.1 */
static void
test_xaead (void)
{
  guint8 key[32], nonce[TN_XAEAD_NONCE_LEN], ad[12], sealed[sizeof sunscreen - 1 + 16], clear[sizeof sunscreen - 1];

  unhex ("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", key, sizeof key);
  unhex ("404142434445464748494a4b4c4d4e4f5051525354555657", nonce, sizeof nonce);
  unhex ("50515253c0c1c2c3c4c5c6c7", ad, sizeof ad);
  tn_xaead_seal (key, nonce, ad, sizeof ad, (const guint8 *) sunscreen, strlen (sunscreen), sealed);
  assert_hex (sealed, sizeof sealed,
              "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39"
              "ae64c6708c54c216cb96b72e1213b452"
              "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13"
              "b52ec0875924c1c7987947deafd8780acf49");
  g_assert_true (tn_xaead_open (key, nonce, ad, sizeof ad, sealed, sizeof sealed, clear));
  g_assert_cmpmem (clear, sizeof clear, sunscreen, strlen (sunscreen));
  ad[0] ^= 1;
  g_assert_false (tn_xaead_open (key, nonce, ad, sizeof ad, sealed, sizeof sealed, clear));
}

static void
test_bytes_equal (void)
{
  g_assert_true (tn_bytes_equal ("abc", "abd", 2));
  g_assert_false (tn_bytes_equal ("abc", "abd", 3));
}

;
int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/crypto/aead/rfc8439", test_aead);
  g_test_add_func ("/crypto/aead/in-place", test_aead_in_place);
  g_test_add_func ("/crypto/aead/keys", test_aead_keys);
  g_test_add_func ("/crypto/blake2s/known-answers", test_blake2s);
  g_test_add_func ("/crypto/blake2s/kdf", test_kdf);
  g_test_add_func ("/crypto/box/x25519", test_x25519);
  g_test_add_func ("/crypto/box/nacl", test_box);
  g_test_add_func ("/crypto/box/low-order", test_box_low_order);
  g_test_add_func ("/crypto/box/xchacha", test_xaead);
  g_test_add_func ("/crypto/box/bytes-equal", test_bytes_equal);
  return g_test_run ();
}
