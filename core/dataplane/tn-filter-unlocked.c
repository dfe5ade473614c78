/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-filter-private.h"

#include <string.h>

/* Whether a filter lets nodes in that tailnet lock does not vouch for (tailscale ipn/ipnlocal/local.go, packetFilterPermitsUnlockedNodes).
 * Two prefixes overlap if one of them has the first address of the other, so two tables of prefixes answer it without trying all pairs. */

void
tn_filter_builder_add_unlocked (TnFilterBuilder  *builder,
                                const TnIpPrefix *prefix)
{
  static const guint8 mapped[12] = { [10] = 0xff, [11] = 0xff };

  if (prefix->address.version == 0)
    return;
  if (builder->unlocked == NULL)
    builder->unlocked = g_array_new (FALSE, FALSE, sizeof (TnIpPrefix));
  g_array_append_val (builder->unlocked, *prefix);

  /* The overlay router takes IPv4 in disguise for IPv4. */
  if (prefix->address.version == 6 && prefix->bits <= 32 && memcmp (prefix->address.bytes, mapped, sizeof mapped) == 0)
    {
      TnIpPrefix normal = { tn_ip_address_from_bytes (prefix->address.bytes + sizeof mapped, 4), prefix->bits };

      g_array_append_val (builder->unlocked, normal);
    }
}

static TnPrefixTable *
new_unlocked_table (const TnFilterBuilder *builder)
{
  static guint64 present;
  TnPrefixTable *table = tn_prefix_table_new (NULL);

  for (guint i = 0; i < builder->unlocked->len; i++)
    tn_prefix_table_insert (table, &g_array_index (builder->unlocked, TnIpPrefix, i), &present);
  return table;
}

/* The rules that have destinations: targets stand in the order of their rules. */
static GArray *
list_sources (const TnFilterBuilder *builder)
{
  GArray *sources = g_array_new (FALSE, FALSE, sizeof (TnFilterEntry));
  guint at = 0;

  for (guint i = 0; i < builder->sources->len; i++)
    {
      const TnFilterEntry *source = &g_array_index (builder->sources, TnFilterEntry, i);

      while (at < builder->targets->len && g_array_index (builder->targets, TnFilterEntry, at).rule < source->rule)
        at++;
      if (at < builder->targets->len && g_array_index (builder->targets, TnFilterEntry, at).rule == source->rule)
        g_array_append_val (sources, *source);
    }
  return sources;
}

/* NULL: none of them. */
static const TnFilterEntry *
find_overlap (const TnFilterBuilder *builder,
              const GArray          *sources)
{
  g_autoptr (TnPrefixTable) unlocked = new_unlocked_table (builder);
  g_autoptr (TnPrefixTable) named = tn_prefix_table_new (NULL);

  for (guint i = 0; i < sources->len; i++)
    {
      TnFilterEntry *source = &g_array_index (sources, TnFilterEntry, i);

      if (tn_prefix_table_lookup (unlocked, &source->prefix.address) != NULL)
        return source;
      tn_prefix_table_insert (named, &source->prefix, source);
    }
  for (guint i = 0; i < builder->unlocked->len; i++)
    {
      const TnFilterEntry *source = tn_prefix_table_lookup (named, &g_array_index (builder->unlocked, TnIpPrefix, i).address);

      if (source != NULL)
        return source;
    }
  return NULL;
}

gboolean
tn_filter_builder_check_unlocked (TnFilterBuilder *builder)
{
  g_autoptr (GArray) sources = NULL;
  const TnFilterEntry *culprit;
  char text[TN_IP_PREFIX_TEXT_MAX];

  if (builder->unlocked == NULL || builder->dropped)
    return TRUE;

  sources = list_sources (builder);
  culprit = find_overlap (builder, sources);
  if (culprit == NULL)
    return TRUE;

  tn_ip_prefix_print (&culprit->prefix, text);
  tn_filter_builder_drop_rules (builder, g_strdup_printf ("rule %u: source %s has addresses of a node that tailnet lock does not vouch for",
                                                          culprit->rule, text));
  return FALSE;
}
