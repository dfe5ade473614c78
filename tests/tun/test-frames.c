/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel.h"
#include "tn-ip-header.h"
#include "tn-parse.h"
#include "tn-reader.h"
#include "tn-segmenter.h"
#include "tn-tun-transport.h"
#include "wrapped.h"

#define OWN        "100.64.0.1"
#define OTHER      "100.64.0.2"
#define PORT       9
#define TURNS_MAX  8

/* An interface, a socket of the host that sends through it, and how what it sent comes. */
typedef struct
{
  TnOverlayTransport *overlay;
  int                 socket;
  guint               n_packets;
  guint               n_batches;
  guint               batches[TURNS_MAX];      /* packets in each */
  gboolean            stalls;                  /* all of it goes nowhere */
  GError             *failed;
} Host;

static void
receive (gpointer user_data, TnOverlayTransport *transport, TnPacketBatch *batch)
{
  Host *host = user_data;

  g_assert_cmpuint (host->n_batches, <, TURNS_MAX);
  g_assert_cmpuint (batch->packets[0].data[0], ==, 0x45);
  host->batches[host->n_batches++] = batch->n_packets;
  host->n_packets += batch->n_packets;
  if (host->stalls)
    TN_OVERLAY_TRANSPORT_GET_IFACE (transport)->set_stalled (transport, TRUE);
}

static void
failed (gpointer user_data, TnOverlayTransport *transport, const GError *error)
{
  Host *host = user_data;

  host->failed = g_error_copy (error);
}

/* The kernel says nothing on its own. */
static void
forbid_ipv6 (void)
{
  int fd = open ("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);

  if (fd < 0)
    return;
  g_assert_cmpint (write (fd, "1", 1), ==, 1);
  close (fd);
}

/* @fd: of an interface that is there, 0: none is. */
static void
host_start_with (Host *host, int fd)
{
  static const TnOverlayCallbacks callbacks = { .receive = receive, .failed = failed };
  const TnOverlayConfig config = { .context = g_main_context_default (), .mtu = 1280, .interface = "tn0", .fd = fd };
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons (PORT) };
  g_autoptr (GError) error = NULL;

  wrapped = (Wrapped) { 0 };
  *host = (Host) { .overlay = g_object_new (TN_TYPE_TUN_TRANSPORT, NULL), .socket = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) };
  g_assert_true (TN_OVERLAY_TRANSPORT_GET_IFACE (host->overlay)->start (host->overlay, &config, &callbacks, host, &error));
  g_assert_no_error (error);
  kernel_ip ("addr add " OWN "/24 dev tn0");
  g_assert_cmpint (inet_pton (AF_INET, OTHER, &to.sin_addr), ==, 1);
  g_assert_no_errno (connect (host->socket, (struct sockaddr *) &to, sizeof to));
}

static void
host_start (Host *host)
{
  forbid_ipv6 ();
  host_start_with (host, 0);
}

static void
host_stop (Host *host)
{
  TN_OVERLAY_TRANSPORT_GET_IFACE (host->overlay)->stop (host->overlay);
  g_assert_finalize_object (host->overlay);
  close (host->socket);
  g_clear_error (&host->failed);
}

/* They are in the interface's queue when this returns. */
static void
host_send (Host *host, guint n)
{
  host->n_packets = host->n_batches = 0;
  for (guint i = 0; i < n; i++)
    g_assert_cmpint (send (host->socket, "x", 1, 0), ==, 1);
}

static void
host_await (Host *host, guint n)
{
  while (host->n_packets < n)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (host->n_packets, ==, n);
}

/* The first one goes on at once, what is there behind it together; and all together where the turn before had several. */
static void
test_alone (void)
{
  Host host;

  host_start (&host);
  host_send (&host, 3);
  host_await (&host, 3);
  g_assert_cmpuint (host.n_batches, ==, 2);
  g_assert_cmpuint (host.batches[0], ==, 1);
  host_send (&host, 3);
  host_await (&host, 3);
  g_assert_cmpuint (host.n_batches, ==, 1);
  host_send (&host, 1);
  host_await (&host, 1);
  host_send (&host, 2);
  host_await (&host, 2);
  g_assert_cmpuint (host.n_batches, ==, 2);
  host_stop (&host);
}

static guint n_listening;

static int
listening_poll (GPollFD *fds, guint n_fds, int timeout)
{
  n_listening = 0;
  for (guint i = 0; i < n_fds; i++)
    n_listening += (fds[i].events & G_IO_IN) != 0 ? 1 : 0;
  return g_poll (fds, n_fds, timeout);
}

static guint
count_listening (void)
{
  g_main_context_iteration (NULL, FALSE);
  return n_listening;
}

/* Frames stay in the kernel while all paths are full: for a while, or until one is not. */
static void
test_stalled (void)
{
  guint n;
  Host host;

  host_start (&host);
  g_main_context_set_poll_func (NULL, listening_poll);
  n = count_listening ();
  for (guint i = 0; i < 2; i++)
    {
      host.stalls = TRUE;
      host_send (&host, 1);
      host_await (&host, 1);
      host_send (&host, 2);
      if (i == 1)
        TN_OVERLAY_TRANSPORT_GET_IFACE (host.overlay)->set_stalled (host.overlay, FALSE);
      g_assert_cmpuint (count_listening (), ==, i == 0 ? n - 1 : n);
      host.stalls = FALSE;
      host_await (&host, 2);
    }
  g_main_context_set_poll_func (NULL, NULL);
  host_stop (&host);
}

static guint n_woken;

