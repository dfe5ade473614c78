/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tn-filter.h"
#include "tn-filter-text.h"
#include "tn-port-map.h"

static TnIpAddress
address (const char *text)
{
  TnIpAddress out;

  g_assert_true (tn_ip_address_parse (text, &out));
  return out;
}

static void
test_text (void)
{
  static const struct { const char *text; const char *prefixes; } cases[] = {
    { "*", "0.0.0.0/0 ::/0" },
    { "100.64.0.1", "100.64.0.1/32" },
    { "fe80::1%eth0", "fe80::1/128" },
    { "fe80::1%a-b-c", "fe80::1/128" },
    { "::ffff:1.2.3.4", "::ffff:1.2.3.4/128" },
    { "10.0.0.0/8", "10.0.0.0/8" },
    { "1.2.3.4-1.2.3.4", "1.2.3.4/32" },
    { "10.0.0.1-10.0.0.8", "10.0.0.1/32 10.0.0.2/31 10.0.0.4/30 10.0.0.8/32" },
    { "0.0.0.0-255.255.255.255", "0.0.0.0/0" },
    { "255.255.255.254-255.255.255.255", "255.255.255.254/31" },
    { "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0" },
    { "::-::ffff:ffff:ffff:ffff", "::/64" },
    { "::ffff:ffff:ffff:ffff-0:0:0:1::", "::ffff:ffff:ffff:ffff/128 0:0:0:1::/128" },
    { "fe80::%a-fe80::1%b", "fe80::/127" },
    { "", NULL }, { "any", NULL }, { "-", NULL }, { "1.2.3.4-", NULL }, { "-1.2.3.4", NULL }, { "1.2.3.5-1.2.3.4", NULL },
    { "1.2.3.4 - 1.2.3.5", NULL }, { "1.2.3.4-::1", NULL }, { "1.2.3.4-1.2.3.5-1.2.3.6", NULL }, { "10.0.0.1/8", NULL },
    { "1.2.3.4/33", NULL }, { "1.2.3.4/", NULL }, { "1.2.3.4/08", NULL }, { "01.2.3.4", NULL }, { " 1.2.3.4", NULL },
    { "1.2.3.4:80", NULL }, { "1.2.3.4%eth0", NULL }, { "fe80::1%", NULL }, { "fe80::1%eth-0", NULL }, { "fe80::%eth0/64", NULL },
    { "CAP:x", NULL }, { "**", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GArray) prefixes = g_array_new (FALSE, FALSE, sizeof (TnIpPrefix));
      g_auto (GStrv) expected = g_strsplit (cases[i].prefixes != NULL ? cases[i].prefixes : "", " ", -1);
      const char *capability;

      g_test_message ("%s", cases[i].text);
      g_assert_cmpint (tn_filter_text_parse (cases[i].text, prefixes, &capability), ==, cases[i].prefixes != NULL);
      g_assert_null (capability);
      if (cases[i].prefixes == NULL)
        {
          g_assert_cmpuint (prefixes->len, ==, 0);
          continue;
        }
      g_assert_cmpuint (prefixes->len, ==, g_strv_length (expected));
      for (guint j = 0; j < prefixes->len; j++)
        {
          TnIpPrefix prefix;

          g_assert_true (tn_ip_prefix_parse (expected[j], &prefix));
          g_assert_true (tn_ip_prefix_equal (&prefix, &g_array_index (prefixes, TnIpPrefix, j)));
        }
    }
}

static void
test_text_capability (void)
{
  g_autoptr (GArray) prefixes = g_array_new (FALSE, FALSE, sizeof (TnIpPrefix));
  const char *capability;

  g_assert_true (tn_filter_text_parse ("cap:https://example.com/x", prefixes, &capability));
  g_assert_cmpstr (capability, ==, "https://example.com/x");
  g_assert_true (tn_filter_text_parse ("cap:", prefixes, &capability));
  g_assert_cmpstr (capability, ==, "");
  g_assert_cmpuint (prefixes->len, ==, 0);
}

/* Any source, one destination. */
static gboolean
add_rule (TnFilterBuilder *builder,
          const char      *source,
          const char      *destination,
          guint16          first,
          guint16          last)
{
  const char *const sources[] = { source };
  TnFilterDestination destinations[] = { { destination, first, last } };
  TnFilterRule rule = { .sources = sources, .n_sources = 1, .destinations = destinations, .n_destinations = 1 };

  return tn_filter_builder_add_rule (builder, &rule);
}

