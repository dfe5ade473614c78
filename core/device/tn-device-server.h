/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-device.h"

G_BEGIN_DECLS

#define TN_TYPE_DEVICE_SERVER (tn_device_server_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnDeviceServer, tn_device_server, TN, DEVICE_SERVER, GObject)

TN_AVAILABLE_IN_ALL
TnDeviceServer *tn_device_server_new          (TnDevice            *device);
TN_AVAILABLE_IN_ALL
gboolean        tn_device_server_listen       (TnDeviceServer      *self,
                                               const char          *directory,
                                               GError             **error);
TN_AVAILABLE_IN_ALL
void            tn_device_server_close        (TnDeviceServer      *self);
TN_AVAILABLE_IN_ALL
void            tn_device_server_close_async  (TnDeviceServer      *self,
                                               GCancellable        *cancellable,
                                               GAsyncReadyCallback  callback,
                                               gpointer             user_data);
TN_AVAILABLE_IN_ALL
gboolean        tn_device_server_close_finish (TnDeviceServer      *self,
                                               GAsyncResult        *result,
                                               GError             **error);

G_END_DECLS
