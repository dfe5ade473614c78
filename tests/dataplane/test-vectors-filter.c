/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vectors.h"

#include "tn-filter.h"

typedef struct
{
  TnVector      *v;
  TnFilter      *filter;
  TnFilterState  state;
  guint          step;
} Engine;

/* --- FilterRule, from JSON to the structs --- */

static JsonArray *
array_member (JsonObject *object,
              const char *name,
              guint      *n)
{
  JsonArray *array = tn_json_array (object, name);

  *n = array != NULL ? json_array_get_length (array) : 0;
  return array;
}

static const char **
read_strings (JsonObject *object,
              const char *name,
              guint      *n)
{
  JsonArray *array = array_member (object, name, n);
  const char **strings = g_new0 (const char *, *n + 1);

  for (guint i = 0; i < *n; i++)
    strings[i] = json_array_get_string_element (array, i);
  return strings;
}

static char **
read_values (JsonArray *array)
{
  guint n = array != NULL ? json_array_get_length (array) : 0;
  char **values = g_new0 (char *, n + 1);

  for (guint i = 0; i < n; i++)
    values[i] = json_to_string (json_array_get_element (array, i), FALSE);
  return values;
}

static TnIpPrefix
read_prefix (const char *text)
{
  TnIpPrefix prefix;

  g_assert_true (tn_ip_prefix_parse (text, &prefix));
  return prefix;
}

static void
read_capability_map (JsonObject *map,
                     GArray     *capabilities,
                     GPtrArray  *owned)
{
  g_autoptr (GList) names = map != NULL ? json_object_get_members (map) : NULL;

  for (GList *l = names; l != NULL; l = l->next)
    {
      JsonNode *node = json_object_get_member (map, l->data);
      char **values = read_values (JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL);
      TnFilterCapability capability = { .name = l->data, .values = (const char *const *) values };

      g_ptr_array_add (owned, values);
      g_array_append_val (capabilities, capability);
    }
}

static gboolean
add_rule (TnFilterBuilder *builder,
          JsonObject      *object)
{
  guint n_sources, n_dst, n_proto, n_grants, n_bits;
  g_autofree const char **sources = read_strings (object, "SrcIPs", &n_sources);
  JsonArray *dst = array_member (object, "DstPorts", &n_dst);
  JsonArray *proto = array_member (object, "IPProto", &n_proto);
  JsonArray *grants = array_member (object, "CapGrant", &n_grants);
  g_autofree TnFilterDestination *destinations = g_new0 (TnFilterDestination, n_dst + 1);
  g_autofree gint64 *protocols = g_new0 (gint64, n_proto + 1);
  g_autofree TnFilterGrant *grant = g_new0 (TnFilterGrant, n_grants + 1);
  g_autoptr (GPtrArray) arrays = g_ptr_array_new_with_free_func ((GDestroyNotify) g_array_unref);
  g_autoptr (GPtrArray) owned = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  TnFilterRule rule = { 0 };

  array_member (object, "SrcBits", &n_bits);
  rule.obsolete_bits = n_bits > 0;
  for (guint i = 0; i < n_dst; i++)
    {
      JsonObject *entry = json_array_get_object_element (dst, i);
      JsonObject *ports = tn_json_object (entry, "Ports");

      destinations[i].ip = tn_json_string (entry, "IP") != NULL ? tn_json_string (entry, "IP") : "";
      destinations[i].first = ports != NULL ? (guint16) tn_json_int (ports, "First") : 0;
      destinations[i].last = ports != NULL ? (guint16) tn_json_int (ports, "Last") : 0;
      rule.obsolete_bits |= tn_json_has (entry, "Bits");
    }
  for (guint i = 0; i < n_proto; i++)
    protocols[i] = json_array_get_int_element (proto, i);
  for (guint i = 0; i < n_grants; i++)
    {
      JsonObject *entry = json_array_get_object_element (grants, i);
      GArray *capabilities = g_array_new (FALSE, FALSE, sizeof (TnFilterCapability));
      GArray *prefixes = g_array_new (FALSE, FALSE, sizeof (TnIpPrefix));
      guint n_dsts, n_caps;
      g_autofree const char **dsts = read_strings (entry, "Dsts", &n_dsts);
      g_autofree const char **caps = read_strings (entry, "Caps", &n_caps);

      g_ptr_array_add (arrays, capabilities);
      g_ptr_array_add (arrays, prefixes);
      for (guint j = 0; j < n_dsts; j++)
        {
          TnIpPrefix prefix = read_prefix (dsts[j]);

          g_array_append_val (prefixes, prefix);
        }
      for (guint j = 0; j < n_caps; j++)
        {
          TnFilterCapability capability = { .name = caps[j] };

          g_array_append_val (capabilities, capability);
        }
      read_capability_map (tn_json_object (entry, "CapMap"), capabilities, owned);
      grant[i] = (TnFilterGrant) {
        .destinations = (const TnIpPrefix *) (gpointer) prefixes->data, .n_destinations = prefixes->len,
        .capabilities = (const TnFilterCapability *) (gpointer) capabilities->data, .n_capabilities = capabilities->len,
      };
    }

  rule.sources = sources;
  rule.n_sources = n_sources;
  rule.destinations = destinations;
  rule.n_destinations = n_dst;
  rule.protocols = protocols;
  rule.n_protocols = n_proto;
  rule.grants = grant;
  rule.n_grants = n_grants;
  return tn_filter_builder_add_rule (builder, &rule);
}

