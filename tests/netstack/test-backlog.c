/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-checksum.h"
#include "tn-ip-header.h"
#include "tn-parse.h"
#include "wire.h"

/* Who gets a place in the backlog of a listener. */

#define STRANGER "100.64.1.1"     /* nobody is there: what is sent to it gets lost */

/* Three fit: the fourth is not answered until one was accepted. */
static void
test_backlog (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackListener) listener = test_listen (&wire->hosts[1], "::", 0, 3, NULL);
  g_autoptr (GInetSocketAddress) address = test_address (TEST_IP4_B, test_port_of (listener));
  TnNetstackStream *clients[4], *servers[4];
  g_autoptr (GAsyncResult) last = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 3; i++)
    {
      clients[i] = test_connect (&wire->hosts[0], TEST_IP4_B, test_port_of (listener), NULL, &error);
      g_assert_no_error (error);
    }
  TN_NETSTACK_GET_IFACE (wire->hosts[0].stack)->connect_async (wire->hosts[0].stack, address, NULL, test_result_cb, &last);
  g_assert_cmpint (test_ping (&wire->hosts[0], TEST_IP4_B, 8, NULL, &error), >, 0);     /* behind its SYN */
  g_assert_null (last);
  for (guint i = 0; i < 4; i++)
    {
      servers[i] = test_accept (listener, NULL, &error);
      g_assert_no_error (error);
    }
  test_wait (&last);
  clients[3] = TN_NETSTACK_GET_IFACE (wire->hosts[0].stack)->connect_finish (wire->hosts[0].stack, last, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 4; i++)
    {
      g_object_unref (clients[i]);
      g_object_unref (servers[i]);
    }
  test_wire_free (wire);
}

/* --- Reset before they were accepted --- */

typedef struct
{
  TestHost *from;
  guint8    packet[128];
  gsize     len;
} LastAck;

/* TCP over IPv4 without options of IP: a bare ACK. */
static gboolean
keep_ack (TestHost     *from,
          const guint8 *packet,
          gsize         len,
          gpointer      user_data)
{
  LastAck *last = user_data;

  if (from == last->from && len >= 40 && len <= sizeof last->packet && packet[0] == 0x45 && packet[9] == 6 && packet[33] == 0x10)
    {
      memcpy (last->packet, packet, len);
      last->len = len;
    }
  return FALSE;
}

/* The ACK becomes RST and ACK; its checksum follows (RFC 1624). */
static void
make_reset (LastAck *last)
{
  guint32 sum = (guint32) (last->packet[36] << 8 | last->packet[37]);

  sum += 0xffff - 0x04;
  sum = (sum & 0xffff) + (sum >> 16);
  last->packet[33] = 0x14;
  last->packet[36] = (guint8) (sum >> 8);
  last->packet[37] = (guint8) sum;
}

static void
assert_joined (TnNetstackStream *client,
               TnNetstackStream *server)
{
  g_autoptr (GError) error = NULL;
  guint8 byte = 'x';

  g_output_stream_write (g_io_stream_get_output_stream (G_IO_STREAM (client)), &byte, 1, NULL, &error);
  g_assert_no_error (error);
  byte = 0;
  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (server)), &byte, 1, NULL, &error), ==, 1);
  g_assert_no_error (error);
  g_assert_cmpint (byte, ==, 'x');
}

/* All of them wait at once, and the first to be accepted is the first that lives. */
static void
assert_room_for (TestWire           *wire,
                 TnNetstackListener *listener,
                 guint               n)
{
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < n; i++)
    {
      TnNetstackStream *client = test_connect (&wire->hosts[0], TEST_IP4_B, test_port_of (listener), NULL, &error);

      g_assert_no_error (error);
      g_ptr_array_add (clients, client);
    }
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (TnNetstackStream) server = test_accept (listener, NULL, &error);

      g_assert_no_error (error);
      assert_joined (g_ptr_array_index (clients, i), server);
    }
}

