/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tn-udp-address.h"
#include "tn-udp-socket.h"
#include "tn-udp-train.h"
#include "udp-node.h"
#include "wrapped.h"

#define N_MANY 100

static void
fill (gsize *lens,
      guint  n,
      gsize  len)
{
  for (guint i = 0; i < n; i++)
    lens[i] = len;
}

typedef struct
{
  UdpNode a;
  UdpNode b;
} Pair;

static void
pair_start (Pair     *pair,
            gboolean  segments,
            gboolean  merges)
{
  wrapped = (Wrapped) { 0 };
  udp_node_start (&pair->a, 0, segments, merges);
  udp_node_start (&pair->b, 0, segments, merges);
}

static void
pair_stop (Pair *pair)
{
  udp_node_stop (&pair->a);
  udp_node_stop (&pair->b);
}

/* Whether all arrive, and who they are from. */
static void
exchange (Pair        *pair,
          guint8       version,
          const gsize *lens,
          guint        n)
{
  g_autoptr (TnPacketBatch) batch = udp_batch_new (lens, n);
  TnPathAddress to = udp_node_address (&pair->b, version);
  TnPathAddress from = udp_node_address (&pair->a, version);

  g_assert_cmpuint (udp_node_send (&pair->a, &to, batch, TN_SEND_NONE), ==, n);
  udp_node_check (&pair->b, lens, n);
  g_assert_true (tn_path_address_equal (&pair->b.from, &from));
}

/* --- With and without the offloads of the kernel --- */

static void
test_deliver (gconstpointer data)
{
  guint bits = GPOINTER_TO_UINT (data);
  guint8 version = (bits & 1) != 0 ? 6 : 4;
  gboolean segments = (bits & 2) != 0, merges = (bits & 4) != 0;
  static const gsize mixed[] = { 1312, 1312, 1312, 500, 1312, 32, 32, 148, 1, 1432, 1432 };
  gsize many[N_MANY];
  Pair pair;

  pair_start (&pair, segments, merges);
  exchange (&pair, version, mixed, G_N_ELEMENTS (mixed));
  fill (many, N_MANY, 1312);
  exchange (&pair, version, many, N_MANY);
  many[N_MANY - 1] = 7;
  exchange (&pair, version, many, N_MANY);
  if (!segments)
    g_assert_cmpuint (wrapped.n_trains, ==, 0);
  if (!merges)
    g_assert_cmpuint (pair.b.n_trains, ==, 0);
  if (segments && merges && tn_udp_transport_is_segmenting (TN_UDP_TRANSPORT (pair.a.transport), version))
    g_assert_cmpuint (pair.b.n_trains, >, 0);
  pair_stop (&pair);
}

/* The longest that there are. */
static void
test_long (void)
{
  static const gsize lens4[] = { TN_UDP_LEN_MAX4, 65000 }, lens6[] = { TN_UDP_LEN_MAX6, 65000 };
  Pair pair;

  pair_start (&pair, TRUE, TRUE);
  exchange (&pair, 4, lens4, G_N_ELEMENTS (lens4));
  exchange (&pair, 6, lens6, G_N_ELEMENTS (lens6));
  pair_stop (&pair);
}

/* By another address of the host, which is another destination to the sender. */
static void
exchange_with (Pair        *pair,
               const char  *address,
               const gsize *lens,
               guint        n)
{
  g_autoptr (TnPacketBatch) batch = udp_batch_new (lens, n);
  TnPathAddress to = udp_node_address (&pair->b, 4);

  g_assert_true (tn_ip_address_parse (address, &to.udp.endpoint.address));
  g_assert_cmpuint (udp_node_send (&pair->a, &to, batch, TN_SEND_NONE), ==, n);
  udp_node_check (&pair->b, lens, n);
}