static void
add_node_capabilities (TnFilterBuilder *builder,
                       JsonObject      *caps)
{
  g_autoptr (GList) addresses = caps != NULL ? json_object_get_members (caps) : NULL;

  for (GList *l = addresses; l != NULL; l = l->next)
    {
      JsonArray *names = json_object_get_array_member (caps, l->data);
      g_autoptr (GPtrArray) held = g_ptr_array_new ();
      TnIpPrefix prefix = { 0 };

      g_assert_true (tn_ip_address_parse (l->data, &prefix.address));
      for (guint i = 0; i < json_array_get_length (names); i++)
        g_ptr_array_add (held, (gpointer) (guintptr) json_array_get_string_element (names, i));
      tn_filter_builder_add_holder (builder, &prefix, 1, (const char *const *) held->pdata, held->len);
    }
}

/* --- Steps --- */

static void
same_bool (Engine     *engine,
           const char *name,
           gboolean    actual,
           gboolean    expected)
{
  if (!actual != !expected)
    tn_vector_fail (engine->v, "step %u: %s is %d, expected %d", engine->step, name, actual, expected);
}

static void
step_filter (Engine     *engine,
             JsonObject *step)
{
  TnFilterBuilder *builder = tn_filter_builder_new ();
  guint n_rules, n;
  JsonArray *rules = array_member (step, "rules", &n_rules);
  g_autofree const char **local = read_strings (step, "local", &n);

  for (guint i = 0; i < n; i++)
    {
      TnIpPrefix prefix = read_prefix (local[i]);

      tn_filter_builder_add_local (builder, &prefix);
    }
  g_free (local);
  local = read_strings (step, "log", &n);
  for (guint i = 0; i < n; i++)
    {
      TnIpPrefix prefix = read_prefix (local[i]);

      tn_filter_builder_add_log (builder, &prefix);
    }
  for (guint i = 0; i < n_rules; i++)
    add_rule (builder, json_array_get_object_element (rules, i));
  add_node_capabilities (builder, tn_vector_object (engine->v, "caps"));
  tn_filter_builder_set_shields_up (builder, tn_json_bool (step, "shields_up"));
  same_bool (engine, "parse_error", tn_filter_builder_get_error (builder) != NULL, tn_json_bool (step, "parse_error"));
  same_bool (engine, "rules_dropped", tn_filter_builder_has_dropped_rules (builder), tn_json_bool (step, "rules_dropped"));

  g_clear_pointer (&engine->filter, tn_filter_unref);
  engine->filter = tn_filter_builder_end (builder);
  tn_filter_state_adopt (&engine->state, engine->filter);
}

static void
check_verdict (Engine          *engine,
               JsonObject      *step,
               TnFilterVerdict  verdict)
{
  const char *actual = tn_filter_reason_to_string (verdict.reason);
  const char *expected = tn_json_string (step, "reason");
  gboolean by_rule;

  same_bool (engine, "accepted", tn_filter_reason_accepts (verdict.reason),
             g_strcmp0 (tn_json_string (step, "verdict"), "accept") == 0);
  if (expected != NULL && g_strcmp0 (actual, expected) != 0)
    tn_vector_fail (engine->v, "step %u: reason %s, expected %s", engine->step, actual, expected);

  by_rule = verdict.reason == TN_FILTER_ICMP_RULE || verdict.reason == TN_FILTER_TCP_RULE || verdict.reason == TN_FILTER_RULE ||
            verdict.reason == TN_FILTER_OTHER_RULE;
  same_bool (engine, "has a rule", verdict.rule >= 0, by_rule);
}

