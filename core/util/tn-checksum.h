/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"

G_BEGIN_DECLS

/* The checksum of IP, TCP, UDP and ICMP (RFC 1071). */

/* Adds @len bytes to those in @sum, of which there are an even number so far. Not yet complemented. */
guint32 tn_checksum_add    (guint32 sum, const guint8 *data, gsize len);

/* The sum on 16 bits, and its complement, as a header holds it. */
guint16 tn_checksum_fold   (guint32 sum);
guint16 tn_checksum_finish (guint32 sum);

/* Adds the pseudo header of @len bytes of @proto between two addresses of @address_len bytes each, which follow each other in memory. */
guint32 tn_checksum_add_pseudo (guint32 sum, const guint8 *addresses, gsize address_len, guint8 proto, guint32 len);

G_END_DECLS
