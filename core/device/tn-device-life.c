/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-private.h"

static gboolean
finish (TnDevice      *self,
        GAsyncResult  *result,
        gpointer       source_tag,
        GError       **error)
{
  g_return_val_if_fail (TN_IS_DEVICE (self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_task_get_source_tag (G_TASK (result)) == source_tag, FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * tn_device_start_async:
 * @self: a device
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when it runs, or that failed
 * @user_data: data for @callback
 *
 * Starts the device, and ends when it is %TN_DEVICE_STATE_RUNNING.
 *
 * It waits through needing a login or an approval, and fails only when the node is refused (%TN_ERROR_AUTH_REJECTED, or what the control
 * server says as %TN_ERROR_CONTROL) or the call is cancelled; the device is stopped then, and keeps its keys. On a device that runs it
 * ends at once; while another call starts it, with %G_IO_ERROR_PENDING.
 *
 * Since: 0.1
 */
void
tn_device_start_async (TnDevice            *self,
                       GCancellable        *cancellable,
                       GAsyncReadyCallback  callback,
                       gpointer             user_data)
{
  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  TN_DEVICE_GET_IFACE (self)->start_async (self, cancellable, callback, user_data);
}

/**
 * tn_device_start_finish:
 * @self: a device
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.start_async] began.
 *
 * Returns: %TRUE if it runs
 *
 * Since: 0.1
 */
gboolean
tn_device_start_finish (TnDevice      *self,
                        GAsyncResult  *result,
                        GError       **error)
{
  return finish (self, result, tn_device_start_async, error);
}

/**
 * tn_device_stop_async:
 * @self: a device
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when it has stopped, or that failed
 * @user_data: data for @callback
 *
 * Leaves the tailnet for now, and ends when everything of the device has ended. Connections are closed. The keys stay: a later start is
 * the same node. On a stopped device it ends at once.
 *
 * A device in this process is stopped whatever @cancellable says, even if it was cancelled beforehand, and the call ends when that is
 * done: one that is half stopped is of no use to anybody. Where the device runs elsewhere, as with [class@Tailnet.SystemDevice],
 * @cancellable ends the waiting, with %G_IO_ERROR_CANCELLED.
 *
 * Since: 0.1
 */
void
tn_device_stop_async (TnDevice            *self,
                      GCancellable        *cancellable,
                      GAsyncReadyCallback  callback,
                      gpointer             user_data)
{
  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  TN_DEVICE_GET_IFACE (self)->stop_async (self, cancellable, callback, user_data);
}

/**
 * tn_device_stop_finish:
 * @self: a device
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.stop_async] began.
 *
 * Returns: %TRUE if it has stopped
 *
 * Since: 0.1
 */
gboolean
tn_device_stop_finish (TnDevice      *self,
                       GAsyncResult  *result,
                       GError       **error)
{
  return finish (self, result, tn_device_stop_async, error);
}

/**
 * tn_device_login_async:
 * @self: a device
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when the node is logged in, or that failed
 * @user_data: data for @callback
 *
 * Logs in again: to renew a key that expires, or as somebody else. Ends when the control server has accepted the node; the URL to log in
 * at comes as [signal@Tailnet.Device::login-required], unless an auth key will do.
 *
 * The node gets another node key, and stays the same node. Until the server has taken the key nothing is exchanged with peers; the one before
 * stays in the state store, so a stop gives the login up, and the next start is with the key that was.
 *
 * A refusal of the server ends it with %TN_ERROR_AUTH_REJECTED; a node that was in before tries again by itself then, and health tells
 * of it. When the device stops or logs out meanwhile it ends with %G_IO_ERROR_CLOSED.
 *
 * Since: 0.1
 */
void
tn_device_login_async (TnDevice            *self,
                       GCancellable        *cancellable,
                       GAsyncReadyCallback  callback,
                       gpointer             user_data)
{
  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  TN_DEVICE_GET_IFACE (self)->login_async (self, cancellable, callback, user_data);
}

/**
 * tn_device_login_finish:
 * @self: a device
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.login_async] began.
 *
 * Returns: %TRUE if the node is logged in
 *
 * Since: 0.1
 */
gboolean
tn_device_login_finish (TnDevice      *self,
                        GAsyncResult  *result,
                        GError       **error)
{
  return finish (self, result, tn_device_login_async, error);
}

/**
 * tn_device_logout_async:
 * @self: a device
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when the node is logged out, or that failed
 * @user_data: data for @callback
 *
 * Logs out: the node key is erased, and the control server lets it expire, or removes the node if it is ephemeral. The device is stopped
 * then. Who starts it again has to log in anew.
 *
 * It fails when the server could not be told, as when there is no connection to it (%TN_ERROR_FAILED), or said no (%TN_ERROR_CONTROL). The
 * key is erased and the device stopped all the same.
 *
 * Since: 0.1
 */
void
tn_device_logout_async (TnDevice            *self,
                        GCancellable        *cancellable,
                        GAsyncReadyCallback  callback,
                        gpointer             user_data)
{
  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  TN_DEVICE_GET_IFACE (self)->logout_async (self, cancellable, callback, user_data);
}

/**
 * tn_device_logout_finish:
 * @self: a device
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.logout_async] began.
 *
 * Returns: %TRUE if the node is logged out
 *
 * Since: 0.1
 */
gboolean
tn_device_logout_finish (TnDevice      *self,
                         GAsyncResult  *result,
                         GError       **error)
{
  return finish (self, result, tn_device_logout_async, error);
}
