/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-client-private.h"

#include <string.h>

/* --- Requests of the server to the node: HTTP/1 inside the map stream --- */

enum { BODY_MAX_LEN = 1 << 20 };

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

static GBytes *
answer (const char *status,
        const char *body,
        gsize       len)
{
  GString *out = g_string_new (NULL);

  g_string_printf (out, "HTTP/1.1 %s\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n", status, len);
  g_string_append_len (out, body, (gssize) len);
  return g_string_free_to_bytes (out);
}

GBytes *
tn_control_answer_c2n (const char *request,
                       gsize       len)
{
  static const char unknown[] = "unknown c2n path\n", bad[] = "bad request\n";
  g_autoptr (SoupMessageHeaders) headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_REQUEST);
  const char *end = g_strstr_len (request, (gssize) len, "\r\n\r\n");
  gsize head_len = end != NULL ? (gsize) (end - request) + 2 : 0;
  g_autofree char *path = NULL;
  g_autoptr (GString) body = NULL;
  SoupHTTPVersion version;

  if (end == NULL || head_len > G_MAXINT ||
      soup_headers_parse_request (request, (int) head_len, headers, NULL, &path, &version) != SOUP_STATUS_OK)
    return answer ("400 Bad Request", bad, strlen (bad));
  if (strcmp (path, "/echo") != 0)
    return answer ("400 Bad Request", unknown, strlen (unknown));
  body = read_body (headers, end + 4, len - (gsize) (end + 4 - request));
  if (body == NULL)
    return answer ("400 Bad Request", bad, strlen (bad));
  return answer ("200 OK", body->str, body->len);
}

/* --- Pings --- */

enum { PINGS_MAX = 4 };      /* under way, inside and outside each: a URL that never answers must not fill our memory */

static gboolean
may_send (guint n_pings)
{
  if (n_pings == PINGS_MAX)
    g_debug ("control: ping left out: %d wait for an answer", PINGS_MAX);
  return n_pings < PINGS_MAX;
}

static void
closed_cb (TnHttp2Stream *stream,
           const GError  *error,
           gpointer       user_data)
{
  TnControlClient *self = user_data;

  self->n_pings_inside--;
}

static const TnHttp2StreamHandler ping_handler = { .closed = closed_cb };      /* what comes back does not matter */

/* Only the path of the URL counts inside the control connection. */
static void
send_inside (TnControlClient *self,
             const char      *method,
             GUri            *uri,
             GBytes          *body)
{
  const char *query = g_uri_get_query (uri);
  const char *path = *g_uri_get_path (uri) != '\0' ? g_uri_get_path (uri) : "/";
  g_autofree char *target = query != NULL ? g_strdup_printf ("%s?%s", path, query) : g_strdup (path);

  if (!may_send (self->n_pings_inside))
    return;
  self->n_pings_inside++;
  tn_http2_request (tn_noise_connection_get_http2 (self->connection), method, self->url->authority, target, NULL, body, &ping_handler, self);
}

static void
head_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) stream = soup_session_send_finish (SOUP_SESSION (object), result, &error);
  guint *n_pings = user_data;

  (*n_pings)--;
  g_rc_box_release (n_pings);
  if (stream == NULL)
    g_debug ("control: ping not answered: %s", error->message);
}

static void
send_outside (TnControlClient *self,
              GUri            *uri)
{
  g_autoptr (SoupMessage) message = NULL;

  if (!may_send (*self->n_pings_outside))
    return;
  (*self->n_pings_outside)++;
  message = soup_message_new_from_uri ("HEAD", uri);
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  soup_session_send_async (self->soup, message, G_PRIORITY_DEFAULT, NULL, head_cb, g_rc_box_acquire (self->n_pings_outside));
}

void
tn_control_client_answer_ping (TnControlClient    *self,
                               const TnMapMessage *message)
{
  g_autoptr (GUri) uri = NULL;

  if (g_strcmp0 (message->ping_url, self->last_ping_url) == 0 || self->connection == NULL)
    return;
  g_free (self->last_ping_url);
  self->last_ping_url = g_strdup (message->ping_url);

  uri = g_uri_parse (message->ping_url, SOUP_HTTP_URI_FLAGS, NULL);
  if (uri == NULL || (strcmp (g_uri_get_scheme (uri), "http") != 0 && strcmp (g_uri_get_scheme (uri), "https") != 0) ||
      g_uri_get_host (uri) == NULL || *g_uri_get_host (uri) == '\0')
    return;

  if (message->ping_types == NULL && message->ping_is_noise)
    {
      send_inside (self, "HEAD", uri, NULL);
    }
  else if (message->ping_types == NULL)
    {
      send_outside (self, uri);
    }
  else if (strcmp (message->ping_types, "c2n") == 0 && message->ping_payload != NULL)
    {
      gsize len;
      const char *request = g_bytes_get_data (message->ping_payload, &len);
      g_autoptr (GBytes) reply = tn_control_answer_c2n (request, len);

      send_inside (self, "POST", uri, reply);
    }
  else
    g_debug ("control: ping of kind %s ignored", message->ping_types);
}
