/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-state-store.h"

G_BEGIN_DECLS

#define TN_TYPE_MEMORY_STATE_STORE (tn_memory_state_store_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnMemoryStateStore, tn_memory_state_store, TN, MEMORY_STATE_STORE, GObject)

TN_AVAILABLE_IN_ALL
TnStateStore *tn_memory_state_store_new (void);

G_END_DECLS
