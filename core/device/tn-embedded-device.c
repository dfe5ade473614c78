/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-embedded-device.h"

#include <glib/gstdio.h>
#include <string.h>

#include "tn-embedded-device-private.h"
#include "tn-memory-state-store.h"
#include "tn-secret.h"

#define KERNEL_NETSTACK "tun"
#define DEFAULT_INTERFACE "tailnet%d"
#define DEFAULT_CONTROL_URL "https://controlplane.tailscale.com"      /* tailscale ipn/prefs.go: DefaultControlURL */

/**
 * TnEmbeddedDevice:
 *
 * A node of a tailnet inside this process.
 *
 * It needs no privilege, no service and no interface in the kernel: connections run over a network stack of its own. Everything
 * that a program does with it is in [iface@Tailnet.Device]. With [property@Tailnet.EmbeddedDevice:interface-name] or
 * [property@Tailnet.EmbeddedDevice:tun-fd] it has an interface of the kernel instead, and all programs of the machine reach the tailnet.
 *
 * What makes it the same node after a restart lies in its [property@Tailnet.EmbeddedDevice:state-store]. With an auth key
 * ([property@Tailnet.EmbeddedDevice:auth-key]) it joins by itself; without one [property@Tailnet.Device:auth-url] says where
 * somebody has to log in.
 *
 * A device belongs to one main context, the thread-default one in which it was made unless
 * [property@Tailnet.EmbeddedDevice:main-context] says otherwise: its methods are called there, and its notifications, list changes
 * and signals arrive there, and only there. Work on packets is done in threads of its own. Dropping the last reference to a device
 * that runs stops it without waiting.
 *
 * Since: 0.1
 */

enum
{
  PROP_0,
  PROP_HOSTNAME,
  PROP_CONTROL_URL,
  PROP_STATE_STORE,
  PROP_AUTH_KEY,
  PROP_TAGS,
  PROP_EPHEMERAL,
  PROP_NETSTACK,
  PROP_INTERFACE_NAME,
  PROP_TUN_FD,
  PROP_TRANSPORTS,
  PROP_PORT,
  PROP_TLS_DATABASE,
  PROP_APP_NAME,
  PROP_ALLOW_PLAIN_HTTP,
  PROP_CAPTURE_FILE,
  PROP_MAIN_CONTEXT,
  N_PROPS,
};
#define FIRST_DEVICE_PROP N_PROPS

static void tn_embedded_device_iface_init (TnDeviceInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (TnEmbeddedDevice, tn_embedded_device, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TN_TYPE_DEVICE, tn_embedded_device_iface_init))

static GParamSpec *properties[N_PROPS];

static void
set_auth_key (TnEmbeddedDevice *self,
              const char       *auth_key)
{
  tn_secret_str_free (self->auth_key);
  self->auth_key = tn_secret_strdup (auth_key);
}

void
tn_embedded_device_publish_preferences (TnEmbeddedDevice *self,
                                        gboolean          want_running)
{
  g_autoptr (TnPreferences) preferences = tn_preferences_new (self->control_url, self->hostname, (const char *const *) self->tags,
                                                              want_running);

  tn_device_model_publish_preferences (self->model, preferences);
}

static void
tn_embedded_device_constructed (GObject *object)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (object);
  g_autoptr (GMainContext) own_context = g_main_context_ref_thread_default ();

  G_OBJECT_CLASS (tn_embedded_device_parent_class)->constructed (object);

  if (self->hostname == NULL || *self->hostname == '\0')
    {
      g_free (self->hostname);
      self->hostname = g_strdup (g_get_host_name ());
    }
  if (self->control_url == NULL || *self->control_url == '\0')
    {
      g_free (self->control_url);
      self->control_url = g_strdup (DEFAULT_CONTROL_URL);
    }
  if (self->netstack_name == NULL && (self->wanted_interface != NULL || self->tun_fd >= 0))
    self->netstack_name = g_strdup (KERNEL_NETSTACK);
  if (self->wanted_interface == NULL && g_strcmp0 (self->netstack_name, KERNEL_NETSTACK) == 0 && self->tun_fd < 0)
    self->wanted_interface = g_strdup (DEFAULT_INTERFACE);
  if (self->main_context == NULL)
    self->main_context = g_main_context_ref (own_context);
  if (self->state_store == NULL)
    {
      self->state_store = tn_memory_state_store_new ();
      self->ephemeral = TRUE;      /* nobody can be this node again: it must not stay behind in the tailnet */
    }
  self->model = tn_device_model_new (TN_DEVICE (self), self->main_context);
  tn_embedded_device_publish_preferences (self, FALSE);
  if (self->main_context == own_context)
    tn_device_model_flush (self->model);      /* else they show as soon as that context runs */
}

