/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "mirror.h"
#include "tn-error.h"
#include "tn-tun-transport.h"

#define PATIENCE_S 50

static gboolean
impatient_cb (gpointer what)
{
  g_error ("gave up waiting for %s", (const char *) what);
  return G_SOURCE_REMOVE;
}

static void
wait_until (const char *what, const gboolean *condition)
{
  guint limit = g_timeout_add_seconds (PATIENCE_S, impatient_cb, (gpointer) (guintptr) what);

  while (!*condition)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (limit);
}

/* --- The interface --- */

static gboolean
try_start (const char *interface, int fd, GError **error)
{
  static const TnOverlayCallbacks callbacks = { 0 };
  const TnOverlayConfig config = { .context = g_main_context_default (), .mtu = MIRROR_MTU, .interface = interface, .fd = fd };
  g_autoptr (TnOverlayTransport) overlay = g_object_new (TN_TYPE_TUN_TRANSPORT, NULL);
  TnOverlayTransportInterface *iface = TN_OVERLAY_TRANSPORT_GET_IFACE (overlay);
  gboolean ok = iface->start (overlay, &config, &callbacks, NULL, error);

  if (ok && interface != NULL && strchr (interface, '%') == NULL)
    g_assert_cmpstr (iface->get_interface (overlay), ==, interface);
  if (ok)
    g_assert_cmpuint (if_nametoindex (iface->get_interface (overlay)), >, 0);
  iface->stop (overlay);
  g_assert_null (iface->get_interface (overlay));
  return ok;
}

static void
test_names (void)
{
  static const char *const good[] = { NULL, "tn0", "tn%d", "a-name-of-15chr" };
  static const char *const bad[] = { "a-name-of-16-chr", "a/b", "a b", "..", "a:1" };
  Mirror mirror;

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_true (try_start (good[i], 0, &error));
      g_assert_no_error (error);
    }
  g_assert_cmpuint (if_nametoindex ("tn0"), ==, 0);      /* gone, as all of them */
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (try_start (bad[i], 0, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
      g_assert_nonnull (strstr (error->message, bad[i]));
    }

  mirror_start (&mirror, "tn0");
  for (guint i = 0; i < 2; i++)
    {
      const char *const taken[] = { "tn0", "lo" };
      g_autoptr (GError) error = NULL;

      g_assert_false (try_start (taken[i], 0, &error));
      g_assert_nonnull (strstr (error->message, taken[i]));
      g_test_message ("%s", error->message);
    }
  mirror_stop (&mirror);
}

