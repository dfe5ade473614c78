/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli.h"

#include <string.h>

#define PEER_PATIENCE_MS 2000      /* from one node's “listening” to its place on another's map it takes less */

/* --- Errors --- */

/* Joining goes on trying for as long as it may; what it last tripped over is a health item. */
static char *
dup_first_health (TnCli *cli)
{
  GListModel *health = cli->device != NULL ? tn_device_get_health (cli->device) : NULL;
  g_autoptr (TnHealthItem) item = health != NULL ? g_list_model_get_item (health, 0) : NULL;

  return item != NULL ? g_strdup (tn_health_item_get_text (item)) : NULL;
}

int
tn_cli_fail (TnCli        *cli,
             const GError *error)
{
  g_autofree char *reason = NULL;

  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
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

gboolean
tn_cli_parse (const TnCliCommand   *command,
              GOptionEntry         *entries,
              int                  *argc,
              char               ***argv,
              int                  *code)
{
  g_autofree char *usage = g_strdup_printf ("%s", command->arguments);
  g_autoptr (GOptionContext) context = g_option_context_new (usage);
  g_autofree char *name = g_strdup_printf ("tailnet %s", command->name);
  g_autoptr (GError) error = NULL;

  g_set_prgname (name);
  g_option_context_set_summary (context, _(command->summary));
  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  if (entries != NULL)
    g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  if (!g_option_context_parse (context, argc, argv, &error))
    {
      *code = tn_cli_usage ("%s", error->message);
      return FALSE;
    }
  if (*argc > 1 && strcmp ((*argv)[1], "--") == 0)
    {
      (*argv)[1] = (*argv)[0];
      (*argv)++;
      (*argc)--;
    }
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

static gboolean
pause_over_cb (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
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
