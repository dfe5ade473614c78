/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "device-kit.h"

#define MANY 100

static TnTestkitTailnet *tailnet;

static TnTestkitControl *
control (void)
{
  return tn_testkit_tailnet_get_control (tailnet);
}

/* --- Start and stop --- */

static void
test_start_twice (void)
{
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "twice", NULL, TRUE);
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;
  g_autoptr (GError) error = NULL;

  tn_device_start_async (device, NULL, kit_result_cb, &first);
  tn_device_start_async (device, NULL, kit_result_cb, &second);
  g_assert_false (tn_device_start_finish (device, kit_wait (&second), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PENDING);
  g_clear_error (&error);
  g_assert_true (tn_device_start_finish (device, kit_wait (&first), &error));
  g_assert_true (kit_start (device, &error));      /* it runs already */
  kit_stop (device);
  kit_stop (device);
}

static void
test_stop_while_starting (void)
{
  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (TnDevice) device = kit_device_new (tailnet, "hasty", NULL, TRUE);
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GError) error = NULL;

      tn_device_start_async (device, NULL, kit_result_cb, &result);
      for (guint j = 0; j < i; j++)
        g_main_context_iteration (NULL, FALSE);
      kit_stop (device);
      if (!tn_device_start_finish (device, kit_wait (&result), &error))
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_assert_true (kit_start (device, NULL));
      kit_stop (device);
    }
}

static void
test_cancel_start (void)
{
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "unsure", NULL, TRUE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  tn_device_start_async (device, cancellable, kit_result_cb, &result);
  g_cancellable_cancel (cancellable);
  g_assert_false (tn_device_start_finish (device, kit_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (tn_device_get_state (device), ==, TN_DEVICE_STATE_STOPPED);
}

static gboolean fds_closed (gpointer data);

static gboolean
cancel_cb (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return G_SOURCE_REMOVE;
}

/* libsoup warns of a client that hung up before it was accepted, which is what happens here. */
static gboolean
is_fatal_cb (const char     *domain,
             GLogLevelFlags  level,
             const char     *message,
             gpointer        data)
{
  return g_strcmp0 (domain, "libsoup") != 0;
}

/* At moments all over the time that a start takes: whatever is under way then ends, and the next start is like any other. */
static void
test_cancel_start_anywhere (void)
{
  enum { N_MOMENTS = 40 };
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "wavering", NULL, TRUE);
  guint n_cancelled = 0;
  gint64 begin_us = g_get_monotonic_time ();
  gint64 step_us;
  guint n_fds;

  g_test_log_set_fatal_handler (is_fatal_cb, NULL);
  g_assert_true (kit_start (device, NULL));
  n_fds = kit_count_fds ();
  step_us = 2 * (g_get_monotonic_time () - begin_us) / N_MOMENTS;
  kit_stop (device);
  for (guint i = 0; i < N_MOMENTS; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GError) error = NULL;
      GSource *source = g_timeout_source_new (0);

      g_source_set_callback (source, cancel_cb, cancellable, NULL);
      g_source_set_ready_time (source, g_get_monotonic_time () + (gint64) i * step_us);
      g_source_attach (source, g_main_context_get_thread_default ());
      tn_device_start_async (device, cancellable, kit_result_cb, &result);
      if (tn_device_start_finish (device, kit_wait (&result), &error))
        {
          g_assert_cmpint (tn_device_get_state (device), ==, TN_DEVICE_STATE_RUNNING);
        }
      else
        {
          g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
          g_assert_cmpint (tn_device_get_state (device), ==, TN_DEVICE_STATE_STOPPED);
          n_cancelled++;
        }
      g_source_destroy (source);
      g_source_unref (source);
      kit_stop (device);
    }
  g_test_message ("%u of %u starts cancelled", n_cancelled, N_MOMENTS);
  g_assert_cmpuint (n_cancelled, >, 0);
  g_assert_true (kit_start (device, NULL));
  kit_wait_for ("descriptors to be closed", fds_closed, GUINT_TO_POINTER (n_fds + 4));
  kit_stop (device);
}

