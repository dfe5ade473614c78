/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-node.h"

#include "tn-testkit-json.h"
#include "tn-testkit-node-private.h"

/**
 * TnTestkitNode:
 *
 * What a [class@TailnetTestkit.Control] knows of a node at one moment. It never changes, and may be used from any thread.
 *
 * Since: 0.1
 */
struct _TnTestkitNode
{
  GObject  parent_instance;
  char     *stable_id;
  char     *name;
  char     *fqdn;
  char     *user;
  char     *ipv4;
  char     *ipv6;
  char     *node_key;
  char     *machine_key;
  char     *disco_key;
  char     *hostinfo;
  GStrv     tags;
  GStrv     endpoints;
  GStrv     routes;
  guint     home_region;
  guint     capability_version;
  gboolean  online;
  gboolean  expired;
  gboolean  ephemeral;
  gboolean  authorized;
};

enum
{
  PROP_0,
  PROP_STABLE_ID,
  PROP_NAME,
  PROP_FQDN,
  PROP_USER,
  PROP_IPV4,
  PROP_IPV6,
  PROP_NODE_KEY,
  PROP_MACHINE_KEY,
  PROP_DISCO_KEY,
  PROP_HOSTINFO,
  PROP_TAGS,
  PROP_ENDPOINTS,
  PROP_ROUTES,
  PROP_HOME_REGION,
  PROP_CAPABILITY_VERSION,
  PROP_ONLINE,
  PROP_EXPIRED,
  PROP_EPHEMERAL,
  PROP_AUTHORIZED,
  N_PROPS
};

G_DEFINE_FINAL_TYPE (TnTestkitNode, tn_testkit_node, G_TYPE_OBJECT)

static GParamSpec *properties[N_PROPS];

static void
tn_testkit_node_finalize (GObject *object)
{
  TnTestkitNode *self = TN_TESTKIT_NODE (object);

  g_free (self->stable_id);
  g_free (self->name);
  g_free (self->fqdn);
  g_free (self->user);
  g_free (self->ipv4);
  g_free (self->ipv6);
  g_free (self->node_key);
  g_free (self->machine_key);
  g_free (self->disco_key);
  g_free (self->hostinfo);
  g_strfreev (self->tags);
  g_strfreev (self->endpoints);
  g_strfreev (self->routes);

  G_OBJECT_CLASS (tn_testkit_node_parent_class)->finalize (object);
}

