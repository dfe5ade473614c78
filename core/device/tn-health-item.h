/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-version-macros.h"

G_BEGIN_DECLS

/**
 * TnHealthSeverity:
 * @TN_HEALTH_SEVERITY_LOW: worth knowing
 * @TN_HEALTH_SEVERITY_MEDIUM: something works less well than it should
 * @TN_HEALTH_SEVERITY_HIGH: the node cannot reach what it should
 *
 * How bad a health item is.
 *
 * Since: 0.1
 */
typedef enum
{
  TN_HEALTH_SEVERITY_LOW,
  TN_HEALTH_SEVERITY_MEDIUM,
  TN_HEALTH_SEVERITY_HIGH,
} TnHealthSeverity;

#define TN_TYPE_HEALTH_ITEM (tn_health_item_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnHealthItem, tn_health_item, TN, HEALTH_ITEM, GObject)

TN_AVAILABLE_IN_ALL
const char      *tn_health_item_get_code     (TnHealthItem *self);
TN_AVAILABLE_IN_ALL
TnHealthSeverity tn_health_item_get_severity (TnHealthItem *self);
TN_AVAILABLE_IN_ALL
const char      *tn_health_item_get_title    (TnHealthItem *self);
TN_AVAILABLE_IN_ALL
const char      *tn_health_item_get_text     (TnHealthItem *self);

G_END_DECLS