static int
open_fd (const char *name, short flags)
{
  struct ifreq request = { .ifr_flags = flags };
  int fd = open ("/dev/net/tun", O_RDWR | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_strlcpy (request.ifr_name, name, sizeof request.ifr_name);
  g_assert_no_errno (ioctl (fd, TUNSETIFF, &request));
  return fd;
}

/* One that somebody else has opened; what is none is left alone. */
static void
test_handed_in (void)
{
  static const short wrong[] = { IFF_TUN, IFF_TUN | IFF_NO_PI, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
  g_autoptr (GError) error = NULL;
  int fd = open_fd ("tn7", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);

  g_assert_true (try_start ("tn7", fd, &error));
  g_assert_no_error (error);
  g_assert_cmpint (fcntl (fd, F_GETFD), ==, -1);
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      fd = open_fd ("tn8", wrong[i]);
      g_assert_false (try_start (NULL, fd, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
      g_assert_nonnull (strstr (error->message, "tn8"));
      g_clear_error (&error);
      close (fd);
    }
  fd = open ("/dev/null", O_RDWR | O_CLOEXEC);
  g_assert_false (try_start (NULL, fd, &error));
  g_test_message ("%s", error->message);
  g_assert_cmpint (fcntl (fd, F_GETFD), !=, -1);
  close (fd);
}

static void
test_deleted (void)
{
  Mirror mirror;

  mirror_start (&mirror, "tn0");
  kernel_ip ("link del tn0");
  while (mirror.failed == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_nonnull (strstr (mirror.failed->message, "tn0"));
  g_test_message ("%s", mirror.failed->message);
  mirror_stop (&mirror);
  mirror_start (&mirror, "tn0");
  mirror_stop (&mirror);
}

static guint
count_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
test_thousand_times (void)
{
  guint n_fds = count_fds ();

  for (guint i = 0; i < 1000; i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_true (try_start (NULL, 0, &error));
      g_assert_no_error (error);
    }
  g_assert_cmpuint (count_fds (), ==, n_fds);
}

/* In a process of its own: rights and limits that are gone are gone. */
static void
test_refused (void)
{
  if (g_test_subprocess ())
    {
      struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
      struct __user_cap_data_struct data[2] = { 0 };
      g_autoptr (GError) error = NULL;
      struct rlimit limit = { 3, 3 };
      struct rlimit before;
      int fd;

      g_assert_true (try_start (NULL, 0, &error));
      g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &before));
      limit.rlim_max = before.rlim_max;
      g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &limit));
      g_assert_false (try_start (NULL, 0, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES);
      g_test_message ("%s", error->message);
      g_clear_error (&error);
      g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &before));

      fd = open_fd ("tn9", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);      /* which is down, and has another MTU */
      g_assert_no_errno ((int) syscall (SYS_capset, &header, data));
      g_assert_false (try_start (NULL, fd, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
      g_assert_nonnull (strstr (error->message, "tn9"));
      g_clear_error (&error);
      g_assert_cmpint (fcntl (fd, F_GETFD), !=, -1);      /* the caller's still */
      close (fd);
      g_assert_false (try_start (NULL, 0, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
      g_assert_nonnull (strstr (error->message, "CAP_NET_ADMIN"));
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_test_trap_assert_passed ();
}

/* --- What passes --- */

typedef struct
{
  GIOStream    *stream;
  GChecksum    *checksum;
  gsize         n_left;
  guint8       *buffer;
  gboolean      done;
} Transfer;

enum { CHUNK_LEN = 256 << 10 };

static void
written_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Transfer *transfer = user_data;
  g_autoptr (GError) error = NULL;

  g_output_stream_write_all_finish (G_OUTPUT_STREAM (object), result, NULL, &error);
  g_assert_no_error (error);
  transfer->n_left -= MIN (transfer->n_left, CHUNK_LEN);
  if (transfer->n_left == 0)
    {
      g_io_stream_close (transfer->stream, NULL, NULL);
      transfer->done = TRUE;
      return;
    }
  for (gsize i = 0; i < CHUNK_LEN; i += 64)
    transfer->buffer[i] = (guint8) g_random_int ();
  g_checksum_update (transfer->checksum, transfer->buffer, (gssize) MIN (transfer->n_left, CHUNK_LEN));
  g_output_stream_write_all_async (G_OUTPUT_STREAM (object), transfer->buffer, MIN (transfer->n_left, CHUNK_LEN), G_PRIORITY_DEFAULT, NULL,
                                   written_cb, transfer);
}

static void
read_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Transfer *transfer = user_data;
  g_autoptr (GError) error = NULL;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (object), result, &error);

  g_assert_no_error (error);
  transfer->done = n == 0;
  if (n == 0)
    return;
  g_checksum_update (transfer->checksum, transfer->buffer, n);
  g_input_stream_read_async (G_INPUT_STREAM (object), transfer->buffer, CHUNK_LEN, G_PRIORITY_DEFAULT, NULL, read_cb, transfer);
}

static void
transfer_init (Transfer *transfer, GIOStream *stream, gsize len)
{
  *transfer = (Transfer) { .stream = stream, .checksum = g_checksum_new (G_CHECKSUM_SHA256), .n_left = len, .buffer = g_malloc0 (CHUNK_LEN) };
}

static void
transfer_clear (Transfer *transfer)
{
  g_object_unref (transfer->stream);
  g_checksum_free (transfer->checksum);
  g_free (transfer->buffer);
}

static void
result_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static void
wait_result (const char *what, GAsyncResult **result)
{
  guint limit = g_timeout_add_seconds (PATIENCE_S, impatient_cb, (gpointer) (guintptr) what);

  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (limit);
}

static TnNetstackListener *
listen_at (Mirror *mirror, const char *address, guint16 port, GError **error)
{
  TnNetstack *netstack = TN_NETSTACK (mirror->overlay);
  g_autoptr (GSocketAddress) local = g_inet_socket_address_new_from_string (address, port);
  g_autoptr (GAsyncResult) result = NULL;

  TN_NETSTACK_GET_IFACE (netstack)->listen_async (netstack, G_INET_SOCKET_ADDRESS (local), 0, NULL, result_cb, &result);
  wait_result ("the listener", &result);
  return TN_NETSTACK_GET_IFACE (netstack)->listen_finish (netstack, result, error);
}

/* A connection to the other machine, which is this one. */
static void
connect_pair (Mirror *mirror, TnNetstackListener *listener, const char *address, GIOStream **client, GIOStream **server)
{
  TnNetstack *netstack = TN_NETSTACK (mirror->overlay);
  TnNetstackListenerClass *listener_class = TN_NETSTACK_LISTENER_GET_CLASS (listener);
  g_autoptr (GSocketAddress) local = listener_class->dup_local_address (listener);
  g_autoptr (GSocketAddress) remote = g_inet_socket_address_new_from_string (address, g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (local)));
  g_autoptr (GAsyncResult) connected = NULL;
  g_autoptr (GAsyncResult) accepted = NULL;
  g_autoptr (GError) error = NULL;

  TN_NETSTACK_GET_IFACE (netstack)->connect_async (netstack, G_INET_SOCKET_ADDRESS (remote), NULL, result_cb, &connected);
  listener_class->accept_async (listener, NULL, result_cb, &accepted);
  wait_result ("the connection", &connected);
  wait_result ("the other end", &accepted);
  *client = G_IO_STREAM (TN_NETSTACK_GET_IFACE (netstack)->connect_finish (netstack, connected, &error));
  g_assert_no_error (error);
  *server = G_IO_STREAM (listener_class->accept_finish (listener, accepted, &error));
  g_assert_no_error (error);
}

