/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-derp-private.h"

#include "tn-testkit-certificate.h"

#define KEEP_ALIVE_S 60

/**
 * TnTestkitDerp:
 *
 * A relay in this process, for nodes of this library and stock ones.
 *
 * It stands for one region; several of them make a map of several regions. It speaks TLS with a certificate of its own, made when
 * it is started for the first time, which the maps that it writes pin. Key, certificate and port stay over a stop, so that a
 * relay can be restarted under its clients.
 *
 * It lives in the thread-default main context in which it is started, answers while that runs, and is to be used from there.
 *
 * Since: 0.1
 */

enum
{
  PROP_0,
  PROP_REGION,
  PROP_ADDRESS,
  PROP_PORT,
  PROP_STUN_PORT,
  PROP_FAST_START,
  PROP_STALLED,
  PROP_CERTIFICATE,
  N_PROPS
};

enum
{
  SIGNAL_CLIENT_CONNECTED,
  SIGNAL_CLIENT_DISCONNECTED,
  N_SIGNALS
};

G_DEFINE_FINAL_TYPE (TnTestkitDerp, tn_testkit_derp, G_TYPE_OBJECT)

static GParamSpec *properties[N_PROPS];
static guint signals[N_SIGNALS];

/* --- Connections --- */

char *
tn_testkit_derp_dup_peer (TnTestkitDerpConnection *connection)
{
  TnTestkitRelayLink *link = tn_testkit_derp_connection_get_link (connection);
  const TnNodePublicKey *key = link != NULL ? tn_testkit_relay_get_peer (link) : NULL;
  char text[TN_KEY_TEXT_MAX];

  if (key == NULL)
    return NULL;

  tn_node_public_key_print (key, text);
  return g_strdup (text);
}

static void
joined_cb (TnTestkitDerpConnection *connection,
           gpointer                 user_data)
{
  g_autofree char *peer = tn_testkit_derp_dup_peer (connection);

  g_signal_emit (user_data, signals[SIGNAL_CLIENT_CONNECTED], 0, peer);
}

static void
closed_cb (TnTestkitDerpConnection *connection,
           gpointer                 user_data)
{
  TnTestkitDerp *self = user_data;
  g_autofree char *peer = tn_testkit_derp_dup_peer (connection);

  g_ptr_array_remove (self->connections, connection);
  if (peer != NULL)
    g_signal_emit (self, signals[SIGNAL_CLIENT_DISCONNECTED], 0, peer);
}

static const TnTestkitDerpConnectionEvents connection_events = { joined_cb, closed_cb };

static gboolean
incoming_cb (GSocketService    *service,
             GSocketConnection *base,
             GObject           *source,
             gpointer           user_data)
{
  TnTestkitDerp *self = user_data;
  TnTestkitDerpConnection *connection;

  connection = tn_testkit_derp_connection_new (base, self->certificate, self->relay, &connection_events, self);
  if (connection != NULL)
    {
      g_ptr_array_add (self->connections, connection);
      tn_testkit_derp_connection_set_stalled (connection, self->stalled);
    }
  return TRUE;
}

static gboolean
keep_alive_cb (gpointer user_data)
{
  tn_testkit_derp_send_to_all (user_data, TN_DERP_KEEP_ALIVE, NULL, 0);
  return G_SOURCE_CONTINUE;
}

/* --- Type --- */

