/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "device-kit.h"

/* What people and servers do to a node in the course of its life, and what the device shows of it. */

#define HOUR_S 3600

typedef struct
{
  TnTestkitTailnet *tailnet;
  TnTestkitControl *control;
  TnStateStore     *store;
  TnDevice         *device;
  GAsyncResult     *start;           /* nullable */
  GPtrArray        *urls;            /* each one that "login-required" told */
  GPtrArray        *registrations;   /* bodies of requests, of any node */
  guint             n_streams;       /* requests for a map stream, of any node */
  guint             wanted;
  char             *text;
} Fixture;

static void
request_cb (TnTestkitControl *control,
            const char       *machine_key,
            const char       *path,
            const char       *body,
            gpointer          data)
{
  Fixture *fixture = data;

  if (strcmp (path, "/machine/register") == 0)
    g_ptr_array_add (fixture->registrations, g_strdup (body));
  else if (strstr (body, "\"Stream\":true") != NULL)
    fixture->n_streams++;
}

static void
login_required_cb (TnDevice   *device,
                   const char *url,
                   gpointer    data)
{
  g_ptr_array_add (((Fixture *) data)->urls, g_strdup (url));
}

static void
set_up (Fixture       *fixture,
        gconstpointer  with_key)
{
  fixture->tailnet = kit_tailnet_new ();
  fixture->control = tn_testkit_tailnet_get_control (fixture->tailnet);
  fixture->store = tn_memory_state_store_new ();
  fixture->device = kit_device_new (fixture->tailnet, "node", fixture->store, with_key != NULL);
  fixture->urls = g_ptr_array_new_with_free_func (g_free);
  fixture->registrations = g_ptr_array_new_with_free_func (g_free);
  g_signal_connect (fixture->control, "request-received", G_CALLBACK (request_cb), fixture);
  g_signal_connect (fixture->device, "login-required", G_CALLBACK (login_required_cb), fixture);
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  data)
{
  kit_free (fixture->device);
  g_clear_object (&fixture->start);
  g_object_unref (fixture->store);
  g_object_unref (fixture->tailnet);
  g_ptr_array_unref (fixture->urls);
  g_ptr_array_unref (fixture->registrations);
  g_free (fixture->text);
}

static void
join (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (kit_start (fixture->device, &error));
  g_assert_no_error (error);
}

static gboolean
has_urls (gpointer data)
{
  Fixture *fixture = data;

  return fixture->urls->len >= fixture->wanted;
}

static const char *
wait_url (Fixture *fixture,
          guint    n)
{
  fixture->wanted = n;
  kit_wait_for ("a URL", has_urls, fixture);
  return g_ptr_array_index (fixture->urls, n - 1);
}

static void
approve (Fixture    *fixture,
         const char *url,
         const char *user)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (tn_testkit_control_approve (fixture->control, url, user, &error));
  g_assert_no_error (error);
}

static void
finish_start (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (tn_device_start_finish (fixture->device, kit_wait (&fixture->start), &error));
  g_assert_no_error (error);
  g_clear_object (&fixture->start);
}

static char *
dup_own_id (Fixture *fixture)
{
  g_autoptr (TnNode) self = tn_device_dup_self_node (fixture->device);

  return g_strdup (tn_node_get_stable_id (self));
}

static void
set_expiry_in (Fixture *fixture,
               gint64   seconds)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (tn_testkit_control_set_node_expiry (fixture->control, "node", g_get_real_time () / G_USEC_PER_SEC + seconds, &error));
  g_assert_no_error (error);
}

/* --- Login --- */

/* Each URL is told, the last one is shown, and only that one leads in. */
static void
test_url_changes (Fixture       *fixture,
                  gconstpointer  data)
{
  g_autofree char *shown = NULL;
  g_autofree char *none = NULL;

  tn_device_start_async (fixture->device, NULL, kit_result_cb, &fixture->start);
  wait_url (fixture, 1);
  tn_testkit_control_forget (fixture->control);
  wait_url (fixture, 2);
  g_assert_cmpstr (g_ptr_array_index (fixture->urls, 0), !=, g_ptr_array_index (fixture->urls, 1));
  shown = tn_device_dup_auth_url (fixture->device);
  g_assert_cmpstr (shown, ==, g_ptr_array_index (fixture->urls, 1));
  g_assert_cmpint (tn_device_get_state (fixture->device), ==, TN_DEVICE_STATE_NEEDS_LOGIN);
  approve (fixture, shown, "ada@example.test");
  finish_start (fixture);
  none = tn_device_dup_auth_url (fixture->device);
  g_assert_null (none);
  g_assert_cmpuint (fixture->urls->len, ==, 2);
}

