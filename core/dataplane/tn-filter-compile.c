/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-filter-private.h"

/* From lists of (prefix, rule) to tables. Rules of the same prefix make one node; a node knows the next shorter prefix, so that one
 * lookup finds the whole chain. Nothing is copied from a prefix to those within it: memory grows with the number of entries. */

static int
compare_entries (gconstpointer a,
                 gconstpointer b)
{
  const TnFilterEntry *x = a, *y = b;
  int order = tn_ip_address_compare (&x->prefix.address, &y->prefix.address);

  if (order != 0)
    return order;
  if (x->prefix.bits != y->prefix.bits)
    return x->prefix.bits < y->prefix.bits ? -1 : 1;
  return x->rule < y->rule ? -1 : x->rule > y->rule;
}

/* Where the entries of the prefix at @start end. */
static guint
group_end (const GArray *entries,
           guint         start)
{
  const TnFilterEntry *first = &g_array_index (entries, TnFilterEntry, start);
  guint end = start + 1;

  while (end < entries->len && tn_ip_prefix_equal (&g_array_index (entries, TnFilterEntry, end).prefix, &first->prefix))
    end++;
  return end;
}

static guint
count_groups (const GArray *entries)
{
  guint n = 0;

  for (guint start = 0; start < entries->len; start = group_end (entries, start))
    n++;
  return n;
}

/* Prefixes that contain the next ones to come, from the shortest. */
typedef struct
{
  TnIpPrefix prefix;
  gpointer   node;
} Around;

static gpointer
push_around (Around           *stack,
             guint            *depth,
             const TnIpPrefix *prefix,
             gpointer          node)
{
  gpointer parent;

  while (*depth > 0 && !tn_ip_prefix_contains (&stack[*depth - 1].prefix, &prefix->address))
    (*depth)--;
  parent = *depth > 0 ? stack[*depth - 1].node : NULL;
  stack[(*depth)++] = (Around) { *prefix, node };
  return parent;
}

static TnRuleSet *
make_rule_set (const GArray *entries,
               guint         start,
               guint         end,
               gboolean      only_all_ports)
{
  g_autoptr (GArray) rules = g_array_new (FALSE, FALSE, sizeof (guint32));

  for (guint i = start; i < end; i++)
    {
      const TnFilterEntry *entry = &g_array_index (entries, TnFilterEntry, i);

      if (only_all_ports && (entry->first_port != 0 || entry->last_port != G_MAXUINT16))
        continue;
      if (rules->len == 0 || g_array_index (rules, guint32, rules->len - 1) != entry->rule)
        g_array_append_val (rules, entry->rule);
    }
  return rules->len > 0 ? tn_rule_set_new ((const guint32 *) (gpointer) rules->data, rules->len) : NULL;
}

static TnFilterSource *
compile_sources (GArray        *entries,
                 TnPrefixTable *table,
                 guint         *n_nodes)
{
  TnFilterSource *nodes;
  Around stack[130];        /* a chain has at most 129 lengths */
  guint depth = 0, n = 0;

  g_array_sort (entries, compare_entries);
  nodes = g_new0 (TnFilterSource, count_groups (entries));
  for (guint start = 0, end; start < entries->len; start = end)
    {
      const TnIpPrefix *prefix = &g_array_index (entries, TnFilterEntry, start).prefix;
      TnFilterSource *node = &nodes[n++];

      end = group_end (entries, start);
      node->rules = make_rule_set (entries, start, end, FALSE);
      node->parent = push_around (stack, &depth, prefix, node);
      tn_prefix_table_insert (table, prefix, node);
    }
  *n_nodes = n;
  return nodes;
}

static TnPortMap *
make_port_map (const GArray *entries,
               guint         start,
               guint         end)
{
  g_autofree TnPortRange *ranges = g_new (TnPortRange, end - start);
  gsize n = 0;

  for (guint i = start; i < end; i++)
    {
      const TnFilterEntry *entry = &g_array_index (entries, TnFilterEntry, i);

      if (entry->first_port != 0 || entry->last_port != G_MAXUINT16)
        ranges[n++] = (TnPortRange) { entry->first_port, entry->last_port, entry->rule };
    }
  return tn_port_map_new (ranges, n);
}

