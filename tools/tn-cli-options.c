/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli-options.h"

#include <string.h>

void
tn_cli_options_describe (TnCli        *cli,
                         GOptionEntry  entries[TN_CLI_N_OPTIONS + 1])
{
  const GOptionEntry described[TN_CLI_N_OPTIONS + 1] = {
    { "state", 's', 0, G_OPTION_ARG_FILENAME, &cli->state_dir, N_("Folder that keeps the node's keys, and how it was joined"), N_("DIR") },
    { "ephemeral", 'e', 0, G_OPTION_ARG_NONE, &cli->ephemeral, N_("Be a node that is gone when the program ends"), NULL },
    { "login-server", 'l', 0, G_OPTION_ARG_STRING, &cli->control_url, N_("URL of the control server"), N_("URL") },
    { "auth-key", 'k', 0, G_OPTION_ARG_STRING, &cli->auth_key, N_("Key to join with: itself, file:PATH or env:NAME"), N_("KEY") },
    { "hostname", 'n', 0, G_OPTION_ARG_STRING, &cli->hostname, N_("Name to ask for"), N_("NAME") },
    { "tag", 't', 0, G_OPTION_ARG_STRING_ARRAY, &cli->tags, N_("Tag to ask for; may be given again"), N_("tag:NAME") },
    { "ca", 0, 0, G_OPTION_ARG_FILENAME, &cli->ca_file, N_("Certificate authorities to trust instead of the system's"), N_("FILE") },
    { "allow-plain-http", 0, 0, G_OPTION_ARG_NONE, &cli->allow_plain_http, N_("Ask a control server that is not private without TLS, too"), NULL },
    { "capture", 0, 0, G_OPTION_ARG_FILENAME, &cli->capture_file, N_("Write the node's packets to a file that Wireshark reads"), N_("FILE") },
    { "timeout", 0, 0, G_OPTION_ARG_INT, &cli->timeout_s, N_("Give up joining or connecting after so long (20; 0: never)"), N_("SECONDS") },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &cli->json, N_("Print JSON"), NULL },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &cli->verbose, N_("Say what happens, on standard error"), NULL },
    { NULL },
  };

  memcpy (entries, described, sizeof described);
}

/* --- What the environment says --- */

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

/* --- What cannot be --- */

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

gboolean
tn_cli_options_settle (TnCli   *cli,
                       GError **error)
{
  take_environment (cli);
  if (!check_values (cli, error) || !check_access (cli, error))
    return FALSE;
  cli->timeout_given = cli->timeout_s != TN_CLI_NO_TIMEOUT;
  if (cli->verbose)
    g_setenv ("G_MESSAGES_DEBUG", "tailnet tailnet-derp tailnet-netstack tailnet-udp tailnet-router-linux tailnet-tun", FALSE);
  return TRUE;
}

void
tn_cli_options_clear (TnCli *cli)
{
  g_clear_pointer (&cli->state_dir, g_free);
  g_clear_pointer (&cli->control_url, g_free);
  g_clear_pointer (&cli->auth_key, g_free);
  g_clear_pointer (&cli->hostname, g_free);
  g_clear_pointer (&cli->tags, g_strfreev);
  g_clear_pointer (&cli->ca_file, g_free);
  g_clear_pointer (&cli->capture_file, g_free);
  g_clear_pointer (&cli->interface, g_free);
}
