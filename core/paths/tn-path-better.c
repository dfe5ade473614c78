/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-path-better.h"

/* Points, and the order of the rules: tailscale wgengine/magicsock/endpoint.go, betterAddr. */
#define POINTS_LOOPBACK   50
#define POINTS_LINK_LOCAL 30
#define POINTS_PRIVATE    20
#define POINTS_IPV6       10

static guint
address_points (const TnIpAddress *address)
{
  static const guint8 loopback6[16] = { [15] = 1 };
  const guint8 *b = address->bytes;

  if (address->version == 4)
    {
      if (b[0] == 127)
        return POINTS_LOOPBACK;
      if (b[0] == 169 && b[1] == 254)
        return POINTS_LINK_LOCAL;
      if (b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168))
        return POINTS_PRIVATE;
      return 0;
    }

  if (memcmp (b, loopback6, sizeof loopback6) == 0)
    return POINTS_LOOPBACK + POINTS_IPV6;
  if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
    return POINTS_LINK_LOCAL + POINTS_IPV6;
  if ((b[0] & 0xfe) == 0xfc)
    return POINTS_PRIVATE + POINTS_IPV6;
  return POINTS_IPV6;
}

/* How much faster in per cent, 0 if not. */
static gint64
latency_points (gint64 mine_ns,
                gint64 other_ns)
{
  if (mine_ns >= other_ns || other_ns <= 0)
    return 0;
  return 100 - mine_ns * 100 / other_ns;
}

gboolean
tn_path_better (const TnPathQuality *a,
                const TnPathQuality *b)
{
  gboolean a_relayed, b_relayed;
  gint64 a_points, b_points;

  if (tn_path_address_equal (&a->address, &b->address))
    return a->wire_mtu > b->wire_mtu;
  if (b->address.kind == TN_PATH_ADDRESS_NONE)
    return TRUE;
  if (a->address.kind == TN_PATH_ADDRESS_NONE)
    return FALSE;

  a_relayed = a->address.udp.vni != TN_PATH_NO_VNI;
  b_relayed = b->address.udp.vni != TN_PATH_NO_VNI;
  if (a_relayed != b_relayed)
    return b_relayed;

  a_points = latency_points (a->latency_ns, b->latency_ns) + address_points (&a->address.udp.endpoint.address);
  b_points = latency_points (b->latency_ns, a->latency_ns) + address_points (&b->address.udp.endpoint.address);

  /* Less than one per cent is no reason to change. */
  return !(a_points <= 1 && b_points == 0) && a_points > b_points;
}
