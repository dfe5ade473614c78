/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-aead.h"

G_BEGIN_DECLS

/* Threads that help with the encryption of a batch of packets. The caller's thread takes part, and when tn_crypto_pool_run() returns all is
 * done: nothing has to be kept alive for the helpers, and nothing depends on one being awake. Any thread may use it; while one does, others
 * work alone. */
typedef struct _TnCryptoPool TnCryptoPool;

/* The elements from @first up to, but not including, @end. @aead is that of the thread. */
typedef void (*TnCryptoFunc) (gpointer data, guint first, guint end, TnAead *aead);

#define TN_CRYPTO_POOL_BATCH_MAX 1024

/* The helpers start with the first batch that they are wanted for: the latest of several that follow each other within @max_gap_us, which
 * is when their caller has hardly time for anything else. 0: at once, for tests. */
TnCryptoPool *tn_crypto_pool_new         (guint n_threads, gint64 max_gap_us);

/* The one a process, with as many helpers as there are processors beyond the second, but not more than four; NULL: not one. */
TnCryptoPool *tn_crypto_pool_ref_default (void);

TnCryptoPool *tn_crypto_pool_ref         (TnCryptoPool *pool);

/* The last one ends the helpers, and waits for that. */
void          tn_crypto_pool_unref       (TnCryptoPool *pool);

/* @n up to TN_CRYPTO_POOL_BATCH_MAX. @own is the caller's. */
void          tn_crypto_pool_run         (TnCryptoPool *pool, TnCryptoFunc func, gpointer data, guint n, TnAead *own);

/* How many pieces helpers have done so far: for tests and benchmarks. */
guint         tn_crypto_pool_get_n_helped (TnCryptoPool *pool);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnCryptoPool, tn_crypto_pool_unref)

G_END_DECLS
