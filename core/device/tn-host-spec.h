/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-ip.h"

G_BEGIN_DECLS

/* "host", "host:port", "1.2.3.4", "1.2.3.4:port", "::1", "[::1]", "[::1]:port". @host comes without brackets and final dot, in
 * lower case; @port is @default_port where the text has none, and 0 there is an error: "no port in “db”". */
gboolean tn_host_spec_parse (const char *text, guint16 default_port, char **host, guint16 *port, GError **error);

/* The same where a port has no place. */
gboolean tn_host_spec_parse_host (const char *text, char **host, GError **error);

G_END_DECLS
