/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "../tun/kernel.h"
#include "socket-host.h"
#include "tn-tun-transport.h"

static TnOverlayTransport *
create (void)
{
  return g_object_new (TN_TYPE_TUN_TRANSPORT, NULL);
}

static gpointer
join (TnOverlayTransport *overlay)
{
  kernel_ip ("addr add " CONTRACT_OWN "/24 dev %s", TN_OVERLAY_TRANSPORT_GET_IFACE (overlay)->get_interface (overlay));
  return socket_host_new (overlay);
}

static const ContractOverlay contract = {
  .name = "tun", .has_interface = TRUE,
  .create = create, .join = join, .leave = socket_host_free, .send = socket_host_send, .received = socket_host_received,
};

static void
skip (void)
{
  g_test_skip ("needs a network namespace with a TUN device");
}

int
main (int    argc,
      char **argv)
{
  g_autofree char *why = NULL;
  gboolean entered = kernel_enter (&why);

  g_test_init (&argc, &argv, NULL);
  if (entered)
    contract_overlay_add (&contract);
  else
    g_test_add_func ("/transport/overlay/tun", skip);
  return g_test_run ();
}
