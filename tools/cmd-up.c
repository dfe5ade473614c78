/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli.h"

static int
run (TnCli  *cli,
     int     argc,
     char  **argv)
{
  g_autoptr (TnNode) self = NULL;
  int code;

  if (!tn_cli_parse (&tn_cli_up, NULL, &argc, &argv, &code))
    return code;
  if (argc > 1)
    return tn_cli_usage (_("“up” takes no argument, got “%s”"), argv[1]);
  cli->patient = TRUE;
  if (!tn_cli_start (cli))
    return TN_CLI_FAILED;

  self = tn_device_dup_self_node (cli->device);
  g_print (_("%s is up as %s. Interrupt to leave.\n"), tn_node_get_name (self), tn_node_get_fqdn (self));
  while (!g_cancellable_is_cancelled (cli->cancellable) && tn_device_get_state (cli->device) != TN_DEVICE_STATE_STOPPED)
    g_main_context_iteration (NULL, TRUE);
  return g_cancellable_is_cancelled (cli->cancellable) ? TN_CLI_DONE : TN_CLI_FAILED;
}

const TnCliCommand tn_cli_up = { "up", "", N_("Join the tailnet and stay until interrupted"), run };