/* A destination that cannot do it says so once, and a device twice; nothing is lost. */
static void
test_refused_trains (gconstpointer data)
{
  int number = GPOINTER_TO_INT (data);
  gsize lens[N_MANY];
  TnUdpCounters counters;
  Pair pair;

  fill (lens, N_MANY, 1312);
  pair_start (&pair, TRUE, TRUE);
  wrapped.refuse_trains = number;
  exchange (&pair, 4, lens, N_MANY);
  exchange (&pair, 4, lens, N_MANY);
  g_assert_cmpuint (wrapped.n_refused, ==, 1);
  g_assert_cmpuint (wrapped.n_trains, ==, 0);
  g_assert_true (tn_udp_transport_is_segmenting (TN_UDP_TRANSPORT (pair.a.transport), 4));

  wrapped.refuse_trains = 0;      /* it was about that destination alone, perhaps */
  exchange_with (&pair, "127.0.0.2", lens, N_MANY);
  g_assert_cmpuint (wrapped.n_trains, >, 0);
  wrapped.refuse_trains = number;
  exchange_with (&pair, "127.0.0.3", lens, N_MANY);
  exchange_with (&pair, "127.0.0.4", lens, N_MANY);
  g_assert_cmpuint (wrapped.n_refused, ==, number == EMSGSIZE ? 3 : 2);
  g_assert_cmpint (tn_udp_transport_is_segmenting (TN_UDP_TRANSPORT (pair.a.transport), 4), ==, number == EMSGSIZE);
  tn_udp_transport_get_counters (TN_UDP_TRANSPORT (pair.a.transport), &counters);
  g_assert_cmpuint (counters.lost, ==, 0);
  g_assert_cmpuint (counters.sent, ==, 5 * N_MANY);

  wrapped.n_refused = 0;
  exchange (&pair, 6, lens, N_MANY);      /* another socket, another try */
  g_assert_cmpuint (wrapped.n_refused, ==, 1);
  pair_stop (&pair);
}

/* A destination that takes nothing says nothing of the device. */
static void
test_refused_all (void)
{
  static const int numbers[] = { ECONNREFUSED, EMSGSIZE, ENETUNREACH, EHOSTUNREACH, EPERM, EINVAL, EIO, ENOBUFS };
  gsize lens[8];
  Pair pair;

  fill (lens, G_N_ELEMENTS (lens), 1312);
  pair_start (&pair, TRUE, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autoptr (TnPacketBatch) batch = udp_batch_new (lens, G_N_ELEMENTS (lens));
      TnPathAddress to = udp_node_address (&pair.b, 4);
      TnUdpCounters counters;

      wrapped.refuse_all = numbers[i];
      g_assert_cmpuint (udp_node_send (&pair.a, &to, batch, TN_SEND_NONE), ==, G_N_ELEMENTS (lens));
      wrapped.refuse_all = 0;
      tn_udp_transport_get_counters (TN_UDP_TRANSPORT (pair.a.transport), &counters);
      g_assert_cmpuint (counters.lost, ==, (i + 1) * G_N_ELEMENTS (lens));
      g_assert_true (tn_udp_transport_is_segmenting (TN_UDP_TRANSPORT (pair.a.transport), 4));
      wrapped.fail_receive = numbers[i];
      exchange (&pair, 4, lens, G_N_ELEMENTS (lens));
    }
  pair_stop (&pair);
}

static void
test_nowhere (void)
{
  static const gsize lens[] = { 100, 100 };
  g_autoptr (TnPacketBatch) batch = udp_batch_new (lens, G_N_ELEMENTS (lens));
  Pair pair;

  pair_start (&pair, TRUE, TRUE);
  for (guint i = 0; i < 4; i++)
    {
      TnPathAddress to = udp_node_address (&pair.b, 4);

      to.udp.endpoint.port = i == 0 ? 0 : to.udp.endpoint.port;
      to.udp.vni = i == 1 ? 17 : TN_PATH_NO_VNI;
      to.udp.endpoint.address.version = i == 2 ? 0 : 4;
      to.kind = i == 3 ? TN_PATH_ADDRESS_RELAY : TN_PATH_ADDRESS_UDP;
      g_assert_cmpuint (udp_node_send (&pair.a, &to, batch, TN_SEND_NONE), ==, 2);
    }
  g_assert_cmpuint (wrapped.n_sends, ==, 0);
  exchange (&pair, 4, lens, G_N_ELEMENTS (lens));
  pair_stop (&pair);
}

