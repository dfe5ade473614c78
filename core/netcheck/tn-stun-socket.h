/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-stun.h"

G_BEGIN_DECLS

/* A UDP socket of one family that asks STUN servers and hears their answers, in the thread-default context of its maker. */
typedef struct _TnStunSocket TnStunSocket;

typedef void (*TnStunAnswerFunc) (gpointer user_data, const TnStunTxid *txid, const TnIpEndpoint *seen_as);

/* @answer must not free the socket. @mark: 0: none. */
TnStunSocket *tn_stun_socket_new  (gboolean ipv6, guint32 mark, TnStunAnswerFunc answer, gpointer user_data, GError **error);
void          tn_stun_socket_free (TnStunSocket *self);

gboolean      tn_stun_socket_send (TnStunSocket *self, GInetAddress *address, guint16 port, const TnStunTxid *txid, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnStunSocket, tn_stun_socket_free)

G_END_DECLS
