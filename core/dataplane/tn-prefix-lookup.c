/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-prefix-table-private.h"

#define MAX_DEPTH 16

/* Prefix numbers below 64 that contain number i, for i from 32: the bits of i, i / 2, … 1. */
#define B(i)   (G_GUINT64_CONSTANT (1) << (i))
#define ROW(i) (B (i) | B ((i) / 2) | B ((i) / 4) | B ((i) / 8) | B ((i) / 16) | B ((i) / 32))
#define ROWS(i) ROW (i), ROW (i + 1), ROW (i + 2), ROW (i + 3), ROW (i + 4), ROW (i + 5), ROW (i + 6), ROW (i + 7)
static const guint64 ancestors[32] = { ROWS (32), ROWS (40), ROWS (48), ROWS (56) };

/* Longest prefix of this node's eight bits that contains @octet. The eight candidates are spread over three words: one bit for 7 bits
 * of length, one for 6, and a masked word for the rest, whose highest bit is the longest. */
static inline __attribute__ ((always_inline)) gpointer
longest_in_node (const TnPrefixNode *node,
                 guint8              octet)
{
  guint index = tn_prefix_index (octet, 7);
  guint64 rest;

  if (node->n_prefixes == 0)
    return NULL;

  if (!tn_prefix_bit_is_set (node->prefix_bits, index))
    {
      index >>= 1;
      if (!tn_prefix_bit_is_set (node->prefix_bits, index))
        {
          rest = node->prefix_bits[0] & ancestors[(index >> 1) - 32];
          if (rest == 0)
            return NULL;
          index = 63 - (guint) __builtin_clzll (rest);
        }
    }
  return node->items[node->n_children + tn_prefix_rank (node->prefix_bits, node->prefix_rank, index)];
}

static inline __attribute__ ((always_inline)) gboolean
leaf_contains (const TnPrefixLeaf *leaf,
               const guint8       *bytes,
               guint               n_octets)
{
  if (n_octets == 4)
    {
      guint32 a, b;

      memcpy (&a, leaf->bytes, sizeof a);
      memcpy (&b, bytes, sizeof b);
      return (GUINT32_FROM_BE (a ^ b) >> (32 - leaf->bits)) == 0;     /* a leaf has 9 bits or more */
    }
  else
    {
      guint64 a[2], b[2];

      memcpy (a, leaf->bytes, sizeof a);
      memcpy (b, bytes, sizeof b);
      if (leaf->bits <= 64)
        return (GUINT64_FROM_BE (a[0] ^ b[0]) >> (64 - leaf->bits)) == 0;
      return a[0] == b[0] && (GUINT64_FROM_BE (a[1] ^ b[1]) >> (128 - leaf->bits)) == 0;
    }
}

/* Down as far as the address goes, then back up to the first level that has a prefix for it. */
static inline __attribute__ ((always_inline)) gpointer
lookup (const TnPrefixNode *node,
        const guint8       *bytes,
        guint               n_octets)
{
  const TnPrefixNode *path[MAX_DEPTH];
  guint depth = 0;

  for (;; depth++)
    {
      guint8 octet = bytes[depth];
      gpointer child;

      path[depth] = node;
      if (!tn_prefix_bit_is_set (node->child_bits, octet))
        break;
      child = node->items[tn_prefix_rank (node->child_bits, node->child_rank, octet)];
      if (tn_prefix_child_kind (child) == TN_PREFIX_CHILD_NODE)
        {
          node = child;
          continue;
        }
      if (tn_prefix_child_kind (child) == TN_PREFIX_CHILD_VALUE)
        return tn_prefix_child_untag (child);
      if (leaf_contains (tn_prefix_child_untag (child), bytes, n_octets))
        return ((const TnPrefixLeaf *) tn_prefix_child_untag (child))->value;
      break;
    }

  for (;; depth--)
    {
      gpointer value = longest_in_node (path[depth], bytes[depth]);

      if (value != NULL || depth == 0)
        return value;
    }
}

static inline __attribute__ ((always_inline)) gpointer
lookup_any (const TnPrefixTable *table,
            const TnIpAddress   *address)
{
  if (address->version == 4)
    return table->root4 != NULL ? lookup (table->root4, address->bytes, 4) : NULL;
  if (address->version == 6)
    return table->root6 != NULL ? lookup (table->root6, address->bytes, 16) : NULL;
  return NULL;
}

#ifdef __x86_64__
/* The oldest processors of the architecture cannot count bits, so compilers do not use the instruction unless told. It makes a
 * lookup a third faster. */
__attribute__ ((target ("popcnt"))) static gpointer
lookup_popcnt (const TnPrefixTable *table,
               const TnIpAddress   *address)
{
  return lookup_any (table, address);
}
#endif

gpointer
tn_prefix_table_lookup (const TnPrefixTable *table,
                        const TnIpAddress   *address)
{
#ifdef __x86_64__
  if (G_LIKELY (__builtin_cpu_supports ("popcnt")))
    return lookup_popcnt (table, address);
#endif
  return lookup_any (table, address);
}

static gboolean
match_in_node (const TnPrefixNode *node,
               guint8              octet,
               TnPrefixMatchFunc   func,
               gpointer            user_data)
{
  if (node->n_prefixes == 0)
    return TRUE;
  for (guint index = tn_prefix_index (octet, 7); index > 0; index >>= 1)
    if (tn_prefix_bit_is_set (node->prefix_bits, index) && !func (tn_prefix_node_get_prefix (node, index), user_data))
      return FALSE;
  return TRUE;
}

gboolean
tn_prefix_table_match (const TnPrefixTable *table,
                       const TnIpAddress   *address,
                       TnPrefixMatchFunc    func,
                       gpointer             user_data)
{
  const TnPrefixNode *path[MAX_DEPTH];
  guint n_octets = (guint) tn_ip_address_len (address);
  const TnPrefixNode *node = address->version == 4 ? table->root4 : address->version == 6 ? table->root6 : NULL;
  const guint8 *bytes = address->bytes;
  gpointer value = NULL;
  guint depth;

  if (node == NULL)
    return TRUE;

  for (depth = 0;; depth++)
    {
      gpointer child;

      path[depth] = node;
      if (!tn_prefix_bit_is_set (node->child_bits, bytes[depth]))
        break;
      child = node->items[tn_prefix_rank (node->child_bits, node->child_rank, bytes[depth])];
      if (tn_prefix_child_kind (child) == TN_PREFIX_CHILD_NODE)
        {
          node = child;
          continue;
        }
      if (tn_prefix_child_kind (child) == TN_PREFIX_CHILD_VALUE)
        value = tn_prefix_child_untag (child);
      else if (leaf_contains (tn_prefix_child_untag (child), bytes, n_octets))
        value = ((const TnPrefixLeaf *) tn_prefix_child_untag (child))->value;
      break;
    }

  if (value != NULL && !func (value, user_data))
    return FALSE;
  for (;; depth--)
    {
      if (!match_in_node (path[depth], bytes[depth], func, user_data))
        return FALSE;
      if (depth == 0)
        return TRUE;
    }
}
