/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "device-kit.h"

typedef struct
{
  TnTestkitTailnet *tailnet;
  TnDevice         *ada;
  TnDevice         *bob;
} Fixture;

static void
set_up (Fixture       *fixture,
        gconstpointer  data)
{
  fixture->tailnet = kit_tailnet_new ();
  fixture->ada = kit_device_join (fixture->tailnet, "ada");
  fixture->bob = kit_device_join (fixture->tailnet, "bob");
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  data)
{
  kit_free (fixture->ada);
  kit_free (fixture->bob);
  g_object_unref (fixture->tailnet);
}

/* --- Who is there --- */

static void
test_names (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr (TnDevice) eve = kit_device_join (fixture->tailnet, "eve");
  g_autoptr (TnNode) bob = kit_wait_peer (fixture->ada, "bob");
  g_autoptr (TnNode) other = kit_wait_peer (fixture->ada, "eve");
  g_autoptr (TnNode) self = tn_device_dup_self_node (fixture->bob);
  g_autoptr (TnNode) by_fqdn = NULL;
  g_autoptr (TnNode) none = NULL;
  g_autofree char *suffix = tn_device_dup_dns_suffix (fixture->ada);
  g_autofree char *fqdn = g_strdup_printf ("bob.%s", suffix);

  g_assert_cmpuint (g_list_model_get_n_items (tn_device_get_peers (fixture->ada)), ==, 2);
  g_assert_cmpstr (tn_node_get_name (bob), ==, "bob");
  g_assert_cmpstr (tn_node_get_stable_id (bob), ==, tn_node_get_stable_id (self));
  g_assert_cmpstr (tn_node_get_public_key (bob), ==, tn_node_get_public_key (self));
  g_assert_cmpstr (tn_user_get_login_name (tn_node_get_user (bob)), ==, "user@example.test");
  by_fqdn = tn_device_lookup_peer (fixture->ada, fqdn);
  g_assert_true (by_fqdn == bob);
  for (guint i = 0; tn_node_get_addresses (bob)[i] != NULL; i++)
    {
      g_autoptr (TnNode) by_address = tn_device_lookup_peer (fixture->ada, tn_node_get_addresses (bob)[i]);

      g_assert_true (by_address == bob);
    }
  none = tn_device_lookup_peer (fixture->ada, "nobody");
  g_assert_null (none);

  g_clear_object (&other);
  kit_stop (eve);
}

/* A relay drops what is for a client that is not there just now, as on a machine that is too busy to keep its connections. */
static void
check_ping (TnDevice   *device,
            const char *host,
            TnPingKind  kind)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TnPingResult) pong = kit_ping (device, host, kind, &error);
  TnPath *path;

  g_assert_no_error (error);
  path = tn_ping_result_get_path (pong);
  g_assert_cmpint (tn_ping_result_get_kind (pong), ==, kind);
  g_assert_cmpint (tn_ping_result_get_latency_us (pong), >, 0);
  g_assert_nonnull (path);
  g_assert_cmpint (tn_path_get_kind (path), ==, TN_PATH_KIND_RELAY);
  g_assert_cmpstr (tn_node_get_name (tn_ping_result_get_node (pong)), ==, "bob");
}

static void
test_ping (Fixture       *fixture,
           gconstpointer  data)
{
  g_autoptr (TnNode) bob = kit_wait_peer (fixture->ada, "bob");
  static const TnPingKind kinds[] = { TN_PING_KIND_DISCO, TN_PING_KIND_TSMP, TN_PING_KIND_ICMP };

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree char *ipv6 = g_inet_address_to_string (tn_node_get_ipv6 (bob));

      check_ping (fixture->ada, "bob", kinds[i]);
      check_ping (fixture->ada, tn_node_get_fqdn (bob), kinds[i]);
      check_ping (fixture->ada, ipv6, kinds[i]);
    }
}

