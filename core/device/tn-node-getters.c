/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-node-instance.h"

static const char * const no_strings[] = { NULL };

static GInetAddress *
first_address (TnNode        *self,
               GInetAddress **cache,
               guint8         version)
{
  for (guint i = 0; *cache == NULL && i < self->data->n_addresses; i++)
    if (self->data->addresses[i].version == version)
      *cache = tn_ip_address_to_inet (&self->data->addresses[i]);
  return *cache;
}

/**
 * tn_node_get_stable_id: (get-property stable-id)
 * @self: a node
 *
 * Gets what identifies the node for good.
 *
 * Returns: the id
 *
 * Since: 0.1
 */
const char *
tn_node_get_stable_id (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return self->data->stable_id;
}

/**
 * tn_node_get_name: (get-property name)
 * @self: a node
 *
 * Gets the short name.
 *
 * Returns: the name, empty while it is not known
 *
 * Since: 0.1
 */
const char *
tn_node_get_name (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return self->data->name;
}

/**
 * tn_node_get_fqdn: (get-property fqdn)
 * @self: a node
 *
 * Gets the full name in the tailnet, without a final dot.
 *
 * Returns: the name, empty while it is not known
 *
 * Since: 0.1
 */
const char *
tn_node_get_fqdn (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return self->data->fqdn;
}

/**
 * tn_node_get_hostname: (get-property hostname)
 * @self: a node
 *
 * Gets what the node calls itself.
 *
 * Returns: (nullable): the name, or %NULL if it does not say
 *
 * Since: 0.1
 */
const char *
tn_node_get_hostname (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return self->data->hostname;
}

/**
 * tn_node_get_os: (get-property os)
 * @self: a node
 *
 * Gets the operating system.
 *
 * Returns: (nullable): its name, or %NULL if it is not known
 *
 * Since: 0.1
 */
const char *
tn_node_get_os (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return self->data->os;
}

/**
 * tn_node_get_addresses: (get-property addresses)
 * @self: a node
 *
 * Gets the addresses in the tailnet, as text.
 *
 * Returns: (array zero-terminated=1) (transfer none): the addresses
 *
 * Since: 0.1
 */
const char * const *
tn_node_get_addresses (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  if (self->addresses == NULL)
    {
      self->addresses = g_new0 (char *, self->data->n_addresses + 1);
      for (guint i = 0; i < self->data->n_addresses; i++)
        {
          char text[TN_IP_ADDRESS_TEXT_MAX];

          tn_ip_address_print (&self->data->addresses[i], text);
          self->addresses[i] = g_strdup (text);
        }
    }
  return (const char * const *) self->addresses;
}

/**
 * tn_node_get_ipv4: (get-property ipv4)
 * @self: a node
 *
 * Gets the first IPv4 address in the tailnet.
 *
 * Returns: (nullable) (transfer none): the address, or %NULL if it has none
 *
 * Since: 0.1
 */
GInetAddress *
tn_node_get_ipv4 (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return first_address (self, &self->ipv4, 4);
}

/**
 * tn_node_get_ipv6: (get-property ipv6)
 * @self: a node
 *
 * Gets the first IPv6 address in the tailnet.
 *
 * Returns: (nullable) (transfer none): the address, or %NULL if it has none
 *
 * Since: 0.1
 */
GInetAddress *
tn_node_get_ipv6 (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return first_address (self, &self->ipv6, 6);
}

/**
 * tn_node_get_user: (get-property user)
 * @self: a node
 *
 * Gets whom the node belongs to.
 *
 * Returns: (nullable) (transfer none): the user, or %NULL if that is not known
 *
 * Since: 0.1
 */
TnUser *
tn_node_get_user (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return self->data->user;
}

/**
 * tn_node_get_tags: (get-property tags)
 * @self: a node
 *
 * Gets the tags that the node stands for.
 *
 * Returns: (array zero-terminated=1) (transfer none): the tags, often none
 *
 * Since: 0.1
 */
const char * const *
tn_node_get_tags (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return self->data->tags != NULL ? (const char * const *) self->data->tags : no_strings;
}

/**
 * tn_node_get_online: (get-property online)
 * @self: a node
 *
 * Gets whether the node is connected to the control server.
 *
 * Returns: %TRUE if it is
 *
 * Since: 0.1
 */
gboolean
tn_node_get_online (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), FALSE);

  return self->data->online;
}

/**
 * tn_node_get_last_seen: (get-property last-seen)
 * @self: a node
 *
 * Gets when the control server last saw the node.
 *
 * Returns: (nullable) (transfer none): the time, or %NULL while the node is online or if that is not known
 *
 * Since: 0.1
 */
GDateTime *
tn_node_get_last_seen (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return tn_node_ensure_date_time (&self->last_seen, self->data->last_seen_us);
}

/**
 * tn_node_get_created: (get-property created)
 * @self: a node
 *
 * Gets when the node joined.
 *
 * Returns: (nullable) (transfer none): the time, or %NULL if it is not known
 *
 * Since: 0.1
 */
