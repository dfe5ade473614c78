/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "protocol-client.h"

#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "tn-reader.h"

#define PATIENCE_S 30
#define MAX_MESSAGE_LEN (64 << 20)

static gboolean
give_up_cb (gpointer user_data)
{
  g_error ("nothing happened for %d s", PATIENCE_S);
  return G_SOURCE_REMOVE;
}

void
protocol_wait_for (ProtocolCondition condition,
                   gpointer          data)
{
  guint timeout = g_timeout_add_seconds (PATIENCE_S, give_up_cb, NULL);

  while (!condition (data))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (timeout);
}

ProtocolClient *
protocol_client_new (const char *url)
{
  ProtocolClient *client = g_new0 (ProtocolClient, 1);
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);

  g_assert_nonnull (uri);
  client->host = g_strdup (g_uri_get_host (uri));
  client->port = (guint16) g_uri_get_port (uri);
  client->version = 130;
  tn_machine_private_key_generate (&client->machine_key);

  return client;
}

void
protocol_client_free (ProtocolClient *client)
{
  protocol_client_disconnect (client);
  tn_machine_private_key_clear (&client->machine_key);
  g_clear_error (&client->closed);
  g_free (client->host);
  g_free (client);
}

static GSocketConnection *
dial (ProtocolClient  *client,
      const char      *request,
      GError         **error)
{
  g_autoptr (GSocketClient) socket_client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection = NULL;

  g_socket_client_set_enable_proxy (socket_client, FALSE);
  g_socket_client_set_timeout (socket_client, PATIENCE_S);
  connection = g_socket_client_connect_to_host (socket_client, client->host, client->port, NULL, error);
  if (connection == NULL ||
      !g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), request, strlen (request), NULL,
                                  NULL, error))
    return NULL;

  return g_steal_pointer (&connection);
}

/* Up to the end of the head, and not a byte further. 0: there was none. */
static guint
read_head (GInputStream *stream)
{
  g_autoptr (GString) head = g_string_new (NULL);
  guint status = 0;
  char c;

  while (!g_str_has_suffix (head->str, "\r\n\r\n"))
    {
      if (g_input_stream_read (stream, &c, 1, NULL, NULL) != 1)
        return 0;
      g_string_append_c (head, c);
    }

  return sscanf (head->str, "HTTP/1.1 %u", &status) == 1 ? status : 0;
}

guint
protocol_client_get (ProtocolClient  *client,
                     const char      *path,
                     char           **body)
{
  g_autofree char *request = g_strdup_printf ("GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", path);
  g_autoptr (GSocketConnection) connection = dial (client, request, NULL);
  GInputStream *stream;
  GString *text = g_string_new (NULL);
  char chunk[4096];
  guint status;
  gssize n;

  g_assert_nonnull (connection);
  stream = g_io_stream_get_input_stream (G_IO_STREAM (connection));
  status = read_head (stream);
  while (status != 0 && (n = g_input_stream_read (stream, chunk, sizeof chunk, NULL, NULL)) > 0)
    g_string_append_len (text, chunk, n);
  *body = g_string_free (text, FALSE);

  return status;
}

gboolean
protocol_client_fetch_key (ProtocolClient *client)
{
  g_autofree char *body = NULL;
  g_autoptr (JsonNode) node = NULL;
  guint status = protocol_client_get (client, "/key?v=130", &body);

  node = status == 200 ? json_from_string (body, NULL) : NULL;
  return node != NULL && tn_machine_public_key_parse (&client->control_key,
                                                      json_object_get_string_member (json_node_get_object (node), "publicKey"));
}

static void
connection_closed_cb (TnNoiseConnection *connection,
                      const GError      *error,
                      gpointer           user_data)
{
  ProtocolClient *client = user_data;

  client->closed = g_error_copy (error);
}

static const TnNoiseConnectionHandler connection_handler = { .closed = connection_closed_cb };

static gboolean
shake_hands (ProtocolClient     *client,
             GSocketConnection  *connection,
             TnNoiseHandshake   *handshake,
             GError            **error)
{
  GInputStream *stream = g_io_stream_get_input_stream (G_IO_STREAM (connection));
  g_auto (TnNoiseSession) session = { 0 };
  guint8 response[TN_NOISE_RESPONSE_LEN];
  guint status = read_head (stream);
  gsize n;

  if (status != 101)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "HTTP status %u", status);
      return FALSE;
    }

  if (!g_input_stream_read_all (stream, response, sizeof response, &n, NULL, error))
    return FALSE;

  if (n < sizeof response)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "handshake ended after %" G_GSIZE_FORMAT " bytes", n);
      return FALSE;
    }

  if (tn_noise_response_len (response, error) == 0 || !tn_noise_finish (handshake, response, sizeof response, &session, error))
    return FALSE;

  g_clear_error (&client->closed);
  client->connection = tn_noise_connection_new_client (G_IO_STREAM (connection), &session, NULL, 0, &connection_handler, client);
  return TRUE;
}

