/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <json-glib/json-glib.h>

#include "tn-box.h"
#include "tn-derp-info.h"
#include "tn-error.h"
#include "tn-hex.h"
#include "tn-json-text.h"

void
tn_derp_client_info_clear (TnDerpClientInfo *info)
{
  g_free (info->app_name);
  explicit_bzero (info, sizeof *info);
}

/* As the reference's JSON writer does it, which also escapes what is special in HTML (Go encoding/json appendString()). */
static void
append_json_string (GString    *out,
                    const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  g_string_append_c (out, '"');
  for (char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
      gunichar c = g_utf8_get_char (p);
      const char *s = shorts;

      while (*s != '\0' && (gunichar) (guchar) *s != c)
        s += 2;
      if (*s != '\0')
        g_string_append_printf (out, "\\%c", s[1]);
      else if (c < 0x20 || c == '<' || c == '>' || c == '&' || c == 0x2028 || c == 0x2029)
        g_string_append_printf (out, "\\u%04x", c);
      else
        g_string_append_unichar (out, c);
    }
  g_string_append_c (out, '"');
}

char *
tn_derp_client_info_to_json (const TnDerpClientInfo *info)
{
  GString *json = g_string_sized_new (256);     /* so that the key below is never moved */

  g_string_append_c (json, '{');
  if (info->has_mesh_key)
    {
      char hex[2 * TN_KEY_LEN + 1];

      tn_hex_encode (info->mesh_key, TN_KEY_LEN, hex);
      g_string_append_printf (json, "\"meshKey\":\"%s\",", hex);
      explicit_bzero (hex, sizeof hex);
    }
  if (info->version != 0)
    g_string_append_printf (json, "\"version\":%d,", info->version);
  g_string_append_printf (json, "\"CanAckPings\":%s", info->can_ack_pings ? "true" : "false");
  if (info->is_prober)
    g_string_append (json, ",\"IsProber\":true");
  if (info->app_name != NULL && *info->app_name != '\0')
    {
      g_string_append (json, ",\"AppName\":");
      append_json_string (json, info->app_name);
    }
  g_string_append_c (json, '}');
  return g_string_free (json, FALSE);
}

/* Nonce and box as the payload's end. */
static void
append_sealed (GByteArray      *out,
               TnDerpFrameType  type,
               const guint8    *prefix,
               gsize            prefix_len,
               const guint8     shared[32],
               const guint8     nonce[TN_DERP_NONCE_LEN],
               const char      *text)
{
  gsize len = strlen (text);
  g_autofree guint8 *sealed = g_malloc (TN_DERP_NONCE_LEN + TN_BOX_TAG_LEN + len);

  memcpy (sealed, nonce, TN_DERP_NONCE_LEN);
  tn_box_seal (shared, nonce, (const guint8 *) text, len, sealed + TN_DERP_NONCE_LEN);
  tn_derp_frame_append (out, type, prefix, prefix_len, sealed, TN_DERP_NONCE_LEN + TN_BOX_TAG_LEN + len);
}

void
tn_derp_client_info_append (GByteArray             *out,
                            const TnNodePublicKey  *self,
                            const guint8            shared[32],
                            const guint8            nonce[TN_DERP_NONCE_LEN],
                            const TnDerpClientInfo *info)
{
  g_autofree char *json = tn_derp_client_info_to_json (info);

  append_sealed (out, TN_DERP_CLIENT_INFO, self->bytes, TN_KEY_LEN, shared, nonce, json);
  explicit_bzero (json, strlen (json));
}

void
tn_derp_server_info_append (GByteArray             *out,
                            const guint8            shared[32],
                            const guint8            nonce[TN_DERP_NONCE_LEN],
                            const TnDerpServerInfo *info)
{
  g_autoptr (GString) json = g_string_new ("{\"version\":2");

  if (info->bytes_per_second != 0)
    g_string_append_printf (json, ",\"TokenBucketBytesPerSecond\":%" G_GINT64_FORMAT, info->bytes_per_second);
  if (info->burst_bytes != 0)
    g_string_append_printf (json, ",\"TokenBucketBytesBurst\":%" G_GINT64_FORMAT, info->burst_bytes);
  g_string_append_c (json, '}');
  append_sealed (out, TN_DERP_SERVER_INFO, NULL, 0, shared, nonce, json->str);
}

/* The object in a box; NULL: the box is broken, or what is in it is no JSON object. The word null is an empty one. */
static JsonObject *
open_sealed (TnReader      *r,
             const guint8   shared[32],
             GError       **error)
{
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;
  const guint8 *nonce;
  TnJsonText checked;
  gsize len;

  if (!tn_reader_bytes (r, TN_DERP_NONCE_LEN, &nonce) || r->left < TN_BOX_TAG_LEN)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "box of %" G_GSIZE_FORMAT " bytes is too short", r->left);
      return NULL;
    }

  len = r->left - TN_BOX_TAG_LEN;
  text = g_malloc (len + 1);
  text[len] = '\0';
  if (!tn_box_open (shared, nonce, r->pos, r->left, (guint8 *) text))
    {
      g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "box does not open");
      return NULL;
    }

  /* json-glib recurses as deep as the text does, and leaks the first of two values. */
  if (strlen (text) == len && g_utf8_validate (text, (gssize) len, NULL) && tn_json_text_parse (text, len, &checked, NULL))
    root = json_from_string (text, NULL);
  explicit_bzero (text, len);
  if (root != NULL && JSON_NODE_HOLDS_OBJECT (root))
    return json_node_dup_object (root);
  if (root != NULL && JSON_NODE_HOLDS_NULL (root))
    return json_object_new ();

  g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "box holds no JSON object");
  return NULL;
}

