/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-client-private.h"
#include "tn-error.h"
#include "vectors.h"

/* --- Answers of a server, one after the other as they came --- */

/* What follows from the members of an answer, in the order in which they count. */
static TnLoginVerdict
expected_verdict (JsonObject *answer,
                  const char *old_url,
                  gboolean    fresh_key)
{
  const char *url = tn_json_string (answer, "AuthURL");
  const char *refusal = tn_json_string (answer, "Error");

  if (refusal != NULL && *refusal != '\0')
    return TN_LOGIN_REFUSED;
  if (tn_json_bool (answer, "NodeKeyExpired"))
    return fresh_key ? TN_LOGIN_RETRY : TN_LOGIN_NEW_KEY;
  if (url != NULL && *url != '\0')
    return g_strcmp0 (url, old_url) == 0 ? TN_LOGIN_FOLLOW_LATER : TN_LOGIN_FOLLOW;
  return TN_LOGIN_DONE;
}

static void
check_answer (TnVector   *v,
              JsonObject *step,
              TnLogin    *login)
{
  JsonObject *answer = tn_json_object (step, "response");
  g_autofree char *text = answer != NULL ? json_to_string (json_object_get_member (step, "response"), FALSE)
                                        : g_strdup (tn_json_string (step, "text"));
  g_autofree char *old_url = g_strdup (login->auth_url);
  g_autoptr (GError) error = NULL;
  TnLoginVerdict verdict;

  if (tn_json_has (step, "transport_error"))
    return;
  verdict = tn_login_evaluate (login, (guint) tn_json_int (step, "status"), NULL, text != NULL ? text : "", text != NULL ? strlen (text) : 0, 0,
                               &error);
  if (tn_json_int (step, "status") != 200 || answer == NULL)
    {
      tn_vector_same_int (v, "verdict", verdict, TN_LOGIN_RETRY);
      g_assert_nonnull (error);
      return;
    }
  tn_vector_same_int (v, "verdict", verdict, expected_verdict (answer, old_url, login->fresh_key));
  if (verdict == TN_LOGIN_REFUSED && (error == NULL || strstr (error->message, tn_json_string (answer, "Error")) == NULL))
    tn_vector_fail (v, "the error does not hold the server's words");
  if (verdict == TN_LOGIN_FOLLOW)
    tn_vector_same_string (v, "auth_url", login->auth_url, tn_json_string (answer, "AuthURL"));
  if (verdict == TN_LOGIN_DONE)
    {
      tn_vector_same_bool (v, "MachineAuthorized", login->machine_authorized, tn_json_bool (answer, "MachineAuthorized"));
      tn_vector_same_string (v, "auth_url", login->auth_url, NULL);
    }
}

static void
check_key (TnVector   *v,
           JsonObject *step)
{
  g_autofree char *text = tn_json_has (step, "response") ? json_to_string (json_object_get_member (step, "response"), FALSE)
                                                         : g_strdup (tn_json_string (step, "text"));
  TnMachinePublicKey key;
  char printed[TN_KEY_TEXT_MAX];

  tn_vector_same_bool (v, "key", tn_wire_control_key_parse (text, strlen (text), &key, NULL), tn_json_has (step, "response"));
  if (!tn_json_has (step, "response"))
    return;
  tn_machine_public_key_print (&key, printed);
  tn_vector_same_string (v, "publicKey", printed, tn_json_string (tn_json_object (step, "response"), "publicKey"));
}

static void
check_map (TnVector   *v,
           JsonObject *step)
{
  g_autoptr (TnNetmap) netmap = tn_netmap_new ();
  g_autoptr (TnNetmapChanges) changes = tn_netmap_changes_new ();
  JsonArray *messages = tn_json_array (step, "messages");

  for (guint i = 0; messages != NULL && i < json_array_get_length (messages); i++)
    {
      g_autofree char *text = json_to_string (json_array_get_element (messages, i), FALSE);
      g_auto (TnMapMessage) message = { 0 };
      g_autoptr (GError) error = NULL;

      if (!tn_netmap_update (netmap, text, strlen (text), 0, &message, changes, &error))
        tn_vector_fail (v, "message %u: %s", i, error->message);
    }
}

