/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A node in C: joins a tailnet, listens, and tells of each file that comes who sent it and what its checksum is.
 *
 *   receive-file NAME PORT COUNT      ends after COUNT files
 *
 * The control server and the key to join with come from TS_CONTROL_URL (Tailscale's, if there is none) and TS_AUTHKEY. Without a key
 * somebody has to log in, at a URL that is printed. */
#include <glib-unix.h>
#include <string.h>
#include <tailnet.h>

#define CHUNK_LEN 65536

typedef struct
{
  GMainLoop   *loop;
  TnDevice    *device;
  TnListener  *listener;
  const char  *name;
  guint16      port;
  guint        n_expected;
  gboolean     failed;
} Receiver;

/* One caller. */
typedef struct
{
  Receiver     *receiver;
  TnConnection *connection;
  GChecksum    *checksum;
  guint64       n_bytes;
} Transfer;

static void accept_next (Receiver *receiver);

static void say (Receiver *receiver, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
say (Receiver   *receiver,
     const char *format,
     ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_print ("%s: %s\n", receiver->name, text);
}

static void
fail (Receiver     *receiver,
      const GError *error)
{
  g_printerr ("%s: %s\n", receiver->name, error->message);
  receiver->failed = TRUE;
  g_main_loop_quit (receiver->loop);
}

static void
transfer_free (Transfer *transfer)
{
  g_object_unref (transfer->connection);
  g_checksum_free (transfer->checksum);
  g_free (transfer);
}

/* The checksum goes back to the sender, and the connection is closed. */
static gboolean
answer (Transfer  *transfer,
        GError   **error)
{
  GIOStream *stream = G_IO_STREAM (transfer->connection);
  g_autofree char *line = g_strdup_printf ("%s\n", g_checksum_get_string (transfer->checksum));

  return g_output_stream_write_all (g_io_stream_get_output_stream (stream), line, strlen (line), NULL, NULL, error) &&
         g_io_stream_close (stream, NULL, error);
}

static void
pinged_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  Transfer *transfer = user_data;
  Receiver *receiver = transfer->receiver;
  g_autoptr (GError) error = NULL;
  g_autoptr (TnPingResult) pong = tn_device_ping_finish (TN_DEVICE (object), result, &error);

  if (pong != NULL)
    say (receiver, "pinged the sender, %s: %.1f ms", tn_node_get_name (tn_ping_result_get_node (pong)),
         (double) tn_ping_result_get_latency_us (pong) / 1000.0);
  if (pong == NULL || !answer (transfer, &error))
    say (receiver, "cannot answer the sender: %s", error->message);
  else if (--receiver->n_expected == 0)
    g_main_loop_quit (receiver->loop);
  transfer_free (transfer);
}

static void
received (Transfer *transfer)
{
  Receiver *receiver = transfer->receiver;
  TnNode *peer = tn_connection_get_peer (transfer->connection);

  say (receiver, "received %" G_GUINT64_FORMAT " bytes, SHA-256 %.16s...", transfer->n_bytes, g_checksum_get_string (transfer->checksum));
  tn_device_ping_async (receiver->device, tn_node_get_name (peer), TN_PING_KIND_TSMP, 0, NULL, pinged_cb, transfer);
}

static void
read_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  Transfer *transfer = user_data;
  GInputStream *stream = G_INPUT_STREAM (object);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (stream, result, &error);

  if (bytes == NULL)      /* that caller is gone; others may come */
    {
      say (transfer->receiver, "lost the caller: %s", error->message);
      transfer_free (transfer);
      return;
    }
  if (g_bytes_get_size (bytes) == 0)
    {
      received (transfer);
      return;
    }
  g_checksum_update (transfer->checksum, g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes));
  transfer->n_bytes += g_bytes_get_size (bytes);
  g_input_stream_read_bytes_async (stream, CHUNK_LEN, G_PRIORITY_DEFAULT, NULL, read_cb, transfer);
}

