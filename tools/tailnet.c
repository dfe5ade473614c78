/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tn-cli-options.h"

static const TnCliCommand *const commands[] = {
  &tn_cli_up,
  &tn_cli_down,
  &tn_cli_logout,
  &tn_cli_status,
  &tn_cli_ip,
  &tn_cli_whoami,
  &tn_cli_whois,
  &tn_cli_dns,
  &tn_cli_id_token,
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
                           "with the same --state talk to it. “tailnet COMMAND --help” says more about a command. The options\n"
                           "may also follow the command; a letter that the command has itself is the command's then.\n\n"
                           "A --state keeps how the node was joined, so that this need not be given again. Without --login-server it is\n"
                           "https://controlplane.tailscale.com.\n\n"
                           "The variables TS_AUTHKEY, TS_CONTROL_URL, TS_HOSTNAME and TS_STATE_DIR stand for the options of that meaning\n"
                           "where these are not given."));
  return g_string_free (text, FALSE);
}

/* What follows the command is read with the command's own options. */
static gboolean
parse_options (TnCli   *cli,
               int     *argc,
               char  ***argv,
               GError **error)
{
  gboolean version = FALSE;
  GOptionEntry entries[TN_CLI_N_OPTIONS + 1];
  const GOptionEntry more[] = {
    { "version", 0, 0, G_OPTION_ARG_NONE, &version, N_("Print the version"), NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (_("COMMAND [ARGUMENT…]"));
  g_autofree char *description = list_commands ();

  tn_cli_options_describe (cli, entries);
  g_option_context_set_summary (context, _("A node of a tailnet, without root and without a service."));
  g_option_context_set_description (context, description);
  g_option_context_set_strict_posix (context, TRUE);
  g_option_context_add_main_entries (context, entries, GETTEXT_PACKAGE);
  g_option_context_add_main_entries (context, more, GETTEXT_PACKAGE);
  g_option_context_set_translation_domain (context, GETTEXT_PACKAGE);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;

  if (version)
    {
      tn_cli_version.run (cli, 1, *argv);
      exit (TN_CLI_DONE);
    }
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

  cli->cancellable = g_cancellable_new ();
  code = command->run (cli, argc - 1, argv + 1);
  tn_cli_stop (cli);
  return code;
}

/* Who starts us without standard input, output or error must not have another file take its place. Writing there is an error. */
static void
open_standard_files (void)
{
  int fd;

  do
    fd = open ("/dev/null", O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO)
    close (fd);
}

int
main (int    argc,
      char **argv)
{
  TnCli cli = { .timeout_s = TN_CLI_NO_TIMEOUT };
  int code;

  open_standard_files ();
  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, TN_LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_set_prgname ("tailnet");
  tn_cli_watch_output ();

  code = run (&cli, argc, argv);
  g_clear_object (&cli.cancellable);
  tn_cli_options_clear (&cli);
  return code;
}
