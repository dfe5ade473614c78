/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-prefix-table-private.h"

#define MAX_DEPTH 16

TnPrefixTable *
tn_prefix_table_new (const TnPrefixValueFuncs *funcs)
{
  TnPrefixTable *table = g_new0 (TnPrefixTable, 1);

  table->funcs = funcs;
  return table;
}

TnPrefixTable *
tn_prefix_table_copy (const TnPrefixTable *table)
{
  TnPrefixTable *copy = g_memdup2 (table, sizeof *table);

  if (copy->root4 != NULL)
    g_atomic_int_inc (&copy->root4->ref_count);
  if (copy->root6 != NULL)
    g_atomic_int_inc (&copy->root6->ref_count);
  return copy;
}

void
tn_prefix_table_free (TnPrefixTable *table)
{
  if (table->root4 != NULL)
    tn_prefix_node_unref (table->root4, table->funcs);
  if (table->root6 != NULL)
    tn_prefix_node_unref (table->root6, table->funcs);
  g_free (table);
}

gsize
tn_prefix_table_get_size (const TnPrefixTable *table)
{
  return table->size;
}

gsize
tn_prefix_table_get_memory (const TnPrefixTable *table)
{
  gsize size = sizeof *table;

  if (table->root4 != NULL)
    size += tn_prefix_node_get_memory (table->root4, 4);
  if (table->root6 != NULL)
    size += tn_prefix_node_get_memory (table->root6, 16);
  return size;
}

static gboolean
leaf_is (const TnPrefixLeaf *leaf,
         const TnIpPrefix   *prefix)
{
  return leaf->bits == prefix->bits &&
         memcmp (leaf->bytes, prefix->address.bytes, tn_ip_address_len (&prefix->address)) == 0;
}

static void
replace_value (const TnPrefixTable *table,
               gpointer            *slot,
               gpointer             value,
               guint                tag)
{
  tn_prefix_value_unref (table->funcs, tn_prefix_child_untag (*slot));
  *slot = tn_prefix_child_tag (value, tag);
}

/* A prefix that ends within the eight bits of the node; takes the reference to @value. TRUE: it was not there. */
static gboolean
insert_prefix (const TnPrefixTable *table,
               TnPrefixNode       **slot,
               guint                index,
               gpointer             value)
{
  TnPrefixNode *node = *slot;

  if (!tn_prefix_bit_is_set (node->prefix_bits, index))
    {
      tn_prefix_node_add_prefix (slot, index, value);
      return TRUE;
    }
  replace_value (table, &node->items[node->n_children + tn_prefix_rank (node->prefix_bits, node->prefix_rank, index)], value, 0);
  return FALSE;
}

/* Puts what was a leaf or a value below an octet into a new node of its own, as there is to be more below that octet. */
static void
push_down (gpointer *child_slot,
           guint     depth)
{
  TnPrefixNode *node = tn_prefix_node_new ();
  gpointer child = tn_prefix_child_untag (*child_slot);

  if (tn_prefix_child_kind (*child_slot) == TN_PREFIX_CHILD_VALUE)
    {
      tn_prefix_node_add_prefix (&node, 1, child);
    }
  else
    {
      TnPrefixLeaf *leaf = child;
      guint8 octet = leaf->bytes[depth];

      if (leaf->bits > 8 * (depth + 1))
        {
          tn_prefix_node_add_child (&node, octet, *child_slot);
        }
      else
        {
          gpointer value = leaf->value;

          if (leaf->bits == 8 * (depth + 1))
            tn_prefix_node_add_child (&node, octet, tn_prefix_child_tag (value, TN_PREFIX_CHILD_VALUE));
          else
            tn_prefix_node_add_prefix (&node, tn_prefix_index (octet, leaf->bits - 8 * depth), value);
          g_free (leaf);
        }
    }
  *child_slot = node;
}

