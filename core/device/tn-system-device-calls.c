/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-system-device-private.h"

#include <string.h>

#include "tn-error.h"
#include "tn-ping-result-private.h"
#include "tn-system-device-node.h"

/* --- Start, stop, login, logout: a method without arguments, whose name is the data of the task --- */

static void
called_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnSystemDevice *self = g_task_get_source_object (task);
  g_autoptr (GVariant) nothing = NULL;
  GError *error = NULL;

  nothing = g_dbus_proxy_call_finish (G_DBUS_PROXY (object), result, &error);
  if (nothing == NULL)
    {
      self->stop_asked = FALSE;
      tn_system_device_return_error (task, error);
    }
  else if (!g_str_equal (g_task_get_task_data (task), "Start"))
    g_task_return_boolean (task, TRUE);
  else if (tn_system_device_get_proxy (self, task) != NULL)
    tn_system_device_load_peers (self, task);      /* what there is now that it runs */
}

static void
call (GTask *task)
{
  if (g_str_equal (g_task_get_task_data (task), "Stop"))
    ((TnSystemDevice *) g_task_get_source_object (task))->stop_asked = TRUE;
  tn_system_device_call (task, g_task_get_task_data (task), NULL, called_cb);
}

static void
connected_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error))
    call (task);
  else
    g_task_return_error (task, error);
}

static GTask *
task_new (TnDevice            *device,
          const char          *method,
          gpointer             source_tag,
          GCancellable        *cancellable,
          GAsyncReadyCallback  callback,
          gpointer             user_data)
{
  GTask *task = g_task_new (device, cancellable, callback, user_data);

  g_task_set_source_tag (task, source_tag);
  g_task_set_task_data (task, (gpointer) (guintptr) method, NULL);
  return task;
}

static void
connect_and_call (TnDevice            *device,
                  const char          *method,
                  gpointer             source_tag,
                  GCancellable        *cancellable,
                  GAsyncReadyCallback  callback,
                  gpointer             user_data)
{
  GTask *task = task_new (device, method, source_tag, cancellable, callback, user_data);
  g_autoptr (GTask) connecting = g_task_new (device, cancellable, connected_cb, task);

  tn_system_device_connect (TN_SYSTEM_DEVICE (device), connecting);
}

static void
start_async (TnDevice            *device,
             GCancellable        *cancellable,
             GAsyncReadyCallback  callback,
             gpointer             user_data)
{
  connect_and_call (device, "Start", tn_device_start_async, cancellable, callback, user_data);
}

static void
stop_async (TnDevice            *device,
            GCancellable        *cancellable,
            GAsyncReadyCallback  callback,
            gpointer             user_data)
{
  connect_and_call (device, "Stop", tn_device_stop_async, cancellable, callback, user_data);
}

static void
login_async (TnDevice            *device,
             GCancellable        *cancellable,
             GAsyncReadyCallback  callback,
             gpointer             user_data)
{
  g_autoptr (GTask) task = task_new (device, "Login", tn_device_login_async, cancellable, callback, user_data);

  call (task);
}

static void
logout_async (TnDevice            *device,
              GCancellable        *cancellable,
              GAsyncReadyCallback  callback,
              gpointer             user_data)
{
  g_autoptr (GTask) task = task_new (device, "Logout", tn_device_logout_async, cancellable, callback, user_data);

  call (task);
}

/* --- Questions --- */

static void
pinged_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnSystemDevice *self = g_task_get_source_object (task);
  g_autoptr (GVariant) shown_path = NULL;
  g_autoptr (GInetAddress) address = NULL;
  g_autoptr (TnNode) node = NULL;
  g_autofree char *id = NULL;
  g_autofree char *text = NULL;
  GError *error = NULL;
  TnPathData path;
  gint64 latency_us;

  if (!tn_bus_tailnet1_call_ping_finish (TN_BUS_TAILNET1 (object), &id, &text, &latency_us, &shown_path, result, &error))
    {
      tn_system_device_return_error (task, error);
      return;
    }
  address = g_inet_address_new_from_string (text);
  node = tn_device_model_dup_node (self->model, id);
  if (address == NULL || node == NULL)
    {
      g_task_return_new_error (task, TN_ERROR, TN_ERROR_NO_SUCH_PEER, "the answer came from %s, which is no peer any more", text);
      return;
    }
  path = tn_system_device_path_from_variant (shown_path);
  path.latency_us = latency_us;
  g_task_return_pointer (task, tn_ping_result_new ((TnPingKind) GPOINTER_TO_UINT (g_task_get_task_data (task)), address, node, latency_us,
                                                   &path), g_object_unref);
}

