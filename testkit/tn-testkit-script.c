/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-json.h"
#include "tn-testkit-server-private.h"

/* Answers laid down in advance, and answers held back. */

typedef struct
{
  guint   status;         /* 0: the server's own answer */
  GStrv   headers;        /* names and values by turns */
  GBytes *body;           /* nullable */
} Answer;

typedef struct
{
  TnTestkitStage    stage;
  TnTestkitRequest *request;      /* borrowed */
} Held;

struct _TnTestkitScript
{
  GQueue   answers[TN_TESTKIT_N_STAGES];      /* of Answer */
  gboolean holds[TN_TESTKIT_N_STAGES];
  GArray  *held;                              /* of Held, oldest first */
  GQueue   messages;                          /* of text: what the next map stream begins with */
};

static void
answer_free (gpointer data)
{
  Answer *answer = data;

  g_strfreev (answer->headers);
  g_clear_pointer (&answer->body, g_bytes_unref);
  g_free (answer);
}

TnTestkitScript *
tn_testkit_script_new (void)
{
  TnTestkitScript *script = g_new0 (TnTestkitScript, 1);

  script->held = g_array_new (FALSE, FALSE, sizeof (Held));
  return script;
}

void
tn_testkit_script_free (TnTestkitScript *script)
{
  for (guint i = 0; i < TN_TESTKIT_N_STAGES; i++)
    g_queue_clear_full (&script->answers[i], answer_free);
  g_queue_clear_full (&script->messages, g_free);
  g_array_unref (script->held);
  g_free (script);
}

void
tn_testkit_script_add (TnTestkitScript   *script,
                       TnTestkitStage     stage,
                       guint              status,
                       const char *const *headers,
                       GBytes            *body)
{
  Answer *answer = g_new (Answer, 1);

  *answer = (Answer) { status, tn_testkit_strv_copy (headers), body != NULL ? g_bytes_ref (body) : NULL };
  g_queue_push_tail (&script->answers[stage], answer);
}

void
tn_testkit_script_add_message (TnTestkitScript *script,
                               const char      *json)
{
  g_queue_push_tail (&script->messages, g_strdup (json));
}

char *
tn_testkit_script_take_message (TnTestkitScript *script)
{
  return g_queue_pop_head (&script->messages);
}

void
tn_testkit_script_drop_request (TnTestkitScript  *script,
                                TnTestkitRequest *request)
{
  for (guint i = script->held->len; i > 0; i--)
    if (g_array_index (script->held, Held, i - 1).request == request)
      g_array_remove_index (script->held, i - 1);
}

static gconstpointer
get_body (const Answer *answer,
          gsize        *len)
{
  *len = 0;
  return answer->body != NULL ? g_bytes_get_data (answer->body, len) : NULL;
}

static void
send_answer (TnTestkitRequest *request,
             const Answer     *answer)
{
  gsize len;
  const void *body = get_body (answer, &len);

  tn_http2_stream_respond (request->http2_stream, answer->status, (const char *const *) answer->headers);
  tn_http2_stream_write (request->http2_stream, body, len);
  tn_http2_stream_end (request->http2_stream);
}

gboolean
tn_testkit_script_run (TnTestkitRequest *request,
                       TnTestkitStage    stage)
{
  TnTestkitScript *script = request->session->server->script;
  gboolean scripted;
  Answer *answer;

  if (script->holds[stage])
    {
      g_array_append_val (script->held, ((Held) { stage, request }));
      return TRUE;
    }
  answer = g_queue_pop_head (&script->answers[stage]);
  if (answer == NULL)
    return FALSE;
  scripted = answer->status != 0;
  if (scripted)
    send_answer (request, answer);
  answer_free (answer);
  return scripted;
}

static void
send_outer (SoupServerMessage *message,
            const Answer      *answer)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  gsize len;
  const void *body = get_body (answer, &len);

  for (guint i = 0; answer->headers != NULL && answer->headers[i] != NULL; i += 2)
    soup_message_headers_append (headers, answer->headers[i], answer->headers[i + 1]);
  soup_server_message_set_status (message, answer->status, NULL);
  if (len > 0)
    soup_message_body_append (soup_server_message_get_response_body (message), SOUP_MEMORY_COPY, body, len);
}

gboolean
tn_testkit_script_run_outer (TnTestkitServer   *server,
                             SoupServerMessage *message,
                             TnTestkitStage     stage)
{
  Answer *answer = g_queue_pop_head (&server->script->answers[stage]);
  gboolean scripted = answer != NULL && answer->status != 0;

  if (scripted)
    send_outer (message, answer);
  g_clear_pointer (&answer, answer_free);
  return scripted;
}

gboolean
tn_testkit_script_run_upgrade (TnTestkitUpgrade  *upgrade,
                               SoupServerMessage *message)
{
  GQueue *answers = &upgrade->server->script->answers[TN_TESTKIT_STAGE_UPGRADE];
  Answer *answer = g_queue_peek_head (answers);

  if (answer == NULL || answer->status != SOUP_STATUS_SWITCHING_PROTOCOLS)
    return !tn_testkit_script_run_outer (upgrade->server, message, TN_TESTKIT_STAGE_UPGRADE);

  g_queue_pop_head (answers);
  upgrade->scripted = TRUE;
  upgrade->early = g_steal_pointer (&answer->body);
  answer_free (answer);
  return TRUE;
}

/* --- For the server --- */

void
tn_testkit_server_script (TnTestkitServer   *server,
                          TnTestkitStage     stage,
                          guint              status,
                          const char *const *headers,
                          GBytes            *body)
{
  tn_testkit_script_add (server->script, stage, status, headers, body);
}

void
tn_testkit_server_add_first_message (TnTestkitServer *server,
                                     const char      *json)
{
  tn_testkit_script_add_message (server->script, json);
}

void
tn_testkit_server_hold (TnTestkitServer *server,
                        TnTestkitStage   stage)
{
  server->script->holds[stage] = TRUE;
}

guint
tn_testkit_server_release (TnTestkitServer *server,
                           TnTestkitStage   stage)
{
  TnTestkitScript *script = server->script;
  guint n = 0;

  script->holds[stage] = FALSE;
  for (guint i = 0; i < script->held->len;)
    {
      Held held = g_array_index (script->held, Held, i);

      if (held.stage != stage)
        {
          i++;
          continue;
        }
      g_array_remove_index (script->held, i);
      n++;
      if (stage == TN_TESTKIT_STAGE_REGISTER)
        tn_testkit_register (held.request);
      else if (stage == TN_TESTKIT_STAGE_ID_TOKEN)
        tn_testkit_id_token (held.request);
      else
        tn_testkit_map (held.request);
    }
  return n;
}
