/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-filter-private.h"

#include "tn-filter-text.h"

/* Turns rules into flat lists of (prefix, rule), which compile to tables. */

/* A range of 40 bytes is up to 254 prefixes. Servers write prefixes; with more than so many of them made of ranges (10 MB) no rule counts. */
#define RANGE_PREFIXES_MAX (256 << 10)

void
tn_filter_granted_clear (gpointer data)
{
  TnFilterGranted *granted = data;

  for (gsize i = 0; i < granted->n_capabilities; i++)
    {
      g_free (granted->capabilities[i].name);
      g_strfreev (granted->capabilities[i].values);
    }
  g_free (granted->capabilities);
  g_free (granted->destinations);
}

TnFilterBuilder *
tn_filter_builder_new (void)
{
  TnFilterBuilder *builder = g_new0 (TnFilterBuilder, 1);

  builder->sources = g_array_new (FALSE, FALSE, sizeof (TnFilterEntry));
  builder->targets = g_array_new (FALSE, FALSE, sizeof (TnFilterEntry));
  builder->grant_sources = g_array_new (FALSE, FALSE, sizeof (TnFilterEntry));
  builder->granted = g_array_new (FALSE, FALSE, sizeof (TnFilterGranted));
  g_array_set_clear_func (builder->granted, tn_filter_granted_clear);
  builder->capabilities = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  builder->capability_sources = g_array_new (FALSE, FALSE, sizeof (TnFilterCapabilitySource));
  builder->holders = g_array_new (FALSE, FALSE, sizeof (TnFilterHolder));
  builder->holder_addresses = g_array_new (FALSE, FALSE, sizeof (TnFilterHolderAddress));
  builder->holder_capabilities = g_array_new (FALSE, FALSE, sizeof (guint32));
  return builder;
}

void
tn_filter_builder_free (TnFilterBuilder *builder)
{
  g_array_unref (builder->sources);
  g_array_unref (builder->targets);
  g_array_unref (builder->grant_sources);
  g_array_unref (builder->granted);
  g_hash_table_unref (builder->capabilities);
  g_array_unref (builder->capability_sources);
  g_array_unref (builder->holders);
  g_array_unref (builder->holder_addresses);
  g_array_unref (builder->holder_capabilities);
  for (guint i = 0; i < G_N_ELEMENTS (builder->protocols); i++)
    g_clear_pointer (&builder->protocols[i], g_array_unref);
  g_clear_pointer (&builder->unlocked, g_array_unref);
  tn_address_set_clear (&builder->local);
  tn_address_set_clear (&builder->log);
  g_free (builder->error);
  g_free (builder);
}

static void G_GNUC_PRINTF (2, 3)
note_error (TnFilterBuilder *builder,
            const char      *format,
            ...)
{
  va_list args;

  if (builder->error != NULL)
    return;
  va_start (args, format);
  builder->error = g_strdup_vprintf (format, args);
  va_end (args);
}

static guint32
capability_number (TnFilterBuilder *builder,
                   const char      *name)
{
  guint32 number = GPOINTER_TO_UINT (g_hash_table_lookup (builder->capabilities, name));

  if (number == 0)
    {
      number = g_hash_table_size (builder->capabilities) + 1;
      g_hash_table_insert (builder->capabilities, g_strdup (name), GUINT_TO_POINTER (number));
    }
  return number - 1;
}

static void
append_entries (GArray       *entries,
                const GArray *prefixes,
                TnFilterEntry entry)
{
  for (guint i = 0; i < prefixes->len; i++)
    {
      entry.prefix = g_array_index (prefixes, TnIpPrefix, i);
      g_array_append_val (entries, entry);
    }
}

static gboolean
has_too_many (const TnFilterBuilder *builder)
{
  return builder->n_from_ranges > RANGE_PREFIXES_MAX;
}

static gboolean
parse_text (TnFilterBuilder  *builder,
            const char       *text,
            GArray           *prefixes,
            const char      **capability)
{
  guint before = prefixes->len;

  if (!tn_filter_text_parse (text, prefixes, capability))
    return FALSE;
  if (prefixes->len - before > 2)      /* "*" is two */
    builder->n_from_ranges += prefixes->len - before;
  return TRUE;
}

