/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-control-client-private.h"

#include <string.h>

#include "tn-secret.h"
#include "tn-soup.h"

/* What the server asks of the node through the map stream (PingRequest): a sign of life, pings of peers, requests of its own (C2N). The
 * answer goes to a URL, inside the connection or outside of it, and whatever the server makes of it does not matter. All of it is
 * bounded in number and time: a URL that never answers must not fill our memory. */

/* Under way at a time. Signs of life and requests do not wait for pings, which take as long as peers that are not there. */
enum
{
  ANSWERS_MAX = 4,      /* inside, and as many outside */
  PINGS_MAX = 8,
};

/* tailscale control/controlclient/direct.go, feature/c2n. */
enum
{
  PING_S = 10,
  ANSWER_S = 15,
  C2N_ANSWER_S = 60,
};

#define REPLY_MAX_LEN (64 << 10)      /* of what nobody reads; who says more is cut short */

typedef struct
{
  grefcount        ref_count;       /* of the list of the client, and of each callback to come */
  TnControlClient *client;          /* NULL: over */
  GUri            *uri;
  gboolean         inside;
  gboolean         is_ping;
  TnControlPing    kind;            /* of a ping */
  TnIpAddress      address;
  TnC2nReport      report;          /* of a request that asks for one */
  GCancellable    *cancellable;
  GSource         *limit;           /* nullable */
  TnHttp2Stream   *stream;          /* nullable */
  gsize            n_received;
} Question;

/* --- Life --- */

static Question *
question_ref (Question *question)
{
  g_ref_count_inc (&question->ref_count);
  return question;
}

static void
question_unref (Question *question)
{
  if (!g_ref_count_dec (&question->ref_count))
    return;
  g_uri_unref (question->uri);
  g_object_unref (question->cancellable);
  g_free (question);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Question, question_unref)

static void
clear_limit (Question *question)
{
  if (question->limit != NULL)
    g_source_destroy (question->limit);
  g_clear_pointer (&question->limit, g_source_unref);
}

/* Whatever still comes back finds that it is over. */
static void
question_end (Question *question)
{
  TnControlClient *client = g_steal_pointer (&question->client);

  if (client == NULL)
    return;
  clear_limit (question);
  g_clear_pointer (&question->stream, tn_http2_stream_cancel);
  g_cancellable_cancel (question->cancellable);
  g_ptr_array_remove_fast (client->questions, question);
  question_unref (question);
}

void
tn_control_client_end_questions (TnControlClient *self)
{
  while (self->questions->len > 0)
    question_end (g_ptr_array_index (self->questions, 0));
}

static guint
count (TnControlClient *self,
       gboolean         is_ping,
       gboolean         inside)
{
  guint n = 0;

  for (guint i = 0; i < self->questions->len; i++)
    {
      const Question *question = g_ptr_array_index (self->questions, i);

      n += question->is_ping == is_ping && (is_ping || question->inside == inside);
    }
  return n;
}

/* NULL: there are too many. Borrowed. */
static Question *
question_new (TnControlClient *self,
              GUri            *uri,
              gboolean         is_ping,
              gboolean         inside)
{
  Question *question;
  guint max = is_ping ? PINGS_MAX : ANSWERS_MAX;

  if (count (self, is_ping, inside) >= max)
    {
      g_debug ("control: ping left out: %u are under way", max);
      return NULL;
    }
  question = g_new0 (Question, 1);
  g_ref_count_init (&question->ref_count);
  question->client = self;
  question->uri = g_uri_ref (uri);
  question->is_ping = is_ping;
  question->inside = inside;
  question->cancellable = g_cancellable_new ();
  g_ptr_array_add (self->questions, question);
  return question;
}

static gboolean
limit_cb (gpointer user_data)
{
  g_debug ("control: ping took too long");
  question_end (user_data);
  return G_SOURCE_REMOVE;
}

static void
set_limit (Question *question,
           gint64    limit_us)
{
  clear_limit (question);
  question->limit = g_timeout_source_new ((guint) (MIN (limit_us, question->client->question_max_us) / 1000));
  g_source_set_callback (question->limit, limit_cb, question, NULL);
  g_source_attach (question->limit, question->client->context);
}

/* --- Answers --- */

static void
reply_data (TnHttp2Stream *stream,
            const guint8  *data,
            gsize          len,
            gpointer       user_data)
{
  Question *question = user_data;

  question->n_received += len;
  if (question->n_received > REPLY_MAX_LEN)
    question_end (question);
}

static void
reply_closed (TnHttp2Stream *stream,
              const GError  *error,
              gpointer       user_data)
{
  Question *question = user_data;

  if (error != NULL)
    g_debug ("control: ping not answered: %s", error->message);
  question->stream = NULL;
  question_end (question);
}

static const TnHttp2StreamHandler reply_handler = { .data = reply_data, .closed = reply_closed };

/* Only the path of the URL counts inside the control connection. */
static void
send_inside (Question   *question,
             const char *method,
             GBytes     *body)
{
  TnControlClient *self = question->client;
  const char *query = g_uri_get_query (question->uri);
  const char *path = *g_uri_get_path (question->uri) != '\0' ? g_uri_get_path (question->uri) : "/";
  g_autofree char *target = query != NULL ? g_strdup_printf ("%s?%s", path, query) : g_strdup (path);

  if (self->connection == NULL)
    {
      question_end (question);
      return;
    }
  question->stream = tn_http2_request (tn_noise_connection_get_http2 (self->connection), method, self->url->authority, target, NULL, body,
                                       &reply_handler, question);
}

