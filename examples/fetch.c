/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A node in C that calls others: joins a tailnet, finds out who has a name, and fetches a page from there.
 *
 *   fetch NAME HOST PORT
 *
 * The control server and the key to join with come from TS_CONTROL_URL (Tailscale's, if there is none) and TS_AUTHKEY. Without a key
 * somebody has to log in, at a URL that is printed. */
#include <string.h>
#include <tailnet.h>

typedef struct
{
  GMainLoop    *loop;
  TnDevice     *device;
  const char   *host;
  guint16       port;
  TnConnection *connection;
  char         *request;
  gboolean      failed;
} Fetch;

static void
fail (Fetch        *fetch,
      const GError *error)
{
  g_printerr ("fetch: %s\n", error->message);
  fetch->failed = TRUE;
  g_main_loop_quit (fetch->loop);
}

static void
received_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  Fetch *fetch = user_data;
  GMemoryOutputStream *page = G_MEMORY_OUTPUT_STREAM (object);
  g_autoptr (GError) error = NULL;
  const char *text, *body;
  gsize len;

  if (g_output_stream_splice_finish (G_OUTPUT_STREAM (page), result, &error) < 0)
    {
      fail (fetch, error);
      return;
    }
  text = g_memory_output_stream_get_data (page);
  len = g_memory_output_stream_get_data_size (page);
  body = g_strstr_len (text, (gssize) len, "\r\n\r\n");
  if (body != NULL)
    g_print ("%.*s", (int) (text + len - body - 4), body + 4);
  g_main_loop_quit (fetch->loop);
}

static void
sent_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  Fetch *fetch = user_data;
  g_autoptr (GOutputStream) page = g_memory_output_stream_new_resizable ();
  g_autoptr (GError) error = NULL;

  if (!g_output_stream_write_all_finish (G_OUTPUT_STREAM (object), result, NULL, &error))
    {
      fail (fetch, error);
      return;
    }
  g_output_stream_splice_async (page, g_io_stream_get_input_stream (G_IO_STREAM (fetch->connection)),
                                G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE | G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, G_PRIORITY_DEFAULT, NULL,
                                received_cb, fetch);
}

static void
connected_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  Fetch *fetch = user_data;
  g_autoptr (GError) error = NULL;

  fetch->connection = tn_device_connect_to_host_finish (TN_DEVICE (object), result, &error);
  if (fetch->connection == NULL)
    {
      fail (fetch, error);
      return;
    }
  fetch->request = g_strdup_printf ("GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", fetch->host);
  g_output_stream_write_all_async (g_io_stream_get_output_stream (G_IO_STREAM (fetch->connection)), fetch->request, strlen (fetch->request),
                                   G_PRIORITY_DEFAULT, NULL, sent_cb, fetch);
}

static void
whois_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  Fetch *fetch = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TnNode) node = tn_device_whois_finish (TN_DEVICE (object), result, NULL, &error);

  if (node == NULL)
    {
      fail (fetch, error);
      return;
    }
  g_print ("%s is %s, a node of %s\n", fetch->host, tn_node_get_fqdn (node), tn_user_get_login_name (tn_node_get_user (node)));
  tn_device_connect_to_host_async (fetch->device, fetch->host, fetch->port, NULL, connected_cb, fetch);
}

static void
started_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  Fetch *fetch = user_data;
  g_autoptr (GError) error = NULL;

  if (tn_device_start_finish (TN_DEVICE (object), result, &error))
    tn_device_whois_async (fetch->device, fetch->host, NULL, NULL, whois_cb, fetch);
  else
    fail (fetch, error);
}

static void
login_required_cb (TnDevice   *device,
                   const char *url)
{
  g_printerr ("To log in, visit %s\n", url);
}

static void
stopped_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  tn_device_stop_finish (TN_DEVICE (object), result, NULL);
  g_main_loop_quit (user_data);
}

int
main (int    argc,
      char **argv)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (TnEmbeddedDevice) device = NULL;
  g_autoptr (GError) error = NULL;
  Fetch fetch = { .loop = loop };
  guint64 port;

  if (argc != 4)
    {
      g_printerr ("usage: fetch NAME HOST PORT\n");
      return 2;
    }
  if (!g_ascii_string_to_unsigned (argv[3], 10, 1, G_MAXUINT16, &port, &error))
    {
      g_printerr ("fetch: %s\n", error->message);
      return 2;
    }
  device = tn_embedded_device_new (argv[1], g_getenv ("TS_CONTROL_URL"), NULL);
  tn_embedded_device_set_auth_key (device, g_getenv ("TS_AUTHKEY"));
  g_signal_connect (device, "login-required", G_CALLBACK (login_required_cb), NULL);
  fetch.device = TN_DEVICE (device);
  fetch.host = argv[2];
  fetch.port = (guint16) port;

  tn_device_start_async (fetch.device, NULL, started_cb, &fetch);
  g_main_loop_run (loop);
  g_clear_object (&fetch.connection);
  tn_device_stop_async (fetch.device, NULL, stopped_cb, loop);
  g_main_loop_run (loop);
  g_free (fetch.request);
  return fetch.failed ? 1 : 0;
}
