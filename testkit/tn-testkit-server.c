/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-server-private.h"

#include <string.h>

#include "tn-testkit-json.h"

/* The outer HTTP/1.1 side: the server's key, the upgrade to Noise, and pings that come in the clear. */

#define UPGRADE_PROTOCOL "tailscale-control-protocol"
#define HANDSHAKE_HEADER "X-Tailscale-Handshake"
#define MIN_KEY_VERSION 39              /* first capability version that speaks Noise; older clients get nothing */
#define OVERSIZE_KEY_LEN (128 << 10)    /* clients read at most 64 KiB */

gint64
tn_testkit_server_now_s (const TnTestkitServer *server)
{
  return g_get_real_time () / G_USEC_PER_SEC + server->options.clock_offset_s;
}

TnTestkitServerOptions *
tn_testkit_server_options (TnTestkitServer *server)
{
  return &server->options;
}

TnTestkitRegistry *
tn_testkit_server_registry (TnTestkitServer *server)
{
  return server->registry;
}

char *
tn_testkit_server_dup_url (TnTestkitServer *server)
{
  return g_strdup (server->url);
}

void
tn_testkit_server_inject_fault (TnTestkitServer *server,
                                TnTestkitStage   stage,
                                TnTestkitFault   fault,
                                guint            n_times)
{
  server->faults[stage] = fault;
  server->n_faults[stage] = n_times;
}

TnTestkitFault
tn_testkit_server_take_fault (TnTestkitServer *server,
                              TnTestkitStage   stage)
{
  if (server->n_faults[stage] == 0)
    return TN_TESTKIT_FAULT_NONE;

  server->n_faults[stage]--;
  return server->faults[stage];
}

void
tn_testkit_server_rotate_key (TnTestkitServer *server)
{
  tn_machine_private_key_generate (&server->private_key);
  tn_machine_private_key_get_public (&server->private_key, &server->public_key);
  tn_testkit_server_drop (server, NULL);
}

/* The connection under a request, when HTTP is to be left behind. */
static GIOStream *
steal (SoupServerMessage *message)
{
  return soup_server_message_steal_connection (message);
}

static void
write_raw (GIOStream  *stream,
           const char *text)
{
  g_output_stream_write_all (g_io_stream_get_output_stream (stream), text, strlen (text), NULL, NULL, NULL);
}

/* Faults that are the same for every request of the outer side. FALSE: not one of them. */
static gboolean
apply_fault (TnTestkitServer   *server,
             SoupServerMessage *message,
             TnTestkitFault     fault)
{
  g_autoptr (GIOStream) stream = NULL;
  g_autofree char *seconds = NULL;

  switch (fault)
    {
    case TN_TESTKIT_FAULT_CLOSE:
      stream = steal (message);
      g_io_stream_close (stream, NULL, NULL);
      return TRUE;
    case TN_TESTKIT_FAULT_HANG:
      g_ptr_array_add (server->held, steal (message));
      return TRUE;
    case TN_TESTKIT_FAULT_GARBAGE:
      stream = steal (message);
      write_raw (stream, "\x01\x02\x03 no protocol at all\r\n\r\n");
      g_io_stream_close (stream, NULL, NULL);
      return TRUE;
    case TN_TESTKIT_FAULT_TRUNCATED:
      stream = steal (message);
      write_raw (stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n{\"publicKey\":\"mkey:");
      g_io_stream_close (stream, NULL, NULL);
      return TRUE;
    case TN_TESTKIT_FAULT_SERVER_ERROR:
      soup_server_message_set_status (message, SOUP_STATUS_INTERNAL_SERVER_ERROR, NULL);
      return TRUE;
    case TN_TESTKIT_FAULT_TOO_MANY_REQUESTS:
    case TN_TESTKIT_FAULT_UNAVAILABLE:
      seconds = g_strdup_printf ("%u", server->options.retry_after_s);
      soup_message_headers_replace (soup_server_message_get_response_headers (message), "Retry-After", seconds);
      soup_server_message_set_status (message, fault == TN_TESTKIT_FAULT_UNAVAILABLE ? 503 : 429, NULL);
      return TRUE;
    case TN_TESTKIT_FAULT_NONE:
    case TN_TESTKIT_FAULT_BAD_JSON:
    case TN_TESTKIT_FAULT_OVERSIZE:
    default:
      return FALSE;
    }
}

static void
answer_text (SoupServerMessage *message,
             guint              status,
             const char        *content_type,
             const char        *text)
{
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, content_type, SOUP_MEMORY_COPY, text, strlen (text));
}

