/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "tn-lwip-netif.h"

G_BEGIN_DECLS

/* ICMP echo: one of it a stack. */
typedef struct _TnLwipPinger TnLwipPinger;

TnLwipPinger *tn_lwip_pinger_new   (TnLwipNetif *netif);
TnLwipPinger *tn_lwip_pinger_ref   (TnLwipPinger *self);
void          tn_lwip_pinger_unref (TnLwipPinger *self);

/* Takes the task, which returns an int of microseconds as a gint64 that is to be freed. */
void          tn_lwip_pinger_ping  (TnLwipPinger *self, const TnIpAddress *to, guint size, GTask *task);

G_END_DECLS
