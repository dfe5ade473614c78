/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

#include "tn-cancel-source.h"
#include "tn-error.h"

static void
client_save_keys (TnControlClient        *client,
                  const TnNodePrivateKey *key,
                  const TnNodePublicKey  *old_key,
                  gpointer                user_data)
{
  tn_runtime_save_keys (user_data, key, old_key);
}

/* --- State --- */

static void
set_auth_url (TnRuntime  *runtime,
              const char *auth_url)
{
  if (g_strcmp0 (auth_url, runtime->auth_url) == 0)
    return;

  g_free (runtime->auth_url);
  runtime->auth_url = g_strdup (auth_url);
  tn_runtime_publish_facts (runtime);
}

/* A login that somebody waits for; of the control thread. */
typedef struct
{
  TnRuntime *runtime;
  GTask     *task;
  GSource   *cancelled;      /* nullable */
} Login;

static void
login_free (gpointer data)
{
  Login *login = data;

  if (login->cancelled != NULL)
    g_source_destroy (login->cancelled);
  g_clear_pointer (&login->cancelled, g_source_unref);
  g_object_unref (login->task);
  g_free (login);
}

GPtrArray *
tn_runtime_new_logins (void)
{
  return g_ptr_array_new_with_free_func (login_free);
}

/* The server goes on: whoever opens the URL finishes what was begun. */
static gboolean
login_cancelled_cb (GCancellable *cancellable,
                    gpointer      data)
{
  Login *login = data;

  g_task_return_error_if_cancelled (login->task);
  g_ptr_array_remove (login->runtime->logins, login);
  return G_SOURCE_REMOVE;
}

static void
end_logins (TnRuntime    *runtime,
            const GError *error)
{
  g_autoptr (GPtrArray) logins = g_steal_pointer (&runtime->logins);

  runtime->logins = tn_runtime_new_logins ();
  for (guint i = 0; i < logins->len; i++)
    {
      Login *login = g_ptr_array_index (logins, i);

      if (error != NULL)
        g_task_return_error (login->task, g_error_copy (error));
      else
        g_task_return_boolean (login->task, TRUE);
    }
}

static void
client_changed (TnControlClient *client,
                gpointer         user_data)
{
  TnRuntime *runtime = user_data;
  const GError *error = tn_control_client_get_error (client);
  TnControlState state = tn_control_client_get_state (client);
  gboolean expired = tn_control_client_is_key_expired (client);
  gboolean refused = g_error_matches (error, TN_ERROR, TN_ERROR_AUTH_REJECTED);

  if (runtime->closing)
    return;

  tn_health_book_hold (runtime->health);
  tn_runtime_settle_home (runtime);
  set_auth_url (runtime, state == TN_CONTROL_NEEDS_LOGIN ? tn_control_client_get_auth_url (client) : NULL);
  tn_runtime_set_health (runtime, "control-connection", TN_HEALTH_SEVERITY_MEDIUM,
                         refused ? "Control server refuses this node" : "Control server not reachable",
                         error != NULL ? error->message : NULL);
  tn_runtime_set_health (runtime, "open-url", TN_HEALTH_SEVERITY_LOW, "The control server asks you to open a page",
                         tn_control_client_get_open_url (client));
  tn_runtime_set_health (runtime, "key-expired", TN_HEALTH_SEVERITY_HIGH, "Key of this node expired",
                         expired ? "the node key has expired" : NULL);
  tn_health_book_release (runtime->health);
  tn_runtime_suspect_captive (runtime);
  if (refused)      /* who asked for a login hears of it, though the node may try again */
    end_logins (runtime, error);
  switch (state)
    {
    case TN_CONTROL_NEEDS_LOGIN:
      if (!expired)
        tn_runtime_forget_cache (runtime);
      tn_runtime_set_state (runtime, TN_DEVICE_STATE_NEEDS_LOGIN);
      break;
    case TN_CONTROL_NEEDS_APPROVAL:
      tn_runtime_set_state (runtime, TN_DEVICE_STATE_NEEDS_APPROVAL);
      break;
    case TN_CONTROL_RUNNING:
      end_logins (runtime, NULL);
      break;      /* the map says what the node may do */
    case TN_CONTROL_REFUSED:
      end_logins (runtime, error);
      tn_runtime_fail (runtime, error);
      break;
    case TN_CONTROL_CONNECTING:
      if (error != NULL)
        tn_runtime_use_cache (runtime);
      break;
    case TN_CONTROL_STOPPED:
    default:
      break;
    }
}

