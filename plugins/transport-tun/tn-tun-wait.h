/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* TRUE: @task has returned; FALSE: the socket is not ready yet. */
typedef gboolean (*TnTunTryFunc) (GTask *task, GSocket *socket);

/* Tries now, and whenever @socket is ready, until @task has returned: at the latest when it is cancelled, or when @closed is, which
 * ends it with G_IO_ERROR_CLOSED. Takes @task. */
void tn_tun_wait (GTask *task, GSocket *socket, GIOCondition condition, GCancellable *closed, TnTunTryFunc try_func);

G_END_DECLS
