/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-connection-private.h"

#include "tn-node-data.h"
#include "tn-stream-pump.h"

/**
 * TnConnection:
 *
 * A TCP connection to another node, which knows who that is.
 *
 * Both streams are pollable, and good for every thread and context, also for blocking calls. What works on a [class@Gio.IOStream]
 * works on this: [class@Gio.TlsConnection], [method@Gio.IOStream.splice_async], `SoupServer`.
 *
 * While the other node cannot be reached, what is written waits. When that has lasted for some five minutes, reading and writing fail
 * with %G_IO_ERROR_TIMED_OUT; where nothing is under way, a node that has gone is noticed after a quarter of an hour.
 *
 * The network stack is in this process: what was written last, and the end that closing a connection brings, may still have to be sent. A
 * program that is about to exit waits for [method@Tailnet.Device.stop_async], which sends it.
 *
 * Since: 0.1
 */
struct _TnConnection
{
  GIOStream         parent_instance;
  TnNetstackStream *stream;
  TnNode           *peer;             /* nullable */
  GVariant         *capabilities;
  GSocketAddress   *local_address;
  GSocketAddress   *remote_address;
  GMutex            lock;
  gboolean          stolen;           /* under the lock */
};

enum { PROP_0, PROP_LOCAL_ADDRESS, PROP_REMOTE_ADDRESS, PROP_PEER, PROP_CAPABILITIES, N_PROPS };

G_DEFINE_FINAL_TYPE (TnConnection, tn_connection, G_TYPE_IO_STREAM)
static GParamSpec *properties[N_PROPS];

static GInputStream *
tn_connection_get_input_stream (GIOStream *stream)
{
  return g_io_stream_get_input_stream (G_IO_STREAM (TN_CONNECTION (stream)->stream));
}

static GOutputStream *
tn_connection_get_output_stream (GIOStream *stream)
{
  return g_io_stream_get_output_stream (G_IO_STREAM (TN_CONNECTION (stream)->stream));
}

static gboolean
is_stolen (TnConnection *self)
{
  gboolean stolen;

  g_mutex_lock (&self->lock);
  stolen = self->stolen;
  g_mutex_unlock (&self->lock);
  return stolen;
}

static gboolean
tn_connection_close (GIOStream     *stream,
                     GCancellable  *cancellable,
                     GError       **error)
{
  TnConnection *self = TN_CONNECTION (stream);

  return is_stolen (self) || g_io_stream_close (G_IO_STREAM (self->stream), cancellable, error);
}

