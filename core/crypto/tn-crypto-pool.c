/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-crypto-pool.h"

#include <sched.h>
#include <stdatomic.h>

enum
{
  DEFAULT_MAX = 4,
  DEFAULT_GAP_US = 200,     /* a super-packet of 64 KiB keeps a thread busy for some 90 µs */
  STREAK_MIN = 8,           /* batches in a row */
  PIECE = 4,                /* elements: 2.5 µs for packets of 1280 bytes */
  SHARED_MIN = 4 * PIECE,   /* below that the others would come too late */
  SPIN_MAX = 2000,          /* looks for work before a helper sleeps, and of the caller for the end before it lets others run */
};

/* What is left of a batch, in one word, so that nobody takes a piece of another one than it means: the number of the batch (32 bits), how
 * many elements it has, and the first that nobody has taken (16 bits each). */
#define CURSOR(batch, n, next)  ((guint64) (batch) << 32 | (guint64) (n) << 16 | (next))
#define CURSOR_N(cursor)        ((guint) ((cursor) >> 16 & 0xffff))
#define CURSOR_NEXT(cursor)     ((guint) ((cursor) & 0xffff))

struct _TnCryptoPool
{
  atomic_uint    ref_count;
  guint          n_wanted;
  gint64         max_gap_us;
  atomic_bool    in_use;         /* the caller that set it owns the three that follow */
  GPtrArray     *threads;
  gint64         last_us;
  guint          streak;

  TnCryptoFunc   func;           /* of the batch: written before the cursor shows it, read after a piece was taken from that */
  gpointer       data;
  _Atomic guint64 cursor;
  atomic_uint    n_done;         /* elements */
  atomic_uint    n_helped;       /* pieces */

  atomic_uint    n_asleep;
  atomic_bool    ending;
  GMutex         lock;           /* for cond */
  GCond          cond;
};

static void
relax (void)
{
#if defined (__x86_64__) || defined (__i386__)
  __builtin_ia32_pause ();
#elif defined (__aarch64__)
  __asm__ volatile ("yield");
#endif
}

static gboolean
is_claimable (guint64 cursor)
{
  return CURSOR_NEXT (cursor) < CURSOR_N (cursor);
}

/* Takes pieces until there are none, and returns how many. A batch cannot end, or become another, while a piece of it is at work. */
static guint
work (TnCryptoPool *pool,
      TnAead       *aead)
{
  guint64 cursor = atomic_load_explicit (&pool->cursor, memory_order_acquire);
  guint n_pieces = 0;

  while (is_claimable (cursor))
    {
      guint first = CURSOR_NEXT (cursor), end = MIN (first + PIECE, CURSOR_N (cursor));

      if (!atomic_compare_exchange_weak_explicit (&pool->cursor, &cursor, cursor + (end - first), memory_order_acq_rel, memory_order_acquire))
        continue;
      pool->func (pool->data, first, end, aead);
      n_pieces++;
      atomic_fetch_add_explicit (&pool->n_done, end - first, memory_order_release);
      cursor = atomic_load_explicit (&pool->cursor, memory_order_acquire);
    }
  return n_pieces;
}

/* --- Helpers --- */

/* Looks again after it is counted as asleep: whoever brings work after that look, sees the count, and wakes it. */
static void
doze (TnCryptoPool *pool)
{
  g_mutex_lock (&pool->lock);
  atomic_fetch_add (&pool->n_asleep, 1);
  while (!atomic_load (&pool->ending) && !is_claimable (atomic_load (&pool->cursor)))
    g_cond_wait (&pool->cond, &pool->lock);
  atomic_fetch_sub (&pool->n_asleep, 1);
  g_mutex_unlock (&pool->lock);
}

static gpointer
help (gpointer data)
{
  TnCryptoPool *pool = data;
  g_autoptr (TnAead) aead = tn_aead_new ();
  guint n_looks = 0;

  while (!atomic_load_explicit (&pool->ending, memory_order_relaxed))
    {
      guint n_pieces = work (pool, aead);

      if (n_pieces > 0)
        {
          atomic_fetch_add_explicit (&pool->n_helped, n_pieces, memory_order_relaxed);
          n_looks = 0;
        }
      else if (++n_looks < SPIN_MAX)
        {
          relax ();
        }
      else
        {
          doze (pool);
          n_looks = 0;
        }
    }
  return NULL;
}

static void
wake (TnCryptoPool *pool)
{
  if (atomic_load (&pool->n_asleep) == 0)
    return;
  g_mutex_lock (&pool->lock);
  g_cond_broadcast (&pool->cond);
  g_mutex_unlock (&pool->lock);
}

