/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vectors.h"

#include "tn-ip-header.h"
#include "tn-tsmp.h"

static void
check_address (TnVector          *v,
               const char        *name,
               const TnIpAddress *actual)
{
  TnIpAddress expected;

  g_assert_true (tn_ip_address_parse (tn_vector_string (v, name), &expected));
  if (!tn_ip_address_equal (actual, &expected))
    {
      char text[TN_IP_ADDRESS_TEXT_MAX];

      tn_ip_address_print (actual, text);
      tn_vector_fail (v, "%s is %s, expected %s", name, text, tn_vector_string (v, name));
    }
}

static void
check_endpoint (TnVector           *v,
                JsonObject         *object,
                const char         *name,
                const TnIpEndpoint *actual)
{
  TnIpEndpoint expected;

  g_assert_true (tn_ip_endpoint_parse (tn_json_string (object, name), &expected));
  if (!tn_ip_address_equal (&actual->address, &expected.address) || actual->port != expected.port)
    {
      char text[TN_IP_ENDPOINT_TEXT_MAX];

      tn_ip_endpoint_print (actual, text);
      tn_vector_fail (v, "%s is %s, expected %s", name, text, tn_json_string (object, name));
    }
}

static void
check_tsmp (TnVector       *v,
            const TnParsed *packet)
{
  JsonObject *expected = tn_vector_object (v, "tsmp");
  TnTsmp tsmp;
  const char *type;

  tn_vector_same_bool (v, "tsmp", tn_tsmp_parse (&tsmp, packet), expected != NULL);
  if (expected == NULL || v->failed)
    return;

  type = tn_json_string (expected, "type");
  tn_vector_same_string (v, "type", tsmp.type == TN_TSMP_PING ? "ping" : tsmp.type == TN_TSMP_PONG ? "pong"
                                    : tsmp.type == TN_TSMP_REJECT ? "reject" : "disco", type);
  if (v->failed)
    return;
  if (tsmp.type == TN_TSMP_PING)
    {
      tn_vector_same_hex (v, "data", tsmp.ping_data, sizeof tsmp.ping_data, tn_json_string (expected, "data"));
    }
  else if (tsmp.type == TN_TSMP_PONG)
    {
      tn_vector_same_hex (v, "data", tsmp.pong.data, sizeof tsmp.pong.data, tn_json_string (expected, "data"));
      tn_vector_same_int (v, "peerapi_port", tsmp.pong.peerapi_port, tn_json_int (expected, "peerapi_port"));
    }
  else if (tsmp.type == TN_TSMP_DISCO)
    {
      tn_vector_same_hex (v, "key", tsmp.disco_key.bytes, TN_KEY_LEN, tn_json_string (expected, "key"));
    }
  else
    {
      check_endpoint (v, expected, "flow_src", &tsmp.reject.src);
      check_endpoint (v, expected, "flow_dst", &tsmp.reject.dst);
      tn_vector_same_int (v, "proto", tsmp.reject.proto, tn_json_int (expected, "proto"));
      tn_vector_same_int (v, "reason_byte", tsmp.reject.reason, tn_json_int (expected, "reason_byte"));
      tn_vector_same_bool (v, "maybe_broken", tsmp.reject.maybe_broken, tn_json_bool (expected, "maybe_broken"));
    }
}

static void
check_payload (TnVector       *v,
               const TnParsed *packet)
{
  JsonArray *expected = tn_vector_array (v, "payload");
  const guint8 *payload;
  gsize len;

  if (packet->proto != TN_PROTO_TCP && packet->proto != TN_PROTO_UDP && packet->proto != TN_PROTO_TSMP)
    return;
  tn_vector_same_bool (v, "payload", tn_parsed_get_payload (packet, &payload, &len), expected != NULL);
  if (expected == NULL || v->failed)
    return;
  tn_vector_same_int (v, "payload offset", payload - packet->data, json_array_get_int_element (expected, 0));
  tn_vector_same_uint (v, "payload length", len, (guint64) json_array_get_int_element (expected, 1));
}

static void
test_parse (TnVector *v)
{
  gsize len;
  g_autofree guint8 *pkt = tn_vector_hex (v, "pkt", &len);
  TnParsed packet;

  tn_parse (&packet, pkt, len);
  tn_vector_check_int (v, "version", packet.version);
  tn_vector_check_int (v, "proto", packet.proto);
  if (v->failed || packet.proto == TN_PROTO_UNKNOWN)
    return;

  check_address (v, "src", &packet.src);
  check_address (v, "dst", &packet.dst);
  if (tn_vector_has (v, "transport"))
    tn_vector_check_int (v, "transport", packet.transport);
  tn_vector_check_int (v, "sport", packet.src_port);
  tn_vector_check_int (v, "dport", packet.dst_port);
  tn_vector_check_int (v, "tcp_flags", packet.tcp_flags);
  tn_vector_check_bool (v, "tcp_syn", tn_parsed_is_tcp_syn (&packet));
  tn_vector_check_bool (v, "echo_request", tn_parsed_is_echo_request (&packet));
  tn_vector_check_bool (v, "echo_reply", tn_parsed_is_echo_reply (&packet));
  tn_vector_check_bool (v, "icmp_error", tn_parsed_is_icmp_error (&packet));
  check_payload (v, &packet);
  if (packet.proto == TN_PROTO_TSMP)
    check_tsmp (v, &packet);
}

