/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-node-instance.h"

#include <string.h>

static const char * const no_strings[] = { NULL };

static gboolean
strv_equal (char **a,
            char **b)
{
  return g_strv_equal (a != NULL ? (const char * const *) a : no_strings, b != NULL ? (const char * const *) b : no_strings);
}

static gboolean
addresses_equal (const TnNodeData *a,
                 const TnNodeData *b)
{
  if (a->n_addresses != b->n_addresses)
    return FALSE;
  for (guint i = 0; i < a->n_addresses; i++)
    if (!tn_ip_address_equal (&a->addresses[i], &b->addresses[i]))
      return FALSE;
  return TRUE;
}

static gboolean
routes_equal (const TnNodeData *a,
              const TnNodeData *b)
{
  if (a->n_routes != b->n_routes)
    return FALSE;
  for (guint i = 0; i < a->n_routes; i++)
    if (!tn_ip_prefix_equal (&a->routes[i], &b->routes[i]))
      return FALSE;
  return TRUE;
}

static gboolean
capabilities_equal (GVariant *a,
                    GVariant *b)
{
  return a == b || (a != NULL && b != NULL && g_variant_equal (a, b));
}

static gboolean
location_equal (const TnNodeLocation *a,
                const TnNodeLocation *b)
{
  return a == b || (a != NULL && b != NULL && g_strcmp0 (a->city, b->city) == 0 && g_strcmp0 (a->country, b->country) == 0);
}

static void
notify_addresses (TnNode           *self,
                  const TnNodeData *old)
{
  g_autoptr (GInetAddress) old_ipv4 = g_steal_pointer (&self->ipv4);
  g_autoptr (GInetAddress) old_ipv6 = g_steal_pointer (&self->ipv6);

  if (addresses_equal (old, self->data))
    {
      self->ipv4 = g_steal_pointer (&old_ipv4);
      self->ipv6 = g_steal_pointer (&old_ipv6);
      return;
    }

  g_clear_pointer (&self->addresses, g_strfreev);
  tn_node_notify_if (self, TRUE, "addresses");
  tn_node_notify_if (self, TRUE, "ipv4");
  tn_node_notify_if (self, TRUE, "ipv6");
}

void
tn_node_update (TnNode           *self,
                const TnNodeData *data)
{
  const TnNodeDetails *old_details, *details;
  g_autoptr (TnNodeData) old = NULL;

  if (data == self->data)
    return;

  /* All in place before the first handler runs, and handlers run when everything has changed. */
  old = (TnNodeData *) (guintptr) self->data;
  self->data = tn_node_data_ref (data);
  g_object_freeze_notify (G_OBJECT (self));

  tn_node_notify_if (self, strcmp (old->name, data->name) != 0, "name");
  tn_node_notify_if (self, strcmp (old->fqdn, data->fqdn) != 0, "fqdn");
  tn_node_notify_if (self, g_strcmp0 (old->hostname, data->hostname) != 0, "hostname");
  tn_node_notify_if (self, g_strcmp0 (old->os, data->os) != 0, "os");
  notify_addresses (self, old);
  tn_node_notify_if (self, !tn_user_equal (old->user, data->user), "user");
  tn_node_notify_if (self, !strv_equal (old->tags, data->tags), "tags");
  tn_node_notify_if (self, old->online != data->online, "online");
  tn_node_notify_if (self, tn_node_drop_date_time (&self->last_seen, old->last_seen_us, data->last_seen_us), "last-seen");
  tn_node_notify_if (self, tn_node_drop_date_time (&self->created, old->created_us, data->created_us), "created");
  tn_node_notify_if (self, tn_node_drop_date_time (&self->key_expiry, old->key_expiry_us, data->key_expiry_us), "key-expiry");
  tn_node_notify_if (self, old->expired != data->expired, "expired");
  if (!routes_equal (old, data))
    {
      g_clear_pointer (&self->routes, g_strfreev);
      tn_node_notify_if (self, TRUE, "routes");
    }
  tn_node_notify_if (self, old->exit_node_option != data->exit_node_option, "is-exit-node-option");
  tn_node_notify_if (self, old->capability_version != data->capability_version, "capability-version");
  old_details = tn_node_data_get_details (old);
  details = tn_node_data_get_details (data);
  tn_node_notify_if (self, !capabilities_equal (old_details->capabilities, details->capabilities), "capabilities");
  if (!location_equal (old_details->location, details->location))
    {
      g_clear_pointer (&self->location, g_free);
      tn_node_notify_if (self, TRUE, "location");
    }
  if (!tn_node_public_key_equal (&old->public_key, &data->public_key))
    {
      g_clear_pointer (&self->public_key, g_free);
      tn_node_notify_if (self, TRUE, "public-key");
    }

  g_object_thaw_notify (G_OBJECT (self));
}
