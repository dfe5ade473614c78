/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tn-box.h"
#include "tn-derp-info.h"
#include "tn-testkit-relay.h"
#include "vectors.h"

/* --- What a client sends --- */

static void
check_call (TnVector   *v,
            JsonObject *call)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  const char *name = tn_json_string (call, "call");
  TnNodePublicKey from, to;
  gsize len = 0;
  g_autofree guint8 *data = tn_json_hex (call, "data", &len);
  gboolean ok = TRUE;

  if (tn_json_has (call, "data_len"))
    {
      len = (gsize) tn_json_int (call, "data_len");
      data = g_malloc0 (len);
    }
  if (tn_json_has (call, "src"))
    tn_json_hex_exact (call, "src", from.bytes, TN_KEY_LEN);
  if (tn_json_has (call, "dst") || tn_json_has (call, "peer"))
    tn_json_hex_exact (call, tn_json_has (call, "dst") ? "dst" : "peer", to.bytes, TN_KEY_LEN);

  if (g_str_equal (name, "send"))
    ok = tn_derp_send_append (out, &to, data, len);
  else if (g_str_equal (name, "forward"))
    ok = tn_derp_forward_append (out, &from, &to, data, len);
  else if (g_str_equal (name, "note_preferred"))
    tn_derp_note_preferred_append (out, tn_json_bool (call, "preferred"));
  else if (g_str_equal (name, "ping"))
    tn_derp_frame_append (out, TN_DERP_PING, data, len, NULL, 0);
  else if (g_str_equal (name, "pong"))
    tn_derp_frame_append (out, TN_DERP_PONG, data, len, NULL, 0);
  else if (g_str_equal (name, "watch_conns"))
    tn_derp_frame_append (out, TN_DERP_WATCH_CONNS, NULL, 0, NULL, 0);
  else if (g_str_equal (name, "close_peer"))
    tn_derp_frame_append (out, TN_DERP_CLOSE_PEER, to.bytes, TN_KEY_LEN, NULL, 0);
  else
    tn_vector_fail (v, "no such call: %s", name);

  tn_vector_same_bool (v, "refused", !ok, tn_json_bool (call, "refused"));
  tn_vector_same_hex (v, name, out->data, out->len, ok ? tn_json_string (call, "bytes") : "");
}

static void
test_client_session (TnVector *v)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_auto (TnDerpClientInfo) info = {
    .version = TN_DERP_PROTOCOL_VERSION,
    .can_ack_pings = tn_vector_bool (v, "can_ack_pings"),
    .is_prober = tn_vector_bool (v, "is_prober"),
    .app_name = g_strdup (tn_vector_string (v, "app_name")),
    .has_mesh_key = tn_vector_has (v, "mesh_key"),
  };
  g_autofree char *json = NULL;
  TnNodePrivateKey private_key;
  TnNodePublicKey server, public_key;
  guint8 nonce[TN_DERP_NONCE_LEN], shared[32];
  JsonArray *calls = tn_vector_array (v, "calls");

  tn_vector_hex_exact (v, "client_private", private_key.bytes, TN_KEY_LEN);
  tn_vector_hex_exact (v, "nonce", nonce, sizeof nonce);
  if (info.has_mesh_key)
    tn_vector_hex_exact (v, "mesh_key", info.mesh_key, TN_KEY_LEN);

  if (tn_vector_bool (v, "fast_start"))
    tn_vector_hex_exact (v, "server_public", server.bytes, TN_KEY_LEN);
  else
    {
      gsize len;
      g_autofree guint8 *greeting = tn_vector_hex (v, "server_key_frame", &len);
      TnReader r = TN_READER_INIT (greeting, len);
      TnDerpFrame frame;

      g_assert_cmpint (tn_derp_frame_next (&r, TN_DERP_SERVER_KEY_MAX, &frame), ==, TN_DERP_PARSED);
      g_assert_true (tn_derp_greeting_parse (&frame, &server));
      tn_vector_check_hex (v, "server_public", server.bytes, TN_KEY_LEN);
    }

  json = tn_derp_client_info_to_json (&info);
  tn_vector_check_string (v, "client_info_json", json);
  g_assert_true (tn_box_precompute (shared, private_key.bytes, server.bytes));
  tn_node_private_key_get_public (&private_key, &public_key);
  tn_vector_check_hex (v, "client_public", public_key.bytes, TN_KEY_LEN);
  tn_derp_client_info_append (out, &public_key, shared, nonce, &info);
  tn_vector_check_hex (v, "client_info_frame", out->data, out->len);

  for (guint i = 0; i < json_array_get_length (calls); i++)
    check_call (v, json_array_get_object_element (calls, i));
}