/* By RFC 4443 and RFC 1071, a byte at a time. */
static gboolean
icmp6_checksum_is_right (const guint8 *pkt,
                         gsize         len)
{
  guint64 sum = len - TN_IP6_HEADER_LEN + TN_PROTO_ICMP6;

  for (gsize i = 8; i < len; i++)
    sum += (guint64) pkt[i] << (i % 2 == 0 ? 8 : 0);
  while (sum > 0xffff)
    sum = (sum >> 16) + (sum & 0xffff);
  return sum == 0xffff;
}

/* The sums of the vectors are right only for an even number of bytes: for the others, ours has to be right and the rest the same. */
static void
check_echo6 (TnVector *v,
             guint8   *made,
             gsize     len)
{
  gsize expected_len;
  g_autofree guint8 *expected = tn_vector_hex (v, "response", &expected_len);
  const gsize at = TN_IP6_HEADER_LEN + 2;

  tn_vector_same_bool (v, "checksum right", icmp6_checksum_is_right (made, len), TRUE);
  if (len % 2 == 1 && expected_len == len && !icmp6_checksum_is_right (expected, len))
    memcpy (made + at, expected + at, 2);
}

static void
test_echo_response (TnVector *v)
{
  gsize len, made_len;
  g_autofree guint8 *request = tn_vector_hex (v, "request", &len);
  guint8 made[2048];
  TnParsed packet;

  tn_parse (&packet, request, len);
  made_len = tn_echo_reply_write (made, sizeof made, &packet);
  if (packet.version == 6)
    check_echo6 (v, made, made_len);
  tn_vector_check_hex (v, "response", made, made_len);
  tn_vector_same_uint (v, "reply in too little room", tn_echo_reply_write (made, made_len - 1, &packet), 0);
}

static void
test_tsmp_pong (TnVector *v)
{
  gsize len, made_len;
  g_autofree guint8 *request = tn_vector_hex (v, "request", &len);
  guint8 made[TN_TSMP_PACKET_MAX];
  TnParsed packet;

  tn_parse (&packet, request, len);
  made_len = tn_tsmp_write_pong (made, sizeof made, &packet, (guint16) tn_vector_int (v, "peerapi_port"));
  tn_vector_check_hex (v, "response", made, made_len);
  tn_vector_same_uint (v, "pong in too little room", tn_tsmp_write_pong (made, made_len - 1, &packet, 0), 0);
}

/* A byte, written as the character of that number. */
static guint8
char_member (TnVector   *v,
             const char *name)
{
  const char *text = tn_vector_string (v, name);

  return text != NULL ? (guint8) g_utf8_get_char (text) : 0;
}

static void
test_tsmp_reject (TnVector *v)
{
  TnTsmpReject reject = {
    .proto = (guint8) tn_vector_int (v, "proto"),
    .reason = char_member (v, "reason"),
    .maybe_broken = tn_vector_bool (v, "maybe_broken"),
  };
  guint8 made[TN_TSMP_PACKET_MAX];
  TnIpAddress src, dst;
  TnParsed packet;
  TnTsmp parsed;
  gsize len;

  g_assert_true (tn_ip_address_parse (tn_vector_string (v, "ip_src"), &src));
  g_assert_true (tn_ip_address_parse (tn_vector_string (v, "ip_dst"), &dst));
  g_assert_true (tn_ip_endpoint_parse (tn_vector_string (v, "flow_src"), &reject.src));
  g_assert_true (tn_ip_endpoint_parse (tn_vector_string (v, "flow_dst"), &reject.dst));
  len = tn_tsmp_write_reject (made, sizeof made, &src, &dst, &reject);
  tn_vector_check_hex (v, "pkt", made, len);

  tn_parse (&packet, made, len);
  tn_vector_same_bool (v, "it parses", tn_tsmp_parse (&parsed, &packet) && parsed.type == TN_TSMP_REJECT, TRUE);
  tn_vector_same_int (v, "source port", parsed.reject.src.port, reject.src.port);
}

static void
test_tsmp_disco (TnVector *v)
{
  guint8 made[TN_TSMP_PACKET_MAX];
  TnIpAddress src, dst;
  TnDiscoPublicKey key;

  g_assert_true (tn_ip_address_parse (tn_vector_string (v, "src"), &src));
  g_assert_true (tn_ip_address_parse (tn_vector_string (v, "dst"), &dst));
  tn_vector_hex_exact (v, "key", key.bytes, TN_KEY_LEN);
  tn_vector_check_hex (v, "pkt", made, tn_tsmp_write_disco (made, sizeof made, &src, &dst, &key));
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = {
    { "parse", test_parse },
    { "echo_response", test_echo_response },
    { "tsmp_pong", test_tsmp_pong },
    { "tsmp_reject", test_tsmp_reject },
    { "tsmp_disco", test_tsmp_disco },
  };

  tn_vectors_run ("packet.jsonl", 3815, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataplane/vectors/packet", test_vectors);
  return g_test_run ();
}
