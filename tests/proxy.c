/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "proxy.h"

#include <string.h>

struct _TestProxy
{
  GSocketService *service;
  GCancellable   *cancellable;
  char           *uri;
  char           *wanted;        /* how a request begins that is served */
  guint16         port;
  guint           n_served;
  guint           n_open;        /* callers */
};

/* One caller. */
typedef struct
{
  TestProxy *proxy;
  GIOStream *in;
} Call;

static void
call_free (Call *call)
{
  call->proxy->n_open--;
  g_object_unref (call->in);
  g_free (call);
}

static gboolean
answer (Call       *call,
        const char *line)
{
  g_autofree char *head = g_strdup_printf ("HTTP/1.1 %s\r\n\r\n", line);

  return g_output_stream_write_all (g_io_stream_get_output_stream (call->in), head, strlen (head), NULL, NULL, NULL);
}

static void
spliced_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_io_stream_splice_finish (result, NULL);
  call_free (user_data);
}

static void
connected_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GSocketConnection) out = g_socket_client_connect_to_host_finish (G_SOCKET_CLIENT (object), result, NULL);
  Call *call = user_data;

  g_assert_nonnull (out);
  if (!answer (call, "200 OK"))
    {
      call_free (call);
      return;
    }
  g_io_stream_splice_async (call->in, G_IO_STREAM (out), G_IO_STREAM_SPLICE_NONE, G_PRIORITY_DEFAULT, call->proxy->cancellable,
                            spliced_cb, call);
}

static void
read_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (object), result, NULL);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autofree char *head = bytes != NULL ? g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)) : NULL;
  Call *call = user_data;

  if (head == NULL || !g_str_has_prefix (head, call->proxy->wanted))
    {
      answer (call, "403 Forbidden");
      call_free (call);
      return;
    }
  call->proxy->n_served++;
  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_connect_to_host_async (client, "127.0.0.1", call->proxy->port, NULL, connected_cb, call);
}

static gboolean
incoming_cb (GSocketService    *service,
             GSocketConnection *connection,
             GObject           *source,
             gpointer           user_data)
{
  Call *call = g_new0 (Call, 1);

  call->proxy = user_data;
  call->in = G_IO_STREAM (g_object_ref (connection));
  call->proxy->n_open++;
  g_input_stream_read_bytes_async (g_io_stream_get_input_stream (call->in), 4096, G_PRIORITY_DEFAULT, call->proxy->cancellable, read_cb, call);
  return TRUE;
}

TestProxy *
test_proxy_new (const char *host,
                guint       port)
{
  TestProxy *proxy = g_new0 (TestProxy, 1);

  proxy->service = g_socket_service_new ();
  proxy->cancellable = g_cancellable_new ();
  proxy->uri = g_strdup_printf ("http://127.0.0.1:%u", g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (proxy->service), NULL, NULL));
  proxy->wanted = g_strdup_printf ("CONNECT %s:%u HTTP/1.", host, port);
  proxy->port = (guint16) port;
  g_signal_connect (proxy->service, "incoming", G_CALLBACK (incoming_cb), proxy);
  return proxy;
}

void
test_proxy_free (TestProxy *proxy)
{
  g_socket_service_stop (proxy->service);
  g_socket_listener_close (G_SOCKET_LISTENER (proxy->service));
  g_cancellable_cancel (proxy->cancellable);
  while (proxy->n_open > 0)
    g_main_context_iteration (NULL, TRUE);
  g_object_unref (proxy->service);
  g_object_unref (proxy->cancellable);
  g_free (proxy->uri);
  g_free (proxy->wanted);
  g_free (proxy);
}

GProxyResolver *
test_proxy_dup_resolver (TestProxy *proxy)
{
  return g_simple_proxy_resolver_new (proxy->uri, NULL);
}

guint
test_proxy_get_n_served (TestProxy *proxy)
{
  return proxy->n_served;
}
