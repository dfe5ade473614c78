/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tn-prefix-table.h"

/* The same in a way that cannot be wrong: a list, searched from end to end. */
typedef struct
{
  TnIpPrefix prefix;
  gpointer   value;
} Entry;

static gint
list_find (GArray           *list,
           const TnIpPrefix *prefix)
{
  for (guint i = 0; i < list->len; i++)
    if (tn_ip_prefix_equal (&g_array_index (list, Entry, i).prefix, prefix))
      return (gint) i;
  return -1;
}

static gboolean
list_insert (GArray           *list,
             const TnIpPrefix *prefix,
             gpointer          value)
{
  gint at = list_find (list, prefix);
  Entry entry = { *prefix, value };

  if (at < 0)
    g_array_append_val (list, entry);
  else
    g_array_index (list, Entry, at).value = value;
  return at < 0;
}

static gboolean
list_remove (GArray           *list,
             const TnIpPrefix *prefix)
{
  gint at = list_find (list, prefix);

  if (at >= 0)
    g_array_remove_index_fast (list, (guint) at);
  return at >= 0;
}

static int
longest_first (gconstpointer a,
               gconstpointer b)
{
  return (int) ((const Entry *) b)->prefix.bits - (int) ((const Entry *) a)->prefix.bits;
}

static GArray *
list_matches (GArray            *list,
              const TnIpAddress *address)
{
  GArray *matches = g_array_new (FALSE, FALSE, sizeof (Entry));

  for (guint i = 0; i < list->len; i++)
    if (tn_ip_prefix_contains (&g_array_index (list, Entry, i).prefix, address))
      g_array_append_val (matches, g_array_index (list, Entry, i));
  g_array_sort (matches, longest_first);
  return matches;
}

/* Few different bits, so that prefixes nest and meet; the whole length is used. */
static TnIpPrefix
random_prefix (GRand *rand)
{
  TnIpPrefix prefix = { .address.version = g_rand_boolean (rand) ? 4 : 6 };
  guint len = (guint) tn_ip_address_len (&prefix.address);
  static const guint8 octets[] = { 0x00, 0x80, 0xff, 0x7f, 0x40 };

  for (guint i = 0; i < len; i++)
    prefix.address.bytes[i] = octets[g_rand_int_range (rand, 0, G_N_ELEMENTS (octets))];
  prefix.bits = (guint8) g_rand_int_range (rand, 0, (gint32) len * 8 + 1);
  if (g_rand_int_range (rand, 0, 4) == 0)
    prefix.bits = (guint8) (prefix.bits / 8 * 8);
  return tn_ip_prefix_mask (&prefix);
}

static gboolean
collect_cb (gpointer value,
            gpointer user_data)
{
  g_ptr_array_add (user_data, value);
  return TRUE;
}

static void
check_address (TnPrefixTable     *table,
               GArray            *list,
               const TnIpAddress *address)
{
  g_autoptr (GArray) matches = list_matches (list, address);
  g_autoptr (GPtrArray) found = g_ptr_array_new ();

  g_assert_true (tn_prefix_table_lookup (table, address) == (matches->len > 0 ? g_array_index (matches, Entry, 0).value : NULL));
  g_assert_true (tn_prefix_table_match (table, address, collect_cb, found));
  g_assert_cmpuint (found->len, ==, matches->len);
  for (guint i = 0; i < found->len; i++)
    g_assert_true (found->pdata[i] == g_array_index (matches, Entry, i).value);
}

static void
count_cb (const TnIpPrefix *prefix,
          gpointer          value,
          gpointer          user_data)
{
  GArray *list = user_data;
  gint at = list_find (list, prefix);

  g_assert_cmpint (at, >=, 0);
  g_assert_true (g_array_index (list, Entry, at).value == value);
  list_remove (list, prefix);
}

static void
check_whole (TnPrefixTable *table,
             GArray        *list)
{
  g_autoptr (GArray) left = g_array_copy (list);

  g_assert_cmpuint (tn_prefix_table_get_size (table), ==, list->len);
  tn_prefix_table_foreach (table, count_cb, left);
  g_assert_cmpuint (left->len, ==, 0);
}

