/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-private.h"

#include "tn-enum-types.h"

/**
 * TnDevice:
 *
 * A node of a tailnet, wherever it runs.
 *
 * A device lives in the main context that was the thread-default one when it was made: its properties, lists and signals belong there
 * and change only there. Calls end in the thread-default context of whoever made them. Nothing blocks. Every call can be cancelled,
 * ends with %G_IO_ERROR_CANCELLED then, and leaves nothing behind.
 *
 * A device that loses its network, its control server or its relay stays in %TN_DEVICE_STATE_RUNNING with an item in
 * [property@Tailnet.Device:health], and mends by itself. One that cannot go on, because the control server will not have it any more
 * or something of its own is broken, stops and says why in [property@Tailnet.Device:error]. Wherever an address is accepted, so is a name.
 *
 * Since: 0.1
 */
G_DEFINE_INTERFACE (TnDevice, tn_device, G_TYPE_OBJECT)

enum { SIGNAL_LOGIN_REQUIRED, N_SIGNALS };

static guint signals[N_SIGNALS];

#define READABLE (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
install_state_properties (TnDeviceInterface *iface)
{
  /**
   * TnDevice:state: (getter get_state)
   *
   * How far the device is.
   *
   * Since: 0.1
   */
  g_object_interface_install_property (
    iface, g_param_spec_enum ("state", NULL, NULL, TN_TYPE_DEVICE_STATE, TN_DEVICE_STATE_STOPPED, READABLE));

  /**
   * TnDevice:error: (getter dup_error)
   *
   * Why the device stopped by itself, or did not start. %NULL after a stop that was asked for, and from the next start on.
   *
   * Since: 0.1
   */
  g_object_interface_install_property (iface, g_param_spec_boxed ("error", NULL, NULL, G_TYPE_ERROR, READABLE));

  /**
   * TnDevice:auth-url: (getter dup_auth_url)
   *
   * Where somebody has to log in, while that is wanted.
   *
   * Since: 0.1
   */
  g_object_interface_install_property (iface, g_param_spec_string ("auth-url", NULL, NULL, NULL, READABLE));

  /**
   * TnDevice:key-expiry: (getter dup_key_expiry)
   *
   * When the key of this node expires; somebody has to log in again by then.
   *
   * Since: 0.1
   */
  g_object_interface_install_property (iface, g_param_spec_boxed ("key-expiry", NULL, NULL, G_TYPE_DATE_TIME, READABLE));

  /**
   * TnDevice:home-region: (getter dup_home_region)
   *
   * Code of the relay region where peers find this node, such as `fra`.
   *
   * Since: 0.1
   */
  g_object_interface_install_property (iface, g_param_spec_string ("home-region", NULL, NULL, NULL, READABLE));

  /**
   * TnDevice:preferences: (getter dup_preferences)
   *
   * How the device is set up.
   *
   * Since: 0.1
   */
  g_object_interface_install_property (
    iface, g_param_spec_object ("preferences", NULL, NULL, TN_TYPE_PREFERENCES, READABLE));

  /**
   * TnDevice:health: (getter get_health)
   *
   * What is not as it should be, as [class@Tailnet.HealthItem]s; empty when all is well. The list is the same for as long as the
   * device lives.
   *
   * Since: 0.1
   */
  g_object_interface_install_property (iface, g_param_spec_object ("health", NULL, NULL, G_TYPE_LIST_MODEL, READABLE));
}

static void
install_tailnet_properties (TnDeviceInterface *iface)
{
  /**
   * TnDevice:self-node: (getter dup_self_node)
   *
   * This node, once the control server has told of it.
   *
   * Since: 0.1
   */
  g_object_interface_install_property (iface, g_param_spec_object ("self-node", NULL, NULL, TN_TYPE_NODE, READABLE));

  /**
   * TnDevice:peers: (getter get_peers)
   *
   * The other nodes that this one may see, as [class@Tailnet.Node]s sorted by name. The list is the same for as long as the device
   * lives.
   *
   * Since: 0.1
   */
  g_object_interface_install_property (iface, g_param_spec_object ("peers", NULL, NULL, G_TYPE_LIST_MODEL, READABLE));

  /**
   * TnDevice:tailnet-name: (getter dup_tailnet_name)
   *
   * Name of the tailnet, often the domain of its users.
   *
   * Since: 0.1
   */
  g_object_interface_install_property (iface, g_param_spec_string ("tailnet-name", NULL, NULL, NULL, READABLE));

  /**
   * TnDevice:dns-suffix: (getter dup_dns_suffix)
   *
   * Domain that the names of nodes end with, without dots around it.
   *
   * Since: 0.1
   */
  g_object_interface_install_property (iface, g_param_spec_string ("dns-suffix", NULL, NULL, NULL, READABLE));

  /**
   * TnDevice:dns-config: (getter dup_dns_config)
   *
   * How names are to be resolved on the tailnet, once the control server has told.
   *
   * Since: 0.1
   */
  g_object_interface_install_property (
    iface, g_param_spec_object ("dns-config", NULL, NULL, TN_TYPE_DNS_CONFIG, READABLE));
}

