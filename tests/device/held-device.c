/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "held-device.h"

#include "tn-cancel-source.h"
#include "tn-connection-private.h"
#include "tn-datagram-socket-private.h"
#include "tn-error.h"
#include "tn-listener-private.h"
#include "tn-ping-result-private.h"

struct _HeldDevice
{
  GObject        parent_instance;
  TnDeviceModel *model;
  gboolean       holds;
  guint          n_held;
  const char    *last;
  FakeListener  *listener;
  GVariant      *grants;
  guint          n_shown;
};

enum { PROP_0, PROP_FIRST };

static void held_device_iface_init (TnDeviceInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (HeldDevice, held_device, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (TN_TYPE_DEVICE, held_device_iface_init))

static gboolean
cancelled_cb (GCancellable *cancellable,
              gpointer      user_data)
{
  GTask *task = user_data;

  HELD_DEVICE (g_task_get_source_object (task))->n_held--;
  g_assert_true (g_task_return_error_if_cancelled (task));
  return G_SOURCE_REMOVE;
}

/* NULL: it is held. */
static GTask *
begin (TnDevice            *device,
       const char          *name,
       gpointer             source_tag,
       GCancellable        *cancellable,
       GAsyncReadyCallback  callback,
       gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);
  HeldDevice *self = HELD_DEVICE (device);
  g_autoptr (GSource) source = NULL;

  g_task_set_source_tag (task, source_tag);
  self->last = name;
  if (!self->holds)
    return g_steal_pointer (&task);

  g_assert_nonnull (cancellable);
  self->n_held++;
  source = tn_cancel_source_new (cancellable);
  g_source_set_callback (source, G_SOURCE_FUNC (cancelled_cb), g_steal_pointer (&task), g_object_unref);
  g_source_attach (source, g_main_context_get_thread_default ());
  return NULL;
}

static void
become (TnDevice      *device,
        TnDeviceState  state)
{
  TnDeviceModel *model = HELD_DEVICE (device)->model;

  tn_device_model_publish_facts (model, &(TnDeviceFacts) { .state = state, .dns_suffix = "t", .tailnet_name = "test", .magic_dns = TRUE });
  tn_device_model_flush (model);
}

