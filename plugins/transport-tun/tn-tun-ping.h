/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Sends an ICMP echo with @size bytes of payload by a socket of the kernel, out of @interface; @task, which it takes, ends with tn_tun_ping_finish().
 * Where the system lets nobody ping (sysctl ping_group_range), CAP_NET_RAW is needed. */
void   tn_tun_ping        (GInetAddress *to, guint size, const char *interface, GTask *task);

/* The round trip in microseconds; -1 on error. */
gint64 tn_tun_ping_finish (GAsyncResult *result, GError **error);

G_END_DECLS
