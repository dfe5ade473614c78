/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-error.h"
#include "tn-lwip-core.h"
#include "wire.h"

static gpointer
cancel_thread (gpointer data)
{
  g_cancellable_cancel (data);
  return NULL;
}

/* --- Connecting and accepting --- */

static void
test_refused (gconstpointer ip)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (GError) error = NULL;

  g_assert_null (test_connect (&wire->hosts[0], ip, 81, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
  g_assert_nonnull (strstr (error->message, ip));
  test_wire_free (wire);
}

static gboolean
drop_all (TestHost     *from,
          const guint8 *packet,
          gsize         len,
          gpointer      user_data)
{
  g_atomic_int_inc ((int *) user_data);
  return TRUE;
}

static void
test_connect_cancelled (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GInetSocketAddress) address = test_address (TEST_IP4_B, 80);
  g_autoptr (GError) error = NULL;
  g_autoptr (GThread) thread = NULL;
  int dropped = 0;

  test_wire_set_drop (wire, drop_all, &dropped);
  TN_NETSTACK_GET_IFACE (wire->hosts[0].stack)->connect_async (wire->hosts[0].stack, address, cancellable, test_result_cb, &result);
  while (g_atomic_int_get (&dropped) == 0)     /* the first packet is out */
    g_thread_yield ();
  thread = g_thread_new ("canceller", cancel_thread, cancellable);
  test_wait (&result);
  g_assert_null (TN_NETSTACK_GET_IFACE (wire->hosts[0].stack)->connect_finish (wire->hosts[0].stack, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (g_steal_pointer (&thread));
  g_clear_error (&error);
  g_assert_null (test_connect (&wire->hosts[0], TEST_IP4_B, 80, cancellable, &error));     /* before it starts */
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_wire_free (wire);
}

static gboolean
copy_syn (TestHost     *from,
          const guint8 *packet,
          gsize         len,
          gpointer      user_data)
{
  guint8 *syn = user_data;

  if (syn[0] == 0)
    memcpy (syn + 1, packet, 28);
  g_atomic_int_set ((int *) (void *) (syn + 32), 1);
  return TRUE;
}

static guint16
checksum (const guint8 *data,
          gsize         len)
{
  guint32 sum = 0;

  for (gsize i = 0; i < len; i += 2)
    sum += (guint32) (data[i] << 8 | (i + 1 < len ? data[i + 1] : 0));
  while (sum > 0xffff)
    sum = (sum & 0xffff) + (sum >> 16);
  return (guint16) ~sum;
}

/* An ICMP message that quotes the SYN ends the attempt. */
static void
test_unreachable (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GInetSocketAddress) address = test_address (TEST_IP4_B, 80);
  g_autoptr (GError) error = NULL;
  _Alignas (8) guint8 syn[40] = { 0 };
  guint8 packet[56] = { 0x45, 0, 0, 56, 0, 0, 0, 0, 64, 1, 0, 0, 100, 64, 0, 9, 100, 64, 0, 1, 3, 1 };
  guint16 sum;

  test_wire_set_drop (wire, copy_syn, syn);
  TN_NETSTACK_GET_IFACE (wire->hosts[0].stack)->connect_async (wire->hosts[0].stack, address, NULL, test_result_cb, &result);
  while (g_atomic_int_get ((int *) (void *) (syn + 32)) == 0)
    g_thread_yield ();
  test_wire_set_drop (wire, NULL, NULL);
  memcpy (packet + 28, syn + 1, 28);
  sum = checksum (packet, 20);
  packet[10] = (guint8) (sum >> 8);
  packet[11] = (guint8) sum;
  sum = checksum (packet + 20, 36);
  packet[22] = (guint8) (sum >> 8);
  packet[23] = (guint8) sum;
  for (gsize len = 0; len < sizeof packet; len++)     /* none of its prefixes does */
    {
      g_autofree guint8 *prefix = g_memdup2 (packet, len);

      test_wire_inject (&wire->hosts[0], prefix, len);
    }
  test_wire_inject (&wire->hosts[0], packet, sizeof packet);
  test_wait (&result);
  g_assert_null (TN_NETSTACK_GET_IFACE (wire->hosts[0].stack)->connect_finish (wire->hosts[0].stack, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_HOST_UNREACHABLE);
  test_wire_free (wire);
}

typedef struct
{
  TnNetstack  *stack;
  TnIpEndpoint local;
  TnIpEndpoint remote;
  const char  *reason;
} Reject;

static void
reject (gpointer data)
{
  Reject *call = data;

  TN_NETSTACK_GET_IFACE (call->stack)->rejected (call->stack, &call->local, &call->remote, call->reason);
}

static TnIpEndpoint
endpoint_of (GSocketAddress *address)
{
  g_autoptr (GSocketAddress) owned = address;
  GInetSocketAddress *inet = G_INET_SOCKET_ADDRESS (owned);

  return (TnIpEndpoint) { tn_ip_address_from_inet (g_inet_socket_address_get_address (inet)), g_inet_socket_address_get_port (inet) };
}

/* Of the flows that a peer may name only the very one that is being made ends. */
static void
test_rejected (void)
{
  TestWire *wire = test_wire_new (1280);
  TestHost *host = &wire->hosts[0];
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GInetSocketAddress) address = test_address (TEST_IP4_B, 80);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  g_autoptr (GError) error = NULL;
  _Alignas (8) guint8 syn[40] = { 0 };
  Reject call = { .stack = host->stack, .reason = "another flow" };
  char buffer[2];

  test_pair (wire, FALSE, &client, &server);
  call.local = endpoint_of (TN_NETSTACK_STREAM_GET_CLASS (client)->dup_local_address (client));
  call.remote = endpoint_of (TN_NETSTACK_STREAM_GET_CLASS (client)->dup_remote_address (client));
  test_wire_call (wire, reject, &call);

  test_wire_set_drop (wire, copy_syn, syn);
  TN_NETSTACK_GET_IFACE (host->stack)->connect_async (host->stack, address, NULL, test_result_cb, &result);
  while (g_atomic_int_get ((int *) (void *) (syn + 32)) == 0)
    g_thread_yield ();
  test_wire_set_drop (wire, NULL, NULL);
  call.local.port = (guint16) (syn[21] << 8 | syn[22]);
  call.remote.port = 81;
  test_wire_call (wire, reject, &call);
  test_wire_call (wire, reject, &(Reject) { host->stack, call.remote, call.local, call.reason });
  call.remote.port = 80;
  call.reason = "its policy";
  test_wire_call (wire, reject, &call);
  test_wait (&result);
  g_assert_null (TN_NETSTACK_GET_IFACE (host->stack)->connect_finish (host->stack, result, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_BLOCKED);
  g_assert_nonnull (strstr (error->message, TEST_IP4_B ":80: the peer refuses, as its policy"));
  g_clear_error (&error);

  g_assert_true (g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (client)), "hi", 2, NULL, NULL, &error));
  g_assert_true (g_input_stream_read_all (g_io_stream_get_input_stream (G_IO_STREAM (server)), buffer, 2, NULL, NULL, &error));
  g_assert_cmpmem (buffer, 2, "hi", 2);
  test_wire_free (wire);
}