/* GET /key */

static char *
make_key_answer (TnTestkitServer *server)
{
  char key[TN_KEY_TEXT_MAX], none[TN_KEY_TEXT_MAX];
  const TnMachinePublicKey zero = { { 0 } };

  tn_machine_public_key_print (&server->public_key, key);
  tn_machine_public_key_print (&zero, none);

  return g_strdup_printf ("{\"legacyPublicKey\":\"%s\",\"publicKey\":\"%s\"}", none, key);
}

static void
key_cb (SoupServer        *soup,
        SoupServerMessage *message,
        const char        *path,
        GHashTable        *query,
        gpointer           user_data)
{
  TnTestkitServer *server = user_data;
  const char *version = query != NULL ? g_hash_table_lookup (query, "v") : NULL;
  g_autofree char *answer = make_key_answer (server);
  g_autofree char *blanks = NULL;
  TnTestkitFault fault;
  guint64 number = 0;

  if (tn_testkit_script_run_outer (server, message, TN_TESTKIT_STAGE_KEY))
    return;
  fault = tn_testkit_server_take_fault (server, TN_TESTKIT_STAGE_KEY);
  if (apply_fault (server, message, fault))
    return;

  if (version == NULL)
    answer_text (message, SOUP_STATUS_BAD_REQUEST, "text/plain", "capability version must be set\n");
  else if (!g_ascii_string_to_unsigned (version, 10, 0, G_MAXINT, &number, NULL))
    answer_text (message, SOUP_STATUS_BAD_REQUEST, "text/plain", "invalid capability version\n");
  else if (number < MIN_KEY_VERSION)
    soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  else if (fault == TN_TESTKIT_FAULT_BAD_JSON)
    answer_text (message, SOUP_STATUS_OK, "application/json", "{\"publicKey\":");
  else if (fault == TN_TESTKIT_FAULT_OVERSIZE)
    answer_text (message, SOUP_STATUS_OK, "application/json", blanks = g_strnfill (OVERSIZE_KEY_LEN, ' '));
  else
    answer_text (message, SOUP_STATUS_OK, "application/json", answer);
}

/* What others need to check an identity token: OpenID Connect Discovery 1.0, RFC 7517. */

static void
key_set_cb (SoupServer        *soup,
            SoupServerMessage *message,
            const char        *path,
            GHashTable        *query,
            gpointer           user_data)
{
  g_autofree char *text = tn_testkit_id_token_dup_key_set (user_data);

  answer_text (message, SOUP_STATUS_OK, "application/json", text);
}

static void
configuration_cb (SoupServer        *soup,
                  SoupServerMessage *message,
                  const char        *path,
                  GHashTable        *query,
                  gpointer           user_data)
{
  g_autofree char *text = tn_testkit_id_token_dup_configuration (user_data);

  answer_text (message, SOUP_STATUS_OK, "application/json", text);
}

/* POST /ts2021 */

static void
upgrade_free (TnTestkitUpgrade *upgrade)
{
  g_clear_pointer (&upgrade->early, g_bytes_unref);
  g_free (upgrade);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnTestkitUpgrade, upgrade_free)

static void
free_closure_data (gpointer  data,
                   GClosure *closure)
{
  upgrade_free (data);
}

static void
upgraded_cb (SoupServerMessage *message,
             gpointer           user_data)
{
  g_autoptr (GIOStream) stream = steal (message);

  tn_testkit_session_start (user_data, stream);
}

