/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli-datagram.h"

#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <unistd.h>

#define DATAGRAM_MAX 65507      /* RFC 768 and RFC 791: 65535 less two headers */

typedef struct
{
  TnCli            *cli;
  TnDatagramSocket *socket;
  const char       *host;             /* nullable */
  guint16           port;
  int               quit_s;
  GSocketAddress   *last_source;      /* nullable */
  GInputStream     *in;
  GOutputStream    *out;
  guint8            buffer[DATAGRAM_MAX];
  GCancellable     *cancellable;
  GSource          *quit;             /* nullable */
  gboolean          input_ended;
  gboolean          over;
  guint             n_running;
  GError           *error;
} Session;

static void read_next (Session *session);
static void receive_next (Session *session);

static void
end (Session *session,
     GError  *error)      /* nullable, taken */
{
  if (session->error == NULL && !session->over)
    session->error = error;
  else
    g_clear_error (&error);
  session->over = TRUE;
  g_main_context_wakeup (NULL);
}

static gboolean
quit_cb (gpointer data)
{
  end (data, NULL);
  return G_SOURCE_REMOVE;
}

static void
restart_clock (Session *session)
{
  if (session->quit != NULL)
    g_source_destroy (session->quit);
  g_clear_pointer (&session->quit, g_source_unref);
  if (!session->input_ended || session->quit_s < 0)
    return;

  session->quit = g_timeout_source_new_seconds ((guint) session->quit_s);
  g_source_set_callback (session->quit, quit_cb, session, NULL);
  g_source_attach (session->quit, NULL);
}

static void
sent (Session *session,
      GError  *error)      /* nullable, taken */
{
  session->n_running--;
  if (error != NULL)
    end (session, error);
  else
    read_next (session);
}

static void
sent_to_host_cb (GObject      *object,
                 GAsyncResult *result,
                 gpointer      user_data)
{
  GError *error = NULL;

  tn_datagram_socket_send_to_host_finish (TN_DATAGRAM_SOCKET (object), result, &error);
  sent (user_data, error);
}

static void
sent_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  GError *error = NULL;

  tn_datagram_socket_send_to_finish (TN_DATAGRAM_SOCKET (object), result, &error);
  sent (user_data, error);
}

/* What is to be sent next is read when this one is on its way. */
static void
send_datagram (Session *session,
               gsize    len)
{
  g_autoptr (GBytes) payload = g_bytes_new (session->buffer, len);

  session->n_running++;
  if (session->host != NULL)
    tn_datagram_socket_send_to_host_async (session->socket, session->host, session->port, payload, session->cancellable,
                                           sent_to_host_cb, session);
  else
    tn_datagram_socket_send_to_async (session->socket, session->last_source, payload, session->cancellable, sent_cb, session);
}

static void
read_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  Session *session = user_data;
  GError *error = NULL;
  gssize len = g_input_stream_read_finish (G_INPUT_STREAM (object), result, &error);

  session->n_running--;
  if (error != NULL)
    end (session, error);
  else if (len > 0)
    send_datagram (session, (gsize) len);
  else
    {
      session->input_ended = TRUE;
      restart_clock (session);
    }
}

static void
read_next (Session *session)
{
  session->n_running++;
  g_input_stream_read_async (session->in, session->buffer, DATAGRAM_MAX, G_PRIORITY_DEFAULT, session->cancellable, read_cb, session);
}

static void
received_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  Session *session = user_data;
  g_autoptr (GSocketAddress) source = NULL;
  g_autoptr (GBytes) payload = NULL;
  GError *error = NULL;

  session->n_running--;
  payload = tn_datagram_socket_receive_from_finish (TN_DATAGRAM_SOCKET (object), result, &source, &error);
  if (payload == NULL ||
      !g_output_stream_write_all (session->out, g_bytes_get_data (payload, NULL), g_bytes_get_size (payload), NULL, NULL, &error))
    {
      end (session, error);
      return;
    }

  g_set_object (&session->last_source, source);
  if (session->host == NULL && session->n_running == 0 && !session->input_ended)
    read_next (session);      /* now there is somebody to send to */
  restart_clock (session);
  receive_next (session);
}

static void
receive_next (Session *session)
{
  session->n_running++;
  tn_datagram_socket_receive_from_async (session->socket, session->cancellable, received_cb, session);
}

static int
run (Session *session)
{
  int code;

  session->in = g_unix_input_stream_new (STDIN_FILENO, FALSE);
  session->out = g_unix_output_stream_new (STDOUT_FILENO, FALSE);
  session->cancellable = g_cancellable_new ();
  receive_next (session);
  if (session->host != NULL)
    read_next (session);
  while (!session->over && !g_cancellable_is_cancelled (session->cli->cancellable))
    g_main_context_iteration (NULL, TRUE);
  code = session->error != NULL ? tn_cli_fail (session->cli, session->error) : TN_CLI_DONE;

  session->over = TRUE;
  g_cancellable_cancel (session->cancellable);
  while (session->n_running > 0)
    g_main_context_iteration (NULL, TRUE);
  return code;
}

int
tn_cli_datagrams (TnCli      *cli,
                  const char *host,
                  guint16     port,
                  int         quit_s)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autofree Session *session = g_new0 (Session, 1);
  int code;

  session->cli = cli;
  session->host = host;
  session->port = port;
  session->quit_s = quit_s;
  tn_device_bind_datagram_async (cli->device, host != NULL ? 0 : port, NULL, cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  session->socket = tn_device_bind_datagram_finish (cli->device, result, &session->error);
  if (session->socket == NULL)
    code = tn_cli_fail (cli, session->error);
  else
    {
      if (host == NULL)
        g_printerr (_("Listening on port %u.\n"), port);
      code = run (session);
      tn_datagram_socket_close (session->socket);
    }

  if (session->quit != NULL)
    g_source_destroy (session->quit);
  g_clear_pointer (&session->quit, g_source_unref);
  g_clear_object (&session->socket);
  g_clear_object (&session->last_source);
  g_clear_object (&session->in);
  g_clear_object (&session->out);
  g_clear_object (&session->cancellable);
  g_clear_error (&session->error);
  return code;
}
