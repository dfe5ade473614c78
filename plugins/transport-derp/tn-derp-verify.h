/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Is this certificate chain the one of that relay? (tailscale net/tlsdial/tlsdial.go, derp/derphttp/derphttp_client.go) */

#include <gio/gio.h>

#include "tn-keys.h"
#include "tn-relay-map.h"

G_BEGIN_DECLS

/* The name for the SNI extension, NULL: none, as for an address. */
const char *tn_derp_verify_sni  (const TnRelayNode *node);

/* @chain: GBytes of DER, leaf first. @database: NULL for the system's. */
gboolean    tn_derp_verify      (GPtrArray *chain, const TnRelayNode *node, GTlsDatabase *database, GError **error);

/* The relay's own key, when it put it into its chain: with it the handshake needs no round trip of its own. */
gboolean    tn_derp_verify_find_key (GPtrArray *chain, TnNodePublicKey *key) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
