/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fake-netstack.h"
#include "tn-device-model.h"

G_BEGIN_DECLS

/* A device on a fake netstack that does all that a device can at once, or, once it holds, nothing until it is cancelled. */
#define HELD_TYPE_DEVICE (held_device_get_type ())
G_DECLARE_FINAL_TYPE (HeldDevice, held_device, HELD, DEVICE, GObject)

HeldDevice    *held_device_new          (void);      /* running, with the peer "db", 100.64.0.2 */
TnDeviceModel *held_device_get_model    (HeldDevice *self);
void           held_device_hold         (HeldDevice *self, gboolean hold);
guint          held_device_count        (HeldDevice *self);      /* calls that are held */
const char    *held_device_get_last     (HeldDevice *self);      /* name of the last call */
void           held_device_set_grants   (HeldDevice *self, GVariant *grants);      /* a{sas}, of everybody */
guint          held_device_count_shown  (HeldDevice *self);      /* how often somebody looked at its preferences */
FakeListener  *held_device_get_listener (HeldDevice *self);      /* the last one; nullable */

G_END_DECLS
