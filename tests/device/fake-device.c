/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fake-device.h"

#include <string.h>

#include "tn-error.h"

struct _FakeDevice
{
  GObject        parent_instance;
  TnDeviceModel *model;
};

enum { PROP_0, PROP_FIRST };

static void fake_device_iface_init (TnDeviceInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (FakeDevice, fake_device, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (TN_TYPE_DEVICE, fake_device_iface_init))

static void
fake_device_connect_to_host_async (TnDevice            *device,
                                   const char          *host,
                                   guint16              port,
                                   GCancellable        *cancellable,
                                   GAsyncReadyCallback  callback,
                                   gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_device_connect_to_host_async);
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED, "%s|%u", host, port);
}

static void
fake_device_status_to_json_async (TnDevice            *device,
                                  GCancellable        *cancellable,
                                  GAsyncReadyCallback  callback,
                                  gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_device_status_to_json_async);
  tn_device_model_status_to_json (FAKE_DEVICE (device)->model, task);
}

static TnNode *
fake_device_lookup_peer (TnDevice   *device,
                         const char *name_or_address)
{
  return tn_device_model_lookup_peer (FAKE_DEVICE (device)->model, name_or_address);
}

static GPtrArray *
fake_device_peers_with_route (TnDevice     *device,
                              GInetAddress *address)
{
  return tn_device_model_peers_with_route (FAKE_DEVICE (device)->model, address);
}

static TnNode *
fake_device_identify (TnDevice      *device,
                      GInetAddress  *source,
                      GVariant     **capabilities)
{
  TnNode *node = tn_device_model_identify (FAKE_DEVICE (device)->model, source);

  if (capabilities != NULL && node != NULL)
    *capabilities = g_variant_ref_sink (g_variant_new_parsed ("{'example.com/cap/admin': ['true']}"));
  return node;
}

static void
fake_device_iface_init (TnDeviceInterface *iface)
{
  iface->connect_to_host_async = fake_device_connect_to_host_async;
  iface->status_to_json_async = fake_device_status_to_json_async;
  iface->lookup_peer = fake_device_lookup_peer;
  iface->peers_with_route = fake_device_peers_with_route;
  iface->identify = fake_device_identify;
}

static void
fake_device_dispose (GObject *object)
{
  tn_device_model_dispose (FAKE_DEVICE (object)->model);
  G_OBJECT_CLASS (fake_device_parent_class)->dispose (object);
}

static void
fake_device_finalize (GObject *object)
{
  g_clear_pointer (&FAKE_DEVICE (object)->model, tn_device_model_unref);
  G_OBJECT_CLASS (fake_device_parent_class)->finalize (object);
}

static void
fake_device_get_property (GObject    *object,
                          guint       prop_id,
                          GValue     *value,
                          GParamSpec *pspec)
{
  if (!tn_device_model_get_property (FAKE_DEVICE (object)->model, PROP_FIRST, prop_id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
}

static void
fake_device_class_init (FakeDeviceClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = fake_device_dispose;
  object_class->finalize = fake_device_finalize;
  object_class->get_property = fake_device_get_property;
  tn_device_model_override_properties (object_class, PROP_FIRST);
}

static void
fake_device_init (FakeDevice *self)
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  self->model = tn_device_model_new (TN_DEVICE (self), context);
}

FakeDevice *
fake_device_new (void)
{
  return g_object_new (FAKE_TYPE_DEVICE, NULL);
}

TnDeviceModel *
fake_device_get_model (FakeDevice *self)
{
  return self->model;
}

TnNodeData *
fake_node_new (const char *stable_id,
               const char *dns_name,
               const char *address)
{
  TnNodeData *node = tn_node_data_new (stable_id);

  tn_node_data_set_dns_name (node, dns_name);
  memcpy (node->public_key.bytes, stable_id, MIN (strlen (stable_id), TN_KEY_LEN));      /* no two alike */
  node->addresses = g_new0 (TnIpAddress, 1);
  node->n_addresses = 1;
  g_assert_true (tn_ip_address_parse (address, &node->addresses[0]));
  return node;
}
