/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gio/gunixsocketaddress.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "tn-cli-pump.h"
#include "tn-cli.h"

#define CALLS_MAX 128      /* each holds two descriptors and its buffers */
#define ACCEPT_PAUSE_MS 250

/* One tailnet port, and where it leads. */
typedef struct
{
  TnCli              *cli;
  TnListener         *listener;
  GSocketConnectable *target;
  char               *target_text;
  GSocketClient      *client;
  guint               n_open;
  gboolean            full;          /* the next call is accepted when one has ended */
  gboolean            done;
  GError             *error;
} Service;

/* A call: the caller's connection and ours to the target, copied both ways. Each half ends by itself. */
typedef struct
{
  Service           *service;
  TnConnection      *remote;
  GSocketConnection *local;
  GCancellable      *cancellable;
  char              *caller;
  gulong             interrupted_id;
  guint              n_running;
  gboolean           failed;
} Call;

static void accept_next (Service *service);

static void
call_free (Call *call)
{
  Service *service = call->service;

  if (call->failed && call->local != NULL)
    {
      const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

      /* A reset and not an end: the target must not take half a stream for a whole one. */
      setsockopt (g_socket_get_fd (g_socket_connection_get_socket (call->local)), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
  g_cancellable_disconnect (service->cli->cancellable, call->interrupted_id);
  g_io_stream_close_async (G_IO_STREAM (call->remote), G_PRIORITY_DEFAULT, NULL, NULL, NULL);
  if (call->local != NULL)
    g_io_stream_close (G_IO_STREAM (call->local), NULL, NULL);
  g_clear_object (&call->local);
  g_object_unref (call->remote);
  g_object_unref (call->cancellable);
  g_free (call->caller);
  g_free (call);
  service->n_open--;
  if (service->full)
    accept_next (service);
}

static void
interrupted_cb (GCancellable *cancellable,
                gpointer      user_data)
{
  g_cancellable_cancel (user_data);
}

static void
half_done (Call     *call,
           gboolean  ok)
{
  if (!ok)
    {
      call->failed = TRUE;
      g_cancellable_cancel (call->cancellable);
    }
  if (--call->n_running == 0)
    call_free (call);
}

static void
inwards_done_cb (GObject      *object,
                 GAsyncResult *result,
                 gpointer      user_data)
{
  Call *call = user_data;

  half_done (call, tn_cli_pump_finish (result, NULL) &&
                   g_socket_shutdown (g_socket_connection_get_socket (call->local), FALSE, TRUE, NULL));
}

static void
outwards_done_cb (GObject      *object,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  Call *call = user_data;

  half_done (call, tn_cli_pump_finish (result, NULL) && tn_connection_shutdown (call->remote, FALSE, TRUE, NULL));
}

static void
connected_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  Call *call = user_data;
  g_autoptr (GError) error = NULL;
  GIOStream *remote = G_IO_STREAM (call->remote);
  GIOStream *local;

  call->local = g_socket_client_connect_finish (G_SOCKET_CLIENT (object), result, &error);
  if (call->local == NULL)
    {
      tn_cli_complain (_("tailnet: cannot pass on the call of %s: %s\n"), call->caller, error->message);
      call_free (call);
      return;
    }

  local = G_IO_STREAM (call->local);
  call->n_running = 2;
  tn_cli_pump_async (g_io_stream_get_input_stream (remote), g_io_stream_get_output_stream (local), call->cancellable, inwards_done_cb,
                     call);
  tn_cli_pump_async (g_io_stream_get_input_stream (local), g_io_stream_get_output_stream (remote), call->cancellable, outwards_done_cb,
                     call);
}

static gboolean
accept_again_cb (gpointer user_data)
{
  accept_next (user_data);
  return G_SOURCE_REMOVE;
}

/* Without descriptors left, say: there will be some when a call ends. */
static void
accept_failed (Service *service,
               GError  *error)      /* taken */
{
  if (!tn_listener_is_closed (service->listener) && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      tn_cli_complain (_("tailnet: cannot accept a call: %s\n"), error->message);
      g_timeout_add (ACCEPT_PAUSE_MS, accept_again_cb, service);
      g_error_free (error);
      return;
    }
  service->error = error;
  service->done = TRUE;
  g_main_context_wakeup (NULL);
}

static void
accepted_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  Service *service = user_data;
  GError *error = NULL;
  TnConnection *connection = tn_listener_accept_finish (TN_LISTENER (object), result, &error);
  Call *call;

  if (connection == NULL)
    {
      accept_failed (service, error);
      return;
    }

  call = g_new0 (Call, 1);
  call->service = service;
  call->remote = connection;
  call->caller = tn_cli_dup_caller (connection);
  call->cancellable = g_cancellable_new ();
  call->interrupted_id =
    g_cancellable_connect (service->cli->cancellable, G_CALLBACK (interrupted_cb), g_object_ref (call->cancellable), g_object_unref);
  service->n_open++;
  tn_cli_say (_("%s calls %s\n"), call->caller, service->target_text);
  fflush (stdout);
  g_socket_client_connect_async (service->client, service->target, call->cancellable, connected_cb, call);
  accept_next (service);
}

