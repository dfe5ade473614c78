/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli-perf-server.h"

#include <stdio.h>

#include "tn-cli-perf.h"

#define CALLS_MAX 64

typedef struct
{
  TnCli      *cli;
  TnListener *listener;
  guint       n_open;
  gboolean    done;
  GError     *error;
} Server;

typedef struct
{
  TnConnection *connection;
  char         *caller;
} Call;

static void
call_free (Call *call)
{
  g_object_unref (call->connection);
  g_free (call->caller);
  g_free (call);
}

static gboolean
echo (GIOStream     *stream,
      GCancellable  *cancellable,
      GError       **error)
{
  GInputStream *in = g_io_stream_get_input_stream (stream);
  GOutputStream *out = g_io_stream_get_output_stream (stream);
  guint8 buffer[2048];
  gssize len;

  while ((len = g_input_stream_read (in, buffer, sizeof buffer, cancellable, error)) > 0)
    if (!g_output_stream_write_all (out, buffer, (gsize) len, NULL, cancellable, error))
      return FALSE;
  return len == 0;
}

static gboolean
answer (TnConnection         *connection,
        const TnPerfRequest  *request,
        GCancellable         *cancellable,
        GError              **error)
{
  GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (connection));
  GOutputStream *out = g_io_stream_get_output_stream (G_IO_STREAM (connection));
  TnPerfCount count;

  switch (request->verb)
    {
    case TN_PERF_SEND:
      return tn_perf_receive (in, request->bytes, request->bytes > 0, &count, cancellable, error) &&
             tn_perf_count_write (&count, out, cancellable, error);
    case TN_PERF_RECEIVE:
      return tn_perf_send (out, request->bytes, request->duration_ms, &count, cancellable, error) &&
             (request->bytes == 0 || tn_perf_count_write (&count, out, cancellable, error));
    case TN_PERF_ECHO:
      return echo (G_IO_STREAM (connection), cancellable, error);
    case TN_PERF_USAGE:
      return tn_perf_usage_write (out, cancellable, error);
    case TN_PERF_N_VERBS:
    default:
      g_assert_not_reached ();
    }
}

/* Blocking, in a thread: that costs the fewest turns of a loop per byte. */
static void
call_thread (GTask        *task,
             gpointer      source,
             gpointer      task_data,
             GCancellable *cancellable)
{
  Call *call = task_data;
  GIOStream *stream = G_IO_STREAM (call->connection);
  char text[TN_PERF_REQUEST_LEN] = { 0 };
  TnPerfRequest request;
  GError *error = NULL;
  gsize len;

  if (!g_input_stream_read_all (g_io_stream_get_input_stream (stream), text, sizeof text, &len, cancellable, &error) ||
      !tn_perf_request_parse (text, &request, &error) || !answer (call->connection, &request, cancellable, &error) ||
      !tn_connection_shutdown (call->connection, FALSE, TRUE, &error))
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
  g_io_stream_close (stream, NULL, NULL);
}

static void
call_done_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  Server *server = user_data;
  Call *call = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;

  server->n_open--;
  if (!g_task_propagate_boolean (G_TASK (result), &error) && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    tn_cli_complain ("tailnet: %s: %s\n", call->caller, error->message);
}

static void accept_next (Server *server);

static void
accepted_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  Server *server = user_data;
  TnConnection *connection = tn_listener_accept_finish (TN_LISTENER (object), result, &server->error);
  g_autoptr (GTask) task = NULL;
  Call *call;

  if (connection == NULL)
    {
      server->done = TRUE;
      g_main_context_wakeup (NULL);
      return;
    }
  if (server->n_open >= CALLS_MAX)      /* each holds a thread */
    {
      g_io_stream_close_async (G_IO_STREAM (connection), G_PRIORITY_DEFAULT, NULL, NULL, NULL);
      g_object_unref (connection);
      accept_next (server);
      return;
    }

  call = g_new0 (Call, 1);
  call->connection = connection;
  call->caller = tn_cli_dup_caller (connection);
  if (server->cli->verbose)
    g_printerr (_("Connection from %s.\n"), call->caller);
  server->n_open++;
  task = g_task_new (NULL, server->cli->cancellable, call_done_cb, server);
  g_task_set_task_data (task, call, (GDestroyNotify) call_free);
  tn_perf_run_in_thread (task, call_thread);
  accept_next (server);
}

static void
accept_next (Server *server)
{
  tn_listener_accept_async (server->listener, server->cli->cancellable, accepted_cb, server);
}

int
tn_cli_perf_serve (TnCli   *cli,
                   guint16  port)
{
  Server server = { .cli = cli };
  int code = TN_CLI_DONE;

  server.listener = tn_cli_listen (cli, port, &server.error);
  if (server.listener == NULL)
    {
      code = tn_cli_fail (cli, server.error);
      g_clear_error (&server.error);
      return code;
    }

  g_print (_("Listening on port %u. Interrupt to end.\n"), tn_listener_get_port (server.listener));
  fflush (stdout);
  accept_next (&server);
  while (!server.done || server.n_open > 0)
    g_main_context_iteration (NULL, TRUE);
  if (!g_error_matches (server.error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    code = tn_cli_fail (cli, server.error);
  tn_listener_close (server.listener);
  g_clear_object (&server.listener);
  g_clear_error (&server.error);
  return code;
}
