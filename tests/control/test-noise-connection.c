/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <sys/socket.h>

#include "tn-error.h"
#include "tn-noise-connection.h"

/* A client and a server of the control protocol over a socket pair. */
typedef struct
{
  TnNoiseConnection *client;
  TnNoiseConnection *server;
  TnHttp2Stream     *answering;      /* the server's stream, while it is open */
  GString           *received;       /* by the client */
  GString           *uploaded;       /* to the server */
  GError            *error;          /* of the client's stream */
  guint              status;
  guint              n_closed;
  gboolean           ended;
  gboolean           server_stream_closed;
  gboolean           client_retired;
  gboolean           client_down;
  gboolean           server_down;
} Fixture;

static GIOStream *
wrap (int fd)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) socket = g_socket_new_from_fd (fd, &error);

  g_assert_no_error (error);
  return G_IO_STREAM (g_socket_connection_factory_create_connection (socket));
}

static void
make_sessions (TnNoiseSession *client,
               TnNoiseSession *server)
{
  g_auto (TnNoiseHandshake) handshake = { 0 };
  g_auto (TnMachinePrivateKey) machine = { 0 };
  g_auto (TnMachinePrivateKey) control = { 0 };
  TnMachinePublicKey control_public, machine_public, seen;
  guint8 initiation[TN_NOISE_INITIATION_LEN], response[TN_NOISE_RESPONSE_LEN];
  g_autoptr (GError) error = NULL;
  guint16 version;

  tn_machine_private_key_generate (&machine);
  tn_machine_private_key_generate (&control);
  tn_machine_private_key_get_public (&machine, &machine_public);
  tn_machine_private_key_get_public (&control, &control_public);
  g_assert_true (tn_noise_initiate (&handshake, &machine, &control_public, 130, NULL, initiation, &error));
  g_assert_true (tn_noise_respond (&control, initiation, sizeof initiation, NULL, response, server, &seen, &version, NULL, &error));
  g_assert_true (tn_noise_finish (&handshake, response, sizeof response, client, &error));
  g_assert_true (tn_machine_public_key_equal (&seen, &machine_public));
  g_assert_cmpuint (version, ==, 130);
}

/* --- The server's side: what it does depends on the path --- */

static void
served_data (TnHttp2Stream *stream, const guint8 *data, gsize len, gpointer user_data)
{
  g_string_append_len (((Fixture *) user_data)->uploaded, (const char *) data, (gssize) len);
}

static void
served_end (TnHttp2Stream *stream, gpointer user_data)
{
  Fixture *f = user_data;

  if (g_str_equal (tn_http2_stream_get_path (stream), "/echo"))
    {
      static const char *const headers[] = { "content-type", "text/plain", NULL };

      tn_http2_stream_respond (stream, 201, headers);
      tn_http2_stream_write (stream, f->uploaded->str, f->uploaded->len);
      tn_http2_stream_end (stream);
    }
}

static void
served_closed (TnHttp2Stream *stream, const GError *error, gpointer user_data)
{
  Fixture *f = user_data;

  f->answering = NULL;
  f->server_stream_closed = TRUE;
}

static const TnHttp2StreamHandler served = { .data = served_data, .end = served_end, .closed = served_closed };

static void
server_request (TnNoiseConnection *connection, TnHttp2Stream *stream, gpointer user_data)
{
  Fixture *f = user_data;

  g_assert_cmpstr (tn_http2_stream_get_method (stream), ==, "POST");
  g_assert_cmpstr (tn_http2_stream_get_authority (stream), ==, "control.example");
  tn_http2_stream_set_handler (stream, &served, f);
  f->answering = stream;
  if (g_str_equal (tn_http2_stream_get_path (stream), "/stream"))
    tn_http2_stream_respond (stream, 200, NULL);
}

static void
server_closed (TnNoiseConnection *connection, const GError *error, gpointer user_data)
{
  ((Fixture *) user_data)->server_down = TRUE;
}

/* --- The client's side --- */

static void
client_headers (TnHttp2Stream *stream, gpointer user_data)
{
  ((Fixture *) user_data)->status = tn_http2_stream_get_status (stream);
}

static void
client_data (TnHttp2Stream *stream, const guint8 *data, gsize len, gpointer user_data)
{
  g_string_append_len (((Fixture *) user_data)->received, (const char *) data, (gssize) len);
}

static void
client_end (TnHttp2Stream *stream, gpointer user_data)
{
  ((Fixture *) user_data)->ended = TRUE;
}

static void
client_stream_closed (TnHttp2Stream *stream, const GError *error, gpointer user_data)
{
  Fixture *f = user_data;

  f->n_closed++;
  g_clear_error (&f->error);
  f->error = error != NULL ? g_error_copy (error) : NULL;
}