static void
tn_connection_close_cb (GObject      *object,
                        GAsyncResult *result,
                        gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (g_io_stream_close_finish (G_IO_STREAM (object), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
tn_connection_close_async (GIOStream           *stream,
                           int                  io_priority,
                           GCancellable        *cancellable,
                           GAsyncReadyCallback  callback,
                           gpointer             user_data)
{
  TnConnection *self = TN_CONNECTION (stream);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tn_connection_close_async);
  g_task_set_priority (task, io_priority);
  if (is_stolen (self))
    g_task_return_boolean (task, TRUE);
  else
    g_io_stream_close_async (G_IO_STREAM (self->stream), io_priority, cancellable, tn_connection_close_cb, g_steal_pointer (&task));
}

static gboolean
tn_connection_close_finish (GIOStream     *stream,
                            GAsyncResult  *result,
                            GError       **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
tn_connection_finalize (GObject *object)
{
  TnConnection *self = TN_CONNECTION (object);

  g_clear_object (&self->stream);
  g_clear_object (&self->peer);
  g_clear_pointer (&self->capabilities, g_variant_unref);
  g_clear_object (&self->local_address);
  g_clear_object (&self->remote_address);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (tn_connection_parent_class)->finalize (object);
}

static void
tn_connection_get_property (GObject    *object,
                            guint       prop_id,
                            GValue     *value,
                            GParamSpec *pspec)
{
  TnConnection *self = TN_CONNECTION (object);

  switch (prop_id)
    {
    case PROP_LOCAL_ADDRESS:
      g_value_set_object (value, self->local_address);
      break;
    case PROP_REMOTE_ADDRESS:
      g_value_set_object (value, self->remote_address);
      break;
    case PROP_PEER:
      g_value_set_object (value, self->peer);
      break;
    case PROP_CAPABILITIES:
      g_value_set_variant (value, self->capabilities);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

#define READABLE (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
tn_connection_class_init (TnConnectionClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GIOStreamClass *stream_class = G_IO_STREAM_CLASS (klass);

  object_class->finalize = tn_connection_finalize;
  object_class->get_property = tn_connection_get_property;
  stream_class->get_input_stream = tn_connection_get_input_stream;
  stream_class->get_output_stream = tn_connection_get_output_stream;
  stream_class->close_fn = tn_connection_close;
  stream_class->close_async = tn_connection_close_async;
  stream_class->close_finish = tn_connection_close_finish;

  /**
   * TnConnection:local-address: (getter get_local_address)
   *
   * Own address and port.
   *
   * Since: 0.1
   */
  properties[PROP_LOCAL_ADDRESS] = g_param_spec_object ("local-address", NULL, NULL, G_TYPE_SOCKET_ADDRESS, READABLE);

  /**
   * TnConnection:remote-address: (getter get_remote_address)
   *
   * Address and port of the other end.
   *
   * Since: 0.1
   */
  properties[PROP_REMOTE_ADDRESS] = g_param_spec_object ("remote-address", NULL, NULL, G_TYPE_SOCKET_ADDRESS, READABLE);

  /**
   * TnConnection:peer: (getter get_peer)
   *
   * Node at the other end, or the router in front of it.
   *
   * Since: 0.1
   */
  properties[PROP_PEER] = g_param_spec_object ("peer", NULL, NULL, TN_TYPE_NODE, READABLE);

  /**
   * TnConnection:capabilities: (getter get_capabilities)
   *
   * What the policy of the tailnet grants the peer here: names, each with its values as JSON texts.
   *
   * Since: 0.1
   */
  properties[PROP_CAPABILITIES] =
    g_param_spec_variant ("capabilities", NULL, NULL, G_VARIANT_TYPE ("a{sas}"), NULL, READABLE);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
tn_connection_init (TnConnection *self)
{
  g_mutex_init (&self->lock);
}

TnConnection *
tn_connection_new (TnNetstackStream *stream,
                   TnNode           *peer,
                   GVariant         *capabilities)
{
  TnConnection *self = g_object_new (TN_TYPE_CONNECTION, NULL);
  TnNetstackStreamClass *klass = TN_NETSTACK_STREAM_GET_CLASS (stream);

  self->stream = g_object_ref (stream);
  g_set_object (&self->peer, peer);
  self->capabilities = g_variant_ref_sink (capabilities != NULL ? capabilities : tn_node_data_no_capabilities ());
  self->local_address = klass->dup_local_address (stream);
  self->remote_address = klass->dup_remote_address (stream);
  return self;
}

/**
 * tn_connection_get_local_address: (get-property local-address)
 * @self: a connection
 *
 * Gets the own address and port.
 *
 * Returns: (nullable) (transfer none): the address
 *
 * Since: 0.1
 */
GSocketAddress *
tn_connection_get_local_address (TnConnection *self)
{
  g_return_val_if_fail (TN_IS_CONNECTION (self), NULL);

  return self->local_address;
}

/**
 * tn_connection_get_remote_address: (get-property remote-address)
 * @self: a connection
 *
 * Gets the address and port of the other end.
 *
 * Returns: (nullable) (transfer none): the address
 *
 * Since: 0.1
 */
GSocketAddress *
tn_connection_get_remote_address (TnConnection *self)
{
  g_return_val_if_fail (TN_IS_CONNECTION (self), NULL);

  return self->remote_address;
}

/**
 * tn_connection_get_peer: (get-property peer)
 * @self: a connection
 *
 * Gets the node at the other end.
 *
 * Returns: (nullable) (transfer none): the node, or the router in front of it, or %NULL if it is not known
 *
 * Since: 0.1
 */
TnNode *
tn_connection_get_peer (TnConnection *self)
{
  g_return_val_if_fail (TN_IS_CONNECTION (self), NULL);

  return self->peer;
}

/**
 * tn_connection_get_capabilities: (get-property capabilities)
 * @self: a connection
 *
 * Gets what the policy of the tailnet grants the peer here.
 *
 * Returns: (transfer none): a dictionary of type `a{sas}`: names, each with its values as JSON texts; empty if it grants nothing
 *
 * Since: 0.1
 */
GVariant *
tn_connection_get_capabilities (TnConnection *self)
{
  g_return_val_if_fail (TN_IS_CONNECTION (self), NULL);

  return self->capabilities;
}

static gboolean
check_not_stolen (TnConnection  *self,
                  GError       **error)
{
  if (!is_stolen (self))
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the descriptor of the connection was taken");
  return FALSE;
}

/**
 * tn_connection_shutdown:
 * @self: a connection
 * @shutdown_read: whether to stop reading
 * @shutdown_write: whether to tell the other end that nothing more follows
 * @error: return location for an error
 *
 * Closes one direction or both, as `shutdown()` does; does not block.
 *
 * After @shutdown_write the other end reads the end of the stream behind everything that was written before, and can still send.
 *
 * Returns: %TRUE on success
 *
 * Since: 0.1
 */
gboolean
tn_connection_shutdown (TnConnection  *self,
                        gboolean       shutdown_read,
                        gboolean       shutdown_write,
                        GError       **error)
{
  g_return_val_if_fail (TN_IS_CONNECTION (self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!shutdown_read && !shutdown_write)
    return TRUE;
  return check_not_stolen (self, error) &&
         TN_NETSTACK_STREAM_GET_CLASS (self->stream)->shutdown (self->stream, shutdown_read, shutdown_write, error);
}

/**
 * tn_connection_steal_fd:
 * @self: a connection
 * @error: return location for an error
 *
 * Takes a file descriptor out of the connection, for code that wants a socket: a stream socket, non-blocking, which belongs to the
 * caller. It is the kernel's own where there is one, else one end of a pair whose other end the library serves for as long as either
 * side is open. End of stream passes through in both directions.
 *
 * The connection is spent then: its streams must not be used any more, and closing it does nothing. The first call wins, later ones
 * fail with %G_IO_ERROR_CLOSED. A connection with a read or write going on gives %G_IO_ERROR_PENDING.
 *
 * Returns: a file descriptor, or -1 with @error set
 *
 * Since: 0.1
 */
int
tn_connection_steal_fd (TnConnection  *self,
                        GError       **error)
{
  GIOStream *stream;
  TnNetstackStreamClass *klass;
  int fd;

  g_return_val_if_fail (TN_IS_CONNECTION (self), -1);
  g_return_val_if_fail (error == NULL || *error == NULL, -1);

  stream = G_IO_STREAM (self->stream);
  klass = TN_NETSTACK_STREAM_GET_CLASS (self->stream);
  g_mutex_lock (&self->lock);
  if (self->stolen || g_io_stream_is_closed (stream) || g_io_stream_is_closed (G_IO_STREAM (self)))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CLOSED,
                           self->stolen ? "the descriptor of the connection was taken" : "the connection is closed");
      fd = -1;
    }
  else if (g_input_stream_has_pending (g_io_stream_get_input_stream (stream)) ||
           g_output_stream_has_pending (g_io_stream_get_output_stream (stream)))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_PENDING, "the connection is being read or written");
      fd = -1;
    }
  else
    {
      fd = klass->steal_fd != NULL ? klass->steal_fd (self->stream, error) : tn_stream_pump_start (self->stream, error);
      self->stolen = fd >= 0;
    }
  g_mutex_unlock (&self->lock);
  return fd;
}
