/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-device.h"

G_BEGIN_DECLS

#define TN_TYPE_SYSTEM_DEVICE (tn_system_device_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnSystemDevice, tn_system_device, TN, SYSTEM_DEVICE, GObject)

TN_AVAILABLE_IN_ALL
TnSystemDevice *tn_system_device_new_for_directory (const char *directory);

G_END_DECLS
