/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "client-kit.h"

/* --- Waiting --- */

gboolean
is_running (Fixture *fixture)
{
  return tn_control_client_get_state (fixture->client) == TN_CONTROL_RUNNING;
}

gboolean
has_maps (Fixture *fixture)
{
  return fixture->n_full >= fixture->wanted;
}

gboolean
has_urls (Fixture *fixture)
{
  return fixture->urls->len >= fixture->wanted;
}

gboolean
has_errors (Fixture *fixture)
{
  return fixture->errors->len >= fixture->wanted;
}

/* --- The client --- */

static void
changed (TnControlClient *client, gpointer user_data)
{
  static const char letters[] = { [TN_CONTROL_STOPPED] = 'S', [TN_CONTROL_CONNECTING] = 'C', [TN_CONTROL_NEEDS_LOGIN] = 'L',
                                  [TN_CONTROL_NEEDS_APPROVAL] = 'A', [TN_CONTROL_RUNNING] = 'R', [TN_CONTROL_REFUSED] = 'X' };
  Fixture *fixture = user_data;
  char letter = letters[tn_control_client_get_state (client)];
  const char *url = tn_control_client_get_auth_url (client);
  const GError *error = tn_control_client_get_error (client);

  if (fixture->states->len == 0 || fixture->states->str[fixture->states->len - 1] != letter)
    g_string_append_c (fixture->states, letter);
  if (url != NULL && letter == 'L' && (fixture->urls->len == 0 || !g_str_equal (g_ptr_array_index (fixture->urls, fixture->urls->len - 1), url)))
    g_ptr_array_add (fixture->urls, g_strdup (url));
  if (error != NULL)
    g_ptr_array_add (fixture->errors, g_error_copy (error));
}

static void
netmap (TnControlClient *client, const TnNetmap *map, const TnNetmapChanges *changes, gpointer user_data)
{
  Fixture *fixture = user_data;

  fixture->n_full += changes->all_peers;
  fixture->n_messages++;
  if (fixture->on_map != NULL && changes->all_peers)
    fixture->on_map (fixture);
  fixture->n_peers += changes->added->len - changes->removed->len;
  g_assert_cmpuint (fixture->n_peers, ==, map->peers->len);
}

static void
stopped (TnControlClient *client, const GError *error, gpointer user_data)
{
  ((Fixture *) user_data)->stopped = TRUE;
}

gboolean
is_stopped (Fixture *fixture)
{
  return fixture->stopped;
}

void
fixture_init (Fixture *fixture)
{
  fixture->url = tn_testkit_control_dup_url (fixture->control);
  fixture->states = g_string_new (NULL);
  fixture->urls = g_ptr_array_new_with_free_func (g_free);
  fixture->errors = g_ptr_array_new_with_free_func ((GDestroyNotify) g_error_free);
}

void
fixture_clear (Fixture *fixture)
{
  tn_control_client_stop (fixture->client, stopped, fixture);
  wait_for ("the end", is_stopped, fixture);
  tn_control_client_unref (fixture->client);
  g_free (fixture->url);
  g_string_free (fixture->states, TRUE);
  g_ptr_array_unref (fixture->urls);
  g_ptr_array_unref (fixture->errors);
}

void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->control = tn_testkit_control_new_threaded ();
  g_assert_true (tn_testkit_control_start (fixture->control, &error));
  fixture_init (fixture);
}

void
tear_down (Fixture *fixture, gconstpointer data)
{
  fixture_clear (fixture);
  g_object_unref (fixture->control);
}

void
start_as (Fixture *fixture, const char *hostname, gboolean with_key, gint64 silence_max_us)
{
  static const TnControlHandler handler = { .changed = changed, .netmap = netmap };
  g_autofree char *auth_key = with_key ? tn_testkit_control_create_auth_key (fixture->control, "ada@example.test",
                                                                             TN_TESTKIT_AUTH_KEY_REUSABLE, NULL) : NULL;
  g_autoptr (TnHostinfo) hostinfo = tn_hostinfo_new_for_system ();
  g_autoptr (GError) error = NULL;
  TnMachinePrivateKey machine_key;
  TnDiscoPrivateKey disco_key;
  TnControlConfig config = { .server_url = fixture->url, .auth_key = auth_key, .machine_key = &machine_key, .hostinfo = hostinfo,
                             .silence_max_us = silence_max_us, .request_max_us = fixture->request_max_us, .allow_plain_http = !fixture->no_plain_http,
                             .tls_database = fixture->tls_database };

  g_free (hostinfo->hostname);
  hostinfo->hostname = g_strdup (hostname);
  tn_machine_private_key_generate (&machine_key);
  tn_disco_private_key_generate (&disco_key);
  tn_disco_private_key_get_public (&disco_key, &config.disco_key);
  fixture->client = tn_control_client_new (&config, &handler, fixture, &error);
  g_assert_no_error (error);
  tn_control_client_start (fixture->client);
}

void
start (Fixture *fixture, gboolean with_key, gint64 silence_max_us)
{
  start_as (fixture, "node", with_key, silence_max_us);
}

void
join (Fixture *fixture)
{
  start (fixture, TRUE, 0);
  wait_for ("the map", is_running, fixture);
}

TnTestkitNode *
lookup_node (Fixture *fixture)
{
  return tn_testkit_control_lookup_node (fixture->control, "node");
}
