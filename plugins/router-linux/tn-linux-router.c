/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-linux-router.h"

#include <errno.h>

#include "tn-linux-kernel.h"

/* Addresses and routes of an interface of the kernel. What is ours is read from the kernel each time, where it bears our number, so
 * that there is nothing here that could be wrong about it: after a crash, a refusal, or a change by somebody else. */
struct _TnLinuxRouter
{
  GObject       parent_instance;

  TnLinuxKernel kernel;
  gboolean      configured;        /* there may be something to remove */
  TnLinuxLink   link;              /* while configured */
  guint32       old_index;         /* of the one before, while something may be left on it; 0: none */
  GArray       *made;              /* of TnLinuxAddress: kernels before 5.18 do not keep our number on them */
  gboolean      told_no_ipv6;
};

static void tn_linux_router_router_init (TnRouterInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (TnLinuxRouter, tn_linux_router, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_ROUTER, tn_linux_router_router_init))

/* --- Whose it is --- */

static gboolean
is_our_link (TnLinuxRouter *self,
             guint32        index)
{
  return self->configured && index != 0 && (index == self->link.index || index == self->old_index);
}

static gboolean
is_our_address (TnLinuxRouter        *self,
                const TnLinuxAddress *address)
{
  if (address->protocol == TN_LINUX_PROTOCOL)
    return TRUE;
  for (guint i = 0; i < self->made->len; i++)
    if (tn_linux_address_compare (address, &g_array_index (self->made, TnLinuxAddress, i)) == 0)
      return TRUE;
  return FALSE;
}

/* Those that we made, now or in an earlier run. */
static GArray *
dup_our_addresses (TnLinuxRouter      *self,
                   const TnLinuxState *have)
{
  GArray *ours = g_array_new (FALSE, TRUE, sizeof (TnLinuxAddress));

  for (guint i = 0; i < have->addresses->len; i++)
    if (is_our_address (self, &g_array_index (have->addresses, TnLinuxAddress, i)))
      g_array_append_vals (ours, &g_array_index (have->addresses, TnLinuxAddress, i), 1);
  return ours;
}

/* Addresses on @index, whoever made them: one that is there already need not be added. */
static GArray *
dup_addresses_on (const TnLinuxState *have,
                  guint32             index)
{
  GArray *on = g_array_new (FALSE, TRUE, sizeof (TnLinuxAddress));

  for (guint i = 0; i < have->addresses->len; i++)
    if (g_array_index (have->addresses, TnLinuxAddress, i).index == index)
      g_array_append_vals (on, &g_array_index (have->addresses, TnLinuxAddress, i), 1);
  return on;
}

/* What bears our number on another interface was left there by a process that is gone, unless the interface has somebody at its other
 * end: then that one runs. */
static gboolean
check_other (TnLinuxRouter     *self,
             const TnLinuxLink *link,
             guint32            index,
             GError           **error)
{
  g_autoptr (GError) problem = NULL;
  TnLinuxLink other;

  if (index == 0 || index == link->index || is_our_link (self, index))
    return TRUE;
  if (!tn_linux_kernel_find_link (&self->kernel, NULL, index, &other, &problem))
    {
      if (g_error_matches (problem, G_IO_ERROR, g_io_error_from_errno (ENODEV)))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&problem));      /* for all we know it is there */
      return FALSE;
    }
  if (!other.running)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY,
               "another node of a tailnet uses routing table %u, with interface %s", TN_LINUX_TABLE, other.name);
  return FALSE;
}

static gboolean
check_others (TnLinuxRouter      *self,
              const TnLinuxLink  *link,
              const TnLinuxState *have,
              GError            **error)
{
  guint32 checked = 0;

  for (guint i = 0; i < have->addresses->len; i++)
    {
      const TnLinuxAddress *address = &g_array_index (have->addresses, TnLinuxAddress, i);

      if (address->protocol == TN_LINUX_PROTOCOL && !check_other (self, link, address->index, error))
        return FALSE;
    }
  for (guint i = 0; i < have->routes->len; i++)
    {
      const guint32 index = g_array_index (have->routes, TnLinuxRoute, i).index;

      if (index != checked && !check_other (self, link, index, error))
        return FALSE;
      checked = index;
    }
  return TRUE;
}

