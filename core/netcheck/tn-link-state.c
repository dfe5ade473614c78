/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-link-state.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "tn-ip.h"

/* What comes and goes all the time makes no difference: routes to single networks, addresses of a link or of the machine itself, those
 * that are not checked yet, lifetimes. Neither does what a tailnet gives us. All structs are compared byte by byte, and have no holes. */

typedef struct
{
  guint32 family;
  guint32 table;
  guint32 priority;
  guint32 tos;
  guint32 interface;
  guint32 next_hops;       /* hash of several */
  guint8  gateway[16];
  guint8  source[16];
} Route;

typedef struct
{
  guint32 family;
  guint32 interface;
  guint32 prefix_len;
  guint8  bytes[16];
} Address;

typedef struct
{
  guint32 interface;
  guint32 running;      /* it has a carrier */
} Link;

struct _TnLinkState
{
  GArray *routes;
  GArray *addresses;
  GArray *links;
};

/* --- Sets --- */

static gboolean
find (GArray        *set,
      gconstpointer  item,
      guint         *pos)
{
  guint size = g_array_get_element_size (set);

  for (*pos = 0; *pos < set->len; (*pos)++)
    if (memcmp (set->data + (gsize) *pos * size, item, size) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
set_member (GArray        *set,
            gconstpointer  item,
            gboolean       member)
{
  guint pos;

  if (find (set, item, &pos) == member)
    return FALSE;
  if (member)
    g_array_append_vals (set, item, 1);
  else
    g_array_remove_index_fast (set, pos);
  return TRUE;
}

/* --- Routes --- */

static gboolean
read_bytes (const TnNlAttribute *attribute,
            guint8               out[16])
{
  TnReader data = attribute->data;

  return data.left <= 16 && tn_reader_copy (&data, out, data.left);
}

static gboolean
read_route_attribute (Route               *route,
                      const TnNlAttribute *attribute)
{
  switch (attribute->type)
    {
    case RTA_TABLE:
      return tn_nl_attribute_u32 (attribute, &route->table);
    case RTA_PRIORITY:
      return tn_nl_attribute_u32 (attribute, &route->priority);
    case RTA_OIF:
      return tn_nl_attribute_u32 (attribute, &route->interface);
    case RTA_GATEWAY:
      return read_bytes (attribute, route->gateway);
    case RTA_PREFSRC:
      return read_bytes (attribute, route->source);
    case RTA_VIA:
    case RTA_MULTIPATH:
      for (gsize i = 0; i < attribute->data.left; i++)
        route->next_hops = route->next_hops * 33 + attribute->data.pos[i];
      return TRUE;
    default:
      return TRUE;
    }
}

/* FALSE: none that packets leave by. */
static gboolean
read_default_route (const TnNlMessage *message,
                    Route             *route)
{
  TnReader r = message->body;
  TnNlAttribute attribute;
  struct rtmsg header;

  if (!tn_reader_copy (&r, &header, sizeof header) || header.rtm_dst_len != 0 || header.rtm_type != RTN_UNICAST ||
      (header.rtm_flags & RTM_F_CLONED) != 0 || (header.rtm_family != AF_INET && header.rtm_family != AF_INET6))
    return FALSE;
  *route = (Route) { .family = header.rtm_family, .table = header.rtm_table, .tos = header.rtm_tos };
  while (tn_nl_attribute_next (&r, &attribute))
    if (!read_route_attribute (route, &attribute))
      return FALSE;
  return TRUE;
}

/* The kernel does not tell which one has gone. */
static gboolean
remove_replaced (TnLinkState *self,
                 const Route *route)
{
  gboolean changed = FALSE;

  for (guint i = self->routes->len; i > 0; i--)
    {
      const Route *other = &g_array_index (self->routes, Route, i - 1);

      if (other->family == route->family && other->table == route->table && other->priority == route->priority && other->tos == route->tos &&
          memcmp (other, route, sizeof *route) != 0)
        {
          g_array_remove_index_fast (self->routes, i - 1);
          changed = TRUE;
        }
    }
  return changed;
}

static gboolean
take_route (TnLinkState       *self,
            const TnNlMessage *message)
{
  gboolean replaced = FALSE;
  Route route;

  if (!read_default_route (message, &route))
    return FALSE;
  if (message->type == RTM_NEWROUTE && (message->flags & NLM_F_REPLACE) != 0)
    replaced = remove_replaced (self, &route);
  return set_member (self->routes, &route, message->type == RTM_NEWROUTE) || replaced;
}

/* --- Addresses --- */

static gboolean
is_of_tailnet (const Address *address)
{
  static const guint8 v6[] = { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0 };      /* tailscale net/tsaddr */

  if (address->family == AF_INET)
    return address->bytes[0] == 100 && (address->bytes[1] & 0xc0) == 64;
  return memcmp (address->bytes, v6, sizeof v6) == 0;
}

static gboolean
read_address (const TnNlMessage *message,
              Address           *address,
              gboolean          *usable)
{
  TnReader r = message->body;
  TnNlAttribute attribute;
  struct ifaddrmsg header;
  gboolean has_local = FALSE;

  if (!tn_reader_copy (&r, &header, sizeof header) || header.ifa_scope >= RT_SCOPE_LINK ||
      (header.ifa_family != AF_INET && header.ifa_family != AF_INET6))
    return FALSE;
  *address = (Address) { .family = header.ifa_family, .interface = header.ifa_index, .prefix_len = header.ifa_prefixlen };
  *usable = (header.ifa_flags & IFA_F_DADFAILED) == 0 && (header.ifa_flags & (IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)) != IFA_F_TENTATIVE;
  while (tn_nl_attribute_next (&r, &attribute))
    {
      /* Of a point-to-point link, IFA_ADDRESS is the other end. */
      if ((attribute.type == IFA_LOCAL || (attribute.type == IFA_ADDRESS && !has_local)) && !read_bytes (&attribute, address->bytes))
        return FALSE;
      has_local |= attribute.type == IFA_LOCAL;
    }
  return !is_of_tailnet (address);
}

static gboolean
take_address (TnLinkState       *self,
              const TnNlMessage *message)
{
  gboolean usable;
  Address address;

  return read_address (message, &address, &usable) && set_member (self->addresses, &address, message->type == RTM_NEWADDR && usable);
}

/* --- Interfaces --- */

static gboolean
has_default_route (TnLinkState *self,
                   guint32      interface)
{
  for (guint i = 0; i < self->routes->len; i++)
    if (g_array_index (self->routes, Route, i).interface == interface)
      return TRUE;
  return FALSE;
}

/* Of IPv4 the kernel does not tell that they go with their interface. */
static gboolean
remove_routes (TnLinkState *self,
               guint32      interface)
{
  guint n = self->routes->len;

  for (guint i = n; i > 0; i--)
    if (g_array_index (self->routes, Route, i - 1).interface == interface)
      g_array_remove_index_fast (self->routes, i - 1);
  return self->routes->len < n;
}

static gboolean
remove_addresses (TnLinkState *self,
                  guint32      interface)
{
  guint n = self->addresses->len;

  for (guint i = n; i > 0; i--)
    if (g_array_index (self->addresses, Address, i - 1).interface == interface)
      g_array_remove_index_fast (self->addresses, i - 1);
  return self->addresses->len < n;
}

/* A cable that was pulled is put in elsewhere, with the same addresses as likely as not. */
static gboolean
take_running (TnLinkState *self,
              guint32      interface,
              gboolean     running)
{
  for (guint i = 0; i < self->links->len; i++)
    {
      Link *link = &g_array_index (self->links, Link, i);

      if (link->interface != interface)
        continue;
      if (link->running == (guint32) running)
        return FALSE;
      link->running = (guint32) running;
      return has_default_route (self, interface);
    }

  const Link link = { interface, (guint32) running };

  g_array_append_val (self->links, link);
  return FALSE;
}

static void
remove_link (TnLinkState *self,
             guint32      interface)
{
  for (guint i = 0; i < self->links->len; i++)
    if (g_array_index (self->links, Link, i).interface == interface)
      {
        g_array_remove_index_fast (self->links, i);
        return;
      }
}

static gboolean
take_link (TnLinkState       *self,
           const TnNlMessage *message)
{
  TnReader r = message->body;
  struct ifinfomsg header;
  gboolean changed;

  if (!tn_reader_copy (&r, &header, sizeof header) || header.ifi_family != AF_UNSPEC || header.ifi_index <= 0)
    return FALSE;      /* those of a family are about bridges and the like */
  if (message->type == RTM_DELLINK)
    {
      changed = remove_routes (self, (guint32) header.ifi_index);
      changed |= remove_addresses (self, (guint32) header.ifi_index);
      remove_link (self, (guint32) header.ifi_index);
      return changed;
    }
  changed = take_running (self, (guint32) header.ifi_index, (header.ifi_flags & IFF_LOWER_UP) != 0);
  if ((header.ifi_flags & IFF_UP) == 0)
    changed |= remove_routes (self, (guint32) header.ifi_index);
  return changed;
}

/* --- All --- */

static gboolean
has_members (GArray *set,
             GArray *members)
{
  guint size = g_array_get_element_size (members);
  guint pos;

  for (guint i = 0; i < members->len; i++)
    if (!find (set, members->data + (gsize) i * size, &pos))
      return FALSE;
  return TRUE;
}

static gboolean
is_running (const TnLinkState *self,
            guint32            interface)
{
  for (guint i = 0; i < self->links->len; i++)
    {
      const Link *link = &g_array_index (self->links, Link, i);

      if (link->interface == interface)
        return link->running != 0;
    }
  return FALSE;
}

gboolean
tn_link_state_equal (const TnLinkState *a,
                     const TnLinkState *b)
{
  if (a->routes->len != b->routes->len || a->addresses->len != b->addresses->len || !has_members (a->routes, b->routes) ||
      !has_members (a->addresses, b->addresses))
    return FALSE;
  for (guint i = 0; i < a->routes->len; i++)
    {
      guint32 interface = g_array_index (a->routes, Route, i).interface;

      if (is_running (a, interface) != is_running (b, interface))
        return FALSE;
    }
  return TRUE;
}

gboolean
tn_link_state_take (TnLinkState       *self,
                    const TnNlMessage *message)
{
  switch (message->type)
    {
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return take_route (self, message);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return take_address (self, message);
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return take_link (self, message);
    default:
      return FALSE;
    }
}

TnLinkState *
tn_link_state_new (void)
{
  TnLinkState *self = g_new (TnLinkState, 1);

  self->routes = g_array_new (FALSE, FALSE, sizeof (Route));
  self->addresses = g_array_new (FALSE, FALSE, sizeof (Address));
  self->links = g_array_new (FALSE, FALSE, sizeof (Link));
  return self;
}

void
tn_link_state_free (TnLinkState *self)
{
  g_array_unref (self->routes);
  g_array_unref (self->addresses);
  g_array_unref (self->links);
  g_free (self);
}
