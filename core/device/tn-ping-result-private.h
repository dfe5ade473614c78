/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-path-private.h"
#include "tn-ping-result.h"

G_BEGIN_DECLS

/* @path is what this one answer came by; its latency is @latency_us. */
TnPingResult *tn_ping_result_new (TnPingKind kind, GInetAddress *address, TnNode *node, gint64 latency_us, const TnPathData *path);

G_END_DECLS
