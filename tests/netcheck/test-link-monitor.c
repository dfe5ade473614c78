/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <unistd.h>

#include "../router/host.h"
#include "../control/wait.h"
#include "tn-link-monitor.h"

/* In a network namespace: what other programs do there is heard of, and what was there before is not. */

static void
network_changed (gpointer user_data)
{
  (*(guint *) user_data)++;
}

static void
clock_changed (gpointer user_data)
{
}

static gboolean
is_told (guint *n)
{
  return *n > 0;
}

static void
expect_change (guint *n, const char *what)
{
  wait_for (what, is_told, n);
  *n = 0;
}

static void
test_host (void)
{
  static const TnLinkMonitorCallbacks callbacks = { network_changed, clock_changed };
  TnLinkMonitor *monitor;
  guint n = 0;
  int fd;

  if (!test_host_enter ())
    {
      g_test_skip ("needs network namespaces");
      return;
    }
  fd = test_host_add_tun ("wan", FALSE);
  test_host_set_up ("wan", TRUE);
  test_host_add_address ("192.0.2.2/24", "wan");
  monitor = tn_link_monitor_new (&callbacks, &n);

  test_host_add_route ("198.51.100.0/24", "wan", 254);      /* of the same turn as the next: one call for both, or for one alone */
  test_host_add_route ("0.0.0.0/0", "wan", 254);
  expect_change (&n, "a default route");
  test_host_add_address ("192.0.2.3/24", "wan");
  expect_change (&n, "an address");
  test_host_set_up ("wan", FALSE);
  expect_change (&n, "the interface to go down");
  test_host_set_up ("wan", TRUE);
  test_host_add_route ("0.0.0.0/0", "wan", 254);
  expect_change (&n, "a default route again");

  /* More than the socket has room for, while nobody reads it: the one that matters is lost, and found. */
  for (guint i = 0; i < 4000; i++)
    {
      g_autofree char *route = g_strdup_printf ("10.%u.%u.0/24", i >> 8, i & 0xff);

      test_host_add_route (route, "wan", 77);
    }
  test_host_add_address ("192.0.2.4/24", "wan");
  expect_change (&n, "an address after a flood");
  close (fd);
  expect_change (&n, "the interface to be gone");
  tn_link_monitor_free (monitor);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/netcheck/link-monitor/host", test_host);
  return g_test_run ();
}
