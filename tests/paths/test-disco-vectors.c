/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vectors.h"

#include "tn-box.h"
#include "tn-datagram.h"
#include "tn-disco.h"

#define MAX_ENDPOINTS 4096

static const struct { const char *name; TnDiscoType type; } names[] = {
  { "ping", TN_DISCO_PING }, { "pong", TN_DISCO_PONG }, { "call_me_maybe", TN_DISCO_CALL_ME_MAYBE }, { "bind", TN_DISCO_BIND },
  { "challenge", TN_DISCO_CHALLENGE }, { "answer", TN_DISCO_ANSWER }, { "call_me_maybe_via", TN_DISCO_CALL_ME_MAYBE_VIA },
  { "allocate_request", TN_DISCO_ALLOCATE_REQUEST }, { "allocate_response", TN_DISCO_ALLOCATE_RESPONSE },
};

/* --- Message to JSON --- */

static void
add_hex (JsonObject *object, const char *name, gconstpointer bytes, gsize len)
{
  g_autofree char *text = tn_hex_dup (bytes, len);

  json_object_set_string_member (object, name, text);
}

static void
add_number_text (JsonObject *object, const char *name, gboolean is_signed, guint64 value)
{
  char text[32];

  g_snprintf (text, sizeof text, is_signed ? "%" G_GINT64_FORMAT : "%" G_GUINT64_FORMAT, value);
  json_object_set_string_member (object, name, text);
}

static JsonArray *
endpoints_to_json (const TnDiscoEndpoints *endpoints)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < endpoints->n; i++)
    {
      TnIpEndpoint endpoint = tn_disco_endpoint_get (endpoints, i);
      char text[TN_IP_ENDPOINT_TEXT_MAX];

      tn_ip_endpoint_print (&endpoint, text);
      json_array_add_string_element (array, text);
    }
  return array;
}

static void
add_clients (JsonObject *object, const TnDiscoPublicKey keys[2])
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *text = tn_hex_dup (keys[i].bytes, TN_KEY_LEN);

      json_array_add_string_element (array, text);
    }
  json_object_set_array_member (object, "client_disco", array);
}

static void
add_relay (JsonObject *object, const TnDiscoRelayEndpoint *relay)
{
  add_hex (object, "server_disco", &relay->server_disco, TN_KEY_LEN);
  add_clients (object, relay->client_disco);
  add_number_text (object, "lamport_id", FALSE, relay->lamport_id);
  json_object_set_int_member (object, "vni", relay->vni);
  add_number_text (object, "bind_lifetime_ns", TRUE, (guint64) relay->bind_lifetime_ns);
  add_number_text (object, "steady_lifetime_ns", TRUE, (guint64) relay->steady_lifetime_ns);
  json_object_set_array_member (object, "addr_ports", endpoints_to_json (&relay->endpoints));
}

static JsonNode *
message_to_json (const TnDiscoMessage *m)
{
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  char text[TN_IP_ENDPOINT_TEXT_MAX];

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (names[i].type == m->type)
      json_object_set_string_member (object, "type", names[i].name);

  switch (m->type)
    {
    case TN_DISCO_PING:
      add_hex (object, "txid", &m->ping.txid, TN_DISCO_TXID_LEN);
      if (!tn_node_public_key_is_zero (&m->ping.node_key))
        add_hex (object, "node_key", &m->ping.node_key, TN_KEY_LEN);
      json_object_set_int_member (object, "padding", (gint64) m->ping.padding);
      break;
    case TN_DISCO_PONG:
      add_hex (object, "txid", &m->pong.txid, TN_DISCO_TXID_LEN);
      tn_ip_endpoint_print (&m->pong.src, text);
      json_object_set_string_member (object, "src", text);
      break;
    case TN_DISCO_CALL_ME_MAYBE:
      json_object_set_array_member (object, "my_number", endpoints_to_json (&m->call_me_maybe.endpoints));
      break;
    case TN_DISCO_BIND:
    case TN_DISCO_CHALLENGE:
    case TN_DISCO_ANSWER:
      json_object_set_int_member (object, "vni", m->bind.vni);
      json_object_set_int_member (object, "generation", m->bind.generation);
      add_hex (object, "remote_key", &m->bind.remote_key, TN_KEY_LEN);
      add_hex (object, "challenge", m->bind.challenge, TN_DISCO_CHALLENGE_LEN);
      break;
    case TN_DISCO_ALLOCATE_REQUEST:
      add_clients (object, m->allocate_request.client_disco);
      json_object_set_int_member (object, "generation", m->allocate_request.generation);
      break;
    case TN_DISCO_ALLOCATE_RESPONSE:
      json_object_set_int_member (object, "generation", m->allocate_response.generation);
      add_relay (object, &m->allocate_response.relay);
      break;
    case TN_DISCO_CALL_ME_MAYBE_VIA:
    default:
      add_relay (object, &m->allocate_response.relay);
      break;
    }

  json_node_take_object (node, object);
  return node;
}

