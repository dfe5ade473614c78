/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <json-glib/json-glib.h>

#include "tn-cli.h"

static gboolean
no_arguments (int    argc,
              char **argv)
{
  if (argc > 1)
    tn_cli_usage (_("“%s” takes no argument, got “%s”"), argv[0], argv[1]);
  return argc <= 1;
}

/* --- version --- */

static int
run_version (TnCli  *cli,
             int     argc,
             char  **argv)
{
  if (cli->json)
    g_print ("{\"short\":\"%s\",\"long\":\"%s\"}\n", TN_VERSION, TN_VERSION);
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

  g_print ("%-16s %-24s %-20s %-8s %s\n", address, tn_node_get_name (node), user != NULL ? tn_user_get_login_name (user) : "-",
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

      g_print ("# %s\n", tn_health_item_get_text (item));
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
  if (!no_arguments (argc, argv))
    return TN_CLI_USAGE;
  if (!tn_cli_start (cli))
    return TN_CLI_FAILED;
  if (!cli->json)
    return print_status (cli);

  tn_device_status_to_json_async (cli->device, cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  text = tn_device_status_to_json_finish (cli->device, result, &error);
  if (text == NULL)
    return tn_cli_fail (error);
  g_print ("%s\n", text);
  return TN_CLI_DONE;
}

const TnCliCommand tn_cli_status = { "status", "", N_("Show this node and its peers"), run_status };

/* --- ip --- */

static int
run_ip (TnCli  *cli,
        int     argc,
        char  **argv)
{
  g_autoptr (TnNode) node = NULL;
  const char *const *addresses;
  int code;

  if (!tn_cli_parse (&tn_cli_ip, NULL, &argc, &argv, &code))
    return code;
  if (argc > 2)
    return tn_cli_usage (_("“ip” takes one name at most, got “%s” as well"), argv[2]);
  if (!tn_cli_start (cli))
    return TN_CLI_FAILED;

  node = argc == 2 ? tn_device_lookup_peer (cli->device, argv[1]) : tn_device_dup_self_node (cli->device);
  if (node == NULL)
    {
      g_printerr (_("tailnet: no node is called %s\n"), argc == 2 ? argv[1] : "");
      return TN_CLI_FAILED;
    }
  addresses = tn_node_get_addresses (node);
  for (guint i = 0; addresses[i] != NULL; i++)
    g_print ("%s\n", addresses[i]);
  return TN_CLI_DONE;
}

const TnCliCommand tn_cli_ip = { "ip", "[NAME]", N_("Print the addresses of this node, or of a peer"), run_ip };

/* --- whoami, whois --- */

static int
print_identity (TnCli  *cli,
                TnNode *node)
{
  TnUser *user = tn_node_get_user (node);
  const char *const *tags = tn_node_get_tags (node);
  const char *login = user != NULL ? tn_user_get_login_name (user) : "";

  if (cli->json)
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();
      g_autoptr (JsonNode) root = NULL;
      g_autofree char *text = NULL;

      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "Node");
      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "StableID");
      json_builder_add_string_value (builder, tn_node_get_stable_id (node));
      json_builder_set_member_name (builder, "Name");
      json_builder_add_string_value (builder, tn_node_get_fqdn (node));
      json_builder_set_member_name (builder, "Tags");
      json_builder_begin_array (builder);
      for (guint i = 0; tags != NULL && tags[i] != NULL; i++)
        json_builder_add_string_value (builder, tags[i]);
      json_builder_end_array (builder);
      json_builder_end_object (builder);
      json_builder_set_member_name (builder, "UserProfile");
      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "LoginName");
      json_builder_add_string_value (builder, login);
      json_builder_set_member_name (builder, "DisplayName");
      json_builder_add_string_value (builder, user != NULL ? tn_user_get_display_name (user) : "");
      json_builder_end_object (builder);
      json_builder_end_object (builder);
      root = json_builder_get_root (builder);
      text = json_to_string (root, TRUE);
      g_print ("%s\n", text);
      return TN_CLI_DONE;
    }

  g_print (_("Node: %s\n"), tn_node_get_fqdn (node));
  if (tags != NULL && tags[0] != NULL)
    {
      g_print ("%s", _("Tags:"));
      for (guint i = 0; tags[i] != NULL; i++)
        g_print (" %s", tags[i]);
      g_print ("\n");
    }
  else
    g_print (_("User: %s\n"), login);
  return TN_CLI_DONE;
}

static int
run_whoami (TnCli  *cli,
            int     argc,
            char  **argv)
{
  g_autoptr (TnNode) self = NULL;
  int code;

  if (!tn_cli_parse (&tn_cli_whoami, NULL, &argc, &argv, &code))
    return code;
  if (!no_arguments (argc, argv))
    return TN_CLI_USAGE;
  if (!tn_cli_start (cli))
    return TN_CLI_FAILED;
  self = tn_device_dup_self_node (cli->device);
  return print_identity (cli, self);
}

const TnCliCommand tn_cli_whoami = { "whoami", "", N_("Show who this node is to others"), run_whoami };

static int
run_whois (TnCli  *cli,
           int     argc,
           char  **argv)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (TnNode) node = NULL;
  int code;

  if (!tn_cli_parse (&tn_cli_whois, NULL, &argc, &argv, &code))
    return code;
  if (argc != 2)
    return tn_cli_usage (_("“whois” takes one address"));
  if (!tn_cli_start (cli))
    return TN_CLI_FAILED;

  tn_device_whois_async (cli->device, argv[1], NULL, cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  node = tn_device_whois_finish (cli->device, result, NULL, &error);
  if (node == NULL)
    return tn_cli_fail (error);
  return print_identity (cli, node);
}

const TnCliCommand tn_cli_whois = { "whois", "ADDRESS", N_("Show who has an address"), run_whois };