static void
add_local (TnFilterBuilder *builder,
           const char      *text)
{
  TnIpPrefix prefix;

  g_assert_true (tn_ip_prefix_parse (text, &prefix));
  tn_filter_builder_add_local (builder, &prefix);
}

static TnFilterVerdict
check_tcp (const TnFilter *filter,
           const char     *src,
           const char     *dst,
           guint16         port)
{
  TnIpAddress from = address (src), to = address (dst);

  return tn_filter_check (filter, NULL, &from, &to, port, TN_PROTO_TCP, 0);
}

static void
test_errors (void)
{
  TnFilterBuilder *builder = tn_filter_builder_new ();
  g_autoptr (TnFilter) filter = NULL;

  add_local (builder, "100.64.0.1/32");
  g_assert_null (tn_filter_builder_get_error (builder));
  g_assert_false (add_rule (builder, "nobody", "*", 0, 65535));
  g_assert_nonnull (strstr (tn_filter_builder_get_error (builder), "nobody"));
  g_assert_false (add_rule (builder, "*", "cap:x", 0, 65535));
  g_assert_nonnull (strstr (tn_filter_builder_get_error (builder), "nobody"));      /* the first one stays */
  g_assert_true (add_rule (builder, "100.64.0.0/10", "100.64.0.1", 22, 22));
  g_assert_false (tn_filter_builder_has_dropped_rules (builder));

  /* What was refused takes nothing else with it, and numbers go on. */
  filter = tn_filter_builder_end (builder);
  g_assert_cmpint (check_tcp (filter, "100.64.0.9", "100.64.0.1", 22).rule, ==, 2);
  g_assert_cmpint (check_tcp (filter, "100.64.0.9", "100.64.0.1", 23).reason, ==, TN_FILTER_NO_RULE);
}

static void
test_obsolete_bits (void)
{
  TnFilterBuilder *builder = tn_filter_builder_new ();
  TnFilterRule obsolete = { .obsolete_bits = TRUE };
  g_autoptr (TnFilter) filter = NULL;

  add_local (builder, "100.64.0.1/32");
  g_assert_true (add_rule (builder, "*", "*", 0, 65535));
  g_assert_false (tn_filter_builder_add_rule (builder, &obsolete));
  g_assert_false (add_rule (builder, "*", "*", 0, 65535));
  g_assert_true (tn_filter_builder_has_dropped_rules (builder));
  filter = tn_filter_builder_end (builder);
  g_assert_cmpint (check_tcp (filter, "100.64.0.9", "100.64.0.1", 22).reason, ==, TN_FILTER_NO_RULE);
}

/* Ranges are many times as big as their text: of what would not end there is no filter. */
static void
test_many_ranges (void)
{
  static const char range[] = "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe";      /* 254 prefixes */

  for (guint n = 1000; n <= 2000; n += 1000)
    {
      g_autofree const char **sources = g_new (const char *, n);
      TnFilterDestination to = { .ip = "*", .last = 65535 };
      TnFilterRule rule = { .sources = sources, .n_sources = n, .destinations = &to, .n_destinations = 1 };
      TnFilterBuilder *builder = tn_filter_builder_new ();
      g_autoptr (TnFilter) filter = NULL;

      for (guint i = 0; i < n; i++)
        sources[i] = range;
      add_local (builder, "fd7a::1/128");
      g_assert_cmpint (tn_filter_builder_add_rule (builder, &rule), ==, n == 1000);
      g_assert_cmpint (tn_filter_builder_has_dropped_rules (builder), ==, n != 1000);
      g_assert_cmpint (tn_filter_builder_get_error (builder) != NULL, ==, n != 1000);
      filter = tn_filter_builder_end (builder);
      g_assert_cmpint (check_tcp (filter, "fd7a::9", "fd7a::1", 22).reason, ==, n == 1000 ? TN_FILTER_TCP_RULE : TN_FILTER_NO_RULE);
    }
}