static void
client_netmap (TnControlClient       *client,
               const TnNetmap        *netmap,
               const TnNetmapChanges *changes,
               gpointer               user_data)
{
  TnRuntime *runtime = user_data;

  tn_health_book_hold (runtime->health);
  tn_runtime_apply_netmap (runtime, netmap, changes);
  tn_runtime_note_netmap (runtime);
  tn_health_book_release (runtime->health);
}

/* --- Life --- */

static int
compare_tags (gconstpointer a,
              gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* In order, each once, as servers want them (tailscale ipn/prefs.go). */
static GStrv
sort_tags (char **tags)      /* nullable */
{
  g_autoptr (GPtrArray) sorted = g_ptr_array_new ();
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (gsize i = 0; tags != NULL && tags[i] != NULL; i++)
    g_ptr_array_add (sorted, tags[i]);
  g_ptr_array_sort (sorted, compare_tags);
  for (guint i = 0; i < sorted->len; i++)
    if (i == 0 || strcmp (sorted->pdata[i], sorted->pdata[i - 1]) != 0)
      g_strv_builder_add (builder, sorted->pdata[i]);
  return g_strv_builder_end (builder);
}

static TnHostinfo *
make_hostinfo (TnRuntime *runtime)
{
  TnHostinfo *hostinfo = tn_hostinfo_new_for_system ();

  g_free (hostinfo->hostname);
  hostinfo->hostname = g_strdup (runtime->hostname);
  g_free (hostinfo->app);
  hostinfo->app = g_strdup (runtime->app_name);
  g_free (hostinfo->ipn_version);
  hostinfo->ipn_version = g_strdup (TN_VERSION);
  hostinfo->tags = sort_tags (runtime->tags);
  hostinfo->userspace = runtime->has_router ? TN_TRISTATE_NO : TN_TRISTATE_YES;
  hostinfo->userspace_router = hostinfo->userspace;
  return hostinfo;
}

void
tn_runtime_start_client (TnRuntime *runtime)
{
  static const TnControlHandler handler = {
    .save_keys = client_save_keys,
    .changed = client_changed,
    .netmap = client_netmap,
    .ping = tn_runtime_answer_ping,
    .report = tn_runtime_answer_report,
  };
  g_autoptr (TnHostinfo) hostinfo = make_hostinfo (runtime);
  g_autoptr (GError) error = NULL;
  TnControlConfig config = {
    .server_url = runtime->control_url,
    .machine_key = runtime->machine_key,
    .node_key = runtime->node_key,
    .node_key_is_new = runtime->node_key_is_new,
    .old_node_key = runtime->old_node_key,
    .lock_key = runtime->lock_key,
    .auth_key = runtime->auth_key,
    .ephemeral = runtime->ephemeral,
    .allow_plain_http = runtime->allow_plain_http,
    .hostinfo = hostinfo,
    .tls_database = runtime->tls_database,
    .mark = runtime->mark,
  };

  tn_disco_private_key_get_public (runtime->disco_key, &config.disco_key);
  runtime->client = tn_control_client_new (&config, &handler, runtime, &error);
  if (runtime->client == NULL)
    {
      tn_runtime_fail (runtime, error);
      return;
    }
  if (runtime->ports[0] != 0 || runtime->ports[1] != 0)
    tn_runtime_tell_endpoints (runtime);
  tn_control_client_start (runtime->client);
}

static gboolean
client_gone_cb (gpointer data)
{
  TnRuntime *runtime = ((TnRuntimeCall *) data)->runtime;

  g_clear_pointer (&runtime->client, tn_control_client_unref);
  runtime->client_closed = TRUE;
  tn_runtime_check_closed (runtime);
  return G_SOURCE_REMOVE;
}

/* A client may not be freed from a callback of its own. */
static void
client_stopped (TnControlClient *client,
                const GError    *error,
                gpointer         user_data)
{
  g_autoptr (TnRuntime) runtime = user_data;

  tn_runtime_call (runtime, client_gone_cb, NULL);
}

void
tn_runtime_close_client (TnRuntime *runtime)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CLOSED, "device stopped");

  end_logins (runtime, error);
  if (runtime->client != NULL)
    tn_control_client_stop (runtime->client, client_stopped, tn_runtime_ref (runtime));
  else
    runtime->client_closed = TRUE;
}

void
tn_runtime_tell_net_info (TnRuntime *runtime)
{
  TnNetInfo net_info;

  if (runtime->client == NULL)
    return;
  tn_runtime_fill_net_info (runtime, &net_info);
  tn_control_client_set_net_info (runtime->client, &net_info);
  tn_net_info_clear (&net_info);
}

/* --- Login and logout --- */

