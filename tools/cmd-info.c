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
    { "json", 'j', 0, G_OPTION_ARG_NONE, &cli->json, N_("Print JSON"), NULL },
    { NULL },
  };
  int code;

  if (!tn_cli_parse (&tn_cli_version, entries, &argc, &argv, &code))
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

const TnCliCommand tn_cli_version = { "version", "", N_("Print the version"), run_version };

/* --- status --- */

static char *
dup_path_text (TnNode *node)
{
  TnPath *path = tn_node_get_path (node);

  switch (tn_path_get_kind (path))
    {
    case TN_PATH_KIND_RELAY:
      return g_strdup_printf (_("relay “%s”"), tn_path_get_region (path));
    case TN_PATH_KIND_DIRECT:
      return g_strdup (_("direct"));
    case TN_PATH_KIND_PEER_RELAY:
      return g_strdup (_("peer relay"));
    case TN_PATH_KIND_NONE:
    default:
      return g_strdup ("-");
    }
}

static char *
dup_first_address (TnNode *node)
{
  const char *const *addresses = tn_node_get_addresses (node);

  return g_strdup (addresses[0] != NULL ? addresses[0] : "");
}

static void
print_node (TnNode     *node,
            const char *note)
{
  g_autofree char *address = dup_first_address (node);
  TnUser *user = tn_node_get_user (node);
  const char *os = tn_node_get_os (node);

  tn_cli_say ("%-16s %-24s %-20s %-8s %s\n", address, tn_node_get_name (node), user != NULL ? tn_user_get_login_name (user) : "-",
              os != NULL ? os : "-", note);
}

static int
print_status (TnCli *cli)
{
  g_autoptr (TnNode) self = tn_device_dup_self_node (cli->device);
  GListModel *peers = tn_device_get_peers (cli->device);
  GListModel *health = tn_device_get_health (cli->device);

  if (self != NULL)
    print_node (self, _("this node"));
  for (guint i = 0; i < g_list_model_get_n_items (peers); i++)
    {
      g_autoptr (TnNode) peer = g_list_model_get_item (peers, i);
      g_autofree char *path = dup_path_text (peer);

      print_node (peer, !tn_node_get_online (peer) ? _("offline") : path);
    }
  for (guint i = 0; i < g_list_model_get_n_items (health); i++)
    {
      g_autoptr (TnHealthItem) item = g_list_model_get_item (health, i);

      tn_cli_say ("# %s\n", tn_health_item_get_text (item));
    }
  return TN_CLI_DONE;
}

static int
run_status (TnCli  *cli,
            int     argc,
            char  **argv)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  GOptionEntry entries[] = {
    { "json", 'j', 0, G_OPTION_ARG_NONE, &cli->json, N_("Print JSON"), NULL },
    { NULL },
  };
  int code;

  if (!tn_cli_parse (&tn_cli_status, entries, &argc, &argv, &code))
    return code;
  if (argc > 1)
    return tn_cli_usage (_("“%s” takes no argument, got “%s”"), argv[0], argv[1]);
  if ((code = tn_cli_start (cli)) != TN_CLI_DONE)
    return code;
  if (!cli->json)
    return print_status (cli);

  tn_device_status_to_json_async (cli->device, cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  text = tn_device_status_to_json_finish (cli->device, result, &error);
  if (text == NULL)
    return tn_cli_fail (cli, error);
  g_print ("%s\n", text);
  return TN_CLI_DONE;
}

const TnCliCommand tn_cli_status = { "status", "", N_("Show this node and its peers"), run_status };

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
    { "json", 'j', 0, G_OPTION_ARG_NONE, &cli->json, N_("Print JSON"), NULL },
    { NULL },
  };
  int code;

  if (!tn_cli_parse (&tn_cli_ip, entries, &argc, &argv, &code))
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

const TnCliCommand tn_cli_ip = { "ip", "[NAME]", N_("Print the addresses of this node, or of a peer"), run_ip };
