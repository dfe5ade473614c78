/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Header of datagrams through a peer relay (RFC 8926 without options). */
#define TN_GENEVE_LEN                8
#define TN_GENEVE_VERSION_MAX        3
#define TN_GENEVE_PROTOCOL_DISCO     0x7a11      /* tailscale net/packet/geneve.go */
#define TN_GENEVE_PROTOCOL_WIREGUARD 0x7a12

typedef struct
{
  guint8   version;
  gboolean control;     /* for the relay itself */
  guint16  protocol;
  guint32  vni;         /* 24 bits */
} TnGeneve;

gboolean tn_geneve_parse (TnGeneve *geneve, const guint8 *data, gsize len) G_GNUC_WARN_UNUSED_RESULT;      /* FALSE: too short */
gboolean tn_geneve_write (const TnGeneve *geneve, guint8 out[TN_GENEVE_LEN]) G_GNUC_WARN_UNUSED_RESULT;    /* FALSE: no such version */

G_END_DECLS
