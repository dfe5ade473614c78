/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "host.h"
#include "router.h"

/* --- What goes wrong --- */

static void
test_permission_lost (void)
{
  g_autoptr (TnRouter) router = test_router_new ();
  g_autofree char *before = NULL;
  g_autofree char *configured = NULL;
  int tun;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  before = test_host_dump ();
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES);
  configured = test_host_dump ();

  test_host_set_allowed (FALSE);
  test_router_assert_refused (router, "tn0", TEST_ADDRESSES, TEST_ROUTES " 10.1.0.0/16", G_IO_ERROR_PERMISSION_DENIED,
                  "cannot add route 10.1.0.0/16 to tn0: Operation not permitted*");
  test_router_assert_refused (router, "tn0", TEST_ADDRESSES, "100.64.0.0/10", G_IO_ERROR_PERMISSION_DENIED,
                  "cannot remove route fd7a:115c:a1e0::/48 from tn0: Operation not permitted*");
  test_router_assert_refused (router, "tn0", "100.64.0.2/32", "", G_IO_ERROR_PERMISSION_DENIED,
                  "cannot add address 100.64.0.2/32 to tn0: Operation not permitted*");
  g_test_expect_message ("tailnet-router-linux", G_LOG_LEVEL_WARNING, "*stay: cannot remove route *Operation not permitted*");
  test_router_reset (router);
  g_test_assert_expected_messages ();
  test_router_assert_dump (configured);

  test_host_set_allowed (TRUE);
  test_router_reset (router);
  test_router_assert_dump (before);
  g_close (tun, NULL);
}

static void
test_never_permitted (void)
{
  g_autoptr (TnRouter) router = test_router_new ();
  int tun;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  test_host_set_allowed (FALSE);
  test_router_assert_refused (router, "tn0", "", "10.1.0.0/16", G_IO_ERROR_PERMISSION_DENIED,
                              "cannot add IPv4 routing rule 5210: Operation not permitted*");
  test_host_set_allowed (TRUE);
  g_close (tun, NULL);
}

static void
test_interface_deleted (void)
{
  g_autoptr (TnRouter) router = test_router_new ();
  g_autofree char *before = NULL;
  int tun;

  if (!test_host_enter ())
    return;
  before = test_host_dump ();
  test_router_assert_refused (router, "tn0", TEST_ADDRESSES, TEST_ROUTES, G_IO_ERROR_NO_SUCH_DEVICE,
                              "cannot find interface tn0: No such device*");
  tun = test_host_add_tun ("tn0", FALSE);
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES);
  g_close (tun, NULL);
  test_router_assert_refused (router, "tn0", TEST_ADDRESSES, TEST_ROUTES, G_IO_ERROR_NO_SUCH_DEVICE,
                              "cannot find interface tn0: No such device*");

  tun = test_host_add_tun ("tn0", FALSE);
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES);
  test_router_assert_interface ("tn0", TEST_SET_UP);
  g_close (tun, NULL);
  test_router_reset (router);
  test_router_assert_dump (before);
}

static void
test_interface_changes (void)
{
  g_autoptr (TnRouter) router = test_router_new ();
  g_autofree char *before = NULL;
  int tun, other;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  other = test_host_add_tun ("tn1", FALSE);
  before = test_host_dump ();
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES " 0.0.0.0/0 ::/0");
  test_router_configure (router, "tn1", TEST_ADDRESSES, TEST_ROUTES " 0.0.0.0/0 ::/0");
  test_router_assert_interface ("tn0", "|");
  test_router_assert_interface ("tn1", TEST_SET_UP " 0.0.0.0/0 ::/0");
  test_router_reset (router);
  test_router_assert_dump (before);
  g_close (tun, NULL);
  g_close (other, NULL);
}

/* Half of it was done when the kernel refused: it is known, and goes. */
static void
test_partial (void)
{
  g_autoptr (TnRouter) router = test_router_new ();
  g_autofree char *before = NULL;
  int tun;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  test_host_set_up ("tn0", FALSE);
  before = test_host_dump ();
  test_router_assert_refused (router, "tn0", TEST_ADDRESSES, TEST_ROUTES, TEST_ANY_CODE,
                              "cannot add route fd7a:115c:a1e0::/48 to tn0: Network is down*");
  test_router_reset (router);
  test_router_assert_dump (before);

  test_router_assert_refused (router, "tn0", TEST_ADDRESSES, "10.1.0.0/16", TEST_ANY_CODE,
                              "cannot add route 10.1.0.0/16 to tn0: Network is down*");
  test_host_set_up ("tn0", TRUE);
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES);
  test_router_assert_interface ("tn0", TEST_SET_UP);
  g_close (tun, NULL);
}

