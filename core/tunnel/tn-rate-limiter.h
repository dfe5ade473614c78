/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Token bucket; zeroed, it is full. */
typedef struct
{
  gint64 full_us;       /* when it is full again; the past: it is */
} TnTokenBucket;

/* Takes one token out of a bucket that gains @per_second of them and holds @burst. */
gboolean tn_token_bucket_take (TnTokenBucket *bucket, guint per_second, guint burst, gint64 now_us) G_GNUC_WARN_UNUSED_RESULT;

#define TN_RATE_LIMITER_PER_SECOND 20
#define TN_RATE_LIMITER_BURST      5

/* A bucket a sender, for handshakes under load. Fixed in size: senders are hashed with a secret into sets of a few buckets, and
 * within a set one that is full again makes room. */
typedef struct _TnRateLimiter TnRateLimiter;

TnRateLimiter *tn_rate_limiter_new  (const guint8 secret[32]);
void           tn_rate_limiter_free (TnRateLimiter *limiter);
gboolean       tn_rate_limiter_take (TnRateLimiter *limiter, const guint8 *sender, gsize len, gint64 now_us) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