static void
test_ping_size (Fixture       *fixture,
                gconstpointer  data)
{
  static const struct { TnPingKind kind; guint size; const char *limit; } cases[] = {
    { TN_PING_KIND_DISCO, 1000, NULL },
    { TN_PING_KIND_DISCO, 2000, NULL },
    { TN_PING_KIND_DISCO, 2001, "2001 bytes, at most 2000" },
    { TN_PING_KIND_DISCO, G_MAXUINT, "at most 2000" },
    { TN_PING_KIND_ICMP, 10000, NULL },
    { TN_PING_KIND_ICMP, 65001, "65001 bytes, at most 65000" },
  };
  g_autoptr (TnNode) bob = kit_wait_peer (fixture->ada, "bob");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (TnPingResult) pong = NULL;
      g_autoptr (GError) error = NULL;

      tn_device_ping_async (fixture->ada, "bob", cases[i].kind, cases[i].size, NULL, kit_result_cb, &result);
      pong = tn_device_ping_finish (fixture->ada, kit_wait (&result), &error);
      if (cases[i].limit == NULL)
        {
          g_assert_no_error (error);
          continue;
        }
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE);
      g_assert_nonnull (strstr (error->message, cases[i].limit));
    }
}

/* The first thing that it does: the other may not have heard of it yet. */
static void
test_ping_at_once (Fixture       *fixture,
                   gconstpointer  data)
{
  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *name = g_strdup_printf ("quick%u", i);
      g_autoptr (TnDevice) quick = kit_device_join (fixture->tailnet, name);
      gint64 begin_us = g_get_monotonic_time ();

      check_ping (quick, "bob", i % 2 == 0 ? TN_PING_KIND_DISCO : TN_PING_KIND_TSMP);
      g_assert_cmpint (g_get_monotonic_time () - begin_us, <, 4 * G_USEC_PER_SEC);      /* not by the second handshake */
      kit_stop (quick);
    }
}

/* --- Streams --- */

static void
test_identity (Fixture       *fixture,
               gconstpointer  data)
{
  g_autoptr (TnConnection) client = NULL;
  g_autoptr (TnConnection) server = NULL;
  g_autoptr (TnNode) ada = tn_device_dup_self_node (fixture->ada);
  g_autoptr (TnNode) seen = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *remote = NULL;

  kit_pair (fixture->ada, fixture->bob, "bob", 80, &client, &server);
  g_assert_cmpstr (tn_node_get_name (tn_connection_get_peer (client)), ==, "bob");
  g_assert_cmpstr (tn_node_get_stable_id (tn_connection_get_peer (server)), ==, tn_node_get_stable_id (ada));
  kit_echo (client, server, "hello");

  remote = g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (tn_connection_get_remote_address (server)));
  tn_device_whois_async (fixture->bob, remote, "tcp", NULL, kit_result_cb, &result);
  seen = tn_device_whois_finish (fixture->bob, kit_wait (&result), NULL, &error);
  g_assert_no_error (error);
  g_assert_true (seen == tn_connection_get_peer (server));
}

static void
test_transfer (Fixture       *fixture,
               gconstpointer  data)
{
  g_autoptr (TnConnection) client = NULL;
  g_autoptr (TnConnection) server = NULL;
  KitTransfer *there, *back;

  kit_pair (fixture->ada, fixture->bob, "bob", 80, &client, &server);
  there = kit_transfer_start (client, server, 16 << 20, 1);
  back = kit_transfer_start (server, client, 16 << 20, 2);
  kit_transfer_finish (there);
  kit_transfer_finish (back);
}

static gssize
read_some (TnConnection  *connection,
           char          *buffer,
           gsize          len,
           GError       **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (connection));

  g_input_stream_read_async (in, buffer, len, G_PRIORITY_DEFAULT, NULL, kit_result_cb, &result);
  return g_input_stream_read_finish (in, kit_wait (&result), error);
}

static void
test_half_close (Fixture       *fixture,
                 gconstpointer  data)
{
  g_autoptr (TnConnection) client = NULL;
  g_autoptr (TnConnection) server = NULL;
  g_autoptr (GError) error = NULL;
  char buffer[8];

  kit_pair (fixture->ada, fixture->bob, "bob", 80, &client, &server);
  g_assert_true (tn_connection_shutdown (client, FALSE, TRUE, &error));
  g_assert_cmpint (read_some (server, buffer, sizeof buffer, &error), ==, 0);
  g_assert_no_error (error);
  kit_transfer_finish (kit_transfer_start (server, client, 1 << 20, 3));      /* the other way goes on */
  g_assert_true (tn_connection_shutdown (server, FALSE, TRUE, &error));
  g_assert_cmpint (read_some (client, buffer, sizeof buffer, &error), ==, 0);
  g_assert_no_error (error);
}

