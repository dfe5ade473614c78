/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <json-glib/json-glib.h>

#include "tn-cli.h"
#include "tn-wire-control.h"

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
  GOptionEntry entries[] = {
    { "json", 'j', 0, G_OPTION_ARG_NONE, &cli->json, N_("Print JSON"), NULL },
    { NULL },
  };
  int code;

  if (!tn_cli_parse (&tn_cli_version, entries, &argc, &argv, &code))
    return code;
  if (!no_arguments (argc, argv))
    return TN_CLI_USAGE;
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
    return tn_cli_fail (cli, error);
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
      g_printerr (_("tailnet: no peer is called %s\n"), argc == 2 ? argv[1] : "");
      return TN_CLI_FAILED;
    }
  addresses = tn_node_get_addresses (node);
  for (guint i = 0; addresses[i] != NULL; i++)
    g_print ("%s\n", addresses[i]);
  return TN_CLI_DONE;
}

const TnCliCommand tn_cli_ip = { "ip", "[NAME]", N_("Print the addresses of this node, or of a peer"), run_ip };

/* --- whoami, whois --- */

static void
add_strings (JsonBuilder       *builder,
             const char        *name,
             const char *const *values)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (guint i = 0; values != NULL && values[i] != NULL; i++)
    json_builder_add_string_value (builder, values[i]);
  json_builder_end_array (builder);
}

static void
add_string (JsonBuilder *builder,
            const char  *name,
            const char  *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value != NULL ? value : "");
}

static void
add_node (JsonBuilder *builder,
          TnNode      *node)
{
  const char *const *tags = tn_node_get_tags (node);
  g_autofree char *name = g_strdup_printf ("%s.", tn_node_get_fqdn (node));

  json_builder_begin_object (builder);
  add_string (builder, "StableID", tn_node_get_stable_id (node));
  add_string (builder, "Name", name);
  add_string (builder, "Key", tn_node_get_public_key (node));
  add_strings (builder, "Addresses", tn_node_get_addresses (node));
  if (tags != NULL && tags[0] != NULL)
    add_strings (builder, "Tags", tags);
  json_builder_set_member_name (builder, "Online");
  json_builder_add_boolean_value (builder, tn_node_get_online (node));
  json_builder_end_object (builder);
}

/* @capabilities: a{sas}, nullable. A value is JSON text itself; one that is not is left out. */
static void
add_capabilities (JsonBuilder *builder,
                  GVariant    *capabilities)
{
  GVariantIter iter;
  const char *name;
  const char **values;

  json_builder_begin_object (builder);
  if (capabilities != NULL)
    {
      g_variant_iter_init (&iter, capabilities);
      while (g_variant_iter_loop (&iter, "{&s^a&s}", &name, &values))
        {
          json_builder_set_member_name (builder, name);
          json_builder_begin_array (builder);
          for (guint i = 0; values[i] != NULL; i++)
            {
              JsonNode *value = json_from_string (values[i], NULL);

              if (value != NULL)
                json_builder_add_value (builder, value);
            }
          json_builder_end_array (builder);
        }
    }
  json_builder_end_object (builder);
}

/* tailscale client/tailscale/apitype: WhoIsResponse. */
static void
print_identity_json (TnNode   *node,
                     GVariant *capabilities)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;
  TnUser *user = tn_node_get_user (node);

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "Node");
  add_node (builder, node);
  json_builder_set_member_name (builder, "UserProfile");
  json_builder_begin_object (builder);
  add_string (builder, "LoginName", user != NULL ? tn_user_get_login_name (user) : NULL);
  add_string (builder, "DisplayName", user != NULL ? tn_user_get_display_name (user) : NULL);
  json_builder_end_object (builder);
  json_builder_set_member_name (builder, "CapMap");
  add_capabilities (builder, capabilities);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, TRUE);
  g_print ("%s\n", text);
}

static char *
dup_joined (const char *const *words)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; words != NULL && words[i] != NULL; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? " " : "", words[i]);
  return g_string_free (text, FALSE);
}

static int
print_identity (TnCli    *cli,
                TnNode   *node,
                GVariant *capabilities)
{
  TnUser *user = tn_node_get_user (node);
  g_autofree char *addresses = dup_joined (tn_node_get_addresses (node));
  g_autofree char *tags = dup_joined (tn_node_get_tags (node));

  if (cli->json)
    {
      print_identity_json (node, capabilities);
      return TN_CLI_DONE;
    }

  g_print (_("Node: %s\n"), tn_node_get_fqdn (node));
  g_print (_("Addresses: %s\n"), addresses);
  if (*tags != '\0')
    g_print (_("Tags: %s\n"), tags);
  else
    g_print (_("User: %s\n"), user != NULL ? tn_user_get_login_name (user) : "-");
  return TN_CLI_DONE;
}

static int
run_whoami (TnCli  *cli,
            int     argc,
            char  **argv)
{
  g_autoptr (TnNode) self = NULL;
  GOptionEntry entries[] = {
    { "json", 'j', 0, G_OPTION_ARG_NONE, &cli->json, N_("Print JSON"), NULL },
    { NULL },
  };
  int code;

  if (!tn_cli_parse (&tn_cli_whoami, entries, &argc, &argv, &code))
    return code;
  if (!no_arguments (argc, argv))
    return TN_CLI_USAGE;
  if (!tn_cli_start (cli))
    return TN_CLI_FAILED;
  self = tn_device_dup_self_node (cli->device);
  return print_identity (cli, self, NULL);
}

const TnCliCommand tn_cli_whoami = { "whoami", "", N_("Show who this node is to others"), run_whoami };

static int
run_whois (TnCli  *cli,
           int     argc,
           char  **argv)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) capabilities = NULL;
  g_autoptr (TnNode) node = NULL;
  GOptionEntry entries[] = {
    { "json", 'j', 0, G_OPTION_ARG_NONE, &cli->json, N_("Print JSON"), NULL },
    { NULL },
  };
  int code;

  if (!tn_cli_parse (&tn_cli_whois, entries, &argc, &argv, &code))
    return code;
  if (argc != 2)
    return tn_cli_usage (_("“whois” takes one address, got %d"), argc - 1);
  if (!tn_cli_start (cli))
    return TN_CLI_FAILED;

  tn_device_whois_async (cli->device, argv[1], NULL, cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  node = tn_device_whois_finish (cli->device, result, &capabilities, &error);
  if (node == NULL)
    return tn_cli_fail (cli, error);
  return print_identity (cli, node, capabilities);
}

const TnCliCommand tn_cli_whois = { "whois", "ADDRESS", N_("Show who has an address"), run_whois };
