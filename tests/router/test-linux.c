/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gstdio.h>

#include "host.h"
#include "router.h"
#include "tn-linux-state.h"

/* --- What it is for --- */

static void
test_configure (void)
{
  g_autoptr (TnRouter) router = test_router_new ();
  g_autofree char *before = NULL;
  int tun, uplink;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  uplink = test_host_add_tun ("up0", FALSE);
  test_host_add_route ("192.0.2.0/24", "up0", 254);
  test_host_add_route ("2001:db8::/32", "up0", 254);
  before = test_host_dump ();

  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES);
  test_router_assert_interface ("tn0", TEST_SET_UP);
  g_assert_cmpint (test_host_way_of ("100.100.1.1", 0), ==, (int) test_host_index ("tn0"));
  g_assert_cmpint (test_host_way_of ("fd7a:115c:a1e0::2", 0), ==, (int) test_host_index ("tn0"));
  g_assert_cmpint (test_host_way_of ("192.0.2.1", 0), ==, (int) test_host_index ("up0"));
  g_assert_cmpint (test_host_way_of ("100.100.1.1", TN_LINUX_MARK), ==, -ENETUNREACH);
  g_assert_cmpint (test_host_way_of ("fd7a:115c:a1e0::2", TN_LINUX_MARK), ==, -ENETUNREACH);

  test_router_reset (router);
  test_router_assert_dump (before);
  g_close (tun, NULL);
  g_close (uplink, NULL);
}

/* All goes by the tailnet, but what carries it. */
static void
test_exit_node (void)
{
  g_autoptr (TnRouter) router = test_router_new ();
  g_autofree char *before = NULL;
  int tun, uplink;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  uplink = test_host_add_tun ("up0", FALSE);
  test_host_add_route ("0.0.0.0/0", "up0", 254);
  test_host_add_route ("::/0", "up0", 254);
  before = test_host_dump ();

  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES " 0.0.0.0/0 ::/0");
  test_router_assert_interface ("tn0", TEST_SET_UP " 0.0.0.0/0 ::/0");
  g_assert_cmpint (test_host_way_of ("203.0.113.1", 0), ==, (int) test_host_index ("tn0"));
  g_assert_cmpint (test_host_way_of ("2001:db8::1", 0), ==, (int) test_host_index ("tn0"));
  g_assert_cmpint (test_host_way_of ("203.0.113.1", TN_LINUX_MARK), ==, (int) test_host_index ("up0"));
  g_assert_cmpint (test_host_way_of ("2001:db8::1", TN_LINUX_MARK), ==, (int) test_host_index ("up0"));
  g_assert_cmpint (test_host_way_of ("203.0.113.1", 0x40000), ==, (int) test_host_index ("tn0"));

  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES);
  g_assert_cmpint (test_host_way_of ("203.0.113.1", 0), ==, (int) test_host_index ("up0"));
  test_router_reset (router);
  test_router_assert_dump (before);
  g_close (tun, NULL);
  g_close (uplink, NULL);
}

/* The kernel tells of each change: there are as many as there is difference. */
static void
test_difference (void)
{
  g_autoptr (TnRouter) router = test_router_new ();
  int tun, watch;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES " 10.1.0.0/16");
  watch = test_host_watch ();

  test_router_configure (router, "tn0", TEST_ADDRESSES, "10.1.0.0/16 " TEST_ROUTES);
  g_assert_cmpuint (test_host_count (watch), ==, 0);
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES " 10.2.0.0/16");
  g_assert_cmpuint (test_host_count (watch), ==, 2);
  test_router_assert_interface ("tn0", "100.64.0.1/32 fd7a:115c:a1e0::1/128 | fd7a:115c:a1e0::/48 10.2.0.0/16 100.64.0.0/10");
  test_router_configure (router, "tn0", "100.64.0.2/32 fd7a:115c:a1e0::1/128", TEST_ROUTES);
  test_router_assert_interface ("tn0", "100.64.0.2/32 fd7a:115c:a1e0::1/128 | fd7a:115c:a1e0::/48 100.64.0.0/10");
  g_close (watch, NULL);
  g_close (tun, NULL);
}

static void
test_thousand (void)
{
  g_autoptr (TnRouter) router = test_router_new ();
  g_autoptr (GString) routes = g_string_new (TEST_ROUTES);
  g_autofree char *before = NULL;
  g_autofree char *full = NULL;
  int tun, watch;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  before = test_host_dump ();
  for (guint i = 0; i < 500; i++)
    g_string_append_printf (routes, " 10.%u.%u.0/24 fd00:%x::/32", i / 256, i % 256, i + 1);
  test_router_configure (router, "tn0", TEST_ADDRESSES, routes->str);
  full = test_router_print ("tn0");
  g_assert_nonnull (strstr (full, " 10.1.243.0/24"));
  g_assert_nonnull (strstr (full, " fd00:1f4::/32"));

  watch = test_host_watch ();
  test_router_configure (router, "tn0", TEST_ADDRESSES, routes->str);
  g_assert_cmpuint (test_host_count (watch), ==, 0);
  g_close (watch, NULL);
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES);
  test_router_assert_interface ("tn0", TEST_SET_UP);
  test_router_configure (router, "tn0", TEST_ADDRESSES, routes->str);
  test_router_reset (router);
  test_router_assert_dump (before);
  g_close (tun, NULL);
}