static const TnHttp2StreamHandler client_stream = {
  .headers = client_headers, .data = client_data, .end = client_end, .closed = client_stream_closed,
};

static void
client_closed (TnNoiseConnection *connection, const GError *error, gpointer user_data)
{
  ((Fixture *) user_data)->client_down = TRUE;
}

static void
client_retired (TnNoiseConnection *connection, gpointer user_data)
{
  ((Fixture *) user_data)->client_retired = TRUE;
}

static const TnNoiseConnectionHandler client_handler = { .retired = client_retired, .closed = client_closed };
static const TnNoiseConnectionHandler server_handler = { .request = server_request, .closed = server_closed };

static TnHttp2Stream *
request (Fixture    *f,
         const char *path,
         const char *body)
{
  g_autoptr (GBytes) bytes = body != NULL ? g_bytes_new (body, strlen (body)) : NULL;

  return tn_http2_request (tn_noise_connection_get_http2 (f->client), "POST", "control.example", path, NULL, bytes, &client_stream, f);
}

/* @early: what the server says inside Noise before HTTP/2, record for record; NULL-terminated, or NULL. */
static void
set_up (Fixture           *f,
        const char *const *early)
{
  g_auto (TnNoiseSession) client = { 0 };
  g_auto (TnNoiseSession) server = { 0 };
  g_autoptr (GByteArray) wire = g_byte_array_new ();
  g_autoptr (TnAead) aead = tn_aead_new ();
  int fds[2];

  memset (f, 0, sizeof *f);
  f->received = g_string_new (NULL);
  f->uploaded = g_string_new (NULL);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
  g_autoptr (GIOStream) near_end = wrap (fds[0]);
  g_autoptr (GIOStream) far_end = wrap (fds[1]);

  make_sessions (&client, &server);
  for (; early != NULL && *early != NULL; early++)
    {
      g_autofree char *raw = g_strcompress (*early);
      gsize len = g_str_has_suffix (*early, "\\000") ? strlen (raw) + 1 : strlen (raw);

      g_assert_true (tn_noise_seal (&server.send, aead, (const guint8 *) raw, len, wire));
    }
  g_autoptr (GBytes) first = g_byte_array_free_to_bytes (g_steal_pointer (&wire));
  f->client = tn_noise_connection_new_client (near_end, &client, NULL, 0, &client_handler, f);
  f->server = tn_noise_connection_new_server (far_end, &server, NULL, 0, first, &server_handler, f);
}

static void
tear_down (Fixture *f)
{
  tn_noise_connection_close (f->client);
  tn_noise_connection_close (f->server);
  g_clear_pointer (&f->client, tn_noise_connection_unref);
  g_clear_pointer (&f->server, tn_noise_connection_unref);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_string_free (f->received, TRUE);
  g_string_free (f->uploaded, TRUE);
  g_clear_error (&f->error);
}

#define WAIT_FOR(condition)                       \
  while (!(condition))                            \
    g_main_context_iteration (NULL, TRUE)

static void
test_echo (void)
{
  Fixture f;

  set_up (&f, NULL);
  request (&f, "/echo", "hello");
  WAIT_FOR (f.n_closed > 0);
  g_assert_no_error (f.error);
  g_assert_true (f.ended);
  g_assert_cmpuint (f.status, ==, 201);
  g_assert_cmpstr (f.received->str, ==, "hello");
  tear_down (&f);
}

/* Beyond every window, both ways. */
static void
test_big (void)
{
  const gsize len = 40 << 20;
  g_autofree char *body = g_malloc (len + 1);
  Fixture f;

  memset (body, 'x', len);
  body[len] = '\0';
  set_up (&f, NULL);
  request (&f, "/echo", body);
  WAIT_FOR (f.n_closed > 0);
  g_assert_no_error (f.error);
  g_assert_cmpuint (f.received->len, ==, len);
  tear_down (&f);
}

static void
test_endless_stream (void)
{
  g_autofree char *chunk = g_strnfill (1 << 20, 'y');
  Fixture f;

  set_up (&f, NULL);
  request (&f, "/stream", NULL);
  for (gsize i = 1; i <= 30; i++)
    {
      WAIT_FOR (f.answering != NULL && tn_http2_stream_get_queued (f.answering) == 0);
      tn_http2_stream_write (f.answering, chunk, 1 << 20);
      WAIT_FOR (f.received->len == i << 20);
    }
  g_assert_cmpuint (f.n_closed, ==, 0);
  tn_http2_stream_end (f.answering);
  WAIT_FOR (f.n_closed > 0);
  g_assert_no_error (f.error);
  tear_down (&f);
}

