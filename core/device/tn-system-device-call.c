/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-system-device-private.h"

/* A call on the bus that goes on for a task: what it takes to tell the other side that nobody waits any more. */
typedef struct
{
  TnBusTailnet1 *proxy;
  guint          serial;      /* of the message */
} Call;

static void
call_free (gpointer data)
{
  Call *call = data;

  g_object_unref (call->proxy);
  g_free (call);
}

void
tn_system_device_call (GTask               *task,
                       const char          *method,
                       GVariant            *parameters,
                       GAsyncReadyCallback  callback)
{
  g_autoptr (GVariant) held = parameters != NULL ? g_variant_ref_sink (parameters) : NULL;
  TnBusTailnet1 *proxy = tn_system_device_get_proxy (g_task_get_source_object (task), task);
  GDBusConnection *connection;
  guint before;
  Call *call;

  if (proxy == NULL)
    return;

  connection = g_dbus_proxy_get_connection (G_DBUS_PROXY (proxy));
  before = g_dbus_connection_get_last_serial (connection);
  g_dbus_proxy_call_with_unix_fd_list (G_DBUS_PROXY (proxy), method, held, G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                                       g_task_get_cancellable (task), callback, g_object_ref (task));
  if (g_dbus_connection_get_last_serial (connection) == before)      /* cancelled before it was sent */
    return;
  call = g_new (Call, 1);
  call->proxy = g_object_ref (proxy);
  call->serial = g_dbus_connection_get_last_serial (connection);
  g_object_set_data_full (G_OBJECT (task), "call", call, call_free);
}

void
tn_system_device_return_error (GTask  *task,
                               GError *error)
{
  Call *call = g_object_get_data (G_OBJECT (task), "call");

  if (call != NULL && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) &&
      g_cancellable_is_cancelled (g_task_get_cancellable (task)))
    tn_bus_tailnet1_call_cancel (call->proxy, call->serial, NULL, NULL, NULL);
  g_dbus_error_strip_remote_error (error);
  g_task_return_error (task, error);
}
