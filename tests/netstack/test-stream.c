/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow.h"
#include "wire.h"

static gboolean
shut (gpointer stream,
      gboolean read,
      gboolean write,
      GError **error)
{
  return TN_NETSTACK_STREAM_GET_CLASS (stream)->shutdown (stream, read, write, error);
}

static void
test_transfer (gconstpointer ip6)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;

  test_pair (wire, GPOINTER_TO_INT (ip6), &client, &server);
  test_flow_run (G_IO_STREAM (client), G_IO_STREAM (server), 8 * TEST_FLOW_LEN);
  test_flow_run (G_IO_STREAM (server), G_IO_STREAM (client), 8 * TEST_FLOW_LEN);
  test_wire_free (wire);
}

static void
test_transfer_bad_wire (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;

  test_pair (wire, FALSE, &client, &server);
  test_wire_set_bad (wire, 7, 1, 2, 20);
  test_flow_run (G_IO_STREAM (client), G_IO_STREAM (server), 64 * TEST_FLOW_LEN);
  test_wire_free (wire);
}

static void
test_half_close (gconstpointer client_first)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  g_autoptr (GError) error = NULL;
  GIOStream *first, *second;

  test_pair (wire, FALSE, &client, &server);
  first = client_first ? G_IO_STREAM (client) : G_IO_STREAM (server);
  second = client_first ? G_IO_STREAM (server) : G_IO_STREAM (client);

  /* What was written before the end arrives, and the other direction goes on. */
  g_output_stream_write_all (g_io_stream_get_output_stream (first), "abc", 3, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (shut (first, FALSE, TRUE, &error));
  {
    char buffer[3];
    gsize n;

    g_input_stream_read_all (g_io_stream_get_input_stream (second), buffer, 3, &n, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpmem (buffer, (int) n, "abc", 3);
  }
  test_assert_end (second);
  g_assert_false (g_output_stream_write_all (g_io_stream_get_output_stream (first), "d", 1, NULL, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
  test_flow_run (second, first, TEST_FLOW_LEN);
  g_io_stream_close (second, NULL, NULL);
  test_assert_end (first);
  test_wire_free (wire);
}

static void
test_close_sends_all (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  TestFlow out, in;

  test_pair (wire, TRUE, &client, &server);
  out = (TestFlow) { G_IO_STREAM (client), TEST_FLOW_LEN, 3, 1000, NULL };
  in = (TestFlow) { G_IO_STREAM (server), TEST_FLOW_LEN, 3, 1000, NULL };
  test_flow_write (&out);
  g_assert_no_error (out.error);
  g_clear_object (&client);     /* closes it; what was written is still on its way */
  test_flow_check (&in);
  test_assert_end (G_IO_STREAM (server));
  test_wire_free (wire);
}

/* Closing with unread bytes is a reset to the peer. */
static void
test_reset (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  g_autoptr (GError) error = NULL;
  guint8 byte;

  test_pair (wire, FALSE, &client, &server);
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (client)), "xy", 2, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (server)), &byte, 1, NULL, &error), ==, 1);
  g_clear_object (&server);
  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (client)), &byte, 1, NULL, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
  g_assert_nonnull (strstr (error->message, TEST_IP4_B));
  g_clear_error (&error);
  g_assert_cmpint (g_output_stream_write (g_io_stream_get_output_stream (G_IO_STREAM (client)), "z", 1, NULL, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
  test_wire_free (wire);
}

static void
test_stop_while_open (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  g_autoptr (TnNetstackListener) listener = NULL;
  g_autoptr (TnNetstackDatagram) datagram = NULL;
  g_autoptr (GAsyncResult) accepted = NULL, received = NULL;
  g_autoptr (GError) error = NULL;
  guint8 byte;

  test_pair (wire, FALSE, &client, &server);
  listener = test_listen (&wire->hosts[0], "::", 7, 0, &error);
  datagram = test_bind (&wire->hosts[0], "::", 7, &error);
  g_assert_no_error (error);
  TN_NETSTACK_LISTENER_GET_CLASS (listener)->accept_async (listener, NULL, test_result_cb, &accepted);
  TN_NETSTACK_DATAGRAM_GET_CLASS (datagram)->receive_async (datagram, NULL, test_result_cb, &received);
  test_wire_stop (wire);
  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (client)), &byte, 1, NULL, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);
  test_wait (&accepted);
  g_assert_null (TN_NETSTACK_LISTENER_GET_CLASS (listener)->accept_finish (listener, accepted, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);
  test_wait (&received);
  g_assert_null (TN_NETSTACK_DATAGRAM_GET_CLASS (datagram)->receive_finish (datagram, received, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);
  g_assert_null (test_connect (&wire->hosts[0], TEST_IP4_B, 1, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  test_wire_free (wire);
}

static gboolean
readable_cb (GObject *pollable,
             gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

static void
test_pollable (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GSource) source = NULL;
  g_autoptr (GError) error = NULL;
  GPollableInputStream *input;
  guint8 byte;

  test_pair (wire, FALSE, &client, &server);
  input = G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (G_IO_STREAM (server)));
  g_assert_false (g_pollable_input_stream_is_readable (input));
  g_assert_cmpint (g_pollable_input_stream_read_nonblocking (input, &byte, 1, NULL, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_clear_error (&error);
  source = g_pollable_input_stream_create_source (input, NULL);
  g_source_set_callback (source, G_SOURCE_FUNC (readable_cb), loop, NULL);
  g_source_attach (source, NULL);
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (client)), "q", 1, NULL, NULL, &error);
  g_assert_no_error (error);
  g_main_loop_run (loop);
  g_assert_cmpint (g_pollable_input_stream_read_nonblocking (input, &byte, 1, NULL, &error), ==, 1);
  g_assert_cmpint (byte, ==, 'q');
  test_wire_free (wire);
}

static gpointer
cancel_thread (gpointer data)
{
  g_cancellable_cancel (data);
  return NULL;
}

static void
test_blocking_read_cancelled (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  GThread *thread;
  guint8 byte;

  test_pair (wire, FALSE, &client, &server);
  thread = g_thread_new ("canceller", cancel_thread, cancellable);
  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (server)), &byte, 1, cancellable, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (thread);
  test_wire_free (wire);
}

static void
test_splice (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  g_autoptr (GInputStream) source = NULL;
  g_autoptr (GOutputStream) sink = g_memory_output_stream_new_resizable ();
  g_autoptr (GAsyncResult) sent = NULL, received = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *data = g_malloc (TEST_FLOW_LEN);
  guint32 state = 5;

  for (gsize i = 0; i < TEST_FLOW_LEN; i++)
    data[i] = test_flow_next (&state);
  source = g_memory_input_stream_new_from_data (data, TEST_FLOW_LEN, NULL);
  test_pair (wire, FALSE, &client, &server);
  g_output_stream_splice_async (g_io_stream_get_output_stream (G_IO_STREAM (client)), source, G_OUTPUT_STREAM_SPLICE_NONE,
                                G_PRIORITY_DEFAULT, NULL, test_result_cb, &sent);
  g_output_stream_splice_async (sink, g_io_stream_get_input_stream (G_IO_STREAM (server)), G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                G_PRIORITY_DEFAULT, NULL, test_result_cb, &received);
  test_wait (&sent);
  g_assert_cmpint (g_output_stream_splice_finish (g_io_stream_get_output_stream (G_IO_STREAM (client)), sent, &error), ==, TEST_FLOW_LEN);
  g_assert_no_error (error);
  g_io_stream_close (G_IO_STREAM (client), NULL, NULL);
  test_wait (&received);
  g_assert_cmpint (g_output_stream_splice_finish (sink, received, &error), ==, TEST_FLOW_LEN);
  g_assert_cmpmem (g_memory_output_stream_get_data (G_MEMORY_OUTPUT_STREAM (sink)), TEST_FLOW_LEN, data, TEST_FLOW_LEN);
  test_wire_free (wire);
}

static void
test_steal_fd (gconstpointer reset)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  g_autoptr (GError) error = NULL;
  char buffer[8];
  int fd;

  test_pair (wire, FALSE, &client, &server);
  fd = TN_NETSTACK_STREAM_GET_CLASS (client)->steal_fd (client, &error);
  g_assert_no_error (error);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (fcntl (fd, F_GETFL) & O_NONBLOCK, !=, 0);
  g_assert_true (g_unix_set_fd_nonblocking (fd, FALSE, &error));      /* for what follows */
  g_assert_cmpint (TN_NETSTACK_STREAM_GET_CLASS (client)->steal_fd (client, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);
  g_clear_object (&client);     /* the descriptor lives on */

  g_assert_cmpint (write (fd, "ping", 4), ==, 4);
  g_assert_true (g_input_stream_read_all (g_io_stream_get_input_stream (G_IO_STREAM (server)), buffer, 4, NULL, NULL, &error));
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (server)), "pong", 4, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (recv (fd, buffer, 4, MSG_WAITALL), ==, 4);
  g_assert_cmpmem (buffer, 4, "pong", 4);
  if (reset)
    {
      g_assert_cmpint (write (fd, "unread", 6), ==, 6);
      g_assert_true (g_input_stream_read_all (g_io_stream_get_input_stream (G_IO_STREAM (server)), buffer, 1, NULL, NULL, &error));
      g_clear_object (&server);
      g_assert_cmpint (read (fd, buffer, 1), ==, -1);
      g_assert_cmpint (errno, ==, ECONNRESET);
    }
  else
    {
      shutdown (fd, SHUT_WR);
      test_assert_end (G_IO_STREAM (server));
      g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (server)), "last", 4, NULL, NULL, &error);
      g_assert_no_error (error);
      g_clear_object (&server);
      g_assert_cmpint (recv (fd, buffer, 4, MSG_WAITALL), ==, 4);
      g_assert_cmpint (read (fd, buffer, 1), ==, 0);
    }
  close (fd);
  test_wire_free (wire);
}

