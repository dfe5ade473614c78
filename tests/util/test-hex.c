/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tn-hex.h"

#include <string.h>

static void
test_encode (void)
{
  const guint8 bytes[] = { 0x00, 0x7f, 0x80, 0xff };
  char out[2 * sizeof bytes + 1];
  g_autofree char *empty = tn_hex_dup (bytes, 0);

  tn_hex_encode (bytes, sizeof bytes, out);
  g_assert_cmpstr (out, ==, "007f80ff");
  g_assert_cmpstr (empty, ==, "");
}

static void
test_decode (void)
{
  static const struct { const char *text; gsize len; gboolean ok; } cases[] = {
    { "0aFf", 2, TRUE }, { "", 0, TRUE },
    { "0aff", 1, FALSE }, { "0aff", 3, FALSE }, { "0af", 1, FALSE }, { "0af", 2, FALSE },
    { "0x0a", 2, FALSE }, { " aff", 2, FALSE }, { "0ag0", 2, FALSE }, { "-1+1", 2, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      guint8 out[4] = { 0xaa, 0xaa, 0xaa, 0xaa };

      g_assert_cmpint (tn_hex_decode (cases[i].text, strlen (cases[i].text), out, cases[i].len), ==, cases[i].ok);
      g_assert_cmpuint (out[cases[i].ok ? cases[i].len : 0], ==, 0xaa);     /* nothing written behind it, or on failure */
    }
}

static void
test_parse (void)
{
  gsize len = 77;
  g_autofree guint8 *bytes = tn_hex_parse ("c0FFee", &len);

  g_assert_cmpmem (bytes, len, "\xc0\xff\xee", 3);
  len = 77;
  g_assert_null (tn_hex_parse ("c0f", &len));
  g_assert_null (tn_hex_parse ("zz", &len));
  g_assert_cmpuint (len, ==, 77);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/util/hex/encode", test_encode);
  g_test_add_func ("/util/hex/decode", test_decode);
  g_test_add_func ("/util/hex/parse", test_parse);
  return g_test_run ();
}
