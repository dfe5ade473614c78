/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A relay that only a proxy reaches. */

#include "derp-peer.h"

typedef struct
{
  GSocketService *service;
  guint           port;       /* of the relay */
  GCancellable   *cancellable;
  guint           n_served;
  gboolean        over;
} Proxy;

static void
proxy_spliced_cb (GObject      *object,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  Proxy *proxy = user_data;

  g_io_stream_splice_finish (result, NULL);
  proxy->over = TRUE;
}

static void
proxy_connected_cb (GObject      *object,
                    GAsyncResult *result,
                    gpointer      user_data)
{
  g_autoptr (GSocketConnection) out = g_socket_client_connect_to_host_finish (G_SOCKET_CLIENT (object), result, NULL);
  g_autoptr (GIOStream) in = user_data;
  Proxy *proxy = g_object_get_data (G_OBJECT (in), "proxy");

  g_assert_nonnull (out);
  g_assert_true (g_output_stream_write_all (g_io_stream_get_output_stream (in), "HTTP/1.1 200 OK\r\n\r\n", 19, NULL, NULL, NULL));
  g_io_stream_splice_async (in, G_IO_STREAM (out), G_IO_STREAM_SPLICE_NONE, G_PRIORITY_DEFAULT, proxy->cancellable,
                            proxy_spliced_cb, proxy);
}

static void
proxy_read_cb (GObject      *object,
               GAsyncResult *result,
               gpointer      user_data)
{
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (object), result, NULL);
  GIOStream *in = user_data;
  Proxy *proxy = g_object_get_data (G_OBJECT (in), "proxy");
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autofree char *wanted = g_strdup_printf ("CONNECT relay.example:%u HTTP/1.", proxy->port);
  g_autofree char *head = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));

  g_assert_true (g_str_has_prefix (head, wanted));      /* the name, not the address of the map */
  proxy->n_served++;
  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_connect_to_host_async (client, "127.0.0.1", (guint16) proxy->port, NULL, proxy_connected_cb, in);
}

static gboolean
proxy_incoming_cb (GSocketService    *service,
                   GSocketConnection *connection,
                   GObject           *source,
                   gpointer           user_data)
{
  g_object_set_data (G_OBJECT (connection), "proxy", user_data);
  g_input_stream_read_bytes_async (g_io_stream_get_input_stream (G_IO_STREAM (connection)), 4096, G_PRIORITY_DEFAULT, NULL,
                                   proxy_read_cb, g_object_ref (connection));
  return TRUE;
}

static void
test_proxy (void)
{
  g_autoptr (TnTestkitDerp) relay = start_relay (1, TRUE);
  g_autoptr (GSocketService) service = g_socket_service_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Proxy proxy = { service, tn_testkit_derp_get_port (relay), cancellable };
  guint16 port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (service), NULL, NULL);
  g_autofree char *uri = g_strdup_printf ("http://127.0.0.1:%u", port);
  g_autoptr (Peer) a = peer_new ();
  TnRelayNode *node;

  g_signal_connect (service, "incoming", G_CALLBACK (proxy_incoming_cb), &proxy);
  a->proxy_resolver = g_simple_proxy_resolver_new (uri, NULL);
  node = add_region (a->map, 1, proxy.port, NULL);
  node->insecure_for_tests = TRUE;
  g_free (node->host_name);
  node->host_name = g_strdup ("relay.example");
  peer_start (a, 1);
  WAIT_FOR (a->n_up[1] == 1 && tn_testkit_derp_get_n_clients (relay) == 1);
  g_assert_cmpuint (proxy.n_served, ==, 1);
  g_cancellable_cancel (cancellable);
  WAIT_FOR (proxy.over);
  IFACE (a)->stop (UNDERLAY (a));
  g_socket_service_stop (service);
  g_socket_listener_close (G_SOCKET_LISTENER (service));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  tn_derp_transport_register (NULL);

  g_test_add_func ("/derp/proxy/proxy", test_proxy);

  return g_test_run ();
}
