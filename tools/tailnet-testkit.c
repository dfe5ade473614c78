/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib-unix.h>
#include <json-glib/json-glib.h>
#include <locale.h>

#include "tailnet-testkit.h"

/* A tailnet for tests, alone in a process: tells in one line of JSON how to join it, and runs until it is interrupted. */

typedef struct
{
  char     *address;
  int       port;           /* 0: any */
  int       n_relays;
  char    **users;          /* nullable */
  char     *dns_config;     /* nullable */
  gboolean  verbose;
} Options;

static void
print_line (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *text = NULL;

  json_node_take_object (node, object);
  text = json_to_string (node, FALSE);
  g_print ("%s\n", text);
}

/* "auth-keys":{"ann@example.test":"tskey-auth-…"}: the nodes of each user join with a key of that user. */
static void
add_users (JsonObject       *object,
           TnTestkitControl *control,
           char            **users)
{
  JsonObject *keys = json_object_new ();

  for (guint i = 0; users[i] != NULL; i++)
    {
      g_autofree char *key = tn_testkit_control_create_auth_key (control, users[i], TN_TESTKIT_AUTH_KEY_REUSABLE, NULL);

      json_object_set_string_member (keys, users[i], key);
    }
  json_object_set_object_member (object, "auth-keys", keys);
}

static void
print_access (TnTestkitTailnet *tailnet,
              char            **users)
{
  g_autofree char *url = tn_testkit_tailnet_dup_control_url (tailnet);
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "control-url", url);
  json_object_set_string_member (object, "auth-key", tn_testkit_tailnet_get_auth_key (tailnet));
  if (users != NULL)
    add_users (object, tn_testkit_tailnet_get_control (tailnet), users);
  print_line (object);
}

static void
print_request (TnTestkitControl *control,
               const char       *machine_key,
               const char       *path,
               const char       *body,
               gpointer          user_data)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "machine", machine_key);
  json_object_set_string_member (object, "path", path);
  json_object_set_string_member (object, "body", body);
  print_line (object);
}

static gboolean
quit_cb (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
run (const Options  *options,
     GError        **error)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (TnTestkitTailnet) tailnet = g_object_new (TN_TESTKIT_TYPE_TAILNET,
                                                       "listen-address", options->address != NULL ? options->address : "127.0.0.1",
                                                       "control-port", (guint) options->port,
                                                       "n-relays", (guint) options->n_relays,
                                                       NULL);

  if (options->dns_config != NULL &&
      !tn_testkit_control_set_dns_config_json (tn_testkit_tailnet_get_control (tailnet), options->dns_config, error))
    {
      g_prefix_error (error, "--dns-config: ");
      return FALSE;
    }
  if (!tn_testkit_tailnet_start (tailnet, error))
    return FALSE;

  print_access (tailnet, options->users);
  if (options->verbose)
    g_signal_connect (tn_testkit_tailnet_get_control (tailnet), "request-received", G_CALLBACK (print_request), NULL);
  g_unix_signal_add (SIGINT, quit_cb, loop);
  g_unix_signal_add (SIGTERM, quit_cb, loop);
  g_main_loop_run (loop);

  return TRUE;
}

static gboolean
check (const Options  *options,
       int             argc,
       char          **argv,
       GError        **error)
{
  if (argc > 1)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "takes no argument, got “%s”", argv[1]);
  else if (options->n_relays < 0 || options->n_relays > 99)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "cannot have %d relays: 0 to 99", options->n_relays);
  else if (options->port < 0 || options->port > G_MAXUINT16)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "“%d” is no port number: 1 to 65535", options->port);
  else
    return TRUE;
  return FALSE;
}

int
main (int    argc,
      char **argv)
{
  Options options = { .n_relays = 1 };
  const GOptionEntry entries[] = {
    { "address", 'a', 0, G_OPTION_ARG_STRING, &options.address, "IP address to listen on (127.0.0.1)", "ADDRESS" },
    { "port", 'p', 0, G_OPTION_ARG_INT, &options.port, "TCP port of the control server (any that is free)", "PORT" },
    { "relays", 'r', 0, G_OPTION_ARG_INT, &options.n_relays, "how many relays (1)", "N" },
    { "user", 'u', 0, G_OPTION_ARG_STRING_ARRAY, &options.users, "print a key of this user as well; may be given again", "NAME" },
    { "dns-config", 'd', 0, G_OPTION_ARG_STRING, &options.dns_config, "tell nodes this of the DNS: an object of JSON, “DNSConfig”", "JSON" },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &options.verbose, "print each request of a node, one a line", NULL },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- a tailnet for tests");
  g_autoptr (GError) error = NULL;

  setlocale (LC_ALL, "");
  g_option_context_set_description (context, "The first line that it prints is an object of JSON: \"control-url\" and \"auth-key\", with which any\n"
                                             "number of nodes can join, and with --user \"auth-keys\", the key of each user by name. It runs\n"
                                             "until interrupted.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || !check (&options, argc, argv, &error))
    {
      g_printerr ("tailnet-testkit: %s\n", error->message);
      return 2;
    }

  if (!run (&options, &error))
    {
      g_printerr ("tailnet-testkit: %s\n", error->message);
      return 1;
    }

  g_free (options.address);
  g_strfreev (options.users);
  return 0;
}