static void
step (TnPrefixTable *table,
      GArray        *list,
      GRand         *rand,
      guint          n)
{
  TnIpPrefix prefix = random_prefix (rand);
  TnIpPrefix other = random_prefix (rand);
  gpointer value = GUINT_TO_POINTER ((n + 1) * 4);
  gint at;

  if (list->len > 0 && g_rand_boolean (rand))
    prefix = g_array_index (list, Entry, g_rand_int_range (rand, 0, (gint32) list->len)).prefix;
  if (list->len < 150 && g_rand_int_range (rand, 0, 5) != 0)
    g_assert_true (tn_prefix_table_insert (table, &prefix, value) == list_insert (list, &prefix, value));
  else
    g_assert_true (tn_prefix_table_remove (table, &prefix) == list_remove (list, &prefix));

  at = list_find (list, &other);
  g_assert_true (tn_prefix_table_get (table, &other) == (at < 0 ? NULL : g_array_index (list, Entry, at).value));
  check_address (table, list, &prefix.address);
  check_address (table, list, &other.address);
}

static void
test_property (void)
{
  for (guint32 seed = 0; seed < 40; seed++)
    {
      g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
      g_autoptr (TnPrefixTable) table = tn_prefix_table_new (NULL);
      g_autoptr (GArray) list = g_array_new (FALSE, FALSE, sizeof (Entry));

      for (guint n = 0; n < 400; n++)
        step (table, list, rand, n);
      check_whole (table, list);

      while (list->len > 0)
        {
          TnIpPrefix prefix = g_array_index (list, Entry, 0).prefix;

          g_assert_true (tn_prefix_table_remove (table, &prefix));
          list_remove (list, &prefix);
          check_address (table, list, &prefix.address);
        }
      check_whole (table, list);
    }
}

static void
value_ref (gpointer value)
{
  (*(int *) value)++;
}

static void
value_unref (gpointer value)
{
  (*(int *) value)--;
}

static const TnPrefixValueFuncs counted = { value_ref, value_unref };

/* Copies stay as they were whatever happens to the others, and every value is let go as often as it was taken. */
static void
test_copies (void)
{
  enum { N_VALUES = 64, N_COPIES = 8 };
  static int counts[N_VALUES];

  for (guint32 seed = 0; seed < 10; seed++)
    {
      g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
      TnPrefixTable *tables[N_COPIES] = { tn_prefix_table_new (&counted) };
      GArray *lists[N_COPIES] = { g_array_new (FALSE, FALSE, sizeof (Entry)) };

      for (guint i = 1; i < N_COPIES; i++)
        {
          tables[i] = tn_prefix_table_new (&counted);
          lists[i] = g_array_new (FALSE, FALSE, sizeof (Entry));
        }
      for (guint n = 0; n < 1500; n++)
        {
          guint i = (guint) g_rand_int_range (rand, 0, N_COPIES);
          guint j = (guint) g_rand_int_range (rand, 0, N_COPIES);
          TnIpPrefix prefix = random_prefix (rand);
          int *value = &counts[g_rand_int_range (rand, 0, N_VALUES)];

          if (lists[i]->len > 0 && g_rand_boolean (rand))
            prefix = g_array_index (lists[i], Entry, g_rand_int_range (rand, 0, (gint32) lists[i]->len)).prefix;
          switch (i != j ? g_rand_int_range (rand, 0, 8) : 7)
            {
            case 0:
              tn_prefix_table_free (tables[j]);
              g_array_unref (lists[j]);
              tables[j] = tn_prefix_table_copy (tables[i]);
              lists[j] = g_array_copy (lists[i]);
              break;
            case 1:
            case 2:
              g_assert_true (tn_prefix_table_remove (tables[i], &prefix) == list_remove (lists[i], &prefix));
              break;
            default:
              g_assert_true (tn_prefix_table_insert (tables[i], &prefix, value) == list_insert (lists[i], &prefix, value));
              break;
            }
          check_address (tables[j], lists[j], &prefix.address);
        }
      for (guint i = 0; i < N_COPIES; i++)
        {
          check_whole (tables[i], lists[i]);
          tn_prefix_table_free (tables[i]);
          g_array_unref (lists[i]);
        }
      for (guint i = 0; i < N_VALUES; i++)
        g_assert_cmpint (counts[i], ==, 0);
    }
}

static gboolean
stop_cb (gpointer value,
         gpointer user_data)
{
  return ++*(guint *) user_data < 2;
}

