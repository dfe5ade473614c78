/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <gio/gunixfdlist.h>

#include "held-device.h"
#include "tn-bus-socket.h"
#include "tn-device-server.h"
#include "tn-error.h"
#include "tn-system-device.h"

/* --- Waiting: turns the context until something shows; the limit is that of the test --- */

static void
result_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static GAsyncResult *
wait_result (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

#define WAIT_FOR(condition)                    \
  G_STMT_START                                 \
  while (!(condition))                         \
    g_main_context_iteration (NULL, TRUE);     \
  G_STMT_END

/* --- One device, and what another program sees of it --- */

typedef struct
{
  char           *directory;
  HeldDevice     *held;
  TnDeviceServer *server;
  TnDevice       *device;      /* over the bus */
} Pair;

static void
start (TnDevice *device)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  tn_device_start_async (device, NULL, result_cb, &result);
  tn_device_start_finish (device, wait_result (&result), &error);
  g_assert_no_error (error);
}

static void
pair_set_up (Pair          *pair,
             gconstpointer  unused)
{
  g_autoptr (GError) error = NULL;

  pair->directory = g_dir_make_tmp ("tailnet-XXXXXX", &error);
  g_assert_no_error (error);
  pair->held = held_device_new ();
  pair->server = tn_device_server_new (TN_DEVICE (pair->held));
  g_assert_true (tn_device_server_listen (pair->server, pair->directory, &error));
  g_assert_no_error (error);
  pair->device = TN_DEVICE (tn_system_device_new_for_directory (pair->directory));
  start (pair->device);
}

static void
pair_tear_down (Pair          *pair,
                gconstpointer  unused)
{
  tn_device_server_close (pair->server);
  WAIT_FOR (tn_device_get_state (pair->device) == TN_DEVICE_STATE_STOPPED);
  g_assert_finalize_object (pair->device);
  g_object_unref (pair->server);
  WAIT_FOR (held_device_count (pair->held) == 0);
  g_object_unref (pair->held);
  g_assert_cmpint (g_rmdir (pair->directory), ==, 0);
  g_free (pair->directory);
}

/* --- Every method --- */

static void
test_life (Pair          *pair,
           gconstpointer  unused)
{
  g_autoptr (GAsyncResult) logout = NULL;
  g_autoptr (GAsyncResult) login = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (tn_device_get_state (pair->device), ==, TN_DEVICE_STATE_RUNNING);
  tn_device_logout_async (pair->device, NULL, result_cb, &logout);
  g_assert_true (tn_device_logout_finish (pair->device, wait_result (&logout), &error));
  g_assert_cmpstr (held_device_get_last (pair->held), ==, "logout");
  WAIT_FOR (tn_device_get_state (pair->device) == TN_DEVICE_STATE_NEEDS_LOGIN);

  tn_device_login_async (pair->device, NULL, result_cb, &login);
  g_assert_true (tn_device_login_finish (pair->device, wait_result (&login), &error));
  g_assert_cmpstr (held_device_get_last (pair->held), ==, "login");
  WAIT_FOR (tn_device_get_state (pair->device) == TN_DEVICE_STATE_RUNNING);
}

static void
set_flag (gboolean *flag)
{
  *flag = TRUE;
}

static void
test_stop (Pair          *pair,
           gconstpointer  unused)
{
  g_autoptr (GAsyncResult) result = NULL;
  gboolean requested = FALSE;

  g_signal_connect_swapped (pair->server, "stop-requested", G_CALLBACK (set_flag), &requested);
  tn_device_stop_async (pair->device, NULL, result_cb, &result);
  g_assert_true (tn_device_stop_finish (pair->device, wait_result (&result), NULL));
  WAIT_FOR (requested);
}