static void
compile_targets (TnFilter *filter,
                 GArray   *entries)
{
  Around stack[130];
  guint depth = 0;

  g_array_sort (entries, compare_entries);
  filter->target_nodes = g_new0 (TnFilterTarget, count_groups (entries));
  for (guint start = 0, end; start < entries->len; start = end)
    {
      const TnIpPrefix *prefix = &g_array_index (entries, TnFilterEntry, start).prefix;
      TnFilterTarget *node = &filter->target_nodes[filter->n_target_nodes++];

      end = group_end (entries, start);
      node->any = make_rule_set (entries, start, end, FALSE);
      node->all_ports = make_rule_set (entries, start, end, TRUE);
      node->ports = make_port_map (entries, start, end);
      node->parent = push_around (stack, &depth, prefix, node);
      tn_prefix_table_insert (filter->targets, prefix, node);
    }
}

/* --- Sources that are capabilities: each host gets the rules of all it has. Hosts with the same ones share a set. --- */

typedef struct
{
  const GArray *sources;        /* of TnFilterCapabilitySource, by capability */
  guint8       *families;       /* of a rule's destinations: bit 0 IPv4, bit 1 IPv6 */
  GHashTable   *sets;           /* GBytes of family and capabilities -> TnRuleSet, or NULL where no rule has a destination */
} Capabilities;

static int
compare_sources (gconstpointer a,
                 gconstpointer b)
{
  const TnFilterCapabilitySource *x = a, *y = b;

  if (x->capability != y->capability)
    return x->capability < y->capability ? -1 : 1;
  return x->rule < y->rule ? -1 : x->rule > y->rule;
}

static int
compare_holders (gconstpointer a,
                 gconstpointer b)
{
  const TnFilterHolderAddress *x = a, *y = b;
  int order = tn_ip_address_compare (&x->address, &y->address);

  if (order != 0)
    return order;
  return x->holder < y->holder ? -1 : x->holder > y->holder;
}

static int
compare_rules (gconstpointer a,
               gconstpointer b)
{
  const guint32 *x = a, *y = b;

  return *x < *y ? -1 : *x > *y;
}

static void
sort_unique (GArray *rules)
{
  guint n = 0;

  g_array_sort (rules, compare_rules);
  for (guint i = 0; i < rules->len; i++)
    if (n == 0 || g_array_index (rules, guint32, n - 1) != g_array_index (rules, guint32, i))
      g_array_index (rules, guint32, n++) = g_array_index (rules, guint32, i);
  g_array_set_size (rules, n);
}

