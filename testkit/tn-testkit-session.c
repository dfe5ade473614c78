/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-server-private.h"

#include <string.h>

#include "tn-reader.h"

/* The inner side: Noise handshake, then HTTP/2 requests of one machine. */

#define MAX_BODY_LEN (1 << 20)      /* as other servers have it */

static const guint8 early_magic[] = { 0xff, 0xff, 0xff, 'T', 'S' };     /* tailscale control/ts2021/conn.go */

static void
request_free (TnTestkitRequest *request)
{
  TnTestkitServer *server = request->session->server;

  tn_testkit_map_detach (request);
  tn_testkit_script_drop_request (server->script, request);
  g_ptr_array_remove (server->waiting, request);
  g_clear_pointer (&request->json, json_node_unref);
  g_clear_pointer (&request->body, g_byte_array_unref);
  g_free (request->login);
  g_free (request);
}

void
tn_testkit_request_answer (TnTestkitRequest *request,
                           guint             status,
                           const char       *content_type,
                           const void       *body,
                           gsize             len)
{
  const char * const headers[] = { content_type != NULL ? "content-type" : NULL, content_type, NULL };

  tn_http2_stream_respond (request->http2_stream, status, headers);
  tn_http2_stream_write (request->http2_stream, body, len);
  tn_http2_stream_end (request->http2_stream);
}

void
tn_testkit_request_answer_text (TnTestkitRequest *request,
                                guint             status,
                                const char       *text)
{
  tn_testkit_request_answer (request, status, "text/plain; charset=utf-8", text, strlen (text));
}

void
tn_testkit_request_retry_later (TnTestkitRequest *request,
                                TnTestkitFault    fault)
{
  g_autofree char *seconds = g_strdup_printf ("%u", request->session->server->options.retry_after_s);
  const char * const headers[] = { "retry-after", seconds, NULL };

  tn_http2_stream_respond (request->http2_stream, fault == TN_TESTKIT_FAULT_UNAVAILABLE ? 503 : 429, headers);
  tn_http2_stream_end (request->http2_stream);
}

static gboolean
is_known_but_missing (const char *path)
{
  static const char * const paths[] =
    { "/machine/update-health", "/machine/feature/query",
      "/machine/set-device-attr", "/machine/audit-log", "/machine/whoami" };

  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    if (strcmp (path, paths[i]) == 0)
      return TRUE;

  return FALSE;
}

static void
tell_request (TnTestkitRequest *request,
              const char       *path)
{
  TnTestkitServer *server = request->session->server;
  const char *data = request->body->len > 0 ? (const char *) request->body->data : "";
  g_autofree char *body = g_utf8_make_valid (data, request->body->len);
  char machine[TN_KEY_TEXT_MAX];

  tn_machine_public_key_print (&request->session->machine_key, machine);
  server->handler->request (machine, path, body, server->user_data);
}

static void
route (TnTestkitRequest *request)
{
  TnTestkitServer *server = request->session->server;
  const char *full = tn_http2_stream_get_path (request->http2_stream);
  g_autofree char *path = g_strndup (full, strcspn (full, "?"));
  g_autoptr (GBytes) body = NULL;

  tell_request (request, path);
  if (strcmp (path, "/machine/register") == 0)
    {
      tn_testkit_register (request);
      return;
    }
  if (strcmp (path, "/machine/map") == 0)
    {
      tn_testkit_map (request);
      return;
    }
  if (strcmp (path, "/machine/id-token") == 0)
    {
      tn_testkit_id_token (request);
      return;
    }

  if (strcmp (path, "/machine/set-dns") == 0)
    {
      tn_testkit_set_dns (request);
      return;
    }

  body = g_bytes_new (request->body->data, request->body->len);
  if (tn_testkit_question_answer (server, path, body))
    tn_testkit_request_answer (request, 204, NULL, NULL, 0);
  else if (is_known_but_missing (path))
    tn_testkit_request_answer_text (request, 501, "not implemented\n");
  else
    tn_testkit_request_answer_text (request, 404, "404 page not found\n");
}

static void
data_cb (TnHttp2Stream *stream,
         const guint8  *data,
         gsize          len,
         gpointer       user_data)
{
  TnTestkitRequest *request = user_data;

  /* One byte too many tells that the rest was dropped. */
  len = MIN (len, MAX_BODY_LEN + 1 - request->body->len);
  g_byte_array_append (request->body, data, (guint) len);
}

