/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-server-private.h"

#include <string.h>
#include <zstd.h>

#include "tn-reader.h"
#include "tn-testkit-json.h"
#include "tn-testkit-wire.h"

/* POST /machine/map: one message, or a stream that never ends. */

#define ZSTD_FASTEST 1
#define LENGTH_LEN 4               /* little-endian, unlike every other length of the protocol */

/* From this capability version on, a streaming request does not carry the node's state: tailscale tailcfg/tailcfg.go. */
#define STATELESS_STREAM_VERSION 68

static GBytes *
encode (TnTestkitRequest *request,
        const char       *text,
        gsize             len)
{
  gsize bound, n;
  guint8 *out;

  if (!request->compress)
    return g_bytes_new (text, len);

  bound = ZSTD_compressBound (len);
  out = g_malloc (bound);
  n = ZSTD_compress (out, bound, text, len, ZSTD_FASTEST);
  g_assert (!ZSTD_isError (n));

  return g_bytes_new_take (out, n);
}

static void
write_frame (TnTestkitRequest *request,
             GBytes           *message,
             gsize             len)
{
  guint8 header[LENGTH_LEN];

  tn_put_u32le (header, (guint32) g_bytes_get_size (message));
  tn_http2_stream_write (request->http2_stream, header, sizeof header);
  tn_http2_stream_write (request->http2_stream, g_bytes_get_data (message, NULL), len);
}

void
tn_testkit_map_send (TnTestkitRequest *request,
                     const char       *json)
{
  g_autoptr (GBytes) message = encode (request, json, strlen (json));

  write_frame (request, message, g_bytes_get_size (message));
}

static void
send_node (TnTestkitRequest *request,
           JsonNode         *node)
{
  g_autofree char *text = tn_testkit_json_to_text (node);

  tn_testkit_map_send (request, text);
}

void
tn_testkit_map_flush (TnTestkitRequest *request)
{
  TnTestkitRegistry *registry = request->session->server->registry;
  TnTestkitRecord *record = tn_testkit_registry_lookup_id (registry, request->node_id);
  g_autoptr (JsonNode) delta = NULL;

  if (record == NULL || request->told == registry->generation)
    return;

  delta = tn_testkit_wire_map_delta (registry, record, request->told, tn_testkit_server_now_s (request->session->server));
  request->told = registry->generation;
  if (delta == NULL)
    return;
  if (record->map_session != NULL)
    json_object_set_int_member (json_node_get_object (delta), "Seq", (gint64) registry->generation);
  send_node (request, delta);
}

/* Faults in place of messages, behind a good head. FALSE: not one of them. */
static gboolean
apply_stream_fault (TnTestkitRequest *request,
                    TnTestkitFault    fault,
                    const char       *text)
{
  g_autoptr (GBytes) message = NULL;

  switch (fault)
    {
    case TN_TESTKIT_FAULT_GARBAGE:
      message = g_bytes_new_static ("\x00\xff\xfe\xfd", 4);
      write_frame (request, message, 4);
      return TRUE;
    case TN_TESTKIT_FAULT_BAD_JSON:
      tn_testkit_map_send (request, "{\"Node\":");
      return TRUE;
    case TN_TESTKIT_FAULT_OVERSIZE:
      tn_http2_stream_write (request->http2_stream, "\xff\xff\xff\xff", LENGTH_LEN);
      return TRUE;
    case TN_TESTKIT_FAULT_TRUNCATED:
      message = encode (request, text, strlen (text));
      write_frame (request, message, g_bytes_get_size (message) / 2);
      tn_http2_stream_end (request->http2_stream);
      return TRUE;
    case TN_TESTKIT_FAULT_NONE:
    case TN_TESTKIT_FAULT_CLOSE:
    case TN_TESTKIT_FAULT_HANG:
    case TN_TESTKIT_FAULT_SERVER_ERROR:
    case TN_TESTKIT_FAULT_TOO_MANY_REQUESTS:
    case TN_TESTKIT_FAULT_UNAVAILABLE:
    default:
      return FALSE;
    }
}

