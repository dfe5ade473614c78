/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-map-message.h"

#include <string.h>

#include "tn-error.h"
#include "tn-netmap-private.h"
#include "tn-reader.h"

#define SLEEP_MAX_S       300.0      /* tailscale control/controlclient/direct.go: sleepAsRequested */
#define FRAME_HEADER_LEN  4          /* length, little-endian: the only one of the protocol */

/* Same order as TnMapField. */
static const char *const map_fields[N_MAP_FIELDS] = {
  "KeepAlive", "PingRequest", "PopBrowserURL", "Node", "DERPMap", "Peers", "PeersChanged", "PeersRemoved", "PeersChangedPatch",
  "PeerSeenChange", "OnlineChange", "DNSConfig", "Domain", "CollectServices", "PacketFilter", "PacketFilters", "UserProfiles",
  "Health", "DisplayMessages", "SSHPolicy", "ControlTime", "TKAInfo", "DomainDataPlaneAuditLogID", "MapSessionHandle", "Seq", "Debug",
  "ControlDialPlan",
};

gboolean
tn_map_frame_read (const guint8  *stream,
                   gsize          len,
                   gsize          max_len,
                   const char   **message,
                   gsize         *message_len,
                   gsize         *frame_len,
                   GError       **error)
{
  guint32 wanted;

  *message = NULL;
  *message_len = *frame_len = 0;
  if (len < FRAME_HEADER_LEN)
    return TRUE;
  wanted = tn_get_u32le (stream);
  if (wanted == 0 || wanted > max_len)
    {
      g_set_error (error, TN_ERROR, TN_ERROR_MALFORMED, "frame of %u bytes, 1 to %zu allowed", wanted, max_len);
      return FALSE;
    }
  if (len - FRAME_HEADER_LEN < wanted)
    return TRUE;
  *message = (const char *) stream + FRAME_HEADER_LEN;
  *message_len = wanted;
  *frame_len = FRAME_HEADER_LEN + wanted;
  return TRUE;
}

void
tn_map_message_clear (TnMapMessage *message)
{
  g_free (message->session_handle);
  g_free (message->pop_browser_url);
  g_free (message->ping_url);
  g_free (message->ping_types);
  g_free (message->ping_ip);
  g_clear_pointer (&message->ping_payload, g_bytes_unref);
  memset (message, 0, sizeof *message);
}

static void
collect_fields (TnMapFields *fields,
                TnJsonText   object)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (object);
  TnJsonText key, value;

  memset (fields, 0, sizeof *fields);
  while (tn_json_object_next (&iter, &key, &value))
    for (guint i = 0; i < N_MAP_FIELDS; i++)
      if (!tn_json_text_is_null (value) && tn_json_key_equal (key, map_fields[i]))
        {
          fields->text[i] = value;
          break;
        }
}

gboolean
tn_map_fields_have_peers (const TnMapFields *fields)
{
  TnJsonIter iter = TN_JSON_ITER_INIT (fields->text[MAP_PEERS]);
  TnJsonText first;

  return tn_json_array_next (&iter, &first);
}

static char *
dup_nonempty (TnJsonText value)
{
  g_autofree char *text = tn_json_text_dup_string (value);

  return text != NULL && *text != '\0' ? g_steal_pointer (&text) : NULL;
}

static gboolean
read_ping (TnMapMessage  *message,
           TnJsonText     ping,
           GError       **error)
{
  g_autofree char *payload = dup_nonempty (tn_json_text_member (ping, "Payload"));

  message->ping_url = dup_nonempty (tn_json_text_member (ping, "URL"));
  message->ping_types = dup_nonempty (tn_json_text_member (ping, "Types"));
  message->ping_ip = dup_nonempty (tn_json_text_member (ping, "IP"));
  if (payload != NULL)
    {
      gsize len;
      guchar *decoded = g_base64_decode (payload, &len);

      message->ping_payload = g_bytes_new_take (decoded, len);
    }
  return tn_json_text_get_bool (tn_json_text_member (ping, "URLIsNoise"), &message->ping_is_noise) ||
         tn_wire_fail (error, "PingRequest", ping);
}

/* Of the directives in Debug a library can follow this one: it neither ends its program nor keeps logs. */
static void
read_sleep (TnMapMessage *message,
            TnJsonText    debug)
{
  double seconds = 0;

  if (tn_json_text_get_double (tn_json_text_member (debug, "SleepSeconds"), &seconds) && seconds > 0)
    message->sleep_us = (gint64) (MIN (seconds, SLEEP_MAX_S) * G_USEC_PER_SEC);
}

gboolean
tn_map_message_read (TnMapMessage  *message,
                     const char    *json,
                     gsize          len,
                     GError       **error)
{
  const TnJsonText *text = message->fields.text;
  TnJsonText object;

  if (!tn_json_text_parse (json, len, &object, error))
    return FALSE;
  if (tn_json_text_kind (object) != TN_JSON_OBJECT)
    return tn_wire_fail (error, "MapResponse", object);
  collect_fields (&message->fields, object);

  if (!tn_json_text_get_bool (text[MAP_KEEP_ALIVE], &message->keep_alive) ||
      !tn_json_text_get_time (text[MAP_CONTROL_TIME], &message->control_time_us))
    {
      g_set_error_literal (error, TN_ERROR, TN_ERROR_MALFORMED, "KeepAlive or ControlTime: unexpected value");
      return FALSE;
    }
  if (!tn_json_text_get_int (text[MAP_SEQ], &message->seq))
    return tn_wire_fail (error, "Seq", text[MAP_SEQ]);
  message->session_handle = dup_nonempty (text[MAP_SESSION_HANDLE]);
  message->pop_browser_url = dup_nonempty (text[MAP_POP_BROWSER_URL]);
  read_sleep (message, text[MAP_DEBUG]);
  return read_ping (message, text[MAP_PING_REQUEST], error);
}
