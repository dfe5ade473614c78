/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "client-kit.h"
#include "tn-error.h"

/* What holds from one map stream to the next, and what a server wants of a client besides. */

/* --- Going on with a map --- */

static gboolean
has_peers (Fixture *fixture)
{
  return fixture->n_peers == fixture->wanted;
}

static void
start_peer (Fixture *peer, Fixture *fixture, const char *name)
{
  peer->control = fixture->control;
  fixture_init (peer);
  start_as (peer, name, TRUE, 0);
  wait_for ("a peer", is_running, peer);
}

static gboolean
is_lost (Fixture *fixture)
{
  return tn_control_client_get_error (fixture->client) != NULL;
}

/* Where the server can, it tells only what changed while the connection was away. */
static void
test_resume (Fixture *fixture, gconstpointer data)
{
  Fixture old = { 0 }, new = { 0 };
  guint serial;

  g_object_set (fixture->control, "resumable-sessions", TRUE, NULL);
  start_peer (&old, fixture, "old");
  join (fixture);
  fixture->wanted = 1;
  wait_for ("the peer", has_peers, fixture);
  g_assert_nonnull (fixture->client->session_handle);
  serial = fixture->client->map_serial;

  tn_testkit_control_stop (fixture->control);
  wait_for ("the connection to be lost", is_lost, fixture);
  g_assert_true (tn_testkit_control_start (fixture->control, NULL));
  start_peer (&new, fixture, "new");
  fixture->wanted = 2;
  wait_for ("the other peer", has_peers, fixture);
  g_assert_cmpuint (fixture->client->map_serial, >, serial);      /* another stream, */
  g_assert_cmpuint (fixture->n_full, ==, 1);                      /* the same map */
  g_assert_no_error (tn_control_client_get_error (fixture->client));

  /* A server that does not know the session any more begins anew. */
  g_free (fixture->client->session_handle);
  fixture->client->session_handle = g_strdup ("of another server");
  tn_testkit_control_drop_connections (fixture->control, "node");
  fixture->wanted = 2;
  wait_for ("all of the map", has_maps, fixture);
  g_assert_cmpuint (fixture->n_peers, ==, 2);
  fixture_clear (&old);
  fixture_clear (&new);
}

static char *
write_map (Fixture *fixture, const char *handle, const char *more)
{
  const TnNetmap *map = tn_control_client_get_netmap (fixture->client);
  g_autofree char *self = tn_netmap_node_to_json (map->self);
  g_autofree char *peer = tn_netmap_node_to_json (g_ptr_array_index (map->peers, 0));

  return g_strdup_printf ("{\"MapSessionHandle\":\"%s\",\"Seq\":1,\"Node\":%s,\"Peers\":[%s]%s}", handle, self, peer, more);
}

static void
expect_nothing_kept (Fixture *fixture)
{
  const TnNetmap *map = tn_control_client_get_netmap (fixture->client);

  fixture->on_map = NULL;
  g_assert_cmpuint (map->peers->len, ==, 1);
  g_assert_null (map->domain);
  g_assert_null (map->relays);
}

/* One that says it goes on, and tells all of a map nevertheless, has begun anew: what it does not name is gone. */
static void
test_resume_in_full (Fixture *fixture, gconstpointer data)
{
  g_autofree char *json = NULL;
  Fixture peer = { 0 };

  g_object_set (fixture->control, "resumable-sessions", TRUE, NULL);
  start_peer (&peer, fixture, "peer");
  join (fixture);
  fixture->wanted = 1;
  wait_for ("the peer", has_peers, fixture);
  g_assert_nonnull (tn_control_client_get_netmap (fixture->client)->domain);
  json = write_map (fixture, fixture->client->session_handle, "");
  tn_testkit_control_script_message (fixture->control, json);
  fixture->on_map = expect_nothing_kept;
  tn_testkit_control_drop_connections (fixture->control, "node");
  fixture->wanted = 2;
  wait_for ("all of the map", has_maps, fixture);
  g_assert_null (fixture->on_map);
  fixture_clear (&peer);
}