/* push_down() takes a leaf apart: other tables may still hold it. */
static void
own_leaf (const TnPrefixTable *table,
          gpointer            *child_slot,
          guint                version)
{
  TnPrefixLeaf *leaf = tn_prefix_child_untag (*child_slot);

  if (g_atomic_int_get (&leaf->ref_count) == 1)
    return;
  tn_prefix_value_ref (table->funcs, leaf->value);
  *child_slot = tn_prefix_child_tag (g_memdup2 (leaf, sizeof *leaf + (version == 4 ? 4 : 16)), TN_PREFIX_CHILD_LEAF);
  ((TnPrefixLeaf *) tn_prefix_child_untag (*child_slot))->ref_count = 1;
  tn_prefix_leaf_unref (leaf, table->funcs);
}

/* Puts a prefix that ends behind the octet into a place that is taken. TRUE: go on in the node that is there now. */
static gboolean
insert_at_child (TnPrefixTable    *table,
                 gpointer         *child_slot,
                 const TnIpPrefix *prefix,
                 guint             depth,
                 gpointer          value)
{
  guint kind = tn_prefix_child_kind (*child_slot);

  if (kind == TN_PREFIX_CHILD_NODE)
    return TRUE;

  if (kind == TN_PREFIX_CHILD_LEAF)
    {
      own_leaf (table, child_slot, prefix->address.version);
      if (leaf_is (tn_prefix_child_untag (*child_slot), prefix))
        {
          replace_value (table, &((TnPrefixLeaf *) tn_prefix_child_untag (*child_slot))->value, value, 0);
          return FALSE;
        }
    }
  else if (prefix->bits == 8 * (depth + 1))
    {
      replace_value (table, child_slot, value, TN_PREFIX_CHILD_VALUE);
      return FALSE;
    }
  push_down (child_slot, depth + 1);
  return TRUE;
}

gboolean
tn_prefix_table_insert (TnPrefixTable    *table,
                        const TnIpPrefix *unmasked,
                        gpointer          value)
{
  TnIpPrefix prefix = tn_ip_prefix_mask (unmasked);
  TnPrefixNode **slot = prefix.address.version == 4 ? &table->root4 : &table->root6;
  gboolean added = TRUE;

  g_return_val_if_fail (prefix.address.version != 0 && prefix.bits <= 8 * tn_ip_address_len (&prefix.address), FALSE);
  g_return_val_if_fail (value != NULL && tn_prefix_child_kind (value) == 0, FALSE);

  tn_prefix_value_ref (table->funcs, value);
  if (*slot == NULL)
    *slot = tn_prefix_node_new ();

  for (guint depth = 0;; depth++)
    {
      TnPrefixNode *node = tn_prefix_node_own (slot, table->funcs);
      guint8 octet;
      gpointer *child_slot;

      if (prefix.bits < 8 * (depth + 1))
        {
          octet = prefix.bits > 8 * depth ? prefix.address.bytes[depth] : 0;
          added = insert_prefix (table, slot, tn_prefix_index (octet, prefix.bits - 8 * depth), value);
          break;
        }

      octet = prefix.address.bytes[depth];
      if (!tn_prefix_bit_is_set (node->child_bits, octet))
        {
          tn_prefix_node_add_child (slot, octet, prefix.bits == 8 * (depth + 1)
                                                   ? tn_prefix_child_tag (value, TN_PREFIX_CHILD_VALUE)
                                                   : tn_prefix_child_tag (tn_prefix_leaf_new (&prefix, value), TN_PREFIX_CHILD_LEAF));
          break;
        }

      child_slot = tn_prefix_node_child_slot (node, octet);
      if (!insert_at_child (table, child_slot, &prefix, depth, value))
        {
          added = FALSE;
          break;
        }
      slot = (TnPrefixNode **) child_slot;
    }

  if (added)
    table->size++;
  return added;
}

