/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vectors.h"

#include "tn-stun.h"

static void
test_request (TnVector *v)
{
  TnStunTxid txid;
  guint8 packet[TN_STUN_REQUEST_LEN];

  tn_vector_hex_exact (v, "txid", txid.bytes, sizeof txid.bytes);
  tn_stun_write_request (&txid, packet);
  tn_vector_check_hex (v, "packet", packet, sizeof packet);
}

static void
test_response (TnVector *v)
{
  guint8 packet[TN_STUN_RESPONSE_MAX];
  TnStunTxid txid;
  TnIpEndpoint source;

  tn_vector_hex_exact (v, "txid", txid.bytes, sizeof txid.bytes);
  g_assert_true (tn_ip_endpoint_parse (tn_vector_string (v, "addr"), &source));
  tn_vector_check_hex (v, "packet", packet, tn_stun_write_response (&txid, &source, packet));
}

static void
test_parse_request (TnVector *v)
{
  g_autofree guint8 *packet = NULL;
  TnStunTxid txid;
  gboolean ok;
  gsize len;

  packet = tn_vector_hex (v, "packet", &len);
  tn_vector_check_bool (v, "is_stun", tn_stun_is_stun (packet, len));
  ok = tn_stun_parse_request (packet, len, &txid);
  tn_vector_check_bool (v, "ok", ok);
  if (ok && !v->failed)
    tn_vector_check_hex (v, "txid", txid.bytes, sizeof txid.bytes);
}

static void
test_parse_response (TnVector *v)
{
  g_autofree guint8 *packet = NULL;
  char text[TN_IP_ENDPOINT_TEXT_MAX];
  TnStunTxid txid;
  TnIpEndpoint source;
  gboolean ok;
  gsize len;

  packet = tn_vector_hex (v, "packet", &len);
  tn_vector_check_bool (v, "is_stun", tn_stun_is_stun (packet, len));
  ok = tn_stun_parse_response (packet, len, &txid, &source);
  tn_vector_check_bool (v, "ok", ok);
  if (!ok || v->failed)
    return;
  tn_vector_check_hex (v, "txid", txid.bytes, sizeof txid.bytes);
  tn_ip_endpoint_print (&source, text);
  tn_vector_check_string (v, "addr", text);
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = {
    { "request", test_request }, { "response", test_response },
    { "parse_request", test_parse_request }, { "parse_response", test_parse_response },
  };

  tn_vectors_run ("stun.jsonl", 598, ops, G_N_ELEMENTS (ops), NULL);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/netcheck/stun/vectors", test_vectors);
  return g_test_run ();
}
