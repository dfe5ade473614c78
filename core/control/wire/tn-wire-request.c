/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-wire-control.h"

#include "tn-error.h"
#include "tn-json-put.h"
#include "tn-json-text.h"
#include "tn-shown.h"

/* Requests of a program, and the answers to them. */

/* What all of them begin with; they do not agree on the name of the version. */
static GString *
begin (const char            *version_name,
       const TnNodePublicKey *node_key)
{
  GString *out = g_string_new ("{");
  char text[TN_KEY_TEXT_MAX];

  tn_json_put_member_int (out, version_name, TN_CAPABILITY_VERSION);
  tn_node_public_key_print (node_key, text);
  tn_json_put_member_string (out, "NodeKey", text);
  return out;
}

static char *
end (GString *out)
{
  g_string_append_c (out, '}');
  return g_string_free (out, FALSE);
}

/* --- Names --- */

char *
tn_wire_set_dns_request_write (const TnNodePublicKey *node_key,
                               const char            *name,
                               const char            *value)
{
  GString *out = begin ("Version", node_key);

  tn_json_put_member_string (out, "Name", name);
  tn_json_put_member_string (out, "Type", "TXT");
  tn_json_put_member_string (out, "Value", value);
  return end (out);
}

/* --- Identity tokens --- */

char *
tn_wire_id_token_request_write (const TnNodePublicKey *node_key,
                                const char            *audience)
{
  GString *out = begin ("CapVersion", node_key);

  tn_json_put_member_string (out, "Audience", audience);
  return end (out);
}

char *
tn_wire_id_token_parse (const char  *body,
                        gsize        len,
                        GError     **error)
{
  g_autofree char *token = NULL;
  TnJsonText object;

  if (!tn_json_text_parse (body, len, &object, error))
    return NULL;
  if (tn_json_text_kind (object) == TN_JSON_OBJECT)
    token = tn_json_text_dup_string (tn_json_text_member (object, "id_token"));
  if (token != NULL && tn_is_visible (token))      /* programs put it into the head of an HTTP request */
    return g_steal_pointer (&token);
  g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, token != NULL ? "id_token: not a token" : "answer without an id_token");
  return NULL;
}
