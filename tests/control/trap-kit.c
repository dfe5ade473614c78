/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "trap-kit.h"

#include <string.h>

/* --- What the client tells --- */

static void
changed (TnControlClient *client, gpointer user_data)
{
  static const char letters[] = { [TN_CONTROL_STOPPED] = 'S', [TN_CONTROL_CONNECTING] = 'C', [TN_CONTROL_NEEDS_LOGIN] = 'L',
                                  [TN_CONTROL_NEEDS_APPROVAL] = 'A', [TN_CONTROL_RUNNING] = 'R', [TN_CONTROL_REFUSED] = 'X' };
  Kit *kit = user_data;
  char letter = letters[tn_control_client_get_state (client)];
  const char *url = tn_control_client_get_auth_url (client);
  const GError *error = tn_control_client_get_error (client);

  if (kit->states->len == 0 || kit->states->str[kit->states->len - 1] != letter)
    g_string_append_c (kit->states, letter);
  if (url != NULL && letter == 'L' && (kit->urls->len == 0 || !g_str_equal (g_ptr_array_index (kit->urls, kit->urls->len - 1), url)))
    g_ptr_array_add (kit->urls, g_strdup (url));
  if (error != NULL)
    g_ptr_array_add (kit->errors, g_error_copy (error));
  if (kit->on_change != NULL)
    kit->on_change (client);
}

static void
netmap (TnControlClient *client, const TnNetmap *map, const TnNetmapChanges *changes, gpointer user_data)
{
  Kit *kit = user_data;

  kit->n_maps += changes->all_peers;
  kit->n_messages++;
}

static void
save_keys (TnControlClient *client, const TnNodePrivateKey *key, const TnNodePublicKey *old, gpointer user_data)
{
  Kit *kit = user_data;

  kit->n_saved++;
  if (!kit->save_late)
    tn_control_client_keys_saved (client, NULL);
}

/* --- What the server gets --- */

static void
request_free (gpointer data)
{
  KitRequest *request = data;

  g_free (request->path);
  g_clear_pointer (&request->body, json_object_unref);
  g_free (request);
}

static void
request_cb (TnTestkitControl *control, const char *machine, const char *path, const char *body, gpointer user_data)
{
  Kit *kit = user_data;
  g_autoptr (JsonParser) parser = json_parser_new ();
  KitRequest *request = g_new0 (KitRequest, 1);

  request->path = g_strdup (path);
  if (g_str_has_prefix (path, "/machine/"))
    {
      g_assert_true (json_parser_load_from_data (parser, body, -1, NULL));
      request->body = json_object_ref (json_node_get_object (json_parser_get_root (parser)));
    }
  g_ptr_array_add (kit->requests, request);
}

static gboolean
matches (const KitRequest *request, const char *path, gboolean streaming)
{
  if (!g_str_equal (request->path, path))
    return FALSE;
  return request->body == NULL || json_object_get_boolean_member_with_default (request->body, "Stream", FALSE) == streaming;
}

guint
kit_count (Kit *kit, const char *path, gboolean streaming)
{
  guint n = 0;

  for (guint i = 0; i < kit->requests->len; i++)
    n += matches (g_ptr_array_index (kit->requests, i), path, streaming);
  return n;
}

JsonObject *
kit_get (Kit *kit, const char *path, gboolean streaming, guint n)
{
  for (guint i = 0; i < kit->requests->len; i++)
    {
      KitRequest *request = g_ptr_array_index (kit->requests, i);

      if (matches (request, path, streaming) && n-- == 0)
        return request->body;
    }
  g_error ("no such request: %s", path);
}

void
kit_wait_requests (Kit *kit, const char *path, gboolean streaming, guint n)
{
  guint limit = g_timeout_add_seconds (PATIENCE_S, impatient_cb, (gpointer) (guintptr) path);

  while (kit_count (kit, path, streaming) < n)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (limit);
}

/* --- Conditions --- */

gboolean
kit_is_running (Kit *kit)
{
  return tn_control_client_get_state (kit->client) == TN_CONTROL_RUNNING;
}

