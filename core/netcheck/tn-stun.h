/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"

G_BEGIN_DECLS

/* STUN binding (RFC 8489) in the form that relays answer (tailscale net/stun/stun.go). */
#define TN_STUN_HEADER_LEN       20
#define TN_STUN_TXID_LEN         12
#define TN_STUN_REQUEST_LEN      40
#define TN_STUN_RESPONSE_MAX     44
#define TN_STUN_DEFAULT_PORT     3478

typedef struct { guint8 bytes[TN_STUN_TXID_LEN]; } TnStunTxid;

gboolean tn_stun_is_stun        (const guint8 *datagram, gsize len);      /* by its header */
gboolean tn_stun_is_binding     (const guint8 *datagram, gsize len);      /* and a binding request or response, by its second byte */

void     tn_stun_write_request  (const TnStunTxid *txid, guint8 out[TN_STUN_REQUEST_LEN]);

/* For a server: is it a request as a node makes it, which ends in a fingerprint? */
gboolean tn_stun_parse_request  (const guint8 *datagram, gsize len, TnStunTxid *txid) G_GNUC_WARN_UNUSED_RESULT;
gsize    tn_stun_write_response (const TnStunTxid *txid, const TnIpEndpoint *source, guint8 out[TN_STUN_RESPONSE_MAX]);

/* IPv4 comes out of its mapped form. */
gboolean tn_stun_parse_response (const guint8 *datagram, gsize len, TnStunTxid *txid, TnIpEndpoint *source) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
