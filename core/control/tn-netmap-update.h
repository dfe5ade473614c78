/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-netmap.h"

G_BEGIN_DECLS

/* What of a MapResponse is for the client and not for its state. { 0 } is an empty one. */
typedef struct
{
  gboolean keep_alive;          /* nothing else of the message counted but what is in here */
  char    *pop_browser_url;     /* nullable, as are the next four */
  char    *ping_url;
  char    *ping_types;
  char    *ping_ip;
  GBytes  *ping_payload;
  gboolean ping_is_noise;       /* answer inside the control connection */
} TnMapMessage;

void     tn_map_message_clear (TnMapMessage *message);

/* Applies one MapResponse. @now_us: our clock, Unix time. On failure the stream is over, and the map no longer to be used. */
gboolean tn_netmap_update     (TnNetmap *netmap, const char *json, gsize len, gint64 now_us, TnMapMessage *message,
                               TnNetmapChanges *changes, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The first message of a new stream has made @netmap, which stands in for @before (nullable), the map of another stream: @changes
 * says what differs between them. Nothing of before holds that was not said again, so all but the peers counts as changed. */
void     tn_netmap_follow (TnNetmap *netmap, const TnNetmap *before, TnNetmapChanges *changes);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnMapMessage, tn_map_message_clear)

G_END_DECLS