/* What nobody is going to read makes a reset of a close, as everywhere. */
static void
test_reset (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr (TnConnection) client = NULL;
  g_autoptr (TnConnection) server = NULL;
  g_autoptr (GError) error = NULL;
  char buffer[8];

  kit_pair (fixture->ada, fixture->bob, "bob", 80, &client, &server);
  kit_transfer_finish (kit_transfer_start (client, server, 100, 3));
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (client)), "unread", 6, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (read_some (server, buffer, 1, &error), ==, 1);
  g_assert_true (g_io_stream_close (G_IO_STREAM (server), NULL, &error));
  g_assert_cmpint (read_some (client, buffer, sizeof buffer, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
}

static void
test_ipv6 (Fixture       *fixture,
           gconstpointer  data)
{
  g_autoptr (TnNode) bob = kit_wait_peer (fixture->ada, "bob");
  g_autofree char *address = g_inet_address_to_string (tn_node_get_ipv6 (bob));
  g_autoptr (TnConnection) client = NULL;
  g_autoptr (TnConnection) server = NULL;
  g_autoptr (TnListener) only = NULL;
  g_autoptr (TnConnection) again = NULL;
  g_autoptr (GError) error = NULL;

  kit_pair (fixture->ada, fixture->bob, address, 80, &client, &server);
  g_assert_cmpint (g_socket_address_get_family (tn_connection_get_remote_address (client)), ==, G_SOCKET_FAMILY_IPV6);
  kit_echo (client, server, "six");

  only = kit_listen (fixture->bob, 81, address, &error);
  g_assert_no_error (error);
  again = kit_connect (fixture->ada, address, 81, &error);
  g_assert_no_error (error);
}

typedef struct
{
  guint         n;
  TnConnection *last;
} Incoming;

static void
incoming_cb (TnListener   *listener,
             TnConnection *connection,
             gpointer      data)
{
  Incoming *incoming = data;

  incoming->n++;
  g_set_object (&incoming->last, connection);
}

static gboolean
three_came (gpointer data)
{
  return ((Incoming *) data)->n == 3;
}

static void
test_incoming (Fixture       *fixture,
               gconstpointer  data)
{
  g_autoptr (TnNode) bob = kit_wait_peer (fixture->ada, "bob");
  g_autoptr (GError) error = NULL;
  g_autoptr (TnListener) listener = kit_listen (fixture->bob, 0, NULL, &error);
  g_autoptr (TnListener) taken = NULL;
  g_autoptr (TnConnection) late = NULL;
  guint16 port = tn_listener_get_port (listener);
  Incoming incoming = { 0 };

  g_assert_no_error (error);
  g_assert_cmpuint (port, >, 0);
  taken = kit_listen (fixture->bob, port, NULL, &error);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
  g_clear_error (&error);

  g_signal_connect (listener, "incoming", G_CALLBACK (incoming_cb), &incoming);
  tn_listener_start (listener);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (TnConnection) client = kit_connect (fixture->ada, "bob", port, &error);

      g_assert_no_error (error);
    }
  kit_wait_for ("three connections", three_came, &incoming);
  g_assert_cmpstr (tn_node_get_name (tn_connection_get_peer (incoming.last)), ==, "ada");
  g_clear_object (&incoming.last);

  tn_listener_close (listener);
  late = kit_connect (fixture->ada, "bob", port, &error);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
}

static void
test_no_way (Fixture       *fixture,
             gconstpointer  data)
{
  g_autoptr (TnNode) bob = kit_wait_peer (fixture->ada, "bob");
  struct { const char *host; GQuark domain; int code; const char *text; } cases[] = {
    { "nobody", TN_ERROR, TN_ERROR_NO_SUCH_PEER, "nobody" },
    { "nobody.example.test", TN_ERROR, TN_ERROR_NO_SUCH_PEER, "nobody.example.test" },
    { "100.99.98.97", TN_ERROR, TN_ERROR_NO_ROUTE, "100.99.98.97" },
    { "192.0.2.1", TN_ERROR, TN_ERROR_NO_ROUTE, "192.0.2.1" },
    { "2001:db8::1", TN_ERROR, TN_ERROR_NO_ROUTE, "2001:db8::1" },
    { "bob", G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED, "bob: cannot connect to 100.64." },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TnConnection) connection = kit_connect (fixture->ada, cases[i].host, 81, &error);

      g_assert_error (error, cases[i].domain, cases[i].code);
      g_assert_nonnull (strstr (error->message, cases[i].text));
    }
}

