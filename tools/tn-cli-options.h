/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-cli.h"

G_BEGIN_DECLS

/* The options that say which node it is and how to reach it; they may stand before the command and after it. */

#define TN_CLI_N_OPTIONS 12

/* Fills @entries, which ends with an empty one, to write to @cli. */
void     tn_cli_options_describe (TnCli *cli, GOptionEntry entries[TN_CLI_N_OPTIONS + 1]);

/* Once all options are read: takes what only the environment says, and looks at the values. */
gboolean tn_cli_options_settle   (TnCli *cli, GError **error);

void     tn_cli_options_clear    (TnCli *cli);

G_END_DECLS
