/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-server-private.h"

#include "tn-dns-config-private.h"
#include "tn-health-item.h"
#include "tn-node-private.h"
#include "tn-system-device-node.h"

static GVariant *
make_node (TnNode *node)
{
  return tn_system_device_node_to_variant (tn_node_get_data (node), tn_node_get_live (node));
}

static void
show_self (TnDeviceServer *self)
{
  g_autoptr (TnNode) node = tn_device_dup_self_node (self->device);

  tn_bus_tailnet1_set_self_node (self->skeleton, node != NULL ? make_node (node) : g_variant_new ("a{sv}", NULL));
}

void
tn_device_server_show_health (TnDeviceServer *self)
{
  GListModel *health = tn_device_get_health (self->device);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(suss)"));
  for (guint i = 0; i < g_list_model_get_n_items (health); i++)
    {
      g_autoptr (TnHealthItem) item = g_list_model_get_item (health, i);
      const char *title = tn_health_item_get_title (item);
      const char *text = tn_health_item_get_text (item);

      g_variant_builder_add (&builder, "(suss)", tn_health_item_get_code (item), (guint) tn_health_item_get_severity (item),
                             title != NULL ? title : "", text != NULL ? text : "");
    }
  tn_bus_tailnet1_set_health (self->skeleton, g_variant_builder_end (&builder));
}

static void
show_preferences (TnDeviceServer *self)
{
  g_autoptr (TnPreferences) preferences = tn_device_dup_preferences (self->device);
  const char *const none[] = { NULL };
  const char *control_url = preferences != NULL ? tn_preferences_get_control_url (preferences) : NULL;
  const char *hostname = preferences != NULL ? tn_preferences_get_hostname (preferences) : NULL;
  const char *const *tags = preferences != NULL ? tn_preferences_get_tags (preferences) : NULL;

  tn_bus_tailnet1_set_preferences (self->skeleton,
                                   g_variant_new ("(ss^asb)", control_url != NULL ? control_url : "", hostname != NULL ? hostname : "",
                                                  tags != NULL ? tags : none,
                                                  preferences != NULL && tn_preferences_get_want_running (preferences)));
}

static void
show_dns_config (TnDeviceServer *self)
{
  g_autoptr (TnDnsConfig) config = tn_device_dup_dns_config (self->device);

  tn_bus_tailnet1_set_dns_config (self->skeleton, config != NULL ? tn_dns_config_get_values (config) : g_variant_new ("a{sv}", NULL));
}

static void
show_error (TnDeviceServer *self)
{
  g_autoptr (GError) error = tn_device_dup_error (self->device);
  g_autofree char *name = error != NULL ? g_dbus_error_encode_gerror (error) : NULL;

  tn_bus_tailnet1_set_error (self->skeleton, g_variant_new ("(ss)", name != NULL ? name : "", error != NULL ? error->message : ""));
}

static void
show_facts (TnDeviceServer *self)
{
  g_autofree char *auth_url = tn_device_dup_auth_url (self->device);
  g_autofree char *tailnet_name = tn_device_dup_tailnet_name (self->device);
  g_autofree char *dns_suffix = tn_device_dup_dns_suffix (self->device);
  g_autofree char *home_region = tn_device_dup_home_region (self->device);
  g_autoptr (GDateTime) key_expiry = tn_device_dup_key_expiry (self->device);

  show_error (self);
  tn_bus_tailnet1_set_state (self->skeleton, tn_device_get_state (self->device));
  tn_bus_tailnet1_set_auth_url (self->skeleton, auth_url != NULL ? auth_url : "");
  tn_bus_tailnet1_set_tailnet_name (self->skeleton, tailnet_name != NULL ? tailnet_name : "");
  tn_bus_tailnet1_set_dns_suffix (self->skeleton, dns_suffix != NULL ? dns_suffix : "");
  tn_bus_tailnet1_set_home_region (self->skeleton, home_region != NULL ? home_region : "");
  tn_bus_tailnet1_set_key_expiry (self->skeleton, key_expiry != NULL ? g_date_time_to_unix (key_expiry) * G_USEC_PER_SEC : 0);
}

void
tn_device_server_show_all (TnDeviceServer *self)
{
  show_facts (self);
  show_self (self);
  show_dns_config (self);
  show_preferences (self);
}

gboolean
tn_device_server_list_peers_cb (TnDeviceServer        *self,
                                GDBusMethodInvocation *invocation,
                                guint                  offset,
                                guint                  limit)
{
  GListModel *peers = tn_device_get_peers (self->device);
  guint total = g_list_model_get_n_items (peers);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = offset; i < total && i - offset < limit; i++)
    {
      g_autoptr (TnNode) peer = g_list_model_get_item (peers, i);

      g_variant_builder_add_value (&builder, make_node (peer));
    }
  tn_bus_tailnet1_complete_list_peers (self->skeleton, invocation, g_variant_builder_end (&builder), total);
  return TRUE;
}