/* Overlap of any kind, in either direction, of a source of a rule that lets something in. */
static void
test_unlocked (void)
{
  static const struct { const char *source, *unlocked; gboolean refused; } cases[] = {
    { "*", "100.64.0.9/32", TRUE },
    { "100.64.0.9", "100.64.0.9/32", TRUE },
    { "100.64.0.8-100.64.0.10", "100.64.0.9/32", TRUE },
    { "100.64.0.8/29", "100.64.0.9/32", TRUE },
    { "100.64.0.8", "100.64.0.9/32", FALSE },
    { "100.64.0.9", "100.64.0.0/24", TRUE },
    { "100.64.1.0", "100.64.0.0/24", FALSE },
    { "fd7a::9", "fd7a::/16", TRUE },
    { "fd7a::9", "100.64.0.9/32", FALSE },
    { "100.64.0.9", "::ffff:100.64.0.9/32", TRUE },      /* routed as IPv4 */
    { "cap:example.test/cap", "100.64.0.9/32", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      TnFilterBuilder *builder = tn_filter_builder_new ();
      g_autoptr (TnFilter) filter = NULL;
      TnIpPrefix prefix;

      g_test_message ("%s, %s", cases[i].source, cases[i].unlocked);
      add_local (builder, "100.64.0.1/32");
      g_assert_true (add_rule (builder, "100.64.3.5", "*", 0, 65535));
      g_assert_true (add_rule (builder, cases[i].source, "*", 0, 65535));
      g_assert_true (tn_filter_builder_check_unlocked (builder));
      g_assert_true (tn_ip_prefix_parse (cases[i].unlocked, &prefix));
      tn_filter_builder_add_unlocked (builder, &prefix);
      g_assert_cmpint (tn_filter_builder_check_unlocked (builder), ==, !cases[i].refused);
      g_assert_cmpint (tn_filter_builder_get_error (builder) != NULL, ==, cases[i].refused);
      filter = tn_filter_builder_end (builder);
      g_assert_cmpint (check_tcp (filter, "100.64.3.5", "100.64.0.1", 22).reason, ==,
                       cases[i].refused ? TN_FILTER_NO_RULE : TN_FILTER_TCP_RULE);
    }
}

/* A rule without destinations lets nobody in, such as one that grants capabilities of programs. */
static void
test_unlocked_without_destination (void)
{
  static const char *const sources[] = { "*" };
  static const TnFilterRule rule = { .sources = sources, .n_sources = 1 };
  TnFilterBuilder *builder = tn_filter_builder_new ();
  g_autoptr (TnFilter) filter = NULL;
  TnIpPrefix prefix;

  g_assert_true (add_rule (builder, "100.64.0.5", "*", 0, 65535));
  g_assert_true (tn_filter_builder_add_rule (builder, &rule));
  g_assert_true (add_rule (builder, "100.64.0.6", "*", 0, 65535));
  g_assert_true (tn_ip_prefix_parse ("100.64.0.9/32", &prefix));
  tn_filter_builder_add_unlocked (builder, &prefix);
  g_assert_true (tn_filter_builder_check_unlocked (builder));
  filter = tn_filter_builder_end (builder);
}

static void
test_first_rule_decides (void)
{
  TnFilterBuilder *builder = tn_filter_builder_new ();
  g_autoptr (TnFilter) filter = NULL;

  add_local (builder, "100.64.0.0/10");
  for (guint i = 0; i < 5000; i++)
    add_rule (builder, "10.0.0.1", "100.64.0.1", 80, 80);
  add_rule (builder, "100.64.0.9", "100.64.0.1", 80, 80);       /* 5000 */
  add_rule (builder, "100.64.0.0/10", "100.64.0.0/24", 0, 65535);
  add_rule (builder, "*", "*", 1, 1024);
  filter = tn_filter_builder_end (builder);

  g_assert_cmpint (check_tcp (filter, "100.64.0.9", "100.64.0.1", 80).rule, ==, 5000);
  g_assert_cmpint (check_tcp (filter, "100.64.0.8", "100.64.0.1", 80).rule, ==, 5001);
  g_assert_cmpint (check_tcp (filter, "10.0.0.1", "100.64.0.1", 80).rule, ==, 0);
  g_assert_cmpint (check_tcp (filter, "10.0.0.1", "100.64.0.2", 80).rule, ==, 5002);
  g_assert_cmpint (check_tcp (filter, "10.0.0.1", "100.64.0.2", 8080).rule, ==, TN_FILTER_NO_RULE_INDEX);
}

static TnParsed
udp (const char *src,
     guint16     src_port,
     const char *dst,
     guint16     dst_port)
{
  TnIpAddress from = address (src), to = address (dst);

  return (TnParsed) { .len = 28, .version = from.version, .proto = TN_PROTO_UDP, .src = from, .dst = to,
                      .src_port = src_port, .dst_port = dst_port };
}

static TnFilter *
filter_for_state (gboolean shields_up)
{
  TnFilterBuilder *builder = tn_filter_builder_new ();

  add_local (builder, "100.64.0.1/32");
  add_rule (builder, "100.64.0.9", "100.64.0.1", 22, 22);
  tn_filter_builder_set_shields_up (builder, shields_up);
  return tn_filter_builder_end (builder);
}

static void
test_flows_go_on (void)
{
  g_autoptr (TnFilter) normal = filter_for_state (FALSE);
  g_autoptr (TnFilter) other = filter_for_state (FALSE);
  g_autoptr (TnFilter) shields_up = filter_for_state (TRUE);
  g_auto (TnFilterState) state = { 0 };
  TnParsed query = udp ("100.64.0.1", 4000, "100.64.0.2", 53);
  TnParsed answer = udp ("100.64.0.2", 53, "100.64.0.1", 4000);

  tn_filter_state_init (&state, 16, 0);
  tn_filter_state_adopt (&state, normal);
  g_assert_cmpint (tn_filter_in (normal, &state, &answer, 0).reason, ==, TN_FILTER_NO_RULE);
  g_assert_cmpint (tn_filter_out (normal, &state, &query, 0).reason, ==, TN_FILTER_OUT);
  g_assert_cmpint (tn_filter_in (normal, &state, &answer, 0).reason, ==, TN_FILTER_FLOW_CACHED);
  g_assert_cmpint (tn_filter_in (normal, NULL, &answer, 0).reason, ==, TN_FILTER_NO_RULE);

  tn_filter_state_adopt (&state, other);
  g_assert_cmpint (tn_filter_in (other, &state, &answer, 0).reason, ==, TN_FILTER_FLOW_CACHED);

  /* Shields go up: what was open closes. */
  tn_filter_state_adopt (&state, shields_up);
  g_assert_cmpint (tn_filter_in (shields_up, &state, &answer, 0).reason, ==, TN_FILTER_NO_RULE);
  g_assert_cmpint (check_tcp (shields_up, "100.64.0.9", "100.64.0.1", 22).reason, ==, TN_FILTER_NO_RULE);
  g_assert_cmpint (tn_filter_out (shields_up, &state, &query, 0).reason, ==, TN_FILTER_OUT);
  tn_filter_state_adopt (&state, shields_up);
  g_assert_cmpint (tn_filter_in (shields_up, &state, &answer, 0).reason, ==, TN_FILTER_FLOW_CACHED);

  tn_filter_state_adopt (&state, normal);
  g_assert_cmpint (tn_filter_in (normal, &state, &answer, 0).reason, ==, TN_FILTER_FLOW_CACHED);
}

static void
collect_cb (const char        *name,
            const char *const *values,
            gpointer           user_data)
{
  GString *text = user_data;

  g_string_append_printf (text, "%s=", name);
  for (gsize i = 0; values[i] != NULL; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? "," : "", values[i]);
  g_string_append_c (text, ';');
}

static char *
capabilities (const TnFilter *filter,
              const char     *src,
              const char     *dst)
{
  GString *text = g_string_new (NULL);
  TnIpAddress from = address (src), to = address (dst);

  tn_filter_foreach_capability (filter, &from, &to, collect_cb, text);
  return g_string_free (text, FALSE);
}

static void
test_capabilities (void)
{
  TnFilterBuilder *builder = tn_filter_builder_new ();
  g_autoptr (TnFilter) filter = NULL;
  const char *const narrow[] = { "100.64.0.9", "cap:x" };
  const char *const wide[] = { "*" };
  const char *const one[] = { "1", "2", NULL };
  const char *const two[] = { "{}", NULL };
  TnFilterCapability first[] = { { "a", one }, { "", NULL } };
  TnFilterCapability second[] = { { "a", two }, { "b", NULL } };
  TnIpPrefix dst = { .address = address ("100.64.0.0"), .bits = 10 };
  TnFilterGrant grants[] = { { &dst, 1, first, 2 }, { &dst, 1, second, 2 } };
  TnFilterRule rules[] = {
    { .sources = narrow, .n_sources = 2, .grants = &grants[0], .n_grants = 1 },
    { .sources = wide, .n_sources = 1, .grants = &grants[1], .n_grants = 1 },
  };
  g_autofree char *both = NULL, *second_only = NULL, *none = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++)
    g_assert_true (tn_filter_builder_add_rule (builder, &rules[i]));
  filter = tn_filter_builder_end (builder);

  both = capabilities (filter, "100.64.0.9", "100.64.0.1");
  second_only = capabilities (filter, "100.64.0.8", "100.64.0.1");
  none = capabilities (filter, "100.64.0.9", "10.0.0.1");
  g_assert_cmpstr (both, ==, "a=1,2;a={};b=;");
  g_assert_cmpstr (second_only, ==, "a={};b=;");
  g_assert_cmpstr (none, ==, "");
}

