/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "protocol-client.h"
#include "tailnet-testkit.h"
#include "vectors.h"

/* register.jsonl tells how Headscale answered; this server has to answer alike where status, NodeKeyExpired, and whether there is
 * an AuthURL or an Error are concerned. Node ids, URLs and texts are the server's own. */

typedef struct
{
  TnTestkitControl *control;
  char             *url;
  GHashTable       *machines;      /* name -> ProtocolClient */
  GHashTable       *login_urls;    /* as recorded -> as answered here */
  gint64            age_s;         /* of the recording */
  char             *approval;      /* login to approve once the next request waits */
} Server;

static const char *
text_of (JsonObject *object,
         const char *name)
{
  const char *text = object != NULL ? tn_json_string (object, name) : NULL;

  return text != NULL ? text : "";
}

/* When the recording was made: the first time at which something was created. */
static gint64
find_age (void)
{
  g_autofree char *path = tn_vectors_path ("register.jsonl");
  g_autofree char *contents = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GDateTime) time = NULL;
  const char *mark = "\"Created\":\"";
  const char *start;

  if (!g_file_get_contents (path, &contents, NULL, NULL) || (start = strstr (contents, mark)) == NULL)
    return 0;

  start += strlen (mark);
  text = g_strndup (start, strcspn (start, "\""));
  time = g_date_time_new_from_iso8601 (text, NULL);
  return time != NULL ? g_get_real_time () / G_USEC_PER_SEC - g_date_time_to_unix (time) : 0;
}

static ProtocolClient *
get_machine (Server   *server,
             TnVector *v,
             const char *name)
{
  ProtocolClient *client = g_hash_table_lookup (server->machines, name);
  g_autoptr (GError) error = NULL;

  if (client != NULL)
    return client;

  client = protocol_client_new (server->url);
  g_hash_table_insert (server->machines, g_strdup (name), client);
  if (!protocol_client_fetch_key (client) || !protocol_client_connect (client, &error))
    tn_vector_fail (v, "machine %s: %s", name, error != NULL ? error->message : "no key");

  return client;
}

/* What the administrator did */

static void
add_key (Server     *server,
         JsonObject *step,
         const char *key,
         const char *user)
{
  const char *what = text_of (step, "what");
  TnTestkitAuthKeyFlags flags = TN_TESTKIT_AUTH_KEY_DEFAULT;
  JsonNode *tags = tn_json_member (step, "tags");
  g_autoptr (GPtrArray) list = g_ptr_array_new ();

  if (strstr (what, "reusable") != NULL)
    flags |= TN_TESTKIT_AUTH_KEY_REUSABLE;
  if (strstr (what, "ephemeral") != NULL)
    flags |= TN_TESTKIT_AUTH_KEY_EPHEMERAL;
  if (strstr (what, "expire") != NULL)
    flags |= TN_TESTKIT_AUTH_KEY_EXPIRED;
  for (guint i = 0; tags != NULL && i < json_array_get_length (json_node_get_array (tags)); i++)
    g_ptr_array_add (list, g_strdup (json_array_get_string_element (json_node_get_array (tags), i)));
  g_ptr_array_add (list, NULL);
  tn_testkit_control_add_auth_key (server->control, key, user, flags, (const char * const *) list->pdata);
  g_ptr_array_foreach (list, (GFunc) (void (*) (void)) g_free, NULL);
}

static void
expire_machine (Server     *server,
                TnVector   *v,
                const char *name)
{
  ProtocolClient *client = get_machine (server, v, name);
  g_autoptr (GPtrArray) nodes = tn_testkit_control_list_nodes (server->control);
  TnMachinePublicKey key;
  char text[TN_KEY_TEXT_MAX];

  tn_machine_private_key_get_public (&client->machine_key, &key);
  tn_machine_public_key_print (&key, text);
  for (guint i = 0; i < nodes->len; i++)
    if (strcmp (tn_testkit_node_get_machine_key (g_ptr_array_index (nodes, i)), text) == 0)
      tn_testkit_control_expire_node (server->control, tn_testkit_node_get_stable_id (g_ptr_array_index (nodes, i)), NULL);
}

