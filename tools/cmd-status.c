/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli.h"

static char *
dup_path_text (TnNode *node)
{
  TnPath *path = tn_node_get_path (node);

  if (!tn_node_get_online (node))
    return g_strdup (_("offline"));
  switch (tn_path_get_kind (path))
    {
    case TN_PATH_KIND_RELAY:
      return g_strdup_printf (_("relay %s"), tn_path_get_region (path));
    case TN_PATH_KIND_DIRECT:
      return g_strdup (_("direct"));
    case TN_PATH_KIND_PEER_RELAY:
      return g_strdup (_("peer relay"));
    case TN_PATH_KIND_NONE:
    default:
      return g_strdup (_("idle"));
    }
}

/* --- The table --- */

#define N_COLUMNS 5

static void
add_row (GPtrArray  *rows,
         const char *address,
         const char *name,
         const char *owner,
         const char *system,
         const char *path)
{
  const char *cells[N_COLUMNS + 1] = { address, name, owner, system, path, NULL };
  char **row = g_new0 (char *, N_COLUMNS + 1);

  for (guint i = 0; i < N_COLUMNS; i++)
    row[i] = tn_cli_dup_line (cells[i]);
  g_ptr_array_add (rows, row);
}

static void
add_node (GPtrArray  *rows,
          TnNode     *node,
          const char *path)
{
  TnUser *user = tn_node_get_user (node);

  add_row (rows, tn_node_get_addresses (node)[0], tn_node_get_name (node), user != NULL ? tn_user_get_login_name (user) : NULL,
           tn_node_get_os (node), path);
}

static void
print_rows (GPtrArray *rows)
{
  int widths[N_COLUMNS] = { 0 };

  for (guint i = 0; i < rows->len; i++)
    for (guint j = 0; j < N_COLUMNS; j++)
      widths[j] = MAX (widths[j], (int) g_utf8_strlen (((char **) g_ptr_array_index (rows, i))[j], -1));

  for (guint i = 0; i < rows->len; i++)
    {
      char **row = g_ptr_array_index (rows, i);
      g_autoptr (GString) line = g_string_new (NULL);

      for (guint j = 0; j < N_COLUMNS; j++)
        {
          int room = j + 1 < N_COLUMNS ? widths[j] + 2 - (int) g_utf8_strlen (row[j], -1) : 0;

          g_string_append_printf (line, "%s%*s", row[j], room, "");
        }
      tn_cli_say ("%s\n", line->str);
    }
}

static int
print_status (TnCli *cli)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  g_autoptr (TnNode) self = tn_device_dup_self_node (cli->device);
  GListModel *peers = tn_device_get_peers (cli->device);
  GListModel *health = tn_device_get_health (cli->device);

  add_row (rows, _("ADDRESS"), _("NAME"), _("OWNER"), _("SYSTEM"), _("PATH"));
  if (self != NULL)
    add_node (rows, self, _("this node"));
  for (guint i = 0; i < g_list_model_get_n_items (peers); i++)
    {
      g_autoptr (TnNode) peer = g_list_model_get_item (peers, i);
      g_autofree char *path = dup_path_text (peer);

      add_node (rows, peer, path);
    }
  print_rows (rows);
  for (guint i = 0; i < g_list_model_get_n_items (health); i++)
    {
      g_autoptr (TnHealthItem) item = g_list_model_get_item (health, i);

      tn_cli_say ("# %s\n", tn_health_item_get_text (item));
    }
  return TN_CLI_DONE;
}

/* --- The command --- */

static int
run_status (TnCli  *cli,
            int     argc,
            char  **argv)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  GOptionEntry entries[] = {
    TN_CLI_JSON (cli),
    { NULL },
  };
  int code;

  if (!tn_cli_parse (cli, &tn_cli_status, entries, &argc, &argv, &code))
    return code;
  if (argc > 1)
    return tn_cli_usage (_("“%s” takes no argument, got “%s”"), argv[0], argv[1]);
  cli->looking = TRUE;
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

const TnCliCommand tn_cli_status = { "status", "", N_("Show this node and its peers"),
  N_("PATH says how packets come and go: “direct”, “relay REGION”, or “idle” where there have been none. Lines that begin with # say what\n"
     "is not as it should be."),
  run_status };
