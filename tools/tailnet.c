/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "tn-cli.h"

static const TnCliCommand *const commands[] = {
  &tn_cli_up,
  &tn_cli_down,
  &tn_cli_status,
  &tn_cli_ip,
  &tn_cli_whoami,
  &tn_cli_whois,
  &tn_cli_ping,
  &tn_cli_nc,
  &tn_cli_serve,
  &tn_cli_perf,
  &tn_cli_demo,
  &tn_cli_version,
};

static const TnCliCommand *
find_command (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strcmp (commands[i]->name, name) == 0)
      return commands[i];
  return NULL;
}

static char *
list_commands (void)
{
  GString *text = g_string_new (_("Commands:\n"));

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      g_autofree char *head = g_strdup_printf ("%s %s", commands[i]->name, commands[i]->arguments);

      g_string_append_printf (text, "  %-32s %s\n", head, _(commands[i]->summary));
    }
  g_string_append (text, _("\nWith --state or --ephemeral this program is the node itself, for as long as it runs. While one of them runs, others\n"
                           "with the same --state talk to it. “tailnet COMMAND --help” says more about a command.\n\n"
                           "A --state keeps how the node was joined, so that this need not be given again. Without --login-server it is\n"
                           "https://controlplane.tailscale.com.\n\n"
                           "The variables TS_AUTHKEY, TS_CONTROL_URL, TS_HOSTNAME and TS_STATE_DIR stand for the options of that meaning\n"
                           "where these are not given."));
  return g_string_free (text, FALSE);
}

static char *
dup_variable (const char *name,
              const char *other_name)
{
  const char *value = g_getenv (name);

  if ((value == NULL || *value == '\0') && other_name != NULL)
    value = g_getenv (other_name);
  return value != NULL && *value != '\0' ? g_strdup (value) : NULL;
}

/* Variables as tsnet and containerboot know them; options go first. */
static void
take_environment (TnCli *cli)
{
  if (cli->auth_key == NULL)
    cli->auth_key = dup_variable ("TS_AUTHKEY", "TS_AUTH_KEY");
  if (cli->control_url == NULL)
    cli->control_url = dup_variable ("TS_CONTROL_URL", NULL);
  if (cli->hostname == NULL)
    cli->hostname = dup_variable ("TS_HOSTNAME", NULL);
  if (cli->state_dir == NULL && !cli->ephemeral)
    cli->state_dir = dup_variable ("TS_STATE_DIR", NULL);
}

static gboolean
check_values (TnCli   *cli,
              GError **error)
{
  if (cli->timeout_s < 0 && cli->timeout_s != TN_CLI_NO_TIMEOUT)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _("“%d” is no number of seconds"), cli->timeout_s);
      return FALSE;
    }
  if (cli->state_dir != NULL && cli->ephemeral)
    {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _("--state and --ephemeral exclude each other"));
      return FALSE;
    }
  if (cli->state_dir != NULL && *cli->state_dir == '\0')
    {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _("“” is no folder for --state"));
      return FALSE;
    }
  if (cli->state_dir != NULL && g_file_test (cli->state_dir, G_FILE_TEST_EXISTS) && !g_file_test (cli->state_dir, G_FILE_TEST_IS_DIR))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _("--state wants a folder, and %s is none"), cli->state_dir);
      return FALSE;
    }
  if (cli->hostname != NULL && *cli->hostname == '\0')
    {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _("“” is no name for --hostname"));
      return FALSE;
    }
  for (guint i = 0; cli->tags != NULL && cli->tags[i] != NULL; i++)
    if (!g_str_has_prefix (cli->tags[i], "tag:") || cli->tags[i][strlen ("tag:")] == '\0')
      {
        g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _("“%s” is no tag: tag:NAME"), cli->tags[i]);
        return FALSE;
      }
  return TRUE;
}

/* Where these come from, an option or the environment, makes no difference. */
static gboolean
check_access (TnCli   *cli,
              GError **error)
{
  g_autoptr (GUri) url = cli->control_url != NULL ? g_uri_parse (cli->control_url, G_URI_FLAGS_NONE, NULL) : NULL;
  const char *variable = cli->auth_key != NULL && g_str_has_prefix (cli->auth_key, "env:") ? cli->auth_key + strlen ("env:") : NULL;

  if (cli->control_url != NULL && (url == NULL || g_uri_get_host (url) == NULL || *g_uri_get_host (url) == '\0' ||
                                   (strcmp (g_uri_get_scheme (url), "https") != 0 && strcmp (g_uri_get_scheme (url), "http") != 0)))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _("“%s” is no http or https URL of a control server"), cli->control_url);
      return FALSE;
    }
  if (variable != NULL && g_getenv (variable) == NULL)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   _("cannot read the auth key: there is no variable %s in the environment"), variable);
      return FALSE;
    }
  return TRUE;
}

