/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <sodium.h>
#include <string.h>

#include "control-node.h"

/* Identity tokens of the server, and what others need to check them. */

static ProtocolAnswer *
ask (Node       *node,
     const char *key,
     const char *audience)
{
  g_autofree char *json = g_strdup_printf ("{\"CapVersion\":130,\"NodeKey\":\"%s\",\"Audience\":\"%s\"}", key, audience);
  ProtocolAnswer *answer = protocol_client_post (node->client, "/machine/id-token", json);

  protocol_answer_wait (answer);
  return answer;
}

static guchar *
decode (const char *base64url,
        gsize      *len)
{
  gsize text_len = strlen (base64url);
  g_autofree char *padding = g_strnfill ((4 - text_len % 4) % 4, '=');
  g_autofree char *text = g_strconcat (base64url, padding, NULL);

  g_strdelimit (text, "-", '+');
  g_strdelimit (text, "_", '/');
  return g_base64_decode (text, len);
}

static JsonObject *
parse (const char *text,
       gsize       len)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  json_parser_load_from_data (parser, text, (gssize) len, &error);
  g_assert_no_error (error);
  return json_object_ref (json_node_get_object (json_parser_get_root (parser)));
}

static JsonObject *
get (Node       *node,
     const char *path)
{
  g_autofree char *text = NULL;

  g_assert_cmpuint (protocol_client_get (node->client, path, &text), ==, 200);
  return parse (text, strlen (text));
}

static void
check_signature (Node              *node,
                 const char *const *parts)
{
  g_autoptr (JsonObject) set = get (node, "/.well-known/jwks.json");
  JsonObject *key = json_array_get_object_element (json_object_get_array_member (set, "keys"), 0);
  g_autofree char *text = g_strconcat (parts[0], ".", parts[1], NULL);
  gsize key_len, mark_len;
  g_autofree guchar *point = decode (json_object_get_string_member (key, "x"), &key_len);
  g_autofree guchar *mark = decode (parts[2], &mark_len);

  g_assert_cmpstr (json_object_get_string_member (key, "kid"), ==, "testkit");
  g_assert_cmpuint (key_len, ==, crypto_sign_PUBLICKEYBYTES);
  g_assert_cmpuint (mark_len, ==, crypto_sign_BYTES);
  g_assert_cmpint (crypto_sign_verify_detached (mark, (const guchar *) text, strlen (text), point), ==, 0);
  text[0] ^= 1;
  g_assert_cmpint (crypto_sign_verify_detached (mark, (const guchar *) text, strlen (text), point), !=, 0);
}

static void
test_token (Fixture       *fixture,
            gconstpointer  data)
{
  g_autoptr (Node) node = node_new_in_map (fixture, "node");
  g_autoptr (ProtocolAnswer) answer = ask (node, node->key, "https://sts.example");
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (JsonObject) header = NULL;
  g_autoptr (JsonObject) claims = NULL;
  g_autoptr (JsonObject) configuration = get (node, "/.well-known/openid-configuration");
  g_autofree char *keys = g_strconcat (fixture->url, "/.well-known/jwks.json", NULL);
  g_auto (GStrv) parts = NULL;
  g_autofree guchar *head_text = NULL;
  g_autofree guchar *claims_text = NULL;
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;
  gsize len;

  g_assert_cmpuint (answer->status, ==, 200);
  parts = g_strsplit (json_object_get_string_member (protocol_answer_parse (answer, &root), "id_token"), ".", -1);
  g_assert_cmpuint (g_strv_length (parts), ==, 3);
  head_text = decode (parts[0], &len);
  header = parse ((const char *) head_text, len);
  g_assert_cmpstr (json_object_get_string_member (header, "alg"), ==, "EdDSA");
  claims_text = decode (parts[1], &len);
  claims = parse ((const char *) claims_text, len);
  g_assert_cmpstr (json_object_get_string_member (claims, "iss"), ==, fixture->url);
  g_assert_cmpstr (json_object_get_string_member (claims, "aud"), ==, "https://sts.example");
  g_assert_true (g_str_has_prefix (json_object_get_string_member (claims, "sub"), "node."));
  g_assert_cmpstr (json_object_get_string_member (claims, "key"), ==, node->key);
  g_assert_cmpint (json_object_get_int_member (claims, "iat"), <=, now_s + 1);
  g_assert_cmpint (json_object_get_int_member (claims, "exp"), ==, json_object_get_int_member (claims, "iat") + 300);
  check_signature (node, (const char *const *) parts);
  g_assert_cmpstr (json_object_get_string_member (configuration, "issuer"), ==, fixture->url);
  g_assert_cmpstr (json_object_get_string_member (configuration, "jwks_uri"), ==, keys);
}

static void
assert_refused (ProtocolAnswer *answer,      /* taken */
                guint           status)
{
  g_assert_cmpuint (answer->status, ==, status);
  protocol_answer_free (answer);
}

static void
test_refused (Fixture       *fixture,
              gconstpointer  data)
{
  g_autoptr (Node) node = node_new_in_map (fixture, "node");
  g_autoptr (Node) other = node_new_in_map (fixture, "other");

  assert_refused (ask (node, node->key, ""), 400);
  assert_refused (ask (node, other->key, "x"), 404);      /* another machine's */
  assert_refused (ask (node, "nodekey:00", "x"), 404);
  assert_refused (ask (node, "\\\"", "x"), 404);
  assert_refused (ask (node, node->key, "\""), 400);      /* no JSON */
  assert_refused (ask (node, node->key, "x"), 200);
  g_assert_true (tn_testkit_control_expire_node (fixture->control, "node", NULL));
  assert_refused (ask (node, node->key, "x"), 403);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/testkit/id-token/token", Fixture, NULL, control_set_up, test_token, control_tear_down);
  g_test_add ("/testkit/id-token/refused", Fixture, NULL, control_set_up, test_refused, control_tear_down);
  return g_test_run ();
}
