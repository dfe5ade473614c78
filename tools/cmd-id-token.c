/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli.h"

static int
run_id_token (TnCli  *cli,
              int     argc,
              char  **argv)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *token = NULL;
  int code;

  if (!tn_cli_parse (cli, &tn_cli_id_token, NULL, &argc, &argv, &code))
    return code;
  if (argc != 2)
    return tn_cli_usage (_("“id-token” takes one audience, got %d"), argc - 1);
  if ((code = tn_cli_start (cli)) != TN_CLI_DONE)
    return code;

  tn_cli_begin (cli, TN_CLI_TIMEOUT_S);
  tn_device_fetch_id_token_async (cli->device, argv[1], cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  tn_cli_end (cli);
  token = tn_device_fetch_id_token_finish (cli->device, result, &error);
  if (token == NULL)
    return tn_cli_fail (cli, error);
  tn_cli_say ("%s\n", token);
  return TN_CLI_DONE;
}

const TnCliCommand tn_cli_id_token = { "id-token", "AUDIENCE", N_("Get a token that says who this node is"), NULL, run_id_token };
