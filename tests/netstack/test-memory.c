/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What one connection makes a stack keep. */

#include <malloc.h>
#include <string.h>

#include "tn-checksum.h"
#include "tn-packet-batch.h"
#include "tn-reader.h"
#include "wire.h"

#define HEADERS 40
#define N_SEGMENTS 6000
#define MAX_KEPT (14u << 20)      /* bytes: 1024 segments, each with those that came with it, and a little */

typedef struct
{
  TestHost *to;
  GMutex    lock;
  guint8    segment[HEADERS + 1];      /* the first that carries data, cut to one byte */
  gboolean  caught;
} Attack;

/* Nothing that carries data reaches the server: what comes later is out of order. */
static gboolean
catch_data (TestHost     *from,
            const guint8 *packet,
            gsize         len,
            gpointer      user_data)
{
  Attack *attack = user_data;

  if (from == attack->to || len <= HEADERS || packet[9] != 6)
    return FALSE;
  g_mutex_lock (&attack->lock);
  if (!attack->caught)
    {
      gsize header_len = 20 + (packet[32] >> 4) * 4u;

      g_assert_cmpuint (header_len, <, len);
      memcpy (attack->segment, packet, HEADERS);
      attack->segment[HEADERS] = packet[header_len];
      attack->segment[32] = 5 << 4;
      attack->caught = TRUE;
    }
  g_mutex_unlock (&attack->lock);
  return TRUE;
}

static void
write_segment (guint8       *out,
               const Attack *attack,
               guint32       gap)
{
  guint32 sum;

  memcpy (out, attack->segment, sizeof attack->segment);
  tn_put_u16be (out + 2, sizeof attack->segment);
  tn_put_u32be (out + 24, tn_get_u32be (out + 24) + gap);
  memset (out + 10, 0, 2);
  tn_put_u16be (out + 10, tn_checksum_finish (tn_checksum_add (0, out, 20)));
  memset (out + 36, 0, 2);
  sum = tn_checksum_add_pseudo (0, out + 12, 4, 6, sizeof attack->segment - 20);
  tn_put_u16be (out + 36, tn_checksum_finish (tn_checksum_add (sum, out + 20, sizeof attack->segment - 20)));
}

/* Each segment of a byte comes with many long packets, which are of no use. */
static void
send_gaps (gpointer data)
{
  Attack *attack = data;
  TnOverlayTransport *overlay = TN_OVERLAY_TRANSPORT (attack->to->stack);
  g_autoptr (TnPacketBatch) batch = tn_packet_batch_new (256 * 1024);

  for (guint32 i = 0; i < N_SEGMENTS; i++)
    {
      tn_packet_batch_reset (batch);
      write_segment (tn_packet_batch_append (batch, sizeof attack->segment)->data, attack, 2 + 2 * i);
      for (guint j = 0; j < 31; j++)
        {
          TnPacket *junk = tn_packet_batch_append (batch, 1280);

          memset (junk->data, 0, junk->len);
          memcpy (junk->data, attack->segment, HEADERS);
          tn_put_u16be (junk->data + 2, 1280);      /* and the checksum of the header is wrong */
        }
      TN_OVERLAY_TRANSPORT_GET_IFACE (overlay)->write (overlay, batch);
    }
}

static void
test_out_of_order (void)
{
  TestWire *wire = test_wire_new (1280);
  Attack attack = { .to = &wire->hosts[1] };
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  g_autoptr (GError) error = NULL;
  gboolean caught = FALSE;
  gsize before, after;
  gint64 latency_us;

  g_mutex_init (&attack.lock);
  test_pair (wire, FALSE, &client, &server);
  test_wire_set_drop (wire, catch_data, &attack);
  g_assert_cmpint (g_output_stream_write (g_io_stream_get_output_stream (G_IO_STREAM (client)), "x", 1, NULL, &error), ==, 1);
  while (!caught)
    {
      g_mutex_lock (&attack.lock);
      caught = attack.caught;
      g_mutex_unlock (&attack.lock);
      g_thread_yield ();
    }

  before = mallinfo2 ().uordblks;
  test_wire_call (wire, send_gaps, &attack);
  do      /* behind all of it; refused while the acknowledgements that it caused fill the way out */
    {
      g_clear_error (&error);
      latency_us = test_ping (&wire->hosts[1], TEST_IP4_A, 10, NULL, &error);
    }
  while (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK));
  g_assert_no_error (error);
  g_assert_cmpint (latency_us, >, 0);
  after = mallinfo2 ().uordblks;
  g_test_message ("%.1f MB", ((double) after - (double) before) / 1e6);
  g_assert_cmpuint (after, <, before + MAX_KEPT);
  test_wire_free (wire);
  g_mutex_clear (&attack.lock);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/netstack/memory/out-of-order", test_out_of_order);
  return g_test_run ();
}