/* --- JSON to message --- */

static TnDiscoEndpoints
endpoints_from_json (JsonObject *object, const char *name, guint8 *buffer)
{
  JsonArray *array = tn_json_array (object, name);
  guint n = array != NULL ? json_array_get_length (array) : 0;

  g_assert_cmpuint (n, <=, MAX_ENDPOINTS);
  for (guint i = 0; i < n; i++)
    {
      TnIpEndpoint endpoint;

      g_assert_true (tn_ip_endpoint_parse (json_array_get_string_element (array, i), &endpoint));
      tn_disco_endpoint_put (&endpoint, buffer + i * TN_DISCO_ENDPOINT_LEN);
    }
  return (TnDiscoEndpoints) { buffer, n };
}

static void
clients_from_json (JsonObject *object, TnDiscoPublicKey keys[2])
{
  JsonArray *array = tn_json_array (object, "client_disco");

  for (guint i = 0; i < 2; i++)
    {
      const char *text = json_array_get_string_element (array, i);

      g_assert_true (tn_hex_decode (text, strlen (text), keys[i].bytes, TN_KEY_LEN));
    }
}

static void
relay_from_json (JsonObject *object, TnDiscoRelayEndpoint *relay, guint8 *buffer)
{
  tn_json_hex_exact (object, "server_disco", &relay->server_disco, TN_KEY_LEN);
  clients_from_json (object, relay->client_disco);
  relay->lamport_id = tn_json_uint (object, "lamport_id");
  relay->vni = (guint32) tn_json_int (object, "vni");
  relay->bind_lifetime_ns = tn_json_int (object, "bind_lifetime_ns");
  relay->steady_lifetime_ns = tn_json_int (object, "steady_lifetime_ns");
  relay->endpoints = endpoints_from_json (object, "addr_ports", buffer);
}

static void
message_from_json (JsonObject *object, TnDiscoMessage *m, guint8 *buffer)
{
  memset (m, 0, sizeof *m);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_strcmp0 (names[i].name, tn_json_string (object, "type")) == 0)
      m->type = names[i].type;

  switch (m->type)
    {
    case TN_DISCO_PING:
      tn_json_hex_exact (object, "txid", &m->ping.txid, TN_DISCO_TXID_LEN);
      if (tn_json_has (object, "node_key"))
        tn_json_hex_exact (object, "node_key", &m->ping.node_key, TN_KEY_LEN);
      m->ping.padding = (gsize) tn_json_int (object, "padding");
      break;
    case TN_DISCO_PONG:
      tn_json_hex_exact (object, "txid", &m->pong.txid, TN_DISCO_TXID_LEN);
      g_assert_true (tn_ip_endpoint_parse (tn_json_string (object, "src"), &m->pong.src));
      break;
    case TN_DISCO_CALL_ME_MAYBE:
      m->call_me_maybe.endpoints = endpoints_from_json (object, "my_number", buffer);
      break;
    case TN_DISCO_BIND:
    case TN_DISCO_CHALLENGE:
    case TN_DISCO_ANSWER:
      m->bind.vni = (guint32) tn_json_int (object, "vni");
      m->bind.generation = (guint32) tn_json_int (object, "generation");
      tn_json_hex_exact (object, "remote_key", &m->bind.remote_key, TN_KEY_LEN);
      tn_json_hex_exact (object, "challenge", m->bind.challenge, TN_DISCO_CHALLENGE_LEN);
      break;
    case TN_DISCO_ALLOCATE_REQUEST:
      clients_from_json (object, m->allocate_request.client_disco);
      m->allocate_request.generation = (guint32) tn_json_int (object, "generation");
      break;
    case TN_DISCO_ALLOCATE_RESPONSE:
      m->allocate_response.generation = (guint32) tn_json_int (object, "generation");
      relay_from_json (object, &m->allocate_response.relay, buffer);
      break;
    case TN_DISCO_CALL_ME_MAYBE_VIA:
      relay_from_json (object, &m->allocate_response.relay, buffer);
      break;
    default:
      g_assert_not_reached ();
    }
}

/* --- Operations --- */

static void
test_seal (TnVector *v)
{
  g_autofree guint8 *endpoints = g_malloc (MAX_ENDPOINTS * TN_DISCO_ENDPOINT_LEN);
  g_autofree guint8 *plain = g_malloc (G_MAXUINT16);
  g_autofree guint8 *packet = g_malloc (G_MAXUINT16 + TN_DISCO_OVERHEAD);
  guint8 private[32], public[32], shared[32], nonce[TN_DISCO_NONCE_LEN];
  TnDiscoPublicKey sender;
  TnDiscoMessage message;
  gsize len;

  message_from_json (tn_vector_object (v, "message"), &message, endpoints);
  len = tn_disco_write (&message, plain, G_MAXUINT16);
  tn_vector_check_hex (v, "plain", plain, len);
  if (len > 0)
    tn_vector_same_uint (v, "written without room", tn_disco_write (&message, packet, len - 1), 0);

  tn_vector_hex_exact (v, "from_private", private, 32);
  tn_vector_hex_exact (v, "to_public", public, 32);
  tn_vector_hex_exact (v, "nonce", nonce, sizeof nonce);
  tn_x25519_base (sender.bytes, private);
  tn_vector_check_hex (v, "from_public", sender.bytes, 32);
  g_assert_true (tn_box_precompute (shared, private, public));
  tn_disco_seal (shared, &sender, nonce, plain, len, packet);
  tn_vector_check_hex (v, "packet", packet, len + TN_DISCO_OVERHEAD);
}

