/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>

#include "held-device.h"
#include "tn-bus-socket.h"
#include "tn-device-server-private.h"

/* What other programs may do to a node, of which none is known to be ours. */

#define INTERFACE "org.tailnet.Tailnet1.Tailnet1"
#define CALLS_MAX 256

typedef struct
{
  char           *directory;
  char           *address;
  char           *path;
  HeldDevice     *held;
  TnDeviceServer *server;
} Fixture;

static void
set_up (Fixture       *fixture,
        gconstpointer  unused)
{
  g_autoptr (GError) error = NULL;
  int fd;

  fixture->directory = g_dir_make_tmp ("tailnet-XXXXXX", &error);
  g_assert_no_error (error);
  fixture->address = tn_bus_socket_dup_address (fixture->directory, &fd, &error);
  g_assert_no_error (error);
  fixture->path = g_build_filename (fixture->directory, TN_BUS_SOCKET_NAME, NULL);
  fixture->held = held_device_new ();
  fixture->server = tn_device_server_new (TN_DEVICE (fixture->held));
  g_assert_true (tn_device_server_listen (fixture->server, fixture->directory, &error));
  g_assert_no_error (error);
}

static gboolean
tick_cb (gpointer unused)
{
  return G_SOURCE_CONTINUE;
}

/* Also what threads of GDBus do in the meantime, which wake nobody: hence the ticks. */
#define WAIT_FOR(condition)                       \
  G_STMT_START                                    \
  {                                               \
    guint tick = g_timeout_add (10, tick_cb, NULL); \
    while (!(condition))                          \
      g_main_context_iteration (NULL, TRUE);      \
    g_source_remove (tick);                       \
  }                                               \
  G_STMT_END

static void
tear_down (Fixture       *fixture,
           gconstpointer  unused)
{
  tn_device_server_close (fixture->server);
  WAIT_FOR (held_device_count (fixture->held) == 0 && fixture->server->n_farewells == 0);
  WAIT_FOR (G_OBJECT (fixture->server)->ref_count == 1);
  g_assert_finalize_object (fixture->server);
  g_object_unref (fixture->held);
  g_assert_cmpint (g_rmdir (fixture->directory), ==, 0);
  g_free (fixture->directory);
  g_free (fixture->address);
  g_free (fixture->path);
}

static void
result_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      place)
{
  *(GAsyncResult **) place = g_object_ref (result);
}

/* The server knows it: no message is answered before. */
static GDBusConnection *
connect_bus (Fixture *fixture)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) pinged = NULL;
  g_autoptr (GVariant) answer = NULL;
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection;

  g_dbus_connection_new_for_address (fixture->address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, result_cb, &result);
  WAIT_FOR (result != NULL);
  connection = g_dbus_connection_new_for_address_finish (result, &error);
  g_assert_no_error (error);
  g_dbus_connection_call (connection, NULL, "/", "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, result_cb,
                          &pinged);
  WAIT_FOR (pinged != NULL);
  answer = g_dbus_connection_call_finish (connection, pinged, &error);
  g_assert_no_error (error);
  return connection;
}

static void
call (GDBusConnection *connection,
      const char      *method,
      GVariant        *parameters,
      GAsyncResult   **result)
{
  g_dbus_connection_call (connection, NULL, TN_BUS_OBJECT_PATH, INTERFACE, method, parameters, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                          result_cb, result);
}

static void
ping (GDBusConnection *connection,
      GAsyncResult   **result)
{
  call (connection, "Ping", g_variant_new ("(suu)", "db", 0, 0), result);
}

/* --- What it shows --- */

static void
test_notifies_together (Fixture       *fixture,
                        gconstpointer  unused)
{
  guint before = held_device_count_shown (fixture->held);
  TnDeviceModel *model = held_device_get_model (fixture->held);

  for (guint i = 0; i < 10; i++)
    {
      g_autofree char *url = g_strdup_printf ("https://login.test/%u", i);

      tn_device_model_publish_facts (model, &(TnDeviceFacts) { .state = TN_DEVICE_STATE_NEEDS_LOGIN, .auth_url = url });
      tn_device_model_flush (model);
    }
  g_assert_cmpuint (held_device_count_shown (fixture->held), ==, before);
  WAIT_FOR (held_device_count_shown (fixture->held) > before);
  g_assert_cmpuint (held_device_count_shown (fixture->held), ==, before + 1);
  g_assert_cmpstr (tn_bus_tailnet1_get_auth_url (fixture->server->skeleton), ==, "https://login.test/9");
  g_assert_cmpuint (tn_bus_tailnet1_get_state (fixture->server->skeleton), ==, TN_DEVICE_STATE_NEEDS_LOGIN);
}

