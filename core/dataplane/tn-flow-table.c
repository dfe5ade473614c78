/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-flow-table.h"

#include "tn-box.h"

#define NONE G_MAXUINT32
#define MAX_CAPACITY (1u << 24)

#define N_WORDS 5

typedef struct
{
  guint64 words[N_WORDS];       /* source, destination, ports and protocol */
} FlowKey;

typedef struct
{
  FlowKey key;
  gint64  used_us;
  guint32 next_in_bucket;
  guint32 newer;          /* order of use */
  guint32 older;
} Flow;

struct _TnFlowTable
{
  Flow    *flows;
  guint32 *buckets;
  guint32  n_buckets;
  guint    hash_shift;
  guint32  capacity;
  guint32  size;          /* flows [0, size) are in use, or on the free list */
  guint32  n_used;
  guint32  free_list;     /* by next_in_bucket */
  guint32  newest;
  guint32  oldest;
  gint64   idle_us;
  guint32  seeds[2 * N_WORDS];
  guint64  multiplier;
};

TnFlowTable *
tn_flow_table_new (guint  capacity,
                   gint64 idle_us)
{
  TnFlowTable *table = g_new0 (TnFlowTable, 1);
  guint bits = 1;

  capacity = CLAMP (capacity, 1, MAX_CAPACITY);
  while (1u << bits < capacity * 2)
    bits++;
  table->flows = g_new0 (Flow, capacity);
  table->n_buckets = 1u << bits;
  table->buckets = g_new (guint32, table->n_buckets);
  table->hash_shift = 64 - bits;
  table->capacity = capacity;
  table->idle_us = idle_us;
  tn_random (table->seeds, sizeof table->seeds);
  tn_random (&table->multiplier, sizeof table->multiplier);
  table->multiplier |= 1;
  tn_flow_table_clear (table);
  return table;
}

void
tn_flow_table_free (TnFlowTable *table)
{
  g_free (table->flows);
  g_free (table->buckets);
  g_free (table);
}

void
tn_flow_table_clear (TnFlowTable *table)
{
  memset (table->buckets, 0xff, table->n_buckets * sizeof table->buckets[0]);
  table->size = table->n_used = 0;
  table->free_list = table->newest = table->oldest = NONE;
}

guint
tn_flow_table_get_size (const TnFlowTable *table)
{
  return table->n_used;
}

static void
put_address (guint64            words[2],
             const TnIpAddress *address)
{
  guint8 mapped[16] = { [10] = 0xff, [11] = 0xff };

  if (address->version != 4)
    {
      memcpy (words, address->bytes, 16);
      return;
    }
  memcpy (mapped + 12, address->bytes, 4);
  memcpy (words, mapped, 16);
}

static FlowKey
make_key (guint8             proto,
          const TnIpAddress *src,
          guint16            src_port,
          const TnIpAddress *dst,
          guint16            dst_port)
{
  FlowKey key;

  put_address (&key.words[0], src);
  put_address (&key.words[2], dst);
  key.words[4] = (guint64) proto << 32 | (guint64) src_port << 16 | dst_port;
  return key;
}

/* Whoever sends packets chooses ports and addresses, but not who shares a bucket: NH (UMAC, RFC 4418 5.2) lets two keys meet with a
 * chance of 2^-32, multiply-shift then with 2 / n_buckets. */
static guint32
hash_key (const TnFlowTable *table,
          const FlowKey     *key)
{
  guint64 hash = 0;

  for (guint i = 0; i < N_WORDS; i++)
    {
      guint32 low = (guint32) key->words[i] + table->seeds[2 * i];
      guint32 high = (guint32) (key->words[i] >> 32) + table->seeds[2 * i + 1];

      hash += (guint64) low * high;
    }
  return (guint32) (hash * table->multiplier >> table->hash_shift);
}

static gboolean
keys_equal (const FlowKey *a,
            const FlowKey *b)
{
  guint64 difference = 0;

  for (guint i = 0; i < N_WORDS; i++)
    difference |= a->words[i] ^ b->words[i];
  return difference == 0;
}

static guint32
find (const TnFlowTable *table,
      const FlowKey     *key,
      guint32            bucket)
{
  guint32 at = table->buckets[bucket];

  while (at != NONE && !keys_equal (&table->flows[at].key, key))
    at = table->flows[at].next_in_bucket;
  return at;
}

static void
unlink_order (TnFlowTable *table,
              guint32      at)
{
  Flow *flow = &table->flows[at];

  if (flow->newer != NONE)
    table->flows[flow->newer].older = flow->older;
  else
    table->newest = flow->older;
  if (flow->older != NONE)
    table->flows[flow->older].newer = flow->newer;
  else
    table->oldest = flow->newer;
}

static void
link_newest (TnFlowTable *table,
             guint32      at)
{
  Flow *flow = &table->flows[at];

  flow->newer = NONE;
  flow->older = table->newest;
  if (table->newest != NONE)
    table->flows[table->newest].newer = at;
  else
    table->oldest = at;
  table->newest = at;
}

static void
use (TnFlowTable *table,
     guint32      at,
     gint64       now_us)
{
  table->flows[at].used_us = now_us;
  if (table->newest == at)
    return;
  unlink_order (table, at);
  link_newest (table, at);
}

static void
drop (TnFlowTable *table,
      guint32      at)
{
  guint32 *link = &table->buckets[hash_key (table, &table->flows[at].key)];

  while (*link != at)
    link = &table->flows[*link].next_in_bucket;
  *link = table->flows[at].next_in_bucket;
  unlink_order (table, at);
  table->flows[at].next_in_bucket = table->free_list;
  table->free_list = at;
  table->n_used--;
}

static guint32
take_free (TnFlowTable *table)
{
  guint32 at;

  if (table->size < table->capacity)
    return table->size++;
  if (table->free_list == NONE)
    drop (table, table->oldest);
  at = table->free_list;
  table->free_list = table->flows[at].next_in_bucket;
  return at;
}

void
tn_flow_table_note_out (TnFlowTable    *table,
                        const TnParsed *packet,
                        gint64          now_us)
{
  FlowKey key;
  guint32 bucket, at;

  if (packet->proto != TN_PROTO_UDP && packet->proto != TN_PROTO_SCTP)
    return;

  /* As its answer will look. */
  key = make_key (packet->proto, &packet->dst, packet->dst_port, &packet->src, packet->src_port);
  bucket = hash_key (table, &key);
  at = find (table, &key, bucket);
  if (at != NONE)
    {
      use (table, at, now_us);
      return;
    }

  at = take_free (table);
  table->flows[at].key = key;
  table->flows[at].used_us = now_us;
  table->flows[at].next_in_bucket = table->buckets[bucket];
  table->buckets[bucket] = at;
  link_newest (table, at);
  table->n_used++;
}

gboolean
tn_flow_table_knows_in (TnFlowTable    *table,
                        const TnParsed *packet,
                        gint64          now_us)
{
  FlowKey key;
  guint32 at;

  if (packet->proto != TN_PROTO_UDP && packet->proto != TN_PROTO_SCTP)
    return FALSE;

  key = make_key (packet->proto, &packet->src, packet->src_port, &packet->dst, packet->dst_port);
  at = find (table, &key, hash_key (table, &key));
  if (at == NONE)
    return FALSE;
  if (table->idle_us > 0 && now_us - table->flows[at].used_us > table->idle_us)
    {
      drop (table, at);
      return FALSE;
    }
  use (table, at, now_us);
  return TRUE;
}