static void
test_case (TnVector *v)
{
  g_autoptr (GHashTable) logins = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  JsonArray *steps = tn_vector_array (v, "steps");

  for (guint i = 0; i < json_array_get_length (steps) && !v->failed; i++)
    {
      JsonObject *step = json_array_get_object_element (steps, i);
      const char *what = tn_json_string (step, "do");

      if (g_str_equal (what, "register"))
        {
          const char *machine = tn_json_string (step, "machine");
          TnLogin *login = g_hash_table_lookup (logins, machine);

          if (login == NULL)
            g_hash_table_insert (logins, g_strdup (machine), login = g_new0 (TnLogin, 1));
          check_answer (v, step, login);
        }
      else if (g_str_equal (what, "get_key"))
        check_key (v, step);
      else if (g_str_equal (what, "map"))
        check_map (v, step);
    }

  GHashTableIter iter;
  gpointer login;

  g_hash_table_iter_init (&iter, logins);
  while (g_hash_table_iter_next (&iter, NULL, &login))
    {
      tn_login_clear (login);
      g_free (login);
    }
}

static void
test_vectors (void)
{
  static const TnVectorOp ops[] = { { NULL, test_case } };

  tn_vectors_run ("register.jsonl", 19, ops, G_N_ELEMENTS (ops), NULL);
}

/* --- What the vectors do not hold --- */

static void
test_wait (void)
{
  static const struct { guint status; const char *header; gint64 low_s, high_s; } cases[] = {
    { 429, "7", 7, 7 }, { 429, NULL, 5, 10 }, { 429, "0", 5, 10 }, { 429, "-3", 5, 10 }, { 429, "7200", 5, 10 }, { 429, "soon", 5, 10 },
    { 429, "Thu, 01 Jan 1970 00:01:00 GMT", 60, 60 }, { 503, "7", 7, 7 }, { 503, "soon", 5, 10 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_auto (TnLogin) login = { 0 };
      g_autoptr (GError) error = NULL;

      g_assert_cmpint (tn_login_evaluate (&login, cases[i].status, cases[i].header, "slow down", 9, 0, &error), ==, TN_LOGIN_WAIT);
      g_assert_error (error, TN_ERROR, TN_ERROR_CONTROL);
      g_assert_cmpint (login.wait_us, >=, cases[i].low_s * G_USEC_PER_SEC);
      g_assert_cmpint (login.wait_us, <=, cases[i].high_s * G_USEC_PER_SEC);
    }
}

/* A server that is away for a time, and does not say for how long. */
static void
test_unavailable (void)
{
  g_auto (TnLogin) login = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (tn_login_evaluate (&login, 503, NULL, "in a while", 10, 0, &error), ==, TN_LOGIN_RETRY);
  g_assert_error (error, TN_ERROR, TN_ERROR_CONTROL);
  g_assert_nonnull (strstr (error->message, "503: in a while"));
}

/* The signature of a tailnet's lock is an answer to an old key: it asks for a new one, once. */
static void
test_signature (void)
{
  static const char body[] = "{\"NodeKeySignature\":\"o2EB\",\"MachineAuthorized\":true}";
  g_auto (TnLogin) login = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (tn_login_evaluate (&login, 200, NULL, body, strlen (body), 0, &error), ==, TN_LOGIN_NEW_KEY);
  login.fresh_key = TRUE;
  g_assert_cmpint (tn_login_evaluate (&login, 200, NULL, body, strlen (body), 0, &error), ==, TN_LOGIN_DONE);
  g_assert_no_error (error);
}

static void
test_garbage (void)
{
  static const char *const bodies[] = { "", "<html>", "[]", "{\"NodeKeyExpired\":3}", "{", "{\"AuthURL\":\"x\"}}" };

  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++)
    {
      g_auto (TnLogin) login = { 0 };
      g_autoptr (GError) error = NULL;

      g_assert_cmpint (tn_login_evaluate (&login, 200, NULL, bodies[i], strlen (bodies[i]), 0, &error), ==, TN_LOGIN_RETRY);
      g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
    }
}