static void
do_admin (Server     *server,
          TnVector   *v,
          JsonObject *step)
{
  JsonNode *keys = tn_json_member (step, "keys");

  if (tn_json_has (step, "key"))
    add_key (server, step, tn_json_string (step, "key"), tn_json_string (step, "user"));
  else if (keys != NULL)
    for (guint i = 0; i < json_array_get_length (json_node_get_array (keys)); i++)
      add_key (server, step, json_array_get_string_element (json_node_get_array (keys), i),
               json_array_get_string_element (json_object_get_array_member (step, "users"), i));
  else if (tn_json_has (step, "auth_id"))
    server->approval = g_strdup (tn_json_string (step, "auth_id"));
  else if (tn_json_has (step, "machine"))
    expire_machine (server, v, tn_json_string (step, "machine"));
  else
    tn_vector_fail (v, "no test knows what the administrator did: %s", text_of (step, "what"));
}

/* Requests */

static char *
shift_time (Server     *server,
            const char *text)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_iso8601 (text, NULL);
  g_autoptr (GDateTime) shifted = NULL;

  if (time == NULL || g_date_time_get_year (time) < 2000)
    return g_strdup (text);

  shifted = g_date_time_add_seconds (time, (double) server->age_s);
  return g_date_time_format (shifted, "%Y-%m-%dT%H:%M:%SZ");
}

static char *
make_request (Server     *server,
              JsonObject *step)
{
  JsonNode *recorded = tn_json_member (step, "request");
  g_autoptr (JsonNode) node = NULL;
  g_autofree char *expiry = NULL;
  JsonObject *request;
  const char *login;

  if (recorded == NULL)
    return g_strdup (text_of (step, "request_text"));

  node = json_node_copy (recorded);
  request = json_node_get_object (node);
  if (*text_of (request, "Expiry") != '\0')
    {
      expiry = shift_time (server, text_of (request, "Expiry"));
      json_object_set_string_member (request, "Expiry", expiry);
    }
  login = g_hash_table_lookup (server->login_urls, text_of (request, "Followup"));
  if (login != NULL)
    json_object_set_string_member (request, "Followup", login);

  return json_to_string (node, FALSE);
}

static void
approve_waiting (Server         *server,
                 TnVector       *v,
                 ProtocolClient *client,
                 ProtocolAnswer *answer)
{
  g_autoptr (ProtocolAnswer) later = protocol_client_post (client, "/machine/nothing", "{}");
  GHashTableIter iter;
  gpointer recorded, url;

  /* A later request was answered, and this one was not: it waits. */
  protocol_answer_wait (later);
  if (answer->closed)
    tn_vector_fail (v, "the request should wait");

  g_hash_table_iter_init (&iter, server->login_urls);
  while (g_hash_table_iter_next (&iter, &recorded, &url))
    if (g_str_has_suffix (recorded, server->approval) &&
        !tn_testkit_control_approve (server->control, url, "alice", NULL))
      tn_vector_fail (v, "login %s was not approved", server->approval);
  g_clear_pointer (&server->approval, g_free);
}

static void
compare_registration (Server         *server,
                      TnVector       *v,
                      guint           number,
                      JsonObject     *wanted,
                      ProtocolAnswer *answer)
{
  g_autoptr (JsonNode) node = NULL;
  JsonObject *got = protocol_answer_parse (answer, &node);
  static const char * const texts[] = { "AuthURL", "Error" };

  if (got == NULL)
    {
      tn_vector_fail (v, "step %u: no JSON object", number);
      return;
    }

  if (tn_json_bool (got, "NodeKeyExpired") != tn_json_bool (wanted, "NodeKeyExpired"))
    tn_vector_fail (v, "step %u: NodeKeyExpired is %d", number, tn_json_bool (got, "NodeKeyExpired"));
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    if ((*text_of (got, texts[i]) != '\0') != (*text_of (wanted, texts[i]) != '\0'))
      tn_vector_fail (v, "step %u: %s is '%s', wanted '%s'", number, texts[i], text_of (got, texts[i]), text_of (wanted, texts[i]));
  if (*text_of (wanted, "AuthURL") != '\0')
    g_hash_table_insert (server->login_urls, g_strdup (text_of (wanted, "AuthURL")), g_strdup (text_of (got, "AuthURL")));
}

