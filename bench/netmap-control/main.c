/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The control server of bench/netmap, which says on its standard input what to do:
 *
 *   map FILE     what the map of the node that waits for one holds besides the node, as an object
 *   send TEXT    a message behind the map
 *
 * It prints how to join, and "waits" once a node waits for its map. */
#include <gio/gunixinputstream.h>
#include <string.h>
#include <tailnet-testkit.h>

typedef struct
{
  GMainLoop        *loop;
  TnTestkitControl *control;
  GDataInputStream *commands;
} Server;

static void
request_cb (TnTestkitControl *control,
            const char       *machine_key,
            const char       *path,
            const char       *body)
{
  if (strcmp (path, "/machine/map") == 0 && strstr (body, "\"Stream\":true") != NULL)
    g_print ("waits\n");
}

static gboolean
set_map (Server      *server,
         const char  *file,
         GError     **error)
{
  g_autofree char *json = NULL;

  if (!g_file_get_contents (file, &json, NULL, error) || !tn_testkit_control_set_map_json (server->control, json, error))
    return FALSE;
  tn_testkit_control_release (server->control, TN_TESTKIT_STAGE_STREAM);
  return TRUE;
}

static gboolean
obey (Server      *server,
      const char  *command,
      GError     **error)
{
  if (g_str_has_prefix (command, "map "))
    return set_map (server, command + strlen ("map "), error);
  if (g_str_has_prefix (command, "send "))
    {
      tn_testkit_control_send_map_response (server->control, NULL, command + strlen ("send "));
      return TRUE;
    }
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "no such command: %s", command);
  return FALSE;
}

static void
read_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  Server *server = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *line = g_data_input_stream_read_line_finish (server->commands, result, NULL, &error);

  if (line == NULL || !obey (server, line, &error))
    {
      if (error != NULL)
        g_printerr ("netmap-control: %s\n", error->message);
      g_main_loop_quit (server->loop);
      return;
    }
  g_data_input_stream_read_line_async (server->commands, G_PRIORITY_DEFAULT, NULL, read_cb, server);
}

int
main (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (TnTestkitControl) control = tn_testkit_control_new ();
  g_autoptr (GInputStream) input = g_unix_input_stream_new (0, FALSE);
  g_autoptr (GDataInputStream) commands = g_data_input_stream_new (input);
  Server server = { loop, control, commands };
  g_autoptr (GError) error = NULL;
  g_autofree char *url = NULL;
  g_autofree char *key = NULL;

  if (!tn_testkit_control_start (control, &error))
    {
      g_printerr ("netmap-control: %s\n", error->message);
      return 1;
    }
  g_signal_connect (control, "request-received", G_CALLBACK (request_cb), NULL);
  tn_testkit_control_hold (control, TN_TESTKIT_STAGE_STREAM);
  url = tn_testkit_control_dup_url (control);
  key = tn_testkit_control_create_auth_key (control, "bench@example.test", TN_TESTKIT_AUTH_KEY_DEFAULT, NULL);
  g_print ("%s %s\n", url, key);
  g_data_input_stream_read_line_async (commands, G_PRIORITY_DEFAULT, NULL, read_cb, &server);
  g_main_loop_run (loop);
  return 0;
}