/* The empty name is nobody's capability. */
static void
add_capability_source (TnFilterBuilder *builder,
                       const char      *name)
{
  TnFilterCapabilitySource source = { .rule = builder->n_rules };

  if (*name == '\0')
    return;
  source.capability = capability_number (builder, name);
  g_array_append_val (builder->capability_sources, source);
}

static gboolean
add_sources (TnFilterBuilder    *builder,
             const TnFilterRule *rule)
{
  g_autoptr (GArray) prefixes = g_array_new (FALSE, FALSE, sizeof (TnIpPrefix));
  TnFilterEntry entry = { .rule = builder->n_rules };
  gboolean all = TRUE;

  for (gsize i = 0; i < rule->n_sources && !has_too_many (builder); i++)
    {
      const char *capability;

      if (!parse_text (builder, rule->sources[i], prefixes, &capability))
        {
          note_error (builder, "rule %u: source \"%s\" is no address, prefix or range", builder->n_rules, rule->sources[i]);
          all = FALSE;
        }
      else if (capability != NULL)
        {
          add_capability_source (builder, capability);
        }
    }
  append_entries (builder->sources, prefixes, entry);
  if (rule->n_grants > 0)
    append_entries (builder->grant_sources, prefixes, entry);
  return all;
}

static gboolean
add_destination (TnFilterBuilder           *builder,
                 const TnFilterDestination *destination)
{
  g_autoptr (GArray) prefixes = g_array_new (FALSE, FALSE, sizeof (TnIpPrefix));
  TnFilterEntry entry = { .rule = builder->n_rules, .first_port = destination->first, .last_port = destination->last };
  const char *capability;

  if (!parse_text (builder, destination->ip, prefixes, &capability))
    {
      note_error (builder, "rule %u: destination \"%s\" is no address, prefix or range", builder->n_rules, destination->ip);
      return FALSE;
    }
  if (capability != NULL && *capability != '\0')
    {
      note_error (builder, "rule %u: capability \"%s\" as destination", builder->n_rules, capability);
      return FALSE;
    }
  append_entries (builder->targets, prefixes, entry);
  return TRUE;
}

static void
add_protocol (TnFilterBuilder *builder,
              gint64           protocol)
{
  GArray **rules;

  if (protocol < 0 || protocol > 255)
    return;
  rules = &builder->protocols[protocol];
  if (*rules == NULL)
    *rules = g_array_new (FALSE, FALSE, sizeof (guint32));
  if ((*rules)->len == 0 || g_array_index (*rules, guint32, (*rules)->len - 1) != builder->n_rules)
    g_array_append_val (*rules, builder->n_rules);
}

static void
add_protocols (TnFilterBuilder    *builder,
               const TnFilterRule *rule)
{
  static const gint64 defaults[] = { TN_PROTO_TCP, TN_PROTO_UDP, TN_PROTO_ICMP4, TN_PROTO_ICMP6 };
  const gint64 *protocols = rule->n_protocols > 0 ? rule->protocols : defaults;
  gsize n = rule->n_protocols > 0 ? rule->n_protocols : G_N_ELEMENTS (defaults);

  for (gsize i = 0; i < n; i++)
    add_protocol (builder, protocols[i]);
}

static char **
dup_values (const char *const *values)
{
  g_autoptr (GPtrArray) copy = g_ptr_array_new ();

  for (; values != NULL && *values != NULL; values++)
    g_ptr_array_add (copy, g_strdup (*values));
  g_ptr_array_add (copy, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&copy), FALSE);
}

