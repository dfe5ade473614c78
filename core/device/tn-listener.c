/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-listener-private.h"

#include "tn-accept-queue.h"
#include "tn-connection-private.h"
#include "tn-context.h"
#include "tn-device-private.h"

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 2000

/**
 * TnListener:
 *
 * Takes TCP connections from other nodes.
 *
 * Either one by one with [method@Tailnet.Listener.accept_async], or all of them: connect to [signal@Tailnet.Listener::incoming] and
 * call [method@Tailnet.Listener.start]. Connections that nobody asked for yet wait, as many as
 * [property@Tailnet.Listener:backlog] says.
 *
 * It belongs to the context in which the device lives, and listens until it is closed or nobody holds it.
 *
 * Since: 0.1
 */
struct _TnListener
{
  GObject              parent_instance;
  TnDevice            *device;
  TnNetstackListener  *listener;
  GSocketAddress      *local_address;
  GMainContext        *context;
  TnAcceptQueue        queue;
  guint                backlog;
  GSource             *retry;           /* nullable: the last accept failed, and nobody but us asks for the next one */
  guint                retry_ms;        /* 0: it did not */
  gboolean             active;
  gboolean             accepting;
  gboolean             closed;
};

enum { PROP_0, PROP_LOCAL_ADDRESS, PROP_PORT, PROP_BACKLOG, PROP_ACTIVE, N_PROPS };
enum { SIGNAL_INCOMING, N_SIGNALS };

G_DEFINE_FINAL_TYPE (TnListener, tn_listener, G_TYPE_OBJECT)
static GParamSpec *properties[N_PROPS];
static guint signals[N_SIGNALS];

static void accept_next (TnListener *self);

static TnConnection *
make_connection (TnListener       *self,
                 TnNetstackStream *stream)
{
  TnNetstackStreamClass *class = TN_NETSTACK_STREAM_GET_CLASS (stream);
  g_autoptr (GSocketAddress) remote = class->dup_remote_address (stream);
  g_autoptr (TnNode) peer = NULL;
  g_autoptr (GVariant) granted = class->dup_grants != NULL ? class->dup_grants (stream) : NULL;
  g_autoptr (GVariant) capabilities = NULL;

  if (G_IS_INET_SOCKET_ADDRESS (remote))
    peer = tn_device_identify (self->device, g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (remote)), &capabilities);
  return tn_connection_new (stream, peer, granted != NULL ? granted : capabilities);
}

static void
deliver (TnListener   *self,
         TnConnection *connection)
{
  if (tn_accept_queue_hand_over (&self->queue, connection))
    return;
  if (self->active)
    g_signal_emit (self, signals[SIGNAL_INCOMING], 0, connection);
  else
    tn_accept_queue_keep (&self->queue, connection);
}

static void
forget_retry (TnListener *self)
{
  if (self->retry == NULL)
    return;
  g_source_destroy (self->retry);
  g_clear_pointer (&self->retry, g_source_unref);
}

static gboolean
retry_cb (gpointer user_data)
{
  accept_next (user_data);
  return G_SOURCE_REMOVE;
}

static void
retry_later (TnListener *self)
{
  self->retry_ms = self->retry_ms == 0 ? RETRY_MIN_MS : MIN (2 * self->retry_ms, RETRY_MAX_MS);
  self->retry = g_timeout_source_new (self->retry_ms);
  g_source_set_callback (self->retry, retry_cb, self, NULL);      /* closing takes it away, and so does disposing */
  g_source_attach (self->retry, self->context);
}

/* The netstack's listener has gone by itself, for good; or it is out of what it needs, for now. */
static void
accept_failed (TnListener   *self,
               const GError *error)
{
  g_debug ("listener: cannot accept: %s", error->message);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED))
    tn_listener_close (self);
  else if (self->active)
    retry_later (self);
  tn_accept_queue_fail (&self->queue, error);
}

static void
accepted_cb (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  g_autoptr (TnListener) self = NULL;
  g_autoptr (TnNetstackStream) stream = NULL;
  g_autoptr (TnConnection) connection = NULL;
  g_autoptr (GError) error = NULL;
  GWeakRef *ref = user_data;

  self = g_weak_ref_get (ref);
  g_weak_ref_clear (ref);
  g_free (ref);
  stream = TN_NETSTACK_LISTENER_GET_CLASS (object)->accept_finish (TN_NETSTACK_LISTENER (object), result, &error);
  if (self == NULL)
    return;

  self->accepting = FALSE;
  if (self->closed)
    return;
  if (stream == NULL)
    {
      accept_failed (self, error);
      return;
    }
  self->retry_ms = 0;
  connection = make_connection (self, stream);
  deliver (self, connection);
  accept_next (self);
}

