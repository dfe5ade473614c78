/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli.h"

#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>

enum
{
  ATTACH_ATTEMPTS = 20,
  ATTACH_PAUSE_MS = 50,
};

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
    g_printerr ("tailnet: %s\n", error->message);
  else if (cli->timed_out)
    {
      reason = dup_first_health (cli);
      if (reason != NULL)
        g_printerr (_("tailnet: gave up after %d s: %s\n"), cli->timeout_s, reason);
      else
        g_printerr (_("tailnet: gave up after %d s without an answer\n"), cli->timeout_s);
    }
  return TN_CLI_FAILED;
}

int
tn_cli_usage (const char *format,
              ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_printerr ("tailnet: %s\n", text);
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
  int limit_s = cli->timeout_s >= 0 ? cli->timeout_s : default_s;

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

TnConnection *
tn_cli_connect (TnCli       *cli,
                const char  *host,
                guint16      port,
                GError     **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  tn_cli_begin (cli, TN_CLI_TIMEOUT_S);
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

  if (G_IS_INET_SOCKET_ADDRESS (remote))
    address = g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (remote)));
  if (peer == NULL)
    return g_strdup (address != NULL ? address : "?");
  return g_strdup_printf ("%s (%s)", tn_node_get_name (peer), address != NULL ? address : "?");
}

/* --- Device --- */

static gboolean
interrupted_cb (gpointer data)
{
  g_cancellable_cancel (data);
  return G_SOURCE_REMOVE;      /* the next one ends the program at once */
}

/* The key itself, "file:PATH" or "env:NAME". */
static char *
read_auth_key (const char  *text,
               GError     **error)
{
  g_autofree char *contents = NULL;
  const char *value;

  if (g_str_has_prefix (text, "file:"))
    {
      if (!g_file_get_contents (text + strlen ("file:"), &contents, NULL, error))
        {
          g_prefix_error (error, "%s", _("cannot read the auth key: "));
          return NULL;
        }
      return g_strstrip (g_steal_pointer (&contents));
    }
  if (g_str_has_prefix (text, "env:"))
    {
      value = g_getenv (text + strlen ("env:"));
      if (value == NULL)
        g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("cannot read the auth key: there is no variable %s in the environment"),
                     text + strlen ("env:"));
      return g_strdup (value);
    }
  return g_strdup (text);
}

static TnDevice *
make_device (TnCli   *cli,
             GError **error)
{
  g_autoptr (TnStateStore) store = cli->state_dir != NULL ? tn_file_state_store_new (cli->state_dir) : tn_memory_state_store_new ();
  g_autoptr (GTlsDatabase) database = NULL;
  g_autofree char *auth_key = NULL;
  TnDevice *device;

  if (cli->ca_file != NULL && (database = g_tls_file_database_new (cli->ca_file, error)) == NULL)
    {
      g_prefix_error (error, _("cannot read certificates from %s: "), cli->ca_file);
      return NULL;
    }
  if (cli->auth_key != NULL && (auth_key = read_auth_key (cli->auth_key, error)) == NULL)
    return NULL;

  device = g_object_new (TN_TYPE_EMBEDDED_DEVICE,
                         "hostname", cli->hostname,
                         "control-url", cli->control_url,
                         "state-store", store,
                         "ephemeral", cli->ephemeral,
                         "tags", cli->tags,
                         "tls-database", database,
                         "app-name", "tailnet",
                         NULL);
  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (device), auth_key);
  return device;
}

void
tn_cli_watch_signals (TnCli *cli)
{
  if (cli->verbose)
    g_setenv ("G_MESSAGES_DEBUG", "all", TRUE);
  signal (SIGPIPE, SIG_IGN);      /* a reader that leaves is an error of that write */
  g_unix_signal_add (SIGINT, interrupted_cb, cli->cancellable);
  g_unix_signal_add (SIGTERM, interrupted_cb, cli->cancellable);
}

static void
login_required_cb (TnDevice   *device,
                   const char *url,
                   gpointer    user_data)
{
  TnCli *cli = user_data;

  if (!cli->timeout_given)      /* from here on it is a person who takes the time */
    tn_cli_end (cli);
  g_printerr (_("To log in, visit:\n\n    %s\n\n"), url);
}

