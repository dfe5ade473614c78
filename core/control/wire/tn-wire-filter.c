/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tn-json-put.h"
#include "tn-netmap-private.h"

/* tailcfg.FilterRule: kept as texts, which the filter's builder understands. */

static guint
count_items (TnJsonText list)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;
  guint n = 0;

  while (tn_json_array_next (&iter, &item))
    n++;
  return n;
}

static guint
count_members (TnJsonText object)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (object);
  TnJsonText key, value;
  guint n = 0;

  while (tn_json_object_next (&iter, &key, &value))
    n++;
  return n;
}

static gsize
parse_strings (TnJsonText          list,
               TnArena            *arena,
               const char *const **out)
{
  const char **strings = tn_arena_alloc (arena, count_items (list) * sizeof *strings);
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;
  gsize n = 0;

  while (tn_json_array_next (&iter, &item))
    if ((strings[n] = tn_json_text_get_string (item, arena)) != NULL)
      n++;
  *out = (const char *const *) strings;
  return n;
}

static gboolean
parse_port (TnJsonText  ports,
            const char *name,
            guint16    *out)
{
  gint64 port = 0;

  if (!tn_json_text_get_int (tn_json_text_member (ports, name), &port) || port < 0 || port > G_MAXUINT16)
    return FALSE;
  *out = (guint16) port;
  return TRUE;
}

static gboolean
parse_destinations (TnFilterRule  *rule,
                    TnJsonText     list,
                    TnArena       *arena,
                    GError       **error)
{
  TnFilterDestination *destinations = tn_arena_alloc (arena, count_items (list) * sizeof *destinations);
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;

  while (tn_json_array_next (&iter, &item))
    {
      TnFilterDestination *to = &destinations[rule->n_destinations];
      TnJsonText ports = tn_json_text_member (item, "Ports");

      if (tn_json_text_is_null (item))
        continue;
      to->ip = tn_json_text_get_string (tn_json_text_member (item, "IP"), arena);
      if (to->ip == NULL)
        to->ip = "";
      if (!parse_port (ports, "First", &to->first) || !parse_port (ports, "Last", &to->last))
        return tn_wire_fail (error, "DstPorts", item);
      if (!tn_json_text_is_null (tn_json_text_member (item, "Bits")))
        rule->obsolete_bits = TRUE;
      rule->n_destinations++;
    }
  rule->destinations = destinations;
  return TRUE;
}

static gboolean
parse_protocols (TnFilterRule  *rule,
                 TnJsonText     list,
                 TnArena       *arena,
                 GError       **error)
{
  gint64 *protocols = tn_arena_alloc (arena, count_items (list) * sizeof *protocols);
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;

  while (tn_json_array_next (&iter, &item))
    {
      protocols[rule->n_protocols] = 0;
      if (!tn_json_text_get_int (item, &protocols[rule->n_protocols]))
        return tn_wire_fail (error, "IPProto", item);
      rule->n_protocols++;
    }
  rule->protocols = protocols;
  return TRUE;
}

static const char *const *
parse_values (TnJsonText  list,
              TnArena    *arena)
{
  guint n = count_items (list), i = 0;
  const char **values;
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;

  if (n == 0)
    return NULL;
  values = tn_arena_alloc (arena, (n + 1) * sizeof *values);
  while (tn_json_array_next (&iter, &item))
    values[i++] = tn_arena_strndup (arena, item.text, item.len);
  values[i] = NULL;
  return (const char *const *) values;
}

static void
parse_grant_capabilities (TnFilterGrant *grant,
                          TnJsonText     names,
                          TnJsonText     map,
                          TnArena       *arena)
{
  TnFilterCapability *capabilities = tn_arena_alloc (arena, (count_items (names) + count_members (map)) * sizeof *capabilities);
  TnJsonIter iter = TN_JSON_ITER_INIT (names);
  TnJsonText key, value;
  gsize n = 0;

  while (tn_json_array_next (&iter, &value))
    {
      capabilities[n] = (TnFilterCapability) { tn_json_text_get_string (value, arena), NULL };
      if (capabilities[n].name != NULL)
        n++;
    }
  iter = TN_JSON_ITER_INIT (map);
  while (tn_json_object_next (&iter, &key, &value))
    capabilities[n++] = (TnFilterCapability) { tn_json_text_get_string (key, arena), parse_values (value, arena) };
  grant->capabilities = capabilities;
  grant->n_capabilities = n;
}

static void
parse_grants (TnFilterRule *rule,
              TnJsonText    list,
              TnArena      *arena)
{
  TnFilterGrant *grants = tn_arena_alloc (arena, count_items (list) * sizeof *grants);
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;

  while (tn_json_array_next (&iter, &item))
    {
      TnFilterGrant *grant = &grants[rule->n_grants];
      TnJsonText destinations = tn_json_text_member (item, "Dsts");
      TnJsonIter walk = TN_JSON_ITER_INIT (destinations);
      TnIpPrefix *prefixes = tn_arena_alloc (arena, count_items (destinations) * sizeof *prefixes);
      TnJsonText prefix;

      if (tn_json_text_is_null (item))
        continue;
      memset (grant, 0, sizeof *grant);
      while (tn_json_array_next (&walk, &prefix))
        {
          const char *text = tn_json_text_get_string (prefix, arena);

          memset (&prefixes[grant->n_destinations], 0, sizeof *prefixes);
          if (text != NULL && tn_ip_prefix_parse (text, &prefixes[grant->n_destinations]))
            grant->n_destinations++;
        }
      grant->destinations = prefixes;
      parse_grant_capabilities (grant, tn_json_text_member (item, "Caps"), tn_json_text_member (item, "CapMap"), arena);
      rule->n_grants++;
    }
  rule->grants = grants;
}

