/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-crypto-pool.h"

#define N_ELEMENTS 61      /* not a multiple of anything */
#define N_BATCHES  2000

typedef struct
{
  TnAead *own;
  guint   n_own;                     /* calls in the caller's thread */
  guint   times[N_ELEMENTS];         /* each belongs to whoever has its piece: a sanitizer sees when two do */
} Batch;

static void
mark (gpointer  data,
      guint     first,
      guint     end,
      TnAead   *aead)
{
  Batch *batch = data;

  g_assert_cmpuint (first, <, end);
  if (aead == batch->own)
    batch->n_own++;
  for (guint i = first; i < end; i++)
    batch->times[i]++;
}

static void
run_batch (TnCryptoPool *pool,
           TnAead       *own,
           guint         n)
{
  Batch batch = { .own = own };

  tn_crypto_pool_run (pool, mark, &batch, n, own);
  for (guint i = 0; i < N_ELEMENTS; i++)
    g_assert_cmpuint (batch.times[i], ==, i < n);
}

/* Whatever the sizes, and whoever does it. */
static void
test_once_each (void)
{
  g_autoptr (TnCryptoPool) pool = tn_crypto_pool_new (3, 0);
  g_autoptr (TnAead) own = tn_aead_new ();

  for (guint i = 0; i < N_BATCHES || tn_crypto_pool_get_n_helped (pool) == 0; i++)
    run_batch (pool, own, 1 + i % N_ELEMENTS);
}

static gpointer
run_batches (gpointer data)
{
  TnCryptoPool *pool = data;
  g_autoptr (TnAead) own = tn_aead_new ();

  for (guint i = 0; i < N_BATCHES; i++)
    run_batch (pool, own, N_ELEMENTS);
  tn_crypto_pool_unref (pool);
  return NULL;
}

/* Several devices. */
static void
test_callers (void)
{
  TnCryptoPool *pool = tn_crypto_pool_new (2, 0);
  GThread *threads[3];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("caller", run_batches, tn_crypto_pool_ref (pool));
  tn_crypto_pool_unref (pool);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

/* One that comes alone wakes nobody. */
static void
test_alone (void)
{
  g_autoptr (TnCryptoPool) pool = tn_crypto_pool_new (2, -1);
  g_autoptr (TnAead) own = tn_aead_new ();
  Batch batch = { .own = own };

  for (guint i = 0; i < 100; i++)
    tn_crypto_pool_run (pool, mark, &batch, N_ELEMENTS, own);
  g_assert_cmpuint (batch.n_own, ==, 100);
  g_assert_cmpuint (tn_crypto_pool_get_n_helped (pool), ==, 0);
}

/* Several in a row do. */
static void
test_streak (void)
{
  g_autoptr (TnCryptoPool) pool = tn_crypto_pool_new (1, G_TIME_SPAN_DAY);
  g_autoptr (TnAead) own = tn_aead_new ();
  Batch batch = { .own = own };

  for (guint i = 0; i < 3; i++)
    tn_crypto_pool_run (pool, mark, &batch, N_ELEMENTS, own);
  g_assert_cmpuint (batch.n_own, ==, 3);
  while (tn_crypto_pool_get_n_helped (pool) == 0)
    run_batch (pool, own, N_ELEMENTS);
}

static void
test_ends (void)
{
  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (TnCryptoPool) pool = tn_crypto_pool_new (2, 0);
      g_autoptr (TnAead) own = tn_aead_new ();

      for (guint k = 0; k < i % 3; k++)
        run_batch (pool, own, N_ELEMENTS);
    }
}

static void
test_default (void)
{
  TnCryptoPool *pool = tn_crypto_pool_ref_default ();
  TnCryptoPool *again = tn_crypto_pool_ref_default ();

  g_assert_true (pool == again);
  g_assert_true ((pool != NULL) == (g_get_num_processors () > 2));
  g_clear_pointer (&pool, tn_crypto_pool_unref);
  g_clear_pointer (&again, tn_crypto_pool_unref);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/crypto/pool/once-each", test_once_each);
  g_test_add_func ("/crypto/pool/callers", test_callers);
  g_test_add_func ("/crypto/pool/alone", test_alone);
  g_test_add_func ("/crypto/pool/streak", test_streak);
  g_test_add_func ("/crypto/pool/ends", test_ends);
  g_test_add_func ("/crypto/pool/default", test_default);
  return g_test_run ();
}
