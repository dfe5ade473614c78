/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-route-message.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

/* linux/if_addr.h has it since 5.18; older kernels pass over it. */
#define ADDRESS_PROTOCOL 11

static guint8
family_of (guint8 version)
{
  return version == 4 ? AF_INET : AF_INET6;
}

static gboolean
version_of (guint8  family,
            guint8 *out)
{
  *out = family == AF_INET ? 4 : 6;
  return family == AF_INET || family == AF_INET6;
}

/* Some kernels send no destination for the default route, others one of zeros. */
static gboolean
read_address (const TnNlAttribute *attribute,
              guint8               version,
              TnIpAddress         *out)
{
  if (attribute->data.left != (version == 4 ? 4 : 16))
    return FALSE;
  *out = tn_ip_address_from_bytes (attribute->data.pos, attribute->data.left);
  return TRUE;
}

static gboolean
prefix_is_valid (const TnIpPrefix *prefix)
{
  return prefix->bits <= 8 * tn_ip_address_len (&prefix->address);
}

static void
put_address (TnNlBatch         *batch,
             guint16            attribute,
             const TnIpAddress *address)
{
  tn_nl_batch_put (batch, attribute, address->bytes, tn_ip_address_len (address));
}

/* --- Links --- */

/* Of IFLA_AF_SPEC, which has a part for IPv6 only where the interface has IPv6. */
static gboolean
has_ipv6 (TnReader families)
{
  const gsize disabled_at = DEVCONF_DISABLE_IPV6 * sizeof (gint32);
  TnNlAttribute family, conf;
  gint32 disabled;

  while (tn_nl_attribute_next (&families, &family))
    {
      if (family.type != AF_INET6)
        continue;
      while (tn_nl_attribute_next (&family.data, &conf))
        if (conf.type == IFLA_INET6_CONF && tn_reader_skip (&conf.data, disabled_at)
            && tn_reader_copy (&conf.data, &disabled, sizeof disabled))
          return disabled == 0;
    }
  return FALSE;
}

gboolean
tn_linux_link_parse (const TnNlMessage *message,
                     TnLinuxLink       *out)
{
  TnReader r = message->body;
  struct ifinfomsg header;
  TnNlAttribute attribute;

  if (message->type != RTM_NEWLINK || !tn_reader_copy (&r, &header, sizeof header) || header.ifi_index <= 0)
    return FALSE;
  *out = (TnLinuxLink) { .index = (guint32) header.ifi_index };
  while (tn_nl_attribute_next (&r, &attribute))
    {
      if (attribute.type == IFLA_IFNAME && attribute.data.left <= sizeof out->name)
        memcpy (out->name, attribute.data.pos, attribute.data.left);
      else if (attribute.type == IFLA_AF_SPEC)
        out->ipv6 = has_ipv6 (attribute.data);
      else if (attribute.type == IFLA_CARRIER && attribute.data.left > 0)
        out->running = attribute.data.pos[0] != 0;
    }
  out->name[sizeof out->name - 1] = '\0';
  return TRUE;
}

void
tn_linux_link_ask (TnNlBatch  *batch,
                   const char *name,
                   guint32     index)
{
  struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = (int) index };

  tn_nl_batch_begin (batch, RTM_GETLINK, 0, &header, sizeof header);
  if (name != NULL)
    tn_nl_batch_put (batch, IFLA_IFNAME, name, MIN (strlen (name), 255) + 1);
}

/* --- Addresses --- */

gboolean
tn_linux_address_parse (const TnNlMessage *message,
                        TnLinuxAddress    *out)
{
  TnReader r = message->body;
  gboolean have_local = FALSE;
  struct ifaddrmsg header;
  TnNlAttribute attribute;
  guint8 version;

  if (message->type != RTM_NEWADDR || !tn_reader_copy (&r, &header, sizeof header) || !version_of (header.ifa_family, &version))
    return FALSE;
  *out = (TnLinuxAddress) { .index = header.ifa_index, .prefix.bits = header.ifa_prefixlen };
  while (tn_nl_attribute_next (&r, &attribute))
    {
      /* On a point-to-point interface IFA_ADDRESS is the other end, where there is an IFA_LOCAL. */
      if (attribute.type == IFA_LOCAL || (attribute.type == IFA_ADDRESS && !have_local))
        {
          have_local |= attribute.type == IFA_LOCAL;
          if (!read_address (&attribute, version, &out->prefix.address))
            return FALSE;
        }
      else if (attribute.type == ADDRESS_PROTOCOL && !tn_nl_attribute_u8 (&attribute, &out->protocol))
        return FALSE;
    }
  return out->prefix.address.version == version && prefix_is_valid (&out->prefix);
}

