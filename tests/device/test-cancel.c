/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "device-kit.h"

/* Every call that takes a cancellable: cancelled beforehand and cancelled while it is under way it ends with G_IO_ERROR_CANCELLED and
 * gives nothing, holds on to nothing, and the device goes on as before. Of a device in this process and of one over the bus. */

#define PORT 90      /* of what is listened to here */

typedef struct
{
  TnTestkitTailnet *tailnet;
  TnDevice         *ada;
  TnDevice         *bob;
  TnDevice         *eve;             /* of the tailnet, but silent */
  TnDeviceServer   *server;
  char             *directory;
  TnDevice         *device;          /* ada: as it is, or over the bus */
  TnConnection     *client;          /* to bob */
  TnConnection     *other;           /* its other end: nobody reads there */
  TnListener       *listener;
  TnDatagramSocket *socket;
  TnStateStore     *store;
  GBytes           *bytes;
  char              buffer[16];
} Fixture;

static void
acquire (TnStateStore *store)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  tn_state_store_acquire_async (store, NULL, kit_result_cb, &result);
  g_assert_true (tn_state_store_acquire_finish (store, kit_wait (&result), &error));
  g_assert_no_error (error);
}

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

static void
share (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  fixture->directory = g_dir_make_tmp ("tailnet-XXXXXX", &error);
  g_assert_no_error (error);
  fixture->server = tn_device_server_new (fixture->ada);
  g_assert_true (tn_device_server_listen (fixture->server, fixture->directory, &error));
  fixture->device = TN_DEVICE (tn_system_device_new_for_directory (fixture->directory));
  g_assert_true (kit_start (fixture->device, &error));
  g_assert_no_error (error);
}

static void
set_up (Fixture       *fixture,
        gconstpointer  over_bus)
{
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnNode) eve = NULL;
  g_autoptr (GError) error = NULL;

  fixture->tailnet = kit_tailnet_new ();
  fixture->ada = kit_device_join (fixture->tailnet, "ada");
  fixture->bob = kit_device_join (fixture->tailnet, "bob");
  fixture->eve = kit_device_new (fixture->tailnet, "eve", store, TRUE);
  g_assert_true (kit_start (fixture->eve, &error));
  fixture->device = g_object_ref (fixture->ada);
  if (over_bus)
    {
      g_clear_object (&fixture->device);
      share (fixture);
    }
  eve = kit_wait_peer (fixture->device, "eve");
  kit_stop (fixture->eve);
  kit_pair (fixture->device, fixture->bob, "bob", 80, &fixture->client, &fixture->other);
  fixture->listener = kit_listen (fixture->device, PORT, NULL, &error);
  g_assert_no_error (error);
  fixture->socket = bind_datagram (fixture->device, PORT);
  fixture->store = tn_memory_state_store_new ();
  acquire (fixture->store);
  fixture->bytes = g_bytes_new_take (g_malloc0 (1 << 20), 1 << 20);
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  over_bus)
{
  g_clear_object (&fixture->client);
  g_clear_object (&fixture->other);
  g_clear_object (&fixture->listener);
  g_clear_object (&fixture->socket);
  tn_state_store_release (fixture->store);
  g_clear_object (&fixture->store);
  g_clear_pointer (&fixture->bytes, g_bytes_unref);
  if (over_bus)
    {
      tn_device_server_close (fixture->server);
      kit_wait_state (fixture->device, TN_DEVICE_STATE_STOPPED);
      g_clear_object (&fixture->server);
      g_assert_cmpint (g_rmdir (fixture->directory), ==, 0);
      g_free (fixture->directory);
    }
  g_clear_object (&fixture->device);
  kit_free (fixture->ada);
  kit_free (fixture->bob);
  g_assert_finalize_object (fixture->eve);
  g_object_unref (fixture->tailnet);
}

/* --- The calls: each begins, and ends with what it got, NULL or FALSE for nothing --- */

#define BEGIN(name) static void name##_begin (Fixture *f, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer place)
#define END(name) static gpointer name##_end (Fixture *f, GAsyncResult *result, GError **error)
#define FLAG(value) ((value) ? (gpointer) f : NULL)

BEGIN (wait_for_peer) { tn_device_wait_for_peer_async (f->device, "nobody", cancellable, callback, place); }
END (wait_for_peer) { return tn_device_wait_for_peer_finish (f->device, result, error); }

BEGIN (connect_to_host) { tn_device_connect_to_host_async (f->device, "eve", 80, cancellable, callback, place); }
END (connect_to_host) { return tn_device_connect_to_host_finish (f->device, result, error); }

BEGIN (connect_to_connectable)
{
  g_autoptr (GSocketConnectable) address = g_network_address_new ("eve", 80);

  tn_device_connect_to_connectable_async (f->device, address, cancellable, callback, place);
}
END (connect_to_connectable) { return tn_device_connect_to_connectable_finish (f->device, result, error); }