static int
counting_poll (GPollFD *fds, guint n_fds, int timeout)
{
  int n = g_poll (fds, n_fds, timeout);

  n_woken += n > 0 ? 1 : 0;
  return n;
}

/* The thread does not wake itself. */
static void
test_one_wait (void)
{
  Host host;

  host_start (&host);
  g_main_context_iteration (NULL, FALSE);
  g_main_context_set_poll_func (NULL, counting_poll);
  for (guint i = 1; i <= 3; i++)
    {
      host_send (&host, 1);
      host_await (&host, 1);
      g_main_context_iteration (NULL, FALSE);
      g_assert_cmpuint (n_woken, ==, i);
    }
  g_main_context_set_poll_func (NULL, NULL);
  host_stop (&host);
}

/* --- What goes wrong --- */

/* The interface of somebody who wanted longer headers. */
static void
test_longer_headers (void)
{
  const int len = 12;
  Host host;
  int fd;

  forbid_ipv6 ();
  fd = kernel_open_tun ("tn0");
  g_assert_no_errno (ioctl (fd, TUNSETVNETHDRSZ, &len));
  host_start_with (&host, fd);
  host_send (&host, 1);
  host_await (&host, 1);
  host_stop (&host);
}

static void
test_odd_packets (void)
{
  Host host;

  host_start (&host);
  wrapped.n_bad_reads = 3;
  wrapped.read_error = EINVAL;
  host_send (&host, 2);
  host_await (&host, 2);
  g_assert_no_error (host.failed);

  wrapped.n_bad_reads = G_MAXUINT;
  host_send (&host, 1);
  while (host.failed == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (host.n_packets, ==, 0);
  host_stop (&host);
}

/* Three packets of a flow from the other machine, which can be merged. */
static void
host_receive (Host *host, guint8 proto)
{
  enum { SEGMENT_LEN = 100, N = 3 };
  const gsize l4_len = proto == TN_PROTO_UDP ? 8 : 20, len = 20 + l4_len + N * SEGMENT_LEN;
  const guint8 own[] = { 100, 64, 0, 1 }, other[] = { 100, 64, 0, 2 };
  TnIpAddress src = tn_ip_address_from_bytes (other, 4), dst = tn_ip_address_from_bytes (own, 4);
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (64 * 1024);
  g_autofree guint8 *frame = g_malloc0 (TN_VIRTIO_HEADER_LEN + len);
  guint8 *l4 = frame + TN_VIRTIO_HEADER_LEN + 20;
  TnVirtioHeader header = {
    .flags = TN_VIRTIO_NEEDS_CHECKSUM,
    .gso_type = proto == TN_PROTO_UDP ? TN_VIRTIO_GSO_UDP : TN_VIRTIO_GSO_TCP4,
    .header_len = (guint16) (20 + l4_len),
    .segment_size = SEGMENT_LEN,
    .checksum_start = 20,
    .checksum_offset = proto == TN_PROTO_UDP ? 6 : 16,
  };
  TnSegmenter segmenter;

  memcpy (frame, &header, sizeof header);
  g_assert_cmpuint (tn_ip_header_write (frame + TN_VIRTIO_HEADER_LEN, len, &src, &dst, proto, 1, len - 20), ==, 20);
  tn_put_u16be (l4, PORT);
  tn_put_u16be (l4 + 2, PORT);
  if (proto == TN_PROTO_TCP)
    {
      l4[12] = 5 << 4;
      l4[13] = 0x10;      /* ACK */
    }
  else
    tn_put_u16be (l4 + 4, (guint16) (len - 20));
  g_assert_true (tn_segmenter_init (&segmenter, frame, TN_VIRTIO_HEADER_LEN + len));
  g_assert_false (tn_segmenter_next (&segmenter, batch));
  g_assert_cmpuint (batch->n_packets, ==, N);
  TN_OVERLAY_TRANSPORT_GET_IFACE (host->overlay)->write (host->overlay, batch);
}

/* A kernel that does not take merged packets of a kind gets these and all others of that kind as they are. */
static void
test_refused_frames (void)
{
  static const guint8 protos[] = { TN_PROTO_UDP, TN_PROTO_TCP };
  struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons (PORT) };
  int socket_fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  guint8 bytes[200];
  Host host;

  host_start (&host);
  g_assert_no_errno (bind (socket_fd, (struct sockaddr *) &from, sizeof from));
  for (guint i = 0; i < G_N_ELEMENTS (protos); i++)
    {
      host_receive (&host, protos[i]);
      g_assert_cmpuint (wrapped.n_written, ==, 1);
      wrapped.n_pieces_max = 2;
      for (guint j = 1; j <= 2; j++)
        {
          host_receive (&host, protos[i]);
          g_assert_cmpuint (wrapped.n_refused, ==, 1);
          g_assert_cmpuint (wrapped.n_written, ==, 1 + j * 3);
        }
      wrapped = (Wrapped) { 0 };
    }
  for (guint i = 0; i < 9; i++)
    g_assert_cmpint (recv (socket_fd, bytes, sizeof bytes, MSG_DONTWAIT), ==, 100);
  close (socket_fd);
  host_stop (&host);
}

static const struct { const char *path; void (*func) (void); } tests[] = {
  { "/tun/frames/alone", test_alone },
  { "/tun/frames/stalled", test_stalled },
  { "/tun/frames/one-wait", test_one_wait },
  { "/tun/frames/longer-headers", test_longer_headers },
  { "/tun/frames/odd-packets", test_odd_packets },
  { "/tun/frames/refused", test_refused_frames },
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
