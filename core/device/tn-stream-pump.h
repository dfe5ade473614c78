/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

/* Makes a pair of sockets, copies between one of them and @stream in a thread of the library until both directions have ended, and
 * returns the other: non-blocking, close-on-exec, the caller's. An end passes through as an end; a failure of one side closes both
 * directions of the other. */
int tn_stream_pump_start (TnNetstackStream *stream, GError **error);

G_END_DECLS
