/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-wire-control.h"

#include <string.h>

#include "tn-error.h"
#include "tn-json-put.h"
#include "tn-shown.h"

#define ZERO_TIME "0001-01-01T00:00:00Z"

enum
{
  AUTH_MEMBER_LEN = 40,      /* more than what is around the key */
  NAME_MAX_LEN = 1024,
  JSON_ESCAPE_MAX = 6,       /* of a byte: \u0000 */
};

static gboolean
parse_object (const char  *what,
              const char  *body,
              gsize        len,
              TnJsonText  *object,
              GError     **error)
{
  if (!tn_json_text_parse (body, len, object, error) || tn_json_text_kind (*object) != TN_JSON_OBJECT)
    {
      g_autofree char *shown = g_utf8_make_valid (body, (gssize) MIN (len, 60));

      g_clear_error (error);
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "%s: not a JSON object: \"%s\"", what, shown);
      return FALSE;
    }
  return TRUE;
}

gboolean
tn_wire_control_key_parse (const char          *body,
                           gsize                len,
                           TnMachinePublicKey  *key,
                           GError             **error)
{
  TnJsonText object;
  g_autofree char *text = NULL;

  if (!parse_object ("control key", body, len, &object, error))
    return FALSE;
  text = tn_json_text_dup_string (tn_json_text_member (object, "publicKey"));
  if (text == NULL || !tn_machine_public_key_parse (key, text) || tn_machine_public_key_is_zero (key))
    {
      g_autofree char *shown = tn_shown (text != NULL ? text : "(none)", 80);

      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "control key: unexpected publicKey %s", shown);
      return FALSE;
    }
  return TRUE;
}

/* --- Register --- */

static void
put_node_key (GString               *out,
              const char            *name,
              const TnNodePublicKey *key)
{
  char text[TN_KEY_TEXT_MAX];

  tn_node_public_key_print (key, text);
  tn_json_put_member_string (out, name, text);
}

static void
put_lock_key (GString               *out,
              const TnLockPublicKey *key)
{
  char text[TN_KEY_TEXT_MAX];

  tn_lock_public_key_print (key, text);
  tn_json_put_member_string (out, "NLKey", text);
}

static void
put_register_request (GString                 *out,
                      const TnRegisterRequest *request,
                      const char              *auth_key)
{
  g_string_append_c (out, '{');
  tn_json_put_member_int (out, "Version", TN_CAPABILITY_VERSION);
  put_node_key (out, "NodeKey", &request->node_key);
  put_node_key (out, "OldNodeKey", &request->old_node_key);
  put_lock_key (out, &request->lock_key);
  if (auth_key != NULL)
    {
      tn_json_put_key (out, "Auth");
      g_string_append_c (out, '{');
      tn_json_put_member_string (out, "AuthKey", auth_key);
      g_string_append_c (out, '}');
    }
  if (request->expiry_us != 0)
    tn_json_put_member_time (out, "Expiry", request->expiry_us);
  else
    tn_json_put_member_string (out, "Expiry", ZERO_TIME);
  tn_json_put_member_string (out, "Followup", request->followup != NULL ? request->followup : "");
  tn_json_put_key (out, "Hostinfo");
  tn_hostinfo_append (out, request->hostinfo);
  if (request->ephemeral)
    tn_json_put_member_bool (out, "Ephemeral", TRUE);
  tn_json_put_member_raw (out, "NodeKeySignature", "null");
  g_string_append_c (out, '}');
}

/* A string that grows leaves what it held behind: with an auth key it has all the room it needs from the beginning. */
char *
tn_wire_register_request_write (const TnRegisterRequest *request)
{
  const char *auth_key = request->auth_key != NULL && *request->auth_key != '\0' ? request->auth_key : NULL;
  GString *out = g_string_new (NULL);

  put_register_request (out, request, NULL);
  if (auth_key != NULL)
    {
      gsize len = out->len + AUTH_MEMBER_LEN + JSON_ESCAPE_MAX * strlen (auth_key);

      g_string_free (out, TRUE);
      out = g_string_sized_new (len);
      put_register_request (out, request, auth_key);
    }
  return g_string_free (out, FALSE);
}

