/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli.h"

static char *
dup_way (TnPath *path)
{
  g_autofree char *endpoint = NULL;

  if (path == NULL || tn_path_get_kind (path) == TN_PATH_KIND_NONE)
    return g_strdup ("");
  if (tn_path_get_kind (path) == TN_PATH_KIND_RELAY)
    return g_strdup_printf (_(" via relay %s"), tn_path_get_region (path));
  endpoint = g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (tn_path_get_endpoint (path)));
  return g_strdup_printf (_(" via %s"), endpoint);
}

static void
print_pong (TnCli        *cli,
            TnPingResult *pong)
{
  g_autofree char *address = g_inet_address_to_string (tn_ping_result_get_address (pong));
  g_autofree char *way = dup_way (tn_ping_result_get_path (pong));
  g_autofree char *json = NULL;

  if (cli->json)
    {
      json = tn_ping_result_to_json (pong);
      g_print ("%s\n", json);
      return;
    }
  tn_cli_say (_("pong from %s (%s)%s in %.1f ms\n"), tn_node_get_name (tn_ping_result_get_node (pong)), address, way,
              (double) tn_ping_result_get_latency_us (pong) / 1000.0);
}

typedef enum { PING_ANSWERED, PING_LOST, PING_HOPELESS } PingOutcome;

static PingOutcome
ping_once (TnCli      *cli,
           const char *host,
           TnPingKind  kind,
           int         size,
           gboolean   *direct)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (TnPingResult) pong = NULL;
  g_autoptr (GError) error = NULL;

  tn_device_ping_async (cli->device, host, kind, (guint) size, cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  pong = tn_device_ping_finish (cli->device, result, &error);
  if (pong == NULL)
    {
      tn_cli_fail (cli, error);
      return error->domain == TN_ERROR || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT) ? PING_HOPELESS : PING_LOST;
    }
  print_pong (cli, pong);
  *direct = tn_ping_result_get_path (pong) != NULL && tn_path_get_kind (tn_ping_result_get_path (pong)) == TN_PATH_KIND_DIRECT;
  return PING_ANSWERED;
}

static int
run (TnCli  *cli,
     int     argc,
     char  **argv)
{
  gboolean tsmp = FALSE, icmp = FALSE, until_direct = FALSE, direct = FALSE;
  int count = 4, size = 0, interval_ms = 1000;
  GOptionEntry entries[] = {
    { "count", 'c', 0, G_OPTION_ARG_INT, &count, N_("Stop after so many pings (4; 0: never)"), "N" },
    { "tsmp", 0, 0, G_OPTION_ARG_NONE, &tsmp, N_("Through the tunnel, answered by the node itself"), NULL },
    { "icmp", 0, 0, G_OPTION_ARG_NONE, &icmp, N_("Through the tunnel, answered by the host's network stack"), NULL },
    { "until-direct", 0, 0, G_OPTION_ARG_NONE, &until_direct, N_("Stop as soon as an answer comes directly"), NULL },
    { "size", 0, 0, G_OPTION_ARG_INT, &size, N_("Bytes to add to each ping, up to 1200"), "N" },
    { "interval", 'i', 0, G_OPTION_ARG_INT, &interval_ms, N_("Milliseconds from one ping to the next (1000)"), "MS" },
    TN_CLI_JSON (cli),
    { NULL },
  };
  PingOutcome outcome;
  TnPingKind kind;
  int answers = 0, code;

  if (!tn_cli_parse (cli, &tn_cli_ping, entries, &argc, &argv, &code))
    return code;
  if (argc != 2)
    return tn_cli_usage (_("“ping” takes one host, got %d"), argc - 1);
  if (tsmp && icmp)
    return tn_cli_usage (_("--tsmp and --icmp exclude each other"));
  if (count < 0 || interval_ms < 0)
    return tn_cli_usage (_("“%d” is less than 0"), MIN (count, interval_ms));
  if (size < 0 || size > 1200)
    return tn_cli_usage (_("a ping cannot have %d bytes: 0 to 1200"), size);
  if ((code = tn_cli_start (cli)) != TN_CLI_DONE)
    return code;

  tn_cli_wait_peer (cli, argv[1]);
  kind = tsmp ? TN_PING_KIND_TSMP : icmp ? TN_PING_KIND_ICMP : TN_PING_KIND_DISCO;
  for (int i = 0; (count == 0 || i < count) && !g_cancellable_is_cancelled (cli->cancellable) && !tn_cli_output_lost (); i++)
    {
      if (i > 0)
        tn_cli_pause (cli, (guint) interval_ms);
      outcome = ping_once (cli, argv[1], kind, size, &direct);
      if (outcome == PING_ANSWERED)
        answers++;
      if (outcome == PING_HOPELESS || (until_direct && direct))
        break;
    }
  if (answers > 0 && until_direct && !direct)
    g_printerr (_("tailnet: no answer came directly\n"));
  return answers > 0 && (!until_direct || direct) ? TN_CLI_DONE : TN_CLI_FAILED;
}

const TnCliCommand tn_cli_ping = { "ping", "HOST", N_("Ask a peer for an answer, and show the way that it came"),
  N_("Without --tsmp and --icmp the ping goes beside the tunnel, and is answered by what looks for paths: it tells whether the node is there,\n"
     "and how it is reached."), run };
