/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-parse.h"

G_BEGIN_DECLS

/* Another address in a packet, and the checksums that cover it: a peer may know this node by an address that is not its own. What an
 * ICMP error quotes stays as it is (tailscale net/packet/checksum). @data is what @packet was parsed from; @address is of its version. */
void tn_masquerade_source      (TnParsed *packet, guint8 *data, const TnIpAddress *address);
void tn_masquerade_destination (TnParsed *packet, guint8 *data, const TnIpAddress *address);

G_END_DECLS
