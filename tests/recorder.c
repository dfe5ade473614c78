/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "recorder.h"

#define CHUNK (16 << 10)

struct _Recorder
{
  GSocketService  *service;
  GTlsCertificate *certificate;      /* nullable */
  GCancellable    *cancellable;
  guint16          server_port;
  guint16          port;
  GMutex           lock;             /* guards what follows */
  GCond            idle;
  GPtrArray       *records;          /* of GByteArray, one a connection */
  guint            n_open;
};

/* --- One connection: a thread each way --- */

typedef struct
{
  Recorder   *recorder;
  GIOStream  *client;
  GIOStream  *server;
  GByteArray *record;
} Link;

static void
copy (Recorder   *recorder,
      GIOStream  *from,
      GIOStream  *to,
      GByteArray *record)      /* nullable */
{
  guint8 buffer[CHUNK];
  gssize n;

  while ((n = g_input_stream_read (g_io_stream_get_input_stream (from), buffer, sizeof buffer, recorder->cancellable, NULL)) > 0)
    {
      if (record != NULL)
        {
          g_mutex_lock (&recorder->lock);
          g_byte_array_append (record, buffer, (guint) n);
          g_mutex_unlock (&recorder->lock);
        }
      if (!g_output_stream_write_all (g_io_stream_get_output_stream (to), buffer, (gsize) n, NULL, recorder->cancellable, NULL))
        return;
    }
}

/* The sockets, so that whoever reads at either end gets to know. */
static void
hang_up (GIOStream *stream)
{
  GIOStream *base = stream;

  if (G_IS_TLS_CONNECTION (stream))
    g_object_get (stream, "base-io-stream", &base, NULL);
  g_socket_shutdown (g_socket_connection_get_socket (G_SOCKET_CONNECTION (base)), TRUE, TRUE, NULL);
  if (base != stream)
    g_object_unref (base);
}

static void
hang_up_both (Link *link)
{
  hang_up (link->client);
  hang_up (link->server);
}

static gpointer
copy_back (gpointer data)
{
  Link *link = data;

  copy (link->recorder, link->server, link->client, NULL);
  hang_up_both (link);
  return NULL;
}

static gboolean
accept_cb (GTlsConnection       *connection,
           GTlsCertificate      *certificate,
           GTlsCertificateFlags  problems,
           gpointer              data)
{
  return TRUE;
}

static gboolean
add_tls (Link *link)
{
  Recorder *recorder = link->recorder;
  GIOStream *server;
  GIOStream *client;

  server = g_tls_client_connection_new (link->server, NULL, NULL);
  client = g_tls_server_connection_new (link->client, recorder->certificate, NULL);
  g_assert_true (server != NULL && client != NULL);
  g_object_unref (link->server);
  g_object_unref (link->client);
  link->server = server;
  link->client = client;
  g_signal_connect (server, "accept-certificate", G_CALLBACK (accept_cb), NULL);
  return g_tls_connection_handshake (G_TLS_CONNECTION (client), recorder->cancellable, NULL) &&
         g_tls_connection_handshake (G_TLS_CONNECTION (server), recorder->cancellable, NULL);
}

/* Counted where it is accepted: until a thread has taken it up, nothing else shows that one will. */
static gboolean
incoming_cb (GSocketService    *service,
             GSocketConnection *connection,
             GObject           *source,
             gpointer           data)
{
  Recorder *recorder = data;

  g_mutex_lock (&recorder->lock);
  recorder->n_open++;
  g_mutex_unlock (&recorder->lock);
  return FALSE;
}

static gboolean
run_cb (GThreadedSocketService *service,
        GSocketConnection      *connection,
        GObject                *source,
        gpointer                data)
{
  Recorder *recorder = data;
  g_autoptr (GSocketClient) dialer = g_socket_client_new ();
  GSocketConnection *server;
  Link link = { recorder, g_object_ref (G_IO_STREAM (connection)), NULL, g_byte_array_new () };

  g_mutex_lock (&recorder->lock);
  g_ptr_array_add (recorder->records, link.record);
  g_mutex_unlock (&recorder->lock);

  server = g_socket_client_connect_to_host (dialer, "127.0.0.1", recorder->server_port, recorder->cancellable, NULL);
  link.server = G_IO_STREAM (server);
  if (server != NULL && (recorder->certificate == NULL || add_tls (&link)))
    {
      GThread *back = g_thread_new ("recorder", copy_back, &link);

      copy (recorder, link.client, link.server, link.record);
      hang_up_both (&link);
      g_thread_join (back);
    }
  g_object_unref (link.client);
  g_clear_object (&link.server);

  g_mutex_lock (&recorder->lock);
  recorder->n_open--;
  g_cond_signal (&recorder->idle);
  g_mutex_unlock (&recorder->lock);
  return TRUE;
}

/* --- Life --- */

static void
free_record (gpointer record)
{
  g_byte_array_unref (record);
}

