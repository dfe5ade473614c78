/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-health-book.h"

#include <string.h>

struct _TnHealthBook
{
  TnHealthBookFunc  func;
  gpointer          user_data;
  GHashTable       *items;        /* code, in the item -> TnHealthItem */
  guint             n_holds;
  gboolean          changed;      /* since it was told */
};

TnHealthBook *
tn_health_book_new (TnHealthBookFunc func,
                    gpointer         user_data)
{
  TnHealthBook *book = g_new0 (TnHealthBook, 1);

  book->func = func;
  book->user_data = user_data;
  book->items = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_object_unref);
  return book;
}

void
tn_health_book_free (TnHealthBook *book)
{
  g_hash_table_unref (book->items);
  g_free (book);
}

static int
compare_codes (gconstpointer a,
               gconstpointer b)
{
  return strcmp (tn_health_item_get_code (*(TnHealthItem *const *) a), tn_health_item_get_code (*(TnHealthItem *const *) b));
}

GPtrArray *
tn_health_book_dup_items (TnHealthBook *book)
{
  GPtrArray *items = g_ptr_array_new_with_free_func (g_object_unref);
  GHashTableIter iter;
  gpointer item;

  g_hash_table_iter_init (&iter, book->items);
  while (g_hash_table_iter_next (&iter, NULL, &item))
    g_ptr_array_add (items, g_object_ref (item));
  g_ptr_array_sort (items, compare_codes);
  return items;
}

void
tn_health_book_flush (TnHealthBook *book)
{
  g_autoptr (GPtrArray) items = NULL;

  if (!book->changed)
    return;
  book->changed = FALSE;
  items = tn_health_book_dup_items (book);
  book->func (items, book->user_data);
}

void
tn_health_book_hold (TnHealthBook *book)
{
  book->n_holds++;
}

void
tn_health_book_release (TnHealthBook *book)
{
  g_assert (book->n_holds > 0);
  if (--book->n_holds == 0)
    tn_health_book_flush (book);
}

static gboolean
change (TnHealthBook     *book,
        const char       *code,
        TnHealthSeverity  severity,
        const char       *title,
        const char       *text)
{
  TnHealthItem *old = g_hash_table_lookup (book->items, code);
  g_autoptr (TnHealthItem) item = NULL;

  if (text == NULL)
    return g_hash_table_remove (book->items, code);
  item = tn_health_item_new (code, severity, title, text);
  if (old != NULL && tn_health_item_equal (old, item))
    return FALSE;
  g_hash_table_replace (book->items, (gpointer) (guintptr) tn_health_item_get_code (item), item);
  g_steal_pointer (&item);
  return TRUE;
}

void
tn_health_book_set (TnHealthBook     *book,
                    const char       *code,
                    TnHealthSeverity  severity,
                    const char       *title,
                    const char       *text)
{
  if (!change (book, code, severity, title, text))
    return;
  book->changed = TRUE;
  if (book->n_holds == 0)
    tn_health_book_flush (book);
}