/* An address that is refused keeps nothing else away. */
static void
test_one_refused (void)
{
  g_autoptr (TnRouter) router = test_router_new ();
  g_autofree char *before = NULL;
  int tun;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  test_host_add_address ("fd7a:115c:a1e0::1/64", "tn0");      /* the kernel has it once, whatever its prefix */
  before = test_host_dump ();
  test_router_assert_refused (router, "tn0", TEST_ADDRESSES, TEST_ROUTES, TEST_ANY_CODE, "cannot add address fd7a:115c:a1e0::1/128 to tn0: *");
  test_router_assert_interface ("tn0", "100.64.0.1/32 fd7a:115c:a1e0::1/64 | fd7a:115c:a1e0::/48 100.64.0.0/10");
  test_router_reset (router);
  test_router_assert_dump (before);
  g_close (tun, NULL);
}

/* Routes that somebody removed are put back; and those that the kernel drops with the last address. */
static void
test_repair (void)
{
  g_autoptr (TnRouter) router = test_router_new ();
  int tun;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES);
  test_host_set_up ("tn0", FALSE);
  test_host_set_up ("tn0", TRUE);
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES);
  test_router_assert_interface ("tn0", TEST_SET_UP);
  test_router_configure (router, "tn0", "", TEST_ROUTES);
  test_router_assert_interface ("tn0", "| fd7a:115c:a1e0::/48 100.64.0.0/10");
  g_close (tun, NULL);
}

static void
test_without_interface (void)
{
  g_autoptr (TnRouter) router = test_router_new ();

  test_router_assert_refused (router, NULL, TEST_ADDRESSES, TEST_ROUTES, G_IO_ERROR_INVALID_ARGUMENT, "*no interface*");
  test_router_reset (router);
}

/* --- A machine with IPv4 alone --- */

static void
assert_ipv4_alone (TnRouter *router)
{
  g_autofree char *before = test_host_dump ();

  g_test_expect_message ("tailnet-router-linux", G_LOG_LEVEL_MESSAGE, "interface tn0 has no IPv6*IPv4 alone*");
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES " ::/0");
  g_test_assert_expected_messages ();
  test_router_assert_interface ("tn0", "100.64.0.1/32 | 100.64.0.0/10");
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES);      /* said once */
  test_router_reset (router);
  test_router_assert_dump (before);
}

static void
test_small_mtu (void)
{
  g_autoptr (TnRouter) router = test_router_new ();
  int tun;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  test_host_set_mtu ("tn0", 1000);
  assert_ipv4_alone (router);
  g_close (tun, NULL);
}

static void
test_ipv6_disabled (void)
{
  static const char path[] = "/proc/sys/net/ipv6/conf/tn0/disable_ipv6";
  g_autoptr (TnRouter) router = test_router_new ();
  int tun, fd;

  if (!test_host_enter ())
    return;
  tun = test_host_add_tun ("tn0", FALSE);
  test_router_configure (router, "tn0", TEST_ADDRESSES, TEST_ROUTES);
  fd = g_open (path, O_WRONLY | O_CLOEXEC, 0);
  if (fd < 0)
    {
      g_test_skip_printf ("cannot write %s: %s", path, g_strerror (errno));
      g_close (tun, NULL);
      return;
    }
  g_assert_cmpint (write (fd, "1", 1), ==, 1);
  g_close (fd, NULL);
  test_router_reset (router);
  assert_ipv4_alone (router);
  g_close (tun, NULL);
}

int
main (int   argc,
      char *argv[])
{
  g_setenv ("LC_ALL", "C", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/router/trouble/permission-lost", test_permission_lost);
  g_test_add_func ("/router/trouble/never-permitted", test_never_permitted);
  g_test_add_func ("/router/trouble/interface-deleted", test_interface_deleted);
  g_test_add_func ("/router/trouble/interface-changes", test_interface_changes);
  g_test_add_func ("/router/trouble/partial", test_partial);
  g_test_add_func ("/router/trouble/one-refused", test_one_refused);
  g_test_add_func ("/router/trouble/repair", test_repair);
  g_test_add_func ("/router/trouble/without-interface", test_without_interface);
  g_test_add_func ("/router/trouble/small-mtu", test_small_mtu);
  g_test_add_func ("/router/trouble/ipv6-disabled", test_ipv6_disabled);
  return g_test_run ();
}
