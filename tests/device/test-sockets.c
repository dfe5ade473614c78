/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake-device.h"
#include "fake-netstack.h"
#include "tn-connection-private.h"
#include "tn-datagram-socket-private.h"
#include "tn-error.h"
#include "tn-listener-private.h"

static void
result_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static GAsyncResult *
wait_result (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

static FakeDevice *
make_device (void)
{
  FakeDevice *device = fake_device_new ();
  g_autoptr (TnNodeData) db = fake_node_new ("db", "db.t", "100.64.0.2");

  tn_device_model_publish_peer (fake_device_get_model (device), db);
  tn_device_model_publish_facts (fake_device_get_model (device),
                                 &(TnDeviceFacts) { .state = TN_DEVICE_STATE_RUNNING, .dns_suffix = "t" });
  tn_device_model_flush (fake_device_get_model (device));
  return device;
}

/* --- Connections --- */

static TnConnection *
make_connection (GSocketConnection **other_end)
{
  g_autoptr (FakeStream) stream = fake_stream_new ("100.64.0.2", other_end);

  return tn_connection_new (TN_NETSTACK_STREAM (stream), NULL, NULL);
}

static void
test_connection (void)
{
  g_autoptr (GSocketConnection) other_end = NULL;
  g_autoptr (TnConnection) connection = make_connection (&other_end);
  GOutputStream *out = g_io_stream_get_output_stream (G_IO_STREAM (connection));
  GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (other_end));
  GInetSocketAddress *remote = G_INET_SOCKET_ADDRESS (tn_connection_get_remote_address (connection));
  g_autoptr (GError) error = NULL;
  char buffer[16];
  gsize len;

  g_assert_cmpuint (g_inet_socket_address_get_port (remote), ==, 50000);
  g_assert_true (g_pollable_output_stream_can_poll (G_POLLABLE_OUTPUT_STREAM (out)));

  /* Half-closed: the other end reads all and the end, and can still answer. */
  g_assert_true (g_output_stream_write_all (out, "hello", 5, NULL, NULL, &error));
  g_assert_true (tn_connection_shutdown (connection, FALSE, TRUE, &error));
  g_assert_true (g_input_stream_read_all (in, buffer, sizeof buffer, &len, NULL, &error));
  g_assert_cmpmem (buffer, len, "hello", 5);
  g_assert_true (g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (other_end)), "bye", 3, NULL, NULL, &error));
  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (connection)), buffer, 3, NULL, &error), ==, 3);
  g_assert_true (g_io_stream_close (G_IO_STREAM (connection), NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (tn_connection_steal_fd (connection, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
}

static void
wait_fd (int   fd,
         short events)
{
  struct pollfd p = { .fd = fd, .events = events };

  g_assert_cmpint (poll (&p, 1, 30000), ==, 1);
}

static gssize
read_fd (int    fd,
         char  *buffer,
         gsize  len)
{
  wait_fd (fd, POLLIN);
  return read (fd, buffer, len);
}

static void
test_steal_fd (void)
{
  g_autoptr (GSocketConnection) other_end = NULL;
  g_autoptr (TnConnection) connection = make_connection (&other_end);
  GIOStream *other = G_IO_STREAM (other_end);
  g_autofree guint8 *sent = g_malloc (1 << 20);
  g_autofree guint8 *received = g_malloc (1 << 20);
  g_autoptr (GError) error = NULL;
  gsize len = 0;
  char buffer[8];
  int fd;

  fd = tn_connection_steal_fd (connection, &error);
  g_assert_no_error (error);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (tn_connection_steal_fd (connection, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);

  /* Closing and dropping the connection does nothing any more. */
  g_assert_true (g_io_stream_close (G_IO_STREAM (connection), NULL, &error));
  g_clear_object (&connection);

  /* Both ways, more than fits into any buffer, and the end behind it. */
  for (gsize i = 0; i < 1 << 20; i++)
    sent[i] = (guint8) (i * 31 >> 3);
  while (len < 1 << 20)
    {
      gssize n = write (fd, sent + len, MIN ((1 << 20) - len, 50000));

      if (n < 0)
        {
          g_assert_cmpint (errno, ==, EAGAIN);
          n = 0;
        }
      if (n > 0)
        g_assert_true (g_input_stream_read_all (g_io_stream_get_input_stream (other), received + len, (gsize) n, NULL, NULL, &error));
      len += (gsize) n;
    }
  g_assert_cmpmem (sent, 1 << 20, received, 1 << 20);
  g_assert_cmpint (shutdown (fd, SHUT_WR), ==, 0);
  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (other), buffer, 1, NULL, &error), ==, 0);

  g_assert_true (g_output_stream_write_all (g_io_stream_get_output_stream (other), "late", 4, NULL, NULL, &error));
  g_assert_cmpint (read_fd (fd, buffer, sizeof buffer), ==, 4);
  g_assert_true (g_io_stream_close (other, NULL, &error));
  g_assert_cmpint (read_fd (fd, buffer, sizeof buffer), ==, 0);
  g_assert_no_error (error);
  close (fd);
}

static void
test_steal_fd_reset (void)
{
  g_autoptr (GSocketConnection) other_end = NULL;
  g_autoptr (TnConnection) connection = make_connection (&other_end);
  const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
  g_autoptr (GError) error = NULL;
  char buffer[8];
  int fd = tn_connection_steal_fd (connection, &error);

  g_assert_no_error (error);
  setsockopt (g_socket_get_fd (g_socket_connection_get_socket (other_end)), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  g_assert_true (g_io_stream_close (G_IO_STREAM (other_end), NULL, &error));

  /* A reset and not an end. */
  g_assert_cmpint (read_fd (fd, buffer, sizeof buffer), ==, -1);
  g_assert_cmpint (errno, ==, ECONNRESET);
  close (fd);
}

/* Others on this host who connect first. */
#define STRANGERS_MAX 64

int __real_listen (int fd, int backlog);
int __wrap_listen (int fd, int backlog);

static guint n_strangers;      /* 0: none */
static int strangers[STRANGERS_MAX];

int
__wrap_listen (int fd,
               int backlog)
{
  struct sockaddr_in address;
  socklen_t len = sizeof address;
  int result = __real_listen (fd, backlog);

  for (guint i = 0; i < n_strangers; i++)
    {
      strangers[i] = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      g_assert_cmpint (getsockname (fd, (struct sockaddr *) &address, &len), ==, 0);
      if (connect (strangers[i], (struct sockaddr *) &address, sizeof address) != 0)
        g_assert_cmpint (errno, ==, EINPROGRESS);
    }
  return result;
}

/* Whoever they are: they do not get the connection, and hold nobody up, however many they are. */
static void
test_steal_fd_strangers (void)
{
  static const guint cases[] = { 1, 2, STRANGERS_MAX };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GSocketConnection) other_end = NULL;
      g_autoptr (TnConnection) connection = make_connection (&other_end);
      GOutputStream *out = g_io_stream_get_output_stream (G_IO_STREAM (other_end));
      g_autoptr (GError) error = NULL;
      char buffer[8];
      int fd, domain;
      socklen_t len = sizeof domain;

      n_strangers = cases[i];
      fd = tn_connection_steal_fd (connection, &error);
      n_strangers = 0;
      g_assert_no_error (error);
      g_assert_cmpint (getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &len), ==, 0);
      g_assert_cmpint (domain, ==, cases[i] < STRANGERS_MAX ? AF_INET : AF_UNIX);
      g_assert_true (g_output_stream_write_all (out, "hello", 5, NULL, NULL, &error));
      g_assert_cmpint (read_fd (fd, buffer, sizeof buffer), ==, 5);
      close (fd);
      for (guint j = 0; j < cases[i]; j++)
        close (strangers[j]);
    }
}