/* As long as they may be, and longer: what is shown and kept of an answer is bounded. */
static void
test_lengths (void)
{
  static const struct { const char *before, *after; gsize max; } texts[] = {
    { "{\"AuthURL\":\"", "\"}", TN_AUTH_URL_MAX_LEN }, { "{\"Error\":\"", "\"}", 0 }, { "{\"Login\":{\"LoginName\":\"", "\"}}", 0 },
  };
  static const gsize lengths[] = { 1, 254, TN_AUTH_URL_MAX_LEN, TN_AUTH_URL_MAX_LEN + 1, 1 << 20 };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    for (guint j = 0; j < G_N_ELEMENTS (lengths); j++)
      {
        g_autofree char *text = g_strnfill (lengths[j], 'x');
        g_autofree char *wide = g_strdup_printf ("%s\xc3\xa9", text);
        g_autofree char *body = g_strconcat (texts[i].before, texts[i].max == 0 ? wide : text, texts[i].after, NULL);
        g_auto (TnLogin) login = { 0 };
        g_autoptr (GError) error = NULL;
        TnLoginVerdict verdict = tn_login_evaluate (&login, 200, NULL, body, strlen (body), 0, &error);

        if (i == 0 && lengths[j] <= TN_AUTH_URL_MAX_LEN)
          {
            g_assert_cmpint (verdict, ==, TN_LOGIN_FOLLOW);
            g_assert_cmpstr (login.auth_url, ==, text);
          }
        else if (i == 0)
          {
            g_assert_cmpint (verdict, ==, TN_LOGIN_RETRY);
            g_assert_error (error, TN_ERROR, TN_ERROR_MALFORMED);
            g_assert_null (login.auth_url);
          }
        else if (i == 1)
          {
            g_assert_cmpint (verdict, ==, TN_LOGIN_REFUSED);
            g_assert_cmpuint (strlen (error->message), <, 1000);
            g_assert_true (g_utf8_validate (error->message, -1, NULL));
          }
        else
          {
            g_assert_cmpint (verdict, ==, TN_LOGIN_DONE);
            g_assert_cmpuint (strlen (login.login_name), <=, 1024);
            g_assert_true (g_utf8_validate (login.login_name, -1, NULL));
          }
      }
}

static void
test_logout (void)
{
  static const struct { const char *body; int code; } cases[] = {
    { "{\"NodeKeyExpired\":true,\"MachineAuthorized\":true}", -1 }, { "{}", -1 }, { "{\"Error\":\"\"}", -1 },
    { "{\"Error\":\"not today\",\"NodeKeyExpired\":true}", TN_ERROR_CONTROL }, { "", TN_ERROR_MALFORMED }, { "<html>", TN_ERROR_MALFORMED },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_cmpint (tn_login_check_logout (cases[i].body, strlen (cases[i].body), &error), ==, cases[i].code == -1);
      if (cases[i].code != -1)
        g_assert_error (error, TN_ERROR, cases[i].code);
    }
}