/* An administrator who takes the approval back shuts the node out, and in again. */
static void
test_approval_withdrawn (Fixture       *fixture,
                         gconstpointer  data)
{
  g_autoptr (TnDevice) other = kit_device_join (fixture->tailnet, "other");
  g_autoptr (TnNode) peer = NULL;
  g_autoptr (TnPingResult) pong = NULL;
  g_autoptr (GError) error = NULL;

  join (fixture);
  g_assert_true (tn_testkit_control_set_node_json (fixture->control, "node", "{\"MachineAuthorized\":false}", &error));
  kit_wait_state (fixture->device, TN_DEVICE_STATE_NEEDS_APPROVAL);
  g_assert_null (kit_connect (fixture->device, "other", 80, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_NEEDS_APPROVAL);
  g_clear_error (&error);
  g_assert_true (tn_testkit_control_set_node_json (fixture->control, "node", NULL, &error));
  kit_wait_state (fixture->device, TN_DEVICE_STATE_RUNNING);
  peer = kit_wait_peer (fixture->device, "other");
  pong = kit_ping (fixture->device, "other", TN_PING_KIND_TSMP, &error);
  g_assert_no_error (error);
  kit_stop (other);
}

static gboolean
is_tagged (gpointer data)
{
  Fixture *fixture = data;
  g_autoptr (TnNode) self = tn_device_dup_self_node (fixture->device);

  return self != NULL && g_strv_contains (tn_node_get_tags (self), fixture->text);
}

/* Asked for once each and in order, and shown once the server grants them. */
static void
test_tags (Fixture       *fixture,
           gconstpointer  data)
{
  static const char *const wanted[] = { "tag:web", "tag:db", "tag:web", NULL };
  static const char *const granted[] = { "tag:db", NULL };
  g_autofree char *url = tn_testkit_tailnet_dup_control_url (fixture->tailnet);
  g_autoptr (TnTestkitNode) record = NULL;
  g_autoptr (GError) error = NULL;

  g_object_unref (fixture->device);
  fixture->device = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", "node", "control-url", url, "state-store", fixture->store,
                                  "auth-key", tn_testkit_tailnet_get_auth_key (fixture->tailnet), "tags", wanted, NULL);
  join (fixture);
  record = tn_testkit_control_lookup_node (fixture->control, "node");
  g_assert_nonnull (strstr (tn_testkit_node_get_hostinfo (record), "\"RequestTags\":[\"tag:db\",\"tag:web\"]"));
  fixture->text = g_strdup ("tag:db");
  g_assert_false (is_tagged (fixture));
  g_assert_true (tn_testkit_control_set_node_tags (fixture->control, "node", granted, &error));
  kit_wait_for ("the tag", is_tagged, fixture);
}

/* --- Expiry --- */

/* A day ahead it is told, with the time, until there is more than a day again. */
static void
test_warning (Fixture       *fixture,
              gconstpointer  data)
{
  g_autofree char *near = NULL;
  g_autofree char *later = NULL;
  g_autofree char *again = NULL;
  g_autofree char *year = NULL;
  g_autoptr (GDateTime) expiry = NULL;

  join (fixture);
  set_expiry_in (fixture, 23 * HOUR_S);
  expiry = g_date_time_new_from_unix_local (g_get_real_time () / G_USEC_PER_SEC + 23 * HOUR_S);
  year = g_date_time_format (expiry, "%Y");
  near = kit_wait_health (fixture->device, "key-expires");
  g_test_message ("%s", near);
  g_assert_nonnull (strstr (near, year));
  g_assert_cmpint (tn_device_get_state (fixture->device), ==, TN_DEVICE_STATE_RUNNING);

  set_expiry_in (fixture, 22 * HOUR_S);
  later = kit_wait_health (fixture->device, "key-expires");
  set_expiry_in (fixture, 25 * HOUR_S);
  kit_wait_healthy (fixture->device, "key-expires");
  set_expiry_in (fixture, 24 * HOUR_S + 1);      /* no message comes when its time has come */
  again = kit_wait_health (fixture->device, "key-expires");
  set_expiry_in (fixture, 1);
  g_free (kit_wait_health (fixture->device, "key-expired"));
  kit_wait_healthy (fixture->device, "key-expires");
}

