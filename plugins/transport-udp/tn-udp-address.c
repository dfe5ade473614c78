/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-udp-address.h"

#include <string.h>

socklen_t
tn_udp_address_from_path (TnUdpAddress        *address,
                          const TnPathAddress *path)
{
  const TnIpEndpoint *endpoint = &path->udp.endpoint;

  memset (address, 0, sizeof *address);
  if (path->kind != TN_PATH_ADDRESS_UDP || path->udp.vni != TN_PATH_NO_VNI || endpoint->port == 0)
    return 0;
  if (endpoint->address.version == 4)
    {
      address->in4.sin_family = AF_INET;
      address->in4.sin_port = htons (endpoint->port);
      memcpy (&address->in4.sin_addr, endpoint->address.bytes, sizeof address->in4.sin_addr);
      return sizeof address->in4;
    }
  if (endpoint->address.version == 6)
    {
      address->in6.sin6_family = AF_INET6;
      address->in6.sin6_port = htons (endpoint->port);
      address->in6.sin6_scope_id = path->udp.scope;
      memcpy (&address->in6.sin6_addr, endpoint->address.bytes, sizeof address->in6.sin6_addr);
      return sizeof address->in6;
    }
  return 0;
}

gboolean
tn_udp_address_to_path (const TnUdpAddress *address,
                        socklen_t           len,
                        TnPathAddress      *path)
{
  memset (path, 0, sizeof *path);
  path->kind = TN_PATH_ADDRESS_UDP;
  path->udp.vni = TN_PATH_NO_VNI;
  if (len >= sizeof address->in4 && address->any.sa_family == AF_INET)
    {
      path->udp.endpoint.address = tn_ip_address_from_bytes ((const guint8 *) &address->in4.sin_addr, 4);
      path->udp.endpoint.port = ntohs (address->in4.sin_port);
      return TRUE;
    }
  if (len >= sizeof address->in6 && address->any.sa_family == AF_INET6)
    {
      const guint8 *bytes = address->in6.sin6_addr.s6_addr;

      path->udp.endpoint.port = ntohs (address->in6.sin6_port);
      if (IN6_IS_ADDR_V4MAPPED (&address->in6.sin6_addr))
        {
          path->udp.endpoint.address = tn_ip_address_from_bytes (bytes + 12, 4);
          return TRUE;
        }
      path->udp.endpoint.address = tn_ip_address_from_bytes (bytes, 16);
      if (IN6_IS_ADDR_LINKLOCAL (&address->in6.sin6_addr))
        path->udp.scope = address->in6.sin6_scope_id;
      return TRUE;
    }
  return FALSE;
}
