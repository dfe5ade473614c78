/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-system-device-private.h"

#include <unistd.h>

#include "tn-bus-socket.h"
#include "tn-ip.h"
#include "tn-system-device-node.h"

/**
 * TnSystemDevice:
 *
 * A device of another process, used over D-Bus.
 *
 * It has the state, the peers and the connections of that device, and none of its own: several programs can share one node so. The
 * other end is a [class@Tailnet.DeviceServer].
 *
 * Starting it connects, and waits until the other device runs; stopping it stops the other device. Dropping it does not.
 *
 * Since: 0.1
 */

enum { PROP_0, PROP_DIRECTORY, PROP_MAIN_CONTEXT, N_PROPS };
#define FIRST_DEVICE_PROP N_PROPS

enum
{
  CONNECT_ATTEMPTS = 500,
  CONNECT_PAUSE_MS = 20,
};

static void tn_system_device_iface_init (TnDeviceInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (TnSystemDevice, tn_system_device, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_DEVICE, tn_system_device_iface_init))
static GParamSpec *properties[N_PROPS];

/* --- What the other side shows --- */

static void
publish_health (TnSystemDevice *self)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func (g_object_unref);
  GVariant *health = tn_bus_tailnet1_get_health (self->proxy);
  const char *code, *title, *text;
  GVariantIter iter;
  guint severity;

  if (health == NULL)
    return;
  g_variant_iter_init (&iter, health);
  while (g_variant_iter_next (&iter, "(&su&s&s)", &code, &severity, &title, &text))
    g_ptr_array_add (items, tn_health_item_new (code, (TnHealthSeverity) MIN (severity, TN_HEALTH_SEVERITY_HIGH), title, text));
  tn_device_model_publish_health (self->model, items);
}

static void
publish_preferences (TnSystemDevice *self)
{
  g_autoptr (TnPreferences) preferences = NULL;
  GVariant *value = tn_bus_tailnet1_get_preferences (self->proxy);
  g_autofree const char **tags = NULL;
  const char *control_url, *hostname;
  gboolean want_running;

  if (value == NULL)
    return;
  g_variant_get (value, "(&s&s^a&sb)", &control_url, &hostname, &tags, &want_running);
  preferences = tn_preferences_new (control_url, hostname, tags, want_running);
  tn_device_model_publish_preferences (self->model, preferences);
}

static const char *
non_empty (const char *text)
{
  return text != NULL && *text != '\0' ? text : NULL;
}

/* NULL: there is none. */
static GError *
make_error (TnSystemDevice *self)
{
  GVariant *value = tn_bus_tailnet1_get_error (self->proxy);
  const char *name = "", *message = "";
  GError *error;

  if (value != NULL)
    g_variant_get (value, "(&s&s)", &name, &message);
  if (*name == '\0')
    return NULL;
  error = g_dbus_error_new_for_dbus_error (name, message);
  g_dbus_error_strip_remote_error (error);
  return error;
}

/* NULL: the other side knows of none. */
static TnDnsConfig *
make_dns_config (TnSystemDevice *self)
{
  GVariant *values = tn_bus_tailnet1_get_dns_config (self->proxy);

  return values != NULL && g_variant_n_children (values) > 0 ? tn_dns_config_new (values) : NULL;
}

static void
publish_all (TnSystemDevice *self)
{
  GVariant *self_node = tn_bus_tailnet1_get_self_node (self->proxy);
  g_autoptr (TnNodeData) data = self_node != NULL ? tn_system_device_node_from_variant (self_node) : NULL;
  g_autoptr (GError) error = make_error (self);
  g_autoptr (TnDnsConfig) dns_config = make_dns_config (self);
  const char *dns_suffix = non_empty (tn_bus_tailnet1_get_dns_suffix (self->proxy));
  TnDeviceFacts facts = {
    .state = (TnDeviceState) MIN (tn_bus_tailnet1_get_state (self->proxy), TN_DEVICE_STATE_RUNNING),
    .auth_url = non_empty (tn_bus_tailnet1_get_auth_url (self->proxy)),
    .tailnet_name = non_empty (tn_bus_tailnet1_get_tailnet_name (self->proxy)),
    .dns_suffix = dns_suffix,
    .home_region = non_empty (tn_bus_tailnet1_get_home_region (self->proxy)),
    .key_expiry_us = tn_bus_tailnet1_get_key_expiry (self->proxy),
    .magic_dns = dns_config != NULL && tn_dns_config_get_magic_dns (dns_config),
    .dns_config = dns_config,
    .error = error,
  };

  tn_device_model_publish_facts (self->model, &facts);
  tn_device_model_publish_self (self->model, data);
  publish_health (self);
  publish_preferences (self);
}

static void
properties_changed_cb (TnSystemDevice *self)
{
  publish_all (self);
}

/* --- Connecting --- */

static void
peers_changed_cb (TnSystemDevice *self)
{
  self->stale = TRUE;
  if (!self->reloading)
    tn_system_device_load_peers (self, NULL);
}

