/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include "tn-version-macros.h"

G_BEGIN_DECLS

#define TN_TYPE_STATE_STORE (tn_state_store_get_type ())
TN_AVAILABLE_IN_ALL
G_DECLARE_INTERFACE (TnStateStore, tn_state_store, TN, STATE_STORE, GObject)

/**
 * TnStateStoreInterface:
 * @g_iface: the parent interface
 * @acquire: virtual function of [method@Tailnet.StateStore.acquire]
 * @release: virtual function of [method@Tailnet.StateStore.release]
 * @load: virtual function of [method@Tailnet.StateStore.load]
 * @save: virtual function of [method@Tailnet.StateStore.save]
 *
 * What a state store implements. Keys were checked when a function here is called.
 */
struct _TnStateStoreInterface
{
  GTypeInterface g_iface;

  gboolean (*acquire) (TnStateStore *self, GError **error);
  void     (*release) (TnStateStore *self);
  GBytes  *(*load)    (TnStateStore *self, const char *key, GError **error);
  gboolean (*save)    (TnStateStore *self, const char *key, GBytes *value, GError **error);
};

TN_AVAILABLE_IN_ALL
gboolean tn_state_store_acquire (TnStateStore *self, GError **error);
TN_AVAILABLE_IN_ALL
void     tn_state_store_release (TnStateStore *self);
TN_AVAILABLE_IN_ALL
GBytes  *tn_state_store_load    (TnStateStore *self, const char *key, GError **error);
TN_AVAILABLE_IN_ALL
gboolean tn_state_store_save    (TnStateStore *self, const char *key, GBytes *value, GError **error);

G_END_DECLS
