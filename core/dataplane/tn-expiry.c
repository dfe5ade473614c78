/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-expiry.h"

/* tailscale ipn/ipnlocal/expiry.go */
#define MIN_CLOCK_DELTA_US (60 * G_TIME_SPAN_SECOND)
#define RETRY_US           (30 * G_TIME_SPAN_SECOND)

static gint64
add_saturated (gint64 a,
               gint64 b)
{
  gint64 sum;

  if (__builtin_add_overflow (a, b, &sum))
    return b < 0 ? G_MININT64 : G_MAXINT64;
  return sum;
}

gint64
tn_expiry_clock_delta (gint64 now_us,
                       gint64 control_us)
{
  gint64 delta;

  if (__builtin_sub_overflow (control_us, now_us, &delta))
    return control_us < now_us ? G_MININT64 : G_MAXINT64;
  return delta > MIN_CLOCK_DELTA_US || delta < -MIN_CLOCK_DELTA_US ? delta : 0;
}

gsize
tn_expiry_flag (TnExpiryPeer *peers,
                gsize         n_peers,
                gint64        now_us,
                gint64        delta_us)
{
  gint64 control_us = add_saturated (now_us, delta_us);
  gsize n = 0;

  if (control_us < TN_EXPIRY_EPOCH_US)
    return 0;

  for (gsize i = 0; i < n_peers; i++)
    {
      TnExpiryPeer *peer = &peers[i];

      if (peer->expiry_us == TN_EXPIRY_NEVER || peer->expiry_us > control_us || peer->expired)
        continue;
      peer->expired = TRUE;
      tn_node_public_key_expire (&peer->key);
      n++;
    }
  return n;
}

static gint64
sooner (gint64 next_us,
        gint64 expiry_us,
        gint64 control_us)
{
  if (expiry_us == TN_EXPIRY_NEVER || expiry_us < control_us)
    return next_us;
  return next_us == TN_EXPIRY_NEVER ? expiry_us : MIN (next_us, expiry_us);
}

gint64
tn_expiry_next (const TnExpiryPeer *peers,
                gsize               n_peers,
                gint64              self_expiry_us,
                gint64              now_us,
                gint64              delta_us)
{
  gint64 control_us = add_saturated (now_us, delta_us);
  gint64 next_us = TN_EXPIRY_NEVER;

  if (control_us < TN_EXPIRY_EPOCH_US)
    return TN_EXPIRY_NEVER;

  for (gsize i = 0; i < n_peers; i++)
    if (!peers[i].expired)
      next_us = sooner (next_us, peers[i].expiry_us, control_us);
  next_us = sooner (next_us, self_expiry_us, control_us);

  /* Our clock runs ahead: not at once, and again and again. */
  if (next_us != TN_EXPIRY_NEVER && next_us < now_us)
    return add_saturated (now_us, RETRY_US);
  return next_us;
}
