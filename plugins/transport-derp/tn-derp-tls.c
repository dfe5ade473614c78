/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/socket.h>

#include "tn-derp-tls.h"

/* Relays write records of a packet or two. Read one by one they cost two system calls each; read ahead, a fraction of one. */
#define READ_AHEAD (64 << 10)

struct _TnDerpTls
{
  gnutls_session_t                 session;
  gnutls_certificate_credentials_t credentials;
  int                              fd;
  gboolean                         shaken;        /* handshake is over */
  gboolean                         pending;       /* a record is written in part */
  int                              error_number;  /* of the last recv() that failed */
  gboolean                         drained;       /* the last read emptied the socket: the next would only say so */
  gsize                            start;
  gsize                            end;
  guint8                           ahead[READ_AHEAD];
};

static gssize
pull (gnutls_transport_ptr_t  ptr,
      void                   *out,
      gsize                   max)
{
  TnDerpTls *tls = ptr;
  gsize len;

  if (tls->start == tls->end)
    {
      gssize n;

      if (tls->drained)
        {
          gnutls_transport_set_errno (tls->session, EAGAIN);
          return -1;
        }
      n = recv (tls->fd, tls->ahead, sizeof tls->ahead, 0);
      if (n <= 0)
        {
          if (n < 0)
            {
              tls->error_number = errno;
              gnutls_transport_set_errno (tls->session, tls->error_number);
            }
          return n;
        }
      tls->start = 0;
      tls->end = (gsize) n;
      tls->drained = (gsize) n < sizeof tls->ahead;
    }

  len = MIN (max, tls->end - tls->start);
  memcpy (out, tls->ahead + tls->start, len);
  tls->start += len;
  return (gssize) len;
}

static gboolean
check (int          rc,
       const char  *what,
       GError     **error)
{
  if (rc >= 0)
    return TRUE;

  g_set_error (error, G_TLS_ERROR, G_TLS_ERROR_MISC, "%s: %s", what, gnutls_strerror (rc));
  return FALSE;
}

