/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"

G_BEGIN_DECLS

/* An address of an interface of this machine. */
typedef struct
{
  const char  *interface;
  TnIpAddress  address;
  guint8       bits;          /* of the subnet */
  gboolean     up;
  gboolean     loopback;
} TnInterfaceAddress;

/* Which of them others may send datagrams to, in order (tailscale net/netmon: LocalAddresses): none of a tailnet or of an interface that is
 * down. Link-local IPv4 and private IPv6 only where there is nothing better, and loopback only where there is nothing at all; of the
 * addresses that IPv6 gives itself, two a subnet. Array of TnIpAddress. */
GArray *tn_own_addresses_choose (const TnInterfaceAddress *addresses, gsize n_addresses);

/* Of the machine as it is now. */
GArray *tn_own_addresses_get    (void);

G_END_DECLS
