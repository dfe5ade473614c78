/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/fib_rules.h>

#include "tn-linux-state.h"

static TnIpPrefix
prefix (const char *text)
{
  TnIpPrefix parsed;

  g_assert_true (tn_ip_prefix_parse (text, &parsed));
  return parsed;
}

static GArray *
parse_routes (const char *text,
              guint32     index)
{
  GArray *routes = g_array_new (FALSE, TRUE, sizeof (TnLinuxRoute));
  g_auto (GStrv) words = g_strsplit (text, " ", -1);

  for (guint i = 0; words[i] != NULL; i++)
    if (*words[i] != '\0')
      {
        TnLinuxRoute route = { .prefix = prefix (words[i]), .index = index, .table = TN_LINUX_TABLE, .protocol = TN_LINUX_PROTOCOL };

        g_array_append_val (routes, route);
      }
  return routes;
}

static char *
print_routes (GArray *routes)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < routes->len; i++)
    {
      char one[TN_IP_PREFIX_TEXT_MAX];

      tn_ip_prefix_print (&g_array_index (routes, TnLinuxRoute, i).prefix, one);
      g_string_append_printf (text, "%s%s", i > 0 ? " " : "", one);
    }
  return g_string_free (text, FALSE);
}

static void
test_diff (void)
{
  static const struct { const char *have, *want, *missing, *extra; } cases[] = {
    { "", "", "", "" },
    { "", "0.0.0.0/0 10.1.0.0/16 ::/0 10.1.2.0/24", "10.1.2.0/24 10.1.0.0/16 0.0.0.0/0 ::/0", "" },
    { "10.1.0.0/16 ::/0", "", "", "10.1.0.0/16 ::/0" },
    { "10.1.0.0/16 10.2.0.0/16", "10.2.0.0/16 10.3.0.0/16", "10.3.0.0/16", "10.1.0.0/16" },
    { "10.1.0.0/16", "10.1.0.0/17", "10.1.0.0/17", "10.1.0.0/16" },
    { "10.1.0.0/16 10.1.0.0/16", "10.1.0.0/16 10.1.0.0/16 10.1.0.0/16", "", "" },
    { "", "10.1.0.0/16 10.1.0.0/16", "10.1.0.0/16", "" },
    { "fd00::/64 10.0.0.0/8", "10.0.0.0/8 fd00::/64 fd01::/64", "fd01::/64", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GArray) have = parse_routes (cases[i].have, 2);
      g_autoptr (GArray) want = parse_routes (cases[i].want, 2);
      g_autoptr (GArray) missing = parse_routes ("", 0);
      g_autoptr (GArray) extra = parse_routes ("", 0);
      g_autofree char *missing_text = NULL;
      g_autofree char *extra_text = NULL;

      tn_linux_diff (have, want, tn_linux_route_compare, missing, extra);
      missing_text = print_routes (missing);
      extra_text = print_routes (extra);
      g_assert_cmpstr (missing_text, ==, cases[i].missing);
      g_assert_cmpstr (extra_text, ==, cases[i].extra);
    }
}

/* The same destination through another interface is another route. */
static void
test_diff_index (void)
{
  g_autoptr (GArray) have = parse_routes ("10.1.0.0/16", 2);
  g_autoptr (GArray) want = parse_routes ("10.1.0.0/16", 3);
  g_autoptr (GArray) missing = parse_routes ("", 0);
  g_autoptr (GArray) extra = parse_routes ("", 0);

  tn_linux_diff (have, want, tn_linux_route_compare, missing, extra);
  g_assert_cmpuint (missing->len, ==, 1);
  g_assert_cmpuint (extra->len, ==, 1);
  g_assert_cmpuint (g_array_index (missing, TnLinuxRoute, 0).index, ==, 3);
}

static void
test_config (void)
{
  const TnIpPrefix addresses[] = { prefix ("100.64.0.1/32"), prefix ("fd7a:115c:a1e0::1/128") };
  const TnIpPrefix routes[] = { prefix ("10.1.2.3/16"), prefix ("::/0") };
  const TnRouterConfig config = { "tn0", addresses, 2, routes, 2 };
  const TnRouterConfig empty = { "tn0", NULL, 0, NULL, 0 };
  g_autoptr (TnLinuxState) both = tn_linux_state_new_for_config (&config, 7, TRUE);
  g_autoptr (TnLinuxState) ipv4 = tn_linux_state_new_for_config (&config, 7, FALSE);
  g_autoptr (TnLinuxState) none = tn_linux_state_new_for_config (&empty, 7, TRUE);

  g_assert_cmpuint (both->addresses->len, ==, 2);
  g_assert_cmpuint (both->rules->len, ==, 8);
  g_assert_cmpuint (both->routes->len, ==, 2);
  g_assert_true (tn_ip_prefix_is_masked (&g_array_index (both->routes, TnLinuxRoute, 0).prefix));
  g_assert_cmpuint (g_array_index (both->routes, TnLinuxRoute, 0).index, ==, 7);
  g_assert_cmpuint (ipv4->addresses->len, ==, 1);
  g_assert_cmpuint (ipv4->rules->len, ==, 4);
  g_assert_cmpuint (ipv4->routes->len, ==, 1);
  g_assert_cmpuint (none->addresses->len + none->rules->len + none->routes->len, ==, 0);
  g_assert_true (tn_router_config_has_ipv6 (&config));
  g_assert_false (tn_router_config_has_ipv6 (&empty));
}