/* --- What an earlier run left --- */

static void
test_leftovers (void)
{
  TnRouter *crashed = test_router_new ();
  g_autoptr (TnRouter) router = test_router_new ();
  g_autofree char *before = NULL;
  int tun;

  if (!test_host_enter ())
    {
      g_object_unref (crashed);
      return;
    }
  before = test_host_dump ();
  tun = test_host_add_tun ("tn0", FALSE);
  test_router_configure (crashed, "tn0", TEST_ADDRESSES, TEST_ROUTES " 0.0.0.0/0");
  g_object_unref (crashed);      /* without reset(): its rules stay, the rest goes with the interface */
  g_close (tun, NULL);

  tun = test_host_add_tun ("tn1", FALSE);
  test_router_configure (router, "tn1", TEST_ADDRESSES, TEST_ROUTES);
  test_router_assert_interface ("tn1", TEST_SET_UP);
  g_close (tun, NULL);
  test_router_reset (router);
  test_router_assert_dump (before);
}

/* The interface outlives the process. */
static void
test_leftovers_persistent (void)
{
  TnRouter *crashed = test_router_new ();
  g_autoptr (TnRouter) router = test_router_new ();
  g_autofree char *before = NULL;
  int tun;

  if (!test_host_enter ())
    {
      g_object_unref (crashed);
      return;
    }
  tun = test_host_add_tun ("tn0", TRUE);
  before = test_host_dump ();
  test_router_configure (crashed, "tn0", TEST_ADDRESSES, TEST_ROUTES " 10.1.0.0/16");
  g_object_unref (crashed);
  g_close (tun, NULL);

  tun = test_host_add_tun ("tn0", TRUE);
  test_router_configure (router, "tn0", "100.64.0.2/32", TEST_ROUTES " 10.2.0.0/16");
  test_router_assert_interface ("tn0", "100.64.0.2/32 | fd7a:115c:a1e0::/48 10.2.0.0/16 100.64.0.0/10");
  test_router_reset (router);
  test_router_assert_dump (before);
  test_host_delete ("tn0");
  g_close (tun, NULL);
}

/* The new run has another interface: nobody is at the end of the old one. */
static void
test_leftovers_elsewhere (void)
{
  TnRouter *crashed = test_router_new ();
  g_autoptr (TnRouter) router = test_router_new ();
  int old, tun;

  if (!test_host_enter ())
    {
      g_object_unref (crashed);
      return;
    }
  old = test_host_add_tun ("tn0", TRUE);
  test_router_configure (crashed, "tn0", TEST_ADDRESSES, TEST_ROUTES " 10.1.0.0/16");
  g_object_unref (crashed);
  g_close (old, NULL);

  tun = test_host_add_tun ("tn1", FALSE);
  test_router_configure (router, "tn1", TEST_ADDRESSES, TEST_ROUTES);
  test_router_assert_interface ("tn0", "|");
  test_router_assert_interface ("tn1", TEST_SET_UP);
  test_host_delete ("tn0");
  g_close (tun, NULL);
}

static void
test_other_runs (void)
{
  g_autoptr (TnRouter) first = test_router_new ();
  g_autoptr (TnRouter) second = test_router_new ();
  g_autofree char *before = NULL;
  int tun, other;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  other = test_host_add_tun ("tn1", FALSE);
  test_router_configure (first, "tn0", TEST_ADDRESSES, TEST_ROUTES);
  before = test_host_dump ();
  test_router_assert_refused (second, "tn1", TEST_ADDRESSES, TEST_ROUTES, G_IO_ERROR_BUSY,
                              "another node of a tailnet uses routing table 52, with interface tn0");
  test_router_reset (second);
  test_router_assert_dump (before);

  /* Put down it runs all the same. */
  test_host_set_up ("tn0", FALSE);
  g_free (before);
  before = test_host_dump ();
  test_router_assert_refused (second, "tn1", TEST_ADDRESSES, TEST_ROUTES, G_IO_ERROR_BUSY,
                              "another node of a tailnet uses routing table 52, with interface tn0");
  test_router_reset (second);
  test_router_assert_dump (before);

  /* The first one's interface goes, and so the second one may: the first does not take its rules away. */
  g_close (tun, NULL);
  test_router_configure (second, "tn1", TEST_ADDRESSES, TEST_ROUTES);
  g_free (before);
  before = test_host_dump ();
  test_router_reset (first);
  test_router_assert_dump (before);
  g_close (other, NULL);
}

/* --- What is not ours --- */

