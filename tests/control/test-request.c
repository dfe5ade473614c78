/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "client-kit.h"
#include "tn-error.h"
#include "tn-json-put.h"
#include "tn-json-text.h"

/* What a program wants of the server: identity tokens, and servers that have none, or no sense. */

static void
result_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static void
fetch (Fixture *fixture, const char *audience, GCancellable *cancellable, GAsyncResult **result)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, result_cb, result);

  tn_control_client_fetch_id_token (fixture->client, audience, task);
}

static char *
finish (GAsyncResult **result, GError **error)
{
  g_autoptr (GAsyncResult) done = NULL;

  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  done = g_steal_pointer (result);
  return g_task_propagate_pointer (G_TASK (done), error);
}

static char *
fetch_and_wait (Fixture *fixture, const char *audience, GError **error)
{
  GAsyncResult *result = NULL;

  fetch (fixture, audience, NULL, &result);
  return finish (&result, error);
}

static void
check_token (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *token = fetch_and_wait (fixture, "https://sts.example", &error);

  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (token, "ey"));
}

static void
check_failure (Fixture *fixture, GQuark domain, int code, const char *words)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *token = fetch_and_wait (fixture, "https://sts.example", &error);

  g_assert_null (token);
  g_assert_error (error, domain, code);
  g_assert_true (g_str_has_prefix (error->message, "cannot fetch an identity token: "));
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, words));
  g_assert_cmpuint (strlen (error->message), <, 700);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_assert_null (strpbrk (error->message, "\r\n"));
}

/* The claim as it stands in the token, which is well-formed. */
static void
test_token (Fixture *fixture, gconstpointer data)
{
  g_autofree char *long_text = g_strnfill (10000, 'a');
  const char *const audiences[] = { "https://sts.example", "a \"b\" \\ \xc3\xa9", "{}", long_text };

  join (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (audiences); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *token = fetch_and_wait (fixture, audiences[i], &error);
      g_auto (GStrv) parts = NULL;
      g_autofree guchar *claims = NULL;
      g_autoptr (GString) expected = g_string_new (NULL);
      gsize len;

      g_assert_no_error (error);
      parts = g_strsplit (token, ".", -1);
      g_assert_cmpuint (g_strv_length (parts), ==, 3);
      g_strdelimit (parts[1], "-", '+');
      g_strdelimit (parts[1], "_", '/');
      while (strlen (parts[1]) % 4 != 0)
        {
          char *padded = g_strconcat (parts[1], "=", NULL);

          g_free (parts[1]);
          parts[1] = padded;
        }
      claims = g_base64_decode (parts[1], &len);
      tn_json_put_member_string (expected, "aud", audiences[i]);
      g_assert_nonnull (g_strstr_len ((const char *) claims, (gssize) len, expected->str));
      g_assert_nonnull (g_strstr_len ((const char *) claims, (gssize) len, "\"sub\":\"node."));
    }
}

static void
test_not_connected (Fixture *fixture, gconstpointer data)
{
  start (fixture, TRUE, 0);
  check_failure (fixture, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "no connection");
  wait_for ("the map", is_running, fixture);
  check_token (fixture);
  tn_testkit_control_stop (fixture->control);
  fixture->wanted = 1;
  wait_for ("the loss", has_errors, fixture);
  check_failure (fixture, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "no connection");
}

/* --- Servers --- */

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  static const struct { guint status; const char *body, *words; } cases[] = {
    { 501, "not implemented\n", "status 501: not implemented" }, { 404, "", "status 404" }, { 403, NULL, "status 403" },
    { 500, "<html>\n<body>no</body>\n</html>", "status 500: <html>" }, { 503, "\n\n  later\r\nor never", "status 503: later" },
    { 204, "", "status 204" }, { 302, "elsewhere", "status 302: elsewhere" }, { 400, "\xff\xfe\x01", "status 400: " },
  };

  join (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GBytes) body = cases[i].body != NULL ? g_bytes_new_static (cases[i].body, strlen (cases[i].body)) : NULL;

      tn_testkit_control_script_answer (fixture->control, TN_TESTKIT_STAGE_ID_TOKEN, cases[i].status, NULL, body);
      check_failure (fixture, TN_ERROR, TN_ERROR_CONTROL, cases[i].words);
    }
  check_token (fixture);
}

