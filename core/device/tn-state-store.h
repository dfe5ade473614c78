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
 * @acquire_async: virtual function of [method@Tailnet.StateStore.acquire_async]
 * @acquire_finish: virtual function of [method@Tailnet.StateStore.acquire_finish]
 * @release: virtual function of [method@Tailnet.StateStore.release]
 * @load_async: virtual function of [method@Tailnet.StateStore.load_async]
 * @load_finish: virtual function of [method@Tailnet.StateStore.load_finish]
 * @save_async: virtual function of [method@Tailnet.StateStore.save_async]
 * @save_finish: virtual function of [method@Tailnet.StateStore.save_finish]
 *
 * What a state store implements. Keys were checked when a function here is called.
 *
 * Since: 0.1
 */
struct _TnStateStoreInterface
{
  GTypeInterface g_iface;

  void     (*acquire_async)  (TnStateStore *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  gboolean (*acquire_finish) (TnStateStore *self, GAsyncResult *result, GError **error);
  void     (*release)        (TnStateStore *self);
  void     (*load_async)     (TnStateStore *self, const char *key, GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data);
  GBytes  *(*load_finish)    (TnStateStore *self, GAsyncResult *result, GError **error);
  void     (*save_async)     (TnStateStore *self, const char *key, GBytes *value, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);
  gboolean (*save_finish)    (TnStateStore *self, GAsyncResult *result, GError **error);
};

TN_AVAILABLE_IN_ALL
void     tn_state_store_acquire_async  (TnStateStore *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                        gpointer user_data);
TN_AVAILABLE_IN_ALL
gboolean tn_state_store_acquire_finish (TnStateStore *self, GAsyncResult *result, GError **error);
TN_AVAILABLE_IN_ALL
void     tn_state_store_release        (TnStateStore *self);
TN_AVAILABLE_IN_ALL
void     tn_state_store_load_async     (TnStateStore *self, const char *key, GCancellable *cancellable, GAsyncReadyCallback callback,
                                        gpointer user_data);
TN_AVAILABLE_IN_ALL
GBytes  *tn_state_store_load_finish    (TnStateStore *self, GAsyncResult *result, GError **error);
TN_AVAILABLE_IN_ALL
void     tn_state_store_save_async     (TnStateStore *self, const char *key, GBytes *value, GCancellable *cancellable,
                                        GAsyncReadyCallback callback, gpointer user_data);
TN_AVAILABLE_IN_ALL
gboolean tn_state_store_save_finish    (TnStateStore *self, GAsyncResult *result, GError **error);

G_END_DECLS
