/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-dns-config-private.h"

/* The form is that of tailscale cmd/tailscale/tsdnsjsonv0/status.go, which may change. */

static void
write_resolvers (TnJsonWriter *writer,
                 GVariant     *resolvers)
{
  const char *address;
  GVariant *bootstrap;
  GVariantIter iter;

  tn_json_writer_begin_array (writer);
  g_variant_iter_init (&iter, resolvers);
  while (g_variant_iter_next (&iter, "(&s@as)", &address, &bootstrap))
    {
      g_autofree const char **addresses = g_variant_get_strv (bootstrap, NULL);

      tn_json_writer_begin_object (writer);
      tn_json_writer_string (writer, "Addr", address);
      if (addresses[0] != NULL)
        tn_json_writer_strv (writer, "BootstrapResolution", addresses);
      tn_json_writer_end_object (writer);
      g_variant_unref (bootstrap);
    }
  tn_json_writer_end_array (writer);
}

static void
add_resolvers (TnDnsConfig  *self,
               TnJsonWriter *writer,
               const char   *member,
               const char   *name)
{
  g_autoptr (GVariant) resolvers = tn_dns_config_dup_value (self, name, "a(sas)");

  if (g_variant_n_children (resolvers) == 0)
    return;
  tn_json_writer_name (writer, member);
  write_resolvers (writer, resolvers);
}

static void
add_routes (TnDnsConfig  *self,
            TnJsonWriter *writer)
{
  g_autoptr (GVariant) routes = tn_dns_config_dup_value (self, "routes", "a{sa(sas)}");
  GVariantIter iter;
  GVariant *resolvers;
  const char *suffix;

  if (g_variant_n_children (routes) == 0)
    return;
  tn_json_writer_name (writer, "SplitDNSRoutes");
  tn_json_writer_begin_object (writer);
  g_variant_iter_init (&iter, routes);
  while (g_variant_iter_next (&iter, "{&s@a(sas)}", &suffix, &resolvers))
    {
      tn_json_writer_name (writer, suffix);
      write_resolvers (writer, resolvers);
      g_variant_unref (resolvers);
    }
  tn_json_writer_end_object (writer);
}

static void
add_strings (TnDnsConfig  *self,
             TnJsonWriter *writer,
             const char   *member,
             const char   *name)
{
  g_autoptr (GVariant) value = tn_dns_config_dup_value (self, name, "as");
  g_autofree const char **strings = g_variant_get_strv (value, NULL);

  if (strings[0] != NULL)
    tn_json_writer_strv (writer, member, strings);
}

static void
add_tailnet (TnDnsConfig  *self,
             TnJsonWriter *writer)
{
  const char *suffix = tn_dns_config_get_suffix (self);
  const char *fqdn = "";
  g_autofree char *name = NULL;

  g_variant_lookup (tn_dns_config_get_values (self), "fqdn", "&s", &fqdn);
  if (*fqdn != '\0')
    name = g_strconcat (fqdn, ".", NULL);
  tn_json_writer_name (writer, "CurrentTailnet");
  tn_json_writer_begin_object (writer);
  tn_json_writer_boolean (writer, "MagicDNSEnabled", tn_dns_config_get_magic_dns (self));
  if (suffix != NULL)
    tn_json_writer_string (writer, "MagicDNSSuffix", suffix);
  if (name != NULL)
    tn_json_writer_string (writer, "SelfDNSName", name);
  tn_json_writer_end_object (writer);
}

void
tn_dns_config_write_records (TnDnsConfig  *self,
                             TnJsonWriter *writer)
{
  GVariantIter iter;
  GVariant *list;
  const char *name;

  tn_json_writer_begin_array (writer);
  if (self != NULL)
    g_variant_iter_init (&iter, tn_dns_config_get_extra_records (self));
  while (self != NULL && g_variant_iter_next (&iter, "{&s@as}", &name, &list))
    {
      g_autofree const char **addresses = g_variant_get_strv (list, NULL);

      for (guint i = 0; addresses[i] != NULL; i++)
        {
          tn_json_writer_begin_object (writer);
          tn_json_writer_string (writer, "Name", name);
          tn_json_writer_string (writer, "Value", addresses[i]);
          tn_json_writer_end_object (writer);
        }
      g_variant_unref (list);
    }
  tn_json_writer_end_array (writer);
}

/**
 * tn_dns_config_to_json:
 * @self: a DNS configuration
 *
 * Writes it as a JSON object with the field names that the stock client's `dns status --json` has.
 *
 * `TailscaleDNS` is false: the device leaves the resolver of the system as it is. `SystemDNS` is left out.
 *
 * Returns: (transfer full): the text
 *
 * Since: 0.1
 */
char *
tn_dns_config_to_json (TnDnsConfig *self)
{
  TnJsonWriter writing;
  TnJsonWriter *writer = &writing;

  g_return_val_if_fail (TN_IS_DNS_CONFIG (self), NULL);

  writing = TN_JSON_WRITER_INIT;
  tn_json_writer_begin_object (writer);
  tn_json_writer_boolean (writer, "TailscaleDNS", FALSE);
  add_tailnet (self, writer);
  add_resolvers (self, writer, "Resolvers", "resolvers");
  add_routes (self, writer);
  add_resolvers (self, writer, "FallbackResolvers", "fallback-resolvers");
  add_strings (self, writer, "SearchDomains", "search-domains");
  add_strings (self, writer, "CertDomains", "cert-domains");
  if (g_variant_n_children (tn_dns_config_get_extra_records (self)) > 0)
    {
      tn_json_writer_name (writer, "ExtraRecords");
      tn_dns_config_write_records (self, writer);
    }
  add_strings (self, writer, "ExitNodeFilteredSet", "exit-node-filtered");
  tn_json_writer_end_object (writer);
  return tn_json_writer_free (writer);
}
