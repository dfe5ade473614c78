/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-index-table.h"
#include "tn-messages.h"
#include "tn-rate-limiter.h"
#include "tn-replay.h"

/* The parts of the engine against plain models of them. */

/* --- Replay window: a set of counters, and the highest one --- */

static guint64
random_counter (guint64 highest)
{
  switch (g_test_rand_int_range (0, 8))
    {
    case 0:
      return highest + (guint64) g_test_rand_int_range (1, 20000);
    case 1:
      return highest - MIN (highest, (guint64) g_test_rand_int_range (0, 20000));
    case 2:
      return highest - MIN (highest, (guint64) g_test_rand_int_range (TN_REPLAY_WINDOW - 3, TN_REPLAY_WINDOW + 4));
    case 3:
      return highest - MIN (highest, (guint64) g_test_rand_int_range (0, 70));
    default:
      return highest + (guint64) g_test_rand_int_range (0, 4);
    }
}

static void
replay_against_model (guint64 start)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  TnReplay replay = { 0 };
  guint64 highest = start;
  gboolean any = FALSE;

  for (guint i = 0; i < 20000; i++)
    {
      guint64 counter = any ? random_counter (highest) : start;
      gboolean expected = counter < TN_REJECT_AFTER_MESSAGES && !g_hash_table_contains (seen, &counter) &&
                          (!any || counter > highest || highest - counter <= TN_REPLAY_WINDOW);

      g_assert_cmpint (tn_replay_accept (&replay, counter), ==, expected);
      if (expected)
        {
          g_hash_table_add (seen, g_memdup2 (&counter, sizeof counter));
          highest = any ? MAX (highest, counter) : counter;
          any = TRUE;
        }
    }
}

static void
test_replay (void)
{
  TnReplay replay = { 0 };

  for (guint i = 0; i < 5; i++)
    replay_against_model (0);
  replay_against_model (1);
  replay_against_model (G_GUINT64_CONSTANT (1) << 40);
  replay_against_model (TN_REJECT_AFTER_MESSAGES - 50000);
  replay_against_model (TN_REJECT_AFTER_MESSAGES - 1);
  g_assert_false (tn_replay_accept (&replay, G_MAXUINT64));
  g_assert_false (tn_replay_accept (&replay, TN_REJECT_AFTER_MESSAGES));
  g_assert_true (tn_replay_accept (&replay, 0));      /* the two above have left no trace */
}

/* --- Index table: a GHashTable. Indices from a small range collide in every way. --- */

static void
index_table_against_model (guint32 mask)
{
  g_autoptr (GHashTable) model = g_hash_table_new (NULL, NULL);
  TnIndexTable table;

  tn_index_table_init (&table);
  for (guint i = 0; i < 50000; i++)
    {
      guint32 index = (guint32) g_test_rand_int () & mask;
      gpointer key = GUINT_TO_POINTER (index);
      TnTunnelPeer *peer = GSIZE_TO_POINTER (16 + (gsize) i);
      TnIndexEntry *entry = tn_index_table_lookup (&table, index);

      g_assert_true ((entry != NULL ? entry->peer : NULL) == g_hash_table_lookup (model, key));
      if (g_test_rand_int_range (0, i % 10000 < 5000 ? 3 : 6) < 2)
        {
          gboolean is_free = !g_hash_table_contains (model, key);

          g_assert_cmpint (tn_index_table_insert (&table, index, peer, NULL), ==, is_free);
          if (is_free)
            g_hash_table_insert (model, key, peer);
        }
      else
        {
          tn_index_table_remove (&table, index);
          g_hash_table_remove (model, key);
        }
      g_assert_cmpuint (table.n_entries, ==, g_hash_table_size (model));
      g_assert_cmpuint (table.n_entries * 2, <=, table.n_slots);
    }
  tn_index_table_clear (&table);
}

static void
test_index_table (void)
{
  index_table_against_model (0xff);
  index_table_against_model (0xf0f);
  index_table_against_model (0xffff0000);      /* all in one slot at first */
  index_table_against_model (0xfff);
}

/* --- Rations --- */

static void
test_token_bucket (void)
{
  TnTokenBucket bucket = { 0 };
  guint n = 0;

  for (guint i = 0; i < 10; i++)
    n += tn_token_bucket_take (&bucket, 20, 5, 1000000);
  g_assert_cmpuint (n, ==, 5);
  g_assert_false (tn_token_bucket_take (&bucket, 20, 5, 1049999));
  g_assert_true (tn_token_bucket_take (&bucket, 20, 5, 1050000));
  g_assert_false (tn_token_bucket_take (&bucket, 20, 5, 1050000));
  for (guint i = 0; i < 10; i++)
    n += tn_token_bucket_take (&bucket, 20, 5, 9000000);
  g_assert_cmpuint (n, ==, 10);
  g_assert_false (tn_token_bucket_take (&bucket, 0, 5, G_MAXINT64 / 2));
}

static void
test_rate_limiter (void)
{
  static const guint8 secret[32] = { 42 };
  TnRateLimiter *limiter = tn_rate_limiter_new (secret);
  guint n = 0;

  for (guint i = 0; i < 100; i++)      /* each sender has a ration of its own */
    for (guint8 sender = 0; sender < 50; sender++)
      n += tn_rate_limiter_take (limiter, &sender, 1, 1000000);
  g_assert_cmpuint (n, ==, 50 * TN_RATE_LIMITER_BURST);

  for (guint32 sender = 0; sender < 100000; sender++)      /* more than it has room for: some are refused, none forgets its debt */
    n += tn_rate_limiter_take (limiter, (guint8 *) &sender, sizeof sender, 1000000);
  g_assert_cmpuint (n, <=, 50 * TN_RATE_LIMITER_BURST + 4096);
  for (guint8 sender = 0; sender < 50; sender++)
    g_assert_false (tn_rate_limiter_take (limiter, &sender, 1, 1000000));

  for (guint8 sender = 0; sender < 50; sender++)
    g_assert_true (tn_rate_limiter_take (limiter, &sender, 1, 3000000));
  tn_rate_limiter_free (limiter);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tunnel/replay/model", test_replay);
  g_test_add_func ("/tunnel/index-table/model", test_index_table);
  g_test_add_func ("/tunnel/rate-limiter/bucket", test_token_bucket);
  g_test_add_func ("/tunnel/rate-limiter/senders", test_rate_limiter);
  return g_test_run ();
}
