/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a relay does with frames, without sockets or a clock: bytes of connections in, bytes of connections out
 * (tailscale derp/derpserver/derpserver.go). */

#include "tn-derp-info.h"

G_BEGIN_DECLS

typedef struct _TnTestkitRelay TnTestkitRelay;
typedef struct _TnTestkitRelayLink TnTestkitRelayLink;      /* one connection */

/* There are bytes to take from @link, or it is to be closed. Not to be disconnected from here. */
typedef void (*TnTestkitRelayWakeFunc) (TnTestkitRelayLink *link, gpointer link_data);

/* @mesh_key: nullable, TN_KEY_LEN bytes. */
TnTestkitRelay     *tn_testkit_relay_new         (const TnNodePrivateKey *key, const guint8 *mesh_key, TnTestkitRelayWakeFunc wake);
void                tn_testkit_relay_free        (TnTestkitRelay *relay);      /* after its links */
void                tn_testkit_relay_get_key     (TnTestkitRelay *relay, TnNodePublicKey *key);

/* Begins with the greeting. */
TnTestkitRelayLink *tn_testkit_relay_connect     (TnTestkitRelay *relay, const TnIpEndpoint *remote, gboolean not_ideal,
                                                  gpointer link_data);
void                tn_testkit_relay_disconnect  (TnTestkitRelayLink *link);   /* and frees */

void                tn_testkit_relay_receive     (TnTestkitRelayLink *link, const guint8 *data, gsize len, gint64 now_us);
void                tn_testkit_relay_send        (TnTestkitRelayLink *link, TnDerpFrameType type, const void *payload, gsize len);
void                tn_testkit_relay_send_bytes  (TnTestkitRelayLink *link, const guint8 *bytes, gsize len);      /* no frame, if need be */

GByteArray         *tn_testkit_relay_take_output (TnTestkitRelayLink *link);   /* NULL: none */

/* Why it is to be closed; NULL: it is not. */
const char         *tn_testkit_relay_get_verdict (TnTestkitRelayLink *link);

/* NULL: it has not said yet. */
const TnNodePublicKey *tn_testkit_relay_get_peer (TnTestkitRelayLink *link);

G_END_DECLS
