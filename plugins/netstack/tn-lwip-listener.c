/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-listener.h"

#include "lwip/tcp.h"
#include "tn-error.h"
#include "tn-lwip-backlog.h"
#include "tn-lwip-conn.h"
#include "tn-lwip-stream.h"
#include "tn-lwip-waiters.h"

#define BACKLOG_DEFAULT 128

/* What the object and turns share. */
typedef struct
{
  gatomicrefcount ref_count;
  TnLwipNetif    *netif;      /* a reference */
  TnIpEndpoint    local;      /* immutable once it listens */

  GMutex          lock;       /* guards what follows, up to the empty line */
  TnLwipWaiters   waiters;
  GQueue          conns;      /* TnLwipConn, alive, not yet accepted */
  gboolean        closed;
  gboolean        stopped;
  TnLwipJob       close_job;

  /* Of whoever has the turn (tn-lwip-core.h). */
  struct tcp_pcb *pcb;
  TnLwipNetifUser user;
  guint           backlog;
} TnLwipAcceptor;

struct _TnLwipListener
{
  TnNetstackListener parent_instance;
  TnLwipAcceptor    *acceptor;
};

G_DEFINE_FINAL_TYPE (TnLwipListener, tn_lwip_listener, TN_TYPE_NETSTACK_LISTENER)

static void
acceptor_unref (gpointer data)
{
  TnLwipAcceptor *self = data;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_mutex_clear (&self->lock);
  tn_lwip_netif_unref (self->netif);
  g_free (self);
}

void
tn_lwip_set_bind_error (GError            **error,
                        const char         *what,
                        const TnIpEndpoint *local,
                        int                 lwip_error)
{
  char text[TN_IP_ENDPOINT_TEXT_MAX] = "*";

  if (local->address.version != 0)
    tn_ip_endpoint_print (local, text);
  else
    g_snprintf (text, sizeof text, "*:%u", local->port);
  switch (lwip_error)
    {
    case ERR_USE:
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE, "cannot %s %s: address in use", what, text);
      break;
    case ERR_IF:
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED, "cannot %s %s: the network stack is stopped", what, text);
      break;
    case ERR_RTE:
      g_set_error (error, TN_ERROR, TN_ERROR_NO_ROUTE, "cannot %s %s: not an own address", what, text);
      break;
    default:
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot %s %s: network stack error %d", what, text, lwip_error);
      break;
    }
}

/* --- In a turn --- */

/* Nobody accepts a dead one. Where somebody has just taken it, it is his to see. */
static void
died_cb (TnLwipConn *conn,
         gpointer    data)
{
  TnLwipAcceptor *self = data;
  gboolean found;

  g_mutex_lock (&self->lock);
  found = g_queue_remove (&self->conns, conn);
  g_mutex_unlock (&self->lock);
  if (found)
    tn_lwip_conn_unref (conn);
}

static err_t
accept_cb (void           *arg,
           struct tcp_pcb *pcb,
           err_t           err)
{
  TnLwipAcceptor *self = arg;
  TnLwipConn *conn;
  GTask *task;

  if (err != ERR_OK || pcb == NULL)
    return ERR_VAL;
  conn = tn_lwip_conn_new_accepted (self->netif, pcb);
  g_mutex_lock (&self->lock);
  task = tn_lwip_waiters_take (&self->waiters);
  if (task == NULL)
    {
      g_atomic_ref_count_inc (&self->ref_count);
      tn_lwip_conn_watch (conn, died_cb, self, acceptor_unref);
      tcp_backlog_delayed (pcb);
      g_queue_push_tail (&self->conns, conn);
    }
  g_mutex_unlock (&self->lock);
  if (task != NULL)
    {
      g_task_return_pointer (task, tn_lwip_stream_new (conn), g_object_unref);
      g_object_unref (task);
    }
  return ERR_OK;
}

/* Those whom nobody accepted are reset, as anywhere. */
static void
drop_conns (TnLwipAcceptor *self)
{
  TnLwipConn *conn;

  for (;;)
    {
      g_mutex_lock (&self->lock);
      conn = g_queue_pop_head (&self->conns);
      g_mutex_unlock (&self->lock);
      if (conn == NULL)
        return;
      tn_lwip_conn_reset (conn);
      tn_lwip_conn_unref (conn);
    }
}

static void
end_listening (TnLwipAcceptor *self)
{
  if (self->pcb == NULL)
    return;
  tcp_arg (self->pcb, NULL);
  tcp_close (self->pcb);
  self->pcb = NULL;
  tn_lwip_netif_remove_user (self->netif, &self->user);
  drop_conns (self);
  acceptor_unref (self);
}

static void
close_run (TnLwipJob *job)
{
  TnLwipAcceptor *self = (TnLwipAcceptor *) ((char *) job - G_STRUCT_OFFSET (TnLwipAcceptor, close_job));

  end_listening (self);
  acceptor_unref (self);
}

static void
stopped_cb (TnLwipNetifUser *user)
{
  TnLwipAcceptor *self = (TnLwipAcceptor *) ((char *) user - G_STRUCT_OFFSET (TnLwipAcceptor, user));

  g_atomic_ref_count_inc (&self->ref_count);
  g_mutex_lock (&self->lock);
  self->stopped = TRUE;
  g_mutex_unlock (&self->lock);
  end_listening (self);
  tn_lwip_waiters_fail (&self->waiters, "the network stack was stopped");
  acceptor_unref (self);
}

