/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-dns-config-private.h"

/**
 * TnDnsConfig:
 *
 * How names are to be resolved on a tailnet, as its control server has it. Immutable: when something changes, the device gets a new
 * one.
 *
 * All of it is what applies to this node: of the resolvers those that its exit node lets it reach, and nothing at all once its key has
 * expired. Names have no final dot; `.` is the root.
 *
 * Since: 0.1
 */
struct _TnDnsConfig
{
  GObject   parent_instance;
  GVariant *values;             /* a{sv}: all of it */

  /* The same, as the properties have it. */
  gboolean  magic_dns;
  char     *suffix;             /* nullable */
  char    **resolvers;
  char    **fallback_resolvers;
  GVariant *routes;             /* a{sas} */
  char    **search_domains;
  GVariant *extra_records;      /* a{sas} */
  char    **cert_domains;
};

enum
{
  PROP_0,
  PROP_MAGIC_DNS,
  PROP_SUFFIX,
  PROP_RESOLVERS,
  PROP_FALLBACK_RESOLVERS,
  PROP_ROUTES,
  PROP_SEARCH_DOMAINS,
  PROP_EXTRA_RECORDS,
  PROP_CERT_DOMAINS,
  N_PROPS
};

G_DEFINE_FINAL_TYPE (TnDnsConfig, tn_dns_config, G_TYPE_OBJECT)
static GParamSpec *properties[N_PROPS];

static void
tn_dns_config_finalize (GObject *object)
{
  TnDnsConfig *self = TN_DNS_CONFIG (object);

  g_clear_pointer (&self->values, g_variant_unref);
  g_clear_pointer (&self->routes, g_variant_unref);
  g_clear_pointer (&self->extra_records, g_variant_unref);
  g_free (self->suffix);
  g_strfreev (self->resolvers);
  g_strfreev (self->fallback_resolvers);
  g_strfreev (self->search_domains);
  g_strfreev (self->cert_domains);
  G_OBJECT_CLASS (tn_dns_config_parent_class)->finalize (object);
}

