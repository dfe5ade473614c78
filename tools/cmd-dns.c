/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tn-cli.h"

/* --- What the tailnet wants of the DNS --- */

/* @none: instead of them where there are none; NULL: nothing then. */
static void
print_texts (const char        *heading,
             const char *const *texts,
             const char        *none)
{
  if (texts[0] != NULL)
    tn_cli_say ("%s\n", heading);
  else if (none != NULL)
    tn_cli_say ("%s %s\n", heading, none);
  for (guint i = 0; texts[i] != NULL; i++)
    tn_cli_say ("  %s\n", texts[i]);
}

/* @pairs: a{sas}. */
static void
print_pairs (const char *heading,
             GVariant   *pairs,
             const char *none,
             const char *nobody)
{
  GVariantIter iter;
  const char *name;
  GVariant *values;

  if (g_variant_n_children (pairs) > 0)
    tn_cli_say ("%s\n", heading);
  else
    tn_cli_say ("%s %s\n", heading, none);
  g_variant_iter_init (&iter, pairs);
  while (g_variant_iter_next (&iter, "{&s@as}", &name, &values))
    {
      g_auto (GStrv) texts = g_variant_dup_strv (values, NULL);
      g_autofree char *line = g_strjoinv (", ", texts);

      tn_cli_say ("  %s: %s\n", name, texts[0] != NULL ? line : nobody);
      g_variant_unref (values);
    }
}

static void
print_names (TnCli       *cli,
             TnDnsConfig *config)
{
  g_autoptr (TnNode) self = tn_device_dup_self_node (cli->device);
  const char *fqdn = self != NULL ? tn_node_get_fqdn (self) : NULL;
  const char *suffix = tn_dns_config_get_suffix (config);

  tn_cli_say ("%s\n", tn_dns_config_get_magic_dns (config) ? _("MagicDNS: on, the names of nodes are names of the DNS")
                                                           : _("MagicDNS: off"));
  if (suffix != NULL)
    tn_cli_say (_("Names of nodes end with: %s\n"), suffix);
  if (fqdn != NULL)
    tn_cli_say (_("Name of this node: %s\n"), fqdn);
}

static int
print_status (TnCli       *cli,
              TnDnsConfig *config)
{
  print_names (cli, config);
  print_texts (_("Resolvers:"), tn_dns_config_get_resolvers (config), _("those of this system"));
  print_texts (_("Resolvers where those of this system cannot be told apart:"), tn_dns_config_get_fallback_resolvers (config), NULL);
  print_pairs (_("Domains with resolvers of their own:"), tn_dns_config_get_routes (config), _("none"), _("this node itself"));
  print_texts (_("Search domains:"), tn_dns_config_get_search_domains (config), _("none"));
  print_pairs (_("More names:"), tn_dns_config_get_extra_records (config), _("none"), _("no address"));
  print_texts (_("Names with certificates:"), tn_dns_config_get_cert_domains (config), NULL);
  tn_cli_say ("%s\n", _("This is what the tailnet wants: the node leaves the resolver of this system as it is."));
  return TN_CLI_DONE;
}

/* --- What the server is to tell all the world --- */

static int
publish (TnCli      *cli,
         const char *name,
         const char *value)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  int code = tn_cli_start (cli);

  if (code != TN_CLI_DONE)
    return code;
  tn_cli_begin (cli, TN_CLI_TIMEOUT_S);
  tn_device_publish_txt_async (cli->device, name, value, cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  tn_cli_end (cli);
  return tn_device_publish_txt_finish (cli->device, result, &error) ? TN_CLI_DONE : tn_cli_fail (cli, error);
}

/* --- The command --- */

static int
run_dns (TnCli  *cli,
         int     argc,
         char  **argv)
{
  g_autoptr (TnDnsConfig) config = NULL;
  g_autofree char *text = NULL;
  GOptionEntry entries[] = {
    TN_CLI_JSON (cli),
    { NULL },
  };
  int code;

  if (!tn_cli_parse (cli, &tn_cli_dns, entries, &argc, &argv, &code))
    return code;
  if (argc < 2)
    return tn_cli_usage (_("“dns” takes “status” or “publish”"));
  if (strcmp (argv[1], "publish") == 0)
    return argc == 4 ? publish (cli, argv[2], argv[3]) : tn_cli_usage (_("“dns publish” takes a name and a value, got %d"), argc - 2);
  if (strcmp (argv[1], "status") != 0)
    return tn_cli_usage (_("“dns” takes “status” or “publish”, got “%s”"), argv[1]);
  if (argc > 2)
    return tn_cli_usage (_("“%s” takes no argument, got “%s”"), "dns status", argv[2]);
  if ((code = tn_cli_start (cli)) != TN_CLI_DONE)
    return code;

  config = tn_device_dup_dns_config (cli->device);
  if (config == NULL)
    {
      tn_cli_complain (_("tailnet: the control server has not told of the DNS\n"));
      return TN_CLI_FAILED;
    }
  if (!cli->json)
    return print_status (cli, config);
  text = tn_dns_config_to_json (config);
  g_print ("%s\n", text);
  return TN_CLI_DONE;
}

const TnCliCommand tn_cli_dns = {
  "dns", "status | publish NAME VALUE", N_("Show what the tailnet wants of the DNS, or publish a record"), NULL, run_dns,
};