/* Answers what is no upgrade. */
static gboolean
read_upgrade (TnTestkitUpgrade  *upgrade,
              SoupServerMessage *message)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  const char *protocol = soup_message_headers_get_one (headers, "Upgrade");
  const char *handshake = soup_message_headers_get_one (headers, HANDSHAKE_HEADER);
  g_autofree guchar *initiation = NULL;

  if (protocol == NULL || g_ascii_strcasecmp (protocol, UPGRADE_PROTOCOL) != 0)
    {
      answer_text (message, SOUP_STATUS_BAD_REQUEST, "text/plain", "unknown next protocol\n");
      return FALSE;
    }
  if (handshake != NULL)
    initiation = g_base64_decode (handshake, &upgrade->len);
  if (upgrade->len == 0 || upgrade->len > TN_NOISE_INITIATION_LEN)
    {
      answer_text (message, SOUP_STATUS_BAD_REQUEST, "text/plain", "missing or malformed handshake\n");
      return FALSE;
    }
  memcpy (upgrade->initiation, initiation, upgrade->len);
  return TRUE;
}

/* Through libsoup, which writes the answer by itself. */
static void
upgrade_apart (TnTestkitUpgrade  *upgrade,
               SoupServerMessage *message)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);

  g_signal_connect_data (message, "wrote-informational", G_CALLBACK (upgraded_cb), upgrade, free_closure_data, 0);
  soup_message_headers_replace (headers, "Upgrade", UPGRADE_PROTOCOL);
  soup_message_headers_replace (headers, "Connection", "upgrade");
  soup_server_message_set_status (message, SOUP_STATUS_SWITCHING_PROTOCOLS, NULL);
}

static void
upgrade_cb (SoupServer        *soup,
            SoupServerMessage *message,
            const char        *path,
            GHashTable        *query,
            gpointer           user_data)
{
  TnTestkitServer *server = user_data;
  g_autoptr (TnTestkitUpgrade) upgrade = g_new0 (TnTestkitUpgrade, 1);

  upgrade->server = server;
  upgrade->corked = server->options.corked;
  if (!tn_testkit_script_run_upgrade (upgrade, message))
    return;
  if (!upgrade->scripted)
    upgrade->fault = tn_testkit_server_take_fault (server, TN_TESTKIT_STAGE_UPGRADE);
  if (upgrade->fault >= TN_TESTKIT_FAULT_SERVER_ERROR && apply_fault (server, message, upgrade->fault))
    return;
  if (!read_upgrade (upgrade, message))
    return;

  if (upgrade->corked)
    {
      g_autoptr (GIOStream) stream = steal (message);

      tn_testkit_session_start (upgrade, stream);
    }
  else
    {
      upgrade_apart (g_steal_pointer (&upgrade), message);
    }
}

static void
other_cb (SoupServer        *soup,
          SoupServerMessage *message,
          const char        *path,
          GHashTable        *query,
          gpointer           user_data)
{
  SoupMessageBody *body = soup_server_message_get_request_body (message);
  g_autoptr (GBytes) bytes = soup_message_body_flatten (body);

  if (tn_testkit_question_answer (user_data, path, bytes))
    soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  else
    answer_text (message, SOUP_STATUS_NOT_FOUND, "text/plain", "404 page not found\n");
}

/* Life */

static void
departure_free (gpointer source)
{
  g_source_destroy (source);
  g_source_unref (source);
}

TnTestkitServer *
tn_testkit_server_new (TnTestkitRegistry            *registry,
                       const TnTestkitServerHandler *handler,
                       gpointer                      user_data)
{
  TnTestkitServer *server = g_new0 (TnTestkitServer, 1);

  server->registry = registry;
  server->handler = handler;
  server->user_data = user_data;
  tn_machine_private_key_generate (&server->private_key);
  tn_machine_private_key_get_public (&server->private_key, &server->public_key);
  tn_testkit_id_token_init (server);
  server->sessions = g_ptr_array_new ();
  server->held = g_ptr_array_new_with_free_func (g_object_unref);
  server->streams = g_ptr_array_new ();
  server->waiting = g_ptr_array_new ();
  server->script = tn_testkit_script_new ();
  server->questions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, tn_testkit_question_free);
  server->departures = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, departure_free);

  return server;
}

