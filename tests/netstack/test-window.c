/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "flow.h"
#include "tn-lwip-conn-private.h"
#include "wire.h"

/* What holds a sender back: the receiver's window, and a full path. */

/* The receiver takes nothing: its window closes at a limit, and opens again. */
static void
test_window_closes (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  TestFlow out, in;
  GThread *thread;

  test_pair (wire, FALSE, &client, &server);
  out = (TestFlow) { G_IO_STREAM (client), 8 * TEST_FLOW_LEN, 9, 65536, NULL };
  in = (TestFlow) { G_IO_STREAM (server), 8 * TEST_FLOW_LEN, 9, 1000000, NULL };
  thread = g_thread_new ("writer", test_flow_write, &out);
  while (g_pollable_output_stream_is_writable (G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (G_IO_STREAM (client)))))
    g_thread_yield ();
  test_flow_check (&in);
  g_thread_join (thread);
  g_assert_no_error (out.error);
  test_wire_free (wire);
}

static gboolean
note_window (TestHost     *from,
             const guint8 *packet,
             gsize         len,
             gpointer      user_data)
{
  struct { int scale; guint64 window; } *seen = user_data;
  const guint8 *tcp = packet + 20;

  if (from != &from->wire->hosts[1] || packet[9] != 6)
    return FALSE;
  if ((tcp[13] & 2) != 0)     /* SYN: its options */
    {
      for (gsize i = 20; i + 2 < (gsize) (tcp[12] >> 4) * 4; i += tcp[i] == 1 ? 1 : tcp[i + 1])
        if (tcp[i] == 3)
          seen->scale = tcp[i + 2];
    }
  else if (seen->scale >= 0)
    seen->window = MAX (seen->window, (guint64) (tcp[14] << 8 | tcp[15]) << seen->scale);
  return FALSE;
}

static void
test_window_size (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  struct { int scale; guint64 window; } seen = { -1, 0 };

  test_wire_set_drop (wire, note_window, &seen);
  test_pair (wire, FALSE, &client, &server);
  test_flow_run (G_IO_STREAM (client), G_IO_STREAM (server), 10000);
  test_flow_run (G_IO_STREAM (server), G_IO_STREAM (client), 10000);
  test_wire_set_drop (wire, NULL, NULL);
  g_assert_cmpint (seen.scale, >=, 0);
  g_assert_cmpuint (seen.window, >=, 1024 * 1024);
  test_wire_free (wire);
}

typedef struct
{
  const TestWire *wire;
  guint64         to_b;
  guint64         again;
  guint32         highest;
} TestCount;

/* Counts segments with data, and those of them that were sent before. */
static gboolean
count_again (TestHost     *from,
             const guint8 *packet,
             gsize         len,
             gpointer      user_data)
{
  TestCount *count = user_data;
  const guint8 *tcp = packet + 20;
  gsize header = 20 + (gsize) (tcp[12] >> 4) * 4;
  guint32 seq = (guint32) tcp[4] << 24 | (guint32) tcp[5] << 16 | (guint32) tcp[6] << 8 | tcp[7];

  if (from != &from->wire->hosts[0] || len <= header)
    return FALSE;
  count->again += count->to_b > 0 && (gint32) (seq - count->highest) <= 0;
  if (count->to_b == 0 || (gint32) (seq - count->highest) > 0)
    count->highest = seq;
  count->to_b++;
  return FALSE;
}

static gpointer
flow_thread (gpointer data)
{
  TestFlow *flows = data;

  test_flow_run (flows[0].stream, flows[1].stream, flows[0].len);
  return NULL;
}