static void
test_capability_sources (void)
{
  TnFilterBuilder *builder = tn_filter_builder_new ();
  TnIpAddress holder = address ("100.64.0.9"), stranger = address ("100.64.0.8"), self = address ("100.64.0.1");
  const TnIpPrefix place = { .address = holder };
  const char *const names[] = { "admin", "", "unnamed" };
  g_autoptr (TnFilter) filter = NULL;

  add_local (builder, "100.64.0.1/32");
  add_rule (builder, "cap:", "*", 0, 65535);
  add_rule (builder, "cap:admin", "100.64.0.1", 22, 22);
  tn_filter_builder_add_holder (builder, &place, 1, names, G_N_ELEMENTS (names));
  filter = tn_filter_builder_end (builder);

  g_assert_true (tn_filter_uses_capabilities (filter));
  g_assert_cmpint (check_tcp (filter, "100.64.0.9", "100.64.0.1", 22).rule, ==, 1);
  g_assert_cmpint (check_tcp (filter, "100.64.0.9", "100.64.0.1", 23).reason, ==, TN_FILTER_NO_RULE);
  g_assert_cmpint (check_tcp (filter, "100.64.0.8", "100.64.0.1", 22).reason, ==, TN_FILTER_NO_RULE);
  g_assert_cmpint (tn_filter_check (filter, NULL, &holder, &self, 0, TN_PROTO_ICMP4, 0).reason, ==, TN_FILTER_ICMP_RULE);
  g_assert_cmpint (tn_filter_check (filter, NULL, &stranger, &self, 0, TN_PROTO_ICMP4, 0).reason, ==, TN_FILTER_NO_RULE);
}

