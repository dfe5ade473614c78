/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-conn-private.h"

#include "tn-error.h"

/* From a task to a connection. Everything here runs in a turn, but for tn_lwip_conn_connect(). */

void
tn_lwip_conn_fail_connect (TnLwipConn *self,
                           int         code,
                           const char *text)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->connect_task);
  char remote[TN_IP_ENDPOINT_TEXT_MAX];

  if (g_task_return_error_if_cancelled (task))
    return;
  tn_ip_endpoint_print (&self->remote, remote);
  g_task_return_new_error (task, G_IO_ERROR, code, "cannot connect to %s: %s", remote, text);
}

void
tn_lwip_conn_blocked (TnLwipConn *self,
                      const char *reason)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->connect_task);
  char remote[TN_IP_ENDPOINT_TEXT_MAX];

  tn_ip_endpoint_print (&self->remote, remote);
  if (task != NULL && !g_task_return_error_if_cancelled (task))
    g_task_return_new_error (task, TN_ERROR, TN_ERROR_BLOCKED, "cannot connect to %s: the peer refuses, as %s", remote, reason);
  tn_lwip_conn_abort (self, G_IO_ERROR_CONNECTION_REFUSED, "refused by the peer");
}

static void
close_and_unref (gpointer data)
{
  tn_lwip_conn_close (data);
  tn_lwip_conn_unref (data);
}

static err_t
connected_cb (void           *arg,
              struct tcp_pcb *pcb,
              err_t           err)
{
  TnLwipConn *self = arg;
  g_autoptr (GTask) task = g_steal_pointer (&self->connect_task);

  tn_lwip_conn_take_endpoints (self);
  g_task_return_pointer (task, tn_lwip_conn_ref (self), close_and_unref);
  return ERR_OK;
}

typedef struct
{
  TnLwipJob   job;
  TnLwipConn *conn;     /* a reference */
} TnLwipConnect;

static err_t
start_connect (TnLwipConn *self)
{
  ip_addr_t remote = tn_lwip_address_to_lwip (&self->remote.address);
  struct tcp_pcb *pcb;

  if (!tn_lwip_netif_add_user (self->netif, &self->user))
    return ERR_IF;
  pcb = tcp_new_ip_type (IP_GET_TYPE (&remote));
  if (pcb == NULL)
    return ERR_MEM;
  tcp_bind_netif (pcb, tn_lwip_netif_get (self->netif));
  tn_lwip_conn_adopt (self, pcb);
  return tcp_connect (pcb, &remote, self->remote.port, connected_cb);
}

static void
connect_run (TnLwipJob *job)
{
  TnLwipConnect *call = (TnLwipConnect *) job;
  TnLwipConn *self = call->conn;
  gboolean cancelled;
  err_t err;

  g_mutex_lock (&self->lock);
  cancelled = self->cancelled;
  g_mutex_unlock (&self->lock);
  err = cancelled ? ERR_ABRT : start_connect (self);
  if (err == ERR_RTE)
    tn_lwip_conn_abort (self, G_IO_ERROR_HOST_UNREACHABLE, "there is no own address of its family");
  else if (err == ERR_IF)
    tn_lwip_conn_abort (self, G_IO_ERROR_CLOSED, "the network stack was stopped");
  else if (err == ERR_ABRT)
    tn_lwip_conn_abort (self, G_IO_ERROR_CANCELLED, "cancelled");
  else if (err == ERR_BUF)
    tn_lwip_conn_abort (self, G_IO_ERROR_ADDRESS_IN_USE, "no local port is free");
  else if (err != ERR_OK)
    tn_lwip_conn_abort (self, G_IO_ERROR_FAILED, "out of memory");
  g_free (call);
  tn_lwip_conn_unref (self);
}

void
tn_lwip_conn_connect (TnLwipConn         *self,
                      const TnIpEndpoint *remote,
                      GTask              *task)
{
  TnLwipConnect *call = g_new0 (TnLwipConnect, 1);

  self->remote = *remote;
  self->connect_task = task;
  call->job.run = connect_run;
  call->conn = tn_lwip_conn_ref (self);
  if (tn_lwip_netif_post (self->netif, &call->job))
    return;
  self->connect_task = NULL;
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CLOSED, "the network stack was stopped");
  g_object_unref (task);
  tn_lwip_conn_unref (self);
  g_free (call);
}