/* --- What a client makes of a stream --- */

static void
check_message (TnVector            *v,
               JsonObject          *expected,
               const TnDerpMessage *message)
{
  static const struct { const char *name; TnDerpFrameType type; } types[] = {
    { "packet", TN_DERP_RECV_PACKET }, { "peer_gone", TN_DERP_PEER_GONE }, { "peer_present", TN_DERP_PEER_PRESENT },
    { "ping", TN_DERP_PING }, { "pong", TN_DERP_PONG }, { "health", TN_DERP_HEALTH }, { "restarting", TN_DERP_RESTARTING },
    { "keep_alive", TN_DERP_KEEP_ALIVE },
  };
  const char *type = tn_json_string (expected, "type");
  g_autofree char *problem = NULL;
  char endpoint[TN_IP_ENDPOINT_TEXT_MAX];
  guint i = 0;

  while (i < G_N_ELEMENTS (types) && !g_str_equal (types[i].name, type))
    i++;
  g_assert_cmpuint (i, <, G_N_ELEMENTS (types));
  tn_vector_same_int (v, type, message->type, types[i].type);

  switch (message->type)
    {
    case TN_DERP_RECV_PACKET:
      tn_vector_same_hex (v, "src", message->key.bytes, TN_KEY_LEN, tn_json_string (expected, "src"));
      tn_vector_same_hex (v, "data", message->data, message->len, tn_json_string (expected, "data"));
      break;
    case TN_DERP_PEER_GONE:
      tn_vector_same_hex (v, "peer", message->key.bytes, TN_KEY_LEN, tn_json_string (expected, "peer"));
      tn_vector_same_int (v, "reason", message->reason, tn_json_int (expected, "reason"));
      break;
    case TN_DERP_PEER_PRESENT:
      tn_vector_same_hex (v, "peer", message->key.bytes, TN_KEY_LEN, tn_json_string (expected, "peer"));
      tn_vector_same_int (v, "flags", message->flags, tn_json_int (expected, "flags"));
      tn_ip_endpoint_print (&message->endpoint, endpoint);
      tn_vector_same_string (v, "addr", message->endpoint.address.version != 0 ? endpoint : NULL, tn_json_string (expected, "addr"));
      break;
    case TN_DERP_PING:
    case TN_DERP_PONG:
      tn_vector_same_hex (v, "data", message->token, sizeof message->token, tn_json_string (expected, "data"));
      break;
    case TN_DERP_HEALTH:
      problem = g_strndup ((const char *) message->data, message->len);
      tn_vector_same_string (v, "problem", problem, tn_json_string (expected, "problem"));
      break;
    case TN_DERP_RESTARTING:
      tn_vector_same_int (v, "reconnect_in_ms", message->reconnect_in_ms, tn_json_int (expected, "reconnect_in_ms"));
      tn_vector_same_int (v, "try_for_ms", message->try_for_ms, tn_json_int (expected, "try_for_ms"));
      break;
    default:
      break;
    }
}

/* FALSE: the client gives the connection up. */
static gboolean
check_frame (TnVector          *v,
             const TnDerpFrame *frame,
             const guint8       shared[32],
             JsonArray         *messages,
             guint             *n_messages)
{
  JsonObject *expected = *n_messages < json_array_get_length (messages) ? json_array_get_object_element (messages, *n_messages) : NULL;
  TnDerpServerInfo info;
  TnDerpMessage message;

  if (frame->type == TN_DERP_SERVER_INFO)
    {
      if (!tn_derp_server_info_open (frame, shared, &info, NULL))
        return FALSE;
    }
  else if (!tn_derp_message_parse (frame, &message))
    return TRUE;

  (*n_messages)++;
  if (expected == NULL)
    tn_vector_fail (v, "message %u is not expected", *n_messages);
  else if (frame->type == TN_DERP_SERVER_INFO)
    {
      tn_vector_same_string (v, "type", "server_info", tn_json_string (expected, "type"));
      tn_vector_same_int (v, "rate", info.bytes_per_second, tn_json_int (expected, "rate"));
      tn_vector_same_int (v, "burst", info.burst_bytes, tn_json_int (expected, "burst"));
    }
  else
    check_message (v, expected, &message);
  return TRUE;
}