static void
accepted_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  Receiver *receiver = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TnConnection) connection = tn_listener_accept_finish (TN_LISTENER (object), result, &error);
  Transfer *transfer;
  TnNode *peer;

  if (connection == NULL)
    {
      if (!tn_listener_is_closed (TN_LISTENER (object)))
        fail (receiver, error);
      return;
    }
  peer = tn_connection_get_peer (connection);
  say (receiver, "call from %s, a node of %s", tn_node_get_name (peer), tn_user_get_login_name (tn_node_get_user (peer)));

  transfer = g_new0 (Transfer, 1);
  transfer->receiver = receiver;
  transfer->checksum = g_checksum_new (G_CHECKSUM_SHA256);
  transfer->connection = g_steal_pointer (&connection);
  g_input_stream_read_bytes_async (g_io_stream_get_input_stream (G_IO_STREAM (transfer->connection)), CHUNK_LEN, G_PRIORITY_DEFAULT,
                                   NULL, read_cb, transfer);
  accept_next (receiver);
}

static void
accept_next (Receiver *receiver)
{
  tn_listener_accept_async (receiver->listener, NULL, accepted_cb, receiver);
}

static void
listening_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  Receiver *receiver = user_data;
  g_autoptr (GError) error = NULL;

  receiver->listener = tn_device_listen_finish (TN_DEVICE (object), result, &error);
  if (receiver->listener == NULL)
    {
      fail (receiver, error);
      return;
    }
  say (receiver, "waits for files on port %u", tn_listener_get_port (receiver->listener));
  accept_next (receiver);
}

static void
started_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  Receiver *receiver = user_data;
  TnDevice *device = TN_DEVICE (object);
  g_autoptr (TnNode) self = NULL;
  g_autoptr (GError) error = NULL;

  if (!tn_device_start_finish (device, result, &error))
    {
      fail (receiver, error);
      return;
    }
  self = tn_device_dup_self_node (device);
  say (receiver, "joined as %s, %s", tn_node_get_fqdn (self), tn_node_get_addresses (self)[0]);
  tn_device_listen_async (device, receiver->port, NULL, NULL, listening_cb, receiver);
}

static void
login_required_cb (TnDevice   *device,
                   const char *url,
                   Receiver   *receiver)
{
  say (receiver, "to log in, visit %s", url);
}

static void
stopped_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  Receiver *receiver = user_data;

  tn_device_stop_finish (TN_DEVICE (object), result, NULL);
  g_main_loop_quit (receiver->loop);
}

static gboolean
interrupted_cb (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

int
main (int    argc,
      char **argv)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (TnEmbeddedDevice) device = NULL;
  g_autoptr (GError) error = NULL;
  Receiver receiver = { .loop = loop };
  guint64 port, count;

  if (argc != 4)
    {
      g_printerr ("usage: receive-file NAME PORT COUNT\n");
      return 2;
    }
  if (!g_ascii_string_to_unsigned (argv[2], 10, 1, G_MAXUINT16, &port, &error) ||
      !g_ascii_string_to_unsigned (argv[3], 10, 1, G_MAXUINT, &count, &error))
    {
      g_printerr ("receive-file: %s\n", error->message);
      return 2;
    }
  receiver.name = argv[1];
  receiver.port = (guint16) port;
  receiver.n_expected = (guint) count;

  device = tn_embedded_device_new (receiver.name, g_getenv ("TS_CONTROL_URL"), NULL);
  tn_embedded_device_set_auth_key (device, g_getenv ("TS_AUTHKEY"));
  receiver.device = TN_DEVICE (device);
  g_signal_connect (device, "login-required", G_CALLBACK (login_required_cb), &receiver);
  g_unix_signal_add (SIGINT, interrupted_cb, loop);
  g_unix_signal_add (SIGTERM, interrupted_cb, loop);

  tn_device_start_async (receiver.device, NULL, started_cb, &receiver);
  g_main_loop_run (loop);

  if (receiver.listener != NULL)
    tn_listener_close (receiver.listener);
  g_clear_object (&receiver.listener);
  tn_device_stop_async (receiver.device, NULL, stopped_cb, &receiver);
  g_main_loop_run (loop);
  return receiver.failed ? 1 : 0;
}