/* The server's clock counts: it is the server that calls the key expired. */
static void
test_warning_clock (Fixture       *fixture,
                    gconstpointer  data)
{
  g_object_set (fixture->control, "clock-offset", (gint64) 20 * HOUR_S, NULL);
  join (fixture);
  set_expiry_in (fixture, 30 * HOUR_S);      /* ten hours by the server's clock */
  g_free (kit_wait_health (fixture->device, "key-expires"));
  set_expiry_in (fixture, 19 * HOUR_S);
  kit_wait_state (fixture->device, TN_DEVICE_STATE_NEEDS_LOGIN);
}

static gboolean
has_no_expiry (gpointer device)
{
  g_autoptr (GDateTime) expiry = tn_device_dup_key_expiry (device);

  return expiry == NULL;
}

static gboolean
is_good (gpointer node)
{
  return !tn_node_get_expired (node);
}

/* A key that its server prolongs is good again, without anybody logging in. */
static void
test_extension (Fixture       *fixture,
                gconstpointer  data)
{
  g_autoptr (TnDevice) other = kit_device_join (fixture->tailnet, "other");
  g_autoptr (TnNode) peer = NULL;
  g_autoptr (TnPingResult) pong = NULL;
  g_autoptr (GError) error = NULL;
  guint n_registrations;

  join (fixture);
  set_expiry_in (fixture, -1);
  kit_wait_state (fixture->device, TN_DEVICE_STATE_NEEDS_LOGIN);
  n_registrations = fixture->registrations->len;
  g_assert_true (tn_testkit_control_set_node_expiry (fixture->control, "node", 0, &error));
  kit_wait_state (fixture->device, TN_DEVICE_STATE_RUNNING);
  kit_wait_healthy (fixture->device, "key-expired");
  kit_wait_for ("no expiry", has_no_expiry, fixture->device);
  g_assert_cmpuint (fixture->registrations->len, ==, n_registrations);
  peer = kit_wait_peer (other, "node");
  kit_wait_for ("a good key", is_good, peer);
  pong = kit_ping (other, "node", TN_PING_KIND_TSMP, &error);
  g_assert_no_error (error);
  kit_stop (other);
}

/* --- Deletion --- */

