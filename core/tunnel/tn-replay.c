/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-replay.h"

#include <string.h>

#include "tn-messages.h"

#define N_WORDS (TN_REPLAY_BITS / 64)

/* Clears the words between that of the highest counter so far and that of @position. */
static void
roll (TnReplay *replay,
      guint64   position)
{
  guint64 word = replay->next >> 6;
  guint64 n = MIN ((position >> 6) - word, N_WORDS);

  if (n == N_WORDS)
    memset (replay->words, 0, sizeof replay->words);
  else
    while (n-- > 0)
      replay->words[++word % N_WORDS] = 0;
}

gboolean
tn_replay_accept (TnReplay *replay,
                  guint64   counter)
{
  guint64 position = counter + 1;
  guint64 bit = G_GUINT64_CONSTANT (1) << (position % 64);
  guint64 *word = &replay->words[(position >> 6) % N_WORDS];

  if (counter >= TN_REJECT_AFTER_MESSAGES || position + TN_REPLAY_WINDOW < replay->next)
    return FALSE;

  if (position > replay->next)
    {
      roll (replay, position);
      replay->next = position;
    }
  if ((*word & bit) != 0)
    return FALSE;

  *word |= bit;
  return TRUE;
}
