/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-server-private.h"

#include <string.h>

#include "tn-testkit-json.h"
#include "tn-testkit-wire.h"

/* POST /machine/register */

#define OVERSIZE_LEN ((1 << 20) + 1)      /* clients read at most 1 MiB */
#define JSON_TYPE "application/json; charset=utf-8"

gboolean
tn_testkit_request_apply_fault (TnTestkitRequest *request,
                                TnTestkitFault    fault)
{
  g_autofree char *blanks = NULL;

  switch (fault)
    {
    case TN_TESTKIT_FAULT_CLOSE:
      tn_testkit_session_close (request->session);
      return TRUE;
    case TN_TESTKIT_FAULT_HANG:
      return TRUE;
    case TN_TESTKIT_FAULT_GARBAGE:
      tn_testkit_request_answer (request, 200, JSON_TYPE, "\x00\xff\xfe", 3);
      return TRUE;
    case TN_TESTKIT_FAULT_BAD_JSON:
      tn_testkit_request_answer (request, 200, JSON_TYPE, "{\"User\":", 8);
      return TRUE;
    case TN_TESTKIT_FAULT_OVERSIZE:
      blanks = g_strnfill (OVERSIZE_LEN, ' ');
      tn_testkit_request_answer (request, 200, JSON_TYPE, blanks, OVERSIZE_LEN);
      return TRUE;
    case TN_TESTKIT_FAULT_SERVER_ERROR:
      tn_testkit_request_answer_text (request, 500, "internal error\n");
      return TRUE;
    case TN_TESTKIT_FAULT_TOO_MANY_REQUESTS:
    case TN_TESTKIT_FAULT_UNAVAILABLE:
      tn_testkit_request_retry_later (request, fault);
      return TRUE;
    case TN_TESTKIT_FAULT_NONE:
    case TN_TESTKIT_FAULT_TRUNCATED:
    default:
      return FALSE;
    }
}

static void
parse_registration (JsonObject            *object,
                    TnTestkitRegistration *registration)
{
  JsonObject *auth = tn_testkit_json_get_object (object, "Auth");

  *registration = (TnTestkitRegistration) {
    .auth_key = auth != NULL ? tn_testkit_json_get_string (auth, "AuthKey") : "",
    .followup = tn_testkit_json_get_string (object, "Followup"),
    .expiry_s = tn_testkit_json_get_time (object, "Expiry"),
    .version = tn_testkit_json_get_int (object, "Version"),
    .ephemeral = tn_testkit_json_get_boolean (object, "Ephemeral"),
    .hostinfo = tn_testkit_json_member (object, "Hostinfo"),
  };
  /* A missing key stays all zeros. */
  if (!tn_node_public_key_parse (&registration->node_key, tn_testkit_json_get_string (object, "NodeKey")))
    registration->node_key = (TnNodePublicKey) { { 0 } };
}

static void
answer_verdict (TnTestkitRequest       *request,
                const TnTestkitVerdict *verdict,
                gboolean                truncated)
{
  TnTestkitServer *server = request->session->server;
  g_autofree char *url = NULL;
  g_autofree char *text = NULL;
  g_autoptr (JsonNode) answer = NULL;
  gsize len;

  if (verdict->login != NULL)
    url = g_strdup_printf ("%s/register/%s", server->url, verdict->login);
  answer = tn_testkit_wire_registration (verdict, url);
  text = tn_testkit_json_to_text (answer);
  len = strlen (text);
  tn_testkit_request_answer (request, 200, JSON_TYPE, text, truncated ? len / 2 : len);
  if (url != NULL)
    server->handler->login (url, server->user_data);
}

static void
decide (TnTestkitRequest *request,
        gboolean          truncated)
{
  TnTestkitServer *server = request->session->server;
  TnTestkitRegistration registration;
  TnTestkitVerdict verdict;

  parse_registration (json_node_get_object (request->json), &registration);
  tn_testkit_registry_register (server->registry, &request->session->machine_key, &registration, tn_testkit_server_now_s (server), &verdict);
  if (verdict.kind == TN_TESTKIT_VERDICT_WAIT)
    {
      request->login = g_strdup (verdict.login);
      g_ptr_array_add (server->waiting, request);
      return;
    }

  answer_verdict (request, &verdict, truncated);
  tn_testkit_server_changed (server);
}

void
tn_testkit_register (TnTestkitRequest *request)
{
  TnTestkitServer *server = request->session->server;
  JsonObject *object = NULL;
  TnTestkitFault fault;
  gint64 version;

  if (tn_testkit_script_run (request, TN_TESTKIT_STAGE_REGISTER))
    return;
  fault = tn_testkit_server_take_fault (server, TN_TESTKIT_STAGE_REGISTER);
  if (tn_testkit_request_apply_fault (request, fault))
    return;

  request->json = tn_testkit_json_parse ((const char *) request->body->data, request->body->len, NULL);
  if (request->json != NULL && JSON_NODE_HOLDS_OBJECT (request->json))
    object = json_node_get_object (request->json);
  version = object != NULL ? tn_testkit_json_get_int (object, "Version") : 0;
  if (object == NULL || version < server->options.minimum_version)
    {
      g_autofree char *text = g_strdup_printf ("unsupported client version: %" G_GINT64_FORMAT "\n", version);

      tn_testkit_request_answer_text (request, 400, text);
      return;
    }

  decide (request, fault == TN_TESTKIT_FAULT_TRUNCATED);
}

void
tn_testkit_register_resume (TnTestkitServer *server,
                            const char      *login)
{
  for (guint i = server->waiting->len; i > 0; i--)
    {
      TnTestkitRequest *request = g_ptr_array_index (server->waiting, i - 1);

      if (strcmp (request->login, login) != 0)
        continue;

      g_ptr_array_remove_index (server->waiting, i - 1);
      g_clear_pointer (&request->login, g_free);
      decide (request, FALSE);
    }
}
