/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <json-glib/json-glib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "tn-cli-demo.h"
#include "tn-cli.h"

#define DEMO_PORT 7000
#define FILE_LEN (8 * 1024 * 1024)
#define PING_ATTEMPTS 5

typedef struct
{
  TnCli       *cli;
  GSubprocess *tailnet;
  char        *control_url;
  char        *auth_key;
  TnDevice    *alice;
  TnDevice    *bob;
} Demo;

/* --- The tailnet: a program of its own, so that this one need not carry servers --- */

static void
die_with_parent (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGTERM);
}

static char *
find_testkit (GError **error)
{
  g_autofree char *own = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *folder = own != NULL ? g_path_get_dirname (own) : NULL;
  g_autofree char *beside = folder != NULL ? g_build_filename (folder, "tailnet-testkit", NULL) : NULL;
  char *found = beside != NULL && g_file_test (beside, G_FILE_TEST_IS_EXECUTABLE) ? g_steal_pointer (&beside)
                                                                                : g_find_program_in_path ("tailnet-testkit");

  if (found == NULL)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("the program tailnet-testkit is not installed"));
  return found;
}

static gboolean
parse_access (Demo        *demo,
              const char  *line,
              GError     **error)
{
  g_autoptr (JsonNode) root = line != NULL ? json_from_string (line, NULL) : NULL;
  JsonObject *object = root != NULL && JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;

  if (object != NULL)
    {
      demo->control_url = g_strdup (json_object_get_string_member_with_default (object, "control-url", NULL));
      demo->auth_key = g_strdup (json_object_get_string_member_with_default (object, "auth-key", NULL));
    }
  if (demo->control_url != NULL && demo->auth_key != NULL)
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("the program tailnet-testkit did not say how to join"));
  return FALSE;
}

static gboolean
start_tailnet (Demo    *demo,
               GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autofree char *program = find_testkit (error);
  g_autoptr (GDataInputStream) output = NULL;
  g_autofree char *line = NULL;

  if (program == NULL)
    return FALSE;
  g_subprocess_launcher_set_child_setup (launcher, die_with_parent, NULL, NULL);
  demo->tailnet = g_subprocess_launcher_spawn (launcher, error, program, NULL);
  if (demo->tailnet == NULL)
    return FALSE;

  output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (demo->tailnet));
  g_filter_input_stream_set_close_base_stream (G_FILTER_INPUT_STREAM (output), FALSE);
  line = g_data_input_stream_read_line_utf8 (output, NULL, demo->cli->cancellable, error);
  return (line != NULL || error == NULL || *error == NULL) && parse_access (demo, line, error);
}

/* --- Nodes --- */