static void
check_stream (Mirror *mirror, const char *address)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TnNetstackListener) listener = listen_at (mirror, "::", 0, &error);
  Transfer out, in;
  GIOStream *client, *server;

  g_assert_no_error (error);
  connect_pair (mirror, listener, address, &client, &server);
  transfer_init (&out, client, 32 << 20);
  transfer_init (&in, server, 0);
  g_checksum_update (out.checksum, out.buffer, CHUNK_LEN);
  g_output_stream_write_all_async (g_io_stream_get_output_stream (client), out.buffer, CHUNK_LEN, G_PRIORITY_DEFAULT, NULL, written_cb, &out);
  g_input_stream_read_async (g_io_stream_get_input_stream (server), in.buffer, CHUNK_LEN, G_PRIORITY_DEFAULT, NULL, read_cb, &in);
  wait_until ("all to be sent", &out.done);
  wait_until ("all to arrive", &in.done);
  g_assert_cmpstr (g_checksum_get_string (in.checksum), ==, g_checksum_get_string (out.checksum));
  transfer_clear (&out);
  transfer_clear (&in);
}

/* The kernel gives and takes many packets at once, which are single ones in between. */
static void
test_stream (void)
{
  Mirror mirror;

  mirror_start (&mirror, NULL);
  check_stream (&mirror, MIRROR_OTHER4);
  g_assert_cmpuint (mirror.longest, >, 20);
  mirror.longest = 0;
  check_stream (&mirror, MIRROR_OTHER6);
  g_assert_cmpuint (mirror.longest, >, 20);
  g_test_message ("%" G_GUINT64_FORMAT " packets, up to %u at once", mirror.n_packets, mirror.longest);
  mirror_stop (&mirror);
}

static TnNetstackDatagram *
bind_at (Mirror *mirror, const char *address, guint16 port)
{
  TnNetstack *netstack = TN_NETSTACK (mirror->overlay);
  g_autoptr (GSocketAddress) local = g_inet_socket_address_new_from_string (address, port);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  TnNetstackDatagram *datagram;

  TN_NETSTACK_GET_IFACE (netstack)->bind_datagram_async (netstack, G_INET_SOCKET_ADDRESS (local), NULL, result_cb, &result);
  wait_result ("the socket", &result);
  datagram = TN_NETSTACK_GET_IFACE (netstack)->bind_datagram_finish (netstack, result, &error);
  g_assert_no_error (error);
  return datagram;
}

static void
test_datagrams (void)
{
  static const gsize lens[] = { 0, 1, 1200, 1252, 9000 };      /* the last ones in fragments */
  static const char *const others[] = { MIRROR_OTHER4, MIRROR_OTHER6 };
  g_autoptr (TnNetstackDatagram) datagram = NULL;
  TnNetstackDatagramClass *klass;
  g_autoptr (GSocketAddress) local = NULL;
  Mirror mirror;

  mirror_start (&mirror, NULL);
  datagram = bind_at (&mirror, "::", 0);
  klass = TN_NETSTACK_DATAGRAM_GET_CLASS (datagram);
  local = klass->dup_local_address (datagram);
  for (guint i = 0; i < G_N_ELEMENTS (lens) * G_N_ELEMENTS (others); i++)
    {
      const char *other = others[i % 2];
      guint16 port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (local));
      g_autoptr (GSocketAddress) to = g_inet_socket_address_new_from_string (other, port);
      g_autofree char *data = g_strnfill (lens[i / 2], (char) ('a' + i));
      g_autoptr (GBytes) sent = g_bytes_new (data, lens[i / 2]);
      g_autoptr (GBytes) received = NULL;
      g_autoptr (GAsyncResult) sending = NULL;
      g_autoptr (GAsyncResult) receiving = NULL;
      g_autoptr (GSocketAddress) from = NULL;
      g_autofree char *sender = NULL;
      g_autoptr (GError) error = NULL;

      klass->receive_async (datagram, NULL, result_cb, &receiving);
      klass->send_to_async (datagram, to, sent, NULL, result_cb, &sending);
      wait_result ("the datagram to be sent", &sending);
      g_assert_true (klass->send_to_finish (datagram, sending, &error));
      g_assert_no_error (error);
      wait_result ("the datagram", &receiving);
      received = klass->receive_finish (datagram, receiving, &from, &error);
      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (sent, received));
      sender = g_inet_address_to_string (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (from)));
      g_assert_cmpstr (sender, ==, other);
    }
  g_clear_object (&datagram);
  mirror_stop (&mirror);
}