/* --- Over the bus it is the same --- */

typedef struct
{
  char           *directory;
  TnDeviceServer *server;
  TnDevice       *device;
} Shared;

static void
share_begin (Shared   *shared,
             TnDevice *device)
{
  g_autoptr (GError) error = NULL;

  shared->directory = g_dir_make_tmp ("tailnet-XXXXXX", &error);
  g_assert_no_error (error);
  shared->server = tn_device_server_new (device);
  g_assert_true (tn_device_server_listen (shared->server, shared->directory, &error));
  shared->device = TN_DEVICE (tn_system_device_new_for_directory (shared->directory));
  g_assert_true (kit_start (shared->device, &error));
}

static void
share_end (Shared *shared)
{
  tn_device_server_close (shared->server);
  kit_wait_state (shared->device, TN_DEVICE_STATE_STOPPED);
  g_object_unref (shared->server);
  g_object_unref (shared->device);
  g_assert_cmpint (g_rmdir (shared->directory), ==, 0);
  g_free (shared->directory);
}

static void
check_foreign (TnDevice   *device,
               const char *address)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_null (kit_listen (device, 80, address, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_NO_ROUTE);
  g_assert_nonnull (strstr (error->message, address));
  g_clear_error (&error);
  tn_device_bind_datagram_async (device, 80, address, NULL, kit_result_cb, &result);
  g_assert_null (tn_device_bind_datagram_finish (device, kit_wait (&result), &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_NO_ROUTE);
  g_assert_nonnull (strstr (error->message, address));
}

static void
test_foreign_address (Fixture       *fixture,
                      gconstpointer  data)
{
  g_autoptr (TnNode) bob = kit_wait_peer (fixture->ada, "bob");
  Shared shared;

  share_begin (&shared, fixture->ada);
  for (guint i = 0; i < 2; i++)
    {
      check_foreign (i == 0 ? fixture->ada : shared.device, "192.0.2.1");
      check_foreign (i == 0 ? fixture->ada : shared.device, tn_node_get_addresses (bob)[0]);
    }
  share_end (&shared);
}

static gboolean
bob_is_offline (gpointer device)
{
  g_autoptr (TnNode) bob = tn_device_lookup_peer (device, "bob");

  return bob != NULL && !tn_node_get_online (bob);
}

/* A peer that was there before and stays in its place in the list: nobody here holds its node. */
static void
test_peer_over_bus (Fixture       *fixture,
                    gconstpointer  data)
{
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (GError) error = NULL;
  Shared shared;

  kit_free (fixture->bob);      /* without a store it would be gone, not offline */
  kit_wait_gone (fixture->ada, "bob");
  fixture->bob = kit_device_new (fixture->tailnet, "bob", store, TRUE);
  g_assert_true (kit_start (fixture->bob, &error));
  g_object_unref (kit_wait_peer (fixture->ada, "bob"));
  share_begin (&shared, fixture->ada);
  for (guint i = 0; i < 3; i++)
    {
      g_object_unref (kit_wait_peer (shared.device, "bob"));
      kit_stop (fixture->bob);
      kit_wait_for ("bob to be offline", bob_is_offline, shared.device);
      g_assert_true (kit_start (fixture->bob, &error));
    }
  g_object_unref (kit_wait_peer (shared.device, "bob"));
  share_end (&shared);
}

static void
check_preferences (TnDevice   *device,
                   const char *control_url,
                   gboolean    want_running)
{
  g_autoptr (TnPreferences) preferences = tn_device_dup_preferences (device);

  g_assert_nonnull (preferences);
  g_assert_cmpstr (tn_preferences_get_control_url (preferences), ==, control_url);
  g_assert_cmpstr (tn_preferences_get_hostname (preferences), ==, "eve");
  g_assert_cmpstr (tn_preferences_get_tags (preferences)[0], ==, "tag:one");
  g_assert_null (tn_preferences_get_tags (preferences)[1]);
  g_assert_cmpint (tn_preferences_get_want_running (preferences), ==, want_running);
}

static gboolean
wants_to_run (gpointer device)
{
  g_autoptr (TnPreferences) preferences = tn_device_dup_preferences (device);

  return tn_preferences_get_want_running (preferences);
}

static void
test_preferences (Fixture       *fixture,
                  gconstpointer  data)
{
  const char *control_url = tn_embedded_device_get_control_url (TN_EMBEDDED_DEVICE (fixture->ada));
  const char *const tags[] = { "tag:one", NULL };
  TnDevice *device = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "eve", "control-url", control_url, "tags", tags, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  Shared shared;

  /* Without a key nobody lets it in. */
  check_preferences (device, control_url, FALSE);
  tn_device_start_async (device, NULL, kit_result_cb, &result);
  kit_wait_state (device, TN_DEVICE_STATE_NEEDS_LOGIN);
  check_preferences (device, control_url, TRUE);
  kit_stop (device);
  g_assert_false (tn_device_start_finish (device, kit_wait (&result), &error));
  check_preferences (device, control_url, FALSE);
  g_object_unref (device);

  share_begin (&shared, fixture->ada);
  kit_wait_for ("the preferences of the other device", wants_to_run, shared.device);
  share_end (&shared);
}

/* --- Datagrams --- */

static TnDatagramSocket *
bind_datagram (TnDevice *device,
               guint16   port)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  TnDatagramSocket *socket;

  tn_device_bind_datagram_async (device, port, NULL, NULL, kit_result_cb, &result);
  socket = tn_device_bind_datagram_finish (device, kit_wait (&result), &error);
  g_assert_no_error (error);
  return socket;
}