static void
sent_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (Question) question = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GInputStream) stream = soup_session_send_finish (SOUP_SESSION (object), result, &error);

  if (stream == NULL)
    g_debug ("control: ping not answered: %s", error->message);
  question_end (question);
}

static void
send_outside (Question   *question,
              const char *method,
              GBytes     *body)
{
  g_autoptr (SoupMessage) message = soup_message_new_from_uri (method, question->uri);

  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  if (body != NULL)
    soup_message_set_request_body_from_bytes (message, "application/json", body);
  tn_soup_limit_interim (message, question->cancellable);
  soup_session_send_async (question->client->soup, message, G_PRIORITY_DEFAULT, question->cancellable, sent_cb, question_ref (question));
}

static void
send_answer (Question   *question,
             const char *method,
             GBytes     *body,      /* nullable */
             guint       limit_s)
{
  set_limit (question, (gint64) limit_s * G_USEC_PER_SEC);
  if (question->inside)
    send_inside (question, method, body);
  else
    send_outside (question, method, body);
}

/* --- Signs of life --- */

static void
show_life (TnControlClient *self,
           GUri            *uri,
           gboolean         inside)
{
  Question *question = question_new (self, uri, FALSE, inside);

  if (question != NULL)
    send_answer (question, "HEAD", NULL, ANSWER_S);
}

/* --- Pings of peers --- */

static void
pong_cb (GObject      *object,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (Question) question = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (TnPong) pong = g_task_propagate_pointer (G_TASK (result), &error);
  g_autoptr (GBytes) body = NULL;
  char *text;

  if (question->client == NULL)
    return;
  if (pong == NULL)
    {
      g_debug ("control: %s ping that was asked for: %s", tn_control_ping_get_name (question->kind), error->message);
      question_end (question);
      return;
    }
  text = tn_wire_ping_response_write (question->kind, &question->address, pong);
  body = g_bytes_new_take (text, strlen (text));
  send_answer (question, "POST", body, ANSWER_S);
}

static void
ping (TnControlClient   *self,
      GUri              *uri,
      gboolean           inside,
      TnControlPing      kind,
      const TnIpAddress *address)
{
  Question *question = question_new (self, uri, TRUE, inside);
  g_autoptr (GTask) task = NULL;

  if (question == NULL)
    return;
  question->kind = kind;
  question->address = *address;
  set_limit (question, (gint64) PING_S * G_USEC_PER_SEC);
  task = g_task_new (NULL, question->cancellable, pong_cb, question_ref (question));
  g_task_set_source_tag (task, ping);
  self->handler->ping (self, kind, address, task, self->user_data);
}

/* Each kind that is on the list, once. */
static void
ping_all (TnControlClient    *self,
          GUri               *uri,
          const TnMapMessage *message)
{
  g_auto (GStrv) names = g_strsplit (message->ping_types, ",", TN_CONTROL_N_PINGS * 2);
  TnIpAddress address;

  if (self->handler->ping == NULL || message->ping_ip == NULL || !tn_ip_address_parse (message->ping_ip, &address))
    {
      g_debug ("control: ping without an address");
      return;
    }
  for (TnControlPing kind = 0; kind < TN_CONTROL_N_PINGS; kind++)
    if (g_strv_contains ((const char *const *) names, tn_control_ping_get_name (kind)))
      ping (self, uri, message->ping_is_noise, kind, &address);
}

/* --- Requests --- */

static void
report_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr (Question) question = user_data;
  g_autofree char *text = g_task_propagate_pointer (G_TASK (result), NULL);
  g_autoptr (GBytes) answer = NULL;

  if (question->client == NULL)
    return;
  answer = tn_c2n_answer_report (question->report, text);
  send_answer (question, "POST", answer, C2N_ANSWER_S);
}

static void
answer_request (TnControlClient *self,
                GUri            *uri,
                GBytes          *payload)
{
  Question *question = question_new (self, uri, FALSE, TRUE);
  g_autoptr (GBytes) answer = NULL;
  g_autoptr (GTask) task = NULL;
  gint64 limit_us;

  if (question == NULL)
    return;
  answer = tn_c2n_answer (g_bytes_get_data (payload, NULL), g_bytes_get_size (payload), &question->report, &limit_us);
  if (answer == NULL && self->handler->report == NULL)
    answer = tn_c2n_answer_report (question->report, NULL);
  if (answer != NULL)
    {
      send_answer (question, "POST", answer, C2N_ANSWER_S);
      return;
    }
  set_limit (question, limit_us);
  task = g_task_new (NULL, question->cancellable, report_cb, question_ref (question));
  g_task_set_source_tag (task, answer_request);
  self->handler->report (self, question->report, task, self->user_data);
}

/* --- What comes in --- */

static gboolean
is_fit (GUri *uri)
{
  return (g_str_equal (g_uri_get_scheme (uri), "http") || g_str_equal (g_uri_get_scheme (uri), "https")) &&
         g_uri_get_host (uri) != NULL && *g_uri_get_host (uri) != '\0';
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
  if (uri == NULL || !is_fit (uri))
    return;
  if (message->ping_types == NULL)
    show_life (self, uri, message->ping_is_noise);
  else if (!g_str_equal (message->ping_types, "c2n"))
    ping_all (self, uri, message);
  else if (message->ping_payload != NULL)
    answer_request (self, uri, message->ping_payload);
}
