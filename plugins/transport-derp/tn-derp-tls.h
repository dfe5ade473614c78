/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* TLS on a nonblocking socket. GnuTLS itself and not GTlsConnection: that one hides the chain of the peer, which pins and the
 * relay's key need, and has a copy, a cancellable and a GSource more on each read and write. */

#include <gio/gio.h>

G_BEGIN_DECLS

#define TN_DERP_TLS_RECORD_MAX 16384

typedef enum
{
  TN_DERP_IO_DONE,
  TN_DERP_IO_AGAIN,       /* wait for the socket */
  TN_DERP_IO_END,         /* the other side closed */
  TN_DERP_IO_FAILED,      /* error is set */
} TnDerpIo;

typedef struct _TnDerpTls TnDerpTls;

/* @fd stays the caller's, and is not to be closed before. @sni: nullable. */
TnDerpTls *tn_derp_tls_new          (int fd, const char *sni, GError **error);
void       tn_derp_tls_free         (TnDerpTls *tls);

/* The socket has something to read: to be called before the others whenever it was polled so. */
void       tn_derp_tls_readable     (TnDerpTls *tls);

TnDerpIo   tn_derp_tls_handshake    (TnDerpTls *tls, GError **error);
gboolean   tn_derp_tls_is_13        (TnDerpTls *tls);

/* GBytes of DER, leaf first. */
GPtrArray *tn_derp_tls_dup_chain    (TnDerpTls *tls);

TnDerpIo   tn_derp_tls_read         (TnDerpTls *tls, guint8 *out, gsize max, gsize *len, GError **error);

/* Exactly one record. AGAIN: it was taken, and flush() has to be DONE before the next. */
TnDerpIo   tn_derp_tls_write        (TnDerpTls *tls, const guint8 *data, gsize len, GError **error);
TnDerpIo   tn_derp_tls_flush        (TnDerpTls *tls, GError **error);
gboolean   tn_derp_tls_wants_write  (TnDerpTls *tls);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnDerpTls, tn_derp_tls_free)

G_END_DECLS
