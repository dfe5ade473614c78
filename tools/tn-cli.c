/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli-options.h"

#include <string.h>

#define PEER_PATIENCE_MS 2000      /* from one node's “listening” to its place on another's map it takes less */

/* --- Errors --- */

static gboolean
pause_over_cb (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

/* Joining goes on trying for as long as it may; what it last tripped over is a health item. */
static char *
dup_first_health (TnCli *cli)
{
  GListModel *health = cli->device != NULL ? tn_device_get_health (cli->device) : NULL;
  g_autoptr (TnHealthItem) item = health != NULL ? g_list_model_get_item (health, 0) : NULL;

  return item != NULL ? g_strdup (tn_health_item_get_text (item)) : NULL;
}

/* What was open with another program's node ends a moment before it is known that the program has. */
static gboolean
has_lost_program (TnCli        *cli,
                  const GError *error)
{
  gboolean over = FALSE;
  guint id;

  if (!cli->attached || cli->device == NULL || !(g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED) ||
                                                 g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED)))
    return FALSE;
  id = g_timeout_add (PEER_PATIENCE_MS, pause_over_cb, &over);
  while (!over && tn_device_get_state (cli->device) != TN_DEVICE_STATE_STOPPED)
    g_main_context_iteration (NULL, TRUE);
  if (!over)
    g_source_remove (id);
  return !over;
}

int
tn_cli_fail (TnCli        *cli,
             const GError *error)
{
  g_autofree char *reason = NULL;

  if (has_lost_program (cli, error))
    tn_cli_complain (_("tailnet: the program that runs the node of %s has ended\n"), cli->state_dir);
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    tn_cli_complain ("tailnet: %s\n", error->message);
  else if (cli->interrupted)
    g_printerr (_("tailnet: interrupted\n"));
  else if (cli->timed_out)
    {
      reason = dup_first_health (cli);
      if (reason != NULL)
        tn_cli_complain (_("tailnet: gave up after %d s: %s\n"), cli->timeout_s, reason);
      else
        g_printerr (_("tailnet: gave up after %d s without an answer\n"), cli->timeout_s);
    }
  return TN_CLI_FAILED;
}

int
tn_cli_usage (const char *format,
              ...)
{
  g_autofree char *line = NULL;
  va_list args;

  va_start (args, format);
  line = tn_cli_dup_line_v (format, args);
  va_end (args);
  g_printerr ("tailnet: %s\n", line);
  return TN_CLI_USAGE;
}

/* --- Arguments --- */

static void
take (char **place,
      char **later)
{
  if (*later == NULL)
    return;
  g_free (*place);
  *place = g_steal_pointer (later);
}

/* What was said last counts. */
static void
take_options (TnCli *cli,
              TnCli *later)
{
  take (&cli->state_dir, &later->state_dir);
  take (&cli->control_url, &later->control_url);
  take (&cli->auth_key, &later->auth_key);
  take (&cli->hostname, &later->hostname);
  take (&cli->ca_file, &later->ca_file);
  take (&cli->capture_file, &later->capture_file);
  if (later->tags != NULL)
    {
      g_strfreev (cli->tags);
      cli->tags = g_steal_pointer (&later->tags);
    }
  if (later->timeout_s != TN_CLI_NO_TIMEOUT)
    cli->timeout_s = later->timeout_s;
  cli->ephemeral |= later->ephemeral;
  cli->allow_plain_http |= later->allow_plain_http;
  cli->json |= later->json;
  cli->verbose |= later->verbose;
}

static gboolean
parse (TnCli              *cli,
       const TnCliCommand *command,
       GOptionEntry       *entries,
       int                *argc,
       char             ***argv,
       GError            **error)
{
  TnCli later = { .timeout_s = TN_CLI_NO_TIMEOUT };
  GOptionEntry general[TN_CLI_N_OPTIONS + 1];
  g_autoptr (GOptionContext) context = g_option_context_new (command->arguments);
  GOptionGroup *group = g_option_group_new ("node", _("Options of the node:"), _("Show the options that each command has"), NULL, NULL);

  tn_cli_options_describe (&later, general);
  g_option_group_set_translation_domain (group, GETTEXT_PACKAGE);
  g_option_group_add_entries (group, general);
  g_option_context_add_group (context, group);
  g_option_context_set_summary (context, _(command->summary));
  if (command->details != NULL)
    g_option_context_set_description (context, _(command->details));
  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  if (entries != NULL)
    g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;

  take_options (cli, &later);
  return tn_cli_options_settle (cli, error);
}

