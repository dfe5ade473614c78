/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-memory-state-store.h"

#include "tn-secret.h"

/**
 * TnMemoryStateStore:
 *
 * A state store that ends with the object: for ephemeral nodes and for tests. Values are erased when they go.
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

static gboolean
check_acquired (TnMemoryStateStore  *self,
                GError             **error)
{
  if (!self->acquired)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the state in memory is not acquired");
  return self->acquired;
}

static gboolean
tn_memory_state_store_acquire (TnStateStore  *store,
                               GError       **error)
{
  TnMemoryStateStore *self = TN_MEMORY_STATE_STORE (store);

  if (self->acquired)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, "the state in memory is in use by another device");
      return FALSE;
    }

  self->acquired = TRUE;
  return TRUE;
}

static void
tn_memory_state_store_release (TnStateStore *store)
{
  TN_MEMORY_STATE_STORE (store)->acquired = FALSE;
}

static GBytes *
tn_memory_state_store_load (TnStateStore  *store,
                            const char    *key,
                            GError       **error)
{
  TnMemoryStateStore *self = TN_MEMORY_STATE_STORE (store);
  GBytes *value;

  if (!check_acquired (self, error))
    return NULL;

  value = g_hash_table_lookup (self->values, key);
  return value != NULL ? g_bytes_ref (value) : NULL;
}

static gboolean
tn_memory_state_store_save (TnStateStore  *store,
                            const char    *key,
                            GBytes        *value,
                            GError       **error)
{
  TnMemoryStateStore *self = TN_MEMORY_STATE_STORE (store);
  gconstpointer data;
  gsize len;

  if (!check_acquired (self, error))
    return FALSE;

  if (value == NULL)
    {
      g_hash_table_remove (self->values, key);
      return TRUE;
    }
  data = g_bytes_get_data (value, &len);
  g_hash_table_insert (self->values, g_strdup (key), tn_secret_bytes_new_take (g_memdup2 (data, len), len));
  return TRUE;
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
  iface->acquire = tn_memory_state_store_acquire;
  iface->release = tn_memory_state_store_release;
  iface->load = tn_memory_state_store_load;
  iface->save = tn_memory_state_store_save;
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
 */
TnStateStore *
tn_memory_state_store_new (void)
{
  return g_object_new (TN_TYPE_MEMORY_STATE_STORE, NULL);
}
