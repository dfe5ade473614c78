/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "tn-json-text.h"

G_BEGIN_DECLS

/* Members of a MapResponse, not yet looked into. */
typedef enum
{
  MAP_KEEP_ALIVE, MAP_PING_REQUEST, MAP_POP_BROWSER_URL, MAP_NODE, MAP_DERP_MAP, MAP_PEERS, MAP_PEERS_CHANGED, MAP_PEERS_REMOVED,
  MAP_PEERS_CHANGED_PATCH, MAP_PEER_SEEN_CHANGE, MAP_ONLINE_CHANGE, MAP_DNS_CONFIG, MAP_DOMAIN, MAP_COLLECT_SERVICES,
  MAP_PACKET_FILTER, MAP_PACKET_FILTERS, MAP_USER_PROFILES, MAP_HEALTH, MAP_DISPLAY_MESSAGES, MAP_SSH_POLICY, MAP_CONTROL_TIME,
  MAP_TKA_INFO, MAP_AUDIT_LOG_ID, MAP_SESSION_HANDLE, MAP_SEQ, MAP_DEBUG, MAP_DIAL_PLAN, N_MAP_FIELDS,
} TnMapField;

typedef struct
{
  TnJsonText text[N_MAP_FIELDS];      /* null counts as absent */
} TnMapFields;

/* A MapResponse: what is for the client itself, and the rest as text. { 0 } is an empty one. */
typedef struct
{
  TnMapFields fields;              /* good as long as what it was read from */
  gboolean    keep_alive;          /* nothing else of the message counts but what is in here */
  gint64      control_time_us;     /* the server's clock, Unix time; 0: not said */
  char       *session_handle;      /* nullable, as are the next five */
  char       *pop_browser_url;
  char       *ping_url;
  char       *ping_types;
  char       *ping_ip;
  GBytes     *ping_payload;
  gboolean    ping_is_noise;       /* answer inside the control connection */
  gint64      seq;                 /* of the session, to go on behind; 0: not said */
  gint64      sleep_us;            /* before the message counts */
} TnMapMessage;

/* The first message of @len bytes of the stream: where it begins, and how long it is with what goes before it in @frame_len; NULL: more of it is
 * to come. FALSE: no message is so long as it says, above @max_len bytes or none at all. */
gboolean tn_map_frame_read (const guint8 *stream, gsize len, gsize max_len, const char **message, gsize *message_len, gsize *frame_len,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A full list of peers. An empty one is none: servers cannot say "no peers" this way. */
gboolean tn_map_fields_have_peers (const TnMapFields *fields);

gboolean tn_map_message_read  (TnMapMessage *message, const char *json, gsize len, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void     tn_map_message_clear (TnMapMessage *message);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnMapMessage, tn_map_message_clear)

G_END_DECLS
