/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a sender does about losses: it sends again what was lost, and nothing else. Counted in bytes: a retransmission timeout would
 * send all that was under way again. */

#include <string.h>

#include "wire.h"

#define LEN     (2 << 20)
#define SEGMENT 1240

typedef struct
{
  const guint *lost;           /* places in the order of data segments, rising; 0 ends them */
  guint        n_segments;     /* so far, the repeated ones among them */
  guint64      n_bytes;
  guint64      n_lost_bytes;
} Losses;

static gboolean
lose (TestHost     *from,
      const guint8 *packet,
      gsize         len,
      gpointer      user_data)
{
  Losses *losses = user_data;
  gsize data;

  if (from != &from->wire->hosts[0] || packet[9] != 6)
    return FALSE;
  data = len - 20 - (gsize) (packet[32] >> 4) * 4;
  if (data == 0)
    return FALSE;

  losses->n_bytes += data;
  if (++losses->n_segments != *losses->lost)
    return FALSE;
  losses->lost++;
  losses->n_lost_bytes += data;
  return TRUE;
}

static gpointer
write_thread (gpointer data)
{
  g_autofree guint8 *bytes = g_malloc (LEN);
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < LEN; i++)
    bytes[i] = (guint8) (i * 2654435761u >> 16);
  g_output_stream_write_all (g_io_stream_get_output_stream (data), bytes, LEN, NULL, NULL, &error);
  g_assert_no_error (error);
  return NULL;
}

static void
read_all (GIOStream *stream)
{
  g_autofree guint8 *bytes = g_malloc (LEN);
  g_autoptr (GError) error = NULL;
  gsize n;

  g_input_stream_read_all (g_io_stream_get_input_stream (stream), bytes, LEN, &n, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, LEN);
  for (gsize i = 0; i < LEN; i++)
    if (bytes[i] != (guint8) (i * 2654435761u >> 16))
      g_error ("byte %" G_GSIZE_FORMAT " differs", i);
}

static const guint one[] = { 300, 0 };
static const guint neighbours[] = { 300, 301, 302, 303, 304, 305, 0 };
static const guint scattered[] = { 300, 302, 305, 311, 500, 501, 503, 900, 0 };
static const guint at_the_start[] = { 2, 3, 0 };

static void
test_losses (gconstpointer data)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  Losses losses = { .lost = data };
  GThread *thread;

  test_pair (wire, FALSE, &client, &server);
  test_wire_set_drop (wire, lose, &losses);
  thread = g_thread_new ("writer", write_thread, client);
  read_all (G_IO_STREAM (server));
  g_thread_join (thread);
  test_wire_set_drop (wire, NULL, NULL);

  g_assert_cmpuint (*losses.lost, ==, 0);
  g_assert_cmpuint (losses.n_bytes, >=, LEN + losses.n_lost_bytes);
  g_assert_cmpuint (losses.n_bytes, <=, LEN + losses.n_lost_bytes + 2 * SEGMENT);
  test_wire_free (wire);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_data_func ("/netstack/recovery/one", one, test_losses);
  g_test_add_data_func ("/netstack/recovery/neighbours", neighbours, test_losses);
  g_test_add_data_func ("/netstack/recovery/scattered", scattered, test_losses);
  g_test_add_data_func ("/netstack/recovery/at-the-start", at_the_start, test_losses);
  return g_test_run ();
}
