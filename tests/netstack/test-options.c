/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-reader.h"
#include "wire.h"

/* A peer that is made by hand, and says what no honest one does. */

#define PORT      7
#define PEER_PORT 1024
#define LEN       20000

enum { SYN = 2, ACK = 16 };

typedef struct
{
  GMutex  lock;
  GCond   cond;
  guint32 seq;             /* of the host's SYN */
  gsize   smallest;        /* of the segments, but for the last one */
  gsize   n_bytes;
} Heard;

static gboolean
hear (TestHost     *from,
      const guint8 *packet,
      gsize         len,
      gpointer      user_data)
{
  Heard *heard = user_data;
  gsize data = len - 20 - (gsize) (packet[32] >> 4) * 4;

  g_mutex_lock (&heard->lock);
  if ((packet[33] & SYN) != 0)
    heard->seq = tn_get_u32be (packet + 24);
  heard->n_bytes += data;
  if (data > 0 && heard->n_bytes < LEN)
    heard->smallest = MIN (heard->smallest, data);
  g_cond_signal (&heard->cond);
  g_mutex_unlock (&heard->lock);
  return TRUE;
}

static guint16
sum_of (const guint8 *data,
        gsize         len,
        guint32       sum)
{
  for (gsize i = 0; i + 1 < len; i += 2)
    sum += tn_get_u16be (data + i);
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return (guint16) ~sum;
}

/* @mss: in an option, 0: none. */
static void
inject (TestHost *host,
        guint8    flags,
        guint32   seq,
        guint32   ack,
        guint16   window,
        guint16   mss)
{
  guint8 packet[44] = { 0x45, [8] = 64, [9] = 6, [12] = 100, 64, 0, 2, 100, 64, 0, 1 };
  gsize len = mss != 0 ? 44 : 40;

  tn_put_u16be (packet + 2, (guint16) len);
  tn_put_u16be (packet + 10, sum_of (packet, 20, 0));
  tn_put_u16be (packet + 20, PEER_PORT);
  tn_put_u16be (packet + 22, PORT);
  tn_put_u32be (packet + 24, seq);
  tn_put_u32be (packet + 28, ack);
  packet[32] = (guint8) ((len - 20) / 4 << 4);
  packet[33] = flags;
  tn_put_u16be (packet + 34, window);
  packet[40] = 2;
  packet[41] = 4;
  tn_put_u16be (packet + 42, mss);
  tn_put_u16be (packet + 36, sum_of (packet + 12, len - 12, 6 + (guint32) len - 20));
  test_wire_inject (host, packet, len);
}

static void
wait_for_bytes (Heard *heard,
                gsize  n)
{
  g_mutex_lock (&heard->lock);
  while (heard->n_bytes < n || heard->seq == 0)
    g_cond_wait (&heard->cond, &heard->lock);
  g_mutex_unlock (&heard->lock);
}

/* In the handshake, or when it is over and segments have been cut: never smaller than what any host has to take. */
static void
check_segments (guint16 mss_first,
                guint16 mss_later,
                gsize   expected)
{
  static const guint8 zeros[LEN];
  TestWire *wire = test_wire_new (1280);
  TestHost *host = &wire->hosts[0];
  g_autoptr (TnNetstackListener) listener = test_listen (host, "0.0.0.0", PORT, 0, NULL);
  g_autoptr (TnNetstackStream) stream = NULL;
  g_autoptr (GError) error = NULL;
  Heard heard = { .smallest = G_MAXSIZE };

  g_mutex_init (&heard.lock);
  g_cond_init (&heard.cond);
  test_wire_set_drop (wire, hear, &heard);
  inject (host, SYN, 1000, 0, 0xffff, mss_first);
  wait_for_bytes (&heard, 0);
  inject (host, ACK, 1001, heard.seq + 1, 0xffff, 0);
  stream = test_accept (listener, NULL, &error);
  g_assert_no_error (error);
  if (mss_later != 0)
    inject (host, ACK, 1001, heard.seq + 1, 0xffff, mss_later);
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (stream)), zeros, LEN, NULL, NULL, &error);
  g_assert_no_error (error);
  wait_for_bytes (&heard, 1600);      /* a first window holds more */
  g_assert_cmpuint (heard.smallest, ==, expected);

  test_wire_free (wire);
  g_mutex_clear (&heard.lock);
  g_cond_clear (&heard.cond);
}