/* One that cannot is not asked to. */
static void
test_no_resume (Fixture *fixture, gconstpointer data)
{
  join (fixture);
  g_assert_null (fixture->client->session_handle);
  tn_testkit_control_drop_connections (fixture->control, "node");
  fixture->wanted = 2;
  wait_for ("all of the map", has_maps, fixture);
}

static gboolean
was_refused (Fixture *fixture)
{
  return g_error_matches (tn_control_client_get_error (fixture->client), TN_ERROR, TN_ERROR_AUTH_REJECTED);
}

static gboolean
is_fine (Fixture *fixture)
{
  return has_maps (fixture) && tn_control_client_get_error (fixture->client) == NULL;
}

/* A server that has forgotten the node may keep its stream open: an update that is refused makes the client ask for another, and when
 * that is refused as well, register. One that says no to that may think better of it: nothing ends meanwhile (tailscale
 * control/controlclient/direct.go doLogin). */
static void
test_forgotten (Fixture *fixture, gconstpointer data)
{
  static const char answer[] = "{\"Error\":\"nobody remembers\"}";
  g_autoptr (GBytes) body = g_bytes_new_static (answer, sizeof answer - 1);
  const TnNetInfo net_info = { .home_region = 901 };

  join (fixture);
  tn_testkit_control_script_answer (fixture->control, TN_TESTKIT_STAGE_UPDATE, 404, NULL, NULL);
  for (guint i = 0; i < 3; i++)
    tn_testkit_control_script_answer (fixture->control, TN_TESTKIT_STAGE_STREAM, 404, NULL, NULL);
  for (guint i = 0; i < 3; i++)      /* without and with its auth key, and without again */
    tn_testkit_control_script_answer (fixture->control, TN_TESTKIT_STAGE_REGISTER, 200, NULL, body);
  tn_control_client_set_net_info (fixture->client, &net_info);
  wait_for ("the answer to another registration", was_refused, fixture);
  g_assert_nonnull (strstr (tn_control_client_get_error (fixture->client)->message, "nobody remembers"));
  g_assert_cmpuint (fixture->n_full, ==, 1);
  fixture->wanted = 2;
  wait_for ("the map of a server that remembers", is_fine, fixture);
  g_assert_cmpstr (fixture->states->str, ==, "CR");
}

/* One that takes no updates is left alone with its stream. */
static void
test_no_updates (Fixture *fixture, gconstpointer data)
{
  const TnNetInfo net_info = { .home_region = 901 };

  join (fixture);
  for (guint i = 0; i < 4; i++)
    tn_testkit_control_script_answer (fixture->control, TN_TESTKIT_STAGE_UPDATE, 404, NULL, NULL);
  tn_control_client_set_net_info (fixture->client, &net_info);
  fixture->wanted = 4;
  wait_for ("the refusals", has_errors, fixture);
  g_assert_cmpuint (fixture->n_full, <=, 2);
}

/* --- What a message wants --- */

static void
send (Fixture *fixture, const char *json)
{
  g_assert_cmpuint (tn_testkit_control_send_map_response (fixture->control, "node", json), ==, 1);
}

static gboolean
has_domain (Fixture *fixture)
{
  const TnNetmap *map = tn_control_client_get_netmap (fixture->client);

  return g_strcmp0 (map->domain, "later.test") == 0;
}

static gboolean
has_score (Fixture *fixture)
{
  const double score = tn_relay_map_score (tn_control_client_get_netmap (fixture->client)->relays, 7);

  return score > 0.2 && score < 0.3;
}

static gboolean
has_sooner_domain (Fixture *fixture)
{
  return g_strcmp0 (tn_control_client_get_netmap (fixture->client)->domain, "sooner.test") == 0;
}

