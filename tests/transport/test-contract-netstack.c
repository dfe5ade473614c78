/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "socket-host.h"
#include "tn-lwip-netstack.h"

static TnOverlayTransport *
create (void)
{
  return g_object_new (TN_TYPE_LWIP_NETSTACK, NULL);
}

static gpointer
join (TnOverlayTransport *overlay)
{
  TnIpPrefix own = { .bits = 32 };
  const TnRouterConfig config = { .addresses = &own, .n_addresses = 1 };
  g_autoptr (GError) error = NULL;

  g_assert_true (tn_ip_address_parse (CONTRACT_OWN, &own.address));
  g_assert_true (TN_ROUTER_GET_IFACE (overlay)->configure (TN_ROUTER (overlay), &config, &error));
  g_assert_no_error (error);
  return socket_host_new (overlay);
}

static const ContractOverlay contract = {
  .name = "netstack", .create = create, .join = join, .leave = socket_host_free, .send = socket_host_send, .received = socket_host_received,
};

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  contract_overlay_add (&contract);
  return g_test_run ();
}