TnDerpTls *
tn_derp_tls_new (int          fd,
                 const char  *sni,
                 GError     **error)
{
  g_autoptr (TnDerpTls) tls = g_new0 (TnDerpTls, 1);

  tls->fd = fd;
  if (!check (gnutls_init (&tls->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), "cannot begin TLS", error) ||
      !check (gnutls_certificate_allocate_credentials (&tls->credentials), "cannot begin TLS", error) ||
      !check (gnutls_credentials_set (tls->session, GNUTLS_CRD_CERTIFICATE, tls->credentials), "cannot begin TLS", error) ||
      !check (gnutls_priority_set_direct (tls->session, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", NULL), "TLS priorities", error))
    return NULL;
  if (sni != NULL && !check (gnutls_server_name_set (tls->session, GNUTLS_NAME_DNS, sni, strlen (sni)), "server name", error))
    return NULL;

  gnutls_transport_set_ptr2 (tls->session, tls, GINT_TO_POINTER (fd));
  gnutls_transport_set_pull_function (tls->session, pull);
  return g_steal_pointer (&tls);
}

void
tn_derp_tls_free (TnDerpTls *tls)
{
  if (tls->session != NULL)
    {
      if (tls->shaken && !tls->pending)
        gnutls_bye (tls->session, GNUTLS_SHUT_WR);      /* a courtesy: it does not wait */
      gnutls_deinit (tls->session);
    }
  if (tls->credentials != NULL)
    gnutls_certificate_free_credentials (tls->credentials);
  g_free (tls);
}

void
tn_derp_tls_readable (TnDerpTls *tls)
{
  tls->drained = FALSE;
}

/* What a negative result means; @rc is one that does not end the session otherwise. */
static TnDerpIo
io_result (TnDerpTls   *tls,
           gssize       rc,
           const char  *what,
           GError     **error)
{
  switch (rc)
    {
    case GNUTLS_E_AGAIN:
    case GNUTLS_E_INTERRUPTED:
      return TN_DERP_IO_AGAIN;
    case GNUTLS_E_PREMATURE_TERMINATION:
      return TN_DERP_IO_END;
    case GNUTLS_E_PULL_ERROR:
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (tls->error_number), "%s: %s", what, g_strerror (tls->error_number));
      return TN_DERP_IO_FAILED;
    case GNUTLS_E_PUSH_ERROR:
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "%s: connection is broken", what);
      return TN_DERP_IO_FAILED;
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
      g_set_error (error, G_TLS_ERROR, G_TLS_ERROR_MISC, "%s: relay says: %s", what,
                   gnutls_alert_get_name (gnutls_alert_get (tls->session)));
      return TN_DERP_IO_FAILED;
    default:
      g_set_error (error, G_TLS_ERROR, G_TLS_ERROR_MISC, "%s: %s", what, gnutls_strerror ((int) rc));
      return TN_DERP_IO_FAILED;
    }
}

TnDerpIo
tn_derp_tls_handshake (TnDerpTls  *tls,
                       GError    **error)
{
  int rc;

  do
    rc = gnutls_handshake (tls->session);
  while (rc == GNUTLS_E_WARNING_ALERT_RECEIVED);

  if (rc < 0)
    return io_result (tls, rc, "TLS handshake", error);
  tls->shaken = TRUE;
  return TN_DERP_IO_DONE;
}

gboolean
tn_derp_tls_is_13 (TnDerpTls *tls)
{
  return gnutls_protocol_get_version (tls->session) >= GNUTLS_TLS1_3;
}

GPtrArray *
tn_derp_tls_dup_chain (TnDerpTls *tls)
{
  GPtrArray *chain = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  guint n = 0;
  const gnutls_datum_t *certificates = gnutls_certificate_get_peers (tls->session, &n);

  for (guint i = 0; certificates != NULL && i < n; i++)
    g_ptr_array_add (chain, g_bytes_new (certificates[i].data, certificates[i].size));
  return chain;
}

TnDerpIo
tn_derp_tls_read (TnDerpTls  *tls,
                  guint8     *out,
                  gsize       max,
                  gsize      *len,
                  GError    **error)
{
  gsize start;
  gssize n;

  /* A session ticket or new keys end a call without data, though the next record may be here already, and no longer in the socket. */
  do
    {
      start = tls->start;
      n = gnutls_record_recv (tls->session, out, max);
    }
  while (n == GNUTLS_E_WARNING_ALERT_RECEIVED || (n == GNUTLS_E_AGAIN && tls->start != tls->end && tls->start != start));

  if (n < 0)
    return io_result (tls, n, "cannot read", error);
  if (n == 0)
    return TN_DERP_IO_END;
  *len = (gsize) n;
  return TN_DERP_IO_DONE;
}

static TnDerpIo
write_result (TnDerpTls  *tls,
              gssize      rc,
              GError    **error)
{
  tls->pending = rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED;
  return rc >= 0 ? TN_DERP_IO_DONE : io_result (tls, rc, "cannot write", error);
}

TnDerpIo
tn_derp_tls_write (TnDerpTls     *tls,
                   const guint8  *data,
                   gsize          len,
                   GError       **error)
{
  g_assert (!tls->pending && len <= TN_DERP_TLS_RECORD_MAX);

  return write_result (tls, gnutls_record_send (tls->session, data, len), error);
}

TnDerpIo
tn_derp_tls_flush (TnDerpTls  *tls,
                   GError    **error)
{
  if (!tls->pending)
    return TN_DERP_IO_DONE;

  return write_result (tls, gnutls_record_send (tls->session, NULL, 0), error);      /* goes on with the record in its hands */
}

gboolean
tn_derp_tls_wants_write (TnDerpTls *tls)
{
  return tls->shaken ? tls->pending : gnutls_record_get_direction (tls->session) == 1;
}