static void
test_client_recv (TnVector *v)
{
  gsize greeting_len, stream_len;
  g_autofree guint8 *greeting = tn_vector_hex (v, "greeting", &greeting_len);
  g_autofree guint8 *stream = tn_vector_hex (v, "stream", &stream_len);
  TnReader r = TN_READER_INIT (greeting, greeting_len);
  TnNodePrivateKey private_key;
  TnNodePublicKey server;
  TnDerpFrame frame;
  TnDerpParse parsed;
  guint8 shared[32];
  guint n_messages = 0;
  gboolean good = TRUE;

  good = tn_derp_frame_next (&r, TN_DERP_SERVER_KEY_MAX, &frame) == TN_DERP_PARSED && tn_derp_greeting_parse (&frame, &server);
  tn_vector_check_bool (v, "greeting_ok", good);
  if (!good)
    return;

  tn_vector_hex_exact (v, "client_private", private_key.bytes, TN_KEY_LEN);
  g_assert_true (tn_box_precompute (shared, private_key.bytes, server.bytes));
  r = TN_READER_INIT (stream, stream_len);
  while (good && (parsed = tn_derp_frame_next (&r, TN_DERP_FRAME_MAX, &frame)) == TN_DERP_PARSED)
    good = check_frame (v, &frame, shared, tn_vector_array (v, "messages"), &n_messages);

  tn_vector_check_string (v, "end", good && parsed == TN_DERP_INCOMPLETE ? "eof" : "error");
  tn_vector_same_int (v, "messages", n_messages, json_array_get_length (tn_vector_array (v, "messages")));
}

/* --- What a server answers --- */

typedef struct
{
  TnTestkitRelayLink *link;
  gboolean            open;
  TnNodePrivateKey    client_key;      /* to open the server's information */
} Connection;

/* The frames of @link as the vectors write them, sorted. */
static JsonArray *
take_frames (Connection            *connection,
             const TnNodePublicKey *server)
{
  g_autoptr (GByteArray) output = tn_testkit_relay_take_output (connection->link);
  JsonArray *frames = json_array_new ();
  TnDerpFrame frame;
  TnReader r;

  if (output == NULL)
    return frames;

  r = TN_READER_INIT (output->data, output->len);
  while (tn_derp_frame_next (&r, TN_DERP_FRAME_MAX, &frame) == TN_DERP_PARSED)
    {
      JsonObject *object = json_object_new ();

      json_object_set_int_member (object, "frame", frame.type);
      if (frame.type == TN_DERP_SERVER_INFO)
        {
          g_autofree char *text = g_malloc0 (frame.len);
          guint8 shared[32];

          g_assert_true (tn_box_precompute (shared, connection->client_key.bytes, server->bytes));
          g_assert_true (tn_box_open (shared, frame.payload, frame.payload + TN_DERP_NONCE_LEN, frame.len - TN_DERP_NONCE_LEN,
                                      (guint8 *) text));
          json_object_set_string_member (object, "server_info", text);
        }
      else
        {
          g_autofree char *hex = tn_hex_dup (frame.payload, frame.len);

          json_object_set_string_member (object, "payload", hex);
        }
      json_array_add_object_element (frames, object);
    }
  g_assert_cmpuint (r.left, ==, 0);
  return frames;
}

static char *
frame_text (JsonObject *frame)
{
  const char *text = tn_json_string (frame, tn_json_has (frame, "payload") ? "payload" : "server_info");

  return g_strdup_printf ("%02x %s", (guint) tn_json_int (frame, "frame"), text);
}

static int
compare_texts (gconstpointer a,
               gconstpointer b)
{
  return g_strcmp0 (*(const char *const *) a, *(const char *const *) b);
}

static char *
frames_text (JsonArray *frames)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; frames != NULL && i < json_array_get_length (frames); i++)
    g_ptr_array_add (texts, frame_text (json_array_get_object_element (frames, i)));
  g_ptr_array_sort (texts, compare_texts);
  g_ptr_array_add (texts, NULL);
  return g_strjoinv ("\n  ", (char **) texts->pdata);
}

static JsonArray *
expected_frames (JsonObject *step,
                 guint       connection)
{
  JsonArray *expect = tn_json_array (step, "expect");

  for (guint i = 0; expect != NULL && i < json_array_get_length (expect); i++)
    {
      JsonObject *object = json_array_get_object_element (expect, i);

      if (tn_json_int (object, "conn") == connection)
        return tn_json_array (object, "frames");
    }
  return NULL;
}

static gboolean
expects_close (JsonObject *step,
               guint       connection)
{
  JsonArray *closed = tn_json_array (step, "closed");

  for (guint i = 0; closed != NULL && i < json_array_get_length (closed); i++)
    if (json_array_get_int_element (closed, i) == connection)
      return TRUE;
  return FALSE;
}

