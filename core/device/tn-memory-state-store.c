/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-memory-state-store.h"

#include "tn-secret.h"

/**
 * TnMemoryStateStore:
 *
 * A state store that ends with the object: for ephemeral nodes and for tests. Values are erased when they go.
 *
 * Since: 0.1
 */
struct _TnMemoryStateStore
{
  GObject     parent_instance;
  GHashTable *values;          /* char * -> GBytes */
  gboolean    acquired;
};

static void tn_memory_state_store_iface_init (TnStateStoreInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (TnMemoryStateStore, tn_memory_state_store, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_STATE_STORE, tn_memory_state_store_iface_init))

static void
tn_memory_state_store_acquire_async (TnStateStore        *store,
                                     GCancellable        *cancellable,
                                     GAsyncReadyCallback  callback,
                                     gpointer             user_data)
{
  TnMemoryStateStore *self = TN_MEMORY_STATE_STORE (store);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_memory_state_store_acquire_async);
  if (g_task_return_error_if_cancelled (task))
    return;
  g_task_set_check_cancellable (task, FALSE);      /* nobody would release what a cancelled call acquired */
  if (self->acquired)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_BUSY, "the state in memory is in use by another device");
      return;
    }

  self->acquired = TRUE;
  g_task_return_boolean (task, TRUE);
}

static void
tn_memory_state_store_release (TnStateStore *store)
{
  TN_MEMORY_STATE_STORE (store)->acquired = FALSE;
}

/* FALSE: @task was answered. */
static gboolean
check_acquired (TnMemoryStateStore *self,
                GTask              *task)
{
  if (g_task_return_error_if_cancelled (task))
    return FALSE;
  g_task_set_check_cancellable (task, FALSE);
  if (!self->acquired)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "the state in memory is not acquired");
  return self->acquired;
}

static void
tn_memory_state_store_load_async (TnStateStore        *store,
                                  const char          *key,
                                  GCancellable        *cancellable,
                                  GAsyncReadyCallback  callback,
                                  gpointer             user_data)
{
  TnMemoryStateStore *self = TN_MEMORY_STATE_STORE (store);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GBytes *value;

  g_task_set_source_tag (task, tn_memory_state_store_load_async);
  if (!check_acquired (self, task))
    return;

  value = g_hash_table_lookup (self->values, key);
  g_task_return_pointer (task, value != NULL ? g_bytes_ref (value) : NULL, (GDestroyNotify) g_bytes_unref);
}

static void
tn_memory_state_store_save_async (TnStateStore        *store,
                                  const char          *key,
                                  GBytes              *value,
                                  GCancellable        *cancellable,
                                  GAsyncReadyCallback  callback,
                                  gpointer             user_data)
{
  TnMemoryStateStore *self = TN_MEMORY_STATE_STORE (store);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  gconstpointer data;
  gsize len;

  g_task_set_source_tag (task, tn_memory_state_store_save_async);
  if (!check_acquired (self, task))
    return;

  if (value == NULL)
    g_hash_table_remove (self->values, key);
  else
    {
      data = g_bytes_get_data (value, &len);
      g_hash_table_insert (self->values, g_strdup (key), tn_secret_bytes_new_take (g_memdup2 (data, len), len));
    }
  g_task_return_boolean (task, TRUE);
}

static gboolean
finish_boolean (TnStateStore  *store,
                GAsyncResult  *result,
                GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, store), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static GBytes *
tn_memory_state_store_load_finish (TnStateStore  *store,
                                   GAsyncResult  *result,
                                   GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, store), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
tn_memory_state_store_finalize (GObject *object)
{
  g_hash_table_unref (TN_MEMORY_STATE_STORE (object)->values);

  G_OBJECT_CLASS (tn_memory_state_store_parent_class)->finalize (object);
}

static void
tn_memory_state_store_iface_init (TnStateStoreInterface *iface)
{
  iface->acquire_async = tn_memory_state_store_acquire_async;
  iface->acquire_finish = finish_boolean;
  iface->release = tn_memory_state_store_release;
  iface->load_async = tn_memory_state_store_load_async;
  iface->load_finish = tn_memory_state_store_load_finish;
  iface->save_async = tn_memory_state_store_save_async;
  iface->save_finish = finish_boolean;
}

static void
tn_memory_state_store_class_init (TnMemoryStateStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = tn_memory_state_store_finalize;
}

static void
tn_memory_state_store_init (TnMemoryStateStore *self)
{
  self->values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
}

/**
 * tn_memory_state_store_new:
 *
 * Makes an empty store.
 *
 * Returns: (transfer full) (type TnMemoryStateStore): a new store
 *
 * Since: 0.1
 */
TnStateStore *
tn_memory_state_store_new (void)
{
  return g_object_new (TN_TYPE_MEMORY_STATE_STORE, NULL);
}
