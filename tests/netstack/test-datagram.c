/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tn-checksum.h"
#include "tn-ip-header.h"
#include "tn-lwip-core.h"
#include "tn-parse.h"
#include "wire.h"

static gpointer
cancel_thread (gpointer data)
{
  g_cancellable_cancel (data);
  return NULL;
}

static GBytes *
pattern (gsize len)
{
  guint8 *data = g_malloc (len);

  for (gsize i = 0; i < len; i++)
    data[i] = (guint8) (i * 7 + len);
  return g_bytes_new_take (data, len);
}

static void
test_datagram_sizes (gconstpointer ip)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackDatagram) a = test_bind (&wire->hosts[0], "::", 0, NULL);
  g_autoptr (TnNetstackDatagram) b = test_bind (&wire->hosts[1], "0.0.0.0", 53, NULL);
  const gsize large[] = { 2000, 9000, 65000 };     /* in fragments */
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i <= 1400 + G_N_ELEMENTS (large) - 1; i++)
    {
      g_autoptr (GBytes) sent = pattern (i < 1400 ? i : large[i - 1400]);
      g_autoptr (GBytes) received = NULL;
      g_autoptr (GSocketAddress) from = NULL;

      test_send_to (a, ip, 53, sent, &error);
      g_assert_no_error (error);
      received = test_receive (b, NULL, &from, &error);
      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (sent, received));
      if (i % 100 != 0)
        continue;
      g_assert_true (TN_NETSTACK_DATAGRAM_GET_CLASS (b)->send_to (b, from, sent, &error));
      g_clear_pointer (&received, g_bytes_unref);
      received = test_receive (a, NULL, NULL, &error);
      g_assert_true (g_bytes_equal (sent, received));
    }
  {
    g_autoptr (GBytes) too_large = pattern (65536);

    g_assert_false (test_send_to (a, ip, 53, too_large, &error));
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE);
  }
  test_wire_free (wire);
}

static void
test_datagram_boundaries (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackDatagram) a = test_bind (&wire->hosts[0], "::", 0, NULL);
  g_autoptr (TnNetstackDatagram) b = test_bind (&wire->hosts[1], TEST_IP4_B, 53, NULL);
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < 100; i++)
    {
      g_autoptr (GBytes) bytes = pattern (i * 3);

      g_assert_true (test_send_to (a, TEST_IP4_B, 53, bytes, NULL));
    }
  for (gsize i = 0; i < 100; i++)
    {
      g_autoptr (GBytes) expected = pattern (i * 3);
      g_autoptr (GBytes) received = test_receive (b, NULL, NULL, &error);

      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (expected, received));
    }
  test_wire_free (wire);
}

