/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-cli.h"

G_BEGIN_DECLS

/* Standard input to @host and back; with @host NULL to whoever sent last to @port. Once the input ended it goes on for @quit_s
 * seconds after the last datagram, with -1 until interrupted. An exit code. */
int tn_cli_datagrams (TnCli *cli, const char *host, guint16 port, int quit_s);

G_END_DECLS
