/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-path-address.h"

gboolean
tn_path_address_equal (const TnPathAddress *a,
                       const TnPathAddress *b)
{
  if (a->kind != b->kind)
    return FALSE;

  switch (a->kind)
    {
    case TN_PATH_ADDRESS_UDP:
      return a->udp.endpoint.port == b->udp.endpoint.port && a->udp.scope == b->udp.scope && a->udp.vni == b->udp.vni &&
             tn_ip_address_equal (&a->udp.endpoint.address, &b->udp.endpoint.address);
    case TN_PATH_ADDRESS_RELAY:
      return a->relay.region == b->relay.region && tn_node_public_key_equal (&a->relay.key, &b->relay.key);
    case TN_PATH_ADDRESS_NONE:
    default:
      return TRUE;
    }
}

guint
tn_path_address_hash (const TnPathAddress *address)
{
  switch (address->kind)
    {
    case TN_PATH_ADDRESS_UDP:
      return tn_ip_address_hash (&address->udp.endpoint.address) ^ address->udp.endpoint.port ^ (guint) address->udp.vni << 16;
    case TN_PATH_ADDRESS_RELAY:
      return tn_node_public_key_hash (&address->relay.key) ^ address->relay.region;
    case TN_PATH_ADDRESS_NONE:
    default:
      return 0;
    }
}