static void
end_cb (TnHttp2Stream *stream,
        gpointer       user_data)
{
  TnTestkitRequest *request = user_data;

  if (request->body->len > MAX_BODY_LEN)
    tn_testkit_request_answer_text (request, 413, "request is too long\n");
  else
    route (request);
}

static void
closed_cb (TnHttp2Stream *stream,
           const GError  *error,
           gpointer       user_data)
{
  request_free (user_data);
}

static const TnHttp2StreamHandler stream_handler = { .data = data_cb, .end = end_cb, .closed = closed_cb };

static void
request_cb (TnNoiseConnection *connection,
            TnHttp2Stream     *stream,
            gpointer           user_data)
{
  TnTestkitRequest *request = g_new0 (TnTestkitRequest, 1);

  request->session = user_data;
  request->http2_stream = stream;
  request->body = g_byte_array_new ();
  tn_http2_stream_set_handler (stream, &stream_handler, request);
}

static void
session_free (TnTestkitSession *session)
{
  g_ptr_array_remove (session->server->sessions, session);
  tn_noise_connection_unref (session->connection);
  g_free (session);
}

static void
connection_closed_cb (TnNoiseConnection *connection,
                      const GError      *error,
                      gpointer           user_data)
{
  g_debug ("connection of a node ended: %s", error->message);
  session_free (user_data);
}

static const TnNoiseConnectionHandler connection_handler = { .request = request_cb, .closed = connection_closed_cb };

void
tn_testkit_session_close (TnTestkitSession *session)
{
  tn_noise_connection_close (session->connection);
  session_free (session);
}

/* The handshake */

static void
seal (TnNoiseSession *session,
      gsize           record_len,
      const guint8   *data,
      gsize           len,
      GByteArray     *out)
{
  g_autoptr (TnAead) aead = tn_aead_new ();

  for (gsize pos = 0; pos < len; pos += record_len)
    if (!tn_noise_seal (&session->send, aead, data + pos, MIN (record_len, len - pos), out))
      g_assert_not_reached ();
}

/* At least three records, as Headscale writes it: no client may count on one. */
static void
append_early_payload (TnNoiseSession *session,
                      gsize           record_len,
                      const guint8   *payload,
                      gsize           payload_len,
                      GByteArray     *out)
{
  guint8 len[4];

  tn_put_u32be (len, (guint32) payload_len);
  seal (session, record_len, early_magic, sizeof early_magic, out);
  seal (session, record_len, len, sizeof len, out);
  seal (session, record_len, payload, payload_len, out);
}

static void
append_challenge (TnNoiseSession *session,
                  gsize           record_len,
                  GByteArray     *out)
{
  TnMachinePrivateKey private_key;
  TnMachinePublicKey public_key;
  TnChallengePublicKey challenge;
  char text[TN_KEY_TEXT_MAX];
  g_autofree char *json = NULL;

  tn_machine_private_key_generate (&private_key);
  tn_machine_private_key_get_public (&private_key, &public_key);
  tn_machine_private_key_clear (&private_key);
  memcpy (challenge.bytes, public_key.bytes, sizeof challenge.bytes);
  tn_challenge_public_key_print (&challenge, text);
  json = g_strdup_printf ("{\"nodeKeyChallenge\":\"%s\"}", text);
  append_early_payload (session, record_len, (const guint8 *) json, strlen (json), out);
}

/* What precedes HTTP/2. */
static void
append_early (const TnTestkitUpgrade *upgrade,
              TnNoiseSession         *session,
              GByteArray             *out)
{
  static const char broken[] = "{\"nodeKeyChallenge\":";
  gsize record_len = upgrade->server->options.record_size;

  if (upgrade->fault == TN_TESTKIT_FAULT_BAD_JSON)
    append_early_payload (session, record_len, (const guint8 *) broken, strlen (broken), out);
  else if (upgrade->early != NULL)
    append_early_payload (session, record_len, g_bytes_get_data (upgrade->early, NULL), g_bytes_get_size (upgrade->early), out);
  else if (!upgrade->scripted && upgrade->server->options.early_payload)
    append_challenge (session, record_len, out);
}