static gpointer
get_masked (const TnPrefixTable *table,
            const TnIpPrefix    *prefix)
{
  TnPrefixNode *node = prefix->address.version == 4 ? table->root4 : table->root6;

  for (guint depth = 0; node != NULL; depth++)
    {
      guint8 octet;
      gpointer child;

      if (prefix->bits < 8 * (depth + 1))
        {
          guint index = tn_prefix_index (prefix->bits > 8 * depth ? prefix->address.bytes[depth] : 0, prefix->bits - 8 * depth);

          return tn_prefix_bit_is_set (node->prefix_bits, index) ? tn_prefix_node_get_prefix (node, index) : NULL;
        }

      octet = prefix->address.bytes[depth];
      if (!tn_prefix_bit_is_set (node->child_bits, octet))
        return NULL;
      child = *tn_prefix_node_child_slot (node, octet);
      switch (tn_prefix_child_kind (child))
        {
        case TN_PREFIX_CHILD_NODE:
          node = child;
          break;
        case TN_PREFIX_CHILD_LEAF:
          return leaf_is (tn_prefix_child_untag (child), prefix) ? ((TnPrefixLeaf *) tn_prefix_child_untag (child))->value : NULL;
        default:
          return prefix->bits == 8 * (depth + 1) ? tn_prefix_child_untag (child) : NULL;
        }
    }
  return NULL;
}

gpointer
tn_prefix_table_get (const TnPrefixTable *table,
                     const TnIpPrefix    *prefix)
{
  TnIpPrefix masked = tn_ip_prefix_mask (prefix);

  return masked.address.version != 0 ? get_masked (table, &masked) : NULL;
}

/* The prefix that number @index of a node stands for, which lies @depth octets deep on the way to @address. */
static TnIpPrefix
prefix_of_index (const TnIpAddress *address,
                 guint              depth,
                 guint              index)
{
  guint len = 31 - (guint) __builtin_clz (index);
  TnIpPrefix prefix = { .address = *address, .bits = (guint8) (8 * depth + len) };

  if (depth < tn_ip_address_len (address))
    prefix.address.bytes[depth] = (guint8) ((index - (1u << len)) << (8 - len));
  return tn_ip_prefix_mask (&prefix);
}

static guint
first_bit (const guint64 bits[4])
{
  guint word = 0;

  while (bits[word] == 0)
    word++;
  return word * 64 + (guint) __builtin_ctzll (bits[word]);
}

/* What is left of a node that has but one thing in it, as a child of the node above. NULL: it stays a node. */
static gpointer
compress (TnPrefixNode      *node,
          const TnIpAddress *address,
          guint              depth)
{
  TnIpPrefix prefix;

  if (node->n_children + node->n_prefixes != 1)
    return NULL;

  if (node->n_prefixes == 1)
    {
      guint index = first_bit (node->prefix_bits);

      if (index == 1)
        return tn_prefix_child_tag (node->items[0], TN_PREFIX_CHILD_VALUE);
      prefix = prefix_of_index (address, depth, index);
      return tn_prefix_child_tag (tn_prefix_leaf_new (&prefix, node->items[0]), TN_PREFIX_CHILD_LEAF);
    }

  switch (tn_prefix_child_kind (node->items[0]))
    {
    case TN_PREFIX_CHILD_LEAF:
      return node->items[0];
    case TN_PREFIX_CHILD_VALUE:
      prefix = (TnIpPrefix) { .address = *address, .bits = (guint8) (8 * (depth + 1)) };
      prefix.address.bytes[depth] = (guint8) first_bit (node->child_bits);
      prefix = tn_ip_prefix_mask (&prefix);
      return tn_prefix_child_tag (tn_prefix_leaf_new (&prefix, tn_prefix_child_untag (node->items[0])), TN_PREFIX_CHILD_LEAF);
    default:
      return NULL;
    }
}

/* Takes the value out of the deepest of @slots, whose nodes are all our own. */
static gpointer
take_value (TnPrefixNode    **slot,
            const TnIpPrefix *prefix,
            guint             depth)
{
  gpointer child, value;

  if (prefix->bits < 8 * (depth + 1))
    return tn_prefix_node_take_prefix (*slot, tn_prefix_index (prefix->bits > 8 * depth ? prefix->address.bytes[depth] : 0,
                                                               prefix->bits - 8 * depth));

  child = tn_prefix_node_take_child (*slot, prefix->address.bytes[depth]);
  if (tn_prefix_child_kind (child) == TN_PREFIX_CHILD_VALUE)
    return tn_prefix_child_untag (child);
  value = ((TnPrefixLeaf *) tn_prefix_child_untag (child))->value;
  g_free (tn_prefix_child_untag (child));
  return value;
}