/* However many were reset in the queue: there is room for others. */
static void
test_reset (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackListener) listener = test_listen (&wire->hosts[1], "::", 0, 3, NULL);
  g_autoptr (GError) error = NULL;
  LastAck last = { .from = &wire->hosts[0] };

  test_wire_set_drop (wire, keep_ack, &last);
  for (guint i = 0; i < 12; i++)
    {
      g_autoptr (TnNetstackStream) dead = test_connect (&wire->hosts[0], TEST_IP4_B, test_port_of (listener), NULL, &error);

      g_assert_no_error (error);
      g_assert_cmpint (test_ping (&wire->hosts[0], TEST_IP4_B, 8, NULL, &error), >, 0);     /* behind its ACK */
      g_assert_cmpuint (last.len, >, 0);
      make_reset (&last);
      test_wire_inject (&wire->hosts[1], last.packet, last.len);
    }
  test_wire_set_drop (wire, NULL, NULL);
  assert_room_for (wire, listener, 3);
  test_wire_free (wire);
}

/* --- Half-open --- */

static void
inject_syn (TestHost   *to,
            const char *from,
            guint16     from_port,
            guint16     port)
{
  guint8 tcp[20] = { (guint8) (from_port >> 8), (guint8) from_port, (guint8) (port >> 8), (guint8) port, 1, 2, 3, 4, 0, 0, 0, 0, 0x50, 0x02,
                     0xff, 0xff };
  guint8 packet[100];
  TnIpAddress src, dst;
  guint16 checksum;
  gsize header;

  g_assert_true (tn_ip_address_parse (from, &src));
  g_assert_true (tn_ip_address_parse (TEST_IP4_B, &dst));
  checksum = tn_checksum_finish (tn_checksum_add (tn_checksum_add (tn_checksum_add (sizeof tcp + TN_PROTO_TCP, src.bytes, 4), dst.bytes, 4),
                                                  tcp, sizeof tcp));
  tcp[16] = (guint8) (checksum >> 8);
  tcp[17] = (guint8) checksum;
  header = tn_ip_header_write (packet, sizeof packet, &src, &dst, TN_PROTO_TCP, 7, sizeof tcp);
  memcpy (packet + header, tcp, sizeof tcp);
  test_wire_inject (to, packet, header + sizeof tcp);
}

typedef struct
{
  guint8 ports[8192];     /* a bit a port of the stranger's that was answered */
  int    n_answered;
} Answers;

static gboolean
has_answer (const Answers *answers,
            guint          port)
{
  return (answers->ports[port / 8] >> (port % 8) & 1) != 0;
}

static gboolean
count_answers (TestHost     *from,
               const guint8 *packet,
               gsize         len,
               gpointer      user_data)
{
  Answers *answers = user_data;
  guint port;

  if (len < 40 || packet[0] != 0x45 || packet[9] != 6 || packet[33] != 0x12 || packet[16] != 100 || packet[18] == 0)
    return FALSE;
  port = (guint) (packet[22] << 8 | packet[23]);
  if (!has_answer (answers, port))
    g_atomic_int_inc (&answers->n_answered);
  answers->ports[port / 8] |= (guint8) (1 << (port % 8));
  return FALSE;
}

/* How many places the stranger gets. Their answers are held back, so that none of them is silent, however long it takes. */
static int
flood (TestWire *wire,
       guint16   port)
{
  Answers answers = { 0 };
  g_autoptr (GError) error = NULL;

  test_wire_block (&wire->hosts[1], STRANGER, TRUE);
  for (guint16 i = 0; i < 300; i++)
    inject_syn (&wire->hosts[1], STRANGER, (guint16) (1000 + i), port);
  test_wire_set_drop (wire, count_answers, &answers);
  test_wire_block (&wire->hosts[1], STRANGER, FALSE);
  while (g_atomic_int_get (&answers.n_answered) == 0)
    g_thread_yield ();
  g_assert_cmpint (test_ping (&wire->hosts[0], TEST_IP4_B, 8, NULL, &error), >, 0);     /* behind the others */
  test_wire_set_drop (wire, NULL, NULL);
  return answers.n_answered;
}

/* A flood from one address has half of the backlog and no more; others get in. */
static void
test_one_source (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackListener) listener = test_listen (&wire->hosts[1], "::", 0, 16, NULL);

  g_assert_cmpint (flood (wire, test_port_of (listener)), ==, 8);
  assert_room_for (wire, listener, 8);
  test_wire_free (wire);
}