GDateTime *
tn_node_get_created (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return tn_node_ensure_date_time (&self->created, self->data->created_us);
}

/**
 * tn_node_get_key_expiry: (get-property key-expiry)
 * @self: a node
 *
 * Gets when the key of the node expires or did expire.
 *
 * Returns: (nullable) (transfer none): the time, or %NULL if it never does
 *
 * Since: 0.1
 */
GDateTime *
tn_node_get_key_expiry (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return tn_node_ensure_date_time (&self->key_expiry, self->data->key_expiry_us);
}

/**
 * tn_node_get_expired: (get-property expired)
 * @self: a node
 *
 * Gets whether the key of the node has expired.
 *
 * Returns: %TRUE if it has
 *
 * Since: 0.1
 */
gboolean
tn_node_get_expired (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), FALSE);

  return self->data->expired;
}

/**
 * tn_node_get_routes: (get-property routes)
 * @self: a node
 *
 * Gets the subnets that can be reached through the node, as text.
 *
 * Returns: (array zero-terminated=1) (transfer none): the subnets, often none
 *
 * Since: 0.1
 */
const char * const *
tn_node_get_routes (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  if (self->routes == NULL)
    {
      self->routes = g_new0 (char *, self->data->n_routes + 1);
      for (guint i = 0; i < self->data->n_routes; i++)
        {
          char text[TN_IP_PREFIX_TEXT_MAX];

          tn_ip_prefix_print (&self->data->routes[i], text);
          self->routes[i] = g_strdup (text);
        }
    }
  return (const char * const *) self->routes;
}

/**
 * tn_node_get_is_exit_node_option: (get-property is-exit-node-option)
 * @self: a node
 *
 * Gets whether all traffic to the Internet can be sent through the node.
 *
 * Returns: %TRUE if it can
 *
 * Since: 0.1
 */
gboolean
tn_node_get_is_exit_node_option (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), FALSE);

  return self->data->exit_node_option;
}

/**
 * tn_node_get_capability_version: (get-property capability-version)
 * @self: a node
 *
 * Gets the version of the protocol that the node speaks.
 *
 * Returns: the version, 0 if it is not known
 *
 * Since: 0.1
 */
int
tn_node_get_capability_version (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), 0);

  return self->data->capability_version;
}

/**
 * tn_node_get_capabilities: (get-property capabilities)
 * @self: a node
 *
 * Gets what the control server lets the node do.
 *
 * Returns: (transfer none): a dictionary of type `a{sas}`: names, each with its values as JSON texts; empty if it grants nothing
 *
 * Since: 0.1
 */
GVariant *
tn_node_get_capabilities (TnNode *self)
{
  GVariant *capabilities;

  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  capabilities = tn_node_data_get_details (self->data)->capabilities;
  return capabilities != NULL ? capabilities : tn_node_data_no_capabilities ();
}

/**
 * tn_node_has_capability:
 * @self: a node
 * @capability: name of a capability
 *
 * Tells whether the control server grants the node a capability.
 *
 * Returns: %TRUE if it does
 *
 * Since: 0.1
 */
gboolean
tn_node_has_capability (TnNode     *self,
                        const char *capability)
{
  g_autoptr (GVariant) values = NULL;
  GVariant *all;

  g_return_val_if_fail (TN_IS_NODE (self), FALSE);
  g_return_val_if_fail (capability != NULL, FALSE);

  all = tn_node_data_get_details (self->data)->capabilities;
  if (all != NULL)
    values = g_variant_lookup_value (all, capability, G_VARIANT_TYPE_STRING_ARRAY);
  return values != NULL;
}

/**
 * tn_node_get_location: (get-property location)
 * @self: a node
 *
 * Gets where the node is, in words.
 *
 * Returns: (nullable): the place, or %NULL if it is not known
 *
 * Since: 0.1
 */
const char *
tn_node_get_location (TnNode *self)
{
  const TnNodeLocation *location;

  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  location = tn_node_data_get_details (self->data)->location;
  if (self->location == NULL && location != NULL)
    {
      gboolean has_city = location->city != NULL && *location->city != '\0';
      gboolean has_country = location->country != NULL && *location->country != '\0';

      if (has_city || has_country)
        self->location = g_strconcat (has_city ? location->city : "", has_city && has_country ? ", " : "",
                                      has_country ? location->country : "", NULL);
    }
  return self->location;
}

/**
 * tn_node_get_public_key: (get-property public-key)
 * @self: a node
 *
 * Gets the public key of the node.
 *
 * Returns: text that starts with `nodekey:`
 *
 * Since: 0.1
 */
const char *
tn_node_get_public_key (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  if (self->public_key == NULL)
    {
      char text[TN_KEY_TEXT_MAX];

      tn_node_public_key_print (&self->data->public_key, text);
      self->public_key = g_strdup (text);
    }
  return self->public_key;
}