/* GOptionContext leaves them where a word follows that begins with a dash. */
static void
drop_dashes (int   *argc,
             char **argv)
{
  for (int i = 1; i < *argc; i++)
    if (strcmp (argv[i], "--") == 0)
      {
        memmove (&argv[i], &argv[i + 1], (size_t) (*argc - i) * sizeof *argv);      /* with the NULL at the end */
        (*argc)--;
        return;
      }
}

gboolean
tn_cli_parse (TnCli                *cli,
              const TnCliCommand   *command,
              GOptionEntry         *entries,
              int                  *argc,
              char               ***argv,
              int                  *code)
{
  g_autofree char *name = g_strdup_printf ("tailnet %s", command->name);
  g_autoptr (GError) error = NULL;

  g_set_prgname (name);
  if (!parse (cli, command, entries, argc, argv, &error))
    {
      *code = tn_cli_usage ("%s", error->message);
      return FALSE;
    }
  drop_dashes (argc, *argv);
  return TRUE;
}

guint16
tn_cli_port (const char *text)
{
  guint64 port;

  if (!g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT16, &port, NULL))
    {
      tn_cli_usage (_("“%s” is no port number: 1 to 65535"), text);
      return 0;
    }
  return (guint16) port;
}

/* --- Waiting --- */

void
tn_cli_done_cb (GObject      *object,
                GAsyncResult *result,
                gpointer      user_data)
{
  GAsyncResult **place = user_data;

  *place = g_object_ref (result);
  g_main_context_wakeup (NULL);
}

GAsyncResult *
tn_cli_wait (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

void
tn_cli_pause (TnCli *cli,
              guint  interval_ms)
{
  gboolean over = FALSE;
  guint id = g_timeout_add (interval_ms, pause_over_cb, &over);

  while (!over && !g_cancellable_is_cancelled (cli->cancellable))
    g_main_context_iteration (NULL, TRUE);
  if (!over)
    g_source_remove (id);
}

static gboolean
deadline_cb (gpointer data)
{
  TnCli *cli = data;

  cli->timed_out = TRUE;
  g_cancellable_cancel (cli->cancellable);
  return G_SOURCE_REMOVE;
}

void
tn_cli_begin (TnCli *cli,
              int    default_s)
{
  int limit_s = cli->timeout_s != TN_CLI_NO_TIMEOUT ? cli->timeout_s : default_s;

  tn_cli_end (cli);
  if (limit_s == 0)
    return;

  cli->timeout_s = limit_s;
  cli->deadline = g_timeout_source_new_seconds ((guint) limit_s);
  g_source_set_callback (cli->deadline, deadline_cb, cli, NULL);
  g_source_attach (cli->deadline, NULL);
}

void
tn_cli_end (TnCli *cli)
{
  if (cli->deadline != NULL)
    g_source_destroy (cli->deadline);
  g_clear_pointer (&cli->deadline, g_source_unref);
}

/* --- Connections --- */

void
tn_cli_wait_peer (TnCli      *cli,
                  const char *host)
{
  gboolean over = FALSE;
  guint id = g_timeout_add (PEER_PATIENCE_MS, pause_over_cb, &over);
  g_autoptr (TnNode) peer = NULL;

  while ((peer = tn_device_lookup_peer (cli->device, host)) == NULL && !over && !g_cancellable_is_cancelled (cli->cancellable))
    g_main_context_iteration (NULL, TRUE);
  if (!over)
    g_source_remove (id);
}

TnConnection *
tn_cli_connect (TnCli       *cli,
                const char  *host,
                guint16      port,
                GError     **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  tn_cli_begin (cli, TN_CLI_TIMEOUT_S);
  tn_cli_wait_peer (cli, host);
  tn_device_connect_to_host_async (cli->device, host, port, cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  tn_cli_end (cli);
  return tn_device_connect_to_host_finish (cli->device, result, error);
}

TnListener *
tn_cli_listen (TnCli    *cli,
               guint16   port,
               GError  **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  tn_device_listen_async (cli->device, port, NULL, cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  return tn_device_listen_finish (cli->device, result, error);
}

char *
tn_cli_dup_caller (TnConnection *connection)
{
  TnNode *peer = tn_connection_get_peer (connection);
  GSocketAddress *remote = tn_connection_get_remote_address (connection);
  g_autofree char *address = NULL;
  g_autofree char *name = NULL;

  if (G_IS_INET_SOCKET_ADDRESS (remote))
    address = g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (remote)));
  if (peer == NULL)
    return g_strdup (address != NULL ? address : "?");
  name = tn_cli_dup_line (tn_node_get_name (peer));
  return g_strdup_printf ("%s (%s)", name, address != NULL ? address : "?");
}
