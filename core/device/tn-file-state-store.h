/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-state-store.h"

G_BEGIN_DECLS

#define TN_TYPE_FILE_STATE_STORE (tn_file_state_store_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (TnFileStateStore, tn_file_state_store, TN, FILE_STATE_STORE, GObject)

TN_AVAILABLE_IN_ALL
TnStateStore *tn_file_state_store_new           (const char       *directory);
TN_AVAILABLE_IN_ALL
const char   *tn_file_state_store_get_directory (TnFileStateStore *self);

G_END_DECLS
