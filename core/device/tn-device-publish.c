/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-private.h"

#include <string.h>

#include "tn-dns-name.h"
#include "tn-shown.h"

/* What a TnDevice has the control server tell to all the world. */

#define VALUE_MAX_LEN 255      /* a character string of the DNS: RFC 1035, 3.3 */

static gboolean
check_record (const char  *name,
              const char  *value,
              GError     **error)
{
  g_autofree char *shown_name = tn_shown (name, strlen (name));
  g_autofree char *shown_value = tn_shown (value, strlen (value));
  char canonical[TN_DNS_NAME_SIZE];

  if (!tn_is_visible (name) || !tn_dns_name_canonical (name, canonical) || g_str_equal (canonical, "."))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "“%s” is no name of the DNS", shown_name);
      return FALSE;
    }
  if (!tn_is_visible (value) || strlen (value) > VALUE_MAX_LEN)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "“%s” is no value of a TXT record: 1 to %d printable characters of ASCII",
                   shown_value, VALUE_MAX_LEN);
      return FALSE;
    }
  return TRUE;
}

/**
 * tn_device_publish_txt_async:
 * @self: a device that runs
 * @name: `_acme-challenge.`, and one of the names that [method@Tailnet.DnsConfig.get_cert_domains] has for this node
 * @value: 1 to 255 printable characters of ASCII
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when the server has taken it
 * @user_data: data for @callback
 *
 * Asks the control server to put a TXT record into the DNS that is there for all, where an authority for certificates looks for it: the
 * challenge dns-01 of ACME (RFC 8555, 8.4), by which a program gets a certificate for the name of its node. It takes a while until all
 * servers of the DNS have the record, and the control server removes it in its own time.
 *
 * Fails with %G_IO_ERROR_INVALID_ARGUMENT for text that is not one, with %G_IO_ERROR_NOT_CONNECTED while there is no connection to the
 * control server, and with %TN_ERROR_CONTROL if the server does not do it: not every server can, and none for the name of another node.
 *
 * Since: 0.1
 */
void
tn_device_publish_txt_async (TnDevice            *self,
                             const char          *name,
                             const char          *value,
                             GCancellable        *cancellable,
                             GAsyncReadyCallback  callback,
                             gpointer             user_data)
{
  GError *error = NULL;

  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (name != NULL && value != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  if (check_record (name, value, &error))
    TN_DEVICE_GET_IFACE (self)->publish_txt_async (self, name, value, cancellable, callback, user_data);
  else
    g_task_report_error (self, callback, user_data, tn_device_publish_txt_async, error);
}

/**
 * tn_device_publish_txt_finish:
 * @self: a device
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.publish_txt_async] began.
 *
 * Returns: %TRUE if the server has taken it
 *
 * Since: 0.1
 */
gboolean
tn_device_publish_txt_finish (TnDevice      *self,
                              GAsyncResult  *result,
                              GError       **error)
{
  g_return_val_if_fail (TN_IS_DEVICE (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_task_get_source_tag (G_TASK (result)) == tn_device_publish_txt_async, FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
