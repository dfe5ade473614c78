/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-wire-control.h"

#include "tn-error.h"
#include "tn-json-put.h"
#include "tn-json-text.h"

char *
tn_wire_id_token_request_write (const TnNodePublicKey *node_key,
                                const char            *audience)
{
  GString *out = g_string_new ("{");
  char text[TN_KEY_TEXT_MAX];

  tn_json_put_member_int (out, "CapVersion", TN_CAPABILITY_VERSION);
  tn_node_public_key_print (node_key, text);
  tn_json_put_member_string (out, "NodeKey", text);
  tn_json_put_member_string (out, "Audience", audience);
  g_string_append_c (out, '}');
  return g_string_free (out, FALSE);
}

char *
tn_wire_set_dns_request_write (const TnNodePublicKey *node_key,
                               const char            *name,
                               const char            *value)
{
  GString *out = g_string_new ("{");
  char text[TN_KEY_TEXT_MAX];

  tn_json_put_member_int (out, "Version", TN_CAPABILITY_VERSION);
  tn_node_public_key_print (node_key, text);
  tn_json_put_member_string (out, "NodeKey", text);
  tn_json_put_member_string (out, "Name", name);
  tn_json_put_member_string (out, "Type", "TXT");
  tn_json_put_member_string (out, "Value", value);
  g_string_append_c (out, '}');
  return g_string_free (out, FALSE);
}

/* Programs put it into the head of an HTTP request. */
static gboolean
is_token (const char *text)
{
  for (const char *c = text; *c != '\0'; c++)
    if (!g_ascii_isgraph (*c))
      return FALSE;
  return *text != '\0';
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
  if (token != NULL && is_token (token))
    return g_steal_pointer (&token);
  g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, token != NULL ? "id_token: not a token" : "answer without an id_token");
  return NULL;
}