static GBytes *
receive (TnDatagramSocket  *socket,
         GSocketAddress   **source)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  GBytes *bytes;

  tn_datagram_socket_receive_from_async (socket, NULL, kit_result_cb, &result);
  bytes = tn_datagram_socket_receive_from_finish (socket, kit_wait (&result), source, &error);
  g_assert_no_error (error);
  return bytes;
}

static void
test_datagrams (Fixture       *fixture,
                gconstpointer  data)
{
  static const gsize sizes[] = { 1, 1232, 7, 0, 500 };
  g_autoptr (TnNode) bob = kit_wait_peer (fixture->ada, "bob");
  g_autoptr (TnDatagramSocket) ada = bind_datagram (fixture->ada, 0);
  g_autoptr (TnDatagramSocket) server = bind_datagram (fixture->bob, 5353);
  g_autoptr (GError) error = NULL;
  guint8 payload[1232];

  for (gsize i = 0; i < sizeof payload; i++)
    payload[i] = (guint8) (i * 7);
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GBytes) sent = g_bytes_new (payload, sizes[i]);
      g_autoptr (GSocketAddress) source = NULL;
      g_autoptr (GSocketAddress) back = NULL;
      g_autoptr (GBytes) got = NULL;
      g_autoptr (GBytes) answer = NULL;

      g_assert_true (tn_datagram_socket_send_to_host (ada, "bob", 5353, sent, &error));
      g_assert_no_error (error);
      got = receive (server, &source);
      g_assert_true (g_bytes_equal (got, sent));
      g_assert_true (tn_datagram_socket_send_to (server, source, got, &error));
      answer = receive (ada, &back);
      g_assert_true (g_bytes_equal (answer, sent));
      g_assert_cmpuint (g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (back)), ==, 5353);
    }
}