static char *
dup_nonempty (TnJsonText object,
              const char *name)
{
  g_autofree char *text = tn_json_text_dup_string (tn_json_text_member (object, name));

  return text != NULL && *text != '\0' ? g_steal_pointer (&text) : NULL;
}

/* People read it; nobody has one that is longer. */
static char *
dup_name (TnJsonText  object,
          const char *name)
{
  char *text = dup_nonempty (object, name);

  if (text != NULL && strlen (text) > NAME_MAX_LEN)
    *g_utf8_find_prev_char (text, text + NAME_MAX_LEN + 1) = '\0';
  return text;
}

gboolean
tn_wire_register_response_parse (const char          *body,
                                 gsize                len,
                                 TnRegisterResponse  *response,
                                 GError             **error)
{
  g_autofree char *signature = NULL;
  TnJsonText object;

  *response = (TnRegisterResponse) { 0 };
  if (!parse_object ("register response", body, len, &object, error))
    return FALSE;
  if (!tn_json_text_get_bool (tn_json_text_member (object, "NodeKeyExpired"), &response->node_key_expired) ||
      !tn_json_text_get_bool (tn_json_text_member (object, "MachineAuthorized"), &response->machine_authorized))
    {
      g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "register response: NodeKeyExpired or MachineAuthorized is no boolean");
      return FALSE;
    }
  response->error = dup_nonempty (object, "Error");
  response->auth_url = dup_nonempty (object, "AuthURL");
  if (response->error == NULL && response->auth_url != NULL && strlen (response->auth_url) > TN_AUTH_URL_MAX_LEN)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "register response: AuthURL of %zu bytes, at most %d allowed",
                   strlen (response->auth_url), TN_AUTH_URL_MAX_LEN);
      return FALSE;
    }
  response->login_name = dup_name (tn_json_text_member (object, "Login"), "LoginName");
  signature = dup_nonempty (object, "NodeKeySignature");
  response->has_signature = signature != NULL;
  return TRUE;
}

void
tn_wire_register_response_clear (TnRegisterResponse *response)
{
  g_clear_pointer (&response->auth_url, g_free);
  g_clear_pointer (&response->error, g_free);
  g_clear_pointer (&response->login_name, g_free);
}

/* --- Map --- */

static void
put_endpoints (GString            *out,
               const TnMapRequest *request)
{
  if (request->n_endpoints == 0)
    return;
  tn_json_put_key (out, "Endpoints");
  g_string_append_c (out, '[');
  for (gsize i = 0; i < request->n_endpoints; i++)
    {
      char text[TN_IP_ENDPOINT_TEXT_MAX];

      tn_ip_endpoint_print (&request->endpoints[i].endpoint, text);
      g_string_append_printf (out, "%s\"%s\"", i > 0 ? "," : "", text);
    }
  g_string_append_c (out, ']');
  tn_json_put_key (out, "EndpointTypes");
  g_string_append_c (out, '[');
  for (gsize i = 0; i < request->n_endpoints; i++)
    g_string_append_printf (out, "%s%d", i > 0 ? "," : "", (int) request->endpoints[i].type);
  g_string_append_c (out, ']');
}

char *
tn_wire_map_request_write (const TnMapRequest *request)
{
  GString *out = g_string_new ("{");
  char text[TN_KEY_TEXT_MAX];

  tn_json_put_member_int (out, "Version", TN_CAPABILITY_VERSION);
  tn_json_put_member_bool (out, "KeepAlive", TRUE);
  put_node_key (out, "NodeKey", &request->node_key);
  tn_disco_public_key_print (&request->disco_key, text);
  tn_json_put_member_string (out, "DiscoKey", text);
  if (request->stream)
    tn_json_put_member_bool (out, "Stream", TRUE);
  if (request->stream && request->session_handle != NULL)
    {
      tn_json_put_member_string (out, "MapSessionHandle", request->session_handle);
      tn_json_put_member_int (out, "MapSessionSeq", request->session_seq);
    }
  tn_json_put_key (out, "Hostinfo");
  tn_hostinfo_append (out, request->hostinfo);
  put_endpoints (out, request);
  if (!request->stream)
    tn_json_put_member_bool (out, "OmitPeers", TRUE);
  g_string_append_c (out, '}');
  return g_string_free (out, FALSE);
}
