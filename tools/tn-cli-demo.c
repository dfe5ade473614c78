/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli-demo.h"

#include <string.h>

#define SUM_LEN 64      /* SHA-256 in hexadecimal */

static char *
dup_sum (gconstpointer data,
         gsize         len)
{
  return g_compute_checksum_for_data (G_CHECKSUM_SHA256, data, len);
}

/* --- The sender --- */

typedef struct
{
  GBytes *file;
  char    answer[SUM_LEN + 1];
} Sender;

/* Blocking calls in a thread, as a program may that has no loop. */
static void
sender_thread (GTask        *task,
               gpointer      source,
               gpointer      task_data,
               GCancellable *cancellable)
{
  Sender *sender = task_data;
  TnConnection *connection = source;
  GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (connection));
  GOutputStream *out = g_io_stream_get_output_stream (G_IO_STREAM (connection));
  GError *error = NULL;
  gsize len;

  if (g_output_stream_write_all (out, g_bytes_get_data (sender->file, NULL), g_bytes_get_size (sender->file), NULL, cancellable, &error) &&
      tn_connection_shutdown (connection, FALSE, TRUE, &error) &&
      g_input_stream_read_all (in, sender->answer, SUM_LEN, &len, cancellable, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/* --- The receiver: asynchronous, in the main context --- */

static TnConnection *
take_call (TnCli         *cli,
           GAsyncResult **accepted,
           TnListener    *listener,
           GError       **error)
{
  TnConnection *connection = tn_listener_accept_finish (listener, tn_cli_wait (accepted), error);
  TnUser *user;
  TnNode *peer;

  if (connection == NULL)
    return NULL;
  peer = tn_connection_get_peer (connection);
  user = peer != NULL ? tn_node_get_user (peer) : NULL;
  g_print (_("bob is called by %s, a node of %s.\n"), peer != NULL ? tn_node_get_name (peer) : "?",
           user != NULL ? tn_user_get_login_name (user) : "?");
  return connection;
}

static gboolean
receive (TnCli         *cli,
         TnConnection  *connection,
         GError       **error)
{
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
  g_autoptr (GAsyncResult) received = NULL;
  g_autoptr (GAsyncResult) answered = NULL;
  g_autofree char *sum = NULL;
  gsize len;

  g_output_stream_splice_async (memory, g_io_stream_get_input_stream (G_IO_STREAM (connection)), G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                G_PRIORITY_DEFAULT, cli->cancellable, tn_cli_done_cb, &received);
  if (g_output_stream_splice_finish (memory, tn_cli_wait (&received), error) < 0)
    return FALSE;
  len = g_memory_output_stream_get_data_size (G_MEMORY_OUTPUT_STREAM (memory));
  sum = dup_sum (g_memory_output_stream_get_data (G_MEMORY_OUTPUT_STREAM (memory)), len);
  g_print (_("bob got %.1f MB (SHA-256 %.16s…).\n"), (double) len / 1e6, sum);

  g_output_stream_write_all_async (g_io_stream_get_output_stream (G_IO_STREAM (connection)), sum, SUM_LEN, G_PRIORITY_DEFAULT,
                                   cli->cancellable, tn_cli_done_cb, &answered);
  return g_output_stream_write_all_finish (g_io_stream_get_output_stream (G_IO_STREAM (connection)), tn_cli_wait (&answered), NULL, error) &&
         g_io_stream_close (G_IO_STREAM (connection), NULL, error);
}

/* --- Both --- */

static GBytes *
make_file (gsize len)
{
  guint8 *bytes = g_malloc (len);

  for (gsize i = 0; i + sizeof (guint32) <= len; i += sizeof (guint32))
    {
      guint32 word = g_random_int ();

      memcpy (bytes + i, &word, sizeof word);
    }
  return g_bytes_new_take (bytes, len);
}

static gboolean
send_file (TnCli         *cli,
           TnConnection  *call,
           TnListener    *listener,
           GAsyncResult **accepted,
           gsize          len,
           GError       **error)
{
  g_autoptr (GBytes) file = make_file (len);
  g_autofree char *sum = dup_sum (g_bytes_get_data (file, NULL), len);
  g_autoptr (GAsyncResult) sent = NULL;
  g_autoptr (TnConnection) answering = NULL;
  Sender sender = { .file = file };
  g_autoptr (GTask) task = g_task_new (call, cli->cancellable, tn_cli_done_cb, &sent);
  gboolean received;

  g_print (_("alice sends %.1f MB (SHA-256 %.16s…).\n"), (double) len / 1e6, sum);
  g_task_set_task_data (task, &sender, NULL);
  g_task_run_in_thread (task, sender_thread);
  answering = take_call (cli, accepted, listener, error);
  received = answering != NULL && receive (cli, answering, error);
  if (!received)
    g_cancellable_cancel (cli->cancellable);
  if (!g_task_propagate_boolean (G_TASK (tn_cli_wait (&sent)), received ? error : NULL) || !received)
    return FALSE;

  if (strcmp (sender.answer, sum) == 0)
    {
      g_print ("%s\n", _("bob's answer is the same checksum."));
      return TRUE;
    }
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("bob answers with “%s”, not %s"), sender.answer, sum);
  return FALSE;
}

gboolean
tn_cli_demo_transfer (TnCli     *cli,
                      TnDevice  *sender,
                      TnDevice  *receiver,
                      guint16    port,
                      gsize      len,
                      GError   **error)
{
  g_autoptr (GAsyncResult) listening = NULL;
  g_autoptr (GAsyncResult) accepted = NULL;
  g_autoptr (GAsyncResult) connected = NULL;
  g_autoptr (TnListener) listener = NULL;
  g_autoptr (TnConnection) call = NULL;
  gboolean ok = FALSE;

  tn_device_listen_async (receiver, port, NULL, cli->cancellable, tn_cli_done_cb, &listening);
  listener = tn_device_listen_finish (receiver, tn_cli_wait (&listening), error);
  if (listener == NULL)
    return FALSE;

  tn_listener_accept_async (listener, cli->cancellable, tn_cli_done_cb, &accepted);
  tn_device_connect_to_host_async (sender, "bob", port, cli->cancellable, tn_cli_done_cb, &connected);
  call = tn_device_connect_to_host_finish (sender, tn_cli_wait (&connected), error);
  if (call != NULL)
    ok = send_file (cli, call, listener, &accepted, len, error);
  tn_listener_close (listener);
  tn_cli_wait (&accepted);
  return ok;
}