/* --- Waiting --- */

static guint n_woken;

static int
counting_poll (GPollFD *fds,
               guint    n_fds,
               int      timeout)
{
  int n = g_poll (fds, n_fds, timeout);

  n_woken += n > 0 ? 1 : 0;
  return n;
}

/* One wait a datagram: the thread does not wake itself. */
static void
test_one_wait (void)
{
  static const gsize len = 148;
  Pair pair;

  pair_start (&pair, TRUE, TRUE);
  n_woken = 0;
  g_main_context_set_poll_func (NULL, counting_poll);
  for (guint i = 1; i <= 3; i++)
    {
      exchange (&pair, 4, &len, 1);
      while (g_main_context_iteration (NULL, FALSE))
        continue;
      g_assert_cmpuint (n_woken, ==, i);
    }
  g_main_context_set_poll_func (NULL, NULL);
  pair_stop (&pair);
}

/* --- Full --- */

static void
test_full (void)
{
  static const gsize lens[] = { 1312, 1312, 1312 }, urgent_lens[] = { 148, 149 }, all[] = { 148, 149, 1312, 1312, 1312 };
  g_autoptr (TnPacketBatch) batch = udp_batch_new (lens, G_N_ELEMENTS (lens));
  g_autoptr (TnPacketBatch) urgent = udp_batch_new (urgent_lens, G_N_ELEMENTS (urgent_lens));
  TnPathAddress to;
  Pair pair;

  pair_start (&pair, TRUE, TRUE);
  to = udp_node_address (&pair.b, 4);
  wrapped.refuse_all = EAGAIN;
  g_assert_cmpuint (udp_node_send (&pair.a, &to, batch, TN_SEND_NONE), ==, 0);
  g_assert_cmpuint (udp_node_send (&pair.a, &to, urgent, TN_SEND_URGENT), ==, 2);
  g_assert_cmpuint (udp_node_send (&pair.a, &to, batch, TN_SEND_NONE), ==, 0);
  wrapped.refuse_all = 0;
  g_assert_cmpuint (udp_node_send (&pair.a, &to, batch, TN_SEND_NONE), ==, 0);      /* not before the urgent ones */
  udp_node_wait_writable (&pair.a, 1);
  g_assert_cmpuint (pair.a.writable_version, ==, 4);
  g_assert_cmpuint (udp_node_send (&pair.a, &to, batch, TN_SEND_NONE), ==, 3);
  udp_node_wait (&pair.b, G_N_ELEMENTS (all));
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    g_assert_cmpuint (g_bytes_get_size (g_ptr_array_index (pair.b.received, i)), ==, all[i]);
  g_assert_cmpuint (pair.a.n_writable, ==, 1);
  pair_stop (&pair);
}

/* Only so many are held; the rest is the sender's. */
static void
test_full_of_urgent (void)
{
  gsize lens[N_MANY];
  TnPathAddress to;
  Pair pair;
  guint n;

  fill (lens, N_MANY, 148);
  pair_start (&pair, TRUE, TRUE);
  to = udp_node_address (&pair.b, 6);
  wrapped.refuse_all = EAGAIN;
  {
    g_autoptr (TnPacketBatch) batch = udp_batch_new (lens, N_MANY);

    n = udp_node_send (&pair.a, &to, batch, TN_SEND_URGENT);
  }
  g_assert_cmpuint (n, >, 0);
  g_assert_cmpuint (n, <, N_MANY);
  wrapped.refuse_all = 0;
  udp_node_wait_writable (&pair.a, 1);
  g_assert_cmpuint (pair.a.writable_version, ==, 6);
  udp_node_check (&pair.b, lens, n);
  pair_stop (&pair);
}

