/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-testkit-stun.h"

#include "tn-stun.h"

#define DATAGRAM_MAX 2048

/**
 * TnTestkitStun:
 *
 * A STUN server in this process: it tells nodes the address and port that their datagrams come from.
 *
 * Like the servers beside relays it answers only what nodes ask, and is silent about all else. It lives in the thread-default main
 * context in which it is started, answers while that runs, and is to be used from there. The port stays over a stop.
 *
 * Since: 0.1
 */
struct _TnTestkitStun
{
  GObject   parent_instance;

  char     *address;
  guint     port;           /* 0: any; after the first start the one it got */
  gboolean  silent;
  guint     n_requests;
  GSocket  *socket;         /* NULL: stopped */
  GSource  *source;
};

enum
{
  PROP_0,
  PROP_ADDRESS,
  PROP_PORT,
  PROP_SILENT,
  N_PROPS
};

G_DEFINE_FINAL_TYPE (TnTestkitStun, tn_testkit_stun, G_TYPE_OBJECT)

static GParamSpec *properties[N_PROPS];

static void
answer (TnTestkitStun  *self,
        const guint8   *datagram,
        gsize           len,
        GSocketAddress *from)
{
  GInetSocketAddress *inet = G_INET_SOCKET_ADDRESS (from);
  guint8 response[TN_STUN_RESPONSE_MAX];
  TnIpEndpoint source;
  TnStunTxid txid;
  gsize n;

  if (!tn_stun_parse_request (datagram, len, &txid))
    return;

  self->n_requests++;
  if (self->silent)
    return;
  source.address = tn_ip_address_from_inet (g_inet_socket_address_get_address (inet));
  source.port = g_inet_socket_address_get_port (inet);
  n = tn_stun_write_response (&txid, &source, response);
  g_socket_send_to (self->socket, from, (const char *) response, n, NULL, NULL);
}

static gboolean
readable_cb (GSocket      *socket,
             GIOCondition  condition,
             gpointer      user_data)
{
  TnTestkitStun *self = user_data;
  guint8 datagram[DATAGRAM_MAX];
  g_autoptr (GSocketAddress) from = NULL;
  gssize n = g_socket_receive_from (socket, &from, (char *) datagram, sizeof datagram, NULL, NULL);

  if (n >= 0 && G_IS_INET_SOCKET_ADDRESS (from))
    answer (self, datagram, (gsize) n, from);
  return G_SOURCE_CONTINUE;
}

