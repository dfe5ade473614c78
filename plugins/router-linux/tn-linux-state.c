/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-linux-state.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#define IPV6_METRIC 1024      /* net/ipv6_route.h: what the kernel makes of none */

/* Marked packets look at the tables of the network under us, and go nowhere else; all others at ours first. */
static const TnLinuxRule wanted_rules[] = {
  { .priority = 5210, .action = FR_ACT_TO_TBL, .table = RT_TABLE_MAIN, .mark = TN_LINUX_MARK, .mask = TN_LINUX_MARK_MASK },
  { .priority = 5230, .action = FR_ACT_TO_TBL, .table = RT_TABLE_DEFAULT, .mark = TN_LINUX_MARK, .mask = TN_LINUX_MARK_MASK },
  { .priority = 5250, .action = FR_ACT_UNREACHABLE, .mark = TN_LINUX_MARK, .mask = TN_LINUX_MARK_MASK },
  { .priority = 5270, .action = FR_ACT_TO_TBL, .table = TN_LINUX_TABLE },
};

TnLinuxState *
tn_linux_state_new (void)
{
  TnLinuxState *self = g_new0 (TnLinuxState, 1);

  self->addresses = g_array_new (FALSE, TRUE, sizeof (TnLinuxAddress));
  self->rules = g_array_new (FALSE, TRUE, sizeof (TnLinuxRule));
  self->routes = g_array_new (FALSE, TRUE, sizeof (TnLinuxRoute));
  return self;
}

void
tn_linux_state_free (TnLinuxState *self)
{
  g_array_unref (self->addresses);
  g_array_unref (self->rules);
  g_array_unref (self->routes);
  g_free (self);
}

static void
add_rules (TnLinuxState *self,
           guint8        version)
{
  for (guint i = 0; i < G_N_ELEMENTS (wanted_rules); i++)
    {
      TnLinuxRule rule = wanted_rules[i];

      rule.version = version;
      rule.protocol = TN_LINUX_PROTOCOL;
      g_array_append_val (self->rules, rule);
    }
}

/* An interface alone, with neither address nor route, needs no rules. */
static gboolean
has_version (const TnRouterConfig *config,
             guint8                version)
{
  for (guint i = 0; i < config->n_addresses; i++)
    if (config->addresses[i].address.version == version)
      return TRUE;
  for (guint i = 0; i < config->n_routes; i++)
    if (config->routes[i].address.version == version)
      return TRUE;
  return FALSE;
}

gboolean
tn_router_config_has_ipv6 (const TnRouterConfig *config)
{
  return has_version (config, 6);
}

TnLinuxState *
tn_linux_state_new_for_config (const TnRouterConfig *config,
                               guint32               index,
                               gboolean              ipv6)
{
  TnLinuxState *self = tn_linux_state_new ();

  for (guint i = 0; i < config->n_addresses; i++)
    {
      TnLinuxAddress address = { .prefix = config->addresses[i], .index = index, .protocol = TN_LINUX_PROTOCOL };

      if (ipv6 || address.prefix.address.version == 4)
        g_array_append_val (self->addresses, address);
    }
  for (guint i = 0; i < config->n_routes; i++)
    {
      const guint8 version = config->routes[i].address.version;
      TnLinuxRoute route = { .index = index, .table = TN_LINUX_TABLE, .type = RTN_UNICAST, .protocol = TN_LINUX_PROTOCOL };

      route.prefix = tn_ip_prefix_mask (&config->routes[i]);
      route.metric = version == 6 ? IPV6_METRIC : 0;
      if (ipv6 || version == 4)
        g_array_append_val (self->routes, route);
    }
  if (has_version (config, 4))
    add_rules (self, 4);
  if (ipv6 && has_version (config, 6))
    add_rules (self, 6);
  return self;
}

/* --- Whose it is --- */

gboolean
tn_linux_rule_is_at_ours (const TnLinuxRule *rule)
{
  for (guint i = 0; i < G_N_ELEMENTS (wanted_rules); i++)
    if (rule->priority == wanted_rules[i].priority)
      return TRUE;
  return FALSE;
}

gboolean
tn_linux_route_is_at_ours (const TnLinuxRoute *route)
{
  return route->table == TN_LINUX_TABLE;
}

