/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "tn-ip.h"
#include "tn-lwip-bytes.h"
#include "tn-lwip-netif.h"

G_BEGIN_DECLS

/* A TCP connection: bytes on their way between the threads that read and write it and lwIP's turns. */
typedef struct _TnLwipConn TnLwipConn;

/* In a turn: it failed. */
typedef void (*TnLwipConnDied) (TnLwipConn *self, gpointer data);

TnLwipConn *tn_lwip_conn_ref         (TnLwipConn *self);
void        tn_lwip_conn_unref       (TnLwipConn *self);

/* Any thread. */
TnLwipConn *tn_lwip_conn_new         (TnLwipNetif *netif);
void        tn_lwip_conn_connect     (TnLwipConn *self, const TnIpEndpoint *remote, GTask *task);     /* takes the task; it returns the connection */
void        tn_lwip_conn_cancel      (TnLwipConn *self);     /* of the connect */
gssize      tn_lwip_conn_read        (TnLwipConn *self, void *buffer, gsize len, gboolean blocking, GCancellable *cancellable, GError **error);
gssize      tn_lwip_conn_write       (TnLwipConn *self, const void *buffer, gsize len, gboolean blocking, GCancellable *cancellable, GError **error);
gboolean    tn_lwip_conn_write_all   (TnLwipConn *self, const void *buffer, gsize len);     /* at once, past the limit; FALSE: failed */
gboolean    tn_lwip_conn_is_readable (TnLwipConn *self);
gboolean    tn_lwip_conn_is_writable (TnLwipConn *self);
gboolean    tn_lwip_conn_shutdown    (TnLwipConn *self, gboolean read, gboolean write, GError **error);
void        tn_lwip_conn_close       (TnLwipConn *self);
GSource    *tn_lwip_conn_create_source (TnLwipConn *self, GIOCondition condition);
void        tn_lwip_conn_get_endpoints (TnLwipConn *self, TnIpEndpoint *local, TnIpEndpoint *remote);     /* once it is connected */

/* True when the peer reset it, or it failed: not when it ended. */
gboolean    tn_lwip_conn_has_failed  (TnLwipConn *self);

/* For tests, before there is any: how long a full path may hold one. */
void        tn_lwip_conn_set_patience (gint64 connect_us, gint64 data_us);

/* In a turn. */
struct tcp_pcb;
TnLwipConn *tn_lwip_conn_new_accepted (TnLwipNetif *netif, struct tcp_pcb *pcb);
void        tn_lwip_conn_watch        (TnLwipConn *self, TnLwipConnDied died, gpointer data, GDestroyNotify destroy);     /* until accepted */
void        tn_lwip_conn_accepted     (TnLwipConn *self);     /* any thread; somebody has it: it leaves the backlog */
void        tn_lwip_conn_unreachable  (TnLwipConn *self);
void        tn_lwip_conn_blocked      (TnLwipConn *self, const char *reason);     /* while it connects */
void        tn_lwip_conn_reset        (TnLwipConn *self);     /* the peer gets to know */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnLwipConn, tn_lwip_conn_unref)

G_END_DECLS