static void
test_url (void)
{
  static const struct { const char *text; gboolean ok; guint n_routes; guint16 ports[2]; guint delay_ms; } cases[] = {
    { "https://control.example", TRUE, 2, { 80, 443 }, 500 },
    { "https://control.example/", TRUE, 2, { 80, 443 }, 500 },
    { "https://control.example:8443", TRUE, 2, { 80, 8443 }, 0 },
    { "http://127.0.0.1", TRUE, 1, { 80 } },
    { "http://127.0.0.1:8080", TRUE, 1, { 8080 } },
    { "http://[::1]:8080", TRUE, 1, { 8080 } },
    { "http://localhost:1", TRUE, 1, { 1 } },
    { "http://10.77.0.1:8080", TRUE, 1, { 8080 } },
    { "http://[fd00::1]", TRUE, 1, { 80 } },
    { "http://control.example", FALSE }, { "http://192.0.2.1", FALSE }, { "http://localhost.example", FALSE },
    { "ftp://127.0.0.1", FALSE }, { "control.example", FALSE }, { "", FALSE }, { "https://", FALSE }, { "https://u:p@control.example", FALSE },
    { "https://control.example?x=1", FALSE }, { "caf\xe9", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TnControlUrl) url = tn_control_url_parse (cases[i].text, FALSE, &error);

      if (!cases[i].ok)
        {
          g_assert_null (url);
          g_assert_nonnull (error);
          g_assert_true (g_utf8_validate (error->message, -1, NULL));      /* it goes over D-Bus, among others */
          continue;
        }
      g_assert_no_error (error);
      g_assert_cmpuint (url->n_routes, ==, cases[i].n_routes);
      for (guint r = 0; r < url->n_routes; r++)
        g_assert_cmpuint (url->routes[r].port, ==, cases[i].ports[r]);
      if (url->n_routes > 1)
        g_assert_cmpuint (url->routes[1].delay_ms, ==, cases[i].delay_ms);
    }

  g_autoptr (GError) error = NULL;
  g_autoptr (TnControlUrl) plain = tn_control_url_parse ("http://control.example", TRUE, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (plain->n_routes, ==, 2);
  g_assert_null (tn_control_url_parse ("http://control.example", FALSE, &error));
  g_assert_error (error, TN_ERROR, TN_ERROR_BLOCKED);
}

/* tailscale ipn/ipnlocal/local_test.go: TestValidPopBrowserURL, and more. */
static void
test_pages (void)
{
  static const struct { const char *server; const char *page; gboolean shown; } cases[] = {
    { "https://control.test", "https://login.elsewhere.test/a?b#c", TRUE },
    { "https://control.test", "http://control.test/a", FALSE },
    { "http://127.0.0.1:80", "http://127.0.0.1:80/a", TRUE },
    { "http://127.0.0.1:80", "https://login.test/a", TRUE },
    { "http://127.0.0.1:80", "ftp://127.0.0.1/a", FALSE },
    { "https://control.test", "", FALSE },
    { "https://control.test", "HTTPS://control.test/", TRUE },
    { "https://control.test", "https:///a", FALSE },
    { "https://control.test", "https://control.test/\x1b[2J", FALSE },
    { "https://control.test", "https://control.test/a b", FALSE },
    { "https://control.test", "file:///bin/sh", FALSE },
    { "https://controlplane.tailscale.com", "https://tailscale.com/", TRUE },
    { "https://controlplane.tailscale.com", "https://login.tailscale.com/a/1", TRUE },
    { "https://login.tailscale.com", "https://LOGIN.tailscale.COM/a/1", TRUE },
    { "https://login.tailscale.com", "https://nottailscale.com/a/1", FALSE },
    { "https://login.tailscale.com", "https://tailscale.com@elsewhere.test/a/1", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (TnControlUrl) url = tn_control_url_parse (cases[i].server, FALSE, NULL);

      g_test_message ("%s: %s", cases[i].server, cases[i].page);
      g_assert_cmpint (tn_control_url_may_show (url, cases[i].page), ==, cases[i].shown);
    }
}

/* A proxy that sends everything to plain HTTP: the key of a server that one reaches by TLS is not to be had there. */
static void
test_way_on (void)
{
  static const struct { const char *server; const char *uri; gboolean plain; gboolean allowed; } cases[] = {
    { "https://control.test", "https://other.test/key", FALSE, TRUE },
    { "https://control.test", "http://control.test/key", FALSE, FALSE },
    { "https://control.test", "http://control.test/key", TRUE, FALSE },
    { "https://control.test", "http://127.0.0.1/key", FALSE, FALSE },
    { "http://127.0.0.1", "https://control.test/key", FALSE, TRUE },
    { "http://127.0.0.1", "http://192.168.1.1/key", FALSE, TRUE },
    { "http://127.0.0.1", "http://control.test/key", FALSE, FALSE },
    { "http://127.0.0.1", "http://control.test/key", TRUE, TRUE },
    { "http://control.test", "http://other.test/key", TRUE, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (TnControlUrl) url = tn_control_url_parse (cases[i].server, cases[i].plain, NULL);
      g_autoptr (GUri) uri = g_uri_parse (cases[i].uri, G_URI_FLAGS_NONE, NULL);

      g_test_message ("%s: %s", cases[i].server, cases[i].uri);
      g_assert_cmpint (tn_control_url_may_lead_to (url, uri), ==, cases[i].allowed);
    }
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/control/login/vectors", test_vectors);
  g_test_add_func ("/control/login/wait", test_wait);
  g_test_add_func ("/control/login/unavailable", test_unavailable);
  g_test_add_func ("/control/login/signature", test_signature);
  g_test_add_func ("/control/login/garbage", test_garbage);
  g_test_add_func ("/control/login/lengths", test_lengths);
  g_test_add_func ("/control/login/logout", test_logout);
  g_test_add_func ("/control/url/parse", test_url);
  g_test_add_func ("/control/url/pages", test_pages);
  g_test_add_func ("/control/url/way-on", test_way_on);
  return g_test_run ();
}