/* What was measured of relays holds while they are the same, however often a server tells of them. */
static void
test_same_relays (Fixture *fixture, gconstpointer data)
{
#define REGION "{\"RegionID\":7,\"RegionCode\":\"seven\",\"Nodes\":[{\"Name\":\"7a\",\"RegionID\":7,\"HostName\":\"7a.test\"}]}"
#define RELAYS(score) "{\"HomeParams\":{\"RegionScore\":{\"7\":" score "}},\"Regions\":{\"7\":" REGION "}}"
  const TnRelayMap *relays;

  join (fixture);
  relays = tn_control_client_get_netmap (fixture->client)->relays;
  tn_testkit_control_end_streams (fixture->control, "node");
  fixture->wanted = 2;
  wait_for ("another stream", has_maps, fixture);
  g_assert_true (tn_control_client_get_netmap (fixture->client)->relays == relays);

  send (fixture, "{\"DERPMap\":" RELAYS ("0.5") "}");
  send (fixture, "{\"Domain\":\"later.test\"}");
  wait_for ("other relays", has_domain, fixture);
  g_assert_true (tn_control_client_get_netmap (fixture->client)->relays != relays);
  relays = tn_control_client_get_netmap (fixture->client)->relays;
  send (fixture, "{\"Domain\":\"sooner.test\"}");
  wait_for ("another domain", has_sooner_domain, fixture);
  send (fixture, "{\"DERPMap\":" RELAYS ("0.5") ",\"Domain\":\"later.test\"}");
  wait_for ("them again", has_domain, fixture);
  g_assert_true (tn_control_client_get_netmap (fixture->client)->relays == relays);

  send (fixture, "{\"DERPMap\":" RELAYS ("0.25") "}");
  wait_for ("another score", has_score, fixture);
}

static gboolean
sleeps (Fixture *fixture)
{
  return fixture->client->sleep_timer != NULL;
}

/* A message waits as long as its server wants, and those behind it do as well. */
static void
test_sleep (Fixture *fixture, gconstpointer data)
{
  gint64 begin_us;

  join (fixture);
  begin_us = g_get_monotonic_time ();
  send (fixture, "{\"Domain\":\"sooner.test\",\"Debug\":{\"SleepSeconds\":0.2,\"Exit\":3,\"DisableLogTail\":true}}");
  send (fixture, "{\"Domain\":\"later.test\",\"Debug\":{\"SleepSeconds\":-1}}");
  wait_for ("both messages", has_domain, fixture);
  g_assert_cmpint (g_get_monotonic_time () - begin_us, >=, 200 * 1000);
  g_assert_cmpuint (fixture->n_full, ==, 1);

  /* The end of the stream ends it. */
  send (fixture, "{\"Debug\":{\"SleepSeconds\":1e99}}");
  wait_for ("the sleep", sleeps, fixture);
  tn_testkit_control_end_streams (fixture->control, "node");
  fixture->wanted = 2;
  wait_for ("another stream", has_maps, fixture);
  g_assert_null (fixture->client->sleep_timer);
}

static gboolean
shows_page (Fixture *fixture)
{
  return g_strcmp0 (tn_control_client_get_open_url (fixture->client), "https://page.test/") == 0;
}

static gboolean
shows_no_page (Fixture *fixture)
{
  return tn_control_client_get_open_url (fixture->client) == NULL;
}

static gboolean
is_told_more (Fixture *fixture)
{
  return fixture->n_messages >= fixture->wanted;
}

static void
test_page (Fixture *fixture, gconstpointer data)
{
  join (fixture);
  g_assert_true (shows_no_page (fixture));
  send (fixture, "{\"KeepAlive\":true,\"PopBrowserURL\":\"https://page.test/\"}");
  send (fixture, "{\"KeepAlive\":true,\"PopBrowserURL\":\"file:///bin/sh\"}");
  fixture->wanted = fixture->n_messages + 1;
  send (fixture, "{\"Health\":[\"of the end\"]}");
  wait_for ("the end", is_told_more, fixture);
  g_assert_true (shows_page (fixture));
  tn_testkit_control_drop_connections (fixture->control, "node");
  wait_for ("the page to be done with", shows_no_page, fixture);
}

static void
expect_no_page (Fixture *fixture)
{
  fixture->on_map = NULL;
  g_assert_true (shows_no_page (fixture));
}

/* What else a message wants may end its stream, and must not keep the change of the map from those who follow it. */
static void
test_map_first (Fixture *fixture, gconstpointer data)
{
  g_autofree char *json = NULL;
  Fixture peer = { 0 };

  start_peer (&peer, fixture, "peer");
  join (fixture);
  fixture->wanted = 1;
  wait_for ("the peer", has_peers, fixture);
  json = write_map (fixture, "", ",\"PopBrowserURL\":\"https://page.test/\"");
  fixture->on_map = expect_no_page;
  send (fixture, json);
  wait_for ("the page", shows_page, fixture);
  g_assert_null (fixture->on_map);
  fixture_clear (&peer);
}