static void
accept_next (Service *service)
{
  service->full = service->n_open >= CALLS_MAX;
  if (service->full && !g_cancellable_is_cancelled (service->cli->cancellable))
    return;
  tn_listener_accept_async (service->listener, service->cli->cancellable, accepted_cb, service);
}

/* "8080" means this machine; a "unix:" path a local socket. */
static GSocketConnectable *
parse_target (const char  *text,
              GError     **error)
{
  g_autoptr (GSocketConnectable) target = NULL;
  guint64 port;

  if (g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT16, &port, NULL))
    return g_network_address_new_loopback ((guint16) port);
  if (g_str_has_prefix (text, "unix:") && text[strlen ("unix:")] != '\0')
    return G_SOCKET_CONNECTABLE (g_unix_socket_address_new (text + strlen ("unix:")));
  target = strrchr (text, ':') != NULL ? g_network_address_parse (text, 0, NULL) : NULL;
  if (target == NULL || g_network_address_get_port (G_NETWORK_ADDRESS (target)) == 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, _("“%s” is no target: PORT, HOST:PORT or unix:PATH"), text);
      return NULL;
    }
  return g_steal_pointer (&target);
}

static int
serve (TnCli   *cli,
       Service *service,
       guint16  port)
{
  int code = TN_CLI_DONE;

  service->listener = tn_cli_listen (cli, port, &service->error);
  if (service->listener == NULL)
    return tn_cli_fail (cli, service->error);

  g_print (_("Port %u leads to %s. Interrupt to end.\n"), tn_listener_get_port (service->listener), service->target_text);
  fflush (stdout);
  service->client = g_socket_client_new ();
  accept_next (service);
  while (!service->done || service->n_open > 0)
    g_main_context_iteration (NULL, TRUE);
  if (!g_error_matches (service->error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    code = tn_cli_fail (cli, service->error);
  tn_listener_close (service->listener);
  return code;
}

static int
run (TnCli  *cli,
     int     argc,
     char  **argv)
{
  g_autoptr (GError) error = NULL;
  Service service = { .cli = cli };
  guint16 port;
  int code;

  if (!tn_cli_parse (cli, &tn_cli_serve, NULL, &argc, &argv, &code))
    return code;
  if (argc != 3)
    return tn_cli_usage (_("“serve” takes a port and a target, got %d"), argc - 1);
  if ((port = tn_cli_port (argv[1])) == 0)
    return TN_CLI_USAGE;
  service.target = parse_target (argv[2], &error);
  if (service.target == NULL)
    return tn_cli_usage ("%s", error->message);

  service.target_text = argv[2];
  code = tn_cli_start (cli);
  if (code == TN_CLI_DONE)
    code = serve (cli, &service, port);
  g_clear_object (&service.listener);
  g_clear_object (&service.client);
  g_clear_object (&service.target);
  g_clear_error (&service.error);
  return code;
}

const TnCliCommand tn_cli_serve = { "serve", "PORT TARGET", N_("Forward a port of the tailnet to a local one"),
  N_("TARGET is a port of this machine, HOST:PORT or unix:PATH. It runs until interrupted; a line for each call says who it is."), run };