static TnDevice *
join (Demo        *demo,
      const char  *name,
      GError     **error)
{
  g_autoptr (TnEmbeddedDevice) device = tn_embedded_device_new (name, demo->control_url, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (TnNode) self = NULL;

  tn_embedded_device_set_auth_key (device, demo->auth_key);
  tn_device_start_async (TN_DEVICE (device), demo->cli->cancellable, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  if (!tn_device_start_finish (TN_DEVICE (device), result, error))
    return NULL;

  self = tn_device_dup_self_node (TN_DEVICE (device));
  g_print (_("%s joined as %s, %s.\n"), name, tn_node_get_fqdn (self), tn_node_get_addresses (self)[0]);
  return TN_DEVICE (g_steal_pointer (&device));
}

static void
leave (TnDevice *device)
{
  g_autoptr (GAsyncResult) result = NULL;

  tn_device_stop_async (device, NULL, tn_cli_done_cb, &result);
  tn_cli_wait (&result);
  g_object_unref (device);
}

static gboolean
find_peer (Demo        *demo,
           TnDevice    *device,
           const char  *name,
           GError     **error)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (TnNode) peer = NULL;

  tn_device_wait_for_peer_async (device, name, demo->cli->cancellable, tn_cli_done_cb, &result);
  peer = tn_device_wait_for_peer_finish (device, tn_cli_wait (&result), error);
  if (peer == NULL)
    return FALSE;
  g_print (_("alice finds %s by name: %s.\n"), name, tn_node_get_fqdn (peer));
  return TRUE;
}

/* A peer is on the map before it has told of its relay: what it is asked until then is lost. */
static gboolean
ping_peer (Demo        *demo,
           TnDevice    *device,
           const char  *name,
           GError     **error)
{
  for (guint attempt = 1;; attempt++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (TnPingResult) pong = NULL;
      g_autoptr (GError) problem = NULL;

      tn_device_ping_async (device, name, TN_PING_KIND_TSMP, 0, demo->cli->cancellable, tn_cli_done_cb, &result);
      tn_cli_wait (&result);
      pong = tn_device_ping_finish (device, result, &problem);
      if (pong != NULL)
        {
          g_print (_("alice pings %s through the tunnel: %.1f ms.\n"), name, (double) tn_ping_result_get_latency_us (pong) / 1000.0);
          return TRUE;
        }
      if (attempt == PING_ATTEMPTS || !g_error_matches (problem, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return FALSE;
        }
    }
}

static gboolean
show (Demo    *demo,
      GError **error)
{
  g_print ("%s\n", _("A tailnet on this machine: a control server and a relay."));
  if (!start_tailnet (demo, error))
    return FALSE;
  g_print (_("The control server is %s.\n"), demo->control_url);
  if ((demo->bob = join (demo, "bob", error)) == NULL || (demo->alice = join (demo, "alice", error)) == NULL)
    return FALSE;
  return find_peer (demo, demo->alice, "bob", error) && ping_peer (demo, demo->alice, "bob", error) &&
         tn_cli_demo_transfer (demo->cli, demo->alice, demo->bob, DEMO_PORT, FILE_LEN, error);
}

/* The two lines are for a shell: another terminal, or a script that reads them. */
static void
stay (Demo *demo)
{
  g_print ("%s\n\n    export TS_CONTROL_URL=%s\n    export TS_AUTHKEY=%s\n\n", _("Others join after this:"), demo->control_url, demo->auth_key);
  g_print ("%s\n", _("Interrupt to end."));
  fflush (stdout);
  while (!g_cancellable_is_cancelled (demo->cli->cancellable))
    g_main_context_iteration (NULL, TRUE);
}

static void
demo_clear (Demo *demo)
{
  if (demo->alice != NULL)
    leave (demo->alice);
  if (demo->bob != NULL)
    leave (demo->bob);
  if (demo->tailnet != NULL)
    {
      g_subprocess_send_signal (demo->tailnet, SIGTERM);
      g_subprocess_wait (demo->tailnet, NULL, NULL);
    }
  g_clear_object (&demo->tailnet);
  g_free (demo->control_url);
  g_free (demo->auth_key);
}

static int
run (TnCli  *cli,
     int     argc,
     char  **argv)
{
  g_autoptr (GError) error = NULL;
  gboolean staying = FALSE;
  GOptionEntry entries[] = {
    { "stay", 0, 0, G_OPTION_ARG_NONE, &staying, N_("Then keep the tailnet, for others to join, until interrupted"), NULL },
    { NULL },
  };
  Demo demo = { .cli = cli };
  int code;

  if (!tn_cli_parse (cli, &tn_cli_demo, entries, &argc, &argv, &code))
    return code;
  if (argc > 1)
    return tn_cli_usage (_("“%s” takes no argument, got “%s”"), argv[0], argv[1]);

  tn_cli_watch_signals (cli);
  tn_cli_begin (cli, TN_CLI_TIMEOUT_S);
  code = show (&demo, &error) ? TN_CLI_DONE : tn_cli_fail (cli, error);
  tn_cli_end (cli);
  if (code == TN_CLI_DONE && staying)
    stay (&demo);
  demo_clear (&demo);
  return code;
}

const TnCliCommand tn_cli_demo = { "demo", "", N_("Show two nodes in a tailnet of their own, on this machine alone"), NULL, run };