/* --- Where to reach it --- */

/* A resolver that knows one name, until it knows it no more. */
typedef struct { GResolver parent_instance; gboolean fails; } TestResolver;
typedef struct { GResolverClass parent_class; } TestResolverClass;
GType test_resolver_get_type (void);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestResolver, g_object_unref)
G_DEFINE_TYPE (TestResolver, test_resolver, G_TYPE_RESOLVER)

static void
lookup_async (GResolver *resolver, const char *name, GResolverNameLookupFlags flags, GCancellable *cancellable, GAsyncReadyCallback callback,
              gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (resolver, cancellable, callback, user_data);

  if (((TestResolver *) resolver)->fails || strcmp (name, "control.test") != 0)
    g_task_return_new_error (task, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "no such name: %s", name);
  else if ((flags & G_RESOLVER_NAME_LOOKUP_FLAGS_IPV6_ONLY) != 0)
    g_task_return_new_error (task, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "no IPv6 address: %s", name);
  else
    g_task_return_pointer (task, g_list_append (NULL, g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4)), NULL);
}

static void
lookup_by_name_async (GResolver *resolver, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  lookup_async (resolver, name, 0, cancellable, callback, user_data);
}

static GList *
lookup_finish (GResolver *resolver, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
test_resolver_class_init (TestResolverClass *klass)
{
  GResolverClass *resolver_class = G_RESOLVER_CLASS (klass);

  resolver_class->lookup_by_name_async = lookup_by_name_async;
  resolver_class->lookup_by_name_finish = lookup_finish;
  resolver_class->lookup_by_name_with_flags_async = lookup_async;
  resolver_class->lookup_by_name_with_flags_finish = lookup_finish;
}

static void
test_resolver_init (TestResolver *self)
{
}

static gboolean
has_plan (Fixture *fixture)
{
  return fixture->client->dial_plan.n_candidates == fixture->wanted;
}

static gboolean
has_hope (Fixture *fixture)
{
  return !fixture->client->dial_plan_failed;
}

static void
use_name (Fixture *fixture)
{
  g_autoptr (GUri) uri = g_uri_parse (fixture->url, G_URI_FLAGS_NONE, NULL);

  g_free (fixture->url);
  fixture->url = g_strdup_printf ("http://control.test:%d", g_uri_get_port (uri));
}

/* Where DNS fails the server is found by what it said itself, and by DNS where that is wrong. */
static void
test_dial_plan (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GResolver) before = g_resolver_get_default ();
  g_autoptr (TestResolver) resolver = g_object_new (test_resolver_get_type (), NULL);

  g_resolver_set_default (G_RESOLVER (resolver));
  use_name (fixture);
  join (fixture);
  send (fixture, "{\"ControlDialPlan\":{\"Candidates\":["
                 "{\"IP\":\"\",\"DialTimeoutSec\":1},{\"IP\":\"192.0.2.1\",\"ACEHost\":\"ace.test\"},{\"IP\":\"nonsense\"},{},7,"
                 "{\"IP\":\"127.0.0.1\",\"DialStartDelaySec\":0.01,\"DialTimeoutSec\":20,\"Priority\":5}]}}");
  fixture->wanted = 1;
  wait_for ("the plan", has_plan, fixture);
  resolver->fails = TRUE;
  tn_testkit_control_drop_connections (fixture->control, "node");
  fixture->wanted = 2;
  wait_for ("another stream, by the plan", has_maps, fixture);

  /* Nothing listens at either; the second has its turn when the first has failed. */
  send (fixture, "{\"KeepAlive\":true,\"ControlDialPlan\":{\"Candidates\":[{\"IP\":\"127.77.77.77\"},"
                 "{\"IP\":\"::1\",\"DialStartDelaySec\":40,\"DialTimeoutSec\":0.001}]}}");
  fixture->wanted = 2;
  wait_for ("the other plan", has_plan, fixture);
  resolver->fails = FALSE;
  tn_testkit_control_drop_connections (fixture->control, "node");
  fixture->wanted = 3;
  wait_for ("another stream, by name", has_maps, fixture);

  send (fixture, "{\"ControlDialPlan\":{\"Candidates\":[]}}");
  fixture->wanted = 0;
  wait_for ("no plan", has_plan, fixture);
  g_resolver_set_default (before);
}