/* The task's data. What the client was given already it tries in its own order: without the key first, where the server knows the node. */
static void
give_auth_key (TnRuntime  *runtime,
               const char *auth_key)      /* nullable */
{
  if (g_strcmp0 (auth_key, runtime->auth_key) == 0)
    {
      tn_control_client_login (runtime->client, NULL);
      return;
    }
  tn_secret_str_free (runtime->auth_key);
  runtime->auth_key = tn_secret_strdup (auth_key);
  tn_control_client_login (runtime->client, auth_key != NULL ? auth_key : "");
}

static gboolean
login_cb (gpointer data)
{
  TnRuntimeCall *call = data;
  TnRuntime *runtime = call->runtime;
  g_autoptr (GTask) task = call->data;
  GCancellable *cancellable = g_task_get_cancellable (task);
  Login *login;

  if (runtime->client == NULL || runtime->closing || runtime->logging_out)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, runtime->logging_out ? "device is logging out" : "device stopped");
      return G_SOURCE_REMOVE;
    }

  login = g_new0 (Login, 1);
  login->runtime = runtime;
  login->task = g_steal_pointer (&task);
  g_ptr_array_add (runtime->logins, login);
  if (cancellable != NULL)
    {
      login->cancelled = tn_cancel_source_new (cancellable);
      g_source_set_callback (login->cancelled, G_SOURCE_FUNC (login_cancelled_cb), login, NULL);
      g_source_attach (login->cancelled, g_main_context_get_thread_default ());
    }
  give_auth_key (runtime, g_task_get_task_data (login->task));
  return G_SOURCE_REMOVE;
}

void
tn_runtime_login (TnRuntime  *runtime,
                  GTask      *task,
                  const char *auth_key)
{
  g_task_set_task_data (task, tn_secret_strdup (auth_key), (GDestroyNotify) tn_secret_str_free);
  tn_runtime_call (runtime, login_cb, g_object_ref (task));
}

typedef struct
{
  GTask  *task;
  GError *forget_error;      /* nullable */
} Logout;

static void
logged_out (TnControlClient *client,
            const GError    *error,
            gpointer         user_data)
{
  g_autofree Logout *logout = user_data;
  g_autoptr (GTask) task = logout->task;
  g_autoptr (GError) forget_error = logout->forget_error;

  if (error != NULL || forget_error != NULL)
    g_task_return_error (task, g_error_copy (error != NULL ? error : forget_error));
  else
    g_task_return_boolean (task, TRUE);
}

/* Keys that could not be removed are worth nothing once the server has forgotten them, so it is told in any case. */
void
tn_runtime_log_out (TnRuntime *runtime,
                    GTask     *task,
                    GError    *forget_error)
{
  Logout *logout;

  if (runtime->client == NULL)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "device stopped");
      g_object_unref (task);
      g_clear_error (&forget_error);
      return;
    }
  logout = g_new (Logout, 1);
  *logout = (Logout) { task, forget_error };
  tn_control_client_logout (runtime->client, logged_out, logout);
}

/* Whatever the server says, nobody may log in with these keys from here again. */
static gboolean
logout_cb (gpointer data)
{
  TnRuntimeCall *call = data;

  tn_runtime_forget_keys (call->runtime, call->data);
  return G_SOURCE_REMOVE;
}

void
tn_runtime_logout (TnRuntime *runtime,
                   GTask     *task)
{
  tn_runtime_call (runtime, logout_cb, g_object_ref (task));
}

/* --- What else the server can do --- */

/* FALSE: the task is at its end. */
static gboolean
can_ask (TnRuntime *runtime,
         GTask     *task)
{
  if (runtime->client != NULL && !runtime->closing)
    return TRUE;
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "device stopped");
  return FALSE;
}

static gboolean
fetch_id_token_cb (gpointer data)
{
  TnRuntimeCall *call = data;
  g_autoptr (GTask) task = call->data;

  if (can_ask (call->runtime, task))
    tn_control_client_fetch_id_token (call->runtime->client, g_task_get_task_data (task), task);
  return G_SOURCE_REMOVE;
}

void
tn_runtime_fetch_id_token (TnRuntime *runtime,
                           GTask     *task)
{
  tn_runtime_call (runtime, fetch_id_token_cb, g_object_ref (task));
}

static gboolean
publish_txt_cb (gpointer data)
{
  TnRuntimeCall *call = data;
  g_autoptr (GTask) task = call->data;
  const char *const *record = g_task_get_task_data (task);

  if (can_ask (call->runtime, task))
    tn_control_client_publish_txt (call->runtime->client, record[0], record[1], task);
  return G_SOURCE_REMOVE;
}

void
tn_runtime_publish_txt (TnRuntime *runtime,
                        GTask     *task)
{
  tn_runtime_call (runtime, publish_txt_cb, g_object_ref (task));
}
