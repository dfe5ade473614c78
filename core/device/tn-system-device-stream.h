/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gunixfdlist.h>

#include "tailnet-plugin.h"

G_BEGIN_DECLS

/* A stream of another process's network stack, which came as a descriptor. Addresses: "100.64.0.1:80", "" if unknown. NULL: @fd is
 * no socket; it is closed then. */
TnNetstackStream *tn_system_device_stream_new (int fd, const char *local, const char *remote, GError **error);

/* What the policy granted the node at the other end when it connected: a{sas}. It goes with the stream, for later it may be another. */
void              tn_system_device_stream_set_grants (TnNetstackStream *stream, GVariant *grants);

/* NULL: @text is no address with a port. */
GSocketAddress   *tn_system_device_parse_address (const char *text);

/* The descriptor that @handle of an answer means, the caller's then; -1: there is none. */
int               tn_system_device_take_fd      (GVariant *handle, GUnixFDList *fds, GError **error);

/* A stream of it. */
TnNetstackStream *tn_system_device_stream_take  (GVariant *handle, GUnixFDList *fds, const char *local, const char *remote,
                                                 GError **error);

G_END_DECLS
