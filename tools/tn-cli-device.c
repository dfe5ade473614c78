/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "tn-cli-settings.h"
#include "tn-cli.h"

enum
{
  ATTACH_ATTEMPTS = 200,     /* one that stops may wait for what was sent last */
  ATTACH_PAUSE_MS = 50,
};

static gboolean
interrupted_cb (gpointer data)
{
  TnCli *cli = data;

  cli->interrupted = TRUE;
  g_cancellable_cancel (cli->cancellable);
  return G_SOURCE_REMOVE;      /* the next one ends the program at once */
}

/* --- Files that are named in options --- */

#define FILE_MAX (1 << 20)

static void
read_thread (GTask        *task,
             gpointer      source,
             gpointer      task_data,
             GCancellable *cancellable)
{
  g_autoptr (GFile) file = g_file_new_for_path (task_data);
  g_autofree char *text = g_malloc (FILE_MAX + 1);
  GError *error = NULL;
  g_autoptr (GFileInputStream) stream = g_file_read (file, NULL, &error);
  gsize len = 0;

  if (stream != NULL && g_input_stream_read_all (G_INPUT_STREAM (stream), text, FILE_MAX + 1, &len, NULL, &error) && len > FILE_MAX)
    error = g_error_new (G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("%s has more than %d bytes"), (char *) task_data, FILE_MAX);
  if (error != NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  text[len] = '\0';
  g_task_return_pointer (task, g_steal_pointer (&text), g_free);
}

/* In a thread, since a pipe that nobody writes to would keep signals and --timeout waiting. Up to the first zero byte. */
static char *
read_file (TnCli       *cli,
           const char  *path,
           GError     **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GTask) task = g_task_new (NULL, cli->cancellable, tn_cli_done_cb, &result);

  g_task_set_task_data (task, g_strdup (path), g_free);
  g_task_set_return_on_cancel (task, TRUE);
  g_task_run_in_thread (task, read_thread);
  return g_task_propagate_pointer (G_TASK (tn_cli_wait (&result)), error);
}

/* The key itself, "file:PATH" or "env:NAME". */
static char *
read_auth_key (TnCli       *cli,
               const char  *text,
               GError     **error)
{
  g_autofree char *contents = NULL;

  if (g_str_has_prefix (text, "file:"))
    {
      contents = read_file (cli, text + strlen ("file:"), error);
      if (contents == NULL)
        {
          g_prefix_error (error, "%s", _("cannot read the auth key: "));
          return NULL;
        }
      if (*g_strstrip (contents) != '\0')
        return g_steal_pointer (&contents);
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("there is no auth key in %s"), text + strlen ("file:"));
      return NULL;
    }
  if (g_str_has_prefix (text, "env:"))
    {
      return g_strdup (g_getenv (text + strlen ("env:")));      /* there is one, or the command would not have begun */
    }
  return g_strdup (text);
}

/* The database reads its file when it is first asked: a wrong one would be found out late, and taken for an empty one. */
static GTlsDatabase *
read_authorities (const char  *path,
                  GError     **error)
{
  g_autofree char *absolute = g_canonicalize_filename (path, NULL);
  gboolean is_file = !g_file_test (absolute, G_FILE_TEST_EXISTS) || g_file_test (absolute, G_FILE_TEST_IS_REGULAR);
  GList *certificates = is_file ? g_tls_certificate_list_new_from_file (absolute, error) : NULL;
  GTlsDatabase *database = NULL;

  if (!is_file)      /* it is read more than once */
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE, _("it is no regular file"));
  else if (certificates != NULL)
    database = g_tls_file_database_new (absolute, error);
  else if (error != NULL && *error == NULL)
    g_set_error_literal (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE, _("there is none in it"));
  g_list_free_full (certificates, g_object_unref);
  if (database == NULL)
    g_prefix_error (error, _("cannot read certificates from %s: "), path);
  return database;
}

