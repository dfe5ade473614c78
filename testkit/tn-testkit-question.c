/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-server-private.h"

#include <string.h>

#include "tn-box.h"
#include "tn-cancel-source.h"
#include "tn-hex.h"
#include "tn-testkit-json.h"

/* PingRequest: what a server asks a node, and the answers that come to a URL of their own, inside Noise or outside. */

#define TOKEN_LEN 10      /* bytes; twice as many digits */

typedef struct
{
  GTask   *task;
  GSource *cancelled;     /* nullable */
} Question;

void
tn_testkit_question_free (gpointer data)
{
  Question *question = data;

  if (question->cancelled != NULL)
    {
      g_source_destroy (question->cancelled);
      g_source_unref (question->cancelled);
    }
  g_clear_object (&question->task);
  g_free (question);
}

gboolean
tn_testkit_question_answer (TnTestkitServer *server,
                            const char      *path,
                            GBytes          *body)
{
  const char *token = strrchr (path, '/');
  Question *question;

  if (token == NULL || (!g_str_has_prefix (path, "/c2n/") && !g_str_has_prefix (path, "/ping/")))
    return FALSE;

  question = g_hash_table_lookup (server->questions, token + 1);
  if (question == NULL)
    return FALSE;

  g_task_return_pointer (question->task, g_bytes_ref (body), (GDestroyNotify) g_bytes_unref);
  g_hash_table_remove (server->questions, token + 1);
  return TRUE;
}

void
tn_testkit_questions_fail (TnTestkitServer *server)
{
  GHashTableIter iter;
  gpointer question;

  g_hash_table_iter_init (&iter, server->questions);
  while (g_hash_table_iter_next (&iter, NULL, &question))
    {
      g_task_return_new_error (((Question *) question)->task, G_IO_ERROR, G_IO_ERROR_CLOSED, "control server was stopped");
      g_hash_table_iter_remove (&iter);
    }
}

typedef struct
{
  TnTestkitServer *server;
  char            *token;
} Cancellation;

static void
cancellation_free (Cancellation *cancellation)
{
  g_free (cancellation->token);
  g_free (cancellation);
}

static gboolean
cancelled_cb (GCancellable *cancellable,
              gpointer      user_data)
{
  Cancellation *cancellation = user_data;
  Question *question = g_hash_table_lookup (cancellation->server->questions, cancellation->token);

  g_task_return_error_if_cancelled (question->task);
  g_hash_table_remove (cancellation->server->questions, cancellation->token);
  return G_SOURCE_REMOVE;
}

static void
watch_cancellable (TnTestkitServer *server,
                   Question        *question,
                   const char      *token)
{
  GCancellable *cancellable = g_task_get_cancellable (question->task);
  Cancellation *cancellation;

  if (cancellable == NULL)
    return;

  cancellation = g_new0 (Cancellation, 1);
  cancellation->server = server;
  cancellation->token = g_strdup (token);
  question->cancelled = tn_cancel_source_new (cancellable);
  g_source_set_callback (question->cancelled, G_SOURCE_FUNC (cancelled_cb), cancellation, (GDestroyNotify) cancellation_free);
  g_source_attach (question->cancelled, g_main_context_get_thread_default ());
}

static char *
make_message (TnTestkitServer *server,
              const char      *token,
              const char      *types,
              const char      *address,
              gboolean         encrypted,
              GBytes          *payload)
{
  JsonObject *message = json_object_new ();
  JsonObject *ping = json_object_new ();
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *url = g_strdup_printf ("%s/%s/%s", server->url, payload != NULL ? "c2n" : "ping", token);

  json_object_set_string_member (ping, "URL", url);
  json_object_set_boolean_member (ping, "URLIsNoise", encrypted);
  json_object_set_boolean_member (ping, "Log", FALSE);
  json_object_set_string_member (ping, "Types", types);
  json_object_set_string_member (ping, "IP", address);
  if (payload != NULL)
    {
      gsize len;
      const guint8 *data = g_bytes_get_data (payload, &len);
      g_autofree char *text = g_base64_encode (data, len);

      json_object_set_string_member (ping, "Payload", text);
    }
  json_object_set_object_member (message, "PingRequest", ping);
  json_node_take_object (root, message);

  return tn_testkit_json_to_text (root);
}

void
tn_testkit_server_ask (TnTestkitServer *server,
                       TnTestkitRecord *record,
                       const char      *types,
                       const char      *address,
                       gboolean         encrypted,
                       GBytes          *payload,
                       GTask           *task)
{
  guint8 random[TOKEN_LEN];
  g_autofree char *token = NULL;
  g_autofree char *message = NULL;
  Question *question = g_new0 (Question, 1);

  tn_random (random, sizeof random);
  token = tn_hex_dup (random, sizeof random);
  message = make_message (server, token, types, address, encrypted, payload);
  question->task = task;
  if (tn_testkit_server_send (server, record, message) == 0)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "node '%s' has no map stream", record->name);
      tn_testkit_question_free (question);
      return;
    }

  watch_cancellable (server, question, token);
  g_hash_table_insert (server->questions, g_steal_pointer (&token), question);
}
