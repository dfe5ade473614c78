/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tn-ip.h"

static void
test_address (void)
{
  static const struct { const char *text; const char *printed; guint version; } cases[] = {
    { "100.64.0.1", "100.64.0.1", 4 }, { "255.255.255.255", "255.255.255.255", 4 }, { "0.0.0.0", "0.0.0.0", 4 },
    { "::", "::", 6 }, { "FD7A:115C:A1E0:0:0::1", "fd7a:115c:a1e0::1", 6 }, { "::ffff:1.2.3.4", "::ffff:1.2.3.4", 6 },
    { "", NULL, 0 }, { "1.2.3", NULL, 0 }, { "1.2.3.4.5", NULL, 0 }, { "01.2.3.4", NULL, 0 }, { "256.1.1.1", NULL, 0 },
    { " 1.2.3.4", NULL, 0 }, { "1.2.3.4 ", NULL, 0 }, { "fe80::1%eth0", NULL, 0 }, { ":::", NULL, 0 }, { "1:2:3:4:5:6:7", NULL, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      char printed[TN_IP_ADDRESS_TEXT_MAX];
      TnIpAddress address;

      g_assert_cmpint (tn_ip_address_parse (cases[i].text, &address), ==, cases[i].printed != NULL);
      if (cases[i].printed == NULL)
        continue;
      tn_ip_address_print (&address, printed);
      g_assert_cmpstr (printed, ==, cases[i].printed);
      g_assert_cmpuint (address.version, ==, cases[i].version);
    }
}

static void
test_prefix (void)
{
  static const struct { const char *text; gboolean ok; gboolean masked; } cases[] = {
    { "10.0.0.0/8", TRUE, TRUE }, { "10.0.0.1/8", TRUE, FALSE }, { "0.0.0.0/0", TRUE, TRUE }, { "1.2.3.4/32", TRUE, TRUE },
    { "fd7a:115c:a1e0::/48", TRUE, TRUE }, { "::/0", TRUE, TRUE }, { "fd7a::1/127", TRUE, FALSE }, { "fd7a::1/128", TRUE, TRUE },
    { "10.0.0.0", FALSE, FALSE }, { "10.0.0.0/", FALSE, FALSE }, { "10.0.0.0/33", FALSE, FALSE }, { "10.0.0.0/08", FALSE, FALSE },
    { "10.0.0.0/+8", FALSE, FALSE }, { "::/129", FALSE, FALSE }, { "::/1280", FALSE, FALSE }, { "/8", FALSE, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      char printed[TN_IP_PREFIX_TEXT_MAX];
      TnIpPrefix prefix;

      g_assert_cmpint (tn_ip_prefix_parse (cases[i].text, &prefix), ==, cases[i].ok);
      if (!cases[i].ok)
        continue;
      tn_ip_prefix_print (&prefix, printed);
      g_assert_cmpstr (printed, ==, cases[i].text);
      g_assert_cmpint (tn_ip_prefix_is_masked (&prefix), ==, cases[i].masked);
    }
}

static void
test_contains (void)
{
  static const struct { const char *prefix, *address; gboolean inside; } cases[] = {
    { "100.64.0.0/10", "100.64.0.0", TRUE }, { "100.64.0.0/10", "100.127.255.255", TRUE }, { "100.64.0.0/10", "100.128.0.0", FALSE },
    { "100.64.0.0/10", "100.63.255.255", FALSE }, { "0.0.0.0/0", "8.8.8.8", TRUE }, { "0.0.0.0/0", "::", FALSE },
    { "1.2.3.4/32", "1.2.3.4", TRUE }, { "1.2.3.4/32", "1.2.3.5", FALSE }, { "fd7a:115c:a1e0::/48", "fd7a:115c:a1e0:ffff::1", TRUE },
    { "fd7a:115c:a1e0::/48", "fd7a:115c:a1e1::1", FALSE }, { "::/0", "::1", TRUE }, { "::1/128", "::1", TRUE },
    { "10.9.9.9/8", "10.1.1.1", TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      TnIpPrefix prefix, masked;
      TnIpAddress address;

      g_assert_true (tn_ip_prefix_parse (cases[i].prefix, &prefix));
      g_assert_true (tn_ip_address_parse (cases[i].address, &address));
      masked = tn_ip_prefix_mask (&prefix);
      g_assert_cmpint (tn_ip_prefix_contains (&prefix, &address), ==, cases[i].inside);
      g_assert_cmpint (tn_ip_prefix_contains (&masked, &address), ==, cases[i].inside);
    }
}

static void
test_endpoint (void)
{
  static const struct { const char *text; gboolean ok; } cases[] = {
    { "1.2.3.4:5", TRUE }, { "[::1]:65535", TRUE }, { "0.0.0.0:0", TRUE },
    { "1.2.3.4", FALSE }, { "1.2.3.4:", FALSE }, { "1.2.3.4:65536", FALSE }, { "1.2.3.4:123456", FALSE }, { "::1:5", FALSE },
    { "[1.2.3.4]:5", FALSE }, { "[::1:5", FALSE }, { "[]:5", FALSE }, { ":5", FALSE }, { "1.2.3.4:-5", FALSE }, { "[::1]", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      char printed[TN_IP_ENDPOINT_TEXT_MAX];
      TnIpEndpoint endpoint;

      g_assert_cmpint (tn_ip_endpoint_parse (cases[i].text, &endpoint), ==, cases[i].ok);
      if (!cases[i].ok)
        continue;
      tn_ip_endpoint_print (&endpoint, printed);
      g_assert_cmpstr (printed, ==, cases[i].text);
    }
}

static void
test_order (void)
{
  static const char *const ascending[] = { "1.2.3.4", "1.2.3.5", "100.64.0.1", "::", "::1", "fd7a::" };
  TnIpAddress addresses[G_N_ELEMENTS (ascending)];

  for (gsize i = 0; i < G_N_ELEMENTS (ascending); i++)
    g_assert_true (tn_ip_address_parse (ascending[i], &addresses[i]));
  for (gsize i = 0; i < G_N_ELEMENTS (ascending); i++)
    for (gsize j = 0; j < G_N_ELEMENTS (ascending); j++)
      {
        int order = tn_ip_address_compare (&addresses[i], &addresses[j]);

        g_assert_cmpint ((order > 0) - (order < 0), ==, (i > j) - (i < j));
        g_assert_cmpint (tn_ip_address_equal (&addresses[i], &addresses[j]), ==, i == j);
        g_assert_cmpint (tn_ip_address_hash (&addresses[i]) == tn_ip_address_hash (&addresses[j]), ==, i == j);
      }
}

static void
test_inet (void)
{
  static const char *const texts[] = { "192.0.2.1", "2001:db8::1" };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GInetAddress) inet = NULL;
      g_autofree char *printed = NULL;
      TnIpAddress address, back;

      g_assert_true (tn_ip_address_parse (texts[i], &address));
      inet = tn_ip_address_to_inet (&address);
      printed = g_inet_address_to_string (inet);
      g_assert_cmpstr (printed, ==, texts[i]);
      back = tn_ip_address_from_inet (inet);
      g_assert_true (tn_ip_address_equal (&address, &back));
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/util/ip/address", test_address);
  g_test_add_func ("/util/ip/prefix", test_prefix);
  g_test_add_func ("/util/ip/contains", test_contains);
  g_test_add_func ("/util/ip/endpoint", test_endpoint);
  g_test_add_func ("/util/ip/order", test_order);
  g_test_add_func ("/util/ip/inet", test_inet);
  return g_test_run ();
}