static TnDevice *
make_device (TnCli         *cli,
             TnStateStore  *store,
             GError       **error)
{
  static const char *const straight[] = { "derp", "udp", NULL };      /* an interface is there for speed */
  g_autoptr (GTlsDatabase) database = NULL;
  g_autofree char *auth_key = NULL;
  TnDevice *device;

  if (cli->ca_file != NULL && (database = read_authorities (cli->ca_file, error)) == NULL)
    return NULL;
  if (cli->auth_key != NULL && (auth_key = read_auth_key (cli, cli->auth_key, error)) == NULL)
    return NULL;

  device = g_object_new (TN_TYPE_EMBEDDED_DEVICE,
                         "hostname", cli->hostname,
                         "control-url", cli->control_url,
                         "state-store", store,
                         "ephemeral", cli->ephemeral,
                         "tags", cli->tags,
                         "tls-database", database,
                         "allow-plain-http", cli->allow_plain_http,
                         "app-name", "tailnet",
                         "capture-file", cli->capture_file,
                         "transports", cli->interface != NULL ? straight : NULL,
                         "netstack", cli->interface != NULL ? "tun" : NULL,
                         "interface-name", cli->interface != NULL && *cli->interface != '\0' ? cli->interface : NULL,
                         NULL);
  tn_embedded_device_set_auth_key (TN_EMBEDDED_DEVICE (device), auth_key);
  return device;
}

void
tn_cli_watch_signals (TnCli *cli)
{
  g_unix_signal_add (SIGINT, interrupted_cb, cli);
  g_unix_signal_add (SIGTERM, interrupted_cb, cli);
}

/* From here on it is a person who takes the time, if one is there to see it. */
static void
wait_for_people (TnCli *cli)
{
  if (!cli->timeout_given && (cli->patient || isatty (STDERR_FILENO)))
    tn_cli_end (cli);
}

static void
login_required_cb (TnDevice   *device,
                   const char *url,
                   gpointer    user_data)
{
  TnCli *cli = user_data;
  g_autofree char *line = tn_cli_dup_line (url);

  if (cli->leaving)
    return;
  wait_for_people (cli);
  g_printerr (_("To log in, visit:\n\n    %s\n\n"), line);
}

