/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-client-private.h"

#include <string.h>

#include "tn-cancel-source.h"
#include "tn-error.h"
#include "tn-secret.h"
#include "tn-shown.h"

/* What the program wants of the server beside the map: one request, one answer. */

enum
{
  ANSWER_MAX_LEN = 64 << 10,
  WORDS_MAX_LEN = 200,
};

typedef struct
{
  const char *path;
  const char *failure;                                                     /* "cannot …": in front of every error */
  /* What came with status 200, into what the task returns. NULL: TRUE, whatever came. */
  char     *(*parse) (const char *body, gsize len, GError **error);
} Endpoint;

typedef struct
{
  TnControlClient *client;
  const Endpoint  *endpoint;
  GTask           *task;
  GBytes          *body;           /* NULL: sent */
  TnHttp2Stream   *stream;         /* NULL: it has not begun, or has ended */
  GByteArray      *answer;         /* what it holds may be a secret */
  GSource         *limit;
  GSource         *cancelled;      /* nullable */
} Request;

/* --- Its end --- */

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

/* Takes it out first: the callback of its task may end the client, and with it all requests that are still there. */
static GTask *
end_request (Request *request)
{
  GTask *task = g_steal_pointer (&request->task);

  g_ptr_array_remove_fast (request->client->requests, request);
  clear_source (&request->limit);
  clear_source (&request->cancelled);
  g_clear_pointer (&request->stream, tn_http2_stream_cancel);
  if (request->answer->len > 0)      /* else there may be no memory at all */
    explicit_bzero (request->answer->data, request->answer->len);
  g_byte_array_unref (request->answer);
  g_clear_pointer (&request->body, g_bytes_unref);
  g_free (request);
  return task;
}

static void
fail (GTask          *task,
      const Endpoint *endpoint,
      GError         *error)      /* taken */
{
  g_prefix_error (&error, "%s: ", endpoint->failure);
  g_task_return_error (task, error);
}

static void
fail_request (Request *request,
              GError  *error)      /* taken */
{
  const Endpoint *endpoint = request->endpoint;
  g_autoptr (GTask) task = end_request (request);

  fail (task, endpoint, error);
}

void
tn_control_client_end_requests (TnControlClient *self)
{
  while (self->requests->len > 0)
    fail_request (g_ptr_array_index (self->requests, 0), g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CLOSED, "device stopped"));
}

static gboolean
limit_cb (gpointer user_data)
{
  Request *request = user_data;

  fail_request (request, g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer of the control server within %d s",
                                      (int) (request->client->request_max_us / G_USEC_PER_SEC)));
  return G_SOURCE_REMOVE;
}

