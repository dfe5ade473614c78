/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-checksum.h"

#include "tn-reader.h"

/* Two at a time, where the processor has that (all of x86-64 and AArch64 have); else the compiler makes two of it. */
typedef guint64 Pair __attribute__ ((vector_size (16)));

static inline Pair
add_pair (Pair          sum,
          const guint8 *data)
{
  const Pair low = { G_MAXUINT32, G_MAXUINT32 };
  Pair words;

  memcpy (&words, data, sizeof words);
  return sum + (words & low) + (words >> 32);
}

/* The sum does not care for the order of bytes, as long as it is one order (RFC 1071, 2 (B)): it is taken in that of this machine, four
 * bytes at a time, in sums that do not wait for each other. Written out, since a loop over them, or over words of 32 bits, takes
 * three times as long with common compilers. */
static guint64
sum_words (const guint8 **data,
           gsize         *len)
{
  Pair a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };

  for (; *len >= 4 * sizeof (Pair); *data += 4 * sizeof (Pair), *len -= 4 * sizeof (Pair))
    {
      a = add_pair (a, *data);
      b = add_pair (b, *data + sizeof (Pair));
      c = add_pair (c, *data + 2 * sizeof (Pair));
      d = add_pair (d, *data + 3 * sizeof (Pair));
    }
  for (; *len >= sizeof (Pair); *data += sizeof (Pair), *len -= sizeof (Pair))
    a = add_pair (a, *data);
  a += b + c + d;
  return a[0] + a[1];
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
