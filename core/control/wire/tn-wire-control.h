/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-hostinfo.h"
#include "tn-keys.h"

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
  const char       *auth_key;          /* nullable */
  const char       *followup;          /* nullable */
  const TnHostinfo *hostinfo;
  gint64            expiry_us;         /* 0: as the server likes; in the past: log out */
  gboolean          ephemeral;
} TnRegisterRequest;

/* Whoever frees it erases it, for the auth key; there is no copy of that. */
char    *tn_wire_register_request_write (const TnRegisterRequest *request);

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
} TnMapRequest;

char    *tn_wire_map_request_write (const TnMapRequest *request);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TnRegisterResponse, tn_wire_register_response_clear)

G_END_DECLS
