/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-udp-address.h"
#include "tn-udp-train.h"

G_BEGIN_DECLS

#define TN_UDP_RECEIVE_MAX 65535      /* bytes: what a train of the kernel may have, and no datagram exceeds */
#define TN_UDP_NARROW_MAX  8

/* A socket of one family, and what its network turned out to be able to do. */
typedef struct
{
  int           fd;                   /* -1: none */
  guint8        version;              /* 4 or 6 */
  guint16       port;
  gboolean      segments;             /* it takes trains. Once refused, never again */
  gboolean      merges;               /* it hands out trains */
  TnIpAddress   narrow[TN_UDP_NARROW_MAX];      /* destinations whose link is too narrow for trains: they get fragments */
  guint         n_narrow;             /* so far; the oldest gives way */
  guint         n_refused;            /* of these, by what may be true of all */
} TnUdpSocket;

typedef struct
{
  gboolean segments;                  /* FALSE: not even if the kernel can */
  gboolean merges;
  guint32  mark;                      /* of what it sends, 0: none */
} TnUdpOptions;

/* @port 0: any. A mark without the right to set it is left out. 0, or an errno. */
int      tn_udp_socket_open  (TnUdpSocket *socket, guint8 version, guint16 port, const TnUdpOptions *options);
void     tn_udp_socket_close (TnUdpSocket *socket);

typedef enum
{
  TN_UDP_SENT,
  TN_UDP_FULL,                        /* not now: the socket is to be waited for */
  TN_UDP_LOST,                        /* this destination takes none of it; errno says why */
} TnUdpVerdict;

/* Sends from packets[*first...] on to one address, moves *first behind what was sent or lost, and counts the latter. FULL: the rest
 * is left; SENT: there is no rest. */
TnUdpVerdict tn_udp_socket_send (TnUdpSocket *socket, const TnPathAddress *to, const TnPacketBatch *batch, guint *first, guint64 *n_lost);

/* One datagram or train into @data, which has room for TN_UDP_RECEIVE_MAX; its length, -1 with errno. *segment_size 0: it is a single
 * one. 0: nothing of use. */
gssize   tn_udp_socket_receive (TnUdpSocket *socket, guint8 *data, TnPathAddress *from, guint16 *segment_size);

G_END_DECLS
