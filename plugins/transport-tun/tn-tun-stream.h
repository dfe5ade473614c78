/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

#define TN_TYPE_TUN_STREAM (tn_tun_stream_get_type ())
G_DECLARE_FINAL_TYPE (TnTunStream, tn_tun_stream, TN, TUN_STREAM, TnNetstackStream)

/* A TCP connection of the kernel; takes a reference. */
TnNetstackStream *tn_tun_stream_new (GSocketConnection *connection);

G_END_DECLS
