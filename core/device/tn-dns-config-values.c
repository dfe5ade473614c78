/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-dns-config-private.h"

#include <string.h>

/* As a program wants a name: without the final dot, but for the root. */
static char *
dup_plain (const char *name)
{
  gsize len = strlen (name);

  return g_strndup (name, len > 1 && name[len - 1] == '.' ? len - 1 : len);
}

static GVariant *
resolvers_to_variant (TnDnsResolvers resolvers)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(sas)"));
  for (guint i = 0; i < resolvers.n; i++)
    g_variant_builder_add (&builder, "(s^as)", resolvers.items[i].address, resolvers.items[i].bootstrap);
  return g_variant_builder_end (&builder);
}

static GVariant *
routes_to_variant (const TnDnsSettings *settings)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{sa(sas)}"));
  for (guint i = 0; i < settings->n_routes; i++)
    {
      g_autofree char *suffix = dup_plain (settings->routes[i].suffix);

      g_variant_builder_add (&builder, "{s@a(sas)}", suffix, resolvers_to_variant (settings->routes[i].resolvers));
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
hosts_to_variant (const TnDnsSettings *settings)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{sas}"));
  for (guint i = 0; i < settings->n_hosts; i++)
    {
      const TnDnsHost *host = &settings->hosts[i];
      g_autofree char *name = dup_plain (host->name);

      g_variant_builder_open (&builder, G_VARIANT_TYPE ("{sas}"));
      g_variant_builder_add (&builder, "s", name);
      g_variant_builder_open (&builder, G_VARIANT_TYPE ("as"));
      for (guint j = 0; j < host->n_addresses; j++)
        {
          char text[TN_IP_ADDRESS_TEXT_MAX];

          tn_ip_address_print (&host->addresses[j], text);
          g_variant_builder_add (&builder, "s", text);
        }
      g_variant_builder_close (&builder);
      g_variant_builder_close (&builder);
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
names_to_variant (const char *const *names)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("as"));
  for (guint i = 0; names[i] != NULL; i++)
    g_variant_builder_add_value (&builder, g_variant_new_take_string (dup_plain (names[i])));
  return g_variant_builder_end (&builder);
}

TnDnsConfig *
tn_dns_config_new_for_settings (const TnDnsSettings *settings,
                                const char          *fqdn)
{
  g_autofree char *name = dup_plain (fqdn != NULL ? fqdn : "");
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "magic-dns", g_variant_new_boolean (settings->wire.magic_dns));
  g_variant_builder_add (&builder, "{sv}", "suffix", g_variant_new_string (settings->suffix));
  g_variant_builder_add (&builder, "{sv}", "fqdn", g_variant_new_string (name));
  g_variant_builder_add (&builder, "{sv}", "resolvers", resolvers_to_variant (settings->default_resolvers));
  g_variant_builder_add (&builder, "{sv}", "fallback-resolvers", resolvers_to_variant (settings->wire.fallback_resolvers));
  g_variant_builder_add (&builder, "{sv}", "routes", routes_to_variant (settings));
  g_variant_builder_add (&builder, "{sv}", "search-domains", names_to_variant (settings->search_domains));
  g_variant_builder_add (&builder, "{sv}", "extra-records", hosts_to_variant (settings));
  g_variant_builder_add (&builder, "{sv}", "cert-domains", names_to_variant (settings->wire.cert_domains));
  g_variant_builder_add (&builder, "{sv}", "exit-node-filtered", g_variant_new_strv (settings->wire.exit_node_filtered, -1));
  return tn_dns_config_new (g_variant_builder_end (&builder));
}