static void
tn_testkit_stun_get_property (GObject    *object,
                              guint       prop_id,
                              GValue     *value,
                              GParamSpec *pspec)
{
  TnTestkitStun *self = TN_TESTKIT_STUN (object);

  switch (prop_id)
    {
    case PROP_ADDRESS:
      g_value_set_string (value, self->address);
      break;
    case PROP_PORT:
      g_value_set_uint (value, self->port);
      break;
    case PROP_SILENT:
      g_value_set_boolean (value, self->silent);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_testkit_stun_set_property (GObject      *object,
                              guint         prop_id,
                              const GValue *value,
                              GParamSpec   *pspec)
{
  TnTestkitStun *self = TN_TESTKIT_STUN (object);

  switch (prop_id)
    {
    case PROP_ADDRESS:
      self->address = g_value_dup_string (value);
      break;
    case PROP_PORT:
      self->port = g_value_get_uint (value);
      break;
    case PROP_SILENT:
      tn_testkit_stun_set_silent (self, g_value_get_boolean (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
tn_testkit_stun_dispose (GObject *object)
{
  tn_testkit_stun_stop (TN_TESTKIT_STUN (object));

  G_OBJECT_CLASS (tn_testkit_stun_parent_class)->dispose (object);
}

static void
tn_testkit_stun_finalize (GObject *object)
{
  g_free (TN_TESTKIT_STUN (object)->address);

  G_OBJECT_CLASS (tn_testkit_stun_parent_class)->finalize (object);
}

static void
tn_testkit_stun_class_init (TnTestkitStunClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags construct = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  object_class->get_property = tn_testkit_stun_get_property;
  object_class->set_property = tn_testkit_stun_set_property;
  object_class->dispose = tn_testkit_stun_dispose;
  object_class->finalize = tn_testkit_stun_finalize;

  /**
   * TnTestkitStun:address: (getter get_address)
   *
   * The IP address that it listens on.
   *
   * Since: 0.1
   */
  properties[PROP_ADDRESS] = g_param_spec_string ("address", NULL, NULL, "127.0.0.1", construct);

  /**
   * TnTestkitStun:port: (getter get_port)
   *
   * The UDP port; 0 before the first start when any will do.
   *
   * Since: 0.1
   */
  properties[PROP_PORT] = g_param_spec_uint ("port", NULL, NULL, 0, G_MAXUINT16, 0, construct);

  /**
   * TnTestkitStun:silent: (getter get_silent) (setter set_silent)
   *
   * Whether it answers nothing, as where UDP is blocked.
   *
   * Since: 0.1
   */
  properties[PROP_SILENT] =
    g_param_spec_boolean ("silent", NULL, NULL, FALSE, G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
tn_testkit_stun_init (TnTestkitStun *self)
{
}

/**
 * tn_testkit_stun_new:
 *
 * A server on loopback, on a port that the system chooses.
 *
 * Returns: (transfer full): a server that is not started
 *
 * Since: 0.1
 */
TnTestkitStun *
tn_testkit_stun_new (void)
{
  return g_object_new (TN_TESTKIT_TYPE_STUN, NULL);
}

static GSocket *
open_socket (TnTestkitStun  *self,
             GError        **error)
{
  g_autoptr (GSocketAddress) wanted = g_inet_socket_address_new_from_string (self->address, self->port);
  g_autoptr (GSocketAddress) got = NULL;
  g_autoptr (GSocket) socket = NULL;

  if (wanted == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s is no IP address", self->address);
      return NULL;
    }
  socket = g_socket_new (g_socket_address_get_family (wanted), G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, error);
  if (socket == NULL || !g_socket_bind (socket, wanted, FALSE, error) || (got = g_socket_get_local_address (socket, error)) == NULL)
    return NULL;

  g_socket_set_blocking (socket, FALSE);
  self->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (got));
  return g_steal_pointer (&socket);
}

/**
 * tn_testkit_stun_start:
 * @self: a server that is stopped
 * @error: return location for an error
 *
 * Begins to listen, in the thread-default main context. Does nothing when it does so already.
 *
 * Returns: whether it listens
 *
 * Since: 0.1
 */
gboolean
tn_testkit_stun_start (TnTestkitStun  *self,
                       GError        **error)
{
  g_return_val_if_fail (TN_TESTKIT_IS_STUN (self), FALSE);

  if (self->socket != NULL)
    return TRUE;

  self->socket = open_socket (self, error);
  if (self->socket == NULL)
    return FALSE;

  self->source = g_socket_create_source (self->socket, G_IO_IN, NULL);
  g_source_set_callback (self->source, G_SOURCE_FUNC (readable_cb), self, NULL);
  g_source_attach (self->source, g_main_context_get_thread_default ());
  return TRUE;
}

/**
 * tn_testkit_stun_stop:
 * @self: a server
 *
 * Listens no more. It may be started again, on the same port.
 *
 * Since: 0.1
 */
void
tn_testkit_stun_stop (TnTestkitStun *self)
{
  g_return_if_fail (TN_TESTKIT_IS_STUN (self));

  if (self->source != NULL)
    g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  if (self->socket != NULL)
    g_socket_close (self->socket, NULL);
  g_clear_object (&self->socket);
}

/**
 * tn_testkit_stun_get_address: (get-property address)
 * @self: a server
 *
 * Gets the IP address on which it listens.
 *
 * Returns: the IP address that it listens on
 *
 * Since: 0.1
 */
const char *
tn_testkit_stun_get_address (TnTestkitStun *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_STUN (self), NULL);

  return self->address;
}

/**
 * tn_testkit_stun_get_port: (get-property port)
 * @self: a server
 *
 * Gets the UDP port on which it listens.
 *
 * Returns: its UDP port, 0 when it was never started
 *
 * Since: 0.1
 */
guint
tn_testkit_stun_get_port (TnTestkitStun *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_STUN (self), 0);

  return self->port;
}

/**
 * tn_testkit_stun_get_n_requests:
 * @self: a server
 *
 * Gets how many requests have come.
 *
 * Returns: how many proper requests came, answered or not
 *
 * Since: 0.1
 */
guint
tn_testkit_stun_get_n_requests (TnTestkitStun *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_STUN (self), 0);

  return self->n_requests;
}

/**
 * tn_testkit_stun_get_silent: (get-property silent)
 * @self: a server
 *
 * Gets whether it hears requests without answering them.
 *
 * Returns: whether it answers nothing
 *
 * Since: 0.1
 */
gboolean
tn_testkit_stun_get_silent (TnTestkitStun *self)
{
  g_return_val_if_fail (TN_TESTKIT_IS_STUN (self), FALSE);

  return self->silent;
}

/**
 * tn_testkit_stun_set_silent: (set-property silent)
 * @self: a server
 * @silent: whether to answer nothing
 *
 * Makes the server deaf and dumb, as where UDP is blocked, or answer again.
 *
 * Since: 0.1
 */
void
tn_testkit_stun_set_silent (TnTestkitStun *self,
                            gboolean       silent)
{
  g_return_if_fail (TN_TESTKIT_IS_STUN (self));

  if (self->silent == silent)
    return;

  self->silent = silent;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_SILENT]);
}