static void
test_malformed (Fixture *fixture, gconstpointer data)
{
  static const char *const bodies[] = {
    "", "<html>", "{", "null", "[]", "\"token\"", "{}", "{\"id_token\":null}", "{\"id_token\":5}", "{\"id_token\":\"\"}",
    "{\"id_token\":\"a b\"}", "{\"id_token\":\"a\\r\\nX-Evil: 1\"}", "{\"id_token\":\"a\\u0000b\"}", "{\"id_token\":\"\xc3\xa9\"}",
    "{\"id_token\":{\"id_token\":\"a\"}}", "{\"token\":\"a\"}",
  };

  join (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++)
    {
      g_autoptr (GBytes) body = g_bytes_new_static (bodies[i], strlen (bodies[i]));

      g_test_message ("%s", bodies[i]);
      tn_testkit_control_script_answer (fixture->control, TN_TESTKIT_STAGE_ID_TOKEN, 200, NULL, body);
      check_failure (fixture, TN_ERROR, TN_ERROR_MALFORMED, "");
    }
  check_token (fixture);
}

static void
test_faults (Fixture *fixture, gconstpointer data)
{
  static const struct { TnTestkitFault fault; int code; } cases[] = {
    { TN_TESTKIT_FAULT_GARBAGE, TN_ERROR_MALFORMED }, { TN_TESTKIT_FAULT_BAD_JSON, TN_ERROR_MALFORMED },
    { TN_TESTKIT_FAULT_OVERSIZE, TN_ERROR_MALFORMED }, { TN_TESTKIT_FAULT_TRUNCATED, TN_ERROR_MALFORMED },
    { TN_TESTKIT_FAULT_SERVER_ERROR, TN_ERROR_CONTROL }, { TN_TESTKIT_FAULT_TOO_MANY_REQUESTS, TN_ERROR_CONTROL },
  };

  join (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_ID_TOKEN, cases[i].fault, 1);
      check_failure (fixture, TN_ERROR, cases[i].code, "");
    }
  check_token (fixture);
  g_assert_cmpuint (fixture->n_full, ==, 1);      /* the map went on */
}

/* The connection goes, and whatever went over it. */
static void
test_lost (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *token = NULL;

  join (fixture);
  tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_ID_TOKEN, TN_TESTKIT_FAULT_CLOSE, 1);
  token = fetch_and_wait (fixture, "x", &error);
  g_assert_null (token);
  g_assert_nonnull (error);
  g_assert_cmpuint (error->domain, ==, G_IO_ERROR);
  fixture->wanted = 2;
  wait_for ("another map", has_maps, fixture);
  check_token (fixture);
}

/* --- Patience --- */

static gboolean
has_request (Fixture *fixture)
{
  return fixture->wanted == 0;
}

static void
request_received_cb (TnTestkitControl *control, const char *machine, const char *path, const char *body, gpointer user_data)
{
  Fixture *fixture = user_data;

  if (g_str_equal (path, "/machine/id-token") && fixture->wanted > 0)
    fixture->wanted--;
}