static void
test_tiny_segments (void)
{
  check_segments (1, 0, 536);
  check_segments (1000, 0, 1000);
}

static void
test_later_segments (void)
{
  check_segments (1000, 9, 1000);
}

static gboolean
elapsed_cb (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

/* A few of lwIP's slow ticks, which nothing tells of. */
static void
pass_time (void)
{
  gboolean elapsed = FALSE;

  g_timeout_add (300, elapsed_cb, &elapsed);
  while (!elapsed)
    g_main_context_iteration (NULL, TRUE);
}

/* The last byte goes out as a probe of a window that is shut, and is acknowledged, and the window stays shut: nothing is left to
 * probe with, until more is written. */
static void
test_probe_takes_all (void)
{
  TestWire *wire = test_wire_new (1280);
  TestHost *host = &wire->hosts[0];
  g_autoptr (TnNetstackListener) listener = test_listen (host, "0.0.0.0", PORT, 0, NULL);
  g_autoptr (TnNetstackStream) stream = NULL;
  g_autoptr (GError) error = NULL;
  Heard heard = { .smallest = G_MAXSIZE };
  GOutputStream *out;

  g_mutex_init (&heard.lock);
  g_cond_init (&heard.cond);
  test_wire_set_drop (wire, hear, &heard);
  inject (host, SYN, 1000, 0, 0, 1000);
  wait_for_bytes (&heard, 0);
  inject (host, ACK, 1001, heard.seq + 1, 0, 0);
  stream = test_accept (listener, NULL, &error);
  g_assert_no_error (error);
  out = g_io_stream_get_output_stream (G_IO_STREAM (stream));
  for (guint32 i = 1; i <= 2; i++)
    {
      g_output_stream_write_all (out, "", 1, NULL, NULL, &error);
      g_assert_no_error (error);
      wait_for_bytes (&heard, i);
      inject (host, ACK, 1001, heard.seq + 1 + i, 0, 0);
      pass_time ();
    }
  test_wire_free (wire);
  g_mutex_clear (&heard.lock);
  g_cond_clear (&heard.cond);
}

/* What was cut while nothing was known of the peer's window is not added to when that turns out to be tiny. */
static void
test_tiny_window (void)
{
  static const guint8 zeros[500];
  TestWire *wire = test_wire_new (1280);
  TestHost *host = &wire->hosts[0];
  g_autoptr (TnNetstackListener) listener = test_listen (host, "0.0.0.0", PORT, 0, NULL);
  g_autoptr (TnNetstackStream) stream = NULL;
  g_autoptr (GError) error = NULL;
  Heard heard = { .smallest = G_MAXSIZE };

  g_mutex_init (&heard.lock);
  g_cond_init (&heard.cond);
  test_wire_set_drop (wire, hear, &heard);
  inject (host, SYN, 1000, 0, 0, 1000);
  wait_for_bytes (&heard, 0);
  inject (host, ACK, 1001, heard.seq + 1, 0, 0);
  stream = test_accept (listener, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 2; i++)
    {
      g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (stream)), zeros, sizeof zeros, NULL, NULL, &error);
      g_assert_no_error (error);
      inject (host, ACK, 1001, heard.seq + 1, 10, 0);
    }
  wait_for_bytes (&heard, 10);
  test_wire_free (wire);
  g_mutex_clear (&heard.lock);
  g_cond_clear (&heard.cond);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/netstack/options/tiny-segments", test_tiny_segments);
  g_test_add_func ("/netstack/options/later-segments", test_later_segments);
  g_test_add_func ("/netstack/options/tiny-window", test_tiny_window);
  g_test_add_func ("/netstack/options/probe-takes-all", test_probe_takes_all);
  return g_test_run ();
}