static void
step_packet (Engine     *engine,
             JsonObject *step,
             gboolean    outbound)
{
  gsize len;
  g_autofree guint8 *bytes = tn_json_hex (step, "pkt", &len);
  TnFilterVerdict verdict;
  TnParsed packet;

  tn_parse (&packet, bytes, len);
  verdict = outbound ? tn_filter_out (engine->filter, &engine->state, &packet, engine->step)
                     : tn_filter_in (engine->filter, &engine->state, &packet, engine->step);
  check_verdict (engine, step, verdict);
  same_bool (engine, "log", tn_filter_may_log (engine->filter, &packet, verdict.reason, outbound), tn_json_bool (step, "log"));
}

static void
step_check (Engine     *engine,
            JsonObject *step)
{
  TnIpAddress src, dst;

  g_assert_true (tn_ip_address_parse (tn_json_string (step, "src"), &src));
  g_assert_true (tn_ip_address_parse (tn_json_string (step, "dst"), &dst));
  check_verdict (engine, step, tn_filter_check (engine->filter, &engine->state, &src, &dst, (guint16) tn_json_int (step, "port"),
                                                (guint8) tn_json_int (step, "proto"), engine->step));
}

static void
capability_cb (const char        *name,
               const char *const *values,
               gpointer           user_data)
{
  JsonObject *object = user_data;
  JsonArray *array;

  if (!json_object_has_member (object, name))
    json_object_set_array_member (object, name, json_array_new ());
  array = json_object_get_array_member (object, name);
  for (; *values != NULL; values++)
    json_array_add_element (array, json_from_string (*values, NULL));
}

static void
step_caps (Engine     *engine,
           JsonObject *step)
{
  g_autoptr (JsonNode) actual = json_node_init_object (json_node_alloc (), json_object_new ());
  g_autoptr (JsonNode) none = json_node_init_object (json_node_alloc (), json_object_new ());
  JsonNode *expected = tn_json_member (step, "caps");
  TnIpAddress src, dst;

  json_object_unref (json_node_get_object (actual));
  json_object_unref (json_node_get_object (none));
  g_assert_true (tn_ip_address_parse (tn_json_string (step, "src"), &src));
  g_assert_true (tn_ip_address_parse (tn_json_string (step, "dst"), &dst));
  tn_filter_foreach_capability (engine->filter, &src, &dst, capability_cb, json_node_get_object (actual));
  tn_vector_same_json (engine->v, "caps", actual, expected != NULL ? expected : none);
}

static void
run_step (Engine     *engine,
          JsonObject *step)
{
  const char *op = tn_json_string (step, "op");

  if (g_strcmp0 (op, "filter") == 0)
    step_filter (engine, step);
  else if (g_strcmp0 (op, "in") == 0)
    step_packet (engine, step, FALSE);
  else if (g_strcmp0 (op, "out") == 0)
    step_packet (engine, step, TRUE);
  else if (g_strcmp0 (op, "check") == 0)
    step_check (engine, step);
  else if (g_strcmp0 (op, "caps") == 0)
    step_caps (engine, step);
  else
    tn_vector_fail (engine->v, "step %u: no test knows op %s", engine->step, op);
}

static void
test_filter (TnVector *v)
{
  JsonArray *steps = tn_vector_array (v, "steps");
  Engine engine = { .v = v };

  tn_filter_state_init (&engine.state, TN_FLOW_TABLE_DEFAULT_CAPACITY, 0);
  for (guint i = 0; i < json_array_get_length (steps) && !v->failed; i++)
    {
      engine.step = i;
      run_step (&engine, json_array_get_object_element (steps, i));
    }
  tn_filter_state_clear (&engine.state);
  g_clear_pointer (&engine.filter, tn_filter_unref);
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = { { NULL, test_filter } };

  tn_vectors_run ("filter.jsonl", 300, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataplane/vectors/filter", test_vectors);
  return g_test_run ();
}