static void
test_foreign_kept (void)
{
  g_autoptr (TnRouter) router = test_router_new ();
  g_autofree char *before = NULL;
  int tun, uplink;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  uplink = test_host_add_tun ("up0", FALSE);
  test_host_add_address ("192.0.2.1/24", "up0");
  test_host_add_address ("100.64.0.9/32", "up0");
  test_host_add_address ("198.51.100.1/32", "tn0");
  test_host_add_address ("100.64.0.1/32", "tn0");      /* one that we want as well */
  test_host_add_route ("10.1.0.0/16", "up0", TEST_FOREIGN_TABLE);
  test_host_add_route ("10.2.0.0/16", "tn0", TEST_FOREIGN_TABLE);
  test_host_add_route ("10.3.0.0/16", "tn0", 254);
  test_host_add_rule (4, 5209, TEST_FOREIGN_TABLE);
  test_host_add_rule (4, 5260, TN_LINUX_TABLE);
  test_host_add_rule (6, 5271, TEST_FOREIGN_TABLE);
  before = test_host_dump ();

  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES " 10.1.0.0/16");
  test_router_configure (router, "tn0", "100.64.0.2/32", "10.2.0.0/16");
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES " 0.0.0.0/0");
  test_router_reset (router);
  test_router_assert_dump (before);
  g_close (tun, NULL);
  g_close (uplink, NULL);
}

static void
test_foreign_rule (gconstpointer data)
{
  const guint8 version = (guint8) GPOINTER_TO_UINT (data);
  g_autoptr (TnRouter) router = test_router_new ();
  g_autofree char *before = NULL;
  g_autofree char *pattern = g_strdup_printf ("another program has an IPv%u routing rule at priority 5250 (protocol 0)*", version);
  int tun;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  test_host_add_rule (version, 5250, TEST_FOREIGN_TABLE);
  before = test_host_dump ();
  test_router_assert_refused (router, "tn0", TEST_ADDRESSES, TEST_ROUTES, G_IO_ERROR_BUSY, pattern);
  test_router_reset (router);
  test_router_assert_dump (before);
  g_close (tun, NULL);
}

static void
test_foreign_route (gconstpointer data)
{
  g_autoptr (TnRouter) router = test_router_new ();
  g_autofree char *before = NULL;
  g_autofree char *pattern = g_strdup_printf ("another program has a route to %s (protocol 4) in routing table 52*", (const char *) data);
  int tun, uplink;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  uplink = test_host_add_tun ("up0", FALSE);
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES);
  test_router_reset (router);
  test_host_add_route (data, "up0", TN_LINUX_TABLE);
  before = test_host_dump ();
  test_router_assert_refused (router, "tn0", TEST_ADDRESSES, TEST_ROUTES, G_IO_ERROR_BUSY, pattern);
  test_router_reset (router);
  test_router_assert_dump (before);
  g_close (tun, NULL);
  g_close (uplink, NULL);
}

/* Somebody comes to our places while we are there: not removed with ours. */
static void
test_foreign_later (void)
{
  g_autoptr (TnRouter) router = test_router_new ();
  g_autofree char *after = NULL;
  int tun, uplink;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  uplink = test_host_add_tun ("up0", FALSE);
  test_host_add_rule (4, 5210, TEST_FOREIGN_TABLE);
  test_host_add_route ("10.9.0.0/16", "up0", TN_LINUX_TABLE);
  after = test_host_dump ();
  g_close (tun, NULL);
  g_close (uplink, NULL);

  g_assert_true (test_host_enter ());
  tun = test_host_add_tun ("tn0", FALSE);
  uplink = test_host_add_tun ("up0", FALSE);
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES);
  test_host_add_rule (4, 5210, TEST_FOREIGN_TABLE);
  test_host_add_route ("10.9.0.0/16", "up0", TN_LINUX_TABLE);
  test_router_assert_refused (router, "tn0", TEST_ADDRESSES, TEST_ROUTES, G_IO_ERROR_BUSY, "another program has*");
  test_router_reset (router);
  test_router_assert_dump (after);
  g_close (tun, NULL);
  g_close (uplink, NULL);
}

int
main (int   argc,
      char *argv[])
{
  g_setenv ("LC_ALL", "C", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/router/linux/configure", test_configure);
  g_test_add_func ("/router/linux/exit-node", test_exit_node);
  g_test_add_func ("/router/linux/difference", test_difference);
  g_test_add_func ("/router/linux/thousand", test_thousand);
  g_test_add_func ("/router/linux/leftovers", test_leftovers);
  g_test_add_func ("/router/linux/leftovers/persistent", test_leftovers_persistent);
  g_test_add_func ("/router/linux/leftovers/elsewhere", test_leftovers_elsewhere);
  g_test_add_func ("/router/linux/other-runs", test_other_runs);
  g_test_add_func ("/router/linux/foreign/kept", test_foreign_kept);
  g_test_add_data_func ("/router/linux/foreign/rule-ipv4", GUINT_TO_POINTER (4), test_foreign_rule);
  g_test_add_data_func ("/router/linux/foreign/rule-ipv6", GUINT_TO_POINTER (6), test_foreign_rule);
  g_test_add_data_func ("/router/linux/foreign/route-ipv4", "10.9.0.0/16", test_foreign_route);
  g_test_add_data_func ("/router/linux/foreign/route-ipv6", "2001:db8::/32", test_foreign_route);
  g_test_add_func ("/router/linux/foreign/later", test_foreign_later);
  return g_test_run ();
}
