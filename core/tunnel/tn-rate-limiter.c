/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-rate-limiter.h"

#include <string.h>

#include "tn-blake2s.h"

#define N_SETS 512
#define N_WAYS 8

typedef struct
{
  guint64       sender;         /* hash */
  TnTokenBucket bucket;
} Way;

struct _TnRateLimiter
{
  Way    sets[N_SETS][N_WAYS];
  guint8 secret[32];
};

gboolean
tn_token_bucket_take (TnTokenBucket *bucket,
                      guint          per_second,
                      guint          burst,
                      gint64         now_us)
{
  gint64 cost_us = G_USEC_PER_SEC / MAX (per_second, 1);
  gint64 level = MAX (bucket->full_us, now_us);

  if (per_second == 0 || level - now_us > cost_us * (burst - 1))
    return FALSE;

  bucket->full_us = level + cost_us;
  return TRUE;
}

TnRateLimiter *
tn_rate_limiter_new (const guint8 secret[32])
{
  TnRateLimiter *limiter = g_new0 (TnRateLimiter, 1);

  memcpy (limiter->secret, secret, sizeof limiter->secret);
  return limiter;
}

void
tn_rate_limiter_free (TnRateLimiter *limiter)
{
  g_free (limiter);
}

/* NULL: all ways of the set belong to senders that still owe tokens. */
static Way *
find (TnRateLimiter *limiter,
      guint64        sender,
      gint64         now_us)
{
  Way *set = limiter->sets[sender % N_SETS];
  Way *spare = NULL;

  for (guint i = 0; i < N_WAYS; i++)
    {
      if (set[i].sender == sender)
        return &set[i];
      if (set[i].bucket.full_us <= now_us)
        spare = &set[i];
    }
  if (spare != NULL)
    spare->sender = sender;
  return spare;
}

gboolean
tn_rate_limiter_take (TnRateLimiter *limiter,
                      const guint8  *sender,
                      gsize          len,
                      gint64         now_us)
{
  guint8 mac[TN_MAC_LEN];
  guint64 hash;
  Way *way;

  tn_mac (mac, limiter->secret, sizeof limiter->secret, sender, len);
  memcpy (&hash, mac, sizeof hash);
  way = find (limiter, hash, now_us);
  return way != NULL && tn_token_bucket_take (&way->bucket, TN_RATE_LIMITER_PER_SECOND, TN_RATE_LIMITER_BURST, now_us);
}