static guint
first_source (const GArray *sources,
              guint32       capability)
{
  guint low = 0, high = sources->len;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;

      if (g_array_index (sources, TnFilterCapabilitySource, middle).capability < capability)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

static TnRuleSet *
rules_of_capabilities (const Capabilities *c,
                       const guint32      *capabilities,
                       guint               n,
                       guint8              family)
{
  g_autoptr (GArray) rules = g_array_new (FALSE, FALSE, sizeof (guint32));

  for (guint i = 0; i < n; i++)
    for (guint j = first_source (c->sources, capabilities[i]); j < c->sources->len; j++)
      {
        const TnFilterCapabilitySource *source = &g_array_index (c->sources, TnFilterCapabilitySource, j);

        if (source->capability != capabilities[i])
          break;
        if ((c->families[source->rule] & family) != 0)
          g_array_append_val (rules, source->rule);
      }
  sort_unique (rules);
  return rules->len > 0 ? tn_rule_set_new ((const guint32 *) (gpointer) rules->data, rules->len) : NULL;
}

static TnRuleSet *
shared_rules_of_capabilities (TnFilter      *filter,
                              Capabilities  *c,
                              const GArray  *capabilities,
                              guint8         family)
{
  const guint32 *numbers = (const guint32 *) (gpointer) capabilities->data;
  g_autoptr (GByteArray) key = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  gpointer known;
  TnRuleSet *set;

  g_byte_array_append (key, &family, 1);
  g_byte_array_append (key, (const guint8 *) numbers, capabilities->len * (guint) sizeof numbers[0]);
  bytes = g_byte_array_free_to_bytes (g_steal_pointer (&key));
  if (g_hash_table_lookup_extended (c->sets, bytes, NULL, &known))
    return known;

  set = rules_of_capabilities (c, numbers, capabilities->len, family);
  if (set != NULL)
    g_ptr_array_add (filter->capability_sets, set);
  g_hash_table_insert (c->sets, g_steal_pointer (&bytes), set);
  return set;
}

static void
append_capabilities (const TnFilterBuilder *builder,
                     guint32                holder,
                     GArray                *capabilities)
{
  const GArray *all = builder->holder_capabilities;
  guint first = g_array_index (builder->holders, TnFilterHolder, holder).first_capability;
  guint end = holder + 1 < builder->holders->len ? g_array_index (builder->holders, TnFilterHolder, holder + 1).first_capability : all->len;

  g_array_append_vals (capabilities, &g_array_index (all, guint32, first), end - first);
}

/* Of the holders from @start to @end, which are those of one address. A node's addresses get what the first of them got. */
static TnRuleSet *
rules_of_holders (TnFilter        *filter,
                  Capabilities    *c,
                  TnFilterBuilder *builder,
                  guint            start,
                  guint            end,
                  guint            family)
{
  const TnFilterHolderAddress *first = &g_array_index (builder->holder_addresses, TnFilterHolderAddress, start);
  TnFilterHolder *holder = &g_array_index (builder->holders, TnFilterHolder, first->holder);
  g_autoptr (GArray) capabilities = NULL;
  gboolean alone = first[end - start - 1].holder == first->holder;
  TnRuleSet *set;

  if (alone && holder->known[family])
    return holder->rules[family];

  capabilities = g_array_new (FALSE, FALSE, sizeof (guint32));
  for (guint i = start; i < end; i++)
    if (i == start || first[i - start].holder != first[i - start - 1].holder)
      append_capabilities (builder, first[i - start].holder, capabilities);
  sort_unique (capabilities);
  set = shared_rules_of_capabilities (filter, c, capabilities, family == 0 ? 1 : 2);
  if (alone)
    {
      holder->rules[family] = set;
      holder->known[family] = TRUE;
    }
  return set;
}

static void
compile_holders (TnFilter        *filter,
                 Capabilities    *c,
                 TnFilterBuilder *builder)
{
  GArray *places = builder->holder_addresses;

  g_array_sort (places, compare_holders);
  for (guint start = 0, end; start < places->len; start = end)
    {
      const TnIpAddress *address = &g_array_index (places, TnFilterHolderAddress, start).address;
      TnIpPrefix prefix = { .address = *address, .bits = (guint8) (8 * tn_ip_address_len (address)) };
      TnRuleSet *set;

      for (end = start + 1; end < places->len; end++)
        if (!tn_ip_address_equal (&g_array_index (places, TnFilterHolderAddress, end).address, address))
          break;
      set = rules_of_holders (filter, c, builder, start, end, address->version == 4 ? 0 : 1);
      if (set != NULL)
        tn_prefix_table_insert (filter->capability_sources, &prefix, set);
    }
}

static void
compile_capabilities (TnFilter        *filter,
                      TnFilterBuilder *builder)
{
  g_autofree guint8 *families = g_new0 (guint8, builder->n_rules + 1);
  g_autoptr (GHashTable) sets = g_hash_table_new_full (g_bytes_hash, g_bytes_equal, (GDestroyNotify) g_bytes_unref, NULL);
  Capabilities c = { builder->capability_sources, families, sets };

  if (builder->capability_sources->len == 0)
    return;
  for (guint i = 0; i < builder->targets->len; i++)
    {
      const TnFilterEntry *entry = &g_array_index (builder->targets, TnFilterEntry, i);

      families[entry->rule] |= entry->prefix.address.version == 4 ? 1 : 2;
    }

  filter->uses_capabilities = TRUE;
  filter->capability_sources = tn_prefix_table_new (NULL);
  g_array_sort (builder->capability_sources, compare_sources);
  compile_holders (filter, &c, builder);
}

static void
compile_protocols (TnFilter              *filter,
                   const TnFilterBuilder *builder)
{
  if (filter->n_target_nodes == 0)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (filter->protocols); i++)
    {
      const GArray *rules = builder->protocols[i];

      if (rules != NULL && rules->len > 0)
        filter->protocols[i] = tn_rule_set_new ((const guint32 *) (gpointer) rules->data, rules->len);
    }
}

