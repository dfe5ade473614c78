/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-testkit-control.h"
#include "tn-testkit-server.h"

G_BEGIN_DECLS

typedef void (*TnTestkitCall) (TnTestkitServer *server, gpointer data);

/* Runs @call where the server lives, and returns once it has run. */
void tn_testkit_control_invoke (TnTestkitControl *self, TnTestkitCall call, gpointer data);

G_END_DECLS
