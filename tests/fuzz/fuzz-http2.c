/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-http2.h"

static void
serve (TnHttp2 *http2, TnHttp2Stream *stream, gpointer user_data)
{
  tn_http2_stream_respond (stream, tn_http2_stream_get_path (stream) != NULL ? 200 : 400, NULL);
  tn_http2_stream_end (stream);
}

static const TnHttp2StreamHandler nobody;

static void
feed (TnHttp2       *http2,
      const uint8_t *data,
      size_t         size)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) end = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CLOSED, "end");

  if (tn_http2_pull (http2, out, G_MAXUINT16, NULL) && tn_http2_receive (http2, data, size, &error))
    (void) !tn_http2_pull (http2, out, G_MAXUINT16, NULL);
  tn_http2_shutdown (http2, end);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  static const TnHttp2Handler client_handler, server_handler = { .request = serve };
  g_autoptr (TnHttp2) client = tn_http2_new_client (&client_handler, NULL);
  g_autoptr (TnHttp2) server = tn_http2_new_server (&server_handler, NULL);

  tn_http2_request (client, "POST", "control.example", "/machine/map", NULL, NULL, &nobody, NULL);
  feed (client, data, size);
  feed (server, data, size);
  return 0;
}