static void
test_listen_errors (void)
{
  TestWire *wire = test_wire_new (1280);
  TestHost *host = &wire->hosts[0];
  g_autoptr (TnNetstackListener) first = NULL;
  g_autoptr (TnNetstackListener) other_host = NULL;
  g_autoptr (TnNetstackListener) again = NULL;
  g_autoptr (GError) error = NULL;

  first = test_listen (host, TEST_IP4_A, 80, 0, &error);
  g_assert_no_error (error);
  g_assert_null (test_listen (host, TEST_IP4_A, 80, 0, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
  g_assert_nonnull (strstr (error->message, TEST_IP4_A ":80"));
  g_clear_error (&error);
  g_assert_null (test_listen (host, "1.2.3.4", 80, 0, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_NO_ROUTE);
  g_clear_error (&error);
  g_assert_null (test_bind (host, "1.2.3.4", 80, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_NO_ROUTE);
  g_clear_error (&error);
  other_host = test_listen (&wire->hosts[1], "0.0.0.0", 80, 0, &error);     /* a port of its own */
  g_assert_no_error (error);
  TN_NETSTACK_LISTENER_GET_CLASS (first)->close (first);
  g_assert_null (test_accept (first, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);
  again = test_listen (host, TEST_IP4_A, 80, 0, &error);
  g_assert_no_error (error);
  test_wire_free (wire);
}

/* Cancelled before its turn, and after it but before the caller knew: the port is free in either case. */
static void
test_listen_cancelled (void)
{
  TestWire *wire = test_wire_new (1280);
  TestHost *host = &wire->hosts[0];
  g_autoptr (GInetSocketAddress) address = test_address ("0.0.0.0", 80);

  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (GMainContext) context = g_main_context_new ();
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      GAsyncResult *results[2] = { NULL };
      g_autoptr (TnNetstackListener) listener = NULL;
      g_autoptr (TnNetstackDatagram) datagram = NULL;
      GError *errors[2] = { NULL };

      TN_NETSTACK_GET_IFACE (host->stack)->listen_async (host->stack, address, 0, cancellable, test_result_cb, &results[0]);
      TN_NETSTACK_GET_IFACE (host->stack)->bind_datagram_async (host->stack, address, cancellable, test_result_cb, &results[1]);
      if (i % 2 == 1)
        {
          /* Another's turn comes behind theirs. */
          g_main_context_push_thread_default (context);
          g_object_unref (test_listen (host, "0.0.0.0", 81, 0, NULL));
          g_main_context_pop_thread_default (context);
        }
      g_cancellable_cancel (cancellable);
      test_wait (&results[0]);
      test_wait (&results[1]);
      g_assert_null (TN_NETSTACK_GET_IFACE (host->stack)->listen_finish (host->stack, results[0], &errors[0]));
      g_assert_null (TN_NETSTACK_GET_IFACE (host->stack)->bind_datagram_finish (host->stack, results[1], &errors[1]));
      for (guint j = 0; j < 2; j++)
        {
          g_assert_error (errors[j], G_IO_ERROR, G_IO_ERROR_CANCELLED);
          g_clear_error (&errors[j]);
          g_clear_object (&results[j]);
        }
      listener = test_listen (host, "0.0.0.0", 80, 0, &errors[0]);
      g_assert_no_error (errors[0]);
      datagram = test_bind (host, "0.0.0.0", 80, &errors[0]);
      g_assert_no_error (errors[0]);
    }
  test_wire_free (wire);
}

static void
test_accept_cancelled (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackListener) listener = test_listen (&wire->hosts[0], "::", 0, 0, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  GThread *thread = g_thread_new ("canceller", cancel_thread, cancellable);

  g_assert_null (test_accept (listener, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (thread);
  test_wire_free (wire);
}

static void
test_not_accepted_is_reset (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackListener) listener = test_listen (&wire->hosts[1], "::", 0, 0, NULL);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (GError) error = NULL;
  guint8 byte;

  client = test_connect (&wire->hosts[0], TEST_IP6_B, test_port_of (listener), NULL, &error);
  g_assert_no_error (error);
  g_clear_object (&listener);
  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (client)), &byte, 1, NULL, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
  test_wire_free (wire);
}

static void
test_many (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackListener) listener = test_listen (&wire->hosts[1], "::", 0, 0, NULL);
  guint16 port = test_port_of (listener);

  for (guint i = 0; i < 3000; i++)
    {
      g_autoptr (TnNetstackStream) client = test_connect (&wire->hosts[0], TEST_IP4_B, port, NULL, NULL);
      g_autoptr (TnNetstackStream) server = test_accept (listener, NULL, NULL);

      g_assert_nonnull (client);
      g_assert_nonnull (server);
    }
  test_wire_free (wire);
}

/* --- Ping --- */

static void
test_ping_answered (gconstpointer ip)
{
  TestWire *wire = test_wire_new (1280);
  const guint sizes[] = { 0, 8, 56, 1200, 4000 };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_assert_cmpint (test_ping (&wire->hosts[0], ip, sizes[i], NULL, &error), >, 0);
      g_assert_no_error (error);
    }
  test_wire_free (wire);
}

static void
test_ping_cancelled (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  int dropped = 0;
  GThread *thread;

  test_wire_set_drop (wire, drop_all, &dropped);
  thread = g_thread_new ("canceller", cancel_thread, cancellable);
  g_assert_cmpint (test_ping (&wire->hosts[0], TEST_IP4_B, 8, cancellable, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (thread);
  test_wire_free (wire);
}

/* --- Several stacks --- */

/* Two tailnets in which the same addresses mean others. */
static void
test_same_address (void)
{
  TestWire *wires[2] = { test_wire_new (1280), test_wire_new (1280) };
  TnNetstackListener *listeners[2];
  TnNetstackStream *clients[2], *servers[2];
  TnNetstackDatagram *datagrams[2][2];

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GError) error = NULL;

      listeners[i] = test_listen (&wires[i]->hosts[1], "::", 80, 0, &error);
      g_assert_no_error (error);
      datagrams[i][0] = test_bind (&wires[i]->hosts[0], "::", 53, &error);
      datagrams[i][1] = test_bind (&wires[i]->hosts[1], "::", 53, &error);
      g_assert_no_error (error);
    }
  for (guint i = 0; i < 2; i++)
    {
      const char *text = i == 0 ? "first" : "other";
      g_autoptr (GBytes) bytes = g_bytes_new_static (text, 5);
      g_autoptr (GBytes) received = NULL;
      char buffer[5];

      clients[i] = test_connect (&wires[i]->hosts[0], TEST_IP4_B, 80, NULL, NULL);
      servers[i] = test_accept (listeners[i], NULL, NULL);
      g_assert_true (g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (clients[i])), text, 5, NULL, NULL, NULL));
      g_assert_true (g_input_stream_read_all (g_io_stream_get_input_stream (G_IO_STREAM (servers[i])), buffer, 5, NULL, NULL, NULL));
      g_assert_cmpmem (buffer, 5, text, 5);
      g_assert_true (test_send_to (datagrams[i][0], TEST_IP6_B, 53, bytes, NULL));
      received = test_receive (datagrams[i][1], NULL, NULL, NULL);
      g_assert_true (g_bytes_equal (bytes, received));
      g_assert_cmpint (test_ping (&wires[i]->hosts[0], TEST_IP4_B, 8, NULL, NULL), >, 0);
    }

  /* One of them goes: the connection with the same addresses of the other does not notice. */
  test_wire_stop (wires[0]);
  {
    char byte = 'x';

    g_assert_true (g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (servers[1])), &byte, 1, NULL, NULL, NULL));
    byte = 0;
    g_assert_true (g_input_stream_read_all (g_io_stream_get_input_stream (G_IO_STREAM (clients[1])), &byte, 1, NULL, NULL, NULL));
    g_assert_cmpint (byte, ==, 'x');
  }
  for (guint i = 0; i < 2; i++)
    {
      g_object_unref (clients[i]);
      g_object_unref (servers[i]);
      g_object_unref (listeners[i]);
      g_object_unref (datagrams[i][0]);
      g_object_unref (datagrams[i][1]);
      test_wire_free (wires[i]);
    }
}

