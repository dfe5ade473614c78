/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-prefix-node.h"

TnPrefixNode *
tn_prefix_node_new (void)
{
  const guint capacity = 2;
  TnPrefixNode *node = g_malloc0 (sizeof *node + capacity * sizeof node->items[0]);

  node->ref_count = 1;
  node->capacity = (guint16) capacity;
  return node;
}

TnPrefixLeaf *
tn_prefix_leaf_new (const TnIpPrefix *prefix,
                    gpointer          value)
{
  gsize len = tn_ip_address_len (&prefix->address);
  TnPrefixLeaf *leaf = g_malloc (sizeof *leaf + len);

  leaf->value = value;
  leaf->ref_count = 1;
  leaf->bits = prefix->bits;
  memcpy (leaf->bytes, prefix->address.bytes, len);
  return leaf;
}

void
tn_prefix_leaf_unref (TnPrefixLeaf             *leaf,
                      const TnPrefixValueFuncs *funcs)
{
  if (!g_atomic_int_dec_and_test (&leaf->ref_count))
    return;
  tn_prefix_value_unref (funcs, leaf->value);
  g_free (leaf);
}

void
tn_prefix_node_unref (TnPrefixNode             *node,
                      const TnPrefixValueFuncs *funcs)
{
  if (!g_atomic_int_dec_and_test (&node->ref_count))
    return;

  for (guint i = 0; i < node->n_children; i++)
    {
      gpointer child = tn_prefix_child_untag (node->items[i]);

      switch (tn_prefix_child_kind (node->items[i]))
        {
        case TN_PREFIX_CHILD_NODE:
          tn_prefix_node_unref (child, funcs);      /* at most 16 deep */
          break;
        case TN_PREFIX_CHILD_LEAF:
          tn_prefix_leaf_unref (child, funcs);
          break;
        default:
          tn_prefix_value_unref (funcs, child);
          break;
        }
    }
  for (guint i = 0; i < node->n_prefixes; i++)
    tn_prefix_value_unref (funcs, node->items[node->n_children + i]);
  g_free (node);
}

static void
ref_items (TnPrefixNode             *node,
           const TnPrefixValueFuncs *funcs)
{
  for (guint i = 0; i < node->n_children; i++)
    {
      gpointer child = tn_prefix_child_untag (node->items[i]);

      switch (tn_prefix_child_kind (node->items[i]))
        {
        case TN_PREFIX_CHILD_NODE:
          g_atomic_int_inc (&((TnPrefixNode *) child)->ref_count);
          break;
        case TN_PREFIX_CHILD_LEAF:
          g_atomic_int_inc (&((TnPrefixLeaf *) child)->ref_count);
          break;
        default:
          tn_prefix_value_ref (funcs, child);
          break;
        }
    }
  for (guint i = 0; i < node->n_prefixes; i++)
    tn_prefix_value_ref (funcs, node->items[node->n_children + i]);
}

TnPrefixNode *
tn_prefix_node_own (TnPrefixNode            **slot,
                    const TnPrefixValueFuncs *funcs)
{
  TnPrefixNode *node = *slot;
  gsize size = sizeof *node + node->capacity * sizeof node->items[0];

  /* A count of one cannot grow behind our back: only who holds a table can copy it. */
  if (g_atomic_int_get (&node->ref_count) == 1)
    return node;

  *slot = g_memdup2 (node, size);
  (*slot)->ref_count = 1;
  ref_items (*slot, funcs);
  tn_prefix_node_unref (node, funcs);
  return *slot;
}

static void
insert_item (TnPrefixNode **slot,
             guint          position,
             gpointer       item)
{
  TnPrefixNode *node = *slot;
  guint n = (guint) node->n_children + node->n_prefixes;

  if (n == node->capacity)
    {
      node->capacity = (guint16) (n + n / 4 + 2);
      node = *slot = g_realloc (node, sizeof *node + node->capacity * sizeof node->items[0]);
    }
  memmove (&node->items[position + 1], &node->items[position], (n - position) * sizeof node->items[0]);
  node->items[position] = item;
}

static gpointer
take_item (TnPrefixNode *node,
           guint         position)
{
  guint n = (guint) node->n_children + node->n_prefixes;
  gpointer item = node->items[position];

  memmove (&node->items[position], &node->items[position + 1], (n - position - 1) * sizeof node->items[0]);
  return item;
}

static void
flip_bit (guint64 bits[4],
          guint8  rank[4],
          guint   index)
{
  bits[index >> 6] ^= G_GUINT64_CONSTANT (1) << (index & 63);
  for (guint word = 1; word < 4; word++)
    rank[word] = (guint8) (rank[word - 1] + __builtin_popcountll (bits[word - 1]));
}

void
tn_prefix_node_add_child (TnPrefixNode **slot,
                          guint8         octet,
                          gpointer       child)
{
  insert_item (slot, tn_prefix_rank ((*slot)->child_bits, (*slot)->child_rank, octet), child);
  (*slot)->n_children++;
  flip_bit ((*slot)->child_bits, (*slot)->child_rank, octet);
}

void
tn_prefix_node_add_prefix (TnPrefixNode **slot,
                           guint          index,
                           gpointer       value)
{
  insert_item (slot, (*slot)->n_children + tn_prefix_rank ((*slot)->prefix_bits, (*slot)->prefix_rank, index), value);
  (*slot)->n_prefixes++;
  flip_bit ((*slot)->prefix_bits, (*slot)->prefix_rank, index);
}

gpointer
tn_prefix_node_take_child (TnPrefixNode *node,
                           guint8        octet)
{
  gpointer child = take_item (node, tn_prefix_rank (node->child_bits, node->child_rank, octet));

  node->n_children--;
  flip_bit (node->child_bits, node->child_rank, octet);
  return child;
}

gpointer
tn_prefix_node_take_prefix (TnPrefixNode *node,
                            guint         index)
{
  gpointer value = take_item (node, node->n_children + tn_prefix_rank (node->prefix_bits, node->prefix_rank, index));

  node->n_prefixes--;
  flip_bit (node->prefix_bits, node->prefix_rank, index);
  return value;
}

gsize
tn_prefix_node_get_memory (const TnPrefixNode *node,
                           gsize               address_len)
{
  gsize size = sizeof *node + node->capacity * sizeof node->items[0];

  for (guint i = 0; i < node->n_children; i++)
    {
      if (tn_prefix_child_kind (node->items[i]) == TN_PREFIX_CHILD_NODE)
        size += tn_prefix_node_get_memory (node->items[i], address_len);
      else if (tn_prefix_child_kind (node->items[i]) == TN_PREFIX_CHILD_LEAF)
        size += sizeof (TnPrefixLeaf) + address_len;
    }
  return size;
}