static void
accept_next (TnListener *self)
{
  GWeakRef *weak;

  if (self->closed || self->accepting || !(self->active || tn_accept_queue_is_waited_for (&self->queue)))
    return;

  forget_retry (self);

  /* Weakly: a listener that nobody holds stops listening. */
  self->accepting = TRUE;
  weak = g_new0 (GWeakRef, 1);
  g_weak_ref_init (weak, self);
  g_main_context_push_thread_default (self->context);
  TN_NETSTACK_LISTENER_GET_CLASS (self->listener)->accept_async (self->listener, NULL, accepted_cb, weak);
  g_main_context_pop_thread_default (self->context);
}

static void
tn_listener_dispose (GObject *object)
{
  TnListener *self = TN_LISTENER (object);

  tn_listener_close (self);
  G_OBJECT_CLASS (tn_listener_parent_class)->dispose (object);
}

static void
tn_listener_finalize (GObject *object)
{
  TnListener *self = TN_LISTENER (object);

  g_clear_object (&self->device);
  g_clear_object (&self->listener);
  g_clear_object (&self->local_address);
  g_clear_pointer (&self->context, g_main_context_unref);
  G_OBJECT_CLASS (tn_listener_parent_class)->finalize (object);
}

static void
tn_listener_get_property (GObject    *object,
                          guint       prop_id,
                          GValue     *value,
                          GParamSpec *pspec)
{
  TnListener *self = TN_LISTENER (object);

  switch (prop_id)
    {
    case PROP_LOCAL_ADDRESS:
      g_value_set_object (value, self->local_address);
      break;
    case PROP_PORT:
      g_value_set_uint (value, tn_listener_get_port (self));
      break;
    case PROP_BACKLOG:
      g_value_set_uint (value, self->backlog);
      break;
    case PROP_ACTIVE:
      g_value_set_boolean (value, self->active);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

#define READABLE (G_PARAM_READABLE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS)

static void
tn_listener_class_init (TnListenerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = tn_listener_dispose;
  object_class->finalize = tn_listener_finalize;
  object_class->get_property = tn_listener_get_property;

  /**
   * TnListener:local-address: (getter get_local_address)
   *
   * Address and port that it listens on; the address is the unspecified one for all own addresses.
   *
   * Since: 0.1
   */
  properties[PROP_LOCAL_ADDRESS] = g_param_spec_object ("local-address", NULL, NULL, G_TYPE_SOCKET_ADDRESS, READABLE);

  /**
   * TnListener:port: (getter get_port)
   *
   * TCP port that it listens on, in host byte order.
   *
   * Since: 0.1
   */
  properties[PROP_PORT] = g_param_spec_uint ("port", NULL, NULL, 0, G_MAXUINT, 0, READABLE);

  /**
   * TnListener:backlog: (getter get_backlog)
   *
   * How many connections may wait to be accepted.
   *
   * Since: 0.1
   */
  properties[PROP_BACKLOG] = g_param_spec_uint ("backlog", NULL, NULL, 0, G_MAXUINT, 0, READABLE);

  /**
   * TnListener:active: (getter get_active)
   *
   * Whether it takes connections by itself and emits [signal@Tailnet.Listener::incoming].
   *
   * Since: 0.1
   */
  properties[PROP_ACTIVE] = g_param_spec_boolean ("active", NULL, NULL, FALSE, READABLE);

  g_object_class_install_properties (object_class, N_PROPS, properties);

  /**
   * TnListener::incoming:
   * @self: the listener
   * @connection: a connection from another node
   *
   * Somebody has connected. Emitted after [method@Tailnet.Listener.start]; a handler that wants to keep the connection takes a
   * reference.
   *
   * Since: 0.1
   */
  signals[SIGNAL_INCOMING] = g_signal_new ("incoming", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                           G_TYPE_NONE, 1, TN_TYPE_CONNECTION);
}

static void
tn_listener_init (TnListener *self)
{
  tn_accept_queue_init (&self->queue);
}

TnListener *
tn_listener_new (TnDevice           *device,
                 TnNetstackListener *netstack_listener,
                 guint               backlog)
{
  TnListener *self = g_object_new (TN_TYPE_LISTENER, NULL);

  self->device = g_object_ref (device);
  self->listener = g_object_ref (netstack_listener);
  self->local_address = TN_NETSTACK_LISTENER_GET_CLASS (netstack_listener)->dup_local_address (netstack_listener);
  self->context = g_main_context_ref_thread_default ();
  self->backlog = backlog;
  return self;
}

/**
 * tn_listener_get_local_address: (get-property local-address)
 * @self: a listener
 *
 * Gets the address and port that it listens on.
 *
 * Returns: (transfer none): the address
 *
 * Since: 0.1
 */
GSocketAddress *
tn_listener_get_local_address (TnListener *self)
{
  g_return_val_if_fail (TN_IS_LISTENER (self), NULL);

  return self->local_address;
}

/**
 * tn_listener_get_port: (get-property port)
 * @self: a listener
 *
 * Gets the TCP port that it listens on.
 *
 * Returns: the port, in host byte order
 *
 * Since: 0.1
 */
guint16
tn_listener_get_port (TnListener *self)
{
  g_return_val_if_fail (TN_IS_LISTENER (self), 0);

  return G_IS_INET_SOCKET_ADDRESS (self->local_address)
           ? g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (self->local_address)) : 0;
}

/**
 * tn_listener_get_backlog: (get-property backlog)
 * @self: a listener
 *
 * Gets how many connections may wait to be accepted.
 *
 * Returns: the number
 *
 * Since: 0.1
 */
guint
tn_listener_get_backlog (TnListener *self)
{
  g_return_val_if_fail (TN_IS_LISTENER (self), 0);

  return self->backlog;
}

/**
 * tn_listener_get_active: (get-property active)
 * @self: a listener
 *
 * Gets whether it takes connections by itself.
 *
 * Returns: %TRUE between [method@Tailnet.Listener.start] and [method@Tailnet.Listener.stop]
 *
 * Since: 0.1
 */
gboolean
tn_listener_get_active (TnListener *self)
{
  g_return_val_if_fail (TN_IS_LISTENER (self), FALSE);

  return self->active;
}

/**
 * tn_listener_accept_async:
 * @self: a listener
 * @cancellable: (nullable): optional cancellable
 * @callback: (scope async) (closure user_data): called when there is a connection
 * @user_data: data for @callback
 *
 * Waits for the next connection. Several calls may wait at once and are served in their order; a cancelled one loses no connection.
 * After [method@Tailnet.Listener.close] it ends with %G_IO_ERROR_CLOSED.
 *
 * Since: 0.1
 */
void
tn_listener_accept_async (TnListener          *self,
                          GCancellable        *cancellable,
                          GAsyncReadyCallback  callback,
                          gpointer             user_data)
{
  g_autoptr (GTask) task = NULL;
  TnConnection *ready;

  g_return_if_fail (TN_IS_LISTENER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, tn_listener_accept_async);

  /* A task that was cancelled after its connection was delivered would drop it. */
  g_task_set_check_cancellable (task, FALSE);
  if (g_cancellable_is_cancelled (cancellable))
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "accept was cancelled");
      return;
    }
  if (self->closed)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "the listener is closed");
      return;
    }
  ready = tn_accept_queue_take (&self->queue);
  if (ready != NULL)
    {
      g_task_return_pointer (task, ready, g_object_unref);
      return;
    }

  tn_accept_queue_wait (&self->queue, g_steal_pointer (&task), self->context);
  accept_next (self);
}

