/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-codel.h"

#define RECENT_US (16 * TN_CODEL_INTERVAL_US)      /* RFC 8289 §5.5: it takes up where it was */
#define COUNT_MAX (1u << 16)

/* Rounded down. */
static guint
square_root (guint64 of)
{
  guint64 root = 0;

  for (guint64 bit = G_GUINT64_CONSTANT (1) << 31; bit != 0; bit >>= 1)
    if ((root + bit) * (root + bit) <= of)
      root += bit;
  return (guint) root;
}

/* The further it is, the closer drops follow each other: the source's rate goes by the square root of its losses. */
static gint64
next_after (gint64 since_us,
            guint  count)
{
  return since_us + (gint64) TN_CODEL_INTERVAL_US * 256 / square_root ((guint64) count << 16);
}

static gboolean
is_above (TnCodel *codel,
          gint64   waited_us,
          gint64   now_us)
{
  if (waited_us < TN_CODEL_TARGET_US)
    {
      codel->first_above_us = 0;
      return FALSE;
    }
  if (codel->first_above_us == 0)
    codel->first_above_us = now_us + TN_CODEL_INTERVAL_US;
  return now_us >= codel->first_above_us;
}

static void
begin (TnCodel *codel,
       gint64   now_us)
{
  guint delta = codel->count - codel->last_count;

  codel->dropping = TRUE;
  codel->count = delta > 1 && now_us - codel->drop_next_us < RECENT_US ? delta : 1;
  codel->last_count = codel->count;
  codel->drop_next_us = next_after (now_us, codel->count);
}

gboolean
tn_codel_drops (TnCodel *codel,
                gint64   waited_us,
                gint64   now_us)
{
  gboolean above = is_above (codel, waited_us, now_us);

  if (!codel->dropping)
    {
      if (above)
        begin (codel, now_us);
      return above;
    }

  codel->dropping = above;
  if (!above || now_us < codel->drop_next_us)
    return FALSE;
  codel->count = MIN (codel->count + 1, COUNT_MAX);
  codel->drop_next_us = next_after (codel->drop_next_us, codel->count);
  return TRUE;
}