gboolean
kit_is_refused (Kit *kit)
{
  return tn_control_client_get_state (kit->client) == TN_CONTROL_REFUSED;
}

gboolean
kit_needs_login (Kit *kit)
{
  return tn_control_client_get_state (kit->client) == TN_CONTROL_NEEDS_LOGIN;
}

gboolean
kit_has_maps (Kit *kit)
{
  return kit->n_maps >= kit->wanted;
}

gboolean
kit_has_urls (Kit *kit)
{
  return kit->urls->len >= kit->wanted;
}

gboolean
kit_has_errors (Kit *kit)
{
  return kit->errors->len >= kit->wanted;
}

gboolean
kit_has_health (Kit *kit)
{
  const TnNetmap *map = tn_control_client_get_netmap (kit->client);

  return map != NULL && map->health != NULL && g_strv_contains ((const char *const *) map->health, kit->text);
}

/* --- Life --- */

void
kit_set_up (Kit *kit, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  kit->control = tn_testkit_control_new_threaded ();
  g_assert_true (tn_testkit_control_start (kit->control, &error));
  kit->states = g_string_new (NULL);
  kit->urls = g_ptr_array_new_with_free_func (g_free);
  kit->errors = g_ptr_array_new_with_free_func ((GDestroyNotify) g_error_free);
  kit->requests = g_ptr_array_new_with_free_func (request_free);
  g_signal_connect (kit->control, "request-received", G_CALLBACK (request_cb), kit);
  tn_machine_private_key_generate (&kit->machine_key);
}

static void
stopped (TnControlClient *client, const GError *error, gpointer user_data)
{
  ((Kit *) user_data)->stopped = TRUE;
}

static gboolean
is_stopped (Kit *kit)
{
  return kit->stopped;
}

void
kit_stop (Kit *kit)
{
  kit->stopped = FALSE;
  tn_control_client_stop (kit->client, stopped, kit);
  wait_for ("the end", is_stopped, kit);
}

void
kit_tear_down (Kit *kit, gconstpointer data)
{
  if (kit->client != NULL)
    {
      kit_stop (kit);
      tn_control_client_unref (kit->client);
    }
  g_object_unref (kit->control);
  g_string_free (kit->states, TRUE);
  g_ptr_array_unref (kit->urls);
  g_ptr_array_unref (kit->errors);
  g_ptr_array_unref (kit->requests);
}

void
kit_start (Kit *kit, gboolean with_key)
{
  static const TnControlHandler handler = { .save_keys = save_keys, .changed = changed, .netmap = netmap };
  g_autofree char *url = tn_testkit_control_dup_url (kit->control);
  g_autofree char *auth_key = with_key ? tn_testkit_control_create_auth_key (kit->control, "ada@example.test",
                                                                             TN_TESTKIT_AUTH_KEY_REUSABLE, NULL) : NULL;
  g_autoptr (TnHostinfo) hostinfo = tn_hostinfo_new_for_system ();
  g_autoptr (GError) error = NULL;
  TnDiscoPrivateKey disco_key;
  TnControlConfig config = { .server_url = url, .auth_key = auth_key, .machine_key = &kit->machine_key, .hostinfo = hostinfo,
                             .update_max_us = kit->update_max_us };

  g_free (hostinfo->hostname);
  hostinfo->hostname = g_strdup ("node");
  tn_disco_private_key_generate (&disco_key);
  tn_disco_private_key_get_public (&disco_key, &config.disco_key);
  kit->client = tn_control_client_new (&config, &handler, kit, &error);
  g_assert_no_error (error);
  tn_control_client_start (kit->client);
}

void
kit_join (Kit *kit)
{
  kit_start (kit, TRUE);
  wait_for ("the map", kit_is_running, kit);
}

void
kit_script (Kit *kit, TnTestkitStage stage, guint status, const char *body)
{
  g_autoptr (GBytes) bytes = body != NULL ? g_bytes_new (body, strlen (body)) : NULL;

  tn_testkit_control_script_answer (kit->control, stage, status, NULL, bytes);
}

void
kit_send (Kit *kit, const char *json)
{
  g_assert_cmpuint (tn_testkit_control_send_map_response (kit->control, "node", json), ==, 1);
}
