/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-lwip-netif.h"
#include "tn-lwip-waiters.h"

G_BEGIN_DECLS

/* A UDP port: datagrams on their way between the threads that send and receive them and lwIP's turns. */
typedef struct _TnLwipPort TnLwipPort;

typedef struct
{
  GBytes      *bytes;
  TnIpEndpoint endpoint;
} TnLwipDatagramItem;

TnLwipDatagramItem *tn_lwip_datagram_item_new  (GBytes *bytes, const TnIpEndpoint *endpoint);
void                tn_lwip_datagram_item_free (gpointer item);

/* Any thread. */
TnLwipPort         *tn_lwip_port_new       (TnLwipNetif *netif, const TnIpEndpoint *local);
TnLwipPort         *tn_lwip_port_ref       (TnLwipPort *self);
void                tn_lwip_port_unref     (gpointer self);
const TnIpEndpoint *tn_lwip_port_get_local (TnLwipPort *self);     /* once it is bound */
void                tn_lwip_port_close     (TnLwipPort *self);

/* G_IO_ERROR_WOULD_BLOCK: there is no room for it, or its path is full. */
gboolean            tn_lwip_port_send      (TnLwipPort *self, GBytes *bytes, const TnIpEndpoint *to, GError **error);

/* The task, which is taken, returns TRUE when there was room for the TnLwipDatagramItem that is its data. */
void                tn_lwip_port_send_when_ready (TnLwipPort *self, GTask *task);

/* The task, which is taken, returns a TnLwipDatagramItem. */
void                tn_lwip_port_receive   (TnLwipPort *self, GTask *task);

/* In a turn: an err_t. */
int                 tn_lwip_port_bind      (TnLwipPort *self);

G_END_DECLS
