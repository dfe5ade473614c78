/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-cli.h"

G_BEGIN_DECLS

/* @sender sends @len bytes to @receiver, who tells who calls and answers with their checksum. */
gboolean tn_cli_demo_transfer (TnCli *cli, TnDevice *sender, TnDevice *receiver, guint16 port, gsize len, GError **error);

G_END_DECLS