static void
tn_embedded_device_dispose (GObject *object)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (object);

  if (self->opening != NULL || self->runtime != NULL)
    tn_embedded_device_close_down (self);
  g_clear_pointer (&self->runtime, tn_runtime_unref);
  g_clear_object (&self->netstack);
  if (self->model != NULL)
    tn_device_model_dispose (self->model);

  G_OBJECT_CLASS (tn_embedded_device_parent_class)->dispose (object);
}

static void
tn_embedded_device_finalize (GObject *object)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (object);

  set_auth_key (self, NULL);
  g_clear_pointer (&self->model, tn_device_model_unref);
  g_clear_pointer (&self->stop_tasks, g_ptr_array_unref);
  g_clear_pointer (&self->early_calls, g_ptr_array_unref);
  g_clear_error (&self->stop_error);
  g_clear_object (&self->state_store);
  g_clear_object (&self->tls_database);
  g_clear_pointer (&self->main_context, g_main_context_unref);
  g_free (self->hostname);
  g_free (self->control_url);
  g_free (self->app_name);
  g_free (self->capture_file);
  g_free (self->netstack_name);
  g_free (self->wanted_interface);
  g_free (self->interface);
  if (self->tun_fd >= 0)
    g_close (self->tun_fd, NULL);
  g_strfreev (self->transport_names);
  g_strfreev (self->tags);

  G_OBJECT_CLASS (tn_embedded_device_parent_class)->finalize (object);
}