/* Exact name first, then in any case, as the reference reads JSON. */
static JsonNode *
get_member (JsonObject *object,
            const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  JsonObjectIter iter;
  const char *member;

  if (node != NULL)
    return node;

  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &member, &node))
    if (g_ascii_strcasecmp (member, name) == 0)
      return node;
  return NULL;
}

/* @out stays as it is when the member is absent or null. */
static gboolean
get_value (JsonObject  *object,
           const char  *name,
           GType        type,
           GValue      *out,
           GError     **error)
{
  JsonNode *node = get_member (object, name);

  if (node == NULL || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != type)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "member %s has the wrong type", name);
      return FALSE;
    }

  json_node_get_value (node, out);
  return TRUE;
}

static gboolean
get_int (JsonObject  *object,
         const char  *name,
         gint64      *out,
         GError     **error)
{
  g_auto (GValue) value = G_VALUE_INIT;

  if (!get_value (object, name, G_TYPE_INT64, &value, error))
    return FALSE;
  if (G_IS_VALUE (&value))
    *out = g_value_get_int64 (&value);
  return TRUE;
}

static gboolean
get_bool (JsonObject  *object,
          const char  *name,
          gboolean    *out,
          GError     **error)
{
  g_auto (GValue) value = G_VALUE_INIT;

  if (!get_value (object, name, G_TYPE_BOOLEAN, &value, error))
    return FALSE;
  if (G_IS_VALUE (&value))
    *out = g_value_get_boolean (&value);
  return TRUE;
}

static gboolean
get_string (JsonObject  *object,
            const char  *name,
            char       **out,
            GError     **error)
{
  g_auto (GValue) value = G_VALUE_INIT;

  if (!get_value (object, name, G_TYPE_STRING, &value, error))
    return FALSE;
  if (G_IS_VALUE (&value))
    *out = g_value_dup_string (&value);
  return TRUE;
}

gboolean
tn_derp_server_info_open (const TnDerpFrame  *frame,
                          const guint8        shared[32],
                          TnDerpServerInfo   *info,
                          GError            **error)
{
  TnReader r = TN_READER_INIT (frame->payload, frame->len);
  g_autoptr (JsonObject) object = NULL;
  gint64 version = 0;

  *info = (TnDerpServerInfo) { 0 };
  object = open_sealed (&r, shared, error);
  if (object == NULL || !get_int (object, "version", &version, error) ||
      !get_int (object, "TokenBucketBytesPerSecond", &info->bytes_per_second, error) ||
      !get_int (object, "TokenBucketBytesBurst", &info->burst_bytes, error))
    {
      g_prefix_error (error, "server information: ");
      return FALSE;
    }
  return TRUE;
}

/* A mesh key that is there has to be one: 64 digits. */
static gboolean
get_mesh_key (JsonObject        *object,
              TnDerpClientInfo  *info,
              GError           **error)
{
  JsonNode *node = get_member (object, "meshKey");
  const char *text;

  if (node == NULL)
    return TRUE;

  text = JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : "";
  info->has_mesh_key = tn_hex_decode (text, strlen (text), info->mesh_key, TN_KEY_LEN);
  if (!info->has_mesh_key)
    g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "mesh key is no key");
  return info->has_mesh_key;
}

static gboolean
client_info_read (JsonObject        *object,
                  TnDerpClientInfo  *info,
                  GError           **error)
{
  gint64 version = 0;

  if (!get_mesh_key (object, info, error) || !get_int (object, "version", &version, error) ||
      !get_bool (object, "CanAckPings", &info->can_ack_pings, error) || !get_bool (object, "IsProber", &info->is_prober, error) ||
      !get_string (object, "AppName", &info->app_name, error))
    return FALSE;

  info->version = (int) CLAMP (version, G_MININT, G_MAXINT);
  return TRUE;
}

gboolean
tn_derp_client_info_open (const TnDerpFrame       *frame,
                          const TnNodePrivateKey  *server,
                          TnNodePublicKey         *client,
                          guint8                   shared[32],
                          TnDerpClientInfo        *info,
                          GError                 **error)
{
  TnReader r = TN_READER_INIT (frame->payload, frame->len);
  g_autoptr (JsonObject) object = NULL;

  *info = (TnDerpClientInfo) { 0 };
  if (frame->type != TN_DERP_CLIENT_INFO || frame->len > TN_DERP_CLIENT_INFO_MAX || !tn_reader_copy (&r, client->bytes, TN_KEY_LEN))
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "client information expected, frame of type %u with %u bytes found",
                   frame->type, frame->len);
      return FALSE;
    }
  if (!tn_box_precompute (shared, server->bytes, client->bytes))
    {
      g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "client information: key is of low order");
      return FALSE;
    }

  object = open_sealed (&r, shared, error);
  if (object == NULL || !client_info_read (object, info, error))
    {
      g_prefix_error (error, "client information: ");
      return FALSE;
    }
  return TRUE;
}