static void
test_cancel (void)
{
  Fixture f;
  TnHttp2Stream *stream;

  set_up (&f, NULL);
  stream = request (&f, "/stream", NULL);
  WAIT_FOR (f.status == 200);
  tn_http2_stream_cancel (stream);
  WAIT_FOR (f.server_stream_closed);
  g_assert_cmpuint (f.n_closed, ==, 0);

  request (&f, "/echo", "still there");
  WAIT_FOR (f.n_closed > 0);
  g_assert_cmpstr (f.received->str, ==, "still there");
  tear_down (&f);
}

static void
test_close (void)
{
  Fixture f;

  set_up (&f, NULL);
  request (&f, "/stream", NULL);
  WAIT_FOR (f.status == 200);
  tn_noise_connection_close (f.server);
  WAIT_FOR (f.client_down);
  g_assert_error (f.error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
  g_assert_cmpuint (f.n_closed, ==, 1);
  g_assert_false (f.server_down);
  g_assert_false (tn_noise_connection_is_open (f.client));

  request (&f, "/echo", "too late");
  g_assert_cmpuint (f.n_closed, ==, 1);
  WAIT_FOR (f.n_closed == 2);
  g_assert_error (f.error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
  tear_down (&f);
}

/* A server takes leave: what it has seen goes on, what comes later does not begin, and the last of them ends the connection. */
static void
test_retire (void)
{
  Fixture f;

  set_up (&f, NULL);
  request (&f, "/stream", NULL);
  WAIT_FOR (f.status == 200);
  tn_http2_retire (tn_noise_connection_get_http2 (f.server));
  WAIT_FOR (f.client_retired);
  g_assert_cmpuint (f.n_closed, ==, 0);

  request (&f, "/echo", "too late");
  WAIT_FOR (f.n_closed > 0);
  g_assert_error (f.error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED);
  tn_http2_stream_write (f.answering, "still there", 11);
  WAIT_FOR (f.received->len == 11);
  g_assert_cmpuint (f.n_closed, ==, 1);
  g_assert_true (tn_noise_connection_is_open (f.client));

  tn_http2_stream_end (f.answering);
  WAIT_FOR (f.client_down && f.server_down);
  g_assert_cmpuint (f.n_closed, ==, 2);
  g_assert_no_error (f.error);
  tear_down (&f);
}

static void
test_early_payload (void)
{
  static const char *const pieces[][6] = {
    { "\\377\\377\\377TS", "\\000", "\\000", "\\000", "\\003", NULL },
    { "\\377\\377", "\\377T", "S", "\\000", "\\000", NULL },
  };

  /* Cut into records in the middle of header and content; the rest of the second follows below. */
  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++)
    {
      const char *early[12] = { NULL };
      Fixture f;
      guint n = 0;

      while (pieces[i][n] != NULL)
        {
          early[n] = pieces[i][n];
          n++;
        }
      if (i == 1)
        {
          early[n++] = "\\000";
          early[n++] = "\\003";
        }
      early[n++] = "{";
      early[n++] = " }";
      set_up (&f, early);
      request (&f, "/echo", "after early");
      WAIT_FOR (f.n_closed > 0);
      g_assert_no_error (f.error);
      g_assert_cmpstr (f.received->str, ==, "after early");
      tear_down (&f);
    }
}

static void
test_early_payload_too_long (void)
{
  static const char *const early[] = { "\\377\\377\\377TS\\177\\377\\377\\377", NULL };
  Fixture f;

  set_up (&f, early);
  request (&f, "/echo", "never");
  WAIT_FOR (f.client_down);
  g_assert_error (f.error, TN_ERROR, TN_ERROR_MALFORMED);
  tear_down (&f);
}

/* A server that speaks something else inside the records. */
static void
test_garbage (void)
{
  static const char *const early[] = { "HTTP/1.1 400 Bad Request\r\n\r\n", NULL };
  Fixture f;

  set_up (&f, early);
  request (&f, "/echo", "never");
  WAIT_FOR (f.client_down);
  g_assert_cmpuint (f.n_closed, ==, 1);
  g_assert_nonnull (f.error);
  tear_down (&f);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/control/noise-connection/echo", test_echo);
  g_test_add_func ("/control/noise-connection/big", test_big);
  g_test_add_func ("/control/noise-connection/endless-stream", test_endless_stream);
  g_test_add_func ("/control/noise-connection/cancel", test_cancel);
  g_test_add_func ("/control/noise-connection/close", test_close);
  g_test_add_func ("/control/noise-connection/retire", test_retire);
  g_test_add_func ("/control/noise-connection/early-payload", test_early_payload);
  g_test_add_func ("/control/noise-connection/early-payload-too-long", test_early_payload_too_long);
  g_test_add_func ("/control/noise-connection/garbage", test_garbage);
  return g_test_run ();
}
