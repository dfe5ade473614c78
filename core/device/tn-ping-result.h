/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-node.h"
#include "tn-version-macros.h"

G_BEGIN_DECLS

/**
 * TnPingKind:
 * @TN_PING_KIND_DISCO: asks the other node's path discovery; shows the path, needs no permission
 * @TN_PING_KIND_TSMP: goes through the tunnel and is answered by the other node itself; needs no permission
 * @TN_PING_KIND_ICMP: ICMP echo, answered by the other host; its packet filter decides
 * @TN_PING_KIND_PEERAPI: opens an HTTP connection to the other node's peer API
 *
 * What a ping is made of.
 *
 * Since: 0.1
 */
typedef enum
{
  TN_PING_KIND_DISCO,
  TN_PING_KIND_TSMP,
  TN_PING_KIND_ICMP,
  TN_PING_KIND_PEERAPI,
} TnPingKind;

#define TN_TYPE_PING_RESULT (tn_ping_result_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnPingResult, tn_ping_result, TN, PING_RESULT, GObject)

TN_AVAILABLE_IN_ALL
TnPingKind    tn_ping_result_get_kind       (TnPingResult *self);
TN_AVAILABLE_IN_ALL
GInetAddress *tn_ping_result_get_address    (TnPingResult *self);
TN_AVAILABLE_IN_ALL
TnNode       *tn_ping_result_get_node       (TnPingResult *self);
TN_AVAILABLE_IN_ALL
gint64        tn_ping_result_get_latency_us (TnPingResult *self);
TN_AVAILABLE_IN_ALL
TnPath       *tn_ping_result_get_path       (TnPingResult *self);
TN_AVAILABLE_IN_ALL
char         *tn_ping_result_to_json        (TnPingResult *self);

G_END_DECLS
