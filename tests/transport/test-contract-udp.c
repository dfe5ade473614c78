/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>

#include "../udp/wrapped.h"
#include "contract-underlay.h"
#include "tn-udp-train.h"
#include "tn-udp-transport.h"

static gpointer
setup (void)
{
  wrapped = (Wrapped) { 0 };
  return NULL;
}

static void
teardown (gpointer network)
{
  wrapped = (Wrapped) { 0 };
}

static TnUnderlayTransport *
create (gpointer network)
{
  return g_object_new (TN_TYPE_UDP_TRANSPORT, NULL);
}

static TnUnderlayTransport *
create_plain (gpointer network)
{
  TnUnderlayTransport *transport = create (network);

  tn_udp_transport_set_offloads (TN_UDP_TRANSPORT (transport), FALSE, FALSE);
  return transport;
}

/* Loopback is never full: the kernel says so after three more messages. */
static void
set_stalled (gpointer network,
             gboolean stalled)
{
  wrapped.n_free = 3;
  wrapped.refuse_all = stalled ? EAGAIN : 0;
}

static const ContractUnderlay with_offloads = {
  .name = "udp", .max_len = TN_UDP_LEN_MAX4, .wakes_early = TRUE,
  .setup = setup, .teardown = teardown, .create = create, .set_stalled = set_stalled,
};

static const ContractUnderlay without_offloads = {
  .name = "udp-plain", .max_len = TN_UDP_LEN_MAX4, .wakes_early = TRUE,
  .setup = setup, .teardown = teardown, .create = create_plain, .set_stalled = set_stalled,
};

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  contract_underlay_add (&with_offloads);
  contract_underlay_add (&without_offloads);
  return g_test_run ();
}
