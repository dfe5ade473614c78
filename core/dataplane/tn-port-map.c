/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-port-map.h"

#define INDEX_MIN_INTERVALS 16      /* from here on an index of the upper eight bits saves more than it costs */

typedef struct
{
  guint32 first;
  guint32 last;
  guint32 rule;
} Piece;

typedef struct
{
  guint16            first;
  const TnPortBlock *block;
} Interval;

struct _TnPortMap
{
  Interval    *intervals;   /* by first port; the first one starts at 0 */
  guint        n_intervals;
  guint32     *index;       /* last interval that starts at or before port n * 256; 257 of them, or NULL */
  TnPortBlock *blocks;
  guint        n_blocks;
};

static void
cut (GArray            *pieces,
     const TnPortRange *range)
{
  guint32 first = range->first;
  guint32 end = range->last + 1u;

  while (first < end)
    {
      guint32 len = first != 0 ? first & -first : 1u << 16;
      Piece piece = { .first = first, .rule = range->rule };

      while (first + len > end)
        len >>= 1;
      piece.last = first + len - 1;
      g_array_append_val (pieces, piece);
      first += len;
    }
}

/* Around comes before within. */
static int
compare_pieces (gconstpointer a,
                gconstpointer b)
{
  const Piece *x = a, *y = b;

  if (x->first != y->first)
    return x->first < y->first ? -1 : 1;
  if (x->last != y->last)
    return x->last > y->last ? -1 : 1;
  return x->rule < y->rule ? -1 : x->rule > y->rule;
}

static void
start_interval (GArray            *intervals,
                guint32            first,
                const TnPortBlock *block)
{
  Interval interval = { .first = (guint16) first, .block = block };

  if (first > G_MAXUINT16)
    return;
  if (intervals->len > 0 && g_array_index (intervals, Interval, intervals->len - 1).first == first)
    g_array_index (intervals, Interval, intervals->len - 1) = interval;
  else
    g_array_append_val (intervals, interval);
}

/* Pieces of the same ports, from @start on, become one block. Returns the first of the next ones. */
static guint
make_block (GArray      *pieces,
            guint        start,
            TnPortBlock *block)
{
  const Piece *first = &g_array_index (pieces, Piece, start);
  g_autoptr (GArray) rules = g_array_new (FALSE, FALSE, sizeof (guint32));
  guint i;

  for (i = start; i < pieces->len; i++)
    {
      const Piece *piece = &g_array_index (pieces, Piece, i);

      if (piece->first != first->first || piece->last != first->last)
        break;
      if (rules->len == 0 || g_array_index (rules, guint32, rules->len - 1) != piece->rule)
        g_array_append_val (rules, piece->rule);
    }
  block->rules = tn_rule_set_new ((const guint32 *) (gpointer) rules->data, rules->len);
  return i;
}

static void
make_index (TnPortMap *map)
{
  guint at = 0;

  if (map->n_intervals < INDEX_MIN_INTERVALS)
    return;
  map->index = g_new (guint32, 257);
  for (guint i = 0; i <= 256; i++)
    {
      while (at + 1 < map->n_intervals && map->intervals[at + 1].first <= i * 256)
        at++;
      map->index[i] = at;
    }
}

static void
make_blocks (TnPortMap *map,
             GArray    *pieces)
{
  g_autoptr (GArray) intervals = g_array_new (FALSE, FALSE, sizeof (Interval));
  struct { guint32 last; TnPortBlock *block; } stack[18];     /* a chain has at most 17 lengths */
  guint depth = 0;

  map->blocks = g_new0 (TnPortBlock, pieces->len);
  start_interval (intervals, 0, NULL);
  for (guint i = 0; i < pieces->len;)
    {
      Piece piece = g_array_index (pieces, Piece, i);
      TnPortBlock *block = &map->blocks[map->n_blocks++];

      for (; depth > 0 && stack[depth - 1].last < piece.first; depth--)
        start_interval (intervals, stack[depth - 1].last + 1, stack[depth - 1].block->parent);
      block->parent = depth > 0 ? stack[depth - 1].block : NULL;
      start_interval (intervals, piece.first, block);
      stack[depth].last = piece.last;
      stack[depth++].block = block;
      i = make_block (pieces, i, block);
    }
  for (; depth > 0; depth--)
    start_interval (intervals, stack[depth - 1].last + 1, stack[depth - 1].block->parent);

  map->n_intervals = intervals->len;
  map->intervals = (Interval *) (gpointer) g_array_free (g_steal_pointer (&intervals), FALSE);
}

TnPortMap *
tn_port_map_new (const TnPortRange *ranges,
                 gsize              n_ranges)
{
  g_autoptr (GArray) pieces = g_array_new (FALSE, FALSE, sizeof (Piece));
  TnPortMap *map;

  for (gsize i = 0; i < n_ranges; i++)
    cut (pieces, &ranges[i]);
  if (pieces->len == 0)
    return NULL;
  g_array_sort (pieces, compare_pieces);

  map = g_new0 (TnPortMap, 1);
  make_blocks (map, pieces);
  make_index (map);
  return map;
}

void
tn_port_map_free (TnPortMap *map)
{
  for (guint i = 0; i < map->n_blocks; i++)
    tn_rule_set_free (map->blocks[i].rules);
  g_free (map->blocks);
  g_free (map->intervals);
  g_free (map->index);
  g_free (map);
}

const TnPortBlock *
tn_port_map_lookup (const TnPortMap *map,
                    guint16          port)
{
  guint low = 0, high = map->n_intervals;

  if (map->index != NULL)
    {
      low = map->index[port >> 8];
      high = map->index[(port >> 8) + 1] + 1;
    }
  while (high - low > 1)
    {
      guint middle = low + (high - low) / 2;

      if (map->intervals[middle].first <= port)
        low = middle;
      else
        high = middle;
    }
  return map->intervals[low].block;
}
