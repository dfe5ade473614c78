/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tn-stun.h"
#include "tn-testkit-stun.h"

static void
test_answer (void)
{
  g_autoptr (TnTestkitStun) stun = tn_testkit_stun_new ();
  g_autoptr (GSocket) socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, NULL);
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocketAddress) to = NULL, own = NULL;
  g_autoptr (GError) error = NULL;
  TnStunTxid txid = { { 1, 2, 3 } }, got;
  TnIpEndpoint source;
  guint8 request[TN_STUN_REQUEST_LEN], response[TN_STUN_RESPONSE_MAX];
  gssize n;

  g_assert_true (tn_testkit_stun_start (stun, &error));
  g_assert_no_error (error);
  g_assert_true (g_socket_bind (socket, any, FALSE, NULL));
  own = g_socket_get_local_address (socket, NULL);
  to = g_inet_socket_address_new_from_string ("127.0.0.1", tn_testkit_stun_get_port (stun));
  tn_stun_write_request (&txid, request);

  tn_testkit_stun_set_silent (stun, TRUE);
  g_assert_cmpint (g_socket_send_to (socket, to, "nonsense", 8, NULL, NULL), ==, 8);
  g_assert_cmpint (g_socket_send_to (socket, to, (const char *) request, sizeof request, NULL, NULL), ==, sizeof request);
  while (tn_testkit_stun_get_n_requests (stun) == 0)
    g_main_context_iteration (NULL, TRUE);
  tn_testkit_stun_set_silent (stun, FALSE);
  g_assert_cmpint (g_socket_send_to (socket, to, (const char *) request, sizeof request, NULL, NULL), ==, sizeof request);
  while (tn_testkit_stun_get_n_requests (stun) == 1)
    g_main_context_iteration (NULL, TRUE);

  n = g_socket_receive (socket, (char *) response, sizeof response, NULL, &error);      /* the only one: the other was not answered */
  g_assert_no_error (error);
  g_assert_true (tn_stun_parse_response (response, (gsize) n, &got, &source));
  g_assert_cmpmem (&got, sizeof got, &txid, sizeof txid);
  g_assert_cmpint (source.port, ==, g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (own)));
  g_socket_set_blocking (socket, FALSE);
  g_assert_cmpint (g_socket_receive (socket, (char *) response, sizeof response, NULL, NULL), ==, -1);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/testkit/stun/answer", test_answer);

  return g_test_run ();
}
