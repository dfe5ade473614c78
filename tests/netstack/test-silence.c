/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "wire.h"

/* Who does not answer is not waited for without end. */

static gboolean
drop_cb (TestHost     *from,
         const guint8 *packet,
         gsize         len,
         gpointer      user_data)
{
  return TRUE;
}

static void
test_nobody_answers (void)
{
  TestWire *wire = test_wire_new (1280);
  TnNetstackInterface *iface = TN_NETSTACK_GET_IFACE (wire->hosts[0].stack);
  g_autoptr (GInetSocketAddress) address = test_address (TEST_IP4_B, 80);
  g_autoptr (GAsyncResult) connected = NULL;
  g_autoptr (GAsyncResult) pinged = NULL;
  g_autoptr (GError) connect_error = NULL;
  g_autoptr (GError) ping_error = NULL;
  gint64 begin_us = g_get_monotonic_time ();

  test_wire_set_drop (wire, drop_cb, NULL);
  iface->connect_async (wire->hosts[0].stack, address, NULL, test_result_cb, &connected);
  iface->ping_async (wire->hosts[0].stack, g_inet_socket_address_get_address (address), 8, NULL, test_result_cb, &pinged);
  test_wait (&pinged);
  g_assert_cmpint (iface->ping_finish (wire->hosts[0].stack, pinged, &ping_error), <, 0);
  g_assert_error (ping_error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);

  test_wait (&connected);
  g_assert_null (iface->connect_finish (wire->hosts[0].stack, connected, &connect_error));
  g_assert_error (connect_error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);

  /* Thirteen seconds, and what a busy machine adds: lwIP's own first timeout would make it 36. */
  g_assert_cmpint (g_get_monotonic_time () - begin_us, >, 10 * G_USEC_PER_SEC);
  g_assert_cmpint (g_get_monotonic_time () - begin_us, <, 30 * G_USEC_PER_SEC);
  test_wire_free (wire);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/netstack/silence/nobody-answers", test_nobody_answers);
  return g_test_run ();
}