static void
tn_device_default_init (TnDeviceInterface *iface)
{
  install_state_properties (iface);
  install_tailnet_properties (iface);

  /**
   * TnDevice::login-required:
   * @self: the device
   * @url: where to log in
   *
   * Somebody has to log in at @url, which is a page of the web: `https`, or `http` where the control server has no TLS. The device goes on
   * by itself when that is done.
   *
   * Since: 0.1
   */
  signals[SIGNAL_LOGIN_REQUIRED] = g_signal_new ("login-required", G_TYPE_FROM_INTERFACE (iface), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                                 NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

/* --- What it knows --- */

/**
 * tn_device_get_state: (get-property state)
 * @self: a device
 *
 * Gets how far the device is.
 *
 * Returns: the state
 *
 * Since: 0.1
 */
TnDeviceState
tn_device_get_state (TnDevice *self)
{
  TnDeviceState value;

  g_return_val_if_fail (TN_IS_DEVICE (self), TN_DEVICE_STATE_STOPPED);

  g_object_get (self, "state", &value, NULL);
  return value;
}

/**
 * tn_device_dup_error: (get-property error)
 * @self: a device
 *
 * Gets why the device stopped by itself, or did not start.
 *
 * Returns: (nullable) (transfer full): the reason, or %NULL unless it is stopped for one
 *
 * Since: 0.1
 */
GError *
tn_device_dup_error (TnDevice *self)
{
  GError *value = NULL;

  g_return_val_if_fail (TN_IS_DEVICE (self), NULL);

  g_object_get (self, "error", &value, NULL);
  return value;
}

/**
 * tn_device_dup_auth_url: (get-property auth-url)
 * @self: a device
 *
 * Gets where somebody has to log in.
 *
 * Returns: (nullable) (transfer full): the URL, or %NULL if nobody has to
 *
 * Since: 0.1
 */
char *
tn_device_dup_auth_url (TnDevice *self)
{
  char *value = NULL;

  g_return_val_if_fail (TN_IS_DEVICE (self), NULL);

  g_object_get (self, "auth-url", &value, NULL);
  return value;
}

/**
 * tn_device_dup_self_node: (get-property self-node)
 * @self: a device
 *
 * Gets this node.
 *
 * Returns: (nullable) (transfer full): the node, or %NULL until the control server has told of it
 *
 * Since: 0.1
 */
TnNode *
tn_device_dup_self_node (TnDevice *self)
{
  TnNode *value = NULL;

  g_return_val_if_fail (TN_IS_DEVICE (self), NULL);

  g_object_get (self, "self-node", &value, NULL);
  return value;
}

/**
 * tn_device_get_peers: (get-property peers)
 * @self: a device
 *
 * Gets the other nodes that this one may see, as [class@Tailnet.Node]s sorted by name.
 *
 * Returns: (transfer none): the list, always the same
 *
 * Since: 0.1
 */
GListModel *
tn_device_get_peers (TnDevice *self)
{
  GListModel *value = NULL;

  g_return_val_if_fail (TN_IS_DEVICE (self), NULL);

  g_object_get (self, "peers", &value, NULL);

  /* The device holds it. */
  g_object_unref (value);
  return value;
}

/**
 * tn_device_dup_tailnet_name: (get-property tailnet-name)
 * @self: a device
 *
 * Gets the name of the tailnet.
 *
 * Returns: (nullable) (transfer full): the name, or %NULL if it is not known
 *
 * Since: 0.1
 */
char *
tn_device_dup_tailnet_name (TnDevice *self)
{
  char *value = NULL;

  g_return_val_if_fail (TN_IS_DEVICE (self), NULL);

  g_object_get (self, "tailnet-name", &value, NULL);
  return value;
}

/**
 * tn_device_dup_dns_suffix: (get-property dns-suffix)
 * @self: a device
 *
 * Gets the domain that the names of nodes end with.
 *
 * Returns: (nullable) (transfer full): the domain without dots around it, or %NULL if it is not known
 *
 * Since: 0.1
 */
char *
tn_device_dup_dns_suffix (TnDevice *self)
{
  char *value = NULL;

  g_return_val_if_fail (TN_IS_DEVICE (self), NULL);

  g_object_get (self, "dns-suffix", &value, NULL);
  return value;
}

/**
 * tn_device_dup_dns_config: (get-property dns-config)
 * @self: a device
 *
 * Gets how names are to be resolved on the tailnet.
 *
 * Returns: (nullable) (transfer full): the configuration, or %NULL until the control server has told of it
 *
 * Since: 0.1
 */
TnDnsConfig *
tn_device_dup_dns_config (TnDevice *self)
{
  TnDnsConfig *value = NULL;

  g_return_val_if_fail (TN_IS_DEVICE (self), NULL);

  g_object_get (self, "dns-config", &value, NULL);
  return value;
}

/**
 * tn_device_dup_preferences: (get-property preferences)
 * @self: a device
 *
 * Gets how the device is set up.
 *
 * Returns: (nullable) (transfer full): the preferences, or %NULL as long as they are not known: another process has them
 *
 * Since: 0.1
 */
TnPreferences *
tn_device_dup_preferences (TnDevice *self)
{
  TnPreferences *value = NULL;

  g_return_val_if_fail (TN_IS_DEVICE (self), NULL);

  g_object_get (self, "preferences", &value, NULL);
  return value;
}

/**
 * tn_device_get_health: (get-property health)
 * @self: a device
 *
 * Gets what is not as it should be, as [class@Tailnet.HealthItem]s.
 *
 * Returns: (transfer none): the list, always the same
 *
 * Since: 0.1
 */
GListModel *
tn_device_get_health (TnDevice *self)
{
  GListModel *value = NULL;

  g_return_val_if_fail (TN_IS_DEVICE (self), NULL);

  g_object_get (self, "health", &value, NULL);

  /* The device holds it. */
  g_object_unref (value);
  return value;
}

/**
 * tn_device_dup_key_expiry: (get-property key-expiry)
 * @self: a device
 *
 * Gets when the key of this node expires.
 *
 * Returns: (nullable) (transfer full): the time, or %NULL if it never does
 *
 * Since: 0.1
 */
GDateTime *
tn_device_dup_key_expiry (TnDevice *self)
{
  GDateTime *value = NULL;

  g_return_val_if_fail (TN_IS_DEVICE (self), NULL);

  g_object_get (self, "key-expiry", &value, NULL);
  return value;
}

/**
 * tn_device_dup_home_region: (get-property home-region)
 * @self: a device
 *
 * Gets the code of the relay region where peers find this node.
 *
 * Returns: (nullable) (transfer full): the code, or %NULL if there is none
 *
 * Since: 0.1
 */
char *
tn_device_dup_home_region (TnDevice *self)
{
  char *value = NULL;

  g_return_val_if_fail (TN_IS_DEVICE (self), NULL);

  g_object_get (self, "home-region", &value, NULL);
  return value;
}

/**
 * tn_device_lookup_peer:
 * @self: a device
 * @name_or_address: short name, full name with or without a final dot, or address; case does not count
 *
 * Finds a node of the tailnet, this one included, from what is known; asks nobody.
 *
 * Returns: (nullable) (transfer full): the node, or %NULL if there is none
 *
 * Since: 0.1
 */
TnNode *
tn_device_lookup_peer (TnDevice   *self,
                       const char *name_or_address)
{
  g_return_val_if_fail (TN_IS_DEVICE (self), NULL);
  g_return_val_if_fail (name_or_address != NULL, NULL);

  return TN_DEVICE_GET_IFACE (self)->lookup_peer (self, name_or_address);
}

/**
 * tn_device_peers_with_route:
 * @self: a device
 * @address: an address
 *
 * Finds the peers through which an address can be reached: by their own addresses, the subnets they route, or as exit nodes.
 *
 * Returns: (element-type TnNode) (transfer container): the nodes, those with the longest prefix first
 *
 * Since: 0.1
 */
GPtrArray *
tn_device_peers_with_route (TnDevice     *self,
                            GInetAddress *address)
{
  g_return_val_if_fail (TN_IS_DEVICE (self), NULL);
  g_return_val_if_fail (G_IS_INET_ADDRESS (address), NULL);

  return TN_DEVICE_GET_IFACE (self)->peers_with_route (self, address);
}

gpointer
tn_device_finish (TnDevice      *self,
                  GAsyncResult  *result,
                  gpointer       source_tag,
                  GError       **error)
{
  g_return_val_if_fail (TN_IS_DEVICE (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_task_get_source_tag (G_TASK (result)) == source_tag, NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

TnNode *
tn_device_identify (TnDevice      *self,
                    GInetAddress  *source,
                    GVariant     **capabilities)
{
  if (capabilities != NULL)
    *capabilities = NULL;
  return TN_DEVICE_GET_IFACE (self)->identify (self, source, capabilities);
}