static void
test_addresses (gconstpointer ip6)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  g_autoptr (GSocketAddress) local = NULL, remote = NULL;
  g_autofree char *local_text = NULL;
  g_autofree char *remote_text = NULL;

  test_pair (wire, GPOINTER_TO_INT (ip6), &client, &server);
  local = TN_NETSTACK_STREAM_GET_CLASS (server)->dup_local_address (server);
  remote = TN_NETSTACK_STREAM_GET_CLASS (server)->dup_remote_address (server);
  local_text = g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (local)));
  remote_text = g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (remote)));
  g_assert_cmpstr (local_text, ==, ip6 ? TEST_IP6_B : TEST_IP4_B);
  g_assert_cmpstr (remote_text, ==, ip6 ? TEST_IP6_A : TEST_IP4_A);
  test_wire_free (wire);
}

/* --- Speed: with -m perf --- */

static gpointer
pour_thread (gpointer data)
{
  TestFlow *flow = data;
  g_autofree guint8 *buffer = g_malloc0 (flow->piece);

  for (guint64 done = 0; done < flow->len; done += flow->piece)
    g_assert_true (g_output_stream_write_all (g_io_stream_get_output_stream (flow->stream), buffer, flow->piece, NULL, NULL, NULL));
  return NULL;
}

static void
test_throughput (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  g_autofree guint8 *buffer = g_malloc (65536);
  TestFlow flow;
  GThread *thread;
  double seconds;

  test_pair (wire, FALSE, &client, &server);
  flow = (TestFlow) { G_IO_STREAM (client), G_GUINT64_CONSTANT (2) << 30, 0, 65536, NULL };
  g_test_timer_start ();
  thread = g_thread_new ("writer", pour_thread, &flow);
  for (guint64 done = 0; done < flow.len;)
    {
      gssize n = g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (server)), buffer, 65536, NULL, NULL);

      g_assert_cmpint (n, >, 0);
      done += (guint64) n;
    }
  seconds = g_test_timer_elapsed ();
  g_thread_join (thread);
  g_test_maximized_result ((double) flow.len * 8 / 1e9 / seconds, "%.2f Gbit/s", (double) flow.len * 8 / 1e9 / seconds);
  test_wire_free (wire);
}

