/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a connection turns from HTTP/1.1 to relay frames (tailscale derp/derphttp/derphttp_client.go). */

#include <gio/gio.h>

#include "tn-derp-frame.h"
#include "tn-relay-map.h"

G_BEGIN_DECLS

#define TN_DERP_HEAD_MAX (16 << 10)
#define TN_DERP_HTTPS_PORT 443

static inline guint16
tn_derp_upgrade_port (const TnRelayNode *node)
{
  return node->derp_port != 0 ? node->derp_port : TN_DERP_HTTPS_PORT;
}

/* @ideal: nullable, the node that would have been better. With @fast_start the server answers with frames at once. FALSE: a name of
 * either is not fit for a request. */
gboolean    tn_derp_upgrade_append_request (GByteArray *out, const TnRelayNode *node, const TnRelayNode *ideal, gboolean fast_start);

/* The server's answer at the start of @data. PARSED: it agreed, and frames begin after @head_len bytes. INCOMPLETE with @error: it
 * did not, or it is no HTTP; without: more is needed. */
TnDerpParse tn_derp_upgrade_parse_response (const guint8 *data, gsize len, gsize *head_len, GError **error);

G_END_DECLS