/* Closing one may tell others, so until nothing moves. */
static void
close_condemned (TnVector   *v,
                 guint       n_step,
                 JsonObject *step,
                 GArray     *connections)
{
  for (guint i = 0; i < connections->len; i++)
    {
      Connection *connection = &g_array_index (connections, Connection, i);

      if (!connection->open)
        continue;
      if ((tn_testkit_relay_get_verdict (connection->link) != NULL) != expects_close (step, i))
        tn_vector_fail (v, "step %u: connection %u %s", n_step, i,
                        expects_close (step, i) ? "stays open" : tn_testkit_relay_get_verdict (connection->link));
      if (tn_testkit_relay_get_verdict (connection->link) != NULL)
        {
          tn_testkit_relay_disconnect (connection->link);
          connection->open = FALSE;
        }
    }
}

static void
check_step (TnVector              *v,
            guint                  n_step,
            JsonObject            *step,
            GArray                *connections,
            const TnNodePublicKey *server)
{
  for (guint i = 0; i < connections->len && !v->failed; i++)
    {
      Connection *connection = &g_array_index (connections, Connection, i);
      g_autoptr (JsonArray) frames = NULL;
      g_autofree char *actual = NULL, *expected = frames_text (expected_frames (step, i));

      if (!connection->open)
        continue;
      frames = take_frames (connection, server);
      actual = frames_text (frames);
      if (!g_str_equal (actual, expected))
        tn_vector_fail (v, "step %u, connection %u:\n  %s, expected\n  %s", n_step, i, actual, expected);
    }
}

static void
run_step (TnVector       *v,
          TnTestkitRelay *relay,
          JsonObject     *step,
          GArray         *connections,
          gint64          now_us)
{
  const char *what = tn_json_string (step, "do");
  guint n = (guint) tn_json_int (step, "conn");
  Connection *connection;

  if (g_str_equal (what, "connect"))
    {
      Connection added = { .open = TRUE };
      TnIpEndpoint remote;

      g_assert_cmpuint (n, ==, connections->len);
      g_assert_true (tn_ip_endpoint_parse (tn_json_string (step, "remote"), &remote));
      added.link = tn_testkit_relay_connect (relay, &remote, FALSE, NULL);
      g_array_append_val (connections, added);
      return;
    }

  g_assert_cmpuint (n, <, connections->len);
  connection = &g_array_index (connections, Connection, n);
  if (!connection->open)
    return;

  if (g_str_equal (what, "send"))
    {
      gsize len;
      g_autofree guint8 *bytes = tn_json_hex (step, "bytes", &len);

      if (tn_json_has (step, "client_private"))
        tn_json_hex_exact (step, "client_private", connection->client_key.bytes, TN_KEY_LEN);
      tn_testkit_relay_receive (connection->link, bytes, len, now_us);
    }
  else if (g_str_equal (what, "close"))
    {
      tn_testkit_relay_disconnect (connection->link);
      connection->open = FALSE;
    }
  else
    tn_vector_fail (v, "no such step: %s", what);
}

static void
test_server_session (TnVector *v)
{
  g_autoptr (GArray) connections = g_array_new (FALSE, FALSE, sizeof (Connection));
  JsonArray *steps = tn_vector_array (v, "steps");
  TnNodePrivateKey key;
  TnNodePublicKey public_key;
  guint8 mesh_key[TN_KEY_LEN];
  gboolean has_mesh = tn_vector_has (v, "mesh_key");
  TnTestkitRelay *relay;

  tn_vector_hex_exact (v, "server_private", key.bytes, TN_KEY_LEN);
  if (has_mesh)
    tn_vector_hex_exact (v, "mesh_key", mesh_key, sizeof mesh_key);
  relay = tn_testkit_relay_new (&key, has_mesh ? mesh_key : NULL, NULL);
  tn_testkit_relay_get_key (relay, &public_key);
  tn_vector_check_hex (v, "server_public", public_key.bytes, TN_KEY_LEN);

  for (guint i = 0; i < json_array_get_length (steps) && !v->failed; i++)
    {
      JsonObject *step = json_array_get_object_element (steps, i);

      run_step (v, relay, step, connections, i * 1000);
      close_condemned (v, i, step, connections);
      check_step (v, i, step, connections, &public_key);
    }

  for (guint i = 0; i < connections->len; i++)
    if (g_array_index (connections, Connection, i).open)
      tn_testkit_relay_disconnect (g_array_index (connections, Connection, i).link);
  tn_testkit_relay_free (relay);
}

static void
test_derp (void)
{
  static const TnVectorOp ops[] = {
    { "client_session", test_client_session },
    { "client_recv", test_client_recv },
    { "server_session", test_server_session },
  };

  tn_vectors_run ("derp.jsonl", 304, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/derp/vectors", test_derp);

  return g_test_run ();
}