/* --- Changes: what is missing is added before what is too much goes, so that no packet takes another way in between. One thing that is
 * refused keeps away only what cannot do without it --- */

/* The first of several is told. */
static void
note_problem (GError **first,
              GError  *problem)      /* taken; nullable */
{
  if (*first == NULL)
    *first = problem;
  else
    g_clear_error (&problem);
}

/* Of those that were missing, what is there now is ours: one that was refused may be somebody else's before we look again. */
static void
note_made (TnLinuxRouter *self,
           GArray        *missing)
{
  g_autoptr (TnLinuxState) now = tn_linux_kernel_read (&self->kernel, NULL);

  for (guint i = 0; now != NULL && i < now->addresses->len; i++)
    for (guint j = 0; j < missing->len; j++)
      if (tn_linux_address_compare (&g_array_index (now->addresses, TnLinuxAddress, i), &g_array_index (missing, TnLinuxAddress, j)) == 0)
        g_array_append_vals (self->made, &g_array_index (missing, TnLinuxAddress, j), 1);
}

static void
change_addresses (TnLinuxRouter      *self,
                  const TnLinuxLink  *link,
                  const TnLinuxState *have,
                  const TnLinuxState *want,
                  gboolean           *removed,
                  GError            **first)
{
  g_autoptr (GArray) ours = dup_our_addresses (self, have);
  g_autoptr (GArray) there = dup_addresses_on (have, link->index);
  g_autoptr (GArray) missing = g_array_new (FALSE, TRUE, sizeof (TnLinuxAddress));
  g_autoptr (GArray) extra = g_array_new (FALSE, TRUE, sizeof (TnLinuxAddress));
  g_autoptr (GArray) ignored = g_array_new (FALSE, TRUE, sizeof (TnLinuxAddress));
  GError *problem = NULL;

  tn_linux_diff (there, want->addresses, tn_linux_address_compare, missing, ignored);
  tn_linux_diff (ours, want->addresses, tn_linux_address_compare, ignored, extra);
  *removed = extra->len > 0;
  if (tn_linux_kernel_addresses (&self->kernel, TRUE, missing, link, &problem))
    g_array_append_vals (self->made, missing->data, missing->len);
  else
    note_made (self, missing);
  note_problem (first, g_steal_pointer (&problem));
  (void) tn_linux_kernel_addresses (&self->kernel, FALSE, extra, link, &problem);
  note_problem (first, problem);
}

static void
change_rules (TnLinuxRouter      *self,
              const TnLinuxState *have,
              const TnLinuxState *want,
              gboolean            add,
              GError            **first)
{
  g_autoptr (GArray) missing = g_array_new (FALSE, TRUE, sizeof (TnLinuxRule));
  g_autoptr (GArray) extra = g_array_new (FALSE, TRUE, sizeof (TnLinuxRule));
  GError *problem = NULL;

  tn_linux_diff (have->rules, want->rules, tn_linux_rule_compare, missing, extra);
  (void) tn_linux_kernel_rules (&self->kernel, add, add ? missing : extra, &problem);
  note_problem (first, problem);
}

/* Where a rule is missing, routes would catch what carries the tailnet: of such a family there are none. */
static void
keep_safe_routes (const TnLinuxState *have,
                  TnLinuxState       *want)
{
  g_autoptr (GArray) missing = g_array_new (FALSE, TRUE, sizeof (TnLinuxRule));
  g_autoptr (GArray) ignored = g_array_new (FALSE, TRUE, sizeof (TnLinuxRule));

  tn_linux_diff (have->rules, want->rules, tn_linux_rule_compare, missing, ignored);
  for (guint i = 0; i < missing->len; i++)
    for (guint j = want->routes->len; j-- > 0;)
      if (g_array_index (want->routes, TnLinuxRoute, j).prefix.address.version == g_array_index (missing, TnLinuxRule, i).version)
        g_array_remove_index (want->routes, j);
}