/**
 * tn_listener_accept_finish:
 * @self: a listener
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends what [method@Tailnet.Listener.accept_async] began.
 *
 * Returns: (transfer full): the connection, or %NULL with @error set
 *
 * Since: 0.1
 */
TnConnection *
tn_listener_accept_finish (TnListener    *self,
                           GAsyncResult  *result,
                           GError       **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_task_get_source_tag (G_TASK (result)) == tn_listener_accept_async, NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * tn_listener_start:
 * @self: a listener
 *
 * Begins to take every connection and to emit [signal@Tailnet.Listener::incoming] for it.
 *
 * Since: 0.1
 */
void
tn_listener_start (TnListener *self)
{
  g_autoptr (TnListener) held = NULL;
  TnConnection *ready;

  g_return_if_fail (TN_IS_LISTENER (self));

  if (self->active || self->closed)
    return;

  held = g_object_ref (self);
  self->active = TRUE;
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_ACTIVE]);
  while (self->active && (ready = tn_accept_queue_take (&self->queue)) != NULL)
    {
      g_signal_emit (self, signals[SIGNAL_INCOMING], 0, ready);
      g_object_unref (ready);
    }
  accept_next (self);
}

/**
 * tn_listener_stop:
 * @self: a listener
 *
 * Takes connections by itself no longer. It goes on listening: what comes meanwhile waits.
 *
 * Since: 0.1
 */
void
tn_listener_stop (TnListener *self)
{
  g_return_if_fail (TN_IS_LISTENER (self));

  if (!self->active)
    return;
  self->active = FALSE;
  forget_retry (self);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_ACTIVE]);
}

/**
 * tn_listener_close:
 * @self: a listener
 *
 * Listens no longer, at once. Who waits for a connection gets %G_IO_ERROR_CLOSED; connections that were accepted live on.
 *
 * Since: 0.1
 */
void
tn_listener_close (TnListener *self)
{
  g_autoptr (GError) error = NULL;

  g_return_if_fail (TN_IS_LISTENER (self));

  if (self->closed)
    return;
  self->closed = TRUE;
  if (self->listener != NULL)
    TN_NETSTACK_LISTENER_GET_CLASS (self->listener)->close (self->listener);
  error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CLOSED, "the listener is closed");
  tn_accept_queue_clear (&self->queue, error);
  tn_listener_stop (self);
}

/**
 * tn_listener_is_closed:
 * @self: a listener
 *
 * Tells whether it has stopped listening for good.
 *
 * Returns: %TRUE after [method@Tailnet.Listener.close], and after the device was stopped
 *
 * Since: 0.1
 */
gboolean
tn_listener_is_closed (TnListener *self)
{
  g_return_val_if_fail (TN_IS_LISTENER (self), TRUE);

  return self->closed;
}