/* The same store is the same node, and needs no key again. */
static void
test_restart (void)
{
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autofree char *id = NULL;

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (TnDevice) device = kit_device_new (tailnet, "steady", store, i == 0);
      g_autoptr (TnNode) self = NULL;
      g_autoptr (GError) error = NULL;

      kit_start (device, &error);
      g_assert_no_error (error);
      self = tn_device_dup_self_node (device);
      if (id == NULL)
        id = g_strdup (tn_node_get_stable_id (self));
      g_assert_cmpstr (tn_node_get_stable_id (self), ==, id);
      kit_stop (device);
    }
}

/* A key that comes with a node of old is for the case that the server does not know that node any more. */
static void
test_restart_forgotten (void)
{
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "forgotten", store, TRUE);
  g_autoptr (TnNode) before = NULL;
  g_autoptr (TnNode) after = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (kit_start (device, &error));
  before = tn_device_dup_self_node (device);
  kit_stop (device);
  g_assert_true (tn_testkit_control_delete_node (control (), "forgotten", &error));
  kit_start (device, &error);
  g_assert_no_error (error);
  after = tn_device_dup_self_node (device);
  g_assert_cmpstr (tn_node_get_stable_id (after), !=, tn_node_get_stable_id (before));
  kit_stop (device);
}