/* The first thing that a node does: the other may not have heard of it yet, and nobody sends a datagram again. */
static void
test_datagram_at_once (Fixture       *fixture,
                       gconstpointer  data)
{
  g_autoptr (TnDatagramSocket) server = bind_datagram (fixture->bob, 5353);

  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *name = g_strdup_printf ("quick%u", i);
      g_autoptr (TnDevice) quick = kit_device_join (fixture->tailnet, name);
      g_autoptr (TnDatagramSocket) client = bind_datagram (quick, 0);
      g_autoptr (GBytes) sent = g_bytes_new (name, strlen (name));
      g_autoptr (GSocketAddress) source = NULL;
      g_autoptr (GBytes) got = NULL;
      g_autoptr (GError) error = NULL;

      tn_datagram_socket_send_to_host (client, "bob", 5353, sent, &error);
      g_assert_no_error (error);
      got = receive (server, &source);
      g_assert_true (g_bytes_equal (got, sent));
      kit_stop (quick);
    }
}

/* --- Cancelling --- */

static void
test_cancel (Fixture       *fixture,
             gconstpointer  data)
{
  g_autoptr (TnNode) bob = kit_wait_peer (fixture->ada, "bob");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (TnDatagramSocket) socket = bind_datagram (fixture->ada, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (TnListener) listener = kit_listen (fixture->ada, 90, NULL, &error);
  GAsyncResult *results[6] = { NULL };
  gpointer got[6];
  GError *errors[6] = { NULL };

  /* Nothing comes back from bob any more. */
  kit_stop (fixture->bob);
  tn_device_connect_to_host_async (fixture->ada, "bob", 80, cancellable, kit_result_cb, &results[0]);
  tn_device_ping_async (fixture->ada, "bob", TN_PING_KIND_DISCO, 0, cancellable, kit_result_cb, &results[1]);
  tn_device_ping_async (fixture->ada, "bob", TN_PING_KIND_TSMP, 0, cancellable, kit_result_cb, &results[2]);
  tn_device_ping_async (fixture->ada, "bob", TN_PING_KIND_ICMP, 0, cancellable, kit_result_cb, &results[3]);
  tn_listener_accept_async (listener, cancellable, kit_result_cb, &results[4]);
  tn_datagram_socket_receive_from_async (socket, cancellable, kit_result_cb, &results[5]);
  g_cancellable_cancel (cancellable);
  for (gsize i = 0; i < G_N_ELEMENTS (results); i++)
    kit_wait (&results[i]);

  got[0] = tn_device_connect_to_host_finish (fixture->ada, results[0], &errors[0]);
  for (guint i = 1; i < 4; i++)
    got[i] = tn_device_ping_finish (fixture->ada, results[i], &errors[i]);
  got[4] = tn_listener_accept_finish (listener, results[4], &errors[4]);
  got[5] = tn_datagram_socket_receive_from_finish (socket, results[5], NULL, &errors[5]);
  for (gsize i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_assert_error (errors[i], G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_assert_null (got[i]);
      g_clear_error (&errors[i]);
      g_object_unref (results[i]);
    }
  kit_start (fixture->bob, &error);
  g_assert_no_error (error);
}

/* --- A context of its own --- */

static gpointer
run_in_thread (gpointer data)
{
  TnTestkitTailnet *tailnet = data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  TnDevice *device;

  g_main_context_push_thread_default (context);
  device = kit_device_join (tailnet, "apart");
  check_ping (device, "bob", TN_PING_KIND_DISCO);
  kit_free (device);
  g_main_context_pop_thread_default (context);
  return NULL;
}

static void
test_context (Fixture       *fixture,
              gconstpointer  data)
{
  g_thread_join (g_thread_new ("apart", run_in_thread, fixture->tailnet));
}

#define ADD(path, func) g_test_add ("/device/embedded/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("names", test_names);
  ADD ("ping", test_ping);
  ADD ("ping-size", test_ping_size);
  ADD ("ping-at-once", test_ping_at_once);
  ADD ("identity", test_identity);
  ADD ("transfer", test_transfer);
  ADD ("half-close", test_half_close);
  ADD ("reset", test_reset);
  ADD ("ipv6", test_ipv6);
  ADD ("incoming", test_incoming);
  ADD ("no-way", test_no_way);
  ADD ("foreign-address", test_foreign_address);
  ADD ("peer-over-bus", test_peer_over_bus);
  ADD ("preferences", test_preferences);
  ADD ("datagrams", test_datagrams);
  ADD ("datagram-at-once", test_datagram_at_once);
  ADD ("cancel", test_cancel);
  ADD ("context", test_context);

  return g_test_run ();
}
