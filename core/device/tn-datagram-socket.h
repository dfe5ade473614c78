/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-version-macros.h"

G_BEGIN_DECLS

#define TN_TYPE_DATAGRAM_SOCKET (tn_datagram_socket_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnDatagramSocket, tn_datagram_socket, TN, DATAGRAM_SOCKET, GObject)

TN_AVAILABLE_IN_ALL
GSocketAddress *tn_datagram_socket_get_local_address   (TnDatagramSocket     *self);
TN_AVAILABLE_IN_ALL
gboolean        tn_datagram_socket_send_to             (TnDatagramSocket     *self,
                                                        GSocketAddress       *destination,
                                                        GBytes               *payload,
                                                        GError              **error);
TN_AVAILABLE_IN_ALL
void            tn_datagram_socket_send_to_async       (TnDatagramSocket     *self,
                                                        GSocketAddress       *destination,
                                                        GBytes               *payload,
                                                        GCancellable         *cancellable,
                                                        GAsyncReadyCallback   callback,
                                                        gpointer              user_data);
TN_AVAILABLE_IN_ALL
gboolean        tn_datagram_socket_send_to_finish      (TnDatagramSocket     *self,
                                                        GAsyncResult         *result,
                                                        GError              **error);
TN_AVAILABLE_IN_ALL
gboolean        tn_datagram_socket_send_to_host        (TnDatagramSocket     *self,
                                                        const char           *host_and_port,
                                                        guint16               default_port,
                                                        GBytes               *payload,
                                                        GError              **error);
TN_AVAILABLE_IN_ALL
void            tn_datagram_socket_send_to_host_async  (TnDatagramSocket     *self,
                                                        const char           *host_and_port,
                                                        guint16               default_port,
                                                        GBytes               *payload,
                                                        GCancellable         *cancellable,
                                                        GAsyncReadyCallback   callback,
                                                        gpointer              user_data);
TN_AVAILABLE_IN_ALL
gboolean        tn_datagram_socket_send_to_host_finish (TnDatagramSocket     *self,
                                                        GAsyncResult         *result,
                                                        GError              **error);
TN_AVAILABLE_IN_ALL
void            tn_datagram_socket_receive_from_async  (TnDatagramSocket     *self,
                                                        GCancellable         *cancellable,
                                                        GAsyncReadyCallback   callback,
                                                        gpointer              user_data);
TN_AVAILABLE_IN_ALL
GBytes         *tn_datagram_socket_receive_from_finish (TnDatagramSocket     *self,
                                                        GAsyncResult         *result,
                                                        GSocketAddress      **source,
                                                        GError              **error);
TN_AVAILABLE_IN_ALL
void            tn_datagram_socket_close               (TnDatagramSocket     *self);

G_END_DECLS