static void
test_parse (TnVector *v)
{
  g_autoptr (JsonNode) json = NULL;
  g_autofree guint8 *plain = NULL;
  TnDiscoMessage message;
  gboolean ok;
  gsize len;

  plain = tn_vector_hex (v, "plain", &len);
  ok = tn_disco_parse (&message, plain, len);
  tn_vector_check_bool (v, "ok", ok);
  if (!ok || v->failed)
    return;

  json = message_to_json (&message);
  tn_vector_check_json (v, "message", json);
}

static void
test_open (TnVector *v)
{
  g_autofree guint8 *packet = NULL;
  g_autofree guint8 *plain = NULL;
  guint8 private[32], shared[32];
  TnDiscoPublicKey sender;
  gboolean is_disco, ok;
  gsize len;

  packet = tn_vector_hex (v, "packet", &len);
  plain = g_malloc0 (len + 1);
  tn_vector_hex_exact (v, "to_private", private, 32);
  is_disco = tn_disco_is_packet (packet, len);
  tn_vector_same_bool (v, "taken for disco", is_disco, !tn_vector_bool (v, "not_disco"));
  ok = is_disco;
  if (ok)
    {
      tn_disco_get_sender (packet, &sender);
      ok = tn_box_precompute (shared, private, sender.bytes) && tn_disco_open (shared, packet, len, plain);
    }
  tn_vector_check_bool (v, "ok", ok);
  if (ok && !v->failed)
    tn_vector_check_hex (v, "plain", plain, len - TN_DISCO_OVERHEAD);
}

static void
test_shared (TnVector *v)
{
  guint8 private[32], public[32], shared[32];

  tn_vector_hex_exact (v, "private", private, 32);
  tn_vector_hex_exact (v, "peer_public", public, 32);
  tn_vector_same_bool (v, "agreed", tn_box_precompute (shared, private, public), TRUE);
  tn_vector_check_hex (v, "shared", shared, 32);
}

static void
test_classify (TnVector *v)
{
  static const char *const kinds[] = { [TN_DATAGRAM_WIREGUARD] = "wireguard", [TN_DATAGRAM_DISCO] = "disco", [TN_DATAGRAM_STUN] = "stun" };
  g_autofree guint8 *datagram = NULL;
  TnDatagramClass class;
  gsize len;

  datagram = tn_vector_hex (v, "datagram", &len);
  class = tn_datagram_classify (datagram, len);
  tn_vector_check_string (v, "kind", kinds[class.kind]);
  tn_vector_check_bool (v, "geneve", class.has_geneve);
  if (!class.has_geneve)
    return;
  tn_vector_check_int (v, "vni", class.geneve.vni);
  tn_vector_check_bool (v, "control", class.geneve.control);
}

static void
test_geneve (TnVector *v)
{
  TnGeneve geneve = {
    .version = (guint8) tn_vector_int (v, "version"),
    .control = tn_vector_bool (v, "control"),
    .protocol = (guint16) tn_vector_int (v, "protocol"),
    .vni = (guint32) tn_vector_int (v, "vni"),
  };
  guint8 bytes[TN_GENEVE_LEN];
  gboolean ok = tn_geneve_write (&geneve, bytes);

  tn_vector_check_bool (v, "ok", ok);
  if (ok && !v->failed)
    tn_vector_check_hex (v, "bytes", bytes, sizeof bytes);
}

static void
test_geneve_decode (TnVector *v)
{
  g_autofree guint8 *bytes = NULL;
  TnGeneve geneve;
  gboolean ok;
  gsize len;

  bytes = tn_vector_hex (v, "bytes", &len);
  ok = tn_geneve_parse (&geneve, bytes, len);
  tn_vector_check_bool (v, "ok", ok);
  if (!ok || v->failed)
    return;
  tn_vector_check_int (v, "version", geneve.version);
  tn_vector_check_bool (v, "control", geneve.control);
  tn_vector_check_int (v, "protocol", geneve.protocol);
  tn_vector_check_int (v, "vni", geneve.vni);
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = {
    { "seal", test_seal }, { "parse", test_parse }, { "open", test_open }, { "shared", test_shared },
    { "classify", test_classify }, { "geneve", test_geneve }, { "geneve_decode", test_geneve_decode },
  };

  tn_vectors_run ("disco.jsonl", 1491, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/paths/disco/vectors", test_vectors);
  return g_test_run ();
}
