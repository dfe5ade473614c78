/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-device-model.h"

G_BEGIN_DECLS

/* A device without a network: its model is filled by the test, and its connections are refused with the host and port that they were
 * for in the message. */
#define FAKE_TYPE_DEVICE (fake_device_get_type ())
G_DECLARE_FINAL_TYPE (FakeDevice, fake_device, FAKE, DEVICE, GObject)

FakeDevice    *fake_device_new       (void);
TnDeviceModel *fake_device_get_model (FakeDevice *self);

/* A node with one address. */
TnNodeData    *fake_node_new         (const char *stable_id, const char *dns_name, const char *address);

G_END_DECLS