static gboolean
elapsed_cb (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

/* While the path is full nothing goes out and nothing is taken for lost, however long it lasts; then it goes on at once. */
static void
test_blocked (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  TestCount count = { .wire = wire };
  TestFlow flows[2];
  GThread *thread;
  guint64 before;
  gboolean elapsed = FALSE;
  GOutputStream *output;

  test_pair (wire, FALSE, &client, &server);
  test_wire_set_drop (wire, count_again, &count);
  test_flow_run (G_IO_STREAM (client), G_IO_STREAM (server), TEST_FLOW_LEN);
  test_wire_block (&wire->hosts[0], TEST_IP4_B, TRUE);
  test_wire_call (wire, (void (*) (gpointer)) g_main_context_wakeup, wire->context);
  flows[0] = (TestFlow) { .stream = G_IO_STREAM (client), .len = 8 * TEST_FLOW_LEN };
  flows[1] = (TestFlow) { .stream = G_IO_STREAM (server) };
  before = count.to_b;
  thread = g_thread_new ("flow", flow_thread, flows);
  output = g_io_stream_get_output_stream (G_IO_STREAM (client));
  while (g_pollable_output_stream_is_writable (G_POLLABLE_OUTPUT_STREAM (output)))
    g_thread_yield ();
  /* The claim is about time: longer than several retransmission timeouts. */
  g_timeout_add (1500, elapsed_cb, &elapsed);
  while (!elapsed)
    g_main_context_iteration (NULL, TRUE);
  test_wire_set_drop (wire, count_again, &count);
  g_assert_cmpuint (count.to_b, <=, before + 2);
  test_wire_block (&wire->hosts[0], TEST_IP4_B, FALSE);
  g_thread_join (thread);
  test_wire_set_drop (wire, NULL, NULL);
  g_assert_cmpuint (count.to_b, >, before + 5000);
  g_assert_cmpuint (count.again, ==, 0);
  test_wire_free (wire);
}

/* --- A peer that answers for ever, and takes nothing --- */

typedef struct
{
  TestHost *from;
  GMutex    lock;
  GCond     cond;
  gboolean  reset;
} ResetWatch;

static gboolean
watch_reset (TestHost     *from,
             const guint8 *packet,
             gsize         len,
             gpointer      user_data)
{
  ResetWatch *watch = user_data;

  if (from == watch->from && packet[9] == 6 && (packet[33] & 0x04) != 0)
    {
      g_mutex_lock (&watch->lock);
      watch->reset = TRUE;
      g_cond_signal (&watch->cond);
      g_mutex_unlock (&watch->lock);
    }
  return FALSE;
}

static void
test_closed_for_nobody (void)
{
  TestWire *wire = test_wire_new (1280);
  ResetWatch watch = { .from = &wire->hosts[0] };
  g_autofree guint8 *bytes = g_malloc0 (65536);
  gint64 end_us = g_get_monotonic_time () + 50 * G_USEC_PER_SEC;
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  GPollableOutputStream *out;

  tn_lwip_conn_orphan_ticks = 2;
  g_mutex_init (&watch.lock);
  g_cond_init (&watch.cond);
  test_pair (wire, FALSE, &client, &server);
  test_wire_set_drop (wire, watch_reset, &watch);
  out = G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (G_IO_STREAM (client)));
  for (gsize sent = 0; sent < 3 * 1024 * 1024;)      /* more than its window, of which it reads nothing */
    {
      gssize n = g_pollable_output_stream_write_nonblocking (out, bytes, 65536, NULL, NULL);

      if (n < 0)
        g_thread_yield ();
      else
        sent += (gsize) n;
    }
  g_assert_true (g_io_stream_close (G_IO_STREAM (client), NULL, NULL));

  g_mutex_lock (&watch.lock);
  while (!watch.reset && g_cond_wait_until (&watch.cond, &watch.lock, end_us))
    ;
  g_assert_true (watch.reset);
  g_mutex_unlock (&watch.lock);
  tn_lwip_conn_orphan_ticks = 120;
  test_wire_free (wire);
  g_cond_clear (&watch.cond);
  g_mutex_clear (&watch.lock);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/netstack/window/closes", test_window_closes);
  g_test_add_func ("/netstack/window/size", test_window_size);
  g_test_add_func ("/netstack/window/blocked", test_blocked);
  g_test_add_func ("/netstack/window/closed-for-nobody", test_closed_for_nobody);
  return g_test_run ();
}