BEGIN (listen) { tn_device_listen_async (f->device, PORT + 1, NULL, cancellable, callback, place); }
END (listen) { return tn_device_listen_finish (f->device, result, error); }

BEGIN (bind_datagram) { tn_device_bind_datagram_async (f->device, PORT + 1, NULL, cancellable, callback, place); }
END (bind_datagram) { return tn_device_bind_datagram_finish (f->device, result, error); }

BEGIN (ping_disco) { tn_device_ping_async (f->device, "eve", TN_PING_KIND_DISCO, 0, cancellable, callback, place); }
END (ping_disco) { return tn_device_ping_finish (f->device, result, error); }

BEGIN (ping_tsmp) { tn_device_ping_async (f->device, "eve", TN_PING_KIND_TSMP, 0, cancellable, callback, place); }
END (ping_tsmp) { return tn_device_ping_finish (f->device, result, error); }

BEGIN (ping_icmp) { tn_device_ping_async (f->device, "eve", TN_PING_KIND_ICMP, 0, cancellable, callback, place); }
END (ping_icmp) { return tn_device_ping_finish (f->device, result, error); }

BEGIN (whois)
{
  g_autoptr (TnNode) bob = tn_device_lookup_peer (f->device, "bob");

  tn_device_whois_async (f->device, tn_node_get_addresses (bob)[0], "tcp", cancellable, callback, place);
}
END (whois) { return tn_device_whois_finish (f->device, result, NULL, error); }

BEGIN (resolve) { tn_device_resolve_async (f->device, "bob", cancellable, callback, place); }
END (resolve) { return tn_device_resolve_finish (f->device, result, error); }

BEGIN (status) { tn_device_status_to_json_async (f->device, cancellable, callback, place); }
END (status) { return tn_device_status_to_json_finish (f->device, result, error); }

BEGIN (id_token) { tn_device_fetch_id_token_async (f->device, "x", cancellable, callback, place); }
END (id_token) { return tn_device_fetch_id_token_finish (f->device, result, error); }

BEGIN (publish) { tn_device_publish_txt_async (f->device, "_acme-challenge.alice", "v", cancellable, callback, place); }
END (publish) { return FLAG (tn_device_publish_txt_finish (f->device, result, error)); }

BEGIN (accept) { tn_listener_accept_async (f->listener, cancellable, callback, place); }
END (accept) { return tn_listener_accept_finish (f->listener, result, error); }

BEGIN (receive) { tn_datagram_socket_receive_from_async (f->socket, cancellable, callback, place); }
END (receive) { return tn_datagram_socket_receive_from_finish (f->socket, result, NULL, error); }

BEGIN (send_to)
{
  g_autoptr (GBytes) payload = g_bytes_new_static ("hello", 5);
  g_autoptr (TnNode) eve = tn_device_lookup_peer (f->device, "eve");
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (tn_node_get_ipv4 (eve), 80);

  tn_datagram_socket_send_to_async (f->socket, address, payload, cancellable, callback, place);
}
END (send_to) { return FLAG (tn_datagram_socket_send_to_finish (f->socket, result, error)); }

BEGIN (send_to_host)
{
  g_autoptr (GBytes) payload = g_bytes_new_static ("hello", 5);

  tn_datagram_socket_send_to_host_async (f->socket, "eve", 80, payload, cancellable, callback, place);
}
END (send_to_host) { return FLAG (tn_datagram_socket_send_to_host_finish (f->socket, result, error)); }

BEGIN (read)
{
  g_input_stream_read_async (g_io_stream_get_input_stream (G_IO_STREAM (f->client)), f->buffer, sizeof f->buffer, G_PRIORITY_DEFAULT,
                             cancellable, callback, place);
}
END (read)
{
  gssize n = g_input_stream_read_finish (g_io_stream_get_input_stream (G_IO_STREAM (f->client)), result, error);

  return FLAG (n >= 0);
}

/* More than anything on the way takes. */
BEGIN (write)
{
  g_autoptr (GByteArray) much = g_byte_array_new ();

  g_byte_array_set_size (much, 64 << 20);
  memset (much->data, 7, much->len);
  g_object_set_data_full (G_OBJECT (f->client), "much", g_byte_array_ref (much), (GDestroyNotify) g_byte_array_unref);
  g_output_stream_write_all_async (g_io_stream_get_output_stream (G_IO_STREAM (f->client)), much->data, much->len, G_PRIORITY_DEFAULT,
                                   cancellable, callback, place);
}
END (write)
{
  return FLAG (g_output_stream_write_all_finish (g_io_stream_get_output_stream (G_IO_STREAM (f->client)), result, NULL, error));
}

