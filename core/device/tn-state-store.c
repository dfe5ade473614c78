/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-state-store.h"

/**
 * TnStateStore:
 *
 * Where a device keeps what must outlive it: its private keys and its membership of a tailnet. Whoever has the contents is the
 * node, so a store keeps them from others.
 *
 * A store belongs to one device at a time: the device calls [method@Tailnet.StateStore.acquire] before all else and
 * [method@Tailnet.StateStore.release] at the end. All calls are synchronous, since values are small, and come from the thread of
 * the device's owner. What is new is saved before it is used on the network.
 *
 * A program may implement the interface itself, for instance on top of a database.
 */
G_DEFINE_INTERFACE (TnStateStore, tn_state_store, G_TYPE_OBJECT)

static void
tn_state_store_default_init (TnStateStoreInterface *iface)
{
}

static gboolean
check_key (const char  *key,
           GError     **error)
{
  gsize len = 0;

  for (; key[len] != '\0' && len <= 100; len++)
    if (!g_ascii_isalnum (key[len]) && key[len] != '-' && key[len] != '_')
      break;
  if (len > 0 && len <= 100 && key[len] == '\0')
    return TRUE;

  g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
               "“%s” is no key of a state store: 1 to 100 letters, digits, - and _", key);
  return FALSE;
}

/**
 * tn_state_store_acquire:
 * @self: a state store
 * @error: return location for an error
 *
 * Takes the store for oneself until [method@Tailnet.StateStore.release]. Fails with %G_IO_ERROR_BUSY while somebody else has it,
 * in this process or in another one.
 *
 * Returns: whether the store is ours
 */
gboolean
tn_state_store_acquire (TnStateStore  *self,
                        GError       **error)
{
  g_return_val_if_fail (TN_IS_STATE_STORE (self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return TN_STATE_STORE_GET_IFACE (self)->acquire (self, error);
}

/**
 * tn_state_store_release:
 * @self: an acquired state store
 *
 * Ends what [method@Tailnet.StateStore.acquire] began. Without that it does nothing.
 */
void
tn_state_store_release (TnStateStore *self)
{
  g_return_if_fail (TN_IS_STATE_STORE (self));

  TN_STATE_STORE_GET_IFACE (self)->release (self);
}

/**
 * tn_state_store_load:
 * @self: an acquired state store
 * @key: what to load: 1 to 100 letters, digits, - and _
 * @error: return location for an error
 *
 * Gets the value that was saved last under @key. %NULL without error: there is none. A damaged value is an error of the
 * %TN_ERROR domain that says where it is (%TN_ERROR_MALFORMED), and stays as it is.
 *
 * Returns: (transfer full) (nullable): the value
 */
GBytes *
tn_state_store_load (TnStateStore  *self,
                     const char    *key,
                     GError       **error)
{
  g_return_val_if_fail (TN_IS_STATE_STORE (self), NULL);
  g_return_val_if_fail (key != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return check_key (key, error) ? TN_STATE_STORE_GET_IFACE (self)->load (self, key, error) : NULL;
}

/**
 * tn_state_store_save:
 * @self: an acquired state store
 * @key: what to save: 1 to 100 letters, digits, - and _
 * @value: (nullable): the new value, %NULL to remove it
 * @error: return location for an error
 *
 * Replaces the value of @key. When it returns %TRUE the new value survives a crash; in every other case, a crash on the way
 * included, the old one does, or the new one, whole.
 *
 * Returns: whether it is saved
 */
gboolean
tn_state_store_save (TnStateStore  *self,
                     const char    *key,
                     GBytes        *value,
                     GError       **error)
{
  g_return_val_if_fail (TN_IS_STATE_STORE (self), FALSE);
  g_return_val_if_fail (key != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return check_key (key, error) && TN_STATE_STORE_GET_IFACE (self)->save (self, key, value, error);
}