static void
end (TnDevice *device,
     GTask    *task,      /* nullable, taken */
     TnDeviceState state)
{
  if (task == NULL)
    return;
  become (device, state);
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

static void
held_device_start_async (TnDevice            *device,
                         GCancellable        *cancellable,
                         GAsyncReadyCallback  callback,
                         gpointer             user_data)
{
  end (device, begin (device, "start", tn_device_start_async, cancellable, callback, user_data), TN_DEVICE_STATE_RUNNING);
}

static void
held_device_stop_async (TnDevice            *device,
                        GCancellable        *cancellable,
                        GAsyncReadyCallback  callback,
                        gpointer             user_data)
{
  end (device, begin (device, "stop", tn_device_stop_async, cancellable, callback, user_data), TN_DEVICE_STATE_STOPPED);
}

static void
held_device_login_async (TnDevice            *device,
                         GCancellable        *cancellable,
                         GAsyncReadyCallback  callback,
                         gpointer             user_data)
{
  end (device, begin (device, "login", tn_device_login_async, cancellable, callback, user_data), TN_DEVICE_STATE_RUNNING);
}

static void
held_device_logout_async (TnDevice            *device,
                          GCancellable        *cancellable,
                          GAsyncReadyCallback  callback,
                          gpointer             user_data)
{
  end (device, begin (device, "logout", tn_device_logout_async, cancellable, callback, user_data), TN_DEVICE_STATE_NEEDS_LOGIN);
}

static void
held_device_connect_to_host_async (TnDevice            *device,
                                   const char          *host,
                                   guint16              port,
                                   GCancellable        *cancellable,
                                   GAsyncReadyCallback  callback,
                                   gpointer             user_data)
{
  g_autoptr (GTask) task = begin (device, "connect", tn_device_connect_to_host_async, cancellable, callback, user_data);
  g_autoptr (TnNode) peer = tn_device_model_dup_node (HELD_DEVICE (device)->model, "db");
  g_autoptr (FakeStream) stream = NULL;

  if (task == NULL)
    return;
  stream = fake_stream_new ("100.64.0.2", NULL);
  g_task_return_pointer (task, tn_connection_new (TN_NETSTACK_STREAM (stream), peer, NULL), g_object_unref);
}

static void
held_device_listen_async (TnDevice            *device,
                          guint16              port,
                          const char          *address,
                          GCancellable        *cancellable,
                          GAsyncReadyCallback  callback,
                          gpointer             user_data)
{
  g_autoptr (GTask) task = begin (device, "listen", tn_device_listen_async, cancellable, callback, user_data);
  HeldDevice *self = HELD_DEVICE (device);

  if (task == NULL)
    return;
  g_clear_object (&self->listener);
  self->listener = fake_listener_new (port);
  g_task_return_pointer (task, tn_listener_new (device, TN_NETSTACK_LISTENER (self->listener), TN_LISTENER_DEFAULT_BACKLOG), g_object_unref);
}

static void
held_device_bind_datagram_async (TnDevice            *device,
                                 guint16              port,
                                 const char          *address,
                                 GCancellable        *cancellable,
                                 GAsyncReadyCallback  callback,
                                 gpointer             user_data)
{
  g_autoptr (GTask) task = begin (device, "bind", tn_device_bind_datagram_async, cancellable, callback, user_data);
  g_autoptr (FakeDatagram) datagram = NULL;

  if (task == NULL)
    return;
  datagram = fake_datagram_new ("100.64.0.1");
  g_task_return_pointer (task, tn_datagram_socket_new (device, TN_NETSTACK_DATAGRAM (datagram)), g_object_unref);
}

static void
held_device_ping_async (TnDevice            *device,
                        const char          *host,
                        TnPingKind           kind,
                        guint                size,
                        GCancellable        *cancellable,
                        GAsyncReadyCallback  callback,
                        gpointer             user_data)
{
  g_autoptr (GTask) task = begin (device, "ping", tn_device_ping_async, cancellable, callback, user_data);
  g_autoptr (TnNode) node = tn_device_model_dup_node (HELD_DEVICE (device)->model, "db");
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string ("100.64.0.2");
  TnPathData path = { .kind = TN_PATH_KIND_RELAY, .region = 900, .region_code = "test" };

  if (task != NULL)
    g_task_return_pointer (task, tn_ping_result_new (kind, address, node, 1500, &path), g_object_unref);
}

static void
held_device_whois_async (TnDevice            *device,
                         const char          *address,
                         guint16              port,
                         const char          *protocol,
                         GCancellable        *cancellable,
                         GAsyncReadyCallback  callback,
                         gpointer             user_data)
{
  g_autoptr (GTask) task = begin (device, "whois", tn_device_whois_async, cancellable, callback, user_data);
  TnNode *node;

  if (task == NULL)
    return;
  node = tn_device_model_dup_node (HELD_DEVICE (device)->model, "db");
  g_task_return_pointer (task, tn_device_answer_new (node, g_variant_ref_sink (g_variant_new_parsed ("{'example.com/cap': ['1']}"))),
                         (GDestroyNotify) tn_device_answer_free);
}

static void
held_device_status_to_json_async (TnDevice            *device,
                                  GCancellable        *cancellable,
                                  GAsyncReadyCallback  callback,
                                  gpointer             user_data)
{
  g_autoptr (GTask) task = begin (device, "status", tn_device_status_to_json_async, cancellable, callback, user_data);

  if (task != NULL)
    tn_device_model_status_to_json (HELD_DEVICE (device)->model, task);
}

static void
held_device_fetch_id_token_async (TnDevice            *device,
                                  const char          *audience,
                                  GCancellable        *cancellable,
                                  GAsyncReadyCallback  callback,
                                  gpointer             user_data)
{
  g_autoptr (GTask) task = begin (device, "id-token", tn_device_fetch_id_token_async, cancellable, callback, user_data);

  if (task != NULL)
    g_task_return_pointer (task, g_strdup_printf ("token.for.%s", audience), g_free);
}

static void
held_device_publish_txt_async (TnDevice            *device,
                               const char          *name,
                               const char          *value,
                               GCancellable        *cancellable,
                               GAsyncReadyCallback  callback,
                               gpointer             user_data)
{
  g_autoptr (GTask) task = begin (device, "publish", tn_device_publish_txt_async, cancellable, callback, user_data);

  if (task == NULL)
    return;
  if (g_str_equal (name, "_acme-challenge.own.tail.test"))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_new_error (task, TN_ERROR, TN_ERROR_CONTROL, "%s: not yours", name);
}

static TnNode *
held_device_lookup_peer (TnDevice   *device,
                         const char *name_or_address)
{
  return tn_device_model_lookup_peer (HELD_DEVICE (device)->model, name_or_address);
}

static TnNode *
held_device_identify (TnDevice      *device,
                      GInetAddress  *source,
                      GVariant     **capabilities)
{
  if (capabilities != NULL)
    *capabilities = HELD_DEVICE (device)->grants != NULL ? g_variant_ref (HELD_DEVICE (device)->grants) : NULL;
  return tn_device_model_identify (HELD_DEVICE (device)->model, source);
}

static void
held_device_iface_init (TnDeviceInterface *iface)
{
  iface->start_async = held_device_start_async;
  iface->stop_async = held_device_stop_async;
  iface->login_async = held_device_login_async;
  iface->logout_async = held_device_logout_async;
  iface->connect_to_host_async = held_device_connect_to_host_async;
  iface->listen_async = held_device_listen_async;
  iface->bind_datagram_async = held_device_bind_datagram_async;
  iface->ping_async = held_device_ping_async;
  iface->whois_async = held_device_whois_async;
  iface->status_to_json_async = held_device_status_to_json_async;
  iface->fetch_id_token_async = held_device_fetch_id_token_async;
  iface->publish_txt_async = held_device_publish_txt_async;
  iface->lookup_peer = held_device_lookup_peer;
  iface->identify = held_device_identify;
}

static void
held_device_dispose (GObject *object)
{
  HeldDevice *self = HELD_DEVICE (object);

  g_clear_object (&self->listener);
  tn_device_model_dispose (self->model);
  G_OBJECT_CLASS (held_device_parent_class)->dispose (object);
}

static void
held_device_finalize (GObject *object)
{
  g_clear_pointer (&HELD_DEVICE (object)->grants, g_variant_unref);
  g_clear_pointer (&HELD_DEVICE (object)->model, tn_device_model_unref);
  G_OBJECT_CLASS (held_device_parent_class)->finalize (object);
}

static void
held_device_get_property (GObject    *object,
                          guint       prop_id,
                          GValue     *value,
                          GParamSpec *pspec)
{
  if (g_str_equal (pspec->name, "preferences"))
    HELD_DEVICE (object)->n_shown++;
  if (!tn_device_model_get_property (HELD_DEVICE (object)->model, PROP_FIRST, prop_id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
}

static void
held_device_class_init (HeldDeviceClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = held_device_dispose;
  object_class->finalize = held_device_finalize;
  object_class->get_property = held_device_get_property;
  tn_device_model_override_properties (object_class, PROP_FIRST);
}

static void
held_device_init (HeldDevice *self)
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  self->model = tn_device_model_new (TN_DEVICE (self), context);
}

HeldDevice *
held_device_new (void)
{
  HeldDevice *self = g_object_new (HELD_TYPE_DEVICE, NULL);
  g_autoptr (TnNodeData) db = tn_node_data_new ("db");

  tn_node_data_set_dns_name (db, "db.t.");
  db->addresses = g_new0 (TnIpAddress, 1);
  db->n_addresses = 1;
  g_assert_true (tn_ip_address_parse ("100.64.0.2", &db->addresses[0]));
  tn_device_model_publish_peer (self->model, db);
  become (TN_DEVICE (self), TN_DEVICE_STATE_RUNNING);
  return self;
}

TnDeviceModel *
held_device_get_model (HeldDevice *self)
{
  return self->model;
}

void
held_device_hold (HeldDevice *self,
                  gboolean    hold)
{
  self->holds = hold;
}

guint
held_device_count (HeldDevice *self)
{
  return self->n_held;
}

const char *
held_device_get_last (HeldDevice *self)
{
  return self->last;
}

void
held_device_set_grants (HeldDevice *self,
                        GVariant   *grants)
{
  g_variant_ref_sink (grants);
  g_clear_pointer (&self->grants, g_variant_unref);
  self->grants = grants;
}

guint
held_device_count_shown (HeldDevice *self)
{
  return self->n_shown;
}

FakeListener *
held_device_get_listener (HeldDevice *self)
{
  return self->listener;
}