/* In a folder whose name is too long for a socket it needs a descriptor, which it keeps only while it serves. */
static void
test_cannot_listen (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *directory = g_dir_make_tmp ("tailnet-XXXXXX", &error);
  g_autofree char *name = g_strnfill (120, 'x');
  g_autofree char *inner = g_build_filename (directory, name, NULL);
  g_autofree char *path = g_build_filename (inner, TN_BUS_SOCKET_NAME, NULL);
  g_autoptr (HeldDevice) held = held_device_new ();
  g_autoptr (TnDeviceServer) server = tn_device_server_new (TN_DEVICE (held));

  g_assert_cmpint (g_mkdir_with_parents (path, 0700), ==, 0);      /* in the way */
  g_assert_false (tn_device_server_listen (server, inner, &error));
  g_assert_nonnull (error);
  g_assert_cmpint (server->directory_fd, ==, -1);
  g_clear_error (&error);
  g_assert_cmpint (g_rmdir (path), ==, 0);
  g_assert_true (tn_device_server_listen (server, inner, &error));
  g_assert_no_error (error);
  g_assert_cmpint (server->directory_fd, >=, 0);
  tn_device_server_close (server);
  g_assert_cmpint (server->directory_fd, ==, -1);
  g_assert_cmpint (g_rmdir (inner), ==, 0);
  g_assert_cmpint (g_rmdir (directory), ==, 0);
}

/* --- Calls without end --- */

static void
assert_too_many (GDBusConnection *connection,
                 GAsyncResult    *result)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *name = NULL;

  g_assert_null (g_dbus_connection_call_finish (connection, result, &error));
  name = g_dbus_error_get_remote_error (error);
  g_assert_cmpstr (name, ==, "org.freedesktop.DBus.Error.LimitsExceeded");
}

static void
test_calls_bounded (Fixture       *fixture,
                    gconstpointer  unused)
{
  g_autoptr (GDBusConnection) greedy = connect_bus (fixture);
  g_autoptr (GDBusConnection) other = connect_bus (fixture);
  g_autoptr (GAsyncResult) last = NULL, again = NULL, beside = NULL, cancelled = NULL;
  g_autoptr (GVariant) answer = NULL;
  GAsyncResult *results[CALLS_MAX] = { NULL };
  guint32 serial = 0;

  held_device_hold (fixture->held, TRUE);
  for (guint i = 0; i < CALLS_MAX; i++)
    {
      ping (greedy, &results[i]);
      serial = g_dbus_connection_get_last_serial (greedy);
    }
  WAIT_FOR (held_device_count (fixture->held) == CALLS_MAX);
  ping (greedy, &last);
  WAIT_FOR (last != NULL);
  assert_too_many (greedy, last);
  g_assert_cmpuint (held_device_count (fixture->held), ==, CALLS_MAX);

  /* Others are not held to it, and what is given back may be asked for again. */
  ping (other, &beside);
  WAIT_FOR (held_device_count (fixture->held) == CALLS_MAX + 1);
  call (greedy, "Cancel", g_variant_new ("(u)", serial), &cancelled);
  WAIT_FOR (cancelled != NULL && results[CALLS_MAX - 1] != NULL);
  answer = g_dbus_connection_call_finish (greedy, cancelled, NULL);
  g_assert_nonnull (answer);
  g_assert_cmpuint (held_device_count (fixture->held), ==, CALLS_MAX);
  ping (greedy, &again);
  WAIT_FOR (held_device_count (fixture->held) == CALLS_MAX + 1);

  g_dbus_connection_close (greedy, NULL, NULL, NULL);
  WAIT_FOR (held_device_count (fixture->held) == 1 && again != NULL);
  for (guint i = 0; i < CALLS_MAX; i++)
    {
      WAIT_FOR (results[i] != NULL);
      g_object_unref (results[i]);
    }
  g_dbus_connection_close (other, NULL, NULL, NULL);
  WAIT_FOR (beside != NULL);
}

/* --- Connections that close at once --- */

static guint
count_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static GSocket *
connect_socket (Fixture *fixture)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (fixture->path);
  g_autoptr (GError) error = NULL;
  GSocket *socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, &error);

  g_assert_no_error (error);
  g_socket_connect (socket, address, NULL, &error);
  g_assert_no_error (error);
  return socket;
}

