/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-proxy.h"

static void
test_loopback (void)
{
  static const char *hosts[] = { "127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST" };

  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    g_assert_null (tn_proxy_resolver_for_host (NULL, hosts[i]));
}

static void
test_elsewhere (void)
{
  static const char *hosts[] = { "128.0.0.1", "10.0.0.1", "fd00::1", "controlplane.example.test", "localhost.example.test", "" };

  for (guint i = 0; i < G_N_ELEMENTS (hosts); i++)
    {
      g_autoptr (GProxyResolver) resolver = tn_proxy_resolver_for_host (NULL, hosts[i]);

      g_assert_true (resolver == g_proxy_resolver_get_default ());
    }
}

/* A program that brings its own has its reasons. */
static void
test_given (void)
{
  g_autoptr (GProxyResolver) given = g_simple_proxy_resolver_new ("http://proxy.example.test:3128", NULL);
  g_autoptr (GProxyResolver) local = tn_proxy_resolver_for_host (given, "127.0.0.1");
  g_autoptr (GProxyResolver) remote = tn_proxy_resolver_for_host (given, "relay.example.test");

  g_assert_true (local == given);
  g_assert_true (remote == given);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/util/proxy/loopback", test_loopback);
  g_test_add_func ("/util/proxy/elsewhere", test_elsewhere);
  g_test_add_func ("/util/proxy/given", test_given);
  return g_test_run ();
}