/* Whoever waits for the device goes on: it tries again by itself. */
static void
login_done_cb (GObject      *object,
               GAsyncResult *result,
               gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  if (!tn_device_login_finish (TN_DEVICE (object), result, &error) && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    tn_cli_complain ("tailnet: %s\n", error->message);
}

/* “up” means to be up: it logs in again, for the program that runs the node as well. Others leave that to people. */
static void
key_expired (TnCli    *cli,
             TnDevice *device)
{
  if (cli->leaving || (cli->looking && cli->attached))
    return;
  if (cli->patient && cli->joining && !cli->login_begun)
    {
      cli->login_begun = TRUE;
      g_printerr (_("The key of this node has expired: it logs in again.\n"));
      tn_device_login_async (device, cli->cancellable, login_done_cb, NULL);
    }
  else if (cli->state_dir != NULL)
    g_printerr (_("The key of this node has expired. Another “tailnet up” with the same --state logs it in again.\n"));
  else
    g_printerr (_("The key of this node has expired.\n"));
}

static void
health_cb (GListModel *health,
           guint       position,
           guint       n_removed,
           guint       n_added,
           gpointer    user_data)
{
  TnCli *cli = user_data;
  gboolean before = cli->expired;

  cli->expired = FALSE;
  for (guint i = 0; i < g_list_model_get_n_items (health); i++)
    {
      g_autoptr (TnHealthItem) item = g_list_model_get_item (health, i);

      cli->expired |= g_str_equal (tn_health_item_get_code (item), "key-expired");
    }
  if (cli->expired && !before && cli->device != NULL)
    key_expired (cli, cli->device);
}

static void
stop_requested_cb (TnCli *cli)
{
  g_cancellable_cancel (cli->cancellable);
}

/* The state is ours as soon as the device starts: from then on others with the same folder come to us. */
static void
serve_others (TnCli *cli)
{
  g_autoptr (GError) error = NULL;

  cli->server = tn_device_server_new (cli->device);
  g_signal_connect_swapped (cli->server, "stop-requested", G_CALLBACK (stop_requested_cb), cli);
  if (!tn_device_server_listen (cli->server, cli->state_dir, &error))
    tn_cli_complain ("tailnet: %s\n", error->message);
}

static void
state_cb (TnDevice   *device,
          GParamSpec *pspec,
          gpointer    user_data)
{
  TnCli *cli = user_data;
  TnDeviceState state = tn_device_get_state (device);

  if (state != TN_DEVICE_STATE_STOPPED && cli->state_dir != NULL && !cli->attached && cli->server == NULL)
    serve_others (cli);
  if (state != TN_DEVICE_STATE_NEEDS_APPROVAL || cli->leaving)
    return;
  wait_for_people (cli);
  g_printerr (_("An administrator has to approve this node first.\n"));
}

/* Who has to log in first, or is not let in, need not be waited for. */
static gboolean
is_settled (TnDevice *device)
{
  TnDeviceState state = tn_device_get_state (device);

  return state == TN_DEVICE_STATE_NEEDS_LOGIN || state == TN_DEVICE_STATE_NEEDS_APPROVAL;
}

/* Without an answer of the server in time the key is forgotten all the same, and the error says that it was not told. */
static gboolean
log_out (TnCli     *cli,
         TnDevice  *device,
         GError   **error)
{
  g_autoptr (GCancellable) starting = g_cancellable_new ();      /* time alone does not end it: it is a way to the server */
  g_autoptr (GAsyncResult) started = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  gboolean known, ok;

  tn_device_start_async (device, starting, tn_cli_done_cb, &started);
  while (started == NULL && !is_settled (device) && !g_cancellable_is_cancelled (cli->cancellable))
    g_main_context_iteration (NULL, TRUE);
  if (cli->interrupted)
    g_cancellable_cancel (starting);
  if (cli->interrupted || started != NULL)
    {
      if (!tn_device_start_finish (device, tn_cli_wait (&started), error))
        return FALSE;
    }

  known = tn_device_get_state (device) != TN_DEVICE_STATE_NEEDS_LOGIN;
  tn_device_logout_async (device, NULL, tn_cli_done_cb, &result);
  ok = tn_device_logout_finish (device, tn_cli_wait (&result), known ? error : NULL);
  tn_cli_wait (&started);
  if (ok || !known)
    tn_cli_say ("%s\n", ok ? _("Logged out.") : _("The node was not logged in."));
  return ok || !known;
}

/* One that another program runs can be looked at while that waits for somebody. */
static gboolean
look_at (TnCli     *cli,
         TnDevice  *device,
         GError   **error)
{
  g_autoptr (GCancellable) waiting = g_cancellable_new ();
  g_autoptr (GAsyncResult) started = NULL;

  tn_device_start_async (device, waiting, tn_cli_done_cb, &started);
  while (started == NULL && !is_settled (device) && !g_cancellable_is_cancelled (cli->cancellable))
    g_main_context_iteration (NULL, TRUE);
  if (started != NULL)
    return tn_device_start_finish (device, started, error);
  g_cancellable_cancel (waiting);
  tn_cli_wait (&started);
  return !g_cancellable_set_error_if_cancelled (cli->cancellable, error);
}

static gboolean
start_device (TnCli     *cli,
              TnDevice  *device,      /* taken */
              GError   **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  cli->device = device;
  cli->expired = FALSE;
  g_signal_connect (tn_device_get_health (device), "items-changed", G_CALLBACK (health_cb), cli);
  g_signal_connect (device, "login-required", G_CALLBACK (login_required_cb), cli);
  g_signal_connect (device, "notify::state", G_CALLBACK (state_cb), cli);
  if (cli->leaving)
    return log_out (cli, device, error);
  if (cli->looking && cli->attached)
    return look_at (cli, device, error);
  cli->joining = TRUE;
  tn_device_start_async (device, cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  cli->joining = FALSE;
  return tn_device_start_finish (device, result, error);
}

/* Nobody is there, somebody was and left the socket behind, or is just leaving. */
static gboolean
is_nobody (TnCli        *cli,
           const GError *error)
{
  static const GIOErrorEnum codes[] = { G_IO_ERROR_NOT_FOUND, G_IO_ERROR_CONNECTION_REFUSED, G_IO_ERROR_CLOSED,
                                        G_IO_ERROR_CONNECTION_CLOSED, G_IO_ERROR_NOT_CONNECTED, G_IO_ERROR_CANCELLED };

  if (g_cancellable_is_cancelled (cli->cancellable))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    if (g_error_matches (error, G_IO_ERROR, codes[i]))
      return TRUE;
  return g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED);
}

/* A mistyped folder should not become a node, and ask a server that nobody meant. */
static gboolean
check_there_is_one (TnCli   *cli,
                    GError **error)
{
  g_autofree char *key = g_build_filename (cli->state_dir, "machine-key.state", NULL);

  if (cli->patient || cli->auth_key != NULL || cli->control_url != NULL || g_file_test (key, G_FILE_TEST_EXISTS))
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
               _("there is no node in %s yet: “up” makes one, and so does what is given with --login-server or --auth-key"), cli->state_dir);
  return FALSE;
}