static void
tn_dns_config_get_property (GObject    *object,
                            guint       prop_id,
                            GValue     *value,
                            GParamSpec *pspec)
{
  TnDnsConfig *self = TN_DNS_CONFIG (object);

  switch (prop_id)
    {
    case PROP_MAGIC_DNS:
      g_value_set_boolean (value, self->magic_dns);
      break;
    case PROP_SUFFIX:
      g_value_set_string (value, self->suffix);
      break;
    case PROP_RESOLVERS:
      g_value_set_boxed (value, self->resolvers);
      break;
    case PROP_FALLBACK_RESOLVERS:
      g_value_set_boxed (value, self->fallback_resolvers);
      break;
    case PROP_ROUTES:
      g_value_set_variant (value, self->routes);
      break;
    case PROP_SEARCH_DOMAINS:
      g_value_set_boxed (value, self->search_domains);
      break;
    case PROP_EXTRA_RECORDS:
      g_value_set_variant (value, self->extra_records);
      break;
    case PROP_CERT_DOMAINS:
      g_value_set_boxed (value, self->cert_domains);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

#define READABLE (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
tn_dns_config_class_init (TnDnsConfigClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = tn_dns_config_finalize;
  object_class->get_property = tn_dns_config_get_property;

  /**
   * TnDnsConfig:magic-dns: (getter get_magic_dns)
   *
   * Whether the names of nodes are names of the DNS: then each node answers for them by itself, and for the addresses of the tailnet.
   *
   * Since: 0.1
   */
  properties[PROP_MAGIC_DNS] = g_param_spec_boolean ("magic-dns", NULL, NULL, FALSE, READABLE);

  /**
   * TnDnsConfig:suffix: (getter get_suffix)
   *
   * Domain that the names of nodes end with.
   *
   * Since: 0.1
   */
  properties[PROP_SUFFIX] = g_param_spec_string ("suffix", NULL, NULL, NULL, READABLE);

  /**
   * TnDnsConfig:resolvers: (getter get_resolvers)
   *
   * Whom to ask for names that no route is for, the preferred one first: `192.0.2.1`, `192.0.2.1:53`, or the URL of a resolver with
   * DNS over HTTPS. With `http` the URL is in the peer API of the exit node. None: whom the system asks.
   *
   * Since: 0.1
   */
  properties[PROP_RESOLVERS] = g_param_spec_boxed ("resolvers", NULL, NULL, G_TYPE_STRV, READABLE);

  /**
   * TnDnsConfig:fallback-resolvers: (getter get_fallback_resolvers)
   *
   * Whom to ask where there have to be resolvers for all names, [property@Tailnet.DnsConfig:resolvers] has none, and those of the
   * system cannot be told apart.
   *
   * Since: 0.1
   */
  properties[PROP_FALLBACK_RESOLVERS] = g_param_spec_boxed ("fallback-resolvers", NULL, NULL, G_TYPE_STRV, READABLE);

  /**
   * TnDnsConfig:routes: (getter get_routes)
   *
   * Whom to ask for names in a domain, of several the longest one: for each domain its resolvers. Where it has none, the node itself
   * answers from what it knows, and nobody is asked.
   *
   * Since: 0.1
   */
  properties[PROP_ROUTES] = g_param_spec_variant ("routes", NULL, NULL, G_VARIANT_TYPE ("a{sas}"), NULL, READABLE);

  /**
   * TnDnsConfig:search-domains: (getter get_search_domains)
   *
   * Domains in which a short name is looked for.
   *
   * Since: 0.1
   */
  properties[PROP_SEARCH_DOMAINS] = g_param_spec_boxed ("search-domains", NULL, NULL, G_TYPE_STRV, READABLE);

  /**
   * TnDnsConfig:extra-records: (getter get_extra_records)
   *
   * Names beside those of nodes that the node itself answers for, each with its addresses.
   *
   * Since: 0.1
   */
  properties[PROP_EXTRA_RECORDS] = g_param_spec_variant ("extra-records", NULL, NULL, G_VARIANT_TYPE ("a{sas}"), NULL, READABLE);

  /**
   * TnDnsConfig:cert-domains: (getter get_cert_domains)
   *
   * Names of this node that the control server helps to get certificates for.
   *
   * Since: 0.1
   */
  properties[PROP_CERT_DOMAINS] = g_param_spec_boxed ("cert-domains", NULL, NULL, G_TYPE_STRV, READABLE);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
tn_dns_config_init (TnDnsConfig *self)
{
}

/* --- Parts of the values --- */

GVariant *
tn_dns_config_dup_value (TnDnsConfig *self,
                         const char  *name,
                         const char  *type)
{
  GVariant *value = g_variant_lookup_value (self->values, name, G_VARIANT_TYPE (type));

  return value != NULL ? value : g_variant_ref_sink (g_variant_new_array (g_variant_type_element (G_VARIANT_TYPE (type)), NULL, 0));
}

static char **
dup_strings (TnDnsConfig *self,
             const char  *name)
{
  g_autoptr (GVariant) value = tn_dns_config_dup_value (self, name, "as");

  return g_variant_dup_strv (value, NULL);
}

/* Of a(sas). */
static char **
dup_addresses (GVariant *resolvers)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  const char *address;
  GVariantIter iter;

  g_variant_iter_init (&iter, resolvers);
  while (g_variant_iter_next (&iter, "(&s@as)", &address, NULL))
    g_strv_builder_add (builder, address);
  return g_strv_builder_end (builder);
}

static char **
dup_resolvers (TnDnsConfig *self,
               const char  *name)
{
  g_autoptr (GVariant) value = tn_dns_config_dup_value (self, name, "a(sas)");

  return dup_addresses (value);
}

static GVariant *
make_routes (TnDnsConfig *self)
{
  g_autoptr (GVariant) value = tn_dns_config_dup_value (self, "routes", "a{sa(sas)}");
  GVariantBuilder builder;
  GVariantIter iter;
  GVariant *resolvers;
  const char *suffix;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{sas}"));
  g_variant_iter_init (&iter, value);
  while (g_variant_iter_next (&iter, "{&s@a(sas)}", &suffix, &resolvers))
    {
      g_auto (GStrv) addresses = dup_addresses (resolvers);

      g_variant_builder_add (&builder, "{s^as}", suffix, addresses);
      g_variant_unref (resolvers);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static char *
dup_text (TnDnsConfig *self,
          const char  *name)
{
  char *text = NULL;

  g_variant_lookup (self->values, name, "s", &text);
  return text;
}

TnDnsConfig *
tn_dns_config_new (GVariant *values)
{
  TnDnsConfig *self = g_object_new (TN_TYPE_DNS_CONFIG, NULL);
  g_autofree char *suffix = NULL;

  self->values = g_variant_ref_sink (values);
  g_variant_lookup (self->values, "magic-dns", "b", &self->magic_dns);
  suffix = dup_text (self, "suffix");
  if (suffix != NULL && *suffix != '\0')
    self->suffix = g_steal_pointer (&suffix);
  self->resolvers = dup_resolvers (self, "resolvers");
  self->fallback_resolvers = dup_resolvers (self, "fallback-resolvers");
  self->routes = make_routes (self);
  self->search_domains = dup_strings (self, "search-domains");
  self->extra_records = tn_dns_config_dup_value (self, "extra-records", "a{sas}");
  self->cert_domains = dup_strings (self, "cert-domains");
  return self;
}

GVariant *
tn_dns_config_get_values (TnDnsConfig *self)
{
  return self->values;
}

gboolean
tn_dns_config_equal (TnDnsConfig *a,
                     TnDnsConfig *b)
{
  if (a == b)
    return TRUE;
  return a != NULL && b != NULL && g_variant_equal (a->values, b->values);
}

/**
 * tn_dns_config_get_magic_dns: (get-property magic-dns)
 * @self: a DNS configuration
 *
 * Tells whether the names of nodes are names of the DNS.
 *
 * Returns: %TRUE if they are
 *
 * Since: 0.1
 */
gboolean
tn_dns_config_get_magic_dns (TnDnsConfig *self)
{
  g_return_val_if_fail (TN_IS_DNS_CONFIG (self), FALSE);

  return self->magic_dns;
}

/**
 * tn_dns_config_get_suffix: (get-property suffix)
 * @self: a DNS configuration
 *
 * Gets the domain that the names of nodes end with.
 *
 * Returns: (nullable): the domain, or %NULL if they have none
 *
 * Since: 0.1
 */
const char *
tn_dns_config_get_suffix (TnDnsConfig *self)
{
  g_return_val_if_fail (TN_IS_DNS_CONFIG (self), NULL);

  return self->suffix;
}

/**
 * tn_dns_config_get_resolvers: (get-property resolvers)
 * @self: a DNS configuration
 *
 * Gets whom to ask for names that no route is for.
 *
 * Returns: (array zero-terminated=1) (transfer none): addresses and URLs, the preferred one first; none for those of the system
 *
 * Since: 0.1
 */
const char * const *
tn_dns_config_get_resolvers (TnDnsConfig *self)
{
  g_return_val_if_fail (TN_IS_DNS_CONFIG (self), NULL);

  return (const char * const *) self->resolvers;
}

/**
 * tn_dns_config_get_fallback_resolvers: (get-property fallback-resolvers)
 * @self: a DNS configuration
 *
 * Gets whom to ask where there have to be resolvers for all names, and no others are known.
 *
 * Returns: (array zero-terminated=1) (transfer none): addresses and URLs, the preferred one first
 *
 * Since: 0.1
 */
const char * const *
tn_dns_config_get_fallback_resolvers (TnDnsConfig *self)
{
  g_return_val_if_fail (TN_IS_DNS_CONFIG (self), NULL);

  return (const char * const *) self->fallback_resolvers;
}

/**
 * tn_dns_config_get_routes: (get-property routes)
 * @self: a DNS configuration
 *
 * Gets whom to ask for names in a domain.
 *
 * Returns: (transfer none): `a{sas}`, for each domain its resolvers; none where the node itself answers
 *
 * Since: 0.1
 */
GVariant *
tn_dns_config_get_routes (TnDnsConfig *self)
{
  g_return_val_if_fail (TN_IS_DNS_CONFIG (self), NULL);

  return self->routes;
}

/**
 * tn_dns_config_get_search_domains: (get-property search-domains)
 * @self: a DNS configuration
 *
 * Gets the domains in which a short name is looked for.
 *
 * Returns: (array zero-terminated=1) (transfer none): the domains
 *
 * Since: 0.1
 */
const char * const *
tn_dns_config_get_search_domains (TnDnsConfig *self)
{
  g_return_val_if_fail (TN_IS_DNS_CONFIG (self), NULL);

  return (const char * const *) self->search_domains;
}

/**
 * tn_dns_config_get_extra_records: (get-property extra-records)
 * @self: a DNS configuration
 *
 * Gets the names beside those of nodes that the node itself answers for.
 *
 * Returns: (transfer none): `a{sas}`, for each name its addresses
 *
 * Since: 0.1
 */
GVariant *
tn_dns_config_get_extra_records (TnDnsConfig *self)
{
  g_return_val_if_fail (TN_IS_DNS_CONFIG (self), NULL);

  return self->extra_records;
}

/**
 * tn_dns_config_get_cert_domains: (get-property cert-domains)
 * @self: a DNS configuration
 *
 * Gets the names of this node that the control server helps to get certificates for.
 *
 * Returns: (array zero-terminated=1) (transfer none): the names
 *
 * Since: 0.1
 */
const char * const *
tn_dns_config_get_cert_domains (TnDnsConfig *self)
{
  g_return_val_if_fail (TN_IS_DNS_CONFIG (self), NULL);

  return (const char * const *) self->cert_domains;
}