/* --- Ports --- */

static void
test_ports (void)
{
  static const gsize lens[] = { 100 };
  TnUnderlayTransportInterface *iface;
  guint16 port;
  Pair pair;

  pair_start (&pair, TRUE, TRUE);
  iface = TN_UNDERLAY_TRANSPORT_GET_IFACE (pair.a.transport);
  port = iface->get_port (pair.a.transport, 4);
  g_assert_cmpuint (port, !=, 0);
  g_assert_cmpuint (iface->get_port (pair.a.transport, 6), ==, port);

  /* Rebinding keeps it, and tells whoever waited that there is room. */
  wrapped.refuse_all = EAGAIN;
  {
    g_autoptr (TnPacketBatch) batch = udp_batch_new (lens, 1);
    TnPathAddress to = udp_node_address (&pair.b, 4);

    g_assert_cmpuint (udp_node_send (&pair.a, &to, batch, TN_SEND_NONE), ==, 0);
  }
  wrapped.refuse_all = 0;
  iface->rebind (pair.a.transport);
  g_assert_cmpuint (pair.a.n_writable, ==, 0);
  udp_node_wait_writable (&pair.a, 1);
  g_assert_cmpuint (iface->get_port (pair.a.transport, 4), ==, port);
  g_assert_cmpuint (iface->get_port (pair.a.transport, 6), ==, port);
  exchange (&pair, 4, lens, 1);
  exchange (&pair, 6, lens, 1);
  udp_node_stop (&pair.b);

  /* One that is taken is left to who has it. */
  g_test_expect_message ("tailnet-udp", G_LOG_LEVEL_MESSAGE, "*in use*");
  udp_node_start (&pair.b, port, TRUE, TRUE);
  g_test_assert_expected_messages ();
  g_assert_cmpuint (iface->get_port (pair.b.transport, 4), !=, port);
  g_assert_cmpuint (iface->get_port (pair.b.transport, 4), ==, iface->get_port (pair.b.transport, 6));
  exchange (&pair, 4, lens, 1);
  pair_stop (&pair);

  /* And one that is free is taken; a stop and another start keep it. */
  udp_node_start (&pair.a, port, TRUE, TRUE);
  g_assert_cmpuint (iface->get_port (pair.a.transport, 4), ==, port);
  udp_node_stop (&pair.a);
}

/* One family's is taken: the other one's is what others know. */
static void
test_port_of_one (void)
{
  TnUnderlayTransportInterface *iface;
  TnUdpSocket other;
  UdpNode node;
  guint16 port;

  wrapped = (Wrapped) { 0 };
  g_assert_cmpint (tn_udp_socket_open (&other, 6, 0, &(TnUdpOptions) { 0 }), ==, 0);
  port = other.port;
  g_test_expect_message ("tailnet-udp", G_LOG_LEVEL_MESSAGE, "*in use*");
  udp_node_start (&node, port, TRUE, TRUE);
  g_test_assert_expected_messages ();
  iface = TN_UNDERLAY_TRANSPORT_GET_IFACE (node.transport);
  g_assert_cmpuint (iface->get_port (node.transport, 4), ==, port);
  g_assert_cmpuint (iface->get_port (node.transport, 6), !=, port);
  g_assert_cmpuint (iface->get_port (node.transport, 6), !=, 0);
  tn_udp_socket_close (&other);
  udp_node_stop (&node);
}

