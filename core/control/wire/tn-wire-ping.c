/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-wire-control.h"

#include "tn-json-put.h"
#include "tn-json-text.h"

TnPong *
tn_pong_new (void)
{
  TnPong *pong = g_new0 (TnPong, 1);

  pong->vni = -1;
  return pong;
}

void
tn_pong_free (TnPong *pong)
{
  g_free (pong->problem);
  g_free (pong->node_name);
  g_free (pong->region_code);
  g_free (pong);
}

const char *
tn_control_ping_get_name (TnControlPing kind)
{
  static const char *const names[TN_CONTROL_N_PINGS] = { "disco", "TSMP", "ICMP", "peerapi" };

  return names[kind];
}

static void
put_endpoint (GString      *out,
              const TnPong *pong)
{
  char text[TN_IP_ENDPOINT_TEXT_MAX];
  g_autofree char *relay = NULL;

  if (pong->endpoint.address.version == 0)
    return;
  tn_ip_endpoint_print (&pong->endpoint, text);
  if (pong->vni >= 0)
    relay = g_strdup_printf ("%s:vni:%d", text, pong->vni);
  tn_json_put_member_string (out, relay != NULL ? "PeerRelay" : "Endpoint", relay != NULL ? relay : text);
}

static void
put_latency (GString *out,
             gint64   latency_us)
{
  char seconds[G_ASCII_DTOSTR_BUF_SIZE];

  if (latency_us > 0)
    tn_json_put_member_raw (out, "LatencySeconds",
                            g_ascii_formatd (seconds, sizeof seconds, "%.6f", (double) latency_us / G_USEC_PER_SEC));
}

/* tailscale tailcfg: PingResponse. What is not known is left out. */
char *
tn_wire_ping_response_write (TnControlPing      kind,
                             const TnIpAddress *address,
                             const TnPong      *pong)
{
  GString *out = g_string_new ("{");

  tn_json_put_member_string (out, "Type", tn_control_ping_get_name (kind));
  tn_json_put_member_address (out, "IP", address);
  tn_json_put_member_address (out, "NodeIP", &pong->node_address);
  tn_json_put_member_string (out, "NodeName", pong->node_name);
  tn_json_put_member_string (out, "Err", pong->problem);
  put_latency (out, pong->latency_us);
  put_endpoint (out, pong);
  if (pong->region != 0)
    tn_json_put_member_int (out, "DERPRegionID", pong->region);
  tn_json_put_member_string (out, "DERPRegionCode", pong->region_code);
  if (pong->is_own)
    tn_json_put_member_bool (out, "IsLocalIP", TRUE);
  g_string_append_c (out, '}');
  return g_string_free (out, FALSE);
}