static void
test_store_in_use (void)
{
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) one = kit_device_new (tailnet, "one", store, TRUE);
  g_autoptr (TnDevice) two = kit_device_new (tailnet, "two", store, TRUE);
  g_autoptr (GError) error = NULL;

  g_assert_true (kit_start (one, NULL));
  g_assert_false (kit_start (two, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_cmpint (tn_device_get_state (two), ==, TN_DEVICE_STATE_STOPPED);
  kit_stop (one);
  g_assert_true (kit_start (two, NULL));
  kit_stop (two);
}

/* --- Login --- */

static gboolean
has_url (gpointer data)
{
  g_autofree char *url = tn_device_dup_auth_url (data);

  return url != NULL;
}

static void
login_required_cb (TnDevice   *device,
                   const char *url,
                   gpointer    data)
{
  *(guint *) data += 1;
}

static void
test_login (void)
{
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "person", NULL, FALSE);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (TnNode) self = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *url = NULL;
  guint n_signals = 0;

  g_signal_connect (device, "login-required", G_CALLBACK (login_required_cb), &n_signals);
  tn_device_start_async (device, NULL, kit_result_cb, &result);
  kit_wait_for ("a URL", has_url, device);
  kit_wait_state (device, TN_DEVICE_STATE_NEEDS_LOGIN);
  g_assert_cmpuint (n_signals, ==, 1);
  g_assert_null (kit_connect (device, "bob", 80, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_NEEDS_LOGIN);
  g_clear_error (&error);

  url = tn_device_dup_auth_url (device);
  g_assert_true (tn_testkit_control_approve (control (), url, "ada@example.test", &error));
  g_assert_true (tn_device_start_finish (device, kit_wait (&result), &error));
  g_assert_no_error (error);
  g_assert_false (has_url (device));
  self = tn_device_dup_self_node (device);
  g_assert_cmpstr (tn_user_get_login_name (tn_node_get_user (self)), ==, "ada@example.test");
  kit_stop (device);
}

/* Who does not want to wait for somebody to open the URL any more, and who asks while the device stops. */
static void
test_login_ends (void)
{
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "nobody", NULL, FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) start = NULL, login = NULL, late = NULL, stop = NULL;
  g_autoptr (GError) error = NULL;

  tn_device_start_async (device, NULL, kit_result_cb, &start);
  kit_wait_for ("a URL", has_url, device);
  tn_device_login_async (device, cancellable, kit_result_cb, &login);
  g_cancellable_cancel (cancellable);
  g_assert_false (tn_device_login_finish (device, kit_wait (&login), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);

  tn_device_login_async (device, NULL, kit_result_cb, &late);
  tn_device_stop_async (device, NULL, kit_result_cb, &stop);
  g_assert_true (tn_device_stop_finish (device, kit_wait (&stop), &error));
  g_assert_false (tn_device_login_finish (device, kit_wait (&late), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);
  g_assert_false (tn_device_start_finish (device, kit_wait (&start), &error));
}

static gboolean
is_not_expired (gpointer node)
{
  return !tn_node_get_expired (node);
}

static void
assert_answers (TnDevice   *from,
                const char *name)
{
  g_autoptr (TnNode) peer = kit_wait_peer (from, name);
  g_autoptr (TnPingResult) pong = NULL;
  g_autoptr (GError) error = NULL;

  kit_wait_for ("its new key", is_not_expired, peer);
  pong = kit_ping (from, tn_node_get_addresses (peer)[0], TN_PING_KIND_DISCO, &error);
  g_assert_no_error (error);
}

static void
test_approval (void)
{
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "new", NULL, TRUE);
  g_autoptr (TnDevice) other = kit_device_join (tailnet, "approved");
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_object_set (control (), "require-approval", TRUE, NULL);
  tn_device_start_async (device, NULL, kit_result_cb, &result);
  kit_wait_state (device, TN_DEVICE_STATE_NEEDS_APPROVAL);
  g_assert_null (result);
  g_object_set (control (), "require-approval", FALSE, NULL);
  g_assert_true (tn_testkit_control_authorize_node (control (), "new", &error));
  g_assert_true (tn_device_start_finish (device, kit_wait (&result), &error));
  g_assert_no_error (error);
  assert_answers (other, "new");
  kit_stop (device);
  kit_stop (other);
}

static gboolean
is_expired (gpointer node)
{
  return tn_node_get_expired (node);
}

/* At its time, whatever the server says by then. */
static void
test_key_expires (void)
{
  g_autoptr (TnDevice) device = kit_device_join (tailnet, "aging");
  g_autoptr (TnDevice) other = kit_device_join (tailnet, "younger");
  gint64 expiry_s = g_get_real_time () / G_USEC_PER_SEC + 2;
  g_autoptr (GAsyncResult) login = NULL;
  g_autoptr (TnNode) self = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  g_assert_true (tn_testkit_control_set_node_expiry (control (), "aging", expiry_s, &error));
  kit_wait_state (device, TN_DEVICE_STATE_NEEDS_LOGIN);
  g_assert_cmpint (g_get_real_time () / G_USEC_PER_SEC, >=, expiry_s);
  text = kit_wait_health (device, "key-expired");
  g_assert_nonnull (strstr (text, "expired"));
  self = tn_device_dup_self_node (device);
  kit_wait_for ("the own node to say so", is_expired, self);
  g_assert_null (kit_connect (device, "bob", 80, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_NEEDS_LOGIN);
  g_clear_error (&error);

  /* With a new key, and the same node. */
  tn_device_login_async (device, NULL, kit_result_cb, &login);
  g_assert_true (tn_device_login_finish (device, kit_wait (&login), &error));
  g_assert_no_error (error);
  kit_wait_state (device, TN_DEVICE_STATE_RUNNING);
  kit_wait_healthy (device, "key-expired");
  kit_wait_for ("the own node to be good", is_not_expired, self);
  assert_answers (other, "aging");
  kit_stop (device);
  kit_stop (other);
}

static void
tell_expiry (const char *node,
             const char *peer,
             gint64      expiry_us)
{
  g_autoptr (TnTestkitNode) record = tn_testkit_control_lookup_node (control (), peer);
  g_autoptr (GDateTime) seconds = g_date_time_new_from_unix_utc (expiry_us / G_USEC_PER_SEC);
  g_autofree char *time = g_date_time_format (seconds, "%Y-%m-%dT%H:%M:%S");
  gint64 id = g_ascii_strtoll (tn_testkit_node_get_stable_id (record) + 1, NULL, 10);
  g_autofree char *json = g_strdup_printf ("{\"PeersChangedPatch\":[{\"NodeID\":%" G_GINT64_FORMAT ",\"KeyExpiry\":\"%s.%06dZ\"}]}",
                                           id, time, (int) (expiry_us % G_USEC_PER_SEC));

  g_assert_cmpuint (tn_testkit_control_send_map_response (control (), node, json), ==, 1);
}

/* At its time, too, and only until it is good again. */
static void
test_peer_key_expires (void)
{
  g_autoptr (TnDevice) device = kit_device_join (tailnet, "watching");
  g_autoptr (TnDevice) other = kit_device_join (tailnet, "fading");
  g_autoptr (TnNode) peer = kit_wait_peer (device, "fading");
  g_autoptr (TnPingResult) pong = NULL;
  g_autoptr (GError) error = NULL;
  gint64 expiry_us = g_get_real_time () + G_USEC_PER_SEC;

  pong = kit_ping (device, "fading", TN_PING_KIND_TSMP, &error);
  g_assert_no_error (error);
  g_clear_object (&pong);
  tell_expiry ("watching", "fading", expiry_us);
  kit_wait_for ("the key to expire", is_expired, peer);
  g_assert_cmpint (g_get_real_time (), >=, expiry_us);
  g_assert_null (kit_connect (device, "fading", 80, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_KEY_EXPIRED);
  g_clear_error (&error);
  g_assert_null (kit_ping (device, tn_node_get_addresses (peer)[0], TN_PING_KIND_TSMP, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_KEY_EXPIRED);
  g_clear_error (&error);

  tell_expiry ("watching", "fading", g_get_real_time () + 1000 * G_USEC_PER_SEC);
  kit_wait_for ("the key to be good", is_not_expired, peer);
  pong = kit_ping (device, "fading", TN_PING_KIND_TSMP, &error);
  g_assert_no_error (error);
  kit_stop (device);
  kit_stop (other);
}

/* --- Names of peers --- */

static gboolean
has_new_name (gpointer device)
{
  g_autoptr (TnNode) node = tn_device_lookup_peer (device, "n7newnow");

  return node != NULL;
}

/* A peer that gets another stable id is one peer all the same: the application has no ghost of it. */
static void
test_other_stable_id (void)
{
  static const char *const names[] = { "n7old", "n7older", "n7newnow" };
  g_autoptr (TnDevice) device = kit_device_join (tailnet, "watching");
  guint n_peers = g_list_model_get_n_items (tn_device_get_peers (device));

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *json =
        g_strdup_printf ("{\"PeersChanged\":[{\"ID\":777777,\"StableID\":\"stable-%s\",\"Name\":\"%s.tail.test.\","
                         "\"Key\":\"nodekey:%064x\",\"Addresses\":[\"100.100.77.77/32\"]}]}", names[i], names[i], 7u);

      g_assert_cmpuint (tn_testkit_control_send_map_response (control (), "watching", json), ==, 1);
    }
  kit_wait_for ("the last name", has_new_name, device);
  g_assert_cmpuint (g_list_model_get_n_items (tn_device_get_peers (device)), ==, n_peers + 1);
  kit_stop (device);
}

/* --- What control shows --- */

static void
tell_messages (const char *json)
{
  g_autofree char *text = g_strdup_printf ("{\"DisplayMessages\":%s}", json);

  g_assert_cmpuint (tn_testkit_control_send_map_response (control (), "shown", text), ==, 1);
}

static void
test_messages (void)
{
  g_autoptr (TnDevice) device = kit_device_join (tailnet, "shown");
  g_autofree char *full = NULL;
  g_autofree char *slow = NULL;

  g_assert_cmpuint (tn_testkit_control_send_map_response (control (), "shown", "{\"Health\":[\"is ill\"]}"), ==, 1);
  g_free (kit_wait_health (device, "control"));
  tell_messages ("{\"full\":{\"Title\":\"Full\",\"Text\":\"No room.\",\"Severity\":\"high\","
                 "\"PrimaryAction\":{\"URL\":\"https://a.example/\",\"Label\":\"Buy\"}},\"slow\":{\"Text\":\"Slow.\","
                 "\"PrimaryAction\":{\"URL\":\"file:///bin/sh\",\"Label\":\"Run\"}}}");
  full = kit_wait_health (device, "control-message-full");
  slow = kit_wait_health (device, "control-message-slow");
  g_assert_nonnull (strstr (full, "No room. https://a.example/"));
  g_assert_nonnull (strstr (slow, "Slow."));
  g_assert_null (strstr (slow, "file:"));
  kit_wait_healthy (device, "control");      /* messages are shown instead */

  tell_messages ("{\"full\":null}");
  kit_wait_healthy (device, "control-message-full");
  g_free (kit_wait_health (device, "control-message-slow"));
  tell_messages ("{\"*\":null}");
  kit_wait_healthy (device, "control-message-slow");
  g_free (kit_wait_health (device, "control"));
  kit_stop (device);
}

static void
count_cb (GListModel *list,
          guint       position,
          guint       removed,
          guint       added,
          gpointer    n)
{
  ++*(guint *) n;
}

/* However many there are in a message, the program hears of them at once; none can pass for a condition of the node itself. */
static void
test_messages_at_once (void)
{
  g_autoptr (TnDevice) device = kit_device_join (tailnet, "shown");
  GListModel *health = tn_device_get_health (device);
  GString *many = g_string_new ("{\"connection\":{\"Text\":\"All is lost.\"}");
  guint n = 0;

  g_assert_cmpuint (g_list_model_get_n_items (health), ==, 0);
  g_signal_connect (health, "items-changed", G_CALLBACK (count_cb), &n);
  for (guint i = 0; i < 500; i++)
    g_string_append_printf (many, ",\"m%u\":{\"Text\":\"Text.\"}", i);
  g_string_append_c (many, '}');
  tell_messages (many->str);
  g_free (kit_wait_health (device, "control-message-connection"));
  g_assert_cmpuint (g_list_model_get_n_items (health), ==, 501);
  g_assert_cmpuint (n, ==, 1);
  tell_messages ("{\"*\":null}");
  kit_wait_healthy (device, "control-message-connection");
  g_assert_cmpuint (g_list_model_get_n_items (health), ==, 0);
  g_assert_cmpuint (n, ==, 2);
  g_string_free (many, TRUE);
  kit_stop (device);
}

/* Refused at once, or tried: that nobody has such a name is found out then. */
static void
test_plain_http (void)
{
  g_autoptr (TnDevice) refused = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "a", "control-url", "http://control.invalid", NULL);
  g_autoptr (TnDevice) allowed = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "a", "control-url", "http://control.invalid",
                                               "allow-plain-http", TRUE, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (kit_start (refused, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_BLOCKED);
  g_assert_nonnull (strstr (error->message, "allow-plain-http"));
  g_clear_error (&error);

  tn_device_start_async (allowed, cancellable, kit_result_cb, &result);
  g_free (kit_wait_health (allowed, "control-connection"));
  g_cancellable_cancel (cancellable);
  g_assert_false (tn_device_start_finish (allowed, kit_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* --- Ephemeral: gone with the stop, not once the server misses it --- */

static void
peers_changed_cb (GListModel *peers,
                  guint       position,
                  guint       n_removed,
                  guint       n_added,
                  gpointer    data)
{
  *(guint *) data += n_removed;
}

static void
test_ephemeral (void)
{
  g_autoptr (TnTestkitTailnet) own = kit_tailnet_new ();
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) watcher = kit_device_join (own, "watcher");
  g_autofree char *url = tn_testkit_tailnet_dup_control_url (own);
  g_autoptr (TnDevice) device = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "brief", "control-url", url, "state-store", store,
                                              "auth-key", tn_testkit_tailnet_get_auth_key (own), "ephemeral", TRUE, NULL);
  guint n_removed = 0;

  g_signal_connect (tn_device_get_peers (watcher), "items-changed", G_CALLBACK (peers_changed_cb), &n_removed);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (TnNode) peer = NULL;
      g_autoptr (TnTestkitNode) node = NULL;
      gint64 stopped_us;

      g_assert_true (kit_start (device, NULL));
      peer = kit_wait_peer (watcher, "brief");
      n_removed = 0;
      kit_stop (device);
      stopped_us = g_get_monotonic_time ();
      node = tn_testkit_control_lookup_node (tn_testkit_tailnet_get_control (own), "brief");
      g_assert_null (node);
      kit_wait_gone (watcher, "brief");
      g_assert_cmpuint (n_removed, ==, 1);
      g_assert_cmpint (g_get_monotonic_time () - stopped_us, <, 5 * G_USEC_PER_SEC);      /* servers miss a node after a minute */
    }
  kit_stop (watcher);
}

/* --- Two tailnets, one address --- */

static void
test_same_address (void)
{
  g_autoptr (TnTestkitTailnet) other = kit_tailnet_new ();
  TnTestkitTailnet *fresh = kit_tailnet_new ();
  TnTestkitTailnet *tailnets[] = { fresh, other };
  TnDevice *clients[2], *servers[2];
  TnConnection *ends[4];
  char *addresses[2];

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (TnNode) self = NULL;

      servers[i] = kit_device_join (tailnets[i], "server");
      clients[i] = kit_device_join (tailnets[i], "client");
      self = tn_device_dup_self_node (servers[i]);
      addresses[i] = g_strdup (tn_node_get_addresses (self)[0]);
    }
  g_assert_cmpstr (addresses[0], ==, addresses[1]);
  for (guint i = 0; i < 2; i++)
    kit_pair (clients[i], servers[i], addresses[i], 80, &ends[2 * i], &ends[2 * i + 1]);
  for (guint i = 0; i < 2; i++)
    {
      TnNode *peer = tn_connection_get_peer (ends[2 * i]);
      g_autoptr (TnNode) self = tn_device_dup_self_node (servers[i]);

      g_assert_cmpstr (tn_node_get_public_key (peer), ==, tn_node_get_public_key (self));
      kit_echo (ends[2 * i], ends[2 * i + 1], i == 0 ? "one tailnet" : "another");
    }
  for (guint i = 0; i < 4; i++)
    g_object_unref (ends[i]);
  for (guint i = 0; i < 2; i++)
    {
      kit_free (clients[i]);
      kit_free (servers[i]);
      g_clear_pointer (&addresses[i], g_free);
    }
  g_object_unref (fresh);
}

/* --- Nothing is left --- */

static gboolean
is_gone (gpointer data)
{
  g_autoptr (TnTestkitNode) node = tn_testkit_control_lookup_node (control (), data);

  return node == NULL;
}

/* A device that is dropped finishes by itself; without a store nobody can be that node again, and it leaves the tailnet. */
static void
test_drop (void)
{
  TnDevice *device = kit_device_join (tailnet, "dropped");
  g_autoptr (TnTestkitNode) node = tn_testkit_control_lookup_node (control (), "dropped");
  g_autoptr (GAsyncResult) result = NULL;

  g_assert_true (tn_testkit_node_get_online (node));
  g_assert_finalize_object (device);
  kit_wait_for ("the server to forget the node", is_gone, (char[]) { "dropped" });

  /* A call keeps what it needs. */
  device = kit_device_new (tailnet, "called", NULL, TRUE);
  tn_device_start_async (device, NULL, kit_result_cb, &result);
  g_object_unref (device);
  g_assert_true (tn_device_start_finish (device, kit_wait (&result), NULL));
  g_clear_object (&result);
  kit_wait_for ("the server to forget the node", is_gone, (char[]) { "called" });
}

static gboolean
threads_ended (gpointer data)
{
  return kit_count_threads () <= GPOINTER_TO_UINT (data);
}

static gboolean
fds_closed (gpointer data)
{
  return kit_count_fds () <= GPOINTER_TO_UINT (data);
}

static gsize
resident_pages (void)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  return (gsize) g_ascii_strtoull (strchr (text, ' '), NULL, 10);
}

typedef struct
{
  guint n_fds;
  guint n_threads;
  gsize n_pages;
} Usage;

static void
measure (Usage *usage)
{
  *usage = (Usage) { kit_count_fds (), kit_count_threads (), resident_pages () };
}

static void
assert_no_more (const Usage *before)
{
  /* Those of the servers come and go a moment later. */
  kit_wait_for ("threads to end", threads_ended, GUINT_TO_POINTER (before->n_threads + 2));
  kit_wait_for ("descriptors to be closed", fds_closed, GUINT_TO_POINTER (before->n_fds + 4));
  g_test_message ("resident: %" G_GSIZE_FORMAT " pages, then %" G_GSIZE_FORMAT, before->n_pages, resident_pages ());
#if !defined (__SANITIZE_ADDRESS__) && !defined (__SANITIZE_THREAD__)
  g_assert_cmpuint (resident_pages (), <, before->n_pages + 1024);      /* 4 MiB: 50 kB each would show */
#endif
}

static void
test_hundred_times (void)
{
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "again", store, TRUE);
  guint n = g_test_slow () ? 10 * MANY : MANY;
  Usage before = { 0 };

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GError) error = NULL;

      kit_start (device, &error);
      g_assert_no_error (error);
      kit_stop (device);
      if (i == n / 4)      /* pools and caches have what they want */
        measure (&before);
    }
  assert_no_more (&before);
}

