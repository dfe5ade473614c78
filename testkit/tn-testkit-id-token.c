/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-server-private.h"

#include <sodium.h>
#include <string.h>

#include "tn-box.h"
#include "tn-hex.h"
#include "tn-testkit-json.h"

/* POST /machine/id-token, and the key by which others check what it gave: RFC 7519, RFC 8037. */

#define KEY_ID "testkit"
#define LIFE_S 300
#define JTI_LEN 16

G_STATIC_ASSERT (sizeof ((TnTestkitServer *) NULL)->token_public_key == crypto_sign_PUBLICKEYBYTES);
G_STATIC_ASSERT (sizeof ((TnTestkitServer *) NULL)->token_private_key == crypto_sign_SECRETKEYBYTES);

void
tn_testkit_id_token_init (TnTestkitServer *server)
{
  guint8 seed[crypto_sign_SEEDBYTES];

  tn_random (seed, sizeof seed);
  if (crypto_sign_seed_keypair (server->token_public_key, server->token_private_key, seed) != 0)
    g_assert_not_reached ();
  sodium_memzero (seed, sizeof seed);
}

/* RFC 4648 §5, without padding. */
static char *
to_base64url (gconstpointer data,
              gsize         len)
{
  char *text = g_base64_encode (data, len);

  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  text[strcspn (text, "=")] = '\0';
  return text;
}

static char *
take_text (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, object);
  return tn_testkit_json_to_text (node);
}

static char *
dup_part (JsonObject *object)      /* taken */
{
  g_autofree char *text = take_text (object);

  return to_base64url (text, strlen (text));
}

static JsonObject *
make_claims (TnTestkitServer       *server,
             const TnTestkitRecord *record,
             const char            *audience)
{
  JsonObject *claims = json_object_new ();
  g_autofree char *subject = tn_testkit_record_dup_fqdn (record, server->registry);
  g_autofree char *id = NULL;
  gint64 now_s = tn_testkit_server_now_s (server);
  char key[TN_KEY_TEXT_MAX];
  guint8 random[JTI_LEN];

  if (g_str_has_suffix (subject, "."))
    subject[strlen (subject) - 1] = '\0';
  tn_random (random, sizeof random);
  id = tn_hex_dup (random, sizeof random);
  tn_node_public_key_print (&record->node_key, key);
  json_object_set_string_member (claims, "iss", server->url);
  json_object_set_string_member (claims, "sub", subject);
  json_object_set_string_member (claims, "aud", audience);
  json_object_set_int_member (claims, "iat", now_s);
  json_object_set_int_member (claims, "nbf", now_s);
  json_object_set_int_member (claims, "exp", now_s + LIFE_S);
  json_object_set_string_member (claims, "jti", id);
  json_object_set_string_member (claims, "key", key);
  return claims;
}

static char *
make_token (TnTestkitServer       *server,
            const TnTestkitRecord *record,
            const char            *audience)
{
  JsonObject *header = json_object_new ();
  guint8 signature[crypto_sign_BYTES];
  g_autofree char *head = NULL;
  g_autofree char *claims = dup_part (make_claims (server, record, audience));
  g_autofree char *text = NULL;
  g_autofree char *mark = NULL;

  json_object_set_string_member (header, "alg", "EdDSA");
  json_object_set_string_member (header, "kid", KEY_ID);
  json_object_set_string_member (header, "typ", "JWT");
  head = dup_part (header);
  text = g_strconcat (head, ".", claims, NULL);
  crypto_sign_detached (signature, NULL, (const guint8 *) text, strlen (text), server->token_private_key);
  mark = to_base64url (signature, sizeof signature);
  return g_strconcat (text, ".", mark, NULL);
}

static void
answer_token (TnTestkitRequest      *request,
              const TnTestkitRecord *record,
              const char            *audience,
              gboolean               truncated)
{
  JsonObject *answer = json_object_new ();
  g_autofree char *token = make_token (request->session->server, record, audience);
  g_autofree char *text = NULL;

  json_object_set_string_member (answer, "id_token", token);
  text = take_text (answer);
  tn_testkit_request_answer (request, 200, "application/json", text, truncated ? strlen (text) / 2 : strlen (text));
}

void
tn_testkit_id_token (TnTestkitRequest *request)
{
  TnTestkitServer *server = request->session->server;
  g_autoptr (JsonNode) json = tn_testkit_json_parse ((const char *) request->body->data, request->body->len, NULL);
  JsonObject *object = json != NULL && JSON_NODE_HOLDS_OBJECT (json) ? json_node_get_object (json) : NULL;
  TnTestkitRecord *record = NULL;
  TnNodePublicKey node_key;
  TnTestkitFault fault;

  if (tn_testkit_script_run (request, TN_TESTKIT_STAGE_ID_TOKEN))
    return;
  fault = tn_testkit_server_take_fault (server, TN_TESTKIT_STAGE_ID_TOKEN);
  if (tn_testkit_request_apply_fault (request, fault))
    return;

  if (object != NULL && tn_node_public_key_parse (&node_key, tn_testkit_json_get_string (object, "NodeKey")))
    record = tn_testkit_registry_lookup_key (server->registry, &node_key);
  if (object == NULL || *tn_testkit_json_get_string (object, "Audience") == '\0')
    tn_testkit_request_answer_text (request, 400, "no audience\n");
  else if (record == NULL || !tn_machine_public_key_equal (&record->machine_key, &request->session->machine_key))
    tn_testkit_request_answer_text (request, 404, "node not found\n");
  else if (!record->authorized || tn_testkit_record_is_expired (record, tn_testkit_server_now_s (server)))
    tn_testkit_request_answer_text (request, 403, "node is not in the tailnet\n");
  else
    answer_token (request, record, tn_testkit_json_get_string (object, "Audience"), fault == TN_TESTKIT_FAULT_TRUNCATED);
}

char *
tn_testkit_id_token_dup_key_set (TnTestkitServer *server)
{
  JsonObject *key = json_object_new ();
  JsonObject *set = json_object_new ();
  JsonArray *keys = json_array_new ();
  g_autofree char *point = to_base64url (server->token_public_key, sizeof server->token_public_key);

  json_object_set_string_member (key, "kty", "OKP");
  json_object_set_string_member (key, "crv", "Ed25519");
  json_object_set_string_member (key, "alg", "EdDSA");
  json_object_set_string_member (key, "use", "sig");
  json_object_set_string_member (key, "kid", KEY_ID);
  json_object_set_string_member (key, "x", point);
  json_array_add_object_element (keys, key);
  json_object_set_array_member (set, "keys", keys);
  return take_text (set);
}

char *
tn_testkit_id_token_dup_configuration (TnTestkitServer *server)
{
  static const char *const algorithms[] = { "EdDSA", NULL };
  static const char *const types[] = { "id_token", NULL };
  static const char *const subjects[] = { "public", NULL };
  JsonObject *configuration = json_object_new ();
  g_autofree char *keys = g_strconcat (server->url, TN_TESTKIT_ID_TOKEN_KEYS_PATH, NULL);

  json_object_set_string_member (configuration, "issuer", server->url);
  json_object_set_string_member (configuration, "jwks_uri", keys);
  json_object_set_array_member (configuration, "id_token_signing_alg_values_supported", tn_testkit_json_from_strings (algorithms));
  json_object_set_array_member (configuration, "response_types_supported", tn_testkit_json_from_strings (types));
  json_object_set_array_member (configuration, "subject_types_supported", tn_testkit_json_from_strings (subjects));
  return take_text (configuration);
}