/* No descriptors at the moment when the network is another one: they are there again some time. */
static void
test_exhausted (void)
{
  static const gsize lens[] = { 100 };
  TnUnderlayTransportInterface *iface;
  struct rlimit limit, none;
  guint16 port;
  Pair pair;

  pair_start (&pair, TRUE, TRUE);
  iface = TN_UNDERLAY_TRANSPORT_GET_IFACE (pair.a.transport);
  port = iface->get_port (pair.a.transport, 4);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  none = limit;
  none.rlim_cur = 0;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &none), ==, 0);
  g_test_expect_message ("tailnet-udp", G_LOG_LEVEL_MESSAGE, "no socket for UDP: Too many open files");
  iface->rebind (pair.a.transport);
  g_test_assert_expected_messages ();
  g_assert_cmpuint (iface->get_port (pair.a.transport, 4), ==, 0);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);

  udp_node_wait_bound (&pair.a);
  g_assert_cmpuint (iface->get_port (pair.a.transport, 4), ==, port);
  g_assert_cmpuint (iface->get_port (pair.a.transport, 6), ==, port);
  exchange (&pair, 4, lens, 1);
  exchange (&pair, 6, lens, 1);
  pair_stop (&pair);
}

static void
test_mark (void)
{
  static const gsize lens[] = { 100 };
  Pair pair;

  wrapped = (Wrapped) { .refuse_option = SO_MARK };
  udp_node_start (&pair.a, 0, TRUE, TRUE);
  g_assert_cmpint (wrapped.set_option, ==, 0x80000);
  udp_node_start (&pair.b, 0, TRUE, TRUE);
  exchange (&pair, 4, lens, 1);
  pair_stop (&pair);
}

static void
test_stop (void)
{
  static const gsize lens[] = { 100 };
  g_autoptr (TnPacketBatch) batch = udp_batch_new (lens, 1);
  TnPathAddress to;
  Pair pair;

  pair_start (&pair, TRUE, TRUE);
  to = udp_node_address (&pair.b, 4);
  udp_node_send (&pair.a, &to, batch, TN_SEND_NONE);
  TN_UNDERLAY_TRANSPORT_GET_IFACE (pair.b.transport)->stop (pair.b.transport);
  TN_UNDERLAY_TRANSPORT_GET_IFACE (pair.b.transport)->rebind (pair.b.transport);
  g_assert_cmpuint (udp_node_send (&pair.b, &to, batch, TN_SEND_NONE), ==, 1);      /* and drops it */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (pair.b.received->len, ==, 0);
  pair_stop (&pair);
}

/* --- Parts --- */

static void
test_train (void)
{
  static const struct { gsize lens[8]; guint n; guint n_packets; guint16 size; } cases[] = {
    { { 100 }, 1, 1, 0 },
    { { 100, 100 }, 2, 2, 100 },
    { { 100, 100, 50, 50 }, 4, 3, 100 },
    { { 100, 101 }, 2, 1, 0 },
    { { 100, 1 }, 2, 2, 100 },
    { { 100, 0, 100 }, 3, 1, 0 },
    { { 0, 0 }, 2, 1, 0 },
    { { 30000, 30000, 30000 }, 3, 2, 30000 },
    { { 65507, 1 }, 2, 1, 0 },
    { { 65506, 1, 1 }, 3, 2, 65506 },
  };
  gsize many[TN_PACKET_BATCH_MAX];
  TnUdpTrain train;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (TnPacketBatch) batch = udp_batch_new (cases[i].lens, cases[i].n);

      tn_udp_train_gather (&train, batch, 0, TN_UDP_SEGMENTS_MAX, TN_UDP_LEN_MAX4);
      g_assert_cmpuint (train.n_packets, ==, cases[i].n_packets);
      g_assert_cmpuint (train.segment_size, ==, cases[i].size);
      tn_udp_train_gather (&train, batch, 0, 1, TN_UDP_LEN_MAX4);
      g_assert_cmpuint (train.n_packets, ==, 1);
      g_assert_cmpuint (train.segment_size, ==, 0);
    }
  fill (many, G_N_ELEMENTS (many), 100);
  {
    g_autoptr (TnPacketBatch) batch = udp_batch_new (many, G_N_ELEMENTS (many));

    tn_udp_train_gather (&train, batch, 0, G_MAXUINT, TN_UDP_LEN_MAX4);
    g_assert_cmpuint (train.n_packets, ==, TN_UDP_SEGMENTS_MAX);
    tn_udp_train_gather (&train, batch, 127, G_MAXUINT, TN_UDP_LEN_MAX4);
    g_assert_cmpuint (train.n_packets, ==, 1);
  }
}