static gpointer
echo_thread (gpointer data)
{
  GIOStream *stream = data;
  char byte;

  while (g_input_stream_read (g_io_stream_get_input_stream (stream), &byte, 1, NULL, NULL) == 1)
    g_output_stream_write (g_io_stream_get_output_stream (stream), &byte, 1, NULL, NULL);
  return NULL;
}

static void
test_pingpong (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  GThread *thread;
  char byte = 'x';
  double us;

  test_pair (wire, FALSE, &client, &server);
  thread = g_thread_new ("echo", echo_thread, server);
  g_test_timer_start ();
  for (guint i = 0; i < 20000; i++)
    {
      g_assert_true (g_output_stream_write (g_io_stream_get_output_stream (G_IO_STREAM (client)), &byte, 1, NULL, NULL) == 1);
      g_assert_true (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (client)), &byte, 1, NULL, NULL) == 1);
    }
  us = g_test_timer_elapsed () * 1e6 / 20000;
  g_test_minimized_result (us, "%.1f us there and back", us);
  TN_NETSTACK_STREAM_GET_CLASS (client)->shutdown (client, FALSE, TRUE, NULL);
  g_thread_join (thread);
  test_wire_free (wire);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/netstack/stream/transfer-ip4", NULL, test_transfer);
  g_test_add_data_func ("/netstack/stream/transfer-ip6", GINT_TO_POINTER (1), test_transfer);
  g_test_add_func ("/netstack/stream/transfer-bad-wire", test_transfer_bad_wire);
  g_test_add_data_func ("/netstack/stream/half-close-client", GINT_TO_POINTER (1), test_half_close);
  g_test_add_data_func ("/netstack/stream/half-close-server", NULL, test_half_close);
  g_test_add_func ("/netstack/stream/close-sends-all", test_close_sends_all);
  g_test_add_func ("/netstack/stream/reset", test_reset);
  g_test_add_func ("/netstack/stream/stop-while-open", test_stop_while_open);
  g_test_add_func ("/netstack/stream/pollable", test_pollable);
  g_test_add_func ("/netstack/stream/blocking-read-cancelled", test_blocking_read_cancelled);
  g_test_add_func ("/netstack/stream/splice", test_splice);
  g_test_add_data_func ("/netstack/stream/steal-fd-end", NULL, test_steal_fd);
  g_test_add_data_func ("/netstack/stream/steal-fd-reset", GINT_TO_POINTER (1), test_steal_fd);
  g_test_add_data_func ("/netstack/stream/addresses-ip4", NULL, test_addresses);
  g_test_add_data_func ("/netstack/stream/addresses-ip6", GINT_TO_POINTER (1), test_addresses);
  if (g_test_perf ())
    {
      g_test_add_func ("/netstack/stream/throughput", test_throughput);
      g_test_add_func ("/netstack/stream/pingpong", test_pingpong);
    }
  return g_test_run ();
}