Recorder *
recorder_new (guint16          server_port,
              GTlsCertificate *certificate)
{
  Recorder *recorder = g_new0 (Recorder, 1);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocketAddress) bound = NULL;
  g_autoptr (GError) error = NULL;

  g_mutex_init (&recorder->lock);
  g_cond_init (&recorder->idle);
  g_mutex_lock (&recorder->lock);      /* the threads of the service see all of what follows */
  recorder->records = g_ptr_array_new_with_free_func (free_record);
  recorder->cancellable = g_cancellable_new ();
  recorder->server_port = server_port;
  recorder->certificate = certificate != NULL ? g_object_ref (certificate) : NULL;
  recorder->service = g_threaded_socket_service_new (-1);
  g_socket_listener_add_address (G_SOCKET_LISTENER (recorder->service), address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL,
                                 &bound, &error);
  g_assert_no_error (error);
  recorder->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  g_signal_connect (recorder->service, "incoming", G_CALLBACK (incoming_cb), recorder);
  g_signal_connect (recorder->service, "run", G_CALLBACK (run_cb), recorder);
  g_mutex_unlock (&recorder->lock);
  g_socket_service_start (recorder->service);
  return recorder;
}

void
recorder_free (Recorder *recorder)
{
  g_socket_service_stop (recorder->service);
  g_socket_listener_close (G_SOCKET_LISTENER (recorder->service));
  g_cancellable_cancel (recorder->cancellable);
  g_mutex_lock (&recorder->lock);
  while (recorder->n_open > 0)
    g_cond_wait (&recorder->idle, &recorder->lock);
  g_mutex_unlock (&recorder->lock);
  g_object_unref (recorder->service);
  g_object_unref (recorder->cancellable);
  g_clear_object (&recorder->certificate);
  g_ptr_array_unref (recorder->records);
  g_mutex_clear (&recorder->lock);
  g_cond_clear (&recorder->idle);
  g_free (recorder);
}

guint16
recorder_get_port (Recorder *recorder)
{
  return recorder->port;
}

static void
free_bytes (gpointer bytes)
{
  g_bytes_unref (bytes);
}

GPtrArray *
recorder_dup_records (Recorder *recorder)
{
  GPtrArray *records = g_ptr_array_new_with_free_func (free_bytes);

  g_mutex_lock (&recorder->lock);
  for (guint i = 0; i < recorder->records->len; i++)
    {
      GByteArray *record = g_ptr_array_index (recorder->records, i);

      g_ptr_array_add (records, g_bytes_new (record->data, record->len));
    }
  g_mutex_unlock (&recorder->lock);
  return records;
}

/* --- Datagrams: one client at a time --- */

struct _DatagramRecorder
{
  GSocket        *front;
  GSocket        *back;
  GSource        *sources[2];
  GSocketAddress *client;      /* nullable: the last one */
  GPtrArray      *records;     /* of GBytes */
};

static gboolean
front_cb (GSocket      *socket,
          GIOCondition  condition,
          gpointer      data)
{
  DatagramRecorder *recorder = data;
  char buffer[2048];
  gssize n;

  g_clear_object (&recorder->client);
  n = g_socket_receive_from (socket, &recorder->client, buffer, sizeof buffer, NULL, NULL);
  if (n >= 0)
    {
      g_ptr_array_add (recorder->records, g_bytes_new (buffer, (gsize) n));
      g_socket_send (recorder->back, buffer, (gsize) n, NULL, NULL);
    }
  return G_SOURCE_CONTINUE;
}

static gboolean
back_cb (GSocket      *socket,
         GIOCondition  condition,
         gpointer      data)
{
  DatagramRecorder *recorder = data;
  char buffer[2048];
  gssize n = g_socket_receive (socket, buffer, sizeof buffer, NULL, NULL);

  if (n >= 0 && recorder->client != NULL)
    g_socket_send_to (recorder->front, recorder->client, buffer, (gsize) n, NULL, NULL);
  return G_SOURCE_CONTINUE;
}

static GSocket *
open_socket (GSource           **source,
             GSocketSourceFunc   callback,
             gpointer            data)
{
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GError) error = NULL;
  GSocket *socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, &error);

  g_assert_no_error (error);
  g_socket_set_blocking (socket, FALSE);
  g_assert_true (g_socket_bind (socket, any, FALSE, NULL));
  *source = g_socket_create_source (socket, G_IO_IN, NULL);
  g_source_set_callback (*source, G_SOURCE_FUNC (callback), data, NULL);
  g_source_attach (*source, g_main_context_get_thread_default ());
  return socket;
}

DatagramRecorder *
datagram_recorder_new (guint16 server_port)
{
  DatagramRecorder *recorder = g_new0 (DatagramRecorder, 1);
  g_autoptr (GSocketAddress) server = g_inet_socket_address_new_from_string ("127.0.0.1", server_port);

  recorder->records = g_ptr_array_new_with_free_func (free_bytes);
  recorder->front = open_socket (&recorder->sources[0], front_cb, recorder);
  recorder->back = open_socket (&recorder->sources[1], back_cb, recorder);
  g_assert_true (g_socket_connect (recorder->back, server, NULL, NULL));
  return recorder;
}

void
datagram_recorder_free (DatagramRecorder *recorder)
{
  for (gsize i = 0; i < G_N_ELEMENTS (recorder->sources); i++)
    {
      g_source_destroy (recorder->sources[i]);
      g_source_unref (recorder->sources[i]);
    }
  g_object_unref (recorder->front);
  g_object_unref (recorder->back);
  g_clear_object (&recorder->client);
  g_ptr_array_unref (recorder->records);
  g_free (recorder);
}

guint16
datagram_recorder_get_port (DatagramRecorder *recorder)
{
  g_autoptr (GSocketAddress) address = g_socket_get_local_address (recorder->front, NULL);

  return g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
}

GPtrArray *
datagram_recorder_get_records (DatagramRecorder *recorder)
{
  return recorder->records;
}