static void
move_granted (TnFilter        *filter,
              TnFilterBuilder *builder)
{
  filter->n_granted = builder->granted->len;
  filter->granted = g_memdup2 (builder->granted->data, filter->n_granted * sizeof filter->granted[0]);
  g_array_set_clear_func (builder->granted, NULL);
}

TnFilter *
tn_filter_compile (TnFilterBuilder *builder)
{
  TnFilter *filter = g_new0 (TnFilter, 1);

  g_atomic_ref_count_init (&filter->ref_count);
  filter->shields_up = builder->shields_up;
  filter->local = builder->local;
  filter->log = builder->log;
  builder->local = builder->log = (TnAddressSet) { 0 };

  filter->sources = tn_prefix_table_new (NULL);
  filter->targets = tn_prefix_table_new (NULL);
  filter->grant_sources = tn_prefix_table_new (NULL);
  filter->capability_sets = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_rule_set_free);
  filter->source_nodes = compile_sources (builder->sources, filter->sources, &filter->n_source_nodes);
  filter->grant_source_nodes = compile_sources (builder->grant_sources, filter->grant_sources, &filter->n_grant_source_nodes);
  compile_targets (filter, builder->targets);
  compile_capabilities (filter, builder);
  compile_protocols (filter, builder);
  move_granted (filter, builder);
  return filter;
}

static void
free_sources (TnFilterSource *nodes,
              guint           n)
{
  for (guint i = 0; i < n; i++)
    tn_rule_set_free (nodes[i].rules);
  g_free (nodes);
}

static void
filter_free (TnFilter *filter)
{
  free_sources (filter->source_nodes, filter->n_source_nodes);
  free_sources (filter->grant_source_nodes, filter->n_grant_source_nodes);
  for (guint i = 0; i < filter->n_target_nodes; i++)
    {
      tn_rule_set_free (filter->target_nodes[i].any);
      tn_rule_set_free (filter->target_nodes[i].all_ports);
      g_clear_pointer (&filter->target_nodes[i].ports, tn_port_map_free);
    }
  g_free (filter->target_nodes);
  for (guint i = 0; i < filter->n_granted; i++)
    tn_filter_granted_clear (&filter->granted[i]);
  g_free (filter->granted);
  for (guint i = 0; i < G_N_ELEMENTS (filter->protocols); i++)
    tn_rule_set_free (filter->protocols[i]);
  tn_prefix_table_free (filter->sources);
  tn_prefix_table_free (filter->targets);
  tn_prefix_table_free (filter->grant_sources);
  g_clear_pointer (&filter->capability_sources, tn_prefix_table_free);
  g_ptr_array_unref (filter->capability_sets);
  tn_address_set_clear (&filter->local);
  tn_address_set_clear (&filter->log);
  g_free (filter);
}

TnFilter *
tn_filter_ref (TnFilter *filter)
{
  g_atomic_ref_count_inc (&filter->ref_count);
  return filter;
}

void
tn_filter_unref (TnFilter *filter)
{
  if (g_atomic_ref_count_dec (&filter->ref_count))
    filter_free (filter);
}