static void
test_address (void)
{
  static const char *const texts[] = { "192.0.2.1:41641", "[2001:db8::1]:1", "[fe80::1]:7" };
  TnPathAddress path, again;
  TnUdpAddress address;

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      socklen_t len;

      path = (TnPathAddress) { .kind = TN_PATH_ADDRESS_UDP, .udp = { .scope = i == 2 ? 5 : 0, .vni = TN_PATH_NO_VNI } };
      g_assert_true (tn_ip_endpoint_parse (texts[i], &path.udp.endpoint));
      len = tn_udp_address_from_path (&address, &path);
      g_assert_cmpuint (len, >, 0);
      g_assert_true (tn_udp_address_to_path (&address, len, &again));
      g_assert_true (tn_path_address_equal (&path, &again));
      g_assert_false (tn_udp_address_to_path (&address, len - 1, &again));
    }

  memset (&address, 0, sizeof address);
  address.in6.sin6_family = AF_INET6;
  address.in6.sin6_port = htons (9);
  g_assert_cmpint (inet_pton (AF_INET6, "::ffff:192.0.2.7", &address.in6.sin6_addr), ==, 1);
  g_assert_true (tn_udp_address_to_path (&address, sizeof address.in6, &path));
  g_assert_cmpuint (path.udp.endpoint.address.version, ==, 4);
  g_assert_cmpuint (path.udp.endpoint.address.bytes[3], ==, 7);
  address.any.sa_family = AF_UNIX;
  g_assert_false (tn_udp_address_to_path (&address, sizeof address, &path));
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  for (guint bits = 0; bits < 8; bits++)
    {
      g_autofree char *path = g_strdup_printf ("/udp/deliver/ipv%u/%s/%s", (bits & 1) != 0 ? 6 : 4, (bits & 2) != 0 ? "gso" : "single",
                                               (bits & 4) != 0 ? "gro" : "single");

      g_test_add_data_func (path, GUINT_TO_POINTER (bits), test_deliver);
    }
  g_test_add_func ("/udp/deliver/long", test_long);
  g_test_add_data_func ("/udp/refused/eio", GINT_TO_POINTER (EIO), test_refused_trains);
  g_test_add_data_func ("/udp/refused/einval", GINT_TO_POINTER (EINVAL), test_refused_trains);
  g_test_add_data_func ("/udp/refused/emsgsize", GINT_TO_POINTER (EMSGSIZE), test_refused_trains);
  g_test_add_func ("/udp/refused/all", test_refused_all);
  g_test_add_func ("/udp/refused/nowhere", test_nowhere);
  g_test_add_func ("/udp/waiting/one-wait", test_one_wait);
  g_test_add_func ("/udp/full/back-pressure", test_full);
  g_test_add_func ("/udp/full/urgent", test_full_of_urgent);
  g_test_add_func ("/udp/life/ports", test_ports);
  g_test_add_func ("/udp/life/port-of-one", test_port_of_one);
  g_test_add_func ("/udp/life/exhausted", test_exhausted);
  g_test_add_func ("/udp/life/mark", test_mark);
  g_test_add_func ("/udp/life/stop", test_stop);
  g_test_add_func ("/udp/parts/train", test_train);
  g_test_add_func ("/udp/parts/address", test_address);
  return g_test_run ();
}
