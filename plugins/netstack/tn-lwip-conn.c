/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-lwip-conn-private.h"

#include <string.h>

#define RECVED_THRESHOLD (TCP_WND / 8)     /* read bytes are told to lwIP by so many: the window need not be exact */

TnLwipConn *
tn_lwip_conn_new (TnLwipNetif *netif)
{
  TnLwipConn *self = g_new0 (TnLwipConn, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->netif = tn_lwip_netif_ref (netif);
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->sources = g_ptr_array_new ();
  tn_lwip_conn_init_tcp (self);
  return self;
}

TnLwipConn *
tn_lwip_conn_ref (TnLwipConn *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
tn_lwip_conn_unref (TnLwipConn *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_assert (self->pcb == NULL && self->connect_task == NULL);
  tn_lwip_bytes_clear (&self->rx);
  tn_lwip_bytes_clear (&self->tx);
  g_ptr_array_unref (self->sources);
  g_cond_clear (&self->changed);
  g_mutex_clear (&self->lock);
  tn_lwip_netif_unref (self->netif);
  g_free (self);
}

void
tn_lwip_conn_get_endpoints (TnLwipConn   *self,
                            TnIpEndpoint *local,
                            TnIpEndpoint *remote)
{
  *local = self->local;
  *remote = self->remote;
}

static void
set_error_locked (TnLwipConn *self,
                  GError    **error)
{
  char text[TN_IP_ENDPOINT_TEXT_MAX];

  tn_ip_endpoint_print (&self->remote, text);
  g_set_error (error, G_IO_ERROR, self->error_code, "connection with %s: %s", text, self->error_text);
}

/* The stack may be gone while streams of it are still around: then nobody is posted to, and nobody needs it. */
static void
wake_stack_locked (TnLwipConn *self)
{
  if (!self->failed)
    tn_lwip_conn_post (self);
}

static gboolean
is_readable_locked (TnLwipConn *self)
{
  return self->rx.len > 0 || self->rx_ended || self->rx_shut || self->failed || self->closed;
}

static gboolean
is_writable_locked (TnLwipConn *self)
{
  return !self->tx_full || self->tx_shut || self->failed || self->closed;
}

gboolean
tn_lwip_conn_is_readable (TnLwipConn *self)
{
  gboolean readable;

  g_mutex_lock (&self->lock);
  readable = is_readable_locked (self);
  g_mutex_unlock (&self->lock);
  return readable;
}

gboolean
tn_lwip_conn_is_writable (TnLwipConn *self)
{
  gboolean writable;

  g_mutex_lock (&self->lock);
  writable = is_writable_locked (self);
  g_mutex_unlock (&self->lock);
  return writable;
}

gboolean
tn_lwip_conn_has_failed (TnLwipConn *self)
{
  gboolean failed;

  g_mutex_lock (&self->lock);
  failed = self->failed;
  g_mutex_unlock (&self->lock);
  return failed;
}

static void
cancelled_cb (GCancellable *cancellable,
              gpointer      user_data)
{
  TnLwipConn *self = user_data;

  g_mutex_lock (&self->lock);
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

/* Blocks, if wanted, until @is_ready; with the lock held when it returns TRUE. */
static gboolean
lock_when_ready (TnLwipConn   *self,
                 gboolean    (*is_ready) (TnLwipConn *self),
                 gboolean      blocking,
                 GCancellable *cancellable,
                 GError      **error)
{
  gulong handler = 0;
  gboolean ready;

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  g_mutex_lock (&self->lock);
  if (is_ready (self))
    return TRUE;
  if (!blocking)
    {
      g_mutex_unlock (&self->lock);
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, g_strerror (EAGAIN));
      return FALSE;
    }

  /* Connected without the lock: the handler takes it, and may run at once. */
  g_mutex_unlock (&self->lock);
  if (cancellable != NULL)
    handler = g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb), self, NULL);
  g_mutex_lock (&self->lock);
  self->n_waiting++;
  while (!(ready = is_ready (self)) && !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&self->changed, &self->lock);
  self->n_waiting--;
  g_mutex_unlock (&self->lock);
  g_cancellable_disconnect (cancellable, handler);
  if (!ready)
    {
      g_cancellable_set_error_if_cancelled (cancellable, error);
      return FALSE;
    }
  g_mutex_lock (&self->lock);     /* what is ready stays so: there is one reader, and one writer */
  return TRUE;
}

/* What nobody is to read any more. Not while somebody copies from it: then it is his to do. */
static void
drop_received_locked (TnLwipConn *self)
{
  self->consumed += self->rx.len;
  tn_lwip_bytes_skip (&self->rx, self->rx.len);
}