static void
test_questions (Pair          *pair,
                gconstpointer  unused)
{
  g_autoptr (GAsyncResult) pinged = NULL;
  g_autoptr (GAsyncResult) known = NULL;
  g_autoptr (GAsyncResult) fetched = NULL;
  g_autoptr (GAsyncResult) shown = NULL;
  g_autoptr (GAsyncResult) published = NULL;
  g_autoptr (GAsyncResult) refused = NULL;
  g_autofree char *token = NULL;
  g_autoptr (GVariant) capabilities = NULL;
  g_autoptr (TnPingResult) pong = NULL;
  g_autoptr (TnNode) node = NULL;
  g_autofree char *status = NULL;
  g_autoptr (GError) error = NULL;

  tn_device_ping_async (pair->device, "db", TN_PING_KIND_TSMP, 0, NULL, result_cb, &pinged);
  pong = tn_device_ping_finish (pair->device, wait_result (&pinged), &error);
  g_assert_no_error (error);
  g_assert_cmpint (tn_ping_result_get_latency_us (pong), ==, 1500);
  g_assert_cmpstr (tn_node_get_name (tn_ping_result_get_node (pong)), ==, "db");

  tn_device_whois_async (pair->device, "100.64.0.2:80", NULL, NULL, result_cb, &known);
  node = tn_device_whois_finish (pair->device, wait_result (&known), &capabilities, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (tn_node_get_stable_id (node), ==, "db");
  g_assert_cmpuint (g_variant_n_children (capabilities), ==, 1);

  tn_device_fetch_id_token_async (pair->device, "x", NULL, result_cb, &fetched);
  token = tn_device_fetch_id_token_finish (pair->device, wait_result (&fetched), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (token, ==, "token.for.x");

  tn_device_publish_txt_async (pair->device, "_acme-challenge.own.tail.test", "v", NULL, result_cb, &published);
  g_assert_true (tn_device_publish_txt_finish (pair->device, wait_result (&published), &error));
  g_assert_no_error (error);
  tn_device_publish_txt_async (pair->device, "_acme-challenge.db.tail.test", "v", NULL, result_cb, &refused);
  g_assert_false (tn_device_publish_txt_finish (pair->device, wait_result (&refused), &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_CONTROL);
  g_assert_nonnull (strstr (error->message, "not yours"));
  g_clear_error (&error);

  tn_device_status_to_json_async (pair->device, NULL, result_cb, &shown);
  status = tn_device_status_to_json_finish (pair->device, wait_result (&shown), &error);
  g_assert_no_error (error);
  g_assert_nonnull (strstr (status, "100.64.0.2"));
}

static void
test_sockets (Pair          *pair,
              gconstpointer  unused)
{
  g_autoptr (GAsyncResult) connected = NULL;
  g_autoptr (GAsyncResult) listening = NULL;
  g_autoptr (GAsyncResult) accepted = NULL;
  g_autoptr (GAsyncResult) bound = NULL;
  g_autoptr (TnConnection) out = NULL;
  g_autoptr (TnConnection) in = NULL;
  g_autoptr (TnListener) listener = NULL;
  g_autoptr (TnDatagramSocket) socket = NULL;
  g_autoptr (GError) error = NULL;

  tn_device_connect_to_host_async (pair->device, "db:80", 0, NULL, result_cb, &connected);
  out = tn_device_connect_to_host_finish (pair->device, wait_result (&connected), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (tn_node_get_name (tn_connection_get_peer (out)), ==, "db");

  tn_device_listen_async (pair->device, 80, NULL, NULL, result_cb, &listening);
  listener = tn_device_listen_finish (pair->device, wait_result (&listening), &error);
  g_assert_no_error (error);
  tn_listener_accept_async (listener, NULL, result_cb, &accepted);
  fake_listener_push (held_device_get_listener (pair->held), "100.64.0.2");
  in = tn_listener_accept_finish (listener, wait_result (&accepted), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (tn_node_get_name (tn_connection_get_peer (in)), ==, "db");
  tn_listener_close (listener);
  WAIT_FOR (fake_listener_is_closed (held_device_get_listener (pair->held)));

  tn_device_bind_datagram_async (pair->device, 53, NULL, NULL, result_cb, &bound);
  socket = tn_device_bind_datagram_finish (pair->device, wait_result (&bound), &error);
  g_assert_no_error (error);
  g_assert_nonnull (tn_datagram_socket_get_local_address (socket));
}

static TnConnection *
accept_one (Pair       *pair,
            TnListener *listener)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  TnConnection *connection;

  tn_listener_accept_async (listener, NULL, result_cb, &result);
  fake_listener_push (held_device_get_listener (pair->held), "100.64.0.2");
  connection = tn_listener_accept_finish (listener, wait_result (&result), &error);
  g_assert_no_error (error);
  return connection;
}

/* What the policy grants is a matter of the connection: the next one, and a later question, may have another answer. */
static void
test_grants (Pair          *pair,
             gconstpointer  unused)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string ("100.64.0.2");
  g_autoptr (GAsyncResult) listening = NULL;
  g_autoptr (TnListener) listener = NULL;
  g_autoptr (TnConnection) first = NULL;
  g_autoptr (TnConnection) second = NULL;
  g_autoptr (TnConnection) third = NULL;
  g_autoptr (TnNode) node = NULL;
  g_autoptr (GVariant) later = NULL;
  g_autoptr (GError) error = NULL;

  tn_device_listen_async (pair->device, 80, NULL, NULL, result_cb, &listening);
  listener = tn_device_listen_finish (pair->device, wait_result (&listening), &error);
  g_assert_no_error (error);
  held_device_set_grants (pair->held, g_variant_new_parsed ("{'example.com/one': ['1']}"));
  first = accept_one (pair, listener);
  held_device_set_grants (pair->held, g_variant_new_parsed ("{'example.com/two': ['2']}"));
  second = accept_one (pair, listener);
  held_device_set_grants (pair->held, g_variant_new_parsed ("@a{sas} {}"));
  third = accept_one (pair, listener);
  g_assert_true (g_variant_lookup (tn_connection_get_capabilities (first), "example.com/one", "as", NULL));
  g_assert_true (g_variant_lookup (tn_connection_get_capabilities (second), "example.com/two", "as", NULL));
  g_assert_cmpuint (g_variant_n_children (tn_connection_get_capabilities (second)), ==, 1);
  g_assert_cmpuint (g_variant_n_children (tn_connection_get_capabilities (third)), ==, 0);

  held_device_set_grants (pair->held, g_variant_new_parsed ("{'example.com/one': ['1']}"));
  g_clear_object (&first);
  first = accept_one (pair, listener);
  node = tn_device_identify (pair->device, address, &later);
  g_assert_cmpstr (tn_node_get_stable_id (node), ==, "db");
  g_assert_null (later);
}

/* --- What changes by itself --- */

static void
note_items (GListModel *list,
            guint       position,
            guint       removed,
            guint       added,
            gpointer    user_data)
{
  ((guint *) user_data)[0] += removed;
  ((guint *) user_data)[1] += added;
}

static void
test_changes (Pair          *pair,
              gconstpointer  unused)
{
  TnDeviceModel *model = held_device_get_model (pair->held);
  GListModel *peers = tn_device_get_peers (pair->device);
  g_autoptr (TnNodeData) web = tn_node_data_new ("web");
  g_autoptr (TnHealthItem) item = tn_health_item_new ("x", TN_HEALTH_SEVERITY_LOW, "title", "text");
  g_autoptr (GPtrArray) items = g_ptr_array_new ();
  g_autofree char *login_url = NULL;
  guint changed[2] = { 0 };

  g_assert_cmpuint (g_list_model_get_n_items (peers), ==, 1);
  g_signal_connect (peers, "items-changed", G_CALLBACK (note_items), changed);
  tn_node_data_set_dns_name (web, "web.t.");
  tn_device_model_publish_peer (model, web);
  WAIT_FOR (g_list_model_get_n_items (peers) == 2);
  g_assert_cmpuint (changed[0], ==, 0);      /* who was there is not told of as new */
  g_assert_cmpuint (changed[1], ==, 1);
  tn_device_model_publish_removed (model, "db");
  WAIT_FOR (g_list_model_get_n_items (peers) == 1);
  g_assert_cmpuint (changed[0], ==, 1);

  g_ptr_array_add (items, item);
  tn_device_model_publish_health (model, items);
  WAIT_FOR (g_list_model_get_n_items (tn_device_get_health (pair->device)) == 1);

  tn_device_model_publish_facts (model, &(TnDeviceFacts) { .state = TN_DEVICE_STATE_NEEDS_LOGIN, .auth_url = "https://login.test/1" });
  WAIT_FOR (tn_device_get_state (pair->device) == TN_DEVICE_STATE_NEEDS_LOGIN);
  g_object_get (pair->device, "auth-url", &login_url, NULL);
  g_assert_cmpstr (login_url, ==, "https://login.test/1");
}

/* --- Cancelled, and left alone --- */

static void begin_login (TnDevice *device, GCancellable *c, GAsyncResult **r) { tn_device_login_async (device, c, result_cb, r); }
static void begin_logout (TnDevice *device, GCancellable *c, GAsyncResult **r) { tn_device_logout_async (device, c, result_cb, r); }
static void begin_status (TnDevice *device, GCancellable *c, GAsyncResult **r) { tn_device_status_to_json_async (device, c, result_cb, r); }

static void
begin_publish (TnDevice      *device,
               GCancellable  *cancellable,
               GAsyncResult **result)
{
  tn_device_publish_txt_async (device, "_acme-challenge.own.tail.test", "v", cancellable, result_cb, result);
}

static void begin_id_token (TnDevice *device, GCancellable *c, GAsyncResult **r) { tn_device_fetch_id_token_async (device, "x", c, result_cb, r); }

static void
begin_ping (TnDevice      *device,
            GCancellable  *cancellable,
            GAsyncResult **result)
{
  tn_device_ping_async (device, "db", TN_PING_KIND_DISCO, 0, cancellable, result_cb, result);
}

static void
begin_whois (TnDevice      *device,
             GCancellable  *cancellable,
             GAsyncResult **result)
{
  tn_device_whois_async (device, "100.64.0.2", NULL, cancellable, result_cb, result);
}

static void
begin_connect (TnDevice      *device,
               GCancellable  *cancellable,
               GAsyncResult **result)
{
  tn_device_connect_to_host_async (device, "db:80", 0, cancellable, result_cb, result);
}

static void
begin_listen (TnDevice      *device,
              GCancellable  *cancellable,
              GAsyncResult **result)
{
  tn_device_listen_async (device, 80, NULL, cancellable, result_cb, result);
}

static void
begin_bind (TnDevice      *device,
            GCancellable  *cancellable,
            GAsyncResult **result)
{
  tn_device_bind_datagram_async (device, 53, NULL, cancellable, result_cb, result);
}

static const struct
{
  const char *method;
  void      (*begin) (TnDevice *device, GCancellable *cancellable, GAsyncResult **result);
} calls[] = {
  { "Login", begin_login },
  { "Logout", begin_logout },
  { "Ping", begin_ping },
  { "Whois", begin_whois },
  { "StatusToJson", begin_status },
  { "FetchIdToken", begin_id_token },
  { "PublishTxt", begin_publish },
  { "Connect", begin_connect },
  { "Listen", begin_listen },
  { "BindDatagram", begin_bind },
};

/* As what any of them ends: each _finish() of the interface takes the error of the task. */
static void
assert_fails (GAsyncResult *result,
              GQuark        domain,
              int           code)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (g_task_had_error (G_TASK (result)));
  g_task_propagate_pointer (G_TASK (result), &error);
  g_assert_error (error, domain, code);
}

static void
test_cancelled (Pair          *pair,
                gconstpointer  unused)
{
  held_device_hold (pair->held, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GAsyncResult) result = NULL;
      guint before = held_device_count (pair->held);

      g_test_message ("%s", calls[i].method);
      calls[i].begin (pair->device, cancellable, &result);
      WAIT_FOR (held_device_count (pair->held) == before + 1);
      g_cancellable_cancel (cancellable);
      assert_fails (wait_result (&result), G_IO_ERROR, G_IO_ERROR_CANCELLED);
      WAIT_FOR (held_device_count (pair->held) == before);
    }
}

/* Only what is cancelled ends: not its neighbour, nor what was never sent. */
static void
test_cancelled_alone (Pair          *pair,
                      gconstpointer  unused)
{
  g_autoptr (GCancellable) first = g_cancellable_new ();
  g_autoptr (GCancellable) second = g_cancellable_new ();
  g_autoptr (GCancellable) unsent = g_cancellable_new ();
  g_autoptr (GAsyncResult) one = NULL;
  g_autoptr (GAsyncResult) two = NULL;
  g_autoptr (GAsyncResult) none = NULL;

  held_device_hold (pair->held, TRUE);
  begin_ping (pair->device, first, &one);
  begin_whois (pair->device, second, &two);
  WAIT_FOR (held_device_count (pair->held) == 2);
  g_cancellable_cancel (unsent);
  begin_ping (pair->device, unsent, &none);
  assert_fails (wait_result (&none), G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_cancellable_cancel (first);
  assert_fails (wait_result (&one), G_IO_ERROR, G_IO_ERROR_CANCELLED);
  WAIT_FOR (held_device_count (pair->held) == 1);
  g_assert_null (two);
  g_cancellable_cancel (second);
  assert_fails (wait_result (&two), G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* A program that waits for a device to come up, and goes. */
static void
test_cancelled_start (Pair          *pair,
                      gconstpointer  unused)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) again = NULL;

  tn_device_model_publish_facts (held_device_get_model (pair->held), &(TnDeviceFacts) { .state = TN_DEVICE_STATE_STARTING });
  WAIT_FOR (tn_device_get_state (pair->device) == TN_DEVICE_STATE_STARTING);
  tn_device_start_async (pair->device, cancellable, result_cb, &result);
  g_main_context_iteration (NULL, FALSE);
  g_cancellable_cancel (cancellable);
  assert_fails (wait_result (&result), G_IO_ERROR, G_IO_ERROR_CANCELLED);

  tn_device_start_async (pair->device, NULL, result_cb, &again);
  tn_device_model_publish_facts (held_device_get_model (pair->held), &(TnDeviceFacts) { .state = TN_DEVICE_STATE_RUNNING });
  g_assert_true (tn_device_start_finish (pair->device, wait_result (&again), NULL));
}

/* The answer and the word that nobody waits for it have crossed. */
static void
test_cancelled_answered (Pair          *pair,
                         gconstpointer  unused)
{
  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GAsyncResult) result = NULL;
      FakeListener *before = held_device_get_listener (pair->held);
      g_autoptr (GObject) held = before != NULL ? g_object_ref (G_OBJECT (before)) : NULL;      /* its address is not used again */

      begin_listen (pair->device, cancellable, &result);
      WAIT_FOR (held_device_get_listener (pair->held) != before);
      for (guint j = 0; j < i && result == NULL; j++)
        g_main_context_iteration (NULL, FALSE);
      g_cancellable_cancel (cancellable);
      if (g_task_had_error (G_TASK (wait_result (&result))))
        assert_fails (result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      else
        g_object_unref (tn_device_listen_finish (pair->device, result, NULL));
      g_clear_object (&result);      /* which has what nobody took */
      WAIT_FOR (fake_listener_is_closed (held_device_get_listener (pair->held)));
    }
}

static void
test_server_goes (Pair          *pair,
                  gconstpointer  unused)
{
  GAsyncResult *results[G_N_ELEMENTS (calls)] = { NULL };
  g_autoptr (GAsyncResult) late = NULL;

  held_device_hold (pair->held, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    calls[i].begin (pair->device, NULL, &results[i]);
  WAIT_FOR (held_device_count (pair->held) == G_N_ELEMENTS (calls));
  tn_device_server_close (pair->server);
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      g_test_message ("%s", calls[i].method);
      assert_fails (wait_result (&results[i]), G_IO_ERROR, G_IO_ERROR_CLOSED);
      g_object_unref (results[i]);
    }
  WAIT_FOR (tn_device_get_state (pair->device) == TN_DEVICE_STATE_STOPPED);
  begin_ping (pair->device, NULL, &late);
  assert_fails (wait_result (&late), G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
}

/* --- A server that answers anything --- */

#define GOOD_PEERS "([{'id': <'db'>, 'fqdn': <'db.t.'>, 'addresses': <['100.64.0.2']>}], uint32 1)"

typedef struct
{
  const char *method;
  const char *reply;       /* GVariant text */
  guint       n_fds;
  gboolean    bearable;    /* the call succeeds all the same */
} Answer;

static const Answer answers[] = {
  { "Ping", "()" },
  { "Ping", "('db',)" },
  { "Ping", "(uint32 1, 'x', int64 1, (uint32 0, '', uint32 0, '', int64 0))" },
  { "Ping", "('nobody', '100.64.0.2', int64 1, (uint32 0, '', uint32 0, '', int64 0))" },
  { "Ping", "('db', 'no address', int64 1, (uint32 0, '', uint32 0, '', int64 0))" },
  { "Ping", "('db', '100.64.0.2', int64 -9223372036854775808, (uint32 4294967295, 'x', uint32 4294967295, 'a code that is rather long', "
            "int64 -1))", 0, TRUE },
  { "Whois", "('nobody', @a{sas} {})" },
  { "Whois", "('', @a{sas} {})" },
  { "Whois", "('db', {'x': 1})" },
  { "Whois", "('db', @a{sas} {})", 0, TRUE },
  { "StatusToJson", "(uint32 1,)" },
  { "StatusToJson", "('no JSON',)", 0, TRUE },
  { "FetchIdToken", "()" },
  { "FetchIdToken", "(@ay [],)" },
  { "PublishTxt", "('x',)" },
  { "Connect", "('x',)" },
  { "Connect", "(handle 0, 'a', 'b', 'c', @a{sas} {})" },
  { "Connect", "(handle 1, '', '', '', @a{sas} {})", 1 },
  { "Connect", "(handle -1, '', '', '', @a{sas} {})", 1 },
  { "Connect", "(handle 2147483647, '', '', '', @a{sas} {})", 1 },
  { "Connect", "(handle 0, '', '', '', @a{sas} {})", 1 },      /* a descriptor, but no socket */
  { "Listen", "()" },
  { "Listen", "('one', '')" },
  { "Listen", "(uint32 1, '[::]:99999999999')", 0, TRUE },
  { "BindDatagram", "(handle 0, '')" },
  { "BindDatagram", "(handle 7, '100.64.0.1:53')", 1 },
  { "BindDatagram", "(handle 0, '100.64.0.1:53')", 1 },
  { "Login", "(1,)" },
  { "Login", "()", 0, TRUE },
  { "Logout", "('x', 'y')" },

  /* Before it is started; the end says whether it starts. */
  { "GetAll", "(1,)", 0, TRUE },
  { "GetAll", "(@a{sv} {},)", 0, TRUE },
  { "GetAll", "({'State': <'running'>, 'Health': <5>, 'SelfNode': <'x'>, 'Preferences': <(1,)>, 'KeyExpiry':<uint32 1>, 'AuthUrl':<0>},)", 0, TRUE },
  { "GetAll", "({'State': <uint32 4294967295>, 'Health': <[('', uint32 99, '', '')]>, 'SelfNode': <@a{sv} {}>, "
              "'Preferences': <('', '', @as [], true)>, 'KeyExpiry': <int64 -1>, 'Nothing': <1>},)", 0, TRUE },
  { "Start", "(1,)" },
  { "ListPeers", "(@aa{sv} [],)" },
  { "ListPeers", "(@aa{sv} [], uint32 4294967295)", 0, TRUE },
  { "ListPeers", "([@a{sv} {}], uint32 3)", 0, TRUE },      /* nobody, three times */
  { "ListPeers", "([{'id': <'a'>}, {'id': <'a'>}], uint32 1)", 0, TRUE },
  { "ListPeers", "([{'id': <1>, 'fqdn': <2>}, {'id': <''>}], uint32 2)", 0, TRUE },
  { "ListPeers", "([{'id': <'a'>, 'node-id': <'x'>, 'fqdn': <1>, 'hostname': <1>, 'os': <1>, 'public-key': <'x'>, 'user': <1>, 'tags': <1>, "
                 "'addresses': <1>, 'allowed-ips': <1>, 'routes': <1>, 'endpoints': <1>, 'home-region': <'x'>, 'created': <'x'>, "
                 "'capability-version': <'x'>, 'capabilities': <1>, 'location': <1>, 'peer-api-urls': <1>, 'ssh-host-keys': <1>, "
                 "'online': <1>, 'path': <1>, 'traffic': <1>}], uint32 1)", 0, TRUE },
  { "ListPeers", "([{'id': <'a'>, 'fqdn': <''>, 'public-key': <b'short'>, 'addresses': <['', 'x', '100.64.0.300', '::1']>, "
                 "'allowed-ips': <['1.2.3.4/33', '/', '::/0']>, 'user': <(int64 -1, '', '', '')>, 'created': <int64 -9223372036854775808>, "
                 "'last-seen': <int64 9223372036854775807>, 'capabilities': <{'': @as []}>, 'path': <(uint32 9, '', uint32 0, '', int64 0)>, "
                 "'traffic': <(uint64 18446744073709551615, uint64 0, int64 -1)>}], uint32 1)", 0, TRUE },
};

static const char *
usual_reply (const char *method)
{
  if (g_str_equal (method, "GetAll"))
    return "({'State': <uint32 4>},)";
  if (g_str_equal (method, "ListPeers"))
    return GOOD_PEERS;
  return "()";
}

/* In the thread of the bus. */
static GDBusMessage *
answer_cb (GDBusConnection *connection,
           GDBusMessage    *message,
           gboolean         incoming,
           gpointer         user_data)
{
  const Answer *answer = user_data;
  const char *method = g_dbus_message_get_member (message);
  g_autoptr (GDBusMessage) reply = NULL;
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  gboolean odd = answer != NULL && g_strcmp0 (answer->method, method) == 0;

  if (!incoming || g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL)
    return message;
  reply = g_dbus_message_new_method_reply (message);
  g_dbus_message_set_body (reply, g_variant_new_parsed (odd ? answer->reply : usual_reply (method)));
  if (odd && answer->n_fds > 0)
    {
      int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

      g_assert_cmpint (g_unix_fd_list_append (fds, fd, NULL), ==, 0);
      close (fd);
      g_dbus_message_set_unix_fd_list (reply, fds);
    }
  g_assert_true (g_dbus_connection_send_message (connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL));
  g_object_unref (message);
  return NULL;
}

static gboolean
odd_connection_cb (GDBusServer     *server,
                   GDBusConnection *connection,
                   gpointer         user_data)
{
  g_dbus_connection_add_filter (connection, answer_cb, user_data, NULL);
  g_object_set_data_full (G_OBJECT (server), "connection", g_object_ref (connection), g_object_unref);
  return TRUE;
}

static GDBusServer *
odd_server_new (const char   *directory,
                const Answer *answer)
{
  g_autofree char *guid = g_dbus_generate_guid ();
  g_autoptr (GError) error = NULL;
  g_autofree char *address = NULL;
  GDBusServer *server;
  int fd;

  address = tn_bus_socket_dup_address (directory, &fd, &error);
  g_assert_no_error (error);
  server = g_dbus_server_new_sync (address, G_DBUS_SERVER_FLAGS_NONE, guid, NULL, NULL, &error);
  g_assert_no_error (error);
  g_signal_connect (server, "new-connection", G_CALLBACK (odd_connection_cb), (gpointer) (guintptr) answer);
  g_dbus_server_start (server);
  return server;
}

static void
ask (TnDevice     *device,
     const Answer *answer)
{
  g_autoptr (GAsyncResult) started = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  gboolean runs;

  tn_device_start_async (device, NULL, result_cb, &started);
  runs = tn_device_start_finish (device, wait_result (&started), NULL);
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    if (g_str_equal (calls[i].method, answer->method))
      {
        g_assert_true (runs);
        calls[i].begin (device, NULL, &result);
        g_assert_cmpint (g_task_had_error (G_TASK (wait_result (&result))), ==, !answer->bearable);
      }
  if (result == NULL)
    g_assert_cmpint (runs, ==, answer->bearable);
}

/* GDBus warns of each property of another type, and leaves it out. */
static gboolean
is_fatal_cb (const char     *domain,
             GLogLevelFlags  level,
             const char     *message,
             gpointer        unused)
{
  return g_strcmp0 (domain, "GLib-GIO") != 0 || strstr (message, "does not match expected type") == NULL;
}

static void
warned_cb (const char     *domain,
           GLogLevelFlags  level,
           const char     *message,
           gpointer        n_warnings)
{
  *(guint *) n_warnings += 1;
}

static void
test_odd_answers (void)
{
  g_autofree char *directory = g_dir_make_tmp ("tailnet-XXXXXX", NULL);

  guint n_warnings = 0;
  guint handler = g_log_set_handler ("GLib-GIO", G_LOG_LEVEL_WARNING | G_LOG_FLAG_FATAL, warned_cb, &n_warnings);

  g_test_log_set_fatal_handler (is_fatal_cb, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      g_autoptr (GDBusServer) server = odd_server_new (directory, &answers[i]);
      g_autoptr (TnDevice) device = TN_DEVICE (tn_system_device_new_for_directory (directory));
      GDBusConnection *connection;

      g_test_message ("%s: %s", answers[i].method, answers[i].reply);
      ask (device, &answers[i]);
      g_dbus_server_stop (server);
      connection = g_object_get_data (G_OBJECT (server), "connection");
      g_dbus_connection_close_sync (connection, NULL, NULL);
    }
  g_log_remove_handler ("GLib-GIO", handler);
  g_assert_cmpuint (n_warnings, ==, 6);
  g_rmdir (directory);
}

int
main (int    argc,
      char **argv)
{
  static const struct { const char *path; void (*func) (Pair *pair, gconstpointer unused); } tests[] = {
    { "life", test_life },
    { "stop", test_stop },
    { "questions", test_questions },
    { "sockets", test_sockets },
    { "grants", test_grants },
    { "changes", test_changes },
    { "cancelled", test_cancelled },
    { "cancelled-alone", test_cancelled_alone },
    { "cancelled-start", test_cancelled_start },
    { "cancelled-answered", test_cancelled_answered },
    { "server-goes", test_server_goes },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree char *path = g_strdup_printf ("/device/system/%s", tests[i].path);

      g_test_add (path, Pair, NULL, pair_set_up, tests[i].func, pair_tear_down);
    }
  g_test_add_func ("/device/system/odd-answers", test_odd_answers);
  return g_test_run ();
}
