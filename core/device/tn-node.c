/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-node-instance.h"

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
 *
 * Since: 0.1
 */
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