static void
change_routes (TnLinuxRouter      *self,
               const TnLinuxLink  *link,
               const TnLinuxState *have,
               const TnLinuxState *want,
               GError            **first)
{
  g_autoptr (GArray) missing = g_array_new (FALSE, TRUE, sizeof (TnLinuxRoute));
  g_autoptr (GArray) extra = g_array_new (FALSE, TRUE, sizeof (TnLinuxRoute));
  GError *problem = NULL;

  tn_linux_diff (have->routes, want->routes, tn_linux_route_compare, missing, extra);
  (void) tn_linux_kernel_routes (&self->kernel, TRUE, missing, link, &problem);
  note_problem (first, g_steal_pointer (&problem));
  (void) tn_linux_kernel_routes (&self->kernel, FALSE, extra, link, &problem);
  note_problem (first, problem);
}

/* What is there now, and ours; NULL: it cannot be told. */
static TnLinuxState *
read_own (TnLinuxRouter  *self,
          GError        **first)
{
  GError *problem = NULL;
  TnLinuxState *now = tn_linux_kernel_read (&self->kernel, &problem);

  note_problem (first, problem);
  if (now != NULL)
    tn_linux_state_drop_foreign (now);
  return now;
}

/* Before a default route is there, our own packets have to have their way past it; and as long as it is. */
static gboolean
change (TnLinuxRouter       *self,
        const TnLinuxLink   *link,
        const TnLinuxState  *have,
        TnLinuxState        *want,
        GError             **error)
{
  g_autoptr (TnLinuxState) now = NULL;
  GError *first = NULL;
  gboolean removed;

  change_addresses (self, link, have, want, &removed, &first);
  change_rules (self, have, want, TRUE, &first);
  /* With the last IPv4 address of an interface the kernel drops its IPv4 routes. */
  if (removed || first != NULL)
    {
      have = now = read_own (self, &first);
      if (now != NULL)
        keep_safe_routes (now, want);
    }
  if (have != NULL)
    {
      change_routes (self, link, have, want, &first);
      change_rules (self, have, want, FALSE, &first);
    }
  if (first == NULL)
    return TRUE;
  g_propagate_error (error, first);
  return FALSE;
}

static void
tell_about_ipv6 (TnLinuxRouter        *self,
                 const TnRouterConfig *config,
                 gboolean              ipv6)
{
  const gboolean lacks = !ipv6 && tn_router_config_has_ipv6 (config);

  if (lacks && !self->told_no_ipv6)
    g_message ("interface %s has no IPv6 (it is switched off, or the MTU is below 1280): IPv4 alone is set up", config->interface);
  self->told_no_ipv6 = lacks;
}

/* From here on there may be something to remove. */
static void
use_link (TnLinuxRouter     *self,
          const TnLinuxLink *link)
{
  if (self->configured && self->link.index != link->index)
    self->old_index = self->link.index;
  self->link = *link;
  self->configured = TRUE;
}

/* All is as it was wanted. */
static void
settle (TnLinuxRouter      *self,
        const TnLinuxState *want)
{
  self->old_index = 0;
  for (guint i = self->made->len; i-- > 0;)
    {
      const TnLinuxAddress *made = &g_array_index (self->made, TnLinuxAddress, i);
      gboolean wanted = FALSE;

      for (guint j = 0; j < want->addresses->len && !wanted; j++)
        wanted = tn_linux_address_compare (made, &g_array_index (want->addresses, TnLinuxAddress, j)) == 0;
      if (!wanted)
        g_array_remove_index_fast (self->made, i);
    }
}