void
tn_linux_addresses_ask (TnNlBatch *batch,
                        guint8     version)
{
  struct ifaddrmsg header = { .ifa_family = family_of (version) };

  tn_nl_batch_begin (batch, RTM_GETADDR, NLM_F_DUMP, &header, sizeof header);
}

/* No duplicates are looked for, as nobody else is on the link; and no route in the main table follows from the address. */
void
tn_linux_address_write (TnNlBatch    *batch,
                        gconstpointer item,
                        gboolean      add)
{
  const TnLinuxAddress *address = item;
  const guint32 flags = IFA_F_NODAD | IFA_F_NOPREFIXROUTE;
  const guint8 protocol = TN_LINUX_PROTOCOL;
  struct ifaddrmsg header = {
    .ifa_family = family_of (address->prefix.address.version),
    .ifa_prefixlen = address->prefix.bits,
    .ifa_index = address->index,
  };

  if (add)
    tn_nl_batch_begin (batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
  else
    tn_nl_batch_begin (batch, RTM_DELADDR, 0, &header, sizeof header);
  put_address (batch, IFA_LOCAL, &address->prefix.address);
  put_address (batch, IFA_ADDRESS, &address->prefix.address);
  if (!add)
    return;
  tn_nl_batch_put_u32 (batch, IFA_FLAGS, flags);
  tn_nl_batch_put (batch, ADDRESS_PROTOCOL, &protocol, sizeof protocol);
}

/* --- Routes --- */

static gboolean
read_route_attribute (const TnNlAttribute *attribute,
                      guint8               version,
                      TnLinuxRoute        *out)
{
  switch (attribute->type)
    {
    case RTA_DST:
      return read_address (attribute, version, &out->prefix.address);
    case RTA_OIF:
      return tn_nl_attribute_u32 (attribute, &out->index);
    case RTA_TABLE:
      return tn_nl_attribute_u32 (attribute, &out->table);
    case RTA_PRIORITY:
      return tn_nl_attribute_u32 (attribute, &out->metric);
    default:
      return TRUE;
    }
}

gboolean
tn_linux_route_parse (const TnNlMessage *message,
                      TnLinuxRoute      *out)
{
  TnReader r = message->body;
  TnNlAttribute attribute;
  struct rtmsg header;
  guint8 version;

  if (message->type != RTM_NEWROUTE || !tn_reader_copy (&r, &header, sizeof header) || !version_of (header.rtm_family, &version))
    return FALSE;
  *out = (TnLinuxRoute) { .table = header.rtm_table, .type = header.rtm_type, .protocol = header.rtm_protocol };
  out->prefix.address.version = version;
  out->prefix.bits = header.rtm_dst_len;
  while (tn_nl_attribute_next (&r, &attribute))
    if (!read_route_attribute (&attribute, version, out))
      return FALSE;
  return prefix_is_valid (&out->prefix);
}

/* A kernel that does not look at it sends all tables. */
void
tn_linux_routes_ask (TnNlBatch *batch,
                     guint8     version,
                     guint8     table)
{
  struct rtmsg header = { .rtm_family = family_of (version), .rtm_table = table };

  tn_nl_batch_begin (batch, RTM_GETROUTE, NLM_F_DUMP, &header, sizeof header);
}

/* Replaces the one of the same destination and metric. */
void
tn_linux_route_write (TnNlBatch    *batch,
                      gconstpointer item,
                      gboolean      add)
{
  const TnLinuxRoute *route = item;
  struct rtmsg header = {
    .rtm_family = family_of (route->prefix.address.version),
    .rtm_dst_len = route->prefix.bits,
    .rtm_table = RT_TABLE_UNSPEC,     /* the attribute says it */
    .rtm_protocol = TN_LINUX_PROTOCOL,
    .rtm_scope = add ? RT_SCOPE_LINK : RT_SCOPE_NOWHERE,      /* to remove: of any scope */
    .rtm_type = route->type,
  };

  if (add)
    tn_nl_batch_begin (batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof header);
  else
    tn_nl_batch_begin (batch, RTM_DELROUTE, 0, &header, sizeof header);
  put_address (batch, RTA_DST, &route->prefix.address);
  tn_nl_batch_put_u32 (batch, RTA_TABLE, route->table);
  if (route->metric != 0)
    tn_nl_batch_put_u32 (batch, RTA_PRIORITY, route->metric);
  if (route->index != 0)
    tn_nl_batch_put_u32 (batch, RTA_OIF, route->index);
}

/* --- Rules --- */

static gboolean
read_rule_attribute (const TnNlAttribute *attribute,
                     TnLinuxRule         *out)
{
  switch (attribute->type)
    {
    case FRA_PRIORITY:
      return tn_nl_attribute_u32 (attribute, &out->priority);
    case FRA_FWMARK:
      return tn_nl_attribute_u32 (attribute, &out->mark);
    case FRA_FWMASK:
      return tn_nl_attribute_u32 (attribute, &out->mask);
    case FRA_TABLE:
      return tn_nl_attribute_u32 (attribute, &out->table);
    case FRA_PROTOCOL:
      return tn_nl_attribute_u8 (attribute, &out->protocol);
    case FRA_SUPPRESS_PREFIXLEN:
    case FRA_SUPPRESS_IFGROUP:
      {
        guint32 value;

        if (!tn_nl_attribute_u32 (attribute, &value))
          return FALSE;
        out->narrowed |= value != G_MAXUINT32;      /* -1: none */
        return TRUE;
      }
    case FRA_PAD:
      return TRUE;
    default:
      out->narrowed = TRUE;
      return TRUE;
    }
}

gboolean
tn_linux_rule_parse (const TnNlMessage *message,
                     TnLinuxRule       *out)
{
  TnReader r = message->body;
  struct fib_rule_hdr header;
  TnNlAttribute attribute;
  guint8 version;

  if (message->type != RTM_NEWRULE || !tn_reader_copy (&r, &header, sizeof header) || !version_of (header.family, &version))
    return FALSE;
  *out = (TnLinuxRule) { .version = version, .action = header.action, .table = header.table };
  out->narrowed = header.dst_len != 0 || header.src_len != 0 || header.tos != 0 || (header.flags & FIB_RULE_INVERT) != 0;
  while (tn_nl_attribute_next (&r, &attribute))
    if (!read_rule_attribute (&attribute, out))
      return FALSE;
  return TRUE;
}

void
tn_linux_rules_ask (TnNlBatch *batch,
                    guint8     version)
{
  struct fib_rule_hdr header = { .family = family_of (version) };

  tn_nl_batch_begin (batch, RTM_GETRULE, NLM_F_DUMP, &header, sizeof header);
}

void
tn_linux_rule_write (TnNlBatch    *batch,
                     gconstpointer item,
                     gboolean      add)
{
  const TnLinuxRule *rule = item;
  const guint8 protocol = TN_LINUX_PROTOCOL;
  struct fib_rule_hdr header = { .family = family_of (rule->version), .action = rule->action };

  if (add)
    tn_nl_batch_begin (batch, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
  else
    tn_nl_batch_begin (batch, RTM_DELRULE, 0, &header, sizeof header);
  tn_nl_batch_put_u32 (batch, FRA_PRIORITY, rule->priority);
  tn_nl_batch_put (batch, FRA_PROTOCOL, &protocol, sizeof protocol);
  if (rule->table != 0)
    tn_nl_batch_put_u32 (batch, FRA_TABLE, rule->table);
  if (rule->mask != 0)
    {
      tn_nl_batch_put_u32 (batch, FRA_FWMARK, rule->mark);
      tn_nl_batch_put_u32 (batch, FRA_FWMASK, rule->mask);
    }
}
