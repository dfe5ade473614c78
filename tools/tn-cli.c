/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli.h"

#include <glib-unix.h>
#include <stdlib.h>
#include <string.h>

/* --- Errors --- */

int
tn_cli_fail (const GError *error)
{
  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_printerr ("tailnet: %s\n", error->message);
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

gboolean
tn_cli_open (TnCli *cli)
{
  g_autoptr (GError) error = NULL;

  if (cli->state_dir == NULL && !cli->ephemeral)
    {
      tn_cli_usage (_("say which node: --state DIR, or --ephemeral for one that is gone when the program ends"));
      return FALSE;
    }
  if (cli->verbose)
    g_setenv ("G_MESSAGES_DEBUG", "all", TRUE);

  g_unix_signal_add (SIGINT, interrupted_cb, cli->cancellable);
  g_unix_signal_add (SIGTERM, interrupted_cb, cli->cancellable);
  cli->device = make_device (cli, &error);
  if (cli->device == NULL)
    tn_cli_fail (error);
  return cli->device != NULL;
}

static void
login_required_cb (TnDevice   *device,
                   const char *url,
                   gpointer    user_data)
{
  g_printerr (_("To log in, visit:\n\n    %s\n\n"), url);
}

static void
state_cb (TnDevice   *device,
          GParamSpec *pspec,
          gpointer    user_data)
{
  if (tn_device_get_state (device) == TN_DEVICE_STATE_NEEDS_APPROVAL)
    g_printerr (_("An administrator has to approve this node first.\n"));
}

gboolean
tn_cli_start (TnCli *cli)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  if (!tn_cli_open (cli))
    return FALSE;

  g_signal_connect (cli->device, "login-required", G_CALLBACK (login_required_cb), NULL);
  g_signal_connect (cli->device, "notify::state", G_CALLBACK (state_cb), NULL);
  tn_device_start_async (cli->device, cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  if (!tn_device_start_finish (cli->device, result, &error))
    {
      tn_cli_fail (error);
      return FALSE;
    }
  return TRUE;
}

void
tn_cli_stop (TnCli *cli)
{
  g_autoptr (GAsyncResult) result = NULL;

  if (cli->device == NULL)
    return;

  tn_device_stop_async (cli->device, NULL, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  g_clear_object (&cli->device);
}
