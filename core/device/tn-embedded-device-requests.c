/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-embedded-device-private.h"

#include "tn-runtime.h"

/* What a program wants of the control server beside the map. */

static void
fetch_id_token_async (TnDevice            *device,
                      const char          *audience,
                      GCancellable        *cancellable,
                      GAsyncReadyCallback  callback,
                      gpointer             user_data)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (device);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, tn_device_fetch_id_token_async);
  g_task_set_task_data (task, g_strdup (audience), g_free);
  if (tn_embedded_device_check_running (self, &error))
    tn_runtime_fetch_id_token (self->runtime, task);
  else
    g_task_return_error (task, error);
}

static void
free_strv (gpointer strv)
{
  g_strfreev (strv);
}

static void
publish_txt_async (TnDevice            *device,
                   const char          *name,
                   const char          *value,
                   GCancellable        *cancellable,
                   GAsyncReadyCallback  callback,
                   gpointer             user_data)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (device);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  char **record = g_new0 (char *, 3);
  GError *error = NULL;

  record[0] = g_strdup (name);
  record[1] = g_strdup (value);
  g_task_set_source_tag (task, tn_device_publish_txt_async);
  g_task_set_task_data (task, record, free_strv);
  if (tn_embedded_device_check_running (self, &error))
    tn_runtime_publish_txt (self->runtime, task);
  else
    g_task_return_error (task, error);
}

void
tn_embedded_device_implement_requests (TnDeviceInterface *iface)
{
  iface->fetch_id_token_async = fetch_id_token_async;
  iface->publish_txt_async = publish_txt_async;
}