static void
tn_testkit_node_get_property (GObject    *object,
                              guint       prop_id,
                              GValue     *value,
                              GParamSpec *pspec)
{
  TnTestkitNode *self = TN_TESTKIT_NODE (object);

  switch (prop_id)
    {
    case PROP_STABLE_ID:
      g_value_set_string (value, self->stable_id);
      break;
    case PROP_NAME:
      g_value_set_string (value, self->name);
      break;
    case PROP_FQDN:
      g_value_set_string (value, self->fqdn);
      break;
    case PROP_USER:
      g_value_set_string (value, self->user);
      break;
    case PROP_IPV4:
      g_value_set_string (value, self->ipv4);
      break;
    case PROP_IPV6:
      g_value_set_string (value, self->ipv6);
      break;
    case PROP_NODE_KEY:
      g_value_set_string (value, self->node_key);
      break;
    case PROP_MACHINE_KEY:
      g_value_set_string (value, self->machine_key);
      break;
    case PROP_DISCO_KEY:
      g_value_set_string (value, self->disco_key);
      break;
    case PROP_HOSTINFO:
      g_value_set_string (value, self->hostinfo);
      break;
    case PROP_TAGS:
      g_value_set_boxed (value, self->tags);
      break;
    case PROP_ENDPOINTS:
      g_value_set_boxed (value, self->endpoints);
      break;
    case PROP_ROUTES:
      g_value_set_boxed (value, self->routes);
      break;
    case PROP_HOME_REGION:
      g_value_set_uint (value, self->home_region);
      break;
    case PROP_CAPABILITY_VERSION:
      g_value_set_uint (value, self->capability_version);
      break;
    case PROP_ONLINE:
      g_value_set_boolean (value, self->online);
      break;
    case PROP_EXPIRED:
      g_value_set_boolean (value, self->expired);
      break;
    case PROP_EPHEMERAL:
      g_value_set_boolean (value, self->ephemeral);
      break;
    case PROP_AUTHORIZED:
      g_value_set_boolean (value, self->authorized);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_testkit_node_class_init (TnTestkitNodeClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = tn_testkit_node_finalize;
  object_class->get_property = tn_testkit_node_get_property;

  /**
   * TnTestkitNode:stable-id: (getter get_stable_id)
   *
   * Identifier that stays when the node changes name or key.
   *
   * Since: 0.1
   */
  properties[PROP_STABLE_ID] =
    g_param_spec_string ("stable-id", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:name: (getter get_name)
   *
   * Label, unique in the tailnet.
   *
   * Since: 0.1
   */
  properties[PROP_NAME] =
    g_param_spec_string ("name", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:fqdn: (getter get_fqdn)
   *
   * Name with the suffix of the tailnet and a final dot.
   *
   * Since: 0.1
   */
  properties[PROP_FQDN] =
    g_param_spec_string ("fqdn", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:user: (getter get_user)
   *
   * Login name of the owner.
   *
   * Since: 0.1
   */
  properties[PROP_USER] =
    g_param_spec_string ("user", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:ipv4: (getter get_ipv4)
   *
   * IPv4 address.
   *
   * Since: 0.1
   */
  properties[PROP_IPV4] =
    g_param_spec_string ("ipv4", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:ipv6: (getter get_ipv6)
   *
   * IPv6 address.
   *
   * Since: 0.1
   */
  properties[PROP_IPV6] =
    g_param_spec_string ("ipv6", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:node-key: (getter get_node_key)
   *
   * Public node key, as text.
   *
   * Since: 0.1
   */
  properties[PROP_NODE_KEY] =
    g_param_spec_string ("node-key", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:machine-key: (getter get_machine_key)
   *
   * Public machine key, as text.
   *
   * Since: 0.1
   */
  properties[PROP_MACHINE_KEY] =
    g_param_spec_string ("machine-key", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:disco-key: (getter get_disco_key)
   *
   * Public discovery key, as text.
   *
   * Since: 0.1
   */
  properties[PROP_DISCO_KEY] =
    g_param_spec_string ("disco-key", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:hostinfo: (getter get_hostinfo)
   *
   * What the node told of itself, as JSON; `{}` before it did.
   *
   * Since: 0.1
   */
  properties[PROP_HOSTINFO] =
    g_param_spec_string ("hostinfo", NULL, NULL, NULL, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:tags: (getter get_tags)
   *
   * Tags, if any.
   *
   * Since: 0.1
   */
  properties[PROP_TAGS] =
    g_param_spec_boxed ("tags", NULL, NULL, G_TYPE_STRV, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:endpoints: (getter get_endpoints)
   *
   * UDP addresses at which the node says it can be reached.
   *
   * Since: 0.1
   */
  properties[PROP_ENDPOINTS] =
    g_param_spec_boxed ("endpoints", NULL, NULL, G_TYPE_STRV, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:routes: (getter get_routes)
   *
   * Routes granted to the node beyond its own addresses.
   *
   * Since: 0.1
   */
  properties[PROP_ROUTES] =
    g_param_spec_boxed ("routes", NULL, NULL, G_TYPE_STRV, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:home-region: (getter get_home_region)
   *
   * Relay region where the node can be reached; 0 before it told one.
   *
   * Since: 0.1
   */
  properties[PROP_HOME_REGION] =
    g_param_spec_uint ("home-region", NULL, NULL, 0, G_MAXUINT, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:capability-version: (getter get_capability_version)
   *
   * Protocol version that the node speaks.
   *
   * Since: 0.1
   */
  properties[PROP_CAPABILITY_VERSION] =
    g_param_spec_uint ("capability-version", NULL, NULL, 0, G_MAXUINT, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:online: (getter get_online)
   *
   * Whether the node follows the network map.
   *
   * Since: 0.1
   */
  properties[PROP_ONLINE] =
    g_param_spec_boolean ("online", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:expired: (getter get_expired)
   *
   * Whether the key of the node has expired.
   *
   * Since: 0.1
   */
  properties[PROP_EXPIRED] =
    g_param_spec_boolean ("expired", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:ephemeral: (getter get_ephemeral)
   *
   * Whether the node goes away when it stays offline.
   *
   * Since: 0.1
   */
  properties[PROP_EPHEMERAL] =
    g_param_spec_boolean ("ephemeral", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnTestkitNode:authorized: (getter get_authorized)
   *
   * Whether the node may take part; see [property@TailnetTestkit.Control:require-approval].
   *
   * Since: 0.1
   */
  properties[PROP_AUTHORIZED] =
    g_param_spec_boolean ("authorized", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
tn_testkit_node_init (TnTestkitNode *self)
{
}

static char *
print_address (const TnIpAddress *address)
{
  char text[TN_IP_ADDRESS_TEXT_MAX];

  tn_ip_address_print (address, text);
  return g_strdup (text);
}

static void
print_keys (TnTestkitNode         *self,
            const TnTestkitRecord *record)
{
  char text[TN_KEY_TEXT_MAX];

  tn_node_public_key_print (&record->node_key, text);
  self->node_key = g_strdup (text);
  tn_machine_public_key_print (&record->machine_key, text);
  self->machine_key = g_strdup (text);
  tn_disco_public_key_print (&record->disco_key, text);
  self->disco_key = g_strdup (text);
}

TnTestkitNode *
tn_testkit_node_new (const TnTestkitRegistry *registry,
                     const TnTestkitRecord   *record,
                     gint64                   now_s)
{
  TnTestkitNode *self = g_object_new (TN_TESTKIT_TYPE_NODE, NULL);

  self->stable_id = g_strdup (record->stable_id);
  self->name = g_strdup (record->name);
  self->fqdn = tn_testkit_record_dup_fqdn (record, registry);
  self->user = g_strdup (record->user->name);
  self->ipv4 = print_address (&record->ipv4);
  self->ipv6 = print_address (&record->ipv6);
  print_keys (self, record);
  self->hostinfo = record->hostinfo != NULL ? tn_testkit_json_to_text (record->hostinfo) : g_strdup ("{}");
  self->tags = g_strdupv (record->tags);
  self->endpoints = g_strdupv (record->endpoints);
  self->routes = g_strdupv (record->routes);
  self->home_region = (guint) CLAMP (record->home_region, 0, G_MAXUINT);
  self->capability_version = (guint) CLAMP (record->capability_version, 0, G_MAXUINT);
  self->online = record->n_streams > 0;
  self->expired = tn_testkit_record_is_expired (record, now_s);
  self->ephemeral = record->ephemeral;
  self->authorized = record->authorized;

  return self;
}

/**
 * tn_testkit_node_get_stable_id:
 * @self: a node
 *
 * Identifier that stays when the node changes name or key.
 *
 * Returns: (transfer none): the text
 *
 * Since: 0.1
 */
const char *
tn_testkit_node_get_stable_id (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), NULL);

  return self->stable_id;
}

/**
 * tn_testkit_node_get_name:
 * @self: a node
 *
 * Label, unique in the tailnet.
 *
 * Returns: (transfer none): the text
 *
 * Since: 0.1
 */
const char *
tn_testkit_node_get_name (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), NULL);

  return self->name;
}

/**
 * tn_testkit_node_get_fqdn:
 * @self: a node
 *
 * Name with the suffix of the tailnet and a final dot.
 *
 * Returns: (transfer none): the text
 *
 * Since: 0.1
 */
const char *
tn_testkit_node_get_fqdn (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), NULL);

  return self->fqdn;
}

/**
 * tn_testkit_node_get_user:
 * @self: a node
 *
 * Login name of the owner.
 *
 * Returns: (transfer none): the text
 *
 * Since: 0.1
 */
const char *
tn_testkit_node_get_user (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), NULL);

  return self->user;
}

/**
 * tn_testkit_node_get_tags:
 * @self: a node
 *
 * Tags, if any.
 *
 * Returns: (transfer none) (array zero-terminated=1): the list
 *
 * Since: 0.1
 */
const char * const *
tn_testkit_node_get_tags (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), NULL);

  return (const char * const *) self->tags;
}

/**
 * tn_testkit_node_get_ipv4:
 * @self: a node
 *
 * IPv4 address.
 *
 * Returns: (transfer none): the text
 *
 * Since: 0.1
 */
const char *
tn_testkit_node_get_ipv4 (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), NULL);

  return self->ipv4;
}

/**
 * tn_testkit_node_get_ipv6:
 * @self: a node
 *
 * IPv6 address.
 *
 * Returns: (transfer none): the text
 *
 * Since: 0.1
 */
const char *
tn_testkit_node_get_ipv6 (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), NULL);

  return self->ipv6;
}

/**
 * tn_testkit_node_get_endpoints:
 * @self: a node
 *
 * UDP addresses at which the node says it can be reached.
 *
 * Returns: (transfer none) (array zero-terminated=1): the list
 *
 * Since: 0.1
 */
const char * const *
tn_testkit_node_get_endpoints (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), NULL);

  return (const char * const *) self->endpoints;
}

/**
 * tn_testkit_node_get_routes:
 * @self: a node
 *
 * Routes granted to the node beyond its own addresses.
 *
 * Returns: (transfer none) (array zero-terminated=1): the list
 *
 * Since: 0.1
 */
const char * const *
tn_testkit_node_get_routes (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), NULL);

  return (const char * const *) self->routes;
}

/**
 * tn_testkit_node_get_home_region:
 * @self: a node
 *
 * Relay region where the node can be reached; 0 before it told one.
 *
 * Returns: the number
 *
 * Since: 0.1
 */
guint
tn_testkit_node_get_home_region (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), 0);

  return self->home_region;
}

/**
 * tn_testkit_node_get_capability_version:
 * @self: a node
 *
 * Protocol version that the node speaks.
 *
 * Returns: the number
 *
 * Since: 0.1
 */
guint
tn_testkit_node_get_capability_version (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), 0);

  return self->capability_version;
}