static gboolean
tn_linux_router_configure (TnRouter             *router,
                           const TnRouterConfig *config,
                           GError              **error)
{
  TnLinuxRouter *self = TN_LINUX_ROUTER (router);
  g_autoptr (TnLinuxState) have = NULL;
  g_autoptr (TnLinuxState) want = NULL;
  TnLinuxLink link;
  gboolean ipv6;

  if (config->interface == NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "cannot set up routes: there is no interface to route to");
      return FALSE;
    }
  if (!tn_linux_kernel_find_link (&self->kernel, config->interface, 0, &link, error))
    return FALSE;
  have = tn_linux_kernel_read (&self->kernel, error);
  if (have == NULL || !tn_linux_state_check_foreign (have, error) || !check_others (self, &link, have, error))
    return FALSE;

  ipv6 = self->kernel.ipv6 && link.ipv6;
  tell_about_ipv6 (self, config, ipv6);
  want = tn_linux_state_new_for_config (config, link.index, ipv6);
  use_link (self, &link);
  if (!change (self, &link, have, want, error))
    return FALSE;
  settle (self, want);
  return TRUE;
}

/* Our interface went, and another node took the place meanwhile: the rules are its now. */
static void
leave_to_other (TnLinuxRouter *self,
                TnLinuxState  *have)
{
  g_array_set_size (have->rules, 0);
  for (guint i = have->routes->len; i-- > 0;)
    if (!is_our_link (self, g_array_index (have->routes, TnLinuxRoute, i).index))
      g_array_remove_index_fast (have->routes, i);
  for (guint i = have->addresses->len; i-- > 0;)
    if (!is_our_link (self, g_array_index (have->addresses, TnLinuxAddress, i).index))
      g_array_remove_index_fast (have->addresses, i);
}

static gboolean
remove_all (TnLinuxRouter *self,
            GError       **error)
{
  GError *first = NULL;
  g_autoptr (TnLinuxState) have = read_own (self, &first);
  g_autoptr (TnLinuxState) none = tn_linux_state_new ();
  gboolean removed;

  if (have == NULL)
    {
      g_propagate_error (error, first);
      return FALSE;
    }
  if (!check_others (self, &self->link, have, NULL))
    leave_to_other (self, have);
  change_routes (self, &self->link, have, none, &first);
  change_rules (self, have, none, FALSE, &first);
  change_addresses (self, &self->link, have, none, &removed, &first);
  if (first == NULL)
    return TRUE;
  g_propagate_error (error, first);
  return FALSE;
}

static void
tn_linux_router_reset (TnRouter *router)
{
  TnLinuxRouter *self = TN_LINUX_ROUTER (router);
  g_autoptr (GError) error = NULL;

  if (self->configured && !remove_all (self, &error))
    {
      g_warning ("addresses, routes or routing rules of the tailnet stay: %s", error->message);
      return;      /* another reset(), or the next configure(), finds them */
    }
  self->configured = FALSE;
  self->old_index = 0;
  self->told_no_ipv6 = FALSE;
  g_array_set_size (self->made, 0);
  tn_linux_kernel_clear (&self->kernel);
}

static void
tn_linux_router_router_init (TnRouterInterface *iface)
{
  iface->mark = TN_LINUX_MARK;
  iface->protocol = TN_LINUX_PROTOCOL;
  iface->configure = tn_linux_router_configure;
  iface->reset = tn_linux_router_reset;
}

static void
tn_linux_router_finalize (GObject *object)
{
  TnLinuxRouter *self = TN_LINUX_ROUTER (object);

  tn_linux_kernel_clear (&self->kernel);
  g_array_unref (self->made);

  G_OBJECT_CLASS (tn_linux_router_parent_class)->finalize (object);
}

static void
tn_linux_router_class_init (TnLinuxRouterClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = tn_linux_router_finalize;
}

static void
tn_linux_router_init (TnLinuxRouter *self)
{
  self->made = g_array_new (FALSE, TRUE, sizeof (TnLinuxAddress));
}
