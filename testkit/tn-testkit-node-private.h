/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-testkit-node.h"
#include "tn-testkit-registry.h"

G_BEGIN_DECLS

TnTestkitNode *tn_testkit_node_new (const TnTestkitRegistry *registry, const TnTestkitRecord *record, gint64 now_s);

G_END_DECLS