static void
test_to_itself (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackListener) listener = test_listen (&wire->hosts[0], "::", 80, 0, NULL);
  g_autoptr (TnNetstackStream) client = test_connect (&wire->hosts[0], TEST_IP4_A, 80, NULL, NULL);
  g_autoptr (TnNetstackStream) server = test_accept (listener, NULL, NULL);
  char byte = 'x';

  g_assert_nonnull (client);
  g_assert_true (g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (client)), &byte, 1, NULL, NULL, NULL));
  byte = 0;
  g_assert_true (g_input_stream_read_all (g_io_stream_get_input_stream (G_IO_STREAM (server)), &byte, 1, NULL, NULL, NULL));
  g_assert_cmpint (byte, ==, 'x');
  g_assert_cmpint (test_ping (&wire->hosts[0], TEST_IP6_A, 8, NULL, NULL), >, 0);
  test_wire_free (wire);
}

static void
test_address_taken_away (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  g_autoptr (GError) error = NULL;
  guint8 byte;

  test_pair (wire, FALSE, &client, &server);
  test_wire_configure (&wire->hosts[0], "100.64.0.9", TEST_IP6_A);
  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (client)), &byte, 1, NULL, &error), ==, -1);
  g_assert_nonnull (error);
  g_assert_cmpint (test_ping (&wire->hosts[1], "100.64.0.9", 8, NULL, NULL), >, 0);
  test_wire_free (wire);
}

