/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>
#include "tn-relay-map.h"

G_BEGIN_DECLS

/* Where UDP is blocked: how long a GET of the relay's latency check takes on a connection that is there already.
 *
 * @session is for this alone, since its connections are kept. The node is only looked at within the call. */
void   tn_latency_probe_async  (SoupSession *session, GTlsDatabase *database, const TnRelayNode *node, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);

/* In nanoseconds, -1 on error. @remote: nullable, who answered, NULL if unknown. */
gint64 tn_latency_probe_finish (SoupSession *session, GAsyncResult *result, GInetAddress **remote, GError **error);

G_END_DECLS
