/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-device-server-private.h"

#include "tn-ping-result-private.h"
#include "tn-system-device-node.h"

void
tn_device_server_fail (GDBusMethodInvocation *invocation,
                       GError                *error)      /* taken */
{
  g_dbus_method_invocation_take_error (invocation, error);
}

/* --- Start and stop --- */

/* Whoever asked while it was on its way is answered, too. */
static void
started_cb (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr (TnDeviceServer) self = user_data;
  g_autoptr (GError) error = NULL;

  self->starting = FALSE;
  tn_device_start_finish (TN_DEVICE (object), result, &error);
  tn_device_server_end_starts (self, error);
}

static gboolean
start_cb (TnDeviceServer        *self,
          GDBusMethodInvocation *invocation)
{
  TnDeviceState state = tn_device_get_state (self->device);

  tn_device_server_watch (self, invocation);
  g_ptr_array_add (self->starts, invocation);
  /* Also of one that runs: it may be about to stop, which only the device knows. */
  if (!self->starting && (state == TN_DEVICE_STATE_STOPPED || state == TN_DEVICE_STATE_RUNNING))
    {
      self->starting = TRUE;
      tn_device_start_async (self->device, NULL, started_cb, g_object_ref (self));
    }
  return TRUE;
}

/* Who asked has the answer, as far as that depends on us: the program may end now. */
static void
stop_answered_cb (GObject      *object,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  g_autoptr (TnDeviceServer) self = user_data;

  g_dbus_connection_flush_finish (G_DBUS_CONNECTION (object), result, NULL);
  tn_device_server_request_stop (self);
}

static gboolean
stop_cb (TnDeviceServer        *self,
         GDBusMethodInvocation *invocation)
{
  GDBusConnection *connection = g_dbus_method_invocation_get_connection (invocation);

  tn_bus_tailnet1_complete_stop (self->skeleton, invocation);
  g_dbus_connection_flush (connection, NULL, stop_answered_cb, g_object_ref (self));
  return TRUE;
}

static void
login_done_cb (GObject      *object,
               GAsyncResult *result,
               gpointer      user_data)
{
  GError *error = NULL;

  if (tn_device_login_finish (TN_DEVICE (object), result, &error))
    g_dbus_method_invocation_return_value (user_data, NULL);
  else
    tn_device_server_fail (user_data, error);
}

static gboolean
login_cb (TnDeviceServer        *self,
          GDBusMethodInvocation *invocation)
{
  tn_device_login_async (self->device, tn_device_server_watch (self, invocation), login_done_cb, invocation);
  return TRUE;
}

static void
logout_done_cb (GObject      *object,
                GAsyncResult *result,
                gpointer      user_data)
{
  GError *error = NULL;

  if (tn_device_logout_finish (TN_DEVICE (object), result, &error))
    g_dbus_method_invocation_return_value (user_data, NULL);
  else
    tn_device_server_fail (user_data, error);
}

static gboolean
logout_cb (TnDeviceServer        *self,
           GDBusMethodInvocation *invocation)
{
  tn_device_logout_async (self->device, tn_device_server_watch (self, invocation), logout_done_cb, invocation);
  return TRUE;
}

static void
pinged_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  GError *error = NULL;
  g_autoptr (TnPingResult) pong = tn_device_ping_finish (TN_DEVICE (object), result, &error);
  g_autofree char *address = NULL;

  if (pong == NULL)
    {
      tn_device_server_fail (invocation, error);
      return;
    }
  address = g_inet_address_to_string (tn_ping_result_get_address (pong));
  g_dbus_method_invocation_return_value (
    invocation,
    g_variant_new ("(ssx@(ususx))", tn_node_get_stable_id (tn_ping_result_get_node (pong)), address,
                   tn_ping_result_get_latency_us (pong),
                   tn_system_device_path_to_variant (tn_path_get_data (tn_ping_result_get_path (pong)))));
}

static gboolean
ping_cb (TnDeviceServer        *self,
         GDBusMethodInvocation *invocation,
         const char            *host,
         guint                  kind,
         guint                  size)
{
  if (kind > TN_PING_KIND_PEERAPI)
    g_dbus_method_invocation_return_error (invocation, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "there is no ping of kind %u", kind);
  else
    tn_device_ping_async (self->device, host, (TnPingKind) kind, size, tn_device_server_watch (self, invocation), pinged_cb,
                          invocation);
  return TRUE;
}

