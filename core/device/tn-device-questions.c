/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-private.h"

#include <string.h>

#include "tn-device-model.h"
#include "tn-error.h"
#include "tn-host-spec.h"
#include "tn-node-data.h"

/* What of a TnDevice asks. Text is parsed here: an implementation gets what is well-formed. */

#define AUDIENCE_MAX_LEN 1024

/**
 * tn_device_ping_async:
 * @self: a device
 * @host: name or address
 * @kind: what to send
 * @size: bytes to carry, where @kind can carry any; 0 for as few as possible
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when the answer is there, or did not come
 * @user_data: data for @callback
 *
 * Sends one ping and waits for its answer, for as long as @cancellable allows and at most a few seconds; then it ends with
 * %G_IO_ERROR_TIMED_OUT. A @size that no such ping can carry is %G_IO_ERROR_MESSAGE_TOO_LARGE.
 *
 * Since: 0.1
 */
void
tn_device_ping_async (TnDevice            *self,
                      const char          *host,
                      TnPingKind           kind,
                      guint                size,
                      GCancellable        *cancellable,
                      GAsyncReadyCallback  callback,
                      gpointer             user_data)
{
  g_autofree char *name = NULL;
  GError *error = NULL;

  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (host != NULL);
  g_return_if_fail (kind <= TN_PING_KIND_PEERAPI);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  if (tn_host_spec_parse_host (host, &name, &error))
    TN_DEVICE_GET_IFACE (self)->ping_async (self, name, kind, size, cancellable, callback, user_data);
  else
    g_task_report_error (self, callback, user_data, tn_device_ping_async, error);
}

/**
 * tn_device_ping_finish:
 * @self: a device
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.ping_async] began.
 *
 * Returns: (transfer full): the answer, or %NULL with @error set
 *
 * Since: 0.1
 */
TnPingResult *
tn_device_ping_finish (TnDevice      *self,
                       GAsyncResult  *result,
                       GError       **error)
{
  return tn_device_finish (self, result, tn_device_ping_async, error);
}

/**
 * tn_device_wait_for_peer_async:
 * @self: a device that is not stopped
 * @name_or_address: as in [method@Tailnet.Device.lookup_peer]
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when there is such a node
 * @user_data: data for @callback
 *
 * Waits until [method@Tailnet.Device.lookup_peer] finds a node, for as long as @cancellable allows: one that is expected to join, or has
 * joined a moment ago and is not among [property@Tailnet.Device:peers] yet. That it is found does not say that it is online.
 *
 * Fails with %G_IO_ERROR_NOT_CONNECTED on a device that is stopped, or stops meanwhile.
 *
 * Since: 0.1
 */
void
tn_device_wait_for_peer_async (TnDevice            *self,
                               const char          *name_or_address,
                               GCancellable        *cancellable,
                               GAsyncReadyCallback  callback,
                               gpointer             user_data)
{
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (name_or_address != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, tn_device_wait_for_peer_async);
  tn_device_model_wait_for_peer (tn_device_model_of (self), name_or_address, task);
}

/**
 * tn_device_wait_for_peer_finish:
 * @self: a device
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.wait_for_peer_async] began.
 *
 * Returns: (transfer full): the node, or %NULL with @error set
 *
 * Since: 0.1
 */
TnNode *
tn_device_wait_for_peer_finish (TnDevice      *self,
                                GAsyncResult  *result,
                                GError       **error)
{
  return tn_device_finish (self, result, tn_device_wait_for_peer_async, error);
}

TnDeviceAnswer *
tn_device_answer_new (TnNode   *node,
                      GVariant *capabilities)
{
  TnDeviceAnswer *answer = g_new0 (TnDeviceAnswer, 1);

  answer->node = node;
  answer->capabilities = capabilities;
  return answer;
}

void
tn_device_answer_free (TnDeviceAnswer *answer)
{
  g_clear_object (&answer->node);
  g_clear_pointer (&answer->capabilities, g_variant_unref);
  g_free (answer);
}