static void
test_match_stops (void)
{
  g_autoptr (TnPrefixTable) table = tn_prefix_table_new (NULL);
  static const char *const texts[] = { "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32" };
  TnIpPrefix prefix;
  guint n = 0;

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_assert_true (tn_ip_prefix_parse (texts[i], &prefix));
      tn_prefix_table_insert (table, &prefix, GUINT_TO_POINTER ((i + 1) * 4));
    }
  g_assert_false (tn_prefix_table_match (table, &prefix.address, stop_cb, &n));
  g_assert_cmpuint (n, ==, 2);
}

static void
test_host_bits (void)
{
  g_autoptr (TnPrefixTable) table = tn_prefix_table_new (NULL);
  TnIpPrefix whole, masked;

  g_assert_true (tn_ip_prefix_parse ("10.1.2.3/8", &whole));
  g_assert_true (tn_ip_prefix_parse ("10.0.0.0/8", &masked));
  g_assert_true (tn_prefix_table_insert (table, &whole, GUINT_TO_POINTER (4)));
  g_assert_false (tn_prefix_table_insert (table, &masked, GUINT_TO_POINTER (8)));
  g_assert_true (tn_prefix_table_get (table, &whole) == GUINT_TO_POINTER (8));
}

/* Readers look things up in the copy that they find, while another thread goes on changing and publishes the next. */
typedef struct
{
  GMutex         lock;          /* for published */
  TnPrefixTable *published;
  gint           stop;
} Shared;

static TnPrefixTable *
shared_get (Shared *shared)
{
  TnPrefixTable *copy;

  g_mutex_lock (&shared->lock);
  copy = tn_prefix_table_copy (shared->published);
  g_mutex_unlock (&shared->lock);
  return copy;
}

static gpointer
reader_thread (gpointer user_data)
{
  Shared *shared = user_data;

  while (!g_atomic_int_get (&shared->stop))
    {
      g_autoptr (TnPrefixTable) table = shared_get (shared);
      TnIpPrefix prefix = { .address = { .version = 4, .bytes = { 10 } }, .bits = 32 };
      guint n = 0;

      /* A version k of the table holds 10.0.0.0 to 10.0.0.(k - 1), and the value k for 0.0.0.0/0. */
      for (guint i = 0; i < 200; i++)
        {
          prefix.address.bytes[3] = (guint8) i;
          n += tn_prefix_table_get (table, &prefix) != NULL;
        }
      prefix.address.bytes[0] = 11;
      g_assert_cmpuint (GPOINTER_TO_UINT (tn_prefix_table_lookup (table, &prefix.address)), ==, (n + 1) * 4);
    }
  return NULL;
}

static void
test_snapshots_under_load (void)
{
  g_autoptr (TnPrefixTable) table = tn_prefix_table_new (NULL);
  TnIpPrefix all = { .address.version = 4 };
  TnIpPrefix host = { .address = { .version = 4, .bytes = { 10 } }, .bits = 32 };
  Shared shared = { 0 };
  GThread *threads[2];

  g_mutex_init (&shared.lock);
  tn_prefix_table_insert (table, &all, GUINT_TO_POINTER (4));
  shared.published = tn_prefix_table_copy (table);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("reader", reader_thread, &shared);

  for (guint round = 0; round < 2000; round++)
    {
      guint n = round % 400;
      TnPrefixTable *old;

      host.address.bytes[3] = (guint8) (n < 200 ? n : 399 - n);
      if (n < 200)
        tn_prefix_table_insert (table, &host, GUINT_TO_POINTER (4));
      else
        tn_prefix_table_remove (table, &host);
      tn_prefix_table_insert (table, &all, GSIZE_TO_POINTER (tn_prefix_table_get_size (table) * 4));

      g_mutex_lock (&shared.lock);
      old = g_steal_pointer (&shared.published);
      shared.published = tn_prefix_table_copy (table);
      g_mutex_unlock (&shared.lock);
      tn_prefix_table_free (old);
    }

  g_atomic_int_set (&shared.stop, 1);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  tn_prefix_table_free (shared.published);
  g_mutex_clear (&shared.lock);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataplane/prefix-table/like-a-list", test_property);
  g_test_add_func ("/dataplane/prefix-table/copies", test_copies);
  g_test_add_func ("/dataplane/prefix-table/match-stops", test_match_stops);
  g_test_add_func ("/dataplane/prefix-table/host-bits", test_host_bits);
  g_test_add_func ("/dataplane/prefix-table/snapshots-under-load", test_snapshots_under_load);
  return g_test_run ();
}