static err_t
start_listening (TnLwipAcceptor *self)
{
  ip_addr_t local = tn_lwip_address_to_lwip (&self->local.address);
  struct tcp_pcb *bound, *listening = NULL;
  err_t err;

  if (self->local.address.version != 0 && !tn_lwip_netif_has_address (self->netif, &self->local.address))
    return ERR_RTE;
  if (!tn_lwip_netif_add_user (self->netif, &self->user))
    return ERR_IF;
  bound = tcp_new_ip_type (IP_GET_TYPE (&local));
  tcp_bind_netif (bound, tn_lwip_netif_get (self->netif));
  ip_set_option (bound, SOF_REUSEADDR);     /* what lingers in TIME-WAIT does not count */
  err = tcp_bind (bound, &local, self->local.port);
  if (err == ERR_OK)
    listening = tn_lwip_backlog_listen (bound, self->backlog, &err);
  if (listening == NULL)
    {
      tcp_close (bound);
      tn_lwip_netif_remove_user (self->netif, &self->user);
      return err;
    }
  self->pcb = listening;
  self->local.port = listening->local_port;
  g_atomic_ref_count_inc (&self->ref_count);
  tcp_arg (listening, self);
  tcp_accept (listening, accept_cb);
  return ERR_OK;
}

/* Where nobody wants the listener any more, the task drops it, and that closes it. */
static void
listen_run (GTask *task)
{
  TnLwipAcceptor *acceptor = g_task_get_task_data (task);
  err_t err = start_listening (acceptor);
  GError *error = NULL;
  TnLwipListener *listener;

  if (err != ERR_OK)
    {
      tn_lwip_set_bind_error (&error, "listen on", &acceptor->local, err);
      g_task_return_error (task, error);
      return;
    }
  listener = g_object_new (TN_TYPE_LWIP_LISTENER, NULL);
  g_atomic_ref_count_inc (&acceptor->ref_count);
  listener->acceptor = acceptor;
  g_task_return_pointer (task, listener, g_object_unref);
}

/* --- Any thread --- */

static void
acceptor_close (TnLwipAcceptor *self)
{
  gboolean closed;

  g_mutex_lock (&self->lock);
  closed = self->closed;
  self->closed = TRUE;
  g_mutex_unlock (&self->lock);
  if (closed)
    return;
  g_atomic_ref_count_inc (&self->ref_count);
  if (!tn_lwip_netif_post (self->netif, &self->close_job))
    acceptor_unref (self);
  tn_lwip_waiters_fail (&self->waiters, "listener was closed");
}

static GSocketAddress *
tn_lwip_listener_dup_local_address (TnNetstackListener *listener)
{
  return tn_lwip_endpoint_to_socket_address (&TN_LWIP_LISTENER (listener)->acceptor->local);
}

static void
tn_lwip_listener_accept_async (TnNetstackListener *listener,
                               GCancellable       *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer            user_data)
{
  TnLwipAcceptor *acceptor = TN_LWIP_LISTENER (listener)->acceptor;
  GTask *task = g_task_new (listener, cancellable, callback, user_data);
  TnLwipConn *conn = NULL;
  gboolean ended;

  g_task_set_source_tag (task, tn_lwip_listener_accept_async);
  if (g_task_return_error_if_cancelled (task))
    {
      g_object_unref (task);
      return;
    }
  g_mutex_lock (&acceptor->lock);
  ended = acceptor->closed || acceptor->stopped;
  if (!ended && (conn = g_queue_pop_head (&acceptor->conns)) == NULL)
    tn_lwip_waiters_add (&acceptor->waiters, g_object_ref (task));
  g_mutex_unlock (&acceptor->lock);
  if (ended)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "listener is closed");
  if (conn != NULL)
    {
      tn_lwip_conn_accepted (conn);
      g_task_return_pointer (task, tn_lwip_stream_new (conn), g_object_unref);
    }
  g_object_unref (task);
}

static TnNetstackStream *
tn_lwip_listener_accept_finish (TnNetstackListener *listener,
                                GAsyncResult       *result,
                                GError            **error)
{
  g_return_val_if_fail (g_task_is_valid (result, listener), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
tn_lwip_listener_close (TnNetstackListener *listener)
{
  acceptor_close (TN_LWIP_LISTENER (listener)->acceptor);
}

static void
tn_lwip_listener_finalize (GObject *object)
{
  TnLwipAcceptor *acceptor = TN_LWIP_LISTENER (object)->acceptor;

  acceptor_close (acceptor);
  acceptor_unref (acceptor);
  G_OBJECT_CLASS (tn_lwip_listener_parent_class)->finalize (object);
}

static void
tn_lwip_listener_class_init (TnLwipListenerClass *klass)
{
  TnNetstackListenerClass *listener_class = TN_NETSTACK_LISTENER_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = tn_lwip_listener_finalize;
  listener_class->dup_local_address = tn_lwip_listener_dup_local_address;
  listener_class->accept_async = tn_lwip_listener_accept_async;
  listener_class->accept_finish = tn_lwip_listener_accept_finish;
  listener_class->close = tn_lwip_listener_close;
}

static void
tn_lwip_listener_init (TnLwipListener *self)
{
}

void
tn_lwip_listen (TnLwipNetif        *netif,
                const TnIpEndpoint *local,
                guint               backlog,
                GTask              *task)
{
  TnLwipAcceptor *acceptor = g_new0 (TnLwipAcceptor, 1);

  g_atomic_ref_count_init (&acceptor->ref_count);
  acceptor->netif = tn_lwip_netif_ref (netif);
  acceptor->local = *local;
  g_mutex_init (&acceptor->lock);
  acceptor->waiters.lock = &acceptor->lock;
  acceptor->close_job.run = close_run;
  acceptor->user.stopped = stopped_cb;
  acceptor->backlog = backlog == 0 ? BACKLOG_DEFAULT : MIN (backlog, TN_LWIP_BACKLOG_MAX);
  g_task_set_task_data (task, acceptor, acceptor_unref);
  tn_lwip_netif_run_task (netif, task, listen_run);
}
