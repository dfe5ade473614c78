/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tn-cli.h"
#include "tn-wire-control.h"

/* --- version --- */

static int
run_version (TnCli  *cli,
             int     argc,
             char  **argv)
{
  GOptionEntry entries[] = {
    TN_CLI_JSON (cli),
    { NULL },
  };
  int code;

  if (!tn_cli_parse (cli, &tn_cli_version, entries, &argc, &argv, &code))
    return code;
  if (argc > 1)
    return tn_cli_usage (_("“%s” takes no argument, got “%s”"), argv[0], argv[1]);
  if (cli->json)
    g_print ("{\n  \"majorMinorPatch\" : \"%s\",\n  \"short\" : \"%s\",\n  \"long\" : \"%s\",\n  \"cap\" : %d\n}\n",
             TN_VERSION, TN_VERSION, TN_VERSION, TN_CAPABILITY_VERSION);
  else
    g_print ("%s\n", TN_VERSION);
  return TN_CLI_DONE;
}

const TnCliCommand tn_cli_version = { "version", "", N_("Print the version"), NULL, run_version };

/* --- ip --- */

static gboolean
is_wanted (const char *address,
           gboolean    ipv4,
           gboolean    ipv6)
{
  gboolean is_ipv6 = strchr (address, ':') != NULL;

  return ipv4 == ipv6 || is_ipv6 == ipv6;      /* neither or both: all */
}

static int
print_addresses (TnNode   *node,
                 gboolean  ipv4,
                 gboolean  ipv6,
                 gboolean  first,
                 gboolean  json)
{
  const char *const *addresses = tn_node_get_addresses (node);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; addresses[i] != NULL && !(first && text->len > 0); i++)
    if (is_wanted (addresses[i], ipv4, ipv6))
      g_string_append_printf (text, json ? "%s\"%s\"" : "%s%s", text->len == 0 ? "" : json ? "," : "\n", addresses[i]);
  if (json)
    g_print ("{\"TailscaleIPs\":[%s]}\n", text->str);
  else if (text->len > 0)
    g_print ("%s\n", text->str);
  if (text->len == 0)
    tn_cli_complain (_("tailnet: %s has no address of that kind\n"), tn_node_get_name (node));
  return text->len > 0 ? TN_CLI_DONE : TN_CLI_FAILED;
}

static int
run_ip (TnCli  *cli,
        int     argc,
        char  **argv)
{
  g_autoptr (TnNode) node = NULL;
  gboolean ipv4 = FALSE, ipv6 = FALSE, first = FALSE;
  GOptionEntry entries[] = {
    { "ipv4", '4', 0, G_OPTION_ARG_NONE, &ipv4, N_("Only IPv4"), NULL },
    { "ipv6", '6', 0, G_OPTION_ARG_NONE, &ipv6, N_("Only IPv6"), NULL },
    { "first", '1', 0, G_OPTION_ARG_NONE, &first, N_("Only the first one"), NULL },
    TN_CLI_JSON (cli),
    { NULL },
  };
  int code;

  if (!tn_cli_parse (cli, &tn_cli_ip, entries, &argc, &argv, &code))
    return code;
  if (argc > 2)
    return tn_cli_usage (_("“ip” takes one name at most, got “%s” as well"), argv[2]);
  if ((code = tn_cli_start (cli)) != TN_CLI_DONE)
    return code;

  if (argc == 2)
    tn_cli_wait_peer (cli, argv[1]);
  node = argc == 2 ? tn_device_lookup_peer (cli->device, argv[1]) : tn_device_dup_self_node (cli->device);
  if (node != NULL)
    return print_addresses (node, ipv4, ipv6, first, cli->json);
  tn_cli_complain (_("tailnet: no peer is called %s\n"), argc == 2 ? argv[1] : "");
  return TN_CLI_FAILED;
}

const TnCliCommand tn_cli_ip = { "ip", "[NAME]", N_("Print the addresses of this node, or of a peer"), NULL, run_ip };
