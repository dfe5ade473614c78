/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"
#include "tn-keys.h"

G_BEGIN_DECLS

/* Path discovery messages (tailscale disco/disco.go): magic, sender's key, nonce, and a NaCl box with type, version and payload. */
#define TN_DISCO_MAGIC_LEN    6
#define TN_DISCO_NONCE_LEN    24
#define TN_DISCO_HEADER_LEN   (TN_DISCO_MAGIC_LEN + TN_KEY_LEN + TN_DISCO_NONCE_LEN)
#define TN_DISCO_OVERHEAD     (TN_DISCO_HEADER_LEN + 16)       /* what sealing adds */
#define TN_DISCO_TXID_LEN     12
#define TN_DISCO_CHALLENGE_LEN 32
#define TN_DISCO_ENDPOINT_LEN 18

typedef enum
{
  TN_DISCO_PING = 1,
  TN_DISCO_PONG,
  TN_DISCO_CALL_ME_MAYBE,
  TN_DISCO_BIND,                    /* these six belong to peer relays */
  TN_DISCO_CHALLENGE,
  TN_DISCO_ANSWER,
  TN_DISCO_CALL_ME_MAYBE_VIA,
  TN_DISCO_ALLOCATE_REQUEST,
  TN_DISCO_ALLOCATE_RESPONSE,
} TnDiscoType;

typedef struct { guint8 bytes[TN_DISCO_TXID_LEN]; } TnDiscoTxid;

/* Borrowed: the wire form of @n endpoints. */
typedef struct
{
  const guint8 *bytes;
  guint         n;
} TnDiscoEndpoints;

typedef struct
{
  TnDiscoPublicKey server_disco;
  TnDiscoPublicKey client_disco[2];
  guint64          lamport_id;
  guint32          vni;
  gint64           bind_lifetime_ns;
  gint64           steady_lifetime_ns;
  TnDiscoEndpoints endpoints;
} TnDiscoRelayEndpoint;

typedef struct
{
  TnDiscoType type;
  union
  {
    struct { TnDiscoTxid txid; TnNodePublicKey node_key; gsize padding; } ping;        /* node_key zero: none. A claim only */
    struct { TnDiscoTxid txid; TnIpEndpoint src; } pong;                              /* src: where the ping was seen to come from */
    struct { TnDiscoEndpoints endpoints; } call_me_maybe;
    struct { guint32 vni, generation; TnDiscoPublicKey remote_key; guint8 challenge[TN_DISCO_CHALLENGE_LEN]; } bind;   /* and answers */
    struct { TnDiscoPublicKey client_disco[2]; guint32 generation; } allocate_request;
    struct { guint32 generation; TnDiscoRelayEndpoint relay; } allocate_response;     /* generation unused in CALL_ME_MAYBE_VIA */
  };
} TnDiscoMessage;

/* Inner message, as it comes out of the box. The endpoints point into @plain. FALSE: malformed or of unknown type; drop silently. */
gboolean     tn_disco_parse         (TnDiscoMessage *message, const guint8 *plain, gsize len) G_GNUC_WARN_UNUSED_RESULT;

/* Its length, 0 when @size is too small. */
gsize        tn_disco_write         (const TnDiscoMessage *message, guint8 *out, gsize size);

/* IPv4 comes out of its mapped form. */
TnIpEndpoint tn_disco_endpoint_get  (const TnDiscoEndpoints *endpoints, guint i);
void         tn_disco_endpoint_put  (const TnIpEndpoint *endpoint, guint8 out[TN_DISCO_ENDPOINT_LEN]);

/* Long enough for a sender and with the magic in front: is it to be taken for disco at all? */
gboolean     tn_disco_is_packet     (const guint8 *packet, gsize len);
void         tn_disco_get_sender    (const guint8 *packet, TnDiscoPublicKey *out);    /* only of what tn_disco_is_packet() */

/* @shared is of tn_box_precompute(). @out gets @len + TN_DISCO_OVERHEAD bytes. */
void         tn_disco_seal          (const guint8 shared[32], const TnDiscoPublicKey *sender, const guint8 nonce[TN_DISCO_NONCE_LEN],
                                     const guint8 *plain, gsize len, guint8 *out);

/* @out gets @len - TN_DISCO_OVERHEAD bytes. */
gboolean     tn_disco_open          (const guint8 shared[32], const guint8 *packet, gsize len, guint8 *out) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
