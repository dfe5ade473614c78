/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-prefix-table.h"

G_BEGIN_DECLS

/* Nodes of the prefix table; for tn-prefix-*.c alone.
 *
 * A node stands for eight bits of an address. Prefixes that end within them (0 to 7 bits long) are numbered as a complete binary
 * tree: 1 is the empty one, 2 * i and 2 * i + 1 are its children, so that i / 2 is the next shorter one. What goes on below an octet
 * is a child: another node; a leaf, if there is but one prefix down there; or, for a prefix that ends with the octet, its bare value.
 * Both kinds are bitmaps with packed arrays: children from the start of items, prefixes behind them. */
typedef struct
{
  guint64  child_bits[4];
  guint64  prefix_bits[4];
  guint8   child_rank[4];       /* bits in the words before; the sums never pass 255 */
  guint8   prefix_rank[4];
  int      ref_count;           /* atomic: tables share nodes */
  guint16  n_children;
  guint16  n_prefixes;
  guint16  capacity;
  gpointer items[];
} TnPrefixNode;

typedef struct
{
  gpointer value;
  int      ref_count;
  guint8   bits;
  guint8   bytes[];             /* the prefix, 4 or 16 bytes */
} TnPrefixLeaf;

/* The low bits of a child say what it is. */
enum
{
  TN_PREFIX_CHILD_NODE = 0,
  TN_PREFIX_CHILD_LEAF = 1,
  TN_PREFIX_CHILD_VALUE = 2,
  TN_PREFIX_CHILD_MASK = 3,
};

static inline guint
tn_prefix_child_kind (gconstpointer child)
{
  return (guint) ((guintptr) child & TN_PREFIX_CHILD_MASK);
}

static inline gpointer
tn_prefix_child_untag (gpointer child)
{
  return (gpointer) ((guintptr) child & ~(guintptr) TN_PREFIX_CHILD_MASK);
}

static inline gpointer
tn_prefix_child_tag (gpointer pointer, guint kind)
{
  return (gpointer) ((guintptr) pointer | kind);
}

static inline gboolean
tn_prefix_bit_is_set (const guint64 bits[4], guint index)
{
  return (bits[index >> 6] >> (index & 63) & 1) != 0;
}

/* Where the item of a bit that is set lies among those of its kind. */
static inline __attribute__ ((always_inline)) guint
tn_prefix_rank (const guint64 bits[4], const guint8 rank[4], guint index)
{
  return rank[index >> 6] + (guint) __builtin_popcountll (bits[index >> 6] & ((G_GUINT64_CONSTANT (1) << (index & 63)) - 1));
}

/* Number of the prefix of @len (0 to 7) bits of @octet. */
static inline guint
tn_prefix_index (guint8 octet, guint len)
{
  return ((guint) octet >> (8 - len)) + (1u << len);
}

static inline gpointer
tn_prefix_node_get_prefix (const TnPrefixNode *node, guint index)
{
  return node->items[node->n_children + tn_prefix_rank (node->prefix_bits, node->prefix_rank, index)];
}

static inline gpointer *
tn_prefix_node_child_slot (TnPrefixNode *node, guint8 octet)
{
  return &node->items[tn_prefix_rank (node->child_bits, node->child_rank, octet)];
}

TnPrefixNode *tn_prefix_node_new           (void);
void          tn_prefix_node_unref         (TnPrefixNode *node, const TnPrefixValueFuncs *funcs);
/* Makes *@slot one that nobody else has. */
TnPrefixNode *tn_prefix_node_own           (TnPrefixNode **slot, const TnPrefixValueFuncs *funcs);
/* The bit must not be set; *@slot may move. */
void          tn_prefix_node_add_child     (TnPrefixNode **slot, guint8 octet, gpointer child);
void          tn_prefix_node_add_prefix    (TnPrefixNode **slot, guint index, gpointer value);
/* The bit must be set; what it stood for is the caller's. */
gpointer      tn_prefix_node_take_child    (TnPrefixNode *node, guint8 octet);
gpointer      tn_prefix_node_take_prefix   (TnPrefixNode *node, guint index);
gsize         tn_prefix_node_get_memory    (const TnPrefixNode *node, gsize address_len);

TnPrefixLeaf *tn_prefix_leaf_new           (const TnIpPrefix *prefix, gpointer value);
void          tn_prefix_leaf_unref         (TnPrefixLeaf *leaf, const TnPrefixValueFuncs *funcs);

static inline void
tn_prefix_value_ref (const TnPrefixValueFuncs *funcs, gpointer value)
{
  if (funcs != NULL)
    funcs->ref (value);
}

static inline void
tn_prefix_value_unref (const TnPrefixValueFuncs *funcs, gpointer value)
{
  if (funcs != NULL)
    funcs->unref (value);
}

G_END_DECLS