static gboolean
has_head (gpointer data)
{
  return ((ProtocolAnswer *) data)->status != 0 || ((ProtocolAnswer *) data)->closed;
}

static void
do_post (Server     *server,
         TnVector   *v,
         guint       number,
         JsonObject *step,
         const char *path)
{
  ProtocolClient *client = get_machine (server, v, text_of (step, "machine"));
  g_autofree char *request = make_request (server, step);
  g_autoptr (ProtocolAnswer) answer = NULL;
  guint status = (guint) tn_json_int (step, "status");

  if (v->failed)
    return;

  answer = protocol_client_post (client, path, request);
  if (server->approval != NULL)
    approve_waiting (server, v, client, answer);
  protocol_wait_for (has_head, answer);
  if (answer->status != status)
    tn_vector_fail (v, "step %u: status %u, wanted %u", number, answer->status, status);
  else if (status == 200 && strcmp (path, "/machine/register") == 0)
    compare_registration (server, v, number, tn_json_object (step, "response"), answer);
}

static void
do_get_key (Server     *server,
            TnVector   *v,
            guint       number,
            JsonObject *step)
{
  g_autoptr (ProtocolClient) client = protocol_client_new (server->url);
  g_autofree char *body = NULL;
  guint status = protocol_client_get (client, text_of (step, "path"), &body);

  if (status != (guint) tn_json_int (step, "status"))
    tn_vector_fail (v, "step %u: status %u", number, status);
  if ((strstr (body, "\"publicKey\"") != NULL) != tn_json_has (step, "response"))
    tn_vector_fail (v, "step %u: body '%s'", number, body);
}

/* A version in the transport for which there is no answer at all. */
static void
do_refused (Server     *server,
            TnVector   *v,
            guint       number,
            JsonObject *step)
{
  g_autoptr (ProtocolClient) client = protocol_client_new (server->url);

  client->version = (guint16) tn_json_int (step, "transport_version");
  if (!protocol_client_fetch_key (client) || protocol_client_connect (client, NULL))
    tn_vector_fail (v, "step %u: the handshake should fail", number);
}

static void
do_step (Server     *server,
         TnVector   *v,
         guint       number,
         JsonObject *step)
{
  const char *what = text_of (step, "do");

  if (strcmp (what, "admin") == 0)
    do_admin (server, v, step);
  else if (strcmp (what, "get_key") == 0)
    do_get_key (server, v, number, step);
  else if (tn_json_bool (step, "transport_error"))
    do_refused (server, v, number, step);
  else if (strcmp (what, "register") == 0)
    do_post (server, v, number, step, "/machine/register");
  else if (strcmp (what, "map") == 0)
    do_post (server, v, number, step, "/machine/map");
  else if (strcmp (what, "post") == 0)
    do_post (server, v, number, step, text_of (step, "path"));
  else
    tn_vector_fail (v, "step %u: no test does '%s'", number, what);
}

static void
test_case (TnVector *v)
{
  JsonArray *steps = json_object_get_array_member (v->object, "steps");

  for (guint i = 0; i < json_array_get_length (steps) && !v->failed; i++)
    do_step (v->user_data, v, i + 1, json_array_get_object_element (steps, i));
}

static void
test_register (void)
{
  static const TnVectorOp ops[] = { { NULL, test_case } };
  g_autoptr (TnTestkitControl) control = tn_testkit_control_new_threaded ();
  g_autoptr (GError) error = NULL;
  Server server = { .control = control, .age_s = find_age () };

  g_assert_true (tn_testkit_control_start (control, &error));
  server.url = tn_testkit_control_dup_url (control);
  server.machines = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) protocol_client_free);
  server.login_urls = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  tn_vectors_run ("register.jsonl", 19, ops, G_N_ELEMENTS (ops), &server);

  g_hash_table_unref (server.machines);
  g_hash_table_unref (server.login_urls);
  g_free (server.url);
  g_free (server.approval);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/testkit/register/vectors", test_register);
  return g_test_run ();
}
