/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-device.h"
#include "tn-state-store.h"

G_BEGIN_DECLS

#define TN_TYPE_EMBEDDED_DEVICE (tn_embedded_device_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnEmbeddedDevice, tn_embedded_device, TN, EMBEDDED_DEVICE, GObject)

/* What else there is to say of a node is said when it is made, by g_object_new() with the properties "tags", "ephemeral",
 * "tls-database", "allow-plain-http", "app-name", "capture-file", "netstack", "interface-name", "tun-fd", "port", "transports" and "main-context". */
TN_AVAILABLE_IN_ALL
TnEmbeddedDevice *tn_embedded_device_new             (const char       *hostname,
                                                      const char       *control_url,
                                                      TnStateStore     *state_store);
TN_AVAILABLE_IN_ALL
void              tn_embedded_device_set_auth_key    (TnEmbeddedDevice *self,
                                                      const char       *auth_key);
TN_AVAILABLE_IN_ALL
const char       *tn_embedded_device_get_hostname    (TnEmbeddedDevice *self);
TN_AVAILABLE_IN_ALL
const char       *tn_embedded_device_get_control_url (TnEmbeddedDevice *self);
TN_AVAILABLE_IN_ALL
TnStateStore     *tn_embedded_device_get_state_store (TnEmbeddedDevice *self);
TN_AVAILABLE_IN_ALL
gboolean          tn_embedded_device_get_ephemeral   (TnEmbeddedDevice *self);
TN_AVAILABLE_IN_ALL
const char       *tn_embedded_device_get_interface_name (TnEmbeddedDevice *self);

G_END_DECLS
