/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "protocol-client.h"
#include "tailnet-testkit.h"

/* Each fault as a client sees it, and that the next request finds a sane server. */

typedef struct
{
  TnTestkitControl *control;
  ProtocolClient   *client;
  char             *auth_key;
  char              node_key[TN_KEY_TEXT_MAX];
} Fixture;

static void
set_up (Fixture       *fixture,
        gconstpointer  data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *url = NULL;
  TnNodePrivateKey private_key;
  TnNodePublicKey public_key;

  fixture->control = tn_testkit_control_new_threaded ();
  g_assert_true (tn_testkit_control_start (fixture->control, &error));
  g_object_set (fixture->control, "retry-after", 7, NULL);
  url = tn_testkit_control_dup_url (fixture->control);
  fixture->auth_key = tn_testkit_control_create_auth_key (fixture->control, "alice", TN_TESTKIT_AUTH_KEY_REUSABLE, NULL);
  fixture->client = protocol_client_new (url);
  tn_node_private_key_generate (&private_key);
  tn_node_private_key_get_public (&private_key, &public_key);
  tn_node_private_key_clear (&private_key);
  tn_node_public_key_print (&public_key, fixture->node_key);
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  data)
{
  protocol_client_free (fixture->client);
  g_object_unref (fixture->control);
  g_free (fixture->auth_key);
}

static void
connect_client (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (protocol_client_fetch_key (fixture->client));
  g_assert_true (protocol_client_connect (fixture->client, &error));
  g_assert_no_error (error);
}

static ProtocolAnswer *
post_registration (Fixture *fixture)
{
  g_autofree char *json = g_strdup_printf ("{\"Version\":130,\"NodeKey\":\"%s\",\"Auth\":{\"AuthKey\":\"%s\"},\"Hostinfo\":{}}",
                                           fixture->node_key, fixture->auth_key);

  return protocol_client_post (fixture->client, "/machine/register", json);
}

static ProtocolAnswer *
post_map (Fixture *fixture)
{
  g_autofree char *json = g_strdup_printf ("{\"Version\":130,\"NodeKey\":\"%s\",\"Stream\":true}", fixture->node_key);

  return protocol_client_post (fixture->client, "/machine/map", json);
}

static void
test_key (Fixture       *fixture,
          gconstpointer  data)
{
  static const struct { TnTestkitFault fault; guint status; gsize len; } cases[] = {
    { TN_TESTKIT_FAULT_CLOSE, 0, 0 }, { TN_TESTKIT_FAULT_GARBAGE, 0, 0 }, { TN_TESTKIT_FAULT_BAD_JSON, 200, 13 },
    { TN_TESTKIT_FAULT_OVERSIZE, 200, 128 << 10 }, { TN_TESTKIT_FAULT_TRUNCATED, 200, 19 },
    { TN_TESTKIT_FAULT_SERVER_ERROR, 500, 0 }, { TN_TESTKIT_FAULT_TOO_MANY_REQUESTS, 429, 0 },
    { TN_TESTKIT_FAULT_UNAVAILABLE, 503, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *body = NULL;

      tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_KEY, cases[i].fault, 1);
      g_assert_cmpuint (protocol_client_get (fixture->client, "/key?v=130", &body), ==, cases[i].status);
      g_assert_cmpuint (strlen (body), ==, cases[i].len);
      g_assert_true (protocol_client_fetch_key (fixture->client));
    }
}

static void
test_upgrade (Fixture       *fixture,
              gconstpointer  data)
{
  static const TnTestkitFault faults[] = { TN_TESTKIT_FAULT_CLOSE, TN_TESTKIT_FAULT_GARBAGE, TN_TESTKIT_FAULT_TRUNCATED,
                                           TN_TESTKIT_FAULT_SERVER_ERROR, TN_TESTKIT_FAULT_TOO_MANY_REQUESTS,
                                           TN_TESTKIT_FAULT_UNAVAILABLE };

  g_object_set (fixture->control, "corked", data == NULL, NULL);
  g_assert_true (protocol_client_fetch_key (fixture->client));
  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_UPGRADE, TN_TESTKIT_FAULT_CLOSE, 2);
  g_assert_false (protocol_client_connect (fixture->client, NULL));
  g_assert_false (protocol_client_connect (fixture->client, NULL));
  g_assert_true (protocol_client_connect (fixture->client, NULL));

  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_UPGRADE, faults[i], 1);
      g_assert_false (protocol_client_connect (fixture->client, NULL));
      g_assert_true (protocol_client_connect (fixture->client, NULL));
    }

  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_UPGRADE, TN_TESTKIT_FAULT_CLOSE, 1);
  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_UPGRADE, TN_TESTKIT_FAULT_NONE, 0);
  g_assert_true (protocol_client_connect (fixture->client, NULL));
}

static gboolean
is_closed (gpointer data)
{
  return ((ProtocolClient *) data)->closed != NULL;
}

static void
test_oversize_record (Fixture       *fixture,
                      gconstpointer  data)
{
  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_UPGRADE, TN_TESTKIT_FAULT_OVERSIZE, 1);
  connect_client (fixture);
  protocol_wait_for (is_closed, fixture->client);      /* by the client: no record is that long */
}

static void
test_bad_early_payload (Fixture       *fixture,
                        gconstpointer  data)
{
  g_autoptr (ProtocolAnswer) answer = NULL;

  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_UPGRADE, TN_TESTKIT_FAULT_BAD_JSON, 1);
  connect_client (fixture);
  answer = post_registration (fixture);
  protocol_answer_wait (answer);
  g_assert_cmpuint (answer->status, ==, 200);      /* nobody has to read that payload */
}