static gint64
ping (Mirror *mirror, const char *address, guint size, GError **error)
{
  TnNetstack *netstack = TN_NETSTACK (mirror->overlay);
  g_autoptr (GInetAddress) to = g_inet_address_new_from_string (address);
  g_autoptr (GAsyncResult) result = NULL;

  TN_NETSTACK_GET_IFACE (netstack)->ping_async (netstack, to, size, NULL, result_cb, &result);
  wait_result ("the ping", &result);
  return TN_NETSTACK_GET_IFACE (netstack)->ping_finish (netstack, result, error);
}

static void
test_pings (void)
{
  static const guint sizes[] = { 0, 8, 56, 1200, 8000 };
  g_autoptr (GError) error = NULL;
  Mirror mirror;

  mirror_start (&mirror, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_assert_cmpint (ping (&mirror, MIRROR_OTHER4, sizes[i], &error), >, 0);
      g_assert_no_error (error);
      g_assert_cmpint (ping (&mirror, MIRROR_OTHER6, sizes[i], &error), >, 0);
      g_assert_no_error (error);
    }
  mirror.holds = TRUE;
  g_assert_cmpint (ping (&mirror, MIRROR_OTHER4, 56, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  mirror_stop (&mirror);
}

/* --- Ends --- */

static void
test_ends (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (TnNetstackListener) listener = NULL;
  g_autoptr (GAsyncResult) cancelled = NULL;
  g_autoptr (GAsyncResult) closed = NULL;
  g_autoptr (GError) error = NULL;
  TnNetstackListenerClass *klass;
  Mirror mirror;

  mirror_start (&mirror, NULL);
  g_assert_null (listen_at (&mirror, "192.0.2.1", 80, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_NO_ROUTE);
  g_assert_nonnull (strstr (error->message, "192.0.2.1"));
  g_clear_error (&error);
  listener = listen_at (&mirror, MIRROR_OWN4, 80, &error);
  g_assert_no_error (error);
  g_assert_null (listen_at (&mirror, MIRROR_OWN4, 80, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
  g_clear_error (&error);

  klass = TN_NETSTACK_LISTENER_GET_CLASS (listener);
  klass->accept_async (listener, cancellable, result_cb, &cancelled);
  klass->accept_async (listener, NULL, result_cb, &closed);
  g_cancellable_cancel (cancellable);
  wait_result ("the accept that was cancelled", &cancelled);
  g_assert_null (klass->accept_finish (listener, cancelled, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_null (closed);
  klass->close (listener);
  wait_result ("the accept of a listener that was closed", &closed);
  g_assert_null (klass->accept_finish (listener, closed, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);

  TN_OVERLAY_TRANSPORT_GET_IFACE (mirror.overlay)->stop (mirror.overlay);
  g_assert_null (listen_at (&mirror, "::", 0, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  mirror_stop (&mirror);
}

/* Routes that lead elsewhere (or are not there yet) take nothing out of the tailnet, and nobody comes in by another interface. */
static void
test_bound (void)
{
  g_autoptr (TnNetstackListener) listener = NULL;
  g_autoptr (GSocketAddress) local = NULL;
  g_autoptr (GIOStream) client = NULL;
  g_autoptr (GIOStream) server = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *expected = NULL;
  g_autofree char *listeners = NULL;
  Mirror mirror;

  mirror_start (&mirror, "tn0");
  kernel_ip ("link add other0 type veth peer name other1");
  kernel_ip ("link set other0 up");
  kernel_ip ("link set other1 up");
  kernel_ip ("route add " MIRROR_OTHER4 "/32 dev other0");
  listener = listen_at (&mirror, MIRROR_OWN4, 0, &error);
  g_assert_no_error (error);
  connect_pair (&mirror, listener, MIRROR_OTHER4, &client, &server);

  local = TN_NETSTACK_LISTENER_GET_CLASS (listener)->dup_local_address (listener);
  expected = g_strdup_printf (MIRROR_OWN4 "%%tn0:%u ", g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (local)));
  g_assert_true (g_spawn_command_line_sync ("ss -Hltn", &listeners, NULL, NULL, &error));
  g_assert_nonnull (strstr (listeners, expected));
  kernel_ip ("link del other0");
  mirror_stop (&mirror);
}

/* This host itself, whose packets pass by no interface but "lo". */
static void
test_own_address (void)
{
  static const char *const addresses[] = { MIRROR_OWN4, MIRROR_OWN6 };
  Mirror mirror;

  kernel_ip ("link set lo up");
  mirror_start (&mirror, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (addresses); i++)
    {
      g_autoptr (TnNetstackListener) listener = NULL;
      g_autoptr (GIOStream) client = NULL;
      g_autoptr (GIOStream) server = NULL;
      g_autoptr (GError) error = NULL;

      listener = listen_at (&mirror, addresses[i], 0, &error);
      g_assert_no_error (error);
      connect_pair (&mirror, listener, addresses[i], &client, &server);
      g_assert_cmpint (ping (&mirror, addresses[i], 56, &error), >, 0);
      g_assert_no_error (error);
    }
  mirror_stop (&mirror);
}

typedef struct
{
  TnNetstackListener *listener;
  GAsyncResult       *accepted;
} Worker;

static gpointer
accept_thread (gpointer user_data)
{
  Worker *worker = user_data;

  TN_NETSTACK_LISTENER_GET_CLASS (worker->listener)->accept_async (worker->listener, NULL, result_cb, &worker->accepted);
  return NULL;
}

/* Calls of a thread without a context of its own end in the main thread, perhaps before they return. */
static void
test_workers (void)
{
  g_autoptr (TnNetstackListener) listener = NULL;
  g_autoptr (GSocketAddress) local = NULL;
  g_autoptr (GError) error = NULL;
  TnNetstack *netstack;
  guint16 port;
  Mirror mirror;

  mirror_start (&mirror, NULL);
  netstack = TN_NETSTACK (mirror.overlay);
  listener = listen_at (&mirror, "::", 0, &error);
  g_assert_no_error (error);
  local = TN_NETSTACK_LISTENER_GET_CLASS (listener)->dup_local_address (listener);
  port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (local));
  for (guint i = 0; i < 300; i++)
    {
      g_autoptr (GSocketAddress) remote = g_inet_socket_address_new_from_string (MIRROR_OTHER4, port);
      g_autoptr (TnNetstackStream) stream = NULL;
      g_autoptr (TnNetstackStream) other = NULL;
      g_autoptr (GAsyncResult) connected = NULL;
      Worker worker = { .listener = listener };
      GThread *thread;

      TN_NETSTACK_GET_IFACE (netstack)->connect_async (netstack, G_INET_SOCKET_ADDRESS (remote), NULL, result_cb, &connected);
      thread = g_thread_new ("worker", accept_thread, &worker);
      wait_result ("the worker's connection", &worker.accepted);
      wait_result ("its other end", &connected);
      g_thread_join (thread);
      stream = TN_NETSTACK_GET_IFACE (netstack)->connect_finish (netstack, connected, &error);
      g_assert_no_error (error);
      other = TN_NETSTACK_LISTENER_GET_CLASS (listener)->accept_finish (listener, worker.accepted, &error);
      g_assert_no_error (error);
      g_object_unref (worker.accepted);
    }
  mirror_stop (&mirror);
}

static const struct { const char *path; void (*func) (void); } tests[] = {
  { "/tun/interface/names", test_names },
  { "/tun/interface/handed-in", test_handed_in },
  { "/tun/interface/deleted", test_deleted },
  { "/tun/interface/thousand-times", test_thousand_times },
  { "/tun/interface/refused", test_refused },
  { "/tun/traffic/stream", test_stream },
  { "/tun/traffic/datagrams", test_datagrams },
  { "/tun/traffic/pings", test_pings },
  { "/tun/sockets/ends", test_ends },
  { "/tun/sockets/bound", test_bound },
  { "/tun/sockets/own-address", test_own_address },
  { "/tun/sockets/workers", test_workers },
};

static char *missing;

static void
skip (void)
{
  g_test_skip (missing);
}

int
main (int    argc,
      char **argv)
{
  gboolean ready = kernel_enter (&missing);

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add_func (tests[i].path, ready ? tests[i].func : skip);
  return g_test_run ();
}
