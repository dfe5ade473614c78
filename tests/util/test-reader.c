/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tn-reader.h"

static const guint8 data[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17 };

static void
test_integers (void)
{
  TnReader r = TN_READER_INIT (data, sizeof data);
  guint8 u8 = 0;
  guint16 be16 = 0, le16 = 0;
  guint32 be32 = 0, le32 = 0;

  g_assert_true (tn_reader_u8 (&r, &u8) && tn_reader_u16be (&r, &be16) && tn_reader_u16le (&r, &le16) &&
                 tn_reader_u32be (&r, &be32) && tn_reader_u32le (&r, &le32));
  g_assert_cmphex (u8, ==, 1);
  g_assert_cmphex (be16, ==, 0x0203);
  g_assert_cmphex (le16, ==, 0x0504);
  g_assert_cmphex (be32, ==, 0x06070809);
  g_assert_cmphex (le32, ==, 0x0d0c0b0a);
  g_assert_cmpuint (r.left, ==, 4);
}

static void
test_long_integers (void)
{
  TnReader r = TN_READER_INIT (data, 16);
  guint64 be = 0, le = 0;

  g_assert_true (tn_reader_u64be (&r, &be) && tn_reader_u64le (&r, &le));
  g_assert_cmphex (be, ==, G_GUINT64_CONSTANT (0x0102030405060708));
  g_assert_cmphex (le, ==, G_GUINT64_CONSTANT (0x100f0e0d0c0b0a09));
  g_assert_cmpuint (r.left, ==, 0);
}

static void
test_short (void)
{
  TnReader r = TN_READER_INIT (data, 3);
  guint32 value = 0xdeadbeef;
  const guint8 *bytes = NULL;

  g_assert_false (tn_reader_u32be (&r, &value));
  g_assert_cmphex (value, ==, 0xdeadbeef);
  g_assert_false (tn_reader_bytes (&r, G_MAXSIZE, &bytes));      /* a sum with the position would wrap */
  g_assert_null (bytes);
  g_assert_false (tn_reader_skip (&r, 4));
  g_assert_true (r.pos == data && r.left == 3);

  g_assert_true (tn_reader_skip (&r, 2));
  g_assert_true (tn_reader_bytes (&r, 1, &bytes));
  g_assert_cmpuint (*bytes, ==, 3);
  g_assert_true (tn_reader_bytes (&r, 0, &bytes));
}

static void
test_put_get (void)
{
  guint8 out[8];

  tn_put_u16be (out, 0x0102);
  g_assert_cmpmem (out, 2, data, 2);
  g_assert_cmphex (tn_get_u16be (out), ==, 0x0102);
  tn_put_u32be (out, 0x01020304);
  g_assert_cmpmem (out, 4, data, 4);
  g_assert_cmphex (tn_get_u32be (out), ==, 0x01020304);
  tn_put_u64be (out, G_GUINT64_CONSTANT (0x0102030405060708));
  g_assert_cmpmem (out, 8, data, 8);
  g_assert_cmphex (tn_get_u64be (out), ==, G_GUINT64_CONSTANT (0x0102030405060708));
  tn_put_u32le (out, 0x04030201);
  g_assert_cmpmem (out, 4, data, 4);
  g_assert_cmphex (tn_get_u32le (out), ==, 0x04030201);
  tn_put_u64le (out, G_GUINT64_CONSTANT (0x0807060504030201));
  g_assert_cmpmem (out, 8, data, 8);
  g_assert_cmphex (tn_get_u64le (out), ==, G_GUINT64_CONSTANT (0x0807060504030201));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/util/reader/integers", test_integers);
  g_test_add_func ("/util/reader/long-integers", test_long_integers);
  g_test_add_func ("/util/reader/short", test_short);
  g_test_add_func ("/util/reader/put-get", test_put_get);
  return g_test_run ();
}