/* As many as the system gives. */
static void
start_helpers (TnCryptoPool *pool)
{
  while (pool->threads->len < pool->n_wanted)
    {
      g_autoptr (GError) error = NULL;
      GThread *thread = g_thread_try_new ("tailnet-crypto", help, pool, &error);

      if (thread == NULL)
        {
          g_message ("%u threads share the encryption, not %u: %s", pool->threads->len + 1, pool->n_wanted + 1, error->message);
          pool->n_wanted = pool->threads->len;
          return;
        }
      g_ptr_array_add (pool->threads, thread);
    }
}

/* --- Batches --- */

/* To wake a thread takes longer than a batch: it has to be awake for the next ones. */
static gboolean
is_worth_it (TnCryptoPool *pool)
{
  gint64 now_us = g_get_monotonic_time ();

  pool->streak = now_us - pool->last_us <= pool->max_gap_us ? pool->streak + 1 : 0;
  pool->last_us = now_us;
  return (pool->streak >= STREAK_MIN || pool->max_gap_us == 0) && pool->n_wanted > 0;
}

static void
share (TnCryptoPool *pool,
       TnCryptoFunc  func,
       gpointer      data,
       guint         n,
       TnAead       *own)
{
  guint64 batch = (atomic_load_explicit (&pool->cursor, memory_order_relaxed) >> 32) + 1;

  if (pool->threads->len < pool->n_wanted)
    start_helpers (pool);
  pool->func = func;
  pool->data = data;
  atomic_store_explicit (&pool->n_done, 0, memory_order_relaxed);
  atomic_store (&pool->cursor, CURSOR (batch, n, 0));
  wake (pool);
  work (pool, own);
  for (guint n_looks = 0; atomic_load_explicit (&pool->n_done, memory_order_acquire) < n;)
    if (++n_looks < SPIN_MAX)
      relax ();
    else
      sched_yield ();
}

void
tn_crypto_pool_run (TnCryptoPool *pool,
                    TnCryptoFunc  func,
                    gpointer      data,
                    guint         n,
                    TnAead       *own)
{
  g_assert (n <= TN_CRYPTO_POOL_BATCH_MAX);
  if (n < SHARED_MIN || atomic_exchange_explicit (&pool->in_use, TRUE, memory_order_acquire))
    {
      func (data, 0, n, own);
      return;
    }
  if (is_worth_it (pool))
    share (pool, func, data, n, own);
  else
    func (data, 0, n, own);
  atomic_store_explicit (&pool->in_use, FALSE, memory_order_release);
}

/* --- Life --- */

static TnCryptoPool *default_pool;
G_LOCK_DEFINE_STATIC (default_pool);

TnCryptoPool *
tn_crypto_pool_new (guint  n_threads,
                    gint64 max_gap_us)
{
  TnCryptoPool *pool = g_new0 (TnCryptoPool, 1);

  atomic_init (&pool->ref_count, 1);
  pool->n_wanted = n_threads;
  pool->max_gap_us = max_gap_us;
  pool->threads = g_ptr_array_new ();
  g_mutex_init (&pool->lock);
  g_cond_init (&pool->cond);
  return pool;
}

TnCryptoPool *
tn_crypto_pool_ref_default (void)
{
  guint n_processors = g_get_num_processors ();
  TnCryptoPool *pool;

  if (n_processors < 3)
    return NULL;

  G_LOCK (default_pool);
  if (default_pool == NULL)
    default_pool = tn_crypto_pool_new (MIN (n_processors - 2, DEFAULT_MAX), DEFAULT_GAP_US);
  else
    tn_crypto_pool_ref (default_pool);
  pool = default_pool;
  G_UNLOCK (default_pool);
  return pool;
}

TnCryptoPool *
tn_crypto_pool_ref (TnCryptoPool *pool)
{
  atomic_fetch_add_explicit (&pool->ref_count, 1, memory_order_relaxed);
  return pool;
}

static void
pool_free (TnCryptoPool *pool)
{
  g_mutex_lock (&pool->lock);
  atomic_store (&pool->ending, TRUE);
  g_cond_broadcast (&pool->cond);
  g_mutex_unlock (&pool->lock);
  for (guint i = 0; i < pool->threads->len; i++)
    g_thread_join (g_ptr_array_index (pool->threads, i));
  g_ptr_array_unref (pool->threads);
  g_mutex_clear (&pool->lock);
  g_cond_clear (&pool->cond);
  g_free (pool);
}

void
tn_crypto_pool_unref (TnCryptoPool *pool)
{
  gboolean last;

  G_LOCK (default_pool);      /* the default one is not to be found while it goes */
  last = atomic_fetch_sub_explicit (&pool->ref_count, 1, memory_order_acq_rel) == 1;
  if (last && pool == default_pool)
    default_pool = NULL;
  G_UNLOCK (default_pool);
  if (last)
    pool_free (pool);
}

guint
tn_crypto_pool_get_n_helped (TnCryptoPool *pool)
{
  return atomic_load_explicit (&pool->n_helped, memory_order_relaxed);
}
