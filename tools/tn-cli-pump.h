/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Copies until @from ends; closes neither. FALSE with @error: one of them failed, or it was cancelled. */
void     tn_cli_pump_async  (GInputStream *from, GOutputStream *to, GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data);
gboolean tn_cli_pump_finish (GAsyncResult *result, GError **error);

G_END_DECLS