static void
whois_from_what_is_known (TnDevice   *self,
                          GTask      *task,
                          const char *host)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);
  GVariant *capabilities = NULL;
  TnNode *node = address != NULL ? tn_device_identify (self, address, &capabilities) : tn_device_lookup_peer (self, host);

  if (node != NULL)
    {
      g_task_return_pointer (task, tn_device_answer_new (node, capabilities), (GDestroyNotify) tn_device_answer_free);
      return;
    }
  g_clear_pointer (&capabilities, g_variant_unref);
  if (tn_device_get_state (self) == TN_DEVICE_STATE_STOPPED)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "cannot tell who %s is: the device is stopped", host);
      return;
    }
  g_task_return_new_error (task, TN_ERROR, TN_ERROR_NO_SUCH_PEER, "nobody in the tailnet has the %s %s",
                           address != NULL ? "address" : "name", host);
}

/**
 * tn_device_whois_async:
 * @self: a device
 * @address: address or name, with or without a port
 * @protocol: (nullable): `tcp` or `udp`, for a port that is forwarded by a proxy on its node
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when the answer is known
 * @user_data: data for @callback
 *
 * Asks who is behind an address: the node that has it, or the router through which it is reached.
 *
 * Since: 0.1
 */
void
tn_device_whois_async (TnDevice            *self,
                       const char          *address,
                       const char          *protocol,
                       GCancellable        *cancellable,
                       GAsyncReadyCallback  callback,
                       gpointer             user_data)
{
  g_autoptr (GTask) task = NULL;
  g_autofree char *host = NULL;
  GError *error = NULL;
  guint16 port = 0;

  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (address != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  if (!tn_host_spec_parse_host (address, &host, NULL) && !tn_host_spec_parse (address, 0, &host, &port, &error))
    {
      g_task_report_error (self, callback, user_data, tn_device_whois_async, error);
      return;
    }
  if (TN_DEVICE_GET_IFACE (self)->whois_async != NULL)
    {
      TN_DEVICE_GET_IFACE (self)->whois_async (self, host, port, protocol, cancellable, callback, user_data);
      return;
    }

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, tn_device_whois_async);
  whois_from_what_is_known (self, task, host);
}

/**
 * tn_device_whois_finish:
 * @self: a device
 * @result: what the callback was given
 * @capabilities: (out) (optional) (transfer full): return location for what the policy of the tailnet grants the node
 *   here, a dictionary of type `a{sas}`, empty if that is nothing; untouched if there was an error
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.whois_async] began.
 *
 * Returns: (transfer full): the node, or %NULL with @error set
 *
 * Since: 0.1
 */
TnNode *
tn_device_whois_finish (TnDevice      *self,
                        GAsyncResult  *result,
                        GVariant     **capabilities,
                        GError       **error)
{
  TnDeviceAnswer *answer = tn_device_finish (self, result, tn_device_whois_async, error);
  TnNode *node;

  if (answer == NULL)
    return NULL;
  if (capabilities != NULL)
    *capabilities = g_variant_ref (answer->capabilities != NULL ? answer->capabilities : tn_node_data_no_capabilities ());
  node = g_steal_pointer (&answer->node);
  tn_device_answer_free (answer);
  return node;
}

static void
resolve_from_what_is_known (TnDevice   *self,
                            GTask      *task,
                            const char *host)
{
  g_autoptr (GPtrArray) addresses = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);
  g_autoptr (TnNode) node = NULL;

  if (address != NULL)
    g_ptr_array_add (addresses, g_steal_pointer (&address));
  else
    {
      const char * const *texts;

      node = tn_device_lookup_peer (self, host);
      if (node == NULL)
        {
          g_task_return_new_error (task, TN_ERROR, TN_ERROR_NO_SUCH_PEER, "nobody in the tailnet has the name %s", host);
          return;
        }
      texts = tn_node_get_addresses (node);
      for (guint i = 0; texts[i] != NULL; i++)
        g_ptr_array_add (addresses, g_inet_address_new_from_string (texts[i]));
    }
  g_task_return_pointer (task, g_steal_pointer (&addresses), (GDestroyNotify) g_ptr_array_unref);
}

/**
 * tn_device_resolve_async:
 * @self: a device
 * @host: name, or an address, which is its own answer
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when the addresses are known
 * @user_data: data for @callback
 *
 * Finds the addresses of a name in the tailnet.
 *
 * Since: 0.1
 */
void
tn_device_resolve_async (TnDevice            *self,
                         const char          *host,
                         GCancellable        *cancellable,
                         GAsyncReadyCallback  callback,
                         gpointer             user_data)
{
  g_autoptr (GTask) task = NULL;
  g_autofree char *name = NULL;
  GError *error = NULL;

  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (host != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  if (!tn_host_spec_parse_host (host, &name, &error))
    {
      g_task_report_error (self, callback, user_data, tn_device_resolve_async, error);
      return;
    }
  if (TN_DEVICE_GET_IFACE (self)->resolve_async != NULL)
    {
      TN_DEVICE_GET_IFACE (self)->resolve_async (self, name, cancellable, callback, user_data);
      return;
    }

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, tn_device_resolve_async);
  resolve_from_what_is_known (self, task, name);
}

