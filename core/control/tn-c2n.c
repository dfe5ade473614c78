/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-c2n.h"

#include <libsoup/soup.h>
#include <string.h>

#define BODY_MAX_LEN    (1 << 20)
#define LIMIT_S         60.0      /* tailscale feature/c2n: what a handler has, unless the server says */
#define LIMIT_MAX_S     300.0
#define TEXT_TYPE       "text/plain; charset=utf-8"
#define JSON_TYPE       "application/json"

/* --- Requests --- */

/* RFC 9112 §7.1, without extensions and trailers. */
static GString *
decode_chunks (const char *body,
               gsize       len)
{
  g_autoptr (GString) out = g_string_new (NULL);
  const char *end = body + len;

  for (;;)
    {
      const char *line = g_strstr_len (body, end - body, "\r\n");
      g_autofree char *digits = NULL;
      guint64 size;
      char *rest;

      if (line == NULL)
        return NULL;
      digits = g_strndup (body, (gsize) (line - body));
      size = g_ascii_strtoull (digits, &rest, 16);
      if (rest == digits || (*rest != '\0' && *rest != ';' && *rest != ' ') || size > BODY_MAX_LEN)
        return NULL;
      body = line + 2;
      if (size == 0)
        return g_steal_pointer (&out);
      if ((guint64) (end - body) < size + 2)
        return NULL;
      g_string_append_len (out, body, (gssize) size);
      body += size + 2;
    }
}

static GString *
read_body (SoupMessageHeaders *headers,
           const char         *body,
           gsize               len)
{
  if (soup_message_headers_get_encoding (headers) == SOUP_ENCODING_CHUNKED)
    return decode_chunks (body, len);
  if (soup_message_headers_get_encoding (headers) == SOUP_ENCODING_CONTENT_LENGTH)
    len = MIN (len, (gsize) CLAMP (soup_message_headers_get_content_length (headers), 0, BODY_MAX_LEN));
  return g_string_new_len (body, (gssize) len);
}

/* Go's time.ParseDuration, in seconds: "1m30s", "1.5h", "500ms". Negative: it is none. */
static double
parse_duration (const char *text)
{
  static const struct { const char *unit; double s; } units[] = {
    { "ns", 1e-9 }, { "us", 1e-6 }, { "µs", 1e-6 }, { "μs", 1e-6 }, { "ms", 1e-3 }, { "s", 1 }, { "m", 60 }, { "h", 3600 },
  };
  double sum = 0;

  if (*text == '\0')
    return -1;
  while (*text != '\0')
    {
      double number;
      char *unit;
      guint i;

      if (!g_ascii_isdigit (*text) && *text != '.')
        return -1;
      number = g_ascii_strtod (text, &unit);
      for (i = 0; i < G_N_ELEMENTS (units) && !g_str_has_prefix (unit, units[i].unit); i++)
        ;
      if (unit == text || i == G_N_ELEMENTS (units))
        return -1;
      sum += number * units[i].s;
      text = unit + strlen (units[i].unit);
    }
  return sum;
}

static gint64
read_limit (SoupMessageHeaders *headers)
{
  const char *text = soup_message_headers_get_one (headers, "C2n-Handler-Timeout");
  double seconds = text != NULL ? parse_duration (text) : LIMIT_S;

  if (seconds < 0)
    seconds = LIMIT_S;
  return (gint64) (MIN (seconds, LIMIT_MAX_S) * G_USEC_PER_SEC);
}

/* --- Answers --- */

static GBytes *
write_answer (const char *status,
              const char *type,      /* nullable */
              const char *body,
              gsize       len)
{
  GString *out = g_string_new (NULL);

  g_string_printf (out, "HTTP/1.1 %s\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n", status, len);
  if (type != NULL)
    g_string_append_printf (out, "Content-Type: %s\r\n", type);
  g_string_append (out, "\r\n");
  g_string_append_len (out, body, (gssize) len);
  return g_string_free_to_bytes (out);
}

static GBytes *
write_text (const char *status,
            const char *text)
{
  return write_answer (status, TEXT_TYPE, text, strlen (text));
}

/* What there is to say. A node of this library does not update itself, has no certificate, tells nothing of the machine it is on and
 * lets nobody log in there; so the server need not ask twice. Everything else is answered like a path that nobody knows. */
typedef struct
{
  const char  *path;
  const char  *method;      /* NULL: any */
  TnC2nReport  report;
  const char  *json;        /* NULL: the report, or the body of the request */
} Endpoint;

static const Endpoint endpoints[] = {
  { "/echo", NULL, TN_C2N_REPORT_NONE, NULL },
  { "/debug/health", NULL, TN_C2N_REPORT_HEALTH, NULL },
  { "/debug/metrics", NULL, TN_C2N_REPORT_METRICS, NULL },
  { "/posture/identity", "GET", TN_C2N_REPORT_NONE, "{\"PostureDisabled\":true}" },
  { "/ssh/usernames", NULL, TN_C2N_REPORT_NONE, "{\"Usernames\":[]}" },
  { "/tls-cert-status", "GET", TN_C2N_REPORT_NONE, "{\"Missing\":true}" },
  { "/update", "GET", TN_C2N_REPORT_NONE, "{\"Enabled\":false,\"Supported\":false,\"Started\":false}" },
};

static const Endpoint *
find_endpoint (const char *target)
{
  g_autofree char *path = NULL;

  if (!g_uri_split (target, G_URI_FLAGS_NONE, NULL, NULL, NULL, NULL, &path, NULL, NULL, NULL))
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (endpoints); i++)
    if (g_str_equal (endpoints[i].path, path))
      return &endpoints[i];
  return NULL;
}

GBytes *
tn_c2n_answer (const char  *request,
               gsize        len,
               TnC2nReport *report,
               gint64      *limit_us)
{
  g_autoptr (SoupMessageHeaders) headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_REQUEST);
  const char *end = g_strstr_len (request, (gssize) len, "\r\n\r\n");
  gsize head_len = end != NULL ? (gsize) (end - request) + 2 : 0;
  g_autofree char *method = NULL;
  g_autofree char *target = NULL;
  g_autoptr (GString) body = NULL;
  const Endpoint *endpoint;
  SoupHTTPVersion version;

  if (end == NULL || head_len > G_MAXINT ||
      soup_headers_parse_request (request, (int) head_len, headers, &method, &target, &version) != SOUP_STATUS_OK)
    return write_text ("400 Bad Request", "bad request\n");
  endpoint = find_endpoint (target);
  if (endpoint == NULL)
    return write_text ("400 Bad Request", "unknown c2n path\n");
  if (endpoint->method != NULL && !g_str_equal (method, endpoint->method))
    return write_text ("405 Method Not Allowed", "bad method\n");
  if (endpoint->json != NULL)
    return write_answer ("200 OK", JSON_TYPE, endpoint->json, strlen (endpoint->json));
  if (endpoint->report != TN_C2N_REPORT_NONE)
    {
      *report = endpoint->report;
      *limit_us = read_limit (headers);
      return NULL;
    }

  body = read_body (headers, end + 4, len - (gsize) (end + 4 - request));
  if (body == NULL)
    return write_text ("400 Bad Request", "bad request\n");
  return write_answer ("200 OK", NULL, body->str, body->len);
}

GBytes *
tn_c2n_answer_report (TnC2nReport  report,
                      const char  *text)
{
  if (text == NULL)
    return write_text ("503 Service Unavailable", "not known\n");
  return write_answer ("200 OK", report == TN_C2N_REPORT_HEALTH ? JSON_TYPE : TEXT_TYPE, text, strlen (text));
}