/* Faults in place of the whole answer. FALSE: not one of them. */
static gboolean
apply_fault (TnTestkitRequest *request,
             TnTestkitFault    fault)
{
  switch (fault)
    {
    case TN_TESTKIT_FAULT_CLOSE:
      tn_testkit_session_close (request->session);
      return TRUE;
    case TN_TESTKIT_FAULT_HANG:
      return TRUE;
    case TN_TESTKIT_FAULT_SERVER_ERROR:
      tn_testkit_request_answer_text (request, 500, "internal error\n");
      return TRUE;
    case TN_TESTKIT_FAULT_TOO_MANY_REQUESTS:
    case TN_TESTKIT_FAULT_UNAVAILABLE:
      tn_testkit_request_retry_later (request, fault);
      return TRUE;
    case TN_TESTKIT_FAULT_NONE:
    case TN_TESTKIT_FAULT_GARBAGE:
    case TN_TESTKIT_FAULT_BAD_JSON:
    case TN_TESTKIT_FAULT_OVERSIZE:
    case TN_TESTKIT_FAULT_TRUNCATED:
    default:
      return FALSE;
    }
}

static void
store_state (TnTestkitServer *server,
             TnTestkitRecord *record,
             JsonObject      *object)
{
  TnTestkitRegistry *registry = server->registry;
  g_auto (GStrv) endpoints = tn_testkit_json_dup_strings (object, "Endpoints");
  TnDiscoPublicKey disco_key;

  if (tn_disco_public_key_parse (&disco_key, tn_testkit_json_get_string (object, "DiscoKey")))
    tn_testkit_registry_set_disco_key (registry, record, &disco_key);
  tn_testkit_registry_set_endpoints (registry, record, endpoints);
  tn_testkit_registry_set_hostinfo (registry, record, tn_testkit_json_member (object, "Hostinfo"));
}

/* Presence */

typedef struct
{
  TnTestkitServer *server;
  gint64           node_id;
} Departure;

static gboolean
depart_cb (gpointer user_data)
{
  Departure *departure = user_data;
  TnTestkitServer *server = departure->server;
  TnTestkitRecord *record = tn_testkit_registry_lookup_id (server->registry, departure->node_id);

  if (record != NULL && record->ephemeral && record->n_streams == 0)
    tn_testkit_server_remove (server, record);

  return G_SOURCE_REMOVE;
}

static void
await_departure (TnTestkitServer *server,
                 TnTestkitRecord *record)
{
  GSource *source = g_timeout_source_new (server->options.ephemeral_timeout_ms);
  Departure *departure = g_new0 (Departure, 1);

  departure->server = server;
  departure->node_id = record->id;
  g_source_set_callback (source, depart_cb, departure, g_free);
  g_source_attach (source, g_main_context_get_thread_default ());
  g_hash_table_replace (server->departures, g_memdup2 (&record->id, sizeof record->id), source);
}

void
tn_testkit_map_detach (TnTestkitRequest *request)
{
  TnTestkitServer *server = request->session->server;
  TnTestkitRecord *record;

  if (!g_ptr_array_remove (server->streams, request))
    return;

  g_source_destroy (request->keep_alive);
  g_clear_pointer (&request->keep_alive, g_source_unref);
  record = tn_testkit_registry_lookup_id (server->registry, request->node_id);
  if (record == NULL)
    return;

  tn_testkit_registry_remove_stream (server->registry, record, tn_testkit_server_now_s (server));
  if (record->ephemeral && record->n_streams == 0)
    await_departure (server, record);
  if (server->soup != NULL)
    tn_testkit_server_changed (server);
}

static gboolean
keep_alive_cb (gpointer user_data)
{
  tn_testkit_map_send (user_data, "{\"KeepAlive\":true}");
  return G_SOURCE_CONTINUE;
}

/* A node has one stream: an older one ends. */
static void
attach_stream (TnTestkitRequest *request,
               TnTestkitRecord  *record)
{
  TnTestkitServer *server = request->session->server;

  tn_testkit_registry_add_stream (server->registry, record);
  g_hash_table_remove (server->departures, &record->id);
  tn_testkit_server_end_streams (server, record);

  request->node_id = record->id;
  request->told = server->registry->generation;
  request->keep_alive = g_timeout_source_new (server->options.keep_alive_ms);
  g_source_set_callback (request->keep_alive, keep_alive_cb, request, NULL);
  g_source_attach (request->keep_alive, g_main_context_get_thread_default ());
  g_ptr_array_add (server->streams, request);
  tn_testkit_server_changed (server);
}