/**
 * tn_device_resolve_finish:
 * @self: a device
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.resolve_async] began.
 *
 * Returns: (element-type GInetAddress) (transfer container): the addresses, or %NULL with @error set
 *
 * Since: 0.1
 */
GPtrArray *
tn_device_resolve_finish (TnDevice      *self,
                          GAsyncResult  *result,
                          GError       **error)
{
  return tn_device_finish (self, result, tn_device_resolve_async, error);
}

/**
 * tn_device_status_to_json_async:
 * @self: a device
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when the text is there
 * @user_data: data for @callback
 *
 * Writes what is known of the device and of all nodes as a JSON object with the field names of the stock client's `status --json`.
 *
 * Since: 0.1
 */
void
tn_device_status_to_json_async (TnDevice            *self,
                                GCancellable        *cancellable,
                                GAsyncReadyCallback  callback,
                                gpointer             user_data)
{
  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  TN_DEVICE_GET_IFACE (self)->status_to_json_async (self, cancellable, callback, user_data);
}

/**
 * tn_device_status_to_json_finish:
 * @self: a device
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.status_to_json_async] began.
 *
 * Returns: (transfer full): the text, or %NULL with @error set
 *
 * Since: 0.1
 */
char *
tn_device_status_to_json_finish (TnDevice      *self,
                                 GAsyncResult  *result,
                                 GError       **error)
{
  return tn_device_finish (self, result, tn_device_status_to_json_async, error);
}

/* What the server's own people would type, or a program makes: an audience is a name or a URL. */
static gboolean
check_audience (const char  *audience,
                GError     **error)
{
  gsize len = strlen (audience);
  gboolean is_text = len > 0 && len <= AUDIENCE_MAX_LEN && g_utf8_validate (audience, -1, NULL);

  for (const char *c = audience; is_text && *c != '\0'; c = g_utf8_find_next_char (c, NULL))
    is_text = !g_unichar_iscntrl (g_utf8_get_char (c));
  if (is_text)
    return TRUE;
  if (len == 0 || len > AUDIENCE_MAX_LEN)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "audience of %" G_GSIZE_FORMAT " bytes, 1 to %d allowed", len, AUDIENCE_MAX_LEN);
  else
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "audience has control characters, or is not UTF-8");
  return FALSE;
}

/**
 * tn_device_fetch_id_token_async:
 * @self: a device that runs
 * @audience: whom the token is for, as they call themselves: a name or a URL, at most 1024 bytes
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when the token is there
 * @user_data: data for @callback
 *
 * Asks the control server for a token that says which node this is: a JWT that is signed by the server and good for a short while, with
 * which a program logs in to a service outside of the tailnet that trusts the server (workload identity, OpenID Connect). The token
 * is a secret: whoever has it is this node to @audience.
 *
 * Fails with %G_IO_ERROR_NOT_CONNECTED while there is no connection to the control server, and with %TN_ERROR_CONTROL if the server gives
 * none: not every server can.
 *
 * Since: 0.1
 */
void
tn_device_fetch_id_token_async (TnDevice            *self,
                                const char          *audience,
                                GCancellable        *cancellable,
                                GAsyncReadyCallback  callback,
                                gpointer             user_data)
{
  GError *error = NULL;

  g_return_if_fail (TN_IS_DEVICE (self));
  g_return_if_fail (audience != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  if (check_audience (audience, &error))
    TN_DEVICE_GET_IFACE (self)->fetch_id_token_async (self, audience, cancellable, callback, user_data);
  else
    g_task_report_error (self, callback, user_data, tn_device_fetch_id_token_async, error);
}

/**
 * tn_device_fetch_id_token_finish:
 * @self: a device
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Device.fetch_id_token_async] began.
 *
 * Returns: (transfer full): the token, or %NULL with @error set
 *
 * Since: 0.1
 */
char *
tn_device_fetch_id_token_finish (TnDevice      *self,
                                 GAsyncResult  *result,
                                 GError       **error)
{
  return tn_device_finish (self, result, tn_device_fetch_id_token_async, error);
}
