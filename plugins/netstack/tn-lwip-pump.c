/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tn-lwip-core.h"
#include "tn-lwip-stream.h"
#include "tn-socket-pair.h"

/* Joins a connection to a descriptor that somebody else has the other end of. It runs in the core's thread, between the connection's
 * buffers and the descriptor's. */
typedef struct
{
  TnLwipConn     *conn;             /* a reference */
  int             fd;
  GSource        *fd_in;            /* each NULL when its direction does not wait for it */
  GSource        *fd_out;
  GSource        *fd_gone;          /* once nothing comes from there any more: tells that nobody reads there, either */
  GSource        *conn_in;
  GSource        *conn_out;
  gsize           pending_start;    /* bytes for the descriptor that it did not take */
  gsize           pending_len;
  gboolean        to_fd_ended;
  gboolean        from_fd_ended;
  guint8          pending[32 * 1024];
} TnLwipPump;

static void pump_run (TnLwipPump *self);

static void
clear_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
pump_end (TnLwipPump *self,
          gboolean    reset)
{
  struct linger linger = { .l_onoff = 1, .l_linger = 0 };

  clear_source (&self->fd_in);
  clear_source (&self->fd_out);
  clear_source (&self->fd_gone);
  clear_source (&self->conn_in);
  clear_source (&self->conn_out);
  if (reset)
    setsockopt (self->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  close (self->fd);
  tn_lwip_conn_close (self->conn);
  tn_lwip_conn_unref (self->conn);
  g_free (self);
  tn_lwip_core_release ();
}

static gboolean
fd_cb (int          fd,
       GIOCondition condition,
       gpointer     user_data)
{
  TnLwipPump *self = user_data;

  clear_source ((condition & G_IO_OUT) != 0 && self->fd_out != NULL ? &self->fd_out : &self->fd_in);
  if ((condition & (G_IO_ERR | G_IO_HUP)) != 0)
    {
      clear_source (&self->fd_in);
      clear_source (&self->fd_out);
    }
  pump_run (self);
  return G_SOURCE_REMOVE;
}

static gboolean
fd_gone_cb (int          fd,
            GIOCondition condition,
            gpointer     user_data)
{
  pump_end (user_data, FALSE);
  return G_SOURCE_REMOVE;
}

static gboolean
conn_cb (gpointer user_data)
{
  TnLwipPump *self = user_data;

  if (tn_lwip_conn_is_readable (self->conn))
    clear_source (&self->conn_in);
  if (tn_lwip_conn_is_writable (self->conn))
    clear_source (&self->conn_out);
  pump_run (self);
  return G_SOURCE_REMOVE;
}

static void
watch_fd (TnLwipPump  *self,
          GSource    **source,
          GIOCondition condition)
{
  if (*source != NULL)
    return;
  *source = g_unix_fd_source_new (self->fd, condition);
  g_source_set_callback (*source, G_SOURCE_FUNC (fd_cb), self, NULL);
  g_source_attach (*source, tn_lwip_core_context ());
}

/* Whoever has closed the other end of a loopback connection looks like somebody who only sends no more, until the kernel has forgotten
 * that end (net.ipv4.tcp_fin_timeout, a minute) and refuses a probe. */
static void
watch_reader (TnLwipPump *self)
{
  const int on = 1, idle_s = 30, interval_s = 10;

  if (setsockopt (self->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0)
    {
      setsockopt (self->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
      setsockopt (self->fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    }
  self->fd_gone = g_unix_fd_source_new (self->fd, 0);
  g_source_set_callback (self->fd_gone, G_SOURCE_FUNC (fd_gone_cb), self, NULL);
  g_source_attach (self->fd_gone, tn_lwip_core_context ());
}

static void
watch_conn (TnLwipPump  *self,
            GSource    **source,
            GIOCondition condition)
{
  if (*source != NULL)
    return;
  *source = tn_lwip_conn_create_source (self->conn, condition);
  g_source_set_callback (*source, conn_cb, self, NULL);
  g_source_attach (*source, tn_lwip_core_context ());
}

/* FALSE: it is over. */
static gboolean
flush_pending (TnLwipPump *self)
{
  while (self->pending_len > 0)
    {
      gssize n = send (self->fd, self->pending + self->pending_start, self->pending_len, MSG_NOSIGNAL | MSG_DONTWAIT);

      if (n < 0 && errno == EAGAIN)
        {
          watch_fd (self, &self->fd_out, G_IO_OUT);
          return TRUE;
        }
      if (n < 0 && errno != EINTR)
        {
          pump_end (self, FALSE);     /* nobody reads there: what the peer sends is refused, too */
          return FALSE;
        }
      if (n > 0)
        {
          self->pending_start += (gsize) n;
          self->pending_len -= (gsize) n;
        }
    }
  return TRUE;
}

static gboolean
pump_to_fd (TnLwipPump *self)
{
  while (!self->to_fd_ended)
    {
      g_autoptr (GError) error = NULL;
      gssize n;

      if (!flush_pending (self))
        return FALSE;
      if (self->pending_len > 0)
        return TRUE;
      n = tn_lwip_conn_read (self->conn, self->pending, sizeof self->pending, FALSE, NULL, &error);
      if (n < 0 && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        {
          watch_conn (self, &self->conn_in, G_IO_IN);
          return TRUE;
        }
      if (n < 0)
        {
          pump_end (self, TRUE);
          return FALSE;
        }
      self->pending_start = 0;
      self->pending_len = (gsize) n;
      if (n == 0)
        {
          self->to_fd_ended = TRUE;
          shutdown (self->fd, SHUT_WR);
        }
    }
  return TRUE;
}

static gboolean
pump_from_fd (TnLwipPump *self)
{
  guint8 buffer[32 * 1024];

  while (!self->from_fd_ended)
    {
      gssize n;

      if (!tn_lwip_conn_is_writable (self->conn))
        {
          watch_conn (self, &self->conn_out, G_IO_OUT);
          return TRUE;
        }
      n = recv (self->fd, buffer, sizeof buffer, MSG_DONTWAIT);
      if (n < 0 && errno == EAGAIN)
        {
          watch_fd (self, &self->fd_in, G_IO_IN);
          return TRUE;
        }
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          tn_lwip_conn_reset (self->conn);
          pump_end (self, FALSE);
          return FALSE;
        }
      if (n == 0)
        {
          self->from_fd_ended = TRUE;
          watch_reader (self);
          tn_lwip_conn_shutdown (self->conn, FALSE, TRUE, NULL);
        }
      else if (!tn_lwip_conn_write_all (self->conn, buffer, (gsize) n))
        {
          pump_end (self, TRUE);
          return FALSE;
        }
    }
  return TRUE;
}

static void
pump_run (TnLwipPump *self)
{
  if (!pump_from_fd (self) || !pump_to_fd (self))
    return;
  if (self->from_fd_ended && self->to_fd_ended)
    pump_end (self, FALSE);
  else if (tn_lwip_conn_has_failed (self->conn) && self->to_fd_ended)
    pump_end (self, TRUE);
}

static gboolean
start_cb (gpointer data)
{
  pump_run (data);
  return G_SOURCE_REMOVE;
}

/* The thread stays for as long as the pump has something to do, whatever becomes of the interface. */
int
tn_lwip_pump_start (TnLwipConn *conn,
                    GError    **error)
{
  g_autoptr (GSource) start = NULL;
  TnLwipPump *self;
  int fds[2];

  if (!tn_socket_pair_new (fds, error))
    return -1;
  self = g_new0 (TnLwipPump, 1);
  self->conn = tn_lwip_conn_ref (conn);
  self->fd = fds[1];
  tn_lwip_core_hold ();
  start = g_idle_source_new ();
  g_source_set_priority (start, G_PRIORITY_DEFAULT);
  g_source_set_callback (start, start_cb, self, NULL);
  g_source_attach (start, tn_lwip_core_context ());
  return fds[0];
}