static void
tn_embedded_device_get_property (GObject    *object,
                                 guint       prop_id,
                                 GValue     *value,
                                 GParamSpec *pspec)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (object);

  switch (prop_id)
    {
    case PROP_HOSTNAME:
      g_value_set_string (value, self->hostname);
      break;
    case PROP_CONTROL_URL:
      g_value_set_string (value, self->control_url);
      break;
    case PROP_STATE_STORE:
      g_value_set_object (value, self->state_store);
      break;
    case PROP_TAGS:
      g_value_set_boxed (value, self->tags);
      break;
    case PROP_EPHEMERAL:
      g_value_set_boolean (value, self->ephemeral);
      break;
    case PROP_NETSTACK:
      g_value_set_string (value, self->netstack_name);
      break;
    case PROP_INTERFACE_NAME:
      g_value_set_string (value, tn_embedded_device_get_interface_name (self));
      break;
    case PROP_TRANSPORTS:
      g_value_set_boxed (value, self->transport_names);
      break;
    case PROP_PORT:
      g_value_set_uint (value, self->port);
      break;
    case PROP_TLS_DATABASE:
      g_value_set_object (value, self->tls_database);
      break;
    case PROP_APP_NAME:
      g_value_set_string (value, self->app_name);
      break;
    case PROP_ALLOW_PLAIN_HTTP:
      g_value_set_boolean (value, self->allow_plain_http);
      break;
    case PROP_CAPTURE_FILE:
      g_value_set_string (value, self->capture_file);
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
tn_embedded_device_set_property (GObject      *object,
                                 guint         prop_id,
                                 const GValue *value,
                                 GParamSpec   *pspec)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (object);

  switch (prop_id)
    {
    case PROP_HOSTNAME:
      self->hostname = g_value_dup_string (value);
      break;
    case PROP_CONTROL_URL:
      self->control_url = g_value_dup_string (value);
      break;
    case PROP_STATE_STORE:
      self->state_store = g_value_dup_object (value);
      break;
    case PROP_AUTH_KEY:
      set_auth_key (self, g_value_get_string (value));
      break;
    case PROP_TAGS:
      self->tags = g_value_dup_boxed (value);
      break;
    case PROP_EPHEMERAL:
      self->ephemeral = g_value_get_boolean (value);
      break;
    case PROP_NETSTACK:
      self->netstack_name = g_value_dup_string (value);
      break;
    case PROP_INTERFACE_NAME:
      self->wanted_interface = g_value_dup_string (value);
      break;
    case PROP_TUN_FD:
      self->tun_fd = g_value_get_int (value);
      break;
    case PROP_TRANSPORTS:
      self->transport_names = g_value_dup_boxed (value);
      break;
    case PROP_PORT:
      self->port = (guint16) g_value_get_uint (value);
      break;
    case PROP_TLS_DATABASE:
      self->tls_database = g_value_dup_object (value);
      break;
    case PROP_APP_NAME:
      self->app_name = g_value_dup_string (value);
      break;
    case PROP_ALLOW_PLAIN_HTTP:
      self->allow_plain_http = g_value_get_boolean (value);
      break;
    case PROP_CAPTURE_FILE:
      self->capture_file = g_value_dup_string (value);
      break;
    case PROP_MAIN_CONTEXT:
      self->main_context = g_value_dup_boxed (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_embedded_device_class_init (TnEmbeddedDeviceClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GParamFlags construct = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  object_class->constructed = tn_embedded_device_constructed;
  object_class->dispose = tn_embedded_device_dispose;
  object_class->finalize = tn_embedded_device_finalize;
  object_class->get_property = tn_embedded_device_get_property;
  object_class->set_property = tn_embedded_device_set_property;

  /**
   * TnEmbeddedDevice:hostname: (getter get_hostname)
   *
   * Name that the node asks for. The control server makes it unique, and fit for the DNS. Default: the name of the machine.
   *
   * Since: 0.1
   */
  properties[PROP_HOSTNAME] = g_param_spec_string ("hostname", NULL, NULL, NULL, construct);
  /**
   * TnEmbeddedDevice:control-url: (getter get_control_url)
   *
   * URL of the control server. Plain HTTP is accepted for hosts on this machine or in a private network only.
   *
   * Since: 0.1
   */
  properties[PROP_CONTROL_URL] = g_param_spec_string ("control-url", NULL, NULL, NULL, construct);
  /**
   * TnEmbeddedDevice:state-store: (getter get_state_store)
   *
   * Where the node's keys are kept. Default: in memory, and the node is [property@Tailnet.EmbeddedDevice:ephemeral].
   *
   * Since: 0.1
   */
  properties[PROP_STATE_STORE] = g_param_spec_object ("state-store", NULL, NULL, TN_TYPE_STATE_STORE, construct);
  /**
   * TnEmbeddedDevice:auth-key: (setter set_auth_key)
   *
   * Key by which the node may join without anybody logging in. Counts for the next start; not needed once the node has joined.
   *
   * Since: 0.1
   */
  properties[PROP_AUTH_KEY] = g_param_spec_string ("auth-key", NULL, NULL, NULL, G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS);
  /**
   * TnEmbeddedDevice:tags:
   *
   * Tags that the node asks for when it joins, each with its "tag:".
   *
   * Since: 0.1
   */
  properties[PROP_TAGS] = g_param_spec_boxed ("tags", NULL, NULL, G_TYPE_STRV, construct);
  /**
   * TnEmbeddedDevice:ephemeral: (getter get_ephemeral)
   *
   * Whether the node leaves its tailnet for good when it stops. One without a [property@Tailnet.EmbeddedDevice:state-store] always does:
   * nobody could be that node again.
   *
   * Since: 0.1
   */
  properties[PROP_EPHEMERAL] = g_param_spec_boolean ("ephemeral", NULL, NULL, FALSE, construct);
  /**
   * TnEmbeddedDevice:netstack:
   *
   * Name of the network stack to use. Default: the best one there is.
   *
   * Since: 0.1
   */
  properties[PROP_NETSTACK] = g_param_spec_string ("netstack", NULL, NULL, NULL, construct);
  /**
   * TnEmbeddedDevice:interface-name: (getter get_interface_name)
   *
   * Name for an interface of the kernel, in which "%d" becomes a number; one that is given asks for the network stack "tun". While the
   * device runs, the name that the interface has. Making one needs CAP_NET_ADMIN, as do addresses and routes. Default: none, and
   * "tailnet%d" with that network stack.
   *
   * Since: 0.1
   */
  properties[PROP_INTERFACE_NAME] = g_param_spec_string ("interface-name", NULL, NULL, NULL, construct);
  /**
   * TnEmbeddedDevice:tun-fd:
   *
   * Descriptor of an interface of the kernel that somebody with more rights has opened, with IFF_TUN, IFF_NO_PI and IFF_VNET_HDR, and put up
   * with an MTU of 1280 bytes; -1 for none. The device owns it from then on, and keeps the interface until it is freed itself. Without
   * CAP_NET_ADMIN addresses and routes are what that somebody sets up: a health item "router" says so, and the data flows.
   *
   * Since: 0.1
   */
  properties[PROP_TUN_FD] = g_param_spec_int ("tun-fd", NULL, NULL, -1, G_MAXINT, -1,
                                              G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  /**
   * TnEmbeddedDevice:transports:
   *
   * Names of the underlay transports to use, one for each kind of path: `derp` for relays, `udp` for datagrams straight to peers. With the
   * latter the node tells its tailnet the addresses of this machine, and goes straight to a peer as long as an address of it answers; all
   * else goes by relay. Default: the best one there is, which is that of relays.
   *
   * Since: 0.1
   */
  properties[PROP_TRANSPORTS] = g_param_spec_boxed ("transports", NULL, NULL, G_TYPE_STRV, construct);
  /**
   * TnEmbeddedDevice:port:
   *
   * UDP port for datagrams straight to peers, in host byte order, where a transport for them is among the
   * [property@Tailnet.EmbeddedDevice:transports]. If it is taken, as if it is 0, any other is used.
   *
   * Since: 0.1
   */
  properties[PROP_PORT] = g_param_spec_uint ("port", NULL, NULL, 0, G_MAXUINT16, 0, construct);
  /**
   * TnEmbeddedDevice:tls-database:
   *
   * Certificate authorities to trust, for control server and relays. Default: the system's.
   *
   * Since: 0.1
   */
  properties[PROP_TLS_DATABASE] = g_param_spec_object ("tls-database", NULL, NULL, G_TYPE_TLS_DATABASE, construct);
  /**
   * TnEmbeddedDevice:app-name:
   *
   * Name of the program, for those who administer the tailnet.
   *
   * Since: 0.1
   */
  properties[PROP_APP_NAME] = g_param_spec_string ("app-name", NULL, NULL, NULL, construct);

  /**
   * TnEmbeddedDevice:allow-plain-http:
   *
   * Whether the control server may be asked by plain HTTP although its address is neither of loopback nor private, as with a name in a
   * local network. The key of the server then comes unprotected: who can change it on its way can be the server.
   * A server that sends the node on to plain HTTP for its key is followed there only if its own address has no TLS, either.
   *
   * Since: 0.1
   */
  properties[PROP_ALLOW_PLAIN_HTTP] = g_param_spec_boolean ("allow-plain-http", NULL, NULL, FALSE, construct);

  /**
   * TnEmbeddedDevice:capture-file:
   *
   * File to write all packets of the node to, as they are outside of the tunnel, and why any were dropped. It is in the format of
   * pcapng, which Wireshark and tcpdump read; made anew at each start, and readable for its owner alone. Packets that come faster than
   * they can be written are left out. Default: none.
   *
   * Since: 0.1
   */
  properties[PROP_CAPTURE_FILE] = g_param_spec_string ("capture-file", NULL, NULL, NULL, construct);

  /**
   * TnEmbeddedDevice:main-context:
   *
   * Context that the device lives in. Default: the thread-default one in which it is made.
   *
   * Since: 0.1
   */
  properties[PROP_MAIN_CONTEXT] = g_param_spec_boxed ("main-context", NULL, NULL, G_TYPE_MAIN_CONTEXT, construct);

  g_object_class_install_properties (object_class, N_PROPS, properties);
  tn_device_model_override_properties (object_class, FIRST_DEVICE_PROP);
}

void
tn_embedded_device_set_interface (TnEmbeddedDevice *self,
                                  const char       *name)
{
  if (g_strcmp0 (self->interface, name) == 0)
    return;
  g_free (self->interface);
  self->interface = g_strdup (name);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_INTERFACE_NAME]);
}

static void
tn_embedded_device_init (TnEmbeddedDevice *self)
{
  self->stop_tasks = g_ptr_array_new_with_free_func (g_object_unref);
  self->early_calls = g_ptr_array_new_with_free_func (g_object_unref);
}

/* --- Interface: what is known is the model's --- */

static TnNode *
tn_embedded_device_lookup_peer (TnDevice   *device,
                                const char *name_or_address)
{
  return tn_device_model_lookup_peer (TN_EMBEDDED_DEVICE (device)->model, name_or_address);
}

static GPtrArray *
tn_embedded_device_peers_with_route (TnDevice     *device,
                                     GInetAddress *address)
{
  return tn_device_model_peers_with_route (TN_EMBEDDED_DEVICE (device)->model, address);
}

static TnNode *
tn_embedded_device_identify (TnDevice      *device,
                             GInetAddress  *source,
                             GVariant     **capabilities)
{
  TnEmbeddedDevice *self = TN_EMBEDDED_DEVICE (device);
  TnIpAddress address = tn_ip_address_from_inet (source);

  if (capabilities != NULL)
    *capabilities = self->runtime != NULL ? tn_runtime_dup_grants (self->runtime, &address) : NULL;
  return tn_device_model_identify (self->model, source);
}

static void
tn_embedded_device_status_to_json_async (TnDevice            *device,
                                         GCancellable        *cancellable,
                                         GAsyncReadyCallback  callback,
                                         gpointer             user_data)
{
  g_autoptr (GTask) task = g_task_new (device, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_device_status_to_json_async);
  tn_device_model_status_to_json (TN_EMBEDDED_DEVICE (device)->model, task);
}

static void
tn_embedded_device_iface_init (TnDeviceInterface *iface)
{
  iface->start_async = tn_embedded_device_start_async;
  iface->stop_async = tn_embedded_device_stop_async;
  iface->login_async = tn_embedded_device_login_async;
  iface->logout_async = tn_embedded_device_logout_async;
  iface->lookup_peer = tn_embedded_device_lookup_peer;
  iface->peers_with_route = tn_embedded_device_peers_with_route;
  iface->identify = tn_embedded_device_identify;
  iface->status_to_json_async = tn_embedded_device_status_to_json_async;
  tn_embedded_device_implement_sockets (iface);
  tn_embedded_device_implement_requests (iface);
}

/* --- Public --- */

/**
 * tn_embedded_device_new:
 * @hostname: (nullable): name to ask for, %NULL for that of the machine
 * @control_url: (nullable): URL of the control server, %NULL for Tailscale's
 * @state_store: (nullable): where to keep the node's keys, %NULL for memory: the node is ephemeral then
 *
 * Makes a device, stopped.
 *
 * Returns: (transfer full): a new device
 *
 * Since: 0.1
 */
TnEmbeddedDevice *
tn_embedded_device_new (const char   *hostname,
                        const char   *control_url,
                        TnStateStore *state_store)
{
  g_return_val_if_fail (state_store == NULL || TN_IS_STATE_STORE (state_store), NULL);

  return g_object_new (TN_TYPE_EMBEDDED_DEVICE, "hostname", hostname, "control-url", control_url, "state-store", state_store, NULL);
}

/**
 * tn_embedded_device_set_auth_key:
 * @self: an embedded device
 * @auth_key: (nullable): the key
 *
 * Sets the key by which the node may join without anybody logging in. It counts for the next start or
 * [method@Tailnet.Device.login_async] and those after it, until another one or %NULL takes its place, and is erased from memory then or
 * with the device.
 *
 * Since: 0.1
 */
void
tn_embedded_device_set_auth_key (TnEmbeddedDevice *self,
                                 const char       *auth_key)
{
  g_return_if_fail (TN_IS_EMBEDDED_DEVICE (self));

  set_auth_key (self, auth_key);
}

/**
 * tn_embedded_device_get_hostname:
 * @self: an embedded device
 *
 * Gets the name that the node asks for.
 *
 * Returns: the name
 *
 * Since: 0.1
 */
const char *
tn_embedded_device_get_hostname (TnEmbeddedDevice *self)
{
  g_return_val_if_fail (TN_IS_EMBEDDED_DEVICE (self), NULL);

  return self->hostname;
}

/**
 * tn_embedded_device_get_control_url:
 * @self: an embedded device
 *
 * Gets the URL of the control server.
 *
 * Returns: the URL
 *
 * Since: 0.1
 */
const char *
tn_embedded_device_get_control_url (TnEmbeddedDevice *self)
{
  g_return_val_if_fail (TN_IS_EMBEDDED_DEVICE (self), NULL);

  return self->control_url;
}

/**
 * tn_embedded_device_get_state_store:
 * @self: an embedded device
 *
 * Gets where the node's keys are kept.
 *
 * Returns: (transfer none): the state store
 *
 * Since: 0.1
 */
TnStateStore *
tn_embedded_device_get_state_store (TnEmbeddedDevice *self)
{
  g_return_val_if_fail (TN_IS_EMBEDDED_DEVICE (self), NULL);

  return self->state_store;
}

/**
 * tn_embedded_device_get_ephemeral:
 * @self: an embedded device
 *
 * Gets whether the node leaves its tailnet for good when it stops.
 *
 * Returns: %TRUE if it does
 *
 * Since: 0.1
 */
gboolean
tn_embedded_device_get_ephemeral (TnEmbeddedDevice *self)
{
  g_return_val_if_fail (TN_IS_EMBEDDED_DEVICE (self), FALSE);

  return self->ephemeral;
}

/**
 * tn_embedded_device_get_interface_name:
 * @self: an embedded device
 *
 * Gets the name of the interface of the kernel: while the device runs the one that it has, else the one to ask for.
 *
 * Returns: (nullable): the name, %NULL if there is none
 *
 * Since: 0.1
 */
const char *
tn_embedded_device_get_interface_name (TnEmbeddedDevice *self)
{
  g_return_val_if_fail (TN_IS_EMBEDDED_DEVICE (self), NULL);

  return self->interface != NULL ? self->interface : self->wanted_interface;
}