/* With nothing to show, the node waits for somebody to log in, and asks for no map of a node that is no more. */
static void
test_deleted (Fixture       *fixture,
              gconstpointer  data)
{
  g_autoptr (GAsyncResult) login = NULL;
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  g_autoptr (GError) error = NULL;
  guint n_streams, n_registrations;

  tn_device_start_async (fixture->device, NULL, kit_result_cb, &fixture->start);
  approve (fixture, wait_url (fixture, 1), "ada@example.test");
  finish_start (fixture);
  before = dup_own_id (fixture);
  n_streams = fixture->n_streams;
  n_registrations = fixture->registrations->len;
  g_assert_true (tn_testkit_control_delete_node (fixture->control, "node", &error));
  kit_wait_state (fixture->device, TN_DEVICE_STATE_NEEDS_LOGIN);
  g_assert_cmpuint (fixture->n_streams, <=, n_streams + 6);
  g_assert_cmpuint (fixture->registrations->len, <=, n_registrations + 2);
  g_assert_null (kit_connect (fixture->device, "other", 80, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_NEEDS_LOGIN);
  g_clear_error (&error);
  approve (fixture, wait_url (fixture, 2), "ada@example.test");
  kit_wait_state (fixture->device, TN_DEVICE_STATE_RUNNING);
  after = dup_own_id (fixture);
  g_assert_cmpstr (after, !=, before);
}

static gboolean
is_another (gpointer data)
{
  Fixture *fixture = data;
  g_autofree char *id = dup_own_id (fixture);

  return strcmp (id, fixture->text) != 0;
}

/* One with a key that is still good comes back by itself, as another node. */
static void
test_deleted_with_key (Fixture       *fixture,
                       gconstpointer  data)
{
  g_autofree char *before = NULL;

  join (fixture);
  before = dup_own_id (fixture);
  g_assert_true (tn_testkit_control_delete_node (fixture->control, "node", NULL));
  fixture->text = g_steal_pointer (&before);
  kit_wait_for ("another node", is_another, fixture);
  kit_wait_state (fixture->device, TN_DEVICE_STATE_RUNNING);
}

/* One whose key is spent needs somebody to log in, as a stock node does. */
static void
test_deleted_with_spent_key (Fixture       *fixture,
                             gconstpointer  data)
{
  g_autofree char *key = tn_testkit_control_create_auth_key (fixture->control, "ada@example.test", TN_TESTKIT_AUTH_KEY_DEFAULT, NULL);

  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (fixture->device), key);
  join (fixture);
  g_assert_true (tn_testkit_control_delete_node (fixture->control, "node", NULL));
  kit_wait_state (fixture->device, TN_DEVICE_STATE_NEEDS_LOGIN);
  approve (fixture, wait_url (fixture, 1), "ada@example.test");
  kit_wait_state (fixture->device, TN_DEVICE_STATE_RUNNING);
}

/* --- Another login --- */

static void
finish_login (Fixture       *fixture,
              GAsyncResult **login)
{
  g_autoptr (GAsyncResult) result = kit_wait (login);
  g_autoptr (GError) error = NULL;

  g_assert_true (tn_device_login_finish (fixture->device, result, &error));
  g_assert_no_error (error);
  kit_wait_state (fixture->device, TN_DEVICE_STATE_RUNNING);
}

/* A key that comes after the start lets the node in without anybody; the one it came with is spent, and leads to a URL. */
static void
test_login_again (Fixture       *fixture,
                  gconstpointer  with_another)
{
  g_autofree char *once = tn_testkit_control_create_auth_key (fixture->control, "ada@example.test", TN_TESTKIT_AUTH_KEY_DEFAULT, NULL);
  g_autofree char *another = tn_testkit_control_create_auth_key (fixture->control, "ada@example.test", TN_TESTKIT_AUTH_KEY_DEFAULT, NULL);
  GAsyncResult *login = NULL;

  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (fixture->device), once);
  join (fixture);
  set_expiry_in (fixture, -1);
  kit_wait_state (fixture->device, TN_DEVICE_STATE_NEEDS_LOGIN);
  if (with_another != NULL)
    tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (fixture->device), another);
  tn_device_login_async (fixture->device, NULL, kit_result_cb, &login);
  if (with_another == NULL)
    approve (fixture, wait_url (fixture, 1), "ada@example.test");
  finish_login (fixture, &login);
  g_assert_cmpuint (fixture->urls->len, ==, with_another == NULL ? 1 : 0);
}

/* One that was taken back does not count, though it would be good. */
static void
test_login_without_key (Fixture       *fixture,
                        gconstpointer  data)
{
  GAsyncResult *login = NULL;

  join (fixture);
  set_expiry_in (fixture, -1);
  kit_wait_state (fixture->device, TN_DEVICE_STATE_NEEDS_LOGIN);
  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (fixture->device), NULL);
  tn_device_login_async (fixture->device, NULL, kit_result_cb, &login);
  approve (fixture, wait_url (fixture, 1), "ada@example.test");
  finish_login (fixture, &login);
}

/* A server that has trouble refuses a node that it knows: who asked for the login hears of it, as health does; the node goes on, and is in
 * again once the trouble is over. */