static void
ping_async (TnDevice            *device,
            const char          *host,
            TnPingKind           kind,
            guint                size,
            GCancellable        *cancellable,
            GAsyncReadyCallback  callback,
            gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_device_ping_async);
  g_task_set_task_data (task, GUINT_TO_POINTER (kind), NULL);
  tn_system_device_call (task, "Ping", g_variant_new ("(suu)", host, (guint) kind, size), pinged_cb);
}

static void
whois_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnSystemDevice *self = g_task_get_source_object (task);
  g_autoptr (GVariant) grants = NULL;
  g_autofree char *id = NULL;
  TnNode *node;
  GError *error = NULL;

  if (!tn_bus_tailnet1_call_whois_finish (TN_BUS_TAILNET1 (object), &id, &grants, result, &error))
    {
      tn_system_device_return_error (task, error);
      return;
    }
  node = tn_device_model_dup_node (self->model, id);
  if (node == NULL)
    {
      g_task_return_new_error (task, TN_ERROR, TN_ERROR_NO_SUCH_PEER, "node %s is no peer any more", id);
      return;
    }
  g_task_return_pointer (task, tn_device_answer_new (node, g_variant_n_children (grants) > 0 ? g_steal_pointer (&grants) : NULL),
                         (GDestroyNotify) tn_device_answer_free);
}

static void
whois_async (TnDevice            *device,
             const char          *address,
             guint16              port,
             const char          *protocol,
             GCancellable        *cancellable,
             GAsyncReadyCallback  callback,
             gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);
  g_autofree char *text = port == 0 ? g_strdup (address)
                          : strchr (address, ':') != NULL ? g_strdup_printf ("[%s]:%u", address, port)
                                                          : g_strdup_printf ("%s:%u", address, port);

  g_task_set_source_tag (task, tn_device_whois_async);
  tn_system_device_call (task, "Whois", g_variant_new ("(ss)", text, protocol != NULL ? protocol : ""), whois_cb);
}

static void
status_cb (GObject      *object,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  char *text;

  if (tn_bus_tailnet1_call_status_to_json_finish (TN_BUS_TAILNET1 (object), &text, result, &error))
    g_task_return_pointer (task, text, g_free);
  else
    tn_system_device_return_error (task, error);
}

static void
status_to_json_async (TnDevice            *device,
                      GCancellable        *cancellable,
                      GAsyncReadyCallback  callback,
                      gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_device_status_to_json_async);
  tn_system_device_call (task, "StatusToJson", NULL, status_cb);
}

static void
id_token_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  char *token;

  if (tn_bus_tailnet1_call_fetch_id_token_finish (TN_BUS_TAILNET1 (object), &token, result, &error))
    g_task_return_pointer (task, token, g_free);
  else
    tn_system_device_return_error (task, error);
}

static void
fetch_id_token_async (TnDevice            *device,
                      const char          *audience,
                      GCancellable        *cancellable,
                      GAsyncReadyCallback  callback,
                      gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_device_fetch_id_token_async);
  tn_system_device_call (task, "FetchIdToken", g_variant_new ("(s)", audience), id_token_cb);
}

static void
published_cb (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (tn_bus_tailnet1_call_publish_txt_finish (TN_BUS_TAILNET1 (object), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    tn_system_device_return_error (task, error);
}

static void
publish_txt_async (TnDevice            *device,
                   const char          *name,
                   const char          *value,
                   GCancellable        *cancellable,
                   GAsyncReadyCallback  callback,
                   gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_device_publish_txt_async);
  tn_system_device_call (task, "PublishTxt", g_variant_new ("(ss)", name, value), published_cb);
}

void
tn_system_device_implement_calls (TnDeviceInterface *iface)
{
  iface->start_async = start_async;
  iface->stop_async = stop_async;
  iface->login_async = login_async;
  iface->logout_async = logout_async;
  iface->ping_async = ping_async;
  iface->whois_async = whois_async;
  iface->status_to_json_async = status_to_json_async;
  iface->fetch_id_token_async = fetch_id_token_async;
  iface->publish_txt_async = publish_txt_async;
}
