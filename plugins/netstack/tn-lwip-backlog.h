/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "lwip/tcp.h"

G_BEGIN_DECLS

/* Who gets a place in a listener's backlog, which holds both the connections that nobody has accepted yet and the half-open ones, whose
 * peer has not answered yet. */
#define TN_LWIP_BACKLOG_MAX 254     /* lwIP counts it in a byte, and the one that asks for a place with it */

/* As tcp_listen_with_backlog_and_err(). */
struct tcp_pcb *tn_lwip_backlog_listen (struct tcp_pcb *bound, guint backlog, err_t *err);

G_END_DECLS
