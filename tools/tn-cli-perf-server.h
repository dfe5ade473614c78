/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-cli.h"

G_BEGIN_DECLS

/* Answers whoever calls @port, until interrupted. An exit code. */
int tn_cli_perf_serve (TnCli *cli, guint16 port);

G_END_DECLS