BEGIN (load) { tn_state_store_load_async (f->store, "none", cancellable, callback, place); }
END (load) { return tn_state_store_load_finish (f->store, result, error); }

BEGIN (save) { tn_state_store_save_async (f->store, "none", f->bytes, cancellable, callback, place); }
END (save) { return FLAG (tn_state_store_save_finish (f->store, result, error)); }

typedef struct
{
  const char *name;
  void      (*begin) (Fixture *f, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer place);
  gpointer  (*end)   (Fixture *f, GAsyncResult *result, GError **error);
  gboolean    at_once;      /* it is done by the time that it returns, and what was done is not said to be cancelled */
} Case;

#define CASE(name) { #name, name##_begin, name##_end, FALSE }
#define CASE_AT_ONCE(name) { #name, name##_begin, name##_end, TRUE }

static const Case cases[] = {
  CASE (wait_for_peer), CASE (connect_to_host), CASE (connect_to_connectable), CASE (listen), CASE (bind_datagram), CASE (ping_disco),
  CASE (ping_tsmp), CASE (ping_icmp), CASE (whois), CASE (resolve), CASE (status), CASE (id_token), CASE (publish), CASE (accept),
  CASE (receive), CASE_AT_ONCE (send_to), CASE_AT_ONCE (send_to_host), CASE (read), CASE_AT_ONCE (load),
  CASE_AT_ONCE (save), CASE (write),
};

/* --- The test --- */

typedef enum
{
  BEFOREHAND,
  AT_ONCE,          /* before the main context had a turn */
  LATER,            /* whatever it was to send has been sent; what is quick has ended */
  N_MOMENTS,
} Moment;

static gboolean
is_gone (gpointer data)
{
  return *(gpointer *) data == NULL;
}

static void
check_case (Fixture    *fixture,
            const Case *tested,
            Moment      moment)
{
  GCancellable *cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  gpointer got;

  g_test_message ("%s, moment %d", tested->name, (int) moment);
  if (moment == BEFOREHAND)
    g_cancellable_cancel (cancellable);
  tested->begin (fixture, cancellable, kit_result_cb, &result);
  g_assert_null (result);      /* never from inside of the call */
  for (guint i = 0; moment == LATER && i < 20; i++)
    g_main_context_iteration (NULL, FALSE);
  if (moment == LATER && result != NULL)
    {
      g_object_unref (cancellable);      /* done before anybody could cancel it */
      return;
    }
  g_cancellable_cancel (cancellable);
  got = tested->end (fixture, kit_wait (&result), &error);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_null (got);
  g_clear_object (&result);

  /* Nothing holds on to it. */
  g_object_add_weak_pointer (G_OBJECT (cancellable), (gpointer *) &cancellable);
  g_object_unref (cancellable);
  kit_wait_for ("the call to be forgotten", is_gone, &cancellable);
}

/* What a call that was cancelled took is free again. */
static gboolean
can_listen (gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TnListener) listener = kit_listen (data, PORT + 1, NULL, &error);

  if (listener == NULL)
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
  return listener != NULL;
}

static void
check_usable (Fixture *fixture)
{
  g_autoptr (TnDatagramSocket) socket = NULL;
  g_autoptr (TnConnection) client = NULL;
  g_autoptr (TnConnection) server = NULL;
  g_autoptr (TnPingResult) pong = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (tn_device_get_state (fixture->device), ==, TN_DEVICE_STATE_RUNNING);
  pong = kit_ping (fixture->device, "bob", TN_PING_KIND_TSMP, &error);
  g_assert_no_error (error);
  kit_pair (fixture->device, fixture->bob, "bob", 81, &client, &server);
  kit_echo (client, server, "as before");
  kit_wait_for ("the port to be free", can_listen, fixture->device);
  socket = bind_datagram (fixture->device, PORT + 1);
}

static void
test_calls (Fixture       *fixture,
            gconstpointer  data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    for (Moment moment = 0; moment < (cases[i].at_once ? BEFOREHAND + 1 : N_MOMENTS); moment++)
      check_case (fixture, &cases[i], moment);
  check_usable (fixture);
}

/* Whoever gave up has not got the store: the next one gets it. */
static void
check_acquire (TnStateStore *store)
{
  for (guint i = 0; i < 2 * 10; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GError) error = NULL;

      if (i == 0)
        g_cancellable_cancel (cancellable);
      tn_state_store_acquire_async (store, cancellable, kit_result_cb, &result);
      for (guint j = 1; j < i; j++)
        g_main_context_iteration (NULL, FALSE);
      g_cancellable_cancel (cancellable);
      if (tn_state_store_acquire_finish (store, kit_wait (&result), &error))
        g_assert_cmpuint (i, >, 0);
      else
        {
          g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
          acquire (store);
        }
      tn_state_store_release (store);
    }
}

