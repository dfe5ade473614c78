/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tn-own-addresses.h"

typedef struct
{
  const char *interface;
  const char *prefix;
  gboolean    down;
} Line;

static void
check (const Line *lines,
       guint       n,
       const char *expected)
{
  g_autofree TnInterfaceAddress *addresses = g_new0 (TnInterfaceAddress, n);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GArray) chosen = NULL;

  for (guint i = 0; i < n; i++)
    {
      TnIpPrefix prefix;

      g_assert_true (tn_ip_prefix_parse (lines[i].prefix, &prefix));
      addresses[i] = (TnInterfaceAddress) {
        .interface = lines[i].interface, .address = prefix.address, .bits = prefix.bits,
        .up = !lines[i].down, .loopback = g_str_equal (lines[i].interface, "lo"),
      };
    }
  chosen = tn_own_addresses_choose (addresses, n);
  for (guint i = 0; i < chosen->len; i++)
    {
      char one[TN_IP_ADDRESS_TEXT_MAX];

      tn_ip_address_print (&g_array_index (chosen, TnIpAddress, i), one);
      g_string_append_printf (text, "%s%s", i > 0 ? " " : "", one);
    }
  g_assert_cmpstr (text->str, ==, expected);
}

#define CHECK(expected, ...)                                                  \
  G_STMT_START {                                                              \
    const Line lines[] = { __VA_ARGS__ };                                     \
    check (lines, G_N_ELEMENTS (lines), expected);                            \
  } G_STMT_END

static void
test_choose (void)
{
  CHECK ("192.0.2.1 2001:db8::1",
         { "lo", "127.0.0.1/8" }, { "lo", "::1/128" }, { "eth0", "192.0.2.1/24" }, { "eth0", "2001:db8::1/64" },
         { "eth0", "fe80::1/64" }, { "eth0", "fd00::1/64" }, { "eth0", "169.254.3.4/16" }, { "eth1", "198.51.100.1/24", TRUE });
  CHECK ("169.254.3.4 fd00::1", { "lo", "127.0.0.1/8" }, { "eth0", "169.254.3.4/16" }, { "eth0", "fd00::1/64" }, { "eth0", "fe80::1/64" });
  CHECK ("127.0.0.1 ::1", { "lo", "127.0.0.1/8" }, { "lo", "::1/128" }, { "eth0", "fe80::1/64" });
  CHECK ("127.0.0.1", { "lo", "127.0.0.1/8" }, { "eth0", "127.9.9.9/8", TRUE });
  check (NULL, 0, "");
}

/* A path through a tailnet, this one or another, would be none. */
static void
test_tailnets (void)
{
  CHECK ("100.63.0.1 100.115.92.7 100.128.0.1",
         { "tailscale0", "100.64.0.1/32" }, { "tailscale0", "fd7a:115c:a1e0::1/128" }, { "arc0", "100.115.92.7/30" },
         { "ztabcdef", "10.147.17.1/24" }, { "wt0", "10.9.0.1/16" }, { "eth0", "100.128.0.1/24" }, { "eth1", "100.63.0.1/24" });
  CHECK ("127.0.0.1", { "lo", "127.0.0.1/8" }, { "tun0", "100.100.1.1/32" });
}

static void
test_subnets (void)
{
  CHECK ("2001:db8::1 2001:db8::2 2001:db8:0:1::1",
         { "eth0", "2001:db8::1/64" }, { "eth0", "2001:db8::2/64" }, { "eth0", "2001:db8::3/64" }, { "eth1", "2001:db8:0:1::1/64" });
  CHECK ("192.0.2.1 192.0.2.2 192.0.2.3", { "eth0", "192.0.2.1/24" }, { "eth0", "192.0.2.2/24" }, { "eth0", "192.0.2.3/24" });
}

/* Whatever this machine has, there is something, and none of a tailnet. */
static void
test_this_machine (void)
{
  g_autoptr (GArray) addresses = tn_own_addresses_get ();

  for (guint i = 0; i < addresses->len; i++)
    {
      const TnIpAddress *address = &g_array_index (addresses, TnIpAddress, i);

      g_assert_true (address->version == 4 || address->version == 6);
      if (i > 0)
        g_assert_cmpint (tn_ip_address_compare (address - 1, address), <=, 0);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/netcheck/own-addresses/choose", test_choose);
  g_test_add_func ("/netcheck/own-addresses/tailnets", test_tailnets);
  g_test_add_func ("/netcheck/own-addresses/subnets", test_subnets);
  g_test_add_func ("/netcheck/own-addresses/this-machine", test_this_machine);
  return g_test_run ();
}
