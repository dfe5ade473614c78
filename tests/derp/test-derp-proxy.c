/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A relay that only a proxy reaches. */

#include "../proxy.h"
#include "derp-peer.h"

static void
test_proxy (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  guint port = tn_testkit_derp_get_port (relay);
  TestProxy *proxy = test_proxy_new ("relay.example", port);      /* the name, not the address of the map */
  g_autoptr (Peer) a = peer_new ();
  TnRelayNode *node;

  a->proxy_resolver = test_proxy_dup_resolver (proxy);
  node = add_region (a->map, 1, port, NULL);
  node->insecure_for_tests = TRUE;
  g_free (node->host_name);
  node->host_name = g_strdup ("relay.example");
  peer_start (a, 1);
  WAIT_FOR (a->n_up[1] == 1 && tn_testkit_derp_get_n_clients (relay) == 1);
  g_assert_cmpuint (test_proxy_get_n_served (proxy), ==, 1);
  IFACE (a)->stop (UNDERLAY (a));
  test_proxy_free (proxy);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  tn_derp_transport_register (NULL);

  g_test_add_func ("/derp/proxy/proxy", test_proxy);

  return g_test_run ();
}