/* However far the start has come: once the stop has ended, the start has, too, and the next one waits for nothing. */
static void
test_hundred_stops (void)
{
  g_autoptr (TnStateStore) store = tn_memory_state_store_new ();
  g_autoptr (TnDevice) device = kit_device_new (tailnet, "restless", store, TRUE);
  Usage before = { 0 };

  g_test_log_set_fatal_handler (is_fatal_cb, NULL);
  for (guint i = 0; i < MANY; i++)
    {
      g_autoptr (GAsyncResult) started = NULL, stopped = NULL;
      g_autoptr (GError) error = NULL;
      gboolean awaited = i % 2 == 0;

      tn_device_start_async (device, NULL, awaited ? kit_result_cb : NULL, awaited ? &started : NULL);
      for (guint j = 0; j < i % 16; j++)
        g_main_context_iteration (NULL, FALSE);
      tn_device_stop_async (device, NULL, kit_result_cb, &stopped);
      g_assert_true (tn_device_stop_finish (device, kit_wait (&stopped), &error));
      g_assert_cmpint (tn_device_get_state (device), ==, TN_DEVICE_STATE_STOPPED);
      if (awaited)
        {
          g_assert_nonnull (started);
          if (!tn_device_start_finish (device, started, &error))
            g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
        }
      if (i == MANY / 4)
        measure (&before);
    }
  assert_no_more (&before);
  g_assert_true (kit_start (device, NULL));
  kit_stop (device);
}