static void
test_datagram_errors (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackDatagram) a = test_bind (&wire->hosts[0], TEST_IP4_A, 53, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GBytes) bytes = pattern (10);
  g_autoptr (GError) error = NULL;
  GThread *thread;

  g_assert_null (test_bind (&wire->hosts[0], "::", 53, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
  g_clear_error (&error);
  g_assert_false (test_send_to (a, TEST_IP6_B, 53, bytes, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_HOST_UNREACHABLE);
  g_clear_error (&error);
  test_wire_block (&wire->hosts[0], TEST_IP4_B, TRUE);
  g_assert_false (test_send_to (a, TEST_IP4_B, 53, bytes, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_clear_error (&error);
  test_wire_block (&wire->hosts[0], TEST_IP4_B, FALSE);
  g_assert_true (test_send_to (a, TEST_IP4_B, 53, bytes, NULL));
  thread = g_thread_new ("canceller", cancel_thread, cancellable);
  g_assert_null (test_receive (a, cancellable, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_thread_join (thread);
  TN_NETSTACK_DATAGRAM_GET_CLASS (a)->close (a);
  g_assert_false (test_send_to (a, TEST_IP4_B, 53, bytes, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  test_wire_free (wire);
}

/* --- Waiting for room --- */

static void
send_later (TnNetstackDatagram *datagram,
            const char         *ip,
            GBytes             *bytes,
            GCancellable       *cancellable,
            GAsyncResult      **result)
{
  g_autoptr (GInetSocketAddress) address = test_address (ip, 53);

  TN_NETSTACK_DATAGRAM_GET_CLASS (datagram)->send_to_async (datagram, G_SOCKET_ADDRESS (address), bytes, cancellable, test_result_cb,
                                                            result);
}

static gboolean
finish_send (TnNetstackDatagram  *datagram,
             GAsyncResult       **result,
             GError             **error)
{
  g_autoptr (GAsyncResult) done = NULL;

  test_wait (result);
  done = g_steal_pointer (result);
  return TN_NETSTACK_DATAGRAM_GET_CLASS (datagram)->send_to_finish (datagram, done, error);
}

/* Nobody has to ask again: a way that opens takes what waits for it, and others need not wait for one that is shut. */
static void
test_datagram_waits (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackDatagram) a = test_bind (&wire->hosts[0], "::", 0, NULL);
  g_autoptr (TnNetstackDatagram) b = test_bind (&wire->hosts[1], "0.0.0.0", 53, NULL);
  g_autoptr (GBytes) bytes = pattern (10), other = pattern (11);
  g_autoptr (GError) error = NULL;
  GAsyncResult *results[3] = { NULL };
  GAsyncResult *other_result = NULL;
  GBytes *received;

  test_wire_block (&wire->hosts[0], TEST_IP4_B, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    send_later (a, TEST_IP4_B, bytes, NULL, &results[i]);
  send_later (a, TEST_IP6_B, other, NULL, &other_result);
  g_assert_true (finish_send (a, &other_result, &error));
  g_assert_null (results[0]);
  received = test_receive (b, NULL, NULL, &error);
  g_assert_true (g_bytes_equal (received, other));
  g_bytes_unref (received);

  test_wire_block (&wire->hosts[0], TEST_IP4_B, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_assert_true (finish_send (a, &results[i], &error));
      g_assert_no_error (error);
      received = test_receive (b, NULL, NULL, &error);
      g_assert_true (g_bytes_equal (received, bytes));
      g_bytes_unref (received);
    }
  test_wire_free (wire);
}

typedef struct
{
  TnLwipJob job;
  GMutex    lock;
  GCond     changed;
  gboolean  holds;
  gboolean  released;
} Turn;

static void
hold_run (TnLwipJob *job)
{
  Turn *turn = (Turn *) job;

  g_mutex_lock (&turn->lock);
  turn->holds = TRUE;
  g_cond_signal (&turn->changed);
  while (!turn->released)
    g_cond_wait (&turn->changed, &turn->lock);
  turn->holds = FALSE;
  g_cond_signal (&turn->changed);
  g_mutex_unlock (&turn->lock);
}

static void
hold_turn (Turn *turn)
{
  turn->job.run = hold_run;
  g_mutex_init (&turn->lock);
  g_cond_init (&turn->changed);
  tn_lwip_core_post (&turn->job);
  g_mutex_lock (&turn->lock);
  while (!turn->holds)
    g_cond_wait (&turn->changed, &turn->lock);
  g_mutex_unlock (&turn->lock);
}

static void
release_turn (Turn *turn)
{
  g_mutex_lock (&turn->lock);
  turn->released = TRUE;
  g_cond_signal (&turn->changed);
  while (turn->holds)
    g_cond_wait (&turn->changed, &turn->lock);
  g_mutex_unlock (&turn->lock);
  g_cond_clear (&turn->changed);
  g_mutex_clear (&turn->lock);
}

/* The way is open again, and those that waited for it have not left yet: nobody leaves before them. */
static void
test_datagram_order (gconstpointer later_ip)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackDatagram) a = test_bind (&wire->hosts[0], "::", 0, NULL);
  g_autoptr (TnNetstackDatagram) b = test_bind (&wire->hosts[1], "0.0.0.0", 53, NULL);
  g_autoptr (GError) error = NULL;
  GAsyncResult *results[5] = { NULL };
  GBytes *sent[G_N_ELEMENTS (results)];
  Turn turn = { 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (sent); i++)
    sent[i] = pattern (i + 1);
  test_wire_block (&wire->hosts[0], TEST_IP4_B, TRUE);
  for (guint i = 0; i < 3; i++)
    send_later (a, TEST_IP4_B, sent[i], NULL, &results[i]);
  hold_turn (&turn);
  test_wire_block (&wire->hosts[0], TEST_IP4_B, FALSE);
  g_assert_false (test_send_to (a, later_ip, 53, sent[3], &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_clear_error (&error);
  for (guint i = 3; i < G_N_ELEMENTS (results); i++)
    send_later (a, later_ip, sent[i], NULL, &results[i]);
  release_turn (&turn);

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (GBytes) received = NULL;

      g_assert_true (finish_send (a, &results[i], &error));
      received = test_receive (b, NULL, NULL, &error);
      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (received, sent[i]));
      g_bytes_unref (sent[i]);
    }
  test_wire_free (wire);
}

static GBytes *
numbered (guint32 number,
          gsize   len)
{
  guint8 *data = g_malloc0 (len);

  memcpy (data, &number, sizeof number);
  return g_bytes_new_take (data, len);
}

/* More than there is room for, and then as soon as there is some: they arrive in the order in which they were given, and none is lost, be
 * it in fragments. All of them are less than a receiver holds. */
static void
test_datagram_order_of_many (gconstpointer data)
{
  gsize len = GPOINTER_TO_SIZE (data);
  guint n = (guint) (700000 / len), n_waiting = n * 9 / 10;
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackDatagram) a = test_bind (&wire->hosts[0], "::", 0, NULL);
  g_autoptr (TnNetstackDatagram) b = test_bind (&wire->hosts[1], "0.0.0.0", 53, NULL);
  g_autofree GAsyncResult **results = g_new0 (GAsyncResult *, n);
  g_autoptr (GError) error = NULL;
  Turn turn = { 0 };

  hold_turn (&turn);
  for (guint i = 0; i < n_waiting; i++)
    {
      g_autoptr (GBytes) bytes = numbered (i, len);

      if (i == n / 2)
        release_turn (&turn);
      send_later (a, TEST_IP4_B, bytes, NULL, &results[i]);
    }
  for (guint i = n_waiting; i < n; i++)
    {
      g_autoptr (GBytes) bytes = numbered (i, len);

      while (!test_send_to (a, TEST_IP4_B, 53, bytes, &error))
        {
          g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
          g_clear_error (&error);
          g_main_context_iteration (NULL, FALSE);
        }
    }
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GBytes) received = test_receive (b, NULL, NULL, &error);
      guint32 number;

      g_assert_no_error (error);
      memcpy (&number, g_bytes_get_data (received, NULL), sizeof number);
      g_assert_cmpuint (number, ==, i);
      g_assert_cmpuint (g_bytes_get_size (received), ==, len);
    }
  for (guint i = 0; i < n_waiting; i++)
    g_assert_true (finish_send (a, &results[i], &error));
  test_wire_free (wire);
}

static void
test_datagram_wait_ends (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackDatagram) a = test_bind (&wire->hosts[0], "::", 0, NULL);
  g_autoptr (TnNetstackDatagram) b = test_bind (&wire->hosts[1], "0.0.0.0", 53, NULL);
  g_autoptr (TnNetstackDatagram) c = test_bind (&wire->hosts[0], "::", 0, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GBytes) bytes = pattern (10), other = pattern (11);
  g_autoptr (GBytes) received = NULL;
  GError *error = NULL;
  GAsyncResult *results[3] = { NULL };

  test_wire_block (&wire->hosts[0], TEST_IP4_B, TRUE);
  send_later (a, TEST_IP4_B, bytes, cancellable, &results[0]);
  g_cancellable_cancel (cancellable);
  g_assert_false (finish_send (a, &results[0], &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);

  send_later (a, TEST_IP4_B, bytes, NULL, &results[1]);
  TN_NETSTACK_DATAGRAM_GET_CLASS (a)->close (a);
  g_assert_false (finish_send (a, &results[1], &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);

  /* None of them was sent. */
  test_wire_block (&wire->hosts[0], TEST_IP4_B, FALSE);
  g_assert_true (test_send_to (c, TEST_IP4_B, 53, other, &error));
  received = test_receive (b, NULL, NULL, &error);
  g_assert_true (g_bytes_equal (received, other));

  test_wire_block (&wire->hosts[0], TEST_IP4_B, TRUE);
  send_later (c, TEST_IP4_B, bytes, NULL, &results[2]);
  test_wire_stop (wire);
  g_assert_false (finish_send (c, &results[2], &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);
  test_wire_free (wire);
}

/* As fast as they can go, and none is lost on this side, however many there are. */
static void
test_datagram_flood (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackDatagram) a = test_bind (&wire->hosts[0], "::", 0, NULL);
  g_autoptr (GBytes) bytes = pattern (1000);
  g_autofree GAsyncResult **results = g_new0 (GAsyncResult *, 2000);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 2000; i++)
    send_later (a, TEST_IP4_B, bytes, NULL, &results[i]);
  for (guint i = 0; i < 2000; i++)
    g_assert_true (finish_send (a, &results[i], &error));
  test_wire_free (wire);
}

/* --- Fragments --- */

enum { FRAGMENTED_LEN = 88, SPLIT_AT = 80 };

/* Part of @datagram as a fragment that says it belongs to a packet of protocol @next. */
static void
inject_fragment (TestHost     *to,
                 guint8        next,
                 const guint8  datagram[FRAGMENTED_LEN],
                 guint         first,
                 guint         len)
{
  guint8 packet[200];
  TnIpAddress src, dst;
  gsize header;
  guint8 *fragment;

  g_assert_true (tn_ip_address_parse (TEST_IP6_A, &src));
  g_assert_true (tn_ip_address_parse (TEST_IP6_B, &dst));
  header = tn_ip_header_write (packet, sizeof packet, &src, &dst, 44, 7, len + 8);
  fragment = packet + header;
  memset (fragment, 0, 8);
  fragment[0] = next;
  fragment[3] = (guint8) (first | (first + len < FRAGMENTED_LEN ? 1 : 0));      /* a multiple of eight, and below 256 */
  fragment[7] = 1;
  memcpy (fragment + 8, datagram + first, len);
  test_wire_inject (to, packet, header + 8 + len);
}

/* The packet filter judges the first fragment, by what that says of itself; so nothing else may come of it. Here it says that it is an echo
 * reply, which may always come in, and a fragment before it that the whole is a datagram. RFC 8200, section 4.5. */
static void
test_datagram_fragment_header (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackDatagram) a = test_bind (&wire->hosts[0], "::", 0, NULL);
  g_autoptr (TnNetstackDatagram) b = test_bind (&wire->hosts[1], "::", 53, NULL);
  g_autoptr (GBytes) honest = pattern (10);
  g_autoptr (GBytes) received = NULL;
  g_autoptr (GError) error = NULL;
  guint8 datagram[FRAGMENTED_LEN] = { 129, 0, 0, 53, 0, FRAGMENTED_LEN };
  TnIpAddress src, dst;
  guint16 checksum;

  g_assert_true (tn_ip_address_parse (TEST_IP6_A, &src));
  g_assert_true (tn_ip_address_parse (TEST_IP6_B, &dst));
  checksum = tn_checksum_finish (tn_checksum_add (tn_checksum_add (tn_checksum_add (FRAGMENTED_LEN + TN_PROTO_UDP, src.bytes, 16),
                                                                   dst.bytes, 16), datagram, sizeof datagram));
  datagram[6] = (guint8) (checksum >> 8);
  datagram[7] = (guint8) checksum;

  inject_fragment (&wire->hosts[1], TN_PROTO_UDP, datagram, SPLIT_AT, FRAGMENTED_LEN - SPLIT_AT);
  inject_fragment (&wire->hosts[1], TN_PROTO_ICMP6, datagram, 0, SPLIT_AT);
  test_send_to (a, TEST_IP6_B, 53, honest, &error);
  g_assert_no_error (error);
  received = test_receive (b, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (honest, received));

  /* As an honest sender has it, and out of order, it comes through. */
  g_clear_pointer (&received, g_bytes_unref);
  inject_fragment (&wire->hosts[1], TN_PROTO_UDP, datagram, SPLIT_AT, FRAGMENTED_LEN - SPLIT_AT);
  inject_fragment (&wire->hosts[1], TN_PROTO_UDP, datagram, 0, SPLIT_AT);
  received = test_receive (b, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (received), ==, FRAGMENTED_LEN - 8);
  test_wire_free (wire);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/netstack/datagram/sizes-ip4", TEST_IP4_B, test_datagram_sizes);
  g_test_add_data_func ("/netstack/datagram/sizes-ip6", TEST_IP6_B, test_datagram_sizes);
  g_test_add_func ("/netstack/datagram/boundaries", test_datagram_boundaries);
  g_test_add_func ("/netstack/datagram/errors", test_datagram_errors);
  g_test_add_func ("/netstack/datagram/waits", test_datagram_waits);
  g_test_add_data_func ("/netstack/datagram/order", TEST_IP4_B, test_datagram_order);
  g_test_add_data_func ("/netstack/datagram/order-other-way", TEST_IP6_B, test_datagram_order);
  g_test_add_data_func ("/netstack/datagram/order-of-many", GSIZE_TO_POINTER (1000), test_datagram_order_of_many);
  g_test_add_data_func ("/netstack/datagram/order-of-fragmented", GSIZE_TO_POINTER (9000), test_datagram_order_of_many);
  g_test_add_func ("/netstack/datagram/wait-ends", test_datagram_wait_ends);
  g_test_add_func ("/netstack/datagram/flood", test_datagram_flood);
  g_test_add_func ("/netstack/datagram/fragment-header", test_datagram_fragment_header);
  return g_test_run ();
}