static void
test_acquire (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *directory = g_dir_make_tmp ("tailnet-XXXXXX", &error);
  g_autoptr (TnStateStore) memory = tn_memory_state_store_new ();
  g_autoptr (TnStateStore) file = tn_file_state_store_new (directory);
  g_autofree char *lock = g_build_filename (directory, "lock", NULL);

  check_acquire (memory);
  check_acquire (file);
  g_unlink (lock);
  g_assert_no_errno (g_rmdir (directory));
}

/* --- Life --- */

typedef void     (*LifeFunc)   (TnDevice *device, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
typedef gboolean (*FinishFunc) (TnDevice *device, GAsyncResult *result, GError **error);

static void
check_life (TnDevice   *device,
            LifeFunc    begin,
            FinishFunc  finish,
            gboolean    beforehand)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  if (beforehand)
    g_cancellable_cancel (cancellable);
  begin (device, cancellable, kit_result_cb, &result);
  g_assert_null (result);
  g_cancellable_cancel (cancellable);
  g_assert_false (finish (device, kit_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_life (Fixture       *fixture,
           gconstpointer  over_bus)
{
  g_autoptr (TnNode) before = tn_device_dup_self_node (fixture->ada);
  g_autoptr (TnNode) after = NULL;
  g_autoptr (GError) error = NULL;

  /* Beforehand nothing happens at all: no other key, and above all no logout. */
  check_life (fixture->device, tn_device_login_async, tn_device_login_finish, TRUE);
  check_life (fixture->device, tn_device_logout_async, tn_device_logout_finish, TRUE);
  check_life (fixture->device, tn_device_start_async, tn_device_start_finish, TRUE);
  check_usable (fixture);
  after = tn_device_dup_self_node (fixture->ada);
  g_assert_true (before == after);

  /* Once it is under way nobody knows what the server has heard: the device comes to a good end by itself. */
  check_life (fixture->device, tn_device_login_async, tn_device_login_finish, FALSE);
  g_assert_true (kit_start (fixture->ada, &error));
  kit_wait_state (fixture->device, TN_DEVICE_STATE_RUNNING);
}

static void
test_logout (Fixture       *fixture,
             gconstpointer  over_bus)
{
  g_autoptr (GError) error = NULL;

  check_life (fixture->device, tn_device_logout_async, tn_device_logout_finish, FALSE);
  kit_wait_state (fixture->ada, TN_DEVICE_STATE_STOPPED);
  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (fixture->ada), tn_testkit_tailnet_get_auth_key (fixture->tailnet));
  g_assert_true (kit_start (fixture->ada, &error));
  g_assert_no_error (error);
}

/* A device in this process is stopped whatever the cancellable says, and says when it is. */
static void
test_stop (Fixture       *fixture,
           gconstpointer  over_bus)
{
  for (guint beforehand = 0; beforehand < 2; beforehand++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GError) error = NULL;

      if (beforehand)
        g_cancellable_cancel (cancellable);
      tn_device_stop_async (fixture->bob, cancellable, kit_result_cb, &result);
      g_cancellable_cancel (cancellable);
      g_assert_true (tn_device_stop_finish (fixture->bob, kit_wait (&result), &error));
      g_assert_no_error (error);
      g_assert_cmpint (tn_device_get_state (fixture->bob), ==, TN_DEVICE_STATE_STOPPED);
      g_assert_true (kit_start (fixture->bob, &error));
      g_assert_no_error (error);
    }
}

/* Of one that runs elsewhere nobody waits for the end any more; what was asked for beforehand is not asked for at all. */
static void
test_stop_over_bus (Fixture       *fixture,
                    gconstpointer  over_bus)
{
  g_autoptr (GError) error = NULL;

  check_life (fixture->device, tn_device_stop_async, tn_device_stop_finish, TRUE);
  check_usable (fixture);
  check_life (fixture->device, tn_device_stop_async, tn_device_stop_finish, FALSE);
  kit_stop (fixture->ada);      /* it may have been asked for, or not */
  g_assert_true (kit_start (fixture->ada, &error));
  g_assert_no_error (error);
}

#define ADD(path, over_bus, func) g_test_add ("/device/cancel/" path, Fixture, GINT_TO_POINTER (over_bus), set_up, func, tear_down)

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/device/cancel/acquire", test_acquire);
  ADD ("calls", FALSE, test_calls);
  ADD ("calls-over-bus", TRUE, test_calls);
  ADD ("life", FALSE, test_life);
  ADD ("life-over-bus", TRUE, test_life);
  ADD ("logout", FALSE, test_logout);
  ADD ("logout-over-bus", TRUE, test_logout);
  ADD ("stop", FALSE, test_stop);
  ADD ("stop-over-bus", TRUE, test_stop_over_bus);

  return g_test_run ();
}