static void
test_server_in_trouble (Fixture       *fixture,
                        gconstpointer  data)
{
  static const char answer[] = "{\"Error\":\"database is locked\"}";
  g_autoptr (GBytes) body = g_bytes_new_static (answer, sizeof answer - 1);
  g_autoptr (GAsyncResult) login = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  tn_device_start_async (fixture->device, NULL, kit_result_cb, &fixture->start);
  approve (fixture, wait_url (fixture, 1), "ada@example.test");
  finish_start (fixture);
  for (guint i = 0; i < 12; i++)
    tn_testkit_control_script_answer (fixture->control, TN_TESTKIT_STAGE_REGISTER, 200, NULL, body);
  tn_device_login_async (fixture->device, NULL, kit_result_cb, &login);
  text = kit_wait_health (fixture->device, "control-connection");
  g_assert_nonnull (strstr (text, "database is locked"));
  g_assert_false (tn_device_login_finish (fixture->device, kit_wait (&login), &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_AUTH_REJECTED);
  g_assert_cmpint (tn_device_get_state (fixture->device), ==, TN_DEVICE_STATE_RUNNING);
  kit_wait_healthy (fixture->device, "control-connection");
  g_assert_cmpint (tn_device_get_state (fixture->device), ==, TN_DEVICE_STATE_RUNNING);
}

/* --- Somebody else, somewhere else --- */

/* The machine stays the same, its node and its owner do not. */
static void
test_other_user (Fixture       *fixture,
                 gconstpointer  data)
{
  g_autoptr (GAsyncResult) logout = NULL;
  g_autoptr (TnNode) self = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;

  tn_device_start_async (fixture->device, NULL, kit_result_cb, &fixture->start);
  approve (fixture, wait_url (fixture, 1), "ada@example.test");
  finish_start (fixture);
  before = dup_own_id (fixture);
  tn_device_logout_async (fixture->device, NULL, kit_result_cb, &logout);
  g_assert_true (tn_device_logout_finish (fixture->device, kit_wait (&logout), &error));

  tn_device_start_async (fixture->device, NULL, kit_result_cb, &fixture->start);
  approve (fixture, wait_url (fixture, 2), "bob@example.test");
  finish_start (fixture);
  after = dup_own_id (fixture);
  g_assert_cmpstr (after, !=, before);
  self = tn_device_dup_self_node (fixture->device);
  g_assert_cmpstr (tn_user_get_login_name (tn_node_get_user (self)), ==, "bob@example.test");
}

/* The same state with another server: what the one before told is gone, and there again on the way back. */
static void
test_other_server (Fixture       *fixture,
                   gconstpointer  data)
{
  g_autoptr (TnTestkitTailnet) elsewhere = kit_tailnet_new ();
  g_autoptr (TnDevice) here = kit_device_join (fixture->tailnet, "here");
  g_autoptr (TnDevice) there = kit_device_join (elsewhere, "there");
  TnTestkitTailnet *tailnets[] = { fixture->tailnet, elsewhere, fixture->tailnet };
  g_autofree char *id = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (tailnets); i++)
    {
      TnDevice *device = kit_device_new (tailnets[i], "node", fixture->store, TRUE);
      g_autoptr (TnNode) peer = NULL;
      g_autoptr (TnNode) other = NULL;
      g_autoptr (TnPingResult) pong = NULL;
      g_autoptr (GError) error = NULL;

      g_assert_true (kit_start (device, &error));
      peer = kit_wait_peer (device, i == 1 ? "there" : "here");
      other = tn_device_lookup_peer (device, i == 1 ? "here" : "there");
      g_assert_null (other);
      g_assert_cmpuint (g_list_model_get_n_items (tn_device_get_peers (device)), ==, 1);
      pong = kit_ping (device, tn_node_get_addresses (peer)[0], TN_PING_KIND_TSMP, &error);
      g_assert_no_error (error);
      kit_free (device);
    }
  g_clear_object (&fixture->device);
  fixture->device = kit_device_new (fixture->tailnet, "node", fixture->store, TRUE);
  kit_stop (here);
  kit_stop (there);
}

/* --- What a server says of peers --- */

static gboolean
is_seen (gpointer data)
{
  Fixture *fixture = data;
  g_autoptr (TnNode) peer = tn_device_lookup_peer (fixture->device, "other");

  return peer != NULL;
}

