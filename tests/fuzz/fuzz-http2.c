/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-http2.h"

/* One stream as its user sees it. */
typedef struct
{
  gboolean heard;       /* of its head */
  gboolean ended;
  gboolean closed;
  gsize    len;
} Seen;

static void
headers_cb (TnHttp2Stream *stream, gpointer user_data)
{
  Seen *seen = user_data;

  g_assert (!seen->heard && !seen->closed);
  seen->heard = TRUE;
  g_assert (tn_http2_stream_get_status (stream) >= 200);
  (void) tn_http2_stream_get_header (stream, "retry-after");
}

static void
data_cb (TnHttp2Stream *stream, const guint8 *data, gsize len, gpointer user_data)
{
  Seen *seen = user_data;

  g_assert (!seen->ended && !seen->closed);
  for (gsize i = 0; i < len; i++)
    seen->len += data[i] != 0;
}

static void
end_cb (TnHttp2Stream *stream, gpointer user_data)
{
  Seen *seen = user_data;

  g_assert (!seen->ended && !seen->closed);
  seen->ended = TRUE;
}

static void
closed_cb (TnHttp2Stream *stream, const GError *error, gpointer user_data)
{
  Seen *seen = user_data;

  g_assert (!seen->closed);
  seen->closed = TRUE;
}

static const TnHttp2StreamHandler client_stream = { .headers = headers_cb, .data = data_cb, .end = end_cb, .closed = closed_cb };
static const TnHttp2StreamHandler server_stream = { .data = data_cb, .end = end_cb, .closed = closed_cb };

static Seen served;

/* Only the first request has somebody who listens. */
static void
serve (TnHttp2 *http2, TnHttp2Stream *stream, gpointer user_data)
{
  static const char *const headers[] = { "content-type", "text/plain", NULL };
  gboolean *first = user_data;

  if (*first)
    tn_http2_stream_set_handler (stream, &server_stream, &served);
  *first = FALSE;
  tn_http2_stream_respond (stream, tn_http2_stream_get_path (stream) != NULL ? 200 : 400, headers);
  tn_http2_stream_write (stream, "answer", 6);
  tn_http2_stream_end (stream);
}

/* In two pieces, as a connection may have it. */
static void
feed (TnHttp2       *http2,
      const uint8_t *data,
      size_t         size)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) end = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CLOSED, "end");
  gsize half = size / 2;

  if (tn_http2_pull (http2, out, G_MAXUINT16, NULL) && tn_http2_receive (http2, data, half, &error) &&
      tn_http2_pull (http2, out, G_MAXUINT16, NULL) && tn_http2_receive (http2, data + half, size - half, &error))
    (void) !tn_http2_pull (http2, out, G_MAXUINT16, NULL);
  tn_http2_shutdown (http2, end);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  static const TnHttp2Handler client_handler, server_handler = { .request = serve };
  gboolean first = TRUE;
  g_autoptr (TnHttp2) client = tn_http2_new_client (&client_handler, NULL);
  g_autoptr (TnHttp2) server = tn_http2_new_server (&server_handler, &first);
  g_autoptr (GBytes) body = g_bytes_new_static ("{}", 2);
  Seen asked[2] = { { 0 } };

  served = (Seen) { 0 };
  tn_http2_request (client, "POST", "control.example", "/machine/map", NULL, body, &client_stream, &asked[0]);
  tn_http2_request (client, "HEAD", "control.example", "/ping", NULL, NULL, &client_stream, &asked[1]);
  feed (client, data, size);
  g_assert (asked[0].closed && asked[1].closed);
  feed (server, data, size);
  g_assert (first || served.closed);
  return 0;
}
