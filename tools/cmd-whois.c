/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "tn-cli.h"

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
add_time (JsonBuilder *builder,
          const char  *name,
          GDateTime   *value)
{
  g_autofree char *text = value != NULL ? g_date_time_format_iso8601 (value) : NULL;

  if (text != NULL)
    add_string (builder, name, text);
}

/* "100.64.0.7/32": in a map an address is the prefix that holds it alone. */
static void
add_prefixes (JsonBuilder       *builder,
              const char        *name,
              const char *const *addresses,
              const char *const *routes)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (guint i = 0; addresses != NULL && addresses[i] != NULL; i++)
    {
      g_autofree char *prefix = g_strconcat (addresses[i], strchr (addresses[i], ':') != NULL ? "/128" : "/32", NULL);

      json_builder_add_string_value (builder, prefix);
    }
  for (guint i = 0; routes != NULL && routes[i] != NULL; i++)
    json_builder_add_string_value (builder, routes[i]);
  json_builder_end_array (builder);
}

static void
add_id (JsonBuilder *builder,
        const char  *name,
        TnUser      *user)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, user != NULL ? g_ascii_strtoll (tn_user_get_id (user), NULL, 10) : 0);
}

static void
add_hostinfo (JsonBuilder *builder,
              TnNode      *node)
{
  json_builder_set_member_name (builder, "Hostinfo");
  json_builder_begin_object (builder);
  add_string (builder, "OS", tn_node_get_os (node));
  add_string (builder, "Hostname", tn_node_get_hostname (node));
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

/* tailscale tailcfg/tailcfg.go: Node. */
static void
add_node (JsonBuilder *builder,
          TnNode      *node)
{
  const char *const *tags = tn_node_get_tags (node);
  const char *const *routes = tn_node_get_routes (node);
  g_autofree char *name = g_strdup_printf ("%s.", tn_node_get_fqdn (node));

  json_builder_begin_object (builder);
  add_string (builder, "StableID", tn_node_get_stable_id (node));
  add_string (builder, "Name", name);
  add_id (builder, "User", tn_node_get_user (node));
  add_string (builder, "Key", tn_node_get_public_key (node));
  add_time (builder, "KeyExpiry", tn_node_get_key_expiry (node));
  add_prefixes (builder, "Addresses", tn_node_get_addresses (node), NULL);
  add_prefixes (builder, "AllowedIPs", tn_node_get_addresses (node), routes);
  add_hostinfo (builder, node);
  add_time (builder, "Created", tn_node_get_created (node));
  if (tags != NULL && tags[0] != NULL)
    add_strings (builder, "Tags", tags);
  if (routes != NULL && routes[0] != NULL)
    add_strings (builder, "PrimaryRoutes", routes);
  add_time (builder, "LastSeen", tn_node_get_online (node) ? NULL : tn_node_get_last_seen (node));
  json_builder_set_member_name (builder, "Online");
  json_builder_add_boolean_value (builder, tn_node_get_online (node));
  json_builder_set_member_name (builder, "CapMap");
  add_capabilities (builder, tn_node_get_capabilities (node));
  add_string (builder, "ComputedName", tn_node_get_name (node));
  json_builder_end_object (builder);
}

static void
add_profile (JsonBuilder *builder,
             TnUser      *user)
{
  const char *picture = user != NULL ? tn_user_get_profile_picture_url (user) : NULL;

  json_builder_begin_object (builder);
  add_id (builder, "ID", user);
  add_string (builder, "LoginName", user != NULL ? tn_user_get_login_name (user) : NULL);
  add_string (builder, "DisplayName", user != NULL ? tn_user_get_display_name (user) : NULL);
  if (picture != NULL)
    add_string (builder, "ProfilePicURL", picture);
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

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "Node");
  add_node (builder, node);
  json_builder_set_member_name (builder, "UserProfile");
  add_profile (builder, tn_node_get_user (node));
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

  tn_cli_say (_("Node: %s\n"), tn_node_get_fqdn (node));
  tn_cli_say (_("Addresses: %s\n"), addresses);
  if (*tags != '\0')
    tn_cli_say (_("Tags: %s\n"), tags);
  else
    tn_cli_say (_("User: %s\n"), user != NULL ? tn_user_get_login_name (user) : "-");
  return TN_CLI_DONE;
}

static int
run_whoami (TnCli  *cli,
            int     argc,
            char  **argv)
{
  g_autoptr (TnNode) self = NULL;
  GOptionEntry entries[] = {
    TN_CLI_JSON (cli),
    { NULL },
  };
  int code;

  if (!tn_cli_parse (cli, &tn_cli_whoami, entries, &argc, &argv, &code))
    return code;
  if (argc > 1)
    return tn_cli_usage (_("“%s” takes no argument, got “%s”"), argv[0], argv[1]);
  if ((code = tn_cli_start (cli)) != TN_CLI_DONE)
    return code;
  self = tn_device_dup_self_node (cli->device);
  return print_identity (cli, self, NULL);
}

const TnCliCommand tn_cli_whoami = { "whoami", "", N_("Show who this node is to others"), NULL, run_whoami };

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
    TN_CLI_JSON (cli),
    { NULL },
  };
  int code;

  if (!tn_cli_parse (cli, &tn_cli_whois, entries, &argc, &argv, &code))
    return code;
  if (argc != 2)
    return tn_cli_usage (_("“whois” takes one address or name, got %d"), argc - 1);
  if ((code = tn_cli_start (cli)) != TN_CLI_DONE)
    return code;

  tn_device_whois_async (cli->device, argv[1], NULL, cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  node = tn_device_whois_finish (cli->device, result, &capabilities, &error);
  if (node == NULL)
    return tn_cli_fail (cli, error);
  return print_identity (cli, node, capabilities);
}

const TnCliCommand tn_cli_whois = { "whois", "ADDRESS[:PORT] | NAME", N_("Show who has an address or a name"), NULL, run_whois };