void
tn_testkit_server_free (TnTestkitServer *server)
{
  tn_testkit_server_stop (server);
  g_ptr_array_unref (server->sessions);
  g_ptr_array_unref (server->held);
  g_ptr_array_unref (server->streams);
  g_ptr_array_unref (server->waiting);
  tn_testkit_script_free (server->script);
  g_hash_table_unref (server->questions);
  g_hash_table_unref (server->departures);
  tn_testkit_registry_free (server->registry);
  tn_machine_private_key_clear (&server->private_key);
  explicit_bzero (server->token_private_key, sizeof server->token_private_key);
  g_clear_object (&server->options.certificate);
  g_free (server->options.address);
  g_free (server->url);
  g_free (server);
}

static gboolean
incoming_cb (GSocketService    *service,
             GSocketConnection *connection,
             GObject           *source,
             gpointer           user_data)
{
  TnTestkitServer *server = user_data;
  g_autoptr (GSocketAddress) local = g_socket_connection_get_local_address (connection, NULL);
  g_autoptr (GSocketAddress) remote = g_socket_connection_get_remote_address (connection, NULL);
  g_autoptr (GIOStream) stream = g_object_ref (G_IO_STREAM (connection));
  g_autoptr (GError) error = NULL;

  if (server->options.certificate != NULL)
    {
      g_object_unref (stream);
      stream = G_IO_STREAM (g_tls_server_connection_new (G_IO_STREAM (connection), server->options.certificate, &error));
    }
  if (stream == NULL || !soup_server_accept_iostream (server->soup, stream, local, remote, &error))
    g_debug ("connection not taken: %s", error->message);
  return TRUE;
}

/* It does not listen itself: libsoup 3.2 never lets go of a socket that it accepted when its connection is stolen. */
static GSocketService *
listen_on_port (TnTestkitServer  *server,
                GError          **error)
{
  g_autoptr (GSocketService) service = g_socket_service_new ();
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string (server->options.address, server->options.port);
  g_autoptr (GSocketAddress) bound = NULL;

  if (address == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "'%s' is no address to listen on", server->options.address);
      return NULL;
    }

  if (!g_socket_listener_add_address (G_SOCKET_LISTENER (service), address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL,
                                      &bound, error))
    return NULL;

  server->options.port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  g_free (server->url);
  server->url = g_strdup_printf (strchr (server->options.address, ':') != NULL ? "%s://[%s]:%u" : "%s://%s:%u",
                                 server->options.certificate != NULL ? "https" : "http",
                                 server->options.address, server->options.port);
  return g_steal_pointer (&service);
}

gboolean
tn_testkit_server_start (TnTestkitServer  *server,
                         GError          **error)
{
  if (server->soup != NULL)
    return TRUE;

  server->service = listen_on_port (server, error);
  if (server->service == NULL)
    {
      g_prefix_error (error, "cannot start control server: ");
      return FALSE;
    }

  server->soup = soup_server_new ("server-header", "tailnet-testkit ", NULL);
  soup_server_add_handler (server->soup, NULL, other_cb, server, NULL);
  soup_server_add_handler (server->soup, "/key", key_cb, server, NULL);
  soup_server_add_handler (server->soup, "/ts2021", upgrade_cb, server, NULL);
  soup_server_add_handler (server->soup, TN_TESTKIT_ID_TOKEN_KEYS_PATH, key_set_cb, server, NULL);
  soup_server_add_handler (server->soup, TN_TESTKIT_ID_TOKEN_CONFIGURATION_PATH, configuration_cb, server, NULL);
  g_signal_connect (server->service, "incoming", G_CALLBACK (incoming_cb), server);
  g_socket_service_start (server->service);
  return TRUE;
}

static void
close_held (gpointer data,
            gpointer user_data)
{
  g_io_stream_close (data, NULL, NULL);
}

void
tn_testkit_server_stop (TnTestkitServer *server)
{
  if (server->soup != NULL)
    {
      g_socket_service_stop (server->service);
      g_socket_listener_close (G_SOCKET_LISTENER (server->service));
      g_clear_object (&server->service);
      soup_server_disconnect (server->soup);
    }
  while (server->sessions->len > 0)
    tn_testkit_session_close (g_ptr_array_index (server->sessions, server->sessions->len - 1));
  g_ptr_array_foreach (server->held, close_held, NULL);
  g_ptr_array_set_size (server->held, 0);
  tn_testkit_questions_fail (server);
  g_hash_table_remove_all (server->departures);
  if (server->flush != NULL)
    {
      g_source_destroy (server->flush);
      g_clear_pointer (&server->flush, g_source_unref);
    }
  g_clear_object (&server->soup);
}

