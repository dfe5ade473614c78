/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-node-private.h"

#include <string.h>

/**
 * TnNode:
 *
 * A node of the tailnet: this one or a peer.
 *
 * It is live: while somebody holds it, its properties follow what the control server says, and `notify::` tells what changed.
 * [property@Tailnet.Node:path], the counters and [property@Tailnet.Node:last-handshake] follow what this device measures, and notify
 * at most once a second. A node that has left the tailnet keeps what was last known.
 *
 * All of it belongs to the context of the device.
 */
struct _TnNode
{
  GObject           parent_instance;
  const TnNodeData *data;
  TnNodeLive        live;

  /* Made from data and live when first asked for. */
  char            **addresses;
  char            **routes;
  GInetAddress     *ipv4;
  GInetAddress     *ipv6;
  GDateTime        *last_seen;
  GDateTime        *created;
  GDateTime        *key_expiry;
  GDateTime        *last_handshake;
  TnPath           *path;
  char             *location;
  char             *public_key;
};

enum
{
  PROP_0,
  PROP_STABLE_ID,
  PROP_NAME,
  PROP_FQDN,
  PROP_HOSTNAME,
  PROP_OS,
  PROP_ADDRESSES,
  PROP_IPV4,
  PROP_IPV6,
  PROP_USER,
  PROP_TAGS,
  PROP_ONLINE,
  PROP_LAST_SEEN,
  PROP_CREATED,
  PROP_KEY_EXPIRY,
  PROP_EXPIRED,
  PROP_ROUTES,
  PROP_IS_EXIT_NODE_OPTION,
  PROP_CAPABILITY_VERSION,
  PROP_CAPABILITIES,
  PROP_LOCATION,
  PROP_PUBLIC_KEY,
  PROP_PATH,
  PROP_RX_BYTES,
  PROP_TX_BYTES,
  PROP_LAST_HANDSHAKE,
  N_PROPS
};

G_DEFINE_FINAL_TYPE (TnNode, tn_node, G_TYPE_OBJECT)
static GParamSpec *properties[N_PROPS];

static const char * const no_strings[] = { NULL };

static GDateTime *
date_time (GDateTime **cache,
           gint64      time_us)
{
  if (*cache == NULL && time_us != 0)
    *cache = g_date_time_new_from_unix_utc (time_us / G_USEC_PER_SEC);
  return *cache;
}

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
tn_node_finalize (GObject *object)
{
  TnNode *self = TN_NODE (object);

  g_clear_pointer (&self->data, tn_node_data_unref);
  g_strfreev (self->addresses);
  g_strfreev (self->routes);
  g_clear_object (&self->ipv4);
  g_clear_object (&self->ipv6);
  g_clear_pointer (&self->last_seen, g_date_time_unref);
  g_clear_pointer (&self->created, g_date_time_unref);
  g_clear_pointer (&self->key_expiry, g_date_time_unref);
  g_clear_pointer (&self->last_handshake, g_date_time_unref);
  g_clear_pointer (&self->path, tn_path_unref);
  g_free (self->location);
  g_free (self->public_key);
  G_OBJECT_CLASS (tn_node_parent_class)->finalize (object);
}

