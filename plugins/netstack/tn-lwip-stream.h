/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"
#include "tn-lwip-conn.h"

G_BEGIN_DECLS

#define TN_TYPE_LWIP_STREAM (tn_lwip_stream_get_type ())
G_DECLARE_FINAL_TYPE (TnLwipStream, tn_lwip_stream, TN, LWIP_STREAM, TnNetstackStream)

TnNetstackStream *tn_lwip_stream_new (TnLwipConn *conn /* transfer full */);
GInputStream     *tn_lwip_input_stream_new  (TnLwipConn *conn);
GOutputStream    *tn_lwip_output_stream_new (TnLwipConn *conn);

GSocketAddress   *tn_lwip_endpoint_to_socket_address (const TnIpEndpoint *endpoint);
gboolean          tn_lwip_endpoint_from_socket_address (TnIpEndpoint *endpoint, GSocketAddress *address, GError **error);

/* tn-lwip-pump.c: a descriptor for the connection, which it takes over; -1: error */
int               tn_lwip_pump_start (TnLwipConn *conn, GError **error);

G_END_DECLS
