/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <unistd.h>

#include "tn-cli-datagram.h"
#include "tn-cli-pump.h"
#include "tn-cli.h"

/* Both directions of a connection, from standard input and to standard output. */
typedef struct
{
  TnCli        *cli;
  TnConnection *connection;
  gboolean      sent;            /* standard input ended, and so did our half of the connection */
  gboolean      received;
  GError       *error;
} Pump;

static void
note_error (Pump   *pump,
            GError *error)      /* taken */
{
  if (pump->error == NULL)
    pump->error = error;
  else
    g_error_free (error);
}

static void
sent_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  Pump *pump = user_data;
  GError *error = NULL;

  if (!tn_cli_pump_finish (result, &error) || !tn_connection_shutdown (pump->connection, FALSE, TRUE, &error))
    note_error (pump, error);
  pump->sent = TRUE;
  g_main_context_wakeup (NULL);
}

static void
received_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  Pump *pump = user_data;
  GError *error = NULL;

  if (!tn_cli_pump_finish (result, &error))
    note_error (pump, error);
  pump->received = TRUE;
  g_main_context_wakeup (NULL);
}

/* Ends when both directions have; at a terminal also when the other side alone has, since nobody there sees that it waits. */
static int
pump_connection (TnCli        *cli,
                 TnConnection *connection)
{
  g_autoptr (GInputStream) in = g_unix_input_stream_new (STDIN_FILENO, FALSE);
  g_autoptr (GOutputStream) out = g_unix_output_stream_new (STDOUT_FILENO, FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Pump pump = { .cli = cli, .connection = connection };
  int code = TN_CLI_DONE;

  tn_cli_pump_async (in, g_io_stream_get_output_stream (G_IO_STREAM (connection)), cancellable, sent_cb, &pump);
  tn_cli_pump_async (g_io_stream_get_input_stream (G_IO_STREAM (connection)), out, cancellable, received_cb, &pump);
  while (!(pump.received && (pump.sent || isatty (STDIN_FILENO))) && pump.error == NULL && !g_cancellable_is_cancelled (cli->cancellable))
    g_main_context_iteration (NULL, TRUE);
  if (pump.error != NULL)
    code = tn_cli_fail (cli, pump.error);
  else if (g_cancellable_is_cancelled (cli->cancellable))
    code = TN_CLI_FAILED;

  g_cancellable_cancel (cancellable);
  while (!pump.received || !pump.sent)
    g_main_context_iteration (NULL, TRUE);
  g_clear_error (&pump.error);
  return code;
}

static TnConnection *
wait_for_caller (TnCli    *cli,
                 guint16   port,
                 GError  **error)
{
  g_autoptr (GAsyncResult) accepted = NULL;
  g_autoptr (TnListener) listener = tn_cli_listen (cli, port, error);
  g_autofree char *caller = NULL;
  TnConnection *connection;

  if (listener == NULL)
    return NULL;

  g_printerr (_("Listening on port %u.\n"), tn_listener_get_port (listener));
  tn_listener_accept_async (listener, cli->cancellable, tn_cli_done_cb, &accepted);
  tn_cli_wait (&accepted);
  connection = tn_listener_accept_finish (listener, accepted, error);
  tn_listener_close (listener);
  if (connection == NULL)
    return NULL;

  caller = tn_cli_dup_caller (connection);
  g_printerr (_("Connection from %s.\n"), caller);
  return connection;
}

static int
run (TnCli  *cli,
     int     argc,
     char  **argv)
{
  g_autoptr (TnConnection) connection = NULL;
  g_autoptr (GError) error = NULL;
  gboolean listen = FALSE, udp = FALSE;
  int quit_s = -1;
  GOptionEntry entries[] = {
    { "listen", 'l', 0, G_OPTION_ARG_NONE, &listen, N_("Wait for one connection instead of making one"), NULL },
    { "udp", 'u', 0, G_OPTION_ARG_NONE, &udp, N_("Datagrams: one for each read from standard input"), NULL },
    { "wait", 'w', 0, G_OPTION_ARG_INT, &quit_s, N_("With --udp: end after so long without a datagram, once the input ended"), N_("SECONDS") },
    { NULL },
  };
  guint16 port;
  int code;

  if (!tn_cli_parse (cli, &tn_cli_nc, entries, &argc, &argv, &code))
    return code;
  if (argc != (listen ? 2 : 3))
    return listen ? tn_cli_usage (_("“nc -l” takes one port, got %d"), argc - 1)
                  : tn_cli_usage (_("“nc” takes a host and a port, got %d"), argc - 1);
  if (quit_s < -1)
    return tn_cli_usage (_("“%d” is no number of seconds"), quit_s);
  if ((port = tn_cli_port (argv[argc - 1])) == 0)
    return TN_CLI_USAGE;
  if ((code = tn_cli_start (cli)) != TN_CLI_DONE)
    return code;
  if (udp)
    return tn_cli_datagrams (cli, listen ? NULL : argv[1], port, quit_s);

  connection = listen ? wait_for_caller (cli, port, &error) : tn_cli_connect (cli, argv[1], port, &error);
  return connection != NULL ? pump_connection (cli, connection) : tn_cli_fail (cli, error);
}

const TnCliCommand tn_cli_nc = { "nc", "HOST PORT | -l PORT", N_("Connect standard input and output to a port"),
  N_("It ends when both directions have; at a terminal when the other end has. Files go through “< FILE” and “> FILE”."), run };
