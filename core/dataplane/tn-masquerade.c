/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-masquerade.h"

#include "tn-checksum.h"
#include "tn-reader.h"

#define IP4_CHECKSUM 10
#define PROTO_DCCP 33

/* RFC 1624, equation 3: what the field covers changes from @before to @after. */
static void
update (guint8       *field,
        const guint8 *before,
        const guint8 *after,
        gsize         len)
{
  guint8 complement[16];
  guint32 sum = (guint16) ~tn_get_u16be (field);

  for (gsize i = 0; i < len; i++)
    complement[i] = (guint8) ~before[i];
  sum = tn_checksum_add (sum, complement, len);
  sum = tn_checksum_add (sum, after, len);
  tn_put_u16be (field, tn_checksum_finish (sum));
}

/* Where the checksum is that covers the addresses, too; 0: nowhere. */
static gsize
find_checksum (const TnParsed *packet)
{
  gsize at;

  switch (packet->proto)
    {
    case TN_PROTO_TCP:
      at = packet->transport + 16u;
      break;
    case TN_PROTO_UDP:
    case PROTO_DCCP:
      at = packet->transport + 6u;
      break;
    case TN_PROTO_ICMP6:
      at = packet->transport + 2u;
      break;
    default:
      return 0;
    }
  return at + 2 <= packet->length ? at : 0;
}

static void
rewrite (TnParsed          *packet,
         guint8            *data,
         guint8            *place,
         const TnIpAddress *address)
{
  gsize len = tn_ip_address_len (address);
  gsize at = find_checksum (packet);
  gboolean is_udp = packet->proto == TN_PROTO_UDP;

  if (packet->version == 4)
    update (data + IP4_CHECKSUM, place, address->bytes, len);
  if (at != 0 && !(is_udp && packet->version == 4 && tn_get_u16be (data + at) == 0))      /* UDP without one stays so */
    {
      update (data + at, place, address->bytes, len);
      if (is_udp && tn_get_u16be (data + at) == 0)
        tn_put_u16be (data + at, 0xffff);
    }
  memcpy (place, address->bytes, len);
}

void
tn_masquerade_source (TnParsed          *packet,
                      guint8            *data,
                      const TnIpAddress *address)
{
  rewrite (packet, data, data + (packet->version == 4 ? 12 : 8), address);
  packet->src = *address;
}

void
tn_masquerade_destination (TnParsed          *packet,
                           guint8            *data,
                           const TnIpAddress *address)
{
  rewrite (packet, data, data + (packet->version == 4 ? 16 : 24), address);
  packet->dst = *address;
}