static void
tn_testkit_derp_get_property (GObject    *object,
                              guint       prop_id,
                              GValue     *value,
                              GParamSpec *pspec)
{
  TnTestkitDerp *self = TN_TESTKIT_DERP (object);

  switch (prop_id)
    {
    case PROP_REGION:
      g_value_set_uint (value, self->region);
      break;
    case PROP_ADDRESS:
      g_value_set_string (value, self->address);
      break;
    case PROP_PORT:
      g_value_set_uint (value, self->port);
      break;
    case PROP_STUN_PORT:
      g_value_set_uint (value, self->stun_port);
      break;
    case PROP_FAST_START:
      g_value_set_boolean (value, self->fast_start);
      break;
    case PROP_STALLED:
      g_value_set_boolean (value, self->stalled);
      break;
    case PROP_CERTIFICATE:
      g_value_set_object (value, self->certificate);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_testkit_derp_set_property (GObject      *object,
                              guint         prop_id,
                              const GValue *value,
                              GParamSpec   *pspec)
{
  TnTestkitDerp *self = TN_TESTKIT_DERP (object);

  switch (prop_id)
    {
    case PROP_REGION:
      self->region = g_value_get_uint (value);
      break;
    case PROP_ADDRESS:
      self->address = g_value_dup_string (value);
      break;
    case PROP_PORT:
      self->port = g_value_get_uint (value);
      break;
    case PROP_STUN_PORT:
      tn_testkit_derp_set_stun_port (self, g_value_get_uint (value));
      break;
    case PROP_FAST_START:
      self->fast_start = g_value_get_boolean (value);
      break;
    case PROP_STALLED:
      tn_testkit_derp_set_stalled (self, g_value_get_boolean (value));
      break;
    case PROP_CERTIFICATE:
      self->certificate = g_value_dup_object (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_testkit_derp_dispose (GObject *object)
{
  tn_testkit_derp_stop (TN_TESTKIT_DERP (object));

  G_OBJECT_CLASS (tn_testkit_derp_parent_class)->dispose (object);
}

static void
tn_testkit_derp_finalize (GObject *object)
{
  TnTestkitDerp *self = TN_TESTKIT_DERP (object);

  g_free (self->address);
  g_clear_object (&self->certificate);
  g_ptr_array_unref (self->connections);
  tn_node_private_key_clear (&self->key);

  G_OBJECT_CLASS (tn_testkit_derp_parent_class)->finalize (object);
}

static void
tn_testkit_derp_class_init (TnTestkitDerpClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags construct = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;
  const GParamFlags writable = G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;

  object_class->get_property = tn_testkit_derp_get_property;
  object_class->set_property = tn_testkit_derp_set_property;
  object_class->dispose = tn_testkit_derp_dispose;
  object_class->finalize = tn_testkit_derp_finalize;

  /**
   * TnTestkitDerp:region: (getter get_region)
   *
   * Number of the region that it stands for.
   *
   * Since: 0.1
   */
  properties[PROP_REGION] = g_param_spec_uint ("region", NULL, NULL, 1, G_MAXUINT16, 900, construct);

  /**
   * TnTestkitDerp:address: (getter get_address)
   *
   * The IP address that it listens on.
   *
   * Since: 0.1
   */
  properties[PROP_ADDRESS] = g_param_spec_string ("address", NULL, NULL, "127.0.0.1", construct);

  /**
   * TnTestkitDerp:port: (getter get_port)
   *
   * The TCP port; 0 before the first start when any will do.
   *
   * Since: 0.1
   */
  properties[PROP_PORT] = g_param_spec_uint ("port", NULL, NULL, 0, G_MAXUINT16, 0, construct);

  /**
   * TnTestkitDerp:stun-port: (getter get_stun_port) (setter set_stun_port)
   *
   * The UDP port of a STUN server at the same address, for the maps; 0: there is none. See [class@TailnetTestkit.Stun].
   *
   * Since: 0.1
   */
  properties[PROP_STUN_PORT] = g_param_spec_uint ("stun-port", NULL, NULL, 0, G_MAXUINT16, 0, writable);

  /**
   * TnTestkitDerp:fast-start:
   *
   * Whether the certificate chain tells the key of the relay, which saves clients a round trip.
   *
   * Since: 0.1
   */
  properties[PROP_FAST_START] = g_param_spec_boolean ("fast-start", NULL, NULL, TRUE, construct);

  /**
   * TnTestkitDerp:stalled: (getter get_stalled) (setter set_stalled)
   *
   * Whether it has stopped reading what clients send.
   *
   * Since: 0.1
   */
  properties[PROP_STALLED] = g_param_spec_boolean ("stalled", NULL, NULL, FALSE, writable);

  /**
   * TnTestkitDerp:certificate: (getter get_certificate)
   *
   * The certificate, with its private key; one is made when none was given.
   *
   * Since: 0.1
   */
  properties[PROP_CERTIFICATE] = g_param_spec_object ("certificate", NULL, NULL, G_TYPE_TLS_CERTIFICATE, construct);

  g_object_class_install_properties (object_class, N_PROPS, properties);

  /**
   * TnTestkitDerp::client-connected:
   * @self: a relay
   * @node_key: the client's node key
   *
   * A client said who it is and was let in.
   *
   * Since: 0.1
   */
  signals[SIGNAL_CLIENT_CONNECTED] =
    g_signal_new ("client-connected", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);

  /**
   * TnTestkitDerp::client-disconnected:
   * @self: a relay
   * @node_key: the client's node key
   *
   * The connection of a client ended, but not because of [method@TailnetTestkit.Derp.stop].
   *
   * Since: 0.1
   */
  signals[SIGNAL_CLIENT_DISCONNECTED] =
    g_signal_new ("client-disconnected", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
tn_testkit_derp_init (TnTestkitDerp *self)
{
  tn_node_private_key_generate (&self->key);
  self->connections = g_ptr_array_new_with_free_func ((GDestroyNotify) tn_testkit_derp_connection_free);
}

/**
 * tn_testkit_derp_new:
 * @region: number of its region
 *
 * A relay on loopback, on a port that the system chooses.
 *
 * Returns: (transfer full): a relay that is not started
 *
 * Since: 0.1
 */
TnTestkitDerp *
tn_testkit_derp_new (guint region)
{
  return g_object_new (TN_TESTKIT_TYPE_DERP, "region", region, NULL);
}

static gboolean
ensure_certificate (TnTestkitDerp  *self,
                    GError        **error)
{
  TnNodePublicKey key;

  if (self->certificate != NULL)
    return TRUE;

  tn_node_private_key_get_public (&self->key, &key);
  self->certificate = tn_testkit_certificate_new (self->address, self->fast_start ? &key : NULL, error);
  return self->certificate != NULL;
}

static gboolean
listen (TnTestkitDerp   *self,
        GSocketService  *service,
        GError         **error)
{
  g_autoptr (GSocketAddress) wanted = g_inet_socket_address_new_from_string (self->address, self->port);
  g_autoptr (GSocketAddress) got = NULL;

  if (wanted == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s is no IP address", self->address);
      return FALSE;
    }
  if (!g_socket_listener_add_address (G_SOCKET_LISTENER (service), wanted, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &got, error))
    return FALSE;

  self->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (got));
  return TRUE;
}

/**
 * tn_testkit_derp_start:
 * @self: a relay that is stopped
 * @error: return location for an error
 *
 * Begins to listen, in the thread-default main context. Does nothing when it does so already.
 *
 * Returns: whether it listens
 *
 * Since: 0.1
 */
gboolean
tn_testkit_derp_start (TnTestkitDerp  *self,
                       GError        **error)
{
  g_autoptr (GSocketService) service = NULL;

  g_return_val_if_fail (TN_TESTKIT_IS_DERP (self), FALSE);

  if (self->service != NULL)
    return TRUE;

  service = g_socket_service_new ();
  if (!ensure_certificate (self, error) || !listen (self, service, error))
    return FALSE;

  self->relay = tn_testkit_relay_new (&self->key, NULL, tn_testkit_derp_connection_wake);
  self->service = g_steal_pointer (&service);
  g_signal_connect_object (self->service, "incoming", G_CALLBACK (incoming_cb), self, 0);
  g_socket_service_start (self->service);

  self->keep_alive = g_timeout_source_new_seconds (KEEP_ALIVE_S);
  g_source_set_callback (self->keep_alive, keep_alive_cb, self, NULL);
  g_source_attach (self->keep_alive, g_main_context_get_thread_default ());
  return TRUE;
}

/**
 * tn_testkit_derp_stop:
 * @self: a relay
 *
 * Closes all connections and listens no more. It may be started again, on the same port.
 *
 * Since: 0.1
 */
void
tn_testkit_derp_stop (TnTestkitDerp *self)
{
  g_return_if_fail (TN_TESTKIT_IS_DERP (self));

  if (self->service == NULL)
    return;

  g_socket_service_stop (self->service);
  g_socket_listener_close (G_SOCKET_LISTENER (self->service));
  g_clear_object (&self->service);
  g_source_destroy (self->keep_alive);
  g_clear_pointer (&self->keep_alive, g_source_unref);
  g_ptr_array_set_size (self->connections, 0);
  g_clear_pointer (&self->relay, tn_testkit_relay_free);
}

/**
 * tn_testkit_derp_set_stun_port: (set-property stun-port)
 * @self: a relay
 * @stun_port: a UDP port; 0: none
 *
 * Sets which STUN server the maps name.
 *
 * Since: 0.1
 */
void
tn_testkit_derp_set_stun_port (TnTestkitDerp *self,
                               guint          stun_port)
{
  g_return_if_fail (TN_TESTKIT_IS_DERP (self));

  if (self->stun_port == stun_port)
    return;

  self->stun_port = stun_port;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STUN_PORT]);
}

/**
 * tn_testkit_derp_get_n_clients:
 * @self: a relay
 *
 * Gets how many clients are connected.
 *
 * Returns: how many connections it has on which a client said who it is
 *
 * Since: 0.1
 */
guint
tn_testkit_derp_get_n_clients (TnTestkitDerp *self)
{
  guint n = 0;

  g_return_val_if_fail (TN_TESTKIT_IS_DERP (self), 0);

  for (guint i = 0; i < self->connections->len; i++)
    {
      g_autofree char *peer = tn_testkit_derp_dup_peer (g_ptr_array_index (self->connections, i));

      n += peer != NULL;
    }
  return n;
}

/**
 * tn_testkit_derp_get_stalled: (get-property stalled)
 * @self: a relay
 *
 * Gets whether it takes nothing from its clients, as a full one does.
 *
 * Returns: whether it has stopped reading
 *
 * Since: 0.1
 */
gboolean
tn_testkit_derp_get_stalled (TnTestkitDerp *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_DERP (self), FALSE);

  return self->stalled;
}

/**
 * tn_testkit_derp_set_stalled: (set-property stalled)
 * @self: a relay
 * @stalled: whether to stop reading
 *
 * Stops reading what clients send, or goes on with it; what was on the way is not lost.
 *
 * Since: 0.1
 */
void
tn_testkit_derp_set_stalled (TnTestkitDerp *self,
                             gboolean       stalled)
{
  g_return_if_fail (TN_TESTKIT_IS_DERP (self));

  if (self->stalled == stalled)
    return;

  self->stalled = stalled;
  for (guint i = 0; i < self->connections->len; i++)
    tn_testkit_derp_connection_set_stalled (g_ptr_array_index (self->connections, i), stalled);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_STALLED]);
}