gboolean
tn_prefix_table_remove (TnPrefixTable    *table,
                        const TnIpPrefix *unmasked)
{
  TnIpPrefix prefix = tn_ip_prefix_mask (unmasked);
  TnPrefixNode **slots[MAX_DEPTH + 1];
  TnPrefixNode **slot = prefix.address.version == 4 ? &table->root4 : &table->root6;
  guint depth;

  if (tn_prefix_table_get (table, &prefix) == NULL)
    return FALSE;       /* before any node was copied */

  for (depth = 0;; depth++)
    {
      gpointer *child_slot;

      slots[depth] = slot;
      tn_prefix_node_own (slot, table->funcs);
      if (prefix.bits < 8 * (depth + 1))
        break;
      child_slot = tn_prefix_node_child_slot (*slot, prefix.address.bytes[depth]);
      if (tn_prefix_child_kind (*child_slot) == TN_PREFIX_CHILD_LEAF)
        own_leaf (table, child_slot, prefix.address.version);
      if (tn_prefix_child_kind (*child_slot) != TN_PREFIX_CHILD_NODE)
        break;
      slot = (TnPrefixNode **) child_slot;
    }

  tn_prefix_value_unref (table->funcs, take_value (slot, &prefix, depth));
  table->size--;

  for (; depth > 0; depth--)
    {
      TnPrefixNode *node = *slots[depth];
      gpointer child = compress (node, &prefix.address, depth);

      if (child == NULL)
        break;
      *(gpointer *) slots[depth] = child;
      g_free (node);
    }
  return TRUE;
}

static void
foreach_node (const TnPrefixNode  *node,
              TnIpAddress         *address,
              guint                depth,
              TnPrefixForeachFunc  func,
              gpointer             user_data)
{
  guint n_octets = (guint) tn_ip_address_len (address);

  for (guint index = 1; index < 256; index++)
    if (tn_prefix_bit_is_set (node->prefix_bits, index))
      {
        TnIpPrefix prefix = prefix_of_index (address, depth, index);

        func (&prefix, tn_prefix_node_get_prefix (node, index), user_data);
      }

  for (guint octet = 0; octet < 256; octet++)
    {
      gpointer child;
      TnIpPrefix prefix = { 0 };

      if (!tn_prefix_bit_is_set (node->child_bits, octet))
        continue;
      child = node->items[tn_prefix_rank (node->child_bits, node->child_rank, octet)];
      address->bytes[depth] = (guint8) octet;
      switch (tn_prefix_child_kind (child))
        {
        case TN_PREFIX_CHILD_NODE:
          foreach_node (child, address, depth + 1, func, user_data);
          break;
        case TN_PREFIX_CHILD_LEAF:
          prefix.address.version = address->version;
          memcpy (prefix.address.bytes, ((TnPrefixLeaf *) tn_prefix_child_untag (child))->bytes, n_octets);
          prefix.bits = ((TnPrefixLeaf *) tn_prefix_child_untag (child))->bits;
          func (&prefix, ((TnPrefixLeaf *) tn_prefix_child_untag (child))->value, user_data);
          break;
        default:
          prefix = (TnIpPrefix) { .address = *address, .bits = (guint8) (8 * (depth + 1)) };
          prefix = tn_ip_prefix_mask (&prefix);
          func (&prefix, tn_prefix_child_untag (child), user_data);
          break;
        }
    }
}

void
tn_prefix_table_foreach (const TnPrefixTable *table,
                         TnPrefixForeachFunc  func,
                         gpointer             user_data)
{
  TnIpAddress address4 = { .version = 4 };
  TnIpAddress address6 = { .version = 6 };

  if (table->root4 != NULL)
    foreach_node (table->root4, &address4, 0, func, user_data);
  if (table->root6 != NULL)
    foreach_node (table->root6, &address6, 0, func, user_data);
}