void
tn_testkit_server_forget (TnTestkitServer *server)
{
  while (server->sessions->len > 0)
    tn_testkit_session_close (g_ptr_array_index (server->sessions, server->sessions->len - 1));
  g_hash_table_remove_all (server->departures);
  tn_testkit_registry_forget (server->registry);
  tn_testkit_server_changed (server);
}

/* Telling what is new */

static gboolean
flush_cb (gpointer user_data)
{
  TnTestkitServer *server = user_data;

  g_clear_pointer (&server->flush, g_source_unref);
  for (guint i = 0; i < server->streams->len; i++)
    tn_testkit_map_flush (g_ptr_array_index (server->streams, i));
  server->handler->changed (server->user_data);

  return G_SOURCE_REMOVE;
}

void
tn_testkit_server_changed (TnTestkitServer *server)
{
  if (server->flush != NULL)
    return;

  server->flush = g_idle_source_new ();
  g_source_set_priority (server->flush, G_PRIORITY_DEFAULT);
  g_source_set_callback (server->flush, flush_cb, server, NULL);
  g_source_attach (server->flush, g_main_context_get_thread_default ());
}

gboolean
tn_testkit_server_approve (TnTestkitServer  *server,
                           const char       *auth_url,
                           const char       *user,
                           GError          **error)
{
  g_autofree char *login = tn_testkit_login_id_from_url (auth_url);

  if (login == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "'%s' is no login page of this server", auth_url);
      return FALSE;
    }

  if (!tn_testkit_registry_approve (server->registry, login, user, tn_testkit_server_now_s (server), error))
    return FALSE;

  tn_testkit_register_resume (server, login);
  tn_testkit_server_changed (server);
  return TRUE;
}

void
tn_testkit_server_remove (TnTestkitServer *server,
                          TnTestkitRecord *record)
{
  g_hash_table_remove (server->departures, &record->id);
  tn_testkit_server_end_streams (server, record);
  tn_testkit_registry_remove (server->registry, record);
  tn_testkit_server_changed (server);
}

guint
tn_testkit_server_send (TnTestkitServer *server,
                        TnTestkitRecord *record,
                        const char      *json)
{
  guint n = 0;

  for (guint i = 0; i < server->streams->len; i++)
    {
      TnTestkitRequest *request = g_ptr_array_index (server->streams, i);

      if (record == NULL || request->node_id == record->id)
        {
          tn_testkit_map_send (request, json);
          n++;
        }
    }

  return n;
}

guint
tn_testkit_server_end_streams (TnTestkitServer *server,
                               TnTestkitRecord *record)
{
  guint n = 0;

  for (guint i = server->streams->len; i > 0; i--)
    {
      TnTestkitRequest *request = g_ptr_array_index (server->streams, i - 1);

      if (record == NULL || request->node_id == record->id)
        {
          tn_testkit_map_detach (request);
          tn_http2_stream_end (request->http2_stream);
          n++;
        }
    }

  return n;
}

guint
tn_testkit_server_drop (TnTestkitServer *server,
                        TnTestkitRecord *record)
{
  guint n = 0;

  for (guint i = server->sessions->len; i > 0; i--)
    {
      TnTestkitSession *session = g_ptr_array_index (server->sessions, i - 1);

      if (record == NULL || tn_machine_public_key_equal (&session->machine_key, &record->machine_key))
        {
          tn_testkit_session_close (session);
          n++;
        }
    }

  return n;
}

guint
tn_testkit_server_retire (TnTestkitServer *server,
                          TnTestkitRecord *record)
{
  guint n = 0;

  for (guint i = 0; i < server->sessions->len; i++)
    {
      TnTestkitSession *session = g_ptr_array_index (server->sessions, i);

      if (record == NULL || tn_machine_public_key_equal (&session->machine_key, &record->machine_key))
        {
          tn_http2_retire (tn_noise_connection_get_http2 (session->connection));
          n++;
        }
    }

  return n;
}