/* A node's names and addresses, and a grant's destinations and capabilities, as many of each as make a short message: their product
 * would be hundreds of millions. */
#define N_EACH 20000

static void
test_no_products (void)
{
  TnFilterBuilder *builder = tn_filter_builder_new ();
  g_autofree TnIpPrefix *prefixes = g_new0 (TnIpPrefix, N_EACH);
  g_autofree TnFilterCapability *granted = g_new0 (TnFilterCapability, N_EACH);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *const sources[] = { "100.64.0.9" };
  TnFilterGrant grant = { prefixes, N_EACH, granted, N_EACH };
  TnFilterRule rule = { .sources = sources, .n_sources = 1, .grants = &grant, .n_grants = 1 };
  TnIpAddress from = address ("100.64.0.9"), first = address ("100.80.0.0"), to;
  g_autoptr (TnFilter) filter = NULL;
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < N_EACH; i++)
    {
      g_autofree char *source = g_strdup_printf ("cap:c%u", i);

      prefixes[i] = (TnIpPrefix) { .address = first, .bits = 32 };
      prefixes[i].address.bytes[2] = (guint8) (i >> 8);
      prefixes[i].address.bytes[3] = (guint8) i;
      g_ptr_array_add (names, g_strdup_printf ("c%u", i));
      granted[i].name = names->pdata[i];
      add_rule (builder, source, "100.64.0.1", 22, 22);
    }
  g_assert_true (tn_filter_builder_add_rule (builder, &rule));
  tn_filter_builder_add_holder (builder, prefixes, N_EACH, (const char *const *) names->pdata, N_EACH);
  add_local (builder, "100.64.0.1/32");
  filter = tn_filter_builder_end (builder);

  to = prefixes[N_EACH - 1].address;
  tn_filter_foreach_capability (filter, &from, &to, collect_cb, text);
  g_assert_true (g_str_has_prefix (text->str, "c0=;c1=;"));
  g_assert_true (g_str_has_suffix (text->str, "c19999=;"));
  g_assert_cmpint (check_tcp (filter, "100.80.0.7", "100.64.0.1", 22).rule, ==, 0);
}