static gboolean
cancelled_cb (GCancellable *cancellable,
              gpointer      user_data)
{
  g_autoptr (GTask) task = end_request (user_data);

  g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

/* --- The answer --- */

static void
answer_data (TnHttp2Stream *stream,
             const guint8  *data,
             gsize          len,
             gpointer       user_data)
{
  Request *request = user_data;

  if (request->answer->len + len <= ANSWER_MAX_LEN)
    {
      g_byte_array_append (request->answer, data, (guint) len);
      return;
    }
  fail_request (request, g_error_new (TN_ERROR, TN_ERROR_MALFORMED, "answer of the control server is longer than %d bytes", ANSWER_MAX_LEN));
}

/* The first line of what the server says to people. */
static GError *
refusal (Request *request,
         guint    status)
{
  const char *body = request->answer->len > 0 ? (const char *) request->answer->data : "";
  g_autofree char *text = tn_shown (body, MIN (request->answer->len, WORDS_MAX_LEN));

  g_strchug (text);
  text[strcspn (text, "\r\n")] = '\0';
  return g_error_new (TN_ERROR, TN_ERROR_CONTROL, *text != '\0' ? "control server answered with status %u: %s"
                                                                : "control server answered with status %u%s", status, text);
}

static void
succeed (Request *request)
{
  const Endpoint *endpoint = request->endpoint;
  GError *error = NULL;
  g_autoptr (GTask) task = NULL;
  char *value = NULL;

  if (endpoint->parse != NULL)
    value = endpoint->parse ((const char *) request->answer->data, request->answer->len, &error);
  if (error != NULL)
    {
      fail_request (request, error);
      return;
    }
  task = end_request (request);
  if (value != NULL)
    g_task_return_pointer (task, value, g_free);
  else
    g_task_return_boolean (task, TRUE);
}

static void
answer_closed (TnHttp2Stream *stream,
               const GError  *error,
               gpointer       user_data)
{
  Request *request = user_data;
  guint status = tn_http2_stream_get_status (stream);

  request->stream = NULL;
  if (error != NULL)
    fail_request (request, g_error_copy (error));
  else if (status != SOUP_STATUS_OK)
    fail_request (request, refusal (request, status));
  else
    succeed (request);
}

static const TnHttp2StreamHandler answer_handler = { .data = answer_data, .closed = answer_closed };

/* --- Its beginning --- */

static void
watch (Request *request)
{
  GCancellable *cancellable = g_task_get_cancellable (request->task);
  GMainContext *context = request->client->context;

  request->limit = g_timeout_source_new ((guint) (request->client->request_max_us / 1000));
  g_source_set_callback (request->limit, limit_cb, request, NULL);
  g_source_attach (request->limit, context);
  if (cancellable == NULL)
    return;
  request->cancelled = tn_cancel_source_new (cancellable);
  g_source_set_callback (request->cancelled, G_SOURCE_FUNC (cancelled_cb), request, NULL);
  g_source_attach (request->cancelled, context);
}

static void
send_request (Request *request)
{
  static const char *const headers[] = { "content-type", "application/json", NULL };
  g_autoptr (GBytes) body = g_steal_pointer (&request->body);
  TnControlClient *self = request->client;

  request->stream = tn_http2_request (tn_noise_connection_get_http2 (self->connection), "POST", self->url->authority,
                                      request->endpoint->path, headers, body, &answer_handler, request);
}

void
tn_control_client_send_requests (TnControlClient *self)
{
  for (guint i = 0; i < self->requests->len; i++)
    {
      Request *request = g_ptr_array_index (self->requests, i);

      if (request->body != NULL)
        send_request (request);
    }
}

static void
post (TnControlClient *self,
      const Endpoint  *endpoint,
      char            *body,      /* taken */
      GTask           *task)
{
  g_autoptr (GBytes) bytes = tn_secret_bytes_new_take (body, strlen (body));
  gboolean open = self->connection != NULL && tn_noise_connection_is_open (self->connection);
  gboolean moving = self->connection == NULL && self->leaving != NULL;
  Request *request;

  if (!self->registered || (!open && !moving))
    {
      fail (task, endpoint, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "there is no connection to the control server"));
      return;
    }
  request = g_new0 (Request, 1);
  request->client = self;
  request->endpoint = endpoint;
  request->task = g_object_ref (task);
  request->answer = g_byte_array_new ();
  request->body = g_steal_pointer (&bytes);
  g_ptr_array_add (self->requests, request);
  if (open)
    send_request (request);
  watch (request);
}

/* --- Identity tokens --- */

void
tn_control_client_fetch_id_token (TnControlClient *self,
                                  const char      *audience,
                                  GTask           *task)
{
  static const Endpoint endpoint = { "/machine/id-token", "cannot fetch an identity token", tn_wire_id_token_parse };
  TnNodePublicKey node_key;

  tn_node_private_key_get_public (self->node_key, &node_key);
  post (self, &endpoint, tn_wire_id_token_request_write (&node_key, audience), task);
}

/* --- Names --- */

void
tn_control_client_publish_txt (TnControlClient *self,
                               const char      *name,
                               const char      *value,
                               GTask           *task)
{
  static const Endpoint endpoint = { "/machine/set-dns", "cannot publish a TXT record", NULL };
  TnNodePublicKey node_key;

  tn_node_private_key_get_public (self->node_key, &node_key);
  post (self, &endpoint, tn_wire_set_dns_request_write (&node_key, name, value), task);
}
