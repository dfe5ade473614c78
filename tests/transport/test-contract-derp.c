/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "../derp/relay-map.h"
#include "contract-underlay.h"
#include "tn-derp-transport.h"

static gpointer
setup (void)
{
  return start_relay (1, TRUE);
}

static void
teardown (gpointer network)
{
  g_object_unref (network);
}

static TnUnderlayTransport *
create (gpointer network)
{
  return TN_UNDERLAY_TRANSPORT (tn_derp_transport_new ());
}

static TnRelayMap *
dup_map (gpointer network)
{
  TnRelayMap *map = tn_relay_map_new ();

  add_relay (map, network);
  return map;
}

static guint
get_n_nodes (gpointer network)
{
  return tn_testkit_derp_get_n_clients (network);
}

static void
set_stalled (gpointer network,
             gboolean stalled)
{
  tn_testkit_derp_set_stalled (network, stalled);
}

static const ContractUnderlay contract = {
  .name = "derp", .max_len = 65536, .tells_gone = FALSE, .wakes_early = TRUE,
  .setup = setup, .teardown = teardown, .create = create, .dup_map = dup_map,
  .get_n_nodes = get_n_nodes, .set_stalled = set_stalled,
};

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  tn_derp_transport_register (NULL);
  contract_underlay_add (&contract);
  return g_test_run ();
}