/* A node that was joined once is the same one later, without being told again what it is called and where it belongs. */
static gboolean
start_own (TnCli   *cli,
           GError **error)
{
  g_autoptr (TnStateStore) store = cli->state_dir != NULL ? tn_file_state_store_new (cli->state_dir) : tn_memory_state_store_new ();
  gboolean kept = cli->state_dir != NULL;
  TnDevice *device;

  cli->attached = FALSE;
  if (kept && !check_there_is_one (cli, error))
    return FALSE;
  if (kept && !tn_cli_settings_load (cli, store, error))
    return FALSE;
  device = make_device (cli, store, error);
  return device != NULL && start_device (cli, device, error) && (!kept || cli->leaving || tn_cli_settings_save (cli, store, error));
}

/* Whoever asks for packets should not wait for them in vain, nor for an interface. */
static gboolean
check_made (TnCli   *cli,
            GError **error)
{
  if (cli->interface != NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, _("cannot make an interface: another program runs the node of %s, and has to be given --tun"),
                   cli->state_dir);
      return FALSE;
    }
  if (cli->capture_file == NULL)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, _("cannot capture to %s: another program runs the node of %s, and has to be given --capture"),
               cli->capture_file, cli->state_dir);
  return FALSE;
}

/* Between two that begin at once it is the lock of the state that decides. Who loses finds the other's socket a moment later, or
 * that the other has ended. */
static gboolean
start_any (TnCli   *cli,
           GError **error)
{
  for (guint attempt = 0;; attempt++)
    {
      GError *problem = NULL;

      cli->attached = TRUE;
      if (start_device (cli, TN_DEVICE (tn_system_device_new_for_directory (cli->state_dir)), &problem))
        return check_made (cli, error);
      if (!is_nobody (cli, problem))
        {
          if (!cli->leaving)
            g_prefix_error (&problem, _("cannot use the node of %s: "), cli->state_dir);
          g_propagate_error (error, problem);
          return FALSE;
        }
      g_clear_error (&problem);
      g_clear_object (&cli->device);
      if (start_own (cli, &problem))
        return TRUE;
      if (!g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_BUSY) || attempt == ATTACH_ATTEMPTS)
        {
          g_propagate_error (error, problem);
          return FALSE;
        }
      g_clear_error (&problem);
      g_clear_object (&cli->device);
      tn_cli_pause (cli, ATTACH_PAUSE_MS);
    }
}

int
tn_cli_start (TnCli *cli)
{
  g_autoptr (GError) error = NULL;
  gboolean ok;

  if (cli->state_dir == NULL && !cli->ephemeral)
    return tn_cli_usage (_("say which node: --state DIR, or --ephemeral for one that is gone when the program ends"));

  tn_cli_watch_signals (cli);
  tn_cli_begin (cli, cli->patient ? 0 : TN_CLI_TIMEOUT_S);
  ok = cli->state_dir != NULL ? start_any (cli, &error) : start_own (cli, &error);
  tn_cli_end (cli);
  return ok ? TN_CLI_DONE : tn_cli_fail (cli, error);
}

void
tn_cli_stop (TnCli *cli)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) closed = NULL;

  tn_cli_end (cli);
  if (cli->server != NULL)
    {
      tn_device_server_close_async (cli->server, NULL, tn_cli_done_cb, &closed);
      tn_cli_wait (&closed);
    }
  g_clear_object (&cli->server);
  if (cli->device != NULL && !cli->attached)
    {
      tn_device_stop_async (cli->device, NULL, tn_cli_done_cb, &result);
      tn_cli_wait (&result);
    }
  g_clear_object (&cli->device);
}
