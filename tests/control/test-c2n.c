/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tn-c2n.h"

/* What a control server asks through the map stream, and what it is told. */

#define TEXT "Content-Type: text/plain; charset=utf-8\r\n\r\n"
#define JSON "Content-Type: application/json\r\n\r\n"
#define BAD "HTTP/1.1 400 Bad Request\r\nContent-Length: 12\r\n" TEXT "bad request\n"
#define UNKNOWN "HTTP/1.1 400 Bad Request\r\nContent-Length: 17\r\n" TEXT "unknown c2n path\n"
#define BAD_METHOD "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 11\r\n" TEXT "bad method\n"
#define UPDATE "{\"Enabled\":false,\"Supported\":false,\"Started\":false}"

static void
test_answer (void)
{
  static const struct { const char *request, *answer; } cases[] = {
    { "POST /echo HTTP/1.1\r\nHost: \r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" },
    { "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" },
    { "GET /echo HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
    { "GET /echo?why=not HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
    { "GET http://unused/echo HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
    { "GET /%65cho HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
    { "GET /posture/identity HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 24\r\n" JSON "{\"PostureDisabled\":true}" },
    { "GET /posture/identity?hwaddrs=true HTTP/1.1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 24\r\n" JSON "{\"PostureDisabled\":true}" },
    { "GET /tls-cert-status?domain=a.example HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n" JSON "{\"Missing\":true}" },
    { "POST /ssh/usernames HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n" JSON "{\"Usernames\":[]}" },
    { "GET /update HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 51\r\n" JSON UPDATE },
    { "POST /update HTTP/1.1\r\n\r\n", BAD_METHOD },
    { "POST /posture/identity HTTP/1.1\r\n\r\n", BAD_METHOD },
    { "get /posture/identity HTTP/1.1\r\n\r\n", BAD_METHOD },
    { "DELETE /tls-cert-status HTTP/1.1\r\n\r\n", BAD_METHOD },
    { "GET /debug/netmap HTTP/1.1\r\n\r\n", UNKNOWN },
    { "GET /debug/prefs HTTP/1.1\r\n\r\n", UNKNOWN },
    { "POST /logtail/flush HTTP/1.1\r\n\r\n", UNKNOWN },
    { "POST /remoteapi/localapi/v0/prefs HTTP/1.1\r\n\r\n", UNKNOWN },
    { "GET /echo/ HTTP/1.1\r\n\r\n", UNKNOWN },
    { "GET /ECHO HTTP/1.1\r\n\r\n", UNKNOWN },
    { "GET * HTTP/1.1\r\n\r\n", UNKNOWN },
    { "GET /%ff%zz HTTP/1.1\r\n\r\n", UNKNOWN },
    { "nonsense", BAD },
    { "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhel", BAD },
    { "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhel", BAD },
    { "", BAD },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      TnC2nReport report = TN_C2N_REPORT_NONE;
      gint64 limit_us = -1;
      g_autoptr (GBytes) answer = tn_c2n_answer (cases[i].request, strlen (cases[i].request), &report, &limit_us);
      gsize len;
      const char *data;

      g_test_message ("%s", cases[i].request);
      g_assert_nonnull (answer);
      g_assert_cmpint (report, ==, TN_C2N_REPORT_NONE);
      data = g_bytes_get_data (answer, &len);
      g_assert_cmpmem (data, len, cases[i].answer, strlen (cases[i].answer));
    }
}

/* What only the node knows, and how long the server waits for it. */
static void
test_report (void)
{
  static const struct { const char *timeout; gint64 limit_ms; } cases[] = {
    { NULL, 60000 }, { "1m30s", 90000 }, { "500ms", 500 }, { "1.5s", 1500 }, { "0s", 0 }, { "2us", 0 }, { "300s", 300000 },
    { "1h", 300000 }, { "1e300h", 300000 }, { "99999999999999999999h", 300000 }, { "-5s", 60000 }, { "soon", 60000 }, { "5", 60000 },
    { "", 60000 }, { ".s", 60000 }, { "5 s", 60000 },
  };
  static const struct { const char *path; TnC2nReport report; const char *type; } paths[] = {
    { "/debug/health", TN_C2N_REPORT_HEALTH, "application/json" }, { "/debug/metrics", TN_C2N_REPORT_METRICS, "text/plain; charset=utf-8" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (guint j = 0; j < G_N_ELEMENTS (paths); j++)
      {
        g_autofree char *header = cases[i].timeout != NULL ? g_strdup_printf ("C2n-Handler-Timeout: %s\r\n", cases[i].timeout) : g_strdup ("");
        g_autofree char *request = g_strdup_printf ("GET %s HTTP/1.1\r\n%s\r\n", paths[j].path, header);
        g_autofree char *expected = g_strdup_printf ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: %s\r\n\r\n{}", paths[j].type);
        g_autoptr (GBytes) answer = NULL;
        TnC2nReport report = TN_C2N_REPORT_NONE;
        gint64 limit_us = -1;

        g_test_message ("%s", request);
        g_assert_null (tn_c2n_answer (request, strlen (request), &report, &limit_us));
        g_assert_cmpint (report, ==, paths[j].report);
        g_assert_cmpint (limit_us / 1000, ==, cases[i].limit_ms);
        answer = tn_c2n_answer_report (report, "{}");
        g_assert_cmpmem (g_bytes_get_data (answer, NULL), g_bytes_get_size (answer), expected, strlen (expected));
      }
}

static void
test_no_report (void)
{
  g_autoptr (GBytes) answer = tn_c2n_answer_report (TN_C2N_REPORT_HEALTH, NULL);

  g_assert_true (g_str_has_prefix (g_bytes_get_data (answer, NULL), "HTTP/1.1 503 "));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/control/c2n/answer", test_answer);
  g_test_add_func ("/control/c2n/report", test_report);
  g_test_add_func ("/control/c2n/no-report", test_no_report);
  return g_test_run ();
}
