/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-health-item.h"

G_BEGIN_DECLS

/* Immutable, hence good for every thread. @code names the condition ("no-relay"), @title is a headline, @text says it in full. */
TnHealthItem *tn_health_item_new   (const char *code, TnHealthSeverity severity, const char *title, const char *text);
gboolean      tn_health_item_equal (TnHealthItem *a, TnHealthItem *b);

G_END_DECLS
