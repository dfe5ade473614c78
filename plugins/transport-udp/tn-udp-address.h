/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <netinet/in.h>

#include "tn-path-address.h"

G_BEGIN_DECLS

typedef union
{
  struct sockaddr     any;
  struct sockaddr_in  in4;
  struct sockaddr_in6 in6;
} TnUdpAddress;

/* As the kernel wants it; its length. 0: datagrams cannot go there. */
socklen_t tn_udp_address_from_path (TnUdpAddress *address, const TnPathAddress *path);

/* FALSE: it is no address of a datagram. An IPv4 address in IPv6 comes out as IPv4. */
gboolean  tn_udp_address_to_path   (const TnUdpAddress *address, socklen_t len, TnPathAddress *path) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
