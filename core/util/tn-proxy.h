/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Who decides about a proxy on the way to @host: @resolver, or the system's where it is NULL; a full reference. NULL: there is none to ask.
 * Without a resolver of the program's a loopback address or “localhost” is reached directly, as Go's net/http has it: nobody's proxy
 * leads to this very machine, and the system's resolver costs megabytes and the start of a D-Bus client. */
GProxyResolver *tn_proxy_resolver_for_host (GProxyResolver *resolver, const char *host);

G_END_DECLS