static void
configure_many (gpointer data)
{
  TnRouter *router = TN_ROUTER (((TestHost *) data)->stack);
  TnIpPrefix prefixes[40] = { 0 };
  TnRouterConfig config = { .addresses = prefixes, .n_addresses = G_N_ELEMENTS (prefixes) };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (prefixes); i++)
    {
      g_autofree char *text = g_strdup_printf (i % 2 == 0 ? "100.64.9.%u" : "fd00::%u", i);

      g_assert_true (tn_ip_address_parse (text, &prefixes[i].address));
      prefixes[i].bits = i % 2 == 0 ? 32 : 128;
    }
  g_assert_true (TN_ROUTER_GET_IFACE (router)->configure (router, &config, &error));
  g_assert_no_error (error);
}

/* More than the stack can have: the first ones count, and nothing ends. */
static void
test_too_many_addresses (void)
{
  TestWire *wire = test_wire_new (1280);

  test_wire_call (wire, configure_many, &wire->hosts[0]);
  g_assert_cmpint (test_ping (&wire->hosts[1], "100.64.9.0", 8, NULL, NULL), >, 0);
  g_assert_cmpint (test_ping (&wire->hosts[1], "fd00::1", 8, NULL, NULL), >, 0);
  test_wire_free (wire);
}