/* Two nodes with one address: either's capabilities count for it, and for their own addresses only their own. */
static void
test_shared_address (void)
{
  TnFilterBuilder *builder = tn_filter_builder_new ();
  const TnIpPrefix one[] = { { .address = address ("100.64.0.7") }, { .address = address ("100.64.0.8") } };
  const TnIpPrefix two[] = { { .address = address ("100.64.0.8") }, { .address = address ("100.64.0.9") } };
  const char *const a[] = { "a" }, *const b[] = { "b" };
  g_autoptr (TnFilter) filter = NULL;

  add_local (builder, "100.64.0.1/32");
  add_rule (builder, "cap:a", "100.64.0.1", 22, 22);
  add_rule (builder, "cap:b", "100.64.0.1", 23, 23);
  tn_filter_builder_add_holder (builder, one, 2, a, 1);
  tn_filter_builder_add_holder (builder, two, 2, b, 1);
  filter = tn_filter_builder_end (builder);

  g_assert_cmpint (check_tcp (filter, "100.64.0.7", "100.64.0.1", 22).rule, ==, 0);
  g_assert_cmpint (check_tcp (filter, "100.64.0.7", "100.64.0.1", 23).reason, ==, TN_FILTER_NO_RULE);
  g_assert_cmpint (check_tcp (filter, "100.64.0.8", "100.64.0.1", 22).rule, ==, 0);
  g_assert_cmpint (check_tcp (filter, "100.64.0.8", "100.64.0.1", 23).rule, ==, 1);
  g_assert_cmpint (check_tcp (filter, "100.64.0.9", "100.64.0.1", 22).reason, ==, TN_FILTER_NO_RULE);
  g_assert_cmpint (check_tcp (filter, "100.64.0.9", "100.64.0.1", 23).rule, ==, 1);
}

/* Blocks around a port, against the ranges one by one. */
static void
test_port_map (void)
{
  for (guint32 seed = 0; seed < 60; seed++)
    {
      g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
      gsize n = (gsize) g_rand_int_range (rand, 1, seed % 2 == 0 ? 6 : 200);
      g_autofree TnPortRange *ranges = g_new0 (TnPortRange, n);
      g_autoptr (TnPortMap) map = NULL;

      for (gsize i = 0; i < n; i++)
        {
          guint16 first = (guint16) g_rand_int (rand), len = (guint16) (g_rand_int (rand) >> g_rand_int_range (rand, 16, 32));

          ranges[i] = (TnPortRange) { first, (guint16) MIN (65535, (guint) first + len), (guint32) i };
        }
      map = tn_port_map_new (ranges, n);
      for (guint k = 0; k < 3000; k++)
        {
          guint16 port = k < n ? (k % 2 == 0 ? ranges[k].first : ranges[k].last) : (guint16) g_rand_int (rand);
          g_autoptr (GArray) rules = g_array_new (FALSE, FALSE, sizeof (guint32));
          guint n_expected = 0;

          for (const TnPortBlock *block = tn_port_map_lookup (map, port); block != NULL; block = block->parent)
            tn_rule_set_append_to (block->rules, rules);
          for (gsize i = 0; i < n; i++)
            n_expected += ranges[i].first <= port && port <= ranges[i].last;
          g_assert_cmpuint (rules->len, ==, n_expected);
          for (guint i = 0; i < rules->len; i++)
            {
              const TnPortRange *range = &ranges[g_array_index (rules, guint32, i)];

              g_assert_true (range->first <= port && port <= range->last);
            }
        }
    }
}

static void
test_port_map_empty (void)
{
  TnPortRange backwards = { 10, 9, 0 };

  g_assert_null (tn_port_map_new (&backwards, 1));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataplane/filter/text", test_text);
  g_test_add_func ("/dataplane/filter/text-capability", test_text_capability);
  g_test_add_func ("/dataplane/filter/errors", test_errors);
  g_test_add_func ("/dataplane/filter/obsolete-bits", test_obsolete_bits);
  g_test_add_func ("/dataplane/filter/many-ranges", test_many_ranges);
  g_test_add_func ("/dataplane/filter/unlocked", test_unlocked);
  g_test_add_func ("/dataplane/filter/unlocked-without-destination", test_unlocked_without_destination);
  g_test_add_func ("/dataplane/filter/first-rule-decides", test_first_rule_decides);
  g_test_add_func ("/dataplane/filter/flows-go-on", test_flows_go_on);
  g_test_add_func ("/dataplane/filter/capabilities", test_capabilities);
  g_test_add_func ("/dataplane/filter/capability-sources", test_capability_sources);
  g_test_add_func ("/dataplane/filter/shared-address", test_shared_address);
  g_test_add_func ("/dataplane/filter/no-products", test_no_products);
  g_test_add_func ("/dataplane/port-map/like-ranges", test_port_map);
  g_test_add_func ("/dataplane/port-map/empty", test_port_map_empty);
  return g_test_run ();
}
