/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-relay-map.h"
#include "tn-testkit-derp.h"

/* A region of one relay on loopback. @cert_name: nullable. */
static inline TnRelayNode *
add_region (TnRelayMap *map,
            guint       id,
            guint       port,
            const char *cert_name)
{
  TnRelayRegion *region = tn_relay_region_new (id, "test", "Test");
  TnRelayNode *node = tn_relay_node_new ("a", "127.0.0.1");

  node->ipv4 = g_strdup ("127.0.0.1");
  node->ipv6 = g_strdup ("none");
  node->derp_port = (guint16) port;
  node->cert_name = g_strdup (cert_name);
  g_ptr_array_add (region->nodes, node);
  tn_relay_map_take_region (map, region);
  return node;
}

static inline TnTestkitDerp *
start_relay (guint    region,
             gboolean fast_start)
{
  TnTestkitDerp *relay = g_object_new (TN_TESTKIT_TYPE_DERP, "region", region, "fast-start", fast_start, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (tn_testkit_derp_start (relay, &error));
  g_assert_no_error (error);
  return relay;
}

static inline void
add_relay (TnRelayMap    *map,
           TnTestkitDerp *relay)
{
  g_autofree char *pin = tn_testkit_derp_dup_pin (relay);

  add_region (map, tn_testkit_derp_get_region (relay), tn_testkit_derp_get_port (relay), pin);
}
