/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-hostinfo.h"
#include "tn-ip.h"
#include "tn-keys.h"
#include "tn-lock-key.h"

G_BEGIN_DECLS

/* The one number that a client declares everywhere: what it says it can do, no more (tailscale tailcfg: CapabilityVersion). */
#define TN_CAPABILITY_VERSION 130

/* --- GET /key --- */
gboolean tn_wire_control_key_parse (const char *body, gsize len, TnMachinePublicKey *key, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* --- POST /machine/register --- */
typedef struct
{
  TnNodePublicKey   node_key;
  TnNodePublicKey   old_node_key;      /* zeros: none */
  TnLockPublicKey   lock_key;          /* likewise */
  const char       *auth_key;          /* nullable */
  const char       *followup;          /* nullable */
  const TnHostinfo *hostinfo;
  gint64            expiry_us;         /* 0: as the server likes; in the past: log out */
  gboolean          ephemeral;
} TnRegisterRequest;

/* Whoever frees it erases it, for the auth key; there is no copy of that. */
char    *tn_wire_register_request_write (const TnRegisterRequest *request);

#define TN_AUTH_URL_MAX_LEN 4096      /* bytes; those of servers have some 60 */

typedef struct
{
  char    *auth_url;                   /* nullable, as are the others */
  char    *error;
  char    *login_name;
  gboolean node_key_expired;
  gboolean machine_authorized;
  gboolean has_signature;              /* tailnet lock: of the old key */
} TnRegisterResponse;

gboolean tn_wire_register_response_parse (const char *body, gsize len, TnRegisterResponse *response, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void     tn_wire_register_response_clear (TnRegisterResponse *response);

/* --- POST /machine/map --- */
typedef enum      /* tailcfg.EndpointType */
{
  TN_ENDPOINT_UNKNOWN,
  TN_ENDPOINT_LOCAL,
  TN_ENDPOINT_STUN,
  TN_ENDPOINT_PORT_MAPPED,
  TN_ENDPOINT_STUN4_LOCAL_PORT,
  TN_ENDPOINT_EXPLICIT,
} TnEndpointType;

typedef struct
{
  TnIpEndpoint   endpoint;
  TnEndpointType type;
} TnOwnEndpoint;

typedef struct
{
  TnNodePublicKey      node_key;
  TnDiscoPublicKey     disco_key;
  const TnHostinfo    *hostinfo;
  const TnOwnEndpoint *endpoints;
  gsize                n_endpoints;
  gboolean             stream;         /* else: only says what there is to say */
  const char          *session_handle; /* nullable: of a stream that broke off, to go on with */
  gint64               session_seq;    /* behind this message of it */
} TnMapRequest;

char    *tn_wire_map_request_write (const TnMapRequest *request);

/* --- POST to the URL of a PingRequest: a ping that the server wanted --- */
typedef enum
{
  TN_CONTROL_PING_DISCO,
  TN_CONTROL_PING_TSMP,
  TN_CONTROL_PING_ICMP,
  TN_CONTROL_PING_PEERAPI,
  TN_CONTROL_N_PINGS,
} TnControlPing;

const char *tn_control_ping_get_name (TnControlPing kind);      /* as it is called on the wire */

typedef struct
{
  char        *problem;           /* nullable: why nothing was sent */
  gboolean     is_own;            /* namely because the address is the own one */
  TnIpAddress  node_address;      /* of the peer that has the address, or routes it; version 0: none */
  char        *node_name;         /* nullable */
  gint64       latency_us;        /* 0: none */
  TnIpEndpoint endpoint;          /* version 0: not by UDP */
  gint32       vni;               /* the endpoint is a peer relay's; negative: it is the peer's own */
  guint        region;            /* 0: not by a relay */
  char        *region_code;       /* nullable */
} TnPong;

TnPong  *tn_pong_new             (void);
void     tn_pong_free            (TnPong *pong);
char    *tn_wire_ping_response_write (TnControlPing kind, const TnIpAddress *address, const TnPong *pong);

/* --- POST /machine/id-token --- */
char    *tn_wire_id_token_request_write (const TnNodePublicKey *node_key, const char *audience);
char    *tn_wire_id_token_parse         (const char *body, gsize len, GError **error);

/* --- POST /machine/set-dns --- */
char    *tn_wire_set_dns_request_write  (const TnNodePublicKey *node_key, const char *name, const char *value);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnRegisterResponse, tn_wire_register_response_clear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnPong, tn_pong_free)

G_END_DECLS