gboolean
tn_linux_state_check_foreign (const TnLinuxState *self,
                              GError            **error)
{
  for (guint i = 0; i < self->rules->len; i++)
    {
      const TnLinuxRule *rule = &g_array_index (self->rules, TnLinuxRule, i);

      if (!tn_linux_rule_is_at_ours (rule) || rule->protocol == TN_LINUX_PROTOCOL)
        continue;
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                   "another program has an IPv%u routing rule at priority %u (protocol %u), which the tailnet needs; "
                   "perhaps another tailnet service runs", rule->version, rule->priority, rule->protocol);
      return FALSE;
    }
  for (guint i = 0; i < self->routes->len; i++)
    {
      const TnLinuxRoute *route = &g_array_index (self->routes, TnLinuxRoute, i);
      char text[TN_IP_PREFIX_TEXT_MAX];

      if (!tn_linux_route_is_at_ours (route) || route->protocol == TN_LINUX_PROTOCOL)
        continue;
      tn_ip_prefix_print (&route->prefix, text);
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
                   "another program has a route to %s (protocol %u) in routing table %u, which the tailnet needs; "
                   "perhaps another tailnet service runs", text, route->protocol, route->table);
      return FALSE;
    }
  return TRUE;
}

void
tn_linux_state_drop_foreign (TnLinuxState *self)
{
  for (guint i = self->rules->len; i-- > 0;)
    if (g_array_index (self->rules, TnLinuxRule, i).protocol != TN_LINUX_PROTOCOL)
      g_array_remove_index_fast (self->rules, i);
  for (guint i = self->routes->len; i-- > 0;)
    if (g_array_index (self->routes, TnLinuxRoute, i).protocol != TN_LINUX_PROTOCOL)
      g_array_remove_index_fast (self->routes, i);
}

/* --- Difference --- */

static int
compare_number (guint32 a,
                guint32 b)
{
  return (a > b) - (a < b);
}

int
tn_linux_address_compare (gconstpointer a,
                          gconstpointer b)
{
  const TnLinuxAddress *x = a, *y = b;
  int order = tn_ip_address_compare (&x->prefix.address, &y->prefix.address);

  order = order != 0 ? order : compare_number (x->prefix.bits, y->prefix.bits);
  return order != 0 ? order : compare_number (x->index, y->index);
}

int
tn_linux_rule_compare (gconstpointer a,
                       gconstpointer b)
{
  const TnLinuxRule *x = a, *y = b;
  int order = compare_number (x->version, y->version);

  order = order != 0 ? order : compare_number (x->priority, y->priority);
  order = order != 0 ? order : compare_number (x->action, y->action);
  order = order != 0 ? order : compare_number (x->table, y->table);
  order = order != 0 ? order : compare_number (x->mark, y->mark);
  order = order != 0 ? order : compare_number (x->mask, y->mask);
  return order != 0 ? order : compare_number (x->narrowed, y->narrowed);
}

int
tn_linux_route_compare (gconstpointer a,
                        gconstpointer b)
{
  const TnLinuxRoute *x = a, *y = b;
  int order = compare_number (y->prefix.bits, x->prefix.bits);

  order = order != 0 ? order : tn_ip_address_compare (&x->prefix.address, &y->prefix.address);
  order = order != 0 ? order : compare_number (x->metric, y->metric);
  order = order != 0 ? order : compare_number (x->type, y->type);
  return order != 0 ? order : compare_number (x->index, y->index);
}

static gconstpointer
item_at (GArray *items,
         guint   i)
{
  return items->data + (gsize) i * g_array_get_element_size (items);
}

/* @items is sorted: the next item that is another one. */
static guint
next_other (GArray      *items,
            guint        i,
            GCompareFunc compare)
{
  guint next = i + 1;

  while (next < items->len && compare (item_at (items, i), item_at (items, next)) == 0)
    next++;
  return next;
}

void
tn_linux_diff (GArray      *have,
               GArray      *want,
               GCompareFunc compare,
               GArray      *missing,
               GArray      *extra)
{
  guint h = 0, w = 0;

  g_array_sort (have, compare);
  g_array_sort (want, compare);
  while (h < have->len || w < want->len)
    {
      const int order = h == have->len ? 1 : w == want->len ? -1 : compare (item_at (have, h), item_at (want, w));

      if (order > 0)
        g_array_append_vals (missing, item_at (want, w), 1);
      else if (order < 0)
        g_array_append_vals (extra, item_at (have, h), 1);
      if (order <= 0)
        h = next_other (have, h, compare);
      if (order >= 0)
        w = next_other (want, w, compare);
    }
}