static void
test_foreign (void)
{
  static const struct { guint32 priority; guint8 protocol; guint32 table; guint8 route_protocol; gboolean ok; } cases[] = {
    { 5210, TN_LINUX_PROTOCOL, 52, TN_LINUX_PROTOCOL, TRUE },
    { 5210, 0, 52, TN_LINUX_PROTOCOL, FALSE },
    { 5211, 0, 52, TN_LINUX_PROTOCOL, TRUE },
    { 5270, 3, 52, TN_LINUX_PROTOCOL, FALSE },
    { 5270, TN_LINUX_PROTOCOL, 52, 3, FALSE },
    { 5270, TN_LINUX_PROTOCOL, 53, 3, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const TnLinuxRule rule = { .version = 4, .priority = cases[i].priority, .protocol = cases[i].protocol };
      const TnLinuxRoute route = { .prefix = prefix ("10.0.0.0/8"), .table = cases[i].table, .protocol = cases[i].route_protocol };
      g_autoptr (TnLinuxState) state = tn_linux_state_new ();
      g_autoptr (GError) error = NULL;

      g_array_append_val (state->rules, rule);
      g_array_append_val (state->routes, route);
      g_assert_cmpint (tn_linux_state_check_foreign (state, &error), ==, cases[i].ok);
      if (!cases[i].ok)
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);

      tn_linux_state_drop_foreign (state);
      g_assert_cmpuint (state->rules->len, ==, cases[i].protocol == TN_LINUX_PROTOCOL);
      g_assert_cmpuint (state->routes->len, ==, cases[i].route_protocol == TN_LINUX_PROTOCOL);
    }
}

/* What was written is read back as it was. */
static void
test_round_trip (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  TnNlBatch batch = { .bytes = bytes, .first_seq = 7 };
  const TnLinuxAddress address = { .prefix = prefix ("fd7a:115c:a1e0::1/128"), .index = 3 };
  const TnLinuxRoute route = { .prefix = prefix ("10.1.0.0/16"), .index = 3, .table = 1052, .metric = 5, .type = 1 };
  const TnLinuxRule rule = { .version = 6, .action = FR_ACT_TO_TBL, .priority = 5210, .mark = 0x80000, .mask = 0xff0000, .table = 254 };
  TnLinuxAddress address_read;
  TnLinuxRoute route_read;
  TnLinuxRule rule_read;
  TnNlMessage message;
  TnReader r;

  tn_linux_address_write (&batch, &address, TRUE);
  tn_linux_route_write (&batch, &route, TRUE);
  tn_linux_rule_write (&batch, &rule, TRUE);
  g_assert_cmpuint (batch.n, ==, 3);
  r = TN_READER_INIT (bytes->data, bytes->len);
  g_assert_true (tn_nl_message_next (&r, &message));
  g_assert_cmpuint (message.seq, ==, 7);
  g_assert_true (tn_linux_address_parse (&message, &address_read));
  g_assert_false (tn_linux_route_parse (&message, &route_read));
  g_assert_cmpint (tn_linux_address_compare (&address, &address_read), ==, 0);
  g_assert_cmpuint (address_read.protocol, ==, TN_LINUX_PROTOCOL);
  g_assert_true (tn_nl_message_next (&r, &message));
  g_assert_true (tn_linux_route_parse (&message, &route_read));
  g_assert_cmpint (tn_linux_route_compare (&route, &route_read), ==, 0);
  g_assert_cmpuint (route_read.table, ==, 1052);
  g_assert_true (tn_nl_message_next (&r, &message));
  g_assert_true (tn_linux_rule_parse (&message, &rule_read));
  g_assert_cmpint (tn_linux_rule_compare (&rule, &rule_read), ==, 0);
  g_assert_cmpuint (rule_read.protocol, ==, TN_LINUX_PROTOCOL);
  g_assert_false (tn_nl_message_next (&r, &message));
  g_assert_cmpuint (r.left, ==, 0);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/router/state/diff", test_diff);
  g_test_add_func ("/router/state/diff-index", test_diff_index);
  g_test_add_func ("/router/state/config", test_config);
  g_test_add_func ("/router/state/foreign", test_foreign);
  g_test_add_func ("/router/state/round-trip", test_round_trip);
  return g_test_run ();
}
