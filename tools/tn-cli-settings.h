/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-cli.h"

G_BEGIN_DECLS

/* How the node of a state was joined last: its name, login server, tags and authorities. */

/* Sets what was not given to what is kept in @store, which nobody has acquired. FALSE: @error, %G_IO_ERROR_BUSY if somebody has. */
gboolean tn_cli_settings_load (TnCli *cli, TnStateStore *store, GError **error);

/* Keeps what there is now in @store, which the device that runs has acquired. */
gboolean tn_cli_settings_save (TnCli *cli, TnStateStore *store, GError **error);

G_END_DECLS