/* While others hold places, one address has a quarter. */
static void
test_quarter (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackListener) listener = test_listen (&wire->hosts[1], "::", 0, 16, NULL);
  TnNetstackStream *clients[8];
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      clients[i] = test_connect (&wire->hosts[0], TEST_IP4_B, test_port_of (listener), NULL, &error);
      g_assert_no_error (error);
    }
  g_assert_cmpint (test_ping (&wire->hosts[0], TEST_IP4_B, 8, NULL, &error), >, 0);     /* behind the last ACK */
  g_assert_cmpint (flood (wire, test_port_of (listener)), ==, 4);
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    g_object_unref (clients[i]);
  test_wire_free (wire);
}

enum { MANY = 40 };

/* Two SYNs from each of many addresses: to lwIP, the second says that the first was not answered in time. Blocked, nothing is silent. */
static void
flood_from_many (TestWire *wire,
                 guint16   port,
                 gboolean  blocked,
                 Answers  *answers)
{
  g_autoptr (GError) error = NULL;

  test_wire_set_drop (wire, count_answers, answers);
  for (guint i = 0; i < MANY; i++)
    {
      g_autofree char *from = g_strdup_printf ("100.64.1.%u", i + 1);

      if (blocked)
        test_wire_block (&wire->hosts[1], from, TRUE);
      inject_syn (&wire->hosts[1], from, (guint16) (1000 + i), port);
      inject_syn (&wire->hosts[1], from, (guint16) (1000 + i), port);
    }
  for (guint i = 0; blocked && i < MANY; i++)
    {
      g_autofree char *from = g_strdup_printf ("100.64.1.%u", i + 1);

      test_wire_block (&wire->hosts[1], from, FALSE);
    }
  while (g_atomic_int_get (&answers->n_answered) == 0)
    g_thread_yield ();
  g_assert_cmpint (test_ping (&wire->hosts[0], TEST_IP4_B, 8, NULL, &error), >, 0);
  test_wire_set_drop (wire, NULL, NULL);
}

/* Many addresses may have all of the backlog, until they have been silent for as long as it takes to answer again. The whole of a backlog
 * of one is a half-open connection, too. */
static void
test_silent (gconstpointer data)
{
  guint backlog = GPOINTER_TO_UINT (data);
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackListener) listener = test_listen (&wire->hosts[1], "::", 0, backlog, NULL);
  Answers answers = { 0 };

  flood_from_many (wire, test_port_of (listener), FALSE, &answers);
  g_assert_cmpint (answers.n_answered, ==, MANY);
  assert_room_for (wire, listener, 1);
  test_wire_free (wire);
}

static void
test_patient (gconstpointer data)
{
  guint backlog = GPOINTER_TO_UINT (data);
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackListener) listener = test_listen (&wire->hosts[1], "::", 0, backlog, NULL);
  Answers answers = { 0 };

  flood_from_many (wire, test_port_of (listener), TRUE, &answers);
  g_assert_cmpint (answers.n_answered, ==, (int) backlog);
  for (guint i = 0; i < backlog; i++)     /* the first ones */
    g_assert_true (has_answer (&answers, 1000 + i));
  test_wire_free (wire);
}

/* The listener goes while half-open ones wait. */
static void
test_closed (void)
{
  TestWire *wire = test_wire_new (1280);
  TnNetstackListener *listener = test_listen (&wire->hosts[1], "::", 80, 16, NULL);
  g_autoptr (TnNetstackListener) again = NULL;
  g_autoptr (GError) error = NULL;

  for (guint16 i = 0; i < 20; i++)
    inject_syn (&wire->hosts[1], STRANGER, (guint16) (1000 + i), 80);
  g_object_unref (listener);
  again = test_listen (&wire->hosts[1], "::", 80, 1, &error);
  g_assert_no_error (error);
  assert_room_for (wire, again, 1);
  test_wire_free (wire);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/netstack/backlog/full", test_backlog);
  g_test_add_func ("/netstack/backlog/reset", test_reset);
  g_test_add_func ("/netstack/backlog/one-source", test_one_source);
  g_test_add_func ("/netstack/backlog/quarter", test_quarter);
  g_test_add_data_func ("/netstack/backlog/silent", GUINT_TO_POINTER (12), test_silent);
  g_test_add_data_func ("/netstack/backlog/silent-of-one", GUINT_TO_POINTER (1), test_silent);
  g_test_add_data_func ("/netstack/backlog/patient", GUINT_TO_POINTER (12), test_patient);
  g_test_add_data_func ("/netstack/backlog/patient-of-one", GUINT_TO_POINTER (1), test_patient);
  g_test_add_func ("/netstack/backlog/closed", test_closed);
  return g_test_run ();
}