static void
forget_proxy (TnSystemDevice *self)
{
  if (self->proxy == NULL)
    return;
  g_signal_handlers_disconnect_by_data (g_dbus_proxy_get_connection (G_DBUS_PROXY (self->proxy)), self);
  g_signal_handlers_disconnect_by_data (self->proxy, self);
  g_cancellable_cancel (self->loading);
  g_clear_object (&self->proxy);
  g_clear_object (&self->loading);
}

/* What the other side said before it went is the reason; else that it went, unless that is what we asked for. */
static void
closed_cb (TnSystemDevice *self)
{
  g_autoptr (GError) error = make_error (self);
  TnDeviceFacts facts = { .state = TN_DEVICE_STATE_STOPPED };

  if (error == NULL && !self->stop_asked && tn_bus_tailnet1_get_state (self->proxy) != TN_DEVICE_STATE_STOPPED)
    g_set_error (&error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the program that runs the device of %s has ended", self->directory);
  facts.error = error;
  forget_proxy (self);
  tn_device_model_publish_facts (self->model, &facts);
  tn_device_model_flush (self->model);
}

static void
proxy_cb (GObject      *object,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  TnSystemDevice *self = g_task_get_source_object (task);
  g_autoptr (TnBusTailnet1) proxy = NULL;
  GError *error = NULL;

  proxy = tn_bus_tailnet1_proxy_new_finish (result, &error);
  if (proxy == NULL)
    {
      tn_system_device_return_error (task, error);
      return;
    }
  forget_proxy (self);
  self->stop_asked = FALSE;
  self->proxy = g_steal_pointer (&proxy);
  self->loading = g_cancellable_new ();
  g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (self->proxy), G_MAXINT);      /* what takes its time is cancelled by who waits */
  g_signal_connect_swapped (self->proxy, "g-properties-changed", G_CALLBACK (properties_changed_cb), self);
  g_signal_connect_swapped (self->proxy, "peers-changed", G_CALLBACK (peers_changed_cb), self);
  g_signal_connect_swapped (g_dbus_proxy_get_connection (G_DBUS_PROXY (self->proxy)), "closed", G_CALLBACK (closed_cb), self);
  publish_all (self);
  tn_system_device_load_peers (self, task);
}

static gboolean
again_cb (gpointer user_data)
{
  GTask *task = user_data;

  if (!g_task_return_error_if_cancelled (task))
    tn_system_device_connect (g_task_get_source_object (task), task);
  return G_SOURCE_REMOVE;
}

/* More come at once than the socket has room for: that passes. */
static gboolean
try_again (GTask        *task,
           const GError *error)
{
  guint n = GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (task), "attempts"));
  g_autoptr (GSource) source = NULL;

  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) || n >= CONNECT_ATTEMPTS)
    return FALSE;
  g_object_set_data (G_OBJECT (task), "attempts", GUINT_TO_POINTER (n + 1));
  source = g_timeout_source_new (CONNECT_PAUSE_MS);
  g_task_attach_source (task, source, again_cb);
  return TRUE;
}

static void
connection_cb (GObject      *object,
               GAsyncResult *result,
               gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GDBusConnection) connection = NULL;
  GCancellable *cancellable = g_task_get_cancellable (task);
  GError *error = NULL;

  connection = g_dbus_connection_new_for_address_finish (result, &error);
  if (connection == NULL)
    {
      if (try_again (task, error))
        g_clear_error (&error);
      else
        g_task_return_error (task, error);
      return;
    }
  tn_bus_tailnet1_proxy_new (connection, G_DBUS_PROXY_FLAGS_NONE, NULL, TN_BUS_OBJECT_PATH, cancellable, proxy_cb,
                             g_steal_pointer (&task));
}

static void
close_fd (gpointer data)
{
  close (GPOINTER_TO_INT (data));
}

void
tn_system_device_connect (TnSystemDevice *self,
                          GTask          *task)
{
  g_autofree char *address = NULL;
  GError *error = NULL;
  int fd;

  if (self->proxy != NULL)
    {
      tn_system_device_load_peers (self, task);
      return;
    }
  if (!tn_bus_socket_check_owner (self->directory, &error) ||
      (address = tn_bus_socket_dup_address (self->directory, &fd, &error)) == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  if (fd >= 0)
    g_object_set_data_full (G_OBJECT (task), "directory", GINT_TO_POINTER (fd), close_fd);
  g_dbus_connection_new_for_address (address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, g_task_get_cancellable (task),
                                     connection_cb, g_object_ref (task));
}

TnBusTailnet1 *
tn_system_device_get_proxy (TnSystemDevice *self,
                            GTask          *task)
{
  if (self->proxy == NULL)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "not connected to the device in %s", self->directory);
  return self->proxy;
}

/* --- Type --- */