/* The first message of a stream that may be resumed, or that resumes another one. */
static JsonNode *
make_session_map (TnTestkitServer *server,
                  TnTestkitRecord *record,
                  JsonObject      *object)
{
  TnTestkitRegistry *registry = server->registry;
  const char *handle = tn_testkit_json_get_string (object, "MapSessionHandle");
  guint64 seq = (guint64) tn_testkit_json_get_int (object, "MapSessionSeq");
  gint64 now_s = tn_testkit_server_now_s (server);
  JsonNode *map;

  if (record->map_session != NULL && strcmp (record->map_session, handle) == 0)
    {
      map = tn_testkit_wire_map_delta (registry, record, seq, now_s);
      if (map == NULL)      /* nothing */
        {
          map = json_node_new (JSON_NODE_OBJECT);
          json_node_take_object (map, json_object_new ());
        }
    }
  else
    {
      g_free (record->map_session);
      record->map_session = g_uuid_string_random ();
      map = tn_testkit_wire_map (registry, record, now_s);
    }
  json_object_set_string_member (json_node_get_object (map), "MapSessionHandle", record->map_session);
  json_object_set_int_member (json_node_get_object (map), "Seq", (gint64) registry->generation);
  return map;
}

static void
send_scripted (TnTestkitRequest *request)
{
  for (;;)
    {
      g_autofree char *json = tn_testkit_script_take_message (request->session->server->script);

      if (json == NULL)
        return;
      tn_testkit_map_send (request, json);
    }
}

static void
answer (TnTestkitRequest *request,
        TnTestkitRecord  *record,
        JsonObject       *object,
        TnTestkitFault    fault)
{
  TnTestkitServer *server = request->session->server;
  gboolean stream = tn_testkit_json_get_boolean (object, "Stream");
  gboolean with_map = !tn_testkit_json_get_boolean (object, "OmitPeers");
  g_autoptr (JsonNode) map = stream && server->options.resumable_sessions
                               ? make_session_map (server, record, object)
                               : tn_testkit_wire_map (server->registry, record, tn_testkit_server_now_s (server));
  g_autofree char *text = tn_testkit_json_to_text (map);

  tn_http2_stream_respond (request->http2_stream, 200, NULL);
  if (apply_stream_fault (request, fault, text))
    return;

  if (stream)
    send_scripted (request);
  if (stream || with_map)
    tn_testkit_map_send (request, text);
  if (stream)
    attach_stream (request, record);
  else
    tn_http2_stream_end (request->http2_stream);
}

static void
serve (TnTestkitRequest *request,
       JsonObject       *object,
       TnTestkitFault    fault)
{
  TnTestkitServer *server = request->session->server;
  gint64 version = tn_testkit_json_get_int (object, "Version");
  gboolean stream = tn_testkit_json_get_boolean (object, "Stream");
  gboolean read_only = tn_testkit_json_get_boolean (object, "ReadOnly");
  TnTestkitRecord *record = NULL;
  TnNodePublicKey node_key;

  if (tn_node_public_key_parse (&node_key, tn_testkit_json_get_string (object, "NodeKey")))
    record = tn_testkit_registry_lookup_key (server->registry, &node_key);
  if (record == NULL || !tn_machine_public_key_equal (&record->machine_key, &request->session->machine_key))
    {
      tn_testkit_request_answer_text (request, 404, "node not found\n");
      return;
    }

  request->compress = server->options.compression && strcmp (tn_testkit_json_get_string (object, "Compress"), "zstd") == 0;
  tn_testkit_registry_set_version (server->registry, record, version);
  if (!read_only && (!stream || version < STATELESS_STREAM_VERSION))
    store_state (server, record, object);
  answer (request, record, object, fault);
  tn_testkit_server_changed (server);
}

void
tn_testkit_map (TnTestkitRequest *request)
{
  TnTestkitServer *server = request->session->server;
  g_autoptr (JsonNode) json = tn_testkit_json_parse ((const char *) request->body->data, request->body->len, NULL);
  JsonObject *object = json != NULL && JSON_NODE_HOLDS_OBJECT (json) ? json_node_get_object (json) : NULL;
  gboolean stream = object != NULL && tn_testkit_json_get_boolean (object, "Stream");
  TnTestkitStage stage = stream ? TN_TESTKIT_STAGE_STREAM : TN_TESTKIT_STAGE_UPDATE;
  gint64 version = object != NULL ? tn_testkit_json_get_int (object, "Version") : 0;
  TnTestkitFault fault;

  if (tn_testkit_script_run (request, stage) || tn_testkit_script_run (request, TN_TESTKIT_STAGE_MAP))
    return;
  fault = tn_testkit_server_take_fault (server, stage);
  if (fault == TN_TESTKIT_FAULT_NONE)
    fault = tn_testkit_server_take_fault (server, TN_TESTKIT_STAGE_MAP);
  if (apply_fault (request, fault))
    return;

  if (object == NULL || version < server->options.minimum_version)
    {
      g_autofree char *text = g_strdup_printf ("unsupported client version: %" G_GINT64_FORMAT "\n", version);

      tn_testkit_request_answer_text (request, 400, text);
      return;
    }

  serve (request, object, fault);
}