gboolean
protocol_client_connect (ProtocolClient  *client,
                         GError         **error)
{
  g_auto (TnNoiseHandshake) handshake = { 0 };
  guint8 initiation[TN_NOISE_INITIATION_LEN];
  g_autofree char *text = NULL;
  g_autofree char *request = NULL;
  g_autoptr (GSocketConnection) connection = NULL;

  protocol_client_disconnect (client);
  if (!tn_noise_initiate (&handshake, &client->machine_key, &client->control_key, client->version, NULL, initiation, error))
    return FALSE;

  text = g_base64_encode (initiation, sizeof initiation);
  request = g_strdup_printf ("POST /ts2021 HTTP/1.1\r\nHost: test\r\nUpgrade: tailscale-control-protocol\r\n"
                             "Connection: upgrade\r\nX-Tailscale-Handshake: %s\r\nContent-Length: 0\r\n\r\n", text);
  connection = dial (client, request, error);

  return connection != NULL && shake_hands (client, connection, &handshake, error);
}

void
protocol_client_disconnect (ProtocolClient *client)
{
  if (client->connection == NULL)
    return;

  tn_noise_connection_close (client->connection);
  g_clear_pointer (&client->connection, tn_noise_connection_unref);
}

/* Answers */

static void
headers_cb (TnHttp2Stream *stream,
            gpointer       user_data)
{
  ProtocolAnswer *answer = user_data;

  answer->status = tn_http2_stream_get_status (stream);
  answer->retry_after = g_strdup (tn_http2_stream_get_header (stream, "retry-after"));
}

static void
data_cb (TnHttp2Stream *stream,
         const guint8  *data,
         gsize          len,
         gpointer       user_data)
{
  ProtocolAnswer *answer = user_data;

  g_byte_array_append (answer->body, data, (guint) len);
}

static void
end_cb (TnHttp2Stream *stream,
        gpointer       user_data)
{
  ((ProtocolAnswer *) user_data)->ended = TRUE;
}

static void
closed_cb (TnHttp2Stream *stream,
           const GError  *error,
           gpointer       user_data)
{
  ProtocolAnswer *answer = user_data;

  answer->stream = NULL;
  answer->closed = TRUE;
}

static const TnHttp2StreamHandler stream_handler = { headers_cb, data_cb, end_cb, closed_cb };

ProtocolAnswer *
protocol_client_post (ProtocolClient *client,
                      const char     *path,
                      const char     *json)
{
  ProtocolAnswer *answer = g_new0 (ProtocolAnswer, 1);
  g_autoptr (GBytes) body = g_bytes_new (json, strlen (json));

  answer->body = g_byte_array_new ();
  answer->stream = tn_http2_request (tn_noise_connection_get_http2 (client->connection), "POST", "unused", path, NULL, body,
                                     &stream_handler, answer);
  return answer;
}

void
protocol_answer_free (ProtocolAnswer *answer)
{
  if (answer->stream != NULL)
    tn_http2_stream_cancel (answer->stream);
  g_byte_array_unref (answer->body);
  g_free (answer->retry_after);
  g_free (answer);
}

static gboolean
is_closed (gpointer data)
{
  return ((ProtocolAnswer *) data)->closed;
}

void
protocol_answer_wait (ProtocolAnswer *answer)
{
  protocol_wait_for (is_closed, answer);
}

JsonObject *
protocol_answer_parse (ProtocolAnswer  *answer,
                       JsonNode       **node)
{
  g_autofree char *text = NULL;

  protocol_answer_wait (answer);
  text = answer->body->len > 0 ? g_strndup ((const char *) answer->body->data, answer->body->len) : NULL;
  *node = text != NULL ? json_from_string (text, NULL) : NULL;

  return *node != NULL && JSON_NODE_HOLDS_OBJECT (*node) ? json_node_get_object (*node) : NULL;
}

/* The bytes of the next whole message, if it is there. */
static const guint8 *
peek_message (ProtocolAnswer *answer,
              gsize          *len)
{
  gsize left = answer->body->len - answer->read;

  if (left < 4)
    return NULL;

  *len = tn_get_u32le (answer->body->data + answer->read);
  return left - 4 >= *len ? answer->body->data + answer->read + 4 : NULL;
}

static gboolean
has_message (gpointer data)
{
  ProtocolAnswer *answer = data;
  gsize len;

  return answer->ended || answer->closed || peek_message (answer, &len) != NULL;
}

static char *
decompress (const guint8 *data,
            gsize         len)
{
  unsigned long long size = ZSTD_getFrameContentSize (data, len);
  g_autofree char *text = NULL;

  g_assert_cmpuint (size, <, MAX_MESSAGE_LEN);
  text = g_malloc (size + 1);
  g_assert_cmpuint (ZSTD_decompress (text, size, data, len), ==, size);
  text[size] = '\0';

  return g_steal_pointer (&text);
}

JsonNode *
protocol_answer_next (ProtocolAnswer *answer,
                      gboolean        compressed)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  const guint8 *data;
  JsonNode *node;
  gsize len = 0;

  protocol_wait_for (has_message, answer);
  data = peek_message (answer, &len);
  if (data == NULL)
    return NULL;

  text = compressed ? decompress (data, len) : g_strndup ((const char *) data, len);
  answer->read += 4 + len;
  node = json_from_string (text, &error);
  g_assert_no_error (error);

  return node;
}