static void
tn_system_device_constructed (GObject *object)
{
  TnSystemDevice *self = TN_SYSTEM_DEVICE (object);

  G_OBJECT_CLASS (tn_system_device_parent_class)->constructed (object);
  if (self->main_context == NULL)
    self->main_context = g_main_context_ref_thread_default ();
  self->model = tn_device_model_new (TN_DEVICE (self), self->main_context);
}

static void
tn_system_device_dispose (GObject *object)
{
  TnSystemDevice *self = TN_SYSTEM_DEVICE (object);

  forget_proxy (self);
  if (self->model != NULL)
    tn_device_model_dispose (self->model);
  G_OBJECT_CLASS (tn_system_device_parent_class)->dispose (object);
}

static void
tn_system_device_finalize (GObject *object)
{
  TnSystemDevice *self = TN_SYSTEM_DEVICE (object);

  g_clear_pointer (&self->model, tn_device_model_unref);
  g_clear_pointer (&self->main_context, g_main_context_unref);
  g_free (self->directory);
  G_OBJECT_CLASS (tn_system_device_parent_class)->finalize (object);
}

static void
tn_system_device_get_property (GObject    *object,
                               guint       prop_id,
                               GValue     *value,
                               GParamSpec *pspec)
{
  TnSystemDevice *self = TN_SYSTEM_DEVICE (object);

  switch (prop_id)
    {
    case PROP_DIRECTORY:
      g_value_set_string (value, self->directory);
      break;
    case PROP_MAIN_CONTEXT:
      g_value_set_boxed (value, self->main_context);
      break;
    default:
      if (!tn_device_model_get_property (self->model, FIRST_DEVICE_PROP, prop_id, value))
        G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_system_device_set_property (GObject      *object,
                               guint         prop_id,
                               const GValue *value,
                               GParamSpec   *pspec)
{
  TnSystemDevice *self = TN_SYSTEM_DEVICE (object);

  switch (prop_id)
    {
    case PROP_DIRECTORY:
      self->directory = g_value_dup_string (value);
      break;
    case PROP_MAIN_CONTEXT:
      self->main_context = g_value_dup_boxed (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_system_device_class_init (TnSystemDeviceClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GParamFlags construct = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  object_class->constructed = tn_system_device_constructed;
  object_class->dispose = tn_system_device_dispose;
  object_class->finalize = tn_system_device_finalize;
  object_class->get_property = tn_system_device_get_property;
  object_class->set_property = tn_system_device_set_property;

  /**
   * TnSystemDevice:directory:
   *
   * Folder of the state of the device to use.
   *
   * Since: 0.1
   */
  properties[PROP_DIRECTORY] = g_param_spec_string ("directory", NULL, NULL, ".", construct);

  /**
   * TnSystemDevice:main-context:
   *
   * Context that the device lives in. Default: the thread-default one in which it is made.
   *
   * Since: 0.1
   */
  properties[PROP_MAIN_CONTEXT] = g_param_spec_boxed ("main-context", NULL, NULL, G_TYPE_MAIN_CONTEXT, construct);

  g_object_class_install_properties (object_class, N_PROPS, properties);
  tn_device_model_override_properties (object_class, FIRST_DEVICE_PROP);
}

static void
tn_system_device_init (TnSystemDevice *self)
{
}

/* --- Interface: what is known is the model's --- */

static TnNode *
tn_system_device_lookup_peer (TnDevice   *device,
                              const char *name_or_address)
{
  return tn_device_model_lookup_peer (TN_SYSTEM_DEVICE (device)->model, name_or_address);
}

static GPtrArray *
tn_system_device_peers_with_route (TnDevice     *device,
                                   GInetAddress *address)
{
  return tn_device_model_peers_with_route (TN_SYSTEM_DEVICE (device)->model, address);
}

/* What the policy grants has to be asked for: see whois. */
static TnNode *
tn_system_device_identify (TnDevice      *device,
                           GInetAddress  *source,
                           GVariant     **capabilities)
{
  if (capabilities != NULL)
    *capabilities = NULL;
  return tn_device_model_identify (TN_SYSTEM_DEVICE (device)->model, source);
}

static void
tn_system_device_iface_init (TnDeviceInterface *iface)
{
  iface->lookup_peer = tn_system_device_lookup_peer;
  iface->peers_with_route = tn_system_device_peers_with_route;
  iface->identify = tn_system_device_identify;
  tn_system_device_implement_calls (iface);
  tn_system_device_implement_sockets (iface);
}

/**
 * tn_system_device_new_for_directory:
 * @directory: (type filename): folder of the device's state
 *
 * Makes a device that stands for the one which another process runs with @directory. It fails to start where there is none, with
 * %G_IO_ERROR_NOT_FOUND or %G_IO_ERROR_CONNECTION_REFUSED.
 *
 * Returns: (transfer full): a new device
 *
 * Since: 0.1
 */
TnSystemDevice *
tn_system_device_new_for_directory (const char *directory)
{
  g_return_val_if_fail (directory != NULL, NULL);

  return g_object_new (TN_TYPE_SYSTEM_DEVICE, "directory", directory, NULL);
}