int
main (int    argc,
      char **argv)
{
  int code;

  g_test_init (&argc, &argv, NULL);
  tailnet = kit_tailnet_new ();

  g_test_add_func ("/device/embedded-life/start-twice", test_start_twice);
  g_test_add_func ("/device/embedded-life/stop-while-starting", test_stop_while_starting);
  g_test_add_func ("/device/embedded-life/cancel-start", test_cancel_start);
  g_test_add_func ("/device/embedded-life/cancel-start-anywhere", test_cancel_start_anywhere);
  g_test_add_func ("/device/embedded-life/restart", test_restart);
  g_test_add_func ("/device/embedded-life/restart-forgotten", test_restart_forgotten);
  g_test_add_func ("/device/embedded-life/store-in-use", test_store_in_use);
  g_test_add_func ("/device/embedded-life/login", test_login);
  g_test_add_func ("/device/embedded-life/login-ends", test_login_ends);
  g_test_add_func ("/device/embedded-life/approval", test_approval);
  g_test_add_func ("/device/embedded-life/key-expires", test_key_expires);
  g_test_add_func ("/device/embedded-life/peer-key-expires", test_peer_key_expires);
  g_test_add_func ("/device/embedded-life/other-stable-id", test_other_stable_id);
  g_test_add_func ("/device/embedded-life/messages", test_messages);
  g_test_add_func ("/device/embedded-life/messages-at-once", test_messages_at_once);
  g_test_add_func ("/device/embedded-life/plain-http", test_plain_http);
  g_test_add_func ("/device/embedded-life/ephemeral", test_ephemeral);
  g_test_add_func ("/device/embedded-life/same-address", test_same_address);
  g_test_add_func ("/device/embedded-life/drop", test_drop);
  g_test_add_func ("/device/embedded-life/hundred-times", test_hundred_times);
  g_test_add_func ("/device/embedded-life/hundred-stops", test_hundred_stops);

  code = g_test_run ();
  g_object_unref (tailnet);
  return code;
}