static void
stop_requested_cb (TnCli *cli)
{
  g_cancellable_cancel (cli->cancellable);
}

/* The state is ours as soon as the device starts: from then on others with the same folder come to us. */
static void
serve_others (TnCli *cli)
{
  g_autoptr (GError) error = NULL;

  cli->server = tn_device_server_new (cli->device);
  g_signal_connect_swapped (cli->server, "stop-requested", G_CALLBACK (stop_requested_cb), cli);
  if (!tn_device_server_listen (cli->server, cli->state_dir, &error))
    g_printerr ("tailnet: %s\n", error->message);
}

static void
state_cb (TnDevice   *device,
          GParamSpec *pspec,
          gpointer    user_data)
{
  TnCli *cli = user_data;
  TnDeviceState state = tn_device_get_state (device);

  if (state != TN_DEVICE_STATE_STOPPED && cli->state_dir != NULL && !cli->attached && cli->server == NULL)
    serve_others (cli);
  if (state != TN_DEVICE_STATE_NEEDS_APPROVAL)
    return;
  if (!cli->timeout_given)
    tn_cli_end (cli);
  g_printerr (_("An administrator has to approve this node first.\n"));
}

static gboolean
start_device (TnCli     *cli,
              TnDevice  *device,      /* taken */
              GError   **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  cli->device = device;
  g_signal_connect (device, "login-required", G_CALLBACK (login_required_cb), cli);
  g_signal_connect (device, "notify::state", G_CALLBACK (state_cb), cli);
  tn_device_start_async (device, cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  return tn_device_start_finish (device, result, error);
}

/* Nobody is there, or somebody was and left the socket behind. */
static gboolean
is_nobody (const GError *error)
{
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
}

static gboolean
start_own (TnCli   *cli,
           GError **error)
{
  TnDevice *device = make_device (cli, error);

  cli->attached = FALSE;
  return device != NULL && start_device (cli, device, error);
}

/* Between two that begin at once it is the lock of the state that decides. Who loses finds the other's socket a moment later. */
static gboolean
start_any (TnCli   *cli,
           GError **error)
{
  for (guint attempt = 0;; attempt++)
    {
      GError *problem = NULL;

      cli->attached = TRUE;
      if (start_device (cli, TN_DEVICE (tn_system_device_new_for_directory (cli->state_dir)), &problem))
        return TRUE;
      if (!is_nobody (problem))
        {
          g_propagate_error (error, problem);
          return FALSE;
        }
      g_clear_error (&problem);
      g_clear_object (&cli->device);
      if (start_own (cli, &problem))
        return TRUE;
      if (!g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_BUSY) || attempt == ATTACH_ATTEMPTS)
        {
          g_propagate_error (error, problem);
          return FALSE;
        }
      g_clear_error (&problem);
      g_clear_object (&cli->device);
      tn_cli_pause (cli, ATTACH_PAUSE_MS);
    }
}

gboolean
tn_cli_start (TnCli *cli)
{
  g_autoptr (GError) error = NULL;
  gboolean ok;

  if (cli->state_dir == NULL && !cli->ephemeral)
    {
      tn_cli_usage (_("say which node: --state DIR, or --ephemeral for one that is gone when the program ends"));
      return FALSE;
    }

  tn_cli_watch_signals (cli);
  tn_cli_begin (cli, cli->patient ? 0 : TN_CLI_TIMEOUT_S);
  ok = cli->state_dir != NULL ? start_any (cli, &error) : start_own (cli, &error);
  tn_cli_end (cli);
  if (!ok)
    tn_cli_fail (cli, error);
  return ok;
}

void
tn_cli_stop (TnCli *cli)
{
  g_autoptr (GAsyncResult) result = NULL;

  tn_cli_end (cli);
  if (cli->server != NULL)
    tn_device_server_close (cli->server);
  g_clear_object (&cli->server);
  if (cli->device != NULL && !cli->attached)
    {
      tn_device_stop_async (cli->device, NULL, tn_cli_done_cb, &result);
      tn_cli_wait (&result);
    }
  g_clear_object (&cli->device);
}