gssize
tn_lwip_conn_read (TnLwipConn   *self,
                   void         *buffer,
                   gsize         len,
                   gboolean      blocking,
                   GCancellable *cancellable,
                   GError      **error)
{
  gsize done = 0, n;
  const guint8 *data;

  if (len == 0)
    return 0;
  if (!lock_when_ready (self, is_readable_locked, blocking, cancellable, error))
    return -1;
  if (self->rx.len == 0 && self->failed && !self->rx_shut)
    {
      set_error_locked (self, error);
      g_mutex_unlock (&self->lock);
      return -1;
    }
  self->rx_reading = TRUE;
  while (done < len && !self->rx_shut && (data = tn_lwip_bytes_peek (&self->rx, &n)) != NULL)
    {
      n = MIN (n, len - done);
      g_mutex_unlock (&self->lock);
      memcpy ((guint8 *) buffer + done, data, n);
      g_mutex_lock (&self->lock);
      tn_lwip_bytes_skip (&self->rx, n);
      done += n;
    }
  self->rx_reading = FALSE;
  self->consumed += done;
  if (self->rx_shut)
    drop_received_locked (self);
  if (self->consumed >= RECVED_THRESHOLD)
    wake_stack_locked (self);
  g_mutex_unlock (&self->lock);
  return (gssize) done;
}

static gboolean
check_writable_locked (TnLwipConn *self,
                       GError    **error)
{
  if (self->failed)
    {
      set_error_locked (self, error);
      return FALSE;
    }
  if (self->tx_shut || self->closed)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "connection is shut down for writing");
      return FALSE;
    }
  return TRUE;
}

gssize
tn_lwip_conn_write (TnLwipConn   *self,
                    const void   *buffer,
                    gsize         len,
                    gboolean      blocking,
                    GCancellable *cancellable,
                    GError      **error)
{
  gsize done = 0, n;

  if (!lock_when_ready (self, is_writable_locked, blocking, cancellable, error))
    return -1;
  if (!check_writable_locked (self, error))
    {
      g_mutex_unlock (&self->lock);
      return -1;
    }
  while (done < len && self->tx.len < TCP_SND_BUF)
    {
      guint8 *room = tn_lwip_bytes_reserve (&self->tx, MIN (len - done, TCP_SND_BUF - self->tx.len), &n);

      g_mutex_unlock (&self->lock);
      memcpy (room, (const guint8 *) buffer + done, n);
      g_mutex_lock (&self->lock);
      tn_lwip_bytes_commit (&self->tx, n);
      self->tx_full |= self->tx.len >= TCP_SND_BUF;
      done += n;
      wake_stack_locked (self);
    }
  g_mutex_unlock (&self->lock);
  return (gssize) done;
}

gboolean
tn_lwip_conn_write_all (TnLwipConn *self,
                        const void *buffer,
                        gsize       len)
{
  gboolean writable;

  g_mutex_lock (&self->lock);
  writable = check_writable_locked (self, NULL);
  if (writable)
    {
      tn_lwip_bytes_append (&self->tx, buffer, len);
      self->tx_full |= self->tx.len >= TCP_SND_BUF;
      wake_stack_locked (self);
    }
  g_mutex_unlock (&self->lock);
  return writable;
}

gboolean
tn_lwip_conn_shutdown (TnLwipConn *self,
                       gboolean    read,
                       gboolean    write,
                       GError    **error)
{
  g_mutex_lock (&self->lock);
  if (self->failed)
    {
      set_error_locked (self, error);
      g_mutex_unlock (&self->lock);
      return FALSE;
    }
  if (read)
    {
      self->rx_shut = TRUE;
      if (!self->rx_reading)
        drop_received_locked (self);
      tn_lwip_conn_wake_sources (self, G_IO_IN);
    }
  if (write)
    {
      self->tx_shut = TRUE;
      tn_lwip_conn_wake_sources (self, G_IO_OUT);
    }
  g_cond_broadcast (&self->changed);
  wake_stack_locked (self);
  g_mutex_unlock (&self->lock);
  return TRUE;
}

void
tn_lwip_conn_close (TnLwipConn *self)
{
  g_mutex_lock (&self->lock);
  if (!self->closed)
    {
      self->closed = TRUE;
      tn_lwip_conn_wake_sources (self, G_IO_IN | G_IO_OUT);
      g_cond_broadcast (&self->changed);
      wake_stack_locked (self);
    }
  g_mutex_unlock (&self->lock);
}

void
tn_lwip_conn_cancel (TnLwipConn *self)
{
  g_mutex_lock (&self->lock);
  self->cancelled = TRUE;
  wake_stack_locked (self);
  g_mutex_unlock (&self->lock);
}