static void
add_grant (TnFilterBuilder     *builder,
           const TnFilterGrant *grant)
{
  TnFilterGranted granted = { .rule = builder->n_rules };

  granted.capabilities = g_new (TnFilterGrantedCapability, grant->n_capabilities);
  for (gsize i = 0; i < grant->n_capabilities; i++)
    {
      const TnFilterCapability *capability = &grant->capabilities[i];

      if (*capability->name != '\0')
        granted.capabilities[granted.n_capabilities++] =
          (TnFilterGrantedCapability) { g_strdup (capability->name), dup_values (capability->values) };
    }
  granted.destinations = g_memdup2 (grant->destinations, grant->n_destinations * sizeof grant->destinations[0]);
  granted.n_destinations = grant->n_destinations;
  g_array_append_val (builder->granted, granted);
}

void
tn_filter_builder_drop_rules (TnFilterBuilder *builder,
                              char            *reason)
{
  builder->dropped = TRUE;
  g_free (builder->error);
  builder->error = reason;
}

gboolean
tn_filter_builder_add_rule (TnFilterBuilder    *builder,
                            const TnFilterRule *rule)
{
  gboolean all;

  if (rule->obsolete_bits && !builder->dropped)
    tn_filter_builder_drop_rules (builder, g_strdup_printf ("rule %u: SrcBits or Bits are obsolete: no rule counts", builder->n_rules));
  if (builder->dropped)
    return FALSE;

  all = add_sources (builder, rule);
  for (gsize i = 0; i < rule->n_destinations && !has_too_many (builder); i++)
    all &= add_destination (builder, &rule->destinations[i]);
  if (has_too_many (builder))
    {
      tn_filter_builder_drop_rules (builder, g_strdup_printf ("rule %u: ranges of addresses make more than %d prefixes", builder->n_rules,
                                                              RANGE_PREFIXES_MAX));
      return FALSE;
    }
  add_protocols (builder, rule);
  for (gsize i = 0; i < rule->n_grants; i++)
    add_grant (builder, &rule->grants[i]);
  builder->n_rules++;
  return all;
}

void
tn_filter_builder_add_holder (TnFilterBuilder   *builder,
                              const TnIpPrefix  *addresses,
                              gsize              n_addresses,
                              const char *const *names,
                              gsize              n_names)
{
  TnFilterHolder holder = { .first_capability = builder->holder_capabilities->len };
  TnFilterHolderAddress place = { .holder = builder->holders->len };

  for (gsize i = 0; i < n_names; i++)
    {
      guint32 number = GPOINTER_TO_UINT (g_hash_table_lookup (builder->capabilities, names[i]));

      if (number == 0)
        continue;
      number--;
      g_array_append_val (builder->holder_capabilities, number);
    }
  if (builder->holder_capabilities->len == holder.first_capability)
    return;

  g_array_append_val (builder->holders, holder);
  for (gsize i = 0; i < n_addresses; i++)
    {
      place.address = addresses[i].address;
      if (place.address.version != 0)
        g_array_append_val (builder->holder_addresses, place);
    }
}

void
tn_filter_builder_add_local (TnFilterBuilder  *builder,
                             const TnIpPrefix *prefix)
{
  tn_address_set_add (&builder->local, prefix);
}

void
tn_filter_builder_add_log (TnFilterBuilder  *builder,
                           const TnIpPrefix *prefix)
{
  tn_address_set_add (&builder->log, prefix);
}

void
tn_filter_builder_set_shields_up (TnFilterBuilder *builder,
                                  gboolean         shields_up)
{
  builder->shields_up = shields_up;
}

const char *
tn_filter_builder_get_error (const TnFilterBuilder *builder)
{
  return builder->error;
}

gboolean
tn_filter_builder_has_dropped_rules (const TnFilterBuilder *builder)
{
  return builder->dropped;
}

TnFilter *
tn_filter_builder_end (TnFilterBuilder *builder)
{
  TnFilter *filter;

  if (builder->dropped || builder->shields_up)
    {
      g_array_set_size (builder->sources, 0);
      g_array_set_size (builder->targets, 0);
      g_array_set_size (builder->grant_sources, 0);
      g_array_set_size (builder->granted, 0);
      g_array_set_size (builder->capability_sources, 0);
    }
  filter = tn_filter_compile (builder);
  tn_filter_builder_free (builder);
  return filter;
}
