/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-health-book.h"

typedef struct
{
  guint  n_told;
  char  *codes;      /* of the last time */
} Told;

static void
told_cb (GPtrArray *items,
         gpointer   data)
{
  Told *told = data;
  GString *codes = g_string_new (NULL);

  for (guint i = 0; i < items->len; i++)
    g_string_append_printf (codes, "%s%s", i > 0 ? " " : "", tn_health_item_get_code (g_ptr_array_index (items, i)));
  told->n_told++;
  g_free (told->codes);
  told->codes = g_string_free (codes, FALSE);
}

static void
assert_told (const Told *told,
             guint       n_told,
             const char *codes)
{
  g_assert_cmpuint (told->n_told, ==, n_told);
  g_assert_cmpstr (told->codes, ==, codes);
}

static void
set (TnHealthBook *book,
     const char   *code,
     const char   *text)
{
  tn_health_book_set (book, code, TN_HEALTH_SEVERITY_LOW, "Title", text);
}

static void
test_changes (void)
{
  Told told = { 0, NULL };
  g_autoptr (TnHealthBook) book = tn_health_book_new (told_cb, &told);

  set (book, "b", "text");
  assert_told (&told, 1, "b");
  set (book, "a", "text");
  assert_told (&told, 2, "a b");
  set (book, "a", "text");      /* as it was */
  set (book, "c", NULL);        /* never was */
  assert_told (&told, 2, "a b");
  set (book, "a", "more");
  assert_told (&told, 3, "a b");
  tn_health_book_set (book, "a", TN_HEALTH_SEVERITY_HIGH, "Title", "more");
  assert_told (&told, 4, "a b");
  set (book, "b", NULL);
  assert_told (&told, 5, "a");
  g_free (told.codes);
}

static void
test_at_once (void)
{
  Told told = { 0, NULL };
  g_autoptr (TnHealthBook) book = tn_health_book_new (told_cb, &told);

  tn_health_book_hold (book);
  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *code = g_strdup_printf ("code-%02u", i % 3);

      set (book, code, "text");
    }
  tn_health_book_hold (book);
  set (book, "code-01", NULL);
  tn_health_book_release (book);
  assert_told (&told, 0, NULL);
  tn_health_book_release (book);
  assert_told (&told, 1, "code-00 code-02");

  tn_health_book_hold (book);
  tn_health_book_release (book);      /* nothing happened */
  assert_told (&told, 1, "code-00 code-02");
  tn_health_book_hold (book);
  set (book, "code-00", NULL);
  tn_health_book_flush (book);        /* who cannot wait */
  assert_told (&told, 2, "code-02");
  tn_health_book_release (book);
  assert_told (&told, 2, "code-02");
  g_free (told.codes);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/device/health-book/changes", test_changes);
  g_test_add_func ("/device/health-book/at-once", test_at_once);
  return g_test_run ();
}