/* --- Listeners --- */

static TnListener *
make_listener (FakeDevice    *device,
               FakeListener **fake)
{
  g_autoptr (FakeListener) listener = fake_listener_new (80);

  if (fake != NULL)
    *fake = g_object_ref (listener);
  return tn_listener_new (TN_DEVICE (device), TN_NETSTACK_LISTENER (listener), 16);
}

static void
test_accept (void)
{
  g_autoptr (FakeDevice) device = make_device ();
  g_autoptr (FakeListener) fake = NULL;
  g_autoptr (TnListener) listener = make_listener (device, &fake);
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;
  g_autoptr (TnConnection) known = NULL;
  g_autoptr (TnConnection) unknown = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (tn_listener_get_port (listener), ==, 80);
  g_assert_cmpuint (tn_listener_get_backlog (listener), ==, 16);
  tn_listener_accept_async (listener, NULL, result_cb, &first);
  tn_listener_accept_async (listener, NULL, result_cb, &second);
  fake_listener_push (fake, "100.64.0.2");
  known = tn_listener_accept_finish (listener, wait_result (&first), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (tn_node_get_name (tn_connection_get_peer (known)), ==, "db");
  g_assert_cmpuint (g_variant_n_children (tn_connection_get_capabilities (known)), >, 0);

  fake_listener_push (fake, "100.64.0.99");
  unknown = tn_listener_accept_finish (listener, wait_result (&second), &error);
  g_assert_no_error (error);
  g_assert_null (tn_connection_get_peer (unknown));
  g_assert_cmpuint (g_variant_n_children (tn_connection_get_capabilities (unknown)), ==, 0);
}

static void
test_accept_cancelled (void)
{
  g_autoptr (FakeDevice) device = make_device ();
  g_autoptr (FakeListener) fake = NULL;
  g_autoptr (TnListener) listener = make_listener (device, &fake);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;
  g_autoptr (GAsyncResult) third = NULL;
  g_autoptr (TnConnection) connection = NULL;
  g_autoptr (GError) error = NULL;

  tn_listener_accept_async (listener, cancellable, result_cb, &first);
  g_cancellable_cancel (cancellable);
  g_assert_null (tn_listener_accept_finish (listener, wait_result (&first), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);

  tn_listener_accept_async (listener, cancellable, result_cb, &second);
  g_assert_null (tn_listener_accept_finish (listener, wait_result (&second), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);

  /* What came in the meantime is not lost. */
  fake_listener_push (fake, "100.64.0.2");
  while (g_main_context_iteration (NULL, FALSE))
    ;
  tn_listener_accept_async (listener, NULL, result_cb, &third);
  connection = tn_listener_accept_finish (listener, wait_result (&third), &error);
  g_assert_no_error (error);
  g_assert_nonnull (connection);
}

static void
incoming_cb (TnListener   *listener,
             TnConnection *connection,
             gpointer      user_data)
{
  guint *n_incoming = user_data;

  g_assert_cmpstr (tn_node_get_name (tn_connection_get_peer (connection)), ==, "db");
  if (++*n_incoming == 2)
    tn_listener_stop (listener);
}

static void
test_incoming (void)
{
  g_autoptr (FakeDevice) device = make_device ();
  g_autoptr (FakeListener) fake = NULL;
  g_autoptr (TnListener) listener = make_listener (device, &fake);
  guint n_incoming = 0;

  g_signal_connect (listener, "incoming", G_CALLBACK (incoming_cb), &n_incoming);
  for (guint i = 0; i < 4; i++)
    fake_listener_push (fake, "100.64.0.2");
  g_assert_false (tn_listener_get_active (listener));
  tn_listener_start (listener);
  g_assert_true (tn_listener_get_active (listener));
  while (tn_listener_get_active (listener))
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (n_incoming, ==, 2);

  /* The rest waits. */
  tn_listener_start (listener);
  while (n_incoming < 4)
    g_main_context_iteration (NULL, TRUE);
}

static void
iterate_until_accepting (FakeListener *fake)
{
  while (!fake_listener_is_accepting (fake))
    g_main_context_iteration (NULL, TRUE);
}

/* An active listener tries again, and goes on once the netstack can; one that is stopped meanwhile does not. */
static void
test_incoming_failed (void)
{
  g_autoptr (FakeDevice) device = make_device ();
  g_autoptr (FakeListener) fake = NULL;
  g_autoptr (TnListener) listener = make_listener (device, &fake);
  guint n_incoming = 0;

  g_signal_connect (listener, "incoming", G_CALLBACK (incoming_cb), &n_incoming);
  tn_listener_start (listener);
  for (guint i = 0; i < 3; i++)
    {
      fake_listener_fail (fake, G_IO_ERROR_TOO_MANY_OPEN_FILES);
      iterate_until_accepting (fake);
    }
  g_assert_false (tn_listener_is_closed (listener));
  fake_listener_push (fake, "100.64.0.2");
  while (n_incoming < 1)
    g_main_context_iteration (NULL, TRUE);

  iterate_until_accepting (fake);
  fake_listener_fail (fake, G_IO_ERROR_TOO_MANY_OPEN_FILES);
  tn_listener_stop (listener);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_false (fake_listener_is_accepting (fake));
  tn_listener_start (listener);
  iterate_until_accepting (fake);
}

static void
test_listener_closed (void)
{
  g_autoptr (FakeDevice) device = make_device ();
  g_autoptr (FakeListener) fake = NULL;
  TnListener *listener = make_listener (device, &fake);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) late = NULL;
  g_autoptr (GError) error = NULL;

  tn_listener_accept_async (listener, NULL, result_cb, &result);
  tn_listener_close (listener);
  g_assert_true (fake_listener_is_closed (fake));
  g_assert_null (tn_listener_accept_finish (listener, wait_result (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);
  tn_listener_accept_async (listener, NULL, result_cb, &late);
  g_assert_null (tn_listener_accept_finish (listener, wait_result (&late), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_object (&result);
  g_clear_object (&late);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (listener);
}

/* The netstack goes away under it, as when the device is stopped; and a listener that nobody holds stops listening. */
static void
test_listener_gone (void)
{
  g_autoptr (FakeDevice) device = make_device ();
  g_autoptr (FakeListener) fake = NULL;
  g_autoptr (FakeListener) other_fake = NULL;
  g_autoptr (TnListener) listener = make_listener (device, &fake);
  TnListener *other = make_listener (device, &other_fake);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  tn_listener_accept_async (listener, NULL, result_cb, &result);
  TN_NETSTACK_LISTENER_GET_CLASS (fake)->close (TN_NETSTACK_LISTENER (fake));
  g_assert_null (tn_listener_accept_finish (listener, wait_result (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_assert_true (tn_listener_is_closed (listener));

  tn_listener_start (other);
  g_assert_finalize_object (other);
  g_assert_true (fake_listener_is_closed (other_fake));
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* --- Datagrams --- */

static void
test_datagram (void)
{
  g_autoptr (FakeDevice) device = make_device ();
  g_autoptr (FakeDatagram) fake = fake_datagram_new ("0.0.0.0");
  g_autoptr (TnDatagramSocket) socket = tn_datagram_socket_new (TN_DEVICE (device), TN_NETSTACK_DATAGRAM (fake));
  g_autoptr (GBytes) payload = g_bytes_new_static ("ping", 4);
  g_autoptr (GBytes) empty = g_bytes_new_static ("", 0);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *results[4] = { NULL };
  g_autoptr (GSocketAddress) source = NULL;
  g_autoptr (GBytes) received = NULL;
  g_autoptr (GBytes) received_empty = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (tn_datagram_socket_send_to_host (socket, "nobody:53", 0, payload, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_NO_SUCH_PEER);
  g_clear_error (&error);
  g_assert_true (tn_datagram_socket_send_to_host (socket, "db", 53, payload, &error));
  g_assert_true (tn_datagram_socket_send_to_host (socket, "100.64.0.2:53", 0, empty, &error));
  g_assert_no_error (error);

  tn_datagram_socket_receive_from_async (socket, NULL, result_cb, &results[0]);
  received = tn_datagram_socket_receive_from_finish (socket, wait_result (&results[0]), &source, &error);
  g_assert_true (g_bytes_equal (received, payload));
  text = g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (source));
  g_assert_cmpstr (text, ==, "100.64.0.2:53");
  tn_datagram_socket_receive_from_async (socket, NULL, result_cb, &results[1]);
  received_empty = tn_datagram_socket_receive_from_finish (socket, wait_result (&results[1]), NULL, &error);
  g_assert_cmpuint (g_bytes_get_size (received_empty), ==, 0);

  tn_datagram_socket_receive_from_async (socket, cancellable, result_cb, &results[2]);
  tn_datagram_socket_receive_from_async (socket, NULL, result_cb, &results[3]);
  g_assert_null (tn_datagram_socket_receive_from_finish (socket, wait_result (&results[3]), NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PENDING);
  g_clear_error (&error);
  g_cancellable_cancel (cancellable);
  g_assert_null (tn_datagram_socket_receive_from_finish (socket, wait_result (&results[2]), NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    g_clear_object (&results[i]);
}

static void
test_datagram_closed (void)
{
  g_autoptr (FakeDevice) device = make_device ();
  g_autoptr (FakeDatagram) fake = fake_datagram_new ("100.64.0.1");
  g_autoptr (TnDatagramSocket) socket = tn_datagram_socket_new (TN_DEVICE (device), TN_NETSTACK_DATAGRAM (fake));
  g_autoptr (GBytes) payload = g_bytes_new_static ("ping", 4);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  tn_datagram_socket_receive_from_async (socket, NULL, result_cb, &result);
  tn_datagram_socket_close (socket);
  g_assert_null (tn_datagram_socket_receive_from_finish (socket, wait_result (&result), NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);
  g_assert_false (tn_datagram_socket_send_to_host (socket, "db:53", 0, payload, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/device/connection/streams", test_connection);
  g_test_add_func ("/device/connection/steal-fd", test_steal_fd);
  g_test_add_func ("/device/connection/steal-fd-reset", test_steal_fd_reset);
  g_test_add_func ("/device/connection/steal-fd-strangers", test_steal_fd_strangers);
  g_test_add_func ("/device/listener/accept", test_accept);
  g_test_add_func ("/device/listener/accept-cancelled", test_accept_cancelled);
  g_test_add_func ("/device/listener/incoming", test_incoming);
  g_test_add_func ("/device/listener/incoming-failed", test_incoming_failed);
  g_test_add_func ("/device/listener/closed", test_listener_closed);
  g_test_add_func ("/device/listener/gone", test_listener_gone);
  g_test_add_func ("/device/datagram/echo", test_datagram);
  g_test_add_func ("/device/datagram/closed", test_datagram_closed);
  return g_test_run ();
}
