/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>

#include "tn-cli.h"

/* An option that may have a value: GOption hands it to a function alone, and with no place of the command's. */
static char *tun;

static gboolean
tun_cb (const char  *option,
        const char  *value,
        gpointer     data,
        GError     **error)
{
  g_free (tun);
  tun = g_strdup (value != NULL ? value : "");
  return TRUE;
}

/* --- What is wrong meanwhile --- */

/* What was said is not said again as long as it lasts. */
static void
tell_health (GListModel *health,
             GHashTable *told)
{
  g_autoptr (GHashTable) before = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer text;

  g_hash_table_iter_init (&iter, told);
  while (g_hash_table_iter_next (&iter, &text, NULL))
    {
      g_hash_table_iter_steal (&iter);
      g_hash_table_add (before, text);
    }
  for (guint i = 0; i < g_list_model_get_n_items (health); i++)
    {
      g_autoptr (TnHealthItem) item = g_list_model_get_item (health, i);

      if (g_str_equal (tn_health_item_get_code (item), "key-expired"))      /* that, and what to do, is said elsewhere */
        continue;
      text = g_strdup (tn_health_item_get_text (item));
      if (!g_hash_table_contains (before, text))
        tn_cli_complain (_("tailnet: warning: %s\n"), (const char *) text);
      g_hash_table_add (told, text);
    }
}

static void
health_changed_cb (GListModel *health,
                   guint       position,
                   guint       removed,
                   guint       added,
                   gpointer    told)
{
  tell_health (health, told);
}

static void
free_told (gpointer  told,
           GClosure *closure)
{
  g_hash_table_unref (told);
}

static void
watch_health (TnCli *cli)
{
  GListModel *health = tn_device_get_health (cli->device);
  GHashTable *told = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  tell_health (health, told);
  g_signal_connect_data (health, "items-changed", G_CALLBACK (health_changed_cb), told, free_told, 0);
}

/* --- up --- */

static int
run (TnCli  *cli,
     int     argc,
     char  **argv)
{
  GOptionEntry entries[] = {
    { "tun", 0, G_OPTION_FLAG_OPTIONAL_ARG, G_OPTION_ARG_CALLBACK, (gpointer) tun_cb,
      N_("Make an interface of the kernel, so that all programs reach the tailnet"), N_("NAME") },
    { NULL },
  };
  g_autoptr (TnNode) self = NULL;
  g_autoptr (GError) error = NULL;
  int code;

  if (!tn_cli_parse (cli, &tn_cli_up, entries, &argc, &argv, &code))
    return code;
  cli->interface = g_steal_pointer (&tun);
  if (argc > 1)
    return tn_cli_usage (_("“up” takes no argument, got “%s”"), argv[1]);
  cli->patient = TRUE;
  if ((code = tn_cli_start (cli)) != TN_CLI_DONE)
    return code;

  self = tn_device_dup_self_node (cli->device);
  if (cli->attached)
    {
      tn_cli_say (_("%s is up already as %s.\n"), tn_node_get_name (self), tn_node_get_fqdn (self));
      return TN_CLI_DONE;
    }
  tn_cli_say (_("%s is up as %s. Interrupt to leave.\n"), tn_node_get_name (self), tn_node_get_fqdn (self));
  fflush (stdout);
  watch_health (cli);
  while (!g_cancellable_is_cancelled (cli->cancellable) && tn_device_get_state (cli->device) != TN_DEVICE_STATE_STOPPED)
    g_main_context_iteration (NULL, TRUE);
  if (g_cancellable_is_cancelled (cli->cancellable))
    return TN_CLI_DONE;
  error = tn_device_dup_error (cli->device);
  if (error != NULL)
    return tn_cli_fail (cli, error);
  tn_cli_say ("%s\n", _("The node was logged out."));
  return TN_CLI_DONE;
}

const TnCliCommand tn_cli_up = { "up", "", N_("Join the tailnet and stay until interrupted"),
  N_("While it runs, other commands with the same --state use its node. If one runs already, it says so and ends."), run };

/* --- logout --- */

static int
run_logout (TnCli  *cli,
            int     argc,
            char  **argv)
{
  int code;

  if (!tn_cli_parse (cli, &tn_cli_logout, NULL, &argc, &argv, &code))
    return code;
  if (argc > 1)
    return tn_cli_usage (_("“logout” takes no argument, got “%s”"), argv[1]);
  if (cli->state_dir == NULL)
    return tn_cli_usage (_("say which node: --state DIR"));

  cli->leaving = TRUE;
  return tn_cli_start (cli);
}

const TnCliCommand tn_cli_logout = { "logout", "", N_("Log the node of --state out, and forget its key"),
  N_("The control server lets its key expire, and removes it if it is ephemeral; a program that runs the node ends. What is started with this\n"
     "folder later has to log in anew."), run_logout };

/* --- down --- */

/* The other program takes its socket away as it stops: the end of the connection says that it did. */
static void
wait_until_gone (TnCli *cli)
{
  while (tn_device_get_state (cli->device) != TN_DEVICE_STATE_STOPPED && !g_cancellable_is_cancelled (cli->cancellable))
    g_main_context_iteration (NULL, TRUE);
}

static int
run_down (TnCli  *cli,
          int     argc,
          char  **argv)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  int code;

  if (!tn_cli_parse (cli, &tn_cli_down, NULL, &argc, &argv, &code))
    return code;
  if (argc > 1)
    return tn_cli_usage (_("“down” takes no argument, got “%s”"), argv[1]);
  if (cli->state_dir == NULL)
    return tn_cli_usage (_("say which node: --state DIR"));

  tn_cli_watch_signals (cli);
  cli->attached = TRUE;
  cli->device = TN_DEVICE (tn_system_device_new_for_directory (cli->state_dir));
  tn_cli_begin (cli, TN_CLI_TIMEOUT_S);
  tn_device_stop_async (cli->device, cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  if (tn_device_stop_finish (cli->device, result, &error))
    wait_until_gone (cli);
  tn_cli_end (cli);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED))
    {
      g_printerr (_("Nothing runs with %s.\n"), cli->state_dir);
      return TN_CLI_DONE;
    }
  if (error == NULL && g_cancellable_set_error_if_cancelled (cli->cancellable, &error))
    return tn_cli_fail (cli, error);
  return error != NULL ? tn_cli_fail (cli, error) : TN_CLI_DONE;
}

const TnCliCommand tn_cli_down = { "down", "", N_("Stop the program that runs the node of --state"), NULL, run_down };
