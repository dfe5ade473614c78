/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-server-private.h"

#include <string.h>

#include "tn-testkit-json.h"

/* Records for the DNS that is there for all. The server has none: it says whether it would take one, and the signal “request-received” has
 * told what it was. */

#define CHALLENGE "_acme-challenge."

static gboolean
is_of_node (const char              *name,
            const TnTestkitRecord   *record,
            const TnTestkitRegistry *registry)
{
  g_autofree char *fqdn = tn_testkit_record_dup_fqdn (record, registry);
  g_autofree char *wanted = g_strconcat (CHALLENGE, fqdn, NULL);
  gsize len = strlen (wanted);

  if (g_str_has_suffix (wanted, "."))
    wanted[len - 1] = '\0';
  return g_str_equal (name, wanted);
}

void
tn_testkit_set_dns (TnTestkitRequest *request)
{
  TnTestkitServer *server = request->session->server;
  g_autoptr (JsonNode) json = tn_testkit_json_parse ((const char *) request->body->data, request->body->len, NULL);
  JsonObject *object = json != NULL && JSON_NODE_HOLDS_OBJECT (json) ? json_node_get_object (json) : NULL;
  TnTestkitRecord *record = NULL;
  TnNodePublicKey node_key;

  if (object != NULL && tn_node_public_key_parse (&node_key, tn_testkit_json_get_string (object, "NodeKey")))
    record = tn_testkit_registry_lookup_key (server->registry, &node_key);
  if (record == NULL || !tn_machine_public_key_equal (&record->machine_key, &request->session->machine_key))
    tn_testkit_request_answer_text (request, 501, "not implemented\n");      /* as Headscale has it for all */
  else if (!g_str_equal (tn_testkit_json_get_string (object, "Type"), "TXT"))
    tn_testkit_request_answer_text (request, 400, "no TXT record\n");
  else if (!is_of_node (tn_testkit_json_get_string (object, "Name"), record, server->registry))
    tn_testkit_request_answer_text (request, 403, "not a name of this node\n");
  else
    tn_testkit_request_answer (request, 200, "application/json", "{}", 2);
}