static void
tn_node_get_property (GObject    *object,
                      guint       prop_id,
                      GValue     *value,
                      GParamSpec *pspec)
{
  TnNode *self = TN_NODE (object);

  switch (prop_id)
    {
    case PROP_STABLE_ID:
      g_value_set_string (value, tn_node_get_stable_id (self));
      break;
    case PROP_NAME:
      g_value_set_string (value, tn_node_get_name (self));
      break;
    case PROP_FQDN:
      g_value_set_string (value, tn_node_get_fqdn (self));
      break;
    case PROP_HOSTNAME:
      g_value_set_string (value, tn_node_get_hostname (self));
      break;
    case PROP_OS:
      g_value_set_string (value, tn_node_get_os (self));
      break;
    case PROP_ADDRESSES:
      g_value_set_boxed (value, tn_node_get_addresses (self));
      break;
    case PROP_IPV4:
      g_value_set_object (value, tn_node_get_ipv4 (self));
      break;
    case PROP_IPV6:
      g_value_set_object (value, tn_node_get_ipv6 (self));
      break;
    case PROP_USER:
      g_value_set_object (value, tn_node_get_user (self));
      break;
    case PROP_TAGS:
      g_value_set_boxed (value, tn_node_get_tags (self));
      break;
    case PROP_ONLINE:
      g_value_set_boolean (value, tn_node_get_online (self));
      break;
    case PROP_LAST_SEEN:
      g_value_set_boxed (value, tn_node_get_last_seen (self));
      break;
    case PROP_CREATED:
      g_value_set_boxed (value, tn_node_get_created (self));
      break;
    case PROP_KEY_EXPIRY:
      g_value_set_boxed (value, tn_node_get_key_expiry (self));
      break;
    case PROP_EXPIRED:
      g_value_set_boolean (value, tn_node_get_expired (self));
      break;
    case PROP_ROUTES:
      g_value_set_boxed (value, tn_node_get_routes (self));
      break;
    case PROP_IS_EXIT_NODE_OPTION:
      g_value_set_boolean (value, tn_node_get_is_exit_node_option (self));
      break;
    case PROP_CAPABILITY_VERSION:
      g_value_set_int (value, tn_node_get_capability_version (self));
      break;
    case PROP_CAPABILITIES:
      g_value_set_variant (value, tn_node_get_capabilities (self));
      break;
    case PROP_LOCATION:
      g_value_set_string (value, tn_node_get_location (self));
      break;
    case PROP_PUBLIC_KEY:
      g_value_set_string (value, tn_node_get_public_key (self));
      break;
    case PROP_PATH:
      g_value_set_boxed (value, tn_node_get_path (self));
      break;
    case PROP_RX_BYTES:
      g_value_set_uint64 (value, tn_node_get_rx_bytes (self));
      break;
    case PROP_TX_BYTES:
      g_value_set_uint64 (value, tn_node_get_tx_bytes (self));
      break;
    case PROP_LAST_HANDSHAKE:
      g_value_set_boxed (value, tn_node_get_last_handshake (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

#define READABLE (G_PARAM_READABLE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS)

static void
install_identity_properties (void)
{
  /**
   * TnNode:stable-id: (getter get_stable_id)
   *
   * What identifies the node for good, also when its name, key or addresses change.
   *
   * Since: 0.1
   */
  properties[PROP_STABLE_ID] = g_param_spec_string ("stable-id", NULL, NULL, NULL, READABLE);

  /**
   * TnNode:name: (getter get_name)
   *
   * Short name, the first part of [property@Tailnet.Node:fqdn]: `db`.
   *
   * Since: 0.1
   */
  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, READABLE);

  /**
   * TnNode:fqdn: (getter get_fqdn)
   *
   * Full name in the tailnet, without a final dot: `db.example.ts.net`.
   *
   * Since: 0.1
   */
  properties[PROP_FQDN] = g_param_spec_string ("fqdn", NULL, NULL, NULL, READABLE);

  /**
   * TnNode:hostname: (getter get_hostname)
   *
   * What the node calls itself. Neither unique nor a name to connect to.
   *
   * Since: 0.1
   */
  properties[PROP_HOSTNAME] = g_param_spec_string ("hostname", NULL, NULL, NULL, READABLE);

  /**
   * TnNode:os: (getter get_os)
   *
   * Operating system, such as `linux`.
   *
   * Since: 0.1
   */
  properties[PROP_OS] = g_param_spec_string ("os", NULL, NULL, NULL, READABLE);

  /**
   * TnNode:addresses: (getter get_addresses)
   *
   * Addresses in the tailnet, as text.
   *
   * Since: 0.1
   */
  properties[PROP_ADDRESSES] = g_param_spec_boxed ("addresses", NULL, NULL, G_TYPE_STRV, READABLE);

  /**
   * TnNode:ipv4: (getter get_ipv4)
   *
   * First IPv4 address in the tailnet.
   *
   * Since: 0.1
   */
  properties[PROP_IPV4] = g_param_spec_object ("ipv4", NULL, NULL, G_TYPE_INET_ADDRESS, READABLE);

  /**
   * TnNode:ipv6: (getter get_ipv6)
   *
   * First IPv6 address in the tailnet.
   *
   * Since: 0.1
   */
  properties[PROP_IPV6] = g_param_spec_object ("ipv6", NULL, NULL, G_TYPE_INET_ADDRESS, READABLE);

  /**
   * TnNode:user: (getter get_user)
   *
   * Whom the node belongs to.
   *
   * Since: 0.1
   */
  properties[PROP_USER] = g_param_spec_object ("user", NULL, NULL, TN_TYPE_USER, READABLE);

  /**
   * TnNode:tags: (getter get_tags)
   *
   * Tags that the node stands for instead of a user, such as `tag:server`.
   *
   * Since: 0.1
   */
  properties[PROP_TAGS] = g_param_spec_boxed ("tags", NULL, NULL, G_TYPE_STRV, READABLE);

  /**
   * TnNode:public-key: (getter get_public_key)
   *
   * Public key of the node, as text that starts with `nodekey:`.
   *
   * Since: 0.1
   */
  properties[PROP_PUBLIC_KEY] = g_param_spec_string ("public-key", NULL, NULL, NULL, READABLE);
}

static void
install_netmap_properties (void)
{
  /**
   * TnNode:online: (getter get_online)
   *
   * Whether the node is connected to the control server.
   *
   * Since: 0.1
   */
  properties[PROP_ONLINE] = g_param_spec_boolean ("online", NULL, NULL, FALSE, READABLE);

  /**
   * TnNode:last-seen: (getter get_last_seen)
   *
   * When the control server last saw the node; known only while it is not online.
   *
   * Since: 0.1
   */
  properties[PROP_LAST_SEEN] = g_param_spec_boxed ("last-seen", NULL, NULL, G_TYPE_DATE_TIME, READABLE);

  /**
   * TnNode:created: (getter get_created)
   *
   * When the node joined.
   *
   * Since: 0.1
   */
  properties[PROP_CREATED] = g_param_spec_boxed ("created", NULL, NULL, G_TYPE_DATE_TIME, READABLE);

  /**
   * TnNode:key-expiry: (getter get_key_expiry)
   *
   * When the key of the node expires or did expire.
   *
   * Since: 0.1
   */
  properties[PROP_KEY_EXPIRY] = g_param_spec_boxed ("key-expiry", NULL, NULL, G_TYPE_DATE_TIME, READABLE);

  /**
   * TnNode:expired: (getter get_expired)
   *
   * Whether the key of the node has expired: nothing is sent to it then.
   *
   * Since: 0.1
   */
  properties[PROP_EXPIRED] = g_param_spec_boolean ("expired", NULL, NULL, FALSE, READABLE);

  /**
   * TnNode:routes: (getter get_routes)
   *
   * Subnets that can be reached through the node, as text: `192.0.2.0/24`.
   *
   * Since: 0.1
   */
  properties[PROP_ROUTES] = g_param_spec_boxed ("routes", NULL, NULL, G_TYPE_STRV, READABLE);

  /**
   * TnNode:is-exit-node-option: (getter get_is_exit_node_option)
   *
   * Whether all traffic to the Internet can be sent through the node.
   *
   * Since: 0.1
   */
  properties[PROP_IS_EXIT_NODE_OPTION] = g_param_spec_boolean ("is-exit-node-option", NULL, NULL, FALSE, READABLE);

  /**
   * TnNode:capability-version: (getter get_capability_version)
   *
   * Version of the protocol that the node speaks.
   *
   * Since: 0.1
   */
  properties[PROP_CAPABILITY_VERSION] = g_param_spec_int ("capability-version", NULL, NULL, 0, G_MAXINT, 0, READABLE);

  /**
   * TnNode:capabilities: (getter get_capabilities)
   *
   * What the control server lets the node do: names, each with its values as JSON texts.
   *
   * Since: 0.1
   */
  properties[PROP_CAPABILITIES] =
    g_param_spec_variant ("capabilities", NULL, NULL, G_VARIANT_TYPE ("a{sas}"), NULL, READABLE);

  /**
   * TnNode:location: (getter get_location)
   *
   * Where the node is, in words: `Frankfurt, Germany`.
   *
   * Since: 0.1
   */
  properties[PROP_LOCATION] = g_param_spec_string ("location", NULL, NULL, NULL, READABLE);
}

static void
install_live_properties (void)
{
  /**
   * TnNode:path: (getter get_path)
   *
   * How packets travel to the node at present.
   *
   * Since: 0.1
   */
  properties[PROP_PATH] = g_param_spec_boxed ("path", NULL, NULL, TN_TYPE_PATH, READABLE);

  /**
   * TnNode:rx-bytes: (getter get_rx_bytes)
   *
   * Bytes received from the node since the device started.
   *
   * Since: 0.1
   */
  properties[PROP_RX_BYTES] = g_param_spec_uint64 ("rx-bytes", NULL, NULL, 0, G_MAXUINT64, 0, READABLE);

  /**
   * TnNode:tx-bytes: (getter get_tx_bytes)
   *
   * Bytes sent to the node since the device started.
   *
   * Since: 0.1
   */
  properties[PROP_TX_BYTES] = g_param_spec_uint64 ("tx-bytes", NULL, NULL, 0, G_MAXUINT64, 0, READABLE);

  /**
   * TnNode:last-handshake: (getter get_last_handshake)
   *
   * When keys were last agreed on with the node.
   *
   * Since: 0.1
   */
  properties[PROP_LAST_HANDSHAKE] = g_param_spec_boxed ("last-handshake", NULL, NULL, G_TYPE_DATE_TIME, READABLE);
}

static void
tn_node_class_init (TnNodeClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = tn_node_finalize;
  object_class->get_property = tn_node_get_property;

  install_identity_properties ();
  install_netmap_properties ();
  install_live_properties ();
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
tn_node_init (TnNode *self)
{
  self->live.path.latency_us = -1;
}

TnNode *
tn_node_new (const TnNodeData *data,
             const TnNodeLive *live)
{
  TnNode *self = g_object_new (TN_TYPE_NODE, NULL);

  self->data = tn_node_data_ref (data);
  if (live != NULL)
    self->live = *live;
  return self;
}

const TnNodeData *
tn_node_get_data (TnNode *self)
{
  return self->data;
}

const TnNodeLive *
tn_node_get_live (TnNode *self)
{
  return &self->live;
}

static void
notify_if (TnNode   *self,
           gboolean  changed,
           guint     prop_id)
{
  if (changed)
    g_object_notify_by_pspec (G_OBJECT (self), properties[prop_id]);
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
  notify_if (self, TRUE, PROP_ADDRESSES);
  notify_if (self, TRUE, PROP_IPV4);
  notify_if (self, TRUE, PROP_IPV6);
}

static void
notify_time (TnNode     *self,
             GDateTime **cache,
             gint64      old_us,
             gint64      new_us,
             guint       prop_id)
{
  /* Nothing shows more than the second. */
  if (old_us / G_USEC_PER_SEC == new_us / G_USEC_PER_SEC)
    return;
  g_clear_pointer (cache, g_date_time_unref);
  notify_if (self, TRUE, prop_id);
}

void
tn_node_update (TnNode           *self,
                const TnNodeData *data)
{
  g_autoptr (TnNodeData) old = NULL;

  if (data == self->data)
    return;

  /* All in place before the first handler runs, and handlers run when everything has changed. */
  old = (TnNodeData *) (guintptr) self->data;
  self->data = tn_node_data_ref (data);
  g_object_freeze_notify (G_OBJECT (self));

  notify_if (self, strcmp (old->name, data->name) != 0, PROP_NAME);
  notify_if (self, strcmp (old->fqdn, data->fqdn) != 0, PROP_FQDN);
  notify_if (self, g_strcmp0 (old->hostname, data->hostname) != 0, PROP_HOSTNAME);
  notify_if (self, g_strcmp0 (old->os, data->os) != 0, PROP_OS);
  notify_addresses (self, old);
  notify_if (self, !tn_user_equal (old->user, data->user), PROP_USER);
  notify_if (self, !strv_equal (old->tags, data->tags), PROP_TAGS);
  notify_if (self, old->online != data->online, PROP_ONLINE);
  notify_time (self, &self->last_seen, old->last_seen_us, data->last_seen_us, PROP_LAST_SEEN);
  notify_time (self, &self->created, old->created_us, data->created_us, PROP_CREATED);
  notify_time (self, &self->key_expiry, old->key_expiry_us, data->key_expiry_us, PROP_KEY_EXPIRY);
  notify_if (self, old->expired != data->expired, PROP_EXPIRED);
  if (!routes_equal (old, data))
    {
      g_clear_pointer (&self->routes, g_strfreev);
      notify_if (self, TRUE, PROP_ROUTES);
    }
  notify_if (self, old->exit_node_option != data->exit_node_option, PROP_IS_EXIT_NODE_OPTION);
  notify_if (self, old->capability_version != data->capability_version, PROP_CAPABILITY_VERSION);
  notify_if (self, !capabilities_equal (old->capabilities, data->capabilities), PROP_CAPABILITIES);
  if (!location_equal (old->location, data->location))
    {
      g_clear_pointer (&self->location, g_free);
      notify_if (self, TRUE, PROP_LOCATION);
    }
  if (!tn_node_public_key_equal (&old->public_key, &data->public_key))
    {
      g_clear_pointer (&self->public_key, g_free);
      notify_if (self, TRUE, PROP_PUBLIC_KEY);
    }

  g_object_thaw_notify (G_OBJECT (self));
}

void
tn_node_update_live (TnNode           *self,
                     const TnNodeLive *live)
{
  TnNodeLive old = self->live;

  self->live = *live;
  g_object_freeze_notify (G_OBJECT (self));

  if (!tn_path_data_equal (&old.path, &live->path))
    {
      g_clear_pointer (&self->path, tn_path_unref);
      notify_if (self, TRUE, PROP_PATH);
    }
  notify_if (self, old.rx_bytes != live->rx_bytes, PROP_RX_BYTES);
  notify_if (self, old.tx_bytes != live->tx_bytes, PROP_TX_BYTES);
  notify_time (self, &self->last_handshake, old.last_handshake_us, live->last_handshake_us, PROP_LAST_HANDSHAKE);

  g_object_thaw_notify (G_OBJECT (self));
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

  return date_time (&self->last_seen, self->data->last_seen_us);
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

  return date_time (&self->created, self->data->created_us);
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

  return date_time (&self->key_expiry, self->data->key_expiry_us);
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
 * Returns: (nullable) (transfer none): a dictionary of type `a{sas}`: names, each with its values as JSON texts; or
 * %NULL if it grants nothing
 *
 * Since: 0.1
 */
GVariant *
tn_node_get_capabilities (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return self->data->capabilities;
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

  g_return_val_if_fail (TN_IS_NODE (self), FALSE);
  g_return_val_if_fail (capability != NULL, FALSE);

  if (self->data->capabilities != NULL)
    values = g_variant_lookup_value (self->data->capabilities, capability, G_VARIANT_TYPE_STRING_ARRAY);
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
  const TnNodeLocation *location = self->data->location;

  g_return_val_if_fail (TN_IS_NODE (self), NULL);

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

/**
 * tn_node_get_path: (get-property path)
 * @self: a node
 *
 * Gets how packets travel to the node at present.
 *
 * Returns: (transfer none): the path
 *
 * Since: 0.1
 */
TnPath *
tn_node_get_path (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  if (self->path == NULL)
    self->path = tn_path_new (&self->live.path);
  return self->path;
}

/**
 * tn_node_get_rx_bytes: (get-property rx-bytes)
 * @self: a node
 *
 * Gets how much was received from the node since the device started.
 *
 * Returns: bytes
 *
 * Since: 0.1
 */
guint64
tn_node_get_rx_bytes (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), 0);

  return self->live.rx_bytes;
}

/**
 * tn_node_get_tx_bytes: (get-property tx-bytes)
 * @self: a node
 *
 * Gets how much was sent to the node since the device started.
 *
 * Returns: bytes
 *
 * Since: 0.1
 */
guint64
tn_node_get_tx_bytes (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), 0);

  return self->live.tx_bytes;
}

/**
 * tn_node_get_last_handshake: (get-property last-handshake)
 * @self: a node
 *
 * Gets when keys were last agreed on with the node.
 *
 * Returns: (nullable) (transfer none): the time, or %NULL if they never were
 *
 * Since: 0.1
 */
GDateTime *
tn_node_get_last_handshake (TnNode *self)
{
  g_return_val_if_fail (TN_IS_NODE (self), NULL);

  return date_time (&self->last_handshake, self->live.last_handshake_us);
}