/* Takes connections, and says nothing. */
typedef struct
{
  GSocketListener *listener;
  GCancellable    *cancellable;
  GPtrArray       *connections;
} BlackHole;

static void
swallowed_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  GSocketConnection *connection = g_socket_listener_accept_finish (G_SOCKET_LISTENER (object), result, NULL, NULL);
  BlackHole *hole = user_data;

  if (connection == NULL)
    return;
  g_ptr_array_add (hole->connections, connection);
  g_socket_listener_accept_async (hole->listener, hole->cancellable, swallowed_cb, hole);
}

static void
black_hole_open (BlackHole *hole, const char *address, guint16 port)
{
  g_autoptr (GSocketAddress) where = g_inet_socket_address_new_from_string (address, port);
  g_autoptr (GError) error = NULL;

  hole->listener = g_socket_listener_new ();
  hole->cancellable = g_cancellable_new ();
  hole->connections = g_ptr_array_new_with_free_func (g_object_unref);
  g_assert_true (g_socket_listener_add_address (hole->listener, where, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, NULL, &error));
  g_socket_listener_accept_async (hole->listener, hole->cancellable, swallowed_cb, hole);
}

static void
black_hole_close (BlackHole *hole)
{
  g_cancellable_cancel (hole->cancellable);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_ptr_array_unref (hole->connections);
  g_object_unref (hole->listener);
  g_object_unref (hole->cancellable);
}

/* A plan that gives no limits, to where nobody says a word: DNS has its turn, and from then on the first. The same plan once more makes
 * no difference, another one does, as does another network. */
static void
test_black_hole (Fixture *fixture, gconstpointer data)
{
  static const char plan[] = "{\"KeepAlive\":true,\"ControlDialPlan\":{\"Candidates\":[{\"IP\":\"127.77.77.77\"}]}}";
  g_autoptr (GUri) uri = g_uri_parse (fixture->url, G_URI_FLAGS_NONE, NULL);
  BlackHole hole;

  black_hole_open (&hole, "127.77.77.77", (guint16) g_uri_get_port (uri));
  join (fixture);
  send (fixture, plan);
  fixture->wanted = 1;
  wait_for ("the plan", has_plan, fixture);
  tn_testkit_control_drop_connections (fixture->control, "node");
  fixture->wanted = 2;
  wait_for ("another stream, by name", has_maps, fixture);
  g_assert_cmpuint (hole.connections->len, ==, 1);
  g_assert_true (fixture->client->dial_plan_failed);

  for (guint i = 0; i < 3; i++)
    {
      send (fixture, plan);
      tn_testkit_control_drop_connections (fixture->control, "node");
      fixture->wanted++;
      wait_for ("another stream, by name", has_maps, fixture);
      g_assert_cmpuint (hole.connections->len, ==, 1);
    }

  tn_control_client_network_changed (fixture->client);
  g_assert_false (fixture->client->dial_plan_failed);
  fixture->client->dial_plan_failed = TRUE;
  send (fixture, "{\"KeepAlive\":true,\"ControlDialPlan\":{\"Candidates\":[{\"IP\":\"127.77.77.77\",\"DialTimeoutSec\":9}]}}");
  wait_for ("another plan", has_hope, fixture);
  black_hole_close (&hole);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add ("/control/session/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("resume", test_resume);
  ADD ("resume-in-full", test_resume_in_full);
  ADD ("no-resume", test_no_resume);
  ADD ("forgotten", test_forgotten);
  ADD ("no-updates", test_no_updates);
  ADD ("same-relays", test_same_relays);
  ADD ("sleep", test_sleep);
  ADD ("page", test_page);
  ADD ("map-first", test_map_first);
  ADD ("dial-plan", test_dial_plan);
  ADD ("black-hole", test_black_hole);
  return g_test_run ();
}