static void
write_all (GIOStream    *stream,
           const guint8 *data,
           gsize         len)
{
  g_output_stream_write_all (g_io_stream_get_output_stream (stream), data, len, NULL, NULL, NULL);
}

static const char switching[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: tailscale-control-protocol\r\nConnection: upgrade\r\n\r\n";

static void
answer_upgrade (GIOStream *stream,
                gboolean   corked)
{
  if (corked)
    write_all (stream, (const guint8 *) switching, (guint) strlen (switching));
}

/* In place of a good answer. */
static void
apply_fault (TnTestkitServer *server,
             GIOStream       *stream,
             const guint8    *response,
             TnTestkitFault   fault)
{
  static const guint8 garbage[64] = { 0x55, 0xaa, 0x55, 0xaa };
  static const guint8 oversize[] = { 4, 0xff, 0xff };      /* a record of 65535 bytes, 4093 allowed */

  switch (fault)
    {
    case TN_TESTKIT_FAULT_GARBAGE:
      write_all (stream, garbage, sizeof garbage);
      break;
    case TN_TESTKIT_FAULT_OVERSIZE:
      write_all (stream, response, TN_NOISE_RESPONSE_LEN);
      write_all (stream, oversize, sizeof oversize);
      break;
    case TN_TESTKIT_FAULT_HANG:
      break;
    case TN_TESTKIT_FAULT_TRUNCATED:
      write_all (stream, response, TN_NOISE_RESPONSE_LEN / 2);
      G_GNUC_FALLTHROUGH;
    case TN_TESTKIT_FAULT_CLOSE:
    case TN_TESTKIT_FAULT_NONE:
    case TN_TESTKIT_FAULT_BAD_JSON:
    case TN_TESTKIT_FAULT_SERVER_ERROR:
    case TN_TESTKIT_FAULT_TOO_MANY_REQUESTS:
    case TN_TESTKIT_FAULT_UNAVAILABLE:
    default:
      g_io_stream_close (stream, NULL, NULL);
      return;
    }
  g_ptr_array_add (server->held, g_object_ref (stream));
}

/* Those that the handshake survives, or never sees. */
static gboolean
replaces_handshake (TnTestkitFault fault)
{
  return fault != TN_TESTKIT_FAULT_NONE && fault != TN_TESTKIT_FAULT_BAD_JSON && fault < TN_TESTKIT_FAULT_SERVER_ERROR;
}

void
tn_testkit_session_start (const TnTestkitUpgrade *upgrade,
                          GIOStream              *stream)
{
  TnTestkitServer *server = upgrade->server;
  g_auto (TnNoiseSession) noise = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GByteArray) first = g_byte_array_new ();
  g_autoptr (GBytes) first_bytes = NULL;
  guint8 response[TN_NOISE_RESPONSE_LEN];
  TnMachinePublicKey machine_key;
  TnTestkitSession *session;
  guint16 version;

  if (!tn_noise_respond (&server->private_key, upgrade->initiation, upgrade->len, NULL, response, &noise, &machine_key, &version, NULL,
                         &error) ||
      version < server->options.minimum_version)
    {
      /* Whatever is wrong, all that a client learns is the end of the stream. */
      g_debug ("refused a handshake: %s", error != NULL ? error->message : "old capability version");
      answer_upgrade (stream, upgrade->corked);
      g_io_stream_close (stream, NULL, NULL);
      return;
    }
  if (replaces_handshake (upgrade->fault))
    {
      answer_upgrade (stream, upgrade->corked);
      apply_fault (server, stream, response, upgrade->fault);
      return;
    }

  if (upgrade->corked)
    g_byte_array_append (first, (const guint8 *) switching, (guint) strlen (switching));
  g_byte_array_append (first, response, sizeof response);
  append_early (upgrade, &noise, first);
  first_bytes = g_byte_array_free_to_bytes (g_steal_pointer (&first));

  session = g_new0 (TnTestkitSession, 1);
  session->server = server;
  session->machine_key = machine_key;
  session->connection = tn_noise_connection_new_server (stream, &noise, NULL, 0, first_bytes, &connection_handler, session);
  tn_noise_connection_set_record_len (session->connection, server->options.record_size);
  g_ptr_array_add (server->sessions, session);
}