static void
whois_done_cb (GObject      *object,
               GAsyncResult *result,
               gpointer      user_data)
{
  g_autoptr (GVariant) capabilities = NULL;
  GError *error = NULL;
  g_autoptr (TnNode) node = tn_device_whois_finish (TN_DEVICE (object), result, &capabilities, &error);

  if (node != NULL)
    g_dbus_method_invocation_return_value (user_data, g_variant_new ("(s@a{sas})", tn_node_get_stable_id (node),
                                                                     capabilities));
  else
    tn_device_server_fail (user_data, error);
}

static gboolean
whois_cb (TnDeviceServer        *self,
          GDBusMethodInvocation *invocation,
          const char            *address,
          const char            *protocol)
{
  tn_device_whois_async (self->device, address, *protocol != '\0' ? protocol : NULL, tn_device_server_watch (self, invocation), whois_done_cb,
                         invocation);
  return TRUE;
}

static void
status_done_cb (GObject      *object,
                GAsyncResult *result,
                gpointer      user_data)
{
  GError *error = NULL;
  g_autofree char *text = tn_device_status_to_json_finish (TN_DEVICE (object), result, &error);

  if (text != NULL)
    g_dbus_method_invocation_return_value (user_data, g_variant_new ("(s)", text));
  else
    tn_device_server_fail (user_data, error);
}

static gboolean
status_to_json_cb (TnDeviceServer        *self,
                   GDBusMethodInvocation *invocation)
{
  tn_device_status_to_json_async (self->device, tn_device_server_watch (self, invocation), status_done_cb, invocation);
  return TRUE;
}

static void
id_token_done_cb (GObject      *object,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  GError *error = NULL;
  g_autofree char *token = tn_device_fetch_id_token_finish (TN_DEVICE (object), result, &error);

  if (token != NULL)
    g_dbus_method_invocation_return_value (user_data, g_variant_new ("(s)", token));
  else
    tn_device_server_fail (user_data, error);
}

static gboolean
fetch_id_token_cb (TnDeviceServer        *self,
                   GDBusMethodInvocation *invocation,
                   const char            *audience)
{
  tn_device_fetch_id_token_async (self->device, audience, tn_device_server_watch (self, invocation), id_token_done_cb, invocation);
  return TRUE;
}

static void
published_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  GError *error = NULL;

  if (tn_device_publish_txt_finish (TN_DEVICE (object), result, &error))
    g_dbus_method_invocation_return_value (user_data, NULL);
  else
    tn_device_server_fail (user_data, error);
}

static gboolean
publish_txt_cb (TnDeviceServer        *self,
                GDBusMethodInvocation *invocation,
                const char            *name,
                const char            *value)
{
  tn_device_publish_txt_async (self->device, name, value, tn_device_server_watch (self, invocation), published_cb, invocation);
  return TRUE;
}

static gboolean
cancel_cb (TnDeviceServer        *self,
           GDBusMethodInvocation *invocation,
           guint                  serial)
{
  GDBusConnection *connection = g_dbus_method_invocation_get_connection (invocation);

  if (serial != 0)
    {
      tn_device_server_cancel_calls (self, connection, serial);
      tn_device_server_end_answered (self, connection, serial);      /* the two may have crossed */
    }
  tn_bus_tailnet1_complete_cancel (self->skeleton, invocation);
  return TRUE;
}

void
tn_device_server_serve_calls (TnDeviceServer *self)
{
  static const struct { const char *signal; GCallback callback; } calls[] = {
    { "handle-list-peers", G_CALLBACK (tn_device_server_list_peers_cb) },
    { "handle-start", G_CALLBACK (start_cb) },
    { "handle-stop", G_CALLBACK (stop_cb) },
    { "handle-login", G_CALLBACK (login_cb) },
    { "handle-logout", G_CALLBACK (logout_cb) },
    { "handle-ping", G_CALLBACK (ping_cb) },
    { "handle-whois", G_CALLBACK (whois_cb) },
    { "handle-status-to-json", G_CALLBACK (status_to_json_cb) },
    { "handle-fetch-id-token", G_CALLBACK (fetch_id_token_cb) },
    { "handle-publish-txt", G_CALLBACK (publish_txt_cb) },
    { "handle-cancel", G_CALLBACK (cancel_cb) },
  };

  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    g_signal_connect_swapped (self->skeleton, calls[i].signal, calls[i].callback, self);
}
