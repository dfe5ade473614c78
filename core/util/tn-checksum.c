/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-checksum.h"

#include "tn-reader.h"

/* Two at a time, where the processor has that (all of x86-64 and AArch64 have); else the compiler makes two of it. */
typedef guint64 Pair __attribute__ ((vector_size (16)));

#define N_PAIRS 4

/* The sum does not care for the order of bytes, as long as it is one order (RFC 1071, 2 (B)): it is taken in that of this machine, four
 * bytes at a time, in sums of eight that do not wait for each other. A loop over 32-bit words is widened by the compiler, which takes
 * three times as long. */
static guint64
sum_words (const guint8 **data,
           gsize         *len)
{
  const Pair low = { G_MAXUINT32, G_MAXUINT32 };
  Pair sums[N_PAIRS] = { { 0 } };
  Pair words[N_PAIRS];

  for (; *len >= sizeof words; *data += sizeof words, *len -= sizeof words)
    {
      memcpy (words, *data, sizeof words);
      for (guint i = 0; i < N_PAIRS; i++)
        sums[i] += (words[i] & low) + (words[i] >> 32);
    }
  sums[0] += sums[1] + sums[2] + sums[3];
  return sums[0][0] + sums[0][1];
}

static guint16
fold (guint64 sum)
{
  while (sum >> 16 != 0)
    sum = (sum >> 16) + (sum & 0xffff);
  return (guint16) sum;
}

guint32
tn_checksum_add (guint32       sum,
                 const guint8 *data,
                 gsize         len)
{
  guint64 own = sum_words (&data, &len);

  for (; len >= 2; data += 2, len -= 2)
    {
      guint16 word;

      memcpy (&word, data, sizeof word);
      own += word;
    }
  if (len == 1)
    {
      guint16 word = 0;

      memcpy (&word, data, 1);
      own += word;
    }
  return (guint32) tn_checksum_fold (sum) + GUINT16_FROM_BE (fold (own));
}

guint16
tn_checksum_fold (guint32 sum)
{
  return fold (sum);
}

guint16
tn_checksum_finish (guint32 sum)
{
  return (guint16) ~fold (sum);
}

guint32
tn_checksum_add_pseudo (guint32       sum,
                        const guint8 *addresses,
                        gsize         address_len,
                        guint8        proto,
                        guint32       len)
{
  return tn_checksum_add (sum, addresses, 2 * address_len) + proto + (len >> 16) + (len & 0xffff);
}