/* Whether a peer is online is good to know and no more: it may be reached all the same (tailscale control/controlclient/map.go). */
static void
test_peer_not_online (Fixture       *fixture,
                      gconstpointer  data)
{
  static const char *const said[] = { "{\"Online\":null}", "{\"Online\":false}" };
  g_autoptr (TnDevice) other = kit_device_join (fixture->tailnet, "other");

  for (gsize i = 0; i < G_N_ELEMENTS (said); i++)
    {
      g_autoptr (TnNode) peer = NULL;
      g_autoptr (TnPingResult) pong = NULL;
      g_autoptr (GError) error = NULL;

      g_assert_true (tn_testkit_control_set_node_json (fixture->control, "other", said[i], NULL));
      join (fixture);
      kit_wait_for ("the peer", is_seen, fixture);
      peer = tn_device_lookup_peer (fixture->device, "other");
      g_assert_false (tn_node_get_online (peer));
      pong = kit_ping (fixture->device, "other", TN_PING_KIND_TSMP, &error);
      g_assert_no_error (error);
      kit_stop (fixture->device);
    }
  kit_stop (other);
}

/* Numbers beyond 2^53 are different numbers (tailscale tailcfg on old ids). */
static void
test_big_ids (Fixture       *fixture,
              gconstpointer  data)
{
  TnTestkitControl *control = g_object_new (TN_TESTKIT_TYPE_CONTROL, "threaded", TRUE, "first-node-id", G_GINT64_CONSTANT (1) << 53, NULL);
  g_autofree char *key = NULL;
  g_autofree char *url = NULL;
  TnDevice *devices[4];

  g_assert_true (tn_testkit_control_start (control, NULL));
  url = tn_testkit_control_dup_url (control);
  key = tn_testkit_control_create_auth_key (control, "ada@example.test", TN_TESTKIT_AUTH_KEY_REUSABLE, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (devices); i++)
    {
      g_autofree char *name = g_strdup_printf ("node%u", i);
      g_autoptr (GError) error = NULL;

      devices[i] = g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", name, "control-url", url, "auth-key", key, NULL);
      g_assert_true (kit_start (devices[i], &error));
    }
  for (guint i = 1; i < G_N_ELEMENTS (devices); i++)
    {
      g_autofree char *name = g_strdup_printf ("node%u", i);
      g_autoptr (TnNode) peer = kit_wait_peer (devices[0], name);
    }
  kit_free (devices[2]);
  kit_wait_gone (devices[0], "node2");
  g_assert_cmpuint (g_list_model_get_n_items (tn_device_get_peers (devices[0])), ==, 2);
  kit_free (devices[0]);
  kit_free (devices[1]);
  kit_free (devices[3]);
  g_object_unref (control);
}

#define ADD(path, with_key, func) g_test_add ("/device/life-cycle/" path, Fixture, with_key ? "" : NULL, set_up, func, tear_down)

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("url-changes", FALSE, test_url_changes);
  ADD ("approval-withdrawn", TRUE, test_approval_withdrawn);
  ADD ("tags", TRUE, test_tags);
  ADD ("warning", TRUE, test_warning);
  ADD ("warning-clock", TRUE, test_warning_clock);
  ADD ("extension", TRUE, test_extension);
  ADD ("deleted", FALSE, test_deleted);
  ADD ("deleted-with-key", TRUE, test_deleted_with_key);
  ADD ("deleted-with-spent-key", FALSE, test_deleted_with_spent_key);
  ADD ("login/own-key-spent", FALSE, test_login_again);
  g_test_add ("/device/life-cycle/login/another-key", Fixture, "", set_up, test_login_again, tear_down);
  ADD ("login/no-key", TRUE, test_login_without_key);
  ADD ("server-in-trouble", FALSE, test_server_in_trouble);
  ADD ("other-user", FALSE, test_other_user);
  ADD ("other-server", FALSE, test_other_server);
  ADD ("peer-not-online", TRUE, test_peer_not_online);
  ADD ("big-ids", FALSE, test_big_ids);

  return g_test_run ();
}