static void
test_cancelled (Fixture *fixture, gconstpointer data)
{
  join (fixture);
  g_signal_connect (fixture->control, "request-received", G_CALLBACK (request_received_cb), fixture);
  tn_testkit_control_hold (fixture->control, TN_TESTKIT_STAGE_ID_TOKEN);
  for (guint moment = 0; moment < 3; moment++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GError) error = NULL;
      GAsyncResult *result = NULL;

      fixture->wanted = 1;
      if (moment == 0)
        g_cancellable_cancel (cancellable);
      fetch (fixture, "x", cancellable, &result);
      if (moment == 2)
        wait_for ("the request", has_request, fixture);
      g_cancellable_cancel (cancellable);
      g_assert_null (finish (&result, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    }
  tn_testkit_control_release (fixture->control, TN_TESTKIT_STAGE_ID_TOKEN);
  check_token (fixture);
}

static void
test_too_long (Fixture *fixture, gconstpointer data)
{
  fixture->request_max_us = 1000;
  join (fixture);
  tn_testkit_control_hold (fixture->control, TN_TESTKIT_STAGE_ID_TOKEN);
  check_failure (fixture, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer");
}

/* What is under way ends with the client. */
static void
test_stopped (Fixture *fixture, gconstpointer data)
{
  GAsyncResult *results[3] = { NULL };

  join (fixture);
  tn_testkit_control_hold (fixture->control, TN_TESTKIT_STAGE_ID_TOKEN);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    fetch (fixture, "x", NULL, &results[i]);
  fixture_clear (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (finish (&results[i], &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
    }
  g_object_unref (fixture->control);
}

typedef struct
{
  Fixture     *fixture;
  GAsyncResult *result;
} Ending;

static void
end_client_cb (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Ending *ending = user_data;

  g_assert_null (ending->result);
  ending->result = g_object_ref (result);
  tn_control_client_stop (ending->fixture->client, NULL, NULL);
}

/* Who hears of an end may end the client, and with it the other requests: each task returns once, however it came to that. */
static void
test_ends_client (Fixture *fixture, gconstpointer data)
{
  static const TnTestkitFault faults[] = { TN_TESTKIT_FAULT_NONE, TN_TESTKIT_FAULT_SERVER_ERROR, TN_TESTKIT_FAULT_OVERSIZE,
                                           TN_TESTKIT_FAULT_CLOSE, TN_TESTKIT_FAULT_HANG };

  fixture->request_max_us = 30 * G_USEC_PER_SEC;
  join (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      Ending ending = { fixture };
      g_autoptr (GTask) task = g_task_new (NULL, cancellable, end_client_cb, &ending);
      GAsyncResult *other = NULL;

      if (i > 0)
        {
          tn_control_client_start (fixture->client);
          wait_for ("the map", is_running, fixture);
        }
      tn_testkit_control_inject_fault (fixture->control, TN_TESTKIT_STAGE_ID_TOKEN, faults[i], 1);
      tn_control_client_fetch_id_token (fixture->client, "x", task);
      fetch (fixture, "y", NULL, &other);
      if (faults[i] == TN_TESTKIT_FAULT_HANG)
        g_cancellable_cancel (cancellable);
      g_free (finish (&other, NULL));
      while (ending.result == NULL || fixture->client->done_source != NULL)
        g_main_context_iteration (NULL, TRUE);
      g_clear_object (&ending.result);
    }
}

static void
body_received_cb (TnTestkitControl *control, const char *machine, const char *path, const char *body, gpointer user_data)
{
  char **seen = user_data;

  if (!g_str_equal (path, "/machine/set-dns"))
    return;
  g_free (*seen);
  *seen = g_strdup (body);
}

static gboolean
publish (Fixture *fixture, const char *name, const char *value, GError **error)
{
  GAsyncResult *result = NULL;
  g_autoptr (GTask) task = g_task_new (NULL, NULL, result_cb, &result);
  g_autoptr (GAsyncResult) done = NULL;

  tn_control_client_publish_txt (fixture->client, name, value, task);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  done = result;
  return g_task_propagate_boolean (G_TASK (done), error);
}

/* As the stock client's SetDNSRequest has it (tailscale tailcfg/tailcfg.go). */
static void
test_publish (Fixture *fixture, gconstpointer data)
{
  g_autofree char *seen = NULL;
  g_autofree char *expected = NULL;
  g_autofree char *suffix = NULL;
  g_autofree char *name = NULL;
  g_autoptr (GError) error = NULL;
  TnNodePublicKey node_key;
  char key_text[TN_KEY_TEXT_MAX];

  join (fixture);
  g_signal_connect (fixture->control, "request-received", G_CALLBACK (body_received_cb), &seen);
  g_object_get (fixture->control, "dns-suffix", &suffix, NULL);
  name = g_strconcat ("_acme-challenge.node.", suffix, NULL);
  g_assert_true (publish (fixture, name, "gfj9Xq...Rg85nM", &error));
  g_assert_no_error (error);
  tn_node_private_key_get_public (fixture->client->node_key, &node_key);
  tn_node_public_key_print (&node_key, key_text);
  expected = g_strdup_printf ("{\"Version\":%d,\"NodeKey\":\"%s\",\"Name\":\"%s\",\"Type\":\"TXT\",\"Value\":\"gfj9Xq...Rg85nM\"}",
                              TN_CAPABILITY_VERSION, key_text, name);
  g_assert_cmpstr (seen, ==, expected);

  g_assert_false (publish (fixture, "_acme-challenge.other.tail.test", "x", &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_CONTROL);
  g_assert_cmpstr (error->message, ==,
                   "cannot publish a TXT record: control server answered with status 403: not a name of this node");
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/control/request/token", Fixture, NULL, set_up, test_token, tear_down);
  g_test_add ("/control/request/not-connected", Fixture, NULL, set_up, test_not_connected, tear_down);
  g_test_add ("/control/request/refused", Fixture, NULL, set_up, test_refused, tear_down);
  g_test_add ("/control/request/malformed", Fixture, NULL, set_up, test_malformed, tear_down);
  g_test_add ("/control/request/faults", Fixture, NULL, set_up, test_faults, tear_down);
  g_test_add ("/control/request/lost", Fixture, NULL, set_up, test_lost, tear_down);
  g_test_add ("/control/request/cancelled", Fixture, NULL, set_up, test_cancelled, tear_down);
  g_test_add ("/control/request/too-long", Fixture, NULL, set_up, test_too_long, tear_down);
  g_test_add ("/control/request/stopped", Fixture, NULL, set_up, test_stopped, NULL);
  g_test_add ("/control/request/publish", Fixture, NULL, set_up, test_publish, tear_down);
  g_test_add ("/control/request/ends-client", Fixture, NULL, set_up, test_ends_client, tear_down);
  return g_test_run ();
}
