/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-state-store.h"

/**
 * TnStateStore:
 *
 * Where a device keeps what must outlive it: its private keys and its membership of a tailnet. Whoever has the contents is the
 * node, so a store keeps them from others.
 *
 * A store belongs to one device at a time: the device calls [method@Tailnet.StateStore.acquire_async] before all else and
 * [method@Tailnet.StateStore.release] at the end. All calls come in the main context of the device, which is the thread-default
 * one then, and answers go there. Several loads, or saves of
 * different keys, may be under way at once, but never two saves of one key. What is new is used on the network only once it is saved. Who
 * acquires the store after a release finds everything that was saved before it.
 *
 * All but one of the values are short. `netmap` is the last known network map, with which a device starts while its control server is
 * away: some hundred bytes a peer, written soon after a start, at most every few minutes and at a stop. It holds no key, and a store that
 * has no room for it may refuse to save it, and load nothing.
 *
 * A program may implement the interface itself, for instance on top of a keyring or a database, which may take their time and ask
 * somebody for a password: the device waits, and cancels the call if its program gives up. Each call is to be answered, a cancelled one
 * soon: a device that stops goes on without the answer after some seconds, and then releases the store. What it is given later it
 * gives back, so the store can be acquired again only once that call has ended.
 *
 * Since: 0.1
 */
G_DEFINE_INTERFACE (TnStateStore, tn_state_store, G_TYPE_OBJECT)

static void
tn_state_store_default_init (TnStateStoreInterface *iface)
{
}

/* FALSE: the caller has been told. */
static gboolean
check_key (TnStateStore        *self,
           const char          *key,
           GAsyncReadyCallback  callback,
           gpointer             user_data,
           gpointer             source_tag)
{
  gsize len = 0;

  for (; key[len] != '\0' && len <= 100; len++)
    if (!g_ascii_isalnum (key[len]) && key[len] != '-' && key[len] != '_')
      break;
  if (len > 0 && len <= 100 && key[len] == '\0')
    return TRUE;

  g_task_report_new_error (self, callback, user_data, source_tag, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                           "“%s” is no key of a state store: 1 to 100 letters, digits, - and _", key);
  return FALSE;
}

/**
 * tn_state_store_acquire_async:
 * @self: a state store
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when done
 * @user_data: data for @callback
 *
 * Takes the store for oneself until [method@Tailnet.StateStore.release]. Fails with %G_IO_ERROR_BUSY while somebody else has it,
 * in this process or in another one.
 *
 * Since: 0.1
 */
void
tn_state_store_acquire_async (TnStateStore        *self,
                              GCancellable        *cancellable,
                              GAsyncReadyCallback  callback,
                              gpointer             user_data)
{
  g_return_if_fail (TN_IS_STATE_STORE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  TN_STATE_STORE_GET_IFACE (self)->acquire_async (self, cancellable, callback, user_data);
}

/**
 * tn_state_store_acquire_finish:
 * @self: a state store
 * @result: result that the callback got
 * @error: return location for an error
 *
 * Ends [method@Tailnet.StateStore.acquire_async].
 *
 * Returns: whether the store is ours
 *
 * Since: 0.1
 */
gboolean
tn_state_store_acquire_finish (TnStateStore  *self,
                               GAsyncResult  *result,
                               GError       **error)
{
  g_return_val_if_fail (TN_IS_STATE_STORE (self), FALSE);
  g_return_val_if_fail (G_IS_ASYNC_RESULT (result), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return TN_STATE_STORE_GET_IFACE (self)->acquire_finish (self, result, error);
}

/**
 * tn_state_store_release:
 * @self: an acquired state store
 *
 * Ends what [method@Tailnet.StateStore.acquire_async] began. Without that it does nothing. What was asked for before is still
 * carried out.
 *
 * Since: 0.1
 */
void
tn_state_store_release (TnStateStore *self)
{
  g_return_if_fail (TN_IS_STATE_STORE (self));

  TN_STATE_STORE_GET_IFACE (self)->release (self);
}

/**
 * tn_state_store_load_async:
 * @self: an acquired state store
 * @key: what to load: 1 to 100 letters, digits, - and _
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when done
 * @user_data: data for @callback
 *
 * Gets the value that was saved last under @key. A damaged value is an error of the %TN_ERROR domain that says where it is
 * (%TN_ERROR_MALFORMED), and stays as it is.
 *
 * Since: 0.1
 */
void
tn_state_store_load_async (TnStateStore        *self,
                           const char          *key,
                           GCancellable        *cancellable,
                           GAsyncReadyCallback  callback,
                           gpointer             user_data)
{
  g_return_if_fail (TN_IS_STATE_STORE (self));
  g_return_if_fail (key != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  if (check_key (self, key, callback, user_data, tn_state_store_load_async))
    TN_STATE_STORE_GET_IFACE (self)->load_async (self, key, cancellable, callback, user_data);
}

/**
 * tn_state_store_load_finish:
 * @self: an acquired state store
 * @result: result that the callback got
 * @error: return location for an error
 *
 * Ends [method@Tailnet.StateStore.load_async]. %NULL without error: there is no such value.
 *
 * Returns: (transfer full) (nullable): the value
 *
 * Since: 0.1
 */
GBytes *
tn_state_store_load_finish (TnStateStore  *self,
                            GAsyncResult  *result,
                            GError       **error)
{
  g_return_val_if_fail (TN_IS_STATE_STORE (self), NULL);
  g_return_val_if_fail (G_IS_ASYNC_RESULT (result), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (g_async_result_is_tagged (result, tn_state_store_load_async))
    return g_task_propagate_pointer (G_TASK (result), error);
  return TN_STATE_STORE_GET_IFACE (self)->load_finish (self, result, error);
}

/**
 * tn_state_store_save_async:
 * @self: an acquired state store
 * @key: what to save: 1 to 100 letters, digits, - and _
 * @value: (nullable): the new value, %NULL to remove it
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when done
 * @user_data: data for @callback
 *
 * Replaces the value of @key. When it ends well the new value survives a crash; in every other case, a crash on the way and a
 * cancelled call included, the old one does, or the new one, whole.
 *
 * Since: 0.1
 */
void
tn_state_store_save_async (TnStateStore        *self,
                           const char          *key,
                           GBytes              *value,
                           GCancellable        *cancellable,
                           GAsyncReadyCallback  callback,
                           gpointer             user_data)
{
  g_return_if_fail (TN_IS_STATE_STORE (self));
  g_return_if_fail (key != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  if (check_key (self, key, callback, user_data, tn_state_store_save_async))
    TN_STATE_STORE_GET_IFACE (self)->save_async (self, key, value, cancellable, callback, user_data);
}

/**
 * tn_state_store_save_finish:
 * @self: an acquired state store
 * @result: result that the callback got
 * @error: return location for an error
 *
 * Ends [method@Tailnet.StateStore.save_async].
 *
 * Returns: whether it is saved
 *
 * Since: 0.1
 */
gboolean
tn_state_store_save_finish (TnStateStore  *self,
                            GAsyncResult  *result,
                            GError       **error)
{
  g_return_val_if_fail (TN_IS_STATE_STORE (self), FALSE);
  g_return_val_if_fail (G_IS_ASYNC_RESULT (result), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (g_async_result_is_tagged (result, tn_state_store_save_async))
    return g_task_propagate_boolean (G_TASK (result), error);
  return TN_STATE_STORE_GET_IFACE (self)->save_finish (self, result, error);
}