static void
test_register (Fixture       *fixture,
               gconstpointer  data)
{
  static const struct { TnTestkitFault fault; guint status; gsize max_len; } cases[] = {
    { TN_TESTKIT_FAULT_CLOSE, 0, 0 }, { TN_TESTKIT_FAULT_GARBAGE, 200, 3 }, { TN_TESTKIT_FAULT_BAD_JSON, 200, 8 },
    { TN_TESTKIT_FAULT_OVERSIZE, 200, (1 << 20) + 1 }, { TN_TESTKIT_FAULT_TRUNCATED, 200, 200 },
    { TN_TESTKIT_FAULT_SERVER_ERROR, 500, 100 }, { TN_TESTKIT_FAULT_TOO_MANY_REQUESTS, 429, 0 },
    { TN_TESTKIT_FAULT_UNAVAILABLE, 503, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ProtocolAnswer) answer = NULL;
      g_autoptr (ProtocolAnswer) again = NULL;
      g_autoptr (JsonNode) node = NULL;
      g_autoptr (JsonNode) good = NULL;

      connect_client (fixture);
      tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_REGISTER, cases[i].fault, 1);
      answer = post_registration (fixture);
      g_assert_null (protocol_answer_parse (answer, &node));
      g_assert_cmpuint (answer->status, ==, cases[i].status);
      g_assert_cmpuint (answer->body->len, <=, cases[i].max_len);
      g_assert_cmpstr (answer->retry_after, ==, cases[i].status == 429 || cases[i].status == 503 ? "7" : NULL);

      connect_client (fixture);
      again = post_registration (fixture);
      g_assert_nonnull (protocol_answer_parse (again, &good));
    }
}

static void
register_client (Fixture *fixture)
{
  g_autoptr (ProtocolAnswer) answer = NULL;

  connect_client (fixture);
  answer = post_registration (fixture);
  protocol_answer_wait (answer);
  g_assert_cmpuint (answer->status, ==, 200);
}

typedef struct
{
  ProtocolAnswer *answer;
  gsize           len;
} Wanted;

static gboolean
has_bytes (gpointer data)
{
  Wanted *wanted = data;

  return wanted->answer->closed || wanted->answer->body->len >= wanted->len;
}

static void
test_map (Fixture       *fixture,
          gconstpointer  data)
{
  static const struct { TnTestkitFault fault; guint status; const char *bytes; gsize len; gboolean ends; } cases[] = {
    { TN_TESTKIT_FAULT_CLOSE, 0, "", 0, TRUE },
    { TN_TESTKIT_FAULT_GARBAGE, 200, "\4\0\0\0\x00\xff\xfe\xfd", 8, FALSE },
    { TN_TESTKIT_FAULT_BAD_JSON, 200, "\10\0\0\0{\"Node\":", 12, FALSE },
    { TN_TESTKIT_FAULT_OVERSIZE, 200, "\xff\xff\xff\xff", 4, FALSE },
    { TN_TESTKIT_FAULT_SERVER_ERROR, 500, "internal error\n", 15, TRUE },
    { TN_TESTKIT_FAULT_TOO_MANY_REQUESTS, 429, "", 0, TRUE },
    { TN_TESTKIT_FAULT_UNAVAILABLE, 503, "", 0, TRUE },
  };

  register_client (fixture);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ProtocolAnswer) answer = NULL;
      g_autoptr (ProtocolAnswer) again = NULL;
      g_autoptr (JsonNode) good = NULL;
      Wanted wanted;

      connect_client (fixture);
      tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_MAP, cases[i].fault, 1);
      answer = post_map (fixture);
      wanted = (Wanted) { answer, cases[i].ends ? G_MAXSIZE : cases[i].len };
      protocol_wait_for (has_bytes, &wanted);
      g_assert_cmpuint (answer->status, ==, cases[i].status);
      g_assert_cmpmem (answer->body->data, answer->body->len, cases[i].bytes, cases[i].len);
      g_assert_cmpint (answer->closed, ==, cases[i].ends);

      connect_client (fixture);
      again = post_map (fixture);
      good = protocol_answer_next (again, FALSE);
      g_assert_nonnull (good);
    }
}

static void
test_truncated_map (Fixture       *fixture,
                    gconstpointer  data)
{
  g_autoptr (ProtocolAnswer) answer = NULL;

  register_client (fixture);
  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_MAP, TN_TESTKIT_FAULT_TRUNCATED, 1);
  answer = post_map (fixture);
  g_assert_null (protocol_answer_next (answer, FALSE));
  g_assert_cmpuint (answer->body->len, >, 100);
}

/* What hangs does not keep others waiting, and a stop ends it. */
static void
test_hang (Fixture       *fixture,
           gconstpointer  data)
{
  g_autoptr (ProtocolAnswer) hanging = NULL;
  g_autoptr (ProtocolAnswer) other = NULL;

  connect_client (fixture);
  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_REGISTER, TN_TESTKIT_FAULT_HANG, 1);
  hanging = post_registration (fixture);
  other = post_registration (fixture);
  protocol_answer_wait (other);
  g_assert_cmpuint (other->status, ==, 200);
  g_assert_false (hanging->closed);
  tn_testkit_control_stop (fixture->control);
  protocol_answer_wait (hanging);
  g_assert_cmpuint (hanging->status, ==, 0);
}

#define ADD(path, func) g_test_add ("/testkit/faults/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("key", test_key);
  ADD ("upgrade", test_upgrade);
  g_test_add ("/testkit/faults/upgrade-apart", Fixture, "", set_up, test_upgrade, tear_down);
  ADD ("oversize-record", test_oversize_record);
  ADD ("bad-early-payload", test_bad_early_payload);
  ADD ("register", test_register);
  ADD ("map", test_map);
  ADD ("truncated-map", test_truncated_map);
  ADD ("hang", test_hang);

  return g_test_run ();
}