static void
send_text (GSocket    *socket,
           const char *text,
           gsize       len)
{
  g_assert_cmpint (g_socket_send (socket, text, len, NULL, NULL), ==, (gssize) len);
}

static void
close_unheard (Fixture *fixture)
{
  g_autoptr (GSocket) socket = connect_socket (fixture);
}

static void
close_amid_authentication (Fixture *fixture)
{
  g_autoptr (GSocket) socket = connect_socket (fixture);

  send_text (socket, "\0AUTH EXTERNAL", 14);
}

static void
close_after_nonsense (Fixture *fixture)
{
  g_autoptr (GSocket) socket = connect_socket (fixture);

  send_text (socket, "\0GET / HTTP/1.1\r\n\r\n", 19);
}

static void
close_authenticated (Fixture *fixture)
{
  g_autoptr (GDBusConnection) connection = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  g_dbus_connection_new_for_address (fixture->address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, result_cb, &result);
  WAIT_FOR (result != NULL);
  connection = g_dbus_connection_new_for_address_finish (result, NULL);
  g_assert_nonnull (connection);
  g_dbus_connection_close (connection, NULL, NULL, NULL);      /* the server may not know of it yet */
}

static void
close_amid_call (Fixture *fixture)
{
  g_autoptr (GDBusConnection) connection = connect_bus (fixture);
  g_autoptr (GAsyncResult) pinged = NULL, listening = NULL;

  ping (connection, &pinged);
  call (connection, "Listen", g_variant_new ("(qs)", 80, ""), &listening);
  WAIT_FOR (held_device_count (fixture->held) == 2);
  g_dbus_connection_close (connection, NULL, NULL, NULL);
  WAIT_FOR (pinged != NULL && listening != NULL);
}

static void
close_unread (Fixture *fixture)
{
  g_autoptr (GDBusConnection) connection = connect_bus (fixture);
  g_autoptr (GAsyncResult) listening = NULL;
  FakeListener *before = held_device_get_listener (fixture->held);
  g_autoptr (GObject) held = before != NULL ? g_object_ref (G_OBJECT (before)) : NULL;      /* its address is not used again */

  held_device_hold (fixture->held, FALSE);
  call (connection, "Listen", g_variant_new ("(qs)", 80, ""), &listening);
  WAIT_FOR (held_device_get_listener (fixture->held) != before);
  g_dbus_connection_close (connection, NULL, NULL, NULL);
  WAIT_FOR (listening != NULL);
  WAIT_FOR (fake_listener_is_closed (held_device_get_listener (fixture->held)));
  held_device_hold (fixture->held, TRUE);
}

static void
test_closes_at_once (Fixture       *fixture,
                     gconstpointer  unused)
{
  static const struct { const char *name; void (*close) (Fixture *fixture); } ways[] = {
    { "unheard", close_unheard },
    { "amid authentication", close_amid_authentication },
    { "after nonsense", close_after_nonsense },
    { "authenticated", close_authenticated },
    { "amid a call", close_amid_call },
    { "unread", close_unread },
  };
  guint n_fds = 0;

  held_device_hold (fixture->held, TRUE);
  close_authenticated (fixture);      /* what GDBus keeps for itself */
  close_unread (fixture);
  for (guint i = 0; i < 10 * G_N_ELEMENTS (ways); i++)
    {
      g_test_message ("%s", ways[i % G_N_ELEMENTS (ways)].name);
      WAIT_FOR (fixture->server->connections->len == 0);
      if (n_fds == 0)
        n_fds = count_fds ();
      ways[i % G_N_ELEMENTS (ways)].close (fixture);
      WAIT_FOR (held_device_count (fixture->held) == 0 && g_hash_table_size (fixture->server->calls) == 0);
      WAIT_FOR (count_fds () <= n_fds);
    }
  WAIT_FOR (fixture->server->connections->len == 0);
  g_assert_cmpuint (g_hash_table_size (fixture->server->listeners), ==, 0);
  g_object_unref (connect_bus (fixture));      /* who comes after them is served */
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/device/server/notifies-together", Fixture, NULL, set_up, test_notifies_together, tear_down);
  g_test_add_func ("/device/server/cannot-listen", test_cannot_listen);
  g_test_add ("/device/server/calls-bounded", Fixture, NULL, set_up, test_calls_bounded, tear_down);
  g_test_add ("/device/server/closes-at-once", Fixture, NULL, set_up, test_closes_at_once, tear_down);
  return g_test_run ();
}
