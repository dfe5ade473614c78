/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-conn.h"
#include "wire.h"

/* What a full path holds back waits, but not for ever. */

#define PATIENCE_US (300 * 1000)

static void
test_connecting (void)
{
  TestWire *wire = test_wire_new (1280);
  gint64 begin_us = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;

  test_wire_block (&wire->hosts[0], TEST_IP4_B, TRUE);
  g_assert_null (test_connect (&wire->hosts[0], TEST_IP4_B, 80, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (g_get_monotonic_time () - begin_us, >=, PATIENCE_US);
  test_wire_free (wire);
}

static void
test_connection (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  g_autoptr (GError) error = NULL;
  GOutputStream *out;
  guint8 byte = 1;

  test_pair (wire, TRUE, &client, &server);
  out = g_io_stream_get_output_stream (G_IO_STREAM (client));
  test_wire_block (&wire->hosts[0], TEST_IP6_B, TRUE);
  g_assert_true (g_output_stream_write_all (out, &byte, 1, NULL, NULL, &error));
  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (client)), &byte, 1, NULL, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  test_wire_free (wire);
}

static gboolean
elapsed_cb (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

/* One that has nothing to send does not wait: as soon as it has, its patience begins. */
static void
test_idle (void)
{
  TestWire *wire = test_wire_new (1280);
  g_autoptr (TnNetstackStream) client = NULL;
  g_autoptr (TnNetstackStream) server = NULL;
  g_autoptr (GError) error = NULL;
  gboolean elapsed = FALSE;
  guint8 byte = 7;

  test_pair (wire, FALSE, &client, &server);
  test_wire_block (&wire->hosts[0], TEST_IP4_B, TRUE);
  g_timeout_add (3 * PATIENCE_US / 1000, elapsed_cb, &elapsed);      /* the claim is about time */
  while (!elapsed)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (client)), &byte, 1, NULL, NULL, &error));
  test_wire_block (&wire->hosts[0], TEST_IP4_B, FALSE);
  byte = 0;
  g_assert_cmpint (g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (server)), &byte, 1, NULL, &error), ==, 1);
  g_assert_cmpint (byte, ==, 7);
  test_wire_free (wire);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  tn_lwip_conn_set_patience (PATIENCE_US, PATIENCE_US);
  g_test_add_func ("/netstack/held/connecting", test_connecting);
  g_test_add_func ("/netstack/held/connection", test_connection);
  g_test_add_func ("/netstack/held/idle", test_idle);
  return g_test_run ();
}