static gboolean
parse_rule (TnFilterRule  *rule,
            TnJsonText     object,
            TnArena       *arena,
            GError       **error)
{
  memset (rule, 0, sizeof *rule);
  if (tn_json_text_kind (object) != TN_JSON_OBJECT)
    return tn_wire_fail (error, "filter rule", object);
  rule->n_sources = parse_strings (tn_json_text_member (object, "SrcIPs"), arena, &rule->sources);
  rule->obsolete_bits = count_items (tn_json_text_member (object, "SrcBits")) > 0;
  parse_grants (rule, tn_json_text_member (object, "CapGrant"), arena);
  return parse_destinations (rule, tn_json_text_member (object, "DstPorts"), arena, error) &&
         parse_protocols (rule, tn_json_text_member (object, "IPProto"), arena, error);
}

/* --- The way back --- */

static void
put_strings (GString           *out,
             const char        *name,
             const char *const *strings,
             gsize              n)
{
  if (n == 0)
    return;
  tn_json_put_key (out, name);
  for (gsize i = 0; i < n; i++)
    {
      g_string_append_c (out, i > 0 ? ',' : '[');
      tn_json_put_string (out, strings[i]);
    }
  g_string_append_c (out, ']');
}

static void
put_destinations (GString            *out,
                  const TnFilterRule *rule)
{
  if (rule->n_destinations == 0)
    return;
  tn_json_put_key (out, "DstPorts");
  for (gsize i = 0; i < rule->n_destinations; i++)
    {
      const TnFilterDestination *to = &rule->destinations[i];

      g_string_append (out, i > 0 ? ",{" : "[{");
      tn_json_put_member_string (out, "IP", to->ip);
      g_string_append_printf (out, ",\"Ports\":{\"First\":%u,\"Last\":%u}}", to->first, to->last);
    }
  g_string_append_c (out, ']');
}

static void
put_protocols (GString            *out,
               const TnFilterRule *rule)
{
  if (rule->n_protocols == 0)
    return;
  tn_json_put_key (out, "IPProto");
  for (gsize i = 0; i < rule->n_protocols; i++)
    g_string_append_printf (out, "%c%" G_GINT64_FORMAT, i > 0 ? ',' : '[', rule->protocols[i]);
  g_string_append_c (out, ']');
}

static void
put_grant (GString             *out,
           const TnFilterGrant *grant)
{
  tn_json_put_member_prefixes (out, "Dsts", grant->destinations, grant->n_destinations);

  /* A name may come more than once, as it did. */
  tn_json_put_key (out, "CapMap");
  g_string_append_c (out, '{');
  for (gsize i = 0; i < grant->n_capabilities; i++)
    {
      const TnFilterCapability *capability = &grant->capabilities[i];

      tn_json_put_key (out, capability->name);
      g_string_append_c (out, '[');
      for (gsize j = 0; capability->values != NULL && capability->values[j] != NULL; j++)
        g_string_append_printf (out, "%s%s", j > 0 ? "," : "", capability->values[j]);
      g_string_append_c (out, ']');
    }
  g_string_append_c (out, '}');
}

static void
put_rule (GString            *out,
          const TnFilterRule *rule)
{
  put_strings (out, "SrcIPs", rule->sources, rule->n_sources);
  if (rule->obsolete_bits)
    tn_json_put_member_raw (out, "SrcBits", "[0]");      /* that there were some is all that counts */
  put_destinations (out, rule);
  put_protocols (out, rule);
  if (rule->n_grants == 0)
    return;
  tn_json_put_key (out, "CapGrant");
  for (gsize i = 0; i < rule->n_grants; i++)
    {
      g_string_append (out, i > 0 ? ",{" : "[{");
      put_grant (out, &rule->grants[i]);
      g_string_append_c (out, '}');
    }
  g_string_append_c (out, ']');
}

void
tn_wire_filter_append (GString            *out,
                       const TnWireFilter *filter)
{
  g_string_append_c (out, '[');
  for (gsize i = 0; i < filter->n_rules; i++)
    {
      g_string_append (out, i > 0 ? ",{" : "{");
      put_rule (out, &filter->rules[i]);
      g_string_append_c (out, '}');
    }
  g_string_append_c (out, ']');
}

/* --- Named rules --- */

TnWireFilter *
tn_wire_filter_parse (const char  *name,
                      TnJsonText   list,
                      GError     **error)
{
  TnWireFilter *filter = g_new0 (TnWireFilter, 1);
  TnJsonIter iter = TN_JSON_ITER_INIT (list);
  TnJsonText item;

  filter->name = g_strdup (name);
  filter->rules = g_new0 (TnFilterRule, count_items (list));
  while (tn_json_array_next (&iter, &item))
    {
      if (tn_json_text_is_null (item))
        continue;
      if (!parse_rule (&filter->rules[filter->n_rules], item, &filter->arena, error))
        {
          tn_wire_filter_free (filter);
          return NULL;
        }
      filter->n_rules++;
    }
  return filter;
}

void
tn_wire_filter_free (TnWireFilter *filter)
{
  g_free (filter->name);
  g_free (filter->rules);
  tn_arena_clear (&filter->arena);
  g_free (filter);
}
