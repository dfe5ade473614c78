/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-connection.h"
#include "tn-version-macros.h"

G_BEGIN_DECLS

#define TN_TYPE_LISTENER (tn_listener_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnListener, tn_listener, TN, LISTENER, GObject)

TN_AVAILABLE_IN_ALL
GSocketAddress *tn_listener_get_local_address (TnListener           *self);
TN_AVAILABLE_IN_ALL
guint16         tn_listener_get_port          (TnListener           *self);
TN_AVAILABLE_IN_ALL
guint           tn_listener_get_backlog       (TnListener           *self);
TN_AVAILABLE_IN_ALL
gboolean        tn_listener_get_active        (TnListener           *self);
TN_AVAILABLE_IN_ALL
void            tn_listener_accept_async      (TnListener           *self,
                                               GCancellable         *cancellable,
                                               GAsyncReadyCallback   callback,
                                               gpointer              user_data);
TN_AVAILABLE_IN_ALL
TnConnection   *tn_listener_accept_finish     (TnListener           *self,
                                               GAsyncResult         *result,
                                               GError              **error);
TN_AVAILABLE_IN_ALL
void            tn_listener_start             (TnListener           *self);
TN_AVAILABLE_IN_ALL
void            tn_listener_stop              (TnListener           *self);
TN_AVAILABLE_IN_ALL
void            tn_listener_close             (TnListener           *self);
TN_AVAILABLE_IN_ALL
gboolean        tn_listener_is_closed         (TnListener           *self);

G_END_DECLS
