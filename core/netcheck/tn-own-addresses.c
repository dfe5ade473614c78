/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-own-addresses.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#define PER_SUBNET6_MAX 2

typedef enum { RANK_NONE, RANK_LOOPBACK, RANK_POOR, RANK_GOOD } Rank;

static gboolean
is_within (const TnIpAddress *address,
           const char        *text)
{
  TnIpPrefix prefix;

  return tn_ip_prefix_parse (text, &prefix) && tn_ip_prefix_contains (&prefix, address);
}

/* Chromebooks have addresses for themselves in the middle of the range. */
static gboolean
is_of_tailnet (const TnIpAddress *address)
{
  return is_within (address, "fd7a:115c:a1e0::/48") || (is_within (address, "100.64.0.0/10") && !is_within (address, "100.115.92.0/23"));
}

/* Interfaces of other programs like this one: a path through them is none. */
static gboolean
is_of_other_network (const char *interface)
{
  return g_str_has_prefix (interface, "zt") || g_str_equal (interface, "wt0");
}

static Rank
rank_of (const TnInterfaceAddress *candidate)
{
  const TnIpAddress *address = &candidate->address;

  if (!candidate->up || is_of_other_network (candidate->interface) || is_of_tailnet (address) || is_within (address, "fe80::/10"))
    return RANK_NONE;
  if (candidate->loopback || tn_ip_address_is_loopback (address))
    return RANK_LOOPBACK;
  if (is_within (address, "169.254.0.0/16") || is_within (address, "fc00::/7"))
    return RANK_POOR;
  return RANK_GOOD;
}

static guint
count_in_subnet (GArray            *chosen,
                 const TnIpAddress *address,
                 guint8             bits)
{
  TnIpPrefix whole = { *address, bits };
  TnIpPrefix subnet = tn_ip_prefix_mask (&whole);
  guint n = 0;

  for (guint i = 0; i < chosen->len; i++)
    n += tn_ip_prefix_contains (&subnet, &g_array_index (chosen, TnIpAddress, i)) ? 1 : 0;
  return n;
}

static int
compare (gconstpointer a,
         gconstpointer b)
{
  return tn_ip_address_compare (a, b);
}

GArray *
tn_own_addresses_choose (const TnInterfaceAddress *addresses,
                         gsize                     n_addresses)
{
  GArray *chosen = g_array_new (FALSE, FALSE, sizeof (TnIpAddress));

  for (Rank rank = RANK_GOOD; rank > RANK_NONE && chosen->len == 0; rank--)
    for (gsize i = 0; i < n_addresses; i++)
      if (rank_of (&addresses[i]) == rank &&
          (addresses[i].address.version == 4 ||
           count_in_subnet (chosen, &addresses[i].address, addresses[i].bits) < PER_SUBNET6_MAX))
        g_array_append_val (chosen, addresses[i].address);
  g_array_sort (chosen, compare);
  return chosen;
}

/* --- Of this machine --- */

static guint8
count_bits (const guint8 *mask,
            gsize         len)
{
  guint8 bits = 0;

  for (gsize i = 0; i < len; i++)
    bits = (guint8) (bits + __builtin_popcount (mask[i]));
  return bits;
}

static const guint8 *
bytes_of (const struct sockaddr *address,
          gsize                 *len)
{
  if (address != NULL && address->sa_family == AF_INET)
    {
      *len = 4;
      return (const guint8 *) &((const struct sockaddr_in *) (gconstpointer) address)->sin_addr;
    }
  if (address != NULL && address->sa_family == AF_INET6)
    {
      *len = 16;
      return ((const struct sockaddr_in6 *) (gconstpointer) address)->sin6_addr.s6_addr;
    }
  return NULL;
}

GArray *
tn_own_addresses_get (void)
{
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (TnInterfaceAddress));
  struct ifaddrs *all = NULL;
  GArray *chosen;

  if (getifaddrs (&all) != 0)
    all = NULL;
  for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next)
    {
      gsize len = 0, mask_len = 0;
      const guint8 *bytes = bytes_of (one->ifa_addr, &len);
      const guint8 *mask = bytes_of (one->ifa_netmask, &mask_len);
      TnInterfaceAddress address = {
        .interface = one->ifa_name, .up = (one->ifa_flags & IFF_UP) != 0, .loopback = (one->ifa_flags & IFF_LOOPBACK) != 0,
      };

      if (bytes == NULL)
        continue;
      address.address = tn_ip_address_from_bytes (bytes, len);
      address.bits = mask != NULL && mask_len == len ? count_bits (mask, len) : (guint8) (8 * len);
      g_array_append_val (found, address);
    }
  chosen = tn_own_addresses_choose ((const TnInterfaceAddress *) (gconstpointer) found->data, found->len);
  if (all != NULL)
    freeifaddrs (all);
  return chosen;
}