/**
 * tn_testkit_node_get_online:
 * @self: a node
 *
 * Whether the node follows the network map.
 *
 * Returns: the answer
 *
 * Since: 0.1
 */
gboolean
tn_testkit_node_get_online (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), FALSE);

  return self->online;
}

/**
 * tn_testkit_node_get_expired:
 * @self: a node
 *
 * Whether the key of the node has expired.
 *
 * Returns: the answer
 *
 * Since: 0.1
 */
gboolean
tn_testkit_node_get_expired (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), FALSE);

  return self->expired;
}

/**
 * tn_testkit_node_get_ephemeral:
 * @self: a node
 *
 * Whether the node goes away when it stays offline.
 *
 * Returns: the answer
 *
 * Since: 0.1
 */
gboolean
tn_testkit_node_get_ephemeral (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), FALSE);

  return self->ephemeral;
}

/**
 * tn_testkit_node_get_authorized:
 * @self: a node
 *
 * Whether the node may take part; see [property@TailnetTestkit.Control:require-approval].
 *
 * Returns: the answer
 *
 * Since: 0.1
 */
gboolean
tn_testkit_node_get_authorized (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), FALSE);

  return self->authorized;
}

/**
 * tn_testkit_node_get_node_key:
 * @self: a node
 *
 * Public node key, as text.
 *
 * Returns: (transfer none): the text
 *
 * Since: 0.1
 */
const char *
tn_testkit_node_get_node_key (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), NULL);

  return self->node_key;
}

/**
 * tn_testkit_node_get_machine_key:
 * @self: a node
 *
 * Public machine key, as text.
 *
 * Returns: (transfer none): the text
 *
 * Since: 0.1
 */
const char *
tn_testkit_node_get_machine_key (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), NULL);

  return self->machine_key;
}

/**
 * tn_testkit_node_get_disco_key:
 * @self: a node
 *
 * Public discovery key, as text.
 *
 * Returns: (transfer none): the text
 *
 * Since: 0.1
 */
const char *
tn_testkit_node_get_disco_key (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), NULL);

  return self->disco_key;
}

/**
 * tn_testkit_node_get_hostinfo:
 * @self: a node
 *
 * What the node told of itself, as JSON; `{}` before it did.
 *
 * Returns: (transfer none): the text
 *
 * Since: 0.1
 */
const char *
tn_testkit_node_get_hostinfo (TnTestkitNode *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_NODE (self), NULL);

  return self->hostinfo;
}