static void
test_start_stop (void)
{
  for (guint i = 0; i < 1000; i++)
    test_wire_free (test_wire_new (1280));
  while (tn_lwip_core_is_running ())     /* it ends by itself */
    g_thread_yield ();
}

/* Packets of any bytes: counted, and nothing else. */
static void
test_garbage (void)
{
  TestWire *wire = test_wire_new (1280);
  GRand *rand = g_rand_new_with_seed (11);
  const guint8 to_a[2][16] = { { 100, 64, 0, 1 }, { 0xfd, 0x7a, 0x11, 0x5c, 0xa1, 0xe0, [15] = 1 } };

  for (guint i = 0; i < 20000; i++)
    {
      gsize len = (gsize) g_rand_int_range (rand, 0, 200);
      g_autofree guint8 *packet = g_malloc (len);
      gboolean ip6 = g_rand_boolean (rand);

      for (gsize j = 0; j < len; j++)
        packet[j] = (guint8) g_rand_int (rand);
      if (len >= 40)
        {
          packet[0] = ip6 ? 0x60 : 0x45;
          memcpy (packet + (ip6 ? 24 : 16), to_a[ip6], ip6 ? 16 : 4);
          packet[ip6 ? 4 : 2] = 0;
          packet[ip6 ? 5 : 3] = (guint8) (ip6 ? len - 40 : len);
          if (i % 2 == 0)
            packet[ip6 ? 6 : 9] = (guint8[]) { 6, 17, ip6 ? 58 : 1, ip6 ? 44 : 1, 0, 60, 43 }[i / 2 % 7];
          if (!ip6)
            {
              guint16 sum;

              if (i % 3 != 0)
                packet[6] = packet[7] = 0;
              packet[10] = packet[11] = 0;
              sum = checksum (packet, 20);
              packet[10] = (guint8) (sum >> 8);
              packet[11] = (guint8) sum;
            }
        }
      test_wire_inject (&wire->hosts[0], packet, len);
    }
  g_assert_cmpint (test_ping (&wire->hosts[0], TEST_IP4_B, 8, NULL, NULL), >, 0);
  g_rand_free (rand);
  test_wire_free (wire);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/netstack/connect/refused-ip4", TEST_IP4_B, test_refused);
  g_test_add_data_func ("/netstack/connect/refused-ip6", TEST_IP6_B, test_refused);
  g_test_add_func ("/netstack/connect/cancelled", test_connect_cancelled);
  g_test_add_func ("/netstack/connect/unreachable", test_unreachable);
  g_test_add_func ("/netstack/connect/rejected", test_rejected);
  g_test_add_func ("/netstack/connect/many", test_many);
  g_test_add_func ("/netstack/listener/errors", test_listen_errors);
  g_test_add_func ("/netstack/listener/cancelled", test_listen_cancelled);
  g_test_add_func ("/netstack/listener/accept-cancelled", test_accept_cancelled);
  g_test_add_func ("/netstack/listener/not-accepted-is-reset", test_not_accepted_is_reset);
  g_test_add_data_func ("/netstack/ping/answered-ip4", TEST_IP4_B, test_ping_answered);
  g_test_add_data_func ("/netstack/ping/answered-ip6", TEST_IP6_B, test_ping_answered);
  g_test_add_func ("/netstack/ping/cancelled", test_ping_cancelled);
  g_test_add_func ("/netstack/stacks/same-address", test_same_address);
  g_test_add_func ("/netstack/stacks/to-itself", test_to_itself);
  g_test_add_func ("/netstack/stacks/address-taken-away", test_address_taken_away);
  g_test_add_func ("/netstack/stacks/too-many-addresses", test_too_many_addresses);
  g_test_add_func ("/netstack/stacks/start-stop", test_start_stop);
  g_test_add_func ("/netstack/stacks/garbage", test_garbage);
  return g_test_run ();
}