/* Options may come before the command only: what follows it is the command's. */
static gboolean
parse_options (TnCli   *cli,
               int     *argc,
               char  ***argv,
               GError **error)
{
  gboolean version = FALSE;
  GOptionEntry entries[] = {
    { "state", 's', 0, G_OPTION_ARG_FILENAME, &cli->state_dir, N_("Folder that keeps the node's keys, and how it was joined"), N_("DIR") },
    { "ephemeral", 'e', 0, G_OPTION_ARG_NONE, &cli->ephemeral, N_("Be a node that is gone when the program ends"), NULL },
    { "login-server", 'l', 0, G_OPTION_ARG_STRING, &cli->control_url, N_("URL of the control server"), N_("URL") },
    { "auth-key", 'k', 0, G_OPTION_ARG_STRING, &cli->auth_key, N_("Key to join with: itself, file:PATH or env:NAME"), N_("KEY") },
    { "hostname", 'n', 0, G_OPTION_ARG_STRING, &cli->hostname, N_("Name to ask for"), N_("NAME") },
    { "tag", 't', 0, G_OPTION_ARG_STRING_ARRAY, &cli->tags, N_("Tag to ask for; may be given again"), N_("tag:NAME") },
    { "ca", 0, 0, G_OPTION_ARG_FILENAME, &cli->ca_file, N_("Certificate authorities to trust instead of the system's"), N_("FILE") },
    { "allow-plain-http", 0, 0, G_OPTION_ARG_NONE, &cli->allow_plain_http, N_("Ask a control server that is not private without TLS, too"), NULL },
    { "timeout", 0, 0, G_OPTION_ARG_INT, &cli->timeout_s, N_("Give up joining or connecting after so long (20; 0: never)"), N_("SECONDS") },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &cli->json, N_("Print JSON"), NULL },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &cli->verbose, N_("Say what happens, on standard error"), NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &version, N_("Print the version"), NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (_("COMMAND [ARGUMENT…]"));
  g_autofree char *description = list_commands ();

  g_option_context_set_summary (context, _("A node of a tailnet, without root and without a service."));
  g_option_context_set_description (context, description);
  g_option_context_set_strict_posix (context, TRUE);
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;

  if (version)
    {
      tn_cli_version.run (cli, 1, *argv);
      exit (TN_CLI_DONE);
    }
  take_environment (cli);
  if (!check_values (cli, error))
    return FALSE;
  cli->timeout_given = cli->timeout_s != TN_CLI_NO_TIMEOUT;
  if (!check_access (cli, error))
    return FALSE;
  if (*argc > 1 && strcmp ((*argv)[1], "--") == 0)
    {
      (*argv)[1] = (*argv)[0];
      (*argv)++;
      (*argc)--;
    }
  return TRUE;
}

static int
run (TnCli  *cli,
     int     argc,
     char  **argv)
{
  g_autoptr (GError) error = NULL;
  const TnCliCommand *command;
  int code;

  if (!parse_options (cli, &argc, &argv, &error))
    return tn_cli_usage ("%s", error->message);
  if (argc < 2)
    return tn_cli_usage (_("no command given; “tailnet --help” lists them"));
  command = find_command (argv[1]);
  if (command == NULL)
    return tn_cli_usage (_("unknown command “%s”; “tailnet --help” lists them"), argv[1]);

  if (cli->verbose)
    g_setenv ("G_MESSAGES_DEBUG", "tailnet tailnet-derp tailnet-netstack", FALSE);
  cli->cancellable = g_cancellable_new ();
  code = command->run (cli, argc - 1, argv + 1);
  tn_cli_stop (cli);
  return code;
}

int
main (int    argc,
      char **argv)
{
  TnCli cli = { .timeout_s = TN_CLI_NO_TIMEOUT };
  int code;

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, TN_LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_set_prgname ("tailnet");
  tn_cli_watch_output ();

  code = run (&cli, argc, argv);
  g_clear_object (&cli.cancellable);
  g_free (cli.state_dir);
  g_free (cli.control_url);
  g_free (cli.auth_key);
  g_free (cli.hostname);
  g_strfreev (cli.tags);
  g_free (cli.ca_file);
  return code;
}
