/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-cli-settings.h"

#define STORE_KEY    "settings"
#define GROUP        "node"
#define HOSTNAME     "hostname"
#define LOGIN_SERVER "login-server"
#define TAGS         "tags"
#define CA           "ca"
#define PLAIN_HTTP   "allow-plain-http"

/* --- As text --- */

static void
take_string (GKeyFile   *file,
             const char *key,
             char      **place)
{
  if (*place == NULL)
    *place = g_key_file_get_string (file, GROUP, key, NULL);
}

static gboolean
parse (TnCli   *cli,
       GBytes  *bytes,
       GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  if (!g_key_file_load_from_bytes (file, bytes, G_KEY_FILE_NONE, error))
    {
      g_prefix_error (error, _("cannot read the settings kept in %s: "), cli->state_dir);
      return FALSE;
    }

  take_string (file, HOSTNAME, &cli->hostname);
  take_string (file, LOGIN_SERVER, &cli->control_url);
  take_string (file, CA, &cli->ca_file);
  cli->allow_plain_http |= g_key_file_get_boolean (file, GROUP, PLAIN_HTTP, NULL);
  if (cli->tags == NULL)
    cli->tags = g_key_file_get_string_list (file, GROUP, TAGS, NULL, NULL);
  return TRUE;
}

static void
put_string (GKeyFile   *file,
            const char *key,
            const char *value)
{
  if (value != NULL)
    g_key_file_set_string (file, GROUP, key, value);
}

/* NULL: there is nothing to keep. */
static GBytes *
print (TnCli *cli)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *ca_file = cli->ca_file != NULL ? g_canonicalize_filename (cli->ca_file, NULL) : NULL;
  gsize len;
  char *text;

  put_string (file, HOSTNAME, cli->hostname);
  put_string (file, LOGIN_SERVER, cli->control_url);
  put_string (file, CA, ca_file);
  if (cli->allow_plain_http)
    g_key_file_set_boolean (file, GROUP, PLAIN_HTTP, TRUE);
  if (cli->tags != NULL)
    g_key_file_set_string_list (file, GROUP, TAGS, (const char *const *) cli->tags, g_strv_length (cli->tags));
  if (!g_key_file_has_group (file, GROUP))
    return NULL;
  text = g_key_file_to_data (file, &len, NULL);
  return g_bytes_new_take (text, len);
}

/* --- In the store --- */

static gboolean
load (TnCli         *cli,
      TnStateStore  *store,
      GBytes       **bytes,      /* out, NULL: nothing is kept */
      GError       **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *problem = NULL;

  tn_state_store_load_async (store, STORE_KEY, cli->cancellable, tn_cli_done_cb, &result);
  *bytes = tn_state_store_load_finish (store, tn_cli_wait (&result), &problem);
  if (problem == NULL)
    return TRUE;
  g_propagate_error (error, problem);
  return FALSE;
}

gboolean
tn_cli_settings_load (TnCli         *cli,
                      TnStateStore  *store,
                      GError       **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GBytes) bytes = NULL;
  gboolean ok;

  tn_state_store_acquire_async (store, cli->cancellable, tn_cli_done_cb, &result);
  if (!tn_state_store_acquire_finish (store, tn_cli_wait (&result), error))
    return FALSE;
  ok = load (cli, store, &bytes, error);
  tn_state_store_release (store);
  return ok && (bytes == NULL || parse (cli, bytes, error));
}

gboolean
tn_cli_settings_save (TnCli         *cli,
                      TnStateStore  *store,
                      GError       **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GBytes) kept = NULL;
  g_autoptr (GBytes) bytes = print (cli);

  if (bytes == NULL)
    return TRUE;
  if (!load (cli, store, &kept, error))
    return FALSE;
  if (kept != NULL && g_bytes_equal (kept, bytes))
    return TRUE;
  tn_state_store_save_async (store, STORE_KEY, bytes, cli->cancellable, tn_cli_done_cb, &result);
  return tn_state_store_save_finish (store, tn_cli_wait (&result), error);
}
